"""`selectors`: waiting for any of several pipes or sockets, as asyncio and multiprocessing do."""

from __future__ import annotations

from . import fileformat
from .patching import replace, same_face
from .tape import record

TYPE_CHECKING = False  # `typing` costs more to import than all of the recorder
if TYPE_CHECKING:
    from typing import Any

WAIT, GOT = fileformat.WAIT << 56 | fileformat.PIPE, fileformat.GOT << 56 | fileformat.PIPE


def install(selectors: Any) -> None:
    """Patch the module `selectors`."""
    for name in ("SelectSelector", "PollSelector", "EpollSelector", "DevpollSelector", "KqueueSelector"):
        cls = getattr(selectors, name, None)
        if cls is not None:
            _patch(cls)


def _patch(cls: Any) -> None:
    original = cls.select

    def select(self: Any, timeout: float | None = None) -> Any:
        if timeout is not None and timeout <= 0:
            return original(self, timeout)  # a look, no wait
        record(WAIT)
        try:
            return original(self, timeout)
        finally:
            record(GOT)

    replace(cls, "select", same_face(select, original))

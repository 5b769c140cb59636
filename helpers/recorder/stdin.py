"""Standard input: `input()`, and reads of `sys.stdin` that find nothing there yet."""

from __future__ import annotations

import builtins
import sys

from . import io
from .patching import replace, same_face

TYPE_CHECKING = False  # `typing` costs more to import than all of the recorder
if TYPE_CHECKING:
    from typing import Any

_BUILTIN = type(len)


def install() -> None:
    """Replace `input`."""
    original = builtins.input

    def input(*arguments: Any) -> str:  # noqa: A001
        if not _asks_somebody(original):
            return original(*arguments)
        return str(io.transfer(io.PIPE, io.IN, True, original, *arguments))

    replace(builtins, "input", same_face(input, original))


def _asks_somebody(function: Any) -> bool:
    """Whether it is read from a terminal, past `sys.stdin`; or it is a notebook's, which sends a message."""
    if type(function) is not _BUILTIN:
        return True
    try:
        return bool(sys.stdin.isatty())
    except (AttributeError, ValueError):  # there is none, or it is closed
        return False


def watch() -> None:
    """Have `sys.stdin` say when it waits; only at the start, as what it has read already gets lost."""
    import _io

    try:
        buffer: Any = sys.stdin.buffer
        raw = buffer.raw
    except (AttributeError, ValueError):
        return
    if type(raw) is not _io.FileIO or type(buffer) is not _io.BufferedReader:
        return  # a console of Windows

    class Raw(_io.FileIO):
        def readinto(self, *arguments: Any) -> Any:
            return io.transfer(*self._about(), super().readinto, *arguments)

        def readall(self) -> Any:
            return io.transfer(*self._about(), super().readall)

        def read(self, *arguments: Any) -> Any:
            return io.transfer(*self._about(), super().read, *arguments)

        def __repr__(self) -> str:  # from 3.14 on it would lack the module
            return super().__repr__().replace("<FileIO ", "<_io.FileIO ")

        def _about(self) -> tuple[int, int, bool]:
            descriptor = self.fileno()
            return io.channel(descriptor) or io.PIPE, io.IN, io.would_block(descriptor, io.IN)

    Raw.__name__ = Raw.__qualname__ = "FileIO"
    Raw.__module__ = "_io"
    watching = Raw(raw.fileno(), "rb", closefd=False)
    watching.name = raw.name
    buffer.__init__(watching)  # type: ignore[misc]  # the same objects as ever, but for the innermost

"""Pipes and sockets: `select`, `os.read` and `os.write`, and the methods of sockets.

Only what blocks is a wait. Whether a call will, nobody can know beforehand; but whether its pipe or
socket is ready at this moment can be asked, of any file descriptor (an ordinary file always is), in
about a microsecond. Where two read from one pipe, the other may be faster: that wait is not seen. A
call from inside the standard library is left alone: what it is part of is recorded.
"""

from __future__ import annotations

import os
import sys

from . import fileformat
from .patching import INTERNAL, replace, same_face
from .tape import record

TYPE_CHECKING = False  # `typing` costs more to import than all of the recorder
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

WAIT, GOT = fileformat.WAIT << 56 | fileformat.PIPE, fileformat.GOT << 56 | fileformat.PIPE

_poll: Callable[[], Any] | None = None
_IN, _OUT = 1, 4  # select.POLLIN and POLLOUT, wherever there is a poll()


def _would_block(descriptor: Any, event: int) -> bool:
    """Whether a read (or, for _OUT, a write) would have to wait now; True where that cannot be asked."""
    global _poll
    if type(descriptor) is not int or not 0 <= descriptor < 1 << 31:
        return False  # it raises
    if _poll is None:
        import select  # not at the start: few programs need it

        if not hasattr(select, "poll"):
            return True  # Windows
        _poll = select.poll
        while hasattr(_poll, "__wrapped__"):  # as below
            _poll = _poll.__wrapped__
    asked = _poll()
    asked.register(descriptor, event)
    return not asked.poll(0)


def _called_from_inside(depth: int = 2) -> bool:
    module = sys._getframe(depth).f_globals.get("__name__") or ""
    return module.partition(".")[0] in INTERNAL


def install() -> None:
    """Replace `os.read` and `os.write`."""
    for name, event in (("read", _IN), ("write", _OUT)):
        _of_descriptor(name, event)


def _of_descriptor(name: str, event: int) -> None:
    original = getattr(os, name)

    def call(*arguments: Any) -> Any:
        if not arguments or _called_from_inside() or not _would_block(arguments[0], event):
            return original(*arguments)
        record(WAIT)
        try:
            return original(*arguments)
        finally:
            record(GOT)

    replace(os, name, same_face(call, original))


def select(module: Any) -> None:
    """Patch the module `select`."""
    original = module.select

    def select(*arguments: Any) -> Any:
        if (len(arguments) > 3 and _is_a_look(arguments[3])) or _called_from_inside():
            return original(*arguments)
        record(WAIT)
        try:
            return original(*arguments)
        finally:
            record(GOT)

    replace(module, "select", same_face(select, original))
    if hasattr(module, "poll"):
        _polling(module)


def _is_a_look(timeout: Any) -> bool:
    """Whether nobody waits: a timeout of 0, or a bad one."""
    return timeout is not None and not (isinstance(timeout, (int, float)) and timeout > 0)


def _polling(module: Any) -> None:
    original = module.poll

    class Poll:
        """What poll() returns cannot be patched, and so is wrapped."""

        __slots__ = ("_inner", "modify", "register", "unregister")

        def __init__(self) -> None:
            self._inner = inner = original()
            self.register, self.modify, self.unregister = inner.register, inner.modify, inner.unregister

        def poll(self, *arguments: Any) -> Any:
            if arguments and arguments[0] != -1 and _is_a_look(arguments[0]):
                return self._inner.poll(*arguments)
            record(WAIT)
            try:
                return self._inner.poll(*arguments)
            finally:
                record(GOT)

    def poll(*arguments: Any) -> Any:
        return original(*arguments) if arguments or _called_from_inside() else Poll()

    replace(module, "poll", same_face(poll, original))


def socket(module: Any) -> None:
    """Patch `socket.socket`."""
    cls = module.socket
    for name in ("recv", "recv_into", "recvfrom", "recvfrom_into", "recvmsg", "accept"):
        _of_socket(cls, name, _IN)
    for name in ("send", "sendto", "sendmsg"):
        _of_socket(cls, name, _OUT)
    for name in ("sendall", "connect"):
        _of_socket(cls, name, None)


def _of_socket(cls: Any, name: str, event: int | None) -> None:
    original = getattr(cls, name, None)
    if original is None:
        return

    # With much to send, sendall waits though there is room at first; connect always waits for an answer.
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        if self.gettimeout() == 0 or (event is not None and not _would_block(self.fileno(), event)):
            return original(self, *args, **kwargs)
        record(WAIT)
        try:
            return original(self, *args, **kwargs)
        finally:
            record(GOT)

    replace(cls, name, same_face(method, original))

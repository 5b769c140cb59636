"""Pipes and sockets: `os.read` and `os.write`, the methods of sockets, and which two ends belong together.

Only what blocks is a wait. Whether a call will, nobody can know beforehand; but whether its pipe or
socket is ready at this moment can be asked, of any file descriptor (an ordinary file always is), in
about a microsecond. Where two read from one pipe, the other may be faster: that wait is not seen. A
call from inside the standard library is left alone: what it is part of is recorded.

Both ends of a pipe have one inode, and of two sockets it is noted that they were made as a pair. So who
writes is known to wake who reads, also in another process. What came over the network has no such name.
"""

from __future__ import annotations

import os
import sys

from . import fileformat, tape
from .patching import is_internal, replace, same_face
from .tape import record

TYPE_CHECKING = False  # `typing` costs more to import than all of the recorder
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

PIPE = fileformat.PIPE
WAIT, GOT, GAVE_UP = fileformat.WAIT << 56, fileformat.GOT << 56, fileformat.GAVE_UP << 56
PUT, TOOK, UNDONE = fileformat.PUT << 56, fileformat.TOOK << 56, fileformat.UNDONE << 56
FULL = fileformat.FULL << 32
IN, OUT = 1, 4  # select.POLLIN and POLLOUT, wherever there is a poll()

_TYPE, _FIFO, _SOCKET, _FILE, _FOLDER = 0o170000, 0o010000, 0o140000, 0o100000, 0o040000  # of a st_mode
_MOST = 10_000
_channels: dict[tuple[int, int], int] = {}  # the numbers of pipes and pairs of sockets, by device and inode
_poll: Callable[[], Any] | None = None


def would_block(descriptor: int, event: int) -> bool:
    """Whether a read (or, for OUT, a write) would have to wait now; True where that cannot be asked."""
    global _poll
    if not 0 <= descriptor < 1 << 31:
        return False  # it raises
    if _poll is None:
        import select  # not at the start: few programs need it

        if not hasattr(select, "poll"):
            return True  # Windows
        _poll = select.poll
        while hasattr(_poll, "__wrapped__"):
            _poll = _poll.__wrapped__
    asked = _poll()
    asked.register(descriptor, event)
    return not asked.poll(0)


def channel(descriptor: Any, *, define_sockets: bool = False) -> int:
    """The number of the pipe or the pair of sockets that a file descriptor is an end of.

    It is PIPE for what may block all the same, such as a terminal; and 0 for what does not, or raises.
    """
    if type(descriptor) is not int:
        return 0
    try:
        status = os.fstat(descriptor)
    except (OSError, OverflowError):
        return 0
    kind = status.st_mode & _TYPE
    if kind in (_FILE, _FOLDER):
        return 0
    identity = status.st_dev, status.st_ino
    number = _channels.get(identity, PIPE)
    # One that another process made, or the standard library. Without an inode, it has no identity.
    if number == PIPE and status.st_ino and (kind == _FIFO or (kind == _SOCKET and define_sockets)):
        what = "pipe" if kind == _FIFO else "socket"
        number = _remember([identity], tape.define(what, f"a {what}", key=_key([identity])))
    return number


def made(kind: str, ends: tuple[int, int], frame: FrameType | None) -> None:
    """Remember that these two descriptors were made as the ends of one thing, by this line of the program."""
    if frame is None or is_internal(frame):
        return
    status = [os.fstat(end) for end in ends]
    identities = [(each.st_dev, each.st_ino) for each in status]
    if all(each.st_ino for each in status):
        file, line = frame.f_code.co_filename, frame.f_lineno
        _remember(identities, tape.define(kind, file=file, line=line, key=_key(identities)))


def _remember(identities: list[tuple[int, int]], number: int) -> int:
    if len(_channels) > _MOST:
        _channels.clear()
    for identity in identities:
        _channels[identity] = number
    return number


def _key(identities: list[tuple[int, int]]) -> str:
    ends = sorted(f"{device}:{inode}" for device, inode in set(identities))
    return " ".join([fileformat.ENDS, *ends])


def transfer(
    number: int, event: int, blocks: bool, call: Callable[..., Any], *args: Any, **kwargs: Any
) -> Any:
    """Make a call that reads from or writes to what has this number, and record that."""
    known, side = number != PIPE, FULL if event == OUT else 0
    # Before it is done: whoever is woken by it may run, and record that, before this thread goes on.
    told = known and (event == OUT or not blocks)
    if told:
        record((PUT if event == OUT else TOOK) | number)
    if blocks:
        record(WAIT | side | number)
    try:
        result = call(*args, **kwargs)
    except BaseException:
        if blocks:
            record(GAVE_UP | number)
        if told:
            record(UNDONE | number)
        raise
    if blocks:
        record(GOT | side | number)
    return result


def called_from_inside() -> bool:
    """Whether the caller's caller is the standard library's."""
    return is_internal(sys._getframe(2))


def install() -> None:
    """Replace `os.read`, `os.write` and `os.pipe`."""
    for name, event in (("read", IN), ("write", OUT)):
        _of_descriptor(name, event)
    for name in ("pipe", "pipe2"):
        _makes_a_pipe(name)


def _of_descriptor(name: str, event: int) -> None:
    original = getattr(os, name)

    def call(*arguments: Any) -> Any:
        if not arguments or called_from_inside():
            return original(*arguments)
        number = channel(arguments[0])
        if not number:
            return original(*arguments)
        return transfer(number, event, would_block(arguments[0], event), original, *arguments)

    replace(os, name, same_face(call, original))


def _makes_a_pipe(name: str) -> None:
    original = getattr(os, name, None)
    if original is None:
        return

    def pipe(*arguments: Any) -> tuple[int, int]:
        ends: tuple[int, int] = original(*arguments)
        made("pipe", ends, sys._getframe(1))
        return ends

    replace(os, name, same_face(pipe, original))


def socket(module: Any) -> None:
    """Patch `socket.socket` and `socket.socketpair`."""
    cls = module.socket
    for name in ("recv", "recv_into", "recvfrom", "recvfrom_into", "recvmsg"):
        _of_socket(cls, name, IN)
    for name in ("send", "sendto", "sendmsg", "sendall"):
        _of_socket(cls, name, OUT)
    for name in ("accept", "connect"):
        _of_server(cls, name)
    original = getattr(module, "socketpair", None)
    if original is None:
        return

    def socketpair(*args: Any, **kwargs: Any) -> Any:
        ends = original(*args, **kwargs)
        if sys.platform != "win32":  # where a socket is no descriptor
            made("socket", (ends[0].fileno(), ends[1].fileno()), sys._getframe(1))
        return ends

    replace(module, "socketpair", same_face(socketpair, original))


def _of_socket(cls: Any, name: str, event: int) -> None:
    original = getattr(cls, name, None)
    if original is None:
        return
    everything = name == "sendall"  # with much to send, it waits though there is room at first

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        descriptor = self.fileno()
        if self.gettimeout() == 0 or descriptor < 0 or _hands_over_descriptors():
            return original(self, *args, **kwargs)
        number = channel(descriptor) or PIPE
        blocks = everything or would_block(descriptor, event)
        return transfer(number, event, blocks, original, self, *args, **kwargs)

    replace(cls, name, same_face(method, original))


def _hands_over_descriptors() -> bool:
    """Whether the socket is one over which `multiprocessing` hands file descriptors to a new process."""
    return sys._getframe(2).f_globals.get("__name__") == "multiprocessing.reduction"


def _is_local(made: Any) -> bool:
    return getattr(made.family, "name", "") == "AF_UNIX"


def _of_server(cls: Any, name: str) -> None:
    original = getattr(cls, name)

    # connect() waits for an answer, but from this machine has it at once.
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        at_once = _is_local(self) if name == "connect" else not would_block(self.fileno(), IN)
        if self.gettimeout() == 0 or at_once:
            return original(self, *args, **kwargs)
        return transfer(PIPE, IN, True, original, self, *args, **kwargs)

    replace(cls, name, same_face(method, original))

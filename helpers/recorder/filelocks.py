"""`fcntl`: locks of files, for which threads and processes wait.

That one is held is not recorded: it is also let go by closing the file, in any of several ways, and many may
share it. So all there is to tell is who waits, and who unlocks.
"""

from __future__ import annotations

import os
import sys

from . import fileformat, tape
from .patching import replace, same_face, user_frame
from .tape import record, waiting

TYPE_CHECKING = False  # `typing` costs more to import than all of the recorder
if TYPE_CHECKING:
    from typing import Any

FREE, UNDONE = fileformat.FREE << 56, fileformat.UNDONE << 56

_numbers: dict[tuple[int, int], int] = {}  # of the locks of files, by device and inode


def install(fcntl: Any) -> None:
    """Patch the module `fcntl`."""
    for name in ("flock", "lockf"):
        _locks(fcntl, name)


def _locks(fcntl: Any, name: str) -> None:
    original = getattr(fcntl, name)

    def lock(*arguments: Any) -> Any:
        # The file, the operation, and for lockf() also which part of the file.
        operation = arguments[1] if len(arguments) > 1 else None
        number = _number_of(arguments[0]) if isinstance(operation, int) else 0
        if not number or operation & fcntl.LOCK_NB:
            return original(*arguments)
        if operation & fcntl.LOCK_UN:
            record(FREE | number)
            try:
                return original(*arguments)
            except BaseException:
                record(UNDONE | number)
                raise
        try:
            return original(arguments[0], operation | fcntl.LOCK_NB, *arguments[2:])
        except (BlockingIOError, PermissionError):
            pass  # somebody else has it; which of the two is said depends on the system
        return waiting(number, original, *arguments)

    replace(fcntl, name, same_face(lock, original))


def _number_of(file: Any) -> int:
    """The number of a file's lock; 0 where there is no such file, and the call raises."""
    try:
        status = os.fstat(file if isinstance(file, int) else file.fileno())
    except (AttributeError, OSError, OverflowError, TypeError, ValueError):
        return 0
    identity = status.st_dev, status.st_ino
    if identity not in _numbers:
        name = getattr(file, "name", None)
        name = f"lock of {os.path.basename(name)}" if isinstance(name, str) else "the lock of a file"
        where = user_frame(sys._getframe(2))
        key = f"file {status.st_dev}:{status.st_ino}"
        _numbers[identity] = tape.define("file lock", name, *where, key=key)
    return _numbers[identity]

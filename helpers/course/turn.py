"""One set-up at a time: two commands started together must not both fill `.venv`."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def turn(file: Path, waiting: Callable[[], None]) -> Iterator[None]:
    """Hold `file` for this process alone; call `waiting` once if another process has it.

    The system lets go of it when the process ends, however it ends. Nothing is written to `file`, and
    it must exist: making one would leave it behind, and removing it is a race with whoever waits for it.
    """
    with file.open("rb") as held:
        if not _take(held.fileno()):
            waiting()
            while not _take(held.fileno()):
                time.sleep(0.1)
        yield


if sys.platform == "win32":
    import msvcrt

    def _take(descriptor: int) -> bool:
        # A byte far behind the end, since Windows keeps others from reading what is locked.
        os.lseek(descriptor, 1 << 30, os.SEEK_SET)
        try:
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError:
            return False
        return True

else:
    import fcntl

    def _take(descriptor: int) -> bool:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

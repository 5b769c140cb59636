"""`time.sleep`."""

from __future__ import annotations

import time

from . import fileformat
from .patching import replace, same_face
from .tape import record

SLEEP = fileformat.WAIT << 56 | fileformat.SLEEP
WAKE = fileformat.GOT << 56 | fileformat.SLEEP


def install() -> None:
    """Replace `time.sleep`."""
    original = time.sleep

    def sleep(seconds: float, /) -> None:
        record(SLEEP)
        try:
            original(seconds)
        finally:
            record(WAKE)

    replace(time, "sleep", same_face(sleep, original))

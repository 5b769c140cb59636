"""The recorder's own frames in tracebacks, which are not the program's: find them, and leave them out."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

RECORDER = f"{Path(__file__).parent / 'recorder'}{os.sep}"
_ANY_FRAME = re.compile(r'([ |+]*  )File ".*", line \d+')  # also in an exception group, with its bars
_BEGINNING = f'File "{RECORDER}'.encode()
_LONGEST = 1 << 13  # bytes of a line that may still become the heading of such a frame


class Frames:
    """Tells of each line whether it belongs to a frame of the recorder."""

    def __init__(self) -> None:
        self._depths: dict[tuple[int, str], int] = {}  # how deep the frame is indented

    def contain(self, pid: int, stream: str, text: str) -> bool:
        """Whether this line, the next that process wrote to that stream, is part of such a frame.

        Behind the line that names the file come source lines and markers, indented deeper than it.
        """
        frame = _ANY_FRAME.match(text)
        if frame:
            self._depths[pid, stream] = len(frame[1]) if RECORDER in text else 0
        depth = self._depths.get((pid, stream), 0)
        inside = bool(depth) and (
            frame is not None or (text[:depth].strip(" |+") == "" and text[depth : depth + 2] == "  ")
        )
        if not inside:
            self._depths.pop((pid, stream), None)
        return inside


class Filter:
    """Leaves such frames out of standard error as it comes, in pieces that need not be whole lines.

    Only what may still become the heading of such a frame is held back, until its line is complete.
    """

    def __init__(self) -> None:
        self._frames = Frames()
        self._held: dict[int, bytes] = {}
        self._wanted: dict[int, bool] = {}  # of a process within a line: whether that line is passed on

    def passed(self, pid: int, data: bytes) -> bytes:
        """What is to be passed on, now that this process wrote this."""
        return b"".join(self._passed(pid, self._held.pop(pid, b"") + data))

    def rest(self) -> bytes:
        """What was held back; nothing more is coming."""
        return b"".join(self._held.values())

    def _passed(self, pid: int, data: bytes) -> Iterator[bytes]:
        for line in data.splitlines(keepends=True):
            complete = line.endswith((b"\n", b"\r"))
            if pid not in self._wanted:
                start = line.lstrip(b" |+")[: len(_BEGINNING)]
                if not complete and _BEGINNING.startswith(start) and len(line) < _LONGEST:
                    self._held[pid] = line
                    return
                self._wanted[pid] = not self._frames.contain(pid, "stderr", line.decode(errors="replace"))
            if self._wanted[pid]:
                yield line
            if complete:
                del self._wanted[pid]

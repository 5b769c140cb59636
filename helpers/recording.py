"""Record code that runs in this process, such as a notebook's cell."""

from __future__ import annotations

import os
import shutil
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from helpers import recorder
from helpers.script import check_keep, make_recording_folder, recording_environment
from helpers.timeline import Timeline
from helpers.timeline.building import build
from helpers.timeline.reading import Recording


@contextmanager
def record(*, keep: str = "oldest", internals: bool = False) -> Iterator[Timeline]:
    """Record what the block does: its thread, the threads it starts, and their Python children.

    Threads that were there before, such as a notebook kernel's own, are left out. A thread that
    outlives the block is recorded to the block's end. An exception passes through; what was recorded
    until then is there. Locks that were made before the block are recorded where a name of the calling
    module, or of ``__main__``, leads to them.

    Within another recording of this process (another ``record()``, or the script's own) it is a stretch
    of that: what all recorded threads and processes do from the block's beginning to its end. What is
    kept and shown is then as that one asked for.

    Args:
        keep: ``"oldest"`` or ``"newest"``: what to keep of a recording that has no room for all of it.
        internals: record also the locks, conditions and the like that the standard library makes for
            itself during the block; what `threading` makes is left out.

    Yields:
        A `Timeline` that is empty during the block and filled at its end.

    Raises:
        ValueError: `keep` is neither of the two.
        OSError: no folder for the recording can be written.
    """
    check_keep(keep)
    block = _Block(keep, internals)
    try:
        block.begin()
        yield block.timeline
    finally:
        try:
            block.end()
        finally:
            block.end()  # an interrupt may have ended the first: then this one does what is left


class _Block:
    """One `with record()`: which recording it is a stretch of, and from when to when."""

    def __init__(self, keep: str, internals: bool) -> None:
        self.timeline = Timeline.empty()
        self._keep, self._internals = keep, internals
        self._recorder: Any = None
        self._folder = ""
        self._pid = os.getpid()
        self._began = self._ended = 0
        self._done = False

    def begin(self) -> None:
        self._recorder = _script_recorder() or recorder
        own = self._recorder is recorder
        if own and not _blocks:
            self._folder = make_recording_folder()
            _blocks.append(self)
            _start(self._folder, self._keep, self._internals)
            return
        self._folder = self._recorder.tape.folder
        if own:
            _blocks.append(self)
        self._recorder.tape.admit()
        self._began = time.perf_counter_ns()
        self._recorder.tape.record_cpu()

    def end(self) -> None:
        """Fill in the timeline; the last block of a recording ends that."""
        last = _blocks == [self]
        if not self._ended and self._folder:
            self._recorder.tape.record_cpu()
            self._ended = time.perf_counter_ns()
        if last:
            _stop()
        # A forked child that comes here, too, must leave its parent's files alone.
        if self._folder and not self._done and os.getpid() == self._pid:
            recording = Recording(self._folder, until=self._ended)
            made = build(recording, root=self._pid, began=self._began, ended=self._ended)
            # The one object the block's `as` has; its fields are set this once.
            self.timeline.__dict__.update(made.__dict__)
            if last:
                shutil.rmtree(self._folder, ignore_errors=True)
            self._done = True
        if self in _blocks:
            _blocks.remove(self)


_blocks: list[_Block] = []  # those of the recording that goes on, where record() began it
_environment: dict[str, str | None] = {}  # as it was before


def _script_recorder() -> Any:
    """The recorder of the script that this process runs, if that is being recorded."""
    found = sys.modules.get("_recorder_of_helpers")
    return found if found is not None and found.tape.on else None


def _start(folder: str, keep: str, internals: bool) -> None:
    # Children started anew find the recorder through their environment, forked ones have it.
    variables = recording_environment(os.environ, folder, keep, internals)
    _environment.update((name, os.environ.get(name)) for name in variables)
    os.environ.update(variables)
    recorder.start(
        folder,
        only_this_thread=True,
        names_in=_namespaces(),
        newest=keep == "newest",
        internals=internals,
    )


def _stop() -> None:
    recorder.stop()
    for name, value in _environment.items():
        if value is not None:
            os.environ[name] = value
        else:
            os.environ.pop(name, None)
    _environment.clear()


def _namespaces() -> list[dict[str, Any]]:
    """The global names of the code around the block, and those of a notebook's cells."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_globals.get("__name__") in (__name__, "contextlib"):
        frame = frame.f_back
    main, around = vars(sys.modules["__main__"]), frame.f_globals
    of_ours = str(around.get("__name__")).partition(".")[0] == "helpers"
    return [main] if around is main or of_ours else [main, around]

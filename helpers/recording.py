"""Record code that runs in this process, such as a notebook's cell."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from unittest.mock import patch

from helpers import recorder
from helpers.script import make_recording_folder, recording_environment
from helpers.timeline import Timeline
from helpers.timeline.building import build
from helpers.timeline.reading import Recording


@contextmanager
def record() -> Iterator[Timeline]:
    """Record what the block does: its thread, the threads it starts, and their Python children.

    Threads that were there before, such as a notebook kernel's own, are left out. A thread that
    outlives the block is recorded to the block's end. An exception passes through; what was recorded
    until then is there.

    Yields:
        A `Timeline` that is empty during the block and filled at its end.

    Raises:
        RuntimeError: a recording of this process is going on already.
        OSError: no folder for the recording can be written.
    """
    if recorder.tape.on:
        raise RuntimeError("This process is being recorded already: end that recording before the next.")
    folder = make_recording_folder()
    timeline = Timeline.empty()
    try:
        # Children started anew find the recorder through their environment, forked ones have it.
        with patch.dict(os.environ, recording_environment(os.environ, folder)):
            recorder.start(folder, only_this_thread=True)
            try:
                yield timeline
            finally:
                ended = time.perf_counter_ns()
                recorder.stop()
                made = build(Recording(folder), root=os.getpid(), ended=ended)
                # The one object the block's `as` has; its fields are set this once.
                timeline.__dict__.update(made.__dict__)
    finally:
        shutil.rmtree(folder, ignore_errors=True)

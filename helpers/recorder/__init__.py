"""The recorder: lives inside the recorded program and writes down what its threads and processes do.

Standard library only, and nothing of ours above it. A script gets it through `startup/sitecustomize.py`,
without being touched; a notebook's cell through `helpers.record`. What it writes is described in
`fileformat`, how in `tape`; each of the other modules makes one part of the standard library tell what
it does.
"""

from __future__ import annotations

import _thread

from . import locks, multiprocess, processes, queues, selecting, signals, tape, threads
from .fileformat import BEGIN
from .multiprocess import default_start_method
from .patching import put_back, when_imported

__all__ = ["default_start_method", "start", "stop"]


def start(folder: str, *, only_this_thread: bool = False) -> None:
    """Begin to record this process, and the Python processes it starts by forking.

    Args:
        folder: an existing folder; every process writes files of its own there.
        only_this_thread: leave out threads that are there already, but for the calling one; what
            it starts is recorded.
    """
    tape.start(folder, {_thread.get_ident()} if only_this_thread else None)
    threads.install()
    locks.install()
    signals.install()
    processes.install()
    when_imported("queue", queues.install)
    when_imported("selectors", selecting.install)
    when_imported("multiprocessing.process", multiprocess.process)
    when_imported("multiprocessing.synchronize", multiprocess.synchronize)
    when_imported("multiprocessing.queues", multiprocess.queues)
    when_imported("multiprocessing.connection", multiprocess.connection)
    tape.record(BEGIN << 56)


def stop() -> None:
    """End the recording and put everything back as it was."""
    put_back()
    tape.stop()

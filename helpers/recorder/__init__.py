"""The recorder: lives inside the recorded program and writes down what its threads and processes do.

Standard library only, and nothing of ours above it. A script gets it through `startup/sitecustomize.py`,
without being touched; a notebook's cell through `helpers.record`. What it writes is described in
`fileformat`, how in `tape`; each of the other modules makes one part of the standard library tell what
it does.
"""

from __future__ import annotations

import _thread
import sys

from . import io, processes, sleeping, stdin, tape
from .patching import put_back, show_internals, when_imported

TYPE_CHECKING = False  # `typing` costs more to import than all of the recorder
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

__all__ = ["default_start_method", "start", "stop"]

# For each module of the standard library: which of ours patches it, by which function. Ours is imported only
# when the other is: what the program does not use, it does not pay for.
_PATCHES = (
    ("queue", "queues", "install"),
    ("selectors", "selecting", "install"),
    ("select", "selecting", "select"),
    ("socket", "io", "socket"),
    ("subprocess", "processes", "popen"),
    ("signal", "processes", "signals"),
    ("fcntl", "filelocks", "install"),
    ("multiprocessing.process", "multiprocess", "process"),
    ("multiprocessing.synchronize", "multiprocess", "synchronize"),
    ("multiprocessing.queues", "multiprocess", "queues"),
    ("multiprocessing.connection", "multiprocess", "connection"),
    ("multiprocessing.pool", "pools", "pool"),
    ("concurrent.futures._base", "pools", "futures"),
    ("concurrent.futures.thread", "pools", "thread_executor"),
    ("concurrent.futures.process", "pools", "process_executor"),
)


def _patch(module: str, function: str) -> Callable[[Any], None]:
    def patch(patched: Any) -> None:
        name = f"{__package__}.{module}"
        __import__(name)
        getattr(sys.modules[name], function)(patched)

    return patch


def _threading(_: Any) -> None:
    from . import locks, signals, threads

    threads.install()
    locks.install()
    signals.install()


def default_start_method(method: str) -> None:
    """Make this the default start method, as if this Python had been built so."""

    # Not set_start_method: the program may call that only once, and may still want to.
    def patch(context: Any) -> None:
        context._default_context._default_context = context._default_context.get_context(method)

    when_imported("multiprocessing.context", patch)


def start(
    folder: str,
    *,
    only_this_thread: bool = False,
    names_in: list[dict[str, Any]] | None = None,
    newest: bool = False,
    internals: bool = False,
) -> None:
    """Begin to record this process, and the Python processes it starts by forking.

    Args:
        folder: an existing folder; every process writes files of its own there.
        only_this_thread: leave out threads that are there already, but for the calling one; what
            it starts is recorded.
        names_in: global namespaces whose names may mean locks made earlier, or functions of the
            standard library imported earlier; they are to be recorded, too.
        newest: keep the newest events, and not the oldest, where there is no room for all.
        internals: record also the locks and the like that the standard library makes for itself.
    """
    show_internals(internals)
    tape.start(folder, {_thread.get_ident()} if only_this_thread else None, newest)
    sleeping.install()
    processes.install()
    io.install()
    stdin.install()
    if not only_this_thread:
        stdin.watch()
    when_imported("threading", _threading)
    for name, module, function in _PATCHES:
        when_imported(name, _patch(module, function))
    if names_in:
        from . import namespaces  # no script needs it

        namespaces.install(names_in)
    tape.begin()


def stop() -> None:
    """End the recording and put everything back as it was; after an interrupt, call it again."""
    tape.record_cpu()
    put_back()
    tape.stop()

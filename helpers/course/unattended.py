"""A notebook run with nobody watching: the environment of its kernel, and what only the kernel can tell.

A thread that dies of an exception, or is still alive when the notebook ends, goes unnoticed by whoever
compares outputs. So the runner asks the kernel: `question` makes what it sends, `answer` reads what comes
back, and the functions below them run inside the kernel.
"""

from __future__ import annotations

import ast
import os
import threading
from collections.abc import Mapping
from typing import Any

import psutil

from helpers.course.requirements import ROOT

# Threads that the kernel and its parts start when they need them, beside those it starts with.
KERNEL_PARTS = ("ipykernel", "IPython", "zmq", "tornado")

_kernels_own: set[threading.Thread] = set()
_deaths: list[str] = []


def environment() -> dict[str, str]:
    """Make the environment that gives a kernel the behaviour it has in JupyterLab.

    Under pytest, ipykernel would not catch what subprocesses print: it looks at ``PYTEST_CURRENT_TEST``. From
    Python 3.13 on tracebacks of threads would be coloured. And the course itself must be found, also where it
    was not started by its own command.
    """
    kept = {name: value for name, value in os.environ.items() if name != "PYTEST_CURRENT_TEST"}
    path = dict.fromkeys([str(ROOT), *filter(None, kept.get("PYTHONPATH", "").split(os.pathsep))])
    return kept | {"PYTHON_COLORS": "0", "PYTHONPATH": os.pathsep.join(path)}


def question(name: str) -> dict[str, Any]:
    """Make the arguments of `KernelClient.execute` that call the function `name` of this file in the kernel.

    Nothing of it shows: no name appears among the reader's variables, no prompt number is used up.
    """
    expression = f"__import__({__name__!r}, fromlist=['']).{name}()"
    return {
        "code": "",
        "silent": True,
        "store_history": False,
        "allow_stdin": False,
        "user_expressions": {"answer": expression},
    }


def answer(reply: Mapping[str, Any]) -> list[str]:
    """Read the list of sentences from the kernel's ``execute_reply``."""
    result = reply["content"]["user_expressions"]["answer"]
    if result["status"] != "ok":
        raise RuntimeError(f"The kernel could not be asked: {result['ename']}: {result['evalue']}")
    sentences: list[str] = ast.literal_eval(result["data"]["text/plain"])
    return sentences


def watch() -> list[str]:
    """In a fresh kernel: take note of its threads, and from now on of every thread that dies."""
    shown = threading.excepthook

    def note(death: threading.ExceptHookArgs) -> None:
        name = death.thread.name if death.thread else "a thread"
        _deaths.append(f"{name} died of {death.exc_type.__name__}: {death.exc_value}")
        shown(death)

    threading.excepthook = note
    _kernels_own.update(threading.enumerate())
    return []


def deaths() -> list[str]:
    """Say which threads have died of an exception since this was last asked."""
    taken = _deaths.copy()
    del _deaths[: len(taken)]
    return taken


def leftovers() -> list[str]:
    """Say which threads and child processes are alive that the kernel did not start for itself."""
    threads = [
        f"{thread.name} is still alive"
        for thread in threading.enumerate()
        if thread not in _kernels_own and type(thread).__module__.split(".")[0] not in KERNEL_PARTS
    ]
    helpers = _multiprocessing_helpers()
    processes = [
        f"child process {child.name()} is still {child.status()}"
        for child in psutil.Process().children(recursive=True)
        if child.pid not in helpers
    ]
    return threads + processes


def _multiprocessing_helpers() -> set[int | None]:
    """Find the processes that multiprocessing keeps until the interpreter ends, whatever a program does."""
    from multiprocessing import forkserver, resource_tracker

    tracker: Any = resource_tracker._resource_tracker
    server: Any = forkserver._forkserver
    return {tracker._pid, server._forkserver_pid}

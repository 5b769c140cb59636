"""The operating-system threads that play a program's threads, one at a time.

A program's thread must be a real thread: `threading.local`, recursion depth and tracebacks are then its
own. Starting one costs thirty times what passing a baton costs, so those that have ended their part wait
here for the next. A baton is a lock that only its owner waits for: passing it is releasing it.
"""

from __future__ import annotations

import contextvars
import ctypes
import gc
import os
import sys
import time
from _thread import allocate_lock as allocate_lock
from _thread import get_ident, get_native_id, start_new_thread
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from helpers.schedules.execution import Execution

# Kept, because the names in `_thread` and `threading` are others during a search.
real_ident = get_ident
real_monotonic = time.monotonic

# By the identifier of a worker's thread, what it takes part in now. Any other thread is not explored.
_explored: dict[int, Execution] = {}
_explored_by = _explored.get
_workers: set[Worker] = set()
_idle: list[Worker] = []

# Whether a thread that has ended its part waits for another. From 3.13 on, what a `threading.local` keeps for
# a thread goes only when the thread ends: where a program has one that was made before, each part gets a new
# thread.
reused = True


class Worker:
    """One operating-system thread.

    Attributes:
        gate: its baton. Whoever releases it lets this thread run, and then waits for its own.
        part: what to do next; it returns what to do when it is done: open another's gate.
    """

    __slots__ = ("gate", "ident", "native", "part")

    def __init__(self) -> None:
        self.gate = allocate_lock()
        self.gate.acquire()
        self.part: Callable[[], Any] | None = None
        self.native = 0
        ready = allocate_lock()
        ready.acquire()
        self.ident = start_new_thread(self._live, (ready,))
        ready.acquire()

    def _live(self, ready: Any) -> None:
        self.native = get_native_id()
        _workers.add(self)
        ident = real_ident()
        locals_of_thread = _thread_dictionary()
        ready.release()
        acquire = self.gate.acquire
        while True:
            acquire()
            if self.part is None:
                break
            pass_on = contextvars.Context().run(self.part)
            # What `threading.local` objects keep for this thread goes, as if the thread had ended.
            if locals_of_thread:
                locals_of_thread.clear()
            del _explored[ident]
            self.part = None
            if not reused:
                _workers.discard(self)
                pass_on()
                return
            _idle.append(self)  # before that: who runs next may need this very worker
            pass_on()
            del pass_on  # it may know all of a search
        _workers.discard(self)


def _thread_dictionary() -> dict[Any, Any]:
    """Where the interpreter keeps, for the calling thread, what its `threading.local` objects hold."""
    get = ctypes.pythonapi.PyThreadState_GetDict
    get.restype = ctypes.c_void_p  # a borrowed reference: `py_object` here would give it back once too often
    held: dict[Any, Any] = ctypes.cast(get(), ctypes.py_object).value
    return held


def hire(execution: Execution, part: Callable[[], Any]) -> Worker:
    """Take an idle thread, or a new one, for a part in an execution; it begins when its gate is opened."""
    worker = _idle.pop() if _idle else Worker()
    _explored[worker.ident] = execution
    worker.part = part
    return worker


def current() -> Execution | None:
    """The execution that the calling thread belongs to; None for every thread that is not explored."""
    return _explored_by(real_ident())


@contextmanager
def not_explored() -> Iterator[None]:
    """Within this, a thread that is explored gets the real things, as any other, and makes no steps."""
    ident = real_ident()
    execution = _explored.pop(ident)
    try:
        yield
    finally:
        _explored[ident] = execution


def frames() -> dict[int, FrameType]:
    """The innermost frame of every thread, by its identifier.

    Until Python 3.11.8, a garbage collection that begins in the middle of `sys._current_frames` may wait for
    ever for a lock which that function holds (CPython issue 106883). So none begins.
    """
    collects = gc.isenabled()
    gc.disable()
    try:
        return sys._current_frames()
    finally:
        if collects:
            gc.enable()


def frame_of(worker: Worker) -> FrameType | None:
    """The innermost frame of a worker's thread, or None."""
    return frames().get(worker.ident)


def where_is(worker: Worker) -> str:
    """The line a busy worker's thread is at, in words."""
    from helpers.schedules.reaching import is_own

    frame = frame_of(worker)
    if frame is None:
        return "nobody knows where"
    here = f"{frame.f_code.co_name}()"
    while frame.f_back is not None and not is_own(frame.f_code.co_filename):
        frame = frame.f_back
    return f"busy in {here} from line {frame.f_lineno} of {os.path.basename(frame.f_code.co_filename)}"


def in_finalizer() -> bool:
    """Is the calling thread in a `__del__`? The garbage collector runs those of any object in any thread."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_name != "__del__":
        frame = frame.f_back
    return frame.f_code.co_name == "__del__"


def raise_in(worker: Worker, error: type[BaseException]) -> None:
    """Have an exception raised in a busy worker's thread, as soon as it runs Python code again."""
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(worker.ident), ctypes.py_object(error))


def dismiss_idle() -> None:
    """End the threads that wait for a part."""
    while _idle:
        worker = _idle.pop()
        worker.part = None
        worker.gate.release()


@contextmanager
def one_core() -> Iterator[None]:
    """Keep the calling thread and the workers on one core, where the system can, and have none disturbed.

    Between two threads on one core a baton takes 3 microseconds, between two cores 30. Whoever passes a baton
    runs on for a moment, until it waits for its own: the policy ``SCHED_BATCH`` lets it, where otherwise the
    system runs the other at once, to no purpose, since it must wait for the interpreter's lock.
    """
    if not hasattr(os, "sched_setaffinity"):
        yield
        return
    allowed = os.sched_getaffinity(0)
    core = {_core_of_this_thread(allowed)}
    batch = os.sched_getscheduler(0) == os.SCHED_OTHER
    try:
        os.sched_setaffinity(0, core)  # threads started from here inherit it
        if batch:
            with suppress(PermissionError):
                os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))  # and this
        for worker in list(_workers):
            with suppress(ProcessLookupError):
                os.sched_setaffinity(worker.native, core)
        yield
    finally:
        if batch:
            with suppress(PermissionError):
                os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
        os.sched_setaffinity(0, allowed)


def _core_of_this_thread(allowed: set[int]) -> int:
    try:
        with open("/proc/thread-self/stat") as file:
            core = int(file.read().rpartition(")")[2].split()[36])
    except (OSError, IndexError, ValueError):
        core = -1
    return core if core in allowed else min(allowed)

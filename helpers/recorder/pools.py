"""Pools and executors: who waits for a result, and workers that have nothing to do.

What they are made of is the standard library's own and not shown; so their queues and results are given
names after the pool, and after the line that asked for the result.
"""

from __future__ import annotations

import sys

from . import fileformat, tape
from .patching import NUMBER, outside, owner, replace, same_face, user_frame
from .signals import follow
from .tape import record, waiting

TYPE_CHECKING = False  # `typing` costs more to import than all of the recorder
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

WAIT, GOT, GAVE_UP = fileformat.WAIT << 56, fileformat.GOT << 56, fileformat.GAVE_UP << 56
TIMED_WAIT = WAIT | fileformat.TIMED << 32
PUT, SIGNAL, UNDONE = fileformat.PUT << 56, fileformat.SIGNAL << 56, fileformat.UNDONE << 56
RUNS = fileformat.RUNS << 56

_MOST = 100  # so many futures of those that somebody waits for are told, in one line of text


def futures(module: Any) -> None:
    """Patch `concurrent.futures._base`."""
    cls = module.Future
    init = cls.__init__

    def __init__(self: Any) -> None:
        init(self)
        frame = sys._getframe(1)
        program = outside(frame)
        number = 0
        if program is not None:
            number = tape.define("Future", file=program.f_code.co_filename, line=program.f_lineno)
            tape.define_owner(number, *owner(program))
        setattr(self, NUMBER, number)
        tasks = _tasks_of_submitter(frame) if number else 0
        if tasks:
            tape.define_queued(number, tasks)

    replace(cls, "__init__", same_face(__init__, init))
    _runs(cls)
    for name in ("result", "exception"):
        _waits(cls, name)
    for name in ("set_result", "set_exception", "cancel"):
        _sets(cls, name)
    install_waiters = module._create_and_install_waiters

    # For wait() and as_completed().
    def _create_and_install_waiters(fs: Any, return_when: str) -> Any:
        waiter = install_waiters(fs, return_when)
        number = tape.define("Future", "the futures", *user_frame(sys._getframe(1)))
        setattr(waiter.event, NUMBER, number)
        pending = sorted(each.__dict__.get(NUMBER, 0) for each in fs if each._state in ("PENDING", "RUNNING"))
        all_of_them = return_when in ("ALL_COMPLETED", "FIRST_EXCEPTION")
        # Some of many are enough for who needs all.
        if all_of_them or len(pending) <= _MOST:
            tape.define_awaited(number, all_of_them, pending[:_MOST])
        return waiter

    replace(module, "_create_and_install_waiters", same_face(_create_and_install_waiters, install_waiters))


def _tasks_of_submitter(frame: FrameType) -> int:
    """The number of the queue of tasks of the executor of threads whose `submit` runs in `frame`, or 0."""
    if frame.f_code.co_name != "submit":
        return 0
    number: int = getattr(getattr(frame.f_locals.get("self"), "_work_queue", None), NUMBER, 0)
    return number


def _runs(cls: Any) -> None:
    original = cls.set_running_or_notify_cancel

    def set_running_or_notify_cancel(self: Any) -> Any:
        number = self.__dict__.get(NUMBER, 0)
        # In an executor of processes a thread says this that only hands the task on.
        if number and sys._getframe(1).f_globals.get("__name__") != "concurrent.futures.process":
            record(RUNS | number)
        return original(self)

    replace(cls, "set_running_or_notify_cancel", same_face(set_running_or_notify_cancel, original))


def _waits(cls: Any, name: str) -> None:
    original = getattr(cls, name)

    def method(self: Any, timeout: float | None = None) -> Any:
        number = self.__dict__.get(NUMBER, 0)
        if not number or self._state not in ("PENDING", "RUNNING"):
            return original(self, timeout)
        record((WAIT if timeout is None else TIMED_WAIT) | number)
        try:
            return original(self, timeout)
        finally:
            record((GAVE_UP if self._state in ("PENDING", "RUNNING") else GOT) | number)

    replace(cls, name, same_face(method, original))


def _sets(cls: Any, name: str) -> None:
    original = getattr(cls, name)

    def method(self: Any, *arguments: Any) -> Any:
        number = self.__dict__.get(NUMBER, 0)
        if not number:
            return original(self, *arguments)
        record(SIGNAL | number)
        done = False
        try:
            done = original(self, *arguments)
        finally:
            if done is False:  # it raised, or it could no longer be cancelled
                record(UNDONE | number)
        return done

    replace(cls, name, same_face(method, original))


def thread_executor(module: Any) -> None:
    """Patch `concurrent.futures.thread`."""
    cls = module.ThreadPoolExecutor
    original = cls.__init__

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        _name_in_process(self._work_queue, fileformat.TASKS)

    replace(cls, "__init__", same_face(__init__, original))


def process_executor(module: Any) -> None:
    """Patch `concurrent.futures.process`."""
    cls = module.ProcessPoolExecutor
    original = cls.__init__

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        _name_shared(self._call_queue, fileformat.TASKS)
        _name_shared(self._result_queue, fileformat.RESULTS)

    replace(cls, "__init__", same_face(__init__, original))


def pool(module: Any) -> None:
    """Patch `multiprocessing.pool`."""
    _pool_of_processes(module.Pool)
    _pool_of_threads(module.ThreadPool)
    _result(module.ApplyResult, "AsyncResult", "_event")
    _result(module.IMapIterator, "IMapIterator", "_cond")


def _pool_of_processes(cls: Any) -> None:
    original = cls._setup_queues

    def _setup_queues(self: Any) -> None:
        original(self)
        tasks = _name_shared(self._inqueue, fileformat.TASKS)
        results = _name_shared(self._outqueue, fileformat.RESULTS)
        put_now, get_now = self._quick_put, self._quick_get  # its threads use the pipes of the queues

        def put(task: Any) -> None:
            record(PUT | tasks)
            put_now(task)

        def get() -> Any:
            return waiting(results, get_now)

        self._quick_put, self._quick_get = put, get

    replace(cls, "_setup_queues", same_face(_setup_queues, original))


def _pool_of_threads(cls: Any) -> None:
    original = cls._setup_queues

    def _setup_queues(self: Any) -> None:
        original(self)
        _name_in_process(self._inqueue, fileformat.TASKS)
        _name_in_process(self._outqueue, fileformat.RESULTS)

    replace(cls, "_setup_queues", same_face(_setup_queues, original))


def _result(cls: Any, kind: str, part: str) -> None:
    original = cls.__init__

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        file, line = user_frame(sys._getframe(1))
        number = tape.define(kind, file=file, line=line)
        waited_for = getattr(self, part)
        if part == "_cond":
            follow(waited_for, number)
        else:
            setattr(waited_for, NUMBER, number)

    replace(cls, "__init__", same_face(__init__, original))


def _name_in_process(queue: Any, kind: str) -> None:
    file, line = user_frame(sys._getframe(2))
    if file and hasattr(queue, NUMBER):
        setattr(queue, NUMBER, tape.define(kind, file=file, line=line, internal=True))


def _name_shared(queue: Any, kind: str) -> int:
    file, line = user_frame(sys._getframe(2))
    key = f"queue {queue._rlock._recorder_key}"
    tape.define(kind, file=file, line=line, internal=True, key=key)
    return int(getattr(queue, NUMBER))

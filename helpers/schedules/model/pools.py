"""ThreadPoolExecutor: a queue of work, and threads that take from it.

A thread is started for a piece of work only if no thread is counted as idle. A thread is counted when it
finds nothing to do (before 3.13: after each piece of work). That may be late, and then one more is started.
"""

from __future__ import annotations

import sys
import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import _base
from concurrent.futures.thread import BrokenThreadPool, ThreadPoolExecutor
from typing import Any

from helpers.schedules.execution import Execution, current
from helpers.schedules.model.primitives import Methods, PrimitiveOperation, State, called_later, execution_of

# The thread is done and ends; it has to wait for work.
_END, _IDLE = object(), object()

_COUNTED_AFTER_WORK = sys.version_info < (3, 13)

_real_init = ThreadPoolExecutor.__init__


class _State(State):
    """What a search knows of one executor.

    Attributes:
        work: pieces of work nobody has taken: the future, the function, its arguments.
        idle: how many threads are counted as idle.
        threads: in order of start.
        initializer: called in each thread first; with its arguments, or None.
        starting: whether a thread is being started: nobody submits or shuts down meanwhile.
        closed: whether it was shut down.
        broken: why it takes no more work, or "".
    """

    __slots__ = ("broken", "closed", "idle", "initializer", "most", "starting", "threads", "work")

    def __init__(self, executor: Any, initializer: tuple[Any, Any]) -> None:
        super().__init__(executor)
        self.work: deque[tuple[Any, Callable[..., Any], Any, Any]] = deque()
        self.idle = 0
        self.threads: list[threading.Thread] = []
        self.initializer = initializer
        self.most = executor._max_workers
        self.starting = False
        self.closed = False
        self.broken = ""


class _PoolOperation(PrimitiveOperation):
    __slots__ = ()
    state = "queue"

    def snapshot(self) -> Any:
        pool = self.object._model
        return tuple(map(id, pool.work)), pool.idle, len(pool.threads), pool.closed, pool.broken


class _LockedOperation(_PoolOperation):
    """One that is done with the executor's own lock held."""

    __slots__ = ()
    state = "lock"
    blocks = True

    def ready(self) -> bool:
        return not self.object._model.starting


class _Submit(_LockedOperation):
    """Queues work up; returns the thread to be started for it, or None."""

    __slots__ = ("work",)
    given = ("work",)
    kind = "put"
    verb = "submit to"

    def __init__(self, executor: Any, work: tuple[Any, Callable[..., Any], Any, Any]) -> None:
        super().__init__(executor)
        self.work = work

    def perform(self) -> threading.Thread | None:
        pool = self.object._model
        if pool.broken:
            raise BrokenThreadPool(pool.broken)
        if pool.closed:
            raise RuntimeError("cannot schedule new futures after shutdown")
        if _exiting(pool.execution):
            raise RuntimeError("cannot schedule new futures after interpreter shutdown")
        pool.work.append(self.work)
        if pool.idle:
            pool.idle -= 1
        elif len(pool.threads) < pool.most:
            name = f"{self.object._thread_name_prefix or self.object}_{len(pool.threads)}"
            thread = threading.Thread(name=name, target=_work, args=(self.object,))
            pool.threads.append(thread)
            self.object._threads.add(thread)
            pool.starting = True
            return thread
        return None


class _Take(_PoolOperation):
    """Takes the next piece of work, or ends when there is none and will be none."""

    __slots__ = ()
    kind = "get"
    verb = "take work from"
    remedy = "submit work"
    blocks = True

    def ready(self) -> bool:
        pool = self.object._model
        return bool(pool.work) or pool.closed or _exiting(pool.execution)

    def perform(self) -> Any:
        pool = self.object._model
        return pool.work.popleft() if pool.work else _END


class _TakeOrIdle(_PoolOperation):
    """Takes the next piece of work if there is one, and is counted as idle if not."""

    __slots__ = ()
    kind = "get"
    verb = "look for work in"

    def perform(self) -> Any:
        pool = self.object._model
        if _COUNTED_AFTER_WORK or not pool.work:
            pool.idle += 1
        return pool.work.popleft() if pool.work else _IDLE


class _Close(_LockedOperation):
    """Lets it take no more work; returns a piece of work to be cancelled, or None."""

    __slots__ = ("cancel",)
    kind = "notify"
    verb = "shut down"

    def __init__(self, executor: Any, cancel: bool) -> None:
        super().__init__(executor)
        self.cancel = cancel

    def perform(self) -> Any:
        pool = self.object._model
        pool.closed = self.object._shutdown = True
        return pool.work.popleft() if self.cancel and pool.work else None


class _Break(_LockedOperation):
    """The initializer failed: no more work is taken. Returns what is left of it."""

    __slots__ = ()
    kind = "notify"
    verb = "break"

    def perform(self) -> list[Any]:
        pool = self.object._model
        pool.broken = self.object._broken = (
            "A thread initializer failed, the thread pool is not usable anymore"
        )
        left = list(pool.work)
        pool.work.clear()
        return left


def _exiting(execution: Execution) -> bool:
    """Has the main thread ended? Then the interpreter lets all executors finish their work, and end."""
    return execution.tasks[0].done


def _work(executor: Any) -> None:
    """What each thread of the pool does."""
    pool = executor._model
    step = pool.execution.step
    function, arguments = pool.initializer
    if function is not None:
        try:
            function(*arguments)
        except BaseException:
            _base.LOGGER.critical("Exception in initializer:", exc_info=True)
            for future, *_ in step(_Break(executor)):
                future.set_exception(BrokenThreadPool(pool.broken))
            return
    worked = False
    while True:
        work: Any = _IDLE
        # Once there are as many threads as there may be, nobody asks any more how many are idle.
        if (worked or not _COUNTED_AFTER_WORK) and len(pool.threads) < pool.most:
            work = step(_TakeOrIdle(executor))
        if work is _IDLE:
            work = step(_Take(executor))
        if work is _END:
            return
        _run(*work)
        del work
        worked = True


def _run(future: Any, function: Callable[..., Any], args: Any, kwargs: Any) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = function(*args, **kwargs)
    except BaseException as error:
        future.set_exception(error)
    else:
        future.set_result(result)


def _init(
    self: Any,
    max_workers: int | None = None,
    thread_name_prefix: str = "",
    initializer: Any = None,
    initargs: Any = (),
    **others: Any,
) -> None:
    _real_init(self, max_workers, thread_name_prefix, initializer, initargs, **others)
    self._model = _State(self, (called_later(initializer), initargs))


def _submit(self: Any, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Any:
    execution = execution_of(self)
    future = _base.Future()  # type: ignore[var-annotated]
    thread = execution.step(_Submit(self, (future, called_later(fn), args, kwargs)))
    if thread is not None:
        thread.start()
        self._model.starting = False
    return future


def _shutdown(self: Any, wait: bool = True, *, cancel_futures: bool = False) -> None:
    execution = execution_of(self)
    while (work := execution.step(_Close(self, cancel_futures))) is not None:
        work[0].cancel()
    if wait:
        for thread in self._model.threads:
            thread.join()


def _counter() -> int:
    """The number in the name of a pool that the program gives none: from 0 in every schedule."""
    execution = current()
    assert execution is not None
    number = execution.pools_made
    execution.pools_made += 1
    return number


METHODS: Methods = {
    ThreadPoolExecutor: {"__init__": _init, "submit": _submit, "shutdown": _shutdown, "_counter": _counter}
}

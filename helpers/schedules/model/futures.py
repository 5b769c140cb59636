"""Future, `wait` and `as_completed`: a future is pending, then running, then done for good, or cancelled.

A future has two targets: its label, which everything that ends it writes; and that it has been picked up to
be run, which only `cancel` and `running` care about. So who waits for a result does not meet the beginning.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Hashable, Iterable, Iterator
from concurrent.futures import _base
from concurrent.futures._base import (
    ALL_COMPLETED,
    CANCELLED,
    CANCELLED_AND_NOTIFIED,
    FINISHED,
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    PENDING,
    RUNNING,
    CancelledError,
    DoneAndNotDoneFutures,
    Future,
    InvalidStateError,
)
from contextlib import nullcontext
from typing import Any

from helpers.schedules.execution import Execution
from helpers.schedules.model.primitives import (
    Methods,
    PrimitiveOperation,
    State,
    Timed,
    called_later,
    execution_of,
)

_DONE = (CANCELLED, CANCELLED_AND_NOTIFIED, FINISHED)
_NOTIFIED = (CANCELLED_AND_NOTIFIED, FINISHED)  # what `wait` and `as_completed` take for done

_ended = itertools.count()  # which future ended before which


class _State(State):
    """What a search knows of one future.

    Attributes:
        begun: what stands for its being picked up, as a target.
        ended: a number, greater than those of the futures that ended before it.
    """

    __slots__ = ("begun", "ended")

    def __init__(self, future: Any) -> None:
        super().__init__(future)
        self.begun: Hashable = (self.label, "begun")
        self.ended = 0


class _FutureOperation(PrimitiveOperation):
    __slots__ = ()
    remedy = "give it a result"

    def snapshot(self) -> Any:
        return self.object._state


class _Result(_FutureOperation):
    """Waits until the future is done."""

    __slots__ = ()
    kind = "wait"
    verb = "wait for"
    writes = False
    blocks = True

    def ready(self) -> bool:
        return self.object._state in _DONE

    def perform(self) -> None:
        if self.object._state != FINISHED:
            raise CancelledError


class _ResultInTime(Timed, _Result):
    def expire(self) -> None:
        self.pass_time()
        raise TimeoutError


class _ResultNow(_Result):
    __slots__ = ()
    kind = "read"
    verb = "look at"
    blocks = False

    def perform(self) -> None:
        if self.object._state not in _DONE:
            raise TimeoutError
        super().perform()


class _Look(_FutureOperation):
    __slots__ = ()
    kind = "read"
    verb = "look at"
    writes = False

    def perform(self) -> str:
        state: str = self.object._state
        return state


class _LookWhetherBegun(_Look):
    __slots__ = ("others",)

    def __init__(self, future: Any) -> None:
        super().__init__(future)
        self.others = (future._model.begun,)


class _Cancel(_FutureOperation):
    """Cancels it, unless it runs or is over; returns the state it was in."""

    __slots__ = ("others",)
    kind = "set"
    verb = "cancel"

    def __init__(self, future: Any) -> None:
        super().__init__(future)
        self.others = (future._model.begun,)

    def perform(self) -> str:
        future = self.object
        before: str = future._state
        if before == PENDING:
            future._state = CANCELLED
        return before


class _Begin(_FutureOperation):
    """Picks it up to be run; returns the state it was in."""

    __slots__ = ()
    kind = "begin"
    verb = "begin"

    def __init__(self, future: Any) -> None:
        self.object = future
        self.target = future._model.begun

    def perform(self) -> str:
        future = self.object
        before: str = future._state
        if before == PENDING:
            future._state = RUNNING
        return before


class _Notice(_FutureOperation):
    """Notices that it was cancelled: `wait` and `as_completed` take it for done only from now on."""

    __slots__ = ()
    kind = "set"
    verb = "drop the cancelled"

    def perform(self) -> None:
        self.object._state = CANCELLED_AND_NOTIFIED
        self.object._model.ended = next(_ended)


class _Set(_FutureOperation):
    """Gives it a result, or an exception."""

    __slots__ = ("others", "outcome")
    given = ("outcome",)
    kind = "set"
    verb = "give a result to"

    def __init__(self, future: Any, outcome: tuple[Any, BaseException | None]) -> None:
        super().__init__(future)
        self.outcome = outcome
        self.others = (future._model.begun,)

    def perform(self) -> None:
        future = self.object
        if future._state in _DONE:
            raise InvalidStateError(f"{future._state}: {future!r}")
        future._result, future._exception = self.outcome
        future._state = FINISHED
        future._model.ended = next(_ended)


class _AddCallback(_FutureOperation):
    """Queues a callback up, or says that it is too late for that."""

    __slots__ = ("callback",)
    given = ("callback",)
    kind = "write"
    verb = "add a callback to"

    def __init__(self, future: Any, callback: Callable[[Any], Any]) -> None:
        super().__init__(future)
        self.callback = callback

    def perform(self) -> bool:
        if self.object._state in _DONE:
            return False
        self.object._done_callbacks.append(self.callback)
        return True


class _WaitForSome(_FutureOperation):
    """Waits until enough of several futures are done; returns those that are, in the order they ended."""

    __slots__ = ("all", "others", "until")
    kind = "wait"
    verb = "wait for"
    writes = False
    blocks = True

    def __init__(self, futures: list[Any], until: Callable[[list[Any], int], bool]) -> None:
        super().__init__(futures[0])
        self.all = futures
        self.others = tuple(future._model.label for future in futures[1:])
        self.until = until

    def done(self) -> list[Any]:
        done = [future for future in self.all if future._state in _NOTIFIED]
        return sorted(done, key=lambda future: int(future._model.ended))

    def ready(self) -> bool:
        return self.until(self.done(), len(self.all))

    def perform(self) -> list[Any]:
        return self.done()


class _WaitForSomeInTime(Timed, _WaitForSome):
    """Waits for a while, and then returns what is done."""

    def expire(self) -> list[Any]:
        self.pass_time()
        return self.done()


class _SomeNow(_WaitForSome):
    """Returns what is done."""

    __slots__ = ()
    kind = "read"
    verb = "look at"
    blocks = False


class _NextInTime(_WaitForSomeInTime):
    """Waits for the next to be done; the time may be up before it is looked for."""

    def can_expire(self) -> bool:
        return True

    def expire(self) -> list[Any]:
        self.pass_time()
        return []


def _any(done: list[Any], count: int) -> bool:
    return bool(done)


def _all(done: list[Any], count: int) -> bool:
    return len(done) == count


def _any_exception(done: list[Any], count: int) -> bool:
    return len(done) == count or any(future._exception is not None for future in done)


_UNTIL = {FIRST_COMPLETED: _any, FIRST_EXCEPTION: _any_exception, ALL_COMPLETED: _all}


def _init(self: Any) -> None:
    self._model = _State(self)
    self._condition = nullcontext()  # for CPython's `__repr__`
    self._state = PENDING
    self._result = None
    self._exception = None
    self._waiters = []
    self._done_callbacks = []


def _await(future: Any, timeout: float | None) -> None:
    """Wait until a future is done.

    Raises:
        CancelledError: it was cancelled.
        TimeoutError: the time is up.
    """
    execution = execution_of(future)
    if timeout is None:
        operation = _Result(future)
    else:
        operation = _ResultInTime(future, timeout=timeout) if timeout > 0 else _ResultNow(future)
    execution.step(operation)


def _result(self: Any, timeout: float | None = None) -> Any:
    _await(self, timeout)
    return self._Future__get_result()


def _exception(self: Any, timeout: float | None = None) -> BaseException | None:
    _await(self, timeout)
    exception: BaseException | None = self._exception
    return exception


def _cancel(self: Any) -> bool:
    before = execution_of(self).step(_Cancel(self))
    if before == PENDING:
        self._invoke_callbacks()
    return before not in (RUNNING, FINISHED)


def _cancelled(self: Any) -> bool:
    return execution_of(self).step(_Look(self)) in (CANCELLED, CANCELLED_AND_NOTIFIED)


def _running(self: Any) -> bool:
    return bool(execution_of(self).step(_LookWhetherBegun(self)) == RUNNING)


def _done(self: Any) -> bool:
    return execution_of(self).step(_Look(self)) in _DONE


def _add_done_callback(self: Any, fn: Callable[[Any], Any]) -> None:
    fn = called_later(fn)
    if not execution_of(self).step(_AddCallback(self, fn)):
        try:
            fn(self)
        except Exception:
            _base.LOGGER.exception("exception calling callback for %r", self)


def _set_running_or_notify_cancel(self: Any) -> bool:
    execution = execution_of(self)
    before = execution.step(_Begin(self))
    if before == CANCELLED:
        execution.step(_Notice(self))
        return False
    if before != PENDING:
        _base.LOGGER.critical("Future %s in unexpected state: %s", id(self), before)
        raise RuntimeError("Future in unexpected state")
    return True


def _set_result(self: Any, result: Any) -> None:
    execution_of(self).step(_Set(self, (result, None)))
    self._invoke_callbacks()


def _set_exception(self: Any, exception: BaseException | None) -> None:
    execution_of(self).step(_Set(self, (None, exception)))
    self._invoke_callbacks()


def wait(fs: Iterable[Any], timeout: float | None = None, return_when: str = ALL_COMPLETED) -> Any:
    futures = list(dict.fromkeys(fs))
    if return_when not in _UNTIL:
        raise ValueError(f"Invalid return condition: {return_when!r}")
    done: set[Any] = set()
    if futures:
        done.update(_execution_of_all(futures).step(_waiting(futures, _UNTIL[return_when], timeout)))
    return DoneAndNotDoneFutures(done, set(futures) - done)


def _execution_of_all(futures: list[Any]) -> Execution:
    return [execution_of(future) for future in futures][-1]


def _waiting(
    futures: list[Any], until: Callable[[list[Any], int], bool], timeout: float | None
) -> _WaitForSome:
    if timeout is None:
        return _WaitForSome(futures, until)
    return _WaitForSomeInTime(futures, until, timeout=timeout) if timeout > 0 else _SomeNow(futures, until)


def as_completed(fs: Iterable[Any], timeout: float | None = None) -> Iterator[Any]:
    pending = list(dict.fromkeys(fs))
    total = len(pending)
    looked = False
    while pending:
        done = []
        if not looked:
            done = _execution_of_all(pending).step(_waiting(pending, _any, timeout))
        elif timeout is None or timeout > 0:
            operation = (
                _WaitForSome(pending, _any)
                if timeout is None
                else _NextInTime(pending, _any, timeout=timeout)
            )
            done = execution_of(pending[0]).step(operation)
        if not done:
            raise TimeoutError(f"{len(pending)} (of {total}) futures unfinished")
        looked = True
        pending = [future for future in pending if future not in done]
        yield from done


def _result_or_cancel(fut: Any, timeout: float | None = None) -> Any:
    """As CPython's; it is known that a future which has given its result needs no cancelling."""
    try:
        return fut.result(timeout)
    finally:
        if fut._state not in _DONE:
            fut.cancel()


METHODS: Methods = {
    Future: {
        "__init__": _init,
        "result": _result,
        "exception": _exception,
        "cancel": _cancel,
        "cancelled": _cancelled,
        "running": _running,
        "done": _done,
        "add_done_callback": _add_done_callback,
        "set_running_or_notify_cancel": _set_running_or_notify_cancel,
        "set_result": _set_result,
        "set_exception": _set_exception,
    }
}

FUNCTIONS = {"wait": wait, "as_completed": as_completed, "_result_or_cancel": _result_or_cancel}

"""Semaphore and BoundedSemaphore: a number, and whoever finds it above zero takes one.

CPython's is a condition and a number. Its notifications are never lost: whoever is woken, or stops waiting,
looks at the number again before it goes on.
"""

from __future__ import annotations

import threading
from typing import Any

from helpers.schedules.model.primitives import Methods, Over, PrimitiveOperation, State, Timed, execution_of


class _SemaphoreOperation(PrimitiveOperation):
    __slots__ = ()
    remedy = "release it"
    scarce = True

    def snapshot(self) -> Any:
        return self.object._value


class _Acquire(_SemaphoreOperation):
    __slots__ = ()
    kind = verb = "acquire"
    blocks = True

    def ready(self) -> bool:
        return bool(self.object._value > 0)

    def perform(self) -> bool:
        self.object._value -= 1
        return True


class _AcquireInTime(Timed, _Acquire):
    def expire(self) -> bool:
        self.pass_time()
        return False


class _TryAcquire(_SemaphoreOperation):
    __slots__ = ()
    kind = "acquire"
    verb = "try to acquire"

    def perform(self) -> bool:
        semaphore = self.object
        if semaphore._value == 0:
            return False
        semaphore._value -= 1
        return True


class _Release(_SemaphoreOperation):
    __slots__ = ("count",)
    kind = verb = "release"

    def __init__(self, semaphore: Any, count: int) -> None:
        super().__init__(semaphore)
        self.count = count

    def perform(self) -> None:
        self.object._value += self.count


class _ReleaseBounded(_Release):
    __slots__ = ()

    def perform(self) -> None:
        semaphore = self.object
        if semaphore._value + self.count > semaphore._initial_value:
            raise ValueError("Semaphore released too many times")
        semaphore._value += self.count


def _init(self: Any, value: int = 1) -> None:
    if value < 0:
        raise ValueError("semaphore initial value must be >= 0")
    self._model = State(self)
    self._cond = Over()
    self._value = value


def _acquire(self: Any, blocking: bool = True, timeout: float | None = None) -> bool:
    execution = execution_of(self)
    if not blocking and timeout is not None:
        raise ValueError("can't specify timeout for non-blocking acquire")
    if blocking and timeout is None:
        operation: _SemaphoreOperation = _Acquire(self)
    elif timeout is not None and timeout > 0:
        operation = _AcquireInTime(self, timeout=timeout)
    else:
        operation = _TryAcquire(self)
    acquired: bool = execution.step(operation)
    return acquired


def _release(self: Any, n: int = 1, *, kind: type[_Release] = _Release) -> None:
    execution = execution_of(self)
    if n < 1:
        raise ValueError("n must be one or more")
    execution.step(kind(self, n))


def _release_bounded(self: Any, n: int = 1) -> None:
    _release(self, n, kind=_ReleaseBounded)


METHODS: Methods = {
    threading.Semaphore: {"__init__": _init, "acquire": _acquire, "__enter__": _acquire, "release": _release},
    threading.BoundedSemaphore: {"release": _release_bounded},
}

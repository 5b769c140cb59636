"""Condition: waiting is two steps, to give the lock away and to have it again.

Between the two, a notification wakes the one that has waited longest; it then competes for the lock with
everybody. The lock is what all of this is about: there is no other target.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

from helpers.schedules.earlier import made_before
from helpers.schedules.execution import Execution, current
from helpers.schedules.model import locks
from helpers.schedules.model.locks import Lock, RLock
from helpers.schedules.model.primitives import (
    Methods,
    PrimitiveOperation,
    Timed,
    as_is,
    execution_of,
)
from helpers.schedules.operation import Wait

_real_init = threading.Condition.__init__
_real_wait = threading.Condition.wait
_real_notify = threading.Condition.notify


class _State:
    """What a search knows of one condition; `label` is that of its lock."""

    __slots__ = ("execution", "label")

    def __init__(self, lock: Lock) -> None:
        self.execution = lock.execution
        self.label = lock.label


class _ConditionOperation(PrimitiveOperation):
    __slots__ = ()

    def snapshot(self) -> Any:
        condition = self.object
        return condition._lock.state(), len(condition._waiters)


class _Wait(_ConditionOperation):
    """Queues up and gives the lock away, however often it was acquired."""

    __slots__ = ("going_on",)
    kind = "wait"
    verb = "wait for"

    def __init__(self, condition: Any, going_on: _GoOn) -> None:
        super().__init__(condition)
        self.going_on = going_on

    @property
    def opens(self) -> bool:  # type: ignore[override]
        # Who waits without the lock gets an error, and an acquisition might have come before it.
        return self.object._lock.owner is not None

    def perform(self) -> None:
        condition = self.object
        if not condition._lock.held():
            raise RuntimeError("cannot wait on un-acquired lock")
        condition._waiters.append(self.going_on)
        self.going_on.saved = condition._lock.give_away()


class _GoOn(_ConditionOperation):
    """Has been woken, and has the lock again."""

    __slots__ = ("saved", "woken")
    kind = "wake"
    verb = "go on after"
    remedy = "notify it"
    blocks = True

    def __init__(self, condition: Any) -> None:
        super().__init__(condition)
        self.woken = False
        self.saved = 0

    def ready(self) -> bool:
        return self.woken and self.object._lock.owner is None

    def perform(self) -> bool:
        self.object._lock.take_back(self.saved)
        return True

    def waits_for(self, execution: Execution) -> Wait:
        if not self.woken:
            return super().waits_for(execution)
        lock = self.object._lock
        return Wait(execution.name(lock), "lock", "release it", lock.owner)


class _GoOnInTime(Timed, _GoOn):
    """Goes on after a while at the latest, as soon as it has the lock again.

    It is in the queue until then: a notification that comes when the time is up, but before that, is spent on
    it.
    """

    def can_expire(self) -> bool:
        return self.object._lock.owner is None

    def expire(self) -> bool:
        condition = self.object
        if not self.woken:
            condition._waiters.remove(self)
        condition._lock.take_back(self.saved)
        self.pass_time()
        return False


class _Notify(_ConditionOperation):
    """Done with the lock held nobody can notice it before that is released: then it is no choice."""

    __slots__ = ("count", "free")
    kind = verb = "notify"

    def __init__(self, condition: Any, count: int) -> None:
        super().__init__(condition)
        self.count = count
        self.free = condition._lock.owner is condition._model.execution.task

    def perform(self) -> None:
        condition = self.object
        if not condition._lock.held():
            raise RuntimeError("cannot notify on un-acquired lock")
        waiters = condition._waiters
        for _ in range(min(self.count, len(waiters))):
            waiters.popleft().woken = True


class _NotifyAll(_Notify):
    __slots__ = ()
    verb = "notify all of"

    def __init__(self, condition: Any) -> None:
        super().__init__(condition, len(condition._waiters))


def _init(self: Any, lock: Any = None) -> None:
    if isinstance(lock, locks.REAL):
        execution = current()
        assert execution is not None
        made_before(execution, lock)
    _real_init(self, lock)
    if type(self._lock) in (Lock, RLock):
        self._model = _State(self._lock)
        self._model.execution.label(self)  # here it gets its name
    else:
        # The program's own kind of lock has its own steps, and CPython's own code goes through them.
        self._model = None


def _wait(self: Any, timeout: float | None = None) -> bool:
    if as_is(self):
        return _real_wait(self, timeout)
    execution = execution_of(self)
    going_on = _GoOn(self) if timeout is None else _GoOnInTime(self, timeout=timeout)
    execution.step(_Wait(self, going_on))
    notified: bool = execution.step(going_on)
    return notified


def _wait_for(self: Any, predicate: Callable[[], Any], timeout: float | None = None) -> Any:
    result = predicate()
    while not result:
        in_time = self.wait(timeout)
        result = predicate()
        if not in_time and timeout is not None:
            break
    return result


def _notify(self: Any, n: int = 1) -> None:
    if as_is(self):
        _real_notify(self, n)
    else:
        execution_of(self).step(_Notify(self, n))


def _notify_all(self: Any) -> None:
    if as_is(self):
        _real_notify(self, len(self._waiters))
    else:
        execution_of(self).step(_NotifyAll(self))


METHODS: Methods = {
    threading.Condition: {
        "__init__": _init,
        "wait": _wait,
        "wait_for": _wait_for,
        "notify": _notify,
        "notify_all": _notify_all,
    }
}

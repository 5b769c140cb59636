"""Event: the first step of a wait looks at the flag and queues up, the second goes on after a `set`."""

from __future__ import annotations

import threading
from typing import Any

from helpers.schedules.model.primitives import Methods, Over, PrimitiveOperation, State, Timed, execution_of


class _EventOperation(PrimitiveOperation):
    __slots__ = ()

    def snapshot(self) -> Any:
        return self.object._flag, len(self.object._waiting)


class _Set(_EventOperation):
    __slots__ = ()
    kind = verb = "set"

    def perform(self) -> None:
        event = self.object
        event._flag = True
        for wait in event._waiting:
            wait.woken = True
        event._waiting.clear()


class _Clear(_EventOperation):
    __slots__ = ()
    kind = verb = "clear"

    def perform(self) -> None:
        self.object._flag = False


class _IsSet(_EventOperation):
    __slots__ = ()
    kind = "read"
    verb = "look at"
    writes = False

    def perform(self) -> bool:
        flag: bool = self.object._flag
        return flag


class _Wait(_EventOperation):
    """Begins to wait, unless the flag is up.

    It only reads: all who wait are woken by one `set`, so the order in which they queue up is no matter.
    """

    __slots__ = ("going_on",)
    kind = "wait"
    verb = "wait for"
    writes = False

    def __init__(self, event: Any, going_on: _GoOn) -> None:
        super().__init__(event)
        self.going_on = going_on

    def perform(self) -> bool:
        event = self.object
        if not event._flag:
            event._waiting.append(self.going_on)
            return False
        return True


class _GoOn(_EventOperation):
    """Goes on once it is woken, whether or not `clear` came in between."""

    __slots__ = ("woken",)
    kind = "wake"
    verb = "go on after"
    remedy = "set it"
    writes = False
    blocks = True

    def __init__(self, event: Any) -> None:
        super().__init__(event)
        self.woken = False

    def ready(self) -> bool:
        return self.woken

    def perform(self) -> bool:
        return True


class _GoOnInTime(Timed, _GoOn):
    """Goes on after a while at the latest.

    In reality also when it has been woken by then, and does not notice; that is the same as if this thread
    had been slow after a wait that ended earlier.
    """

    def expire(self) -> bool:
        self.object._waiting.remove(self)
        self.pass_time()
        return False


def _init(self: Any) -> None:
    self._model = State(self)
    self._cond = Over()
    self._flag = False
    self._waiting = []


def _is_set(self: Any) -> bool:
    is_set: bool = execution_of(self).step(_IsSet(self))
    return is_set


def _set(self: Any) -> None:
    execution_of(self).step(_Set(self))


def _clear(self: Any) -> None:
    execution_of(self).step(_Clear(self))


def _wait(self: Any, timeout: float | None = None) -> bool:
    execution = execution_of(self)
    if timeout is None:
        going_on = _GoOn(self)
    elif timeout > 0:
        going_on = _GoOnInTime(self, timeout=timeout)
    else:
        return _is_set(self)
    signalled: bool = execution.step(_Wait(self, going_on)) or execution.step(going_on)
    return signalled


METHODS: Methods = {
    threading.Event: {"__init__": _init, "is_set": _is_set, "set": _set, "clear": _clear, "wait": _wait}
}

"""Barrier: a step to come in, one to leave; in between, whoever comes last lets all go, in a step of its own.

That step is one of its own because `n_waiting` takes no lock: for a moment it may count all the parties.

The states have CPython's numbers: 0 filling, 1 draining, -1 resetting, -2 broken.
"""

from __future__ import annotations

import threading
from threading import BrokenBarrierError
from typing import Any

from helpers.schedules.execution import Execution, Task
from helpers.schedules.model.primitives import Methods, PrimitiveOperation, State, Timed, execution_of

FILLING, DRAINING, RESETTING, BROKEN = 0, 1, -1, -2

_real_init = threading.Barrier.__init__


class _State(State):
    """And the task that came last, until it lets all go: nobody comes in or leaves meanwhile."""

    __slots__ = ("acting",)

    def __init__(self, barrier: Any) -> None:
        super().__init__(barrier)
        self.acting: Task | None = None


class _BarrierOperation(PrimitiveOperation):
    __slots__ = ()
    blocks = True
    remedy = "let all threads come to it"

    def ready(self) -> bool:
        return self.object._model.acting is None

    def holder(self) -> Task | None:
        acting: Task | None = self.object._model.acting
        return acting

    def snapshot(self) -> Any:
        return self.object._state, self.object._count


class _Enter(_BarrierOperation):
    """Comes in, after all of the last round have left. Returns the place among those who came, from 0."""

    __slots__ = ()
    kind = "wait"
    verb = "wait at"

    def ready(self) -> bool:
        return self.object._model.acting is None and self.object._state in (FILLING, BROKEN)

    def perform(self) -> int:
        barrier = self.object
        if barrier._state == BROKEN:
            raise BrokenBarrierError
        index: int = barrier._count
        barrier._count += 1
        if index + 1 == barrier._parties:
            barrier._model.acting = barrier._model.execution.task
        return index


class _LetGo(_BarrierOperation):
    """The last to come has run any action; lets all go, or breaks the barrier if the action failed."""

    __slots__ = ("outcome",)
    kind = "notify"
    verb = "open"
    blocks = False

    def __init__(self, barrier: Any, outcome: int) -> None:
        super().__init__(barrier)
        self.outcome = outcome

    def perform(self) -> None:
        self.object._model.acting = None
        self.object._state = self.outcome
        _count_out(self.object)


class _Leave(_BarrierOperation):
    """Goes on when the round is complete. In which order they leave is no matter, so it only reads.

    Who may notice that somebody has left must write, then: see `_Look`.
    """

    __slots__ = ("index",)
    kind = "wake"
    verb = "go on after"
    writes = False

    def __init__(self, barrier: Any, index: int) -> None:
        super().__init__(barrier)
        self.index = index

    def ready(self) -> bool:
        return self.object._model.acting is None and self.object._state != FILLING

    def perform(self) -> int:
        broken = self.object._state < 0
        _count_out(self.object)
        if broken:
            raise BrokenBarrierError
        return self.index


class _LeaveInTime(Timed, _Leave):
    """Breaks the barrier when the time is up and the round is still not complete."""

    writes = True

    def can_expire(self) -> bool:
        return self.object._model.acting is None and self.object._state == FILLING

    def expire(self) -> None:
        self.object._state = BROKEN
        _count_out(self.object)
        self.pass_time()
        raise BrokenBarrierError


class _Reset(_BarrierOperation):
    __slots__ = ()
    kind = "notify"
    verb = "reset"

    def perform(self) -> None:
        barrier = self.object
        if not barrier._count:
            barrier._state = FILLING
        elif barrier._state in (FILLING, BROKEN):
            barrier._state = RESETTING


class _Abort(_BarrierOperation):
    __slots__ = ()
    kind = "notify"
    verb = "abort"

    def perform(self) -> None:
        self.object._state = BROKEN


class _Look(_BarrierOperation):
    """Counts as a write: it notices how many have left, which does no more than read."""

    __slots__ = ()
    kind = "read"
    verb = "look at"
    blocks = False

    def perform(self) -> tuple[int, int]:
        return self.object._state, self.object._count


def _count_out(barrier: Any) -> None:
    barrier._count -= 1
    if not barrier._count and barrier._state in (RESETTING, DRAINING):
        barrier._state = FILLING


def _init(self: Any, *args: Any, **kwargs: Any) -> None:
    _real_init(self, *args, **kwargs)
    self._model = _State(self)


def _wait(self: Any, timeout: float | None = None) -> int:
    execution = execution_of(self)
    if timeout is None:
        timeout = self._timeout
    index: int = execution.step(_Enter(self))
    if index + 1 == self._parties:
        _act(self, execution)
        return index
    execution.step(_Leave(self, index) if timeout is None else _LeaveInTime(self, index, timeout=timeout))
    return index


def _act(self: Any, execution: Execution) -> None:
    try:
        if self._action:
            self._action()
    except BaseException:
        execution.step(_LetGo(self, BROKEN))
        raise
    execution.step(_LetGo(self, DRAINING))


def _reset(self: Any) -> None:
    execution_of(self).step(_Reset(self))


def _abort(self: Any) -> None:
    execution_of(self).step(_Abort(self))


def _n_waiting(self: Any) -> int:
    # CPython looks twice, and without the lock: between the two the barrier may go on.
    execution = execution_of(self)
    state, _ = execution.step(_Look(self))
    if state != FILLING:
        return 0
    _, count = execution.step(_Look(self))
    return int(count)


def _broken(self: Any) -> bool:
    state, _ = execution_of(self).step(_Look(self))
    return bool(state == BROKEN)


METHODS: Methods = {
    threading.Barrier: {
        "__init__": _init,
        "wait": _wait,
        "reset": _reset,
        "abort": _abort,
        "n_waiting": property(_n_waiting),
        "broken": property(_broken),
    }
}

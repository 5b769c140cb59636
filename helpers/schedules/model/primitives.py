"""What the models of Python's own primitive classes share: their objects stay objects of the real classes.

An object made by an explored thread has a `State` in its attribute `_model`; one without was made before the
scenario began, and nothing is known of it.
"""

from __future__ import annotations

from typing import Any, NoReturn

from helpers.schedules.earlier import made_before
from helpers.schedules.execution import Execution, current
from helpers.schedules.model import clock
from helpers.schedules.operation import Operation
from helpers.schedules.workers import in_finalizer

# For each class, what its methods (and properties) are in explored threads.
Methods = dict[type, dict[str, Any]]


class State:
    """What a search knows of one primitive.

    Attributes:
        execution: the schedule it was made in.
        label: its number there.
    """

    __slots__ = ("execution", "label")

    def __init__(self, primitive: Any) -> None:
        execution = current()
        assert execution is not None
        self.execution = execution
        self.label = execution.label(primitive)


class PrimitiveOperation(Operation):
    """An operation of a primitive that has a `State`."""

    __slots__ = ()

    def __init__(self, primitive: Any) -> None:
        self.object = primitive
        self.target = primitive._model.label

    def snapshot(self) -> Any:
        return None


class Timed(Operation):
    """Mixed into an operation whose wait may end by itself: while it is not ready, if nothing else is said.

    Attributes:
        timeout: seconds that the program is ready to wait, more than 0.
        since: the time when it began to.
    """

    timed = True

    def __init__(self, *about: Any, timeout: float) -> None:
        """The wait begins now.

        Args:
            about: what the operation itself is made of.
            timeout: seconds.
        """
        super().__init__(*about)
        time = clock.now()
        self.timeout = float(timeout)
        self.since = time.now
        self.others += time.targets

    def can_expire(self) -> bool:
        return not self.ready()

    def pass_time(self) -> None:
        """The wait has ended by itself."""
        clock.now().reach(self.since + self.timeout)


def called_later(function: Any) -> Any:
    """A function that the program has given away, so that what it touches is seen when it is called."""
    from helpers.schedules.calls import called_later  # which knows the models

    return called_later(function)


def execution_of(primitive: Any) -> Execution:
    """The schedule that is being run, and that the primitive was made in.

    If it was not, the search ends: nobody can say in what state the primitive is. Only what is left of an
    earlier schedule may still use it while it is being finalized.
    """
    execution = current()
    assert execution is not None
    state: State | None = getattr(primitive, "_model", None)
    if state is None or state.execution is not execution:
        if state is None or not in_finalizer():
            made_before(execution, primitive)
        return state.execution
    return execution


def by_number(primitive: Any) -> int:
    """The hash of a primitive: the same in every replay, so that a set of them keeps its order."""
    known = vars(primitive)
    state = known.get("_model") or known.get("_explored")  # the latter of a thread
    return object.__hash__(primitive) if state is None else state.label


class Over:
    """What a primitive made in a scenario has for its insides: CPython's own methods find it afterwards."""

    def __enter__(self) -> NoReturn:
        raise RuntimeError("it was made in a scenario that is over: make another")

    def __exit__(self, *exception: Any) -> None:
        """It is never entered."""


def as_is(primitive: Any) -> bool:
    """Does CPython's own code run for it, with modelled parts inside? Such a one has no `State` but None."""
    return primitive.__dict__.get("_model", primitive) is None

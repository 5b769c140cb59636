"""A scenario that somebody outside leads step by step; its threads stand still in between."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterable
from dataclasses import dataclass
from typing import Any

from helpers.schedules import notation
from helpers.schedules.execution import Task
from helpers.schedules.exploring import check, explore, installed
from helpers.schedules.operation import Site
from helpers.schedules.result import Failure, Schedule, Step, Waiting
from helpers.schedules.search import Reader
from helpers.schedules.verdicts import in_words, judge, place_of, without_addresses
from helpers.schedules.watching import Watched

# Seconds to find out where threads meet, if nobody knows.
LOOKING = 2.0

WELL = "ended well"


@dataclass(frozen=True, slots=True)
class Choice:
    """One thread, and what it would do next.

    Attributes:
        number: in order of start; 0 is the scenario's own.
        name: the thread's name.
        state: ``"running"``, ``"blocked"``, ``"ended"`` or ``"raised"`` (ended by an exception).
        site: the place in the program, where it is known; of a thread that raised, where it did.
        text: what it would do: ``"acquire lock"``; of a thread that raised, the exception's name.
        waits: what it waits for while it cannot go on, or None.
        can_go: whether it can make its step now.
        can_expire: whether its wait can end by the timeout now.
    """

    number: int
    name: str
    state: str
    site: Site | None
    text: str
    waits: Waiting | None
    can_go: bool
    can_expire: bool


class Stepper:
    """A scenario, led step by step.

    Attributes:
        schedule: the choices so far, as a string (see `Schedule.string`).
        outcome: None while it can go on; then a `Failure`, or ``"ended well"``.
    """

    def __init__(self, scenario: Callable[[], Any], racy: Iterable[Hashable] | None = None) -> None:
        """Run the scenario to the first step at which somebody has to choose.

        Args:
            scenario: as in `every_schedule`.
            racy: where threads meet, as a `Result` knows it; None to find out.

        Raises:
            ValueError: the scenario cannot be explored.
        """
        check(scenario)
        self._scenario = scenario
        self._racy = frozenset(explore(scenario, seconds=LOOKING).racy if racy is None else racy)
        self._taken: list[tuple[int, int]] = []
        self.outcome: Failure | str | None = None
        self._begin([])

    # --- what can be done --------------------------------------------------------------------------------

    def choose(self, number: int, expire: bool = False) -> None:
        """Let a thread make its next step, or let its wait end by the timeout.

        Raises:
            ValueError: it cannot.
        """
        pick = 2 * number + expire
        if self.outcome is not None or number < 0 or not self._execution.choices() >> pick & 1:
            raise ValueError("that thread cannot do that now")
        with installed(self._scenario):
            self._go(pick)

    def undo(self) -> None:
        """Take the last choice back: begin again, and make all others."""
        if self._taken:
            picks = [pick for _, pick in self._taken[:-1]]
            self.close()
            self._begin(picks)

    def close(self) -> None:
        """End the threads that still stand."""
        with installed(self._scenario):
            self._execution.unwind()

    # --- what is to be seen ------------------------------------------------------------------------------

    @property
    def choices(self) -> tuple[Choice, ...]:
        """All threads that have been started, and what they would do next."""
        return tuple(map(self._choice, self._execution.tasks))

    @property
    def schedule(self) -> str:
        return notation.written(self._taken, whole=True)

    @property
    def value(self) -> str:
        """What the last choice has read, written or given, in few words; "" for nothing."""
        return self._execution.value

    @property
    def values(self) -> dict[str, str]:
        """The shared values as they were last seen: by name, in few words."""
        return dict(self._execution.values)

    @property
    def steps(self) -> tuple[Step, ...]:
        """All that was done so far."""
        return self._execution.steps()

    @property
    def output(self) -> str:
        """What the program has printed so far."""
        return without_addresses("".join(self._execution.output))

    # --- in between --------------------------------------------------------------------------------------

    def _begin(self, picks: Iterable[int]) -> None:
        self._taken = []
        self.outcome = None
        self._execution = Watched(Reader(self._racy))
        with installed(self._scenario):
            self._execution.begin(self._scenario, threading.main_thread())
            self._execution.hub.wait()
            self._see()
            for pick in picks:
                self._go(pick)

    def _go(self, pick: int) -> None:
        execution = self._execution
        self._taken.append((execution.choices(), pick))
        execution.resume(execution.go(pick))
        self._see()

    def _see(self) -> None:
        """Find out whether it is over."""
        execution = self._execution
        if execution.broken is not None:
            raise execution.broken
        if execution.refused:
            raise ValueError(execution.refused)
        if execution.going_on and execution.choices() and execution.cut is None:
            return
        verdict = judge(execution)
        if verdict is None:
            self.outcome = WELL
            return
        bare = Schedule(self.schedule, execution.steps(), None, self.output)
        self.outcome = in_words(execution, verdict, bare)

    def _choice(self, task: Task) -> Choice:
        execution = self._execution
        name = execution.name_of(task)
        site = execution.sites.get(task.number)
        operation = task.op
        if operation is None:
            raised = ""
            if task.failure is not None:
                raised, site = type(task.failure).__name__, place_of(task.failure)
            return Choice(
                task.number, name, "raised" if raised else "ended", site, raised, None, False, False
            )
        choices = execution.choices() if self.outcome is None else 0
        can_go = bool(choices >> 2 * task.number & 1)
        can_expire = bool(choices >> 2 * task.number & 2)
        waits = execution.waits_of(task)
        state = "running" if can_go or waits is None else "blocked"
        return Choice(task.number, name, state, site, operation.text(execution), waits, can_go, can_expire)

"""What a search found: plain records."""

from __future__ import annotations

from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from helpers.timeline import Timeline


@dataclass(frozen=True, slots=True)
class Waiting:
    """A thread that cannot go on.

    Attributes:
        thread: its name.
        on: what it waits for, as the program calls it: ``"lock"``, ``"self.not_empty"``; of a join, the
            thread.
        state: one of the timeline's states, ``"lock"``, ``"signal"``, ``"queue"``, ``"join"`` or ``"sleep"``;
            or ``"spin"`` for one that looks at the same values again and again.
        holder: name of the thread that holds it, or that has to end; None where there is none.
        remedy: what another thread would have to do: ``"release it"``, ``"set it"``.
    """

    thread: str
    on: str
    state: str
    holder: str | None
    remedy: str


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that a thread did.

    Attributes:
        number: its place in the schedule, from 1.
        thread: name of the thread.
        operation: what it did: ``"acquire lock"``, ``"read counter"``.
        kind: ``"acquire"``, ``"release"``, ``"wait"``, ``"notify"``, ``"set"``, ``"read"``, ``"write"``,
            ``"start"``, ``"join"``, ``"end"`` …
        file, line: where in the program; ``""`` and 0 where that is not known.
        value: what was read, written or given, in few words; ``""`` where there is nothing to tell.
        expired: whether it is the end of a wait by its timeout, or another turn of a thread that spins.
        chosen: whether another step could have come first. That a thread starts, ends or is joined commutes
            with all that others can do: these are never chosen.
        waiting: the threads that cannot go on after it.
        held: the locks that are held after it: names of thread and lock.
        elsewhere: the name of the file, where that is not the scenario's own; otherwise ``""``.
    """

    number: int
    thread: str
    operation: str
    kind: str
    file: str
    line: int
    value: str
    expired: bool
    chosen: bool
    waiting: tuple[Waiting, ...]
    held: tuple[tuple[str, str], ...]
    elsewhere: str = ""


@dataclass(frozen=True, slots=True)
class Schedule:
    """One way in which the threads can take turns, and what comes of it.

    Attributes:
        string: whose steps they are, in short, such as ``"A B2 A"``: who goes, how often. ``M`` is the thread
            that runs the scenario; the others are ``A``, ``B`` and so on, in order of start. ``!`` marks a
            wait that ends by its timeout. From where it ends, whoever ran goes on while it can, then the
            first that can.
        steps: all that the threads did, in order.
        failure: what went wrong, or None.
        output: what the program printed.
    """

    string: str
    steps: tuple[Step, ...]
    failure: Failure | None
    output: str

    @property
    def timeline(self) -> Timeline:
        """The schedule as the picture all other chapters use, with a column for each step."""
        from helpers.schedules.story import timeline

        return timeline(self)

    def __str__(self) -> str:
        from helpers.schedules.showing import schedule_in_words

        return schedule_in_words(self)


@dataclass(frozen=True, slots=True, repr=False)
class Failure:
    """One thing that can go wrong.

    Attributes:
        kind: the name of an exception (``"AssertionError"``), ``"deadlock"``, ``"lost wake-up"``, ``"spin"``,
            ``"livelock"`` or ``"divergence"``.
        message: what happened, in words.
        thread: name of the thread that an exception ended, otherwise ``""``.
        line: the line of the program that raised it, otherwise 0.
        count: how many of the schedules that were tried fail like this.
        shortest: the one of them with the fewest preemptions, then the fewest steps.
        elsewhere: the name of the file that has the line, where that is not the scenario's own.

    Two failures are equal if they are the same in words.
    """

    kind: str
    message: str
    thread: str
    line: int
    count: int = field(compare=False)
    shortest: Schedule = field(compare=False)
    elsewhere: str = ""

    def __str__(self) -> str:
        from helpers.schedules.showing import failure_in_words

        return failure_in_words(self)

    def __repr__(self) -> str:
        return f"<Failure {self}>"  # what pytest shows where an assertion about `failures` is wrong


@dataclass(frozen=True)
class Result:
    """What came of trying the schedules of a scenario.

    The numbers count schedules; they are no probabilities. Equal programs give equal results.

    Attributes:
        schedules: how many were run to their end.
        failing: how many of them fail.
        exhausted: whether that is all there is to find: every schedule, or one of each class, was tried, and
            everything the program does could be followed.
        failures: what went wrong, the most frequent first.
        shortest: the schedule that fails with the fewest preemptions and steps, or None.
        mode: ``"classes"``, ``"all"`` or ``"bound"``.
        bound: the most preemptions tried in mode ``"bound"``, otherwise None.
        seconds: how long it took.
        notes: what could not be followed, and why the search ended early, in a sentence each.
    """

    schedules: int
    failing: int
    exhausted: bool
    failures: tuple[Failure, ...]
    shortest: Schedule | None = field(repr=False)
    mode: str
    bound: int | None
    seconds: float
    notes: tuple[str, ...]
    scenario: Callable[[], Any] = field(repr=False, compare=False)
    racy: frozenset[Hashable] = field(repr=False, compare=False)

    def __bool__(self) -> NoReturn:
        raise TypeError(
            "a result is neither true nor false: ask for result.failing == 0, and for result.exhausted"
        )

    def replay(self, schedule: Schedule | str) -> Schedule:
        """Run one schedule again: it does the same every time.

        Args:
            schedule: one of this result's, or a string such as ``"A B2 A"`` (see `Schedule.string`).

        Raises:
            ValueError: the string is none, or asks for what is not possible there.
        """
        from helpers.schedules.exploring import replay

        return replay(self.scenario, schedule, self.racy)

    def play(self, **options: Any) -> Any:
        """Let the reader choose the schedule, step by step, in a notebook (see `helpers.schedules.play`)."""
        from helpers.schedules.player import play

        return play(self.scenario, result=self, **options)

    def __str__(self) -> str:
        from helpers.schedules.showing import plain

        return plain(self)

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        from helpers.schedules.showing import bundle

        return bundle(self)

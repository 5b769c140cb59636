"""A schedule as a timeline: the picture that all other chapters use, with lines and values at its steps.

One lane for each thread, one unit of time for each step: step 3 goes from 3 to 4. A thread runs while it is
the one that was chosen. While it could go on and others were chosen there is no span, and the picture shows
a thin line; while it cannot go on it waits, for what its steps say. What happens without a choice, such as
the end of a thread, takes no time.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

import numpy as np

from helpers.schedules.sources import line_in
from helpers.timeline import STATES, Deadlock, Holds, Lane, Mark, Spans, Stuck, SyncObject, Timeline, Wakeups
from helpers.timeline.model import HOLD, SPAN, WAKEUP, cycle

if TYPE_CHECKING:
    from helpers.schedules.result import Failure, Schedule, Step, Waiting

NEVER = math.nan


def timeline(schedule: Schedule) -> Timeline:
    """Make the timeline of a schedule; its summary says every step in words."""
    story = _Story()
    for step in schedule.steps:
        story.tell(step)
    return story.end(schedule.failure)


def shown(schedule: Schedule) -> list[Step]:
    """The steps that have a column in the picture: those that were chosen, starts, and notifications."""
    return [step for step in schedule.steps if _is_shown(step)]


def _is_shown(step: Step) -> bool:
    return step.chosen or step.kind in _TOLD


# What is told even where it was no choice: it explains why another thread can go on.
_TOLD = {"start", "notify"}


def words(step: Step) -> str:
    """A step as it stands beside its lane: ``"5: read counter = 0"``."""
    line = f"{step.line}: " if step.line else ""
    if step.elsewhere:
        line = f"{step.elsewhere}:{line}"
    expired = (" (once more)" if step.kind == "spin" else " (timeout)") if step.expired else ""
    value = f" = {step.value}" if step.value else ""
    return f"{line}{step.operation}{expired}{value}"


class _Thread:
    """One lane in the making.

    Attributes:
        number: of the lane.
        name: of the thread.
        born: the first moment at which it could run.
        parent, started: who started it, and when.
        ran: when its last step was over.
        died: when it ended, or None.
        spans: rows of `SPAN`.
        waits: what it waits for, until it runs again.
        since: when that wait began.
        woken: when somebody ended that wait, or `NEVER`.
        waker: who did.
    """

    def __init__(self, number: int, name: str, born: float) -> None:
        self.number = number
        self.name = name
        self.born = self.ran = self.since = born
        self.parent: int | None = None
        self.started: float | None = None
        self.died: float | None = None
        self.spans: list[tuple[Any, ...]] = []
        self.waits: Waiting | None = None
        self.woken = NEVER
        self.waker = number

    def runs(self, at: float) -> None:
        """Make the step at `at`; steps in a row are one span."""
        running = STATES.index("running")
        start = at
        if self.spans and self.spans[-1][2:4] == (at, running):
            start = self.spans.pop()[1]
        self.ran = at + 1
        self.spans.append((self.number, start, self.ran, running, -1, NEVER, False))


class _Story:
    """What is known of a schedule after each of its steps."""

    def __init__(self) -> None:
        self._now = 1.0
        self._threads: dict[str, _Thread] = {}
        self._things: dict[SyncObject, int] = {}
        self._held: dict[tuple[str, str], float] = {}
        self._holds: list[tuple[Any, ...]] = []
        self._wakeups: list[tuple[Any, ...]] = []
        self._marks: list[Mark] = []

    def tell(self, step: Step) -> None:
        """Go on by one step."""
        at = self._now
        thread = self._thread(step.thread, at)
        if thread.waits is not None:
            if step.expired:
                thread.woken = NEVER
            self._end_wait(thread, at)
        if _is_shown(step):
            self._now += 1
            thread.runs(at)
            self._marks.append(Mark(thread.number, at, words(step)))
        if step.kind == "start":
            child = self._thread(step.operation.partition(" ")[2], self._now)
            child.parent, child.started = thread.number, at
        if step.kind == "end":
            thread.died = at
        self._follow_waits(thread, step.waiting, at)
        self._follow_holds(step.held, at)

    def end(self, failure: Failure | None) -> Timeline:
        """Finish: who still waits now waits for ever."""
        lanes, stuck = [], []
        # Who waits for ever is seen to wait for a while.
        last = self._now + any(each.waits and math.isnan(each.woken) for each in self._threads.values())
        for thread in self._threads.values():
            ending, detail = ("unfinished" if thread.died is None else "ended"), ""
            if thread.died is None and failure is None:
                ending = "cut off"  # only daemons can be left when all is well
            if thread.waits is not None and math.isnan(thread.woken):
                on, state = self._on(thread.waits)
                row = (thread.number, thread.since, last, STATES.index(state), on, NEVER, True)
                thread.spans.append(row)
                holder = self._threads[thread.waits.holder].number if thread.waits.holder else None
                if failure is not None:
                    stuck.append(Stuck(thread.number, thread.since, state, list(self._things)[on], holder))
            elif thread.waits is not None:
                self._end_wait(thread, self._now)
            if failure is not None and failure.thread == thread.name:
                line = f", {line_in(failure.elsewhere, failure.line)}" if failure.line else ""
                ending, detail = "raised", f"{failure.kind}{line}"
            lanes.append(
                Lane(
                    number=thread.number,
                    pid=0,
                    process="",
                    thread=thread.name,
                    daemon=False,
                    born=thread.born,
                    died=thread.died,
                    ending=ending,
                    detail=detail,
                    parent=thread.parent,
                    started=thread.started,
                    how="" if thread.parent is None else "start",
                )
            )
        for (name, lock), since in self._held.items():
            self._holds.append((self._threads[name].number, self._thing("", lock), since, last, True))
        objects = tuple(self._things)
        holds = np.array(sorted(self._holds, key=lambda hold: hold[2]), HOLD)
        wakeups = np.array(sorted(self._wakeups, key=lambda wakeup: wakeup[1]), WAKEUP)
        return Timeline(
            lanes=tuple(lanes),
            spans=tuple(Spans(np.array(each.spans, SPAN), objects) for each in self._threads.values()),
            holds=Holds(holds, objects),
            wakeups=Wakeups(wakeups, objects),
            objects=objects,
            stuck=Deadlock(tuple(stuck), cycle({wait.lane: wait.enders for wait in stuck})),
            duration=last,
            marks=tuple(self._marks),
            steps=True,
        )

    # ------------------------------------------------------------------------------------------ parts

    def _thread(self, name: str, born: float) -> _Thread:
        if name not in self._threads:
            self._threads[name] = _Thread(len(self._threads), name, born)
        return self._threads[name]

    def _thing(self, kind: str, name: str) -> int:
        return self._things.setdefault(SyncObject(kind, name), len(self._things))

    def _on(self, wait: Waiting) -> tuple[int, str]:
        """What a wait is for, and its state."""
        # One that spins waits for a value to change.
        state = "signal" if wait.state == "spin" else wait.state
        return self._thing("Thread" if state == "join" else "", wait.on), state

    def _follow_waits(self, chosen: _Thread, waiting: Iterable[Waiting], at: float) -> None:
        """Find out whose waits the step of `chosen` has begun and ended."""
        now = {wait.thread: wait for wait in waiting}
        for name in now:
            self._thread(name, at + 1)
        for thread in self._threads.values():
            before, wait = thread.waits, now.get(thread.name)
            if before is not None:
                if wait is None or (wait.on, wait.state) != (before.on, before.state):
                    if math.isnan(thread.woken):
                        thread.woken, thread.waker = at, chosen.number
                    if wait is None:
                        continue
                    self._end_wait(thread, at)
                else:
                    thread.woken = NEVER  # it was free to go on, and another came first
            if wait is not None:
                if before is None or thread.waits is None:
                    thread.since = max(at, thread.ran, thread.born)
                thread.waits = wait

    def _end_wait(self, thread: _Thread, until: float) -> None:
        """The thread waits no more."""
        assert thread.waits is not None
        on, state = self._on(thread.waits)
        if until > thread.since:
            row = (thread.number, thread.since, until, STATES.index(state), on, thread.woken, False)
            thread.spans.append(row)
        if not math.isnan(thread.woken):
            self._wakeups.append((thread.waker, thread.woken, thread.number, until, on))
        thread.waits, thread.woken = None, NEVER

    def _follow_holds(self, held: Iterable[tuple[str, str]], at: float) -> None:
        """Find out what the step took and gave back."""
        now = set(held)
        for key in [key for key in self._held if key not in now]:
            row = (self._threads[key[0]].number, self._thing("", key[1]), self._held.pop(key), at, False)
            self._holds.append(row)
        for key in held:
            self._held.setdefault(key, at)

"""The schedules of a search, run one after the other, and what is counted meanwhile.

The thread that ends a schedule counts it and begins the next. So the baton need not go through the thread
that searches, which would take a twentieth of the time; that thread gets it where a schedule ends with
threads that wait for ever and have to be ended, and when all is done.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from helpers.schedules.execution import Execution
from helpers.schedules.hub import STOPPED, Hub
from helpers.schedules.operation import Site, Unwind
from helpers.schedules.search import Tree
from helpers.schedules.verdicts import Verdict, judge
from helpers.schedules.workers import real_monotonic

Scenario = Callable[[], Any]


@dataclass(slots=True)
class Group:
    """The schedules that fail in one way.

    Attributes:
        count: how many.
        rank: of the shortest: preemptions, steps.
        taken: the shortest: for each step what could be done, and what was.
    """

    count: int
    rank: tuple[int, int]
    taken: list[tuple[int, int]]


class Series:
    """All schedules of a search.

    Attributes:
        schedules: how many were run that count.
        failing: how many of them failed.
        groups: those that failed, by how.
        notes: what could not be followed.
        stopped: why the search could not go on to its end, or "".
    """

    def __init__(
        self,
        search: Tree,
        scenario: Scenario,
        seconds: float,
        ended: Callable[[Execution], Any] | None,
        restarted: Callable[[], Any] | None,
    ) -> None:
        """Prepare a series; all arguments as in `explore`."""
        self._search = search
        self._scenario = scenario
        self._seconds = seconds
        self._ended = ended
        self._restarted = restarted
        self._main_thread = threading.main_thread()
        self._hub = Hub()
        self._error: BaseException | None = None
        self._clear()

    def _clear(self) -> None:
        self.schedules = 0
        self.failing = 0
        self.groups: dict[Verdict, Group] = {}
        self.notes: dict[tuple[str, Site | None], None] = {}
        self.stopped = ""

    def run(self) -> None:
        """Run them, for so many seconds at most from now; an interrupt ends them.

        Raises:
            ValueError: the scenario cannot be explored.
        """
        hub = self._hub
        self._search.until = real_monotonic() + self._seconds
        try:
            goes_on = True
            while goes_on:
                self._begin()
                hub.wait()
                if self._error is not None:
                    raise self._error
                # Otherwise the thread that ended the last one has counted it, and found no other.
                goes_on = hub.execution is not None and self._count(hub.execution)
        except KeyboardInterrupt:
            self.stopped = "The search was interrupted"
        finally:
            hub.fetch()
            if hub.execution is not None:
                hub.execution.unwind()

    def _begin(self) -> None:
        execution = Execution(self._search, self._hub)
        execution.over = self._go_on
        execution.begin(self._scenario, self._main_thread)

    def _go_on(self) -> None:
        """All threads of a schedule have ended by themselves: the last of them does what comes next."""
        hub = self._hub
        execution, hub.execution = hub.execution, None
        assert execution is not None
        try:
            if self._count(execution):
                self._begin()
                return
        except Unwind:  # the hub wanted to end this thread in its program, and it had just ended by itself
            self.stopped = f"The search was stopped, because {STOPPED[1]}"
        except BaseException as error:  # an interrupt among them; it is raised where the search was called
            self._error = error
        hub.open()

    def _count(self, execution: Execution) -> bool:
        """A schedule is over: end what is left of it, and count it; returns whether there is another."""
        search = self._search
        verdict = execution.end(self._look)
        execution.forget()
        if execution.refused:
            raise ValueError(execution.refused)
        if search.grown:
            self._clear()
            if self._restarted is not None:
                self._restarted()
        elif not search.redundant:
            self.notes |= execution.notes
            if why := given_up(execution):
                self.stopped = f"The search was stopped, because {why}"
                return False
            self.schedules += 1
            if verdict is not None:
                self._failed(verdict)
        if not search.advance():
            return False
        if real_monotonic() > search.until:
            self.stopped = f"The search was stopped after {self._seconds:g} seconds"
        return not self.stopped

    def _look(self, execution: Execution) -> Verdict | None:
        search = self._search
        if search.grown or search.redundant or given_up(execution):
            return None
        if self._ended is not None:
            self._ended(execution)
        return judge(execution)

    def _failed(self, verdict: Verdict) -> None:
        search = self._search
        self.failing += 1
        rank = (search.preemptions(), len(search.stack))
        group = self.groups.get(verdict)
        if group is None:
            self.groups[verdict] = Group(1, rank, search.taken())
            return
        group.count += 1
        if rank < group.rank:
            group.rank = rank
            group.taken = search.taken()


def given_up(execution: Execution) -> str:
    """Why nothing can be said of a schedule, or "". One that seems to go on for ever is a finding."""
    kind, why = execution.cut or ("", "")
    if kind in ("turns", "livelock") and execution.depth < execution.search.replayed:
        return "the program goes round for ever in a schedule in which it has not done so before"
    return why if kind in ("different", "hangs", "stopped") else ""

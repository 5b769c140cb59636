"""An execution that keeps all it does, in words and with the program's own names: to be shown."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from helpers.schedules.execution import Execution, Task
from helpers.schedules.model.locks import Lock
from helpers.schedules.operation import Operation, Site
from helpers.schedules.reaching import frame_of_program
from helpers.schedules.result import Step, Waiting
from helpers.schedules.search import Search
from helpers.schedules.sources import elsewhere
from helpers.schedules.verdicts import place_of, without_addresses

LONGEST = 40  # characters of a value


@dataclass(slots=True)
class _Draft:
    """A step in the making: what came of it is known when the next one is chosen."""

    task: Task
    operation: str
    kind: str
    site: Site | None
    value: str
    expired: bool
    chosen: bool
    waiting: tuple[Waiting, ...] = ()
    held: tuple[tuple[str, str], ...] = ()


class Watched(Execution):
    """An execution that keeps what it does.

    Attributes:
        values: shared values as they were last seen: by name, in few words.
        sites: for each task, by number, the place in the program of what it does next or did last.
    """

    watched = True

    def __init__(self, search: Search) -> None:
        super().__init__(search)
        self.values: dict[str, str] = {}
        self.sites: dict[int, Site | None] = {}
        self._drafts: list[_Draft] = []
        self._last: dict[int, _Draft] = {}  # of each task
        self._made: dict[int, tuple[Site, str, int]] = {}  # by label: where, what, how many before it
        self._counts: Counter[tuple[str, int, str]] = Counter()
        self._names: dict[int, str] = {}
        self._locks: list[Any] = []

    def steps(self) -> tuple[Step, ...]:
        """All that was done."""
        self._settle()
        names = {task: self.name_of(task) for task in self.tasks}
        home = self.home
        return tuple(
            Step(
                number,
                names[draft.task],
                draft.operation,
                draft.kind,
                draft.site.file if draft.site else "",
                draft.site.line if draft.site else 0,
                draft.value,
                draft.expired,
                draft.chosen,
                draft.waiting,
                draft.held,
                elsewhere(draft.site.file, home) if draft.site else "",
            )
            for number, draft in enumerate(self._drafts, 1)
        )

    @property
    def value(self) -> str:
        """What the last step that was chosen has read, written or given, in few words; "" for nothing."""
        return next((draft.value for draft in reversed(self._drafts) if draft.chosen), "")

    def waits_of(self, task: Task) -> Waiting | None:
        """What a parked task waits for; None if it can go on."""
        operation = task.op
        if operation is None or not operation.blocks or operation.ready():
            return None
        wait = operation.waits_for(self)
        holder = None if wait.holder is None else self.name_of(wait.holder)
        return Waiting(self.name_of(task), wait.on, wait.state, holder, wait.remedy)

    # --- what an execution does, and keeping it ---------------------------------------------------------

    def step(self, operation: Operation) -> Any:
        if self.unwinding or self.quiet:
            return self._out_of_turn(operation)
        me = self.task
        self.sites[me.number] = operation.site() or _site(sys._getframe(1))
        value = super().step(operation)
        if value is not None and (operation.timed or not operation.blocks or not isinstance(value, bool)):
            self._last[me.number].value = self.in_few_words(value)
        return value

    def access_all(
        self, places: Sequence[tuple[Any, Hashable]], write: int, site: Hashable, text: str
    ) -> bool:
        if isinstance(site, Site):
            self.sites[self.task.number] = site
        return super().access_all(places, write, site, text)

    def saw(self, value: Any) -> None:
        if self.unwinding or self.quiet or not self._drafts:
            return
        draft = self._drafts[-1]
        draft.value = self.in_few_words(value)
        self.values[draft.operation.partition(" ")[2]] = draft.value

    def start(
        self, thread: Any, daemon: bool, body: Callable[[], Any], ends: Callable[[], Any] | None = None
    ) -> Task:
        starter = self.task
        self._settle()
        task = super().start(thread, daemon, body, ends)
        if starter is not None:
            site = _site(sys._getframe(1))
            self._drafts.append(
                _Draft(starter, f"start {self.name_of(task)}", "start", site, "", False, False)
            )
        return task

    def _ended(self, task: Task) -> Any:
        if not self.unwinding:
            self._settle()
            how, site = "end", None
            if task.failure is not None:
                how = f"end by {type(task.failure).__name__}"
                site = place_of(task.failure)
            self._drafts.append(_Draft(task, how, "end", site, "", False, False))
        return super()._ended(task)

    def _choose(self) -> Task | None:
        self._settle()
        task = super()._choose()
        if task is not None and task.op is not None and task.op.free and not task.expires:
            self._begin(task, task.op)  # without a choice, so that `go` has not seen it
        return task

    def go(self, chosen: int) -> Task:
        task = super().go(chosen)
        assert task.op is not None
        self._begin(task, task.op)
        return task

    def _begin(self, task: Task, operation: Operation) -> None:
        """A task is about to make its step."""
        expired = task.expires
        draft = _Draft(
            task,
            operation.text(self),
            operation.kind,
            self.sites[task.number],
            "",
            expired,
            expired or not operation.free,
        )
        self._drafts.append(draft)
        self._last[task.number] = draft

    def _give_up(self, kind: str, why: str, site: Hashable) -> NoReturn:
        if isinstance(site, Site):
            self.sites[self.task.number] = site
        super()._give_up(kind, why, site)

    def unwind(self) -> None:
        self._settle()
        super().unwind()

    def _settle(self) -> None:
        """All tasks are parked: say in the last step who waits now, and who holds what."""
        if self._drafts and not self.unwinding:
            draft = self._drafts[-1]
            draft.waiting = tuple(wait for task in self.tasks if (wait := self.waits_of(task)) is not None)
            draft.held = tuple(
                (self.name_of(lock.owner), self.name(lock)) for lock in self._locks if lock.owner is not None
            )

    # --- names and values --------------------------------------------------------------------------------

    def label(self, about: Any) -> int:
        known = self._labels.given
        number = super().label(about)
        if number == known:
            site = _site(sys._getframe(1))
            kind = type(about).__name__
            if site is not None:
                where = (site.file, site.line, kind)
                self._made[number] = (site, kind, self._counts[where])
                self._counts[where] += 1
            if issubclass(type(about), Lock):
                self._locks.append(about)
        return number

    def name(self, about: Any) -> str:
        number = self.label(about)
        name = self._names.get(number)
        if name is None:
            name = self._names[number] = self._find_name(about, number)
        return name

    def _find_name(self, about: Any, number: int) -> str:
        given = getattr(about, "shown_name", None)
        if given is not None:
            return str(given)
        if number not in self._made:
            return super().name(about)
        from helpers.timeline.naming import NameFinder

        site, kind, before = self._made[number]
        return NameFinder().find(site.file, site.line, kind, before)

    def name_of(self, task: Task) -> str:
        same = [other.number for other in self.tasks if other.name == task.name]
        return task.name if same[0] == task.number else f"{task.name} ({same.index(task.number) + 1})"

    def in_few_words(self, value: Any) -> str:
        """The value as the program would show it, cut where it is long; none of this is a step."""
        self.quiet = True
        try:
            text = without_addresses(repr(value))
        except Exception:
            text = f"<{type(value).__name__}>"
        finally:
            self.quiet = False
        return text if len(text) <= LONGEST else f"{text[: LONGEST - 1]}…"


def _site(frame: Any) -> Site | None:
    """The nearest line of the program itself, from a frame outwards."""
    frame = frame_of_program(frame)
    return None if frame is None else Site(frame.f_code.co_filename, frame.f_lineno)

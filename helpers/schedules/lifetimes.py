"""How long the objects live that a schedule has met: as long as the program has them, and no longer.

What threads share is known by its `id`, and that may be another object's as soon as the first has gone. So an
object that has got a number is kept until the schedule is over, if nobody can tell.

Where the program notices when an object goes, by a `__del__`, a weak reference, or a generator that has
something to do in the end, it has to go when it does in CPython. Then it is only watched, by a weak reference
that takes the number away. Lists, dictionaries, variables of closures and iterators cannot be watched: before
each access it is looked up which of them nobody else has any more, and those go, with all that they hold.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from sys import getrefcount
from types import MethodType
from typing import TYPE_CHECKING, Any
from weakref import ref

from helpers.schedules.operation import Site
from helpers.schedules.workers import current

if TYPE_CHECKING:
    from helpers.schedules.execution import Execution

# What is counted for an object in a list that nobody else has.
(_KEPT_ALONE,) = map(getrefcount, [object()])

# Whether the program notices when an object goes. Set while a program is rewritten.
noticed = False


class Labels:
    """The numbers of the objects that one schedule has met, in the order in which it met them.

    Attributes:
        numbers: by the `id` of an object.
        given: how many there are, with those of objects that have gone.
    """

    __slots__ = ("_kept", "_watched", "given", "numbers")

    def __init__(self) -> None:
        self.numbers: dict[int, int] = {}
        self.given = 0
        self._watched: list[ref[Any]] = []
        self._kept: list[Any] = []

    def label(self, about: Any) -> int:
        """The number of an object."""
        number = self.numbers.get(id(about))
        return self.give(about) if number is None else number

    def give(self, about: Any) -> int:
        """A new number, for an object that has none."""
        number = self.numbers[id(about)] = self.given
        self.given += 1
        if noticed and type(about).__weakrefoffset__:
            self._watched.append(ref(about, partial(self.numbers.pop, id(about))))
        else:
            self._kept.append(about)
        return number

    def objects(self) -> Iterator[tuple[int, Any]]:
        """What is still there, with its number."""
        for about in self._kept:
            yield self.numbers[id(about)], about
        for reference in self._watched:
            about = reference()
            if about is not None:
                yield self.numbers[id(about)], about

    def in_use(self) -> dict[int, Any]:
        """By its number, what is kept here and the program still has too."""
        counts = list(map(getrefcount, self._kept))
        return {
            self.numbers[id(about)]: about
            for about, count in zip(self._kept, counts, strict=True)
            if count > _KEPT_ALONE
        }

    def let_go(self) -> None:
        """Let go of what is kept here and nowhere else."""
        while _KEPT_ALONE in (counts := list(map(getrefcount, self._kept))):
            gone = [self._kept[place] for place, count in enumerate(counts) if count == _KEPT_ALONE]
            self._kept = [self._kept[place] for place, count in enumerate(counts) if count != _KEPT_ALONE]
            for number in map(id, gone):
                del self.numbers[number]
            gone.clear()  # code of the program that runs now may itself meet something new

    def clear(self) -> None:
        """The schedule is over: let go of all."""
        for each in (self.numbers, self._watched, self._kept):
            each.clear()


class _Watch:
    """What is known of an object that the program has a weak reference to.

    Attributes:
        reference: to it; while it is there, so is this.
        runs: where the program says what is called when it goes; None where nothing is.
        looks: by task and place, in which of the task's epochs it looked last whether the object is there.
        gone: the task that let go of it last, and in which epoch; None while it is there.
    """

    __slots__ = ("gone", "looks", "reference", "runs")

    def __init__(self) -> None:
        self.reference: ref[Any] | None = None
        self.runs: Site | None = None
        self.looks: dict[tuple[int, Site], int] = {}
        self.gone: tuple[int, int] | None = None


class Watches:
    """Who asks in one schedule whether an object is still there, and in which thread it goes.

    An object goes with the last reference to it. Letting go of one is no step, so it is not tried in every
    order: where that might matter, it is noted.
    """

    __slots__ = ("_known",)

    def __init__(self) -> None:
        self._known: dict[int, _Watch] = {}  # by the number of an object, or of a weak reference to it

    def clear(self) -> None:
        """The schedule is over: let go of all."""
        self._known.clear()

    def watch(self, about: Any, runs: Site | None = None) -> _Watch:
        """The program will see that an object goes; `runs` is where it says what is called then.

        Raises:
            TypeError: it cannot be referred to weakly.
        """
        if type(about) is MethodType:  # `weakref.WeakMethod` is about the object
            about = about.__self__
        number = _running().label(about)
        known = self._known.get(number)
        if known is None:
            known = self._known[number] = _Watch()
            known.reference = ref(about, partial(self._goes, number))
        known.runs = runs or known.runs
        return known

    def refers(self, reference: ref[Any]) -> _Watch | None:
        """What is known of the object that a weak reference is to; None if it had gone before that."""
        number = _running().label(reference)
        known = self._known.get(number)
        if known is None and (about := reference()) is not None:
            known = self._known[number] = self.watch(about)
        return known

    def looked(self, reference: ref[Any], site: Site) -> None:
        """The running task is about to see whether an object is still there."""
        execution = _running()
        known = self.refers(reference)
        if known is None or (known.gone is not None and execution.in_parallel(*known.gone)):
            if execution.accompanied():
                execution.cannot_follow(_WHETHER, site)
        else:
            me = execution.task
            known.looks[me.number, site] = me.epochs[me.number]

    def finalized(self, about: Any, site: Site) -> None:
        """The `__del__` of an object is about to run."""
        execution = _running()
        number = execution.number(about)
        if execution.accompanied() if number is None else execution.touched_in_parallel(number):
            execution.cannot_follow(f"{type(about).__qualname__}.__del__{_WHO}", site)

    def _goes(self, number: int, reference: ref[Any]) -> None:
        execution = current()
        if execution is None or execution.watches is not self or execution.unwinding:
            return
        known = self._known[number]
        me = execution.task
        known.gone = me.number, me.epochs[me.number]
        for (other, site), epoch in known.looks.items():
            if execution.in_parallel(other, epoch):
                execution.cannot_follow(_WHETHER, site)
        if known.runs is not None and execution.touched_in_parallel(number):
            execution.cannot_follow(f"what is called when an object goes{_WHO}", known.runs)


def _running() -> Execution:
    execution = current()
    assert execution is not None
    return execution


_WHETHER = "whether an object is still there for a weak reference is not tried in every order"
_WHO = " runs in the thread that drops the last reference: which one that is, is not tried in every order"

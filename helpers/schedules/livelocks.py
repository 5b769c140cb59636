"""Seeing that threads livelock: they take step after step, and all is again as it was some steps before.

From there they can do the same once more, and for ever. That is so if at the head of a turn of a loop every
thread stands where it stood before, in every function with local variables that look the same, and all that
was written is again as it was. And it lasts only if it is nobody's turn: who has made no step meanwhile could
make none (what each waits for was not touched). Else it is a matter of time until that one changes things.
"""

from __future__ import annotations

import itertools
from collections import deque
from collections.abc import Hashable, Iterator
from dis import opmap
from types import BuiltinFunctionType, CellType, FrameType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any, NamedTuple

from helpers.schedules.containers import Variables
from helpers.schedules.operation import Operation
from helpers.schedules.reaching import MADE_BY_CLASS_STATEMENT, OURS, is_ours
from helpers.schedules.spinning import SCALARS, Loop, plain
from helpers.schedules.workers import frames

if TYPE_CHECKING:
    from helpers.schedules.execution import Execution, Task

_NOT_SET = "not set"

# In a schedule that has been in so many states at the head of a loop, something grows: it goes on without a
# look, which takes long, to where it is too long.
MOST_STATES = 200

# So often are the steps of a livelock made again before it is believed: a thread may count in a place that is
# not seen here.
ROUNDS = 50


class _Unknown(Exception):
    """Something cannot be compared."""


class _Moment(NamedTuple):
    """When all was as it is.

    Attributes:
        depth: after how many steps that was.
        stood: for each task that had not ended, by number, since when it stood where it stands.
        versions: how often each target had been written.
    """

    depth: int
    stood: dict[int, int]
    versions: dict[Hashable, int]


class Rounds:
    """The moments of one schedule in which a thread has come back to the head of a loop.

    Attributes:
        together: the tasks that livelock, once that was seen.
        steps: how many they make until all is as it was.
        off: whether nothing is looked for, and nobody gives way: the same steps are made again and again.
        unread: by the `id` of the code of each function with a loop, the variables that nobody looks at.
        writers: by target, what wrote it last.
    """

    __slots__ = ("_looked", "_moments", "off", "steps", "together", "unread", "writers")

    def __init__(self) -> None:
        self.together: list[Task] = []
        self.steps = 0
        self.off = False
        self.unread: dict[int, frozenset[str]] = {}
        self.writers: dict[Hashable, Operation] = {}
        self._moments: dict[Hashable, _Moment] = {}  # the last one, by what all was like
        self._looked = -1  # after how many steps

    def come_back(self, execution: Execution, frame: FrameType) -> int | None:
        """Look whether all is as it was before; if that can go on for ever, `together` says whose.

        Args:
            frame: of the function in which the running task is at the head of a loop.

        Returns:
            After how many steps it was so before; None if it was not.
        """
        versions = execution.versions
        assert versions is not None
        if self.off or execution.depth == self._looked or len(self._moments) == MOST_STATES:
            return None  # it goes round without a step, or has looked in vain often enough
        self._looked = execution.depth
        try:
            all_is = _Look(execution, self.unread).at_all(frame, self.writers)
        except (_Unknown, RecursionError):  # a long chain of objects is no reason for the program to fail
            return None
        stood = {task.number: task.since for task in execution.tasks if not task.done}
        now = _Moment(execution.depth, stood, dict(versions))
        before = self._moments.get(all_is)
        self._moments[all_is] = now
        if before is None:
            return None
        self.together = self._going_round(execution, before, now)
        self.steps = now.depth - before.depth
        return before.depth

    def _going_round(self, execution: Execution, before: _Moment, now: _Moment) -> list[Task]:
        """The tasks that have moved between two moments, if no other could have."""
        moved = []
        for task in execution.tasks:
            if task.done:
                continue
            if task is execution.task or now.stood[task.number] != before.stood[task.number]:
                moved.append(task)
                continue
            waits = task.op
            assert waits is not None
            if not waits.blocks or waits.ready() or (waits.timed and waits.can_expire()):
                return []
            touched = (waits.target, *waits.others)
            if any(now.versions.get(each) != before.versions.get(each) for each in touched):
                return []  # it could have gone on for a while
        return moved


class _Look:
    """One look at all that there is, which gives the same twice if nobody can tell the two apart.

    Objects that are made anew in each turn of a loop are known by what they hold, and by where they were met
    first. Those whose insides are not known are known by their number.
    """

    def __init__(self, execution: Execution, unread: dict[int, frozenset[str]]) -> None:
        self._execution = execution
        self._unread = unread
        self._met: dict[int, int] = {}  # by `id`, the how many-th it was
        self._kept: list[Any] = []  # so that no other gets its `id`

    def at_all(self, frame: FrameType, writers: dict[Hashable, Operation]) -> Hashable:
        """Everything: where all tasks stand, and what was written.

        Args:
            frame: of the function in which the running task is.
            writers: by target, what wrote it last.

        Raises:
            _Unknown: something cannot be compared.
        """
        return tuple(self._standing(frame)), tuple(self._states(writers))

    def _standing(self, frame: FrameType) -> Iterator[Hashable]:
        """Where everybody stands, and with which local variables."""
        execution = self._execution
        found = frames()
        del found[execution.task.worker.ident]  # which would keep itself, and all that is met here
        for task in execution.tasks:
            if task.done:
                continue
            yield task.number, task.got_on
            at: FrameType | None = frame
            if task is not execution.task:
                assert task.op is not None  # all others are parked
                yield task.op.kind, task.op.target
                # What it is about to put somewhere may be nowhere else.
                yield self._each(getattr(task.op, name) for name in task.op.given)
                at = found.get(task.worker.ident)
                # It may not yet have come to where it waits for its baton.
                while at is not None and is_ours(at.f_code.co_filename):
                    at = at.f_back
            while at is not None:
                yield id(at.f_code), _place(at)
                if not is_ours(at.f_code.co_filename):
                    yield from self._variables(at)
                at = at.f_back

    def _variables(self, frame: FrameType) -> Iterator[Hashable]:
        unread = self._unread.get(id(frame.f_code), ())
        for name, value in frame.f_locals.items():
            if type(value) is Loop:
                yield name, value.turns
            elif name not in unread and not name.startswith("."):  # a hidden one is ours
                yield name, self._of(value)

    def _states(self, writers: dict[Hashable, Operation]) -> Iterator[Hashable]:
        """What is like that was written; where that is not known, how often it was written."""
        execution = self._execution
        versions = execution.versions
        assert versions is not None
        time = () if execution.clock is None else execution.clock.targets  # if somebody looks at it
        objects = execution.in_use()
        for target, version in versions.items():
            writer = writers.get(target)
            if writer is None or target in time:
                yield target, version
            elif writer.object is not None:
                yield target, self._of_primitive(writer)
            elif isinstance(target, tuple) and target[0] in objects:
                about = objects[target[0]]
                if id(about) not in self._met:  # otherwise it is known what it holds
                    known = self._part(about, target[1])
                    yield target, version if known is None else known

    def _of_primitive(self, writer: Operation) -> Hashable:
        state, held = writer.holds()
        if state is None:
            raise _Unknown
        return repr(state), self._each(held)

    def _part(self, about: Any, key: Hashable) -> Hashable:
        """One of the variables, attributes or items of an object; None where that is not known."""
        kind = type(about)  # `isinstance` may run code of the program's own
        if kind is Variables:
            return self._of(about.names[key]) if key in about.names else _NOT_SET
        if kind is CellType:
            return self._of(about)
        if not isinstance(key, str):  # its items
            if issubclass(kind, dict):
                return self._each(dict.keys(about)), self._each(dict.values(about))
            for base in (list, deque):
                if issubclass(kind, base):
                    each_of: Any = base.__iter__
                    return self._each(each_of(about))
            return None if self._inside(kind, about) is None else self._of(about)
        looks_up = type.__getattribute__ if issubclass(kind, type) else object.__getattribute__
        try:
            return self._of(looks_up(about, key))  # past the program's own code
        except AttributeError:
            return _NOT_SET

    def _each(self, values: Any) -> Hashable:
        return tuple(map(self._of, values))

    def _of(self, value: Any) -> Hashable:
        kind = type(value)
        if kind in SCALARS:
            return kind, value
        if id(value) in self._met:
            return self._met[id(value)]
        if issubclass(kind, type) or kind is ModuleType:
            return id(value)
        inside = self._inside(kind, value)
        if inside is None:
            if not plain(value):
                raise _Unknown
            return "number", self._execution.label(value)
        self._met[id(value)] = len(self._met)
        self._kept.append(value)
        return id(kind), tuple(map(self._of, inside))

    def _inside(self, kind: type, value: Any) -> list[Any] | None:
        """What an object holds, where that is all there is to it; None where it is not known."""
        if kind in (tuple, list, deque):
            return list(value)
        if kind in (set, frozenset):
            return sorted(value, key=repr) if all(type(each) in SCALARS for each in value) else None
        if kind is dict:
            return [*value.keys(), *value.values()]
        if kind is CellType:
            try:
                return [value.cell_contents]
            except ValueError:
                return []
        if kind is FunctionType:
            rest = value.__defaults__, value.__kwdefaults__, value.__dict__
            return [id(value.__code__), *(value.__closure__ or ()), *rest]
        if kind is itertools.count:
            return [repr(value)]
        if kind is MethodType:
            return [value.__func__, value.__self__]
        if kind is BuiltinFunctionType:
            return [value.__name__, value.__self__]
        if not all(map(_made_in_python, kind.__mro__)):
            return None
        if kind.__module__.startswith(OURS) or not _only_dictionary(kind):
            return None
        names = object.__getattribute__(value, "__dict__")
        return None if "_model" in names else [*names.keys(), *names.values()]


def _made_in_python(base: type) -> bool:
    """Whether a class keeps nothing in C. Some that do have the flag too, but they make their instances."""
    makes = vars(base).get("__new__")
    return base is object or bool(
        base.__flags__ & MADE_BY_CLASS_STATEMENT and type(makes) is not BuiltinFunctionType
    )


def _only_dictionary(kind: type) -> bool:
    """Whether all attributes of the instances of a class are in their `__dict__`."""
    return bool(kind.__dictoffset__) and not any(vars(base).get("__slots__") for base in kind.__mro__)


# In 3.11 a call has two instructions, and it is the first that makes it where it has been made often.
_PRECALL, _TO_CALL = opmap.get("PRECALL"), 4


def _place(frame: FrameType) -> int:
    """At which instruction it stands, the same one however often it was there.

    The line and column would not do: who leaves a `with` by `return` is at the same ones as who goes on.
    """
    at = frame.f_lasti
    return at + _TO_CALL if frame.f_code.co_code[at] == _PRECALL else at

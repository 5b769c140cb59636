"""Seeing that threads livelock: they take step after step, and all is again as it was some steps before.

From there they can do the same once more, and for ever. That is so if at the head of a turn of a loop every
thread stands where it stood before, in every function with the same local variables, and all that was written
since is again as it was. And it lasts only if it is nobody's turn: who has made no step meanwhile could make
none (what each waits for was not touched). Otherwise it is a matter of time until that one changes things.
"""

from __future__ import annotations

import sys
from collections import deque
from collections.abc import Hashable, Iterator
from contextlib import suppress
from itertools import islice
from types import CellType, FrameType
from typing import TYPE_CHECKING, Any, NamedTuple

from helpers.schedules.containers import Variables
from helpers.schedules.operation import Operation
from helpers.schedules.reaching import is_ours
from helpers.schedules.spinning import SCALARS, plain

if TYPE_CHECKING:
    from helpers.schedules.execution import Execution, Task

_NOT_SET = "not set"


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
        unread: by the `id` of the code of each function with a loop, the variables that nobody looks at.
    """

    __slots__ = ("_looked", "_moments", "_writers", "steps", "together", "unread")

    def __init__(self) -> None:
        self.together: list[Task] = []
        self.steps = 0
        self.unread: dict[int, frozenset[str]] = {}
        self._writers: dict[Hashable, Operation] = {}  # by target, what wrote it last
        self._moments: dict[Hashable, _Moment] = {}  # the last one, by what all was like
        self._looked = -1  # after how many steps

    def wrote(self, operation: Operation) -> None:
        """A task is about to perform this, which writes."""
        for target in (operation.target, *operation.others):
            self._writers[target] = operation

    def come_back(self, execution: Execution, frame: FrameType) -> int | None:
        """Look whether all is as it was before; if that can go on for ever, `together` says whose.

        Args:
            frame: of the function in which the running task is at the head of a loop.

        Returns:
            After how many steps it was so before; None if it was not.
        """
        versions = execution.versions
        assert versions is not None
        if execution.depth == self._looked:
            return None  # it goes round without a step
        self._looked = execution.depth
        try:
            all_is = tuple(self._standing(execution, frame)), tuple(self._states(execution, versions))
        except _Unknown:
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

    def _standing(self, execution: Execution, frame: FrameType) -> Iterator[Hashable]:
        """Where everybody stands, and with which local variables."""
        frames = sys._current_frames()
        for task in execution.tasks:
            if task.done:
                continue
            yield task.number, task.got_on
            at: FrameType | None = frame
            if task is not execution.task:
                assert task.op is not None  # all others are parked
                yield task.op.kind, task.op.target
                at = frames.get(task.worker.ident)
                # It may not yet have come to where it waits for its baton.
                while at is not None and is_ours(at.f_code.co_filename):
                    at = at.f_back
            while at is not None:
                yield id(at.f_code), _place(at)
                if not is_ours(at.f_code.co_filename):
                    yield from self._variables(execution, at)
                at = at.f_back

    def _variables(self, execution: Execution, frame: FrameType) -> Iterator[Hashable]:
        unread = self.unread.get(id(frame.f_code), ())
        for name, value in frame.f_locals.items():
            if name not in unread and not name.startswith("."):  # a hidden one is ours
                yield name, _encoded(execution, value)

    def _states(self, execution: Execution, versions: dict[Hashable, int]) -> Iterator[Hashable]:
        """What was written is like; where that is not known, how often it was written."""
        objects = execution.objects()
        time = () if execution.clock is None else execution.clock.targets  # if somebody looks at it
        for target, version in versions.items():
            state: Hashable = version
            if target in self._writers and target not in time:
                with suppress(_Unknown):
                    state = "known", _state(execution, self._writers[target], target, objects)
            yield target, state


def _place(frame: FrameType) -> Hashable:
    """Where in the source it stands. The instruction says less: Python calls by another one after a while."""
    return next(islice(frame.f_code.co_positions(), frame.f_lasti // 2, None))


def _state(execution: Execution, writer: Operation, target: Hashable, objects: dict[int, Any]) -> Hashable:
    """What a target is like."""
    if writer.object is not None:
        state = writer.snapshot()
        if state is None:
            raise _Unknown
        if not hasattr(writer.object, "queue"):
            return repr(state)
        # Where its items are says little: another one may be there by now. And that ever more are unfinished
        # is no matter as long as nobody joins it.
        _, _, shut_down = state
        return shut_down, tuple(_encoded(execution, each) for each in writer.object.queue)
    if not isinstance(target, tuple):
        raise _Unknown
    number, key = target  # of shared data
    about = objects.get(number)
    if isinstance(about, CellType):
        try:
            return _encoded(execution, about.cell_contents)
        except ValueError:
            return _NOT_SET
    if isinstance(about, Variables):
        return _encoded(execution, about.names[key]) if key in about.names else _NOT_SET
    if isinstance(about, dict):
        return tuple(
            (_encoded(execution, each), _encoded(execution, value)) for each, value in dict.items(about)
        )
    for base in (list, deque, set):
        if isinstance(about, base):
            each_of: Any = base.__iter__
            values = [_encoded(execution, each) for each in each_of(about)]
            return frozenset(values) if base is set else tuple(values)
    if not isinstance(key, str):
        raise _Unknown
    looks_up = type.__getattribute__ if isinstance(about, type) else object.__getattribute__
    try:
        return _encoded(execution, looks_up(about, key))  # past the program's own code
    except AttributeError:
        return _NOT_SET


def _encoded(execution: Execution, value: Any) -> Hashable:
    """The value as something that is the same again only for the same value, or object."""
    kind = type(value)
    if kind in SCALARS:
        return kind, value
    if kind in (tuple, frozenset):
        return kind, kind(_encoded(execution, each) for each in value)
    if not plain(value):
        raise _Unknown
    return execution.label(value)

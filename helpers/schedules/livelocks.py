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
from dataclasses import dataclass
from functools import lru_cache
from types import CellType, CodeType, FrameType
from typing import TYPE_CHECKING, Any

from helpers.schedules.containers import Variables
from helpers.schedules.operation import Operation
from helpers.schedules.reaching import is_ours
from helpers.schedules.spinning import SCALARS, plain

if TYPE_CHECKING:
    from helpers.schedules.execution import Execution, Task

_NOT_SET = "not set"


class _Unknown(Exception):
    """Something cannot be compared."""


@dataclass(slots=True)
class _Moment:
    """What all was like.

    Attributes:
        depth: after how many steps that was.
        stood: for each task that has not ended, by number, since when it stands where it stands.
        versions: how often each target had been written.
        states: of those whose state is known.
    """

    depth: int
    stood: dict[int, int]
    versions: dict[Hashable, int]
    states: dict[Hashable, Hashable]

    def is_again(self, now: _Moment) -> bool:
        """Is all that was written since then as it was?"""
        return all(
            target in self.states and target in now.states and self.states[target] == now.states[target]
            for target, version in now.versions.items()
            if version != self.versions.get(target, 0)
        )


class Rounds:
    """The moments of one schedule in which a thread has come back to the head of a loop.

    Attributes:
        together: the tasks that livelock, once that was seen.
        steps: how many they make until all is as it was.
        unread: of each function with a loop, the variables that nobody looks at.
    """

    __slots__ = ("_moments", "_writers", "steps", "together", "unread")

    def __init__(self) -> None:
        self.together: list[Task] = []
        self.steps = 0
        self.unread: dict[CodeType, frozenset[str]] = {}
        self._writers: dict[Hashable, Operation] = {}  # by target, what wrote it last
        self._moments: dict[Hashable, list[_Moment]] = {}  # by where everybody stands

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
        try:
            standing = tuple(self._standing(execution, frame))
        except _Unknown:
            return None
        now = self._now(execution)
        before = self._moments.setdefault(standing, [])
        found = next((moment for moment in reversed(before) if moment.is_again(now)), None)
        before.append(now)
        if found is None:
            return None
        self.together = self._going_round(execution, found, now)
        self.steps = now.depth - found.depth
        return found.depth

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
                yield at.f_code, _places(at.f_code)[at.f_lasti // 2]
                if not is_ours(at.f_code.co_filename):
                    yield from self._variables(execution, at)
                at = at.f_back

    def _variables(self, execution: Execution, frame: FrameType) -> Iterator[Hashable]:
        unread = self.unread.get(frame.f_code, ())
        for name, value in frame.f_locals.items():
            if name not in unread and not name.startswith("."):  # a hidden one is ours
                yield name, _encoded(execution, value)

    def _now(self, execution: Execution) -> _Moment:
        versions = execution.versions
        assert versions is not None
        objects = execution.objects()
        states = {}
        for target, writer in self._writers.items():
            if execution.clock is not None and target in execution.clock.targets:
                continue  # somebody looks at it, and it is never as it was
            try:
                states[target] = _state(execution, writer, target, objects)
            except _Unknown:
                continue
        stood = {task.number: task.since for task in execution.tasks if not task.done}
        return _Moment(execution.depth, stood, dict(versions), states)


@lru_cache(1000)
def _places(code: CodeType) -> list[Hashable]:
    """Where in the source each instruction is. Python calls by another one once it has done so often."""
    return list(code.co_positions())


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

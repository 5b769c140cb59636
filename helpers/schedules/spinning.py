"""Seeing that a thread spins: it goes round a loop, changes nothing, and would do so until another thread
acts.

A spinning thread has schedules without end: it may go round once more at every moment. But each round ends in
the state it began with, so the rounds change nothing about what can happen. After one of them the thread
waits until another thread has written something that it looked at.

The same activation of a function is at the head of the same loop with the same local variables, it has
written nothing (or what it wrote is again as before: a lock that it took and gave back), and nobody has
written what it read: then it is in the same state.
"""

from __future__ import annotations

import linecache
from collections.abc import Hashable
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from types import BuiltinFunctionType, FrameType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from helpers.schedules.operation import CLOCK, Operation, Site, Wait

if TYPE_CHECKING:
    from helpers.schedules.execution import Execution

# A caller of these may itself have moved on between two turns.
_RESUMED = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR

_SCALARS = (int, float, complex, str, bytes, bool, type(None))
_MOST_LOOPS = 8  # that a thread is in at one time, one within another


class Turns:
    """The loops that one thread goes round."""

    __slots__ = ("_loops",)

    def __init__(self) -> None:
        self._loops: dict[tuple[int, Hashable], _Turn] = {}

    def spins(
        self, frame: FrameType, site: Hashable, versions: dict[Hashable, int]
    ) -> dict[Hashable, Operation] | None:
        """A turn begins: has the last one brought the thread back to the same state?

        Returns:
            What it has looked at, if so: another thread would have to write that. None if the thread gets on.
        """
        key = (id(frame), site)
        now = _Turn(frame)
        last = self._loops.pop(key, None)
        self._loops[key] = now
        if len(self._loops) > _MOST_LOOPS:
            del self._loops[next(iter(self._loops))]
        if last is None or last.frame is not frame or not last.ends_like(now, versions):
            return None
        return last.looked_at

    def touch(self, operation: Operation, versions: dict[Hashable, int]) -> None:
        """The thread is about to perform this."""
        for turn in self._loops.values():
            turn.touch(operation, versions)

    def forget(self, frame: FrameType | None, site: Hashable) -> None:
        """The thread does get on: in all its loops, or (a `for` around them) in those of one function."""
        if frame is None:
            self._loops.clear()
            return
        for key, turn in list(self._loops.items()):
            # A `for` within the `while` begins and ends within one turn: then the turn can still be idle.
            if turn.frame is frame and _before(site, key[1]):
                del self._loops[key]


def _before(site: Any, other: Any) -> bool:
    return bool((site.line, site.column) < (other.line, other.column))


class _Turn:
    """One turn of a loop: what the thread was like at its head, and what it has touched since."""

    __slots__ = ("busy", "frame", "locals", "looked_at", "own", "seen", "states")

    def __init__(self, frame: FrameType) -> None:
        self.frame = frame
        self.locals = dict(frame.f_locals)
        # Its locals do not say how far an iterator among them has come.
        self.busy = bool(frame.f_code.co_flags & _RESUMED) or not all(map(_plain, self.locals.values()))
        self.seen: dict[Hashable, int] = {}  # what it touched, and how often that had been written by then
        self.looked_at: dict[Hashable, Operation] = {}  # how it first touched each
        self.own: dict[Hashable, int] = {}  # how often it wrote it itself since
        self.states: list[tuple[Operation, Any]] = []  # of what it wrote, before it did

    def touch(self, operation: Operation, versions: dict[Hashable, int]) -> None:
        if self.busy:
            return
        if operation.writes and operation.object is CLOCK:
            return  # that time passes is no deed, for who does not look at it
        for target in (operation.target, *operation.others):
            if target not in self.seen:
                self.seen[target] = versions.get(target, 0)
                self.looked_at[target] = operation
            if operation.writes:
                if target not in self.own:
                    state = operation.snapshot()
                    self.busy = state is None
                    self.states.append((operation, state))
                    self.own[target] = 0
                self.own[target] += 1

    def ends_like(self, now: _Turn, versions: dict[Hashable, int]) -> bool:
        """Is the thread, at the head of the next turn, as it was at the head of this one?"""
        if self.busy or now.busy:
            return False
        for target, version in self.seen.items():
            if versions.get(target, 0) != version + self.own.get(target, 0):
                return False
        if any(operation.snapshot() != state for operation, state in self.states):
            return False
        return self.locals.keys() == now.locals.keys() and all(
            _same(value, now.locals[name]) for name, value in self.locals.items()
        )


def _plain(value: Any) -> bool:
    """Is the value one whose changes are seen, or that has none?"""
    kind = type(value)
    if kind in _SCALARS or isinstance(
        value, (FunctionType, BuiltinFunctionType, MethodType, ModuleType, type)
    ):
        return True
    if kind in (tuple, frozenset):
        return all(map(_plain, value))
    # An iterator moves on unseen. All else reports its changes, or they are reported by who makes them.
    return not hasattr(kind, "__next__")


def _same(one: Any, other: Any) -> bool:
    return one is other or (type(one) is type(other) and type(one) in _SCALARS and one == other)


class Spin(Operation):
    """Waits until another thread has written one of the things this one has looked at in vain.

    Going on is no choice: what the thread does next is one.
    """

    __slots__ = ("looked_at", "seen", "versions")
    kind = "spin"
    state = "spin"
    writes = False
    blocks = True
    free = True

    def __init__(
        self, site: Hashable, versions: dict[Hashable, int], looked_at: dict[Hashable, Operation]
    ) -> None:
        self.object = site
        self.target = "spin"
        self.versions = versions
        self.looked_at = looked_at
        self.seen = {target: versions.get(target, 0) for target in looked_at}

    def ready(self) -> bool:
        versions = self.versions
        return any(versions.get(target, 0) != version for target, version in self.seen.items())

    def site(self) -> Site | None:
        return self.object if isinstance(self.object, Site) else None

    def name(self, execution: Execution) -> str:
        names = dict.fromkeys(read.name(execution) for read in self.looked_at.values())
        if names:
            return " and ".join(names)
        # Nothing that anybody else ever changes.
        site = self.object
        return linecache.getline(site.file, site.line).strip() if isinstance(site, Site) else "nothing"

    def text(self, execution: Execution) -> str:
        return f"spin on {self.name(execution)}"

    def waits_for(self, execution: Execution) -> Wait:
        remedy = "set it" if len(self.looked_at) == 1 else "change what it looks at"
        return Wait(self.name(execution), self.state, remedy, None)

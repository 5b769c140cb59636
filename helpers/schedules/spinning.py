"""Seeing that a thread spins: it goes round a loop, changes nothing, and would do so until another thread
acts.

A spinning thread has schedules without end: it may go round once more at every moment. But each round ends in
the state it began with, so the rounds change nothing about what can happen. After one of them the thread
waits until another thread has written something that it looked at.

The same activation of a function is at the head of the same loop with the same local variables (but for those
that nobody looks at, such as the number of its tries), it has written nothing (or what it wrote is again as
before: a lock that it took and gave back), and nobody has written what it read: then it is in the same state.

A round that takes and gives back may let others go on in its middle: who waits for a condition with a timeout
holds the lock at the head of its loop, and lends it to others while it waits. So where nobody can go on, a
thread goes round once more for those who wait for what it changes. And who has gone round without a gain lets
those pass who have not moved meanwhile: a schedule in which the same threads go round and round while another
could go on is none that lasts.
"""

from __future__ import annotations

import itertools
import linecache
import sys
from collections.abc import Callable, Hashable
from inspect import CO_ASYNC_GENERATOR, CO_COROUTINE, CO_GENERATOR
from sys import getrefcount
from types import BuiltinFunctionType, FrameType, FunctionType, MethodType, ModuleType
from typing import TYPE_CHECKING, Any

from helpers.schedules.operation import CLOCK, Operation, Site, Wait

if TYPE_CHECKING:
    from helpers.schedules.execution import Execution

# A caller of these may itself have moved on between two turns.
_RESUMED = CO_GENERATOR | CO_COROUTINE | CO_ASYNC_GENERATOR

SCALARS = (int, float, complex, str, bytes, bool, type(None))
# What these operations give to others, and take back. What any other gives is never taken back.
_LENDS = {"release": 1, "wait": 1, "acquire": -1, "wake": -1}
MOST_ROUNDS = 100  # with steps, before a loop that gets on lets all others go first
MOST_QUIET = 10_000  # without
_MOST_LOOPS = 8  # that a thread is in at one time, one within another
# What is counted for a frame's variables, in a variable of ours, where the program has not asked for them.
# From 3.13 on each who asks gets something else, which keeps nothing.
_FRAME_ALONE = 3 if sys.version_info < (3, 13) else -1


class Loop:
    """What a loop is known by, from when it begins to its end.

    Attributes:
        turns: how many a `for` has begun, once somebody may spin.
    """

    __slots__ = ("turns",)

    def __init__(self) -> None:
        self.turns = 0


class Turns:
    """The loops that one thread goes round.

    Attributes:
        came_back: whether the thread's own variables may be as they were at the head of its last turn.
        counted: how many turns in a row of the present loop have changed nothing but numbers of its own.
        others_stood: where all others stood when it last went round once more for them; None before that.
        rounds: how many turns in which it has made steps.
        since: when it had parked last, at the head of a turn: see `Task.since`.
        touched: whether it has touched anything since it was asked last.
    """

    __slots__ = ("_loops", "came_back", "counted", "others_stood", "rounds", "since", "touched")

    def __init__(self) -> None:
        self._loops: dict[tuple[int, Hashable], Turn] = {}
        self.came_back = False
        self.counted = 0
        self.others_stood: Hashable = None
        self.rounds = 0
        self.since = 0
        self.touched = False

    def begin(self, loop: Loop, site: Hashable, now: Turn) -> Turn | None:
        """A turn begins.

        Args:
            loop: what it is known by.
            now: the turn.

        Returns:
            The last turn, if it has brought the thread back to where it was; None if the thread gets on.
        """
        key = (id(loop), site)
        now.loop = loop  # so that no other gets its `id`
        last = self._loops.pop(key, None)
        self._loops[key] = now
        if len(self._loops) > _MOST_LOOPS:
            del self._loops[next(iter(self._loops))]
        self.counted = 0
        self.came_back = last is not None and last.may_end_like(now)
        if last is None or last.busy or now.busy:
            return None
        if last.ends_like(now):
            return last
        if last.looked_at and last.counts(now):
            self.counted = now.counted = last.counted + 1
        return None

    def touch(self, operation: Operation, versions: dict[Hashable, int]) -> None:
        """The thread is about to perform this."""
        self.touched = True
        for turn in self._loops.values():
            turn.touch(operation, versions)

    def keeps_others_waiting(self, since: int, around: int) -> bool:
        """Whether the thread has gone round often enough, with steps or without, though it gets on.

        Args:
            since: when it parked last.
            around: turns since the last step.
        """
        stepped, self.since = since != self.since, since
        touched, self.touched = self.touched, False
        self.rounds += stepped
        return (stepped and self.rounds > MOST_ROUNDS) or (touched and around > MOST_QUIET)

    def forget(self, frame: FrameType | None, site: Hashable) -> None:
        """The thread does get on: in all its loops, or (a `for` around them) in those of one function."""
        if frame is None:
            self._loops.clear()
            return
        for key, turn in list(self._loops.items()):
            # A `for` within the `while` begins and ends within one turn: then the turn can still be idle.
            if turn.frame == id(frame) and _before(site, key[1]):
                del self._loops[key]


def _before(site: Any, other: Any) -> bool:
    return bool((site.line, site.column) < (other.line, other.column))


class Turn:
    """One turn of a loop: what the thread was like at its head, and what it has touched since.

    It keeps nothing alive that the program has dropped meanwhile: neither the frame nor what is in it.

    Attributes:
        loop: what the loop is known by.
        frame: the `id` of the function's frame, while that is there.
        began: after how many steps of all threads.
        busy: whether something may have changed in it that is not seen here.
        counted: how many turns in a row, before it, have changed nothing but numbers.
        looked_at: by target, how the thread touched it: first, or to wait for it.
        own: by target, how often the thread has written it.
    """

    __slots__ = (
        "_lent",
        "_locals",
        "_seen",
        "_states",
        "began",
        "busy",
        "counted",
        "frame",
        "looked_at",
        "loop",
        "own",
    )

    def __init__(
        self, frame: FrameType, unread: frozenset[str], depth: int, label: Callable[[Any], int]
    ) -> None:
        """A turn of a loop in `frame` begins.

        Args:
            unread: variables of the frame that nobody looks at.
            depth: how many steps all threads have made.
            label: gives the number of an object.
        """
        self.loop: Loop | None = None
        self.frame = id(frame)
        self.began = depth
        self.counted = 0
        variables = frame.f_locals
        held = {
            name: value
            for name, value in variables.items()
            if name not in unread and type(value) is not Loop  # one that an exception ended is still there
        }
        if getrefcount(variables) == _FRAME_ALONE:
            variables.clear()  # until 3.12 the frame keeps what it has given, though the program drops it
        # Its locals do not say how far an iterator among them has come.
        self.busy = bool(frame.f_code.co_flags & _RESUMED) or not all(map(plain, held.values()))
        self._locals = {
            name: (type(value), value) if type(value) in SCALARS else label(value)
            for name, value in held.items()
        }
        self._seen: dict[Hashable, int] = {}  # what it touched, and how often that had been written by then
        self.looked_at: dict[Hashable, Operation] = {}
        self.own: dict[Hashable, int] = {}  # how often it wrote it itself since
        self._lent: dict[Hashable, int] = {}  # how often it gave it away, less how often it took it
        self._states: list[tuple[Operation, Any]] = []  # of what it wrote, before it did

    def touch(self, operation: Operation, versions: dict[Hashable, int]) -> None:
        """The thread is about to perform this."""
        if self.busy:
            return
        if operation.writes and operation.object is CLOCK:
            return  # that time passes is no deed, for who does not look at it
        for target in (operation.target, *operation.others):
            if target not in self._seen:
                self._seen[target] = versions.get(target, 0)
                self.looked_at[target] = operation
            elif operation.timed:
                self.looked_at[target] = operation  # what it waits for in vain says most
            if operation.writes:
                if target not in self.own:
                    state = operation.snapshot()
                    self.busy = state is None
                    self._states.append((operation, state))
                    self.own[target] = 0
                self.own[target] += 1
                self._lent[target] = self._lent.get(target, 0) + _LENDS.get(operation.kind, 1)

    def ends_like(self, now: Turn) -> bool:
        """Are the variables, at the head of the next turn, as they were at the head of this one?"""
        return self._locals == now._locals

    def may_end_like(self, now: Turn) -> bool:
        """Are they but for objects, which may hold the same?"""
        return self._is_like(now, lambda mine, new: type(mine) is int and type(new) is int)

    def counts(self, now: Turn) -> bool:
        """Are they but for numbers?"""
        return self._is_like(now, lambda mine, _: isinstance(mine, tuple) and mine[0] in (int, float))

    def _is_like(self, now: Turn, is_let_pass: Callable[[Any, Any], bool]) -> bool:
        """Are they, but for those of which it does not matter?"""
        return self._locals.keys() == now._locals.keys() and all(
            value == now._locals[name] or is_let_pass(value, now._locals[name])
            for name, value in self._locals.items()
        )

    def idle(self, versions: dict[Hashable, int]) -> bool:
        """Is all that the thread has looked at as it was, so that the next turn would be the same?"""
        for target, version in self._seen.items():
            if versions.get(target, 0) != version + self.own.get(target, 0):
                return False
        return all(operation.snapshot() == state for operation, state in self._states)

    def gave_back(self) -> bool:
        """Has it taken again all that it gave, and given back all that it took, whatever others did?"""
        return not any(self._lent.values())


def plain(value: Any) -> bool:
    """Is the value one whose changes are seen, or that has none?"""
    kind = type(value)
    # `isinstance` may run code of the program's own.
    if kind in SCALARS or issubclass(kind, (FunctionType, BuiltinFunctionType, MethodType, ModuleType, type)):
        return True
    if kind in (tuple, frozenset):
        return all(map(plain, value))
    if kind is itertools.count:
        return True  # who takes a number by `next` reports that
    # An iterator moves on unseen. All else reports its changes, or they are reported by who makes them.
    return not hasattr(kind, "__next__")


class Spin(Operation):
    """Waits until another thread has written one of the things this one has looked at in vain.

    Going on is no choice: what the thread does next is one. The wait may expire: then the thread goes round
    once more because others, who cannot go on, may be able to in the middle of its turn.

    Attributes:
        seen: what the thread has looked at, and how often that had been written by then.
    """

    __slots__ = ("_changes", "_looked_at", "_versions", "seen")
    kind = "spin"
    state = "spin"
    writes = False
    blocks = True
    free = True

    def __init__(self, site: Hashable, versions: dict[Hashable, int], turn: Turn) -> None:
        """The turn was idle."""
        self.object = site
        self.target = "spin"
        self._versions = versions
        self._looked_at = turn.looked_at
        self._changes = turn.own.keys()
        self.seen = {target: versions.get(target, 0) for target in turn.looked_at}

    def opens_to(self, other: Operation) -> bool:
        """Does another turn change, for a while, what another thread waits for?"""
        awaited = other.seen if isinstance(other, Spin) else (other.target, *other.others)
        return not self._changes.isdisjoint(awaited)

    def expire(self) -> bool:
        return True

    def ready(self) -> bool:
        versions = self._versions
        return any(versions.get(target, 0) != version for target, version in self.seen.items())

    def site(self) -> Site | None:
        return self.object if isinstance(self.object, Site) else None

    def name(self, execution: Execution) -> str:
        names = dict.fromkeys(read.name(execution) for read in self._looked_at.values())
        if names:
            return " and ".join(names)
        # Nothing that anybody else ever changes.
        site = self.object
        return linecache.getline(site.file, site.line).strip() if isinstance(site, Site) else "nothing"

    def text(self, execution: Execution) -> str:
        return f"spin on {self.name(execution)}"

    def waits_for(self, execution: Execution) -> Wait:
        remedies = [each.remedy or "set it" for each in self._looked_at.values()]
        remedy = remedies[0] if len(remedies) == 1 else "change what it looks at"
        return Wait(self.name(execution), self.state, remedy, None)


class GiveWay(Operation):
    """Goes on round a loop, after all others have had their chance."""

    __slots__ = ()
    kind = "turn"
    verb = "go round the loop"
    writes = False

    def __init__(self, site: Hashable) -> None:
        self.object = site
        self.target = "turn"

    def text(self, execution: Execution) -> str:
        return self.verb

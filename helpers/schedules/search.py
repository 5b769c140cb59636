"""The searches: each decides, at every step, who goes next, and which schedule to try after this one.

All have the same face. `All` tries every schedule, `Bounded` those with few preemptions, `Classes` (in a file
of its own) one of each class of equivalent ones. A `Replay` knows the schedule already, and with a `Reader`
somebody outside decides.

What can be done at a step is written as bits: twice the number of a task for its operation, and the bit after
that for the end of its wait by a timeout. A choice is the number of one such bit.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from math import inf
from typing import Any

from helpers.schedules.execution import Execution
from helpers.schedules.leftovers import Leftovers
from helpers.schedules.operation import Operation

# An execution with more steps than this is taken to go on for ever.
MOST_STEPS = 1000
_TOO_LONG = "steps", f"it went on for more than {MOST_STEPS:,} steps"


class Node:
    """A step of the schedule that is being tried, and what else could be done there.

    Attributes:
        choices: all that could be done, as bits.
        todo: what is to be tried there.
        done: what was tried.
        asleep: what need not be tried: it leads only to what was seen.
        pick: what is done there now.
        operation: what was done there last.
        number: the task that did it.
        daemon: whether that is a daemon thread.
        going: the task that went before and could go on here, or -1.
        preemptions: how often a task that could go on had to wait until here.
        logs: of what it touched, where it is the last entry; see `Classes`.
        past: the steps that happened before this one and itself, as bits; see `Classes`.
    """

    __slots__ = (
        "asleep",
        "choices",
        "daemon",
        "done",
        "going",
        "logs",
        "number",
        "operation",
        "past",
        "pick",
        "preemptions",
        "todo",
    )

    def __init__(self, choices: int, going: int) -> None:
        self.choices = choices
        self.todo = choices
        self.done = 0
        self.asleep = 0
        self.pick = -1
        self.operation: Operation = None  # type: ignore[assignment]  # set as soon as something is picked
        self.number = -1
        self.daemon = False
        self.going = going
        self.preemptions = 0
        self.past = 0
        self.logs: list[list[Any]] = []

    def preempts(self) -> bool:
        """Whether the task that went before could go on, and has to wait."""
        return self.going >= 0 and self.pick >> 1 != self.going


class Search:
    """What all searches share.

    Attributes:
        racy: the sites where reads and writes of shared data are steps, because threads meet there.
        written: the names under which something is written while other threads are there.
        grown: whether one of the two grew: what was tried so far was too coarse, the search begins anew.
        redundant: whether the execution was ended because all it could still do was seen before.
        before: what was where when a schedule began.
        until: when to stop, even in the middle of a schedule, by `time.monotonic`.
        stack: the steps of the schedule that is being tried, where the search keeps them.
        replayed: how many of them are as in the schedule before.
    """

    def __init__(self, racy: Iterable[Hashable] = ()) -> None:
        self.stack: list[Node] = []
        self.replayed = 0
        self.racy: set[Hashable] = set(racy)
        self.written: set[str] = set()
        self.before = Leftovers()
        self.until = inf
        self.grown = False
        self.redundant = False

    def met(self, sites: Iterable[Hashable]) -> None:
        """Two threads met, with a write, at these sites."""
        if not self.racy.issuperset(sites):
            self.racy.update(sites)
            self.grown = True

    def next(self, execution: Execution) -> int:
        """What to do next, or -1 to hand the baton back."""
        raise NotImplementedError

    def look(self, execution: Execution) -> None:
        """What tasks would do next is about to be done without a choice, or never."""


class Tree(Search):
    """A search that tries one schedule after the other, depth first."""

    def next(self, execution: Execution) -> int:
        depth = execution.depth
        if depth < self.replayed:
            return self._again(execution, self.stack[depth])
        choices = execution.choices()
        if not choices:
            self.look(execution)
            return -1
        if depth >= MOST_STEPS:
            execution.cut = _TOO_LONG
            return -1
        before = self.stack[-1].pick >> 1 if self.stack else -1
        going = before if before >= 0 and choices >> 2 * before & 3 else -1
        node = Node(choices, going)
        if not self.enter(execution, node):
            self.redundant = True
            return -1
        self.stack.append(node)
        self.did(execution, node)
        return node.pick

    def _again(self, execution: Execution, node: Node) -> int:
        """Repeat a step of the schedule before this one; the last of them is the one that differs."""
        tasks = execution.tasks
        number = node.number
        operation = tasks[number].op if number < len(tasks) else None
        before = node.operation
        if operation is None or operation.target != before.target or operation.kind != before.kind:
            return _differs(execution, node)
        if execution.depth < self.replayed - 1:
            tasks[number].past = node.past
        elif execution.choices() == node.choices:
            self.did(execution, node)
        else:
            return _differs(execution, node)
        return node.pick

    def enter(self, execution: Execution, node: Node) -> bool:
        """A new step is reached: say in the node what to try there, and what first; False to give up."""
        node.pick = first(node.todo, node.going)
        return True

    def did(self, execution: Execution, node: Node) -> None:
        """What the node picks is about to be done, for the first time."""
        task = execution.tasks[node.pick >> 1]
        assert task.op is not None
        node.operation = task.op
        node.number = task.number

    def advance(self) -> bool:
        """Go to the next schedule; False if there is none."""
        self.redundant = False
        if self.grown:
            self.grown = False
            self.restart()
            return True
        stack = self.stack
        while stack:
            node = stack[-1]
            self.undo(node)
            node.done |= 1 << node.pick
            left = node.todo & ~(node.done | node.asleep)
            if left:
                node.pick = (left & -left).bit_length() - 1
                self.replayed = len(stack)
                return True
            stack.pop()
        self.replayed = 0
        return False

    def undo(self, node: Node) -> None:
        """What the node picked is no longer part of the schedule."""

    def restart(self) -> None:
        """Begin anew."""
        self.stack.clear()
        self.replayed = 0

    def taken(self) -> list[tuple[int, int]]:
        """The schedule that is being tried: for each step what could be done, and what was."""
        return [(node.choices, node.pick) for node in self.stack]

    def preemptions(self) -> int:
        """How often, in this schedule, a task that could go on had to wait."""
        return sum(node.preempts() for node in self.stack)


class All(Tree):
    """Every schedule."""


class Bounded(Tree):
    """Every schedule with at most so many preemptions: a thread that could go on has to wait."""

    def __init__(self, bound: int, racy: Iterable[Hashable] = ()) -> None:
        super().__init__(racy)
        self.bound = bound

    def enter(self, execution: Execution, node: Node) -> bool:
        if self.stack:
            before = self.stack[-1]
            node.preemptions = before.preemptions + before.preempts()
        if node.going >= 0 and node.preemptions >= self.bound:
            node.todo = node.choices & 3 << 2 * node.going
        return super().enter(execution, node)


class Replay(Search):
    """One schedule: the choices given, and from where they end, whoever ran goes on while it can."""

    def __init__(self, picks: Sequence[int], racy: Iterable[Hashable] = ()) -> None:
        super().__init__(racy)
        self.picks = list(picks)
        self.taken: list[tuple[int, int]] = []
        self.made = 0  # of the choices given
        self._before = -1

    def met(self, sites: Iterable[Hashable]) -> None:
        """It is known where threads meet. What is found here makes no new steps, or it were no replay."""

    def next(self, execution: Execution) -> int:
        choices = execution.choices()
        if not choices:
            return -1
        if execution.depth >= MOST_STEPS:
            execution.cut = _TOO_LONG
            return -1
        pick = -1
        if self.made < len(self.picks):
            pick = self.picks[self.made]
            self.made += 1
            if pick < 0 or not choices >> pick & 1:
                execution.cut = "different", f"step {self.made} of the schedule is not possible there"
                return -1
        if pick < 0:
            pick = first(choices, self._before)
        self.taken.append((choices, pick))
        self._before = pick >> 1
        return pick


class Reader(Search):
    """Somebody outside chooses: the baton is handed back at every step."""

    def met(self, sites: Iterable[Hashable]) -> None:
        """As in `Replay`."""

    def next(self, execution: Execution) -> int:
        return -1


def first(choices: int, going: int) -> int:
    """What is done where nothing else is asked for: whoever ran goes on, else the first that can."""
    if going >= 0:
        mine = choices & 3 << 2 * going
        if mine:
            choices = mine
    return (choices & -choices).bit_length() - 1


def _differs(execution: Execution, node: Node) -> int:
    """Give up a replay that goes another way than before."""
    who, line = "a thread", ""
    if node.number < len(execution.tasks):
        task = execution.tasks[node.number]
        who, line = task.name, execution.line_of(task)
    execution.cut = (
        "different",
        f"the program does not do the same in the same schedule: at step {execution.depth + 1} {who} "
        f"does something else{f' in {line}' if line else ''} than the last time. Take out what is random or "
        "comes from outside (a set of objects has another order each time)",
    )
    return -1

"""One schedule of each class: schedules that differ only in the order of steps that do not touch each other.

Two steps of different threads are *dependent* if they touch the same thing and one of them writes it.
Schedules in which all dependent steps come in the same order have the same outcome, so one of them is enough.
The search runs a schedule, looks for pairs of dependent steps that could have come in the other order
(*races*: nothing else orders them), and tries that order where they part: dynamic partial-order reduction
after Flanagan and Godefroid (POPL 2005), choosing what to try by the source sets of Abdulla, Aronsson,
Jonsson and Sagonas (POPL 2014). Sleep sets (Godefroid, 1996) end a schedule that can only repeat what was
seen.

What happened before a step is kept as a number with one bit for each step of the schedule: joining two is
`|`, and asking whether one step came before another is a shift. For schedules of some hundred steps nothing
is faster.

A timeout makes two alternatives of one step. Whoever tries a thread there tries both.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable

from helpers.schedules.execution import Execution, Task
from helpers.schedules.operation import EXIT, Operation
from helpers.schedules.search import Node, Tree, first

# The even bits: which tasks, without what they would do.
_EVEN = sum(1 << 2 * number for number in range(256))

# What was done to one target, in order: the step, the task, whether it wrote, what happened before it, and
# whether it opened (see `Operation.opens`).
Entry = tuple[int, int, bool, int, bool]


class Classes(Tree):
    """One schedule of each class of equivalent ones."""

    def __init__(self, racy: Iterable[Hashable] = ()) -> None:
        super().__init__(racy)
        self._log: dict[Hashable, list[Entry]] = {}

    def restart(self) -> None:
        super().restart()
        self._log.clear()

    # --- along one schedule --------------------------------------------------------------------------

    def enter(self, execution: Execution, node: Node) -> bool:
        self._look_for_races(execution)
        tasks = execution.tasks
        if self.stack:
            before = self.stack[-1]
            asleep = (before.asleep | before.done) & node.choices & ~(3 << (before.pick & -2))
            # What slept goes on sleeping until something is done that it depends on.
            left = asleep
            while left:
                bit = left & -left
                left ^= bit
                task = tasks[(bit.bit_length() - 1) >> 1]
                if _dependent(task.op, task.daemon, before.operation, before.daemon):  # type: ignore[arg-type]
                    asleep ^= bit
            node.asleep = asleep
            awake = node.choices & ~asleep
            if not awake:
                return False
        else:
            awake = node.choices
        node.pick = pick = first(awake, node.going)
        node.todo = node.choices & 3 << (pick & -2)
        return True

    def did(self, execution: Execution, node: Node) -> None:
        task = execution.tasks[node.pick >> 1]
        operation = task.op
        assert operation is not None
        step = execution.depth
        past = task.past | 1 << step
        node.operation = operation
        node.number = task.number
        node.daemon = task.daemon
        logs = self._log
        touched = _touched(operation, task.daemon)
        for target, write in touched:
            log = logs.get(target)
            if log is None:
                logs[target] = []
                continue
            for entry in reversed(log):
                if write or entry[2]:
                    past |= entry[3]
                    if entry[2]:
                        break
        opens = operation.opens
        node.logs = []
        for target, write in touched:
            log = logs[target]
            log.append((step, task.number, write, past, opens))
            node.logs.append(log)
        node.past = task.past = past

    def undo(self, node: Node) -> None:
        for log in node.logs:
            log.pop()

    def look(self, execution: Execution) -> None:
        if execution.depth >= self.replayed:
            self._look_for_races(execution)

    # --- races ---------------------------------------------------------------------------------------

    def _look_for_races(self, execution: Execution) -> None:
        """Hold what each task would do next against the steps it might also have come before."""
        stack = self.stack
        depth = len(stack)
        changed = self.replayed - 1  # the first step that differs from the schedule before; -1 at first
        for task in execution.tasks:
            operation = task.op
            if operation is None or (operation.free and not operation.timed):
                continue
            since = task.checked
            if since < changed and task.since <= changed:
                since = changed  # held against those before it already, in the schedule before
            task.checked = depth
            if since == depth:
                continue
            if not (operation.others or task.daemon):
                # The usual case: one target, and few new steps there.
                log = self._log.get(operation.target)
                if log and log[-1][0] >= since:
                    write = operation.writes
                    if since and self._met(task, operation.target, write, since):
                        since = 0
                    self._races_with(task, operation, write, log, since)
                continue
            touched = _touched(operation, task.daemon)
            if since and any(self._met(task, target, write, since) for target, write in touched):
                # A new step that it depends on: what was found before, without that, must be found again.
                since = 0
            for target, write in touched:
                log = self._log.get(target)
                if log:
                    self._races_with(task, operation, write, log, since)

    def _met(self, task: Task, target: Hashable, write: bool, since: int) -> bool:
        """Whether another task has done something there since then that the task's next step depends on."""
        for step, number, wrote, _, _ in reversed(self._log.get(target, ())):
            if step < since:
                return False
            if (write or wrote) and number != task.number:
                return True
        return False

    def _races_with(
        self,
        task: Task,
        operation: Operation,
        write: bool,
        log: list[Entry],
        since: int,
    ) -> None:
        past = task.past
        impossible = operation.blocks and not operation.timed
        found = False
        for step, number, wrote, _, opened in reversed(log):
            if step < since:
                break
            if not (write or wrote):
                continue
            if number == task.number or past >> step & 1:
                if wrote:
                    break  # and so all before it
                continue
            if opened and impossible:
                continue  # until then it could not have been done
            if wrote and found:
                break  # it comes before the read that was found: in turn, once that is tried the other way
            self._try_before(step, task)
            if wrote:
                break
            found = True

    def _try_before(self, step: int, task: Task) -> None:
        """Have the other order tried: what `task` would do next before what was done at `step`."""
        stack = self.stack
        node = stack[step]
        choices = node.choices
        able = (choices | choices >> 1) & _EVEN
        mine = 1 << 2 * task.number
        # What was done since then and does not come after it, and whose steps are first among that.
        unordered = 0
        met = 0
        firsts = 0
        operation = task.op
        assert operation is not None
        bit = 1 << step
        hindered = False
        for later in range(step + 1, len(stack)):
            other = stack[later]
            if other.past & bit:
                continue
            unordered |= 1 << later
            who = 1 << (other.pick & -2)
            if not met & who:
                met |= who
                if other.past & unordered == 1 << later:
                    firsts |= who
            if not hindered and _dependent(operation, task.daemon, other.operation, other.daemon):
                hindered = True
        if not met & mine and not hindered and not task.past & unordered:
            firsts |= mine
        firsts &= able
        covered = (node.todo | node.todo >> 1) & _EVEN
        awake = choices & ~node.asleep
        covered |= able & ~((awake | awake >> 1) & _EVEN)  # what sleeps there was tried elsewhere
        if firsts & covered:
            return
        if firsts & mine:
            node.todo |= choices & 3 * mine
        elif firsts:
            node.todo |= choices & 3 * (firsts & -firsts)
        else:
            node.todo = choices


def _touched(operation: Operation, daemon: bool) -> Iterable[tuple[Hashable, bool]]:
    if not daemon and not operation.others:
        return ((operation.target, operation.writes),)
    touched = operation.touched()
    if daemon:
        touched.append((EXIT, False))  # whatever a daemon does, it does before the program ends
    return touched


def _dependent(one: Operation, daemon: bool, other: Operation, other_daemon: bool) -> bool:
    if daemon or other_daemon or one.others or other.others:
        touched = dict(_touched(one, daemon))
        return any(
            target in touched and (write or touched[target])
            for target, write in _touched(other, other_daemon)
        )
    return (one.writes or other.writes) and one.target == other.target

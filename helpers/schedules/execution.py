"""One schedule being run: the program's threads pass a baton, and one of them runs at a time.

A thread runs until it comes to its next *step*: an operation that another thread could notice. There it
parks, and whoever is chosen next goes on: performs its operation and runs to its own next step. So what
lies between two steps is never interrupted, and an execution is decided by the choices alone.

How a primitive is modelled: it keeps plain data, and each of its operations is an `Operation` that it hands
to `Execution.step`::

    class Release(Operation):
        __slots__ = ()
        kind, verb = "release", "release"

        def perform(self):
            self.object.owner = None

    class Lock:
        def __init__(self):
            self.execution = current()
            self.label = self.execution.label(self)
        def release(self):
            self.execution.step(Release(self))

Some moments are no choice, because they commute with everything else: that a thread begins, that it ends, and
that a `join` sees an ended thread. They happen as soon as they can.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from types import FrameType, SimpleNamespace
from typing import TYPE_CHECKING, Any, NoReturn

from helpers.schedules import interrupts, leftovers, lifetimes, printing, sources
from helpers.schedules.earlier import made_before
from helpers.schedules.hub import PATIENCE, STOPPED, Hub
from helpers.schedules.livelocks import Rounds
from helpers.schedules.operation import Exit, Operation, Read, ReadAll, Site, Unwind, Write, WriteAll
from helpers.schedules.reaching import frame_of_program
from helpers.schedules.spinning import GiveWay, Loop, Spin, Turn, Turns
from helpers.schedules.workers import (
    Worker,
    allocate_lock,
    current,
    frame_of,
    hire,
    in_finalizer,
)

if TYPE_CHECKING:
    from helpers.schedules.search import Search

__all__ = ["Execution", "Operation", "Site", "Task", "current"]

# A loop that goes round so often without a step is taken to go on for ever.
MOST_TURNS = 100_000

# One that changes nothing but a number goes round so often before it gives way to all others at every turn.
MOST_COUNTED = 100
_COUNTS = (
    "this loop counts its own turns, so it cannot be told from one that goes on for ever: "
    "leave the counter out"
)
_KEEPS_OTHERS_WAITING = "this loop goes on as long as others wait: that they wait still longer is not tried"


def _has_none() -> None:
    """How a thread that has not got the baton passes it on."""


class _Met:
    """Who has touched one piece of shared data.

    Attributes:
        reads, writes: by task and place, where that is not known to be racy: in which of the task's epochs it
            did so last.
        racy: whether all the places where it was touched are known to be racy.
    """

    __slots__ = ("racy", "reads", "writes")

    def __init__(self) -> None:
        self.reads: dict[tuple[int, Hashable], int] = {}
        self.writes: dict[tuple[int, Hashable], int] = {}
        self.racy = True


class Task:
    """One thread of the program in one execution.

    Attributes:
        number: in order of start; 0 is the one that runs the scenario itself.
        thread: the program's `threading.Thread`, or what tells the same of one that has ended.
        daemon: whether the program may end without it.
        op: what it does next when it is chosen; None while it runs.
        done: whether it has ended.
        failure: the exception that ended it, or None.
        past: the steps that happened before its present moment, one bit for each (see `classes`).
        since: at which step `op` became what it does next.
        checked: up to which step `op` was held against the steps before it.
        got_on: how often it got on in a way that nothing else shows, once somebody may spin.
        ident: what `threading.get_ident` says in it.
        epochs: how far it knows each task to have come, itself included: each start of a thread begins an
            epoch of the starter. What others did until then comes before what this task does from now on.
    """

    __slots__ = (
        "checked",
        "daemon",
        "done",
        "epochs",
        "expires",
        "failure",
        "gate",
        "got_on",
        "ident",
        "number",
        "op",
        "past",
        "raised",
        "since",
        "thread",
        "turns",
        "worker",
    )

    def __init__(self, number: int, thread: Any, daemon: bool) -> None:
        self.number = number
        self.thread = thread
        self.daemon = daemon
        self.ident = number + 1
        self.epochs = {number: 0}
        self.op: Operation | None = None
        self.done = False
        self.expires = False
        self.failure: BaseException | None = None
        self.past = 0
        self.since = 0
        self.checked = 0
        self.raised = 0
        self.got_on = 0
        self.turns: Turns | None = None
        self.worker: Worker = None  # type: ignore[assignment]  # hired as soon as the task is made
        self.gate: Any = None

    @property
    def name(self) -> str:
        """The thread's own name."""
        return str(self.thread.name)

    def __repr__(self) -> str:
        return f"<task {self.number}: {self.name}>"


class Execution:
    """One schedule of a scenario, from its first step to its end.

    Attributes:
        task: the task that runs now.
        tasks: all of them, in order of start.
        depth: how many steps with a choice were made.
        search: decides who goes next.
        hub: where the baton comes back to.
        over: called when all tasks have ended by themselves, in the thread of the last one; it passes the
            baton on.
        written: an attribute of another name than these need not be reported when it is read, because nobody
            writes it; None where everything has to be.
        watched: whether `saw` keeps what it gets; looking it up would be in vain otherwise.
        unwinding: true from the moment the schedule is over: tasks that are still parked are being ended.
        quiet: while true, nothing is a step: the library itself looks at the program's objects.
        raised: the tasks an exception ended, in the order of that.
        cut: why the execution was given up before its end: ``"steps"`` or ``"turns"`` (it seems to go on for
            ever), ``"livelock"`` (it can; see `rounds`), ``"different"`` (a replay went another way) or
            ``"hangs"`` (in something real), and a sentence; or None.
        scenario: the program.
        rounds: sees whether threads livelock.
        refused: why the scenario cannot be explored at all, or "".
        broken: an error of the library itself, or None.
        output: what the program printed.
        notes: what could not be followed, with the place.
        watches: who asks whether objects are still there.
        clock: kept by the model of the clock.
        main_state: kept by the model of threads.
    """

    watched = False

    __slots__ = (
        "_alone",
        "_before",
        "_behind",
        "_daemons",
        "_free",
        "_fresh",
        "_labels",
        "_left_over",
        "_lets_go",
        "_met",
        "_numbers",
        "_others",
        "_racy",
        "around",
        "broken",
        "clock",
        "cut",
        "depth",
        "hub",
        "main_state",
        "notes",
        "output",
        "over",
        "passed",
        "pools_made",
        "quiet",
        "raised",
        "refused",
        "rounds",
        "scenario",
        "search",
        "task",
        "tasks",
        "threads_made",
        "unwinding",
        "versions",
        "watches",
        "written",
    )

    def __init__(self, search: Search, hub: Hub | None = None) -> None:
        self.search = search
        self.hub = hub or Hub()
        self.over: Callable[[], Any] = self.hub.open
        self.tasks: list[Task] = []
        self.task: Task = None  # type: ignore[assignment]  # somebody runs whenever anybody looks
        self.depth = 0
        self.unwinding = False
        self.quiet = False
        self.raised: list[Task] = []
        self.cut: tuple[str, str] | None = None
        self.refused = ""
        self.scenario: Callable[[], Any] = lambda: None
        self.broken: BaseException | None = None
        self.output: list[str] = []
        self.notes: dict[tuple[str, Site | None], None] = {}
        self.clock: Any = None
        self.main_state: Any = None
        self.threads_made = 0  # for the names threads get when the program gives none
        self.pools_made = 0  # and executors
        self.versions: dict[Hashable, int] | None = None  # of what is written, once somebody may spin
        self.rounds = Rounds()
        self.around = 0  # turns of loops since the last step
        self.passed = 0  # turns of loops that end by themselves
        self._behind: dict[int, int] = {}  # who lets others pass, where they can go on: as bits of `choices`
        self._others = 0  # tasks that are no daemons and have not ended
        self._daemons = False  # whether there were any
        self._fresh: list[Task] = []
        self._free: list[Task] = []
        self._alone = True  # whether no thread has been started
        self._racy = search.racy
        self._labels = lifetimes.Labels()
        self._numbers = self._labels.numbers  # looked up very often
        self._lets_go = lifetimes.noticed
        self.watches = lifetimes.Watches()
        self._met: dict[tuple[int, Hashable], _Met] = {}  # by number of the object, and part of it
        self._left_over: set[Hashable] = set()  # targets that still hold what another schedule left there
        self._before = search.before if search.before.begin() else None
        self.written: set[str] | None = None

    # --- what the models and the rewritten code call -------------------------------------------------

    def step(self, operation: Operation) -> Any:
        """Park until chosen, then perform `operation` (or let it expire) and return what it gives."""
        if self.unwinding or self.quiet:
            return self._out_of_turn(operation)
        if self._lets_go:
            self._labels.let_go()
        me = self.task
        me.op = operation
        me.since = self.depth
        me.checked = 0
        if operation.free:
            self._free.append(me)
        chosen = self._choose()
        if chosen is not me:
            if chosen is None:
                self.hub.open()
            else:
                chosen.gate.release()
            me.gate.acquire()
            if self.unwinding:
                raise Unwind
        me.op = None
        if self.versions is not None and not operation.free:
            self._touch(me, operation)
        perform = operation.perform
        if me.expires:
            me.expires = False
            perform = operation.expire
        return self._perform(me, operation, perform) if self._lets_go else perform()

    def _perform(self, me: Task, operation: Operation, perform: Callable[[], Any]) -> Any:
        """Perform an operation, which keeps nothing of the program's afterwards: the search keeps it."""
        try:
            return perform()
        finally:
            for name in operation.given:
                setattr(operation, name, None)
            if me.turns is None:  # else the turn of a loop may still ask for its state
                operation.object = None

    def access(self, about: Any, key: Hashable, write: int, site: Hashable, text: str) -> bool:
        """Say that shared data is about to be read or written; it is a step where threads meet.

        Args:
            about: the object whose data it is.
            key: which attribute, item or variable of it.
            write: whether it is changed, and how: `containers.CHANGES`, `ADDS` or `EMPTIES`.
            site: the place in the program.
            text: ``"read counter"``.

        Returns:
            Whether it was a step.
        """
        if self.unwinding:
            raise Unwind
        if self.quiet or (self._alone and self.versions is None):
            return False  # what comes before the first start comes before everything
        if self._lets_go:
            self._labels.let_go()
        racy = site in self._racy
        target = self.meet(about, key, write, None if racy else site)
        if self._left_over:
            self._refuse_left_over(about, key, target, write, site, text)
        if racy and not self._alone:
            self.step((Write if write else Read)(target, site, text))
            return True
        if self.versions is not None:
            self._touch(self.task, (Write if write else Read)(target, site, text))
        return False

    def counts(self, about: Any, site: Hashable, text: str) -> bool:
        """The same for the next number of `itertools.count` in a `for`.

        That it goes on says nothing of whether its task spins: who looks at the number has it in a variable.
        """
        if self.unwinding:
            raise Unwind
        if self.quiet or self._alone:
            return False
        racy = site in self._racy
        target = self.meet(about, None, True, None if racy else site)
        if racy:
            self.step(Write(target, site, text))
        return racy

    def access_all(
        self, places: Sequence[tuple[Any, Hashable]], write: int, site: Hashable, text: str
    ) -> bool:
        """Say that several pieces of shared data are about to be read, or written, in one step (see
        `access`).

        Args:
            places: of each piece the object, and which part of it.
        """
        if self.unwinding:
            raise Unwind
        if self.quiet or (self._alone and self.versions is None):
            return False
        if self._lets_go:
            self._labels.let_go()
        racy = site in self._racy
        targets = [self.meet(about, key, write, None if racy else site) for about, key in places]
        if self._left_over:
            for (about, key), target in zip(places, targets, strict=True):
                self._refuse_left_over(about, key, target, write, site, text)
        if racy and not self._alone:
            self.step((WriteAll if write else ReadAll)(targets, site, text))
            return True
        if self.versions is not None:
            operation = (WriteAll if write else ReadAll)(targets, site, text)
            self._touch(self.task, operation)
        return False

    def meet(self, about: Any, key: Hashable, write: int, site: Hashable) -> Hashable:
        """Note who is where, as `access` does, without a step; returns the target of an access there.

        Two threads meet if one of them writes, and no start or join puts one access before the other.

        Args:
            site: None for one that is known to be racy: which of them it is does not matter any more.
        """
        number = self._numbers.get(id(about))
        target = self.label(about) if number is None else number, key
        if self._alone:
            return target
        if write and isinstance(key, str):
            self._writes(key)
        met = self._met.get(target)
        if met is None:
            met = self._met[target] = _Met()
            if self._before is not None and self._before.found(about, key, target):
                self._left_over.add(target)
        task = self.task
        me = task.number
        (met.writes if write else met.reads)[me, site] = task.epochs[me]
        if site is not None:
            met.racy = False
        if not met.racy:  # if all places are known to be racy there is nothing to find
            if met.writes:
                self._find_parallel(met.writes, site)
            if write and met.reads:
                self._find_parallel(met.reads, site)
        return target

    def _writes(self, name: str) -> None:
        """Something is about to be written under a name, and other threads are there."""
        search = self.search
        if name not in search.written:
            search.written.add(name)
            if self.written is not None:  # it may have been read, and was not reported
                search.grown = True

    def _find_parallel(self, accesses: dict[tuple[int, Hashable], int], site: Hashable) -> None:
        """Tell the search of each access of another task that nothing puts before the one at `site`."""
        me = self.task.number
        epochs = self.task.epochs
        for (number, place), epoch in accesses.items():
            if number != me and epochs.get(number, -1) < epoch:
                self.search.met([each for each in (place, site) if each is not None])

    def in_parallel(self, number: int, epoch: int) -> bool:
        """Whether no start or join puts what a task did in an epoch before what the running one does."""
        return number != self.task.number and self.task.epochs.get(number, -1) < epoch

    def touched_in_parallel(self, number: int) -> bool:
        """Whether another task has touched an object, and nothing puts that before now."""
        return any(
            self.in_parallel(task, epoch)
            for (object_, _), met in self._met.items()
            if object_ == number
            for accesses in (met.reads, met.writes)
            for (task, _), epoch in accesses.items()
        )

    def meets_in_parallel(self, about: Any, key: Hashable, write: int) -> bool:
        """Whether another task writes a piece of shared data, or reads it if the running one writes."""
        met = self._met.get((self._numbers.get(id(about), -1), key))
        if met is None:
            return False
        return any(
            self.in_parallel(task, epoch)
            for accesses in ((met.reads, met.writes) if write else (met.writes,))
            for (task, _), epoch in accesses.items()
        )

    def accompanied(self) -> bool:
        """Whether there is a task of which no start or join puts all that it does before or after now."""
        return any(self.in_parallel(task.number, task.epochs[task.number]) for task in self.tasks)

    def in_use(self) -> dict[int, Any]:
        """The objects that have a number, by that; not those that the program has dropped."""
        return self._labels.in_use()

    def number(self, about: Any) -> int | None:
        """The number of an object; None for one that has none yet."""
        return self._numbers.get(id(about))

    def _refuse_left_over(
        self, about: Any, key: Hashable, target: Hashable, write: int, site: Hashable, text: str
    ) -> None:
        """Refuse a program whose schedules do not all begin with the same data (see `leftovers`)."""
        if target not in self._left_over:
            return
        if write and leftovers.assigned(key, about, write):
            self._left_over.discard(target)
        elif not write or leftovers.looked_at(write):
            line = self.line(site.file, site.line) if isinstance(site, Site) else "the program"
            self.refuse(
                f"{line} uses what an earlier schedule left in {leftovers.name_in(text)}, which was made "
                "before the scenario began: make it inside the scenario, or set it at its beginning"
            )

    def saw(self, value: Any) -> None:
        """Keep the value just read or written, in few words, with the step that read or wrote it."""

    def again(self, loop: Loop, frame: FrameType, site: Hashable, unread: frozenset[str]) -> None:
        """A turn of a `while` begins. A task that changed nothing in the last one waits for others to.

        Where it took and gave back something, others may go on in the middle of its turn. So it lets those
        pass who have not moved meanwhile, and goes round once more where nobody can go on.

        Args:
            loop: what it is known by.
            frame: of the function that has it.
            site: its place.
            unread: its variables that nobody looks at.
        """
        if self.unwinding:
            raise Unwind
        if self.quiet:
            return
        self.around += 1
        if self.around > MOST_TURNS:
            self._too_many_turns(site)
        if self.versions is None:
            self.versions = {}
            self.written = None  # what a loop looks at says whether it spins
        task = self.task
        if task.turns is None:
            task.turns = Turns()
        self.rounds.unread[id(frame.f_code)] = unread
        last = task.turns.begin(loop, site, Turn(frame, unread, self.depth, self.label))
        idle = last is not None and last.idle(self.versions)
        if task.turns.came_back and not idle and not self._fresh and not self._lets_go:
            self._look_for_livelock(frame, site)
        if last is None:
            if self.rounds.off:
                return
            if task.turns.counted > MOST_COUNTED:
                self._give_way(site, _COUNTS)
            elif task.turns.keeps_others_waiting(task.since, self.around) and (self._fresh or self.choices()):
                self._give_way(site, _KEEPS_OTHERS_WAITING)
            return
        if last.own and (idle or last.gave_back()):
            self._fall_behind(task, last.began)
        if idle and self.step(Spin(site, self.versions, last)):
            task.turns.others_stood = self._others_stand(task)
            self._fall_behind(task, self.depth)

    def progress(
        self,
        frame: FrameType | None = None,
        site: Hashable = None,
        loop: Loop | None = None,
        finite: bool = False,
    ) -> None:
        """The running task is not spinning: it goes through a collection, or called what keeps a state.

        Args:
            frame, site: of the loop over the collection; nothing for a call.
            loop: what it is known by; nothing for a comprehension.
            finite: whether the loop ends by itself, however long it takes.
        """
        if self.unwinding:
            raise Unwind
        if self.quiet:
            return
        if finite:
            self.passed += 1
        else:
            self.around += 1
            if self.around > MOST_TURNS:
                self._too_many_turns(site)
        if self.versions is not None:
            if loop is None:
                self.task.got_on += 1
            else:
                loop.turns += 1
            if self.task.turns is not None:
                self.task.turns.forget(frame, site)

    def cannot_follow(self, what: str, site: Site | None = None) -> None:
        """Note something that the search cannot see or decide; the result says it."""
        self.notes[what, site] = None

    def others_could_come_between(self) -> bool:
        """Whether others could have come in the middle of the step just made, had it been made in parts.

        They could if one of them waits to do there what matters to it, or has done so while the task waited
        to make its step: no lock keeps them apart. What is not tried in one order is tried in the other.
        """
        since = self.task.since
        made = [node.operation for node in self.search.stack[since : self.depth]]
        if not made:
            return False  # nothing is searched, only shown
        *between, mine = made
        waiting = [task.op for task in self.tasks if task is not self.task and task.op is not None]
        return any(mine.meets(other) for other in (*between, *waiting))

    @property
    def home(self) -> str:
        """The scenario's own file."""
        return sources.file_of(self.scenario)

    def line(self, file: str, line: int) -> str:
        """How a line is called: ``"line 5"``, or ``"line 5 of own.py"`` if the scenario is in another."""
        return sources.line_in(sources.elsewhere(file, self.home), line)

    def line_of(self, task: Task) -> str:
        """The same for the line that a task has come to; "" where it has ended."""
        frame = None if task.done else frame_of_program(frame_of(task.worker))
        return "" if frame is None else self.line(frame.f_code.co_filename, frame.f_lineno)

    def join(self, task: Task) -> None:
        """The running task has seen the end of another: all that one did comes before what it does now."""
        me = self.task
        me.past |= task.past
        for number, epoch in task.epochs.items():
            if me.epochs.get(number, -1) < epoch:
                me.epochs[number] = epoch

    def label(self, about: Any) -> int:
        """A number for an object, the same in every replay."""
        number = self._numbers.get(id(about))
        return self._labels.give(about) if number is None else number

    def name(self, about: Any) -> str:
        """What the program calls an object."""
        return f"{type(about).__name__} {self.label(about)}"

    def refuse(self, why: str) -> NoReturn:
        """End the whole search: the program does what cannot be explored, such as use a lock of before."""
        self.refused = why
        self.unwinding = True
        raise Unwind

    def name_of(self, task: Task) -> str:
        """What the program calls a thread."""
        return task.name

    def start(
        self, thread: Any, daemon: bool, body: Callable[[], Any], ends: Callable[[], Any] | None = None
    ) -> Task:
        """Begin a task of its own for `body`; it runs when its starter comes to its next step.

        Args:
            ends: called in the task when `body` has returned or raised; it may make steps.
        """
        task = Task(len(self.tasks), thread, daemon)
        if self.tasks:
            if self._alone and self._before is None and self.versions is None and not self._lets_go:
                self.written = self.search.written
            self._alone = False
            starter = self.task
            task.past = starter.past
            task.epochs |= starter.epochs
            starter.epochs[starter.number] += 1
        self.tasks.append(task)
        self._fresh.append(task)
        if daemon:
            self._daemons = True
        else:
            self._others += 1

        def part() -> Any:
            try:
                if not self.unwinding:
                    task.op = None
                    try:
                        body()
                    except BaseException as error:
                        self._failed(task, error)
                    if ends is not None:
                        ends()
                    self._before_end(task)
            except Unwind:
                pass
            except BaseException as error:  # a mistake of ours must not leave everybody waiting
                self.broken = error
                self.unwinding = True
            return self._ended(task)

        task.worker = hire(self, part)
        task.gate = task.worker.gate
        return task

    # --- choosing ------------------------------------------------------------------------------------

    def _choose(self) -> Task | None:
        """Who runs next; None where the execution is over or waits for somebody to say."""
        if self._fresh:
            task = self.task = self._fresh.pop(0)
            return task
        for task in self._free:
            operation = task.op
            assert operation is not None
            if operation.ready():
                if operation.timed:
                    self.search.look(self)  # it could have expired before
                self._free.remove(task)
                self.task = task
                return task
        try:
            chosen = self.search.next(self)
        except BaseException as error:  # a mistake of ours is no exception of the program
            self.broken = error
            return None
        return None if chosen < 0 else self.go(chosen)

    @property
    def going_on(self) -> bool:
        """Whether a thread is left that is no daemon."""
        return self._others > 0 and not self.unwinding

    def go(self, chosen: int) -> Task:
        """Let a task make its step: twice its number, and one more where its wait expires."""
        task = self.task = self.tasks[chosen >> 1]
        if chosen & 1:
            task.expires = True
            if task.op.free:  # type: ignore[union-attr]
                self._free.remove(task)
        if self._behind:
            self._passes(task)
        self.depth += 1
        self.around = 0
        return task

    def choices(self) -> int:
        """What can be done now, as bits: twice a task's number, and the next one if its wait can expire."""
        found = 0
        bit = 1
        for task in self.tasks:
            operation = task.op
            if operation is not None:
                if not operation.free and (not operation.blocks or operation.ready()):
                    found |= bit
                if operation.timed and operation.can_expire():
                    found |= bit << 1
            bit <<= 2
        if self._behind:
            found = self._in_turn(found)
        return found or self._once_more()

    def _before_end(self, task: Task) -> None:
        """The task's code has returned or raised: what has to be a step before the task is over."""
        if not task.daemon and self._others == 1 and self._daemons:
            self.step(Exit())

    def _failed(self, task: Task, error: BaseException) -> None:
        if isinstance(error, Unwind) or self.unwinding:
            raise Unwind
        # `sys.exit` ends its thread, and nobody hears of it; in the main one its number is the program's.
        if not isinstance(error, SystemExit) or (task.number == 0 and error.code not in (None, 0)):
            task.failure = error
            self.raised.append(task)

    def _ended(self, task: Task) -> Any:
        """The task is over: returns how to pass the baton on."""
        if task.done:  # its thread was given up (see `Hub`): the baton is elsewhere
            return _has_none
        task.op = None
        task.done = True
        task.turns = None
        if not task.daemon:
            self._others -= 1
        if self.unwinding:
            return self.hub.open
        if self._lets_go and task.number:  # the main thread's object lasts
            explored = getattr(task.thread, "_explored", None)
            task.thread = SimpleNamespace(name=task.name, _explored=explored)
        if not self._others:
            self.search.look(self)
            return self.hub.open if self._daemons else self.over  # a daemon may still be there, to be ended
        chosen = self._choose()
        return self.hub.open if chosen is None else chosen.gate.release

    def _out_of_turn(self, operation: Operation) -> Any:
        users = current()
        if users is not self:  # it was made in an earlier schedule, and kept
            if users is not None and not in_finalizer():
                made_before(users, operation.object)
            return self._at_once(
                operation, "it was made in a scenario that is over: nobody will end the wait"
            )
        if self.quiet:
            return self._at_once(operation, "it would have to wait")
        if operation.kind in ("release", "notify", "set"):
            return None  # a `finally` of a task that is being ended may tidy up
        me = self.task
        me.raised += 1
        if me.raised > 100:  # it catches everything, in a loop: its thread is given up
            self.hub.open()
            gate = allocate_lock()
            gate.acquire()
            gate.acquire()
        raise Unwind

    def _at_once(self, operation: Operation, why_not: str) -> Any:
        """Perform an operation that is no step."""
        if operation.blocks and not operation.ready():
            raise RuntimeError(why_not)
        return operation.perform()

    # --- spinning ------------------------------------------------------------------------------------

    def _touch(self, task: Task, operation: Operation) -> None:
        versions = self.versions
        assert versions is not None
        if task.turns is not None:
            task.turns.touch(operation, versions)
        if operation.writes:
            for target in (operation.target, *operation.others):
                versions[target] = versions.get(target, 0) + 1
                self.rounds.writers[target] = operation

    def _look_for_livelock(self, frame: FrameType, site: Hashable) -> None:
        """The running task is where it was: if all the others are too, this can go on for ever."""
        before = self.rounds.come_back(self, frame)
        if self.rounds.together:
            self._give_up("livelock", "all is as it was some steps before", site)
        if before is not None:  # but there are some who can go on
            self._fall_behind(self.task, before)

    def _too_many_turns(self, site: Hashable) -> NoReturn:
        line = f" of {self.line(site.file, site.line)}" if isinstance(site, Site) else ""
        why = f"{self.task.name} went {MOST_TURNS:,} times round the loop{line} without a step"
        self._give_up("turns", why, site)

    def _give_up(self, kind: str, why: str, site: Hashable) -> NoReturn:
        """The schedule can go on for ever: it is over, with the running task at the head of a loop."""
        self.cut = kind, why
        me = self.task
        me.op = GiveWay(site)
        me.since = self.depth
        self.hub.open()
        me.gate.acquire()
        raise Unwind

    def _give_way(self, site: Hashable, why: str) -> None:
        """The running task may go round for ever: the others have to be let pass."""
        self.cannot_follow(why, site if isinstance(site, Site) else None)
        self._fall_behind(self.task, self.depth)
        if self._fresh or self.choices():
            self.step(GiveWay(site))

    def _fall_behind(self, task: Task, since: int) -> None:
        """A task has gone round in vain: it lets those pass who have made no step since then."""
        if self.rounds.off:
            return
        others = 0
        for other in self.tasks:
            if other is not task and other.op is not None and other.since <= since:
                others |= 3 << 2 * other.number
        if others:
            self._behind[task.number] = others

    def _passes(self, task: Task) -> None:
        """A task makes its step: nobody has to let it pass any more."""
        self._behind = {
            number: left
            for number, others in self._behind.items()
            if (left := others & ~(3 << 2 * task.number))
        }

    def _in_turn(self, found: int) -> int:
        """Of what can be done, what is left if some let others pass."""
        left = found
        for number, others in self._behind.items():
            if found & others:
                left &= ~(3 << 2 * number)
        return left

    def _once_more(self) -> int:
        """Nobody can go on: who spins and may let others go on by it, as bits of `choices`."""
        found = 0
        for task in self._free:
            spin, turns = task.op, task.turns
            if not isinstance(spin, Spin) or turns is None:
                continue
            others = (other.op for other in self.tasks if other is not task)
            opens = any(spin.opens_to(each) for each in others if each is not None)
            # If nobody has got on since it did so last, it was in vain, and would be again.
            if opens and turns.others_stood != self._others_stand(task):
                found |= 2 << 2 * task.number
        return found

    def _others_stand(self, task: Task) -> Hashable:
        """Where all others stand: the same again if none of them has got on."""
        return tuple(
            (other.number, other.op.object if isinstance(other.op, Spin) else other.since)
            for other in self.tasks
            if other is not task and not other.done
        )

    # --- the whole -----------------------------------------------------------------------------------

    def begin(self, scenario: Callable[[], Any], thread: Any) -> None:
        """Pass the baton to a task for the scenario; `hub` is where it comes back to.

        Args:
            scenario: the program.
            thread: what `threading.main_thread()` is to give.
        """
        printing.in_place()
        self.scenario = scenario
        self.task = self.start(thread, False, scenario)
        self._fresh.clear()
        self.hub.execution = self
        # In this order: if the hub has wanted the baton without knowing of this execution, it is seen here.
        if self.hub.wanted:
            self.cut = STOPPED
            self.unwinding = True
        self.hub.hand(self.task)

    def resume(self, task: Task, patience: float = PATIENCE) -> None:
        """Pass the baton to a task and wait until it comes back; `patience` as in `Hub.wait`."""
        self.hub.execution = self
        self.task = task
        self.hub.hand(task)
        self.hub.wait(patience)

    @property
    def parked(self) -> bool:
        """Whether who has the baton still stands where it waited for it."""
        frame = frame_of(self.task.worker)
        return frame is not None and frame.f_code is Execution.step.__code__

    def run(self, scenario: Callable[[], Any], thread: Any, look: Callable[[Execution], Any]) -> Any:
        """Run the scenario until its schedule is over, have a look at it, and end what is left of it.

        Args:
            scenario, thread: as in `begin`.
            look: called when all tasks that have not ended are parked.

        Returns:
            What `look` returns; None where the execution was given up.

        Raises:
            KeyboardInterrupt: an interrupt came meanwhile; all tasks have ended.
        """
        try:
            self.begin(scenario, thread)
            self.hub.wait()
        except BaseException:
            self.hub.fetch()
            self.unwind()
            raise
        return self.end(look)

    def end(self, look: Callable[[Execution], Any]) -> Any:
        """The schedule is over: have a look at it, and end what is left of it, as in `run`."""
        try:
            seen = None if self.unwinding and self.cut is None else look(self)
        finally:
            self.unwind()
        if self.broken is not None:
            raise self.broken
        interrupts.raise_noted()
        return seen

    def forget(self) -> None:
        """Let go of all that it knows: it is over.

        The program's objects know their execution. This parts the two, so that nothing of them is left to the
        garbage collector.
        """
        for task in self.tasks:
            task.thread = None
        for kept in (self.tasks, self.raised, self._met):
            kept.clear()
        if self._before is not None:
            self._labels.let_go()
            self._before.learn(self._labels)
        self._labels.clear()
        self.watches.clear()

    def unwind(self) -> None:
        """End every task that is still parked."""
        self.unwinding = True
        for task in self.tasks:
            if not task.done:
                self.resume(task, 1.0)
        self.hub.execution = None

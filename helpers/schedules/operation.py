"""What a thread will do next, as the search sees it."""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

if TYPE_CHECKING:
    from helpers.schedules.execution import Execution, Task

# What accesses to the virtual clock are about.
CLOCK = ("the clock",)

# What the end of the program writes and every step of a daemon thread reads.
EXIT = "exit"


class Site:
    """A place in the program; the same place is the same object.

    So sites are compared and looked up by what they are, not by what they say: that is done very often.

    Attributes:
        file: its path, or a notebook cell's name.
        line: from 1; 0 where it is not known.
        column: from 0.
        what: what is touched there; ``self.items.append(item)`` begins with a read of ``self.items``, at the
            same column.
    """

    __slots__ = ("column", "file", "line", "what")
    file: str
    line: int
    column: int
    what: str
    _known: ClassVar[dict[tuple[str, int, int, str], Site]] = {}

    def __new__(cls, file: str, line: int, column: int = 0, what: str = "") -> Site:
        key = file, line, column, what
        site = cls._known.get(key)
        if site is None:
            site = super().__new__(cls)
            site.file, site.line, site.column, site.what = key
            site = cls._known.setdefault(key, site)  # or another thread's, which has come between
        return site

    def __reduce__(self) -> tuple[type[Site], tuple[str, int, int, str]]:
        return Site, (self.file, self.line, self.column, self.what)

    def __repr__(self) -> str:
        return f"Site({self.file!r}, {self.line}, {self.column}, {self.what!r})"


class Wait(NamedTuple):
    """What a parked thread waits for.

    Attributes:
        on: name of the object, as the program calls it.
        state: one of the timeline's states: ``"lock"``, ``"signal"``, ``"queue"``, ``"join"``, ``"sleep"``;
            or ``"spin"`` for one that only looks at the same values again and again.
        remedy: what another thread would have to do: ``"release it"``, ``"set it"``.
        holder: the task that holds it, or that is waited for to end; None where there is none.
    """

    on: str
    state: str
    remedy: str
    holder: Task | None


class Unwind(BaseException):
    """Takes a parked thread out of its program when its schedule is over."""


class Operation:
    """What a thread will do next when it is chosen.

    A subclass says what it is with the class attributes below, and does it in `perform`.

    Attributes:
        object: the primitive it is about; its `label` is what the operation touches. If it has a method
            `state`, that says all of its state in something comparable.
        target: what it touches: the same for the same object in every replay. Two operations of different
            threads conflict if they share a target (or one of `others`) and one of them writes.
        kind: ``"acquire"``, ``"release"``, ``"wait"``, ``"notify"``, ``"set"``, ``"read"``, ``"write"`` …
        verb: what it does, in words: ``"acquire"``; with the name of the object it makes the `text`.
        state: as which state of a thread the wait for it is drawn and worded (see `Wait`).
        remedy: what ends a wait for it: ``"release it"``, ``"set it"``, ``"put an item"``.
        writes: whether it changes its targets. An operation that may or may not change them writes.
        others: further targets, written or read as the first.
        blocks: whether it may have to wait: only then `ready` is asked.
        timed: whether the wait may end by itself: only then `can_expire` is asked.
        scarce: whether what it waits for was taken by others (a lock, a permit, room in a queue), rather than
            to be given by them: waiting for that for ever is a deadlock, the other is a lost wake-up.
        free: performed as soon as it is ready, without a choice: it commutes with all that others can do.
        given: the names of what the program has given it to be kept elsewhere, such as an item for a queue.
        opens: true of an operation before which no waiting `blocks` operation on the target could have been
            ready (the release of a lock before an acquisition). Saves the search from trying the impossible.
    """

    __slots__ = ("object", "target")
    kind = ""
    verb = ""
    state = "signal"
    remedy = ""
    writes = True
    others: tuple[Hashable, ...] = ()
    given: tuple[str, ...] = ()
    blocks = False
    timed = False
    scarce = False
    free = False
    opens = False

    def __init__(self, about: Any) -> None:
        self.object = about
        self.target: Hashable = about.label

    def ready(self) -> bool:
        """May it be performed now? Depends on nothing but its targets."""
        return True

    def perform(self) -> Any:
        """Do it, at once; returns what the program gets, or raises what the program sees."""

    def can_expire(self) -> bool:
        """May the wait end now without success? Depends on nothing but its targets."""
        return False

    def expire(self) -> Any:
        """End the wait without success; returns what the program gets, or raises what it sees."""

    def holder(self) -> Task | None:
        """Who stands in the way: the task that holds the lock, or that is joined."""
        return None

    def snapshot(self) -> Any:
        """All of the state of what it writes, to be compared; None where that is not known."""
        state = getattr(self.object, "state", None)
        return None if state is None else (state(),)

    def holds(self) -> tuple[Any, Sequence[Any]]:
        """The state as in `snapshot`, and beside it what the program has put there, to be looked into."""
        return self.snapshot(), ()

    def touched(self) -> list[tuple[Hashable, bool]]:
        """All it touches, and whether it writes that."""
        writes = self.writes
        return [(target, writes) for target in (self.target, *self.others)]

    def meets(self, other: Operation) -> bool:
        """Whether the order of the two matters: they touch the same thing, and one of them writes it."""
        mine = dict(self.touched())
        return any(target in mine and (write or mine[target]) for target, write in other.touched())

    def site(self) -> Site | None:
        """The place in the program, where the operation itself knows it."""
        return None

    def name(self, execution: Execution) -> str:
        """What the program calls the object."""
        return execution.name(self.object)

    def text(self, execution: Execution) -> str:
        """The operation in words."""
        return f"{self.verb} {self.name(execution)}"

    def waits_for(self, execution: Execution) -> Wait:
        """What the thread waits for while the operation is not ready."""
        return Wait(self.name(execution), self.state, self.remedy, self.holder())


class Read(Operation):
    """A read of shared data, reported by rewritten code just before it is made."""

    __slots__ = ("place", "says")
    kind = "read"
    state = "running"
    writes = False

    def __init__(self, target: Hashable, place: Hashable, says: str) -> None:
        self.object = None  # a search keeps what it tried, and is to keep nothing of the program's alive
        self.target = target
        self.place = place
        self.says = says

    def snapshot(self) -> Any:
        return None

    def site(self) -> Site | None:
        return self.place if isinstance(self.place, Site) else None

    def name(self, execution: Execution) -> str:
        return self.says.partition(" ")[2]

    def text(self, execution: Execution) -> str:
        return self.says


class Write(Read):
    """A write of shared data, reported just before it is made."""

    __slots__ = ()
    kind = "write"
    writes = True


class ReadAll(Read):
    """A read of several pieces of shared data at once."""

    __slots__ = ("others",)

    def __init__(self, targets: Sequence[Hashable], place: Hashable, says: str) -> None:
        super().__init__(targets[0], place, says)
        self.others = tuple(targets[1:])


class WriteAll(ReadAll):
    """A write of several pieces of shared data at once."""

    __slots__ = ()
    kind = "write"
    writes = True


class Exit(Operation):
    """The last thread that is no daemon ends, and with it the program: whatever daemons would still do."""

    __slots__ = ()
    kind = "exit"
    verb = "end the program"

    def __init__(self) -> None:
        self.target = EXIT

    def text(self, execution: Execution) -> str:
        return self.verb

    def snapshot(self) -> Any:
        return None

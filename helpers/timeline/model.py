"""What a timeline is made of: plain records, and long columns that become records when asked for.

A recording can hold a million events, so the long lists (spans, holds, wake-ups) are kept as
numpy columns and each row becomes a small record only when somebody looks at it. Times are seconds
since the first event of the recording.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, TypeVar, overload

import numpy as np
import numpy.typing as npt

# The order is the number stored in the `state` column, and the order of the legend.
STATES = ("running", "lock", "signal", "queue", "join", "sleep", "io")

Row = TypeVar("Row")


@dataclass(frozen=True, slots=True)
class SyncObject:
    """Something a thread can wait for or hold: a lock, a queue, another thread, a process.

    Attributes:
        kind: what made it, as the program would write it: ``"Lock"``, ``"queue.Queue"``, ``"Thread"``.
        name: as the program calls it (``"lock"``, ``"self.not_empty"``), or a description.
        file: the file whose line made it, or ``""`` where that is not known.
        line: the line that made it, or 0.
        internal: made inside the standard library; not drawn unless asked for.
    """

    kind: str
    name: str
    file: str = ""
    line: int = 0
    internal: bool = False


@dataclass(frozen=True, slots=True)
class Lane:
    """One thread of one process, from birth to death.

    Attributes:
        number: its place in ``timeline.lanes``; everything else refers to lanes by it.
        pid: id of its process; 0 where there is none to tell, as in a schedule.
        process: name of its process: ``"main process"``, ``"Process-1"``, ``"child 1"``.
        thread: name of the thread: ``"MainThread"``, ``"Thread-1 (worker)"``.
        daemon: whether it is a daemon thread.
        born: when its first event was seen, seconds.
        died: when it ended, or None where it was still alive at the end of the recording.
        ending: ``"ended"`` (its function returned, or its process ended normally), ``"raised"``
            (an exception nobody caught), ``"killed"`` (its process was ended by a signal),
            ``"cut off"`` (the process ended while the thread was still busy), ``"alive"`` (still
            there when the recording ended), ``"unfinished"`` (still there at the end of a schedule,
            which is the end of all) or ``"stopped"`` (ended by the runner, at the deadline or as a
            survivor).
        detail: the exit code, signal or exception, in words: ``"exit code 3"``, ``"SIGKILL"``.
        parent: number of the lane that started or forked it, or None.
        started: when that lane did so, or None.
        how: ``"start"`` (a thread), ``"fork"``, ``"spawn"`` or ``"forkserver"`` (a process), or ``""``.
        cpu: CPU time it used from birth to death, seconds; None where that could not be read at its end,
            or within the last tenth of its life.
    """

    number: int
    pid: int
    process: str
    thread: str
    daemon: bool
    born: float
    died: float | None
    ending: str
    detail: str = ""
    parent: int | None = None
    started: float | None = None
    how: str = ""
    cpu: float | None = None


class Span(NamedTuple):
    """A stretch of one lane in one state.

    Attributes:
        start, end: seconds.
        state: one of `STATES`.
        on: what it waited for, or None while running or sleeping.
        woken: when somebody ended the wait, at or before `end`; None where nobody did (a timeout, a sleep).
            The stretch from `woken` to `end` is the tail: free to go on, but not yet running.
        open: True where the wait had not ended when the lane, or the recording, did.
    """

    start: float
    end: float
    state: str
    on: SyncObject | None
    woken: float | None
    open: bool


class Hold(NamedTuple):
    """A stretch in which a lane held a lock (or one of a semaphore's permits).

    Attributes:
        lane: number of the lane.
        lock: what was held.
        start, end: seconds.
        open: True where it was never released.
    """

    lane: int
    lock: SyncObject
    start: float
    end: float
    open: bool


class Wakeup(NamedTuple):
    """One thread ending another's wait.

    Attributes:
        waker: number of the lane that released, set, notified, put, took or ended.
        at: when it did, seconds.
        woken: number of the lane whose wait it ended.
        until: when that lane ran again, seconds.
        through: the object between them.
    """

    waker: int
    at: float
    woken: int
    until: float
    through: SyncObject


class Mark(NamedTuple):
    """Something a lane did at one moment, in words.

    Attributes:
        lane: number of the lane.
        at: seconds.
        text: what it did: ``"5: read counter = 0"``.
    """

    lane: int
    at: float
    text: str


class Stuck(NamedTuple):
    """A wait that never ended.

    Attributes:
        lane: number of the lane that waits.
        since: seconds.
        state: one of `STATES`.
        on: what it waits for.
        holder: number of the lane that holds it (a lock, or the one permit of a semaphore that is held),
            is it (a join) or runs its task (a future), or None where nobody does.
        copied_from: number of the lane that held the lock when a fork copied it into this process. The
            copy stays locked, and the thread that would release it does not exist here.
        timed: it would have ended by a timeout.
        side: of a queue: ``"empty"``, ``"full"``, or ``"unfinished"``: a join that waits until all items
            are dealt with.
        pool: name of the pool in whose queue the task of the future is, which nobody has begun; or ``""``.
        workers: numbers of that pool's lanes, any of which could run the task.
    """

    lane: int
    since: float
    state: str
    on: SyncObject
    holder: int | None
    copied_from: int | None = None
    timed: bool = False
    side: str = ""
    pool: str = ""
    workers: tuple[int, ...] = ()

    @property
    def enders(self) -> tuple[int, ...]:
        """The lanes any of which could end it, as far as is known; none where a timeout will."""
        if self.timed:
            return ()
        return self.workers if self.holder is None else (self.holder,)


class Deadlock(NamedTuple):
    """The waits that never ended, and the cycle they form, if they do.

    Attributes:
        waits: every wait that had not ended, in order of lane.
        cycle: lane numbers, each waiting for something the next one holds, the last for the first's.
            Or, with a pool that has no free worker, those who wait for each other, in order.
            Empty where the waits form no cycle.
    """

    waits: tuple[Stuck, ...]
    cycle: tuple[int, ...]

    def __bool__(self) -> bool:
        return bool(self.waits)


def hopeless(enders: Mapping[int, Sequence[int]]) -> dict[int, Sequence[int]]:
    """Those of the lanes that wait for ever which nobody can wake: whoever could is one of them.

    Args:
        enders: of each lane that waits for ever, the lanes any of which could end that; empty where it is
            not known who could.
    """
    left = dict(enders)
    while free := [lane for lane, those in left.items() if not those or not left.keys() >= set(those)]:
        for lane in free:
            del left[lane]
    return left


def cycle(enders: Mapping[int, Sequence[int]]) -> tuple[int, ...]:
    """The lanes that wait for each other, and for nobody else; empty where none do.

    Where each waits for one other, each stands before the one it waits for.

    Args:
        enders: as for `hopeless`.
    """
    left = hopeless(enders)
    # Whoever waits for a circle from outside reaches more than those who are in it.
    reached = min(
        (_reached(left, those) for those in dict.fromkeys(map(tuple, left.values()))), key=len, default=[]
    )
    first = reached.index(min(reached)) if reached else 0
    return (*reached[first:], *reached[:first])


def _reached(enders: Mapping[int, Sequence[int]], begin: Sequence[int]) -> list[int]:
    """The lanes in `begin`, those that could end their waits, and so on."""
    found = dict.fromkeys(begin)
    ahead = list(begin)
    for lane in ahead:
        new = [each for each in enders[lane] if each not in found]
        found.update(dict.fromkeys(new))
        ahead += new
    return list(found)


def end_of(lane: Lane, spans: Spans) -> float:
    """When the lane ended or, where it did not, what is known of it ends; seconds."""
    if lane.died is not None:
        return lane.died
    ends = spans.columns["end"]
    return float(ends.max()) if len(ends) else lane.born


def public(columns: npt.NDArray[Any], through: str, objects: Sequence[SyncObject]) -> npt.NDArray[Any]:
    """Leave out, of holds or wake-ups, what happened on objects made inside the standard library.

    Args:
        columns: theirs.
        through: the column that names the object.
        objects: the timeline's.
    """
    internal = np.array([thing.internal for thing in objects], dtype=bool)
    return columns[~internal[columns[through]]] if internal.any() else columns


SPAN = np.dtype(
    [
        ("lane", "i4"),
        ("start", "f8"),
        ("end", "f8"),
        ("state", "u1"),  # index into STATES
        ("on", "i4"),  # index into Timeline.objects, or -1
        ("woken", "f8"),  # NaN where nobody woke it
        ("open", "?"),
    ]
)
HOLD = np.dtype([("lane", "i4"), ("lock", "i4"), ("start", "f8"), ("end", "f8"), ("open", "?")])
WAKEUP = np.dtype([("waker", "i4"), ("at", "f8"), ("woken", "i4"), ("until", "f8"), ("through", "i4")])


class Rows(Sequence[Row], Generic[Row]):
    """A long list of records kept as numpy columns (`columns`), each made when it is looked at."""

    def __init__(self, columns: npt.NDArray[Any], objects: Sequence[SyncObject]) -> None:
        self.columns = columns
        self.objects = objects

    def row(self, values: Any) -> Row:
        raise NotImplementedError

    def __len__(self) -> int:
        return len(self.columns)

    @overload
    def __getitem__(self, index: int) -> Row: ...
    @overload
    def __getitem__(self, index: slice) -> Rows[Row]: ...
    def __getitem__(self, index: int | slice) -> Row | Rows[Row]:
        if isinstance(index, slice):
            return type(self)(self.columns[index], self.objects)
        return self.row(self.columns[index])

    def __iter__(self) -> Iterator[Row]:
        return map(self.row, self.columns)

    def __repr__(self) -> str:
        return f"<{len(self)} {type(self).__name__.lower()}>"


class Spans(Rows[Span]):
    """The spans of one lane, in order of time (`columns` has dtype `SPAN`)."""

    def row(self, values: Any) -> Span:
        on = int(values["on"])
        woken = float(values["woken"])
        return Span(
            float(values["start"]),
            float(values["end"]),
            STATES[int(values["state"])],
            None if on < 0 else self.objects[on],
            None if math.isnan(woken) else woken,
            bool(values["open"]),
        )


class Holds(Rows[Hold]):
    """All holds, in order of start (`columns` has dtype `HOLD`)."""

    def row(self, values: Any) -> Hold:
        lock = self.objects[int(values["lock"])]
        return Hold(
            int(values["lane"]), lock, float(values["start"]), float(values["end"]), bool(values["open"])
        )


class Wakeups(Rows[Wakeup]):
    """All wake-ups, in order of time (`columns` has dtype `WAKEUP`)."""

    def row(self, values: Any) -> Wakeup:
        through = self.objects[int(values["through"])]
        return Wakeup(
            int(values["waker"]), float(values["at"]), int(values["woken"]), float(values["until"]), through
        )

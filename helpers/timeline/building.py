"""From a recording to a `Timeline`: what the events mean.

The recorder writes as little as it can; what it means is worked out here, after the run. Events are
handled as numpy columns: a recording can hold a million of them.
"""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cache, partial
from types import MappingProxyType

import numpy as np

from helpers.recorder import fileformat
from helpers.timeline import Timeline, waiting
from helpers.timeline.model import (
    SPAN,
    STATES,
    WAKEUP,
    Deadlock,
    Holds,
    Lane,
    Spans,
    Stuck,
    SyncObject,
    Wakeups,
    cycle,
)
from helpers.timeline.reading import RecordedProcess, Recording
from helpers.timeline.waiting import EVENT, Array, Sources

RUNNING, SLEEP = STATES.index("running"), STATES.index("sleep")
LOCKS = {"Lock", "RLock", "multiprocessing.Lock", "multiprocessing.RLock"}
SEMAPHORES = {
    "Semaphore",
    "BoundedSemaphore",
    "multiprocessing.Semaphore",
    "multiprocessing.BoundedSemaphore",
}
SHARED_QUEUES = ["multiprocessing.Queue", "multiprocessing.JoinableQueue", "multiprocessing.SimpleQueue"]
SIDES = {fileformat.EMPTY: "empty", fileformat.FULL: "full", fileformat.UNFINISHED: "unfinished"}
PIPES = ["pipe", "socket", "multiprocessing.Pipe"]
_STATES = {"Thread": "join", "Process": "join", "sleep": "sleep", "file lock": "lock"} | dict.fromkeys(
    PIPES, "io"
)
# Processes that multiprocessing starts for itself, by a piece of their command line.
_OWN_PROCESSES = {"resource_tracker": "resource tracker", "forkserver": "fork server"}
_HIDDEN = "resource tracker"


def state_of(kind: str) -> str:
    """The state of a thread that waits for an object of this kind."""
    if kind in LOCKS:
        return "lock"
    return "queue" if kind.endswith("Queue") else _STATES.get(kind, "signal")


def build(
    recording: Recording,
    *,
    root: int,
    began: int = 0,
    ended: int | None = None,
    deaths: Mapping[int, tuple[int, int]] = MappingProxyType({}),
    stopped: Mapping[int, int] = MappingProxyType({}),
) -> Timeline:
    """Work out the timeline.

    Args:
        recording: what was recorded.
        root: process id of the script.
        began: leave out what was before, nanoseconds.
        deaths: for processes of which the end was seen from outside: when (nanoseconds), and the exit
            code as `subprocess` has it.
        stopped: for processes which the runner ended: when (nanoseconds).
        ended: when the recording ended, nanoseconds; its last event if None.
    """
    _add_unrecorded_children(recording, deaths)
    events = _Events(recording)
    family = _Family(recording, events, root)
    end = max([ended or 0, *events.rows["time"][-1:].tolist(), *events.last], default=0)
    fates = _Fates(family, events, deaths, stopped, int(end))
    lanes = _lanes(recording, events, family, fates, began)
    objects = tuple(recording.objects)
    waits = waiting.waits(events.rows, fates.died)
    woken, waker = _who_woke(events, family, fates, waits, objects)
    holds = waiting.holds(
        events.rows,
        exclusive=np.array([each.kind in LOCKS and not each.internal for each in objects], bool),
        semaphores=np.array([each.kind in SEMAPHORES and not each.internal for each in objects], bool),
        local=np.array([not each.kind.startswith("multiprocessing.") for each in objects], bool),
        process=events.process_of_lane,
        died=fates.died,
    )
    zero = recording.zero
    found = np.isfinite(woken)
    wakeups = np.zeros(int(found.sum()), WAKEUP)
    wakeups["waker"], wakeups["at"] = waker[found], woken[found]
    wakeups["woken"], wakeups["until"] = waits["lane"][found], waits["end"][found]
    wakeups["through"] = waits["on"][found]
    wakeups = wakeups[np.argsort(wakeups["at"], kind="stable")]
    stuck = _stuck(recording, events, family, lanes, waits, holds, objects, zero)
    # When the system has cleared a dead process away, and its parent is free to go on, nobody records.
    process = np.array([each.kind == "Process" for each in objects] + [False])[waits["on"]]
    tails = np.where(process & found, waits["end"], woken)
    timeline = Timeline(
        lanes=tuple(lanes),
        spans=_spans(events, fates, waits, tails, objects, zero),
        holds=Holds(_seconds(holds, zero, "start", "end"), objects),
        wakeups=Wakeups(_seconds(wakeups, zero, "at", "until"), objects),
        objects=objects,
        stuck=stuck,
        duration=(end - zero) / 1e9,
        notes=tuple(dict.fromkeys(recording.notes)),
    )
    return since(timeline, (began - zero) / 1e9) if began > zero else timeline


def since(timeline: Timeline, start: float) -> Timeline:
    """The part of a timeline from `start` (seconds) on; what goes on at that moment begins there.

    Lanes that had ended by then are left out, and so is the start of those that had begun.
    """
    kept = [lane for lane in timeline.lanes if lane.died is None or lane.died > start]
    number = {lane.number: new for new, lane in enumerate(kept)}
    numbers = np.array([number.get(lane.number, -1) for lane in timeline.lanes] + [-1], "i4")
    lanes = []
    for lane in kept:
        lane = replace(
            lane,
            number=number[lane.number],
            born=max(lane.born - start, 0.0),
            died=None if lane.died is None else lane.died - start,
        )
        if lane.parent in number and lane.started is not None and lane.started >= start:
            lane = replace(lane, parent=number[lane.parent], started=lane.started - start)
        else:
            lane = replace(lane, parent=None, started=None, how="")
        lanes.append(lane)
    spans = []
    for lane in kept:
        columns = timeline.spans[lane.number].columns
        columns = columns[(columns["end"] > start) | columns["open"]].copy()
        columns["lane"] = numbers[columns["lane"]]
        spans.append(Spans(_later(columns, start, "start", "end", "woken"), timeline.objects))
    holds = timeline.holds.columns
    holds = holds[((holds["end"] > start) | holds["open"]) & (numbers[holds["lane"]] >= 0)].copy()
    holds["lane"] = numbers[holds["lane"]]
    wakeups = timeline.wakeups.columns
    both = (numbers[wakeups["waker"]] >= 0) & (numbers[wakeups["woken"]] >= 0)
    wakeups = wakeups[(wakeups["at"] >= start) & both].copy()
    wakeups["waker"], wakeups["woken"] = numbers[wakeups["waker"]], numbers[wakeups["woken"]]
    stuck = timeline.stuck
    waits = tuple(
        wait._replace(
            lane=number[wait.lane],
            since=max(wait.since - start, 0.0),
            holder=number.get(-1 if wait.holder is None else wait.holder),
            copied_from=number.get(-1 if wait.copied_from is None else wait.copied_from),
            workers=tuple(number[lane] for lane in wait.workers if lane in number),
        )
        for wait in stuck.waits
    )
    return replace(
        timeline,
        lanes=tuple(lanes),
        spans=tuple(spans),
        holds=Holds(_later(holds, start, "start", "end"), timeline.objects),
        wakeups=Wakeups(_later(wakeups, start, "at", "until"), timeline.objects),
        stuck=Deadlock(waits, tuple(number[lane] for lane in stuck.cycle)),
        duration=timeline.duration - start,
    )


def _later(rows: Array, start: float, *columns: str) -> Array:
    for column in columns:
        rows[column] = np.maximum(rows[column] - start, 0.0)  # NaN stays NaN
    return rows


def _add_unrecorded_children(recording: Recording, deaths: Mapping[int, tuple[int, int]]) -> None:
    """Add forked children that were killed before they could record that they exist.

    The parent recorded the fork, and somebody learned later how a process ended that nobody has seen.
    """
    # A file without any event does not count: its process was killed before the first.
    processes = [process for process in recording.processes.values() if process.events]
    forked = {(process.parent, process.fork) for process in processes}
    reaped: dict[str, set[int]] = {process.name: set() for process in processes}
    forks = []
    for process in processes:
        for records in process.events.values():
            kinds, numbers = records[:, 1] >> 56, records[:, 1] & 0xFFFFFFFF
            reaped[process.name] |= set(numbers[kinds == fileformat.REAP].tolist())
            for time, number in zip(
                records[kinds == fileformat.FORK, 0], numbers[kinds == fileformat.FORK], strict=True
            ):
                if (process.name, int(number)) not in forked:
                    forks.append((int(time), process, int(number)))
    seen = {process.pid for process in processes}
    for time, parent, number in sorted(forks, key=lambda fork: fork[0]):
        # Process ids mostly grow, so the earliest fork goes with the smallest. Its own parent's word first.
        unseen = sorted(reaped[parent.name] - seen) or sorted(deaths.keys() - seen)
        if unseen:
            seen.add(unseen[0])
            child = RecordedProcess(
                pid=unseen[0],
                ppid=parent.pid,
                began=time,
                name=f"{unseen[0]}-{time}",
                argv=(),
                parent=parent.name,
                fork=number,
                first_number=fileformat.FIRST_FREE,
                lanes={0: (0, "MainThread", False)},
                events={0: np.array([[time, fileformat.CHILD << 56 | number]], "i8")},
            )
            recording.processes[child.name] = child


def _seconds(rows: Array, zero: int, *columns: str) -> Array:
    for column in columns:
        rows[column] = (rows[column] - zero) / 1e9
    return rows


class _Events:
    """The events of all lanes in one table, and which lane is whose.

    Attributes:
        rows: with dtype `EVENT`, in order of lane and time.
        processes: the processes that are shown, in order of birth.
        lanes: for each lane, its process and its number there.
        process_of_lane: for each lane, the index of its process.
        first, last: for each lane, its first and last time, nanoseconds.
        main: for each process, its main lane.
        thread: for each lane, the index of the Thread object that it began with, or -1.
    """

    def __init__(self, recording: Recording) -> None:
        self.processes: list[RecordedProcess] = []
        self.lanes: list[tuple[RecordedProcess, int]] = []
        owners: list[int] = []
        parts: list[Array] = []
        for process in _in_order_of_birth(recording.processes):
            if _own_process(process) == _HIDDEN:
                continue
            starts = _times(process, fileformat.START)
            began = {lane: int(records[0, 0]) for lane, records in process.events.items()}
            # When another thread started it; where that is not known, its first event.
            began |= {lane: starts.get(thread, began[lane]) for lane, thread in process.threads.items()}
            began[0] = process.began  # the first of all; what it did first may be lost
            for lane in sorted(process.events, key=began.__getitem__):
                parts.append(_table(recording, process, len(self.lanes), process.events[lane]))
                self.lanes.append((process, lane))
                owners.append(len(self.processes))
            self.processes.append(process)
        self.rows: Array = np.concatenate(parts) if parts else np.zeros(0, EVENT)
        waiting.take_back(self.rows)
        self._of_kind: dict[tuple[int, ...], Array] = {}
        self.process_of_lane = np.array(owners, "i8")
        self.first = [int(part["time"][0]) for part in parts]
        self.last = [int(part["time"][-1]) for part in parts]
        self.main = [owners.index(number) for number in range(len(self.processes))]
        threads = [(process, process.threads.get(lane, 0)) for process, lane in self.lanes]
        self.thread = [recording.object_of(process, number) if number else -1 for process, number in threads]

    def of_kind(self, *kinds: int) -> Array:
        """The rows of these kinds, which stay what they are: looked for once, however many processes ask."""
        if kinds not in self._of_kind:
            self._of_kind[kinds] = self.rows[np.isin(self.rows["kind"], kinds)]
        return self._of_kind[kinds]


def _in_order_of_birth(processes: Mapping[str, RecordedProcess]) -> list[RecordedProcess]:
    """By when the parent started each: which of two children runs first is chance."""
    births = {name: process.began for name, process in processes.items()}
    for process in processes.values():
        forks = _times(process, fileformat.FORK)
        for child in processes.values():
            if child.parent == process.name:
                births[child.name] = forks.get(child.fork, child.began)
    for process in processes.values():
        starts = _times(process, fileformat.START)
        for number, pid in process.processes.items():
            for child in processes.values():
                if child.pid == pid and child.began > process.began:
                    births[child.name] = starts.get(number, births[child.name])
    return sorted((each for each in processes.values() if each.events), key=lambda each: births[each.name])


def _times(process: RecordedProcess, kind: int) -> dict[int, int]:
    """When each event of a kind happened in a process, by its number."""
    found: dict[int, int] = {}
    for records in process.events.values():
        chosen = records[records[:, 1] >> 56 == kind]
        found.update(zip((chosen[:, 1] & 0xFFFFFFFF).tolist(), chosen[:, 0].tolist(), strict=True))
    return found


def _table(recording: Recording, process: RecordedProcess, lane: int, records: Array) -> Array:
    rows = np.zeros(len(records), EVENT)
    codes = records[:, 1]
    rows["lane"] = lane
    rows["time"] = records[:, 0]
    rows["kind"] = codes >> 56
    rows["detail"] = codes >> 32 & 0xFFFFFF
    rows["number"] = codes & 0xFFFFFFFF
    names_object = ~np.isin(
        rows["kind"],
        (
            fileformat.END,
            fileformat.RAISED,
            fileformat.FORK,
            fileformat.CHILD,
            fileformat.KILL,
            fileformat.REAP,
            fileformat.EXIT,
            fileformat.CPU,
            fileformat.IDENT,
        ),
    )
    rows["on"] = -1
    numbers, where = np.unique(rows["number"][names_object], return_inverse=True)
    known = np.array([recording.object_of(process, int(n)) if n else -1 for n in numbers], "i4")
    rows["on"][names_object] = known[where] if len(numbers) else -1
    return rows[np.argsort(rows["time"], kind="stable")]


def _own_process(process: RecordedProcess) -> str:
    if not process.parent and "-c" in process.argv:
        for piece, name in _OWN_PROCESSES.items():
            if any(f"multiprocessing.{piece}" in argument for argument in process.argv):
                return name
    return ""


class _Family:
    """Which process was started by which lane, and what each is called.

    Attributes:
        names: for each process.
        parent: for each process, the lane that started it and when (nanoseconds), or None.
        how: for each process, ``"fork"``, ``"spawn"``, ``"forkserver"`` or ``""``.
        object_of: for each process, the indices of the objects by which others wait for its end.
        root: index of the script's own process.
    """

    def __init__(self, recording: Recording, events: _Events, root: int) -> None:
        self.processes = events.processes
        by_name = {process.name: index for index, process in enumerate(self.processes)}
        pids = [process.pid for process in self.processes]
        self.root = pids.index(root) if root in pids else 0
        self.parent: list[tuple[int, int] | None] = [None] * len(pids)
        self.how = [""] * len(pids)
        self.object_of: list[list[int]] = [[] for _ in pids]
        forks, starts = events.of_kind(fileformat.FORK), events.of_kind(fileformat.START)
        servers = {index for index, each in enumerate(self.processes) if _own_process(each) == "fork server"}
        for index, process in enumerate(self.processes):
            forked_by = by_name.get(process.parent)
            if forked_by is not None:
                self.how[index] = "forkserver" if forked_by in servers else "fork"
                mine = events.process_of_lane[forks["lane"]] == forked_by
                for row in forks[mine & (forks["number"] == process.fork)]:
                    self.parent[index] = int(row["lane"]), int(row["time"])
            elif process.ppid in pids:
                self.how[index] = "spawn"
                self.parent[index] = events.main[pids.index(process.ppid)], process.began
        for index, process in enumerate(self.processes):
            for number, pid in process.processes.items():
                # An id can be used again: the child is the one that began after its parent, first.
                children = [
                    n for n, p in enumerate(self.processes) if p.pid == pid and p.began > process.began
                ]
                if not children:
                    continue
                child = children[0]
                self.object_of[child].append(recording.object_of(process, number))
                mine = events.process_of_lane[starts["lane"]] == index
                for row in starts[mine & (starts["number"] == number)]:
                    if self.how[child] != "fork":
                        self.parent[child] = int(row["lane"]), int(row["time"])
        self.names = self._name(events)
        for index, objects in enumerate(self.object_of):
            for each in objects:
                recording.objects[each] = replace(
                    recording.objects[each], kind="Process", name=self.names[index]
                )

    def _name(self, events: _Events) -> list[str]:
        names: dict[int, str] = {self.root: "main process"}
        above = [int(events.process_of_lane[each[0]]) if each else self.root for each in self.parent]
        nameless = [not (process.own_name or _own_process(process)) for process in self.processes]

        # Not in one pass: where an id was used again, a parent can stand behind its child.
        def name(index: int) -> str:
            if index not in names:
                process, parent = self.processes[index], above[index]
                names[index] = process.own_name or _own_process(process)  # also ends a circle of parents
                if not names[index]:
                    brothers = (each for each in range(index + 1) if nameless[each] and each != self.root)
                    nth = sum(above[each] == parent for each in brothers)
                    if parent == self.root:
                        names[index] = f"child {nth}"
                    elif re.fullmatch(r"child [\d.]+", name(parent)):
                        names[index] = f"{name(parent)}.{nth}"
                    else:
                        names[index] = f"child {nth} of {name(parent)}"
            return names[index]

        return [name(index) for index in range(len(self.processes))]


class _Fates:
    """How each process and each lane ended.

    Attributes:
        died: for each lane, when it ended or, where it did not, the end of the recording; nanoseconds.
        ending, detail: for each lane, as in `Lane`.
        alive: for each lane, whether it was still there at the end.
    """

    def __init__(
        self,
        family: _Family,
        events: _Events,
        deaths: Mapping[int, tuple[int, int]],
        stopped: Mapping[int, int],
        end: int,
    ) -> None:
        ends = [
            self._process(family.processes[index], index, events, deaths, stopped)
            for index in range(len(family.processes))
        ]
        died, self.ending, self.detail, self.alive = [], [], [], []
        thread_ends = events.of_kind(fileformat.END)
        raised = {int(row["lane"]): int(row["number"]) for row in events.of_kind(fileformat.RAISED)}
        for lane, (process, _) in enumerate(events.lanes):
            index = int(events.process_of_lane[lane])
            at, ending, detail = ends[index]
            own = thread_ends["time"][thread_ends["lane"] == lane]
            if len(own):
                at, ending, detail = int(own[-1]), "ended", ""
                if lane in raised:
                    ending, detail = "raised", process.definitions.get(raised[lane], ("", "exception"))[1]
            elif lane != events.main[index] and ending == "ended":
                ending, detail = "cut off", ""
            died.append(end if at is None else min(at, end))
            self.ending.append(ending)
            self.detail.append(detail)
            self.alive.append(at is None)
        self.died = np.array(died, "i8")

    @staticmethod
    def _process(
        process: RecordedProcess,
        index: int,
        events: _Events,
        deaths: Mapping[int, tuple[int, int]],
        stopped: Mapping[int, int],
    ) -> tuple[int | None, str, str]:
        pid = process.pid
        if pid in stopped:
            return stopped[pid], "stopped", ""
        last = max(events.last[lane] for lane in np.flatnonzero(events.process_of_lane == index))
        exits = events.of_kind(fileformat.EXIT)
        exits = exits[events.process_of_lane[exits["lane"]] == index]
        at, code = deaths.get(pid, (None, None))
        if code is None:
            reaped = events.of_kind(fileformat.REAP)
            reaped = reaped[(reaped["number"] == pid) & (reaped["time"] >= last)]
            if len(reaped):
                at, code = int(reaped["time"][0]), _exit_code(int(reaped["detail"][0]))
        if code is None and len(exits):
            at, code = last, int(exits["detail"][-1])
        if at is None or code is None:
            return None, "alive", ""
        if code >= 0:
            return (last if len(exits) else at), "ended", f"exit code {code}" if code else ""
        # Its parent may have looked long after: the moment of the signal is closer to the truth.
        kills = events.of_kind(fileformat.KILL)
        kills = kills[(kills["number"] == pid) & (kills["detail"] == -code) & (kills["time"] <= at)]
        when = int(kills["time"][-1]) if len(kills) else at
        return max(when, last), "killed", signal_name(-code)


def _exit_code(status: int) -> int:
    """As os.waitstatus_to_exitcode, also for a status from another system."""
    return -(status & 0x7F) if status & 0x7F else status >> 8


def signal_name(number: int) -> str:
    """``"SIGKILL"`` for 9; this system may not know every signal of another."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _lanes(recording: Recording, events: _Events, family: _Family, fates: _Fates, began: int) -> list[Lane]:
    starts = {
        (int(events.process_of_lane[row["lane"]]), int(row["number"])): (int(row["lane"]), int(row["time"]))
        for row in events.of_kind(fileformat.START)
    }
    cpu = _cpu(events, fates, began)
    zero = recording.zero
    lanes = []
    for number, (process, own) in enumerate(events.lanes):
        index = int(events.process_of_lane[number])
        _, name, daemon = process.lanes.get(own, (0, "", False))
        parent, how = family.parent[index], family.how[index]
        if number != events.main[index]:
            thread = process.threads.get(own, 0)
            parent, how = starts.get((index, thread)), "start"
            if thread in process.definitions:
                kind, name = process.definitions[thread][:2]
                daemon = kind.startswith("daemon")
        lanes.append(
            Lane(
                number=number,
                pid=process.pid,
                process=family.names[index],
                thread=name or "thread",
                daemon=daemon,
                born=(events.first[number] - zero) / 1e9,
                died=None if fates.alive[number] else float(fates.died[number] - zero) / 1e9,
                ending=fates.ending[number],
                detail=fates.detail[number],
                parent=parent[0] if parent else None,
                started=(parent[1] - zero) / 1e9 if parent else None,
                how=how if parent else "",
                cpu=cpu.get(number),
            )
        )
    return lanes


def _cpu(events: _Events, fates: _Fates, began: int) -> dict[int, float]:
    """The CPU time of lanes, seconds, where the last reading is near enough to the end."""
    new = events.of_kind(fileformat.BEGIN)
    begun = set(new["lane"][new["number"] > 0].tolist())
    rows = events.of_kind(fileformat.CPU, fileformat.END)
    rows = rows[rows["time"] >= began]
    used = rows["detail"].astype("i8") << 32 | rows["number"]
    begins = np.flatnonzero(np.diff(rows["lane"], prepend=-1))
    found = {}
    for first, last in zip(begins, np.append(begins, len(rows))[1:] - 1, strict=True):
        lane = int(rows["lane"][first])
        since, before = int(rows["time"][first]), int(used[first])
        if lane in begun and events.first[lane] >= began:
            since, before = events.first[lane], 0  # a new thread has used none
        until = int(rows["time"][last])
        if until > since and fates.died[lane] - until <= (fates.died[lane] - since) / 10:
            found[lane] = float(int(used[last]) - before) / 1e9
    return found


def _who_woke(
    events: _Events, family: _Family, fates: _Fates, waits: Array, objects: Sequence[SyncObject]
) -> tuple[Array, Array]:
    """For each wait: when somebody ended it (NaN where nobody did), and the lane that did."""
    woken = np.full(len(waits), np.nan)
    waker = np.full(len(waits), -1, "i4")
    rows = events.rows
    kind, detail = rows["kind"], rows["detail"]
    is_queue = np.array([each.kind in PIPES or each.kind.endswith("Queue") for each in objects], bool)
    on_queue = np.zeros(len(rows), bool)
    on_queue[rows["on"] >= 0] = is_queue[rows["on"][rows["on"] >= 0]]
    # What came over the network has no name: who writes to one socket wakes nobody who reads from another.
    on_queue &= rows["number"] != fileformat.PIPE
    got = (kind == fileformat.GOT) & on_queue
    gave = (kind == fileformat.PUT) | (got & (detail == fileformat.FULL))
    took = (kind == fileformat.TOOK) | (got & (detail == fileformat.EMPTY))
    freed, signalled = kind == fileformat.FREE, kind == fileformat.SIGNAL
    closed = signalled & on_queue & (detail == fileformat.CLOSED)
    done = signalled & on_queue & (detail == fileformat.UNFINISHED)

    def sources(chosen: Array) -> Sources:
        return Sources(rows["lane"][chosen], rows["time"][chosen], rows["on"][chosen])

    ends = _ends(events, family, fates)
    kind_of = np.array([each.kind for each in objects] + [""])[waits["on"]]
    lock_like = np.isin(kind_of, [*LOCKS, *SEMAPHORES, "file lock"])
    shared_queue, pipe = np.isin(kind_of, SHARED_QUEUES), np.isin(kind_of, PIPES)
    queue_like = np.char.endswith(kind_of, "Queue") & ~shared_queue if len(kind_of) else lock_like
    barrier = np.isin(kind_of, ["Barrier", "multiprocessing.Barrier"])
    join = np.isin(kind_of, ["Thread", "Process"])
    event = kind_of == "Event"
    rest = ~(lock_like | queue_like | shared_queue | pipe | barrier | join | event)
    empty, full = waits["side"] == fileformat.EMPTY, waits["side"] == fileformat.FULL
    unfinished = waits["side"] == fileformat.UNFINISHED
    for which, source, find in (
        (lock_like, sources(freed), waiting.last_before_end),
        (queue_like & empty, sources(gave | freed | closed), waiting.last_before_end),
        (queue_like & full, sources(took | closed), waiting.last_before_end),
        (queue_like & unfinished, sources(done | closed), waiting.last_within),
        # Whether its get() has to wait is not asked first; an item that is there already wakes nobody.
        (shared_queue, sources(gave | freed), waiting.last_within),
        (pipe & empty, sources(gave), waiting.last_within),
        (pipe & full, sources(took), waiting.last_within),
        # The last to come ends it, or who breaks it.
        (barrier, sources((kind == fileformat.WAIT) | signalled), waiting.last_within),
        (join, ends, waiting.last_within),
        (event, sources(signalled), waiting.first_since_start),
        # multiprocessing's conditions and events are made of semaphores, and freed like those.
        (rest, sources(signalled | freed), waiting.last_within),
    ):
        at = np.flatnonzero(which)
        if len(at):
            some_woken, some_waker = woken[at], waker[at]
            waiting.match(waits[at], source, find, some_woken, some_waker)
            woken[at], waker[at] = some_woken, some_waker
    _reaped_any(events, family, fates, waits, objects, woken, waker)
    for_signals = np.flatnonzero(kind_of == "signal")
    if len(for_signals):
        # A signal is sent to a process: of these waits, and of what may have ended them, that is the object.
        kills = events.of_kind(fileformat.KILL)
        sent = Sources(kills["lane"], kills["time"], kills["number"])
        pids = np.array([process.pid for process, _ in events.lanes])
        asked = waits[for_signals]
        asked["on"] = pids[asked["lane"]]
        some_woken, some_waker = woken[for_signals], waker[for_signals]
        waiting.match(asked, sent, waiting.first_since_start, some_woken, some_waker)
        woken[for_signals], waker[for_signals] = some_woken, some_waker
    return woken, waker


def _ends(events: _Events, family: _Family, fates: _Fates) -> Sources:
    """The ends of threads and processes, as what others join."""
    found = [
        (int(lane), int(fates.died[lane]), events.thread[lane])
        for lane in events.of_kind(fileformat.END)["lane"]
        if events.thread[lane] >= 0
    ]
    for index, objects in enumerate(family.object_of):
        main = events.main[index]
        found += [(main, int(fates.died[main]), each) for each in objects if not fates.alive[main]]
    lanes, times, on = zip(*found, strict=True) if found else ((), (), ())
    return Sources(np.array(lanes, "i4"), np.array(times, "i8"), np.array(on, "i4"))


def _reaped_any(
    events: _Events,
    family: _Family,
    fates: _Fates,
    waits: Array,
    objects: Sequence[SyncObject],
    woken: Array,
    waker: Array,
) -> None:
    """os.wait() ends with some child: which one, the record behind it says."""
    any_child = np.array([each.name == "any child" for each in objects] + [False])[waits["on"]] & waits["got"]
    if not any_child.any():
        return
    main_of = {process.pid: events.main[index] for index, process in enumerate(family.processes)}
    told: set[int] = set()
    for row in events.of_kind(fileformat.REAP):
        mine = np.flatnonzero(any_child & (waits["lane"] == row["lane"]) & (waits["end"] <= row["time"]))
        child = main_of.get(int(row["number"]))
        if not len(mine) or int(mine[-1]) in told:
            continue  # it belongs to a wait for this child alone
        told.add(int(mine[-1]))
        if child is not None and fates.died[child] >= waits["start"][mine[-1]]:
            woken[mine[-1]] = min(fates.died[child], waits["end"][mine[-1]])
            waker[mine[-1]] = child


def _spans(
    events: _Events, fates: _Fates, waits: Array, woken: Array, objects: Sequence[SyncObject], zero: int
) -> tuple[Spans, ...]:
    state = np.array([STATES.index(state_of(each.kind)) for each in objects] + [RUNNING], "u1")
    bounds = np.searchsorted(waits["lane"], np.arange(len(events.lanes) + 1))
    found = []
    for lane in range(len(events.lanes)):
        mine = slice(bounds[lane], bounds[lane + 1])
        part, died = waits[mine], fates.died[lane]
        spans = np.zeros(2 * len(part) + 1, SPAN)
        spans["lane"], spans["on"], spans["woken"], spans["state"] = lane, -1, np.nan, RUNNING
        # Running before, between and after the waits.
        spans["start"][0], spans["start"][2::2] = events.first[lane], part["end"]
        spans["end"][-1], spans["end"][:-1:2] = died, part["start"]
        spans["start"][1::2], spans["end"][1::2] = part["start"], part["end"]
        spans["state"][1::2], spans["on"][1::2] = state[part["on"]], part["on"]
        spans["woken"][1::2], spans["open"][1::2] = woken[mine], part["open"]
        spans["on"][spans["state"] == SLEEP] = -1
        spans = spans[(spans["end"] > spans["start"]) | spans["open"]]
        found.append(Spans(_seconds(spans, zero, "start", "end", "woken"), objects))
    return tuple(found)


def _stuck(
    recording: Recording,
    events: _Events,
    family: _Family,
    lanes: Sequence[Lane],
    waits: Array,
    holds: Array,
    objects: Sequence[SyncObject],
    zero: int,
) -> Deadlock:
    """The waits that had not ended when the recording did, and the cycle they form."""
    open_holds = holds[holds["open"]]
    futures = cache(partial(_Futures, recording, events))  # for most recordings nobody needs to know
    thread_lane = {thread: lane for lane, thread in enumerate(events.thread) if thread >= 0}
    for index, own in enumerate(family.object_of):
        thread_lane.update(dict.fromkeys(own, events.main[index]))
    stuck = []
    for row in waits[waits["open"]]:
        lane, on = int(row["lane"]), int(row["on"])
        idle = objects[on].internal or objects[on].kind == "sleep"
        if idle or lanes[lane].ending not in ("alive", "stopped"):
            continue
        holder, copied_from = thread_lane.get(on), None
        holders = [
            int(hold["lane"])
            for hold in open_holds[open_holds["lock"] == on]
            if objects[on].kind.startswith("multiprocessing.") or lanes[hold["lane"]].pid == lanes[lane].pid
        ]
        # Of several permits of a semaphore any one would do.
        if holders and (objects[on].kind in LOCKS or len(holders) == 1):
            holder = holders[-1]
        if holder is None and objects[on].kind in LOCKS:
            copied_from = _held_at_fork(events, family, holds, lane, on)
        pool, workers = "", tuple[int, ...]()
        if objects[on].kind == "Future":
            holder, pool, workers = futures().ended_by(lane, on)
        since, state = (int(row["start"]) - zero) / 1e9, state_of(objects[on].kind)
        side = SIDES[row["side"]] if state == "queue" else ""
        stuck.append(
            Stuck(
                lane, since, state, objects[on], holder, copied_from, bool(row["timed"]), side, pool, workers
            )
        )
    # Who waits with a timeout goes on some time, and whatever it holds may be let go.
    return Deadlock(tuple(stuck), cycle({each.lane: each.enders for each in stuck}))


class _Futures:
    """Who could give a future its result: who runs its task or, before that, a worker of its pool."""

    def __init__(self, recording: Recording, events: _Events) -> None:
        self._events = events
        self._objects = recording.objects
        self._set = set(events.of_kind(fileformat.SIGNAL)["on"].tolist())
        self._runs = events.of_kind(fileformat.RUNS)
        self._takes = events.of_kind(fileformat.WAIT, fileformat.TOOK)
        self._tasks = {
            recording.object_of(process, number): recording.object_of(process, tasks)
            for process in events.processes
            for number, tasks in process.queued.items()
        }
        self._awaited = {
            recording.object_of(process, number): (
                all_of_them,
                [recording.object_of(process, each) for each in futures],
            )
            for process in events.processes
            for number, (all_of_them, futures) in process.awaited.items()
        }

    def ended_by(self, lane: int, future: int) -> tuple[int | None, str, tuple[int, ...]]:
        """The lane that runs the task; or None, the pool's name, and its lanes. All in one process."""
        if future in self._awaited:
            all_of_them, several = self._awaited[future]
            by = {self.ended_by(lane, each): None for each in several if each not in self._set}
            # Each is needed, or any would do: then only if that is the same for all.
            return next(iter(by)) if by and (all_of_them or len(by) == 1) else (None, "", ())
        if future in self._set:
            return None, "", ()  # it is about to be woken
        runs = self._mine(lane, self._runs, future)
        if runs:
            return runs[-1], "", ()
        tasks = self._tasks.get(future, -1)
        if tasks < 0:
            return None, "", ()
        pool = self._objects[tasks].name.removeprefix(f"{fileformat.TASKS} ")
        return None, pool, self._mine(lane, self._takes, tasks)

    def _mine(self, lane: int, rows: Array, on: int) -> tuple[int, ...]:
        lanes = np.unique(rows["lane"][rows["on"] == on])
        process = self._events.process_of_lane
        return tuple(lanes[process[lanes] == process[lane]].tolist())


def _held_at_fork(events: _Events, family: _Family, holds: Array, lane: int, on: int) -> int | None:
    """The lane of the parent that held the lock when the fork copied it."""
    parent = family.parent[int(events.process_of_lane[lane])]
    if parent is None:
        return None
    forked = parent[1]
    above = events.process_of_lane[parent[0]]
    for hold in holds[(holds["lock"] == on) & (holds["start"] <= forked) & (holds["end"] >= forked)]:
        if events.process_of_lane[hold["lane"]] == above:
            return int(hold["lane"])
    return None

"""Say in words what a timeline shows.

The summary is compared from run to run, on fast and slow machines, so it keeps to what does not depend on
luck: who was there, who started whom, how each ended, and which waits never did. How long something took,
how often somebody waited, and whether a lock was contended at all are luck; `waits` tells those.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Sequence
from itertools import groupby
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from helpers.timeline.model import STATES, Lane, Stuck, SyncObject, hopeless

if TYPE_CHECKING:
    from helpers.timeline import Timeline

_BORN = {
    "start": "started by",
    "fork": "forked by",
    "spawn": "spawned by",
    "forkserver": "started through the fork server by",
}
# What a stretch of one lane shows: in the picture's legend, and as a slice's name in Perfetto.
SHOWS = {
    "running": "running",
    "starved": "little CPU: not its turn, or blocked unseen",
    "woken": "woken, not yet running",
    "lock": "waits for a lock",
    "signal": "waits for a signal",
    "queue": "waits for a queue",
    "join": "joins",
    "io": "waits for input or output",
    "sleep": "sleeps",
}
LISTED = 10  # so many names are said
FIRST, LAST = 60, 20  # so many lines, where there are more than both
_LAST_OF_PATH = r"[^\\/]*(?:[\\/]__init__\.py)?$"
_SIDES = {
    "empty": "for an item of {}",
    "full": "for room in {}",
    "unfinished": "for all items of {} to be done",
}
_DOING = {
    "running": "running",
    "lock": "waiting for locks",
    "signal": "waiting for signals",
    "queue": "waiting for queues",
    "join": "joining",
    "sleep": "sleeping",
    "io": "waiting for input or output",
}


def summary(timeline: Timeline) -> str:
    """The same text for the same behaviour, without times and process ids.

    Lanes that differ only in their names share a line. Children follow their parents in the order in which
    they were started; the order of their first events depends on the scheduler.
    """
    if not timeline.lanes:
        return "\n".join(["Nothing was recorded.", *timeline.notes])
    family = Family(timeline.lanes)
    processes, threads = len(family.processes), len(timeline.lanes)
    lines = [f"{count(processes, 'process', 'processes')}, {count(threads, 'thread')}."]
    if processes == 1:
        lines += _lines(family.life(lane) for lane in family.processes[0])
    else:
        for alone, some in groupby(family.processes, key=lambda lanes: len(lanes) == 1):
            if alone:
                lines += _lines(family.life(lane, of_process=True) for (lane,) in some)
                continue
            for lanes in some:
                lines.append(f"{lanes[0].process}{family.birth(lanes[0])}:")
                lines += [f"  {line}" for line in _lines(family.life(lane, within=True) for lane in lanes)]
    lines += _never_ended(timeline, family)
    if timeline.marks:
        marks = [f"  {family.name(family.lanes[lane])}, {text}" for lane, _, text in timeline.marks]
        lines += ["In order:", *abridged(marks, "mark")]
    return "\n".join([*lines, *timeline.notes])


def abridged(lines: list[str], noun: str) -> list[str]:
    """The lines; of very many, the first and the last, and between them how many more there are.

    Args:
        noun: what one line is about: ``"step"``.
    """
    more = len(lines) - FIRST - LAST
    if more <= 1:
        return lines
    return [*lines[:FIRST], f"  ... {count(more, f'more {noun}')} ...", *lines[-LAST:]]


def waits(timeline: Timeline) -> str:
    """What each thread spent its time on, and its longest wait of each kind; it differs from run to run."""
    family = Family(timeline.lanes)
    lines = []
    for lane, spans in zip(timeline.lanes, timeline.spans, strict=True):
        columns = spans.columns
        lasted = columns["end"] - columns["start"]
        parts = []
        for state in np.unique(columns["state"]):
            mine = columns["state"] == state
            part = f"{_duration(float(lasted[mine].sum()))} {_DOING[STATES[state]]}"
            longest = int(np.argmax(np.where(mine, lasted, -1.0)))
            if (on := int(columns["on"][longest])) >= 0:
                times, most = count(int(mine.sum()), "time"), _duration(float(lasted[longest]))
                part += f" ({times}, longest {most} for {timeline.objects[on].name})"
            parts.append(part)
        lines.append(f"{family.name(lane)}: {', '.join(parts) or 'nothing was recorded'}.")
    return "\n".join(lines)


# ------------------------------------------------------------------------------------ lives and endings


class _Life(NamedTuple):
    """One lane in words. Those that are alike but for the name can share a line."""

    name: str
    noun: str
    daemon: bool
    rest: str


class Family:
    """Who descends from whom, and what to call each so that it is clear which is meant.

    Attributes:
        processes: the lanes of each, its main one first.
    """

    def __init__(self, lanes: Sequence[Lane]) -> None:
        self.lanes = lanes
        descent = list(_descent(lanes))
        pids = dict.fromkeys(lane.pid for lane in descent)
        self.processes = [[lane for lane in descent if lane.pid == pid] for pid in pids]
        self._main = {processes[0].number for processes in self.processes}

    def name(self, lane: Lane) -> str:
        """The thread's name; where there are several processes, the process's, and which thread of it."""
        if len(self.processes) == 1:
            return lane.thread
        return lane.process if lane.number in self._main else f"{lane.thread} of {lane.process}"

    def birth(self, lane: Lane) -> str:
        if lane.parent is None:
            return ""
        parent = self.lanes[lane.parent]
        name = parent.thread if parent.pid == lane.pid else self.name(parent)
        return f", {_BORN.get(lane.how, 'started by')} {name}"

    def life(self, lane: Lane, *, of_process: bool = False, within: bool = False) -> _Life:
        """The lane in words: as a `of_process` of one thread, or `within` one whose birth has been told."""
        birth = "" if within and lane.number in self._main else self.birth(lane)
        name, noun = (lane.process, "processes") if of_process else (lane.thread, "threads")
        return _Life(name, noun, lane.daemon, f"{birth}: {ending(lane)}.")


def _descent(lanes: Sequence[Lane]) -> Iterator[Lane]:
    """Parents before their children, these in the order in which they were started."""
    children: dict[int | None, list[Lane]] = {}

    def begun(lane: Lane) -> tuple[float, int]:
        return lane.born if lane.started is None else lane.started, lane.number

    for lane in sorted(lanes, key=begun):
        children.setdefault(lane.parent, []).append(lane)
    ahead = children.get(None, [])[::-1]
    while ahead:
        lane = ahead.pop()
        yield lane
        ahead += children.get(lane.number, [])[::-1]


def ending(lane: Lane) -> str:
    """How the lane ended."""
    match lane.ending:
        case "raised":
            return f"ended by an uncaught {lane.detail or 'exception'}"
        case "killed":
            return f"killed by {lane.detail or 'a signal'}"
        case "cut off":
            return "cut off when the process ended"
        case "stopped":
            return "stopped by the runner"
        case "unfinished":
            return "did not end"
        case "alive":
            return "still there when the recording ended"
    return f"ended with {lane.detail}" if lane.detail else "ended"


def _lines(lives: Iterator[_Life]) -> list[str]:
    """A line for each run of lives that are alike but for the name."""
    lines = []
    for (noun, daemon, rest), alike in groupby(lives, key=lambda life: life[1:]):
        names = [life.name for life in alike]
        daemons = (" (a daemon)" if len(names) == 1 else " (daemons)") if daemon else ""
        lines.append(f"{_listed(names, noun)}{daemons}{rest}")
    return lines


def _listed(names: Sequence[str], noun: str) -> str:
    """The names; of many that differ in a number only, the first and the last."""
    if len(names) > 4 and len({re.sub(r"\d+", "", name) for name in names}) == 1:
        return f"{names[0]} to {names[-1]} ({len(names)} {noun})"
    if len(names) > LISTED:
        names = [*names[:LISTED], f"{len(names) - LISTED} more {noun}"]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


# ------------------------------------------------------------------------------- waits that never ended


def _never_ended(timeline: Timeline, family: Family) -> list[str]:
    waits = {wait.lane: wait for wait in timeline.stuck.waits if not wait.on.internal}
    in_vain = _in_vain(timeline)
    cycle = [waits.pop(lane) for lane in timeline.stuck.cycle if lane in waits]
    lines = []
    if cycle:
        told = []
        for what, some in groupby(cycle, key=lambda wait: _for_what(wait, family, in_vain)):
            names = [family.name(family.lanes[wait.lane]) for wait in some]
            told.append(f"{_who_wait(names)} {what}")
        lines.append(f"Deadlock: {'; '.join(told)}.")
    same: dict[tuple[str, str], list[str]] = {}
    for wait in waits.values():
        lane = family.lanes[wait.lane]
        # Of one that was stopped nobody knows whether it would have been woken, unless nobody could.
        in_time = lane.ending == "stopped" and wait.lane not in in_vain
        known = "Still waiting when stopped" if in_time else "Never woken"
        same.setdefault((known, _for_what(wait, family, in_vain)), []).append(family.name(lane))
    lines += [f"{known}: {_who_wait(names)} {what}." for (known, what), names in same.items()]
    return lines


def _who_wait(names: Sequence[str]) -> str:
    return f"{_listed(names, 'threads')} {'waits' if len(names) == 1 else 'wait'}"


def _in_vain(timeline: Timeline) -> set[int]:
    """The lanes whose waits nobody can end: they wait for a deadlock in the end, or for what is lost."""
    enders = {wait.lane: wait.enders for wait in timeline.stuck.waits}
    for wait in timeline.stuck.waits:
        if wait.copied_from is not None and not wait.timed:
            enders[wait.lane] = (wait.lane,)
    for lane in timeline.lanes:
        if lane.ending not in ("alive", "unfinished", "stopped"):
            enders[lane.number] = (lane.number,)
    return set(hopeless(enders))


def _for_what(wait: Stuck, family: Family, in_vain: Collection[int]) -> str:
    if wait.state == "join":
        thing = f"{wait.on.name} to end"
    else:
        thing = f"the result of {_thing(wait.on)}" if wait.on.kind == "Future" else _thing(wait.on)
    text = _SIDES.get(wait.side, "for {}").format(thing)
    if wait.timed:
        text += ", with a timeout"
    if wait.state == "join":
        return text
    if wait.on.kind == "Future" and wait.holder is not None:
        by = "itself" if wait.holder == wait.lane else family.name(family.lanes[wait.holder])
        return f"{text}, run by {by}"
    if wait.holder == wait.lane:
        return f"{text}, which it holds itself"
    if wait.holder is not None:
        holder = family.lanes[wait.holder]
        fates = {"alive": "", "unfinished": "", "stopped": "", "killed": ", which was killed"}
        how = "held by" if wait.state == "lock" else "its permit held by"
        return f"{text}, {how} {family.name(holder)}{fates.get(holder.ending, ', which has ended')}"
    if wait.workers and wait.lane in in_vain:
        number = len(wait.workers)
        waiting = "its one worker waits" if number == 1 else f"all its {number} workers wait"
        return f"{text}, which no worker of {wait.pool} is free to run: {waiting}"
    if wait.copied_from is not None:
        former = family.name(family.lanes[wait.copied_from])
        return f"{text}, which {former} held when this process was forked: nobody here can release it"
    return text


def _thing(thing: SyncObject) -> str:
    """Its name, and in brackets what it is and which line made it."""
    about = [] if not thing.file and thing.kind.lower() in thing.name.lower() else [thing.kind]
    if thing.file:
        # The last part of the path; before `__init__.py` also the package's.
        last = re.search(_LAST_OF_PATH, thing.file)
        about.append(f"{last[0] if last else thing.file}:{thing.line}")
    return f"{thing.name} ({', '.join(about)})" if about else thing.name


def count(number: int, one: str, many: str = "") -> str:
    """A number and what is counted, as one says it: ``"1 thread"``, ``"2 threads"``."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _duration(seconds: float) -> str:
    factor, unit = (1e6, "µs") if seconds < 1e-3 else (1e3, "ms") if seconds < 1 else (1, "s")
    return f"{seconds * factor:.3g} {unit}"

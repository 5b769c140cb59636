"""Reads a recording's files (their layout is in `helpers.recorder.fileformat`)."""

from __future__ import annotations

import ast
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import groupby
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from helpers.recorder import fileformat
from helpers.timeline.model import SyncObject
from helpers.timeline.naming import NameFinder

Array = npt.NDArray[Any]

# What the numbers below FIRST_FREE stand for.
_RESERVED = {
    fileformat.SLEEP: SyncObject("sleep", "a sleep"),
    fileformat.AT_EXIT: SyncObject("Thread", "the other threads"),
    fileformat.PIPE: SyncObject("pipe", "a pipe or socket"),
    fileformat.ANY_CHILD: SyncObject("Process", "any child"),
    fileformat.OS_SIGNAL: SyncObject("signal", "a signal"),
    fileformat.INTERNAL: SyncObject("Condition", "something of the standard library", internal=True),
}
# Parts that are named after the whole: what to show them as, and what the whole is.
_PARTS = {
    fileformat.READ_LOCK: ("multiprocessing.Lock", "Queue"),
    fileformat.WRITE_LOCK: ("multiprocessing.Lock", "Queue"),
    fileformat.LOCK_OF: ("multiprocessing.RLock", "Value"),
    fileformat.PLACES: ("multiprocessing.Queue", "Queue"),
    fileformat.UNFINISHED_TASKS: ("multiprocessing.JoinableQueue", "JoinableQueue"),
    fileformat.TASKS: ("queue.SimpleQueue", "pool"),
    fileformat.RESULTS: ("queue.SimpleQueue", "pool"),
}


@dataclass
class RecordedProcess:
    """What one process's files hold."""

    pid: int
    ppid: int
    began: int
    name: str
    argv: Sequence[str]
    parent: str
    fork: int
    first_number: int
    lanes: dict[int, tuple[int, str, bool]] = field(default_factory=dict)  # ident, name, daemon
    threads: dict[int, int] = field(default_factory=dict)  # lane -> number of its Thread object, or 0
    definitions: dict[int, tuple[str, ...]] = field(default_factory=dict)
    processes: dict[int, int] = field(default_factory=dict)  # number of a Process object -> pid
    joined: dict[int, int] = field(default_factory=dict)  # ident -> number of a Thread object, likewise
    owners: dict[int, tuple[str, int, str, str]] = field(default_factory=dict)  # file, line, class, field
    queued: dict[int, int] = field(default_factory=dict)  # number of a future -> of its pool's queue of tasks
    awaited: dict[int, tuple[bool, list[int]]] = field(default_factory=dict)  # of several: all?, which
    own_name: str = ""
    unrecorded: list[str] = field(default_factory=list)  # commands of Pythons that do not record
    events: dict[int, Array] = field(default_factory=dict)  # by lane: times and codes
    objects: dict[int, int] = field(default_factory=dict)  # number -> index in the recording's objects


class _Maker(NamedTuple):
    """The line of the program that made an object.

    Attributes:
        alike: how many of its kind it has made in all.
        nth: how many before this one.
        nth_of_owner: how many of these are part of something that was made by the same line as its owner.
        nth_of_class: how many of these are part of something of the same class.
    """

    alike: int
    nth: int
    nth_of_owner: int
    nth_of_class: int


class Recording:
    """The files of one recording.

    Attributes:
        processes: what each process wrote, by the name of its files, in order of birth.
        objects: what the processes' numbers stand for, as far as `object_of` has been asked.
        notes: what is missing, in a sentence each.
        zero: the time of its first event, nanoseconds of `time.perf_counter_ns`; 0 where it is empty.
    """

    def __init__(self, folder: str | os.PathLike[str], leave_out: str = "", until: int | None = None) -> None:
        """Read the files in `folder`.

        Args:
            leave_out: a beginning of file names that nobody wants to see.
            until: leave out what came later, nanoseconds; the recording may be going on.
        """
        self._leave_out = leave_out
        self._until = until
        self.notes: list[str] = []
        self._incomplete: set[int] = set()
        self.processes: dict[str, RecordedProcess] = {}
        self.objects: list[SyncObject] = []
        self._by_key: dict[str, int] = {}
        self._names = NameFinder()
        for file in sorted(Path(folder).glob("*.rec"), key=_order):
            self._read(file)
        for process in self.processes.values():
            for lane, (ident, _, _) in process.lanes.items():
                process.threads[lane] = process.joined.get(ident, 0)
        self._makers = dict(self._count_makers())
        # What processes share is named where it was made, not where it arrived: the makers come first. And
        # a part of something is named by what says of what, not by the line of the library that made it.
        for only_named in (True, False):
            for process in self.processes.values():
                for number, (kind, _, made_in, _, internal, key) in process.definitions.items():
                    if key and (kind in _PARTS or (made_in and internal == "0") or not only_named):
                        self.object_of(process, number)
        if self._is_incomplete(folder, fileformat.LIMIT_REACHED):
            limit = f"{fileformat.LIMIT >> 20} MiB"
            self.notes.append(f"The recording is full ({limit}): what came later is missing.")
        if self._is_incomplete(folder, fileformat.TURNED_OVER):
            limit = f"{fileformat.LIMIT >> 20} MiB"
            self.notes.append(
                f"The recording was full ({limit}): the newest of it is kept. "
                "What a thread did before its first event here is missing."
            )
        if self._is_incomplete(folder, fileformat.LOST):
            self.notes.append("The recording stopped early, because its folder could no longer be written.")
        unrecorded = [command for process in self.processes.values() for command in process.unrecorded]
        for command in dict.fromkeys(unrecorded):
            self.notes.append(
                f"Not recorded: `{_shortened(command)}`. It ran without the variables that the recorder "
                "sets (-I, -E, -S, or an env of its own)."
            )
        if not os.path.isdir(folder):
            self.notes.append("There is no recording: its folder was removed while the program ran.")
        times = [records[:, 0].min() for p in self.processes.values() for records in p.events.values()]
        self.zero = int(min(times, default=0))

    def _is_incomplete(self, folder: str | os.PathLike[str], why: str) -> bool:
        return os.path.exists(Path(folder) / why) or fileformat.INCOMPLETE[why] in self._incomplete

    def thread_name(self, pid: int, ident: int) -> str:
        """The name of a thread by `threading.get_ident`, or "" where it is not known."""
        for process in self.processes.values():
            if process.pid != pid:
                continue
            for thread, name, _ in process.lanes.values():
                if thread == ident:
                    return name
            # An ident can be used again: the last to have had it.
            for lane in reversed(process.events):
                if (process.events[lane][:, 1] == fileformat.IDENT << 56 | ident).any():
                    return process.definitions.get(process.threads[lane], ("", ""))[1]
        return ""

    def _name(self, process: RecordedProcess, number: int) -> str:
        kind, name, file, line = process.definitions[number][:4]
        whole = _PARTS[kind][1] if kind in _PARTS else kind
        name = name or self._found(process, number, whole, file, int(line))
        return f"{kind} {name}" if kind in _PARTS else name

    def _found(self, process: RecordedProcess, number: int, kind: str, file: str, line: int) -> str:
        made = self._makers[process.name, number]
        # `self.lock` is a good name for one, to the reader of that file. Several are told apart by what the
        # program calls their owners, and so is what an owner from elsewhere, such as a library, has.
        from_file, from_line, cls, part = process.owners.get(number, (file, 0, "", ""))
        if from_line and (made.alike > 1 or from_file != file):
            owner = self._names.assigned(from_file, from_line, cls, made.nth_of_owner)
            if part:
                again = "" if owner or not made.nth_of_class else f" ({made.nth_of_class + 1})"
                return f"{owner or cls}.{part}{again}"
            own = self._names.find(file, line, kind, 0 if owner else made.nth_of_class)
            if file == fileformat.GENERATED and owner:
                return f"{kind.rpartition('.')[2]} of {owner}"
            if own.startswith("self.") and (owner or from_file != file):
                return (owner or cls) + own.removeprefix("self")
        return self._names.find(file, line, kind, made.nth)

    def _count_makers(self) -> Iterator[tuple[tuple[str, int], _Maker]]:
        """For each definition, by process and number: which it is of those that its line has made.

        What an earlier recording of a kernel defined, when it ran the same cell, does not count.
        """
        for process in self.processes.values():
            made_at = {
                number: (*fields[:1], *fields[2:4], number < process.first_number)
                for number, fields in sorted(process.definitions.items())
            }
            alike = Counter(made_at.values())
            seen: Counter[tuple[Any, ...]] = Counter()
            for number, place in made_at.items():
                owner = process.owners.get(number, ("", 0, "", ""))
                of_owner, of_class = (place, owner), (place, owner[2])
                counts = (seen[each] for each in (place, of_owner, of_class))
                yield (process.name, number), _Maker(alike[place], *counts)
                seen.update((place, of_owner, of_class))

    def _read(self, file: Path) -> None:
        data = np.fromfile(file, dtype=np.uint8)
        pages = data[: len(data) // fileformat.PAGE * fileformat.PAGE].reshape(-1, fileformat.PAGE)
        if not len(pages):
            return
        try:
            header = ast.literal_eval(
                bytes(pages[0, : -fileformat.RECORD]).rstrip(b"\0").decode("utf-8", "replace")
            )
            if header["format"] != fileformat.FORMAT:
                raise ValueError
        except (ValueError, SyntaxError, KeyError, TypeError):
            self.notes.append("A part of the recording cannot be read: its process ended while it was made.")
            return
        name = file.name.partition(".")[0]
        process = self.processes.get(name)
        if process is None:
            process = self.processes[name] = RecordedProcess(
                pid=header["pid"],
                ppid=header["ppid"],
                began=header["began"],
                name=name,
                argv=header["argv"],
                parent=header.get("parent", ""),
                fork=header.get("fork", 0),
                first_number=header["numbers"],
            )
        self._incomplete.add(int(pages[0, -8:].view("<i8")[0]))
        firsts = pages[:, : fileformat.RECORD].copy().view("<i8").reshape(-1, 2)
        kinds = firsts[:, 1] >> 56
        for at in np.flatnonzero(kinds[1:] == fileformat.PAGE_OF_TEXT) + 1:
            _read_text(process, bytes(pages[at, fileformat.RECORD :]))
        events = np.flatnonzero(kinds[1:] == fileformat.PAGE_OF_EVENTS) + 1
        records = pages[events].copy().view("<i8").reshape(-1, fileformat.PAGE // fileformat.RECORD, 2)
        owners = _owners(records[:, :, 1])
        wanted = records[:, :, 1] != 0
        wanted[:, 0] = False
        if self._until is not None:
            wanted &= records[:, :, 0] <= self._until
        for owner, mine in _by_owner(records[wanted], owners[wanted]):
            lane, thread = owner >> 32, owner & 0xFFFFFFFF
            process.threads[lane] = thread
            before = process.events.get(lane)  # in an earlier segment
            process.events[lane] = mine if before is None else np.concatenate([before, mine])

    def object_of(self, process: RecordedProcess, number: int) -> int:
        """The index in the recording's objects of what a process calls by that number, or -1."""
        index = process.objects.get(number)
        if index is None:
            index = process.objects[number] = self._find(process, number)
        return index

    def _find(self, process: RecordedProcess, number: int) -> int:
        if number in _RESERVED:
            self.objects.append(_RESERVED[number])
            return len(self.objects) - 1
        fields = process.definitions.get(number)
        if fields is None:
            # A forked child knows its parent's objects by the parent's numbers.
            parent = self.processes.get(process.parent)
            if parent is not None and number < process.first_number:
                return self.object_of(parent, number)
            return -1
        kind, name, file, text, internal, key = fields
        line = int(text)
        kind = kind.removeprefix("daemon ")
        keys = _keys(key)
        for each in keys:
            if each in self._by_key:
                return self._by_key[each]
        if kind in _PARTS:
            name, kind = self._name(process, number), _PARTS[kind][0]
            if key and not kind.startswith("multiprocessing."):
                kind = "multiprocessing.SimpleQueue"  # of a pool of processes
        elif not name:
            name = f"a {kind}" if internal == "1" else self._name(process, number)
        if file == fileformat.GENERATED:
            file, line, *_ = process.owners.get(number, (file, line))
        made = SyncObject(kind, name, file.removeprefix(self._leave_out), line, internal == "1")
        self.objects.append(made)
        for each in keys:
            self._by_key[each] = len(self.objects) - 1
        return len(self.objects) - 1


def _shortened(command: str, most: int = 60) -> str:
    """The beginning of a command."""
    return command if len(command) <= most else f"{command[: most - 1]}…"


def _keys(key: str) -> list[str]:
    """By what an object is known in several processes; either end of a pipe is enough."""
    if key.startswith(fileformat.ENDS):
        return [f"{fileformat.ENDS} {end}" for end in key.split()[1:]]
    return [key] if key else []


def _owners(codes: Array) -> Array:
    """Whose each record of some pages is: the page's own or the last BEGIN before it names the lane."""
    owners = np.broadcast_to(codes[:, :1], codes.shape).copy()
    begins = codes >> 56 == fileformat.BEGIN
    for page in np.flatnonzero(begins.any(axis=1)):
        at = [0, *np.flatnonzero(begins[page]), codes.shape[1]]
        owners[page] = np.repeat(codes[page, at[:-1]], np.diff(at))
    return owners & (1 << 56) - 1


def _by_owner(records: Array, owners: Array) -> Iterator[tuple[int, Array]]:
    """The records of each owner, from page to page."""
    begins = np.flatnonzero(np.diff(owners, prepend=-1))
    ends = np.append(begins, len(owners))[1:]
    runs = np.argsort(owners[begins], kind="stable")
    for _, same in groupby(runs, key=lambda run: owners[begins[run]]):
        pieces = [(begins[run], ends[run]) for run in same]
        yield int(owners[pieces[0][0]]), np.concatenate([records[begin:end] for begin, end in pieces])


def _order(file: Path) -> tuple[int, int]:
    """Segments of a process in the order they were made, processes by the time they began."""
    name, number, _ = file.name.split(".")
    return int(name.partition("-")[2]), int(number)


def _read_text(process: RecordedProcess, text: bytes) -> None:
    complete = text[: text.rfind(b"\n") + 1]
    for line in complete.decode("utf-8", "replace").splitlines():
        kind, *fields = line.split("\t")
        if kind == fileformat.DEFINE:
            process.definitions[int(fields[0])] = tuple(fields[1:])
        elif kind == fileformat.LANE:
            process.lanes[int(fields[0])] = int(fields[1]), fields[2], fields[3] == "1"
        elif kind == fileformat.PROCESS:
            process.processes[int(fields[0])] = int(fields[1])
        elif kind == fileformat.OWNER:
            process.owners[int(fields[0])] = fields[1], int(fields[2]), fields[3], fields[4]
        elif kind == fileformat.QUEUED:
            process.queued[int(fields[0])] = int(fields[1])
        elif kind == fileformat.AWAITED:
            process.awaited[int(fields[0])] = fields[1] == "1", [int(each) for each in fields[2].split()]
        elif kind == fileformat.UNRECORDED:
            process.unrecorded.append(fields[0])
        elif kind == fileformat.NAME:
            process.own_name = fields[0]
        elif kind == fileformat.THREAD:
            process.joined[int(fields[1])] = int(fields[0])
        elif kind == fileformat.RENAME and (number := int(fields[0])) in process.definitions:
            made_as, _, *rest = process.definitions[number]
            process.definitions[number] = (made_as, fields[1], *rest)

"""Write a timeline for Perfetto: JSON that ui.perfetto.dev and chrome://tracing open.

The format is that of the "Trace Event Format" document, which Perfetto's documentation on other trace formats
names: https://docs.google.com/document/d/1CvAClvFfyA5R-PhYUmn5OOQtYMH4h6I0nSsKchNAySU

A lane becomes a thread, and a span of it a complete event; a hold becomes an async event in the row of its
lock; who woke or started whom becomes a flow, from an instant of the one to a slice of the other; a mark is
an instant. Times are microseconds, written with three decimals from whole nanoseconds: neighbours must meet
exactly, because slices that overlap by a nanosecond would be taken for nested ones.

A recording can hold a million spans, so that the file is written piece by piece.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Sequence
from itertools import islice
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from helpers.timeline.model import STATES, Lane, SyncObject, end_of, public
from helpers.timeline.storage import whole
from helpers.timeline.words import SHOWS, Family, ending

if TYPE_CHECKING:
    from helpers.timeline import Timeline

AT_ONCE = 20_000  # so many events are put together before they are written
_STARTS = {"fork": "forks", "spawn": "spawns", "forkserver": "starts through the fork server"}

Nanoseconds = npt.NDArray[np.int64]


def to_perfetto(timeline: Timeline, path: str | os.PathLike[str]) -> None:
    """Write `timeline` to `path`, whole or not at all.

    Raises:
        OSError: the file cannot be written; what was there before is still there.
    """
    with whole(path) as file:
        about = _text({"summary": timeline.summary(), "notes": timeline.notes})
        file.write(f'{{"displayTimeUnit":"ms","otherData":{about},"traceEvents":[')
        events = _Writer(timeline).events()
        comma = "\n"
        while some := list(islice(events, AT_ONCE)):
            file.write(comma + ",\n".join(some))
            comma = ",\n"
        file.write("\n]}\n")


class _Writer:
    """Makes the events. Of those of one moment, the order in the file is the one in which they are read."""

    def __init__(self, timeline: Timeline) -> None:
        self.timeline = timeline
        self.family = Family(timeline.lanes)
        # Perfetto takes process 0 for the system's idle one, and leaves it out.
        self.where = [f'"pid":{lane.pid or 1},"tid":{lane.number + 1}' for lane in timeline.lanes]
        self.flows = 0

    def events(self) -> Iterator[str]:
        yield from self._names()
        # Slices come before the flows that end at them.
        for lane in self.timeline.lanes:
            yield from self._slices(lane)
        yield from self._births()
        yield from self._wakeups()
        yield from self._marks()
        yield from self._endings()
        yield from self._holds()

    def _names(self) -> Iterator[str]:
        known: set[int] = set()
        for lane, where in zip(self.timeline.lanes, self.where, strict=True):
            daemon = " · daemon" if lane.daemon else ""
            names: dict[str, dict[str, Any]] = {
                "thread_name": {"name": lane.thread + daemon},
                "thread_sort_index": {"sort_index": lane.number},
            }
            if lane.pid not in known:
                known.add(lane.pid)
                names["process_name"] = {"name": lane.process}
                names["process_sort_index"] = {"sort_index": lane.number}
            for name, arguments in names.items():
                yield f'{{"ph":"M","name":"{name}",{where},"args":{_text(arguments)}}}'

    def _slices(self, lane: Lane) -> Iterator[str]:
        head = f'{{"ph":"X","cat":"state",{self.where[lane.number]},"ts":'
        columns = self.timeline.spans[lane.number].columns
        start, end = _nanoseconds(columns["start"]), _nanoseconds(columns["end"])
        # NaN where nobody woke it; then, as in a wait that was woken only when it ended, there is no tail.
        turn = np.maximum(_nanoseconds(np.fmin(columns["woken"], columns["end"])), start)
        key = (columns["state"].astype(np.int64) * (len(self.timeline.objects) + 1) + columns["on"] + 1) * 2
        keys, of_span = np.unique(key + columns["open"], return_inverse=True)
        texts = [self._slice_text(int(key)) for key in keys]
        tail = f'"name":"{SHOWS["woken"]}"}}'
        spans = zip(start.tolist(), turn.tolist(), end.tolist(), of_span.tolist(), strict=True)
        for begin, woken, finish, number in spans:
            # `_decimal` written out: this line is reached a million times.
            lasts = woken - begin
            text = texts[number]
            yield f'{head}{begin // 1000}.{begin % 1000:03},"dur":{lasts // 1000}.{lasts % 1000:03},{text}'
            if woken < finish:
                yield f'{head}{_decimal(woken)},"dur":{_decimal(finish - woken)},{tail}'

    def _slice_text(self, key: int) -> str:
        """Name and arguments of all slices of one state, object and end."""
        state, on = divmod(key // 2, len(self.timeline.objects) + 1)
        name = SHOWS[STATES[state]]
        arguments = {}
        if on:
            thing = self.timeline.objects[on - 1]
            arguments = _about(thing)
            name += "" if thing.internal else f": {thing.name}"
        if key % 2:
            arguments["ended"] = "never"
        return f"{_words(name, arguments)}}}"

    def _births(self) -> Iterator[str]:
        for child in self.timeline.lanes:
            spans = self.timeline.spans[child.number].columns
            if child.parent is None or child.started is None or not len(spans):
                continue
            parent = self.timeline.lanes[child.parent]
            name = child.thread if child.pid == parent.pid else self.family.name(child)
            moments = _nanoseconds(np.array((child.started, max(child.born, spans["start"][0]))))
            words = _words(f"{_STARTS.get(child.how, 'starts')} {name}", {})
            yield from self._flow("birth", words, (parent.number, child.number), moments.tolist())

    def _wakeups(self) -> Iterator[str]:
        wakeups = public(self.timeline.wakeups.columns, "through", self.timeline.objects)
        moments = _nanoseconds(np.stack((wakeups["at"], np.maximum(wakeups["at"], wakeups["until"])), axis=1))
        words: dict[tuple[int, int], str] = {}
        columns = (wakeups[name].tolist() for name in ("waker", "woken", "through"))
        for waker, woken, thing, ends in zip(*columns, moments.tolist(), strict=True):
            if (woken, thing) not in words:
                name = f"wakes {self.family.name(self.timeline.lanes[woken])}"
                words[woken, thing] = _words(name, _about(self.timeline.objects[thing]))
            yield from self._flow("wake-up", words[woken, thing], (waker, woken), ends)

    def _flow(self, kind: str, words: str, lanes: tuple[int, int], moments: Sequence[int]) -> Iterator[str]:
        """An instant of the first lane, and an arrow from it to the slice of the second one at its moment.

        Perfetto draws an arrow from the end of the slice it begins in: the instant makes that the moment at
        which it happened.
        """
        self.flows += 1
        begin, end = (
            f'{self.where[lane]},"ts":{_decimal(moment)}' for lane, moment in zip(lanes, moments, strict=True)
        )
        flow = f'"cat":"{kind}","name":"{kind}","id":{self.flows}'
        yield f'{{"ph":"i","s":"t","cat":"{kind}",{begin},{words}}}'
        yield f'{{"ph":"s",{flow},{begin}}}'
        yield f'{{"ph":"f","bp":"e",{flow},{end}}}'

    def _marks(self) -> Iterator[str]:
        for mark in self.timeline.marks:
            (moment,) = _nanoseconds(np.array([mark.at])).tolist()
            where = f'{self.where[mark.lane]},"ts":{_decimal(moment)}'
            yield f'{{"ph":"i","s":"t","cat":"mark",{where},{_words(mark.text, {})}}}'

    def _endings(self) -> Iterator[str]:
        for lane in self.timeline.lanes:
            last = end_of(lane, self.timeline.spans[lane.number])
            (moment,) = _nanoseconds(np.array([last])).tolist()
            where = f'{self.where[lane.number]},"ts":{_decimal(moment)}'
            yield f'{{"ph":"i","s":"t","cat":"end",{where},{_words(ending(lane), {})}}}'

    def _holds(self) -> Iterator[str]:
        holds = public(self.timeline.holds.columns, "lock", self.timeline.objects)
        start, end = _nanoseconds(holds["start"]), _nanoseconds(holds["end"])
        columns = (column.tolist() for column in (holds["lane"], holds["lock"], start, end, holds["open"]))
        taken: dict[tuple[int, int], list[int]] = {}
        rows: dict[tuple[int, int, int], tuple[str, str]] = {}
        for lane, lock, begin, finish, never in zip(*columns, strict=True):
            # One lane can hold several permits of a semaphore: each goes to a row on which there is room.
            ends = taken.setdefault((lane, lock), [])
            row = next((row for row, until in enumerate(ends) if until <= begin), len(ends))
            ends[row : row + 1] = [finish]
            if (lane, lock, row) not in rows:
                rows[lane, lock, row] = self._row_of_lock(lane, lock, len(rows))
            common, about = rows[lane, lock, row]
            more = ',"released":"never"' if never else ""
            yield f'{{"ph":"b",{common}{_decimal(begin)},"args":{{{about}{more}}}}}'
            yield f'{{"ph":"e",{common}{_decimal(finish)}}}'

    def _row_of_lock(self, lane: int, lock: int, number: int) -> tuple[str, str]:
        """What all holds of the row have in common, and their arguments."""
        thing = self.timeline.objects[lock]
        about = {"held by": self.family.name(self.timeline.lanes[lane]), **_about(thing)}
        name = _text(thing.name)
        common = f'"cat":"hold","id2":{{"local":"0x{number + 1:x}"}},"name":{name},{self.where[lane]},"ts":'
        return common, _text(about)[1:-1]


def _about(thing: SyncObject) -> dict[str, str]:
    return {"kind": thing.kind} | ({"made at": f"{thing.file}:{thing.line}"} if thing.file else {})


def _words(name: str, about: dict[str, str]) -> str:
    return f'"name":{_text(name)},"args":{_text(about)}'


def _text(value: Any) -> str:
    # Letters as they are: Perfetto leaves escapes such as \\u00b7 in the names of threads.
    return json.dumps(value, ensure_ascii=False)


def _nanoseconds(seconds: npt.NDArray[np.float64]) -> Nanoseconds:
    return np.rint(seconds * 1e9).astype(np.int64)


def _decimal(nanoseconds: int) -> str:
    """As microseconds."""
    return f"{nanoseconds // 1000}.{nanoseconds % 1000:03}"

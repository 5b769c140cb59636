"""Save and load a timeline: one file, JSON, good on any machine whatever its name ends in.

The lanes, objects and notes can be read with any editor. The long columns (a recording can hold a million
spans) are written as ``{"type": "<f8", "count": 3, "data": "…"}``: the numbers in little-endian order,
compressed by zlib, in base 64. Nothing in a file is ever executed.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import os
import secrets
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import pairwise
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, TypeVar, get_origin, get_type_hints

import numpy as np
import numpy.typing as npt

from helpers.timeline.model import (
    HOLD,
    SPAN,
    STATES,
    WAKEUP,
    Deadlock,
    Holds,
    Lane,
    Mark,
    Spans,
    Stuck,
    SyncObject,
    Wakeups,
)

if TYPE_CHECKING:
    from helpers.timeline import Timeline

Record = TypeVar("Record")
Array = npt.NDArray[Any]

FORMAT = "python-concurrency-course timeline"
VERSION = 1


def save(timeline: Timeline, path: str | os.PathLike[str]) -> None:
    """Write the timeline to `path`, whole or not at all.

    Raises:
        OSError: the file cannot be written; what was there before is still there.
    """
    spans = [lane.columns for lane in timeline.spans]
    content = {
        "format": FORMAT,
        "version": VERSION,
        "duration": timeline.duration,
        "notes": timeline.notes,
        "marks": [mark._asdict() for mark in timeline.marks],
        "steps": timeline.steps,
        "lanes": [dataclasses.asdict(lane) for lane in timeline.lanes],
        "objects": [dataclasses.asdict(thing) for thing in timeline.objects],
        "stuck": [wait._asdict() | {"on": dataclasses.asdict(wait.on)} for wait in timeline.stuck.waits],
        "cycle": timeline.stuck.cycle,
        "states": STATES,
        "spans": _written(np.concatenate(spans) if spans else np.empty(0, SPAN)),
        "spans of lane": [len(lane) for lane in spans],
        "holds": _written(timeline.holds.columns),
        "wakeups": _written(timeline.wakeups.columns),
    }
    with whole(path) as file:
        json.dump(content, file, allow_nan=False, default=_plain)


@contextmanager
def whole(path: str | os.PathLike[str]) -> Iterator[IO[str]]:
    """Open `path` to be written, whole or not at all: what goes wrong leaves there what was there before."""
    path = Path(path)
    # Under another name first: somebody who reads at the same time, or a full disk, must not see half of it.
    new = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
    try:
        with new.open("x", encoding="utf-8", errors="replace", newline="\n") as file:
            yield file
        new.replace(path)
    except BaseException:
        new.unlink(missing_ok=True)
        raise


def load(path: str | os.PathLike[str]) -> Timeline:
    """Read a timeline that `save` wrote.

    Raises:
        OSError: the file cannot be read.
        ValueError: it is not such a file, or it is damaged, or a newer version wrote it.
    """
    data = Path(path).read_bytes()
    try:
        content = json.loads(data)
        if content["format"] != FORMAT:
            raise ValueError
        newer = content["version"] > VERSION
        timeline = None if newer else _timeline(content)
    except (ValueError, KeyError, TypeError, zlib.error, RecursionError):
        # Whatever it is that is missing or wrong, to the reader it says the same.
        raise ValueError(
            f"{os.fspath(path)} is not a timeline saved by this package, or it is damaged."
        ) from None
    if timeline is None:
        raise ValueError(
            f"{os.fspath(path)} was saved by a newer version of this package: update it to read this."
        )
    return timeline


def _timeline(content: dict[str, Any]) -> Timeline:
    from helpers.timeline import Timeline

    lanes = tuple(_record(Lane, fields) for fields in content["lanes"])
    objects = tuple(_record(SyncObject, fields) for fields in content["objects"])
    things, threads = range(len(objects)), range(len(lanes))
    stuck = tuple(map(_stuck, content["stuck"]))
    # Recordings of before there were schedules have neither marks nor steps.
    steps = content.get("steps", False)
    marks = tuple(_record(Mark, fields) for fields in content.get("marks", []))
    spans = _rows(content["spans"], SPAN, lane=threads, state=range(len(STATES)), on=range(-1, len(objects)))
    holds = _rows(content["holds"], HOLD, lane=threads, lock=things)
    wakeups = _rows(content["wakeups"], WAKEUP, waker=threads, woken=threads, through=things)
    ends = np.cumsum([0, *content["spans of lane"]])
    _require(
        content["states"] == list(STATES),
        [lane.number for lane in lanes] == list(threads),
        all(lane.parent is None or lane.parent in threads for lane in lanes),
        all(
            lane is None or lane in threads
            for wait in stuck
            for lane in (wait.lane, wait.holder, wait.copied_from, *wait.workers)
        ),
        all(lane in threads for lane in content["cycle"]),
        all(mark.lane in threads for mark in marks),
        len(ends) == len(lanes) + 1,
        ends[-1] == len(spans),
        bool((np.diff(ends) >= 0).all()),
        isinstance(content["duration"], (int, float)),
        isinstance(steps, bool),
        all(isinstance(note, str) for note in content["notes"]),
    )
    return Timeline(
        lanes=lanes,
        spans=tuple(Spans(spans[begin:end], objects) for begin, end in pairwise(ends)),
        holds=Holds(holds, objects),
        wakeups=Wakeups(wakeups, objects),
        objects=objects,
        stuck=Deadlock(stuck, tuple(content["cycle"])),
        duration=content["duration"],
        notes=tuple(content["notes"]),
        marks=marks,
        steps=steps,
    )


def _stuck(fields: dict[str, Any]) -> Stuck:
    # Timelines of before executors were understood have no workers.
    parts = {"on": _record(SyncObject, fields["on"]), "workers": tuple(fields.get("workers", ()))}
    return _record(Stuck, fields | parts)


def _record(kind: type[Record], fields: dict[str, Any]) -> Record:
    _require(isinstance(fields, dict))
    hints = get_type_hints(kind)
    _require(*(isinstance(value, _accepted(hints[name])) for name, value in fields.items()))
    return kind(**fields)


def _accepted(hint: Any) -> Any:
    if hint in (float, float | None):
        return hint | int
    return tuple if get_origin(hint) is tuple else hint


def _require(*conditions: bool) -> None:
    if not all(conditions):
        raise ValueError


def _written(rows: Array) -> dict[str, Any]:
    """One entry for each column of `rows`."""
    assert rows.dtype.names is not None
    columns = {}
    for name in rows.dtype.names:
        column = rows[name].astype(rows.dtype[name].newbyteorder("<"))
        data = base64.b64encode(zlib.compress(column.tobytes(), level=1)).decode("ascii")
        columns[name] = {"type": column.dtype.str, "count": len(column), "data": data}
    return columns


def _rows(columns: dict[str, Any], dtype: np.dtype[Any], **bounds: range) -> Array:
    """What `_written` made of rows of `dtype`; some columns must lie within `bounds`."""
    assert dtype.names is not None
    count = columns[dtype.names[0]]["count"]
    found = {}
    for name in dtype.names:
        column = columns[name]
        plain = dtype[name].newbyteorder("<")
        size = count * plain.itemsize
        packed = base64.b64decode(column["data"], validate=True)
        data = zlib.decompressobj().decompress(packed, size + 1)  # never more memory than was announced
        _require(column["type"] == plain.str, column["count"] == count, len(data) == size)
        found[name] = np.frombuffer(data, plain)
    rows = np.empty(count, dtype)
    for name, values in found.items():
        rows[name] = values
    for name, allowed in bounds.items():
        _require(bool(np.isin(rows[name], allowed).all()))
    return rows


def _plain(number: Any) -> Any:
    """A number of numpy's as one of Python's."""
    if isinstance(number, np.generic):
        return number.item()
    raise TypeError(f"a timeline holds {number!r}, which cannot be saved")

"""What `to_perfetto` writes is what the timeline holds: read as JSON, and by Perfetto's trace processor."""

from __future__ import annotations

import json
import sys
import tracemalloc
from collections import Counter
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from helpers import run_script
from helpers.timeline import Timeline
from helpers.timeline.words import SHOWS
from tests.timeline import made
from tests.timeline.made import Story
from tests.timeline.trace_processor import NEEDED, TraceProcessor, is_missing, trace_processor

Event = dict[str, Any]

LOCKS = """
import os, sys, threading
first, second = threading.Lock(), threading.Lock()
def work():
    for _ in range(20):
        with first, second:
            pass
with first:
    threads = [threading.Thread(target=work, name=f"worker-{n}") for n in (1, 2)]
    for thread in threads: thread.start()
for thread in threads: thread.join()
"""
FORKED = """
import os, signal
child = os.fork()
if not child:
    signal.pause()
os.kill(child, signal.SIGKILL)
os.waitpid(child, 0)
"""


def events(timeline: Timeline, folder: Path) -> list[Event]:
    timeline.to_perfetto(folder / "trace.json")
    found: list[Event] = json.loads((folder / "trace.json").read_text(encoding="utf-8"))["traceEvents"]
    return found


def of(found: list[Event], phase: str, category: str = "") -> list[Event]:
    return [event for event in found if event["ph"] == phase and event.get("cat", "") == category]


def nanoseconds(seconds: float) -> int:
    return round(seconds * 1e9)


# -------------------------------------------------------------------------------------------- as JSON


@pytest.mark.parametrize("name", made.SMALL)
def test_each_span_is_a_slice_and_its_tail_another(name: str, tmp_path: Path) -> None:
    timeline = made.SMALL[name]()
    slices = of(events(timeline, tmp_path), "X", "state")
    for lane, spans in zip(timeline.lanes, timeline.spans, strict=True):
        mine = [event for event in slices if (event["pid"], event["tid"]) == (lane.pid, lane.number + 1)]
        expected = []
        for span in spans:
            turn = span.end if span.woken is None else max(span.woken, span.start)
            expected.append((span.start, turn, SHOWS[span.state]))
            if turn < span.end:
                expected.append((turn, span.end, SHOWS["woken"]))
        found = [
            (event["ts"] / 1e6, (event["ts"] + event["dur"]) / 1e6, event["name"].partition(":")[0])
            for event in mine
        ]
        assert [state for _, _, state in found] == [state for _, _, state in expected]
        for places, wanted in zip(found, expected, strict=True):
            assert places[:2] == pytest.approx(wanted[:2], abs=1e-9)


def test_a_slice_says_what_it_waits_for_and_where_that_was_made(tmp_path: Path) -> None:
    slices = of(events(made.deadlock(), tmp_path), "X", "state")
    (waits,) = [event for event in slices if event["name"] == "waits for a lock: lock_b"]
    assert waits["args"] == {"kind": "Lock", "made at": "demo.py:5", "ended": "never"}


def test_neighbours_meet_to_the_nanosecond(tmp_path: Path) -> None:
    found: list[Event] = []
    made.crowd(5_000).to_perfetto(tmp_path / "trace.json")
    text = (tmp_path / "trace.json").read_text()
    found = json.loads(text, parse_float=lambda digits: int(digits.replace(".", "")))["traceEvents"]
    slices = of(found, "X", "state")
    for before, after in pairwise(slices):
        if before["tid"] == after["tid"]:
            assert before["ts"] + before["dur"] == after["ts"]


def test_permits_of_one_semaphore_held_at_once_are_told_apart(tmp_path: Path) -> None:
    story = Story()
    slots, main = story.thing("Semaphore", "slots"), story.lane()
    story.did(main, "running", 1.0)
    held = [(0.0, 0.5), (0.1, 0.7), (0.5, 0.6), (0.5, 0.5)]
    for start, end in held:
        story.held(main, slots, start, end)
    found = events(story.told(), tmp_path)
    # Read as a viewer does: of each id, an end closes what began last.
    open_ones: dict[str, list[float]] = {}
    pairs = []
    for event in sorted((event for event in found if event["ph"] in "be"), key=lambda event: event["ts"]):
        begun = open_ones.setdefault(event["id2"]["local"], [])
        if event["ph"] == "b":
            begun.append(event["ts"])
        else:
            pairs.append((begun.pop() / 1e6, event["ts"] / 1e6))
    assert sorted(pairs) == sorted(held)
    assert not any(open_ones.values())


def test_a_mark_is_an_instant_of_its_thread(tmp_path: Path) -> None:
    timeline = made.lost_update()
    instants = of(events(timeline, tmp_path), "i", "mark")
    assert [(event["tid"] - 1, event["ts"] / 1e6, event["name"]) for event in instants] == [*timeline.marks]


def test_what_happens_inside_the_standard_library_is_left_out_as_in_the_picture(tmp_path: Path) -> None:
    story = Story()
    inside = story.thing("Condition", "notempty", internal=True)
    main = story.lane()
    other = story.started(main, 0.1, "other")
    story.did(main, "signal", 1.0, inside, woken=0.9)
    story.did(other, "running", 1.0)
    story.held(other, inside, 0.2, 0.9)
    story.woke(other, 0.9, main, 1.0, inside)
    found = events(story.told(), tmp_path)
    assert not of(found, "b", "hold") and not of(found, "s", "wake-up")
    assert "notempty" not in {event["name"].partition(": ")[2] for event in of(found, "X", "state")}


def test_a_file_that_cannot_be_written_leaves_the_old_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "trace.json"
    path.write_text("old")
    story = Story()
    story.lane()
    timeline = story.told()
    object.__setattr__(timeline, "holds", None)  # whatever it is that goes wrong half-way
    with pytest.raises(AttributeError):
        timeline.to_perfetto(path)
    assert [*tmp_path.iterdir()] == [path]
    assert path.read_text() == "old"


def test_the_memory_it_takes_does_not_grow_with_the_file(tmp_path: Path) -> None:
    timeline = made.crowd(100_000, threads=20)
    tracemalloc.start()
    try:
        timeline.to_perfetto(tmp_path / "trace.json")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < (tmp_path / "trace.json").stat().st_size


# ------------------------------------------------------------------------- by Perfetto's trace processor


@pytest.fixture(scope="module")
def perfetto() -> Iterator[TraceProcessor]:
    if is_missing():
        pytest.skip(NEEDED)
    with trace_processor() as processor:
        yield processor


@pytest.fixture(scope="module", params=[*made.SMALL, "LOCKS", "FORKED"])
def timeline(
    request: pytest.FixtureRequest, perfetto: TraceProcessor, tmp_path_factory: pytest.TempPathFactory
) -> Timeline:
    """One after the other, open in the trace processor."""
    if request.param == "FORKED" and sys.platform == "win32":
        pytest.skip("no fork")
    programs = {"LOCKS": LOCKS, "FORKED": FORKED}
    if request.param in programs:
        timeline = run_script(programs[request.param]).timeline
    else:
        timeline = made.SMALL[request.param]()
    path = tmp_path_factory.mktemp("perfetto") / "trace.json"
    timeline.to_perfetto(path)
    perfetto.open(path)
    return timeline


def test_it_is_read_without_a_complaint(perfetto: TraceProcessor, timeline: Timeline) -> None:
    sql = "select name, value from stats where severity in ('error', 'data_loss') and value > 0"
    assert perfetto.query(sql) == []
    assert perfetto.query("select count(*) from slice where dur < 0") == [(0,)]


def test_processes_and_threads_have_their_names(perfetto: TraceProcessor, timeline: Timeline) -> None:
    threads = perfetto.query(
        "select pid, process.name, tid, thread.name from thread join process using (upid) "
        "where tid != pid and pid > 0 order by tid"
    )
    assert threads == [
        (lane.pid, lane.process, lane.number + 1, lane.thread + (" · daemon" if lane.daemon else ""))
        for lane in timeline.lanes
    ]


def test_it_holds_every_slice_of_every_state(perfetto: TraceProcessor, timeline: Timeline) -> None:
    rows = perfetto.query(
        "select tid, slice.name, ts, dur, depth from slice join thread_track on track_id = thread_track.id "
        "join thread using (utid) where category = 'state'"
    )
    found = Counter((tid, name.partition(":")[0], ts, dur, depth) for tid, name, ts, dur, depth in rows)
    wanted: Counter[tuple[int, str, int, int, int]] = Counter()
    for lane, spans in enumerate(timeline.spans, 1):
        for span in spans:
            start, end = nanoseconds(span.start), nanoseconds(span.end)
            turn = end if span.woken is None else max(min(nanoseconds(span.woken), end), start)
            wanted[lane, SHOWS[span.state], start, turn - start, 0] += 1
            if turn < end:
                wanted[lane, SHOWS["woken"], turn, end - turn, 0] += 1
    assert found == wanted


def test_an_arrow_leads_from_each_waker_to_where_its_wait_was_over(
    perfetto: TraceProcessor, timeline: Timeline
) -> None:
    rows = perfetto.query(
        "select begin.ts, one.tid, end.ts, other.tid, end.category from flow "
        "join slice begin on slice_out = begin.id join slice end on slice_in = end.id "
        "join thread_track one_track on begin.track_id = one_track.id join thread one using (utid) "
        "join thread_track other_track on end.track_id = other_track.id "
        "join thread other on other_track.utid = other.utid where begin.category = 'wake-up'"
    )
    assert Counter(rows) == Counter(
        (nanoseconds(wakeup.at), wakeup.waker + 1, nanoseconds(wakeup.until), wakeup.woken + 1, "state")
        for wakeup in timeline.wakeups
    )


def test_an_arrow_leads_from_each_parent_to_what_it_started(
    perfetto: TraceProcessor, timeline: Timeline
) -> None:
    rows = perfetto.query(
        "select begin.ts, one.tid, other.tid, end.category from flow "
        "join slice begin on slice_out = begin.id join slice end on slice_in = end.id "
        "join thread_track one_track on begin.track_id = one_track.id join thread one using (utid) "
        "join thread_track other_track on end.track_id = other_track.id "
        "join thread other on other_track.utid = other.utid where begin.category = 'birth'"
    )
    assert Counter(rows) == Counter(
        (nanoseconds(lane.started), lane.parent + 1, lane.number + 1, "state")
        for lane in timeline.lanes
        if lane.parent is not None and lane.started is not None
    )


def test_each_lock_has_a_row_that_says_who_held_it(perfetto: TraceProcessor, timeline: Timeline) -> None:
    rows = perfetto.query(
        "select pid, slice.name, track.name, ts, dur from slice join process_track track "
        "on track_id = track.id join process using (upid) where category = 'hold'"
    )
    assert all(name == row for _, name, row, _, _ in rows)
    # This Perfetto leaves a backslash doubled, as JSON has it, in texts without a quotation mark.
    assert Counter((pid, name.replace(2 * "\\", "\\"), ts, dur) for pid, name, _, ts, dur in rows) == Counter(
        (
            timeline.lanes[hold.lane].pid,
            hold.lock.name,
            nanoseconds(hold.start),
            nanoseconds(hold.end) - nanoseconds(hold.start),
        )
        for hold in timeline.holds
        if not hold.lock.internal
    )


def test_each_thread_ends_with_a_mark(perfetto: TraceProcessor, timeline: Timeline) -> None:
    rows = perfetto.query(
        "select tid, slice.name from slice join thread_track on track_id = thread_track.id "
        "join thread using (utid) where category = 'end' order by tid"
    )
    assert [tid for tid, _ in rows] == [lane.number + 1 for lane in timeline.lanes]
    for (_, name), lane in zip(rows, timeline.lanes, strict=True):
        words = {"killed": f"killed by {lane.detail}", "cut off": "cut off when the process ended"}
        assert name == words.get(lane.ending, name)
        assert (lane.ending == "killed") == name.startswith("killed by")


def test_letters_come_through(perfetto: TraceProcessor, tmp_path: Path) -> None:
    story = Story()
    main = story.lane('the "main" · \\ 日本', process="<b>&", pid=3)
    story.did(main, "lock", 1.0, story.thing("Lock", 'locks["é"]', "é.py", 7))
    story.did(story.lane("broken: \udc80"), "running", 1.0)
    story.told().to_perfetto(tmp_path / "trace.json")
    perfetto.open(tmp_path / "trace.json")
    assert perfetto.query("select name from process where pid = 3") == [("<b>&",)]
    assert perfetto.query("select name from thread where tid in (1, 2) order by tid") == [
        ('the "main" · \\ 日本',),
        ("broken: ?",),
    ]
    assert perfetto.query("select name from slice where category = 'state' order by name desc") == [
        ('waits for a lock: locks["é"]',),
        ("running",),
    ]
    assert perfetto.query("select display_value from args where flat_key = 'args.made at'") == [("é.py:7",)]


def test_threads_without_a_process_id_are_not_left_out(perfetto: TraceProcessor, tmp_path: Path) -> None:
    story = Story()
    story.did(story.lane("one", pid=0), "running", 1.0)
    story.told().to_perfetto(tmp_path / "trace.json")
    perfetto.open(tmp_path / "trace.json")
    assert perfetto.query("select name from thread where tid = 1") == [("one",)]

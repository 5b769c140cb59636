"""record(): code of this process, its own threads only, and everything put back afterwards."""

from __future__ import annotations

import os
import queue
import subprocess
import sys
import threading
import time

import pytest

from helpers import record


def states(timeline, lane):
    return [
        (span.state, span.on.name if span.on else "")
        for span in timeline.spans[lane]
        if span.state != "running"
    ]


def test_the_block_is_recorded_with_the_threads_it_starts():
    with record() as timeline:
        assert timeline.lanes == ()
        lock, held = threading.Lock(), threading.Event()

        def hold():
            with lock:
                held.set()
                time.sleep(0.05)

        thread = threading.Thread(target=hold, name="holder")
        thread.start()
        held.wait()
        with lock:
            pass
        thread.join()
    assert [(lane.thread, lane.ending) for lane in timeline.lanes] == [
        ("MainThread", "alive"),
        ("holder", "ended"),
    ]
    assert ("lock", "lock") in states(timeline, 0)
    assert {hold.lock.name for hold in timeline.holds} == {"lock"}
    assert (1, 0, "lock") in [(w.waker, w.woken, w.through.name) for w in timeline.wakeups]


def test_threads_that_were_there_before_are_left_out():
    go, stop = threading.Event(), threading.Event()

    def other():
        go.wait()
        while not stop.is_set():
            time.sleep(0.001)

    thread = threading.Thread(target=other)
    thread.start()
    with record() as timeline:
        go.set()
        time.sleep(0.02)
    stop.set()
    thread.join()
    assert [lane.thread for lane in timeline.lanes] == ["MainThread"]
    assert states(timeline, 0) == [("sleep", "")]


def test_an_exception_passes_through_and_what_was_recorded_is_there():
    timelines = []

    def fail() -> None:
        with record() as timeline:
            timelines.append(timeline)
            time.sleep(0.001)
            raise KeyError

    with pytest.raises(KeyError):
        fail()
    (timeline,) = timelines
    assert states(timeline, 0) == [("sleep", "")]


def test_everything_is_put_back():
    watched = [
        (threading, "Lock"), (threading, "RLock"), (threading.Thread, "start"), (threading.Thread, "join"),
        (threading.Event, "wait"), (threading.Condition, "wait"), (threading.Semaphore, "acquire"),
        (threading.Barrier, "wait"), (queue.Queue, "get"), (queue.Queue, "put"), (time, "sleep"),
        (os, "kill"), (os, "_exit"), (threading, "_shutdown"),
    ]  # fmt: skip
    before = [getattr(owner, name) for owner, name in watched], list(sys.meta_path), dict(os.environ)
    with record():
        assert [getattr(owner, name) for owner, name in watched] != before[0]
    assert (
        [getattr(owner, name) for owner, name in watched],
        list(sys.meta_path),
        dict(os.environ),
    ) == before


def test_objects_and_threads_of_one_recording_work_on_in_the_next_and_in_none():
    with record():
        lock, items = threading.Lock(), queue.Queue()
        release = threading.Event()
        thread = threading.Thread(target=lambda: (release.wait(), items.put(1)), name="left")
        thread.start()
    with lock:
        pass
    with record() as second:
        with lock:
            release.set()
            items.get()
        thread.join()
    assert [hold.lock.name for hold in second.holds] == ["lock"]
    assert states(second, 0)[-1] == ("join", "left")
    assert [lane.thread for lane in second.lanes] == ["MainThread"]


def test_a_second_recording_at_once_is_refused():
    with record(), pytest.raises(RuntimeError, match="being recorded already"), record():
        pass
    with record() as timeline:
        time.sleep(0.001)
    assert states(timeline, 0) == [("sleep", "")]


def test_children_are_recorded_and_no_folder_is_left():
    with record() as timeline:
        folder = os.environ["HELPERS_RECORDING"]
        subprocess.run([sys.executable, "-c", "import time; time.sleep(0.01)"], check=True)
    assert [lane.process for lane in timeline.lanes] == ["main process", "child 1"]
    assert states(timeline, 1) == [("sleep", "")]
    assert not os.path.exists(folder)

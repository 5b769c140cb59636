"""record(): code of this process, its own threads only, and everything put back afterwards."""

from __future__ import annotations

import _thread
import inspect
import os
import pickle
import queue
import subprocess
import sys
import threading
import time
from threading import Lock
from time import sleep

import pytest

from helpers import record, recorder, recording
from helpers.schedules.workers import frames
from helpers.script import run_script


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


def test_a_recording_within_another_has_its_own_stretch():
    with record() as outer:
        first = threading.Lock()
        with first, record() as inner:
            second = threading.Lock()
            with second:
                time.sleep(0.01)
            thread = threading.Thread(target=time.sleep, args=(0.01,), name="inner")
            thread.start()
            thread.join()
        assert [(lane.thread, lane.how) for lane in inner.lanes] == [("MainThread", ""), ("inner", "start")]
        assert states(inner, 0) == [("sleep", ""), ("join", "inner")]
        assert [(hold.lock.name, hold.start > 0) for hold in inner.holds] == [
            ("first", False),
            ("second", True),
        ]
        assert [(wakeup.waker, wakeup.woken) for wakeup in inner.wakeups] == [(1, 0)]
        thread = threading.Thread(target=int, name="outer")
        thread.start()
        thread.join()
    assert [lane.thread for lane in outer.lanes] == ["MainThread", "inner", "outer"]
    assert states(outer, 0) == [("sleep", ""), ("join", "inner"), ("join", "outer")]
    assert inner.duration < outer.duration
    assert inner.lanes[0].cpu <= outer.lanes[0].cpu


def test_a_wait_that_had_begun_before_the_inner_recording_goes_on_in_it():
    with record():
        go, waiting = threading.Event(), threading.Lock()
        waiting.acquire()

        def wait():
            waiting.release()
            go.wait()

        thread = threading.Thread(target=wait, name="waiter")
        thread.start()
        waiting.acquire()
        while frames()[thread.ident].f_code.co_name != "wait":
            time.sleep(0.001)
        with record() as inner:
            time.sleep(0.01)
            go.set()
            thread.join()
    (waiter,) = (lane for lane in inner.lanes if lane.thread == "waiter")
    assert waiter.born == 0
    first = inner.spans[waiter.number][0]
    assert (first.start, first.state, first.on.name) == (0, "signal", "go")


def test_a_recorded_script_may_record_a_part_of_itself():
    run = run_script(
        """
import time
from helpers import record
time.sleep(0.01)
with record() as part:
    time.sleep(0.01)
print([span.state for span in part.spans[0] if span.state != "running"])
""",
        env={"PYTHONPATH": os.pathsep.join(sys.path)},
    )
    assert run.stdout == "['sleep']\n"
    assert len([span for span in run.timeline.spans[0] if span.state == "sleep"]) == 2


def test_an_interrupt_ends_the_recording_and_everything_is_put_back():
    before = threading.Lock, time.sleep, dict(os.environ)
    timelines = []

    def interrupted() -> None:
        with record() as timeline:
            timelines.append(timeline)
            _thread.interrupt_main()
            time.sleep(10)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (threading.Lock, time.sleep, dict(os.environ)) == before
    assert timelines[0].lanes


def test_an_interrupt_while_it_ends_leaves_nothing_behind(monkeypatch):
    """The second interrupt comes in the middle of putting back."""
    before = threading.Lock, time.sleep, dict(os.environ)
    times = iter([True])
    put_back = recording.recorder.put_back

    def interrupted_put_back() -> None:
        put_back()
        if next(times, False):
            raise KeyboardInterrupt

    monkeypatch.setattr(recording.recorder, "put_back", interrupted_put_back)

    def interrupted() -> None:
        with record():
            folders.append(os.environ["HELPERS_RECORDING"])

    folders = []
    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert (threading.Lock, time.sleep, dict(os.environ)) == before
    assert not os.path.exists(folders[0])
    with record() as timeline:
        time.sleep(0.001)
    assert states(timeline, 0) == [("sleep", "")]


class Account:
    def __init__(self):
        self.guard = threading.Lock()


earlier, unrecorded_sleep = Lock(), sleep
forks = [Lock(), Lock()]
again = threading.RLock()
by_name = {"a": Lock()}
account = Account()


def test_locks_made_and_functions_imported_earlier_are_recorded_too():
    bare = earlier, *forks, by_name["a"], account.guard, Lock, sleep
    with record() as timeline:
        for lock in (earlier, forks[1], by_name["a"], account.guard, Lock()):
            with lock:
                sleep(0.001)
        earlier.acquire()  # and stays held
    assert (earlier, *forks, by_name["a"], account.guard, Lock, sleep) == bare
    *holds, made_now, held = [(hold.lock.name, hold.open) for hold in timeline.holds]
    assert holds == [
        ("earlier", False), ("forks[1]", False), ("by_name['a']", False), ("account.guard", False),
    ]  # fmt: skip
    assert made_now[0].startswith("Lock of line")
    assert held == ("earlier", True)
    assert states(timeline, 0) == [("sleep", "")] * 5
    assert earlier.locked()
    earlier.release()


def test_what_is_repeated_from_recording_to_recording_does_not_grow_without_end():
    for _ in range(3):
        with record() as timeline:
            for _ in range(3_000):
                threading.Event()
            lock = threading.Lock()
            with lock:
                pass
    assert len(recorder.tape._definitions) <= 5_000
    assert [hold.lock.name for hold in timeline.holds] == ["lock"]


def test_a_re_entrant_lock_made_earlier_is_recorded_too():
    bare, kind = again, type(again)

    def use(name: str) -> None:
        with again, again:
            again.acquire()
            again.release()
        assert not again._is_owned()
        notified = threading.Condition(again)
        with again, notified:
            notified.wait(0.001)

    with again, record() as timeline:  # held when it begins
        assert again is not bare and isinstance(again, kind) and again._is_owned()
        thread = threading.Thread(target=use, args=("other",), name="other")
        thread.start()
        while not any("_wait" in frame.f_code.co_name for frame in _frames_of(thread)):
            time.sleep(0.001)
        again.release()
        thread.join()
        for wrong in (lambda: again.release(), lambda: again.acquire(False, 1), lambda: pickle.dumps(again)):
            with pytest.raises((RuntimeError, ValueError, TypeError)):
                wrong()
        again.acquire()
    assert again is bare
    assert states(timeline, 1)[0] == ("lock", "again")
    assert [(hold.lane, hold.lock.name, hold.lock.kind, hold.open) for hold in timeline.holds] == [
        *[(1, "again", "RLock", False)] * 3,
        (0, "again", "RLock", True),
    ]


def _frames_of(thread):
    frame = frames().get(thread.ident)
    while frame is not None:
        yield frame
        frame = frame.f_back


def test_a_condition_made_earlier_is_waited_for():
    condition = threading.Condition()
    with record() as timeline, condition:
        condition.wait(0.001)
    assert [state for state, _ in states(timeline, 0)] == ["signal"]


def test_a_thread_started_earlier_is_joined():
    main = threading.get_ident()

    def until_joined() -> None:
        while frames()[main].f_back.f_code.co_name != "join":
            time.sleep(0.001)

    thread = threading.Thread(target=until_joined, name="early")
    thread.start()
    with record() as timeline:
        thread.join()
    assert states(timeline, 0) == [("join", "early")]


def test_a_lock_of_an_ended_recording_is_a_bare_one_again():
    with record():
        lock, again, items = threading.Lock(), threading.RLock(), queue.SimpleQueue()
    for each in (lock, again):
        for name in ("acquire", "release", "__enter__", "__exit__"):
            assert inspect.isbuiltin(getattr(each, name))
    assert inspect.isbuiltin(items.get) and inspect.isbuiltin(items.put)
    with lock, again, again:
        assert lock.locked()
    condition = threading.Condition(again)
    with again, condition, record() as timeline:
        assert not condition.wait(0.001)
    assert [state for state, _ in states(timeline, 0)] == ["signal"]
    assert again._is_owned() is False


def test_cpu_time_tells_the_busy_from_the_idle():
    def busy() -> None:
        end = time.thread_time() + 0.1
        while time.thread_time() < end:
            pass

    with record() as timeline:
        threads = [threading.Thread(target=busy), threading.Thread(target=time.sleep, args=(0.1,))]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    main, worked, slept = (lane.cpu for lane in timeline.lanes)
    assert worked >= 0.1
    assert slept < 0.05
    assert main < 0.05


def test_children_are_recorded_and_no_folder_is_left():
    with record() as timeline:
        folder = os.environ["HELPERS_RECORDING"]
        subprocess.run([sys.executable, "-c", "import time; time.sleep(0.01)"], check=True)
    assert [lane.process for lane in timeline.lanes] == ["main process", "child 1"]
    assert states(timeline, 1) == [("sleep", "")]
    assert not os.path.exists(folder)


def test_a_thread_that_was_made_before_is_started_without_a_wait() -> None:
    thread = threading.Thread(target=int)
    with record() as timeline:
        thread.start()
        thread.join()
    assert {each.kind for each in timeline.objects} == {"Thread"}

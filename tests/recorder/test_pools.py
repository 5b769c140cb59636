"""Executors, pools and timers: idle workers wait, and so does who asks for a result."""

from __future__ import annotations

import pytest

from tests.recorder.programs import METHODS, WAITING, recorded


def test_idle_workers_of_an_executor_wait_and_so_does_who_asks_for_a_result():
    seen = recorded(
        WAITING
        + """
from concurrent.futures import ThreadPoolExecutor
go, begun = threading.Event(), threading.Event()
def work(number):
    begun.set()
    go.wait()
    return number
with ThreadPoolExecutor(1) as pool:
    first = pool.submit(work, 1)
    run(first.result, go.set, "result")
    worker = next(t for t in threading.enumerate() if t.name.startswith("ThreadPool"))
    while not is_waiting(worker, "get"): time.sleep(0.001)
    second = pool.submit(work, 2)
    print(first.result(), second.result())
"""
    )
    assert seen.run.stdout == "1 2\n"
    assert seen.waits["waiter"] == [("signal", "first")]
    assert ("ThreadPoolExecutor-0_0", "waiter", "first") in seen.wakeups
    assert ("signal", "go") in seen.waits["ThreadPoolExecutor-0_0"]
    assert ("queue", "tasks for pool") in seen.waits["ThreadPoolExecutor-0_0"]
    assert ("MainThread", "ThreadPoolExecutor-0_0", "tasks for pool") in seen.wakeups


def test_a_look_for_an_idle_worker_is_no_wait():
    seen = recorded(
        """
from concurrent.futures import ThreadPoolExecutor
with ThreadPoolExecutor(2) as pool:
    pool.submit(int)
"""
    )
    assert not [wait for wait in seen.waits["MainThread"] if wait[0] == "signal"]


def test_an_executor_left_idle_is_not_stuck():
    seen = recorded(
        """
import time
from concurrent.futures import ThreadPoolExecutor
pool = ThreadPoolExecutor(1)
pool.submit(int).result()
while True: time.sleep(10)
""",
        timeout=1,
    )
    span = seen.spans["ThreadPoolExecutor-0_0"][-1]
    assert (span.state, span.on.name, span.open) == ("queue", "tasks for pool", True)
    assert not seen.timeline.stuck


@pytest.mark.parametrize(
    "call", ["wait([future])", "next(as_completed([future]))"], ids=["wait", "as_completed"]
)
def test_waiting_for_several_futures(call):
    seen = recorded(
        WAITING
        + f"""
from concurrent.futures import Future, as_completed, wait
future = Future()
run(lambda: {call}, lambda: future.set_result(1), "wait")
"""
    )
    assert seen.waits["waiter"] == [("signal", "the futures")]
    assert ("MainThread", "waiter", "the futures") in seen.wakeups


def test_a_future_that_is_cancelled_or_waited_for_too_briefly():
    seen = recorded(
        WAITING
        + """
from concurrent.futures import CancelledError, Future, TimeoutError
future = Future()
try: future.result(0.01)
except TimeoutError: print("too early")
def waits():
    try: future.exception()
    except CancelledError: print("cancelled")
run(waits, future.cancel, "exception")
print(future.cancel(), future.cancelled())
"""
    )
    assert seen.run.stdout == "too early\ncancelled\nTrue True\n"
    assert seen.spans["MainThread"][1].on.name == "future"
    assert seen.spans["MainThread"][1].woken is None
    assert ("MainThread", "waiter", "future") in seen.wakeups


@pytest.mark.parametrize("method", METHODS)
def test_an_executor_of_processes(method):
    seen = recorded(
        """
import time
from concurrent.futures import ProcessPoolExecutor
def work(number):
    time.sleep(0.05)
    return number
if __name__ == "__main__":
    with ProcessPoolExecutor(1) as pool:
        future = pool.submit(work, 1)
        print(future.result())
        time.sleep(0.05)
        print(*pool.map(work, [2]))
""",
        start_method=method,
        timeout=30,
    )
    assert seen.run.stdout == "1\n2\n"
    assert ("signal", "future") in seen.waits["MainThread"]
    (worker,) = (
        lane
        for lane in seen.lanes.values()
        if lane.process.endswith("Process-1") and lane.thread == "MainThread"
    )
    states = {(span.state, span.on.name) for span in seen.timeline.spans[worker.number] if span.on}
    assert ("queue", "tasks for pool") in states
    assert not seen.timeline.stuck
    # The locks of the library's own queues are not shown, nor what its workers make of them.
    assert {each.kind for each in seen.timeline.objects if not each.internal} <= {
        "Future", "Process", "Thread", "pipe", "sleep"
    }  # fmt: skip


@pytest.mark.parametrize("method", METHODS)
def test_a_pool_of_processes(method):
    seen = recorded(
        """
import multiprocessing, time
def work(number):
    time.sleep(0.05)
    return number
if __name__ == "__main__":
    with multiprocessing.Pool(1) as pool:
        result = pool.apply_async(work, [1])
        print(result.get())
        print(*pool.imap(work, [2]))
""",
        start_method=method,
        timeout=30,
    )
    assert seen.run.stdout == "1\n2\n"
    signals = [name for state, name in seen.waits["MainThread"] if state == "signal"]
    assert signals[0] == "result"
    assert signals[1].startswith("IMapIterator of line")
    (worker,) = (lane for lane in seen.lanes.values() if lane.process.endswith("PoolWorker-1"))
    waits = [(span.state, span.on and span.on.name) for span in seen.timeline.spans[worker.number]]
    assert ("queue", "tasks for pool") in waits
    assert ("sleep", None) in waits


def test_a_pool_of_threads():
    seen = recorded(
        """
import time
from multiprocessing.pool import ThreadPool
pool = ThreadPool(1)
squares = pool.map(lambda n: time.sleep(0.02) or n * n, [3])
print(squares)
pool.close(); pool.join()
"""
    )
    assert seen.run.stdout == "[9]\n"
    assert ("signal", "squares") in seen.waits["MainThread"]
    worker = next(key for key in seen.waits if key.startswith("Thread-1"))
    assert ("queue", "tasks for pool") in seen.waits[worker]
    assert ("sleep", "") in seen.waits[worker]


def test_a_timer_waits_for_its_time_or_for_its_cancellation():
    seen = recorded(
        """
import threading
done = threading.Event()
short = threading.Timer(0.02, done.set); short.name = "short"; short.start()
long = threading.Timer(1000, print); long.name = "long"; long.start()
done.wait()
long.cancel(); long.join()
"""
    )
    assert seen.waits["short"] == [("signal", "short")]
    assert seen.spans["short"][1].woken is None
    assert seen.waits["long"] == [("signal", "long")]
    assert ("MainThread", "long", "long") in seen.wakeups
    assert ("short", "MainThread", "done") in seen.wakeups


# Deadlocks through the results of an executor.


def last_lines(seen, count):
    return seen.timeline.summary().splitlines()[-count:]


def test_a_task_that_waits_for_a_task_behind_it_in_the_same_pool():
    seen = recorded(
        """
from concurrent.futures import ThreadPoolExecutor
pool = ThreadPoolExecutor(1)
def outer():
    inner = pool.submit(int)
    return inner.result()
whole = pool.submit(outer)
whole.result()
""",
        timeout=2,
    )
    worker = seen.lanes["ThreadPoolExecutor-0_0"].number
    assert seen.timeline.stuck.cycle == (worker,)
    assert last_lines(seen, 2) == [
        "Deadlock: ThreadPoolExecutor-0_0 waits for the result of inner (Future, script.py:5), "
        "which no worker of pool is free to run: its one worker waits.",
        "Never woken: MainThread waits for the result of whole (Future, script.py:7), "
        "run by ThreadPoolExecutor-0_0.",
    ]


def test_a_pool_all_of_whose_workers_wait_for_tasks_in_its_queue():
    seen = recorded(
        """
import threading
from concurrent.futures import ThreadPoolExecutor
both = threading.Barrier(2)
def outer():
    both.wait()
    inner = pool.submit(int)
    return inner.result()
with ThreadPoolExecutor(2) as pool:
    pool.submit(outer)
    pool.submit(outer)
    last = pool.submit(int)
    last.result()
""",
        timeout=2,
    )
    workers = [seen.lanes[f"ThreadPoolExecutor-0_{number}"].number for number in (0, 1)]
    assert sorted(seen.timeline.stuck.cycle) == workers
    starved = "which no worker of pool is free to run: all its 2 workers wait"
    deadlock, never = last_lines(seen, 2)
    assert deadlock.startswith("Deadlock: ThreadPoolExecutor-0_0 waits for the result of inner")
    assert deadlock.count(f"(Future, script.py:7), {starved}") == 2
    assert never == f"Never woken: MainThread waits for the result of last (Future, script.py:12), {starved}."


def test_two_tasks_that_wait_for_each_other():
    seen = recorded(
        """
import threading
from concurrent.futures import ThreadPoolExecutor
all_there = threading.Barrier(3)
def left():
    all_there.wait()
    right_one.result()
def right():
    all_there.wait()
    left_one.exception()
with ThreadPoolExecutor(2) as pool:
    left_one = pool.submit(left)
    right_one = pool.submit(right)
    all_there.wait()
""",
        timeout=2,
    )
    # Which of the two workers runs which task is luck.
    (right_by,), (left_by,) = ({w.holder for w in seen.timeline.stuck.waits if w.on.name == name}
                               for name in ("right_one", "left_one"))  # fmt: skip
    assert set(seen.timeline.stuck.cycle) == {right_by, left_by}
    said = seen.timeline.summary()
    left_name, right_name = (seen.timeline.lanes[lane].thread for lane in (left_by, right_by))
    assert (
        f"{left_name} waits for the result of right_one (Future, script.py:13), run by {right_name}" in said
    )
    assert f"{right_name} waits for the result of left_one (Future, script.py:12), run by {left_name}" in said


def test_a_lock_held_while_a_result_is_waited_for():
    seen = recorded(
        """
import threading
from concurrent.futures import ThreadPoolExecutor
lock = threading.Lock()
def work():
    with lock: pass
with ThreadPoolExecutor(2) as pool:
    with lock:
        future = pool.submit(work)
        future.result()
""",
        timeout=2,
    )
    assert last_lines(seen, 1) == [
        "Deadlock: MainThread waits for the result of future (Future, script.py:9), "
        "run by ThreadPoolExecutor-0_0; "
        "ThreadPoolExecutor-0_0 waits for lock (Lock, script.py:4), held by MainThread."
    ]


@pytest.mark.parametrize("free", ["idle", "busy", "with a timeout"])
def test_a_pool_with_a_worker_that_may_yet_be_free_is_not_starved(free):
    seen = recorded(
        f"""
import threading, time
from concurrent.futures import ThreadPoolExecutor
both = threading.Barrier(2)
def outer():
    both.wait()
    inner = pool.submit(go.wait) if {free!r} == "idle" else pool.submit(int)
    inner.result()
def other():
    both.wait()
    if {free!r} == "busy":
        time.sleep(1000)
    if {free!r} == "with a timeout":
        pool.submit(int).result(1000)
go = threading.Event()
pool = ThreadPoolExecutor(2)
first = pool.submit(outer)
pool.submit(other)
first.result()
""",
        timeout=2,
    )
    assert [wait.on.name for wait in seen.timeline.stuck.waits if wait.on.name == "inner"] == ["inner"]
    assert not seen.timeline.stuck.cycle
    assert "Deadlock" not in seen.timeline.summary()
    assert "is free to run" not in seen.timeline.summary()


@pytest.mark.parametrize("call", ["wait(inner)", "next(as_completed(inner))"], ids=["wait", "as_completed"])
def test_a_task_that_waits_for_several_behind_it(call):
    seen = recorded(
        f"""
from concurrent.futures import ThreadPoolExecutor, as_completed, wait
pool = ThreadPoolExecutor(1)
def outer():
    inner = [pool.submit(int), pool.submit(int)]
    {call}
pool.submit(outer).result()
""",
        timeout=2,
    )
    (deadlock,) = (line for line in seen.timeline.summary().splitlines() if line.startswith("Deadlock"))
    assert deadlock == (
        "Deadlock: ThreadPoolExecutor-0_0 waits for the result of the futures (Future, script.py:6), "
        "which no worker of pool is free to run: its one worker waits."
    )


def test_who_waits_for_any_of_several_futures_may_yet_have_one():
    seen = recorded(
        """
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
pool = ThreadPoolExecutor(1)
promise = Future()
def outer():
    next(as_completed([pool.submit(int), promise]))
pool.submit(outer).result()
""",
        timeout=2,
    )
    assert not seen.timeline.stuck.cycle


def test_a_future_that_nobody_runs_is_waited_for_in_vain():
    seen = recorded(
        """
from concurrent.futures import Future
promise = Future()
promise.result()
""",
        timeout=2,
    )
    assert last_lines(seen, 1) == [
        "Still waiting when stopped: MainThread waits for the result of promise (Future, script.py:3)."
    ]

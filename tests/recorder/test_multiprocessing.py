"""`multiprocessing`: what processes wait for that is not in `tests/recorder/test_recording.py`."""

from __future__ import annotations

import sys

import pytest

from tests.recorder.programs import METHODS, forks, recorded

# The child waits; the parent ends it when it sees that it does (`seen` says so, from inside the object).
WAITS = {
    "Event": ("multiprocessing.Event()", "thing.wait()", "asleep(thing._cond) and blocked(process)", "thing.set()", "signal"),
    "Condition": (
        "multiprocessing.Condition()", "with thing: thing.wait()", "asleep(thing) and blocked(process)", "with thing: thing.notify()", "signal",
    ),
    "Barrier": ("multiprocessing.Barrier(2)", "thing.wait()", "asleep(thing._cond) and blocked(process)", "thing.wait()", "signal"),
    "Barrier aborted": ("multiprocessing.Barrier(2)", "thing.wait()", "asleep(thing._cond) and blocked(process)", "thing.abort()", "signal"),
    "Semaphore": ("multiprocessing.Semaphore(0)", "thing.acquire()", "blocked(process)", "thing.release()", "signal"),
    "SimpleQueue": ("multiprocessing.SimpleQueue()", "thing.get()", "taken(thing._rlock)", "thing.put(1)", "queue"),
    "Queue": ("multiprocessing.Queue()", "thing.get()", "taken(thing._rlock)", "thing.put(1)", "queue"),
    "JoinableQueue": ("multiprocessing.JoinableQueue()", "thing.get()", "taken(thing._rlock)", "thing.put(1)", "queue"),
}  # fmt: skip
PROGRAM = """
import multiprocessing, time
def wait(thing, about_to):
    about_to.send(None)
    {wait}
def asleep(condition): return not condition._sleeping_count._semlock._is_zero()
def taken(lock): return lock._semlock._is_zero()
def blocked(process):
    with open(f"/proc/{{process.pid}}/stat") as stat: return stat.read().rpartition(")")[2].split()[0] == "S"
if __name__ == "__main__":
    thing = {make}
    told, about_to = multiprocessing.Pipe(False)
    process = multiprocessing.Process(target=wait, args=(thing, about_to), name="waiter")
    process.start()
    told.recv()
    while not ({seen}): time.sleep(0.001)
    {end}
    process.join()
"""


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("kind", WAITS)
def test_a_wait_in_a_child_is_ended_by_its_parent(kind, method):
    if "blocked" in WAITS[kind][2] and sys.platform != "linux":
        pytest.skip("needs /proc, to see that a process is blocked")
    make, wait, asleep, end, state = WAITS[kind]
    seen = recorded(
        PROGRAM.format(make=make, wait=wait, seen=asleep, end=end), start_method=method, timeout=30
    )
    assert seen.run.exit_code == 0
    assert (state, "thing") in seen.waits["waiter"]
    assert ("MainThread", "waiter", "thing") in seen.wakeups
    (on,) = {span.on for span in seen.spans["waiter"] if span.state == state and span.on.name == "thing"}
    assert on.kind == f"multiprocessing.{kind.split()[0]}"
    assert (on.file, on.line, on.internal) == ("script.py", 11, False)


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, to see that a process is blocked")
@pytest.mark.parametrize("method", METHODS)
def test_a_join_of_a_queue_is_ended_by_the_last_task_done(method):
    seen = recorded(
        """
import multiprocessing, time
def blocked():
    with open(f"/proc/{multiprocessing.parent_process().pid}/stat") as stat: return stat.read().rpartition(")")[2].split()[0] == "S"
def work(items):
    for _ in range(2):
        items.get()
        while items._cond._sleeping_count._semlock._is_zero() or not blocked(): time.sleep(0.001)
        items.task_done()
if __name__ == "__main__":
    items = multiprocessing.JoinableQueue()
    items.put(1); items.put(2)
    process = multiprocessing.Process(target=work, args=(items,), name="worker")
    process.start()
    items.join()
    process.join()
""",
        start_method=method,
        timeout=30,
    )
    assert seen.run.exit_code == 0
    assert ("queue", "unfinished tasks of items") in seen.waits["MainThread"]
    assert ("worker", "MainThread", "unfinished tasks of items") in seen.wakeups
    assert not seen.timeline.stuck


def test_a_condition_is_held_and_waited_for_by_its_name():
    seen = recorded(
        """
import multiprocessing
ready = multiprocessing.Condition()
with ready: ready.wait(0.01)
class Gate:
    def __init__(self): self.opened = multiprocessing.Event()
Gate().opened.wait(0.01)
lock = multiprocessing.Lock()
with multiprocessing.Condition(lock) as _: pass
"""
    )
    assert seen.waits["MainThread"] == [("signal", "ready"), ("signal", "self.opened")]
    assert [hold[1] for hold in seen.holds] == ["ready", "ready", "lock"]


@forks
def test_a_fork_server_that_is_there_is_not_waited_for():
    seen = recorded(
        """
import multiprocessing, os
if __name__ == "__main__":
    child = multiprocessing.Process(target=os.getpid, name="child"); child.start(); child.join()
""",
        start_method="forkserver",
    )
    assert seen.waits["MainThread"] == [("join", "child")]
    assert seen.waits["child"] == []


def test_a_manager_answers_from_its_own_process():
    seen = recorded(
        """
import multiprocessing
if __name__ == "__main__":
    with multiprocessing.Manager() as manager:
        shared = manager.dict()
        shared["a"] = 1
        lock = manager.Lock()
        with lock: print(dict(shared))
""",
        timeout=30,
    )
    assert seen.run.stdout == "{'a': 1}\n"
    assert ("io", "a socket") in seen.waits["MainThread"]
    manager = next(lane for lane in seen.timeline.lanes if lane.process.startswith("SyncManager"))
    waits = {
        span.state
        for lane in seen.timeline.lanes
        if lane.pid == manager.pid
        for span in seen.timeline.spans[lane.number]
    }
    assert "io" in waits
    assert not seen.timeline.stuck

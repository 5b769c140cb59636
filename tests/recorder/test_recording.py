"""What the recorder sees: waits, wake-ups, holds, births and deaths, on real programs."""

from __future__ import annotations

import collections
import itertools
import sys
from pathlib import Path

import numpy as np
import pytest

from helpers import script
from helpers.recorder import fileformat
from helpers.script import run_script
from tests.recorder.programs import DEATHS, METHODS, WAITING, forks, overlapping, recorded

PRIMITIVES = {
    "Lock": ("thing = threading.Lock(); thing.acquire()", "thing.acquire()", "thing.release()", "_wait", "lock"),
    "with Lock": ("thing = threading.Lock(); thing.acquire()", "thing.__enter__()", "thing.release()", "_wait", "lock"),
    "RLock": ("thing = threading.RLock(); thing.acquire()", "thing.acquire()", "thing.release()", "_wait", "lock"),
    "Event": ("thing = threading.Event()", "thing.wait()", "thing.set()", "wait", "signal"),
    "Semaphore": ("thing = threading.Semaphore(0)", "thing.acquire()", "thing.release()", "wait", "signal"),
    "BoundedSemaphore": (
        "thing = threading.BoundedSemaphore(1); thing.acquire()", "thing.acquire()", "thing.release()", "wait", "signal",
    ),
    "Barrier": ("thing = threading.Barrier(2)", "thing.wait()", "thing.wait()", "_wait", "signal"),
    "Barrier aborted": ("thing = threading.Barrier(2)", "thing.wait()", "thing.abort()", "_wait", "signal"),
    "Barrier reset": ("thing = threading.Barrier(2)", "thing.wait()", "thing.reset()", "_wait", "signal"),
    "Queue empty": ("import queue\nthing = queue.Queue()", "thing.get()", "thing.put(1)", "wait", "queue"),
    "Queue full": ("import queue\nthing = queue.Queue(1); thing.put(1)", "thing.put(2)", "thing.get()", "wait", "queue"),
    "LifoQueue": ("import queue\nthing = queue.LifoQueue()", "thing.get()", "thing.put(1)", "wait", "queue"),
    "PriorityQueue": ("import queue\nthing = queue.PriorityQueue()", "thing.get()", "thing.put(1)", "wait", "queue"),
}  # fmt: skip


@pytest.mark.parametrize("primitive", PRIMITIVES)
def test_a_wait_is_recorded_with_its_object_and_its_waker(primitive):
    make, wait, end, function, state = PRIMITIVES[primitive]
    seen = recorded(f"{WAITING}\n{make}\nrun(lambda: {wait}, lambda: {end}, {function!r})")
    assert seen.run.exit_code == 0
    assert (state, "thing") in seen.waits["waiter"]
    assert ("MainThread", "waiter", "thing") in seen.wakeups
    (span,) = (span for span in seen.spans["waiter"] if span.state == state)
    assert span.start < span.woken <= span.end
    assert not span.open
    assert not seen.timeline.stuck


def test_a_condition_waits_first_for_the_notification_and_then_for_its_lock():
    seen = recorded(
        WAITING
        + """
condition = threading.Condition()
def waits():
    with condition:
        condition.wait()
def ends():
    with condition:
        condition.notify()
        time.sleep(0.05)
run(waits, ends, "wait")
"""
    )
    assert seen.waits["waiter"] == [("signal", "condition"), ("lock", "condition")]
    assert seen.wakeups.count(("MainThread", "waiter", "condition")) == 2
    assert [hold for hold in seen.holds if hold[0] == "waiter"] == [("waiter", "condition", False)] * 2


def test_waits_that_time_out_have_no_waker():
    seen = recorded(
        """
import threading, queue
lock = threading.Lock(); lock.acquire()
condition = threading.Condition()
other = threading.Thread(target=lambda: (
    lock.acquire(timeout=0.01), threading.Event().wait(0.01), threading.Semaphore(0).acquire(timeout=0.01)), name="other")
other.start(); other.join()
with condition: condition.wait(0.01)
try: queue.Queue().get(timeout=0.01)
except queue.Empty: pass
"""
    )
    assert [state for state, _ in seen.waits["other"]] == ["lock", "signal", "signal"]
    assert all(span.woken is None for span in seen.spans["other"])
    assert [state for state, _ in seen.waits["MainThread"]] == ["join", "signal", "queue"]
    assert seen.wakeups == [("other", "MainThread", "other")]


def test_who_gives_up_at_a_barrier_wakes_the_others_and_nobody_wakes_it():
    seen = recorded(
        WAITING
        + """
barrier = threading.Barrier(3)
def gives_up():
    try: barrier.wait(0.01)
    except threading.BrokenBarrierError: print("broken")
run(barrier.wait, gives_up, "_wait")
"""
    )
    assert seen.run.stdout == "broken\n"
    assert [wakeup for wakeup in seen.wakeups if wakeup[2] == "barrier"] == [
        ("MainThread", "waiter", "barrier")
    ]


def test_what_need_not_wait_is_no_wait():
    seen = recorded(
        """
import threading, queue
lock, again, semaphore, event = threading.Lock(), threading.RLock(), threading.Semaphore(), threading.Event()
items = queue.Queue()
with lock, again, again, semaphore: pass
assert not lock.locked() and lock.acquire(False) and not lock.acquire(False)
event.set(); event.wait(); items.put(1); items.get()
"""
    )
    assert seen.waits["MainThread"] == []
    assert [hold[1:] for hold in seen.holds] == [
        ("lock", False), ("again", False), ("semaphore", False), ("lock", True),
    ]  # fmt: skip


def test_a_lock_may_be_released_by_another_thread_and_a_failed_release_is_none():
    seen = recorded(
        """
import threading
lock = threading.Lock()
lock.acquire()
other = threading.Thread(target=lock.release); other.start(); other.join()
for wrong in (lock.release, threading.RLock().release, threading.BoundedSemaphore().release):
    try: wrong()
    except (RuntimeError, ValueError): print("refused")
lock.acquire()
"""
    )
    assert seen.run.stdout == "refused\n" * 3
    assert [hold for hold in seen.holds if hold[1] == "lock"] == [
        ("MainThread", "lock", False),
        ("MainThread", "lock", True),
    ]


def test_a_permit_that_is_never_given_back_is_held_to_the_end():
    seen = recorded(
        """
import threading
pool, signal, turns = threading.Semaphore(3), threading.Semaphore(0), threading.BoundedSemaphore(2)
def leaks():
    pool.acquire()
    with pool: pass
    signal.acquire()
with pool: pass
turns.acquire(); turns.acquire(); turns.release()
thread = threading.Thread(target=leaks, name="leaks"); thread.start()
signal.release(); thread.join()
"""
    )
    assert sorted(seen.holds) == [
        ("MainThread", "pool", False),
        ("MainThread", "turns", False),
        ("MainThread", "turns", True),
        ("leaks", "pool", False),
        ("leaks", "pool", True),
    ]
    (kept,) = (hold for hold in seen.timeline.holds if hold.open and hold.lock.name == "pool")
    assert kept.end == seen.lanes["leaks"].died


def test_a_circle_through_the_main_thread_is_found():
    seen = recorded(
        """
import threading
thread = threading.Thread(target=lambda: threading.main_thread().join(), name="worker"); thread.start()
thread.join()
""",
        timeout=1.0,
    )
    assert seen.timeline.stuck.cycle == (0, 1)
    assert seen.timeline.summary().splitlines()[-1] == (
        "Deadlock: MainThread waits for worker to end; worker waits for MainThread to end."
    )


def test_names_are_those_of_the_program():
    seen = recorded(
        """
import threading
class Account:
    def __init__(self):
        self.guard = threading.Lock()
a, b = threading.Lock(), threading.Lock()
one = threading.Lock(); two = threading.RLock()
forks = [threading.Lock() for _ in range(2)]
accounts = [Account(), Account()]
class Mine(threading.Semaphore): pass
mine = Mine()
for each in (a, b, one, two, *forks, accounts[0].guard, accounts[1].guard, mine, threading.Lock()):
    with each: pass
"""
    )
    assert [hold[1] for hold in seen.holds] == [
        "a", "b", "one", "two", "forks[0]", "forks[1]", "accounts[0].guard", "accounts[1].guard", "mine", "Lock of line 12",
    ]  # fmt: skip
    lock = seen.timeline.holds[0].lock
    assert (lock.file, lock.line, lock.kind) == ("script.py", 6, "Lock")


def test_parts_of_several_objects_are_named_after_these():
    seen = recorded(
        """
import dataclasses, queue, threading
class Base:
    def __init__(self):
        self.lock = threading.Lock()
class Account(Base):
    def __init__(self, number):
        super().__init__()
        self.number, self.changed = number, threading.Condition()
@dataclasses.dataclass
class Cell:
    key: dataclasses.InitVar[int]
    name: str = dataclasses.field(init=False)
    guard: threading.Lock = dataclasses.field(default_factory=threading.Lock)
    turn: threading.Lock = dataclasses.field(default_factory=threading.Lock, init=False)
class Bank:
    def __init__(self): self.main = Account(0)
def make(number): return Account(number)
savings = Account(1)
checking = Account(2)
others, cell, bank = [Account(n) for n in (3, 4)], Cell(1), Bank()
for each in (savings, checking, *others, bank.main, make(5)):
    with each.lock, each.changed: pass
for each in (cell, Cell(2), Cell(3)):
    with each.guard, each.turn: pass
"""
    )
    names = [hold[1] for hold in seen.holds]
    assert names[::2][:5] == [
        "savings.lock",
        "checking.lock",
        "others[0].lock",
        "others[1].lock",
        "self.main.lock",
    ]
    assert names[1::2][:2] == ["savings.changed", "checking.changed"]
    assert names[10:] == [
        "self.lock (6)",
        "self.changed (6)",
        "cell.guard",
        "cell.turn",
        "Cell.guard (2)",
        "Cell.turn (2)",
        "Cell.guard (3)",
        "Cell.turn (3)",
    ]
    lock = seen.timeline.holds[-5].lock
    assert (lock.file, lock.line) == ("script.py", 21)


def test_a_data_class_whose_init_is_written_in_a_text_without_a_file_has_no_such_fields():
    text = """
import dataclasses, threading
@dataclasses.dataclass(init=False)
class Cell:
    guard: threading.Lock = dataclasses.field(default_factory=threading.Lock)
    def __init__(self):
        self.other = threading.Lock()
"""
    seen = recorded(f"exec({text!r})\ncell, second = Cell(), Cell()\nwith cell.other: pass")
    assert [hold[1] for hold in seen.holds] == ["Lock of cell"]


def test_futures_and_simple_queues_of_several_objects_are_named_after_these():
    seen = recorded(
        """
import concurrent.futures, queue, threading
class Request:
    def __init__(self):
        self.answer, self.inbox = concurrent.futures.Future(), queue.SimpleQueue()
        self.checked = pool.submit(int)
with concurrent.futures.ThreadPoolExecutor(1) as pool:
    first, second = Request(), Request()
for each in (first, second):
    each.answer.set_result(1)
    each.inbox.put(1)
"""
    )
    assert {
        "first.answer",
        "first.inbox",
        "first.checked",
        "second.answer",
        "second.inbox",
        "second.checked",
    } <= {each.name for each in seen.timeline.objects}


def test_parts_of_an_object_from_another_file_are_named_after_it(tmp_path: Path):
    (tmp_path / "bank.py").write_text(
        """
import threading
class Account:
    def __init__(self): self._prepare()
    def _prepare(self): self.lock = threading.Lock()
def hold(account):
    with account.lock: pass
"""
    )
    (tmp_path / "main.py").write_text(
        "import bank\nsavings = bank.Account()\nbank.hold(savings)\nbank.hold(bank.Account())\n"
    )
    run = run_script(tmp_path / "main.py", cwd=tmp_path)
    assert [hold.lock.name for hold in run.timeline.holds] == ["savings.lock", "Account.lock (2)"]


def test_threads_have_their_names_parents_and_ends():
    seen = recorded(
        """
import threading, time
def outer():
    inner = threading.Thread(target=lambda: 1/0, name="inner")
    inner.start(); inner.join()
class Mine(threading.Thread):
    def run(self): outer()
mine = Mine(name="mine"); mine.start(); mine.join()
threading.Thread(target=time.sleep, args=(1000,), name="service", daemon=True).start()
"""
    )
    lanes = seen.lanes
    assert [
        (lane.thread, lane.daemon, lane.ending, lane.detail, lane.how) for lane in seen.timeline.lanes
    ] == [
        ("MainThread", False, "ended", "", ""),
        ("mine", False, "ended", "", "start"),
        ("inner", False, "raised", "ZeroDivisionError", "start"),
        ("service", True, "cut off", "", "start"),
    ]
    assert lanes["inner"].parent == lanes["mine"].number
    assert lanes["mine"].started <= lanes["mine"].born <= lanes["inner"].born <= lanes["inner"].died
    assert seen.spans["service"][-1].state == "sleep"
    assert seen.spans["service"][-1].open
    assert not seen.timeline.stuck


def test_a_thread_goes_on_in_the_page_of_one_that_has_ended(tmp_path, monkeypatch):
    # 3,000 threads with a page of their own each would need 12 MB.
    kept = tmp_path / "recording"
    monkeypatch.setattr(script, "make_recording_folder", lambda: kept.mkdir() or str(kept))
    monkeypatch.setattr(script.shutil, "rmtree", lambda *arguments, **options: None)
    seen = recorded(
        """
import threading
lock = threading.Lock()
def work(often):
    for _ in range(often):
        with lock: pass
for number in range(1_000):  # idle, with few events, with more than fit into what is left of a page
    for often in (0, 2, number % 50 * 10):
        thread = threading.Thread(target=work, args=(often,), name=f"{number}: {often}")
        thread.start(); thread.join()
""",
        timeout=60,
    )
    lanes = seen.timeline.lanes[1:]
    assert len(lanes) == 3_000
    assert [lane.thread for lane in lanes] == [
        f"{number}: {often}" for number in range(1_000) for often in (0, 2, number % 50 * 10)
    ]
    held = collections.Counter(hold.lane for hold in seen.timeline.holds)
    assert all(held[lane.number] == int(lane.thread.split()[1]) for lane in lanes)
    assert all((lane.ending, lane.parent, lane.how) == ("ended", 0, "start") for lane in lanes)
    assert all(earlier.died <= later.born for earlier, later in itertools.pairwise(lanes))
    used = sum(file.stat().st_size for file in kept.glob("*.rec"))
    needed = fileformat.RECORD * (2 * len(seen.timeline.holds) + 6 * 3_000) + 3_000 * 200
    assert used < 2 * needed + fileformat.LARGEST_SEGMENT


def test_what_a_thread_does_after_its_end_is_not_the_next_one_s():
    seen = recorded(
        """
import threading
lock = threading.Lock()
class Late:
    def __del__(self):
        with lock: pass
kept = threading.local()
def work():
    kept.late = Late()
    with lock: pass
for name in ("first", "second"):
    thread = threading.Thread(target=work, name=name); thread.start(); thread.join()
last = threading.Thread(target=int, name="last"); last.start(); last.join()
"""
    )
    assert seen.run.stderr == ""
    # It then no longer is a Thread of the program's, and is a lane of its own.
    assert [hold[0] for hold in seen.holds] == ["first", "thread", "second", "thread"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, to see that a thread is gone")
@pytest.mark.parametrize("takes", [1, *range(120, 135)])
def test_a_thread_that_threading_did_not_start_ends_when_it_is_gone(takes):
    seen = recorded(
        f"""
import _thread, os, threading
lock = threading.Lock()
def work():
    for _ in range({takes}):
        with lock: pass
def alone():
    while len(os.listdir("/proc/self/task")) > 1: pass
def until_the_end():
    with lock: there.set()
    never.wait()
for _ in range(3):
    _thread.start_new_thread(work, ())
    alone()
there, never = threading.Event(), threading.Event()
_thread.start_new_thread(until_the_end, ())
there.wait()
"""
    )
    lanes = [lane for lane in seen.timeline.lanes if lane.thread == "thread"]
    assert [lane.ending for lane in lanes] == ["ended"] * 3 + ["cut off"]
    assert all(earlier.died <= later.born for earlier, later in itertools.pairwise(lanes))
    held = collections.Counter(hold.lane for hold in seen.timeline.holds)
    assert [held[lane.number] for lane in lanes[:3]] == [takes] * 3


@forks
def test_a_fork_in_such_a_thread_is_not_its_end():
    seen = recorded(
        """
import _thread, os, threading
lock, done = threading.Lock(), threading.Event()
def work():
    with lock: pass
    if os.fork() == 0:
        with lock: pass
        os._exit(0)
    os.wait()
    with lock: pass
    done.set()
    threading.Event().wait()
_thread.start_new_thread(work, ())
done.wait()
"""
    )
    assert {key: lane.ending for key, lane in seen.lanes.items()} == {
        "MainThread": "ended",
        "thread": "cut off",
        "child 1": "ended",
    }
    assert [hold[0] for hold in seen.holds] == ["thread", "child 1", "thread"]


def test_a_thread_has_the_last_name_it_was_given():
    seen = recorded(
        """
import threading
def work(): threading.current_thread().name = "itself"
by_itself = threading.Thread(target=work, name="first"); by_itself.start(); by_itself.join()
by_another = threading.Thread(target=go.wait if (go := threading.Event()) else None); by_another.start()
by_another.setName("once"); by_another.name = "another"; go.set(); by_another.join()
before = threading.Thread(target=int); before.name = "before"; before.start(); before.join()
after = threading.Thread(target=int, name="kept"); after.start(); after.join()
threading.current_thread().name = "main"
print([each.name for each in (by_itself, by_another, before, after)], threading.Thread.name.__doc__[:8])
""",
    )
    assert seen.run.stdout == "['itself', 'another', 'before', 'kept'] A string\n"
    assert [lane.thread for lane in seen.timeline.lanes] == ["main", "itself", "another", "before", "kept"]
    assert {through for _, _, through in seen.wakeups} <= {"itself", "another", "before", "kept", "go"}


def test_the_main_thread_waits_at_the_end_for_the_others():
    seen = recorded("import threading, time\nthreading.Thread(target=time.sleep, args=(0.05,)).start()")
    assert seen.waits["MainThread"] == [("join", "the other threads")]


def test_whoever_looks_a_method_up_in_the_class_finds_a_function():
    seen = recorded(
        """
import asyncio, contextlib, threading
locks = [threading.Lock(), threading.RLock(), threading.Condition(), threading.Semaphore()]
with contextlib.ExitStack() as stack:
    for lock in locks: stack.enter_context(lock)
with contextlib.ExitStack() as stack:
    for lock in locks: lock.acquire(); stack.push(lock)
async def main():
    async with contextlib.AsyncExitStack() as stack: stack.enter_context(locks[0])
asyncio.run(main())
print(type(locks[0]).acquire(locks[0], timeout=1), type(locks[0]).__exit__(locks[0], None, None), locks[0].locked())
"""
    )
    assert seen.run.stderr == ""
    assert seen.run.stdout == "True None False\n"
    assert [hold[1] for hold in seen.holds].count("locks[0]") == 4


def test_who_waits_with_a_timeout_is_in_no_deadlock():
    seen = recorded(
        """
import threading
left, right = threading.Lock(), threading.Lock()
both = threading.Barrier(3)
def take(first, second, timeout):
    with first:
        both.wait()
        second.acquire(timeout=timeout)
for name, pair in (("L", (left, right, 500)), ("R", (right, left, -1))):
    threading.Thread(target=take, args=pair, name=name).start()
both.wait()
""",
        timeout=1,
    )
    assert not seen.timeline.stuck.cycle
    assert seen.timeline.summary().splitlines()[-2:] == [
        "Still waiting when stopped: L waits for right (Lock, script.py:3), with a timeout, held by R.",
        "Still waiting when stopped: R waits for left (Lock, script.py:3), held by L.",
    ]


def test_words_say_what_of_a_queue_and_whose_permit():
    seen = recorded(
        """
import queue, threading
jobs, full, permits = queue.Queue(), queue.Queue(1), threading.Semaphore(1)
jobs.put(1)
full.put(1)
def leak(): permits.acquire(); permits.release(); permits.acquire()
leaker = threading.Thread(target=leak, name="leaker"); leaker.start(); leaker.join()
def work():
    jobs.get()
    jobs.get()
threading.Thread(target=work, name="worker").start()
threading.Thread(target=jobs.join, name="joiner").start()
threading.Thread(target=full.put, args=(2,), name="putter").start()
threading.Thread(target=permits.acquire, name="next").start()
""",
        timeout=1,
    )
    said = seen.timeline.summary()
    assert "worker waits for an item of jobs (queue.Queue, script.py:3)." in said
    assert "joiner waits for all items of jobs (queue.Queue, script.py:3) to be done." in said
    assert "putter waits for room in full (queue.Queue, script.py:3)." in said
    assert (
        "Never woken: next waits for permits (Semaphore, script.py:3), its permit held by leaker, which has ended."
    ) in said


def test_a_deadlock_is_named():
    seen = recorded(
        """
import threading
left, right = threading.Lock(), threading.Lock()
both = threading.Barrier(2)
def take(first, second):
    with first:
        both.wait()
        with second: pass
for name, pair in (("one", (left, right)), ("two", (right, left))):
    threading.Thread(target=take, args=pair, name=name).start()
""",
        timeout=1,
    )
    stuck = seen.timeline.stuck
    one, two = seen.lanes["one"].number, seen.lanes["two"].number
    assert set(stuck.cycle) == {one, two}
    assert {(wait.lane, wait.on.name, wait.holder) for wait in stuck.waits if wait.state == "lock"} == {
        (one, "right", two),
        (two, "left", one),
    }
    assert {lane.ending for lane in seen.timeline.lanes} == {"stopped"}


# Processes.


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, to see that the parent waits")
def test_a_fork_is_an_edge_from_the_forking_thread():
    seen = recorded(
        """
import os, threading, time, warnings
warnings.simplefilter("ignore")
def exit_when_waited_for(code):
    "The parent's forking thread does nothing any more but wait."
    while open(f"/proc/{os.getppid()}/task/{forker or os.getppid()}/stat").read().rpartition(")")[2].split()[0] != "S":
        time.sleep(0.001)
    os._exit(code)
forker = 0
def fork():
    global forker
    forker = threading.get_native_id()
    pid = os.fork()
    if pid == 0:
        if os.fork() == 0:
            forker = 0
            exit_when_waited_for(5)
        os.wait()
        exit_when_waited_for(3)
    os.waitpid(pid, 0)
thread = threading.Thread(target=fork, name="forker"); thread.start(); thread.join()
"""
    )
    child, grandchild = seen.lanes["child 1"], seen.lanes["child 1.1"]
    assert (child.how, child.parent) == ("fork", seen.lanes["forker"].number)
    assert (grandchild.how, grandchild.parent) == ("fork", child.number)
    assert [lane.detail for lane in (child, grandchild)] == ["exit code 3", "exit code 5"]
    assert seen.waits["forker"] == [("join", "child 1")]
    assert seen.waits["child 1"] == [("join", "any child")]
    assert ("child 1", "forker", "child 1") in seen.wakeups
    assert ("child 1.1", "child 1", "any child") in seen.wakeups


@forks
def test_a_lock_held_at_the_fork_stays_locked_in_the_child_and_the_recording_says_why():
    seen = recorded(
        """
import os, threading, warnings
warnings.simplefilter("ignore")
lock, held, done = threading.Lock(), threading.Event(), threading.Event()
def hold():
    with lock:
        held.set()
        done.wait()
threading.Thread(target=hold, name="holder").start()
held.wait()
if os.fork() == 0:
    lock.acquire()
done.set()
""",
        timeout=1,
    )
    assert seen.run.timed_out is False  # the script itself ends; its child does not
    assert [each.name for each in seen.run.survivors] == ["child 1"]
    (wait,) = seen.timeline.stuck.waits
    assert wait.lane == seen.lanes["child 1"].number
    assert wait.on.name == "lock"
    assert wait.holder is None
    assert wait.copied_from == seen.lanes["holder"].number


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("kill_root", [False, True], ids=["root ends", "root killed"])
@pytest.mark.parametrize("method", METHODS)
def test_every_death_is_recorded_and_every_open_wait_is_kept(method, kill_root):
    seen = recorded(DEATHS, start_method=method, args=["die"] if kill_root else [], timeout=30)
    lanes = {(lane.process, lane.thread): lane for lane in seen.timeline.lanes}
    ends = {
        process: (lane.ending, lane.detail)
        for (process, thread), lane in lanes.items()
        if thread == "MainThread"
    }
    assert ends["terminated"] == ("killed", "SIGTERM")
    assert ends["killed"] == ("killed", "SIGKILL")
    assert ends["normal"] == ("ended", "")
    assert ends["exiting"] == ("ended", "exit code 9")
    assert ends["with daemon"] == ("ended", "")
    assert ends["main process"] == (("killed", "SIGKILL") if kill_root else ("ended", ""))
    assert lanes["with daemon", "daemon"].ending == "cut off"
    for name in ("terminated", "killed"):
        span = seen.timeline.spans[lanes[name, "MainThread"].number][-1]
        assert (span.state, span.on.name, span.open) == ("queue", "queue", True)
    for name in ("normal", "exiting", "with daemon"):
        span = seen.timeline.spans[lanes[name, "daemon"].number][-1]
        assert (span.state, span.on.name.partition(" ")[0], span.open) == ("lock", "lock", True)
    how = {lane.how for lane in seen.timeline.lanes if lane.process in ends and lane.thread == "MainThread"}
    assert method in how


@forks
def test_a_child_killed_before_it_could_record_anything_is_not_forgotten():
    seen = recorded(
        """
import os, signal
pid = os.fork()
if pid == 0:
    signal.pause()
os.kill(pid, signal.SIGKILL)
os.wait()
"""
    )
    child = seen.lanes["child 1"]
    assert (child.ending, child.detail, child.how) == ("killed", "SIGKILL", "fork")
    assert len(seen.lanes) == 2


@pytest.mark.parametrize("method", METHODS)
def test_objects_shared_between_processes_are_one_object(method):
    seen = recorded(
        """
import multiprocessing, time
def work(lock, queue, held):
    with lock:
        held.set()
        time.sleep(0.1)
    queue.put(1)
if __name__ == "__main__":
    lock, queue, held = multiprocessing.Lock(), multiprocessing.Queue(), multiprocessing.Event()
    process = multiprocessing.Process(target=work, args=(lock, queue, held), name="worker")
    process.start()
    held.wait()
    with lock: pass
    queue.get()
    process.join()
""",
        start_method=method,
    )
    assert ("lock", "lock") in seen.waits["MainThread"]
    assert ("queue", "queue") in seen.waits["MainThread"]
    assert ("join", "worker") in seen.waits["MainThread"]
    worker = seen.lanes["worker"]
    assert (worker.thread, worker.how) == ("MainThread", method)
    assert ("worker", "MainThread", "lock") in seen.wakeups


@forks
def test_a_killed_reader_keeps_the_queues_read_lock():
    seen = recorded(
        """
import multiprocessing, time
def read(queue, ready):
    ready.set()
    queue.get()
if __name__ == "__main__":
    queue = multiprocessing.Queue()
    ready = multiprocessing.Event()
    reader = multiprocessing.Process(target=read, args=(queue, ready), name="reader")
    reader.start(); ready.wait()
    while queue._rlock.acquire(False):
        queue._rlock.release()
        time.sleep(0.001)
    reader.kill(); reader.join()
    queue.put(1); queue.get()
""",
        start_method="fork",
        timeout=1,
    )
    assert seen.run.timed_out
    assert ("reader", "read lock of queue", True) in seen.holds
    assert seen.spans["MainThread"][-1].on.name == "queue"
    assert seen.spans["MainThread"][-1].open


# It changes nothing.


def test_a_recorded_program_prints_what_it_prints_unrecorded():
    program = """
import pickle, threading, queue, weakref, inspect, time, os, copy
from threading import Lock, RLock, Condition, Event, Semaphore, BoundedSemaphore, Thread, Barrier
lock = Lock()
print(lock.acquire(), lock.locked(), lock.acquire(False), lock.acquire(timeout=0.001), lock.release())
for call in (lambda: lock.release(), lambda: lock.acquire(False, 1), lambda: lock.acquire(True, -2), lambda: lock.acquire("a", "b"),
             lambda: RLock().release(), lambda: Semaphore(-1), lambda: Semaphore().release(0), lambda: Semaphore().acquire(False, 1),
             lambda: BoundedSemaphore().release(), lambda: Condition().wait(), lambda: Condition().notify(), lambda: time.sleep(-1),
             lambda: time.sleep("a"), lambda: Thread().join(), lambda: queue.Queue().get(timeout=-1), lambda: queue.Queue().get(False),
             lambda: os.kill("a", 1), lambda: os.waitpid(-1, 0), lambda: pickle.dumps(lock), lambda: pickle.dumps(RLock()),
             lambda: Thread(target=1).start() or Thread.start(threading.current_thread())):
    try:
        print(call())
    except Exception as error:
        print(type(error).__name__, error)
print(weakref.ref(lock)() is lock, isinstance(RLock(), type(RLock())), isinstance(Event(), Event))
print(inspect.signature(Event.wait), inspect.signature(queue.Queue.get), Event.wait.__name__, Thread.start.__qualname__)
class Mine(Condition):
    def wait(self, timeout=None): return super().wait(timeout) or "timed out"
with Mine() as _: pass
mine = Mine(Lock())
with mine: print(mine.wait(0.001), mine.wait_for(lambda: 7))
r = RLock()
with r, r:
    c = Condition(r)
    with c: print(c.wait(0.001))
    print(r.acquire(False)); r.release()
print(r._is_owned())
b = Barrier(1); print(b.wait(), b.n_waiting, b.broken)
"""
    bare, watched = run_script(program, record=False), run_script(program)
    assert bare.exit_code == 0
    assert watched.stdout == bare.stdout
    assert bare.timeline.lanes == ()


def test_a_recorder_that_cannot_write_does_not_disturb(tmp_path):
    seen = recorded(
        """
import os, shutil, threading
shutil.rmtree(os.environ["HELPERS_RECORDING"])
lock = threading.Lock()
def work():
    for _ in range(20_000):
        with lock: pass
threads = [threading.Thread(target=work) for _ in range(3)]
for each in threads: each.start()
for each in threads: each.join()
print("done")
"""
    )
    assert seen.run.stdout == "done\n"
    assert seen.run.exit_code == 0


def test_a_full_recording_says_so_and_the_program_goes_on():
    run = run_script(
        "import threading\nlock = threading.Lock()\nfor _ in range(2_200_000):\n    with lock: pass\nprint('done')",
        timeout=60,
    )
    assert run.stdout == "done\n"
    assert any("full (64 MiB)" in note for note in run.timeline.notes)
    assert len(run.timeline.holds) > 1_500_000
    assert len(run.timeline.lanes) == 1


FULL_OF_IT = """
import os, sys, threading
lock, first, last, other = threading.Lock(), threading.Lock(), threading.Lock(), threading.Lock()
asked, answered = threading.Semaphore(0), threading.Semaphore(0)
def answer():
    while asked.acquire() and not stop:
        with other: pass
        answered.release()
def busy():
    with first: pass
    for turn in range(2_200_000):
        with lock: pass
        if turn % 100_000 == 0: asked.release(); answered.acquire()
    with last: pass
stop = []
rare = threading.Thread(target=answer, name="rare"); rare.start()
worker = threading.Thread(target=busy, name="busy"); worker.start(); worker.join()
late = threading.Thread(target=int, name="late"); late.start(); late.join()
stop.append(True); asked.release(); rare.join()
print("done")
"""


def test_the_newest_is_kept_by_choice():
    run = run_script(FULL_OF_IT, timeout=60, keep="newest")
    assert run.stdout == "done\n"
    timeline = run.timeline
    assert timeline.notes == (
        "The recording was full (64 MiB): the newest of it is kept. "
        "What a thread did before its first event here is missing.",
    )
    lanes = {lane.thread: lane for lane in timeline.lanes}
    assert list(lanes) == ["MainThread", "rare", "busy", "late"]
    assert all(lane.ending == "ended" for lane in timeline.lanes)
    assert all(lane.parent == 0 for lane in timeline.lanes[1:])
    # Of so many holds, counting the columns takes a thousandth of what looking at each one does.
    counted = zip(*np.unique(timeline.holds.columns["lock"], return_counts=True), strict=True)
    holds = collections.Counter({timeline.objects[lock].name: count for lock, count in counted})
    assert (holds["first"], holds["last"]) == (0, 1)
    assert 1_000_000 < holds["lock"] < 2_100_000
    # Each thread's oldest pages are lost: one that fills few of them keeps all it did.
    assert holds["other"] == 22
    assert lanes["busy"].born - lanes["busy"].started > timeline.duration / 20
    assert lanes["busy"].cpu > 0
    assert not timeline.holds.columns["open"].any()
    assert overlapping(timeline) == 0


@forks
def test_the_newest_is_kept_of_many_processes_whichever_is_killed():
    # With less room, as a process of its own can have it.
    program = """
import mmap, os, signal, sys, threading
from helpers import record
from helpers.recorder import fileformat
fileformat.LIMIT, fileformat.FOR_NEWCOMERS = 2 << 20, 1 << 20
count = mmap.mmap(-1, 8)
lock, last = threading.Lock(), threading.Lock()
def work():
    while True:
        with lock: count[:] = (int.from_bytes(count[:], "little") + 1).to_bytes(8, "little")
with record(keep="newest") as timeline:
    if os.fork() == 0:
        for _ in range(100_000):
            with lock: pass
        with last: pass
        os._exit(0)
    os.wait()
    pid = os.fork()
    if pid == 0:
        for _ in range(3): threading.Thread(target=work).start()
        signal.pause()
    while int.from_bytes(count[:], "little") < 200_000: pass
    os.kill(pid, signal.SIGKILL); os.wait()
counted = int.from_bytes(count[:], "little")
first, second = (lane.pid for lane in timeline.lanes if lane.how == "fork")
def held(pid): return [hold for hold in timeline.holds if timeline.lanes[hold.lane].pid == pid]
one, other = held(first), sorted(held(second), key=lambda hold: hold.start)
print(one[-1].lock.name, 1_000 < len(one) < 90_000, 1_000 < len(other) < 190_000)
print(all(a.end <= b.start for a, b in zip(other, other[1:])), sum(hold.open for hold in other) <= 1)
print(timeline.lanes[0].born, [lane.detail for lane in timeline.lanes if lane.how == "fork"], len(timeline.notes))
"""
    environment = {"PYTHONPATH": str(Path(__file__).parents[2])}
    run = run_script(program, timeout=60, record=False, env=environment)
    assert run.stderr == ""
    assert run.lines[0].text == "last True True"
    assert run.lines[1].text == "True True"
    assert run.lines[2].text == "0.0 ['', 'SIGKILL'] 1"


def test_exact_counts_from_several_threads():
    seen = recorded(
        """
import threading
lock = threading.Lock()
def work():
    for _ in range(5_000):
        with lock: pass
threads = [threading.Thread(target=work) for _ in range(4)]
for each in threads: each.start()
for each in threads: each.join()
"""
    )
    holds = list(seen.timeline.holds)
    assert len(holds) == 20_000
    assert not any(hold.open for hold in holds)
    assert all(a.end <= b.start for a, b in itertools.pairwise(holds))

"""Whatever goes wrong with the recording, the program does not notice; and what is missing is said, once."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import script
from helpers.recorder import fileformat
from helpers.script import run_script
from helpers.timeline.building import build
from helpers.timeline.reading import Recording

ROOT = Path(__file__).parents[2]
posix = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork and signals as POSIX has them")

# Enough to need more room than a recording begins with.
WORK = """
import os, sys, threading, warnings
warnings.simplefilter("ignore")  # 3.12 warns of forks beside threads, also of one just joined that still ends
def work(times=20_000):
    for _ in range(times):
        with lock: pass
def work_in_threads(count=3):
    threads = [threading.Thread(target=work) for _ in range(count)]
    for each in threads: each.start()
    for each in threads: each.join()
lock = threading.Lock()
recording = os.environ.get("HELPERS_RECORDING")
work(100)
"""


def unchanged(program, **options):
    """Run the program bare and recorded: it must print the same and end the same. The recorded run."""
    bare = run_script(program, record=False, **options)
    assert not bare.timed_out, bare.stacks
    watched = run_script(program, **options)
    assert (watched.stdout, watched.stderr, watched.exit_code) == (bare.stdout, bare.stderr, bare.exit_code)
    return watched


def said_once(run, what):
    return [what in note for note in run.timeline.notes] == [True]


# Nowhere to write.


@posix
def test_the_folder_is_removed():
    run = unchanged(
        WORK
        + """
import shutil
if recording: shutil.rmtree(recording)
work_in_threads()
if os.fork() == 0:
    work_in_threads()
    os._exit(0)
print(os.waitstatus_to_exitcode(os.wait()[1]))
"""
    )
    assert run.stdout == "0\n"
    assert said_once(run, "folder was removed")


@posix
def test_the_folder_becomes_unwritable():
    # A service that gives up its rights: from then on it cannot write where it began, nor can its children.
    run = unchanged(
        WORK
        + """
if recording: os.chmod(recording, 0o500)
if os.getuid() == 0: os.setuid(65534)
if os.fork() == 0:
    work_in_threads()
    os._exit(0)
print(os.waitstatus_to_exitcode(os.wait()[1]))
work_in_threads()
if recording and os.getuid() != 65534: os.chmod(recording, 0o700)
print("done")
"""
    )
    assert run.stdout == "0\ndone\n"
    assert said_once(run, "could no longer be written")
    assert len(run.timeline.holds) >= 100


@posix
def test_no_file_may_grow():
    run = unchanged(
        WORK
        + """
import resource
resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
work_in_threads()
print("done")
"""
    )
    assert run.stdout == "done\n"
    assert said_once(run, "could no longer be written")


@pytest.fixture
def tiny_disk(tmp_path):
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=600k", "tmpfs", str(tmp_path)], capture_output=True
    )
    if mounted.returncode:
        pytest.skip("only root can mount a tiny disk")
    yield tmp_path
    subprocess.run(["umount", str(tmp_path)], check=True)


@pytest.mark.skipif(sys.platform != "linux", reason="needs tmpfs")
def test_the_disk_is_full(tiny_disk, monkeypatch):
    folder = tiny_disk / "recording"
    monkeypatch.setattr(script, "make_recording_folder", lambda: folder.mkdir() or str(folder))
    run = run_script(WORK + "work_in_threads()\nprint('done')")
    assert (run.stdout, run.stderr, run.exit_code) == ("done\n", "", 0)
    assert said_once(run, "could no longer be written")
    assert len(run.timeline.holds) > 1_000


# Very many.


def test_a_thousand_threads():
    run = unchanged(
        """
import threading
go, lock, total = threading.Event(), threading.Lock(), 0
def add():
    global total
    go.wait()
    with lock: total += 1
threads = [threading.Thread(target=add) for _ in range(1000)]
for each in threads: each.start()
go.set()
for each in threads: each.join()
print(total)
""",
        timeout=60,
    )
    assert run.stdout == "1000\n"
    assert len(run.timeline.lanes) == 1001
    assert sum(hold.lock.name == "lock" for hold in run.timeline.holds) == 1000
    assert run.timeline.notes == ()


@posix
def test_two_hundred_processes():
    run = unchanged(
        """
import os, threading
lock, ends = threading.Lock(), []
for number in range(200):
    if os.fork() == 0:
        with lock: os._exit(number)
for _ in range(200): ends.append(os.waitstatus_to_exitcode(os.wait()[1]))
print(sorted(ends) == list(range(200)))
""",
        timeout=60,
    )
    assert run.stdout == "True\n"
    assert len({lane.pid for lane in run.timeline.lanes}) == 201
    assert len(run.timeline.holds) == 200
    assert run.timeline.notes == ()


# Forks at bad moments.


@posix
def test_a_fork_in_a_thread():
    run = unchanged(
        WORK
        + """
def fork():
    if os.fork() == 0:
        work_in_threads(2)
        print("child", threading.current_thread().name, flush=True)
        os._exit(4)
    print(os.waitstatus_to_exitcode(os.wait()[1]))
thread = threading.Thread(target=fork, name="forker"); thread.start(); thread.join()
"""
    )
    assert run.stdout == "child forker\n4\n"
    assert len({lane.pid for lane in run.timeline.lanes}) == 2


@posix
def test_forks_while_other_threads_record_as_fast_as_they_can():
    # Definitions and new pages need a lock of the recorder's own: a fork must find it in any state.
    run = unchanged(
        """
import os, sys, threading, warnings
warnings.simplefilter("ignore")
stop = False
def busy():
    while not stop:
        with threading.Lock(): pass
        with shared: pass
shared = threading.Lock()
sys.setswitchinterval(1e-4)  # the forking thread shall not have to wait long for its turn
threads = [threading.Thread(target=busy) for _ in range(3)]
for each in threads: each.start()
good = 0
for _ in range(200):
    pid = os.fork()
    if pid == 0:
        own = threading.Lock()
        with own: pass
        other = threading.Thread(target=own.acquire); other.start(); other.join()
        os._exit(7)
    good += os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
stop = True
for each in threads: each.join()
print(good)
""",
        timeout=60,
    )
    assert run.stdout == "200\n"


# Programs that do as they please.


@posix
def test_a_program_that_closes_every_descriptor(tmp_path):
    # As a daemon does. What it opens later gets the numbers that were freed, to the very end of the program.
    run = unchanged(
        WORK
        + f"""
import os
os.closerange(3, 1024)
files = [open({str(tmp_path)!r} + f"/{{n}}", "w") for n in range(5)]
work_in_threads()
for n, file in enumerate(files): file.write("written" * n)
print("done")
"""
    )
    assert run.stdout == "done\n"
    assert [(tmp_path / str(n)).read_text() for n in range(5)] == ["written" * n for n in range(5)]
    assert len(run.timeline.holds) == 60_100


@pytest.mark.parametrize("flag", ["-I", "-S", "-E"])
def test_children_that_take_no_recorder(flag):
    run = unchanged(
        f"""
import subprocess, sys
program = "import threading; lock = threading.Lock(); lock.acquire(); print(type(lock).__module__)"
child = subprocess.run([sys.executable, {flag!r}, "-c", program], capture_output=True, text=True)
print(child)
"""
    )
    assert "returncode=0, stdout='_thread" in run.stdout
    assert [lane.thread for lane in run.timeline.lanes if lane.process == "main process"] == ["MainThread"]
    (note,) = run.timeline.notes
    assert note.startswith("Not recorded: `python") and f" {flag} -c import threading; lock = " in note


def test_a_child_without_the_environment_is_said_once_and_one_that_records_is_not():
    run = unchanged(
        """
import os, subprocess, sys
for _ in range(2): subprocess.run([sys.executable, "-c", "1"], env={"PATH": os.environ["PATH"]}, check=True)
subprocess.run([sys.executable, "-u", "-c", "1"], env={**os.environ, "MINE": "1"}, check=True)
subprocess.run(["/bin/echo", "-E"], env={}, check=True)
"""
    )
    (note,) = run.timeline.notes
    assert note.startswith("Not recorded: `python") and " -c 1`" in note


def test_a_recorded_program_that_runs_a_script():
    run = unchanged(
        f"""
import sys
sys.path.insert(0, {str(ROOT)!r})
from helpers import run_script
inner = run_script("import threading\\nlock = threading.Lock()\\nwith lock: print('inner')")
print(inner.exit_code, inner.stdout, [hold.lock.name for hold in inner.timeline.holds])
print(run_script("print(1)", record=False).timeline.lanes)
""",
        timeout=60,
    )
    assert run.stdout == "0 inner\n ['lock']\n()\n"
    assert run.timeline.lanes
    assert not run.timeline.notes


def test_a_recorded_program_that_records():
    run = unchanged(
        f"""
import sys, threading, queue
sys.path.insert(0, {str(ROOT)!r})
from helpers import record
before, items = threading.Lock(), queue.Queue()
with before: pass
def work():
    with lock: pass
    items.put(1)
    event.set()
with record() as timeline:
    lock, event = threading.Lock(), threading.Event()
    thread = threading.Thread(target=work, name="worker"); thread.start()
    event.wait()
    items.get()
    thread.join()
print([hold.lock.name for hold in timeline.holds], [lane.thread for lane in timeline.lanes], timeline.notes)
after = threading.Lock()
for each in (before, lock, after):
    with each: pass
thread = threading.Thread(target=work); thread.start(); thread.join()
print(items.get(), event.is_set())
""",
        timeout=60,
    )
    assert run.stdout == "['lock'] ['MainThread', 'worker'] ()\n1 True\n"
    names = [hold.lock.name for hold in run.timeline.holds]
    assert names.count("before") == 2
    assert names.count("after") == 1
    assert run.timeline.notes == ()


# The end, at any moment.


@posix
@pytest.mark.parametrize("after", [1, 2_345, 10_000, 17_777])
def test_a_kill_in_mid_flight_keeps_every_record(after, tmp_path, monkeypatch):
    # The child counts in shared memory while it holds the lock; its parent ends it from outside.
    kept = tmp_path / "recording"
    monkeypatch.setattr(script, "make_recording_folder", lambda: kept.mkdir() or str(kept))
    monkeypatch.setattr(script.shutil, "rmtree", lambda *arguments, **options: None)
    run = run_script(
        f"""
import mmap, os, signal, threading
count = mmap.mmap(-1, 8)
lock = threading.Lock()
def work():
    for _ in range(5_000):
        with lock:
            count[:] = (int.from_bytes(count[:], "little") + 1).to_bytes(8, "little")
pid = os.fork()
if pid == 0:
    threads = [threading.Thread(target=work, name="worker") for _ in range(4)]
    for each in threads: each.start()
    for each in threads: each.join()
    signal.pause()
while int.from_bytes(count[:], "little") < {after}: pass
os.kill(pid, signal.SIGKILL)
os.wait()
print(int.from_bytes(count[:], "little"))
""",
        timeout=60,
        cwd=tmp_path,
    )
    counted = int(run.stdout)
    holds = [hold for hold in run.timeline.holds if hold.lock.name == "lock"]
    assert counted >= after
    assert len(holds) - counted in (0, 1)  # the last one may have been taken, and not counted
    assert len(holds) - sum(hold.open for hold in holds) - counted in (-1, 0)
    in_order = sorted(holds, key=lambda hold: hold.start)
    assert all(earlier.end <= later.start for earlier, later in itertools.pairwise(in_order))
    known = {value for name, value in vars(fileformat).items() if name.isupper() and isinstance(value, int)}
    for process in Recording(kept).processes.values():
        for events in process.events.values():
            assert {code >> 56 for code in events[:, 1].tolist()} <= known
            assert (events[1:, 0] >= events[:-1, 0]).all()
    assert run.timeline.notes == ()


@posix
@pytest.mark.parametrize("after", [1, 100, 1_000])
def test_a_kill_while_threads_begin_and_end_keeps_every_one(after):
    run = run_script(
        f"""
import mmap, os, signal, threading
ended = [mmap.mmap(-1, 8) for _ in range(2)]
def work(count):
    while True:
        thread = threading.Thread(target=int, name="short"); thread.start(); thread.join()
        count[:] = (int.from_bytes(count[:], "little") + 1).to_bytes(8, "little")
def total(): return sum(int.from_bytes(count[:], "little") for count in ended)
pid = os.fork()
if pid == 0:
    for count in ended: threading.Thread(target=work, args=(count,), name="starter").start()
    signal.pause()
while total() < {after}: pass
os.kill(pid, signal.SIGKILL)
os.wait()
print(total())
""",
        timeout=60,
    )
    counted = int(run.stdout)
    assert counted >= after
    lanes = run.timeline.lanes[1:]
    assert lanes[0].detail == "SIGKILL"
    assert {lane.thread for lane in lanes} == {"MainThread", "starter", "short"}
    short = [lane for lane in lanes if lane.thread == "short"]
    ends = [lane.ending for lane in short].count("ended")
    # Of each starter, the last one may have ended, or begun, and not been counted.
    assert 0 <= ends - counted <= 2
    assert len(short) - ends <= 2
    starters = {lane.number for lane in lanes if lane.thread == "starter"}
    assert {lane.parent for lane in short} <= starters


def test_a_process_that_ended_before_its_first_event(tmp_path):
    code = (
        "import sys; from helpers.recorder import tape; tape.start(sys.argv[1]); tape.define('Lock', 'lock')"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=True)
    recording = Recording(tmp_path)
    (process,) = recording.processes.values()
    assert [fields[:2] for fields in process.definitions.values()] == [("Lock", "lock")]
    assert build(recording, root=process.pid).lanes == ()


# Inside the recorder's own steps.


@posix
def test_signal_handlers_that_use_locks():
    run = unchanged(
        WORK
        + """
import itertools, queue, signal
items, again = queue.SimpleQueue(), threading.RLock()  # the two that a handler may share with what it interrupts
ticks = itertools.count()
def tick(number, frame):  # which may interrupt itself
    with again, threading.Lock(): items.put(next(ticks))
signal.signal(signal.SIGALRM, tick)
signal.setitimer(signal.ITIMER_REAL, 0.0003, 0.0003)
while items.qsize() < 500:
    with again: work(100)
signal.setitimer(signal.ITIMER_REAL, 0)
got = sorted(items.get() for _ in range(items.qsize()))
print(got == list(range(len(got))), lock.locked(), again._is_owned())
""",
        timeout=60,
    )
    assert run.stdout == "True False False\n"
    for lane in run.timeline.lanes:
        spans = list(run.timeline.spans[lane.number])
        assert all(a.end <= b.start for a, b in itertools.pairwise(spans))
    assert not any(hold.open for hold in run.timeline.holds)
    assert run.timeline.notes == ()


@posix
def test_handlers_that_raise_while_a_lock_is_taken():
    # A deadline by SIGALRM, the classic way, and a lock that waits for longer.
    run = unchanged(
        """
import signal, threading
class Late(Exception): pass
def raises(number, frame): raise Late
signal.signal(signal.SIGALRM, raises)
locks = {"Lock": threading.Lock(), "RLock": threading.RLock(), "Semaphore": threading.Semaphore(1)}
for name, lock in locks.items():
    held, done = threading.Event(), threading.Event()
    def hold():
        with lock:
            held.set(); done.wait()
    thread = threading.Thread(target=hold); thread.start(); held.wait()
    signal.setitimer(signal.ITIMER_REAL, 0.02)
    try:
        with lock: print("taken")
    except Late: print(name, "late")
    done.set(); thread.join()
    print(lock.acquire(blocking=False))
"""
    )
    assert run.stdout == "Lock late\nTrue\nRLock late\nTrue\nSemaphore late\nTrue\n"


RECURSION = """
import sys, threading
def free(lock):
    "Whether another thread can take it."
    answer = []
    thread = threading.Thread(target=lambda: answer.append(lock.acquire(False))); thread.start(); thread.join()
    return answer[0]
def down(n):
    with again: down(n + 1)
def down_and_use(n):
    with threading_lock: pass
    threading_lock.acquire(); threading_lock.release()
    down_and_use(n + 1)
for limit in range(200, 330):
    again, threading_lock = threading.RLock(), threading.Lock()
    sys.setrecursionlimit(limit)
    for each in (down, down_and_use):
        try: each(0)
        except RecursionError: pass
        else: print("no end")
    sys.setrecursionlimit(1000)
    if not free(again): print(limit, "RLock lost")
    if not free(threading_lock): print(limit, "Lock lost")
print("done")
"""


def test_recursion_without_end_inside_locks():
    # Limits of many sizes: so the end of the stack comes at each of the recorder's steps, a new page included.
    run = unchanged(RECURSION, timeout=60)
    assert run.stdout == "done\n"


def test_exceptions_out_of_every_call():
    # Except those at a wrong number of arguments, which name the function as it was written.
    calls = """
        lock.release() | again.release() | bounded.release() | lock.acquire(False, 1) | again.acquire(True, -5)
        condition.wait() | condition.notify() | condition.wait_for(1)
        threading.Semaphore(-1) | semaphore.release(0) | semaphore.acquire(False, 1) | event.wait("a") | barrier.wait(-1)
        barrier.wait() | threading.Barrier(0) | thread.join() | thread.start(1) | threading.current_thread().join()
        threading.current_thread().start() | threading.Thread(1) | threading.Timer() | time.sleep(-1)
        time.sleep("a") | items.get(False) | items.get(timeout=-1) | items.put(1, 2, 3, 4)
        items.task_done() | full.put(1, False) | full.put(1, True, 0.001) | full.put(1, True, -1) | simple.get(False)
        simple.get(True, -1) | simple.put() | os.kill("a", 1) | os.kill(10**20, 1) | os.waitpid(10**9, 0) | os.waitpid("a", 0)
        os.waitpid(1) | os._exit("a") | selectors.DefaultSelector().select("a") | mlock.release() | mlock.acquire(1, "a")
        mitems.get(False) | mitems.get(True, "a") | process.join() | process.start() or process.start()
        multiprocessing.Semaphore(-1) | multiprocessing.Queue(1, 2, 3) | end.send(lambda: 1) | end.recv() | pickle.dumps(lock)
    """
    unchanged(
        f"""
import multiprocessing, os, pickle, queue, re, selectors, threading, time
def nothing(): pass
def without_addresses(value): return re.sub("0x[0-9a-f]+", "0x", str(value))
if __name__ == "__main__":
    lock, again, bounded, semaphore = threading.Lock(), threading.RLock(), threading.BoundedSemaphore(), threading.Semaphore()
    condition, event, barrier, thread = threading.Condition(), threading.Event(), threading.Barrier(2), threading.Thread()
    items, full, simple = queue.Queue(), queue.Queue(1), queue.SimpleQueue()
    full.put(0)
    mlock, mitems, process = multiprocessing.Lock(), multiprocessing.Queue(), multiprocessing.Process(target=nothing)
    end, other = multiprocessing.Pipe()
    for each in {[each.strip() for line in calls.strip().splitlines() for each in line.split("|")]!r}:
        if each == "end.recv()": other.close()
        try: print(each, "->", without_addresses(eval(each)))
        except BaseException as error: print(each, "->", type(error).__name__, without_addresses(error))
    process.join()
    print(lock.locked(), again._is_owned(), semaphore.acquire(False), bounded.acquire(False), mlock.acquire(False))
""",
        timeout=60,
    )


@posix
def test_what_is_recorded_is_pickled_and_compared_as_ever():
    run = unchanged(
        """
import _thread, multiprocessing, os, pickle, queue, threading, time
class Waiter:
    pause = time.sleep  # a function of C is not bound
Waiter().pause(0)
for each in (time.sleep, os.kill, os.waitpid, os._exit, queue.SimpleQueue, threading.Event, threading.Thread.start):
    print(pickle.loads(pickle.dumps(each)).__name__)
made, inside = threading.Lock(), queue.Queue().mutex
print(isinstance(made, type(inside)), isinstance(inside, type(made)), isinstance(made, _thread.LockType))
print(isinstance(threading.RLock(), type(threading.Condition()._lock)), isinstance(made, type(threading.RLock())))
try:
    class Mine(type(made)): pass
except TypeError: print("no base")
if __name__ == "__main__":
    process = multiprocessing.get_context("spawn").Process(target=time.sleep, args=(0,))
    process.start(); process.join(); print(process.exitcode)
""",
        timeout=60,
    )
    assert run.stdout.endswith("0\n")


def test_a_tiny_switch_interval():
    run = unchanged(
        WORK
        + """
import queue
sys.setswitchinterval(1e-6)
items = queue.Queue(3)
total = 0
def put():
    for n in range(300): items.put(n)
def get():
    global total
    for _ in range(300):
        n = items.get()
        with lock: total += n
threads = [threading.Thread(target=each) for each in (put, get, put, get, put, get)]
for each in threads: each.start()
for each in threads: each.join()
work_in_threads()
print(total)
""",
        timeout=60,
    )
    assert run.stdout == f"{3 * sum(range(300))}\n"
    holds = [hold for hold in run.timeline.holds if hold.lock.name == "lock"]
    assert len(holds) == 100 + 900 + 60_000
    assert run.timeline.notes == ()

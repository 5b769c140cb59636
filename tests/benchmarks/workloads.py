"""The programs that the benches measure. Each prints what it has measured of itself.

They are run bare, under our recorder, and under two others; so they say themselves when to start the
clock, and nothing but the standard library is used.

What something costs is measured in short stretches, one for every line that comes in: so `in_turns` can
run the same program in several ways at the same time, stretch by stretch, and a machine that is faster
now than a second later changes all of them alike. A stretch is the fastest of a few calls: what disturbs
one (another process that takes the CPU) only ever makes it longer. The other programs print one JSON object.
"""

from __future__ import annotations

import statistics
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager

PLAIN_LOCK = "from threading import Lock"
# threadle 0.1 records only locks of its own kind, which lack `with`.
THREADLE_LOCK = """
import threadle
class Lock(threadle.TrackedLock):
    def __init__(self): super().__init__("lock")
    __enter__ = threadle.TrackedLock.acquire
    def __exit__(self, *exception): self.release()
threadle.start_tracing()
"""

_BEGIN = """
import json, sys, threading, time
def stretches(function, turns):
    "For every line that comes in: call it five times, and print the nanoseconds of a turn in the fastest."
    for _ in sys.stdin:
        taken = []
        for _ in range(5):
            begin = time.perf_counter_ns()
            function()
            taken.append(time.perf_counter_ns() - begin)
        print(min(taken) / turns, flush=True)
def show(**measured): print(json.dumps(measured))
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
"""

# Costs: of one turn of what the name says.
FIB = "stretches(lambda: fib(18), 1)"

EMPTY_WITH = """
lock = Lock()
def turns():
    for _ in range(1_000):
        with lock: pass
stretches(turns, 1_000)
"""

LOCK_AND_WORK = """
lock = Lock()
def work():
    for _ in range(200):
        with lock: fib(10)
        fib(10)
def two():
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
stretches(two, 400)
"""

START_AND_JOIN = """
def turns():
    for _ in range(20):
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
stretches(turns, 20)
"""

QUEUE = """
import queue
def turns():
    items = queue.Queue(100)
    def produce():
        for item in range(1_000): items.put(item)
    producer = threading.Thread(target=produce)
    producer.start()
    for _ in range(1_000): items.get()
    producer.join()
stretches(turns, 1_000)
"""

# How often the threads take turns per second of CPU time, and which share of the updates is lost. The probe between
# reading and writing is a lock of the thread's own: bare, it never waits and never lets others run.
SWITCHES = """
SECONDS = 0.4
count, last, switches = 0, None, 0
done = [0, 0]
def work(me):
    global count, last, switches
    own, turns = Lock(), 0
    end = time.perf_counter() + SECONDS
    while time.perf_counter() < end:
        for _ in range(100):
            value = count
            with own: pass
            count = value + 1
            turns += 1
            if last != me:
                last = me
                switches += 1
    done[me] = turns
threads = [threading.Thread(target=work, args=(me,)) for me in range(2)]
for thread in threads: thread.start()
for thread in threads: thread.join()
show(per_second=switches / time.process_time(), lost=100 * (1 - count / sum(done)))
"""

# 100 times, a lock is held for 3 ms while another thread wants it. What was a wait, the program knows.
CONTENDED = """
TURNS = 100
lock, wanted, had = Lock(), threading.Event(), threading.Event()
waited = 0
def want():
    global waited
    for _ in range(TURNS):
        while not wanted.is_set(): time.sleep(0.0001)
        wanted.clear()
        begin = time.perf_counter()
        with lock: pass
        waited += time.perf_counter() - begin > 0.001
        had.set()
waiter = threading.Thread(target=want, name="waiter")
waiter.start()
for _ in range(TURNS):
    with lock:
        wanted.set()
        time.sleep(0.003)
    while not had.is_set(): time.sleep(0.0001)
    had.clear()
waiter.join()
show(waited=waited)
"""

FOUR_THREADS = """
import sys
pairs = int(sys.argv[1])
lock = Lock()
def work():
    for _ in range(pairs):
        with lock: pass
threads = [threading.Thread(target=work) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
"""

KILLED_IN_FLIGHT = """
import os, signal
locks = [Lock() for _ in range(2)]
def work(turn):
    while True:
        with locks[turn % 2]: turn += 1
for turn in range(4): threading.Thread(target=work, args=(turn,), daemon=True).start()
time.sleep(0.2)
os.kill(os.getpid(), signal.SIGKILL)
"""

# What threadle itself has noted of two of the programs above.
THREADLE_WAITS = """
show(seen=sum(event["event"] == "blocked" for event in threadle.get_events()))
"""
THREADLE_PAIRS = """
show(pairs=sum(event["event"] == "release" for event in threadle.get_events()))
"""


def program(turns: str, lock: str = PLAIN_LOCK) -> str:
    """A whole program: `turns`, with the means to take the time and the kind of `lock` it is to use."""
    return f"{lock}\n{_BEGIN}\n{turns}"


Ready = tuple[Sequence[str], Mapping[str, str]]


def in_turns(programs: Mapping[str, Ready], stretches: int, *, deadline: float) -> dict[str, list[float]]:
    """Run programs at the same time and let each make one stretch after the other, by turns.

    Args:
        programs: the command and the environment of each, by a name.
        stretches: how many each makes.
        deadline: seconds after which those that still run are killed.

    Returns:
        The nanoseconds of a turn in each stretch, by the program's name. The first stretch of each is
        left out: what is done only once (imports, caches) is no cost of a turn.

    Raises:
        OSError, ValueError: a program ended before its time, or was killed at the deadline.
    """
    taken: dict[str, list[float]] = {name: [] for name in programs}
    with ExitStack() as stack:
        running = {name: stack.enter_context(_running(*ready, deadline)) for name, ready in programs.items()}
        for _ in range(stretches + 1):
            for name, process in running.items():
                assert process.stdin and process.stdout
                process.stdin.write("\n")
                process.stdin.flush()
                taken[name].append(float(process.stdout.readline()))
    return {name: times[1:] for name, times in taken.items()}


def times(theirs: Sequence[float], bare: Sequence[float]) -> float:
    """How many times as long: the median over stretches that follow each other, see `in_turns`."""
    return statistics.median(one / other for one, other in zip(theirs, bare, strict=True))


@contextmanager
def _running(
    command: Sequence[str], environment: Mapping[str, str], deadline: float
) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(
        command, env=environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        killer = threading.Timer(deadline, process.kill)
        killer.start()
        try:
            yield process
        finally:
            # Closing its input, as the end of the `with` does, ends the program; the deadline holds until then.
            process.communicate()
            killer.cancel()

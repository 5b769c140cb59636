"""The programs that the benches measure. Each prints what it has measured of itself, as one JSON object.

They are run bare, under our recorder, and under two others; so they say themselves when to start the
clock, and nothing but the standard library is used. A program's time is the best of many short
stretches: what disturbs a stretch (another process, a clock rate) only ever makes it longer.
"""

from __future__ import annotations

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
import json, threading, time
def best(function, times):
    "Nanoseconds of the fastest of so many calls."
    taken = []
    for _ in range(times):
        begin = time.perf_counter_ns()
        function()
        taken.append(time.perf_counter_ns() - begin)
    return min(taken)
def show(**measured): print(json.dumps(measured))
def fib(n): return n if n < 2 else fib(n - 1) + fib(n - 2)
"""

# Costs: `ns` of one turn of what the name says.
FIB = "show(ns=best(lambda: fib(18), 60))"

EMPTY_WITH = """
lock = Lock()
def turns():
    for _ in range(1_000):
        with lock: pass
show(ns=best(turns, 60) / 1_000)
"""

LOCK_AND_WORK = """
lock = Lock()
def work():
    for _ in range(1_000):
        with lock: fib(10)
        fib(10)
def two():
    threads = [threading.Thread(target=work) for _ in range(2)]
    for thread in threads: thread.start()
    for thread in threads: thread.join()
show(ns=best(two, 10) / 2_000)
"""

START_AND_JOIN = """
def turns():
    for _ in range(20):
        thread = threading.Thread(target=int)
        thread.start()
        thread.join()
show(ns=best(turns, 40) / 20)
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
show(ns=best(turns, 25) / 1_000)
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

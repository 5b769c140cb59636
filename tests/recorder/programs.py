"""Small programs to record, and what their recordings show, by name."""

from __future__ import annotations

import os
from types import SimpleNamespace

import numpy as np
import pytest

from helpers.script import run_script

METHODS = ["fork", "spawn", "forkserver"] if hasattr(os, "fork") else ["spawn"]
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which this system lacks")


def recorded(program, **options):
    """Run the program; its timeline, with lanes, waits, holds and wake-ups by name."""
    run = run_script(program, **options)
    timeline = run.timeline
    name = {}
    for lane in timeline.lanes:
        first = lane.pid not in [timeline.lanes[number].pid for number in name]
        if lane.process == "main process":
            name[lane.number] = lane.thread
        else:
            name[lane.number] = lane.process if first else f"{lane.process}: {lane.thread}"
    lanes = {name[lane.number]: lane for lane in timeline.lanes}
    waits = {
        key: [
            (span.state, span.on.name if span.on else "")
            for span in timeline.spans[lane.number]
            if span.state != "running"
        ]
        for key, lane in lanes.items()
    }
    return SimpleNamespace(
        run=run,
        timeline=timeline,
        lanes=lanes,
        waits=waits,
        spans={key: list(timeline.spans[lane.number]) for key, lane in lanes.items()},
        holds=[(name[hold.lane], hold.lock.name, hold.open) for hold in timeline.holds],
        wakeups=[(name[w.waker], name[w.woken], w.through.name) for w in timeline.wakeups],
    )


def overlapping(timeline):
    """How many holds of a lock begin before the one before has ended."""
    lock, start, end = (timeline.holds.columns[name] for name in ("lock", "start", "end"))
    order = np.lexsort((end, start, lock))  # sorting the rows themselves takes fifty times as long
    lock, start, end = lock[order], start[order], end[order]
    return int(((lock[1:] == lock[:-1]) & (start[1:] < end[:-1])).sum())


# Each primitive: one thread waits, another ends the wait. The order is arranged, not hoped for:
# the second thread acts when the first one is seen to wait.
WAITING = """
import sys, threading, time
def is_waiting(thread, function):
    "Whether the thread is inside that function of the standard library."
    frame = sys._current_frames().get(thread.ident)
    while frame is not None:
        if frame.f_code.co_name == function:
            return True
        frame = frame.f_back
    return False
def run(waits, ends, function):
    thread = threading.Thread(target=waits, name="waiter")
    thread.start()
    while not is_waiting(thread, function):
        time.sleep(0.001)
    ends()
    thread.join()
"""

# Five processes that die in five ways, each with a wait that never ends. With an argument, the root dies too.
DEATHS = """
import multiprocessing, os, signal, sys, threading, time
def blocked(queue, ready):
    ready.set()
    queue.get()
def leave_a_thread_waiting():
    lock = threading.Lock(); lock.acquire()
    waiting = threading.Event()
    def wait():
        waiting.set()
        with lock: pass
    threading.Thread(target=wait, daemon=True, name="daemon").start()
    waiting.wait()
    innermost = "_wait" if "_recorder_of_helpers" in sys.modules else "wait"
    while not any(f.f_code.co_name == innermost for f in sys._current_frames().values()): time.sleep(0.001)
def normal(queue, ready):
    leave_a_thread_waiting()
    ready.set()
def exit_now(queue, ready):
    leave_a_thread_waiting()
    ready.set()
    os._exit(9)
def with_daemon_thread(queue, ready):
    leave_a_thread_waiting()
    ready.set()
    sys.exit()
if __name__ == "__main__":
    queue = multiprocessing.Queue()
    processes = {}
    for function, name in ((blocked, "terminated"), (blocked, "killed"), (normal, "normal"), (exit_now, "exiting"),
                           (with_daemon_thread, "with daemon")):
        ready = multiprocessing.Event()
        processes[name] = multiprocessing.Process(target=function, args=(queue, ready), name=name)
        processes[name].start()
        ready.wait()
    time.sleep(0.1)  # the two reach their get(); without it they would be killed a moment earlier
    processes["terminated"].terminate()
    processes["killed"].kill()
    if len(sys.argv) > 1:
        for process in processes.values(): process.join()
        os.kill(os.getpid(), signal.SIGKILL)
    for process in processes.values(): process.join()
"""

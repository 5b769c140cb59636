"""A search in a real kernel, interrupted: it ends with what it found, and the kernel is as before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.kernels import Kernel, Shown, fresh_kernel

PREPARED = """
import queue, sys, threading, time
from helpers import every_schedule

tried = []  # by each schedule once

def endless():
    lock = threading.Lock()
    counter = 0
    tried.append(1)

    def add():
        nonlocal counter
        for _ in range(8):
            with lock:
                now = counter
            with lock:
                counter = now + 1

    threads = [threading.Thread(target=add) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter == 24

def two():
    counter = 0

    def add():
        nonlocal counter
        counter += 1

    threads = [threading.Thread(target=add) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert counter == 2

def under_way():
    enough = len(tried) + 100
    while len(tried) < enough:
        time.sleep(0.01)
    print("under way", flush=True)

def standing():  # what the models take the place of, and what is rewritten
    return [
        sys.stdout, threading.Lock, threading.RLock, threading.Thread.start, threading.Event.wait,
        queue.Queue.get, queue.SimpleQueue, time.sleep, time.monotonic, endless.__code__, two.__code__,
    ]

before = standing()
"""

SEARCH = """
thread = threading.Thread(target=under_way)
thread.start()
result = every_schedule(endless, mode="all", seconds=3600)
result
"""

AFTERWARDS = """
thread.join()
line = queue.Queue()
lock = threading.Lock()

def put():
    with lock:
        line.put("a thread's item")

thread = threading.Thread(target=put)
thread.start()
thread.join()
print(line.get(timeout=60))
began = time.monotonic()
time.sleep(0.01)
print(time.monotonic() - began >= 0.01, lock.acquire(timeout=0), standing() == before)
"""


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with fresh_kernel(tmp_path_factory.mktemp("kernel")) as kernel:
        assert kernel.run(PREPARED).status == "ok"
        yield kernel


def interrupted(kernel: Kernel, cell: str) -> Shown:
    """Run a cell, interrupt the kernel when it says that it is under way, and wait until it has ended."""
    done = False
    for shown, _ in kernel.start(cell):
        if not done and "under way" in shown.printed:
            kernel.manager.interrupt_kernel()
            done = True
    assert done
    return shown


@pytest.mark.parametrize("attempt", range(3))
def test_an_interrupted_search_ends_at_once_with_what_it_found(kernel: Kernel, attempt: int) -> None:
    shown = interrupted(kernel, SEARCH)
    assert (shown.status, shown.error) == ("ok", {})
    (display,) = shown.displays
    text = display["data"]["text/plain"]
    assert "The search was interrupted: there may be more schedules." in text
    assert "not all were explored" in text and "text/html" in display["data"]
    found = kernel.value("[result.exhausted, result.schedules > 50, 0 <= result.failing <= result.schedules]")
    assert found == [False, True, True]

    shown = kernel.run(AFTERWARDS)
    assert (shown.status, shown.printed) == ("ok", "a thread's item\nTrue True True\n")
    kernel.run("again = every_schedule(two, mode='all')")
    assert kernel.value("[again.exhausted, again.schedules, again.failing]") == [True, 6, 4]
    assert kernel.value("result.failing == 0 or result.replay(result.shortest).failure.kind") in (
        True,
        "AssertionError",
    )

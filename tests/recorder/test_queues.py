"""`queue`: what `tests/recorder/test_recording.py` does not ask of Queue, and all of SimpleQueue."""

from __future__ import annotations

import queue

import pytest

from helpers.script import run_script
from tests.recorder.programs import WAITING, recorded

has_shutdown = pytest.mark.skipif(not hasattr(queue.Queue, "shutdown"), reason="new in 3.13")


def test_a_simple_queue_is_waited_for_and_its_put_wakes():
    seen = recorded(
        WAITING + "import queue\nitems = queue.SimpleQueue()\nrun(items.get, lambda: items.put(1), 'get')"
    )
    assert seen.run.exit_code == 0
    assert seen.waits["waiter"] == [("queue", "items")]
    assert ("MainThread", "waiter", "items") in seen.wakeups


def test_a_simple_queue_that_need_not_wait_or_waits_in_vain():
    seen = recorded(
        """
import queue
items = queue.SimpleQueue()
items.put(1); items.put_nowait(2)
print(items.get(), items.get_nowait(), items.empty(), items.qsize())
try: items.get(timeout=0.01)
except queue.Empty: print("empty")
"""
    )
    assert seen.run.stdout == "1 2 True 0\nempty\n"
    assert seen.waits["MainThread"] == [("queue", "items")]
    assert seen.spans["MainThread"][1].woken is None


def test_join_waits_for_the_last_task_done():
    seen = recorded(
        WAITING
        + """
import queue
items = queue.Queue()
items.put(1); items.put(2)
def deal():
    for _ in range(2):
        items.get(); items.task_done()
run(items.join, deal, "wait")
items.join()
"""
    )
    assert seen.waits["waiter"] == [("queue", "items")]
    assert ("MainThread", "waiter", "items") in seen.wakeups
    assert [state for state, _ in seen.waits["MainThread"] if state == "queue"] == []


def test_a_join_that_never_ends_is_stuck():
    seen = recorded("import queue\nitems = queue.Queue()\nitems.put(1)\nitems.get()\nitems.join()", timeout=1)
    (wait,) = seen.timeline.stuck.waits
    assert (wait.state, wait.on.name) == ("queue", "items")


@has_shutdown
@pytest.mark.parametrize(
    ("prepare", "wait"),
    [("", "items.get()"), ("items.put(1)", "items.put(2)"), ("items.put(1)", "items.join()")],
    ids=["get", "put", "join"],
)
def test_shutdown_ends_every_wait(prepare, wait):
    seen = recorded(
        WAITING
        + f"""
import queue
items = queue.Queue(1)
{prepare}
def waits():
    try: {wait}
    except queue.ShutDown: print("shut down")
run(waits, lambda: items.shutdown(immediate=True), "wait")
"""
    )
    assert seen.run.exit_code == 0
    assert seen.waits["waiter"] == [("queue", "items")]
    assert ("MainThread", "waiter", "items") in seen.wakeups


def test_queues_behave_as_they_do_unrecorded():
    program = """
import inspect, pickle, queue, weakref
class Mine(queue.SimpleQueue):
    def __init__(self, name): self.name = name
mine = Mine("a"); mine.put(1); print(mine.get(), mine.name, isinstance(mine, queue.SimpleQueue))
def full(queue):
    queue.put(1)
    return queue
q = full(queue.Queue(1))
for call in (lambda: q.get(timeout=-1), lambda: q.get(timeout="a"), lambda: q.put(2, timeout=-1), lambda: q.get(True, 0), lambda: q.get(False),
             lambda: queue.Queue(1).put(1, timeout=-1), lambda: queue.Queue().put(1, timeout=-1), lambda: q.task_done() or q.task_done(), lambda: q.join(),
             lambda: full(queue.SimpleQueue()).get(timeout=-1), lambda: full(queue.SimpleQueue()).get(timeout="a"), lambda: queue.SimpleQueue().get(False, -1),
             lambda: queue.SimpleQueue().get(timeout=-1), lambda: queue.SimpleQueue(1), lambda: queue.SimpleQueue().put(), lambda: queue.SimpleQueue().put(1, False, -1),
             lambda: pickle.dumps(queue.SimpleQueue())):
    try: print(call())
    except Exception as error: print(type(error).__name__, error)
s = queue.SimpleQueue()
print(weakref.ref(s)() is s, type(s).__name__, isinstance(s, queue.SimpleQueue), queue.SimpleQueue[int].__args__)
print(inspect.signature(queue.SimpleQueue.get), queue.SimpleQueue.get.__name__, inspect.signature(queue.Queue.join))
"""
    bare, watched = run_script(program, record=False), run_script(program)
    assert bare.exit_code == 0
    assert watched.stdout == bare.stdout

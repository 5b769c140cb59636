"""Each model shows what CPython's own code shows, when that is explored on nothing but modelled locks.

Random small programs around one primitive: what each thread noted, and whether any waits for ever, must be the same.
"""

import concurrent.futures
import json
import queue
import random
import threading
import types

import pytest

from helpers.schedules.exploring import explore
from tests.schedules.cpython_code import cpython_code

MODELLED = types.SimpleNamespace(
    Condition=threading.Condition,
    Semaphore=threading.Semaphore,
    BoundedSemaphore=threading.BoundedSemaphore,
    Event=threading.Event,
    Barrier=threading.Barrier,
    Queue=queue.Queue,
    LifoQueue=queue.LifoQueue,
    PriorityQueue=queue.PriorityQueue,
    SimpleQueue=queue.SimpleQueue,
    Future=concurrent.futures.Future,
    ThreadPoolExecutor=concurrent.futures.ThreadPoolExecutor,
    wait=concurrent.futures.wait,
    as_completed=concurrent.futures.as_completed,
)


@pytest.fixture(scope="module")
def cpython(tmp_path_factory):
    code = cpython_code(tmp_path_factory.mktemp("cpython"))
    code.SimpleQueue = code._PySimpleQueue
    return code


def holding(action):
    """An operation of a condition, with its lock held."""

    def held(condition, api):
        with condition:
            return action(condition)

    return held


SEMAPHORE = {
    "acquire()": lambda it, api: it.acquire(),
    "acquire(False)": lambda it, api: it.acquire(False),
    "acquire(timeout=1)": lambda it, api: it.acquire(timeout=1),
    "acquire(timeout=0)": lambda it, api: it.acquire(timeout=0),
    "release()": lambda it, api: it.release(),
    "release(2)": lambda it, api: it.release(2),
}
QUEUE = {
    "put(1)": lambda it, api: it.put(1),
    "put(2)": lambda it, api: it.put(2),
    "put(3, timeout=1)": lambda it, api: it.put(3, timeout=1),
    "put_nowait(4)": lambda it, api: it.put_nowait(4),
    "get()": lambda it, api: it.get(),
    "get(timeout=1)": lambda it, api: it.get(timeout=1),
    "get_nowait()": lambda it, api: it.get_nowait(),
    "qsize()": lambda it, api: it.qsize(),
}
WHOLE_QUEUE = QUEUE | {
    "task_done()": lambda it, api: it.task_done(),
    "join()": lambda it, api: it.join(),
    "full()": lambda it, api: it.full(),
}
if hasattr(queue, "ShutDown"):
    WHOLE_QUEUE |= {
        "shutdown()": lambda it, api: it.shutdown(),
        "shutdown(True)": lambda it, api: it.shutdown(True),
    }
# How it is made, and what is done with it.
PRIMITIVES = {
    "Semaphore": (lambda api: api.Semaphore(1), SEMAPHORE),
    "Semaphore at 0": (lambda api: api.Semaphore(0), SEMAPHORE),
    "BoundedSemaphore": (lambda api: api.BoundedSemaphore(1), SEMAPHORE),
    "Event": (
        lambda api: api.Event(),
        {
            "wait()": lambda it, api: it.wait(),
            "wait(1)": lambda it, api: it.wait(1),
            "wait(0)": lambda it, api: it.wait(0),
            "set()": lambda it, api: it.set(),
            "clear()": lambda it, api: it.clear(),
            "is_set()": lambda it, api: it.is_set(),
        },
    ),
    "Condition": (
        lambda api: api.Condition(),
        {
            "wait()": holding(lambda it: it.wait()),
            "wait(1)": holding(lambda it: it.wait(1)),
            "wait(0)": holding(lambda it: it.wait(0)),
            "notify()": holding(lambda it: it.notify()),
            "notify(2)": holding(lambda it: it.notify(2)),
            "notify_all()": holding(lambda it: it.notify_all()),
        },
    ),
    "Condition of a Lock": (
        lambda api: api.Condition(threading.Lock()),
        {
            "wait()": holding(lambda it: it.wait()),
            "wait(1)": holding(lambda it: it.wait(1)),
            "notify()": holding(lambda it: it.notify()),
            "notify_all()": holding(lambda it: it.notify_all()),
        },
    ),
    "Barrier": (
        lambda api: api.Barrier(2),
        {
            "wait()": lambda it, api: it.wait(),
            "wait(1)": lambda it, api: it.wait(1),
            "wait(0)": lambda it, api: it.wait(0),
            "reset()": lambda it, api: it.reset(),
            "abort()": lambda it, api: it.abort(),
            "broken": lambda it, api: it.broken,
        },
    ),
    "Queue": (lambda api: api.Queue(), WHOLE_QUEUE),
    "Queue of one": (lambda api: api.Queue(1), WHOLE_QUEUE),
    "LifoQueue": (lambda api: api.LifoQueue(), QUEUE),
    "PriorityQueue": (lambda api: api.PriorityQueue(2), QUEUE),
    "SimpleQueue": (lambda api: api.SimpleQueue(), QUEUE),
    "Future": (
        lambda api: api.Future(),
        {
            "result()": lambda it, api: it.result(),
            "result(1)": lambda it, api: it.result(1),
            "exception(0)": lambda it, api: it.exception(0),
            "set_result(1)": lambda it, api: it.set_result(1),
            "set_exception()": lambda it, api: it.set_exception(KeyError("no")),
            "cancel()": lambda it, api: it.cancel(),
            "cancelled()": lambda it, api: it.cancelled(),
            "done()": lambda it, api: it.done(),
            "running()": lambda it, api: it.running(),
            "begin": lambda it, api: it.set_running_or_notify_cancel(),
            "wait": lambda it, api: len(api.wait([it]).done),
            "wait(1)": lambda it, api: len(api.wait([it], timeout=1).done),
            "as_completed": lambda it, api: len(list(api.as_completed([it]))),
        },
    ),
}


def observed(api, make, threads):
    """What the threads of a program can note, and whether one of them then waits for ever."""
    found = set()
    notes = []

    def scenario():
        notes[:] = [[] for _ in threads]
        primitive = make(api)

        def work(log, operations):
            for operation in operations:
                try:
                    log.append(operation(primitive, api))
                except Exception as error:
                    log.append(type(error).__name__)

        running = [
            threading.Thread(target=work, args=pair) for pair in zip(notes, threads, strict=True)
        ]
        for thread in running:
            thread.start()

    def ended(execution):
        assert not execution.raised
        stuck = not all(task.done for task in execution.tasks)
        found.add(json.dumps([notes, stuck]))

    result = explore(scenario, mode="classes", seconds=5, ended=ended, restarted=found.clear)
    assert not [note for note in result.notes if "stopped" not in note], result.notes
    return found if result.exhausted else None


@pytest.mark.parametrize("kind", PRIMITIVES)
def test_random_programs(cpython, kind):
    make, operations = PRIMITIVES[kind]
    compared = 0
    for seed in range(40):
        chosen = random.Random(f"{kind} {seed}")
        sizes = chosen.choice([(1, 1), (1, 2), (2, 2), (1, 1, 1), (1, 1, 2)])
        names = [chosen.choices(list(operations), k=size) for size in sizes]
        threads = [[operations[name] for name in each] for each in names]
        modelled = observed(MODELLED, make, threads)
        assert modelled is not None, names
        real = observed(cpython, make, threads)
        if real is None:
            continue  # too many schedules to try them all
        assert modelled == real, (names, sorted(modelled - real), sorted(real - modelled))
        compared += 1
    assert compared >= 30

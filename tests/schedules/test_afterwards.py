"""What a scenario leaves behind when it is over: it does no harm, whoever uses it."""

from __future__ import annotations

import gc
import subprocess
import sys
import textwrap
from pathlib import Path
from queue import Queue, SimpleQueue
from threading import Condition, Event, Lock, RLock, Semaphore
from typing import Any

import pytest

from helpers.schedules import every_schedule
from tests.schedules.scenarios import together, transfers

ROOT = Path(__file__).parents[2]


def kept(make: Any) -> Any:
    """What a scenario made, when it is over."""
    made = []
    assert every_schedule(lambda: made.append(make())).failing == 0
    return made[-1]


@pytest.mark.parametrize("kind", [Lock, RLock])
def test_a_lock_is_one_like_any_other(kind: Any) -> None:
    lock = kept(kind)
    with lock:
        pass
    assert lock.acquire(timeout=1)
    lock.release()
    with pytest.raises(RuntimeError, match="release un"):
        lock.release()


def test_a_lock_that_was_left_locked() -> None:
    def make() -> Any:
        lock = Lock()
        lock.acquire()
        return lock

    lock = kept(make)
    assert lock.locked()
    assert not lock.acquire(timeout=1)
    with pytest.raises(RuntimeError, match="made in a scenario that is over: nobody will end the wait"):
        lock.acquire()
    lock.release()
    assert lock.acquire(blocking=False)


def test_a_condition_and_a_simple_queue() -> None:
    condition = kept(Condition)
    with condition:
        condition.notify_all()
    queue = kept(SimpleQueue)
    queue.put(1)
    assert queue.get() == 1


@pytest.mark.parametrize(
    ("make", "use"),
    [
        (Event, lambda event: event.set()),
        (lambda: Semaphore(1), lambda semaphore: semaphore.acquire()),
        (Queue, lambda queue: queue.put(1)),
        (Queue, lambda queue: queue.qsize()),
    ],
)
def test_what_cannot_go_on_says_so(make: Any, use: Any) -> None:
    with pytest.raises(RuntimeError, match="it was made in a scenario that is over: make another"):
        use(kept(make))


def test_a_handler_of_logging_ends_with_the_interpreter(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text(
        textwrap.dedent("""
            import logging
            from helpers import every_schedule
            handlers = []
            def scenario():
                handlers.append(logging.StreamHandler())
            print(every_schedule(scenario).failing)
        """)
    )
    run = subprocess.run(
        [sys.executable, tmp_path / "script.py"],
        env={"PYTHONPATH": str(ROOT), "PATH": ""},
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert (run.stdout, run.stderr) == ("0\n", "")


@pytest.mark.parametrize(
    ("make", "use"), [(Lock, lambda lock: lock.acquire(timeout=1)), (Event, lambda event: event.set())]
)
def test_what_is_finalized_in_the_next_search_does_not_disturb_it(make: Any, use: Any) -> None:
    finalized = []

    class Owner:
        def __init__(self) -> None:
            self.me = self
            self.primitive = make()

        def __del__(self) -> None:
            use(self.primitive)
            finalized.append(1)

    def innocent() -> None:
        lock = Lock()

        def collect() -> None:
            with lock:
                gc.collect()

        together(collect, collect)

    gc.disable()
    try:
        every_schedule(Owner)
        assert not finalized
        result = every_schedule(innocent)
        assert finalized
    finally:
        gc.enable()
    assert (result.failing, result.exhausted) == (0, True)
    assert every_schedule(transfers).schedules == 3

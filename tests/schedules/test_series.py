"""One schedule after the other: who runs the next, and that the thread that searches can always stop it."""

from __future__ import annotations

import _thread
import gc
import math
import os
import signal
import threading
import time
import weakref
from typing import Any

import pytest

from helpers import every_schedule
from helpers.schedules import workers
from helpers.schedules.execution import Execution
from helpers.schedules.exploring import explore, installed
from helpers.schedules.hub import PATIENCE, STOPPED, Hub
from helpers.schedules.search import All, Replay
from tests.schedules.scenarios import guarded, together, transfers


def increments(threads: int = 3) -> None:
    counter = 0

    def add() -> None:
        nonlocal counter
        counter += 1

    together(*[add] * threads)
    assert counter == threads


def all_is_as_before() -> bool:
    """The search works, and every thread of the program before has ended and waits for the next."""
    assert every_schedule(transfers).schedules == 3
    return len(workers._idle) == len(workers._workers)


def test_the_thread_that_ends_a_schedule_begins_the_next() -> None:
    counted: list[int] = []
    result = explore(
        increments,
        mode="all",
        ended=lambda _: counted.append(workers.real_ident()),
        restarted=counted.clear,
    )
    assert len(counted) == result.schedules > 10
    assert threading.get_ident() not in counted


def test_one_with_threads_that_wait_for_ever_is_ended_by_the_thread_that_searches() -> None:
    def ended(execution: Execution) -> None:
        stuck = any(task.op is not None for task in execution.tasks)
        counted.append((stuck, workers.real_ident() == threading.get_ident() == searching))

    counted: list[tuple[bool, bool]] = []
    searching = threading.get_ident()
    result = explore(transfers, mode="all", ended=ended)
    assert sorted(counted) == sorted((failed, failed) for failed, _ in counted)
    assert sum(stuck for stuck, _ in counted) == result.failing > 0


def test_what_goes_wrong_in_between_is_raised_where_the_search_was_called() -> None:
    def ended(_: Execution) -> None:
        if not left.pop():
            raise ZeroDivisionError

    left = [0, 1, 1]
    with pytest.raises(ZeroDivisionError):
        explore(increments, mode="all", ended=ended)
    assert all_is_as_before()


def test_nothing_of_a_search_is_kept_by_the_threads_that_wait_for_the_next() -> None:
    class Program:
        def __call__(self) -> None:
            guarded()

    program = Program()
    gone = weakref.ref(program)
    assert every_schedule(program).failing == 0
    del program
    gc.collect()
    assert gone() is None


def test_a_handler_of_the_program_s_own_can_end_a_search_with_an_exception() -> None:
    schedules = 0

    class Enough(Exception):
        """What the handler raises."""

    def handler(*_: Any) -> None:
        raise Enough

    def ended(_: Execution) -> None:
        nonlocal schedules
        schedules += 1
        if schedules == 20:
            _thread.interrupt_main()

    before = signal.signal(signal.SIGINT, handler)
    try:
        with pytest.raises(Enough):
            explore(lambda: increments(4), mode="all", seconds=60, ended=ended)
    finally:
        signal.signal(signal.SIGINT, before)
    assert 20 <= schedules < math.factorial(8) / 2**4  # two steps in each of four threads
    assert all_is_as_before()


def test_a_thread_that_was_given_up_does_not_disturb_what_comes_after() -> None:
    reading, writing = os.pipe()

    def scenario() -> None:
        os.read(reading, 1)

    with installed(scenario):
        hub = Hub()
        execution = Execution(Replay([]), hub)
        execution.begin(scenario, threading.main_thread())
        hub.wait(0.2)
        assert execution.cut is not None and execution.cut[0] == "hangs"
        assert execution.hub is not hub
        (task,) = execution.tasks
        assert task.worker not in workers._idle
        os.write(writing, b"!")
        deadline = time.monotonic() + PATIENCE
        while task.worker not in workers._idle:
            assert time.monotonic() < deadline, "it never ended"
            time.sleep(0.001)
    os.close(reading)
    os.close(writing)
    assert every_schedule(transfers).schedules == 3
    # Neither where somebody waited before nor where somebody waits now.
    assert not hub._gate.acquire(False)
    assert not execution.hub._gate.acquire(False)


def test_a_schedule_that_begins_when_the_baton_is_wanted_ends_at_once() -> None:
    begun = False

    def scenario() -> None:
        nonlocal begun
        begun = True

    with installed(scenario):
        hub = Hub()
        hub.wanted = True  # between the end of one schedule and the beginning of this one
        execution = Execution(All(), hub)
        execution.begin(scenario, threading.main_thread())
        hub.wait()
        assert execution.cut == STOPPED
        assert hub.execution is execution
        execution.unwind()
    assert not begun
    assert all_is_as_before()

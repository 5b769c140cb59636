"""A search that is stopped in the middle: by an interrupt, or because its time is over."""

from __future__ import annotations

import itertools
import signal
import threading
import time

import pytest

from helpers import every_schedule
from helpers.schedules.interrupts import held_back
from tests.schedules.scenarios import together


def test_seconds_bound_a_schedule_that_makes_no_step() -> None:
    def work(depth: int) -> int:
        return depth if depth < 2 else work(depth - 1) + work(depth - 2)

    def busy() -> None:
        for _ in range(90_000):
            work(14)

    began = time.monotonic()
    result = every_schedule(busy, seconds=0.5)
    assert time.monotonic() - began < 20
    assert not result.exhausted and "in the middle of a schedule" in result.notes[0]


def test_a_program_that_does_not_do_the_same_again_stops_the_search() -> None:
    turns = itertools.count()

    def scenario() -> None:
        turn = next(turns)
        first, second = threading.Lock(), threading.Lock()

        def work() -> None:
            with first if turn % 3 else second:
                pass

        together(work, work)

    for mode in ("all", "classes"):
        assert not every_schedule(scenario, mode=mode).exhausted


def test_an_interrupt_is_held_back_until_it_does_no_harm() -> None:
    before = signal.getsignal(signal.SIGINT)
    done = []

    def interrupted() -> None:
        with held_back():
            signal.raise_signal(signal.SIGINT)
            done.append(1)

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert done and signal.getsignal(signal.SIGINT) is before

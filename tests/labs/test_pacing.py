"""Due times, on a clock that the test moves."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from itertools import pairwise

import pytest

from helpers.labs import pacing
from helpers.labs.pacing import CATCH_UP, Orders, Pace


class Clock:
    """A clock on which nothing passes but sleep, and every sleep is too long by `late` seconds."""

    def __init__(self, late: float = 0.0) -> None:
        self.now = 1000.0
        self.late = late
        self.meanwhile: Callable[[float], bool] = lambda seconds: False

    def monotonic(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds

    def wait(self, seconds: float) -> bool:
        """As `Event.wait`: `meanwhile` may do something, and say that the bell was rung."""
        if self.meanwhile(seconds):
            return True
        self.now += seconds + self.late
        return False


def pace(
    clock: Clock, monkeypatch: pytest.MonkeyPatch, rate: float, random: bool = False
) -> tuple[Pace, Orders]:
    monkeypatch.setattr(pacing, "time", clock)
    orders = Orders(rate, random)
    monkeypatch.setattr(orders.changed, "wait", clock.wait)
    return Pace(orders, "seed"), orders


def test_late_wake_ups_do_not_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(late=0.0003)
    worker, _ = pace(clock, monkeypatch, 1000)
    for _ in range(5000):
        assert worker.pass_time()
    assert clock.now == pytest.approx(1005.0, abs=0.0004)
    assert worker.dropped == 0
    assert worker.late == pytest.approx(5000 * 0.0003)


def test_time_held_up_by_the_buffer_is_not_made_up_for(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    worker, _ = pace(clock, monkeypatch, 10)
    assert worker.pass_time()
    clock.now += 3.0  # blocked
    worker.begin()
    assert worker.pass_time()
    assert clock.now == pytest.approx(1003.2)


def test_a_worker_that_cannot_keep_up_makes_up_for_a_bounded_time(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    worker, _ = pace(clock, monkeypatch, 100)
    monkeypatch.setattr(clock, "sleep", lambda _: None)  # its rests are another matter
    clock.now += 5.0  # the machine was busy
    at_once = 0
    while clock.now == 1005.0:
        assert worker.pass_time()
        at_once += 1
    assert at_once == pytest.approx(CATCH_UP * 100 + 1, abs=1)
    assert worker.dropped == pytest.approx(5.0 - CATCH_UP)


def test_a_worker_that_is_always_late_rests_now_and_then(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    worker, _ = pace(clock, monkeypatch, 1000)
    rests: list[float] = []
    monkeypatch.setattr(clock, "sleep", rests.append)
    for _ in range(160):
        clock.now += 0.01
        assert worker.pass_time()
    assert len(rests) >= 9


@pytest.mark.parametrize(("rate", "end"), [(100.0, 1000.51), (1.0, 1001.0), (0.5, 1002.0)])
def test_a_new_rate_counts_for_a_worker_that_is_asleep(
    rate: float, end: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Half a second into an item of two seconds: what is past stays past."""
    clock = Clock()
    worker, orders = pace(clock, monkeypatch, 0.5)

    def ring_once(_: float) -> bool:
        clock.meanwhile = lambda _: False
        clock.now += 0.5
        orders.give(rate, False)
        return True

    clock.meanwhile = ring_once
    assert worker.pass_time()
    if rate == 100.0:
        assert clock.now == 1000.5  # it was due already
        assert worker.pass_time()
    else:
        assert clock.now == pytest.approx(end)


def test_whoever_is_told_to_leave_leaves_in_the_middle_of_an_item(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock()
    worker, orders = pace(clock, monkeypatch, 0.5)

    def ring(_: float) -> bool:
        orders.leave()
        return True

    clock.meanwhile = ring
    assert not worker.pass_time()
    assert clock.now == 1000.0


def test_random_times_are_exponential_and_the_same_for_the_same_seed(monkeypatch: pytest.MonkeyPatch) -> None:
    def times() -> list[float]:
        clock = Clock()
        worker, _ = pace(clock, monkeypatch, 50, random=True)
        ends = [clock.now]
        for _ in range(20_000):
            assert worker.pass_time()
            ends.append(clock.now)
        return [after - before for before, after in pairwise(ends)]

    first = times()
    assert first == times()
    # Mean and deviation of an exponential time are both 1/rate; 20,000 draws settle them within 1 %.
    assert statistics.mean(first) == pytest.approx(0.02, rel=0.03)
    assert statistics.pstdev(first) == pytest.approx(0.02, rel=0.05)

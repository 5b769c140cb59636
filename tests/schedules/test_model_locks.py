"""Lock and RLock under every schedule."""

from __future__ import annotations

import copy
import re
from threading import Lock, RLock
from typing import Any

import pytest

from helpers.schedules import every_schedule
from tests.schedules.exploring import STUCK, explored, fails, outcomes, schedules
from tests.schedules.scenarios import start, together


@pytest.mark.parametrize("kind", [Lock, RLock])
def test_only_one_is_inside(kind: Any) -> None:
    def scenario() -> int:
        lock = kind()
        inside = most = 0

        def enter() -> None:
            nonlocal inside, most
            with lock:
                inside += 1
                most = max(most, inside)
                inside -= 1

        together(enter, enter)
        return most

    assert outcomes(scenario) == {"1"}
    assert schedules(scenario) == (2, 2)


def test_three_threads_and_a_lock() -> None:
    def scenario() -> None:
        lock = Lock()

        def enter() -> None:
            with lock:
                pass

        together(*[enter] * 3)

    assert schedules(scenario) == (6, 6)  # the orders in which they get it


def test_trying() -> None:
    def scenario() -> list[bool]:
        lock = Lock()
        got: list[bool] = []

        def attempt() -> None:
            got.append(lock.acquire(blocking=False))

        together(attempt, attempt)
        return sorted(got)

    assert outcomes(scenario) == {"[False, True]"}


def test_a_timeout_may_end_the_wait_only_while_the_lock_is_taken() -> None:
    def free() -> bool:
        return Lock().acquire(timeout=1)

    def taken() -> bool:
        lock = Lock()
        lock.acquire()
        return lock.acquire(timeout=1)

    def given_back() -> bool:
        lock = Lock()
        lock.acquire()
        threads = start(lock.release)
        got = lock.acquire(timeout=1)
        for thread in threads:
            thread.join()
        return got

    assert explored(free, "all") == {"True": 1}
    assert explored(taken, "all") == {"False": 1}
    assert outcomes(given_back) == {"True", "False"}


@pytest.mark.parametrize("arguments", [{"timeout": 0}, {"blocking": False}])
def test_no_wait_at_all(arguments: dict[str, Any]) -> None:
    def scenario() -> list[bool]:
        lock = Lock()
        return [lock.acquire(**arguments), lock.acquire(**arguments)]

    assert outcomes(scenario) == {"[True, False]"}


def test_arguments_that_are_none() -> None:
    def negative() -> None:
        Lock().acquire(timeout=-2)

    def both() -> None:
        Lock().acquire(blocking=False, timeout=1)

    assert fails(negative) == ["ValueError: timeout value must be a non-negative number"]
    assert fails(both) == ["ValueError: can't specify a timeout for a non-blocking call"]


def test_any_thread_may_give_a_lock_back() -> None:
    def scenario() -> bool:
        lock = Lock()
        lock.acquire()
        together(lock.release)
        return lock.locked()

    assert outcomes(scenario) == {"False"}


def test_giving_back_what_is_free() -> None:
    def scenario() -> None:
        Lock().release()

    assert fails(scenario) == ["RuntimeError: release unlocked lock"]


def test_only_its_owner_may_give_an_rlock_back() -> None:
    def scenario() -> None:
        lock = RLock()
        lock.acquire()
        together(lock.release)

    assert fails(scenario) == ["RuntimeError: cannot release un-acquired lock"]


def test_an_rlock_is_free_after_as_many_releases() -> None:
    def scenario() -> list[str]:
        lock = RLock()
        order: list[str] = []

        def nested() -> None:
            with lock:
                with lock:
                    order.append("in")
                order.append("out")

        def once() -> None:
            with lock:
                order.append("once")

        together(nested, once)
        return order

    assert outcomes(scenario) == {"['in', 'out', 'once']", "['once', 'in', 'out']"}


def test_a_lock_is_not_reentrant() -> None:
    def scenario() -> None:
        lock = Lock()
        with lock, lock:
            pass

    assert outcomes(scenario) == {STUCK}


def test_a_release_by_another_may_come_before_the_acquisition() -> None:
    def scenario() -> list[str]:
        lock = Lock()
        seen: list[str] = []

        def meddle() -> None:
            try:
                lock.release()
                seen.append("gave it back")
            except RuntimeError:
                seen.append("it was free")

        def hold() -> None:
            lock.acquire()
            try:
                lock.release()
            except RuntimeError:
                seen.append("somebody else did")

        together(meddle, hold)
        return sorted(seen)

    assert outcomes(scenario) == {"['it was free']", "['gave it back', 'somebody else did']"}


def test_the_words_for_a_lock() -> None:
    def scenario() -> None:
        first, second = Lock(), RLock()
        first.acquire()
        with second:
            first.acquire()

    (failure,) = every_schedule(scenario).failures
    assert failure.message == "MainThread waits for `first`, which it holds itself"
    assert [step.operation for step in failure.shortest.steps] == ["acquire first", "acquire second"]
    assert failure.shortest.steps[-1].held == (("MainThread", "first"), ("MainThread", "second"))


def test_what_else_a_lock_can_do() -> None:
    def scenario() -> None:
        lock, again = Lock(), RLock()
        assert lock.acquire_lock() and lock.locked_lock()
        assert re.fullmatch(r"<locked _thread\.lock object at 0x[0-9a-f]+>", repr(lock))
        lock.release_lock()
        assert repr(lock).startswith("<unlocked _thread.lock object at 0x")
        with again:
            assert re.fullmatch(
                r"<locked _thread\.RLock object owner=\d+ count=1 at 0x[0-9a-f]+>", repr(again)
            )
        for each in (lock, again):
            with pytest.raises(TypeError, match=r"cannot pickle '_thread\.R?[Ll]ock' object"):
                copy.deepcopy({"lock": each})

    assert not every_schedule(scenario).failures


def test_a_set_of_locks_has_the_same_order_in_every_schedule() -> None:
    def scenario() -> None:
        locks = {Lock() for _ in range(5)}

        def take() -> None:
            for lock in locks:
                with lock:
                    pass

        together(take, take)

    result = every_schedule(scenario)
    assert (result.exhausted, result.failing) == (True, 0)

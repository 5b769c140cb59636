"""Barrier under every schedule."""

import sys
import threading

import pytest

from tests.schedules.exploring import STUCK, explored, outcomes
from tests.schedules.scenarios import start, together


def test_nobody_leaves_before_all_have_come_and_each_has_a_place():
    def scenario():
        barrier = threading.Barrier(3)
        lock = threading.Lock()
        came = 0
        places = []

        def work():
            nonlocal came
            with lock:
                came += 1
            place = barrier.wait()
            assert came == 3
            with lock:
                places.append(place)

        together(work, work, work)
        return sorted(places)

    assert set(explored(scenario, "classes")) == {"[0, 1, 2]"}


def test_too_few_come():
    def scenario():
        barrier = threading.Barrier(3)
        together(barrier.wait, barrier.wait)

    assert outcomes(scenario) == {STUCK}


def test_it_can_be_used_again_and_a_quick_one_waits_until_the_last_round_has_left():
    def scenario():
        barrier = threading.Barrier(2)
        lock = threading.Lock()
        rounds = [0, 0]

        def work(mine):
            for _ in range(3):
                barrier.wait()
                with lock:
                    rounds[mine] += 1
                    assert abs(rounds[0] - rounds[1]) <= 1

        together(lambda: work(0), lambda: work(1))
        return rounds

    assert set(explored(scenario, "classes")) == {"[3, 3]"}


def test_the_action_is_run_once_by_one_of_them_before_anybody_leaves():
    def scenario():
        log = []
        barrier = threading.Barrier(2, action=lambda: log.append("action"))

        def work():
            barrier.wait()
            log.append("on")

        together(work, work)
        return log

    assert outcomes(scenario) == {"['action', 'on', 'on']"}


def test_others_go_on_while_the_action_runs_but_nobody_comes_in():
    def scenario():
        lock = threading.Lock()
        log = []

        def action():
            with lock:
                log.append("action")

        barrier = threading.Barrier(1, action)

        def other():
            with lock:
                log.append("other")

        together(barrier.wait, barrier.wait, other)
        return log

    assert outcomes(scenario) == {
        "['action', 'action', 'other']",
        "['action', 'other', 'action']",
        "['other', 'action', 'action']",
    }


def test_an_action_that_fails_breaks_it():
    def scenario():
        def action():
            raise KeyError("no")

        barrier = threading.Barrier(2, action)
        said = []

        def work():
            try:
                barrier.wait()
            except (KeyError, threading.BrokenBarrierError) as error:
                said.append(type(error).__name__)

        together(work, work)
        return sorted(said), barrier.broken

    assert outcomes(scenario) == {"(['BrokenBarrierError', 'KeyError'], True)"}


def test_whose_time_is_up_breaks_it_for_all():
    def scenario():
        barrier = threading.Barrier(2)
        said = []

        def work(timeout):
            try:
                said.append(barrier.wait(timeout))
            except threading.BrokenBarrierError:
                said.append("broken")

        together(lambda: work(1), lambda: work(None))
        return sorted(said, key=str), barrier.broken

    assert outcomes(scenario) == {"([0, 1], False)", "(['broken', 'broken'], True)"}


@pytest.mark.parametrize("how", [{"timeout": 1}, {"timeout": 0}])
def test_its_own_timeout(how):
    def scenario():
        barrier = threading.Barrier(2, **how)
        try:
            barrier.wait()
        except threading.BrokenBarrierError:
            return barrier.broken, barrier.n_waiting
        return "?"

    assert outcomes(scenario) == {"(True, 0)"}


def test_who_waits_when_it_is_aborted_or_comes_later_is_told():
    def scenario():
        barrier = threading.Barrier(2)
        said = []

        def work():
            try:
                barrier.wait()
            except threading.BrokenBarrierError:
                said.append("broken")

        (thread,) = start(work)
        barrier.abort()
        thread.join()
        return said, barrier.broken, barrier.n_waiting

    assert outcomes(scenario) == {"(['broken'], True, 0)"}


def test_a_reset_throws_out_who_waits_but_not_who_comes_later():
    def scenario():
        barrier = threading.Barrier(2)
        said = []

        def work():
            try:
                said.append(barrier.wait())
            except threading.BrokenBarrierError:
                said.append("broken")

        threads = start(work, work)
        barrier.reset()
        for thread in threads:
            thread.join()
        return sorted(said, key=str), barrier.broken

    # Of two that wait, both are thrown out or none; one alone is thrown out, and the other is left waiting.
    assert outcomes(scenario) == {"([0, 1], False)", STUCK}


def test_whoever_counts_those_that_wait_may_count_all_of_them():
    def scenario():
        barrier = threading.Barrier(2)
        start(barrier.wait, barrier.wait)
        return barrier.n_waiting

    # The last to come counts too, until it has let all go: `n_waiting` takes no lock.
    assert outcomes(scenario) == {"0", "1", "2"}


def test_a_reset_mends_what_was_broken():
    def scenario():
        barrier = threading.Barrier(2)
        barrier.abort()
        barrier.reset()
        together(barrier.wait, barrier.wait)
        return barrier.parties, barrier.broken

    assert outcomes(scenario) == {"(2, False)"}


@pytest.mark.skipif(sys.version_info < (3, 13), reason="any number was taken before 3.13")
def test_no_parties():
    def scenario():
        try:
            threading.Barrier(0)
        except ValueError as error:
            return str(error)

    assert explored(scenario, "all") == {repr(scenario()): 1}


def test_in_a_loop_of_two_threads():
    def scenario():
        barrier = threading.Barrier(2)
        total = []

        def work():
            for _ in range(2):
                total.append(barrier.wait())

        together(work, work)
        return sorted(total), repr(barrier).partition(": ")[2]

    assert outcomes(scenario) == {"([0, 0, 1, 1], 'waiters=0/2>')"}

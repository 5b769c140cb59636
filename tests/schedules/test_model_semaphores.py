"""Semaphore and BoundedSemaphore under every schedule."""

import threading

import pytest

from tests.schedules.exploring import STUCK, explored, outcomes, schedules
from tests.schedules.scenarios import start, together


def most_inside(semaphore, threads):
    """How many were inside at one time at most."""
    lock = threading.Lock()
    inside = most = 0

    def work():
        nonlocal inside, most
        with semaphore:
            with lock:
                inside += 1
                most = max(most, inside)
            with lock:
                inside -= 1

    together(*[work] * threads)
    return most


def test_never_more_inside_than_the_semaphore_lets_in():
    assert set(explored(lambda: most_inside(threading.Semaphore(2), 3), "classes")) == {"1", "2"}
    assert outcomes(lambda: most_inside(threading.Semaphore(1), 2)) == {"1"}


def test_one_release_too_many_is_silent():
    def scenario():
        semaphore = threading.Semaphore(1)
        semaphore.release()
        return most_inside(semaphore, 2)

    assert outcomes(scenario) == {"1", "2"}


def test_a_bounded_one_raises_perhaps_in_the_innocent_thread():
    def scenario():
        semaphore = threading.BoundedSemaphore(1)
        blamed = []

        def innocent():
            semaphore.acquire()
            try:
                semaphore.release()
            except ValueError as error:
                blamed.append(f"innocent: {error}")

        def guilty():
            try:
                semaphore.release()
            except ValueError as error:
                blamed.append(f"guilty: {error}")

        together(innocent, guilty)
        return blamed

    said = "Semaphore released too many times"
    assert outcomes(scenario) == {f"['innocent: {said}']", f"['guilty: {said}']"}


def test_releasing_several_at_once():
    def scenario():
        semaphore = threading.Semaphore(0)
        threads = start(semaphore.acquire, semaphore.acquire)
        semaphore.release(2)
        for thread in threads:
            thread.join()
        return semaphore.acquire(False)

    assert outcomes(scenario) == {"False"}


def test_a_semaphore_that_is_not_released_is_waited_for_in_vain():
    def scenario():
        semaphore = threading.Semaphore(0)
        threads = start(semaphore.acquire, semaphore.acquire)
        semaphore.release()
        for thread in threads:
            thread.join()

    assert outcomes(scenario) == {STUCK}


def test_waiting_for_a_while_gives_up_only_at_zero():
    def scenario():
        semaphore = threading.Semaphore(0)
        (thread,) = start(semaphore.release)
        first = semaphore.acquire(timeout=1)
        thread.join()
        return first, semaphore.acquire(timeout=1)

    assert outcomes(scenario) == {"(True, False)", "(False, True)"}


@pytest.mark.parametrize("how", [{"blocking": False}, {"timeout": 0}, {"timeout": -1}])
def test_not_waiting(how):
    def scenario():
        semaphore = threading.Semaphore(0)
        (thread,) = start(semaphore.release)
        first = semaphore.acquire(**how)
        thread.join()
        return first

    assert explored(scenario, "all") == {"True": 1, "False": 1}


def test_mistakes_are_told_as_ever():
    def scenario():
        said = []
        for mistake in (
            lambda: threading.Semaphore(-1),
            lambda: threading.BoundedSemaphore(-1),
            lambda: threading.Semaphore().acquire(False, 1),
            lambda: threading.Semaphore().release(0),
            lambda: threading.BoundedSemaphore().release(0),
            lambda: threading.BoundedSemaphore().release(2),
        ):
            try:
                mistake()
            except ValueError as error:
                said.append(str(error))
        return said

    real = scenario()
    assert len(real) == 6
    assert explored(scenario, "all") == {repr(real): 1}


def test_releases_and_acquisitions_in_every_order():
    def scenario():
        semaphore = threading.Semaphore(1)
        together(semaphore.acquire, semaphore.release)

    assert schedules(scenario) == (2, 2)

"""Threads under every schedule: start, join, whether one is alive, who is who."""

from __future__ import annotations

import threading
from threading import Thread, Timer
from typing import Any

import pytest

from helpers.schedules import every_schedule
from tests.schedules.exploring import STUCK, explored, fails, outcomes, schedules
from tests.schedules.scenarios import start, together


def test_both_forms() -> None:
    class Worker(Thread):
        def __init__(self, noted: list[str]) -> None:
            super().__init__(name="worker", daemon=True)
            self.noted = noted

        def run(self) -> None:
            self.noted.append(f"{self.name} {self.daemon} {threading.current_thread() is self}")

    def scenario() -> list[str]:
        noted: list[str] = []
        threads = [
            Worker(noted),
            Thread(target=lambda a, b: noted.append(a + b), args=("a",), kwargs={"b": "b"}),
        ]
        for thread in threads:
            thread.start()
            thread.join()
        return noted

    assert outcomes(scenario) == {"['worker True True', 'ab']"}


def test_names_are_the_same_in_every_schedule() -> None:
    def scenario() -> list[str]:
        def nothing() -> None:
            pass

        threads = [Thread(target=nothing), Thread(), Thread(name="mine"), Thread(target=nothing)]
        return [thread.name for thread in threads]

    for _ in range(2):
        assert outcomes(scenario) == {"['Thread-1 (nothing)', 'Thread-2', 'mine', 'Thread-3 (nothing)']"}


def test_starting_and_ending_are_no_steps() -> None:
    def scenario() -> None:
        together(*[lambda: None] * 4)

    assert schedules(scenario) == (1, 1)


def test_what_a_thread_does_does_not_begin_within_start() -> None:
    def scenario() -> list[bool]:
        seen: list[bool] = []
        thread = Thread(target=lambda: seen.append(begun))
        begun = False
        thread.start()
        begun = True
        thread.join()
        return seen

    assert outcomes(scenario) == {"[False]", "[True]"}


def test_is_alive_may_be_asked_before_and_after_the_end() -> None:
    def scenario() -> list[bool]:
        (thread,) = start(lambda: None)
        seen = [thread.is_alive(), thread.is_alive()]
        thread.join()
        return [*seen, thread.is_alive()]

    assert outcomes(scenario) == {
        "[True, True, False]",
        "[True, False, False]",
        "[False, False, False]",
    }


def test_whether_a_thread_is_started_yet() -> None:
    def scenario() -> list[Any]:
        late = Thread(target=lambda: None)
        seen: list[Any] = []

        def look() -> None:
            seen.append(late.is_alive())
            try:
                late.join()
            except RuntimeError as error:
                seen.append(str(error))

        (thread,) = start(look)
        late.start()
        thread.join()
        return seen

    assert outcomes(scenario) == {
        "[False, 'cannot join thread before it is started']",
        "[False]",
        "[True]",
    }


def test_a_join_in_time_returns_before_or_after_the_end() -> None:
    def scenario() -> bool:
        (thread,) = start(lambda: None)
        thread.join(timeout=0.1)
        return thread.is_alive()

    assert outcomes(scenario) == {"True", "False"}


@pytest.mark.parametrize("timeout", [0, -1])
def test_a_join_that_does_not_wait(timeout: float) -> None:
    def scenario() -> bool:
        (thread,) = start(lambda: None)
        thread.join(timeout)
        return thread.is_alive()

    assert outcomes(scenario) == {"True", "False"}


def test_mistakes_are_the_real_ones() -> None:
    def twice() -> None:
        (thread,) = start(lambda: None)
        thread.start()

    def oneself() -> None:
        threading.current_thread().join()

    def too_early() -> None:
        Thread().join()

    class Forgetful(Thread):
        def __init__(self) -> None:
            pass

    def forgetful() -> None:
        Forgetful().start()

    def late_daemon() -> None:
        (thread,) = start(lambda: None)
        thread.daemon = True

    assert fails(twice) == ["RuntimeError: threads can only be started once"]
    assert fails(oneself) == ["RuntimeError: cannot join current thread"]
    assert fails(too_early) == ["RuntimeError: cannot join thread before it is started"]
    assert fails(forgetful) == ["RuntimeError: thread.__init__() not called"]
    assert fails(late_daemon) == ["RuntimeError: cannot set daemon status of active thread"]


def test_joining_each_other_is_a_deadlock() -> None:
    def scenario() -> None:
        threads: list[Thread] = []
        threads.append(Thread(target=lambda: threads[1].join(), name="one"))
        threads.append(Thread(target=lambda: threads[0].join(), name="other"))
        for thread in threads:
            thread.start()

    kinds = {failure.kind for failure in every_schedule(scenario).failures}
    assert "deadlock" in kinds
    assert "one waits for other to end; other waits for one to end" in fails(scenario)


def test_who_is_who() -> None:
    def scenario() -> list[Any]:
        main = threading.current_thread()
        seen: list[Any] = [main is threading.main_thread(), main.name]

        def look() -> None:
            me = threading.current_thread()
            seen.append([me.name, me is threading.main_thread(), me.ident == threading.get_ident()])

        thread = Thread(target=look, name="other")
        thread.start()
        thread.join()
        return [*seen, thread.ident != threading.get_ident(), threading.active_count()]

    assert outcomes(scenario) == {"[True, 'MainThread', ['other', False, True], True, 1]"}


def test_how_many_there_are() -> None:
    def scenario() -> list[int]:
        threads = start(lambda: None, lambda: None)
        seen = [threading.active_count(), len(threading.enumerate())]
        for thread in threads:
            thread.join()
        return seen

    assert outcomes(scenario) == {"[3, 3]", "[3, 2]", "[3, 1]", "[2, 2]", "[2, 1]", "[1, 1]"}


def test_a_timer_calls_or_is_stopped() -> None:
    def scenario() -> list[str]:
        called: list[str] = []
        timer = Timer(10, called.append, ["called"])
        timer.start()
        timer.cancel()
        timer.join()
        return called

    assert outcomes(scenario) == {"[]", "['called']"}


def test_a_daemon_inherits() -> None:
    def scenario() -> list[bool]:
        seen: list[bool] = []
        thread = Thread(target=lambda: seen.append(Thread().daemon), daemon=True)
        thread.start()
        thread.join()
        return [Thread().daemon, *seen]

    assert outcomes(scenario) == {"[False, True]"}


def test_the_order_of_joins_orders_what_comes_after() -> None:
    def scenario() -> int:
        found = 0

        def put() -> None:
            nonlocal found
            found = 1

        together(put)
        return found

    assert explored(scenario, "all") == {"1": 1}


def test_waiting_for_the_main_thread() -> None:
    def scenario() -> None:
        start(lambda: threading.main_thread().join())

    assert outcomes(scenario) == {"None"}
    assert STUCK not in outcomes(scenario)

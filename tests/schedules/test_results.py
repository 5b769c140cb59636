"""What a search says: failures in words, schedules as strings and steps, replays, and a scenario led step by step."""

from __future__ import annotations

import sys
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from queue import Empty, Queue
from threading import Condition, Lock, Thread
from typing import Any

import pytest

from helpers.schedules import Result, Stepper, every_schedule, notation


def together(*functions: Callable[[], Any]) -> None:
    threads = [Thread(target=function, name=f"T{n}") for n, function in enumerate(functions, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def increments() -> None:
    counter = 0

    def increment() -> None:
        nonlocal counter
        value = counter
        counter = value + 1

    together(increment, increment)
    assert counter == 2


def crossed_locks() -> None:
    a = Lock()
    b = Lock()

    def forth() -> None:
        with a, b:
            pass

    def back() -> None:
        with b, a:
            pass

    together(forth, back)


def said(scenario: Callable[[], Any], **options: Any) -> list[tuple[str, str]]:
    """The failures of a scenario: kind and message."""
    return [(failure.kind, failure.message) for failure in every_schedule(scenario, **options).failures]


class TestWords:
    def test_a_cycle_of_two_locks(self) -> None:
        assert said(crossed_locks) == [
            ("deadlock", "T1 holds `a` and waits for `b`; T2 holds `b` and waits for `a`")
        ]

    def test_philosophers(self) -> None:
        def scenario() -> None:
            forks = [Lock() for _ in range(3)]

            def dine(n: int) -> None:
                with forks[n], forks[(n + 1) % 3]:
                    pass

            together(*[lambda n=n: dine(n) for n in range(3)])

        assert said(scenario) == [
            (
                "deadlock",
                "T1 holds `forks[0]` and waits for `forks[1]`; T2 holds `forks[1]` and waits for `forks[2]`; "
                "T3 holds `forks[2]` and waits for `forks[0]`",
            )
        ]

    def test_a_lock_taken_twice(self) -> None:
        def scenario() -> None:
            lock = Lock()

            def twice() -> None:
                with lock, lock:
                    pass

            together(twice)

        assert said(scenario) == [("deadlock", "T1 waits for `lock`, which it holds itself")]

    def test_a_lock_that_was_never_given_back(self) -> None:
        class Account:
            def __init__(self) -> None:
                self.lock = Lock()

        def scenario() -> None:
            account = Account()
            together(account.lock.acquire, account.lock.acquire)

        assert sorted(said(scenario)) == [
            ("deadlock", "T1 waits for `self.lock`, held by T2, which has ended"),
            ("deadlock", "T2 waits for `self.lock`, held by T1, which has ended"),
        ]

    def test_a_lock_and_a_join_in_a_circle(self) -> None:
        def scenario() -> None:
            lock = Lock()
            thread = Thread(target=lock.acquire, name="T1")
            with lock:
                thread.start()
                thread.join()

        assert said(scenario) == [
            ("deadlock", "MainThread holds `lock` and waits for T1 to end; T1 waits for `lock`")
        ]

    def test_an_event_that_nobody_sets(self) -> None:
        def scenario() -> None:
            ready = threading.Event()
            together(ready.wait)

        assert said(scenario) == [("lost wake-up", "T1 waits for `ready`, nobody is left to set it")]

    def test_spinning_on_what_nobody_changes(self) -> None:
        def scenario() -> None:
            flags = {"ready": False}

            def wait() -> None:
                while not flags["ready"]:
                    time.sleep(0.1)

            def maybe() -> None:
                if "late" in flags:
                    flags["ready"] = True

            together(wait, maybe)

        ((kind, message),) = said(scenario)
        assert kind == "spin"
        assert message.startswith("T1 spins on `")

    def test_spinning_on_a_primitive_says_what_would_end_it(self) -> None:
        def condition() -> None:
            changed = Condition()

            def wait() -> None:
                while True:
                    with changed:
                        if changed.wait(1):
                            break

            together(wait)

        def queued() -> None:
            items: Queue[int] = Queue()

            def take() -> None:
                while True:
                    with suppress(Empty):
                        items.get(timeout=1)
                        break

            together(take)

        assert said(condition) == [("spin", "T1 spins on `changed`, nobody is left to notify it")]
        assert said(queued) == [("spin", "T1 spins on `items`, nobody is left to put an item")]

    def test_spinning_ends_as_soon_as_somebody_writes(self) -> None:
        def scenario() -> None:
            lock = Lock()
            done = False

            def poll() -> None:
                while True:
                    with lock:
                        if done:
                            return

            def finish() -> None:
                nonlocal done
                with lock:
                    done = True

            together(poll, finish)

        result = every_schedule(scenario)
        assert (result.failing, result.exhausted) == (0, True)

    def test_an_exception_names_its_thread_and_line(self) -> None:
        def scenario() -> None:
            def divide() -> None:
                1 / 0  # noqa: B018

            together(divide)

        (failure,) = every_schedule(scenario).failures
        assert (failure.kind, failure.message) == ("ZeroDivisionError", "ZeroDivisionError: division by zero")
        assert (failure.thread, failure.line) == ("T1", scenario.__code__.co_firstlineno + 2)

    def test_an_assertion_without_words_is_shown(self) -> None:
        assert said(increments) == [("AssertionError", "AssertionError: assert counter == 2")]

    def test_addresses_do_not_make_failures_different(self) -> None:
        def scenario() -> None:
            lock = Lock()
            together(lambda: lock.acquire(timeout=1), lambda: lock.acquire(timeout=1))
            raise ValueError(object())

        (failure,) = every_schedule(scenario, mode="all").failures
        assert failure.message == "ValueError: <object object>"
        assert failure.count == 2

    def test_system_exit_is_no_failure(self) -> None:
        def scenario() -> None:
            def leave() -> None:
                raise SystemExit

            together(leave)

        assert said(scenario) == []

    @pytest.mark.parametrize(
        ("code", "failures"),
        [
            (None, []),
            (0, []),
            (3, [("SystemExit", "SystemExit: 3")]),
            ("no", [("SystemExit", "SystemExit: no")]),
        ],
    )
    def test_in_the_main_thread_its_number_counts(
        self, code: object, failures: list[tuple[str, str]]
    ) -> None:
        def scenario() -> None:
            together(lambda: sys.exit(code))
            sys.exit(code)

        assert said(scenario) == failures

    def test_a_result_is_neither_true_nor_false(self) -> None:
        with pytest.raises(TypeError, match=r"ask for result\.failing == 0"):
            assert every_schedule(increments)


class TestStrings:
    @pytest.mark.parametrize("string", ["", "A", "A B2 A", "M3 A! B2", "a Z", "A!2", "[70] A"])
    def test_read_back(self, string: str) -> None:
        picks = notation.read(string)
        assert notation.written([((1 << 200) - 1, pick) for pick in picks], whole=True) == string

    @pytest.mark.parametrize("string", ["?", "A B?", "2A", "[x]", "!", "É", "A0", "A B00"])
    def test_what_is_none(self, string: str) -> None:
        with pytest.raises(ValueError, match="is no schedule: write one letter for each step"):
            notation.read(string)

    @pytest.mark.parametrize("string", ["A99999999999", "A600 B600", "[3]1001"])
    def test_more_steps_than_any_schedule_has(self, string: str) -> None:
        with pytest.raises(ValueError, match="is too long: a schedule has at most 1,000 steps"):
            notation.read(string)

    @pytest.mark.parametrize("schedule", [None, 7, ["A", "B"]])
    def test_what_is_no_string(self, schedule: Any) -> None:
        result = every_schedule(increments)
        with pytest.raises(ValueError, match="a schedule is one of a result's, or a string such as 'A B2 A'"):
            result.replay(schedule)

    def test_letters_are_told_apart(self) -> None:
        letters = [notation.letter(number) for number in range(60)]
        assert len(set(letters)) == 60
        assert letters[:4] == ["M", "A", "B", "C"]
        assert [notation.read(letter) for letter in letters] == [[2 * number] for number in range(60)]


class TestSchedules:
    def test_the_shortest_has_few_preemptions(self) -> None:
        result = every_schedule(increments, mode="all")
        assert result.shortest is not None
        assert result.shortest.string == "A B"  # T1 reads, T2 does all, T1 writes
        steps = [(step.thread, step.operation, step.value) for step in result.shortest.steps if step.chosen]
        assert steps == [
            ("T1", "read counter", "0"),
            ("T2", "read counter", "0"),
            ("T2", "write counter", "1"),
            ("T1", "write counter", "1"),
        ]
        first = increments.__code__.co_firstlineno
        assert [step.line - first for step in result.shortest.steps if step.chosen] == [5, 5, 6, 6]

    def test_all_that_happens_is_told(self) -> None:
        shortest = every_schedule(crossed_locks).shortest
        assert shortest is not None
        told = [(step.thread, step.operation, step.kind, step.chosen) for step in shortest.steps]
        assert told == [
            ("MainThread", "start T1", "start", False),
            ("MainThread", "start T2", "start", False),
            ("T1", "acquire a", "acquire", True),
            ("T2", "acquire b", "acquire", True),
        ]
        last = shortest.steps[-1]
        assert last.held == (("T1", "a"), ("T2", "b"))
        assert [(wait.thread, wait.on, wait.state, wait.holder) for wait in last.waiting] == [
            ("MainThread", "T1", "join", "T1"),
            ("T1", "b", "lock", "T2"),
            ("T2", "a", "lock", "T1"),
        ]

    def test_what_a_loop_takes_from_a_list_is_told(self) -> None:
        def scenario() -> None:
            items = ["a", "b"]

            def go_through() -> None:
                for _ in items:
                    pass

            together(go_through, lambda: items.append("c"))

        steps = every_schedule(scenario).replay("A B A3").steps
        assert [(step.thread, step.operation, step.value) for step in steps if step.chosen] == [
            ("T1", "read items", "'a'"),
            ("T2", "write items.append()", "'c'"),
            ("T1", "read items", "'b'"),
            ("T1", "read items", "'c'"),
            ("T1", "read items", ""),  # nothing is left
        ]

    def test_hundred_replays_are_identical(self) -> None:
        for scenario in (increments, crossed_locks):
            result = every_schedule(scenario)
            for failure in result.failures:
                replays = [result.replay(failure.shortest) for _ in range(50)]
                replays += [result.replay(failure.shortest.string) for _ in range(50)]
                assert replays == [failure.shortest] * 100
                assert all(replay.failure == failure for replay in replays)

    def test_any_schedule_can_be_typed(self) -> None:
        result = every_schedule(increments)
        assert result.replay("").failure is None
        assert result.replay("B2 A2").failure is None
        assert result.replay("A B A").failure is not None
        with pytest.raises(ValueError, match="step 1 of the schedule is not possible there"):
            result.replay("C")
        with pytest.raises(ValueError, match="'A2 B2 A' is too long: the schedule is over after 4 steps"):
            result.replay("A2 B2 A")

    def test_a_timeout_is_marked(self) -> None:
        def scenario() -> None:
            lock = Lock()

            def try_it() -> None:
                assert lock.acquire(timeout=1)
                lock.release()

            together(try_it, try_it)

        result = every_schedule(scenario, mode="all")
        assert result.shortest is not None
        assert "!" in result.shortest.string
        assert result.replay(result.shortest.string) == result.shortest
        (expired,) = [step for step in result.shortest.steps if step.expired]
        assert (expired.operation, expired.value) == ("acquire lock", "False")

    def test_failures_are_grouped(self) -> None:
        def scenario() -> None:
            order: list[str] = []
            lock = Lock()

            def note(name: str) -> None:
                with lock:
                    order.append(name)

            together(*[lambda name=name: note(name) for name in "abc"])
            if order[0] != "a":
                raise ValueError(order[0])

        result = every_schedule(scenario, mode="all")
        assert (result.schedules, result.failing) == (6, 4)
        assert [(failure.message, failure.count) for failure in result.failures] == [
            ("ValueError: b", 2),
            ("ValueError: c", 2),
        ]
        assert sum(failure.count for failure in result.failures) == result.failing

    def test_the_timeline(self) -> None:
        shortest = every_schedule(crossed_locks).shortest
        assert shortest is not None
        assert [lane.thread for lane in shortest.timeline.lanes] == ["MainThread", "T1", "T2"]
        assert len(shortest.timeline.stuck.cycle) == 2


class TestStepper:
    def test_the_reader_loses_an_update(self) -> None:
        stepper = Stepper(increments)
        assert [(choice.name, choice.text, choice.can_go) for choice in stepper.choices] == [
            ("MainThread", "join T1", False),
            ("T1", "read counter", True),
            ("T2", "read counter", True),
        ]
        for number in (1, 2, 2, 1):
            assert stepper.outcome is None
            stepper.choose(number)
        assert stepper.schedule == "A B2 A"
        assert stepper.values == {"counter": "1"}
        assert getattr(stepper.outcome, "message", "") == "AssertionError: assert counter == 2"
        stepper.close()

    def test_taking_back(self) -> None:
        stepper = Stepper(increments)
        stepper.choose(1)
        before = stepper.choices, stepper.schedule, stepper.values, stepper.steps
        stepper.choose(2)
        stepper.undo()
        assert (stepper.choices, stepper.schedule, stepper.values, stepper.steps) == before
        stepper.undo()
        stepper.undo()  # there is nothing left
        assert stepper.schedule == ""
        for number in (1, 1, 2, 2):
            stepper.choose(number)
        assert stepper.outcome == "ended well"
        stepper.close()

    def test_who_waits_for_what(self) -> None:
        stepper = Stepper(crossed_locks)
        stepper.choose(1)
        stepper.choose(2)
        main, one, other = stepper.choices
        assert (one.state, one.can_go, one.waits) == ("blocked", False, one.waits)
        assert one.waits is not None
        assert (one.waits.on, one.waits.holder, one.waits.remedy) == ("b", "T2", "release it")
        assert other.waits is not None
        assert (other.waits.on, other.waits.holder) == ("a", "T1")
        assert (main.state, main.site and main.site.line) == ("blocked", together.__code__.co_firstlineno + 5)
        with pytest.raises(ValueError, match="that thread cannot do that now"):
            stepper.choose(1)
        assert getattr(stepper.outcome, "kind", "") == "deadlock"
        stepper.close()

    def test_a_search_in_between(self) -> None:
        result: Result = every_schedule(increments)
        stepper = Stepper(increments, result.racy)
        stepper.choose(1)
        assert every_schedule(crossed_locks).schedules == 3
        assert type(threading.Lock()).__name__ == "lock"
        stepper.choose(2)
        assert stepper.schedule == "A B"
        stepper.close()

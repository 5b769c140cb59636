"""Loops that go round until another thread does something: seen as what they are, right or wrong."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable
from contextvars import ContextVar
from itertools import count
from threading import Condition, Event, Lock, RLock, Semaphore
from typing import Any

import pytest

from helpers.schedules import every_schedule, execution, spinning
from helpers.schedules.story import words
from tests.schedules.exploring import outcomes, schedules
from tests.schedules.scenarios import together


def waits_in_time(condition: Any, ready: Callable[[], bool]) -> None:
    while not ready():
        condition.wait(0.1)


def waits_for_in_time(condition: Any, ready: Callable[[], bool]) -> None:
    while not condition.wait_for(ready, timeout=0.1):
        pass


def lends(lock: Any, ready: Callable[[], bool]) -> None:
    while not ready():
        lock.release()
        lock.acquire()


def lends_and_sleeps(lock: Any, ready: Callable[[], bool]) -> None:
    while not ready():
        lock.release()
        time.sleep(0.1)
        lock.acquire()


WAYS = [
    (Condition, waits_in_time),
    (Condition, waits_for_in_time),
    *((kind, way) for kind in (Lock, RLock, lambda: Semaphore(1)) for way in (lends, lends_and_sleeps)),
]


class TestHoldingALock:
    """A thread that polls holds the lock at the head of its loop, and lends it in the middle."""

    @pytest.mark.parametrize("pollers", [1, 2])
    @pytest.mark.parametrize(("kind", "poll"), WAYS)
    def test_who_sets_the_flag_comes_to_the_lock(self, kind: Any, poll: Any, pollers: int) -> None:
        def scenario() -> list[str]:
            lock = kind()
            flag = False
            log = []

            def wait() -> None:
                with lock:
                    poll(lock, lambda: flag)
                    log.append("seen")

            def come() -> None:
                nonlocal flag
                with lock:
                    flag = True
                    log.append("set")

            together(*[wait] * pollers, come)
            return log

        assert outcomes(scenario) == {repr(["set"] + ["seen"] * pollers)}

    def test_the_scenarios_own_thread_sets_the_flag(self) -> None:
        def scenario() -> None:
            condition = Condition()
            stop = False

            def wait() -> None:
                with condition:
                    while not stop:
                        condition.wait(1)

            def come() -> None:
                nonlocal stop
                with condition:
                    stop = True
                    condition.notify_all()

            together(wait, come)

        for mode in ("all", "classes", "bound"):
            assert every_schedule(scenario, mode=mode, bound=0).failing == 0

    def test_threads_take_turns(self) -> None:
        def scenario() -> list[int]:
            condition = Condition()
            turn = 0
            log = []

            def take(mine: int) -> None:
                nonlocal turn
                for _ in range(2):
                    with condition:
                        while turn != mine:
                            condition.wait(0.1)
                        log.append(mine)
                        turn = 1 - mine

            together(lambda: take(0), lambda: take(1))
            return log

        assert outcomes(scenario) == {"[0, 1, 0, 1]"}

    def test_a_third_thread_may_still_come_at_any_time(self) -> None:
        def scenario() -> list[str]:
            condition = Condition()
            flag = False
            log = []

            def wait() -> None:
                with condition:
                    waits_in_time(condition, lambda: flag)
                    log.append("seen")

            def come() -> None:
                nonlocal flag
                with condition:
                    flag = True
                    log.append("set")

            together(wait, come, lambda: log.append("x"))
            return log

        assert outcomes(scenario) == {
            repr(log) for log in (["x", "set", "seen"], ["set", "x", "seen"], ["set", "seen", "x"])
        }

    def test_a_failure_after_such_a_turn_replays(self) -> None:
        def scenario() -> None:
            condition = Condition()
            flag = False

            def wait() -> None:
                with condition:
                    waits_in_time(condition, lambda: flag)
                    raise LookupError

            def come() -> None:
                nonlocal flag
                with condition:
                    flag = True

            together(wait, come)

        result = every_schedule(scenario, mode="all")
        assert result.exhausted
        assert result.failing == result.schedules
        again = result.replay("A3 A!")  # goes round with the lock before anybody else comes
        (spin,) = (step for step in again.steps if step.kind == "spin")
        assert words(spin).endswith("spin on flag and condition (once more)")
        assert again.failure is not None
        assert again.failure.kind == "LookupError"


class TestForOthers:
    """What a thread changes and changes back in its turn lets others go on."""

    def test_each_pulse_is_noticed(self) -> None:
        def scenario() -> None:
            event = Event()
            done = False

            def pulse() -> None:
                while not done:
                    event.set()
                    event.clear()

            def count() -> None:
                nonlocal done
                event.wait()
                while event.is_set():
                    pass
                event.wait()
                done = True

            together(pulse, count)

        assert outcomes(scenario) == {"None"}

    def test_who_looks_whether_the_lock_is_free_sees_it(self) -> None:
        def scenario() -> None:
            lock = Lock()
            done = False

            def wait() -> None:
                lock.acquire()
                lends(lock, lambda: done)

            def look() -> None:
                nonlocal done
                while lock.locked():
                    pass
                done = True

            together(wait, look)

        assert outcomes(scenario) == {"None"}

    def test_threads_that_poll_wake_each_other_and_not_for_ever(self) -> None:
        def under_a_lock() -> None:
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

            together(poll, poll, finish)

        def for_a_lock() -> None:
            lock = Lock()

            def poll() -> None:
                while not lock.acquire(blocking=False):
                    pass
                lock.release()

            def hold() -> None:
                with lock:
                    pass

            together(poll, poll, hold)

        assert outcomes(under_a_lock) == outcomes(for_a_lock) == {"None"}


class TestCounting:
    """A loop that counts its turns is never the same again; if nobody looks at the number, it is all the same."""

    def test_a_number_that_nobody_looks_at(self) -> None:
        def while_counting(done: Event) -> None:
            tries = 0
            while not done.is_set():
                tries += 1
                time.sleep(0.1)

        def for_counting(done: Event) -> None:
            for _ in itertools.count():
                if done.is_set():
                    return

        def from_one(done: Event) -> None:
            for tries in count(1):  # noqa: B007
                if done.is_set():
                    return
                time.sleep(0.1)

        def by_another_name(done: Event) -> None:
            from itertools import count as numbers

            for _ in numbers():
                if done.is_set():
                    return

        def by_the_iterator(done: Event) -> None:
            numbers = itertools.count()
            for _ in numbers:
                if done.is_set():
                    return

        def by_a_sum(done: Event) -> None:
            tries = 0
            while not done.is_set():
                tries = tries + 1

        for poll in (while_counting, for_counting, from_one, by_another_name, by_the_iterator, by_a_sum):

            def scenario() -> None:
                done = Event()
                together(lambda: poll(done), done.set)  # noqa: B023

            assert schedules(scenario) == (2, 2)

    def test_a_number_that_is_looked_at_is_said(self) -> None:
        def at_the_end(done: Event) -> None:
            tries = 0
            while not done.is_set():
                tries += 1
            assert tries >= 0

        def with_the_lock_of_a_condition(done: Event) -> None:
            condition, tries = Condition(), 0
            with condition:
                while not done.is_set():
                    condition.wait(0.1)
                    tries += 1
            assert tries >= 0

        def to_a_limit(done: Event) -> None:
            tries = 0
            while not done.is_set() and tries < 1e9:
                tries += 1

        for poll in (at_the_end, with_the_lock_of_a_condition, to_a_limit):

            def scenario() -> None:
                done = Event()
                together(lambda: poll(done), done.set)  # noqa: B023

            result = every_schedule(scenario)
            assert result.schedules > 0
            assert (result.failing, result.exhausted) == (0, False)
            assert "this loop counts its own turns" in result.notes[0]
            assert "leave the counter out" in result.notes[0]

    def test_a_loop_to_a_small_limit_is_followed_to_its_end(self) -> None:
        def scenario() -> bool:
            done = Event()
            found = []

            def poll() -> None:
                tries = 0
                while not done.is_set() and tries < 3:
                    tries += 1
                found.append(done.is_set())

            together(poll, done.set)
            return found[0]

        assert outcomes(scenario) == {"False", "True"}

    def test_a_function_that_is_only_called_count(self) -> None:
        def count() -> Any:
            return iter(range(2))

        def scenario() -> bool:
            done = Event()
            found = []

            def poll() -> None:
                for _ in count():
                    if done.is_set():
                        break
                found.append(done.is_set())

            together(poll, done.set)
            return found[0]

        assert outcomes(scenario) == {"False", "True"}

    def test_a_number_that_is_taken_from_a_counter_counts(self) -> None:
        def by_next(done: Event) -> bool:
            numbers = itertools.count()
            while not done.is_set():
                if next(numbers) > 2:
                    return False
            return True

        def by_for(done: Event) -> bool:
            numbers = itertools.count()
            for number in numbers:
                if done.is_set():
                    return True
                if number > 2:
                    return False
            raise AssertionError

        for poll in (by_next, by_for):

            def scenario() -> bool:
                done = Event()
                found: list[bool] = []
                together(lambda: found.append(poll(done)), done.set)  # noqa: B023
                return found[0]

            assert outcomes(scenario) == {"False", "True"}

    def test_two_share_a_counter(self) -> None:
        def scenario() -> list[tuple[str, int]]:
            numbers = itertools.count()
            found: list[tuple[str, int]] = []

            def take(name: str) -> None:
                for number in numbers:
                    found.append((name, number))
                    return

            together(lambda: take("a"), lambda: take("b"))
            return sorted(found)

        assert outcomes(scenario) == {"[('a', 0), ('b', 1)]", "[('a', 1), ('b', 0)]"}

    def test_what_goes_on_for_ever_is_found(self) -> None:
        def scenario() -> None:
            done = Event()

            def poll() -> None:
                tries = 0
                while not done.is_set():
                    tries = 2 * tries + 1

            together(poll, done.clear)

        result = every_schedule(scenario, seconds=1)
        assert result.failing == result.schedules > 0
        assert {failure.kind for failure in result.failures} == {"divergence"}


class TestWhoGetsOnWhileOthersWait:
    """A loop that changes something at each turn, until another thread stops it."""

    def test_a_beat_until_an_event(self) -> None:
        def scenario() -> None:
            stop = Event()
            beats: list[int] = []

            def beat() -> None:
                while not stop.wait(1):
                    beats.append(1)

            together(beat, stop.set)

        self.ends(scenario)

    def test_a_counter_that_others_could_see(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(spinning, "MOST_QUIET", 200)

        def scenario() -> None:
            stop = False
            turns = 0

            def turn() -> None:
                nonlocal turns
                while not stop:
                    turns += 1

            def end() -> None:
                nonlocal stop
                stop = True

            together(turn, end)

        self.ends(scenario)

    def ends(self, scenario: Callable[[], None]) -> None:
        result = every_schedule(scenario, seconds=60)
        assert (result.exhausted, result.failing) == (False, 0)
        assert 100 <= result.schedules <= 300
        (note,) = result.notes
        assert note.endswith(
            "this loop goes on as long as others wait: that they wait still longer is not tried"
        )

    def test_one_that_makes_no_step_is_let_alone(self) -> None:
        def scenario() -> None:
            def work() -> None:
                left = 20_000
                while left > 1:
                    left = left // 2 if left % 2 else left - 1

            together(work, work)

        result = every_schedule(scenario)
        assert (result.exhausted, result.failing) == (True, 0)


class TestForEver:
    """What really never ends is found."""

    def test_too_many_turns_without_a_step(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(execution, "MOST_TURNS", 10)

        def scenario() -> None:
            for _ in itertools.repeat(None, 11):
                pass

        (failure,) = every_schedule(scenario).failures
        assert failure.kind == "divergence"
        line = scenario.__code__.co_firstlineno + 1
        assert f"went 10 times round the loop of line {line} without a step" in failure.message

    def test_a_range_comes_to_its_end(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(execution, "MOST_TURNS", 10)

        def scenario() -> None:
            for _ in range(11):
                assert sum(number for number in range(12)) == 66

        result = every_schedule(scenario)
        assert (result.exhausted, result.failing) == (True, 0)

    def test_turns_are_counted_from_the_last_step(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(execution, "MOST_TURNS", 10)

        def scenario() -> None:
            lock = Lock()
            for _ in range(50):
                with lock:
                    pass

        result = every_schedule(scenario)
        assert (result.exhausted, result.failing) == (True, 0)

    def test_nobody_sets_the_flag(self) -> None:
        def scenario() -> None:
            lock = Lock()

            def wait() -> None:
                lock.acquire()
                lends(lock, lambda: False)

            together(wait)

        (failure,) = every_schedule(scenario).failures
        assert failure.kind == "spin"

    def test_two_lend_a_lock_to_each_other(self) -> None:
        def scenario() -> None:
            lock = Lock()

            def wait() -> None:
                lock.acquire()
                lends(lock, lambda: False)

            together(wait, wait)

        result = every_schedule(scenario, seconds=1)
        assert result.failing == result.schedules > 0
        assert not result.exhausted
        assert {failure.kind for failure in result.failures} == {"livelock"}

    def test_who_would_set_the_flag_waits_for_another_lock(self) -> None:
        def scenario() -> None:
            lock, other = Lock(), Lock()
            flag = False

            def wait() -> None:
                lock.acquire()
                lends(lock, lambda: flag)

            def come() -> None:
                nonlocal flag
                with other, other, lock:
                    flag = True

            together(wait, come)

        for mode in ("all", "classes"):
            result = every_schedule(scenario, mode=mode)
            assert (result.failing, result.exhausted) == (result.schedules, True)
            assert [failure.kind for failure in result.failures] == ["deadlock"]

    def test_a_lock_is_tried_that_nobody_gives_back(self) -> None:
        def scenario() -> None:
            lock = Lock()
            lock.acquire()

            def poll() -> None:
                while not lock.acquire(blocking=False):
                    pass

            together(poll, lock.acquire)

        result = every_schedule(scenario, mode="all")
        assert (result.failing, result.exhausted) == (result.schedules, True)
        assert [failure.kind for failure in result.failures] == ["deadlock"]

    def test_a_notification_is_lost_beside_one_who_polls(self) -> None:
        def scenario() -> None:
            condition = Condition()
            flag = False

            def poll() -> None:
                with condition:
                    waits_in_time(condition, lambda: flag)

            def wait() -> None:
                nonlocal flag
                with condition:
                    condition.wait()
                    flag = True

            together(poll, wait)

        result = every_schedule(scenario)
        assert (result.failing, result.exhausted) == (result.schedules, True)
        assert [failure.kind for failure in result.failures] == ["lost wake-up"]


class TestWhatIsTheThreadsOwn:
    """A loop that counts its turns there gets on, though no other thread could see it."""

    def test_an_attribute_of_a_local(self) -> None:
        def scenario() -> None:
            own, ready = threading.local(), Event()

            def wait() -> None:
                own.tries = 0
                while not ready.is_set():
                    own.tries += 1
                    if own.tries > 3:
                        return

            together(wait, wait)

        assert not every_schedule(scenario).failures

    def test_a_variable_of_the_context(self) -> None:
        def scenario() -> None:
            tries, ready = ContextVar("tries", default=0), Event()

            def wait() -> None:
                while not ready.is_set():
                    tries.set(tries.get() + 1)
                    if tries.get() > 3:
                        return

            together(wait, wait)

        assert not every_schedule(scenario).failures

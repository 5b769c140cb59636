"""Time during a search: nobody really waits."""

import threading
import time
from time import monotonic, sleep

from tests.schedules.exploring import explored, outcomes, schedules
from tests.schedules.scenarios import start, together


def test_sleeping_takes_no_time_and_orders_nothing():
    def scenario():
        order = []
        lock = threading.Lock()

        def work(name, seconds):
            sleep(seconds)
            with lock:
                order.append(name)

        together(lambda: work("slow", 3600), lambda: work("fast", 0))
        return order

    began = monotonic()
    assert outcomes(scenario) == {"['slow', 'fast']", "['fast', 'slow']"}
    assert monotonic() - began < 60


def test_a_sleep_is_no_step_while_nobody_looks_at_the_clock():
    def scenario():
        together(lambda: time.sleep(1), lambda: time.sleep(2), lambda: time.sleep(0))

    assert schedules(scenario) == (1, 1)


def test_the_clock_tells_what_was_slept():
    def scenario():
        began = time.monotonic(), time.perf_counter(), time.time(), time.monotonic_ns(), time.time_ns()
        time.sleep(2.5)
        time.sleep(0.5)
        ended = time.monotonic(), time.perf_counter(), time.time(), time.monotonic_ns(), time.time_ns()
        spent = [end - begin for begin, end in zip(began, ended, strict=True)]
        return [round(each, 3) for each in spent[:3]] + [round(each / 1e9, 3) for each in spent[3:]]

    assert explored(scenario, "all") == {"[3.0, 3.0, 3.0, 3.0, 3.0]": 1}


def test_no_two_looks_at_the_clock_give_the_same():
    def scenario():
        looks = [monotonic() for _ in range(3)]
        return looks[0] < looks[1] < looks[2]

    assert explored(scenario, "all") == {"True": 1}


def test_a_sleep_is_before_or_after_a_look_at_the_clock():
    def scenario():
        (thread,) = start(lambda: sleep(10))
        early = monotonic()
        thread.join()
        return round(early), round(monotonic())

    assert outcomes(scenario) == {"(0, 10)", "(10, 10)"}


def test_sleepers_do_not_meet_each_other_when_the_clock_is_looked_at():
    def scenario():
        began = monotonic()
        together(lambda: sleep(1), lambda: sleep(2))
        return round(monotonic() - began)

    assert set(explored(scenario, "all")) == {"3"}
    assert schedules(scenario)[1] == 1


def test_a_loop_that_only_looks_at_the_clock_ends():
    def scenario():
        deadline = monotonic() + 30
        while monotonic() < deadline:
            pass
        return "over"

    assert explored(scenario, "all") == {"'over'": 1}


def test_who_waits_in_vain_has_waited_long_enough():
    def scenario():
        began = monotonic()
        threading.Event().wait(5)
        condition = threading.Condition()
        with condition:
            condition.wait(2)
        threading.Semaphore(0).acquire(timeout=3)
        lock = threading.Lock()
        with lock:
            lock.acquire(timeout=7)
        return 17 < monotonic() - began < 17.1

    assert explored(scenario, "all") == {"True": 1}


def test_a_wait_in_vain_is_before_or_after_a_look_at_the_clock():
    def scenario():
        (thread,) = start(lambda: threading.Event().wait(10))
        early = monotonic()
        thread.join()
        return round(early), round(monotonic())

    assert outcomes(scenario) == {"(0, 10)", "(10, 10)"}


def test_mistakes_are_told_as_ever():
    def scenario():
        said = []
        for mistake in (-1, "1", None, float("nan"), float("inf"), -float("inf"), 1e30):
            try:
                time.sleep(mistake)
            except (ValueError, TypeError, OverflowError) as error:
                said.append(repr(error))
        return said

    assert explored(scenario, "all") == {repr(scenario()): 1}


def test_the_time_of_day_is_the_same_in_every_replay():
    def scenario():
        return time.time()

    first, second = explored(scenario, "all"), explored(scenario, "all")
    assert first == second


def test_a_join_in_vain_takes_its_time():
    def scenario():
        event = threading.Event()
        (thread,) = start(event.wait)
        began = monotonic()
        thread.join(4)
        spent = monotonic() - began
        event.set()
        return 4 < spent < 4.1

    assert outcomes(scenario) == {"True"}

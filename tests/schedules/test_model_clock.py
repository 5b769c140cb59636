"""Time during a search: nobody really waits."""

import contextlib
import copy
import datetime
import heapq
import json
import logging
import math
import pickle
import queue
import re
import threading
import time
from time import monotonic, sleep

import pytest

from helpers import every_schedule
from tests.schedules.exploring import explored, outcomes, schedules
from tests.schedules.reports import defined
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
        return [monotonic() for _ in range(3)]

    ((looks, count),) = explored(scenario, "all").items()
    first, second, third = json.loads(looks)
    assert count == 1 and first < second < third


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

    result = every_schedule(scenario)
    assert result.schedules == 1 and not result.failing


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
        return monotonic() - began

    (spent,) = explored(scenario, "all")
    assert 17 < float(spent) < 17.1


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
        return spent

    assert {round(float(spent), 1) for spent in outcomes(scenario)} == {4}


# Lines that let what happens depend on how much time has passed. `began` is a time.
COMPARISONS = [
    "began > 3",
    "began == 3",
    "1 < monotonic() - began < 3",
    "while monotonic() < began + 1: pass",
    "assert time.time_ns() // 1000 > 5",
    "int(time.time()) % 2 == 0",
    "float(began) > 3",
    "round(began) > 1 or math.floor(-began) > 1",
    "max(0, began - monotonic())",
    "sum([began, began]) > 1",
    "sorted([began, monotonic()])",
    "heapq.heapify([(began, 1), (monotonic(), 2)])",
    "began in [1, 2]",
    "{int(began): 1}",
    "copy.deepcopy([began])[0] > 3",
    "list(map(int, [began]))",
    "if int(began): pass",
    "time.sleep(began + 1 - monotonic())",  # an exception if it is late
    "threading.Lock().acquire(timeout=began + 1 - monotonic())",
    "queue.Queue(1).put(1, timeout=began + 1 - monotonic())",
    "datetime.timedelta(seconds=began)",
    "datetime.datetime.fromtimestamp(began)",
    "datetime.datetime.now()",
    "time.process_time()",
]

# And lines that do not, or for which both ways are tried.
USES = [
    "print(began, f'{began:.2f} {began!r} {int(began)}', '%d %.1f' % (began, began), str(began))",
    "assert isinstance(monotonic() - began, float) and isinstance(time.time_ns(), int)",
    "json.dumps([began, time.time_ns()], indent=1), json.dumps(began)",
    "math.sqrt(began), divmod(began, 7), -began * 2, abs(began), began**2",
    "pickle.loads(pickle.dumps(began)), copy.copy(began)",
    "logging.getLogger(__name__).debug('after %d', began)",
    "if began: pass",
    "began < math.inf",
    "queue.Queue(1).put(1, timeout=3)",
    "threading.Event().wait(began + 5 - monotonic())",
    "threading.Semaphore().acquire(timeout=began + 5 - monotonic())",
    "threading.Thread(target=print).start()",
    "datetime.datetime(2000, 1, 1) < datetime.datetime(2001, 1, 1)",
]


_MODULES = {
    module.__name__: module
    for module in (copy, datetime, heapq, json, logging, math, pickle, queue, threading, time)
} | {"monotonic": monotonic}


def _noted(line: str) -> tuple[str, ...]:
    """What is said of a scenario that takes a time and then does this."""
    text = f"def scenario():\n    began = monotonic()\n    {line}\n"
    return every_schedule(defined(text, **_MODULES)["scenario"]).notes


@pytest.mark.parametrize("line", COMPARISONS)
def test_what_depends_on_the_time_is_tried_one_way_and_the_result_says_so(line):
    (note,) = _noted(line)
    what = r"a time is compared: .*Use a timeout|.* is not followed$|.* is not virtual: "
    assert re.match(rf"Line 3: ({what})", note)


@pytest.mark.parametrize("line", USES)
def test_a_time_is_a_number_like_any_other(line):
    assert _noted(line) == ()


def test_a_time_that_is_compared_in_a_thread_is_said_once():
    def scenario():
        done = []

        def work():
            deadline = time.monotonic() + 5
            done.append(1)
            if time.monotonic() > deadline:
                raise RuntimeError

        together(work, work)

    result = every_schedule(scenario)
    assert not result.exhausted and not result.failing and len(result.notes) == 1


def test_waits_of_cpythons_own_code_compare_times_unseen():
    class Kept(queue.Queue):
        def _put(self, item):
            self.queue.append(item)

    def scenario():
        line = Kept()

        def take():
            with contextlib.suppress(queue.Empty):
                line.get(timeout=3)

        together(take, lambda: line.put(1))
        return line.qsize()

    assert outcomes(scenario) == {"0", "1"}


def test_what_is_left_until_a_deadline_may_be_waited_for():
    def scenario():
        condition = threading.Condition()
        end = monotonic() + 5
        with condition:
            return condition.wait(end - monotonic()), condition.wait_for(lambda: False, end - monotonic())

    assert outcomes(scenario) == {"(False, False)"}

"""Every schedule begins with the same data, or the search says that it does not."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from helpers import every_schedule
from tests.schedules.scenarios import together

cache: dict[str, int] = {}
counter = 0
log: list[int] = []
outcomes: set[int] = set()


class Box:
    number = 0


box = Box()


@pytest.fixture(autouse=True)
def _empty() -> None:
    global counter
    counter = 0
    for held in (cache, log, outcomes):
        held.clear()
    vars(box).clear()


def fill_the_cache() -> None:
    made = []

    def get() -> None:
        if "x" not in cache:
            made.append(1)
            cache["x"] = 1

    together(get, get)
    assert len(made) == 1, f"made {len(made)} times"


def increment() -> None:
    global counter
    counter += 1


def increment_in_box() -> None:
    box.number += 1


def a_cache_filled() -> None:
    fill_the_cache()


def a_global_counter() -> None:
    together(increment, increment)


def an_attribute() -> None:
    together(increment_in_box, increment_in_box)


def a_list_that_is_counted() -> None:
    together(lambda: log.append(1), lambda: log.append(2))
    assert len(log) == 2


@pytest.mark.parametrize(
    ("scenario", "name"),
    [
        (a_cache_filled, "cache"),
        (a_global_counter, "counter"),
        (an_attribute, "box.number"),
        (a_list_that_is_counted, "log"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
@pytest.mark.parametrize("mode", ["classes", "all", "bound"])
def test_what_a_schedule_left_behind_is_not_taken_for_the_beginning(
    scenario: Callable[[], None], name: str, mode: str
) -> None:
    with pytest.raises(
        ValueError, match=rf"line \d+ uses what an earlier schedule left in `{name}`, which was made "
    ):
        every_schedule(scenario, mode=mode)


def test_a_closure_around_the_scenario_is_outside_too() -> None:
    n = 0

    def scenario() -> None:
        def add() -> None:
            nonlocal n
            n += 1

        together(add, add)

    with pytest.raises(ValueError, match="left in `n`"):
        every_schedule(scenario)


def test_data_that_the_scenario_sets_at_its_beginning_are_as_good_as_its_own() -> None:
    def emptied() -> None:
        cache.clear()
        fill_the_cache()

    def set_to_zero() -> None:
        global counter
        counter = box.number = 0
        together(increment, increment_in_box, increment)
        assert counter == 2

    assert (every_schedule(emptied).failing, every_schedule(emptied).schedules) == (4, 6)
    assert every_schedule(set_to_zero).failing == 2


def test_outcomes_may_be_gathered_outside() -> None:
    def scenario() -> None:
        n = 0

        def add() -> None:
            nonlocal n
            n += 1

        together(add, add)
        outcomes.add(n)
        log.append(n)

    result = every_schedule(scenario)
    assert result.exhausted and outcomes == {1, 2}


def test_constants_outside_may_be_read() -> None:
    cache["limit"] = 2

    def scenario() -> None:
        seen = []
        together(lambda: seen.append(cache["limit"]), lambda: seen.append(cache["limit"] + box.number))
        assert seen == [2, 2]

    assert every_schedule(scenario).exhausted


def test_many_schedules_on_it_is_still_noticed() -> None:
    calls = []

    def scenario() -> None:
        def add() -> None:
            increment()
            increment()

        if len(calls) < 20:  # for as long as nothing is left behind
            global counter
            counter = 0
        calls.append(1)
        together(add, add)

    with pytest.raises(ValueError, match="left in `counter`"):
        every_schedule(scenario, mode="all")


def test_what_a_write_does_is_known_by_the_method_and_not_by_its_words() -> None:
    def emptied() -> None:
        wipe = log.clear
        wipe()
        together(lambda: log.append(1), lambda: log.append(2))
        assert len(log) == 2

    def emptied_by_a_thread() -> None:
        wipe, put = log.clear, log.append
        together(wipe)
        together(lambda: put(1), lambda: put(2))

    assert every_schedule(emptied).exhausted
    assert every_schedule(emptied_by_a_thread).exhausted

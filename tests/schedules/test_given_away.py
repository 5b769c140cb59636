"""Functions that the program gives away and the standard library calls: what they touch is seen as if called here."""

from __future__ import annotations

import functools
import heapq
import operator
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from threading import Thread, Timer
from types import SimpleNamespace
from typing import Any

import pytest

from helpers.schedules import every_schedule
from tests.schedules.exploring import outcomes
from tests.schedules.scenarios import together

Given = tuple[Callable[..., object], tuple[Any, ...]]


def in_threads(*given: Given) -> None:
    run([Thread(target=function, args=args) for function, args in given])


def in_partial_functions(*given: Given) -> None:
    run([Thread(target=functools.partial(function, *args)) for function, args in given])


def in_timers(*given: Given) -> None:
    run([Timer(0.1, function, args) for function, args in given])


def run(threads: list[Any]) -> None:
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def in_a_pool(*given: Given) -> None:
    with ThreadPoolExecutor(2) as pool:
        for function, args in given:
            pool.submit(function, *args)


def by_map(*given: Given) -> None:
    with ThreadPoolExecutor(2) as pool:
        list(pool.map(given[0][0], *zip(*[args for _, args in given], strict=True)))


WAYS = [in_threads, in_partial_functions, in_timers, in_a_pool, by_map]


def set_item() -> tuple[Any, Given, Given]:
    found: dict[str, int] = {}
    return found, (found.__setitem__, ("key", 1)), (found.__setitem__, ("key", 2))


def set_item_of_class() -> tuple[Any, Given, Given]:
    found: dict[str, int] = {}
    return found, (dict.__setitem__, (found, "key", 1)), (dict.__setitem__, (found, "key", 2))


def set_item_by_operator() -> tuple[Any, Given, Given]:
    found = [0]
    return found, (operator.setitem, (found, 0, 1)), (operator.setitem, (found, 0, 2))


def set_attribute() -> tuple[Any, Given, Given]:
    found = SimpleNamespace(value=0)
    return found, (setattr, (found, "value", 1)), (setattr, (found, "value", 2))


def push() -> tuple[Any, Given, Given]:
    found: list[float] = []
    return found, (heapq.heappush, (found, 1)), (heapq.heappush, (found, 1.0))


ENDS = {
    set_item: ({"key": 1}, {"key": 2}),
    set_item_of_class: ({"key": 1}, {"key": 2}),
    set_item_by_operator: ([1], [2]),
    set_attribute: (SimpleNamespace(value=1), SimpleNamespace(value=2)),
    push: ([1, 1.0], [1.0, 1]),
}


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("make", ENDS)
def test_either_may_come_last(make: Any, way: Any) -> None:
    def scenario() -> object:
        found, one, other = make()
        way(one, other)
        return found

    assert outcomes(scenario) == set(map(repr, ENDS[make]))


def test_callbacks_and_initializers() -> None:
    def scenario() -> bool:
        found: dict[str, Any] = {}
        promise: Future[int] = Future()
        promise.add_done_callback(functools.partial(operator.setitem, found, "key"))

        def store() -> None:
            found["key"] = 2

        together(lambda: promise.set_result(1), store)
        return found["key"] is promise

    assert outcomes(scenario) == {"False", "True"}

    def with_a_pool() -> list[int]:
        found = [0]
        with ThreadPoolExecutor(1, initializer=found.__setitem__, initargs=(0, 1)) as pool:
            pool.submit(int)
            found[0] = 2
        return found

    assert outcomes(with_a_pool) == {"[1]", "[2]"}


@pytest.mark.parametrize("step", [lambda steps: (next, (steps,)), lambda steps: (steps.__next__, ())])
def test_a_generator_is_entered_by_two(step: Any) -> None:
    def scenario() -> None:
        def numbers() -> Any:
            yield 1
            yield 2

        steps = numbers()
        in_threads(step(steps), step(steps))

    messages = {failure.message for failure in every_schedule(scenario).failures}
    assert messages == {"ValueError: generator already executing"}


def test_what_is_not_seen_is_said() -> None:
    def scenario() -> None:
        found = {"n": 0}
        in_threads(*[(exec, ("n = n + 1", found))] * 2)

    def cached() -> None:
        in_threads((functools.cache(lambda: 1), ()))

    for program, said in (
        (scenario, "exec is not followed"),
        (cached, "keeps its results from call to call"),
    ):
        result = every_schedule(program)
        assert not result.exhausted
        assert any(note.startswith("Line ") and said in note for note in result.notes), result.notes

"""The searches: exact numbers of schedules, and that one of each class finds what all of them find."""

from __future__ import annotations

import _thread
import itertools
import math
import random
import threading
import time
from collections.abc import Callable
from threading import Lock, Thread
from typing import Any

import pytest

from helpers.schedules import every_schedule
from helpers.schedules.exploring import explore
from helpers.schedules.leftovers import LEARNING
from tests.schedules.scenarios import guarded, together, transfers


def increments(threads: int = 2) -> None:
    counter = 0

    def increment() -> None:
        nonlocal counter
        value = counter
        counter = value + 1

    together(*[increment] * threads)
    assert counter == threads


def on_their_own() -> None:
    one, other = [0], [0]

    def count(cell: list[int]) -> None:
        cell[0] += 1

    together(lambda: count(one), lambda: count(other))
    assert one == other == [1]


def outcomes(scenario: Callable[[list[Any]], None], mode: str, bound: int = 2) -> tuple[int, set[str]]:
    """How many schedules there are, and all that a scenario can leave in the list it is given."""
    noted: list[Any] = []
    seen: set[str] = set()

    def once() -> None:
        noted.clear()
        scenario(noted)

    result = explore(
        once,
        mode=mode,
        bound=bound,
        seconds=60,
        ended=lambda execution: seen.add(repr([noted, [task.done for task in execution.tasks]])),
        restarted=seen.clear,
    )
    assert result.exhausted or mode == "bound", result.notes
    return result.schedules, seen


class TestNumbers:
    def test_two_increments_have_six_schedules_and_lose_in_four(self) -> None:
        result = every_schedule(increments, mode="all")
        assert (result.schedules, result.failing, result.exhausted) == (6, 4, True)

    def test_they_fall_into_four_classes_of_which_two_lose(self) -> None:
        result = every_schedule(increments)
        assert (result.mode, result.schedules, result.failing, result.exhausted) == ("classes", 4, 2, True)

    @pytest.mark.parametrize(("bound", "schedules", "failing"), [(0, 2, 0), (1, 4, 2), (2, 6, 4), (3, 6, 4)])
    def test_a_bound_counts_preemptions(self, bound: int, schedules: int, failing: int) -> None:
        result = every_schedule(increments, mode="bound", bound=bound)
        assert (result.schedules, result.failing, result.bound) == (schedules, failing, bound)
        assert not result.exhausted  # more preemptions might do more

    def test_three_increments(self) -> None:
        result = every_schedule(lambda: increments(3), mode="all")
        assert result.schedules == math.factorial(6) // 2**3
        assert result.schedules - result.failing == math.factorial(3)  # one after the other, in any order

    def test_a_lock_leaves_the_two_orders(self) -> None:
        for mode in ("all", "classes"):
            result = every_schedule(guarded, mode=mode)
            assert (result.schedules, result.failing, result.exhausted) == (2, 0, True)

    def test_what_only_one_thread_touches_is_no_step(self) -> None:
        for mode in ("all", "classes"):
            assert every_schedule(on_their_own, mode=mode).schedules == 1

    def test_steps_on_different_locks_are_one_class(self) -> None:
        def scenario() -> None:
            locks = [Lock(), Lock()]
            together(*[lambda lock=lock: lock.acquire() for lock in locks])

        assert every_schedule(scenario, mode="all").schedules == 2
        assert every_schedule(scenario).schedules == 1

    def test_crossed_locks(self) -> None:
        everything = every_schedule(transfers, mode="all")
        assert (everything.schedules, everything.failing) == (6, 2)
        classes = every_schedule(transfers)
        assert (classes.schedules, classes.failing) == (3, 1)

    def test_a_timeout_is_one_more_thing_that_can_happen(self) -> None:
        def scenario(noted: list[Any]) -> None:
            lock = Lock()

            def hold() -> None:
                with lock:
                    pass

            def try_it() -> None:
                got = lock.acquire(timeout=1)
                noted.append(got)
                if got:
                    lock.release()

            together(hold, try_it)

        schedules, seen = outcomes(scenario, "all")
        assert {outcome[:8] for outcome in seen} == {"[[True],", "[[False]"}
        # It comes first (and gives back before or after the other begins to wait), or while the other has it, in
        # vain (and hears of that before or after the other gives it back), or later.
        assert schedules == 3
        assert outcomes(scenario, "classes") == (3, seen)

    def test_the_first_schedule_switches_only_where_it_must(self) -> None:
        def scenario() -> None:
            order: list[str] = []
            lock = Lock()

            def note(name: str) -> None:
                for _ in range(2):
                    with lock:
                        order.append(name)

            together(lambda: note("a"), lambda: note("b"))
            assert order != ["a", "a", "b", "b"]

        failure = every_schedule(scenario, mode="bound", bound=0).shortest
        assert failure is not None
        assert failure.string == ""


class TestClassesAgainstAll:
    """The same outcomes, from fewer schedules; programs of everything that is peculiar to the search itself."""

    @pytest.mark.parametrize("seed", [seed for seed in range(61) if seed != 23])  # that one takes long
    def test_random_programs(self, seed: int) -> None:
        chance = random.Random(seed)
        kinds = [
            "read",
            "write",
            "add",
            "with",
            "take",
            "give back",
            "try",
            "in time",
            "alive",
            "branch",
            "until",
            "join",
        ]

        def code(size: int, nested: bool = False) -> list[tuple[Any, ...]]:
            found: list[tuple[Any, ...]] = []
            for _ in range(chance.randint(1, size)):
                kind = chance.choice(kinds)
                inner = code(1, True) if kind == "with" and not nested else []
                found.append((kind, chance.randrange(2), inner))
            return found

        threads = [code(2), code(2)] if chance.random() < 0.7 else [code(1), code(1), code(1)]
        of_main = code(1) if chance.random() < 0.3 else []
        daemons = [chance.random() < 0.2 for _ in threads]
        joins = [chance.choice([None, None, None, 1.0, -1.0]) for _ in threads]

        def scenario(noted: list[Any]) -> None:
            variables = {0: 0, 1: 0}
            locks = [Lock(), threading.RLock()]
            started: list[Thread] = []

            def run(steps: list[tuple[Any, ...]], notes: list[Any]) -> None:
                for kind, which, inner in steps:
                    match kind:
                        case "read":
                            notes.append(variables[which])
                        case "write":
                            variables[which] = len(notes) + 1
                        case "add":
                            variables[which] += 1
                        case "with":
                            with locks[which]:
                                run(inner, notes)
                        case "take":
                            locks[which].acquire()
                        case "give back":
                            try:
                                locks[which].release()
                            except RuntimeError:
                                notes.append("not held")
                        case "try":
                            notes.append(locks[which].acquire(blocking=False))
                        case "in time":
                            notes.append(locks[which].acquire(timeout=1))
                        case "alive":
                            notes.append(started[which].is_alive())
                        case "branch":
                            if variables[which]:
                                variables[1 - which] = 7
                        case "until":
                            while not variables[which]:
                                pass
                        case "join":
                            if started[0] is not threading.current_thread():
                                started[0].join(1)

            noted.extend([] for _ in range(len(threads) + 1))
            for steps, daemon, notes in zip(threads, daemons, noted, strict=False):
                started.append(Thread(target=run, args=(steps, notes), daemon=daemon))
            for thread in started:
                thread.start()
            run(of_main, noted[-1])
            for thread, patience in zip(started, joins, strict=True):
                if patience != -1:
                    thread.join(patience)
            noted.append([variables[0], variables[1]])

        schedules, everything = outcomes(scenario, "all")
        fewer, seen = outcomes(scenario, "classes")
        assert seen == everything
        assert fewer <= schedules


class TestWhereThreadsMeet:
    def test_what_is_read_to_call_a_method_of_it_is_no_step(self) -> None:
        class Box:
            def __init__(self) -> None:
                self.items: list[int] = []

            def put(self) -> None:
                self.items.append(1)

        def scenario() -> None:
            box = Box()
            together(box.put, box.put)

        result = every_schedule(scenario, mode="all")
        assert result.schedules == 2  # the two appends, in either order
        assert len(result.racy) == 1

    @pytest.mark.parametrize("late", [0, 1])
    @pytest.mark.parametrize("when", [*itertools.permutations(["first", "second", "reader"])])
    def test_an_attribute_that_is_written_in_few_schedules_is_seen(
        self, when: tuple[str, ...], late: int
    ) -> None:
        """By then, reads of it have gone unreported: nobody had written it."""

        class Box:
            def __init__(self) -> None:
                self.late = 0

        def scenario() -> None:
            lock, box = Lock(), Box()
            came: list[str] = []
            seen = []

            def come(name: str) -> None:
                with lock:
                    came.append(name)

            def read() -> None:
                come("reader")
                seen.append(box.late)

            def write() -> None:
                with lock:
                    wanted.append(came == list(when))
                if wanted[0]:
                    box.late = 1

            wanted: list[bool] = []
            together(lambda: come("first"), lambda: come("second"), read, write)
            assert not (wanted[0] and seen[0] == late)

        result = every_schedule(scenario)
        assert result.exhausted
        assert result.schedules > LEARNING
        assert result.failing > 0


class TestLimits:
    def test_the_time_limit_ends_the_search(self) -> None:
        def scenario() -> None:
            lock = Lock()

            def busy() -> None:
                for _ in range(20):
                    with lock:
                        pass

            together(*[busy] * 4)

        began = time.monotonic()
        result = every_schedule(scenario, mode="all", seconds=0.2)
        assert time.monotonic() - began < 30
        assert result.schedules > 0
        assert not result.exhausted
        assert result.notes == ("The search was stopped after 0.2 seconds: there may be more schedules.",)

    def test_an_interrupt_ends_it_with_what_was_found(self) -> None:
        seen = 0

        def ended(_: Any) -> None:
            nonlocal seen
            seen += 1
            if seen == 5:
                _thread.interrupt_main()

        result = explore(lambda: increments(4), mode="all", seconds=60, ended=ended)
        assert result.schedules >= 4
        assert result.failing > 0
        assert result.shortest is not None
        assert not result.exhausted
        assert result.notes == ("The search was interrupted: there may be more schedules.",)
        assert every_schedule(increments, mode="all").schedules == 6  # all is as before

    def test_an_execution_without_end(self) -> None:
        def scenario() -> None:
            lock = Lock()
            turns = 0

            def turn() -> None:
                nonlocal turns
                while turns >= 0:
                    with lock:
                        turns += 1

            together(turn, turn)

        result = every_schedule(scenario, mode="bound", bound=0)
        assert "divergence" in {failure.kind for failure in result.failures}
        assert not result.exhausted

    @pytest.mark.parametrize(
        ("arguments", "said"),
        [
            ({"mode": "some"}, "mode must be 'classes', 'all' or 'bound', not 'some'"),
            (
                {"mode": "bound", "bound": -1},
                "bound must be a whole number of preemptions, 0 or more, not -1",
            ),
            ({"seconds": 0}, "seconds must be a number above 0, not 0"),
        ],
    )
    def test_arguments_that_are_none(self, arguments: dict[str, Any], said: str) -> None:
        with pytest.raises(ValueError, match=said):
            every_schedule(increments, **arguments)

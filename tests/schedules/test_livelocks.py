"""Threads that get nowhere, step after step: found soon, shown short, and nothing else is taken for it."""

from __future__ import annotations

import array
import queue
import random
import threading
from collections import deque
from collections.abc import Callable
from contextvars import ContextVar
from functools import cache, lru_cache, partial
from threading import Condition, Event, Lock
from typing import Any

import pytest

from helpers.schedules import Failure, Result, Stepper, every_schedule, livelocks
from helpers.schedules.exploring import installed
from helpers.schedules.livelocks import Rounds
from helpers.schedules.notation import read
from helpers.schedules.playing import Play
from helpers.schedules.search import Replay
from helpers.schedules.watching import Watched
from tests.schedules.corpus.deadlocks import in_one_order
from tests.schedules.exploring import outcomes
from tests.schedules.scenarios import start, together

# --- programs in which threads make way for each other for ever --------------------------------------------


def polite(**how: Any) -> Callable[[], None]:
    """Each takes its lock and tries the other's; in vain, it gives back its own."""
    return gives_up_after(lambda: lambda: False, **how)


def gives_up_after(tries: Callable[[], Callable[[], Any]], **how: Any) -> Callable[[], None]:
    """The same, and each ends when what it made at its beginning says so."""

    def scenario() -> None:
        left, right = Lock(), Lock()

        def work(mine: Any, other: Any) -> None:
            enough = tries()
            while True:
                with mine:
                    if other.acquire(**how or {"blocking": False}):
                        other.release()
                        return
                if enough():
                    return

        together(lambda: work(left, right), lambda: work(right, left))

    return scenario


def with_tries() -> None:
    """The same, and each counts its tries, which says nothing of what it does next."""
    left, right = Lock(), Lock()

    def work(mine: Any, other: Any) -> None:
        tries = 0
        while True:
            tries += 1
            with mine:
                if other.acquire(blocking=False):
                    other.release()
                    return

    together(lambda: work(left, right), lambda: work(right, left))


def all_or_none() -> None:
    """Each tries all locks, in its own order, and gives back those that it got."""
    locks = [Lock(), Lock()]

    def work(order: list[Lock]) -> None:
        while True:
            got = []
            for lock in order:
                if not lock.acquire(blocking=False):
                    break
                got.append(lock)
            for lock in got:
                lock.release()
            if len(got) == 2:
                return

    together(lambda: work(locks), lambda: work(locks[::-1]))


def by_exception() -> None:
    """The same, and an exception ends the loop."""
    locks = [Lock(), Lock()]

    def work(order: list[Lock]) -> None:
        while True:
            got = []
            try:
                for lock in order:
                    if not lock.acquire(timeout=1):
                        raise TimeoutError
                    got.append(lock)
                return
            except TimeoutError:
                pass
            finally:
                for lock in got:
                    lock.release()

    together(lambda: work(locks), lambda: work(locks[::-1]))


def flags() -> None:
    """Each raises its flag, and takes it down where the other's is up too."""
    wants = [False, False]

    def enter(me: int) -> None:
        wants[me] = True
        while wants[1 - me]:
            wants[me] = False
            wants[me] = True
        wants[me] = False

    together(lambda: enter(0), lambda: enter(1))


class Diner:
    def __init__(self) -> None:
        self.hungry = True


class Touchy(dict[str, int]):
    """Nobody may ask for anything of it but its items."""

    def __getattribute__(self, name: str) -> Any:
        raise AssertionError(name)


def with_touchy() -> None:
    """The same as `polite`, with something at hand that has code of its own for every attribute."""
    left, right, last = Lock(), Lock(), Touchy()

    def work(mine: Any, other: Any, notes: Any) -> None:
        while True:
            with mine:
                notes["last"] = 1
                if other.acquire(blocking=False):
                    other.release()
                    return

    together(lambda: work(left, right, last), lambda: work(right, left, last))


def spoon() -> None:
    """Two share a spoon; who has it gives it to the other as long as that one is hungry."""
    one, two = Diner(), Diner()
    owner = one

    def eat(me: Diner, other: Diner) -> None:
        nonlocal owner
        while me.hungry:
            if owner is not me:
                continue
            if other.hungry:
                owner = other
                continue
            me.hungry = False

    together(lambda: eat(one, two), lambda: eat(two, one))


def hot_potato() -> None:
    """Two workers hand each other a task that neither takes for its own."""
    tasks: queue.Queue[str] = queue.Queue()
    tasks.put("task of a third")

    def work(name: str) -> None:
        while True:
            task = tasks.get()
            if name in task:
                return
            tasks.put(task)

    together(lambda: work("first"), lambda: work("second"))


LIVELOCKS = {
    "tries": polite(blocking=False),
    "timeouts": polite(timeout=1),
    "counted": with_tries,
    "all or none": all_or_none,
    "by exception": by_exception,
    "flags": flags,
    "touchy": with_touchy,
    "spoon": spoon,
    "queue": hot_potato,
}


@pytest.mark.parametrize("name", LIVELOCKS)
class TestIsFound:
    def test_as_what_it_is(self, name: str) -> None:
        result, failure = livelock(name)
        assert result.replay(failure.shortest) == failure.shortest
        assert not result.exhausted  # it could be tried for ever

    def test_its_last_steps_can_be_made_again_and_again(
        self, name: str, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        result, failure = livelock(name)
        # The string leaves out what goes without saying.
        made = picks_of(result, list(read(failure.shortest.string)))
        steps = int(failure.message.partition("after the last ")[2].partition(" ")[0])
        assert 0 < steps < len(made)
        monkeypatch.setattr(Rounds, "come_back", lambda *_: None)
        longer = made + made[-steps:] * 10
        assert picks_of(result, longer)[: len(longer)] == longer

    def test_and_played(self, name: str) -> None:
        _, failure = livelock(name)
        game = Play(lambda: Stepper(LIVELOCKS[name]), lambda _: failure.shortest, goal="livelock")
        try:
            game.fail()
            while (view := game.view())["ahead"]:
                game.forward()
        finally:
            game.close()
        assert (view["outcome"], view["reached"]) == ("failed", True)
        assert f"Livelock: {failure.message}. The goal is reached." in view["said"]
        assert {thread["state"] for thread in view["threads"][1:]} == {"running"}  # nobody has ended
        assert view["threads"][0]["says"] == f"It waits for {view['threads'][1]['name']} to end."


@cache
def livelock(name: str) -> tuple[Result, Failure]:
    result = every_schedule(LIVELOCKS[name], seconds=3)  # a tenth of one is enough where nothing else runs
    (failure,) = (failure for failure in result.failures if failure.kind == "livelock")
    return result, failure


def picks_of(result: Result, picks: list[int]) -> list[int]:
    """The choices that are made in a schedule, until it is over."""
    execution = Watched(Replay(picks, result.racy))
    search = execution.search
    assert isinstance(search, Replay)
    with installed(result.scenario):
        execution.run(result.scenario, threading.main_thread(), lambda _: None)
    assert execution.cut is None or execution.cut[0] != "different"
    return [pick for _, pick in search.taken]


def test_two_that_lend_each_other_a_condition_are_found() -> None:
    def scenario() -> None:
        changed = Condition()

        def wait() -> None:
            with changed:
                while True:
                    changed.wait(1)

        together(wait, wait)

    (failure,) = every_schedule(scenario, seconds=10).failures
    assert failure.kind == "livelock"


class TestHowItIsSaid:
    def test_in_words(self) -> None:
        _, failure = livelock("tries")
        assert failure.message == (
            "Thread-1 (<lambda>) and Thread-2 (<lambda>) get nowhere: after the last 6 steps all is as it was "
            "before them, and so it can go on for ever"
        )

    def test_the_picture_shows_nobody_as_woken(self) -> None:
        _, failure = livelock("tries")
        assert len(failure.shortest.steps) < 20
        timeline = failure.shortest.timeline
        assert "Never woken: MainThread waits for Thread-1 (<lambda>) to end." in timeline.summary()
        assert not len(timeline.wakeups)

    def test_after_few_schedules(self) -> None:
        result = every_schedule(polite(blocking=False), seconds=60)
        assert not result.notes  # all of it was tried, up to where it can go on for ever
        assert result.schedules < 1_000


class TestIsNotBelieved:
    """What counts where it is not seen."""

    def test_how_often_a_function_was_looked_up(self) -> None:
        def looked_up() -> Callable[[], bool]:
            @lru_cache
            def known(_: int) -> None:
                """Nothing."""

            def enough() -> bool:
                known(0)
                return known.cache_info().hits > 3

            return enough

        result = every_schedule(gives_up_after(looked_up))
        assert result.failing == 0 < result.schedules
        assert not result.exhausted
        assert result.notes[-1].startswith("Some schedules were ended because all seemed to be as it was")


class TestIsNone:
    """What looks like it, and gets on."""

    def test_locks_in_one_order(self) -> None:
        result = every_schedule(in_one_order)
        assert (result.failing, result.exhausted) == (0, True)

    def test_a_third_who_will_stop_it(self) -> None:
        def scenario() -> str:
            left, right, stop = Lock(), Lock(), Event()

            def work(mine: Any, other: Any) -> None:
                while not stop.is_set():
                    with mine:
                        if other.acquire(blocking=False):
                            other.release()

            threads = start(lambda: work(left, right), lambda: work(right, left))
            stop.set()
            for thread in threads:
                thread.join()
            return "stopped"

        result = every_schedule(scenario, seconds=3)
        assert result.failing == 0
        assert result.schedules > 10

    def test_a_third_who_comes_between_when_it_gets_the_lock(self) -> None:
        def scenario() -> str:
            lock, stop = Lock(), False

            def work() -> None:
                done = False
                while not done:
                    with lock:
                        done = stop

            def end() -> None:
                nonlocal stop
                with lock:
                    stop = True

            together(work, work, end)
            return "stopped"

        assert outcomes(scenario) == {"'stopped'"}

    def test_the_other_goes_through_a_loop_that_looks_the_same_each_time(self) -> None:
        def scenario() -> str:
            lock, other = Lock(), Lock()
            over = False

            def several() -> None:
                nonlocal over
                for _ in range(3):
                    with lock, other:
                        pass
                over = True

            def poll() -> None:
                while not over:
                    if lock.acquire(blocking=False):
                        lock.release()

            together(several, poll)
            return "over"

        result = every_schedule(scenario, seconds=10)
        assert result.failing == 0

    def test_what_is_different_each_time(self) -> None:
        """A value that another thread goes on changing, if only that."""

        def scenario() -> int:
            lock = Lock()
            left = 4

            def give() -> None:
                nonlocal left
                going_on = True
                while going_on:
                    with lock:
                        left -= 1
                        going_on = left > 0

            def look() -> None:
                seen = -1
                while seen:
                    with lock:
                        seen = left if left == 0 else -1

            together(give, look)
            return left

        assert outcomes(scenario) == {"0"}

    def test_what_grows_for_ever_is_not_looked_at_for_ever(self, monkeypatch: pytest.MonkeyPatch) -> None:
        looks = 0
        look = livelocks._Look.at_all

        def counted(*args: Any) -> Any:
            nonlocal looks
            looks += 1
            return look(*args)

        def scenario() -> None:
            numbers, over = queue.Queue[int](), Event()

            def put() -> None:
                while not over.is_set():
                    numbers.put(1)

            together(put, over.is_set)

        monkeypatch.setattr(livelocks._Look, "at_all", counted)
        result = every_schedule(scenario, mode="bound", bound=0, seconds=60)
        assert {failure.kind for failure in result.failures} == {"divergence"}
        assert livelocks.MOST_STATES <= looks <= livelocks.MOST_STATES * (result.schedules + 1)

    def test_a_number_that_is_only_on_its_way_into_a_queue(self) -> None:
        class Enough(Exception):
            pass

        def checked(number: int) -> int:
            if number > 12:
                raise Enough
            return number

        def scenario() -> None:
            there, back, flag = queue.Queue[int](), queue.Queue[int](), Event()
            there.put(0)

            def one() -> None:
                try:
                    while True:
                        back.put(checked(there.get()) + 1)
                        flag.is_set()
                except Enough:
                    back.put(100)

            def two() -> None:
                try:
                    while True:
                        flag.clear()
                        there.put(checked(back.get()) + 1)
                except Enough:
                    there.put(100)

            together(one, two)

        assert not every_schedule(scenario, mode="all", seconds=4).failures


# --- programs that give up after some tries, and count them in some way -----------------------------------


def beside_long_chain() -> Callable[[], bool]:
    """What the function holds has no end that a look at it would come to."""
    chain: list[Any] = []
    for _ in range(3_000):
        chain = [chain]
    tries = [chain]

    def enough() -> bool:
        tries.append([])
        return len(tries) > 3

    return enough


def of_tuples() -> Callable[[], bool]:
    seen: set[tuple[int]] = set()

    def enough() -> bool:
        seen.add((len(seen),))
        return len(seen) > 3

    return enough


def in_array() -> Callable[[], bool]:
    tries = array.array("i", [0])

    def enough() -> bool:
        tries[0] += 1
        return tries[0] > 3

    return enough


def in_bytearray() -> Callable[[], bool]:
    tries = bytearray()

    def enough() -> bool:
        tries.append(1)
        return len(tries) > 3

    return enough


def at_random() -> Callable[[], bool]:
    bits = random.Random(1)
    return lambda: bits.getrandbits(3) == 5


def by_function() -> Callable[[], bool]:
    def enough() -> bool:
        enough.tries += 1  # type: ignore[attr-defined]
        return enough.tries > 3  # type: ignore[attr-defined, no-any-return]

    enough.tries = 0  # type: ignore[attr-defined]
    return enough


class Listed(list[int]):
    tries = 0


class Keyed(dict[str, int]):
    tries = 0


class Queued(deque[int]):
    tries = 0


def beside_items(kind: Any) -> Callable[[], bool]:
    held = kind()

    def enough() -> bool:
        held.tries += 1
        return bool(held.tries > 3)

    return enough


def by_partial() -> Callable[[], bool]:
    step = partial(int, 0)

    def enough() -> bool:
        nonlocal step
        step = partial(int, step() + 1)
        return step() > 3

    return enough


def of_this_thread() -> Callable[[], bool]:
    own = threading.local()
    own.tries = 0

    def enough() -> bool:
        own.tries += 1
        return bool(own.tries > 3)

    return enough


def in_this_context() -> Callable[[], bool]:
    tries = ContextVar("tries", default=0)

    def enough() -> bool:
        tries.set(tries.get() + 1)
        return tries.get() > 3

    return enough


COUNTS = {
    "long chain": beside_long_chain,
    "set of tuples": of_tuples,
    "array": in_array,
    "bytearray": in_bytearray,
    "random": at_random,
    "function": by_function,
    "list": partial(beside_items, Listed),
    "dictionary": partial(beside_items, Keyed),
    "deque": partial(beside_items, Queued),
    "partial": by_partial,
    "thread": of_this_thread,
    "context": in_this_context,
}


@pytest.mark.parametrize("where", COUNTS)
def test_who_counts_its_tries_gives_up(where: str) -> None:
    assert not every_schedule(gives_up_after(COUNTS[where]), seconds=1).failures

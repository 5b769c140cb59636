"""Schedules as timelines: steps made by hand, and what the search found."""

from __future__ import annotations

import threading
from functools import cache
from itertools import pairwise
from typing import Any

import pytest

from helpers.schedules import every_schedule, story
from helpers.schedules.result import Failure, Schedule, Step, Waiting
from helpers.timeline import Timeline
from tests.schedules import corpus
from tests.timeline.test_picture import assert_readable

MAIN, ONE, TWO = "MainThread", "one", "two"


class Told:
    """Collects steps; each says after itself who waits and who holds what, as the last one that said so."""

    def __init__(self) -> None:
        self.steps: list[Step] = []
        self.waiting: tuple[Waiting, ...] = ()
        self.held: tuple[tuple[str, str], ...] = ()

    def step(self, thread: str, operation: str, line: int = 1, value: str = "", **more: Any) -> None:
        kind = operation.partition(" ")[0]
        self.waiting = more.pop("waiting", self.waiting)
        self.held = more.pop("held", self.held)
        known = {"expired": False, "chosen": kind not in ("start", "join", "end")} | more
        self.steps.append(
            Step(
                number=len(self.steps) + 1,
                thread=thread,
                operation=operation,
                kind=kind,
                file="demo.py",
                line=line,
                value=value,
                waiting=self.waiting,
                held=self.held,
                **known,
            )
        )

    def timeline(self, kind: str = "", thread: str = "", line: int = 0) -> Timeline:
        bare = Schedule("", tuple(self.steps), None, "")
        if not kind:
            return story.timeline(bare)
        failure = Failure(kind, kind, thread, line, 1, bare)
        return story.timeline(Schedule("", tuple(self.steps), failure, ""))


def joining(thread: str) -> Waiting:
    return Waiting(MAIN, thread, "join", thread, "end")


def spans(timeline: Timeline, lane: int) -> list[tuple[float, float, str, str]]:
    return [
        (each.start, each.end, each.state, each.on.name if each.on else "") for each in timeline.spans[lane]
    ]


@pytest.fixture
def lost_update() -> Timeline:
    told = Told()
    told.step(MAIN, "start one", 8)
    told.step(MAIN, "start two", 8)
    told.step(ONE, "read counter", 4, "0", waiting=(joining(ONE),))
    told.step(TWO, "read counter", 4, "0")
    told.step(ONE, "write counter", 4, "1")
    told.step(ONE, "end", waiting=())
    told.step(MAIN, "join one", 9, waiting=(joining(TWO),))
    told.step(TWO, "write counter", 4, "1")
    told.step(TWO, "end", waiting=())
    told.step(MAIN, "join two", 9)
    told.step(MAIN, "end by AssertionError", 10)
    return told.timeline("AssertionError", MAIN, 10)


def test_each_chosen_step_and_each_start_has_a_column(lost_update: Timeline) -> None:
    assert lost_update.steps
    assert [(mark.lane, mark.at, mark.text) for mark in lost_update.marks] == [
        (0, 1.0, "8: start one"),
        (0, 2.0, "8: start two"),
        (1, 3.0, "4: read counter = 0"),
        (2, 4.0, "4: read counter = 0"),
        (1, 5.0, "4: write counter = 1"),
        (2, 6.0, "4: write counter = 1"),
    ]
    assert spans(lost_update, 1) == [(3, 4, "running", ""), (5, 6, "running", "")]
    assert spans(lost_update, 2) == [(4, 5, "running", ""), (6, 7, "running", "")]


def test_joins_are_waits_that_the_end_of_the_thread_ends(lost_update: Timeline) -> None:
    assert spans(lost_update, 0) == [(1, 3, "running", ""), (3, 6, "join", "one"), (6, 7, "join", "two")]
    assert [wakeup[:4] for wakeup in lost_update.wakeups] == [(1, 6.0, 0, 6.0), (2, 7.0, 0, 7.0)]


def test_births_and_ends(lost_update: Timeline) -> None:
    main, one, two = lost_update.lanes
    assert (main.ending, main.detail, main.died) == ("raised", "AssertionError, line 10", 7.0)
    assert (one.parent, one.started, one.born, one.died, one.ending) == (0, 1.0, 2.0, 6.0, "ended")
    assert (two.parent, two.started, two.born, two.died, two.ending) == (0, 2.0, 3.0, 7.0, "ended")
    assert not lost_update.stuck


def test_its_words_say_every_step(lost_update: Timeline) -> None:
    assert lost_update.summary() == (
        "1 process, 3 threads.\n"
        "MainThread: ended by an uncaught AssertionError, line 10.\n"
        "one and two, started by MainThread: ended.\n"
        "In order:\n"
        "  MainThread, 8: start one\n"
        "  MainThread, 8: start two\n"
        "  one, 4: read counter = 0\n"
        "  two, 4: read counter = 0\n"
        "  one, 4: write counter = 1\n"
        "  two, 4: write counter = 1"
    )


def test_a_deadlock_ends_in_waits_for_ever_and_names_the_cycle() -> None:
    told = Told()
    told.step(MAIN, "start one", 8)
    told.step(MAIN, "start two", 8)
    told.step(ONE, "acquire a", 3, waiting=(joining(ONE),), held=((ONE, "a"),))
    cycle = Waiting(ONE, "b", "lock", TWO, "release it"), Waiting(TWO, "a", "lock", ONE, "release it")
    told.step(TWO, "acquire b", 6, waiting=(joining(ONE), *cycle), held=((ONE, "a"), (TWO, "b")))
    timeline = told.timeline("deadlock")
    assert spans(timeline, 1) == [(3, 4, "running", ""), (4, 6, "lock", "b")]
    assert spans(timeline, 2) == [(4, 5, "running", ""), (5, 6, "lock", "a")]
    assert [each.open for each in timeline.spans[2]] == [False, True]
    assert timeline.stuck.cycle == (1, 2)
    assert [(wait.lane, wait.since, wait.holder) for wait in timeline.stuck.waits] == [
        (0, 3, 1),
        (1, 4, 2),
        (2, 5, 1),
    ]
    assert [(hold.lane, hold.lock.name, hold.start, hold.end, hold.open) for hold in timeline.holds] == [
        (1, "a", 3.0, 6.0, True),
        (2, "b", 4.0, 6.0, True),
    ]
    assert {lane.ending for lane in timeline.lanes} == {"unfinished"}
    assert timeline.summary().splitlines()[1:5] == [
        "MainThread: did not end.",
        "one and two, started by MainThread: did not end.",
        "Deadlock: one waits for b, held by two; two waits for a, held by one.",
        "Never woken: MainThread waits for one to end.",
    ]


def test_a_lock_taken_again_before_the_waiter_ran_wakes_it_only_the_second_time() -> None:
    told = Told()
    waits = (Waiting(TWO, "lock", "lock", ONE, "release it"),)
    told.step(ONE, "acquire lock", held=((ONE, "lock"),), waiting=waits)
    told.step(ONE, "release lock", held=(), waiting=())
    told.step(ONE, "acquire lock", held=((ONE, "lock"),), waiting=waits)
    told.step(ONE, "release lock", held=(), waiting=())
    told.step(ONE, "read x")
    told.step(TWO, "acquire lock", held=((TWO, "lock"),))
    timeline = told.timeline()
    first = timeline.spans[1][0]
    assert (first.start, first.end, first.state, first.woken) == (2, 6, "lock", 4.0)
    assert [wakeup[:4] for wakeup in timeline.wakeups] == [(0, 4.0, 1, 6.0)]
    assert [(hold.lane, hold.start, hold.end) for hold in timeline.holds] == [(0, 1, 2), (0, 3, 4), (1, 6, 7)]


def test_a_wait_may_become_another_wait() -> None:
    told = Told()
    told.step(ONE, "wait condition", waiting=(Waiting(ONE, "condition", "signal", None, "notify it"),))
    told.step(TWO, "acquire condition", held=((TWO, "condition"),))
    told.step(TWO, "notify condition", waiting=(Waiting(ONE, "condition", "lock", TWO, "release it"),))
    told.step(TWO, "release condition", waiting=(), held=())
    told.step(ONE, "wake up", held=((ONE, "condition"),))
    timeline = told.timeline()
    assert spans(timeline, 0) == [
        (1, 2, "running", ""),
        (2, 3, "signal", "condition"),
        (3, 5, "lock", "condition"),
        (5, 6, "running", ""),
    ]
    assert [wakeup[:4] for wakeup in timeline.wakeups] == [(1, 3.0, 0, 3.0), (1, 4.0, 0, 5.0)]


def test_a_timeout_is_no_wake_up() -> None:
    told = Told()
    told.step(ONE, "wait event", waiting=(Waiting(ONE, "event", "signal", None, "set it"),))
    told.step(TWO, "read x")
    told.step(ONE, "wait event", waiting=(), expired=True, value="False")
    timeline = told.timeline()
    assert [(each.start, each.end, each.state, each.woken) for each in timeline.spans[0]] == [
        (1, 2, "running", None),
        (2, 3, "signal", None),
        (3, 4, "running", None),
    ]
    assert len(timeline.wakeups) == 0
    assert timeline.marks[-1].text == "1: wait event (timeout) = False"


def test_a_daemon_that_is_left_is_cut_off_and_not_stuck() -> None:
    told = Told()
    told.step(MAIN, "start one")
    told.step(ONE, "get q", waiting=(Waiting(ONE, "q", "queue", None, "put an item"),))
    told.step(MAIN, "end")
    timeline = told.timeline()
    assert [lane.ending for lane in timeline.lanes] == ["ended", "cut off"]
    assert not timeline.stuck


# ------------------------------------------------------------------------- what the search has found

# One in three each time; those of mutual exclusion, which take seconds to explore, never.
PAIRS = [pair for pair in corpus.pairs() if not pair.long and not str(pair).startswith("exclusion")]
BUGS = [
    pytest.param(pair, id=str(pair), marks=[pytest.mark.exhaustive] if place % 3 else [])
    for place, pair in enumerate(PAIRS)
]


@cache
def shortest(bug: corpus.Program) -> Schedule:
    schedule = every_schedule(bug).shortest
    assert schedule is not None
    return schedule


@pytest.mark.parametrize("pair", BUGS)
def test_the_story_of_a_bug_holds_together(pair: corpus.Pair) -> None:
    schedule = shortest(pair.bug)
    assert schedule.failure is not None
    timeline = schedule.timeline
    names = [lane.thread for lane in timeline.lanes]
    chosen = [step for step in schedule.steps if step.chosen or step.kind in ("start", "notify")]
    assert [mark.text for mark in timeline.marks] == [story.words(step) for step in chosen]
    running: dict[int, list[float]] = {lane.number: [] for lane in timeline.lanes}
    for at, step in enumerate(chosen, 1):
        running[names.index(step.thread)].append(at)
    for lane, spans in zip(timeline.lanes, timeline.spans, strict=True):
        assert all(one.end <= other.start for one, other in pairwise(spans))
        steps = [
            at
            for each in spans
            if each.state == "running"
            for at in range(round(each.start), round(each.end))
        ]
        assert steps == running[lane.number]
        assert all(lane.died is None or each.end <= lane.died for each in spans)
    failure = schedule.failure
    cycle = [names[lane] for lane in timeline.stuck.cycle]
    assert all(name in failure.message for name in cycle)
    said = failure.message
    assert bool(cycle) == (" holds " in said or "holds itself" in said or said.count(" to end") > 1)
    raised = [lane.thread for lane in timeline.lanes if lane.ending == "raised"]
    assert raised == [failure.thread] * bool(failure.thread)


@pytest.mark.parametrize("pair", BUGS[::6])
@pytest.mark.parametrize("width", [5.0, 9.0])
def test_the_picture_of_a_bug_is_readable(pair: corpus.Pair, width: float) -> None:
    assert_readable(shortest(pair.bug).timeline.plot(width=width, title="The shortest failure"))


def test_a_notification_has_a_column_though_it_is_no_choice() -> None:
    def scenario() -> None:
        changed = threading.Condition()
        items: list[int] = []

        def take() -> None:
            with changed:
                while not items:
                    changed.wait()
                assert items.pop() != 1

        taker = threading.Thread(target=take)
        taker.start()
        with changed:
            items.append(1)
            changed.notify()
        taker.join()

    schedule = every_schedule(scenario).shortest
    assert schedule is not None
    told = [step for step in schedule.steps if step.kind == "notify"]
    assert [(step.thread, step.operation, step.chosen) for step in told] == [(MAIN, "notify changed", False)]
    texts = [mark.text.partition(": ")[2] for mark in schedule.timeline.marks]
    place = texts.index("notify changed")
    assert texts[place - 1 : place + 2] in (
        ["acquire changed", "notify changed", "release changed"],
        ["write items.append() = 1", "notify changed", "release changed"],
    )
    assert texts == [story.words(step).partition(": ")[2] for step in story.shown(schedule)]
    assert "notify changed" in str(every_schedule(scenario))

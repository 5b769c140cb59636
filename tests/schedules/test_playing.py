"""The game without a page: a reader leads a scenario step by step, on real threads."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterator
from threading import Lock
from typing import Any

import pytest

from helpers.schedules import Schedule, Stepper, every_schedule
from helpers.schedules.playing import Play
from helpers.schedules.workers import frames
from tests.schedules.scenarios import together, transfers


def two_increments() -> None:
    counter = 0

    def add() -> None:
        nonlocal counter
        counter += 1

    together(add, add)
    assert counter == 2, "an update was lost"


def patient() -> None:
    lock = Lock()
    got = []

    def hold() -> None:
        with lock:
            print("held")

    def ask() -> None:
        got.append(lock.acquire(timeout=1))

    together(hold, ask)


@pytest.fixture
def play() -> Iterator[Callable[..., Play]]:
    """Makes games, and closes them."""
    games = []

    def make(scenario: Callable[[], None], **options: Any) -> Play:
        def find(_: str) -> Schedule | None:
            return every_schedule(scenario).shortest

        games.append(Play(lambda: Stepper(scenario), find, **options))
        return games[-1]

    yield make
    for game in games:
        game.close()


def state(view: dict[str, Any]) -> list[str]:
    return [thread["state"] for thread in view["threads"]]


ONE, OTHER = 1, 2


def test_at_first_the_started_threads_can_go_and_the_main_thread_waits(play: Callable[..., Play]) -> None:
    view = play(two_increments).view()
    assert [thread["name"] for thread in view["threads"]] == [
        "MainThread",
        "Thread-1 (add)",
        "Thread-2 (add)",
    ]
    assert [thread["letter"] for thread in view["threads"]] == ["M", "A", "B"]
    assert [thread["key"] for thread in view["threads"]] == ["0", "1", "2"]
    assert state(view) == ["join", "running", "running"]
    assert [thread["does"] for thread in view["threads"]] == [
        "join Thread-1 (add)",
        "read counter",
        "read counter",
    ]
    assert view["threads"][0]["says"] == "It waits for Thread-1 (add) to end."
    assert [thread["can"] for thread in view["threads"]] == [False, True, True]
    assert (view["schedule"], view["steps"], view["outcome"], view["said"]) == (
        "",
        0,
        "",
        "Choose which thread goes first.",
    )


def test_each_thread_shows_the_functions_it_runs_and_where_it_is(play: Callable[..., Play]) -> None:
    main, one, _ = play(two_increments).view()["threads"]
    assert [listing["lines"][0] for listing in main["functions"]] == [
        "def together(*bodies: Callable[[], object]) -> None:"
    ]
    (listing,) = one["functions"]
    assert listing["lines"] == ("def add() -> None:", "    nonlocal counter", "    counter += 1")
    assert one["at"] == [0, listing["first"] + 2]


def test_the_line_that_raised_is_marked_and_in_a_thread_that_has_ended_none(
    play: Callable[..., Play],
) -> None:
    game = play(two_increments)
    game.follow("A B A B")
    main, one, _ = game.view()["threads"]
    place, line = main["at"]
    listing = main["functions"][place]
    assert listing["lines"][line - listing["first"]] == '    assert counter == 2, "an update was lost"'
    assert one["at"] is None


def test_an_update_is_lost_step_by_step(play: Callable[..., Play]) -> None:
    game = play(two_increments, goal="lost update")
    game.choose(ONE)
    view = game.view()
    assert view["said"] == "1. Thread-1 (add): read counter = 0."
    assert (view["schedule"], view["values"], view["threads"][1]["chosen"]) == (
        "A",
        [["counter", "0", None]],
        True,
    )
    game.choose(OTHER)
    game.choose(ONE)
    assert game.view()["values"] == [["counter", "1", "0"]]  # what it is now, and what it was before
    game.choose(OTHER)
    view = game.view()
    assert view["goal"] == "Make it lose an update." and view["reached"]
    assert view["outcome"] == "failed"
    assert view["said"] == (
        "4. Thread-2 (add): write counter = 1. AssertionError: an update was lost. The goal is reached."
    )
    assert state(view) == ["raised", "ended", "ended"]
    assert view["threads"][0]["says"] == "It has ended by AssertionError."
    assert not any(thread["can"] or thread["does"] for thread in view["threads"])


def test_one_after_the_other_nothing_is_lost(play: Callable[..., Play]) -> None:
    game = play(two_increments, goal="lost update")
    for thread in (ONE, ONE, OTHER, OTHER):
        game.choose(thread)
    view = game.view()
    assert (view["outcome"], view["reached"]) == ("ended", False)
    assert view["said"].endswith("The program has ended, and nothing has failed.")


def test_where_there_is_nothing_to_choose_it_says_how_it_ended(play: Callable[..., Play]) -> None:
    def raises() -> None:
        raise RuntimeError("no luck")

    for scenario, ending in (
        (raises, "RuntimeError: no luck."),
        (lambda: None, "The program has ended, and nothing has failed."),
    ):
        game = play(scenario)
        assert game.view()["said"] == f"There is nothing to choose. {ending}"
    game = play(raises)
    game.fail()
    assert (game.view()["said"], game.view()["ahead"]) == (
        "There is nothing to choose. RuntimeError: no luck.",
        0,
    )


def test_what_a_step_gave_is_told_though_free_steps_follow_it(play: Callable[..., Play]) -> None:
    def nested() -> None:
        seen = [3]

        def reads() -> None:
            local = seen[0]
            inner = threading.Thread(target=lambda: None)
            inner.start()
            inner.join()
            seen[0] = local + 1

        together(reads, lambda: seen.append(7))

    game = play(nested)
    for step in ("read seen[0] = 3", "write seen[0] = 4"):
        game.choose(ONE)
        assert step in game.view()["said"]


def test_a_deadlock_says_who_waits_for_what_and_who_holds_it(play: Callable[..., Play]) -> None:
    game = play(transfers, goal="deadlock")
    game.choose(ONE)
    assert game.view()["threads"][2]["says"] == ""
    game.choose(OTHER)
    view = game.view()
    assert view["threads"][1]["says"] == "It waits for savings, held by Thread-2 (back)."
    assert view["threads"][2]["says"] == "It waits for checking, held by Thread-1 (there)."
    assert state(view) == ["join", "lock", "lock"]
    assert view["reached"] and view["outcome"] == "failed"
    assert re.search(r"Deadlock: .*holds `checking` and waits for `savings`", view["said"])


@pytest.mark.parametrize(("goal", "sentence", "reached"), [
    ("failure", "Make it fail.", True),
    ("deadlock", "Make it deadlock.", True),
    ("lost update", "Make it lose an update.", False),
    ("Make both wait.", "Make both wait.", True),
    ("", "", False),
])  # fmt: skip
def test_a_goal_is_reached_by_its_own_kind_of_failure(
    goal: str, sentence: str, reached: bool, play: Callable[..., Play]
) -> None:
    game = play(transfers, goal=goal)
    game.follow("A B")
    view = game.view()
    assert (view["goal"], view["reached"]) == (sentence, reached)


def test_undo_goes_back_one_step_at_a_time(play: Callable[..., Play]) -> None:
    game = play(two_increments)
    views = [game.view()]
    for thread in (ONE, OTHER, ONE, OTHER):
        game.choose(thread)
        views.append(game.view())
    for view in views[-2::-1]:
        game.undo()
        again = game.view()
        assert again["said"] == "The last step is taken back."
        for key in ("schedule", "steps", "outcome", "reached"):
            assert again[key] == view[key]
        assert state(again) == state(view)
    game.undo()  # there is nothing to take back
    assert game.view()["steps"] == 0


def test_start_again(play: Callable[..., Play]) -> None:
    game = play(transfers)
    game.follow("A B")
    game.again()
    view = game.view()
    assert (view["schedule"], view["steps"], view["outcome"], view["values"]) == ("", 0, "", [])


def test_what_a_thread_cannot_do_is_refused_and_changes_nothing(play: Callable[..., Play]) -> None:
    game = play(transfers)
    game.choose(ONE)
    before = game.view()
    for thread, expire in ((0, False), (OTHER, True), (7, False), (-1, False)):
        with pytest.raises(
            ValueError, match=r"^(MainThread|Thread-2 \(back\)|That thread) cannot do that now\.$"
        ):
            game.choose(thread, expire=expire)
    assert game.view() == before


def test_a_schedule_can_be_typed_in_and_read_off(play: Callable[..., Play]) -> None:
    game = play(two_increments)
    for string, outcome in (("A", ""), ("A B", ""), ("A2", ""), ("B A B A", "failed"), ("A2 B2", "ended")):
        game.follow(f" {string} ")
        assert (game.view()["schedule"], game.view()["outcome"]) == (string, outcome)
    assert every_schedule(two_increments).replay("B A B A").failure is not None


@pytest.mark.parametrize(("string", "why"), [
    ("B Q9", r"^Step 2 of this schedule, Q, is not possible there\.$"),
    ("A!", r"^Step 1 of this schedule, A!, is not possible there\.$"),
    ("?", "is no schedule"),
    ("A B A B A B A", r"^This schedule is over after 4 of these 7 steps\.$"),
])  # fmt: skip
def test_a_schedule_that_is_none_is_refused_in_a_sentence(
    string: str, why: str, play: Callable[..., Play]
) -> None:
    game = play(two_increments)
    game.follow("B A")
    before = game.view()
    with pytest.raises(ValueError, match=why):
        game.follow(string)
    assert game.view() == before


def test_a_failing_schedule_is_shown_step_by_step(play: Callable[..., Play]) -> None:
    game = play(two_increments)
    game.choose(ONE)
    game.fail()
    view = game.view()
    assert (view["steps"], view["ahead"]) == (0, 4)
    assert view["said"].startswith('This one fails, in 4 steps. Its short name is "A B". "Next step')
    for left in (3, 2, 1, 0):
        game.forward()
        assert game.view()["ahead"] == left
    assert game.view()["outcome"] == "failed"
    game.forward()  # there is nothing ahead
    assert game.view()["steps"] == 4


def test_the_reader_may_leave_the_failing_schedule(play: Callable[..., Play]) -> None:
    game = play(two_increments)
    game.fail()
    game.forward()
    game.choose(ONE)
    assert game.view()["ahead"] == 0


def test_where_nothing_fails_there_is_nothing_to_show(play: Callable[..., Play]) -> None:
    def harmless() -> None:
        together(lambda: None)

    game = play(harmless)
    with pytest.raises(ValueError, match=r"^No schedule of this scenario was found to fail\.$"):
        game.fail()


def test_chance_is_the_same_with_the_same_seed(play: Callable[..., Play]) -> None:
    ways = []
    for seed in (1, 1, 2, 3, 4, 5):
        game = play(two_increments, seed=seed)
        game.chance()
        assert game.view()["outcome"] in ("failed", "ended")
        ways.append(game.view()["schedule"])
    assert ways[0] == ways[1]
    assert len(set(ways)) > 1


def test_chance_goes_on_from_where_the_reader_is(play: Callable[..., Play]) -> None:
    game = play(two_increments)
    game.follow("A B A")
    game.chance()
    view = game.view()
    assert view["schedule"].startswith("A B A") and view["outcome"] == "failed"


def test_a_timeout_is_a_choice_of_its_own(play: Callable[..., Play]) -> None:
    game = play(patient)
    game.choose(ONE)
    _, _, ask = game.view()["threads"]
    assert (ask["state"], ask["can"], ask["can_expire"]) == ("lock", False, True)
    assert ask["says"] == "It waits for lock, held by Thread-1 (hold)."
    assert game.view()["output"] == "held\n"
    game.choose(OTHER, expire=True)
    view = game.view()
    assert view["said"].startswith("2. Thread-2 (ask): acquire lock (timeout) = False.")
    assert "!" in view["schedule"]


def test_nothing_is_left_of_closed_games(play: Callable[..., Play]) -> None:
    play(transfers).close()  # the threads that are kept for the next schedule are there now
    before = set(frames())
    for _ in range(3):
        game = play(transfers)
        game.choose(ONE)
        game.again()
        game.choose(OTHER)
        game.close()
        with pytest.raises(ValueError, match=r"^This player is closed: run its cell again\.$"):
            game.choose(ONE)
        game.close()
    assert set(frames()) <= before


def test_nothing_is_started_before_somebody_looks(play: Callable[..., Play]) -> None:
    begun = []

    def scenario() -> None:
        begun.append(1)

    game = play(scenario)
    assert not begun
    game.view()
    assert begun


def test_two_threads_may_ask_at_once(play: Callable[..., Play]) -> None:
    game = play(two_increments)
    errors: list[BaseException] = []

    def ask() -> None:
        try:
            for _ in range(5):
                game.chance()
                game.view()
                game.again()
        except BaseException as error:
            errors.append(error)

    askers = [threading.Thread(target=ask) for _ in range(2)]
    for asker in askers:
        asker.start()
    for asker in askers:
        asker.join()
    assert errors == []
    assert game.view()["steps"] == 0

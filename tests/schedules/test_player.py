"""The player's Python side: what the page asks, what it is answered, and what is left of a player."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event, Lock
from typing import Any

import pytest

from helpers.schedules import every_schedule, play
from helpers.schedules.player import Player
from tests.schedules.scenarios import together, transfers
from tests.test_magics import Kernel, fresh_kernel

VIEW = "application/vnd.jupyter.widget-view+json"
Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def answers(monkeypatch: pytest.MonkeyPatch) -> list[dict[str, Any]]:
    """What players send to their pages."""
    sent: list[dict[str, Any]] = []
    monkeypatch.setattr(Player, "send", lambda _, content: sent.append(content))
    return sent


@pytest.fixture
def player() -> Iterator[Player]:
    player = play(transfers, goal="deadlock")
    yield player
    player.close()


@pytest.fixture
def ask(player: Player, answers: list[dict[str, Any]]) -> Ask:
    """Asks as the page does; returns the answer."""

    def ask(what: str, **more: Any) -> dict[str, Any]:
        player._asked(player, {"do": what, **more}, [])
        return answers.pop()

    return ask


def test_each_question_is_answered_with_all_there_is_to_show(ask: Ask) -> None:
    answer = ask("show")
    assert answer["error"] == ""
    assert [thread["name"] for thread in answer["view"]["threads"]] == [
        "MainThread",
        "Thread-1 (there)",
        "Thread-2 (back)",
    ]
    assert ask("choose", thread=1, expire=False)["view"]["schedule"] == "A"
    view = ask("choose", thread=2, expire=False)["view"]
    assert view["outcome"] == "failed" and view["reached"]
    assert ask("undo")["view"]["outcome"] == ""
    assert ask("again")["view"]["steps"] == 0
    assert ask("fail")["view"]["ahead"] == 2
    assert ask("forward")["view"]["ahead"] == 1
    assert ask("chance")["view"]["outcome"]
    assert ask("follow", schedule="A B")["view"]["outcome"] == "failed"


def test_what_goes_wrong_is_said_in_the_page_which_shows_how_far_it_is(ask: Ask) -> None:
    ask("choose", thread=1, expire=False)
    answer = ask("choose", thread=0, expire=False)
    assert answer["error"] == "MainThread cannot do that now."
    assert answer["view"]["schedule"] == "A"
    assert "'??' is no schedule" in ask("follow", schedule="??")["error"]


def test_a_scenario_that_cannot_be_explored_is_an_error_in_the_page(answers: list[dict[str, Any]]) -> None:
    lock = Lock()

    def scenario() -> None:
        with lock:
            pass

    player = play(scenario)
    player._asked(player, {"do": "show"}, [])
    (answer,) = answers
    assert "make it inside the scenario" in answer["error"]
    assert "view" not in answer
    player.close()


def test_what_is_no_scenario_is_refused_at_once() -> None:
    with pytest.raises(ValueError, match="a scenario is a function without arguments"):
        play(3)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="needs arguments"):
        play(lambda number: None)  # type: ignore[arg-type, misc]


def test_where_no_widget_can_run_there_is_a_sentence(player: Player) -> None:
    data, metadata = player._repr_mimebundle_()
    sentence = "A player for transfers: run this cell in JupyterLab, and choose which thread goes next."
    assert data[VIEW]["model_id"] == player.model_id
    assert {kind: value for kind, value in data.items() if kind != VIEW} == {
        "text/plain": sentence,
        "text/html": f"<p>{sentence}</p>",
    }
    assert metadata == {}


def test_a_result_knows_the_schedule_that_fails(answers: list[dict[str, Any]]) -> None:
    result = every_schedule(transfers)
    player = result.play(goal="deadlock")
    player._asked(player, {"do": "fail"}, [])
    assert result.shortest is not None
    assert answers[0]["view"]["said"].startswith(
        f'This one fails, in 2 steps. Its short name is "{result.shortest.string}".'
    )
    player.close()


def test_the_schedule_that_is_shown_fails_in_the_way_of_the_goal(answers: list[dict[str, Any]]) -> None:
    def both() -> None:
        ready = Event()
        seen = []

        def look() -> None:
            seen.append(ready.is_set())
            ready.wait()

        def pulse() -> None:
            ready.set()
            ready.clear()

        together(look, pulse)
        assert seen == [True]

    result = every_schedule(both)
    for goal, kind in (("lost update", "AssertionError"), ("lost wake-up", "lost wake-up")):
        assert kind in {failure.kind for failure in result.failures}
        player = result.play(goal=goal)
        player._asked(player, {"do": "fail"}, [])
        for _ in range(answers[-1]["view"]["ahead"]):
            player._asked(player, {"do": "forward"}, [])
        assert answers[-1]["view"]["reached"]
        player.close()


# -------------------------------------------------------------------------------------- in a kernel

CELL = """
from threading import Lock, Thread
from helpers.schedules import play

def scenario():
    lock = Lock()
    def work():
        with lock:
            pass
    threads = [Thread(target=work), Thread(target=work)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

player = play(scenario)
player
"""
LOOK = "player._asked(player, {'do': 'show'}, [])"
THREADS = "len(__import__('sys')._current_frames())"


@pytest.fixture
def kernel(tmp_path: Path) -> Iterator[Kernel]:
    with fresh_kernel(tmp_path) as kernel:
        yield kernel


def test_a_cell_that_is_run_again_leaves_nothing_of_its_old_player(kernel: Kernel) -> None:
    counts = []
    for _ in range(4):
        shown = kernel.run(CELL)
        assert shown.status == "ok"
        assert shown.displays[0]["data"][VIEW]["model_id"] == kernel.value("player.model_id")
        before = kernel.value(THREADS)
        kernel.run(LOOK)
        counts.append((before, kernel.value(THREADS)))
    first, *others = counts
    assert first[1] >= first[0] + 2  # the scenario's threads
    assert len(set(others)) == 1
    assert others[0][1] <= first[1]


def test_no_thread_is_started_until_a_page_asks(kernel: Kernel) -> None:
    before = kernel.value(THREADS)
    kernel.run(CELL)
    assert kernel.value(THREADS) == before


def test_the_kernel_is_as_before_while_a_player_stands(kernel: Kernel) -> None:
    kernel.run(CELL + LOOK)
    shown = kernel.run(
        "import queue\n"
        "q = queue.Queue()\n"
        "threads = [Thread(target=q.put, args=(number,)) for number in range(3)]\n"
        "for thread in threads: thread.start()\n"
        "for thread in threads: thread.join(10)\n"
        "print(sorted(q.get(timeout=10) for _ in threads), type(Lock()).__name__)"
    )
    assert (shown.status, shown.printed) == ("ok", "[0, 1, 2] lock\n")
    assert kernel.run("player.close()").status == "ok"

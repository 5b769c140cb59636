"""The player in a notebook: `play(scenario)`, with a column and a button for each thread.

A thin skin over `Play`: the page says what the reader does, and each answer is all that there is to be shown
(`player.js`). The scenario's threads are started when a page first asks: where no widget can run, none ever
does, and a sentence stands in the player's place.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import traitlets
from anywidget import AnyWidget

from helpers.pictures import widget
from helpers.schedules.exploring import check, every_schedule
from helpers.schedules.playing import Play
from helpers.schedules.stepper import Stepper
from helpers.timeline.picture.looks import LOOKS

if TYPE_CHECKING:
    from helpers.schedules.result import Result, Schedule

HERE = Path(__file__).parent

# The players that each cell has made, and in which run of it. Run again, a cell makes new ones, and nobody
# can see the old ones any more.
_players: dict[str, tuple[str, list[Player]]] = {}


class Player(AnyWidget):
    """A scenario in which the reader chooses, step by step, which thread goes next: display it.

    Attributes:
        game: how far it is; whatever can be done in the page can be done with it too.
    """

    _esm = (HERE / "player.js").read_text(encoding="utf-8")
    _css = (HERE / "player.css").read_text(encoding="utf-8")
    _fixed = traitlets.Any({"colours": {state: look.mark for state, look in LOOKS.items()}}).tag(sync=True)

    def __init__(self, game: Play, name: str) -> None:
        self.game = game
        self._name = name
        super().__init__()
        self.on_msg(self._asked)

    def close(self) -> None:
        """End the scenario's threads, and take the player off the page."""
        self.game.close()
        super().close()

    def _asked(self, _: Any, content: Any, __: Any) -> None:
        """Do what the page asks for; this may be another thread than the one the reader's cells run in."""
        answer: dict[str, Any] = {"error": ""}
        try:
            match content:
                case {"do": "choose", "thread": thread, "expire": expire}:
                    self.game.choose(thread, expire=expire)
                case {"do": "follow", "schedule": schedule}:
                    self.game.follow(schedule)
                case {"do": "undo" | "again" | "chance" | "fail" | "forward" as what}:
                    getattr(self.game, what)()
        except Exception as error:
            answer["error"] = _in_words(error)
        # Whatever went wrong, the page shows how far the game is now.
        try:
            answer["view"] = self.game.view()
        except Exception as error:
            answer["error"] = answer["error"] or _in_words(error)
        self.send(answer)

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        text = f"A player for {self._name}: run this cell in JupyterLab, and choose which thread goes next."
        return widget(self.model_id) | {"text/html": f"<p>{escape(text)}</p>", "text/plain": text}, {}


def play(
    scenario: Callable[[], object], *, goal: str = "", seed: int = 0, result: Result | None = None
) -> Player:
    """Let the reader choose the schedule of a scenario, step by step, to end a notebook's cell with.

    Args:
        scenario: as in `every_schedule`.
        goal: what the reader is to reach: ``"deadlock"``, ``"lost update"``, ``"lost wake-up"``,
            ``"livelock"``, ``"failure"``, or a sentence, which any failure fulfils.
        seed: decides what "Keep going at random" does.
        result: knows a schedule that fails, if there is one; else it is searched for when it is asked for.

    Returns:
        What a notebook shows. Running its cell again closes it.

    Raises:
        ValueError: the scenario is no function that can be called without arguments.
    """
    known = result

    def begin() -> Stepper:
        return Stepper(scenario, None if known is None else known.racy)

    def find(kind: str) -> Schedule | None:
        nonlocal known
        if known is None:
            known = every_schedule(scenario)
        wanted = [failure.shortest for failure in known.failures if failure.kind == kind]
        return min(wanted, key=lambda schedule: len(schedule.steps), default=known.shortest)

    check(scenario)
    game = Play(begin, find, goal=goal, seed=seed)
    name = getattr(scenario, "__name__", "a scenario")
    player = Player(game, name)
    _register(player, f"{getattr(scenario, '__module__', '')}.{getattr(scenario, '__qualname__', name)}")
    return player


def _register(player: Player, scenario: str) -> None:
    """Close the players that an earlier run of the same cell has made."""
    cell, run = _cell()
    cell = cell or scenario  # who runs a notebook without a page does not say which cell it is
    before, players = _players.get(cell, ("", []))
    if run and run == before:
        players.append(player)
        return
    for old in players:
        old.close()
    _players[cell] = run, [player]


def _cell() -> tuple[str, str]:
    """What identifies the cell that runs now, and this run of it; empty where that is not known."""
    shell = sys.modules["IPython"].get_ipython() if "IPython" in sys.modules else None
    kernel = getattr(shell, "kernel", None)
    if kernel is None:
        return "", ""
    parent = kernel.get_parent("shell") or {}
    return parent.get("metadata", {}).get("cellId", ""), parent.get("header", {}).get("msg_id", "")


def _in_words(error: Exception) -> str:
    return str(error) if isinstance(error, ValueError) else f"{type(error).__name__}: {error}"

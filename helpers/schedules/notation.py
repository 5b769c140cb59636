"""A schedule as a short string that can be read aloud, written down and typed in: ``"A B2 A!"``.

One letter for each step: whose it is. ``M`` is the thread that runs the scenario, the others are ``A``,
``B``, ``C`` … in order of start (without ``M``), then ``a``, ``b`` …; any further one is ``[52]``. A number
says how often in a row. ``!`` after a letter says that its wait ended by a timeout, or that it spins and goes
round once more because nobody else can go on. What is done anyway is left out at the end: whoever ran goes on
while it can, then the first that can. That threads start, end and are joined is no step here.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from itertools import groupby

from helpers.schedules.search import MOST_STEPS, first

_LETTERS = "MABCDEFGHIJKLNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_CHOICE = re.compile(r"\s*(?:([A-Za-z])|\[(\d+)\])(!?)(\d*)")


def letter(number: int) -> str:
    """How the thread of this number is called in a schedule's string."""
    return _LETTERS[number] if number < len(_LETTERS) else f"[{number}]"


def written(taken: Iterable[tuple[int, int]], whole: bool = False) -> str:
    """The string of a schedule.

    Args:
        taken: for each step what could be done, as bits, and what was (see `search`).
        whole: also what would be done anyway at the end.
    """
    picks: list[int] = []
    needed = 0
    before = -1
    for choices, pick in taken:
        picks.append(pick)
        if whole or pick != first(choices, before):
            needed = len(picks)
        before = pick >> 1
    words = []
    for pick, run in groupby(picks[:needed]):
        times = len(list(run))
        words.append(letter(pick >> 1) + "!" * (pick & 1) + (str(times) if times > 1 else ""))
    return " ".join(words)


def read(string: str) -> list[int]:
    """The choices that a string asks for, one for each step.

    Raises:
        ValueError: it is no schedule's string.
    """
    picks: list[int] = []
    at = 0
    string = string.rstrip()
    while at < len(string):
        found = _CHOICE.match(string, at)
        if found is None or (found[1] and found[1] not in _LETTERS) or found[4].startswith("0"):
            raise ValueError(
                f"{string!r} is no schedule: write one letter for each step, such as 'A B2 A', with M for "
                "the scenario's own thread and ! after a letter whose wait times out"
            )
        number = _LETTERS.index(found[1]) if found[1] else int(found[2])
        times = int(found[4] or 1)
        if len(picks) + times > MOST_STEPS:
            raise ValueError(f"{string!r} is too long: a schedule has at most {MOST_STEPS:,} steps")
        picks += [2 * number + bool(found[3])] * times
        at = found.end()
    return picks

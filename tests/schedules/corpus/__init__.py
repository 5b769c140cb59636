"""Known concurrency bugs, each with its mend: small programs that every_schedule must judge right.

A bug is a plain function that fails under some schedule; its mend is the same program put right, and fails
under none. What a bug does wrong, and how that shows, stands in its `@bug`.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Program = Callable[[], None]


@dataclass
class Pair:
    """A bug and its mend.

    Attributes:
        idea: what is wrong with the program, in one line.
        fails: how it shows: the type of the exception, or "deadlock", "lost wake-up", "livelock" or
            "spin".
        bug: the program that fails.
        mend: the program put right.
        long: whether it takes seconds to explore.
    """

    idea: str
    fails: str
    bug: Program
    mend: Program | None = None
    long: bool = False

    def __str__(self) -> str:
        return f"{self.bug.__module__.rpartition('.')[2]}.{self.bug.__name__}"


_PAIRS: dict[Program, Pair] = {}


def bug(idea: str, fails: str, *, long: bool = False) -> Callable[[Program], Program]:
    """Mark a program as a bug of the corpus."""

    def note(program: Program) -> Program:
        _PAIRS[program] = Pair(idea, fails, program, long=long)
        return program

    return note


def mend(wrong: Program) -> Callable[[Program], Program]:
    """Mark a program as the mend of the bug `wrong`."""

    def note(program: Program) -> Program:
        _PAIRS[wrong].mend = program
        return program

    return note


def pairs() -> Iterator[Pair]:
    """Every bug with its mend, file by file."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    yield from _PAIRS.values()

"""Which outcomes random programs have: as explored, on real threads, and as another explorer says."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.schedules.exploring import explore
from tests.schedules import real_runs, second_opinion
from tests.schedules.random_programs import Program, shrink

SECONDS = 3.0  # a program with more schedules than can be tried in this time is too large to compare


@dataclass
class Explored:
    """What the explorer says of a program.

    Attributes:
        outcomes: what its threads noted under each schedule, as JSON.
        schedules: how many there are.
        exhausted: whether that is all.
        notes: what could not be followed.
    """

    outcomes: set[str]
    schedules: int
    exhausted: bool
    notes: tuple[str, ...]

    @property
    def too_large(self) -> bool:
        """Whether nothing but time was missing."""
        return len(self.notes) == 1 and self.notes[0].startswith("The search was stopped after")


def explored(program: Program, folder: Path, mode: str, seconds: float = 60.0) -> Explored:
    """Explore a program whose source is written to `folder`."""
    scenario = program.load(folder).scenario
    seen: list[list[Any]] = []
    outcomes: set[str] = set()

    def once() -> None:
        seen[:] = [[], [], [], []]
        scenario(seen)

    result = explore(
        once,
        mode=mode,
        seconds=seconds,
        ended=lambda _: outcomes.add(json.dumps(seen)),
        restarted=outcomes.clear,
    )
    return Explored(outcomes, result.schedules, result.exhausted, result.notes)


@dataclass
class Comparison:
    """One schedule of each class, held against all schedules.

    Attributes:
        program: the program.
        predicted: what one schedule of each class shows.
        known: what all schedules show; None where there are too many.
    """

    program: Program
    predicted: Explored
    known: Explored | None

    @property
    def differs(self) -> bool:
        """Whether the two do not show the same outcomes."""
        predicted, known = self.predicted, self.known
        return known is not None and (
            not (predicted.exhausted and known.exhausted) or predicted.outcomes != known.outcomes
        )

    def __str__(self) -> str:
        assert self.known
        return "\n".join(
            [
                self.program.source(),
                f"classes: {self.predicted.schedules}, all: {self.known.schedules}",
                *(f"only in classes: {each}" for each in self.predicted.outcomes - self.known.outcomes),
                *(f"only in all: {each}" for each in self.known.outcomes - self.predicted.outcomes),
                *self.predicted.notes,
            ]
        )


def compare(program: Program, folder: Path, most: int = 1_000) -> Comparison:
    """Explore a program in both ways, unless it has more than so many classes, or too many schedules."""
    predicted = explored(program, folder, "classes")
    if predicted.exhausted and predicted.schedules > most:
        return Comparison(program, predicted, None)
    known = explored(program, folder, "all", SECONDS)
    return Comparison(program, predicted, None if known.too_large else known)


def compared(programs: Iterable[Program], folder: Path, most: int = 1_000) -> Iterator[Comparison]:
    """Compare each program, and put the smallest of its like in the place of one that differs."""
    for program in programs:
        comparison = compare(program, folder, most)
        if comparison.differs:
            smallest = shrink(program, lambda each: compare(each, folder).differs)
            comparison = compare(smallest, folder)
        yield comparison


def unpredicted(comparisons: Iterable[Comparison], times: int, seed: int = 0) -> list[tuple[Program, str]]:
    """Run each program that can be so many times on real threads; the outcomes that no schedule had."""
    comparisons = [each for each in comparisons if real_runs.can_run(each.program)]
    found = []
    for first in range(0, len(comparisons), 20):
        some = comparisons[first : first + 20]
        real = real_runs.real_outcomes([each.program.source() for each in some], times, seed + first)
        for comparison, outcomes in zip(some, real, strict=True):
            wrong = set(outcomes) - comparison.predicted.outcomes
            found += [(comparison.program, outcome) for outcome in wrong]
    return found


@dataclass
class Opinion:
    """What interleave-test says of a program, held against what every_schedule says.

    Attributes:
        program: the program.
        predicted: the outcomes that every_schedule shows.
        seen: those that interleave-test shows.
    """

    program: Program
    predicted: set[str]
    seen: set[str]


def second_opinions(
    comparisons: Iterable[Comparison], python: str, packages: Path, schedules: int, folder: Path
) -> list[Opinion]:
    """Ask interleave-test about those of the programs that it can run, under so many random schedules each."""
    asked = [each for each in comparisons if second_opinion.can_run(each.program)]
    sources = [each.program.source() for each in asked]
    answers = second_opinion.opinions(python, packages, sources, schedules, folder)
    return [
        Opinion(each.program, each.predicted.outcomes, set(seen))
        for each, seen in zip(asked, answers, strict=True)
    ]


def is_stuck(outcome: str) -> bool:
    """Whether some thread did not come to its end: then the main thread waits for it."""
    return bool(json.loads(outcome)[0][-1:] != ["end"])

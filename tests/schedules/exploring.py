"""What can come of a small program: for tests of single models."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from helpers.schedules.execution import Execution
from helpers.schedules.exploring import every_schedule, explore

STUCK = "stuck"


def explored(scenario: Callable[[], Any], mode: str) -> Counter[str]:
    """Run every schedule; how many of them end how.

    A schedule ends with the `repr` of what the scenario returns, or with its first exception, or stuck.
    """
    ends: Counter[str] = Counter()
    returned: list[Any] = []

    def noted() -> None:
        returned.clear()
        returned.append(scenario())

    def ended(execution: Execution) -> None:
        if execution.raised:
            error = execution.raised[0].failure
            ends[f"{type(error).__name__}: {error}"] += 1
        elif not all(task.done or task.daemon for task in execution.tasks):
            ends[STUCK] += 1
        else:
            ends[repr(returned[0])] += 1

    result = explore(noted, mode=mode, seconds=60, ended=ended, restarted=ends.clear)
    assert result.exhausted, result.notes
    assert result.schedules == ends.total()
    return ends


def outcomes(scenario: Callable[[], Any]) -> set[str]:
    """What can come of a scenario: the same whether all schedules are run or one of each class."""
    known = set(explored(scenario, "all"))
    assert set(explored(scenario, "classes")) == known
    return known


def schedules(scenario: Callable[[], Any]) -> tuple[int, int]:
    """How many schedules there are, and how many classes."""
    return explored(scenario, "all").total(), explored(scenario, "classes").total()


def fails(scenario: Callable[[], Any]) -> list[str]:
    """The messages of its failures."""
    return [failure.message for failure in every_schedule(scenario).failures]

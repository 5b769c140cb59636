"""What every_schedule says of the corpus, pair by pair. For the bench: ``python -m tests.schedules.judging``."""

from __future__ import annotations

import json

from helpers.schedules import Failure, Result, every_schedule
from tests.schedules.corpus import Pair, pairs
from tests.schedules.corpus.lost_updates import increment

SECONDS = 60.0  # for one program, on a busy machine


def as_told(failure: Failure | None) -> tuple[object, ...]:
    """A failure without the schedules that lead to it."""
    return (failure.kind, failure.message, failure.thread, failure.line) if failure else ()


def replays(result: Result, failure: Failure) -> bool:
    """Whether the shortest schedule of a failure shows it again, given as it is and as a string."""
    shortest = failure.shortest
    again = [result.replay(shortest), result.replay(shortest.string)]
    return all(each.steps == shortest.steps and as_told(each.failure) == as_told(failure) for each in again)


def found(pair: Pair) -> tuple[bool, Result]:
    """Whether the bug is found as what it is, with a schedule that shows it again."""
    result = every_schedule(pair.bug, seconds=SECONDS)
    known = [failure for failure in result.failures if failure.kind == pair.fails]
    return bool(known) and not result.notes and replays(result, known[0]), result


def clean(pair: Pair) -> tuple[bool, Result]:
    """Whether all schedules of the mend are explored, and none fails."""
    assert pair.mend
    result = every_schedule(pair.mend, seconds=SECONDS)
    return result.exhausted and not result.failing and not result.notes, result


def main() -> None:
    """Print the figures of the bench for this Python, as JSON."""
    figures: dict[str, object] = {}
    for mode in ("all", "classes"):
        result = every_schedule(increment, mode=mode)
        figures[mode] = [result.schedules, result.failing, result.exhausted]
    judged = [(str(pair), found(pair)[0], clean(pair)[0]) for pair in pairs()]
    figures["not found"] = [name for name, is_found, _ in judged if not is_found]
    figures["not clean"] = [name for name, _, is_clean in judged if not is_clean]
    figures["pairs"] = len(judged)
    print(json.dumps(figures))


if __name__ == "__main__":
    main()

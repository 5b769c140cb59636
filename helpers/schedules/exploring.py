"""Every schedule of a scenario: the search from its first schedule to the result."""

from __future__ import annotations

import inspect
import threading
from collections.abc import Callable, Hashable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from helpers.schedules import notation
from helpers.schedules.classes import Classes
from helpers.schedules.execution import Execution
from helpers.schedules.interrupts import held_back
from helpers.schedules.livelocks import ROUNDS
from helpers.schedules.operation import Site
from helpers.schedules.printing import captured
from helpers.schedules.reaching import Reached
from helpers.schedules.result import Failure, Result, Schedule
from helpers.schedules.rewriting import visible
from helpers.schedules.search import MOST_STEPS, All, Bounded, Replay, Tree
from helpers.schedules.series import Group, Scenario, Series, given_up
from helpers.schedules.sources import elsewhere, file_of, line_in
from helpers.schedules.substitution import substituted
from helpers.schedules.verdicts import Verdict, in_words, judge, without_addresses
from helpers.schedules.watching import Watched
from helpers.schedules.workers import current, one_core, real_monotonic

MODES = ("classes", "all", "bound")

# So many different failures are shown; the rest is counted.
MOST_FAILURES = 100

_NO_LIVELOCK = (
    "Some schedules were ended because all seemed to be as it was before, and it was not: "
    "the program keeps something where this search does not see it."
)

# Only one program is explored at a time: what stands in for `threading` while it runs is there for one.
_turn = threading.Lock()


def every_schedule(
    scenario: Scenario, *, mode: str = "classes", bound: int = 2, seconds: float = 10
) -> Result:
    """Run a small program under every schedule of its threads, and count those in which it fails.

    The program is run as it is, with plain `threading`, `queue`, `concurrent.futures` and `time.sleep`. It
    must make all its locks, queues and threads itself, and do the same whenever its threads take turns in the
    same way.

    What it cannot see: how long anything takes. A wait with a timeout is tried both ways, in time and in
    vain. But a comparison that the program itself makes, such as ``time.monotonic() > deadline``, is tried
    only with the time that has passed by its own sleeps and waits; then a note says so, with the line, and
    the result does not claim that all schedules were tried. Use a timeout instead. And functions that are not
    the program's own are single steps; where one of them gets something shared, a note says so, and an
    installed package is named as soon as the program uses it. What is done outside the program, to files or
    on the network, is no step, and the next schedule finds it changed: a note says that, too. Processes,
    signals and coroutines cannot be explored.

    In a test, ask for both, since a search that was stopped has found nothing, and have all of it shown::

        result = every_schedule(scenario)
        assert result.exhausted and not result.failing, str(result)

    Args:
        scenario: a function without arguments. It fails where it, or one of its threads, raises an exception,
            where a thread waits for ever, or where threads go on for ever and get nowhere. `sys.exit` ends
            its thread, as ever; in the scenario's own, with another number than 0, it is a failure.
        mode: ``"classes"``: one schedule of each class of equivalent ones, those that differ only in the
            order of steps that do not touch each other; ``"all"``: every schedule; ``"bound"``: every
            schedule with at most `bound` preemptions.
        bound: how often a thread that could go on may have to wait, in mode ``"bound"``.
        seconds: how long to search.

    Returns:
        A `Result`: how many schedules there are, how many fail, how, and the shortest that does.

    Raises:
        ValueError: an argument is none that is possible, or the scenario cannot be explored.
        RuntimeError: called within a scenario.
    """
    return explore(scenario, mode=mode, bound=bound, seconds=seconds)


def explore(
    scenario: Scenario,
    *,
    mode: str = "classes",
    bound: int = 2,
    seconds: float = 10,
    ended: Callable[[Execution], Any] | None = None,
    restarted: Callable[[], Any] | None = None,
) -> Result:
    """Do what `every_schedule` does.

    Args:
        ended: called after each schedule that counts, before its threads that still wait are ended.
        restarted: called when the search begins anew, and what was counted before does not count. Both may be
            called in any thread.
    """
    check(scenario)
    search = _search(mode, bound)
    if not isinstance(seconds, (int, float)) or not seconds > 0:
        raise ValueError(f"seconds must be a number above 0, not {seconds!r}")
    began = real_monotonic()
    series = Series(search, scenario, seconds, ended, restarted)
    with installed(scenario) as reached:
        series.run()
        failures, shortest, more, mistaken = _failures(scenario, series.groups, search.racy)
    home = file_of(scenario)
    said = dict.fromkeys([*(_said(*note, home) for note in (*reached.notes, *series.notes)), *more])
    if series.stopped:
        said[f"{series.stopped}: there may be more schedules."] = None
    incomplete = (
        bool(said)
        or mode == "bound"
        or any(failure.kind in ("divergence", "livelock") for failure in failures)
    )
    return Result(
        schedules=series.schedules - mistaken,
        failing=series.failing - mistaken,
        exhausted=not incomplete,
        failures=failures,
        shortest=shortest,
        mode=mode,
        bound=bound if mode == "bound" else None,
        seconds=real_monotonic() - began,
        notes=tuple(said),
        scenario=scenario,
        racy=frozenset(search.racy),
    )


def replay(scenario: Scenario, schedule: Schedule | str, racy: Iterable[Hashable]) -> Schedule:
    """Run one schedule; see `Result.replay`."""
    string = schedule.string if isinstance(schedule, Schedule) else schedule
    if not isinstance(string, str):
        raise ValueError(f"a schedule is one of a result's, or a string such as 'A B2 A', not {string!r}")
    picks = notation.read(string)
    with installed(scenario):
        shown, execution = show(scenario, picks, racy)
    if why := given_up(execution):
        raise ValueError(f"{string!r} cannot be replayed: {why}")
    search = execution.search
    assert isinstance(search, Replay)
    if search.made < len(search.picks):
        raise ValueError(f"{string!r} is too long: the schedule is over after {search.made} steps")
    return shown


def check(scenario: Any) -> None:
    """Refuse what is no scenario.

    Raises:
        ValueError: it is no function that can be called without arguments.
    """
    if not callable(scenario):
        raise ValueError(f"a scenario is a function without arguments, not {scenario!r}")
    name = getattr(scenario, "__name__", repr(scenario))
    function = scenario if inspect.isroutine(scenario) else type(scenario).__call__
    if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
        raise ValueError(f"{name} is asynchronous: only programs with threads can be explored")
    if inspect.isgeneratorfunction(function):
        raise ValueError(
            f"{name} is a generator: calling it runs nothing. Explore a function that goes through it"
        )
    try:
        inspect.signature(scenario).bind()
    except TypeError:
        raise ValueError(
            f"{name} needs arguments: explore a function without, which calls it with them"
        ) from None
    except ValueError:
        pass  # one of C says nothing of its arguments


@contextmanager
def installed(scenario: Scenario) -> Iterator[Reached]:
    """Within this, the scenario can be run; afterwards all is as it was. Gives what was found of its code.

    Raises:
        RuntimeError: called within a scenario.
    """
    if current() is not None:
        raise RuntimeError("every_schedule cannot be called within a scenario")
    with (
        _turn,
        held_back(),
        one_core(),
        captured(),
        visible(scenario) as reached,
        substituted(reached.functions),
    ):
        yield reached


def show(scenario: Scenario, picks: Iterable[int], racy: Iterable[Hashable]) -> tuple[Schedule, Watched]:
    """Run one schedule and keep all it does."""
    execution = Watched(Replay(list(picks), racy))
    search = execution.search
    assert isinstance(search, Replay)

    def look(_: Execution) -> Schedule:
        verdict = judge(execution)
        string = notation.written(search.taken)
        bare = Schedule(string, execution.steps(), None, without_addresses("".join(execution.output)))
        if verdict is None:
            return bare
        return replace(bare, failure=in_words(execution, verdict, bare))

    shown: Schedule | None = execution.run(scenario, threading.main_thread(), look)
    if execution.refused:
        raise ValueError(execution.refused)
    assert shown is not None
    return shown, execution


def _lasts(execution: Watched, scenario: Scenario, racy: Iterable[Hashable]) -> bool:
    """Whether the last steps of a livelock can really be made again and again."""
    steps = execution.rounds.steps
    search = execution.search
    assert isinstance(search, Replay)
    made = [pick for _, pick in search.taken]
    picks = (made + made[-steps:] * ROUNDS)[:MOST_STEPS]
    longer = Execution(Replay(picks, racy))
    longer.rounds.off = True
    return bool(longer.run(scenario, threading.main_thread(), lambda _: longer.depth >= len(picks)))


def _failures(
    scenario: Scenario, groups: dict[Verdict, Group], racy: Iterable[Hashable]
) -> tuple[tuple[Failure, ...], Schedule | None, list[str], int]:
    """Replay the shortest of each group, to say what went wrong; those with the same words are one.

    Returns:
        The failures, the most frequent first; the schedule that fails with the fewest preemptions, then the
        fewest steps; notes; and how many schedules were taken for livelocks and are none.
    """
    told: dict[tuple[Any, ...], tuple[Failure, tuple[int, int]]] = {}
    notes: list[str] = []
    mistaken = 0
    ranked = sorted(groups.items(), key=lambda item: item[1].rank)
    for verdict, group in ranked[:MOST_FAILURES]:
        picks = [pick for _, pick in group.taken]
        shown, execution = show(scenario, picks, racy)
        failure = shown.failure
        if execution.rounds.together and not _lasts(execution, scenario, racy):
            mistaken += group.count
            notes.append(_NO_LIVELOCK)
            continue
        if failure is None or failure.kind != verdict.kind:
            notes.append(
                f"A schedule that failed ({verdict.kind}) does not do so when it is replayed: take out of "
                "the program what is random or comes from outside."
            )
            continue
        key = (failure.kind, failure.message, failure.thread, failure.line, failure.elsewhere)
        if key in told:
            first, rank = told[key]
            told[key] = replace(first, count=first.count + group.count), rank
        else:
            told[key] = replace(failure, count=group.count, shortest=shown), group.rank
    if len(ranked) > MOST_FAILURES:
        notes.append(f"It fails in {len(ranked):,} ways; {MOST_FAILURES} of them are shown.")
    for failure, _ in told.values():
        # A schedule and its failure name each other.
        whole = replace(failure.shortest, failure=failure)
        object.__setattr__(failure, "shortest", whole)
    frequent = sorted(told.values(), key=lambda each: -each[0].count)
    best = min(frequent, key=lambda each: each[1], default=None)
    shortest = None if best is None else best[0].shortest
    return tuple(failure for failure, _ in frequent), shortest, notes, mistaken


def _said(what: str, site: Site | None, home: str) -> str:
    if site is None:
        return what
    line = line_in(elsewhere(site.file, home), site.line)
    return f"{line[0].upper()}{line[1:]}: {what}"


def _search(mode: str, bound: int) -> Tree:
    if mode not in MODES:
        raise ValueError(f"mode must be 'classes', 'all' or 'bound', not {mode!r}")
    if mode == "bound":
        if not isinstance(bound, int) or bound < 0:
            raise ValueError(f"bound must be a whole number of preemptions, 0 or more, not {bound!r}")
        return Bounded(bound)
    return All() if mode == "all" else Classes()

"""The bench of every_schedule: one table of what it finds and how fast, beside two other explorers.

    python -m helpers bench schedules [--python EXE …] [--programs N] [--runs N] [--opinions N] [--strict]

The other tools, frontrun and interleave-test, are installed into temporary folders. Speeds are compared within this
one run, by turns, with one core pinned where the system lets a program do that.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from helpers.course.requirements import ROOT
from helpers.schedules import every_schedule
from tests.benchmarks import mailbox, table
from tests.schedules.outcomes import Comparison, compared, is_stuck, second_opinions, unpredicted
from tests.schedules.random_programs import random_program
from tests.schedules.real_runs import can_run
from tests.schedules.second_opinion import TOOL as INTERLEAVE

FRONTRUN = "frontrun==0.7.0"
OPINION_SCHEDULES = 100
RUNS = 5  # of each program on real threads
TURNS = 3  # of the mailbox with each tool
PATIENCE = 1800.0  # seconds for one part
HEADINGS = ("what", "found", "must reach", "ok", "others")
WIDTHS = (52, 34, 26, 3, 30)


@dataclass
class Row:
    """One line of the table, all as shown; `ok` is None where nothing must be reached."""

    what: str
    found: str
    must: str
    ok: bool | None
    others: str = ""

    def cells(self) -> tuple[str, ...]:
        return self.what, self.found, self.must, table.OK[self.ok], self.others


def figures(python: str, *arguments: str, packages: Path | None = None) -> dict[str, Any]:
    """What a program of the bench prints, run by this Python."""
    path = [str(ROOT), *([str(packages)] if packages else [])]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path)}
    done = subprocess.run(
        [python, *arguments], env=environment, cwd=ROOT, capture_output=True, text=True, timeout=PATIENCE
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(arguments)} failed under {python}:\n{done.stderr}")
    return dict(json.loads(done.stdout.splitlines()[-1]))


def is_new(python: str) -> bool:
    """Whether interleave-test can run under this Python."""
    return tuple(map(int, table.version(python).split(".")[:2])) >= (3, 12)


def judged(python: str) -> Iterator[Row]:
    """The two increments and the corpus, under one Python."""
    version = table.version(python)
    said = figures(python, "-m", "tests.schedules.judging")
    counts = [said["all"][:2], said["classes"][:2]]
    yield Row(
        f"two increments, Python {version}",
        "{} schedules, {} fail / {}, {}".format(*counts[0], *counts[1]),
        "6 schedules, 4 fail / 4, 2",
        counts == [[6, 4], [4, 2]] and said["all"][2] and said["classes"][2],
    )
    pairs = said["pairs"]
    for what, missed in (
        ("known bugs found and replayed", said["not found"]),
        ("their mends clean and exhausted", said["not clean"]),
    ):
        yield Row(
            f"  {what}",
            f"{pairs - len(missed)} of {pairs}",
            "all, of at least 40",
            pairs >= 40 and not missed,
            ", ".join(missed),
        )


def random_rows(programs: int, runs: int, small: list[Comparison], folder: Path) -> Iterator[Row]:
    """Random programs, explored in two ways and run on real threads; they are left in `small`."""
    begin = time.process_time()
    too_large = 0
    for comparison in compared(map(random_program, range(sys.maxsize)), folder):
        if comparison.known is None:
            too_large += 1
            continue
        small.append(comparison)
        if len(small) == programs:
            break
    different = [each.program.seed for each in small if each.differs]
    schedules = sum(each.known.schedules for each in small if each.known)
    yield Row(
        f"{len(small):,} random programs: classes against all",
        f"{len(different)} differ",
        "0 of 2,000",
        not different and len(small) >= 2_000,
        f"{schedules:,} schedules, {time.process_time() - begin:.0f} s; {too_large} too large {different or ''}",
    )
    chosen = [each for each in small if can_run(each.program)][: runs // RUNS]
    wrong = unpredicted(chosen, RUNS)
    yield Row(
        f"{len(chosen) * RUNS:,} runs of them on real threads",
        f"{len(wrong)} not predicted",
        "0 of 5,000",
        not wrong and len(chosen) * RUNS >= 5_000,
        str(sorted({program.seed for program, _ in wrong}) or ""),
    )


def opinion_row(comparisons: list[Comparison], python: str, packages: Path, folder: Path) -> Row:
    """What interleave-test shows of random programs, beside what was predicted."""
    asked = second_opinions(comparisons, python, packages, OPINION_SCHEDULES, folder)
    new = [each for each in asked if each.seen - each.predicted]
    failing = [each for each in asked if any(map(is_stuck, each.predicted))]
    agreed = [each for each in failing if any(map(is_stuck, each.seen))]
    shown = sum(len(each.seen & each.predicted) for each in asked)
    return Row(
        f"interleave-test: {len(asked)} of them, {OPINION_SCHEDULES} schedules each",
        f"{len(new)} with an outcome not predicted",
        "0",
        bool(asked) and not new,
        f"it shows {shown} of {sum(len(each.predicted) for each in asked)} outcomes; "
        f"{len(agreed)} of {len(failing)} get stuck {[each.program.seed for each in new] or ''}",
    )


def mailbox_rows() -> Iterator[Row]:
    """The mailbox of chapter 7: how many schedules, and how long."""
    begin = time.perf_counter()
    result = every_schedule(mailbox.mailbox)
    seconds = time.perf_counter() - begin
    yield Row(
        "mailbox, 1 producer, 2 items, 2 consumers: classes",
        f"{result.schedules} schedules in {seconds:.2f} s",
        "1,000 in 1 s, exhausted",
        result.exhausted and result.schedules <= 1_000 and seconds <= 1,
    )
    identical = sum(result.replay(result.shortest) == result.shortest for _ in range(100))
    yield Row("replays that are identical", f"{identical} of 100", "100 of 100", identical == 100)


def speed_rows(python: str, packages: Path) -> Iterator[Row]:
    """Schedules of the mailbox in a second of CPU time, beside frontrun under the same Python."""
    installed = table.install(FRONTRUN, python, packages)
    speeds: dict[str, list[float]] = {"mailbox": []}
    if installed:
        speeds |= {"helpers": [], "frontrun": [], "frontrun-bare": []}
    for _ in range(TURNS):
        for who in speeds:
            said = figures(python, str(Path(mailbox.__file__)), who, "3", packages=packages)
            speeds[who].append(said["schedules"] / said["cpu"])
    medians = {who: statistics.median(each) for who, each in speeds.items()}
    said = figures(python, str(Path(mailbox.__file__)), "baton", "1", packages=packages)
    # So much depends on the machine: 5,000 was set on one where passing a bare baton takes 2.2 microseconds.
    yield Row(
        f"schedules per CPU second, Python {table.version(python)}",
        f"{medians['mailbox']:,.0f}",
        "5,000",
        medians["mailbox"] >= 5_000,
        f"to pass a bare baton takes {1e6 * said['cpu'] / said['passes']:.1f} µs here",
    )
    if not installed:
        yield Row("  of what frontrun does", "", "20 times", None, "frontrun is not installable")
        return
    ours = medians["helpers"]
    for who, what, must in (
        ("frontrun", "  of what frontrun does as it comes", 20),
        # As nobody meets it: to see how much of that is exploring itself.
        ("frontrun-bare", "  of that without bound, I/O and repeats", None),
    ):
        ratio = ours / medians[who]
        wanted, ok = ("", None) if must is None else (f"{must} times", ratio >= must)
        yield Row(what, f"{ratio:.0f} times", wanted, ok, f"{ours:,.0f} and {medians[who]:,.0f}")


def main(argv: list[str]) -> int:
    parser = table.options("schedules", __doc__ or "")
    parser.add_argument("--programs", type=int, default=2_000, help="random programs (2000)")
    parser.add_argument("--runs", type=int, default=5_000, help="of them on real threads (5000)")
    parser.add_argument(
        "--opinions", type=int, default=300, help="of them to ask interleave-test about (300)"
    )
    wish = parser.parse_args(argv)
    pythons = (sys.executable, *wish.python)
    missed = 0

    def show(row: Row) -> None:
        nonlocal missed
        table.show(row.cells(), WIDTHS)
        missed += row.ok is False

    with tempfile.TemporaryDirectory(prefix="bench-") as name:
        folder = Path(name)
        table.show(HEADINGS, WIDTHS)
        for python in pythons:
            for row in judged(python):
                show(row)
        for row in mailbox_rows():
            show(row)
        for number, python in enumerate(pythons):
            for row in speed_rows(python, folder / f"frontrun{number}"):
                show(row)
        small: list[Comparison] = []
        for row in random_rows(wish.programs, wish.runs, small, folder):
            show(row)
        newer = [python for python in pythons if is_new(python)]
        if newer and table.install(INTERLEAVE, newer[0], folder / "interleave"):
            show(opinion_row(small[: wish.opinions], newer[0], folder / "interleave", folder))
        else:
            show(Row("interleave-test", "not installable", "0", None, "needs Python 3.12 or newer: --python"))
    return 1 if missed and wish.strict else 0

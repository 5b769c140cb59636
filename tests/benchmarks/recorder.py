"""The bench of the recorder: one table of what it costs and keeps, beside a bare run and two other tools.

    python -m helpers bench recorder [--python EXE …] [--repeats N] [--strict]

Every comparison is made within this one run: bare, recorded and traced programs take turns, those whose
cost is measured stretch by stretch, and medians are compared. The other tools, viztracer and threadle, are
installed into a temporary folder of their own for each Python.
"""

from __future__ import annotations

import ast
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np

try:
    import resource
except ImportError:  # Windows
    resource = None  # type: ignore[assignment]

from helpers.recorder import fileformat
from helpers.script import make_recording_folder, recording_environment, run_script
from helpers.timeline import Timeline
from helpers.timeline.building import build
from helpers.timeline.reading import Recording
from tests.benchmarks import drawing, table, workloads
from tests.recorder.programs import DEATHS, METHODS, overlapping
from tests.timeline import made

TOOLS = ("viztracer==1.1.1", "threadle==0.1.0")
BARE, OURS, VIZTRACER, THREADLE = "bare", "recorded", "viztracer", "threadle"
# Room for a second's events: more only makes it slow to save them at the end, which nothing here times.
VIZTRACER_OPTIONS = ("--quiet", "--tracer_entries", "100000")
STRETCHES = 10  # of each program whose cost is measured, for every repeat
PATIENCE = 120.0  # seconds for one program; the slowest takes some ten under the slowest tool
HEADINGS = ("what", BARE, OURS, "ratio", "must reach", "ok", VIZTRACER, THREADLE)
WIDTHS = (34, 12, 15, 20, 13, 3, 15, 15)


@dataclass
class Row:
    """One line of the table, all as shown; `ok` is None where nothing must be reached."""

    what: str
    bare: str
    recorded: str
    ratio: str
    must: str
    ok: bool | None
    viztracer: str = "-"
    threadle: str = "-"

    def cells(self) -> tuple[str, ...]:
        figures = self.what, self.bare, self.recorded, self.ratio, self.must
        return *figures, table.OK[self.ok], self.viztracer, self.threadle


class Python:
    """A Python to measure, the other tools as far as they can be installed for it, and a place to work.

    Attributes:
        executable: of a fresh environment of it.
        version: ``"3.13.0"``.
        missing: why there is no column of this tool, in a few words; empty where there is one.
    """

    def __init__(self, executable: str, folder: Path) -> None:
        self.version = table.version(executable)
        self._folder = Path(tempfile.mkdtemp(dir=folder))
        # In an environment with nothing in it, so that nothing but Python itself takes time to start.
        subprocess.run([executable, "-m", "venv", "--without-pip", str(self._folder / "bare")], check=True)
        where = "Scripts/python.exe" if sys.platform == "win32" else "bin/python"
        self.executable = str(self._folder / "bare" / where)
        self._packages = self._folder / "packages"
        self.missing = {
            tool.partition("==")[0]: (
                "" if table.install(tool, self.executable, self._packages) else "not installable"
            )
            for tool in TOOLS
        }
        # Whatever this Python imports is compiled once, as in daily life, and nowhere else kept.
        keep_out = ("PYTHONDONTWRITEBYTECODE", "PYTHONPATH", "PYTHONHOME", "PYTHONSTARTUP")
        self._environment = {key: value for key, value in os.environ.items() if key not in keep_out}
        self._environment["PYTHONPYCACHEPREFIX"] = str(self._folder / "bytecode")

    def has(self, mode: str) -> bool:
        return not self.missing.get(mode)

    @contextmanager
    def ready(
        self, mode: str, turns: str, *arguments: str
    ) -> Iterator[tuple[list[str], dict[str, str], Path]]:
        """The command and environment for a program in this mode, and the folder of what is recorded."""
        recording = Path(make_recording_folder())
        try:
            lock = workloads.THREADLE_LOCK if mode == THREADLE else workloads.PLAIN_LOCK
            program = self._folder / f"program_{mode}.py"
            program.write_text(workloads.program(turns, lock), encoding="utf-8")
            environment = dict(self._environment)
            command = [self.executable, str(program), *arguments]
            if mode == OURS:
                environment |= recording_environment(environment, recording)
            elif mode != BARE:
                environment["PYTHONPATH"] = str(self._packages)
            if mode == VIZTRACER:
                result = ("-o", str(recording / "result.json"), "--", *command[1:])
                command = [self.executable, "-m", "viztracer", *VIZTRACER_OPTIONS, *result]
            yield command, environment, recording
        finally:
            shutil.rmtree(recording, ignore_errors=True)

    def figures(self, mode: str, turns: str, *arguments: str) -> dict[str, float]:
        """What the program says of itself in this mode."""
        with self.ready(mode, turns, *arguments) as (command, environment, _):
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, timeout=PATIENCE, check=True
            )
        return dict(json.loads(done.stdout.splitlines()[-1]))

    def start(self, mode: str) -> dict[str, float]:
        """How long an empty program takes, from outside."""
        with self.ready(mode, "") as (command, environment, _):
            Path(command[-1]).write_text("", encoding="utf-8")
            begin, before = time.perf_counter(), cpu_of_children()
            subprocess.run(command, env=environment, check=True, capture_output=True)
            return {"ms": (time.perf_counter() - begin) * 1e3, "cpu": (cpu_of_children() - before) * 1e3}


def cpu_of_children() -> float:
    """Seconds of CPU time that ended child processes have used; 0 where the system does not say."""
    if resource is None:
        return 0.0
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


Measure = Callable[[str], dict[str, float]]


def take_turns(measure: Measure, repeats: Mapping[str, int]) -> dict[str, dict[str, list[float]]]:
    """Measure each mode so many times, by turns; its figures by name."""
    found: dict[str, dict[str, list[float]]] = {mode: {} for mode in repeats}
    for turn in range(max(repeats.values())):
        for mode, times in repeats.items():
            if turn < times:
                for name, value in measure(mode).items():
                    found[mode].setdefault(name, []).append(value)
    return found


def median(found: dict[str, dict[str, list[float]]], mode: str, name: str) -> float:
    return statistics.median(found[mode][name])


class Bench:
    """The rows of one Python."""

    def __init__(self, python: Python, repeats: int) -> None:
        self.python = python
        self.repeats = repeats

    def modes(self, *others: str) -> dict[str, int]:
        """How often each is measured: bare and recorded often, the others, far from any bound, less."""
        rare = max(1, self.repeats // 3)
        return {BARE: self.repeats, OURS: self.repeats} | {
            mode: rare for mode in others if self.python.has(mode)
        }

    def other(self, mode: str, text: Callable[[], str]) -> str:
        return self.python.missing[mode] or text()

    def rows(self) -> Iterator[Row]:
        yield from self.switches()
        yield self.cost("recursive fib", workloads.FIB, 1.02, threadle=False)
        yield self.cost("two threads, lock and work", workloads.LOCK_AND_WORK, 1.10)
        yield from self.empty_with()
        yield self.cost("thread start and join", workloads.START_AND_JOIN, 1.25, threadle=False)
        yield self.cost("queue put and get, two threads", workloads.QUEUE, 2.0, threadle=False)
        yield from self.start()
        yield self.contended()
        yield self.pairs()
        yield self.killed()
        yield from self.deaths()
        yield self.bounded()

    def switches(self) -> Iterator[Row]:
        found = take_turns(
            lambda mode: self.python.figures(mode, workloads.SWITCHES), self.modes(VIZTRACER, THREADLE)
        )

        def shown(mode: str, name: str, unit: str) -> str:
            return self.other(mode, lambda: f"{median(found, mode, name):.0f}{unit}")

        bare, ours = median(found, BARE, "per_second"), median(found, OURS, "per_second")
        yield Row(
            "thread switches",
            f"{bare:.0f}/s",
            f"{ours:.0f}/s",
            f"{ours / bare:.2f}",
            "1.5",
            ours <= 1.5 * bare,
            shown(VIZTRACER, "per_second", "/s"),
            shown(THREADLE, "per_second", "/s"),
        )
        bare, ours = median(found, BARE, "lost"), median(found, OURS, "lost")
        noise = max(found[BARE]["lost"]) - min(found[BARE]["lost"])
        yield Row(
            "lost updates, unlocked",
            f"{bare:.0f} %",
            f"{ours:.0f} %",
            f"{ours - bare:+.0f}",
            f"noise: {noise:.0f}",
            abs(ours - bare) <= noise,
            shown(VIZTRACER, "lost", " %"),
            shown(THREADLE, "lost", " %"),
        )

    def cost(self, what: str, turns: str, bound: float, *, threadle: bool = True) -> Row:
        modes = [BARE, OURS, *filter(self.python.has, (VIZTRACER, THREADLE) if threadle else (VIZTRACER,))]
        with ExitStack() as stack:
            ready = {mode: stack.enter_context(self.python.ready(mode, turns))[:2] for mode in modes}
            taken = workloads.in_turns(ready, STRETCHES * self.repeats, deadline=PATIENCE)

        def shown(mode: str) -> str:
            return self.other(mode, lambda: f"{workloads.times(taken[mode], taken[BARE]):.2f}")

        ratio = workloads.times(taken[OURS], taken[BARE])
        return Row(
            what,
            duration(statistics.median(taken[BARE])),
            duration(statistics.median(taken[OURS])),
            f"{ratio:.2f}",
            f"{bound:.2f}",
            round(ratio, 2) <= bound,
            shown(VIZTRACER),
            shown(THREADLE) if threadle else "-",
        )

    def empty_with(self) -> Iterator[Row]:
        row = self.cost("empty `with lock: pass`", workloads.EMPTY_WITH, 5.5)
        yield row
        if self.python.has(THREADLE):
            share = float(row.ratio) / float(row.threadle)
            yield Row("  of what threadle takes", "", "", f"1/{1 / share:.1f}", "1/6", share <= 1 / 6)

    def start(self) -> Iterator[Row]:
        often = {mode: 4 * times for mode, times in self.modes(VIZTRACER).items()}
        for mode in often:
            self.python.start(mode)  # compiles
        found = take_turns(self.python.start, often)
        # On a busy machine, only the second says something of the recorder.
        for name, what in (("ms", "start of a script"), ("cpu", "  in CPU time")):
            bare, ours = median(found, BARE, name), median(found, OURS, name)
            theirs = median(found, VIZTRACER, name) - bare if VIZTRACER in found else 0.0
            yield Row(
                what,
                f"{bare:.1f} ms",
                f"{ours:.1f} ms",
                f"{ours - bare:+.1f} ms",
                "+5 ms",
                ours - bare <= 5,
                self.other(VIZTRACER, lambda theirs=theirs: f"{theirs:+.1f} ms"),
            )
        if theirs:
            share = theirs / (ours - bare)
            yield Row("  of what viztracer adds", "", "", f"1/{share:.1f}", "1/8", share >= 8)

    def contended(self) -> Row:
        run = run_script(
            workloads.program(workloads.CONTENDED), python=self.python.executable, timeout=PATIENCE
        )
        waited = json.loads(run.stdout)["waited"]
        waiter = next((lane.number for lane in run.timeline.lanes if lane.thread == "waiter"), -1)
        main = next((lane.number for lane in run.timeline.lanes if lane.thread == "MainThread"), -1)
        woken = {
            wake.until
            for wake in run.timeline.wakeups
            if (wake.waker, wake.woken, wake.through.name) == (main, waiter, "lock")
        }
        seen = sum(
            span.state == "lock" and span.on is not None and span.on.name == "lock" and span.end in woken
            for span in run.timeline.spans[waiter]
            if span.end - span.start > 0.001
        )

        def viztracer() -> str:
            with self.python.ready(VIZTRACER, workloads.CONTENDED) as (command, environment, recording):
                done = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
                events = json.loads((recording / "result.json").read_text(encoding="utf-8"))["traceEvents"]
            long = [event for event in events if event.get("dur", 0) > 1000]
            theirs = sum("lock" in event["name"].lower() or "__enter__" in event["name"] for event in long)
            return f"{theirs} of {json.loads(done.stdout)['waited']}"

        def threadle() -> str:
            turns = workloads.CONTENDED + workloads.THREADLE_WAITS
            return f"{self.python.figures(THREADLE, turns)['seen']}, no waker"

        return Row(
            "contended `with`: object and waker",
            f"{waited} waits",
            f"{seen} waits",
            f"{100 * seen / waited:.0f} %",
            "100 %",
            seen == waited,
            self.other(VIZTRACER, viztracer),
            self.other(THREADLE, threadle),
        )

    def pairs(self) -> Row:
        run = run_script(
            workloads.program(workloads.FOUR_THREADS),
            args=["5000"],
            python=self.python.executable,
            timeout=PATIENCE,
        )
        overlaps = overlapping(run.timeline)

        def threadle() -> str:
            turns = workloads.FOUR_THREADS + workloads.THREADLE_PAIRS
            return f"{self.python.figures(THREADLE, turns, '5000')['pairs']:,} pairs"

        return Row(
            "4 threads × 5,000 lock pairs",
            "20,000 holds",
            f"{len(run.timeline.holds):,} holds",
            f"{overlaps} overlap",
            "20,000, 0",
            len(run.timeline.holds) == 20_000 and not overlaps,
            threadle=self.other(THREADLE, threadle),
        )

    def killed(self, times: int = 5) -> Row:
        holds, overlaps, torn = 0, 0, 0
        for _ in range(times):
            with self.python.ready(OURS, workloads.KILLED_IN_FLIGHT) as (command, environment, folder):
                process = subprocess.Popen(command, env=environment)
                process.wait(PATIENCE)
                recording = Recording(folder)
                timeline = build(recording, root=process.pid)
                torn += len(timeline.notes) + torn_records(folder)
            holds += len(timeline.holds)
            overlaps += overlapping(timeline)

        def viztracer() -> str:
            with self.python.ready(VIZTRACER, workloads.KILLED_IN_FLIGHT) as (command, environment, folder):
                subprocess.run(command, env=environment, capture_output=True)
                return "a file" if any(folder.glob("*.json")) else "no file"

        return Row(
            f"SIGKILL in mid-flight, {times} times",
            "",
            f"{holds:,} holds",
            f"{overlaps} overlap, {torn} torn",
            "0, 0",
            bool(holds) and not overlaps and not torn,
            self.other(VIZTRACER, viztracer),
            "nothing kept",
        )

    def deaths(self) -> Iterator[Row]:
        for method in METHODS:
            for killed in (False, True):
                arguments = ["die"] if killed else []
                run = run_script(
                    DEATHS,
                    python=self.python.executable,
                    start_method=method,
                    args=arguments,
                    timeout=PATIENCE,
                )
                processes, waits = kept(run.timeline)
                yield Row(
                    f"deaths: {method}, root {'killed' if killed else 'ends'}",
                    "5 processes",
                    f"{processes} processes",
                    f"{waits} open waits",
                    "5 and 5",
                    (processes, waits) == (5, 5),
                    self.other(VIZTRACER, lambda m=method, k=killed: self.viztracer_deaths(m, k)),
                )

    def viztracer_deaths(self, method: str, killed: bool) -> str:
        begin = f"import multiprocessing\nmultiprocessing.set_start_method({method!r}, force=True)\n"
        # Spawned children import the program again, so the method is set by the parent alone.
        begin = f"if __name__ == '__main__':\n    {begin.strip().replace(chr(10), chr(10) + '    ')}\n"
        with self.python.ready(VIZTRACER, begin + DEATHS, *(["die"] if killed else [])) as (
            command,
            environment,
            folder,
        ):
            process = subprocess.Popen(
                command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            try:
                process.wait(PATIENCE / 4)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
                return "hangs"
            try:
                text = (folder / "result.json").read_text(encoding="utf-8")
            except OSError:
                return "no file"
        events = json.loads(text)["traceEvents"]
        seen = {event["pid"] for event in events if event["name"] == "process_name"} - {process.pid}
        return f"{len(seen)} processes"

    def bounded(self) -> Row:
        limit = fileformat.LIMIT
        # A pair is two records.
        pairs = limit // fileformat.RECORD // 2 // 4 + 10_000
        run = run_script(
            workloads.program(workloads.FOUR_THREADS),
            args=[str(pairs)],
            python=self.python.executable,
            timeout=PATIENCE,
        )
        said = any("full" in note for note in run.timeline.notes)
        used = len(run.timeline.holds) * 2 * fileformat.RECORD
        return Row(
            "longer than its bounds",
            f"{4 * pairs:,} pairs",
            f"{len(run.timeline.holds):,} holds",
            f"{used / 2**20:.0f} MiB{', said' if said else ''}",
            f"{limit >> 20} MiB, said",
            run.exit_code == 0 and said and limit / 2 < used <= limit,
        )


def kept(timeline: Timeline) -> tuple[int, int]:
    """Of the five processes of `DEATHS`: how many are there with their right end, and with their open wait."""
    ends = {
        "exiting": ("ended", "exit code 9"),
        "terminated": ("killed", "SIGTERM"),
        "killed": ("killed", "SIGKILL"),
        "normal": ("ended", ""),
        "with daemon": ("ended", ""),
    }
    processes, waits = set(), set()
    for lane in timeline.lanes:
        if lane.thread == "MainThread" and ends.get(lane.process) == (lane.ending, lane.detail):
            processes.add(lane.process)
        spans = timeline.spans[lane.number]
        if lane.process in ends and len(spans) and spans[-1].open and spans[-1].state in ("queue", "lock"):
            waits.add(lane.process)
    return len(processes), len(waits)


def torn_records(folder: Path) -> int:
    """How many finished records hold what nobody writes: no such event, or a time that runs backwards."""
    wrong = 0
    kinds = range(fileformat.BEGIN, fileformat.IDENT + 1)
    for file in folder.glob("*.rec"):
        pages = np.fromfile(file, "<i8").reshape(-1, fileformat.PAGE // fileformat.RECORD, 2)
        began = ast.literal_eval(pages[0].tobytes().rstrip(b"\0").decode())["began"]
        for page in pages[1:][pages[1:, 0, 1] >> 56 == fileformat.PAGE_OF_EVENTS]:
            records = page[1:][page[1:, 1] != 0]
            wrong += int((~np.isin(records[:, 1] >> 56, kinds)).sum())
            wrong += int((np.diff(records[:, 0], prepend=began) < 0).sum())
    return wrong


def duration(nanoseconds: float) -> str:
    for unit, size in (("ms", 1e6), ("µs", 1e3)):
        if nanoseconds >= size:
            return f"{nanoseconds / size:.1f} {unit}"
    return f"{nanoseconds:.0f} ns"


def drawing_rows() -> Iterator[Row]:
    million = made.crowd(1_000_000)
    ours = statistics.median(drawing.seconds(drawing.by_coverage, million, 1) for _ in range(7))
    polygons = drawing.seconds(drawing.by_polygons, million, 1)
    yield Row(
        "drawing 1,000,000 spans",
        f"{1e3 * polygons:.0f} ms",
        f"{1e3 * ours:.0f} ms",
        f"1/{polygons / ours:.0f}",
        "100 ms, 1/40",
        ours <= 0.1 and polygons >= 40 * ours,
    )
    waits, shown = drawing.columns_with_a_wait(million)
    yield Row(
        "  columns with a wait that show it",
        f"{waits:,}",
        f"{shown:,}",
        f"{100 * shown / waits:.1f} %",
        "99 %",
        shown >= 0.99 * waits,
    )


def reading_rows(python: Python) -> Iterator[Row]:
    with python.ready(OURS, workloads.FOUR_THREADS, "125000") as (command, environment, folder):
        subprocess.run(command, env=environment, check=True)
        root = int(next(folder.glob("*.rec")).name.partition("-")[0])
        taken = []
        for _ in range(5):
            begin = time.perf_counter()
            recording = Recording(folder)
            timeline = build(recording, root=root)
            taken.append(time.perf_counter() - begin)
        records = sum(len(events) for each in recording.processes.values() for events in each.events.values())
        del recording, timeline
        tracemalloc.start()
        try:
            timeline = build(Recording(folder), root=root)
            peak = tracemalloc.get_traced_memory()[1] / records
        finally:
            tracemalloc.stop()
    seconds = statistics.median(taken)
    yield Row(
        f"reading {records:,} records",
        "",
        f"{seconds:.2f} s",
        f"{len(timeline.holds):,} holds",
        "1 s",
        seconds <= 1.0,
    )
    yield Row("  memory at its peak", "", "", f"{peak:.0f} bytes a record", "200", peak <= 200)


def main(argv: list[str]) -> int:
    parser = table.options("recorder", __doc__ or "")
    parser.add_argument("--repeats", type=int, default=9, help="of each measurement (9)")
    wish = parser.parse_args(argv)
    missed = 0
    with tempfile.TemporaryDirectory(prefix="bench-") as folder:
        own = Python(sys.executable, Path(folder))
        for python in (own, *(Python(each, Path(folder)) for each in wish.python)):
            print(f"\nPython {python.version}")
            table.show(HEADINGS, WIDTHS)
            for row in Bench(python, wish.repeats).rows():
                table.show(row.cells(), WIDTHS)
                missed += row.ok is False
        print(f"\nReading and drawing, Python {own.version}")
        for row in (*drawing_rows(), *reading_rows(own)):
            table.show(row.cells(), WIDTHS)
            missed += row.ok is False
    return 1 if missed and wish.strict else 0

"""The bench of the lab: how near real workers come to their rates, what they cost, and how the kernel feels.

    python -m helpers bench labs [--seconds S] [--strict]

Rates are counted over whole seconds of a running pipeline, snapshots being taken 20 times a second as the
panel does. "rest of Python" is how late a thread beside the workers wakes up from a sleep of 10 ms.
"""

from __future__ import annotations

import statistics
import threading
import time
from collections.abc import Iterator
from typing import Any, NamedTuple

from helpers.labs import Pipeline
from tests.benchmarks import table

HEADINGS = ("what", "set", "measured", "error", "must reach", "ok", "CPU", "snapshot", "rest of Python")
WIDTHS = (44, 8, 12, 9, 12, 4, 7, 11, 16)
EACH = [(1, 1, 100.0), (1, 1, 1000.0), (4, 4, 100.0), (4, 4, 1000.0), (16, 16, 100.0), (16, 16, 1000.0)]
MOST = {100.0: 0.02, 1000.0: 0.05}


class Result(NamedTuple):
    """One pipeline that ran for a while."""

    rate: float  # items a second of one producer
    cpu: float  # seconds of this process for each second
    snapshot: float  # seconds for one, on the processor
    late: float  # seconds, median
    saturated: bool


def measure(seconds: float, **settings: Any) -> Result:
    """Run a pipeline whose producers are never blocked, as long as the machine keeps up."""
    pipeline = Pipeline(capacity=1000, **settings)
    pipeline.start()
    while len([w for w in pipeline.snapshot().workers if w.state != "starting"]) < pipeline.producers * 2:
        time.sleep(0.01)
    time.sleep(0.5)
    lateness: list[float] = []
    done = threading.Event()
    beside = threading.Thread(target=_sleep_and_note, args=(lateness, done), daemon=True)
    beside.start()
    spent: list[float] = []
    first, cpu = pipeline.snapshot(), time.process_time()
    while True:
        before = time.thread_time()
        now = pipeline.snapshot()
        spent.append(time.thread_time() - before)
        if now.seconds - first.seconds >= seconds:
            break
        time.sleep(0.05)
    cpu = time.process_time() - cpu
    done.set()
    pipeline.stop()
    span = now.seconds - first.seconds
    return Result(
        (now.produced - first.produced) / span / pipeline.producers,
        cpu / span,
        statistics.median(spent),
        statistics.median(lateness),
        now.saturated,
    )


def _sleep_and_note(lateness: list[float], done: threading.Event) -> None:
    while not done.is_set():
        before = time.monotonic()
        time.sleep(0.01)
        lateness.append(time.monotonic() - before - 0.01)


def rows(seconds: float) -> Iterator[tuple[str, ...]]:
    for engine in ("threads", "processes"):
        for mechanism in ("queue", "condition", "semaphores"):
            for producers, consumers, rate in EACH:
                if engine == "processes" and producers == 16:
                    continue
                result = measure(
                    seconds,
                    engine=engine,
                    mechanism=mechanism,
                    producers=producers,
                    consumers=consumers,
                    produce_rate=rate,
                    consume_rate=rate,
                )
                error = result.rate / rate - 1
                # What 32 threads can do together is the machine's to say.
                must = MOST[rate] if engine == "threads" and producers * rate < 10_000 else None
                yield (
                    f"{engine}, {mechanism}, {producers} + {consumers}",
                    f"{rate:g}/s",
                    f"{result.rate:.1f}/s",
                    f"{error:+.2%}",
                    f"{must:.0%}" if must else "",
                    table.OK[abs(error) <= must if must else None],
                    f"{result.cpu:.0%}",
                    f"{result.snapshot * 1e6:.0f} µs",
                    f"{result.late * 1e3:.2f} ms late" + (", saturated" if result.saturated else ""),
                )


def main(argv: list[str]) -> int:
    parser = table.options("labs", __doc__ or "", pythons=False)
    parser.add_argument("--seconds", type=float, default=5.0, help="of each measurement (5)")
    wish = parser.parse_args(argv)
    table.show(HEADINGS, WIDTHS)
    missed = 0
    for row in rows(wish.seconds):
        table.show(row, WIDTHS)
        missed += row[5] == table.OK[False]
    return 1 if missed and wish.strict else 0

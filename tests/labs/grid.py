"""Settings of every kind, and running many pipelines at a time."""

from __future__ import annotations

import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, product
from typing import Any

from helpers.labs import MECHANISMS, Pipeline, Snapshot

LOSSLESS = ("queue", "condition", "semaphores")
PATIENCE = 30.0  # seconds until something is taken to hang
WORKERS = ((0, 1), (1, 0), (1, 1), (2, 1), (1, 3), (16, 16))
RATES = ((0.5, 0.5), (1000, 50), (50, 1000), (1000, 1000))
CAPACITIES = (1, 7, None)
# For programs of their own: they import from where this one does.
ENVIRONMENT = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}


def settings(**fixed: Any) -> Iterator[dict[str, Any]]:
    """Every combination, with some settings fixed."""
    for workers, rates, capacity, arrivals, mechanism in product(
        WORKERS, RATES, CAPACITIES, ("steady", "random"), MECHANISMS
    ):
        names = (
            "producers",
            "consumers",
            "produce_rate",
            "consume_rate",
            "capacity",
            "arrivals",
            "mechanism",
        )
        found = dict(zip(names, (*workers, *rates, capacity, arrivals, mechanism), strict=True))
        if all(found[name] == value for name, value in fixed.items()):
            yield found


def batches(items: Iterator[Any], size: int) -> Iterator[list[Any]]:
    while batch := list(islice(items, size)):
        yield batch


def run_all(pipelines: list[Pipeline], seconds: float) -> list[Snapshot]:
    """Run all side by side."""
    with ThreadPoolExecutor(len(pipelines)) as pool:
        return list(pool.map(lambda pipeline: pipeline.run(seconds), pipelines))


def accounted_for(snapshot: Snapshot) -> bool:
    """Whether every item that was put in is somewhere, and nothing is wrong that should not be."""
    assert not snapshot.error, snapshot
    assert snapshot.produced == snapshot.consumed + snapshot.in_buffer + snapshot.lost, snapshot
    assert min(snapshot.consumed, snapshot.in_buffer, snapshot.lost, snapshot.duplicated) >= 0, snapshot
    if snapshot.settings.mechanism in LOSSLESS:
        assert snapshot.lost == snapshot.duplicated == 0, snapshot
    if snapshot.settings.mechanism == "event":
        assert snapshot.duplicated == 0, snapshot
    return True


def until(holds: Callable[[], object], what: str) -> None:
    """Wait until something holds; fail where it does not come to hold."""
    end = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < end, f"never: {what}"
        time.sleep(0.005)


def up(pipeline: Pipeline) -> bool:
    """Whether all workers that are set are at work."""
    wanted = pipeline.producers + pipeline.consumers
    workers = [worker for worker in pipeline.snapshot().workers if not worker.retiring]
    return len(workers) == wanted and all(worker.state != "starting" for worker in workers)


def change_while_it_runs(
    pipeline: Pipeline,
    choices: Mapping[str, Sequence[Any]],
    pauses: Sequence[float],
    times: int,
    stop_after: int,
    before_stop: Callable[[], object] = lambda: None,
) -> None:
    """Change one setting after the other, at random; what is certain while it runs and at a stop holds.

    Args:
        pipeline: it is left stopped, after something has flowed through it in the end.
        choices: the values that each setting may get.
        pauses: seconds that may pass after a change.
        times: how many changes.
        stop_after: how many changes there are from one stop to the next.
        before_stop: what is to be waited for before each of these stops.
    """
    draw = random.Random(pipeline.mechanism)
    for number in range(times):
        pipeline.start()
        name = draw.choice(list(choices))
        setattr(pipeline, name, draw.choice(choices[name]))
        snapshot = pipeline.snapshot()
        assert not snapshot.error
        if pipeline.mechanism in LOSSLESS:
            assert snapshot.lost == snapshot.duplicated == 0
        time.sleep(draw.choice(pauses))
        if number % stop_after == stop_after - 1:
            before_stop()
            assert accounted_for(pipeline.stop())
    pipeline.set(producers=1, consumers=1, produce_rate=1000, consume_rate=1000)
    pipeline.start()
    until(lambda: pipeline.snapshot().consumed > 0, "a flow")
    assert accounted_for(pipeline.stop())

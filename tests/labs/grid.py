"""Settings of every kind, and running many pipelines at a time."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice, product
from typing import Any

from helpers.labs import MECHANISMS, Pipeline, Snapshot

LOSSLESS = ("queue", "condition", "semaphores")
PATIENCE = 30.0  # seconds until something is taken to hang
WORKERS = ((0, 1), (1, 0), (1, 1), (2, 1), (1, 3), (16, 16))
RATES = ((0.5, 0.5), (1000, 50), (50, 1000), (1000, 1000))
CAPACITIES = (1, 7, None)


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

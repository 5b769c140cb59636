"""The formulas against other ways to the same numbers, and against real runs."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest

from helpers.labs import Pipeline, Prediction
from helpers.labs.prediction import birth_and_death, without_bound
from helpers.labs.snapshot import Measured
from tests.labs.grid import run_all


def solved(
    producers: int, produce: float, consumers: int, consume: float, capacity: int
) -> tuple[float, float]:
    """The same chain by a set of linear equations, state by state: (in service, in buffer, blocked)."""
    states = [
        (n, max(0, min(n - consumers, capacity)), max(0, n - consumers - capacity))
        for n in range(consumers + capacity + producers + 1)
    ]
    flows = np.zeros((len(states), len(states)))
    for n, (_, _, blocked) in enumerate(states):
        if n + 1 < len(states):
            flows[n, n + 1] = (producers - blocked) * produce
        if n:
            flows[n, n - 1] = min(n, consumers) * consume
        flows[n, n] = -flows[n].sum()
    equations = np.vstack([flows.T, np.ones(len(states))])
    shares = np.linalg.lstsq(equations, np.array([0.0] * len(states) + [1.0]), rcond=None)[0]
    throughput = sum(share * min(n, consumers) * consume for n, share in enumerate(shares))
    return throughput, sum(share * state[1] for share, state in zip(shares, states, strict=True))


@pytest.mark.parametrize(
    "case", [(1, 10, 1, 10, 1), (2, 20, 1, 30, 10), (5, 3, 4, 7, 2), (3, 100, 2, 40, 20), (16, 1, 16, 2, 5)]
)
def test_the_chain_is_that_of_its_equations(case: tuple[int, float, int, float, int]) -> None:
    assert birth_and_death(*case) == pytest.approx(solved(*case), rel=1e-6)


def test_one_server_without_bound_is_m_m_1() -> None:
    throughput, depth = without_bound(8.0, 1, 10.0)
    assert throughput == 8.0
    assert depth == pytest.approx(0.8**2 / (1 - 0.8))


def test_erlang_c_is_that_of_the_sum_with_factorials() -> None:
    load, servers = 4.2, 6
    terms = [load**n / math.factorial(n) for n in range(servers)]
    last = load**servers / math.factorial(servers) * servers / (servers - load)
    waits = last / (sum(terms) + last)
    assert without_bound(42.0, servers, 10.0)[1] == pytest.approx(waits * load / (servers - load))


def test_a_large_buffer_comes_near_one_without_bound() -> None:
    """With many producers and room enough nobody is ever blocked."""
    assert birth_and_death(16, 0.5, 3, 4.0, 1000) == pytest.approx(without_bound(8.0, 3, 4.0), rel=1e-9)


@pytest.mark.parametrize("capacity", [1, 1000])
def test_the_extremes_of_the_sliders_have_an_answer(capacity: int) -> None:
    for produce, consume in ((0.5, 1000.0), (1000.0, 0.5), (1000.0, 1000.0)):
        throughput, depth = birth_and_death(16, produce, 16, consume, capacity)
        assert 0 < throughput <= 16 * min(produce, consume) * (1 + 1e-9)
        assert 0 <= depth <= capacity * (1 + 1e-9)


@pytest.mark.parametrize(
    ("how", "throughput", "depth", "limit"),
    [
        ({}, 30.0, 10.0, "consumers"),
        ({"producers": 1}, 20.0, 0.0, "producers"),
        ({"producers": 3, "consumers": 2}, 60.0, 0.0, "balanced"),
        ({"capacity": None}, 30.0, math.inf, "consumers"),
        ({"capacity": None, "arrivals": "random"}, 30.0, math.inf, "consumers"),
        ({"producers": 0}, 0.0, 0.0, "producers"),
        ({"consumers": 0}, 0.0, 10.0, "consumers"),
        ({"producers": 0, "consumers": 0, "arrivals": "random"}, 0.0, 0.0, "balanced"),
    ],
)
def test_steady_flow_is_that_of_the_slower_side(
    how: dict[str, Any], throughput: float, depth: float, limit: str
) -> None:
    prediction = Pipeline(**how).prediction
    assert (prediction.throughput, prediction.mean_depth, prediction.limit) == (throughput, depth, limit)
    assert f"Predicted: {throughput:.0f}" in prediction.sentence


# Items take long against what a thread wakes up late; the seed fixes all random times.
MEASURED: dict[str, dict[str, Any]] = {
    "even": {"producers": 8, "consumers": 8, "produce_rate": 20, "consume_rate": 23, "capacity": 10},
    "empty": {"producers": 6, "consumers": 4, "produce_rate": 30, "consume_rate": 60, "capacity": 5},
}
KINDS_OF_TIMES = ("random", "steady")
TOO_LATE = 0.002  # seconds, on average


@pytest.fixture(scope="module")
def runs() -> dict[tuple[str, str], tuple[Prediction, Measured]]:
    """What was predicted and what was measured, of all runs, side by side: together they do little."""
    pipelines = {
        (name, arrivals): Pipeline(arrivals=arrivals, seed=0, **how)
        for name, how in MEASURED.items()
        for arrivals in KINDS_OF_TIMES
    }
    snapshots = run_all([*pipelines.values()], 5.5)
    return {
        key: (pipeline.prediction, snapshot.measured(after=0.5))
        for (key, pipeline), snapshot in zip(pipelines.items(), snapshots, strict=True)
    }


@pytest.mark.parametrize("name", MEASURED)
@pytest.mark.parametrize("arrivals", KINDS_OF_TIMES)
def test_a_real_run_of_five_seconds_is_as_predicted(
    name: str, arrivals: str, runs: dict[tuple[str, str], tuple[Prediction, Measured]]
) -> None:
    predicted, measured = runs[name, arrivals]
    if measured.late > TOO_LATE:
        pytest.skip(f"this machine is too busy: workers were {1000 * measured.late:.1f} ms late")
    assert measured.throughput == pytest.approx(predicted.throughput, rel=0.05)
    if arrivals == "random":
        assert measured.low <= predicted.mean_depth <= measured.high

"""What drawing a million spans costs, against drawing each of them as a shape. Ratios, not seconds."""

from __future__ import annotations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from helpers.timeline import Timeline
from tests.benchmarks.drawing import by_coverage, by_polygons, seconds
from tests.timeline import made


@pytest.fixture(scope="module")
def million() -> Timeline:
    return made.crowd(1_000_000)


def whole(timeline: Timeline) -> None:
    FigureCanvasAgg(timeline.plot()).draw()


@pytest.fixture(scope="module")
def taken(million: Timeline) -> dict[str, float]:
    """Seconds for each way; ours before and after theirs, which take so long that the machine may change."""
    ours = {"coverage": by_coverage, "whole picture": whole}
    before = {name: seconds(draw, million, 3) for name, draw in ours.items()}
    polygons = seconds(by_polygons, million, 1)
    after = {name: seconds(draw, million, 3) for name, draw in ours.items()}
    return {name: min(before[name], after[name]) for name in ours} | {"polygons": polygons}


@pytest.mark.parametrize(("ours", "times"), [("coverage", 40), ("whole picture", 15)])
def test_so_many_times_faster_than_polygons(taken: dict[str, float], ours: str, times: int) -> None:
    ratio = taken["polygons"] / taken[ours]
    print(
        f"\n{ours} {1000 * taken[ours]:.0f} ms, polygons {1000 * taken['polygons']:.0f} ms: {ratio:.0f} times"
    )
    assert ratio > times

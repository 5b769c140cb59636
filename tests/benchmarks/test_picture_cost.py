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


@pytest.fixture(scope="module")
def theirs(million: Timeline) -> float:
    return seconds(by_polygons, million, 1)


def test_coverage_is_forty_times_faster_than_polygons(million: Timeline, theirs: float) -> None:
    ours = seconds(by_coverage, million, 5)
    print(f"\ncoverage {1000 * ours:.0f} ms, polygons {1000 * theirs:.0f} ms: {theirs / ours:.0f} times")
    assert theirs > 40 * ours


def test_the_whole_picture_is_fifteen_times_faster_than_the_polygons_alone(
    million: Timeline, theirs: float
) -> None:
    def whole(timeline: Timeline) -> None:
        FigureCanvasAgg(timeline.plot()).draw()

    ours = seconds(whole, million, 5)
    print(f"\nwhole picture {1000 * ours:.0f} ms, polygons {1000 * theirs:.0f} ms: {theirs / ours:.0f} times")
    assert theirs > 15 * ours

"""What drawing a million spans costs, against drawing each of them as a shape. Ratios, not seconds."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from helpers.timeline import STATES, Timeline
from helpers.timeline.picture import coverage, looks
from helpers.timeline.picture.sheet import Sheet
from tests.timeline import made

WIDTH, HEIGHT, BAR = 1000, 400, 22


def sheet() -> tuple[FigureCanvasAgg, Sheet]:
    figure = Figure((WIDTH / 100, HEIGHT / 100), dpi=100)
    axes = figure.add_axes((0, 0, 1, 1))
    axes.set_axis_off()
    axes.autoscale(False)
    axes.set_xlim(0, WIDTH)
    axes.set_ylim(HEIGHT, 0)
    return FigureCanvasAgg(figure), Sheet(axes)


def by_coverage(timeline: Timeline) -> None:
    canvas, paper = sheet()
    for number, spans in enumerate(timeline.spans):
        start, end, layer = coverage.pieces(spans.columns)
        scale = WIDTH / timeline.duration
        pixels = looks.painted_bar(coverage.shares(start * scale, end * scale, layer, WIDTH), BAR)
        paper.paint(pixels, (0, WIDTH, 50 * number, 50 * number + BAR), order=1)
    canvas.draw()


def by_polygons(timeline: Timeline) -> None:
    canvas, paper = sheet()
    for number, spans in enumerate(timeline.spans):
        columns = spans.columns
        for state, name in enumerate(STATES):
            mine = columns[columns["state"] == state]
            scale = WIDTH / timeline.duration
            sides = np.empty((4, len(mine)))
            sides[:] = np.array([[0], [0], [50 * number], [50 * number + BAR]])
            sides[:2] = mine["start"] * scale, mine["end"] * scale
            paper.boxes(sides, looks.LOOKS[name].mark, order=1)
    canvas.draw()


def seconds(draw: Callable[[Timeline], None], timeline: Timeline, repeats: int) -> float:
    taken = []
    for _ in range(repeats):
        begin = time.perf_counter()
        draw(timeline)
        taken.append(time.perf_counter() - begin)
    return min(taken)


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

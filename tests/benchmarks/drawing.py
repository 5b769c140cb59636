"""Two ways of drawing a million spans: the share of each state per column, and each span as a shape."""

from __future__ import annotations

import time
from collections.abc import Callable

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from helpers.timeline import STATES, Timeline
from helpers.timeline.picture import coverage, looks
from helpers.timeline.picture.sheet import Sheet

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
    """Seconds of CPU time for the fastest of so many drawings: other programs do not count."""
    taken = []
    for _ in range(repeats):
        begin = time.thread_time()
        draw(timeline)
        taken.append(time.thread_time() - begin)
    return min(taken)


def columns_with_a_wait(timeline: Timeline) -> tuple[int, int]:
    """In how many columns of how many lanes there is a wait, by state; and how many of them show it.

    Found out span by span, by other means than those that draw.
    """
    there = shown = 0
    scale = WIDTH / timeline.duration
    for spans in timeline.spans:
        columns = spans.columns
        start, end, layer = coverage.pieces(columns)
        share = coverage.shares(start * scale, end * scale, layer, WIDTH)
        painted = coverage.pixels(coverage.levels(share, BAR, least=max(1, BAR // len(coverage.LAYERS))), BAR)
        for state, name in enumerate(STATES):
            mine = columns[columns["state"] == state]
            if name == "running" or not len(mine):
                continue
            first = np.floor(mine["start"] * scale).astype(int)
            # Its tail is drawn as one: the wait itself ends where it was woken.
            last = np.floor(np.fmin(mine["end"], mine["woken"]) * scale).astype(int)
            waits = np.zeros(WIDTH + 1, bool)
            for one, other in zip(first.tolist(), last.tolist(), strict=True):
                waits[one : other + 1] = True
            shows = (painted == coverage.LAYERS.index(name)).any(axis=0)
            there += int(waits[:WIDTH].sum())
            shown += int((waits[:WIDTH] & shows).sum())
    return there, shown

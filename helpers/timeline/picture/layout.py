"""Where things lie in the picture, in pixels: lanes from top to bottom, events from left to right."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from helpers.timeline.model import Lane
from helpers.timeline.picture.coverage import Floats

EDGE = 6  # pixels between the sides of the plot and the first and last event
ROWS = 3  # of strips above a bar have a height of their own; more share it
PITCH_WITH_STRIP = 10  # pixels from lane to lane; below, a strip would be too thin to be seen


@dataclass(frozen=True)
class Sizes:
    """Heights for a certain crowd of lanes.

    Attributes:
        bar, strip: in pixels.
        flag: a row of words below a bar, pixels; 0 where there is no room for any.
        gap: between two lanes of a process, pixels.
        pad: above the first and below the last lane of a process, pixels.
        between: two processes, pixels.
        letters: of the lanes' names, points.
    """

    bar: float
    strip: float
    flag: float
    gap: float
    pad: float
    between: float
    letters: float


# From the roomiest to the tightest, each with the height in pixels up to which it is used.
SIZES = (
    (480, Sizes(20, 13, 12, 9, 7, 5, 9.0)),
    (600, Sizes(17, 12, 12, 7, 5, 4, 8.5)),
    (720, Sizes(13, 4, 0, 5, 4, 3, 8.0)),
    (1_300, Sizes(10, 3, 0, 4, 3, 2, 7.0)),
)


class Band(NamedTuple):
    """The lanes of one process, from `top` to `bottom`."""

    top: float
    bottom: float
    lanes: tuple[int, ...]


class Stack:
    """Where each lane lies.

    Attributes:
        sizes: what was chosen, so that the lanes fit.
        bands: one per process.
        strips: of each lane, the top of what lies above its bar.
        bars: of each lane, the top and bottom of its bar.
        flags: of each lane, how many rows of words there are below its bar.
        bottom: of the last band.
    """

    def __init__(self, lanes: Sequence[Lane], rows: Sequence[int], top: float) -> None:
        """Stack `lanes` below `top`, each with so many `rows` of strips."""
        processes = groupby(lanes, lambda lane: lane.pid)
        self._processes = [tuple(lane.number for lane in mine) for _, mine in processes]
        self._top = top
        self.flags: Sequence[int] = [0] * len(lanes)
        for limit, sizes in SIZES:
            self._stack(sizes, rows)
            if self.bottom - top <= limit:
                return
        pitch = limit / (len(lanes) + 0.3 * len(self._processes))
        strip = 0.25 * pitch if pitch >= PITCH_WITH_STRIP and any(rows) else 0.0
        tiny = Sizes(0.8 * pitch - strip, strip, 0, 0.2 * pitch, 0, 0.3 * pitch, sizes.letters)
        self._stack(tiny, [1 if strip else 0] * len(lanes))  # all alike: so each name has room

    def make_room(self, flags: Sequence[int]) -> None:
        """Move the lanes apart for so many rows of words below each bar; sizes stay as they are."""
        self.flags = flags
        self._stack(self.sizes, self._rows)

    def _stack(self, sizes: Sizes, rows: Sequence[int]) -> None:
        self.sizes = sizes
        self._rows = rows
        self.bands: list[Band] = []
        self.strips: list[float] = []
        self.bars: list[tuple[float, float]] = []
        y = self._top
        for lanes in self._processes:
            band = y
            y += sizes.pad
            for place, lane in enumerate(lanes):
                y += sizes.gap if place else 0
                self.strips.append(y)
                y += sizes.strip * min(rows[lane], ROWS)
                self.bars.append((y, y + sizes.bar))
                y += sizes.bar + sizes.flag * self.flags[lane]
            y += sizes.pad
            self.bands.append(Band(band, y, lanes))
            y += sizes.between
        self.bottom = y - sizes.between

    def middle(self, lane: int) -> float:
        """Half-way down the lane's bar."""
        top, bottom = self.bars[lane]
        return (top + bottom) / 2


class Scale:
    """The horizontal axis: turns seconds into places on it, and places into pixel columns.

    Attributes:
        label: what the axis shows.
        factor: places for one second, where the axis is to scale.
        first, last: the places between which everything is shown.
        left, right: the places at the sides of the plot.
        columns: pixels between them.
        pixel: how far apart two pixels are, in places.
    """

    factor = 1.0

    def __init__(self, label: str, first: float, last: float) -> None:
        self.label = label
        self.first = first
        self.last = last if last > first else first + 1.0
        self.fit(1_000)

    def place(self, seconds: npt.ArrayLike) -> Floats:
        """Where on the axis these moments lie."""
        raise NotImplementedError

    def fit(self, columns: int) -> None:
        """Spread the events over `columns` pixels."""
        self.columns = columns
        self.pixel = (self.last - self.first) / (columns - 2 * EDGE)
        self.left = self.first - EDGE * self.pixel
        self.right = self.last + EDGE * self.pixel

    def column(self, place: Floats) -> Floats:
        """In which pixel column these places lie, counted from the left side of the plot."""
        return (place - self.left) / self.pixel


class TimeScale(Scale):
    """True durations, in a unit that suits them."""

    def __init__(self, start: float, end: float) -> None:
        """From `start` to `end`, in seconds; the unit suits what is furthest from 0."""
        units = ((2e-3, 1e6, "µs"), (2.0, 1e3, "ms"), (math.inf, 1.0, "s"))
        self.factor, unit = next((factor, unit) for limit, factor, unit in units if max(-start, end) < limit)
        super().__init__(f"time ({unit})", start * self.factor, end * self.factor)

    def place(self, seconds: npt.ArrayLike) -> Floats:
        return np.asarray(seconds, dtype=np.float64) * self.factor


class OrderScale(Scale):
    """One column per event, however short or long the time between two of them."""

    def __init__(self, moments: Floats) -> None:
        """Every moment at which something happened, in seconds, each once and in order."""
        self.moments = moments
        super().__init__("events in order, not to scale", 0.0, len(moments) - 1.0)

    def place(self, seconds: npt.ArrayLike) -> Floats:
        return np.searchsorted(self.moments, np.asarray(seconds, dtype=np.float64)).astype(np.float64)


class StepScale(Scale):
    """The steps of a schedule, each as wide as the others."""

    def __init__(self, first: float, last: float) -> None:
        super().__init__("step", first, last)

    def place(self, seconds: npt.ArrayLike) -> Floats:
        return np.asarray(seconds, dtype=np.float64)

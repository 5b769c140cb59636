"""Where the words of marks go: below the bar, like flags on poles, on several rows where they crowd."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from helpers.timeline.model import Mark
from helpers.timeline.picture.layout import Scale
from helpers.timeline.picture.lettering import shorten, width_of

SIZE = 7.0  # points
POLE = 4  # pixels from the pole to its words
GAP = 5  # pixels between words and the next pole
LONGEST = 40  # letters
# Of more marks than this none has words: they would be a sample that says nothing.
MOST = 300
ROWS = 12  # below one bar; fewer where many lanes share the height
ALL_ROWS = 36


class Flag(NamedTuple):
    """A mark in the picture.

    Attributes:
        lane: number of the lane.
        place: on the axis.
        text: its words, as they are drawn.
        row: how far below the bar they stand, the nearest row is 1; 0 where there is no room for them.
    """

    lane: int
    place: float
    text: str
    row: int

    @property
    def reach(self) -> float:
        """How far its words reach to the right of its place, in pixels."""
        return POLE + width_of(self.text, SIZE)


def plant(marks: Sequence[Mark], scale: Scale) -> list[Flag]:
    """A flag for each of `marks`, in order of place; none has a row yet."""
    places = scale.place([mark.at for mark in marks])
    flags = [
        Flag(mark.lane, float(place), shorten(mark.text, LONGEST), 0)
        for mark, place in zip(marks, places, strict=True)
    ]
    return sorted(flags, key=lambda flag: flag.place)


def arrange(flags: Sequence[Flag], pixel: float) -> list[Flag]:
    """Give the flags of each lane rows on which no words meet other words, or a pole.

    Args:
        flags: in order of place.
        pixel: how far apart two pixels are, in places.
    """
    lanes = sorted({flag.lane for flag in flags})
    rows = max(1, min(ROWS, ALL_ROWS // max(1, len(lanes))))
    return [flag for lane in lanes for flag in _arranged([f for f in flags if f.lane == lane], pixel, rows)]


def _arranged(flags: Sequence[Flag], pixel: float, rows: int) -> list[Flag]:
    """From the last to the first: words that reach over a later pole stand below that one's words."""
    placed: list[Flag] = []
    for flag in reversed(flags):
        end = flag.place + (flag.reach + GAP) * pixel
        below = 0
        for later in reversed(placed):
            if later.place >= end:
                break
            below = max(below, later.row)
        placed.append(flag._replace(row=below + 1 if below < rows else 0))
    return placed[::-1]

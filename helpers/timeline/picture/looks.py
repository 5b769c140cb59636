"""What the states of a thread look like, in colour and in grey."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.colors import to_rgb

from helpers.timeline.picture import coverage
from helpers.timeline.picture.coverage import LAYERS, Floats, Integers

CARD, BORDER, BAND, GRID = "#fdfcf9", "#d8d3c7", "#f3efe6", "#e2dccf"
INK, PALE_INK, FAINT_INK, ALARM = "#22252a", "#66655f", "#97948c", "#a6192e"
ARROW = "#55585e"

# A patch of colour lower than this, in pixels, has no room for a hatch.
HATCHED = 5


@dataclass(frozen=True)
class Look:
    """How a layer of a bar is drawn.

    Attributes:
        face: its colour where there is room for a hatch.
        mark: the colour of the hatch, and of the whole where there is none.
        hatch: for shapes, in matplotlib's notation.
        tile: the same for pixels: the rows of a pattern that is repeated over the bar, ``#`` for the mark.
    """

    face: str
    mark: str
    hatch: str = ""
    tile: str = " "


# The marks have the colours of Okabe and Ito, which the colour-blind can tell apart; the faces are tints of
# them. Purple, orange and yellow are a little darker, to stand out from their tints.
LOOKS = {
    "running": Look("#0072B2", "#0072B2"),
    "starved": Look("#CFE3F1", "#3F95C9", "xxxx", "#  |  #|   "),
    "woken": Look("#A9D3EE", "#A9D3EE"),
    "lock": Look("#F6CDB0", "#D55E00", "/////", "    ##|   ## |  ##  | ##   |##    |#    #"),
    "signal": Look("#F3DEEA", "#B8578F", "....", "##    |##    |      |   ## |   ## |      "),
    "queue": Look("#FBE7BC", "#DB9500", "|||||", "#  "),
    "join": Look("#D3ECE3", "#3FAE8D", "\\\\\\", "#     | #    |  #   |   #  |    # |     #"),
    "io": Look("#FBF7CC", "#BDB000", "+++", "######|#     |#     |#     |#     |#     "),
    "sleep": Look("#E0DDD6", "#ABA79F", "--", " | | | | |#"),
}

# One colour per lock, none of them that of a state (from Paul Tol's muted set).
LOCK_COLOURS = ("#332288", "#882255", "#117733", "#AA4499", "#999933", "#44AA99", "#CC6677", "#6699CC")


def pale(colour: str) -> str:
    """A light ground in the tone of `colour`."""
    red, green, blue = (round(255 * (0.2 * part + 0.8)) for part in to_rgb(colour))
    return f"#{red:02x}{green:02x}{blue:02x}"


def painted_bar(share: Floats, height: int) -> npt.NDArray[np.uint8]:
    """The pixels of a bar: `height` rows, a column for each of `share` (as `coverage.shares` returns it)."""
    edges = coverage.levels(share, height, least=max(1, height // len(LAYERS)))
    layers = coverage.pixels(edges, height)
    rows, columns = np.arange(height)[:, np.newaxis], np.arange(share.shape[1])
    hatched = _roomy(np.diff(edges, axis=0, prepend=0, append=height))[layers, columns]
    paints = _paints()
    painted: npt.NDArray[np.uint8] = paints[hatched, layers, rows % _TILE, columns % _TILE]
    return painted


def painted_strip(share: Floats, colour: str) -> npt.NDArray[Any]:
    """One row of pixels: stronger where the share is greater, and never quite clear where it is not 0."""
    pixels = np.empty((1, len(share), 4))
    pixels[..., :3] = to_rgb(colour)
    pixels[..., 3] = np.where(share > 0, 0.12 + 0.88 * np.minimum(share, 1.0), 0.0)
    return pixels


def _roomy(heights: Integers) -> Integers:
    """1 where a layer has room for a hatch; by its mean height near by, so that it does not flicker."""
    reach = 4
    width = 2 * reach + 1

    def near_by(values: Integers) -> Integers:
        sums = np.cumsum(np.pad(values, ((0, 0), (reach + 1, reach))), axis=1)
        return sums[:, width:] - sums[:, :-width]

    return (near_by(heights) >= HATCHED * near_by((heights > 0).astype(np.intp))).astype(np.intp)


_TILE = 6  # pixels; every tile's sides go into it


@cache
def _paints() -> npt.NDArray[np.uint8]:
    """Colours of pixels: without and with a hatch, of each layer, at each row and column of a tile."""
    paints = np.zeros((2, len(LAYERS) + 1, _TILE, _TILE, 4), dtype=np.uint8)  # the last is clear: NOTHING
    for place, name in enumerate(LAYERS):
        look = LOOKS[name]
        face, mark = ([*(round(255 * part) for part in to_rgb(it)), 255] for it in (look.face, look.mark))
        paints[0, place] = mark
        tile = look.tile.split("|")
        for row, column in np.ndindex(_TILE, _TILE):
            marks = tile[row % len(tile)]
            paints[1, place, row, column] = mark if marks[column % len(marks)] == "#" else face
    return paints

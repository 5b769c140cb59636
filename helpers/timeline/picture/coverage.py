"""How much of each column of the picture a thread spent in each state.

A million spans do not fit into a thousand pixels. Drawn one over the other, the last hides the rest, and
a wait of a microsecond is lost. So the share of every state in every column is added up exactly, in a few
passes of `bincount`, and each state that occurs in a column at all gets a piece of it.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from helpers.timeline.model import STATES

Floats = npt.NDArray[np.float64]
Integers = npt.NDArray[np.intp]

# What a bar is made of, from the bottom of a mixed column to its top. "starved" is what the time of running
# holds more than the CPU time used in it; "woken" is the tail of a wait: free to go on, but not yet running.
LAYERS = ("running", "starved", "woken", "lock", "signal", "queue", "join", "io", "sleep")
NOTHING = len(LAYERS)  # marks a pixel where no state is known
_LAYER_OF_STATE = np.array([LAYERS.index(state) for state in STATES], dtype=np.intp)
_WOKEN = LAYERS.index("woken")
RUNNING, STARVED = LAYERS.index("running"), LAYERS.index("starved")


def pieces(spans: npt.NDArray[Any]) -> tuple[Floats, Floats, Integers]:
    """Cut one lane's spans into pieces of one layer each: a wait that was ended by somebody becomes two.

    Args:
        spans: columns of dtype `model.SPAN`.

    Returns:
        Starts and ends, in the unit of `spans`, and indexes into `LAYERS`. First all spans in their order,
        then the tails.
    """
    start = np.ascontiguousarray(spans["start"])
    end = np.ascontiguousarray(spans["end"])
    layer = _LAYER_OF_STATE[spans["state"]]
    woken = np.ascontiguousarray(spans["woken"])
    tails = np.flatnonzero(woken < end)  # never true for NaN
    if not len(tails):
        return start, end, layer
    turn = np.maximum(woken[tails], start[tails])
    tail_end = end[tails]
    end[tails] = turn
    tail_layer = np.full(len(tails), _WOKEN)
    return np.concatenate((start, turn)), np.concatenate((end, tail_end)), np.concatenate((layer, tail_layer))


def shares(start: Floats, end: Floats, layer: Integers, columns: int) -> Floats:
    """Add up, for every column, the share of it that each layer covers.

    Args:
        start, end: of the pieces, in columns: column 3 lies between 3.0 and 4.0. What lies outside
            0 … `columns` is cut off.
        layer: index into `LAYERS` of each piece.
        columns: how many there are.

    Returns:
        An array of ``len(LAYERS)`` rows and `columns` columns. It is above zero wherever a piece, even one
        of no length, touches a column.
    """
    seen = (end >= 0) & (start <= columns)
    if not seen.all():
        start, end, layer = start[seen], end[seen], layer[seen]
    start = np.maximum(start, 0.0)
    end = np.minimum(end, float(columns))
    first = np.minimum(start.astype(np.intp), columns - 1)
    last = np.minimum(end.astype(np.intp), columns - 1)
    row = layer * columns
    size = len(LAYERS) * columns
    # Most pieces of a long recording lie within one column.
    in_first = np.maximum(np.minimum(end, first + 1.0) - start, np.finfo(np.float64).tiny)
    total = np.bincount(row + first, in_first, size).astype(np.float64, copy=False)
    long = np.flatnonzero(last > first)
    if len(long):
        first, last, row, end = first[long], last[long], row[long], end[long]
        total += np.bincount(row + last, end - last, size)
        # The whole columns between: +1 where they begin, -1 behind them, summed up along each row.
        wide = size + len(LAYERS)
        row = row + row // columns
        edges = np.bincount(row + first + 1, minlength=wide) - np.bincount(row + last, minlength=wide)
        between = np.cumsum(edges.reshape(len(LAYERS), columns + 1), axis=1)[:, :-1]
        total += between.ravel()
    return total.reshape(len(LAYERS), columns)


def starve(share: Floats, used: float) -> Floats:
    """Divide, in what `shares` returned, the time of running: of it, only the part `used` had a CPU."""
    share[STARVED] = share[RUNNING] * (1 - used)
    share[RUNNING] *= used
    return share


def levels(share: Floats, height: int, least: int = 1) -> Integers:
    """Turn shares into heights, so that every layer that occurs in a column is at least `least` high there.

    Args:
        share: as `shares` returns it.
        height: of the bar, in pixels.
        least: in pixels; made smaller where a column holds too many layers for it.

    Returns:
        The upper edge of each layer, in pixels from the bottom of the bar; same shape as `share`. A layer
        that does not occur ends where the one beneath it does.
    """
    occurs = share > 0
    number = occurs.sum(axis=0)
    floor = np.minimum(least, height // np.maximum(number, 1))
    total = np.maximum(share.sum(axis=0), 1.0)  # rounding, or overlapping spans, may lead above one
    free = (height - floor * number) / total
    edges: Integers = np.floor(np.cumsum(occurs * floor + share * free, axis=0) + 0.5).astype(np.intp)
    return edges


def pixels(edges: Integers, height: int) -> npt.NDArray[np.uint8]:
    """Paint a bar from the edges of its layers.

    Returns:
        `height` rows, the top one first, of indexes into `LAYERS`, or `NOTHING`.
    """
    upward = np.arange(height - 1, -1, -1)[:, np.newaxis]
    below = np.zeros((height, edges.shape[1]), dtype=np.uint8)
    for edge in edges:
        below += edge <= upward
    return below

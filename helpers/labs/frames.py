"""From the model's snapshots to the columns of the live picture: what has happened between two of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import islice
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from helpers.labs.prediction import Prediction
    from helpers.labs.snapshot import Snapshot

WINDOW = 30.0  # seconds that the picture shows
SHORTEST = 0.001  # seconds of a column
MOST = 1200  # columns; twice what comes in 30 s, because changes add some
STATES = ("producing", "blocked", "waiting", "consuming")

# A column is sent as it is: when it ends, the least and the greatest depth, the capacity, and for each worker
# how many percent of the time it was in each of STATES.
Column = tuple[float, int, int, "int | None", dict[str, list[int]]]


class Columns:
    """The columns of the last `WINDOW` seconds; each is sent once, or again with all others."""

    def __init__(self) -> None:
        self._kept: deque[Column] = deque(maxlen=MOST)
        self._unsent = 0
        self._end = 0.0
        self._depth = 0
        self._spent: dict[str, Mapping[str, float]] = {}

    def add(self, snapshot: Snapshot) -> bool:
        """Add what has happened since the snapshot before.

        Returns:
            Whether the model, and so the columns, have begun anew since.
        """
        anew = snapshot.seconds < self._end
        if anew:
            Columns.__init__(self)
        length = snapshot.seconds - self._end
        if length < SHORTEST:  # it will be part of the next one
            return anew
        depths = [self._depth, snapshot.in_buffer]
        for seconds, depth in reversed(snapshot.depth):
            if seconds <= self._end:
                break
            depths.append(depth)
        shares = {}
        for worker in snapshot.workers:
            before = self._spent.get(worker.name, {})
            spent = [max(0.0, worker.seconds.get(state, 0.0) - before.get(state, 0.0)) for state in STATES]
            whole = max(sum(spent), length)
            shares[worker.name] = [round(100 * part / whole) for part in spent]
        self._end, self._depth = snapshot.seconds, snapshot.in_buffer
        self._spent = {worker.name: worker.seconds for worker in snapshot.workers}
        capacity = snapshot.settings.capacity
        self._kept.append((round(self._end, 3), min(depths), max(depths), capacity, shares))
        self._unsent += 1
        while self._kept[0][0] < self._end - WINDOW:
            self._kept.popleft()
        return anew

    def unsent(self, whole: bool) -> list[Column]:
        """Take the columns that have not been taken yet; or all, if the `whole` picture is wanted."""
        first = 0 if whole else max(0, len(self._kept) - self._unsent)
        self._unsent = 0
        return [*islice(self._kept, first, None)]


def numbers(snapshot: Snapshot, prediction: Prediction) -> list[list[str]]:
    """The numbers below the picture: in words what each is, and its value."""
    return [
        ["produced", f"{snapshot.produced:,}"],
        ["consumed", f"{snapshot.consumed:,}"],
        ["lost", f"{snapshot.lost:,}"],
        ["duplicated", f"{snapshot.duplicated:,}"],
        ["in buffer", f"{snapshot.in_buffer:,}"],
        ["throughput now", f"{snapshot.throughput:.1f}/s"],
        ["predicted", f"{prediction.throughput:.1f}/s"],
    ]

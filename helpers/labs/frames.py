"""From the model's snapshots to the columns of the live picture: what has happened between two of them."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from itertools import islice, takewhile
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from helpers.labs.prediction import Prediction
    from helpers.labs.settings import Settings
    from helpers.labs.snapshot import Snapshot

WINDOW = 30.0  # seconds that the picture shows
USUAL, SHORTEST = 0.05, 0.001  # seconds of a column
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
        shares = {}
        for worker in snapshot.workers:
            before = self._spent.get(worker.name, {})
            spent = [max(0.0, worker.seconds.get(state, 0.0) - before.get(state, 0.0)) for state in STATES]
            whole = max(sum(spent), length)
            shares[worker.name] = [round(100 * part / whole) for part in spent]
        # Where the machine was busy and this snapshot is late, more than one column has to be made of it.
        parts = max(1, round(length / USUAL))
        looks = list(takewhile(lambda look: look[0] > self._end, reversed(snapshot.depth)))
        looks.insert(0, (snapshot.seconds, snapshot.in_buffer))
        for part in range(1, parts + 1):
            end = snapshot.seconds if part == parts else self._end + part * length / parts
            depths = [self._depth]
            while looks and looks[-1][0] <= end:
                depths.append(looks.pop()[1])
            self._depth = depths[-1]
            column = (round(end, 3), min(depths), max(depths), snapshot.settings.capacity, shares)
            self._kept.append(column)
            self._unsent += 1
        self._end = snapshot.seconds
        self._spent = {worker.name: worker.seconds for worker in snapshot.workers}
        while self._kept[0][0] < self._end - WINDOW:
            self._kept.popleft()
        return anew

    def unsent(self, whole: bool) -> list[Column]:
        """Take the columns that have not been taken yet; or all, if the `whole` picture is wanted."""
        first = 0 if whole else max(0, len(self._kept) - self._unsent)
        self._unsent = 0
        return [*islice(self._kept, first, None)]


def workers(snapshot: Snapshot, wanted: Settings) -> list[list[str]]:
    """Name, role and state of every worker; before they have been started, of those that are `wanted`."""
    if snapshot.workers:
        return [[worker.name, worker.role, worker.state] for worker in snapshot.workers]
    planned = (("producer", wanted.producers), ("consumer", wanted.consumers))
    return [
        [f"{role} {number}", role, "not started"] for role, count in planned for number in range(1, count + 1)
    ]


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

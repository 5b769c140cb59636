"""What a producer and a consumer do, the same in a thread and in a process."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import NamedTuple

from helpers.labs.buffers import Buffer
from helpers.labs.pacing import Orders, Pace

PATIENCE = 0.05  # seconds a worker waits in the buffer before it looks whether it is to leave

# A worker's states, the same two for both roles.
STARTING, BUSY, HELD_UP, ENDED = range(4)
# The numbers of a producer's items begin at its own multiple of this, so that no two items are the same.
NUMBERS = 1 << 32


class Row(NamedTuple):
    """A worker's account at a moment: replaced as a whole, so that a reader never sees half a change.

    Attributes:
        state: `STARTING`, `BUSY` (producing, consuming), `HELD_UP` (by a full or an empty buffer), `ENDED`.
        since: when that state began.
        busy: seconds in state `BUSY` before that.
        held_up: seconds in state `HELD_UP` before that.
        items: how many it put in or took out.
        moments: the sum of the moments at which it did, seconds. The area under the buffer's depth is the
            sum over all items of when they left minus when they came: so it is known without a lock.
        late: seconds by which its items were done after they were due, summed up.
        dropped: seconds it was behind and did not make up for.
    """

    state: int
    since: float
    busy: float = 0.0
    held_up: float = 0.0
    items: int = 0
    moments: float = 0.0
    late: float = 0.0
    dropped: float = 0.0

    def spent(self, now: float) -> tuple[float, float]:
        """Seconds that the worker was busy and that it was held up, up to `now`."""
        if self.state == BUSY and now > self.since:
            return self.busy + now - self.since, self.held_up
        if self.state == HELD_UP and now > self.since:
            return self.busy, self.held_up + now - self.since
        return self.busy, self.held_up


class Account:
    """Keeps a worker's row. Only the worker itself writes it.

    Args:
        zero: the `time.monotonic` that moments are counted from.
        pace: the worker's pace, which knows how late it is.
        publish: takes the new row after every change.
    """

    def __init__(self, zero: float, pace: Pace, publish: Callable[[Row], object]) -> None:
        self._zero = zero
        self._pace = pace
        self._publish = publish
        self._row = Row(STARTING, time.monotonic() - zero)

    def turn(self, state: int, items: int = 0) -> None:
        """A new state from now on, after `items` more items."""
        now = time.monotonic() - self._zero
        row, pace = self._row, self._pace
        had, moments = row.items + items, row.moments + items * now
        self._row = Row(state, now, *row.spent(now), had, moments, pace.late, pace.dropped)
        self._publish(self._row)


def produce(buffer: Buffer, orders: Orders, pace: Pace, account: Account, first: int) -> None:
    """Make items, numbered from `first` on, until told to leave."""
    number = first
    account.turn(BUSY)
    while pace.pass_time():
        if not buffer.put(number, 0):
            account.turn(HELD_UP)
            while not buffer.put(number, PATIENCE):
                if orders.leaving:
                    # Its item never got in: it does not count as produced.
                    return
            pace.begin()
        number += 1
        account.turn(BUSY, 1)


def consume(
    buffer: Buffer, orders: Orders, pace: Pace, account: Account, taken: Callable[[int], object]
) -> None:
    """Take items and use them up, until told to leave; `taken` hears the number of each.

    An item counts as consumed when it is taken out of the buffer.
    """
    account.turn(HELD_UP)
    while not orders.leaving:
        number = buffer.get(0)
        if number is None:
            account.turn(HELD_UP)
            while (number := buffer.get(PATIENCE)) is None:
                if orders.leaving:
                    return
            pace.begin()
        taken(number)
        account.turn(BUSY, 1)
        if not pace.pass_time():
            return

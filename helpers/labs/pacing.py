"""When a worker's next item is due.

A worker's times are reckoned from the time its last item was *due*, not from when it was done: so what a
wake-up comes late is not added up, and a rate of 100 a second is 100 a second. There are two exceptions.
The time a worker was held up by the buffer is not made up for; a producer that was blocked makes its next
item from then on. And where the machine cannot keep up, at most `CATCH_UP` seconds are made up for: what
is behind that is dropped, and counted in `Pace.dropped`.
"""

from __future__ import annotations

import threading
import time
from random import Random

CATCH_UP = 0.5  # seconds
_NOW_AND_THEN = 16  # items without a rest, after which a worker that is late lets others go first


class Orders:
    """What a worker is told, and the bell that wakes it out of its sleep to hear it.

    Attributes:
        rate: items a second.
        random: whether times are exponential rather than all the same.
        leaving: it is to end, without a further item.
        changed: the bell.
    """

    def __init__(self, rate: float, random: bool) -> None:
        self.rate = rate
        self.random = random
        self.leaving = False
        self.changed = threading.Event()

    def give(self, rate: float, random: bool) -> None:
        """Set the worker's rate and kind of times; also for the item it is busy with."""
        if (rate, random) != (self.rate, self.random):
            self.rate, self.random = rate, random
            self.changed.set()

    def leave(self) -> None:
        """Tell the worker to end."""
        self.leaving = True
        self.changed.set()


class Pace:
    """The due times of one worker's items.

    Attributes:
        late: seconds by which its items were done after they were due, summed up.
        dropped: seconds that it was behind and that were not made up for.
    """

    def __init__(self, orders: Orders, seed: str) -> None:
        self.late = 0.0
        self.dropped = 0.0
        self._orders = orders
        self._draw = Random(seed).expovariate
        self._due = time.monotonic()
        self._without_rest = 0

    def begin(self) -> None:
        """The next item begins now, whenever it was due: the worker was held up by the buffer."""
        self._due = time.monotonic()

    def pass_time(self) -> bool:
        """Let the time of one item pass: one divided by the rate, or an exponential time with that mean.

        A change of the rate counts from the beginning of the item.

        Returns:
            False as soon as the worker is to leave.
        """
        orders = self._orders
        share = self._draw(1.0) if orders.random else 1.0
        now = time.monotonic()
        behind = now - self._due - CATCH_UP
        if behind > 0:
            self.dropped += behind
            self._due += behind
        begun = self._due
        while not orders.leaving:
            self._due = begun + share / orders.rate
            left = self._due - time.monotonic()
            if left <= 0:
                self.late -= left
                self._give_way()
                return True
            self._without_rest = 0
            if orders.changed.wait(left):
                # Cleared before the orders are read again: a change that comes later rings again.
                orders.changed.clear()
        return False

    def _give_way(self) -> None:
        """Let other threads run: one that is always late never sleeps, and would keep them out."""
        self._without_rest += 1
        if self._without_rest >= _NOW_AND_THEN:
            self._without_rest = 0
            time.sleep(0.0005)

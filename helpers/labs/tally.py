"""Which items have come out of the buffer: loss and duplication are counted, not guessed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from helpers.labs.workers import NUMBERS


class Tally:
    """The numbers of all items that were consumed, a bit for each.

    Attributes:
        distinct: how many different items were consumed.
        again: how often an item was consumed that had been consumed before.
    """

    def __init__(self) -> None:
        self.distinct = 0
        self.again = 0
        self._seen: defaultdict[int, bytearray] = defaultdict(bytearray)

    def add(self, numbers: Iterable[int]) -> None:
        """These items were taken out of the buffer."""
        for number in numbers:
            producer, item = divmod(number, NUMBERS)
            place, bit = item >> 3, 1 << (item & 7)
            seen = self._seen[producer]
            if place >= len(seen):
                seen.extend(bytes(place - len(seen) + 128))
            if seen[place] & bit:
                self.again += 1
            else:
                seen[place] |= bit
                self.distinct += 1

    def missing(self, numbers: Iterable[int]) -> int:
        """How many different items are among these that were not consumed."""
        return sum(not self._has(number) for number in set(numbers))

    def _has(self, number: int) -> bool:
        producer, item = divmod(number, NUMBERS)
        seen = self._seen[producer]
        return item >> 3 < len(seen) and bool(seen[item >> 3] & 1 << (item & 7))

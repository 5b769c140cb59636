"""Each item is counted once, whoever took it and in which order."""

from __future__ import annotations

import random

from helpers.labs.tally import Tally
from helpers.labs.workers import NUMBERS


def test_against_a_set() -> None:
    draw = random.Random(1)
    numbers = [draw.randrange(3) * NUMBERS + draw.randrange(3000) for _ in range(5000)]
    tally, seen = Tally(), set()
    for number in numbers:
        tally.add([number])
        seen.add(number)
        assert (tally.distinct, tally.again) == (len(seen), tally.distinct + tally.again - len(seen))
    assert tally.distinct + tally.again == len(numbers)
    everything = [producer * NUMBERS + item for producer in range(4) for item in range(5000)]
    assert tally.missing(everything * 2) == len(everything) - len(seen)

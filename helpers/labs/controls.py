"""What the panel's controls are: for each its name, its words, and the values it goes through."""

from __future__ import annotations

from helpers.labs.settings import ARRIVALS, CAPACITIES, ENGINES, MECHANISMS, MOST_WORKERS, RATES

PREFERRED = (1, 1.2, 1.5, 2, 2.5, 3, 4, 5, 6, 8)  # the steps of a logarithmic slider, in every decade


def stops(least: float, most: float) -> list[float]:
    """The positions of a logarithmic slider: ``1, 1.2, 1.5, 2, … 8, 10, 12, …``."""
    steps = [step * 10**decade for decade in range(-1, 4) for step in PREFERRED]
    return [round(step, 2) for step in steps if least <= step <= most]


_WORKERS = [*range(MOST_WORKERS + 1)]
_ITEMS = sorted({round(stop) for stop in stops(*CAPACITIES)})

# Name, label, unit as it is shown, unit as it is read aloud, values.
SLIDERS = (
    ("producers", "Producers", "", "producers", _WORKERS),
    ("produce_rate", "Each produces", "/s", "items per second", stops(*RATES)),
    ("consumers", "Consumers", "", "consumers", _WORKERS),
    ("consume_rate", "Each consumes", "/s", "items per second", stops(*RATES)),
    ("capacity", "Buffer holds", " items", "items", [*_ITEMS, None]),
)
CHOICES = (
    ("mechanism", "Mechanism", MECHANISMS),
    ("engine", "Workers are", ENGINES),
    ("arrivals", "Times are", ARRIVALS),
)
SETTINGS = tuple(name for name, *_ in (*SLIDERS, *CHOICES))

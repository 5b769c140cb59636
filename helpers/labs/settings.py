"""What can be set in the lab, and within which bounds."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

MECHANISMS = ("queue", "condition", "semaphores", "event", "none")
ENGINES = ("threads", "processes")
ARRIVALS = ("steady", "random")
MOST_WORKERS = 16
RATES = (0.5, 1000.0)
CAPACITIES = (1, 1000)
LOSSLESS = frozenset({"queue", "condition", "semaphores"})  # the mechanisms that are correct


@dataclass(frozen=True)
class Settings:
    """One position of all sliders and choices.

    Attributes:
        producers: how many, 0 to 16.
        consumers: how many, 0 to 16.
        produce_rate: items a second that each producer makes while it is not blocked, 0.5 to 1000.
        consume_rate: items a second that each consumer uses up while it does not wait, 0.5 to 1000.
        capacity: how many items the buffer holds, 1 to 1000; None for no bound.
        mechanism: what stands between producers and consumers: ``"queue"``, ``"condition"``,
            ``"semaphores"``, ``"event"`` (a mailbox, which loses items), ``"none"`` (an unprotected list,
            which loses and doubles them).
        engine: ``"threads"`` or ``"processes"``.
        arrivals: ``"steady"``: every item takes the same time; ``"random"``: an exponential time.
        seed: of the random times.

    Raises:
        ValueError: a value out of these bounds.
    """

    producers: int = 2
    consumers: int = 1
    produce_rate: float = 20.0
    consume_rate: float = 30.0
    capacity: int | None = 10
    mechanism: str = "queue"
    engine: str = "threads"
    arrivals: str = "steady"
    seed: int = 0

    def __post_init__(self) -> None:
        for field in fields(self):
            _check(field.name, getattr(self, field.name))


def _check(name: str, value: Any) -> None:
    if name in ("producers", "consumers"):
        if not _is_int(value) or not 0 <= value <= MOST_WORKERS:
            raise ValueError(f"{name} must be a whole number from 0 to {MOST_WORKERS}, not {value!r}.")
    elif name in ("produce_rate", "consume_rate"):
        least, most = RATES
        if not isinstance(value, int | float) or isinstance(value, bool) or not least <= value <= most:
            raise ValueError(
                f"{name} must be a number of items a second from {least:g} to {most:g}, not {value!r}."
            )
    elif name == "capacity":
        least, most = CAPACITIES
        if value is not None and (not _is_int(value) or not least <= value <= most):
            raise ValueError(
                f"capacity must be a whole number from {least} to {most}, or None for no bound,"
                f" not {value!r}."
            )
    elif name == "seed":
        if not _is_int(value):
            raise ValueError(f"seed must be a whole number, not {value!r}.")
    else:
        choices = {"mechanism": MECHANISMS, "engine": ENGINES, "arrivals": ARRIVALS}[name]
        if value not in choices:
            raise ValueError(f"{name} must be one of {', '.join(map(repr, choices))}, not {value!r}.")


def _is_int(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)

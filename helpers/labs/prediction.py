"""What queueing theory says about a pipeline before it has run."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import accumulate, pairwise
from math import exp, inf, isinf, log

from helpers.labs.settings import Settings

_BALANCE = 0.02  # rates that differ by less than this share are called balanced


@dataclass(frozen=True)
class Prediction:
    """Long-run means, for a buffer that loses nothing.

    Attributes:
        throughput: items consumed a second.
        utilisation: share of their time that consumers are busy; 0 where there are none.
        mean_depth: mean number of items in the buffer; infinite where it grows without bound.
        limit: what limits the flow: ``"producers"``, ``"consumers"`` or ``"balanced"``.
        formula: where the numbers are from: ``"fluid limit"``, ``"M/M/c"`` or ``"M/M/c/K with blocked
            producers"``.
        sentence: all that in words.
    """

    throughput: float
    utilisation: float
    mean_depth: float
    limit: str
    formula: str
    sentence: str


@lru_cache(maxsize=256)
def predict(settings: Settings) -> Prediction:
    """What the long run of a pipeline with these settings is like.

    For steady arrivals see `fluid`; for random ones `birth_and_death`, or `without_bound`.
    """
    producers, consumers = settings.producers, settings.consumers
    offered, service = producers * settings.produce_rate, consumers * settings.consume_rate
    formula = "fluid limit"
    if settings.arrivals == "steady" or not producers or not consumers:
        throughput, depth = fluid(offered, service, settings.capacity)
    elif settings.capacity is None:
        formula = "M/M/c"
        throughput, depth = without_bound(offered, consumers, settings.consume_rate)
    else:
        formula = "M/M/c/K with blocked producers"
        throughput, depth = birth_and_death(
            producers, settings.produce_rate, consumers, settings.consume_rate, settings.capacity
        )
    utilisation = throughput / service if service else 0.0
    if abs(offered - service) <= _BALANCE * max(offered, service):
        limit = "balanced"
    else:
        limit = "producers" if offered < service else "consumers"
    amount = "a buffer that grows for ever" if isinf(depth) else f"{depth:.1f} items in the buffer"
    rate = f"{throughput:.0f}" if throughput >= 10 else f"{throughput:.1f}"
    sentence = f"Predicted: {rate} items a second, consumers busy {utilisation:.0%} of the time, {amount}."
    return Prediction(throughput, utilisation, depth, limit, formula, sentence)


def fluid(offered: float, service: float, capacity: int | None) -> tuple[float, float]:
    """The fluid limit: items flow like water through a tank between two pumps.

    The slower side sets the throughput. If the producers are the faster side, the buffer is full in the
    long run, otherwise it is empty. (L. Kleinrock, Queueing Systems, volume 2, 1976, section 2.7.)

    Args:
        offered: items a second that all producers make together while none is blocked.
        service: items a second that all consumers use up together while none waits.
        capacity: items that the buffer holds; None for no bound.

    Returns:
        Throughput, items a second; depth of the buffer, items.
    """
    if offered <= service:
        return offered, 0.0
    return service, inf if capacity is None else float(capacity)


def without_bound(offered: float, consumers: int, consume_rate: float) -> tuple[float, float]:
    """M/M/c: exponential times, `consumers` servers, no bound; mean depth by Erlang's C formula.

    (D. Gross and C. M. Harris, Fundamentals of Queueing Theory, 3rd edition, 1998, section 2.3.)

    Args:
        offered: items a second that all producers make together.
        consumers: how many, at least 1.
        consume_rate: items a second of one consumer.

    Returns:
        Throughput, items a second; mean depth, items, without those being consumed.
    """
    load = offered / consume_rate
    if load >= consumers:
        return consumers * consume_rate, inf
    # Erlang's B by its recursion, then C from B: no factorials, so nothing overflows.
    blocked = 1.0
    for number in range(1, consumers + 1):
        blocked = load * blocked / (number + load * blocked)
    waits = consumers * blocked / (consumers - load * (1.0 - blocked))
    return offered, waits * load / (consumers - load)


def birth_and_death(
    producers: int, produce_rate: float, consumers: int, consume_rate: float, capacity: int
) -> tuple[float, float]:
    """M/M/c/K with producers that are blocked, rather than turned away, when the buffer is full.

    The number of items that have been made and not yet used up goes up and down by one, with rates that
    depend on it alone: a birth-and-death process, whose long run is known exactly (L. Kleinrock, Queueing
    Systems, volume 1, 1975, section 3.1; M/M/c/K itself in D. Gross and C. M. Harris, Fundamentals of
    Queueing Theory, 3rd edition, 1998, section 2.4). In state n, min(n, consumers) items are being
    consumed. Of the rest, up to `capacity` lie in the buffer. What is left is in the hands of blocked
    producers, and those make nothing meanwhile.

    Args:
        producers: how many, at least 1.
        produce_rate: items a second of one producer that is not blocked.
        consumers: how many, at least 1.
        consume_rate: items a second of one consumer.
        capacity: items that the buffer holds.

    Returns:
        Throughput, items a second; mean depth of the buffer, items, without those being consumed.
    """
    room = consumers + capacity
    states = range(room + producers + 1)
    births = [(producers - max(0, n - room)) * produce_rate for n in states]
    deaths = [min(n, consumers) * consume_rate for n in states]
    # In logarithms, because the weights of a thousand states span more than a float can.
    logs = list(accumulate((log(births[n] / deaths[m]) for n, m in pairwise(states)), initial=0.0))
    largest = max(logs)
    weights = [exp(value - largest) for value in logs]
    whole = sum(weights)
    throughput = sum(w * d for w, d in zip(weights, deaths, strict=True)) / whole
    depth = sum(w * min(max(n - consumers, 0), capacity) for n, w in enumerate(weights)) / whole
    return throughput, depth

"""What a pipeline has done so far, at a moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from math import sqrt
from typing import NamedTuple

from helpers.labs.settings import Settings

_BATCHES = 10
_T_9 = 2.262  # 97.5 % point of Student's t with 9 degrees of freedom: `_BATCHES` batches
_NOTEWORTHY = 0.05


class Worker(NamedTuple):
    """One producer or consumer.

    Attributes:
        name: ``"producer 1"``.
        role: ``"producer"`` or ``"consumer"``.
        state: ``"starting"``, ``"producing"``, ``"blocked"`` (the buffer is full), ``"waiting"`` (it is
            empty), ``"consuming"`` or ``"ended"``.
        seconds: how long it was in each state so far.
        items: how many it put in or took out.
        retiring: it has been told to leave.
    """

    name: str
    role: str
    state: str
    seconds: Mapping[str, float]
    items: int
    retiring: bool


class Mark(NamedTuple):
    """What had been counted up to a moment.

    Attributes:
        seconds: of running time.
        consumed: items.
        area: under the curve of the depth, items times seconds.
        late: seconds by which all workers were done late with their items, summed up.
        turns: how often a worker had put in or taken out an item.
    """

    seconds: float
    consumed: int
    area: float
    late: float
    turns: int


class Measured(NamedTuple):
    """Means over a stretch of a run.

    Attributes:
        seconds: its length.
        throughput: items consumed a second.
        mean_depth: mean number of items in the buffer.
        low, high: 95 % confidence range of the mean depth.
        late: seconds by which a worker was done with an item later than it was due, on average. Where that is
            not small against the time of an item, it is the machine that was measured.
    """

    seconds: float
    throughput: float
    mean_depth: float
    low: float
    high: float
    late: float


@dataclass(frozen=True)
class Snapshot:
    """What a pipeline has done so far.

    At every stop, ``produced == consumed + in_buffer + lost``. While it runs, an item may be in a worker's
    hands; `lost` then counts only what is certainly lost.

    Attributes:
        settings: the settings in force.
        running: whether it runs.
        seconds: how long it has run.
        produced: items put into the buffer.
        consumed: different items taken out of it.
        lost: items put in that are neither in the buffer nor consumed.
        duplicated: how often an item was taken out that had been taken before.
        in_buffer: items in the buffer.
        throughput: items consumed a second, over the last second.
        mean_throughput: the same over the whole time.
        mean_depth: mean of the buffer's depth over the whole time; exact for mechanisms that lose nothing,
            otherwise the mean of 40 looks a second.
        depth: pairs (seconds, items in the buffer) over the last 30 seconds.
        workers: producers first, each role in the order of numbers.
        shares: which part of the last two seconds producers and consumers spent in each state:
            ``{"producing": 0.4, "blocked": 0.6, "waiting": 0.0, "consuming": 1.0}``.
        least_depth: the least number of items in the buffer in the last two seconds.
        growth: items a second by which the buffer's content has grown in the last two seconds.
        leak: items a second that were lost in the last two seconds.
        saturated: the machine cannot run the workers as fast as they are set.
        error: what went wrong in a worker, in a sentence; empty where nothing did.
    """

    settings: Settings
    running: bool
    seconds: float
    produced: int
    consumed: int
    lost: int
    duplicated: int
    in_buffer: int
    throughput: float
    mean_throughput: float
    mean_depth: float
    depth: Sequence[tuple[float, int]] = field(repr=False)
    workers: tuple[Worker, ...] = field(repr=False)
    shares: Mapping[str, float] = field(repr=False)
    least_depth: int = field(repr=False)
    growth: float = field(repr=False)
    leak: float = field(repr=False)
    saturated: bool
    error: str
    marks: Sequence[Mark] = field(repr=False)

    @property
    def limit_sentence(self) -> str:
        """What limits the flow, in one plain sentence."""
        return _limit(self)

    def measured(self, after: float = 0.0) -> Measured:
        """Means over the run from `after` seconds on, within the last 30 seconds.

        The confidence range of the mean depth is by batch means (A. M. Law, Simulation Modeling and
        Analysis, 5th edition, section 9.5.3): the stretch is cut into 10 batches of equal length, their
        means are taken as independent, and the range is Student's for these ten values.

        Raises:
            ValueError: there is less than half a second to measure.
        """
        marks = [mark for mark in self.marks if mark.seconds >= after]
        if len(marks) <= _BATCHES or marks[-1].seconds - marks[0].seconds < 0.5:
            raise ValueError(
                f"There is too little to measure after {after:g} s: the run took {self.seconds:.2f} s."
            )
        first, last = marks[0], marks[-1]
        seconds = last.seconds - first.seconds
        edges = [marks[round(i * (len(marks) - 1) / _BATCHES)] for i in range(_BATCHES + 1)]
        means = [(end.area - start.area) / (end.seconds - start.seconds) for start, end in pairwise(edges)]
        mean = (last.area - first.area) / seconds
        centre = sum(means) / _BATCHES
        deviation = sqrt(sum((value - centre) ** 2 for value in means) / (_BATCHES - 1))
        half = _T_9 * deviation / sqrt(_BATCHES)
        throughput = (last.consumed - first.consumed) / seconds
        late = (last.late - first.late) / max(1, last.turns - first.turns)
        return Measured(seconds, throughput, mean, mean - half, mean + half, late)


def _limit(now: Snapshot) -> str:
    settings, shares = now.settings, now.shares
    if now.error:
        return "Nothing flows: a worker failed."
    if not settings.producers and not settings.consumers:
        return "Nothing flows: there are no workers."
    if not settings.producers:
        return "The producers limit the flow: there are none."
    if not settings.consumers:
        full = settings.capacity is not None and now.in_buffer >= settings.capacity
        return (
            f"The consumers limit the flow: there are none, and the buffer {'is full' if full else 'fills'}."
        )
    if not any(shares.values()):
        return "Nothing has flowed yet."
    blocked, waiting = shares["blocked"], shares["waiting"]
    if now.saturated:
        return "This machine limits the flow: it cannot run the workers as fast as they are set."
    if now.least_depth and waiting > _NOTEWORTHY:
        return (
            f"Lost signals limit the flow: consumers wait {waiting:.0%} of the time, although the buffer "
            "is never empty."
        )
    if now.leak > max(1.0, _NOTEWORTHY * now.throughput):
        fate = "fall out of the full mailbox" if settings.mechanism == "event" else "are lost in the list"
        return f"Losses limit the flow: {now.leak:.0f} items a second {fate}."
    if blocked > waiting and blocked > _NOTEWORTHY:
        return (
            f"The consumers limit the flow: producers are blocked by a full buffer {blocked:.0%} of the time."
        )
    if waiting > _NOTEWORTHY:
        return f"The producers limit the flow: consumers wait at an empty buffer {waiting:.0%} of the time."
    if now.growth >= max(1.0, _NOTEWORTHY * now.throughput):
        return f"The consumers limit the flow: the buffer gains {now.growth:.0f} items a second."
    return "Producers and consumers are in balance: hardly anybody waits."

"""Keeps count of one experiment, from its beginning to a reset, over stops and starts."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Iterable
from typing import NamedTuple

from helpers.labs.crew import CONSUMER, PRODUCER, Engine, Member
from helpers.labs.settings import LOSSLESS, Settings
from helpers.labs.snapshot import Mark, Snapshot, Worker
from helpers.labs.tally import Tally
from helpers.labs.workers import BUSY, ENDED, HELD_UP, Row

TICK = 0.025  # seconds between two looks
_WINDOW = 30.0  # seconds of depth that are kept
_STATES = {
    PRODUCER: ("starting", "producing", "blocked", "ended"),
    CONSUMER: ("starting", "consuming", "waiting", "ended"),
}


class Side(NamedTuple):
    """Producers or consumers together: sums over their rows, to a moment."""

    busy: float = 0.0
    held_up: float = 0.0
    items: int = 0
    moments: float = 0.0
    late: float = 0.0
    dropped: float = 0.0

    def plus(self, rows: Iterable[Row], now: float) -> Side:
        """With more workers."""
        busy, held_up, items, moments, late, dropped = self
        for row in rows:
            spent = row.spent(now)
            busy += spent[0]
            held_up += spent[1]
            items += row.items
            moments += row.moments
            late += row.late
            dropped += row.dropped
        return Side(busy, held_up, items, moments, late, dropped)


class Sums(NamedTuple):
    """Everything that is summed up, at a moment of running time; `consumed` counts each item once."""

    seconds: float
    producers: Side
    consumers: Side
    in_buffer: int
    consumed: int


class Crew(NamedTuple):
    """Present members and the sums of former ones: one value, so that nobody is seen in both or neither."""

    members: tuple[Member, ...] = ()
    producers: Side = Side()
    consumers: Side = Side()


class Books:
    """The counts of one experiment. One thread, the pipeline's, writes; any thread may ask for a snapshot."""

    def __init__(self, settings: Settings, engine: Engine) -> None:
        self.settings = settings
        self.engine = engine
        self.crew = Crew()
        self.error = ""
        self._tally = Tally()
        self._zero: float | None = None  # the clock's reading at running time 0, while it runs
        self._next_look = 0.0
        self._seconds = 0.0  # running time, while it does not run
        self._lost = 0
        self._in_buffer = 0
        self._sampled_area = 0.0
        self._depth: deque[tuple[float, int]] = deque(maxlen=round(_WINDOW / TICK))
        self._marks: deque[Mark] = deque(maxlen=round(_WINDOW / TICK))
        self._recent: deque[Sums] = deque(maxlen=round(2.0 / TICK))

    @property
    def zero(self) -> float:
        """What `time.monotonic` read, or would have read, at running time 0."""
        return time.monotonic() - self._seconds if self._zero is None else self._zero

    def open(self) -> None:
        """Running time goes on."""
        self._fold(self.crew.members)
        self.error = ""
        self._recent.clear()
        self._next_look = time.monotonic()
        self._zero = self._next_look - self._seconds

    def close(self) -> None:
        """All workers have ended: running time stands still, and every item is accounted for."""
        self.look()
        sums = self._recent[-1]
        self._seconds = sums.seconds
        self._zero = None
        self._in_buffer = self._tally.missing(self.engine.contents())
        self._lost = sums.producers.items - self._tally.distinct - self._in_buffer

    def look_if_due(self) -> float:
        """Look, every `TICK`; return the seconds until the next look is due."""
        now = time.monotonic()
        if now >= self._next_look:
            self.look()
            self._next_look = max(self._next_look + TICK, now + TICK / 2)
        return max(0.0, self._next_look - time.monotonic())

    def look(self) -> None:
        """Note a point of the depth's curve and the numbers of items taken, and see who has ended."""
        for member in self.crew.members:
            self._tally.add(member.taken())
        sums, _ = self._sums()
        if self._marks:
            self._sampled_area += sums.in_buffer * (sums.seconds - self._marks[-1].seconds)
        self._depth.append((sums.seconds, sums.in_buffer))
        made, taken = sums.producers, sums.consumers
        late, turns = made.late + taken.late, made.items + taken.items
        self._marks.append(Mark(sums.seconds, sums.consumed, self._area(sums), late, turns))
        self._recent.append(sums)
        for member in self.crew.members:
            member.check()
            self.error = self.error or member.error
        gone = tuple(member for member in self.crew.members if member.retiring and member.ended)
        if gone:
            # Once more, because they may have taken something after the look above.
            for member in gone:
                self._tally.add(member.taken())
            self._fold(gone)

    def _fold(self, gone: tuple[Member, ...]) -> None:
        members, producers, consumers = self.crew
        self.crew = Crew(
            tuple(member for member in members if member not in gone),
            producers.plus((member.row for member in gone if member.role == PRODUCER), 0.0),
            consumers.plus((member.row for member in gone if member.role == CONSUMER), 0.0),
        )

    def _sums(self) -> tuple[Sums, list[tuple[Member, Row]]]:
        """All sums at this moment, and every member with its row.

        Producers are read first, then the buffer, then consumers. So an item that is on its way meanwhile
        may be counted twice, but never missed, and what seems to be lost is lost.
        """
        crew, zero = self.crew, self._zero
        seconds = self._seconds if zero is None else time.monotonic() - zero
        rows = [(member, member.row) for member in crew.members if member.role == PRODUCER]
        producers = crew.producers.plus((row for _, row in rows), seconds)
        first = len(rows)
        depth = self._in_buffer if zero is None else self.engine.depth()
        rows += [(member, member.row) for member in crew.members if member.role == CONSUMER]
        consumers = crew.consumers.plus((row for _, row in rows[first:]), seconds)
        if depth is None:
            depth = max(0, producers.items - self._lost - consumers.items)
        consumed = consumers.items - self._tally.again
        return Sums(seconds, producers, consumers, depth, consumed), rows

    def _area(self, sums: Sums) -> float:
        """Area under the depth's curve: items times seconds."""
        if self.settings.mechanism not in LOSSLESS:
            return self._sampled_area
        made, taken = sums.producers, sums.consumers
        return taken.moments - made.moments + sums.seconds * (made.items - taken.items)

    def snapshot(self) -> Snapshot:
        """What was done so far."""
        sums, rows = self._sums()
        running, produced = self._zero is not None, sums.producers.items
        if running:
            in_hand = sum(member.role == CONSUMER for member, _ in rows)
            self._lost = max(self._lost, produced - sums.consumed - sums.in_buffer - in_hand)
        recent = self._recent.copy()
        past = recent[0] if recent else sums
        second = next((old for old in recent if old.seconds >= sums.seconds - 1.0), past)
        return Snapshot(
            settings=self.settings,
            running=running,
            seconds=sums.seconds,
            produced=produced,
            consumed=sums.consumed,
            lost=self._lost,
            duplicated=self._tally.again,
            in_buffer=sums.in_buffer,
            throughput=_ratio(sums.consumed - second.consumed, sums.seconds - second.seconds),
            mean_throughput=_ratio(sums.consumed, sums.seconds),
            mean_depth=_ratio(self._area(sums), sums.seconds),
            depth=tuple(self._depth.copy()),
            workers=tuple(_worker(member, row, sums.seconds, running) for member, row in rows),
            shares=_shares(past, sums),
            least_depth=min((old.in_buffer for old in recent), default=sums.in_buffer),
            growth=_ratio(sums.in_buffer - past.in_buffer, sums.seconds - past.seconds),
            leak=_leak(past, sums),
            saturated=_saturated(past, sums, len(rows)),
            error=self.error,
            marks=tuple(self._marks.copy()),
        )


def _worker(member: Member, row: Row, now: float, running: bool) -> Worker:
    states = _STATES[member.role]
    return Worker(
        member.name,
        member.role,
        states[row.state if running and not member.ended else ENDED],
        dict(zip((states[BUSY], states[HELD_UP]), row.spent(now), strict=True)),
        row.items,
        member.retiring,
    )


def _shares(past: Sums, now: Sums) -> dict[str, float]:
    shares: dict[str, float] = {}
    for role, before, after in (
        (PRODUCER, past.producers, now.producers),
        (CONSUMER, past.consumers, now.consumers),
    ):
        busy, held_up = after.busy - before.busy, after.held_up - before.held_up
        shares[_STATES[role][BUSY]] = _ratio(busy, busy + held_up)
        shares[_STATES[role][HELD_UP]] = _ratio(held_up, busy + held_up)
    return shares


def _leak(past: Sums, now: Sums) -> float:
    put_in = now.producers.items - past.producers.items
    accounted_for = now.consumed - past.consumed + now.in_buffer - past.in_buffer
    return _ratio(put_in - accounted_for, now.seconds - past.seconds)


def _saturated(past: Sums, now: Sums, workers: int) -> bool:
    """Whether more than a twentieth of the workers' time was dropped because they could not keep up."""
    dropped = now.producers.dropped + now.consumers.dropped - past.producers.dropped - past.consumers.dropped
    return dropped > 0.05 * workers * (now.seconds - past.seconds)


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 else 0.0

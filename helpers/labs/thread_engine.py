"""Workers that are threads."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Iterator
from itertools import count

from helpers.labs.buffers import BUFFERS
from helpers.labs.crew import PRODUCER, Engine, Member, orders_of
from helpers.labs.pacing import Orders, Pace
from helpers.labs.settings import Settings
from helpers.labs.workers import ENDED, NUMBERS, STARTING, Account, Row, consume, produce

_PATIENCE = 10.0  # seconds; they end within a tenth of one, unless the machine has far too much to do


class ThreadMember(Member):
    """A worker in a daemon thread: nothing is left of it when the interpreter ends."""

    def __init__(self, engine: ThreadEngine, role: str, number: int, settings: Settings, serial: int) -> None:
        super().__init__(role, number)
        self._engine = engine
        self._row = Row(STARTING, time.monotonic() - engine.zero)
        self._orders = Orders(*orders_of(role, settings))
        self._taken: deque[int] = deque()
        self._serial = serial
        self._seed = f"{settings.seed}, {self.name}"
        self.thread = threading.Thread(target=self._work, name=self.name, daemon=True)

    def start(self) -> None:
        self.thread.start()

    def _work(self) -> None:
        pace = Pace(self._orders, self._seed)
        account = Account(self._engine.zero, pace, self._publish)
        try:
            if self.role == PRODUCER:
                produce(self._engine.buffer, self._orders, pace, account, self._serial * NUMBERS)
            else:
                consume(self._engine.buffer, self._orders, pace, account, self._taken.append)
        except Exception as error:
            self.error = f"{self.name} failed: {type(error).__name__}: {error}"
        finally:
            account.turn(ENDED)

    def _publish(self, row: Row) -> None:
        self._row = row

    @property
    def row(self) -> Row:
        return self._row

    def check(self) -> None:
        self.ended = not self.thread.is_alive()

    def taken(self) -> Iterator[int]:
        while self._taken:
            yield self._taken.popleft()

    def give(self, rate: float, random: bool) -> None:
        self._orders.give(rate, random)

    def leave(self) -> None:
        self._orders.leave()


class ThreadEngine(Engine):
    """Threads, and a buffer in this process's memory."""

    def __init__(self, settings: Settings) -> None:
        self.buffer = BUFFERS[settings.mechanism](settings.capacity)
        self.zero = 0.0
        self._serials = count()

    def begin(self, settings: Settings, zero: float) -> None:
        self.zero = zero
        self.buffer.resize(settings.capacity)

    def hire(self, role: str, number: int, settings: Settings) -> Member:
        return ThreadMember(self, role, number, settings, next(self._serials))

    def resize(self, capacity: int | None) -> None:
        self.buffer.resize(capacity)

    def depth(self) -> int | None:
        return self.buffer.count()

    def end(self, members: tuple[Member, ...]) -> list[str]:
        for member in members:
            member.leave()
        end = time.monotonic() + _PATIENCE
        for member in members:
            assert isinstance(member, ThreadMember)
            member.thread.join(max(0.0, end - time.monotonic()))
            member.check()
        return [
            f"{member.name} did not end: a thread cannot be killed." for member in members if not member.ended
        ]

    def contents(self) -> list[int]:
        return self.buffer.contents()

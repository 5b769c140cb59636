"""Workers that are processes.

They are started afresh (forkserver, or spawn where that does not exist), never by a bare fork: this
process has threads. A worker is told what to do through a pipe. If this process dies, however it dies, the
pipe ends, and so does the worker. What a worker has done stands in memory it shares with this process, and
is still there when it has been killed.
"""

from __future__ import annotations

import itertools
import multiprocessing
import os
import signal
import struct
import sys
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from multiprocessing import connection
from multiprocessing.connection import Connection
from types import ModuleType
from typing import Any

from helpers.labs.crew import PRODUCER, Engine, Member, orders_of
from helpers.labs.pacing import Orders, Pace
from helpers.labs.settings import Settings
from helpers.labs.shared_buffers import SHARED_BUFFERS, SharedBuffer
from helpers.labs.workers import ENDED, NUMBERS, STARTING, Account, Row, consume, produce

_METHOD = "forkserver" if "forkserver" in multiprocessing.get_all_start_methods() else "spawn"
ASK = 0.42  # seconds that workers have to end by themselves
_TERMINATE = 0.03  # seconds that they have after SIGTERM
_POLL = 0.2  # seconds between two looks whether a process is alive


class SharedRow:
    """A `Row` in shared memory, with a version before and behind it: half a change is recognised."""

    _FORM = struct.Struct("10d")

    def __init__(self, context: Any) -> None:
        self._memory = context.RawArray("d", 10)
        self._version = 0.0

    def write(self, row: Row) -> None:
        self._version += 1.0
        self._FORM.pack_into(self._memory, 0, self._version, *row, self._version)

    def read(self) -> Row | None:
        """The row, or None where nothing has been written yet or the writer is in the middle of it."""
        before, state, since, busy, held_up, items, *rest, behind = self._FORM.unpack_from(self._memory)
        if before != behind or not before:
            return None
        return Row(int(state), since, busy, held_up, int(items), *rest)


class SharedLog:
    """The numbers of items a consumer took: only it writes here, only the parent reads. No lock is needed."""

    _SIZE = 4096
    _FREE = -1

    def __init__(self, context: Any) -> None:
        self._cells = context.RawArray("q", self._SIZE)
        self._cells[:] = [self._FREE] * self._SIZE
        self._next = 0  # each side counts for itself

    def write(self, number: int) -> None:
        cell = self._next % self._SIZE
        while self._cells[cell] != self._FREE:  # the parent is that far behind
            time.sleep(0.001)
        self._cells[cell] = number
        self._next += 1

    def read(self) -> Iterator[int]:
        cells, size = self._cells, self._SIZE
        while (number := cells[self._next % size]) != self._FREE:
            cells[self._next % size] = self._FREE
            self._next += 1
            yield number


def work(
    role: str,
    buffer: SharedBuffer,
    rate: float,
    random: bool,
    seed: str,
    zero: float,
    first: int,
    row: SharedRow,
    log: SharedLog,
    parent: Connection[Any, Any],
) -> None:
    """What a worker's process does."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # an interrupt is for the parent, which then asks to stop
    orders = Orders(rate, random)
    while parent.poll():  # it may have been told to leave before it was up
        _obey(parent, orders)
    threading.Thread(target=_listen, args=(parent, orders), name="orders", daemon=True).start()
    pace = Pace(orders, seed)
    account = Account(zero, pace, row.write)
    try:
        if role == PRODUCER:
            produce(buffer, orders, pace, account, first)
        else:
            consume(buffer, orders, pace, account, log.write)
    except Exception as error:
        with suppress(OSError):
            parent.send(f"{type(error).__name__}: {error}")
    finally:
        account.turn(ENDED)


def _listen(parent: Connection[Any, Any], orders: Orders) -> None:
    while True:
        _obey(parent, orders)


def _obey(parent: Connection[Any, Any], orders: Orders) -> None:
    try:
        order = parent.recv()
    except (EOFError, OSError):
        os._exit(1)  # the parent is no more
    if order is None:
        orders.leave()
    else:
        orders.give(*order)


class ProcessMember(Member):
    """A worker in a process of its own."""

    def __init__(
        self, engine: ProcessEngine, role: str, number: int, settings: Settings, serial: int
    ) -> None:
        super().__init__(role, number)
        context, buffer = engine.context, engine.buffer
        assert buffer is not None
        self._given = orders_of(role, settings)
        self._row = Row(STARTING, time.monotonic() - engine.zero)
        self._shared_row = SharedRow(context)
        self._log = SharedLog(context)
        self._taken: deque[int] = deque()
        self._asked = False
        self._polled = 0.0
        self._pipe, self._child_end = context.Pipe()
        self.process = context.Process(
            target=work,
            name=self.name,
            daemon=True,
            args=(
                role,
                buffer,
                *self._given,
                f"{settings.seed}, {self.name}",
                engine.zero,
                serial * NUMBERS,
                self._shared_row,
                self._log,
                self._child_end,
            ),
        )

    def start(self) -> None:
        with main_hidden():
            self.process.start()
        self._child_end.close()  # the worker's alone now: its end is the end of the pipe

    @property
    def row(self) -> Row:
        self._row = self._shared_row.read() or self._row
        return self._row

    def check(self) -> None:
        now = time.monotonic()
        if self.ended or (now < self._polled + _POLL and self.row.state != ENDED):
            return
        self._polled = now
        if self.process.exitcode is None:
            return
        self.ended = True
        with suppress(EOFError, OSError):
            if self._pipe.poll():
                self.error = f"{self.name} failed: {self._pipe.recv()}"
        if not self.error and not self._asked:
            self.error = f"{self.name} ended by itself: {_how(self.process.exitcode)}."
        self._pipe.close()

    def collect(self) -> None:
        """Take over what its log holds."""
        self._taken.extend(self._log.read())

    def taken(self) -> Iterator[int]:
        self.collect()
        while self._taken:
            yield self._taken.popleft()

    def give(self, rate: float, random: bool) -> None:
        if (rate, random) != self._given:
            self._given = (rate, random)
            self._send(self._given)

    def leave(self) -> None:
        if not self._asked:
            self._asked = True
            self._send(None)

    def _send(self, order: object) -> None:
        with suppress(OSError):  # it has died: `check` will notice
            self._pipe.send(order)


_hiding = threading.Lock()


@contextmanager
def main_hidden() -> Iterator[None]:
    """Start processes without running the caller's main program again in each of them.

    `multiprocessing` does that so that they find what the program defines. These workers need nothing of
    it; and a notebook, a program read from standard input, or one without the usual ``if`` at its end
    cannot be run again. For the moment, `__main__` is a module that has all that the real one has, but
    does not say where it came from.
    """
    with _hiding:
        real = sys.modules["__main__"]
        veil = ModuleType("__main__")
        veil.__dict__.update(__file__=None, __getattr__=lambda name: getattr(real, name))
        sys.modules["__main__"] = veil
        try:
            yield
        finally:
            sys.modules["__main__"] = real


def _how(exit_code: int | None) -> str:
    if exit_code is not None and exit_code < 0:
        return f"killed by {signal.Signals(-exit_code).name}"
    return f"exit code {exit_code}"


class ProcessEngine(Engine):
    """Processes, and a buffer in memory they share, a new one at every start."""

    hires = 1

    def __init__(self, settings: Settings) -> None:
        self.context: Any = multiprocessing.get_context(_METHOD)
        # With this file loaded in the fork server, a worker is there after 10 ms instead of 150.
        multiprocessing.set_forkserver_preload([__name__])
        self.buffer: SharedBuffer | None = None
        self.zero = 0.0
        self._left: list[int] = []
        self._serials = itertools.count()

    def begin(self, settings: Settings, zero: float) -> None:
        self.zero = zero
        self.buffer = SHARED_BUFFERS[settings.mechanism](self.context, settings.capacity, self._left)

    def hire(self, role: str, number: int, settings: Settings) -> Member:
        return ProcessMember(self, role, number, settings, next(self._serials))

    def resize(self, capacity: int | None) -> None:
        assert self.buffer is not None
        self.buffer.resize(capacity)

    def depth(self) -> int | None:
        return len(self._left) if (buffer := self.buffer) is None else buffer.count()

    def end(self, members: tuple[Member, ...]) -> list[str]:
        mine = [member for member in members if isinstance(member, ProcessMember)]
        for member in mine:
            member.leave()
        self._wait(mine, ASK)
        late = [member for member in mine if not member.ended]
        # Whoever is still starting has touched nothing yet. Anybody else may die with a lock in its hands.
        sentences = [
            f"{member.name} did not end and was killed." for member in late if member.row.state != STARTING
        ]
        for member in late:
            member.process.terminate()
        self._wait(late, _TERMINATE)
        for member in late:
            if not member.ended:
                member.process.kill()
                member.process.join()
        self._check_all(mine)
        if self.buffer is not None:
            self._left = self.buffer.contents()
            self.buffer = None
        return sentences

    def _wait(self, members: list[ProcessMember], seconds: float) -> None:
        end = time.monotonic() + seconds
        while (left := [member for member in members if not member.ended]) and time.monotonic() < end:
            connection.wait([member.process.sentinel for member in left], timeout=0.005)
            if self.buffer is not None:
                self.buffer.drain()
            for member in left:
                member.collect()
            self._check_all(left)

    def _check_all(self, members: list[ProcessMember]) -> None:
        for member in members:
            member.check()

    def contents(self) -> list[int]:
        return self._left

"""What stands between producers and consumers, with processes: the same five mechanisms.

A list cannot be shared between processes, so `Ring` takes its place: numbers in memory that all of them
see. The primitives are those of `multiprocessing`. As with threads, `put` and `get` wait for at most
`timeout` seconds, so that no worker has to be killed: whoever is killed may hold a lock for ever.
"""

from __future__ import annotations

import queue
import time
from collections.abc import Callable, Sequence
from multiprocessing.context import BaseContext
from typing import Protocol

from helpers.labs.buffers import PAUSE, Buffer, look_until

NO_BOUND = 10_000  # what processes take for unbounded: a stop must bring it all home within its half second
_LOCK_PATIENCE = 1.0  # seconds after which whoever holds a lock must have died with it


class SharedBuffer(Buffer, Protocol):
    """The face of a mechanism for processes."""

    def drain(self) -> None:
        """Take over, in the parent, what would keep a process from ending."""


class Ring:
    """Item numbers in memory shared by processes, first in, first out. It guards nothing."""

    def __init__(self, context: BaseContext, items: Sequence[int]) -> None:
        self._size = NO_BOUND + 100
        self._numbers = context.RawArray("q", self._size)
        self._ends = context.RawArray("q", 2)  # where the first item is, and how many there are
        self._numbers[: len(items)] = items
        self._ends[1] = len(items)

    def __len__(self) -> int:
        return max(0, int(self._ends[1]))

    def append(self, item: int) -> None:
        self.write(len(self), item)

    def write(self, place: int, item: int) -> None:
        """Have `item` at this place, as the last."""
        self._numbers[(self._ends[0] + place) % self._size] = item
        self._ends[1] = place + 1

    def first(self) -> int:
        return int(self._numbers[self._ends[0] % self._size])

    def popleft(self) -> int:
        item = self.first()
        self._ends[0] += 1
        self._ends[1] -= 1
        return item

    def items(self) -> list[int]:
        first = self._ends[0]
        return [int(self._numbers[(first + i) % self._size]) for i in range(len(self))]


class Capacity:
    """A number that all processes see."""

    def __init__(self, context: BaseContext, capacity: int | None) -> None:
        self._value = context.RawValue("q", capacity or NO_BOUND)

    def set(self, capacity: int | None) -> None:
        self._value.value = capacity or NO_BOUND

    def __int__(self) -> int:
        return int(self._value.value)


class Places:
    """A semaphore that counts free places, and whose number can change while it is used."""

    def __init__(self, context: BaseContext, capacity: int | None, used: int) -> None:
        room = (capacity or NO_BOUND) - used
        self._free = context.Semaphore(max(room, 0))
        self._lock = context.Lock()
        self._too_many = context.RawValue("q", max(-room, 0))  # items beyond the capacity
        self._capacity = capacity or NO_BOUND

    def acquire(self, timeout: float) -> bool:
        return self._free.acquire(timeout=timeout)

    def release(self) -> None:
        with self._lock:
            if self._too_many.value:
                self._too_many.value -= 1
            else:
                self._free.release()

    def resize(self, capacity: int | None) -> None:
        more = (capacity or NO_BOUND) - self._capacity
        self._capacity += more
        if not self._lock.acquire(timeout=_LOCK_PATIENCE):
            raise RuntimeError("a process died while it held the buffer's lock")
        try:
            self._too_many.value -= more
            while self._too_many.value < 0:
                self._free.release()
                self._too_many.value += 1
            while self._too_many.value > 0 and self._free.acquire(block=False):
                self._too_many.value -= 1
        finally:
            self._lock.release()


class QueueBuffer:
    """A `multiprocessing.Queue`, with its places counted in front of it.

    ``Queue(maxsize)`` counts them in just this way, by a semaphore, but its number cannot be changed.
    """

    def __init__(self, context: BaseContext, capacity: int | None, items: Sequence[int]) -> None:
        self.queue = context.Queue()
        self.places = Places(context, capacity, len(items))
        self._left: list[int] = []
        self._fed = bool(items)  # by this process, which then has a feeder thread
        for item in items:
            self.queue.put(item)

    def put(self, item: int, timeout: float) -> bool:
        if not self.places.acquire(timeout):
            return False
        self.queue.put(item)
        return True

    def get(self, timeout: float) -> int | None:
        try:
            item: int = self.queue.get(timeout=timeout)
        except queue.Empty:
            return None
        self.places.release()
        return item

    def resize(self, capacity: int | None) -> None:
        self.places.resize(capacity)

    def drain(self) -> None:
        # A process that has put something in ends only when it is in the pipe, and a pipe does not hold much.
        try:
            while True:
                self._left.append(self.queue.get(timeout=0.001))
        except queue.Empty:
            pass

    def contents(self) -> list[int]:
        if self._fed:
            # The feeder thread may not have put all it was given into the pipe yet: None comes last.
            self.queue.put(None)
            try:
                while (item := self.queue.get(timeout=_LOCK_PATIENCE)) is not None:
                    self._left.append(item)
            except queue.Empty:  # a worker was killed with the queue's lock in its hands
                self.queue.cancel_join_thread()
        else:  # nor may a feeder be started now: at the end of a program, Python 3.12 refuses new threads
            self.drain()
        self.queue.close()
        self.queue.join_thread()  # returns at once where that was cancelled
        return self._left

    def count(self) -> int | None:
        return None  # qsize() does not exist on every system


class _RingBuffer:
    """What the other four have in common."""

    def __init__(self, context: BaseContext, capacity: int | None, items: Sequence[int]) -> None:
        self.ring = Ring(context, items)
        self.capacity = Capacity(context, capacity)

    def has_room(self) -> bool:
        return len(self.ring) < int(self.capacity)

    def resize(self, capacity: int | None) -> None:
        self.capacity.set(capacity)

    def drain(self) -> None:
        pass

    def contents(self) -> list[int]:
        return self.ring.items()

    def count(self) -> int | None:
        return len(self.ring)


class ConditionBuffer(_RingBuffer):
    """The bounded buffer: one lock, and a condition for each thing that can be waited for."""

    def __init__(self, context: BaseContext, capacity: int | None, items: Sequence[int]) -> None:
        super().__init__(context, capacity, items)
        lock = context.Lock()
        self.not_full = context.Condition(lock)
        self.not_empty = context.Condition(lock)

    def put(self, item: int, timeout: float) -> bool:
        with self.not_full:
            if not self.not_full.wait_for(self.has_room, timeout):
                return False
            self.ring.append(item)
            self.not_empty.notify()
            return True

    def get(self, timeout: float) -> int | None:
        with self.not_empty:
            if not self.not_empty.wait_for(lambda: len(self.ring) > 0, timeout):
                return None
            item = self.ring.popleft()
            if self.has_room():
                self.not_full.notify()
            return item


class SemaphoreBuffer(_RingBuffer):
    """Two semaphores count free places and items; a lock guards the ring."""

    def __init__(self, context: BaseContext, capacity: int | None, items: Sequence[int]) -> None:
        super().__init__(context, capacity, items)
        self.lock = context.Lock()
        self.free = Places(context, capacity, len(items))
        self.filled = context.Semaphore(len(items))

    def put(self, item: int, timeout: float) -> bool:
        if not self.free.acquire(timeout):
            return False
        with self.lock:
            self.ring.append(item)
        self.filled.release()
        return True

    def get(self, timeout: float) -> int | None:
        if not self.filled.acquire(timeout=timeout):
            return None
        with self.lock:
            item = self.ring.popleft()
        self.free.release()
        return item

    def resize(self, capacity: int | None) -> None:
        self.free.resize(capacity)


class Mailbox(_RingBuffer):
    """A ring, and an event that says that something is in it. It loses items, as its like for threads."""

    def __init__(self, context: BaseContext, capacity: int | None, items: Sequence[int]) -> None:
        super().__init__(context, capacity, items)
        self.lock = context.Lock()
        self.arrived = context.Event()

    def put(self, item: int, timeout: float) -> bool:
        with self.lock:  # a deque of one process is safe without
            while not self.has_room():
                self.ring.popleft()
            self.ring.append(item)
        self.arrived.set()
        return True

    def get(self, timeout: float) -> int | None:
        if not self.arrived.wait(timeout):
            return None
        with self.lock:
            item = self.ring.popleft() if len(self.ring) else None
        self.arrived.clear()
        return item


class UnprotectedList(_RingBuffer):
    """A ring, and nothing that keeps its users apart. It loses items and hands some out twice."""

    def put(self, item: int, timeout: float) -> bool:
        if not look_until(self.has_room, timeout):
            return False
        end = len(self.ring)  # look
        time.sleep(PAUSE)
        self.ring.write(end, item)  # act: overwrites what was put there meanwhile
        return True

    def get(self, timeout: float) -> int | None:
        if not look_until(lambda: len(self.ring), timeout):
            return None
        item = self.ring.first()  # look
        time.sleep(PAUSE)
        if len(self.ring):
            self.ring.popleft()  # act: the first may be another by now
        return item


SHARED_BUFFERS: dict[str, Callable[[BaseContext, int | None, Sequence[int]], SharedBuffer]] = {
    "queue": QueueBuffer,
    "condition": ConditionBuffer,
    "semaphores": SemaphoreBuffer,
    "event": Mailbox,
    "none": UnprotectedList,
}

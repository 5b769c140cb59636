"""What stands between producers and consumers, with threads: five mechanisms, one face.

`put` and `get` wait for at most `timeout` seconds. Then the worker looks whether it is to leave, and tries
again: so no worker waits for ever, and none has to be killed. An item is its number.
"""

from __future__ import annotations

import queue
import threading
import time
from collections import deque
from collections.abc import Callable
from typing import Protocol

PAUSE = 0.0005  # seconds between look and act of the unprotected list
LOOK_AGAIN = 0.002  # seconds between two looks of a worker that nobody wakes


class Buffer(Protocol):
    """The face of a mechanism."""

    def put(self, item: int, timeout: float) -> bool:
        """Put an item in; False where there was no room for it within `timeout` seconds."""

    def get(self, timeout: float) -> int | None:
        """Take an item out; None where there was none within `timeout` seconds."""

    def resize(self, capacity: int | None) -> None:
        """Have room for `capacity` items from now on. What is already in stays in, also beyond that."""

    def count(self) -> int | None:
        """How many items are in it now, where it knows that at once."""

    def contents(self) -> list[int]:
        """The items in it, oldest first; when no worker is left."""


class QueueBuffer:
    """A `queue.Queue`."""

    def __init__(self, capacity: int | None) -> None:
        self.queue: queue.Queue[int] = queue.Queue(capacity or 0)

    def put(self, item: int, timeout: float) -> bool:
        try:
            self.queue.put(item, timeout=timeout)
        except queue.Full:
            return False
        return True

    def get(self, timeout: float) -> int | None:
        try:
            return self.queue.get(timeout=timeout)
        except queue.Empty:
            return None

    def resize(self, capacity: int | None) -> None:
        with self.queue.mutex:
            self.queue.maxsize = capacity or 0
            self.queue.not_full.notify_all()

    def count(self) -> int | None:
        return len(self.queue.queue)  # qsize() would wait for the workers' lock

    def contents(self) -> list[int]:
        return list(self.queue.queue)


class _ListBuffer:
    """What the other four have in common."""

    items: deque[int] | list[int]

    def count(self) -> int | None:
        return len(self.items)

    def contents(self) -> list[int]:
        return list(self.items)


class ConditionBuffer(_ListBuffer):
    """The bounded buffer: a list, one lock, and a condition for each thing that can be waited for."""

    def __init__(self, capacity: int | None) -> None:
        self.items: deque[int] = deque()
        self.capacity = capacity
        lock = threading.Lock()
        self.not_full = threading.Condition(lock)
        self.not_empty = threading.Condition(lock)

    def has_room(self) -> bool:
        return self.capacity is None or len(self.items) < self.capacity

    def put(self, item: int, timeout: float) -> bool:
        with self.not_full:
            if not self.not_full.wait_for(self.has_room, timeout):
                return False
            self.items.append(item)
            self.not_empty.notify()
            return True

    def get(self, timeout: float) -> int | None:
        with self.not_empty:
            if not self.not_empty.wait_for(lambda: self.items, timeout):
                return None
            item = self.items.popleft()
            if self.has_room():
                self.not_full.notify()
            return item

    def resize(self, capacity: int | None) -> None:
        with self.not_full:
            self.capacity = capacity
            self.not_full.notify_all()


class SemaphoreBuffer(_ListBuffer):
    """Two semaphores count free places and items; a lock guards the list."""

    def __init__(self, capacity: int | None) -> None:
        self.items: deque[int] = deque()
        self.lock = threading.Lock()
        self.free = threading.Semaphore(capacity or _NO_BOUND)
        self.filled = threading.Semaphore(0)
        self.too_many = 0  # items beyond the capacity, after it was lowered

    def put(self, item: int, timeout: float) -> bool:
        free = self.free
        if not free.acquire(timeout=timeout):
            return False
        with self.lock:
            if free is not self.free:  # resized meanwhile: that place is gone
                return False
            self.items.append(item)
        self.filled.release()
        return True

    def get(self, timeout: float) -> int | None:
        if not self.filled.acquire(timeout=timeout):
            return None
        with self.lock:
            if self.too_many:
                self.too_many -= 1
            else:
                self.free.release()
            return self.items.popleft()

    def resize(self, capacity: int | None) -> None:
        with self.lock:
            room = (capacity or _NO_BOUND) - len(self.items)
            self.free = threading.Semaphore(max(room, 0))
            self.too_many = max(-room, 0)


class Mailbox(_ListBuffer):
    """A list, and an event that says that something is in it. It loses items.

    Nobody waits for room: what is too much pushes the oldest item out. And one event cannot say how many
    items there are: two `set` are one, and `clear` may erase the news of an item that came just before it.
    Such an item lies unseen until the next `set`, while consumers wait.
    """

    def __init__(self, capacity: int | None) -> None:
        self.items: deque[int] = deque(maxlen=capacity)
        self.arrived = threading.Event()

    def put(self, item: int, timeout: float) -> bool:
        self.items.append(item)
        self.arrived.set()
        return True

    def get(self, timeout: float) -> int | None:
        if not self.arrived.wait(timeout):
            return None
        try:
            item = self.items.popleft()
        except IndexError:  # another consumer was woken for the same item
            item = None
        self.arrived.clear()
        return item

    def resize(self, capacity: int | None) -> None:
        self.items = deque(self.items, maxlen=capacity)


class UnprotectedList(_ListBuffer):
    """A list, and nothing that keeps its users apart. It loses items and hands some out twice.

    A thread can be switched at any call between its look at the list and what it then does. On today's
    CPython that happens so rarely that this class would often seem to work. So it gives way on purpose
    between look and act, as a program does that reads, computes, and writes.
    """

    def __init__(self, capacity: int | None) -> None:
        self.items: list[int] = []
        self.capacity = capacity

    def put(self, item: int, timeout: float) -> bool:
        if not look_until(lambda: self.capacity is None or len(self.items) < self.capacity, timeout):
            return False
        end = len(self.items)  # look
        time.sleep(PAUSE)
        self.items[end:] = [item]  # act: overwrites what was put there meanwhile
        return True

    def get(self, timeout: float) -> int | None:
        if not look_until(lambda: self.items, timeout):
            return None
        first = self.items[:1]  # look
        time.sleep(PAUSE)
        del self.items[:1]  # act: the first may be another by now
        return first[0] if first else None

    def resize(self, capacity: int | None) -> None:
        self.capacity = capacity


BUFFERS: dict[str, Callable[[int | None], Buffer]] = {
    "queue": QueueBuffer,
    "condition": ConditionBuffer,
    "semaphores": SemaphoreBuffer,
    "event": Mailbox,
    "none": UnprotectedList,
}

_NO_BOUND = 1 << 40


def look_until(holds: Callable[[], object], timeout: float) -> bool:
    """Look again and again whether something holds, for at most `timeout` seconds."""
    end = time.monotonic() + timeout
    while not holds():
        if time.monotonic() >= end:
            return False
        time.sleep(LOOK_AGAIN)
    return True

"""Small programs that several tests explore, and what starts the threads of such programs."""

from __future__ import annotations

from collections.abc import Callable
from threading import Lock, Thread


def start(*bodies: Callable[[], object]) -> list[Thread]:
    """Start a thread for each."""
    threads = [Thread(target=body) for body in bodies]
    for thread in threads:
        thread.start()
    return threads


def together(*bodies: Callable[[], object]) -> None:
    """Run each in a thread of its own, and wait for all."""
    for thread in start(*bodies):
        thread.join()


def guarded() -> None:
    """Two increments under a lock: nothing is lost."""
    counter = 0
    lock = Lock()

    def add() -> None:
        nonlocal counter
        with lock:
            counter += 1

    together(add, add)
    assert counter == 2


def transfers() -> None:
    """Two locks, taken in two orders: a deadlock."""
    checking, savings = Lock(), Lock()

    def there() -> None:
        with checking, savings:
            pass

    def back() -> None:
        with savings, checking:
            pass

    together(there, back)

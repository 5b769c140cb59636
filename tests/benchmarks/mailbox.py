"""The mailbox of chapter 7, a list and an event: for the bench, as explored here and by frontrun.

A process of its own runs it: ``python mailbox.py WHO SECONDS``, and prints what it did as JSON. `WHO` is one of

- ``mailbox``: explored here;
- ``helpers``: the same, of the mailbox in which nobody gets stuck;
- ``frontrun``: that one explored by frontrun, as it comes;
- ``frontrun-bare``: by frontrun without what it does beside exploring, and without a bound;
- ``baton``: nothing explored: two threads only pass each other a lock, which says how fast this machine is.
"""

from __future__ import annotations

import json
import os
import sys
import time
from _thread import allocate_lock
from collections.abc import Callable
from contextlib import suppress
from functools import partial
from threading import Event, Thread

from helpers.schedules.workers import one_core
from tests.schedules.scenarios import together


class Mailbox:
    def __init__(self) -> None:
        self.items: list[int] = []
        self.event = Event()
        self.taken: list[int] = []

    def produce(self) -> None:
        for item in range(2):
            self.items.append(item)
            self.event.set()

    def consume(self) -> None:
        """As in chapter 7, once."""
        self.take()
        self.event.clear()

    def take(self) -> None:
        """The same without the clear, so that nobody waits for ever: frontrun sees that by its clock alone."""
        self.event.wait()
        with suppress(IndexError):
            self.taken.append(self.items.pop())


def mailbox() -> None:
    """One producer with two items, two consumers."""
    box = Mailbox()
    together(box.produce, box.consume, box.consume)
    assert len(box.taken) == 2


def mailbox_without_clear() -> None:
    """The same where nobody gets stuck."""
    box = Mailbox()
    together(box.produce, box.take, box.take)
    assert len(box.taken) == 2


def by_helpers(scenario: Callable[[], None], seconds: float) -> dict[str, object]:
    from helpers.schedules import every_schedule

    every_schedule(scenario)  # finds what threads share, starts its threads
    begin = time.process_time()
    schedules = 0
    while time.process_time() - begin < seconds:
        schedules += every_schedule(scenario).schedules
    return {"schedules": schedules, "cpu": time.process_time() - begin}


def by_frontrun(seconds: float, **options: object) -> dict[str, object]:
    import frontrun  # type: ignore[import-not-found]
    from frontrun._cooperative import patch_locks  # type: ignore[import-not-found]

    patch_locks()  # what its command does
    begin = time.process_time()
    result = frontrun.explore(
        setup=Mailbox,
        workers=[Mailbox.produce, Mailbox.take, Mailbox.take],
        invariant=lambda box: len(box.taken) == 2,
        stop_on_first=False,
        total_timeout=seconds,
        **options,
    )
    return {"schedules": result.num_explored, "cpu": time.process_time() - begin}


def by_nobody(seconds: float) -> dict[str, object]:
    mine, yours = allocate_lock(), allocate_lock()
    mine.acquire()
    yours.acquire()
    ended = False

    def other() -> None:
        while not ended:
            yours.acquire()
            mine.release()

    with one_core():
        thread = Thread(target=other)
        thread.start()
        begin = time.process_time()
        passes = 0
        while time.process_time() - begin < seconds:
            for _ in range(1000):
                yours.release()
                mine.acquire()
            passes += 2000
        spent = time.process_time() - begin
        ended = True
        yours.release()
        thread.join()
    return {"passes": passes, "cpu": spent}


if __name__ == "__main__":
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    bare = {"preemption_bound": None, "reproduce_on_failure": 0, "detect_io": False}
    who = {
        "mailbox": partial(by_helpers, mailbox),
        "helpers": partial(by_helpers, mailbox_without_clear),
        "frontrun": by_frontrun,
        "frontrun-bare": partial(by_frontrun, **bare),
        "baton": by_nobody,
    }[sys.argv[1]]
    print(json.dumps(who(seconds=float(sys.argv[2]))))

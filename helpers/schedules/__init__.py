"""Every schedule of a small program: races counted instead of hoped for.

`every_schedule` runs a program under every schedule of its threads. A schedule is which thread makes its next
step, again and again; a step is what other threads could notice: an operation of a lock, a queue, an event,
or a read or write of data that two threads share. Two threads that each read and write a counter have six
schedules, and in four of them an update is lost::

    def scenario():
        counter = 0
        def increment():
            nonlocal counter
            value = counter
            counter = value + 1
        threads = [Thread(target=increment) for _ in range(2)]
        for thread in threads: thread.start()
        for thread in threads: thread.join()
        assert counter == 2

    every_schedule(scenario, mode="all")
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from helpers.schedules.exploring import every_schedule
    from helpers.schedules.player import play
    from helpers.schedules.result import Failure, Result, Schedule, Step, Waiting
    from helpers.schedules.stepper import Choice, Stepper

__all__ = [
    "Choice",
    "Failure",
    "Result",
    "Schedule",
    "Step",
    "Stepper",
    "Waiting",
    "every_schedule",
    "play",
]

_ROOMS = {
    "Choice": "stepper",
    "Failure": "result",
    "Result": "result",
    "Schedule": "result",
    "Step": "result",
    "Stepper": "stepper",
    "Waiting": "result",
    "every_schedule": "exploring",
    "play": "player",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'helpers.schedules' has no attribute {name!r}")
    return getattr(import_module(f"helpers.schedules.{_ROOMS[name]}"), name)


def __dir__() -> "list[str]":
    return sorted({*globals(), *__all__})

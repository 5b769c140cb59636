"""Time during a search is virtual: it passes when somebody sleeps or waits in vain, and nobody really waits.

Any thread may be slow at any moment, so a sleep orders nothing: it advances the clock and is over. Only where
somebody looks at the clock while there are several threads, a sleep is a step, before or after that look.
"""

from __future__ import annotations

import sys
import time as real_time
from collections.abc import Hashable
from operator import index
from typing import Any

from helpers.schedules.execution import Execution, current
from helpers.schedules.model.readings import told
from helpers.schedules.operation import CLOCK, Operation

# When every schedule begins, in seconds since 1970: the same in every replay.
EPOCH = 1_700_000_000.0

# Seconds between two readings of the clock, so that no two are the same; and at most, see `Clock.read`.
TICK = 1e-6
_LONGEST_TICK = 1.0

_LONGEST_SLEEP = 1e9  # seconds; a real one may be some 9 times as long

# In these, what depends on the time is seen otherwise, or only written down: they get numbers like any other.
_PLAIN = {"threading", "queue", "concurrent", "logging", "random"}

_real_sleep = real_time.sleep


class Clock:
    """The clock of one execution.

    Attributes:
        label: its number.
        now: seconds since the schedule began.
        targets: what an operation that may advance the clock touches besides; empty while nobody looks.
    """

    __slots__ = ("_execution", "_looked", "_tick", "label", "now", "targets")

    def __init__(self, execution: Execution) -> None:
        self.label: Hashable = execution.label(CLOCK)
        self.now = 0.0
        self.targets: tuple[Hashable, ...] = (self.label,) if CLOCK in execution.search.racy else ()
        self._execution = execution
        self._looked: tuple[Any, ...] = ()  # where it was read last: the task and the instruction
        self._tick = TICK

    def read(self, *place: Any) -> float:
        """What the running task reads; each time a little later.

        A loop may do nothing but look at the clock until enough time has passed. So time passes faster for
        who reads it at the same place over and over.

        Args:
            place: where in the program that is.
        """
        execution = self._execution
        if len(execution.tasks) > 1:
            execution.search.met([CLOCK])
        if self.targets:
            execution.step(_Read(self))
        execution.progress()
        looked = (execution.task, *place)
        self._tick = min(2 * self._tick, _LONGEST_TICK) if looked == self._looked else TICK
        self._looked = looked
        self.now += self._tick
        return self.now

    def sleep(self, seconds: float) -> None:
        """The running task sleeps."""
        if self.targets:
            self._execution.step(_Sleep(self, seconds))
        self.now += seconds

    def reach(self, time: float) -> None:
        """A wait has ended by itself at `time`, or a little later: as real ones do."""
        self.now = max(self.now, time) + TICK


class _Read(Operation):
    """Looks at the clock. Two threads may pass time in either order, it adds up; so this is what "writes"."""

    __slots__ = ()
    kind = "read"
    verb = "read"
    object: Clock

    def name(self, execution: Execution) -> str:
        return "the clock"

    def snapshot(self) -> Any:
        return self.object.now


class _Sleep(Operation):
    __slots__ = ("seconds",)
    kind = verb = "sleep"
    state = "sleep"
    writes = False

    def __init__(self, clock: Clock, seconds: float) -> None:
        super().__init__(clock)
        self.seconds = seconds

    def name(self, execution: Execution) -> str:
        return f"{self.seconds:g} s"


def now() -> Clock:
    """The clock of the execution that the calling thread belongs to."""
    execution = current()
    assert execution is not None
    clock: Clock | None = execution.clock
    if clock is None:
        clock = execution.clock = Clock(execution)
    return clock


def _read(since: float = 0.0, nanoseconds: bool = False) -> Any:
    program = sys._getframe(3)  # behind the function below and what decides between it and the real one
    value: float = since + now().read(program.f_code, program.f_lasti)
    if nanoseconds:
        value = round(value * 1e9)
    module: str = program.f_globals.get("__name__", "")
    return value if module.partition(".")[0] in _PLAIN else told(value)


def monotonic() -> Any:
    return _read()


def monotonic_ns() -> Any:
    return _read(nanoseconds=True)


def time() -> Any:
    return _read(EPOCH)


def time_ns() -> Any:
    return _read(EPOCH, nanoseconds=True)


def sleep(seconds: float, /) -> None:
    if hasattr(seconds, "__index__"):
        seconds = index(seconds)
    if not isinstance(seconds, int | float) or not 0 <= seconds < _LONGEST_SLEEP:
        _real_sleep(seconds)  # raises what it always raises
    now().sleep(float(seconds))


FUNCTIONS = {
    "sleep": sleep,
    "monotonic": monotonic,
    "monotonic_ns": monotonic_ns,
    "perf_counter": monotonic,
    "perf_counter_ns": monotonic_ns,
    "time": time,
    "time_ns": time_ns,
}

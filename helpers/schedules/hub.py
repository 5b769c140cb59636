"""Where the thread that searches waits while the program's threads have the baton, and what it watches for.

It gets the baton back where a schedule is over, or where somebody outside is to choose. It takes the baton
where an interrupt has come, where the time is over, and from a thread that hangs in something real, such as a
read from a socket.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from helpers.schedules import interrupts
from helpers.schedules.operation import Unwind
from helpers.schedules.workers import allocate_lock, raise_in, real_monotonic, where_is

if TYPE_CHECKING:
    from helpers.schedules.execution import Execution, Task

# Seconds a thread may be busy between two steps before it is taken to hang. They are waited for in so many
# turns: where the system gives this process no time, or stops it, one turn takes long and is no more than a
# turn.
PATIENCE = 3.0
TURNS = 30

# A thread that stands where it waits for its baton hangs in nothing: somebody has opened its gate, and it has
# not yet been given the processor. It may take that many times as long.
PARKED = 20

STOPPED = "stopped", "its time was over in the middle of a schedule"


class Hub:
    """Where one thread waits for the baton.

    Attributes:
        execution: the one whose threads have it; None while none of them has, and what they did is counted.
        wanted: whether the baton is to come back here as soon as can be, and no other schedule is to be run.
    """

    def __init__(self) -> None:
        self.execution: Execution | None = None
        self.wanted = False
        self._gate = allocate_lock()
        self._gate.acquire()
        self._here = True  # the baton is
        self._comes = False  # the gate is open, or about to be

    def hand(self, task: Task) -> None:
        """Give the baton to a task of `execution`."""
        self._here = self._comes = False
        task.gate.release()

    def open(self) -> None:
        """Give the baton back: whoever waits here goes on."""
        self._comes = True
        self._gate.release()

    def wait(self, patience: float = PATIENCE) -> None:
        """Wait until the baton comes back.

        Args:
            patience: seconds a thread may be busy between two steps.
        """
        try:
            if not self._comes_back(patience):
                self.fetch()
            self._here = True
        except BaseException:  # raised by a signal handler that is not ours
            self.fetch()
            raise

    def _comes_back(self, patience: float) -> bool:
        """Wait for the baton as long as there is reason to; returns whether it came."""
        seen = None
        waited = 0.0
        while not self._gate.acquire(True, patience / TURNS):
            execution = self.execution
            if execution is None:
                continue
            # Whoever ends a schedule sees by itself that the time is over; here it is one that lasts.
            lasts = seen is not None and seen[0] is execution
            if interrupts.noted() or (lasts and real_monotonic() > execution.search.until):
                return False
            now = execution, execution.depth, execution.around, execution.passed, execution.task
            if now != seen:
                seen = now
                waited = 0.0
            waited += 1 / PARKED if execution.parked else 1
            if waited >= TURNS:
                who = execution.task
                why = f"{who.name} made no step for {patience:g} seconds, {where_is(who.worker)}"
                execution.cut = execution.cut or ("hangs", why)
                return False
        return True

    def fetch(self) -> None:
        """Have the baton back now: whoever runs is to end at its next step, or turn of a loop.

        A thread that does not come to one soon is ended wherever it is.
        """
        if self._here:
            return
        if self._comes:
            # Either it came, and an exception came between that and its being noted; or it is about to come.
            self._gate.acquire(True, 1.0)
        else:
            self._take()
        self._here = True

    def _take(self) -> None:
        # In this order: who begins another schedule puts it here first, and looks then whether the baton is
        # wanted. So either it is found here, or it ends at once.
        self.wanted = True
        execution = self.execution
        if execution is None:  # what is done meanwhile is ours, and ends
            self._gate.acquire()
        else:
            grace = 0.0 if execution.cut else 0.2
            execution.cut = execution.cut or STOPPED
            execution.unwinding = True
            if not self._gate.acquire(True, grace):
                who = execution.task
                if execution.cut is STOPPED:
                    execution.cut = "stopped", f"{STOPPED[1]}, with {who.name} {where_is(who.worker)}"
                raise_in(who.worker, Unwind)
                if not self._gate.acquire(True, 0.5):
                    # Its thread is given up. What it gives back one day is the baton of no other schedule.
                    who.done = True
                    execution.hub = Hub()
        self.wanted = False

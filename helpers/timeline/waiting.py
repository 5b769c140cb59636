"""Waits, holds and wake-ups, worked out from the events of the lanes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from helpers.recorder import fileformat
from helpers.timeline.model import HOLD

Array = npt.NDArray[Any]

# The events of all lanes together, in order of lane and then of time.
EVENT = np.dtype(
    [("lane", "i4"), ("time", "i8"), ("kind", "u1"), ("detail", "i4"), ("number", "i8"), ("on", "i4")]
)
# The waits of all lanes: `side` is that of a queue, `timed` says that it has a timeout, `got` is false where
# it ended by that or by an exception.
WAIT = np.dtype(
    [
        ("lane", "i4"),
        ("start", "i8"),
        ("end", "i8"),
        ("on", "i4"),
        ("side", "u1"),
        ("timed", "?"),
        ("got", "?"),
        ("open", "?"),
    ]
)


def take_back(events: Array) -> None:
    """Blank out, in place, what an UNDONE after it says did not happen, and waits that timed out."""
    for undone, was, becomes in (
        (
            fileformat.UNDONE,
            (fileformat.FREE, fileformat.PUT, fileformat.TOOK, fileformat.START, fileformat.SIGNAL),
            0,
        ),
        (fileformat.TIMED_OUT, (fileformat.GOT,), fileformat.GAVE_UP),
    ):
        for at in np.flatnonzero(events["kind"] == undone):
            lane, number = events["lane"][at], events["number"][at]
            before = at - 1
            while before >= 0 and events["lane"][before] == lane:
                if events["number"][before] == number and events["kind"][before] in was:
                    events["kind"][before] = becomes
                    break
                before -= 1


def waits(events: Array, died: Array) -> Array:
    """The waits of each lane; of nested ones the outermost, which is the one the program asked for.

    Args:
        events: with dtype `EVENT`, in order of lane and time.
        died: per lane, when it ended, nanoseconds; an open wait ends there.
    """
    begins = events["kind"] == fileformat.WAIT
    ends = (events["kind"] == fileformat.GOT) | (events["kind"] == fileformat.GAVE_UP)
    relevant = np.flatnonzero(begins | ends)
    chosen = events[relevant]
    step = np.where(begins[relevant], 1, -1)
    lane_starts = np.flatnonzero(np.diff(chosen["lane"], prepend=-1))
    lengths = np.diff(np.append(lane_starts, len(chosen)))
    # Depth within each lane, which never goes below zero (a recording may begin in the middle of a wait).
    depth = _running_sums(step, lane_starts, lengths)
    if np.any(depth < 0):
        for start, length in zip(lane_starts, lengths, strict=True):
            part = depth[start : start + length]
            part -= np.minimum.accumulate(np.minimum(part, 0))
    outer_begin = (step == 1) & (depth == 1)
    outer_end = (step == -1) & (depth == 0)
    # An end at depth 0 that closes nothing (see above) has no begin before it in its lane.
    first = np.flatnonzero(outer_begin)
    last = np.flatnonzero(outer_end)
    after = np.searchsorted(last, first)
    closed = after < len(last)
    end_at = last[np.minimum(after, len(last) - 1)] if len(last) else np.zeros(len(first), int)
    closed &= chosen["lane"][end_at] == chosen["lane"][first] if len(chosen) else closed
    found = np.zeros(len(first), WAIT)
    found["lane"] = chosen["lane"][first]
    found["start"] = chosen["time"][first]
    found["on"] = chosen["on"][first]
    found["side"] = chosen["detail"][first] & ~fileformat.TIMED
    found["timed"] = chosen["detail"][first] & fileformat.TIMED != 0
    found["end"] = np.where(closed, chosen["time"][end_at], died[found["lane"]])
    found["got"] = closed & (chosen["kind"][end_at] == fileformat.GOT)
    found["open"] = ~closed
    return found


def _running_sums(steps: Array, begins: Array, lengths: Array) -> Array:
    """The sum of the steps so far, which begins anew at each of `begins`."""
    sums: Array = np.cumsum(steps)
    sums -= np.repeat(sums[begins] - steps[begins], lengths)
    return sums


def holds(
    events: Array, exclusive: Array, semaphores: Array, local: Array, process: Array, died: Array
) -> Array:
    """Who held what: from TAKE (or a GOT) to FREE.

    Args:
        events: with dtype `EVENT`.
        exclusive, semaphores: for each object, whether it is a lock, a semaphore.
        local: for each object, whether every process that was forked has one of its own.
        process: for each lane, the number of its process.
        died: per lane, when it ended, nanoseconds; a hold that is never released ends there.

    Returns:
        Rows with dtype `HOLD`, times in nanoseconds.
    """
    kind, on = events["kind"], events["on"]
    takes = (kind == fileformat.TAKE) | (kind == fileformat.GOT)
    known = on >= 0
    is_lock = np.zeros(len(events), bool)
    is_lock[known] = exclusive[on[known]]
    is_semaphore = np.zeros(len(events), bool)
    is_semaphore[known] = semaphores[on[known]]
    relevant = np.flatnonzero((takes | (kind == fileformat.FREE)) & (is_lock | is_semaphore))
    chosen = events[relevant]
    chosen_takes = takes[relevant]
    # A lock may be released by any thread, so its events are looked at together; a permit of a
    # semaphore is a hold only where the thread that took it gives it back.
    owner = np.where(
        is_semaphore[relevant],
        chosen["lane"].astype("i8") + 1_000_000_000,
        np.where(local[chosen["on"]], process[chosen["lane"]], -1),
    )
    order = np.lexsort((chosen["time"], owner, chosen["on"]))
    chosen, chosen_takes, owner = chosen[order], chosen_takes[order], owner[order]
    following = np.roll(np.arange(len(chosen)), -1)
    same = np.zeros(len(chosen), bool)
    same[:-1] = (chosen["on"][1:] == chosen["on"][:-1]) & (owner[1:] == owner[:-1])
    is_permit = semaphores[chosen["on"]] if len(chosen) else same
    # A signal handler that takes a lock while its thread records can leave records out of order; whoever
    # takes a lock next proves that it had been let go.
    freed = same & (~chosen_takes[following] | ~is_permit)
    starts = chosen_takes & (freed | ~is_permit)
    permits = np.flatnonzero(is_permit)
    kept = _never_given_back(
        chosen["on"][permits], owner[permits], chosen_takes[permits], chosen_takes[permits] & ~freed[permits]
    )
    starts[permits[kept]] = True
    found = np.zeros(int(starts.sum()), HOLD)
    found["lane"] = chosen["lane"][starts]
    found["lock"] = chosen["on"][starts]
    found["start"] = chosen["time"][starts]
    end = np.where(freed, chosen["time"][following], died[chosen["lane"]]) if len(chosen) else died[:0]
    found["end"] = end[starts]
    found["open"] = ~freed[starts]
    return found[np.lexsort((found["lane"], found["start"]))]


def _never_given_back(on: Array, owner: Array, takes: Array, unmatched: Array) -> Array:
    """Which takings of permits are holds to the end, though nothing follows them.

    Who takes of a semaphore that others release waits for a signal. Where all that release have taken, it
    is permits that go round, and one that is missing is held.

    Args:
        on, owner: of the semaphores' events, in order of both and then of time.
        takes: for each event, whether it takes or gives back.
        unmatched: whether it takes, and the next event of the same owner does not give back.
    """
    kept = np.zeros(len(on), bool)
    begins = np.flatnonzero((np.diff(on, prepend=-1) != 0) | (np.diff(owner, prepend=-1) != 0))
    ends = np.append(begins, len(on))[1:]
    step = np.where(takes, 1, -1)
    depth = _running_sums(step, begins, ends - begins)
    signals = np.unique(on[depth < 0])
    for begin, end in zip(begins, ends, strict=True):
        if depth[end - 1] > 0 and on[begin] not in signals:
            kept[begin + np.flatnonzero(unmatched[begin:end])[-depth[end - 1] :]] = True
    return kept


class Sources:
    """What can end waits, per object: who did it, and when."""

    def __init__(self, lanes: Array, times: Array, on: Array) -> None:
        order = np.lexsort((times, on))
        self._lanes, self._times, self._on = lanes[order], times[order], on[order]

    def of(self, number: int) -> tuple[Array, Array]:
        """Lanes and times for one object, in order of time."""
        begin, end = np.searchsorted(self._on, [number, number + 1])
        return self._lanes[begin:end], self._times[begin:end]


Finder = Callable[[Array, Array, Array], Array]


def last_before_end(times: Array, start: Array, end: Array) -> Array:
    """For a lock, a queue, a thread: what was freed, put or ended last before the wait was over."""
    return np.searchsorted(times, end, side="right") - 1


def first_since_start(times: Array, start: Array, end: Array) -> Array:
    """For an event: the first setting in the course of the wait; later ones change nothing."""
    at = np.searchsorted(times, start, side="left")
    inside = at < len(times)
    inside[inside] &= times[at[inside]] <= end[inside]
    return np.where(inside, at, -1)


def last_within(times: Array, start: Array, end: Array) -> Array:
    """For a condition or a barrier: what happened last in the course of the wait."""
    at = last_before_end(times, start, end)
    inside = at >= 0
    inside[inside] &= times[at[inside]] >= start[inside]
    return np.where(inside, at, -1)


def match(waits: Array, sources: Sources, find: Finder, woken: Array, waker: Array) -> None:
    """Fill in, for waits that got what they waited for, who ended them and when.

    Args:
        waits: with dtype `WAIT`.
        sources: what may have ended them.
        find: picks, for each wait, an index into the sources of its object, or -1.
        woken, waker: filled in place where a source is found: nanoseconds, number of the lane.
    """
    order = np.argsort(waits["on"], kind="stable")
    on = waits["on"][order]
    begins = np.flatnonzero(np.diff(on, prepend=-2))
    for begin, end in zip(begins, [*begins[1:], len(on)], strict=True):
        lanes, times = sources.of(int(on[begin]))
        if not len(times):
            continue
        rows = order[begin:end]
        at = find(times, waits["start"][rows], waits["end"][rows])
        good = (at >= 0) & waits["got"][rows]
        good[good] &= lanes[at[good]] != waits["lane"][rows[good]]
        rows, at = rows[good], at[good]
        # The waker may have acted in the moment between the try and the wait.
        woken[rows] = np.clip(times[at], waits["start"][rows], waits["end"][rows])
        waker[rows] = lanes[at]

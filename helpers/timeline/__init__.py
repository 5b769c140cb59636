"""A recording, read: who ran, who waited for what, who held what, who woke whom, and how each ended.

Knows nothing of Jupyter. `reading` turns a recording's files into a `Timeline`, `words` says what it
shows, `picture` draws it, `storage` saves and loads it.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from helpers.timeline.model import (
    HOLD,
    STATES,
    WAKEUP,
    Deadlock,
    Hold,
    Holds,
    Lane,
    Mark,
    Rows,
    Span,
    Spans,
    Stuck,
    SyncObject,
    Wakeup,
    Wakeups,
)

if TYPE_CHECKING:
    from helpers.timeline.picture.drawing import TimelineFigure

__all__ = [
    "STATES",
    "Deadlock",
    "Hold",
    "Holds",
    "Lane",
    "Mark",
    "Rows",
    "Span",
    "Spans",
    "Stuck",
    "SyncObject",
    "Timeline",
    "Wakeup",
    "Wakeups",
]


@dataclass(frozen=True, eq=False)
class Timeline:
    """What every thread and process of a recorded program did.

    Attributes:
        lanes: one `Lane` per thread, processes together, in order of birth.
        spans: per lane, in the order of `lanes`: its `Span` records in order of time.
        holds: who held which lock when.
        wakeups: who ended whose wait.
        objects: every lock, queue, thread … that the records above speak of.
        stuck: the waits that never ended, and the cycle if they form one; false where all ended.
        duration: seconds from the first event to the last.
        notes: what could not be recorded, in a sentence each; empty where nothing is missing.
        marks: what lanes did at single moments, in words, in order of time; a recording has none.
        steps: whether its moments count the steps of a schedule instead of seconds. Then each step has a
            column in the picture, whatever the axis.
    """

    lanes: tuple[Lane, ...]
    spans: Sequence[Spans]
    holds: Holds
    wakeups: Wakeups
    objects: tuple[SyncObject, ...]
    stuck: Deadlock
    duration: float
    notes: tuple[str, ...] = field(default=())
    marks: tuple[Mark, ...] = field(default=())
    steps: bool = False

    @staticmethod
    def empty() -> Timeline:
        """A timeline of nothing."""
        return Timeline(
            lanes=(),
            spans=(),
            holds=Holds(np.zeros(0, HOLD), ()),
            wakeups=Wakeups(np.zeros(0, WAKEUP), ()),
            objects=(),
            stuck=Deadlock((), ()),
            duration=0.0,
        )

    def summary(self) -> str:
        """Say in words what the timeline shows; the same text for the same behaviour.

        Times, process ids and whatever else changes from run to run are left out. It is also the
        alternative text of the picture.
        """
        from helpers.timeline.words import summary

        return summary(self)

    def plot(
        self,
        *,
        axis: str = "time",
        title: str = "",
        width: float = 9.0,
        between: tuple[float, float] | None = None,
    ) -> TimelineFigure:
        """Draw the timeline.

        Args:
            axis: ``"time"`` for true durations, ``"order"`` for one column per event, which keeps
                short handoffs visible.
            title: written above the picture.
            width: of the figure, in inches; its height follows from the number of lanes.
            between: the stretch to draw, from when to when in seconds, at a scale of its own; else all of it.

        Returns:
            A matplotlib figure that belongs to nobody: it is not in pyplot's list. A notebook shows it.

        Raises:
            ValueError: `axis` is neither of the two, or `between` is no stretch of time.
        """
        from helpers.timeline.picture import draw

        return draw(self, axis=axis, title=title, width=width, between=between)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the timeline to `path` (one file; `load` reads it back, on any machine)."""
        from helpers.timeline.storage import save

        save(self, path)

    def to_perfetto(self, path: str | os.PathLike[str]) -> None:
        """Write the timeline to `path` for Perfetto: ui.perfetto.dev and chrome://tracing open the file.

        It is JSON in the form of the "Trace Event Format" document: threads with their states, wake-ups and
        births as arrows, and a row for each lock that says when it was held. `load` does not read it.
        """
        from helpers.timeline.perfetto import to_perfetto

        to_perfetto(self, path)

    @staticmethod
    def load(path: str | os.PathLike[str]) -> Timeline:
        """Read a timeline that `save` wrote.

        Raises:
            ValueError: the file is not such a file.
        """
        from helpers.timeline.storage import load

        return load(path)

    def __repr__(self) -> str:
        processes = len({lane.pid for lane in self.lanes})
        return f"<Timeline of {len(self.lanes)} thread(s) in {processes} process(es)>"

"""Several runs side by side: a table, and a figure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.labs.appearance import COLOURS, look_of
from helpers.labs.snapshot import Snapshot
from helpers.pictures import Bundle, picture_of

HEADINGS = ("", "produced", "consumed", "left", "lost", "twice", "items/s", "blocked", "waiting")
WIDTHS = (12, 9, 9, 5, 6, 6, 8, 8, 8)


class Comparison:
    """What `compare` returns: printed, it is a table; shown in a notebook, a figure."""

    def __init__(self, snapshots: Mapping[str, Snapshot]) -> None:
        self._snapshots = dict(snapshots)

    def __str__(self) -> str:
        rows: list[tuple[str, ...]] = [HEADINGS]
        for name, one in self._snapshots.items():
            counts = (one.produced, one.consumed, one.in_buffer, one.lost, one.duplicated)
            shares = (f"{share(one, 'blocked'):.0%}", f"{share(one, 'waiting'):.0%}")
            rows.append((name, *map(str, counts), f"{one.throughput:.0f}", *shares))
        return "\n".join(_line(row) for row in rows)

    def figure(self) -> Figure:
        """Bars: throughput; items lost and handed out twice; share of time that workers were held up."""
        figure = Figure(
            (7.5, 0.8 + 0.34 * len(self._snapshots)), facecolor=COLOURS["card"], layout="constrained"
        )
        flow, wrong, held_up = figure.subplots(1, 3, sharey=True)
        ones = list(self._snapshots.values())
        work, alarm = COLOURS["work"], COLOURS["alarm"]
        self._bars(flow, "items/s, last second", {"": [one.throughput for one in ones]}, [(work, work)])
        self._bars(
            wrong,
            "items gone wrong",
            {"lost": [one.lost for one in ones], "twice": [one.duplicated for one in ones]},
            [(alarm, alarm), (COLOURS["card"], alarm)],
        )
        states = ("blocked", "waiting")
        self._bars(
            held_up,
            "time held up, %",
            {state: [100 * share(one, state) for one in ones] for state in states},
            [(look_of(state).face, look_of(state).mark) for state in states],
        )
        held_up.set_xlim(0, 100)
        if not any(one.lost or one.duplicated for one in ones):
            wrong.set_xlim(0, 1)
            wrong.set_xticks([0])
        flow.set_yticks(range(len(ones)), list(self._snapshots))
        flow.invert_yaxis()
        return figure

    def _bars(
        self, axes: Axes, title: str, groups: Mapping[str, list[float]], colours: list[tuple[str, str]]
    ) -> None:
        height = 0.7 / len(groups)
        for number, ((label, values), (face, edge)) in enumerate(zip(groups.items(), colours, strict=True)):
            places = [place + (number - (len(groups) - 1) / 2) * height for place in range(len(values))]
            hatch = "" if face == edge else "||||"
            axes.barh(
                places,
                values,
                height * 0.9,
                label=label,
                color=face,
                edgecolor=edge,
                hatch=hatch,
                linewidth=0.8,
            )
        axes.set_title(title, loc="left", fontsize=9, color=COLOURS["ink"])
        axes.set_facecolor(COLOURS["card"])
        axes.tick_params(labelsize=8, colors=COLOURS["ink"], length=0)
        axes.locator_params(axis="x", nbins=4)
        axes.grid(axis="x", color=COLOURS["border"], linewidth=0.6)
        axes.set_axisbelow(True)
        for side in axes.spines.values():
            side.set_color(COLOURS["border"])
        if len(groups) > 1:
            axes.legend(fontsize=7, frameon=False, labelcolor=COLOURS["ink"], loc="best")

    def _repr_mimebundle_(self, **_: Any) -> Bundle:
        sentences = [f"{name}: {_wrong(one)}." for name, one in self._snapshots.items()]
        return picture_of(self.figure(), " ".join(["Throughput, losses and time held up.", *sentences]))


def compare(snapshots: Mapping[str, Snapshot]) -> Comparison:
    """Set several runs side by side.

    Args:
        snapshots: each with the name it is to have.

    Returns:
        What is printed as a table and shown as a figure. "blocked" and "waiting" are shares of the time of
        all producers and of all consumers.
    """
    return Comparison(snapshots)


def share(snapshot: Snapshot, state: str) -> float:
    """Which part of their time, over the whole run, the workers that know this state spent in it."""
    times = [worker.seconds for worker in snapshot.workers if state in worker.seconds]
    whole = sum(sum(seconds.values()) for seconds in times)
    return sum(seconds[state] for seconds in times) / whole if whole else 0.0


def _wrong(one: Snapshot) -> str:
    found = [word for word, count in (("lost", one.lost), ("twice", one.duplicated)) if count]
    return f"items {' and '.join(found)}" if found else "no item lost or twice"


def _line(cells: tuple[str, ...]) -> str:
    first, *rest = cells
    return f"{first:<{WIDTHS[0]}}" + "".join(
        f"{cell:>{width}}" for cell, width in zip(rest, WIDTHS[1:], strict=True)
    )

"""Puts the picture together: everything is laid out in pixels first, with every text measured."""

from __future__ import annotations

import math
import threading
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any

import matplotlib
import numpy as np
import numpy.typing as npt
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, MaxNLocator

from helpers.timeline.model import STATES, Lane, end_of, public
from helpers.timeline.picture import coverage, flags, looks
from helpers.timeline.picture.coverage import LAYERS, Floats, Integers
from helpers.timeline.picture.layout import EDGE, OrderScale, Scale, Stack, StepScale, TimeScale
from helpers.timeline.picture.lettering import DPI, FAMILY, shorten, width_of, wrap
from helpers.timeline.picture.looks import ALARM, BAND, CARD, FAINT_INK, INK, LOOKS, PALE_INK
from helpers.timeline.picture.sheet import Point, Sheet
from helpers.timeline.words import SHOWS

if TYPE_CHECKING:
    from helpers.timeline import Timeline

# Above so many pieces the bars are painted pixel by pixel; below, they are shapes, sharp when enlarged.
SHAPES = 3_000
# Above so many wake-ups their arrows are thinned out, and the picture says so.
ARROWS = 60
# Above so many holds of one lock in one lane, they are painted too.
DENSE = 300
# So many locks can be named in the legend.
NAMED = 8
# So many things that are waited for can be named with their state in the legend.
NAMED_TOGETHER = 3
# A lane that used less than this share of its time of running is shown to be short of CPU time, where what it
# lacked is not lost in the noise: at least so many seconds, and so much of the picture.
STARVED, LACKED, LACKED_SHARE = 0.8, 0.002, 0.02

TITLE, SMALL, TINY = 11.5, 8.0, 7.0  # points
PAD = 14  # pixels between the side of the card and anything written on it
NARROWEST = 240  # pixels for the plot; the card grows where the names leave less
LETTERED = 17  # pixels: a bar as high as this, or higher, has room for letters
LONG_TICK = 34  # pixels: half of 1,000.000001 on the axis of a short stretch
SAMPLE = 22  # pixels: the width of a sample in the legend

# matplotlib's settings are the whole process's. Of two threads that draw at once (a slider's callback runs in
# one of its own), the second would take the defaults for the reader's settings, and leave them behind.
_STYLE = threading.Lock()

# Draws a sample for the legend, from its left side and its middle.
Sample = Callable[[float, float], None]


class TimelineFigure(Figure):
    """A figure that knows the timeline it shows, for whoever needs its words too.

    Attributes:
        timeline: what it shows.
    """

    timeline: Timeline


def draw(
    timeline: Timeline,
    *,
    axis: str = "time",
    title: str = "",
    width: float = 9.0,
    between: tuple[float, float] | None = None,
) -> TimelineFigure:
    """Draw a timeline.

    Args:
        timeline: what to draw.
        axis: ``"time"`` for true durations, ``"order"`` for one column per event.
        title: written above the picture.
        width: of the figure, in inches; more where the names need it. The height follows from the lanes.
        between: from when to when, in seconds; else all of it.

    Returns:
        A figure of 96 dots per inch that pyplot does not know of.

    Raises:
        ValueError: `axis` is neither of the two, or `between` is no stretch of time.
    """
    if axis not in ("time", "order"):
        raise ValueError(f'axis is {axis!r}, but must be "time" or "order".')
    if between is not None and not -math.inf < between[0] < between[1] < math.inf:
        raise ValueError(f"between is {between!r}, but must be two times in seconds, the earlier one first.")
    # Somebody's style sheet must not change what colours and marks mean.
    with _STYLE, matplotlib.rc_context():
        matplotlib.rcdefaults()
        return _Picture(timeline, axis == "order", title, max(round(width * DPI), NARROWEST), between).figure


@dataclass(frozen=True)
class _Strip:
    """The holds of one lock in one lane, on one row above its bar; `start` and `end` are places."""

    lane: int
    lock: int
    row: int
    start: Floats
    end: Floats
    left_open: bool


@dataclass(frozen=True)
class _Ending:
    """How a lane's bar ends: at which place, with which mark, and with which words behind it."""

    place: float
    mark: str
    torn: bool
    words: str
    colour: str

    @property
    def behind(self) -> int:
        """How far behind the end of the bar its mark lies, in pixels."""
        return 8 if self.torn or self.mark == "stopped" else 0

    @property
    def gap(self) -> int:
        """How far behind the end of the bar the words begin, in pixels."""
        return 22 if self.mark == "open" else self.behind + 10


@dataclass(frozen=True)
class _Name:
    """What to write at the left: beside which lane, how far below its middle, from or up to which `x`."""

    lane: int
    below: float
    x: float
    text: str
    size: float
    colour: str
    align: str = "left"
    bold: bool = False


class _Picture:
    def __init__(
        self,
        timeline: Timeline,
        ordered: bool,
        title: str,
        width: int,
        between: tuple[float, float] | None,
    ) -> None:
        self.timeline = timeline
        self.between = between
        self.beside_axis = LONG_TICK if between else 10  # pixels kept free at both of its ends
        self.lanes = timeline.lanes
        self.width = width
        self.notes = list(timeline.notes)
        self.figure = TimelineFigure(dpi=DPI, facecolor=CARD, edgecolor=looks.BORDER, linewidth=2 * 72 / DPI)
        self.figure.timeline = timeline
        # The whole card, from its top left corner: names, legend, notes.
        self.card = Sheet(self.figure.add_axes((0, 0, 1, 1), zorder=1))
        self.card.axes.set_axis_off()
        self.card.axes.set_navigate(False)
        y = self._write_lines(wrap(title, TITLE, width - 2 * PAD, bold=True), PAD, TITLE, INK, bold=True)
        if self.lanes:
            y = self._draw_lanes(ordered, y)
        else:
            y = self._write_lines(["Nothing was recorded."], y, 9.0, INK)
        lines = [line for note in self.notes for line in wrap(note, SMALL, self.width - 2 * PAD)]
        y = self._write_lines(lines, y, SMALL, PALE_INK)
        self._set_size(round(y + 2))

    def _draw_lanes(self, ordered: bool, top: float) -> float:
        self.stuck = {wait.lane: wait for wait in self.timeline.stuck.waits if not wait.on.internal}
        self.spans = [self._cut(lane.columns) for lane in self.timeline.spans]
        holds = public(self.timeline.holds.columns, "lock", self.timeline.objects)
        self.holds = self._cut(holds, beyond=holds["open"])
        wakeups = public(self.timeline.wakeups.columns, "through", self.timeline.objects)
        if between := self.between:
            wakeups = wakeups[(wakeups["until"] >= between[0]) & (wakeups["at"] <= between[1])]
        self.wakeups = wakeups
        self.marks = [mark for mark in self.timeline.marks if self._is_seen(mark.at)]
        self.scale, self.pieces = self._lay_on_axis(ordered)
        self.used = [self._cpu_share(lane) for lane in self.lanes]
        self.endings = [self._ending(lane) for lane in self.lanes]
        self.strips, self.rows = self._arrange_strips()
        self.at = Stack(self.lanes, self.rows, top)
        self.flags = self._plant_flags()
        self.names: list[_Name] = []
        self.left, self.right = self._name_lanes()
        self.scale.fit(self.right - self.left)
        self._arrange_flags()
        for name in self.names:
            y = self.at.middle(name.lane) + name.below
            self.card.write(name.x, y, name.text, name.size, name.colour, align=name.align, bold=name.bold)
        self.plot = Sheet(self.figure.add_axes((0, 0, 1, 1), zorder=2), self.scale.pixel)
        self.legend: list[tuple[Sample, str]] = []
        self._draw_axis()
        self._draw_bars()
        self._draw_births()
        self._draw_strips()
        self._draw_arrows()
        self._draw_flags()
        self._draw_endings()
        return self._draw_legend(self.at.bottom + 37)

    def _set_size(self, height: int) -> None:
        """Give the card its size, and the plot its place on it."""
        self.figure.set_size_inches(self.width / DPI, height / DPI)
        self.card.axes.set_xlim(0, self.width)
        self.card.axes.set_ylim(height, 0)
        if self.lanes:
            top, bottom = self.at.bands[0].top, self.at.bottom
            corner = (self.left / self.width, 1 - bottom / height)
            size = ((self.right - self.left) / self.width, (bottom - top) / height)
            self.plot.axes.set_position((*corner, *size))

    def _write_lines(self, lines: list[str], y: float, size: float, colour: str, bold: bool = False) -> float:
        height = 1.4 * size * DPI / 72
        for line in lines:
            self.card.write(PAD, y + height / 2, line, size, colour, bold=bold)
            y += height
        return y + 6 if lines else y

    # ------------------------------------------------------------------------------ reading the timeline

    def _cut(self, columns: npt.NDArray[Any], beyond: Any = False) -> npt.NDArray[Any]:
        """What of these stretches is to be seen; some go on `beyond` their end."""
        if self.between is None:
            return columns
        first, last = self.between
        start, end = columns["start"], columns["end"]
        # What only touches a side is left out, but not what has no length.
        seen = ((end > first) | (start >= first) | beyond) & ((start < last) | (end <= last))
        cut: npt.NDArray[Any] = columns[seen]
        cut["start"] = np.maximum(cut["start"], first)
        cut["end"] = np.clip(cut["end"], cut["start"], last)
        return cut

    def _is_seen(self, moment: float) -> bool:
        return self.between is None or self.between[0] <= moment <= self.between[1]

    def _lay_on_axis(self, ordered: bool) -> tuple[Scale, list[tuple[Floats, Floats, Integers]]]:
        """Cut the spans into pieces, and give these their places on the chosen axis."""
        spans = [_lengthened(lane) for lane in self.spans] if ordered else self.spans
        pieces = [coverage.pieces(lane) for lane in spans]
        lives = [
            moment
            for lane in self.lanes
            for moment in (lane.started, lane.born, lane.died)
            if moment is not None and self._is_seen(moment)
        ]
        if self.timeline.steps:
            scale: Scale = StepScale(*(self.between or (min(lives, default=0.0), self.timeline.duration)))
        elif ordered:
            moments = [np.array(lives)]
            moments += [side for start, end, _ in pieces for side in (start, end)]
            moments += [self.holds["start"], self.holds["end"], self.wakeups["at"], self.wakeups["until"]]
            moments.append(np.array([mark.at for mark in self.marks]))
            order = np.unique(np.concatenate(moments))
            if self.between:  # some wake-ups lead in or out
                order = order[(order >= self.between[0]) & (order <= self.between[1])]
            scale = OrderScale(order)
        elif self.between:
            scale = TimeScale(*self.between)
        else:
            # Not to the end of the process: what the interpreter does after the last lane's end is not shown.
            ends = [float(end.max()) for _, end, _ in pieces if len(end)]
            scale = TimeScale(0.0, max([*lives, *ends], default=self.timeline.duration))
        return scale, [(scale.place(start), scale.place(end), layer) for start, end, layer in pieces]

    def _cpu_share(self, lane: Lane) -> float:
        """How much of its time of running it had a CPU; 1 where that was nearly all, or is not known."""
        spans = self.timeline.spans[lane.number].columns
        runs = spans[spans["state"] == STATES.index("running")]
        ran = float((runs["end"] - runs["start"]).sum())
        if lane.cpu is None or ran - lane.cpu < max(LACKED, LACKED_SHARE * self.timeline.duration):
            return 1.0
        return lane.cpu / ran if lane.cpu < STARVED * ran else 1.0

    def _ending(self, lane: Lane) -> _Ending:
        moment = end_of(lane, self.timeline.spans[lane.number])
        if not self._is_seen(moment):
            later = self.between is not None and moment > self.between[1]
            return _Ending(self.scale.last if later else self.scale.first, "", False, "", PALE_INK)
        _, end, _ = self.pieces[lane.number]  # in the order of events these may have been lengthened
        place = float(end.max()) if lane.died is None and len(end) else float(self.scale.place(moment))
        stuck = self.stuck.get(lane.number)
        mark, words, colour = lane.ending, "", PALE_INK
        if mark in ("killed", "raised"):
            words, colour = lane.detail or mark, ALARM
        elif mark == "cut off":
            words = mark
        elif stuck:
            words, colour = f"still waits for {shorten(stuck.on.name)}", ALARM
            mark = "stopped" if mark == "stopped" else "open"
        elif mark == "stopped":
            words = mark
        elif lane.detail != "exit code 0":
            words = lane.detail
        return _Ending(place, mark, stuck is not None and mark != "killed", shorten(words, 48), colour)

    def _arrange_strips(self) -> tuple[list[_Strip], list[int]]:
        """Give the locks of each lane rows on which they do not overlap, the first one held at the bottom."""
        strips: list[_Strip] = []
        taken: list[list[npt.NDArray[np.bool_]]] = [[] for _ in self.lanes]
        key = self.holds["lane"].astype(np.int64) * len(self.timeline.objects) + self.holds["lock"]
        order = np.argsort(key, kind="stable")
        groups = [group for group in np.split(order, np.flatnonzero(np.diff(key[order])) + 1) if len(group)]
        groups.sort(key=lambda group: int(group[0]))  # by each lock's first hold
        for group in groups:
            holds = self.holds[group]
            lane, lock = int(holds["lane"][0]), int(holds["lock"][0])
            start, end = self.scale.place(holds["start"]), self.scale.place(holds["end"])
            end = np.where(holds["open"], np.maximum(end, self.endings[lane].place), end)
            held = self._columns_touched(start, end)
            free = (row for row, busy in enumerate(taken[lane]) if not (busy & held).any())
            row = next(free, len(taken[lane]))
            if row == len(taken[lane]):
                taken[lane].append(held)
            else:
                taken[lane][row] |= held
            strips.append(_Strip(lane, lock, row, start, end, bool(holds["open"].any())))
        return strips, [len(rows) for rows in taken]

    def _columns_touched(self, start: Floats, end: Floats) -> npt.NDArray[np.bool_]:
        """The pixel columns in which any of these stretches lies; the one it ends in is left to the next."""
        columns = self.scale.columns
        first = np.clip(self.scale.column(start).astype(np.intp), 0, columns - 1)
        last = np.clip(self.scale.column(end).astype(np.intp), first + 1, columns)
        edges = np.bincount(first, minlength=columns + 1) - np.bincount(last, minlength=columns + 1)
        touched: npt.NDArray[np.bool_] = np.cumsum(edges)[:columns] > 0
        return touched

    # ---------------------------------------------------------------------------------- names and frame

    def _name_lanes(self) -> tuple[int, int]:
        """Name processes and threads at the left; return where the plot begins and ends."""
        letters = self.at.sizes.letters
        line = 1.5 * letters * DPI / 72
        roomy = self.at.sizes.bar >= LETTERED  # for what is said below the name
        threads = [
            shorten(lane.thread) + (" · daemon" if lane.daemon and not roomy else "") for lane in self.lanes
        ]
        names_end = PAD + self._name_processes(letters, line) + 18
        below = [self._about(lane) if roomy else "" for lane in self.lanes]
        names_end += max(
            max(width_of(thread, letters), width_of(about, TINY))
            for thread, about in zip(threads, below, strict=True)
        )
        left = math.ceil(max(names_end + 10, PAD + width_of(self.scale.label, SMALL) + self.beside_axis))
        free = -math.inf  # above this the left side is written on
        for lane, thread, about in zip(self.lanes, threads, below, strict=True):
            y = self.at.middle(lane.number)
            if y - line / 2 < free:
                continue  # too many lanes for a name each
            free = y + line / 2 - 3
            lift = 5 if about else 0
            self.names.append(_Name(lane.number, -lift, left - 10, thread, letters, INK, align="right"))
            if lift:
                self.names.append(_Name(lane.number, 7, left - 10, about, TINY, PALE_INK, align="right"))

        # What is written behind the ends of the bars, and at marks, must end before the card does.
        scale = self.scale
        said = [
            (ending.place, ending.gap + width_of(ending.words, SMALL))
            for ending in self.endings
            if ending.words
        ]
        said += [(flag.place, flag.reach) for flag in self.flags]
        room = max(self.width - left, math.ceil(NARROWEST + max((needed for _, needed in said), default=0.0)))
        self.width = left + room
        margin = float(max(PAD, self.beside_axis))
        for place, needed in said:
            share = max((place - scale.first) / (scale.last - scale.first), 1e-9)
            margin = max(margin, room - 2 * EDGE - (room - PAD - EDGE - needed) / share)
        return left, self.width - math.ceil(margin)

    def _about(self, lane: Lane) -> str:
        used = self.used[lane.number]
        said = ["daemon"] if lane.daemon else []
        return " · ".join([*said, f"CPU {100 * used:.0f} %"] if used < 1 else said)

    def _name_processes(self, letters: float, line: float) -> float:
        """Name each process and its id beside its lanes; return the width that takes."""
        width = 0.0
        free = -math.inf
        for band in self.at.bands:
            lane = self.lanes[band.lanes[0]]
            name, pid = shorten(lane.process), f"pid {lane.pid}" if lane.pid > 0 else ""
            y = self.at.middle(lane.number)
            if y - line / 2 < free:
                continue
            free = y + line / 2 - 3
            self.names.append(_Name(lane.number, 0, PAD, name, letters, INK, bold=True))
            taken = width_of(name, letters, bold=True)
            if band.bottom - y > 1.4 * line:
                free += line
                self.names.append(_Name(lane.number, 0.95 * line, PAD, pid, TINY, PALE_INK))
                taken = max(taken, width_of(pid, TINY))
            elif pid:
                self.names.append(_Name(lane.number, 0, PAD + taken + 6, pid, TINY, PALE_INK))
                taken += 6 + width_of(pid, TINY)
            width = max(width, taken)
        return width

    def _draw_axis(self) -> None:
        axes, scale = self.plot.axes, self.scale
        axes.autoscale(False)
        axes.set_xlim(scale.left, scale.right)
        axes.set_ylim(self.at.bottom, self.at.bands[0].top)
        axes.patch.set_visible(False)
        axes.spines[:].set_visible(False)
        axes.yaxis.set_visible(False)
        axes.set_axisbelow(True)
        axes.grid(axis="x", color=looks.GRID, linewidth=0.7)
        whole = not isinstance(scale, TimeScale)
        ticks = max(2, min(9, round(scale.columns / 85)))
        axes.xaxis.set_major_locator(MaxNLocator(ticks, steps=[1, 2, 2.5, 5, 10], integer=whole))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:,.10g}"))
        axes.tick_params(
            axis="x",
            color=looks.BORDER,
            labelcolor=PALE_INK,
            labelsize=SMALL,
            labelfontfamily=FAMILY,
            length=3,
        )
        x, y = self.left - self.beside_axis, self.at.bottom + 13
        self.card.write(x, y, scale.label, SMALL, PALE_INK, align="right")
        for band in self.at.bands:
            self.card.box(6, self.width - 6, band.top, band.bottom, BAND, order=0)

    # ------------------------------------------------------------------------------------------- bars

    def _draw_bars(self) -> None:
        occurs = np.zeros(len(LAYERS), dtype=bool)
        for (_, _, layer), used in zip(self.pieces, self.used, strict=True):
            mine = np.bincount(layer, minlength=len(LAYERS)) > 0
            mine[coverage.STARVED] = used < 1 and mine[coverage.RUNNING]
            occurs |= mine
        painted = sum(len(layer) for _, _, layer in self.pieces) > SHAPES
        lettered = self.at.sizes.bar >= LETTERED and not painted
        for name, seen in zip(LAYERS, occurs, strict=True):
            if seen:
                words = SHOWS[name] if lettered else self._with_names(name)
                self.legend.append((partial(self._sample_layer, name), words))
        if painted:
            self._paint_bars()
        else:
            self._draw_boxes()
        if lettered:
            self._name_waits()

    def _with_names(self, layer: str) -> str:
        """What a layer shows, with what is waited for there, if that is not too much: no bar says it."""
        words = SHOWS[layer]
        if layer not in ("lock", "signal", "queue"):
            return words
        state = STATES.index(layer)
        on = {thing for spans in self.spans for thing in spans["on"][spans["state"] == state].tolist()}
        things = [self.timeline.objects[each] for each in sorted(on)]
        names = list(dict.fromkeys(shorten(each.name) for each in things if not each.internal))
        named = f"{words}: {', '.join(names)}"
        fits = width_of(named, SMALL) <= self.width - 2 * PAD - SAMPLE - 6
        return named if 0 < len(names) <= NAMED_TOGETHER and fits else words

    def _paint_bars(self) -> None:
        """Show the exact share of every state in every column of pixels."""
        scale = self.scale
        height = max(1, round(self.at.sizes.bar))
        for (start, end, layer), (top, bottom), used in zip(
            self.pieces, self.at.bars, self.used, strict=True
        ):
            share = coverage.shares(scale.column(start), scale.column(end), layer, scale.columns)
            share = coverage.starve(share, used)
            pixels = looks.painted_bar(share, height)
            self.plot.paint(pixels, (scale.left, scale.right, top, bottom), order=2)

    def _draw_boxes(self) -> None:
        """Draw a box for each piece; in columns of pixels that hold thinner pieces, one for each state."""
        scale = self.scale
        height = round(self.at.sizes.bar)
        boxes: dict[str, list[npt.NDArray[Any]]] = defaultdict(list)
        slivers: dict[str, list[npt.NDArray[Any]]] = defaultdict(list)
        for (start, end, layer), (top, bottom), used in zip(
            self.pieces, self.at.bars, self.used, strict=True
        ):
            first, last = scale.column(start), scale.column(end)
            thin = last - first < 1
            for number in np.unique(layer[~thin]):
                mine = np.flatnonzero((layer == number) & ~thin)
                roof = bottom - used * (bottom - top) if number == coverage.RUNNING else top
                heights = np.full((2, len(mine)), ((roof,), (bottom,)))
                boxes[LAYERS[number]].append(np.vstack((start[mine], end[mine], heights)))
                if roof > top:
                    heights = np.full((2, len(mine)), ((top,), (roof,)))
                    boxes["starved"].append(np.vstack((start[mine], end[mine], heights)))
            if not thin.any():
                continue
            crowded = np.union1d(first[thin].astype(np.intp), last[thin].astype(np.intp))
            crowded = crowded[crowded < scale.columns]
            share = coverage.starve(coverage.shares(first, last, layer, scale.columns)[:, crowded], used)
            edges = bottom - coverage.levels(share, height, least=max(1, height // 4))
            below = np.vstack((np.full(len(crowded), bottom), edges[:-1]))
            left = scale.left + crowded * scale.pixel
            for number in np.flatnonzero((below > edges).any(axis=1)):
                column = np.array((left, left + scale.pixel, edges[number], below[number]))
                slivers[LAYERS[number]].append(column[:, below[number] > edges[number]])
        for name, sides in boxes.items():
            look = LOOKS[name]
            if height < looks.HATCHED:
                self.plot.boxes(np.hstack(sides), look.mark, order=2)
            else:
                self.plot.boxes(np.hstack(sides), look.face, look.mark, look.hatch, order=2)
        for name, sides in slivers.items():
            self.plot.boxes(np.hstack(sides), LOOKS[name].mark, order=2.1)

    def _name_waits(self) -> None:
        """Write what a lane waits for into the bars that are long enough for it."""
        for lane, spans in enumerate(self.spans):
            start, end, layer = self.pieces[lane]
            lengths = (end - start) / self.scale.pixel
            for place in np.flatnonzero((spans["on"] >= 0) & (lengths[: len(spans)] > 24)):
                thing = self.timeline.objects[spans["on"][place]]
                name = shorten(thing.name)
                if thing.internal or lengths[place] < width_of(name, TINY) + 18:
                    continue
                x = (start[place] + end[place]) / 2
                ground = LOOKS[LAYERS[layer[place]]].face
                self.plot.write(x, self.at.middle(lane), name, TINY, INK, align="center", ground=ground)

    # ------------------------------------------------------------------------------------------ strips

    def _sides_of_strip(self, strip: _Strip) -> tuple[float, float]:
        bar, _ = self.at.bars[strip.lane]
        height = (bar - self.at.strips[strip.lane]) / self.rows[strip.lane]
        bottom = bar - strip.row * height
        return min(bottom - height + 1.5, bottom - 1), bottom  # parted from the next, but never too thin

    def _draw_strips(self) -> None:
        """Draw what each lane holds above its bar, with the lock's name where there is room."""
        if not self.at.sizes.strip:
            return
        scale = self.scale
        locks = sorted({strip.lock for strip in self.strips})
        colours = {
            lock: looks.LOCK_COLOURS[place % len(looks.LOCK_COLOURS)] for place, lock in enumerate(locks)
        }
        named: set[int] = set()
        grounds: dict[str, list[npt.NDArray[Any]]] = defaultdict(list)
        roofs: dict[str, list[npt.NDArray[Any]]] = defaultdict(list)
        for strip in self.strips:
            colour = colours[strip.lock]
            top, bottom = self._sides_of_strip(strip)
            start, end = strip.start, np.maximum(strip.end, strip.start + 1.5 * scale.pixel)
            if strip.left_open:
                self.plot.wedge(float(end.max()), top, bottom, colour)
            if len(start) > DENSE:
                layer = np.zeros(len(start), dtype=np.intp)
                share = coverage.shares(scale.column(start), scale.column(strip.end), layer, scale.columns)[0]
                pixels = looks.painted_strip(share, colour)
                self.plot.paint(pixels, (scale.left, scale.right, top, bottom), order=3)
                continue
            lettered = bottom - top >= 10
            ends = np.full((3, len(start)), ((top,), (top + 2,), (bottom,)))
            roofs[colour].append(np.vstack((start, end, ends[:2] if lettered else ends[::2])))
            if not lettered:
                continue
            grounds[colour].append(np.vstack((start, end, ends[::2])))
            name = shorten(self.timeline.objects[strip.lock].name)
            for index in np.flatnonzero((end - start) / scale.pixel >= width_of(name, TINY) + 8):
                named.add(strip.lock)
                self.plot.write(start[index] + 4 * scale.pixel, (top + bottom) / 2, name, TINY, colour)
        for colour, sides in grounds.items():
            self.plot.boxes(np.hstack(sides), looks.pale(colour), order=3)
        for colour, sides in roofs.items():
            self.plot.boxes(np.hstack(sides), colour, order=3.1)
        self._explain_strips(colours, named)

    def _explain_strips(self, colours: dict[int, str], named: set[int]) -> None:
        if named:
            self.legend.append((partial(self._sample_strip, PALE_INK), "holds"))
        others = [lock for lock in colours if lock not in named]
        for lock in others[:NAMED]:
            words = f"holds {shorten(self.timeline.objects[lock].name)}"
            self.legend.append((partial(self._sample_strip, colours[lock]), words))
        if len(others) > NAMED:
            self.notes.append(
                f"{len(others) - NAMED} more locks were held; there is no room for their names."
            )
        if any(strip.left_open for strip in self.strips):
            self.legend.append((self._sample_left_open, "never released"))

    # ------------------------------------------------------------------------------------------- flags

    def _plant_flags(self) -> list[flags.Flag]:
        """A flag for each mark, unless there are too many, or the lanes too low, for any."""
        if not self.marks:
            return []
        if len(self.marks) > flags.MOST or not self.at.sizes.flag:
            self.notes.append(f"There is no room for the words of {len(self.marks):,} marks.")
            return []
        return flags.plant(self.marks, self.scale)

    def _arrange_flags(self) -> None:
        """Give the flags their rows, and make room for these between the lanes."""
        self.flags = flags.arrange(self.flags, self.scale.pixel)
        rows = [0] * len(self.lanes)
        for flag in self.flags:
            rows[flag.lane] = max(rows[flag.lane], flag.row)
        self.at.make_room(rows)
        if without := sum(not flag.row for flag in self.flags):
            self.notes.append(f"There is no room for the words of {without} of {len(self.flags)} marks.")

    def _draw_flags(self) -> None:
        poles: list[list[Point]] = []
        for flag in self.flags:
            _, bottom = self.at.bars[flag.lane]
            y = bottom + (flag.row - 0.5) * self.at.sizes.flag + 1
            poles.append([(flag.place, bottom), (flag.place, y + 3 if flag.row else bottom + 4)])
            if flag.row:
                x = flag.place + flags.POLE * self.scale.pixel
                self.plot.write(x, y, flag.text, flags.SIZE, INK, ground=BAND)
        self.plot.lines(poles, PALE_INK, 0.8, order=1.6)

    # ------------------------------------------------------------------------------- arrows and endings

    def _draw_births(self) -> None:
        """Draw a line from the parent to each lane it started, and a whisker to the lane's first event."""
        lives = []
        births: dict[int, list[tuple[float, int, float]]] = defaultdict(list)
        first, last = self.scale.first, self.scale.last
        lines: list[list[Point]] = []
        trunks: list[list[Point]] = []
        for lane, ending in zip(self.lanes, self.endings, strict=True):
            born = float(self.scale.place(lane.born))
            y = self.at.middle(lane.number)
            lives.append([(min(max(born, first), ending.place), y), (ending.place, y)])
            if lane.parent is None or lane.started is None:
                continue
            started, born = float(self.scale.place(lane.started)), min(born, last)
            if self._is_seen(lane.started):
                births[lane.parent].append((started, lane.number, born))
            elif started < first < born:
                lines.append([(first, y), (born, y)])
        self.plot.lines(lives, FAINT_INK, 0.8, order=1)
        for parent, children in births.items():
            # What is started at about the same time branches off one line, that of the first.
            near = (3 if len(children) <= 20 else 8) * self.scale.pixel
            trunk, reach = -math.inf, [parent, parent]
            for started, child, born in sorted(children):
                if started - trunk >= near:
                    trunks += self._trunk(parent, trunk, reach)
                    trunk, reach = started, [parent, parent]
                reach = [min(reach[0], child), max(reach[1], child)]
                y = self.at.middle(child)
                lines.append([(trunk, y), (born, y)])
            trunks += self._trunk(parent, trunk, reach)
        self.plot.parted_lines(trunks, FAINT_INK, 1.0, BAND)
        self.plot.lines(lines, FAINT_INK, 1.0, order=3.3)
        if lines:
            self.legend.append((self._sample_birth, "starts or forks"))
        if any((spans["start"][1:] > spans["end"][:-1]).any() for spans in self.spans):
            self.legend.append((self._sample_gap, "ready, not chosen"))

    def _trunk(self, parent: int, place: float, reach: list[int]) -> list[list[Point]]:
        """From the parent's bar up and down to the furthest lanes it started there."""
        return [
            [(place, self._side_of_lane(parent, place, below=child > parent)), (place, self.at.middle(child))]
            for child in reach
            if child != parent
        ]

    def _side_of_lane(self, lane: int, place: float, *, below: bool) -> float:
        """Where an arrow meets the lane at `place`: below its bar, or above it and what it holds there."""
        top, bottom = self.at.bars[lane]
        if below:
            return bottom
        near = 3 * self.scale.pixel
        for strip in self.strips:
            if strip.lane == lane and ((strip.start - near <= place) & (place <= strip.end + near)).any():
                top = min(top, self._sides_of_strip(strip)[0])
        return top

    def _draw_arrows(self) -> None:
        chosen = self._choose_wakeups()
        arrows = []
        for wakeup in chosen:
            waker, woken = int(wakeup["waker"]), int(wakeup["woken"])
            begin, end = (float(place) for place in self.scale.place([wakeup["at"], wakeup["until"]]))
            down = waker < woken
            y_begin = self._side_of_lane(waker, begin, below=down)
            y_end = self._side_of_lane(woken, end, below=not down)
            arrows.append(((begin, y_begin), (end, y_end)))
        self.plot.arrows(arrows, looks.ARROW, edge=BAND)
        if arrows:
            self.legend.append((self._sample_arrow, "wakes"))
        if len(chosen) < len(self.wakeups):
            self.notes.append(
                f"{len(chosen)} of {len(self.wakeups):,} wake-ups have an arrow; the others end waits too "
                "short to be seen here, or lie too close together."
            )

    def _choose_wakeups(self) -> npt.NDArray[Any]:
        """All wake-ups, or where they are too many, some of those that end waits the eye can see."""
        wakeups = self.wakeups
        if len(wakeups) <= ARROWS:
            return wakeups
        wakeups = _thinned(wakeups, 20_000)
        at = self.scale.place(wakeups["at"])
        waited = np.zeros(len(wakeups))
        for lane in np.unique(wakeups["woken"]):
            mine = np.flatnonzero(wakeups["woken"] == lane)
            start, _, _ = self.pieces[lane]
            begins = start[: len(self.spans[lane])]
            span = np.searchsorted(begins, at[mine], side="right") - 1
            waited[mine] = np.where(span >= 0, at[mine] - begins[span], 0.0)
        seen = waited >= 4 * self.scale.pixel
        wakeups, at = wakeups[seen], at[seen]
        # Of one thread waking the same other one several times within a few pixels, the first is enough.
        pair = wakeups["waker"].astype(np.int64) * len(self.lanes) + wakeups["woken"]
        kept = np.arange(len(wakeups))
        gap = 4.0
        while len(kept) > ARROWS and gap < 50:
            gap *= 1.5
            column = (self.scale.column(at) / gap).astype(np.int64)
            _, kept = np.unique(pair * self.scale.columns + column, return_index=True)
        return _thinned(wakeups[np.sort(kept)], ARROWS)

    def _draw_endings(self) -> None:
        pixel = self.scale.pixel
        uprights: dict[str, list[list[Point]]] = defaultdict(list)
        points: dict[str, list[Point]] = defaultdict(list)
        dots = []
        free = beside = -math.inf  # above and left of this words are written
        for ending, (top, bottom) in zip(self.endings, self.at.bars, strict=True):
            x, y = ending.place + ending.behind * pixel, (top + bottom) / 2
            if ending.torn:
                self.plot.tear(ending.place, top, bottom, BAND)
            over = min(3.0, 0.2 * (bottom - top))
            uprights[ending.mark].append([(x, top - over), (x, bottom + over)])
            points[ending.mark].append((x, y))
            if ending.mark in ("open", "alive", "unfinished"):
                dots.append([(ending.place + 4 * pixel, y), (ending.place + 17 * pixel, y)])
            if ending.words:
                x = ending.place + ending.gap * pixel
                if y < free and x < beside:
                    continue  # too many lanes for words at each
                free, beside = y + SMALL * DPI / 72 + 1, x + width_of(ending.words, SMALL) * pixel
                self.plot.write(x, y, ending.words, SMALL, ending.colour, ground=BAND)
        self.plot.lines(uprights["ended"], INK, 1.6, order=4)
        self.plot.lines(uprights["raised"], ALARM, 2.0, order=4)
        self.plot.lines(uprights["cut off"], INK, 1.6, order=4, dashes=(1.6, 1.2))
        self.plot.lines(dots, INK, 1.4, order=4, dashes=(1, 1.6))
        size = min(9.0, 0.55 * self.at.sizes.bar)
        self.plot.marks(points["killed"], "x", size, BAND, 4.2, order=4.5)
        self.plot.marks(points["killed"], "x", size, ALARM, 2.2, order=4.6)
        self.plot.marks(points["stopped"], "s", 0.6 * size, INK, 1.0, order=4.5)
        if any(ending.torn for ending in self.endings):
            self.legend.append((self._sample_torn, "a wait that did not end"))

    # ------------------------------------------------------------------------------------- the legend

    def _draw_legend(self, y: float) -> float:
        """Explain, below the plot, what occurs in it."""
        x: float = PAD
        for sample, words in self.legend:
            taken = SAMPLE + 6 + width_of(words, SMALL)
            if x > PAD and x + taken > self.width - PAD:
                x, y = PAD, y + 19
            sample(x, y)
            self.card.write(x + SAMPLE + 6, y, words, SMALL, INK)
            x += taken + 14
        return y + 13

    def _sample_layer(self, name: str, x: float, y: float) -> None:
        look = LOOKS[name]
        self.card.box(x, x + SAMPLE, y - 6, y + 6, look.face, mark=look.mark, hatch=look.hatch, order=2)

    def _sample_strip(self, colour: str, x: float, y: float, width: float = SAMPLE) -> None:
        self.card.box(x, x + width, y - 5, y + 5, looks.pale(colour), order=2)
        self.card.box(x, x + width, y - 5, y - 3, colour, order=2.1)

    def _sample_left_open(self, x: float, y: float) -> None:
        self._sample_strip(PALE_INK, x, y, SAMPLE - 6)
        self.card.wedge(x + SAMPLE - 6, y - 5, y + 5, PALE_INK)

    def _sample_torn(self, x: float, y: float) -> None:
        self.card.box(x, x + SAMPLE, y - 6, y + 6, FAINT_INK, order=2)
        self.card.tear(x + SAMPLE, y - 6, y + 6, CARD)

    def _sample_gap(self, x: float, y: float) -> None:
        self.card.lines([[(x, y), (x + SAMPLE, y)]], FAINT_INK, 0.8, order=2)

    def _sample_birth(self, x: float, y: float) -> None:
        self.card.lines([[(x + 3, y - 7), (x + 3, y), (x + SAMPLE, y)]], FAINT_INK, 1.0, order=2)

    def _sample_arrow(self, x: float, y: float) -> None:
        self.card.arrows([((x + 2, y + 6), (x + SAMPLE - 4, y - 6))], looks.ARROW, edge="none")


def _thinned(rows: npt.NDArray[Any], most: int) -> npt.NDArray[Any]:
    """At most so many of `rows`, evenly chosen."""
    if len(rows) <= most:
        return rows
    return rows[np.linspace(0, len(rows) - 1, most).astype(np.intp)]


def _lengthened(spans: npt.NDArray[Any]) -> npt.NDArray[Any]:
    """Give spans of no length some, so that in the order of events each still has a column of its own."""
    short = np.flatnonzero(spans["end"] <= spans["start"])
    if not len(short):
        return spans
    spans = spans.copy()
    start, end = spans["start"], spans["end"]
    for index in short:
        end[index] = np.nextafter(start[index], math.inf)
        following = index + 1
        if following < len(spans) and start[following] < end[index]:
            start[following] = end[index]
            end[following] = max(end[following], end[index])
    return spans

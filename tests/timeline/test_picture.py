"""The picture of a timeline: what must be seen in it is looked for in its pixels and its texts."""

from __future__ import annotations

import io
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from itertools import combinations, pairwise
from pathlib import Path
from typing import Any

import matplotlib
import numpy as np
import numpy.typing as npt
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import LineCollection
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.text import Text

from helpers.timeline import STATES, Spans, Timeline
from helpers.timeline.model import SPAN
from helpers.timeline.picture import lettering
from helpers.timeline.picture.looks import ALARM, BORDER, FAINT_INK, LOCK_COLOURS, LOOKS
from helpers.timeline.words import SHOWS
from tests.timeline import made
from tests.timeline.made import Story

LIFTED = 5  # pixels: a name with something below it
AXES = ("time", "order")
Pixels = npt.NDArray[np.uint8]


def drawn(figure: Figure) -> Pixels:
    """The pixels, rows from the top."""
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    return np.asarray(canvas.buffer_rgba()).copy()


def png(figure: Figure) -> bytes:
    file = io.BytesIO()
    figure.savefig(file, format="png")
    return file.getvalue()


def texts(figure: Figure) -> list[Text]:
    """What is written. Labels of ticks that are not shown exist too."""
    labels = {
        label for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for label in axis.get_ticklabels()
    }
    if len(figure.axes) > 1:
        labels -= set(tick_labels(figure))
    found = [text for text in figure.findobj(Text) if isinstance(text, Text) and text not in labels]
    return [text for text in found if text.get_visible() and text.get_text()]


def tick_labels(figure: Figure) -> list[Text]:
    axes = figure.axes[1]
    left, right = axes.get_xlim()
    ticks = zip(axes.get_xticks(), axes.get_xticklabels(), strict=True)
    return [label for place, label in ticks if left <= place <= right]


def words(figure: Figure) -> set[str]:
    return {text.get_text() for text in texts(figure)}


def row_of(figure: Figure, name: str) -> int:
    """The pixel row through the middle of the bar of the lane with that name."""
    (label,) = [text for text in figure.axes[0].texts if text.get_text() == name]
    box = label.get_window_extent()
    return round(float(figure.bbox.height - (box.y0 + box.y1) / 2))


def column_of(figure: Figure, place: float) -> int:
    """The pixel column of that place on the horizontal axis."""
    return int(figure.axes[1].transData.transform((place, 0))[0])


def bar(figure: Figure, name: str, pixels: Pixels, half: int = 7, lifted: int = 0) -> Pixels:
    """The pixels of a lane's bar, beside its name or so far `lifted`; what is left of the plot is blanked."""
    row = row_of(figure, name) + lifted
    part = pixels[row - half : row + half + 1].copy()
    part[:, : int(figure.axes[1].get_window_extent().x0)] = 255
    return part


def has_colour(pixels: Pixels, *colours: str) -> npt.NDArray[np.bool_]:
    """Which pixels have one of these colours, very nearly."""
    found = np.zeros(pixels.shape[:-1], dtype=bool)
    for colour in colours:
        wanted = np.round(np.array(to_rgb(colour)) * 255)
        found |= (np.abs(pixels[..., :3] - wanted) <= 3).all(axis=-1)
    return found


def runs(flags: npt.NDArray[np.bool_]) -> list[tuple[int, int]]:
    """Where stretches of True begin and end."""
    edges = np.flatnonzero(np.diff(np.concatenate(([False], flags, [False])).astype(int)))
    return [(int(begin), int(end)) for begin, end in edges.reshape(-1, 2)]


# ------------------------------------------------------------------------------------------------ states


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("state", STATES)
def test_each_state_has_its_colours_where_it_was_and_nowhere_else(state: str, axis: str) -> None:
    timeline = made.every_state()
    figure = timeline.plot(axis=axis)
    pixels = bar(figure, "MainThread", drawn(figure))
    columns = np.flatnonzero(has_colour(pixels, LOOKS[state].face, LOOKS[state].mark).any(axis=0))
    (span,) = [span for span in timeline.spans[0] if span.state == state]
    begin, end = span.start, span.woken or span.end
    if axis == "order":
        spans, holds = timeline.spans[0].columns, timeline.holds.columns
        moments = [spans["start"], spans["end"], spans["woken"], holds["start"], holds["end"]]
        order = np.unique(np.concatenate(moments)).tolist()
        begin, end = order.index(begin), order.index(end)
    assert columns[0] == pytest.approx(column_of(figure, begin), abs=2)
    assert columns[-1] == pytest.approx(column_of(figure, end), abs=2)


def test_the_tail_of_a_wait_is_not_drawn_as_waiting() -> None:
    figure = made.lock().plot()
    pixels = bar(figure, "Thread-2 (deposit)", drawn(figure))
    tail = pixels[:, column_of(figure, 505) : column_of(figure, 535)]
    assert has_colour(tail, LOOKS["woken"].face).all()


@pytest.mark.parametrize("painted", [False, True])
def test_states_can_be_told_apart_in_grey(painted: bool) -> None:
    """By how dark they are, or by the spectrum of the hatch: that does not depend on where it begins."""
    story = Story()
    for state in STATES:
        story.did(story.lane(f"in {state}"), state, 1.0)
    story.did(story.lane("woken"), "lock", 1.0, story.thing("Lock", "lock"), woken=0.0)
    story.did(story.lane("starved", cpu=0.0), "running", 1.0)
    if painted:
        busy = story.lane("busy")
        for step in range(4_000):
            story.did(busy, "running", (step + 1) / 4_000)
    figure = story.told().plot()
    pixels = drawn(figure)
    grounds, hatches = {}, {}
    for name in [*(f"in {state}" for state in STATES), "woken", "starved"]:
        left = column_of(figure, 300)
        patch = bar(figure, name, pixels, half=8, lifted=LIFTED if name == "starved" else 0)[
            :, left : left + 60, :3
        ] @ [0.2126, 0.7152, 0.0722]
        grounds[name] = patch.mean()
        hatch = np.abs(np.fft.fft2(patch - patch.mean()))
        hatches[name] = hatch / max(float(np.linalg.norm(hatch)), 1.0)
    for one, other in combinations(grounds, 2):
        apart = np.linalg.norm(hatches[one] - hatches[other])
        assert abs(grounds[one] - grounds[other]) > 60 or apart > 0.7, (one, other)


@pytest.mark.parametrize("turns", [1, 4_000])
def test_of_the_time_of_running_only_the_part_with_a_cpu_has_its_colour(turns: int) -> None:
    story = Story()
    for name, cpu in (("starved", 0.25), ("busy", 0.95), ("unknown", None)):
        lane = story.lane(name, cpu=cpu)
        for turn in range(turns):  # with many of them, the bars are painted
            story.did(lane, "running", (2 * turn + 1) / turns)
            story.did(lane, "sleep", (2 * turn + 2) / turns)
    figure = story.told().plot()
    pixels = drawn(figure)
    height = {}
    for name in ("starved", "busy", "unknown"):
        part = bar(figure, name, pixels, half=8, lifted=LIFTED if name == "starved" else 0)
        part = part[:, column_of(figure, 0.05) : column_of(figure, 1.95)]
        running = has_colour(part, LOOKS["running"].face)
        assert not (running[:-1] & ~running[1:]).any()  # from the bottom up
        height[name] = running.sum() / len(running)
    assert height["busy"] == height["unknown"]
    assert height["starved"] == pytest.approx(0.25 * height["busy"], abs=0.2 * height["busy"])
    assert {"CPU 25 %", SHOWS["starved"]} <= words(figure)
    assert len([text for text in words(figure) if text.startswith("CPU")]) == 1


def test_what_is_lost_in_the_noise_is_not_called_short_of_cpu_time() -> None:
    story = Story()
    short = story.lane("short", cpu=0.0)
    story.did(short, "running", 0.001)
    story.did(short, "sleep", 1.0)
    assert not [text for text in words(story.told().plot()) if "CPU" in text]


def test_a_daemon_short_of_cpu_time_is_still_called_one() -> None:
    story = Story()
    story.did(story.lane("service", daemon=True, cpu=0.5), "running", 1.0)
    assert "daemon · CPU 50 %" in words(story.told().plot())


def tiny_waits(spans: int, waits: int) -> tuple[Timeline, npt.NDArray[np.float64]]:
    """`spans` over ten seconds in eight lanes; in lane 3 there are `waits` of a nanosecond."""
    timeline = made.crowd(spans)
    random = np.random.default_rng(1)
    sleeping = np.isin(np.arange(spans // 8) % 2, 1)
    for lane in timeline.spans:
        lane.columns["state"] = np.where(sleeping, STATES.index("sleep"), 0)
        lane.columns["woken"] = np.nan
    old = timeline.spans[3].columns
    at = np.sort(
        random.choice(np.arange(5, 995), waits, replace=False) / 100 + random.uniform(0, 0.009, waits)
    )
    before = np.searchsorted(old["start"], at, side="right") - 1
    pieces = np.zeros(2 * waits, SPAN)
    pieces["lane"], pieces["on"], pieces["woken"] = 3, -1, np.nan
    pieces["start"][::2], pieces["end"][::2], pieces["state"][::2] = at, at + 1e-9, STATES.index("signal")
    pieces["start"][1::2], pieces["end"][1::2] = at + 1e-9, old["end"][before]
    new = np.concatenate((old, pieces))
    new["end"][before] = at
    new = new[np.argsort(new["start"], kind="stable")]
    lanes = list(timeline.spans)
    lanes[3] = Spans(new, timeline.objects)
    return Timeline(
        timeline.lanes, lanes, timeline.holds, timeline.wakeups, timeline.objects, timeline.stuck, 10.0
    ), at


@pytest.mark.parametrize("spans", [80, 1_000_000])
def test_a_wait_of_a_nanosecond_is_seen(spans: int) -> None:
    timeline, at = tiny_waits(spans, 100)
    figure = timeline.plot()
    pixels = bar(figure, "Thread-3", drawn(figure), half=9)
    columns = [column_of(figure, moment) for moment in at]
    seen = [has_colour(pixels[:, x - 1 : x + 2], LOOKS["signal"].mark).any() for x in columns]
    assert sum(seen) == 100
    assert len(runs(has_colour(pixels, LOOKS["signal"].mark).any(axis=0))) <= 100


def test_two_short_waits_in_one_pixel_are_both_seen() -> None:
    story = Story()
    main = story.lane()
    story.did(main, "running", 5.0)
    story.did(main, "lock", 5.000001)
    story.did(main, "queue", 5.000002)
    story.did(main, "running", 10.0)
    figure = story.told().plot()
    pixels = bar(figure, "MainThread", drawn(figure), half=9)
    for state in ("lock", "queue"):
        assert has_colour(pixels, LOOKS[state].mark).any()


def test_the_height_of_a_colour_in_a_crowded_bar_is_its_share_of_the_time() -> None:
    story = Story()
    main = story.lane()
    for step in range(20_000):
        story.did(main, "running", step + 0.7)
        story.did(main, "sleep", step + 1.0)
    figure = story.told().plot()
    pixels = bar(figure, "MainThread", drawn(figure), half=9)
    blue = has_colour(pixels, LOOKS["running"].face)
    inside = blue.any(axis=0)
    assert blue[:, inside].mean() == pytest.approx(0.7, abs=0.06)


# ---------------------------------------------------------------------------------------------- the axes


def test_in_order_every_event_has_a_column_of_the_same_width() -> None:
    story = Story()
    main = story.lane()
    ends = [1e-6, 1.0, 1.0 + 1e-6, 400.0, 400.0 + 1e-9, 1000.0]
    for place, end in enumerate(ends):
        story.did(main, ("running", "sleep")[place % 2], end)
    figure = story.told().plot(axis="order")
    blue = has_colour(drawn(figure)[row_of(figure, "MainThread")], LOOKS["running"].face)
    widths = [end - begin for begin, end in runs(blue)]
    assert len(widths) == 3
    assert max(widths) - min(widths) <= 1
    assert widths[0] > 80


def test_in_order_a_span_of_no_length_has_a_column_too() -> None:
    story = Story()
    main, lock = story.lane(), story.thing("Lock", "lock")
    story.did(main, "running", 1.0)
    story.did(main, "lock", 1.0, lock)
    story.did(main, "lock", 1.0, lock)
    story.did(main, "running", 2.0)
    figure = story.told().plot(axis="order")
    row = drawn(figure)[row_of(figure, "MainThread")]
    (first, _), (_, last) = (found := runs(has_colour(row, LOOKS["running"].face)))
    assert len(found) == 2
    assert found[1][0] - found[0][1] == pytest.approx((last - first) / 2, abs=3)


def test_in_order_what_happened_a_nanosecond_later_lies_to_the_right() -> None:
    story = Story()
    for number in range(4):
        lane = story.lane(f"lane {number}")
        story.did(lane, "running", 1.0 + number * 1e-9)
        story.did(lane, "sleep", 2.0)
    figure = story.told().plot(axis="order")
    pixels = drawn(figure)
    ends = [
        runs(has_colour(pixels[row_of(figure, f"lane {number}")], LOOKS["running"].face))[0][1]
        for number in range(4)
    ]
    assert np.diff(ends).min() > 50
    assert np.ptp(np.diff(ends)) <= 1


@pytest.mark.parametrize(
    ("seconds", "label"), [(5e-6, "time (µs)"), (1.9e-3, "time (µs)"), (0.3, "time (ms)"), (90.0, "time (s)")]
)
def test_the_unit_of_time_suits_the_duration(seconds: float, label: str) -> None:
    story = Story()
    story.did(story.lane(), "running", seconds)
    assert label in words(story.told().plot())
    assert "events in order, not to scale" in words(story.told().plot(axis="order"))


def test_steps_are_drawn_as_steps_whatever_the_axis() -> None:
    pictures = [made.lost_update().plot(axis=axis) for axis in AXES]
    assert "step" in words(pictures[0])
    assert png(pictures[0]) == png(pictures[1])
    labels = [label.get_text() for label in tick_labels(made.lost_update().plot(between=(2.0, 4.0)))]
    assert labels == ["2", "3", "4"]


def test_an_unknown_axis_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^axis is 'log', but must be \"time\" or \"order\"\.$"):
        made.lock().plot(axis="log")


# ------------------------------------------------------------------------------------ holds and wake-ups


def test_a_hold_is_a_strip_above_the_bar_with_the_lock_s_name() -> None:
    figure = made.lock().plot()
    pixels = drawn(figure)
    colours = set()
    for name, begin, end in (("Thread-1 (deposit)", 120, 500), ("Thread-2 (deposit)", 540, 800)):
        row = row_of(figure, name)
        above = pixels[row - 22 : row - 10]
        for colour in LOCK_COLOURS:
            columns = has_colour(above, colour).sum(axis=1).max()
            if columns > 20:
                colours.add(colour)
                strip = np.flatnonzero(has_colour(above, colour).any(axis=0))
                assert strip[0] == pytest.approx(column_of(figure, begin), abs=2)
                assert strip[-1] == pytest.approx(column_of(figure, end), abs=2)
    assert len(colours) == 1  # one lock, one colour, in both lanes
    assert [text.get_text() for text in texts(figure)].count("lock") == 3  # two holds, one wait
    assert "holds" in words(figure)


def test_locks_held_at_once_lie_one_above_the_other() -> None:
    figure = made.every_state().plot()
    pixels = drawn(figure)
    rows = []
    for colour in LOCK_COLOURS[:5]:
        column = has_colour(pixels[: row_of(figure, "MainThread"), column_of(figure, 3.5)], colour)
        ((begin, end),) = runs(column)
        rows.append((begin, end))
    assert rows == sorted(rows, reverse=True)  # the first one taken lies at the bottom
    assert all(above[1] <= below[0] for below, above in pairwise(rows))


def test_a_hold_left_open_reaches_the_end_of_its_lane() -> None:
    story = Story()
    main, lock = story.lane(), story.thing("Lock", "lock")
    story.did(main, "running", 1.0)
    story.held(main, lock, 0.2, 0.2, left_open=True)
    figure = story.told().plot()
    row = row_of(figure, "MainThread")
    strip = np.flatnonzero(has_colour(drawn(figure)[row - 25 : row - 10], LOCK_COLOURS[0]).any(axis=0))
    assert strip[-1] >= column_of(figure, 1000)
    assert "never released" in words(figure)


def test_locks_of_the_standard_library_are_not_drawn() -> None:
    story = Story()
    main, other = story.lane("one"), story.lane("other")
    inside = story.thing("Lock", "hidden", internal=True)
    for lane in (main, other):
        story.did(lane, "running", 0.5)
        story.did(lane, "lock", 1.0, inside)
    story.held(main, inside, 0.0, 0.5)
    story.woke(main, 0.5, other, 1.0, inside)
    figure = story.told().plot()
    assert "hidden" not in " ".join(words(figure))
    assert {"holds", "wakes"}.isdisjoint(words(figure))
    assert not has_colour(drawn(figure), *LOCK_COLOURS).any()


def test_few_wake_ups_have_an_arrow_each_and_many_are_thinned_out() -> None:
    few = made.lock().plot()
    assert "wakes" in words(few)
    assert "have an arrow" not in " ".join(words(few))
    many = made.many_threads(200).plot()
    assert "wakes" in words(many)
    (note,) = [text for text in words(many) if "have an arrow" in text]
    assert 20 <= int(note.split()[0]) <= 60
    assert "of 199 wake-ups" in note


def test_a_line_leads_from_the_parent_to_the_child_s_birth() -> None:
    story = Story()
    main = story.lane()
    story.did(main, "running", 1.0)
    story.did(story.started(main, 0.3, "child", born=0.6), "running", 1.0)
    figure = story.told().plot()
    line = has_colour(drawn(figure), FAINT_INK)
    down = line[row_of(figure, "MainThread") + 12 : row_of(figure, "child"), column_of(figure, 300) - 1 :][
        :, :3
    ]
    along = line[row_of(figure, "child") - 1 : row_of(figure, "child") + 3, : column_of(figure, 595)]
    assert down.any(axis=1).sum() >= 8
    assert along.any(axis=0)[column_of(figure, 305) :].all()


# ------------------------------------------------------------------------------------------------ marks


@pytest.mark.parametrize("axis", AXES)
def test_a_mark_has_its_words_below_the_bar_behind_its_moment(axis: str) -> None:
    timeline = made.lost_update()
    figure = timeline.plot(axis=axis)
    drawn(figure)
    for lane in timeline.lanes:
        row = row_of(figure, lane.thread)
        for mark in timeline.marks:
            if mark.lane != lane.number:
                continue
            boxes = [Text.get_window_extent(text) for text in texts(figure) if text.get_text() == mark.text]
            places = [
                (box.x0 - column_of(figure, mark.at), figure.bbox.height - box.y1 - row) for box in boxes
            ]
            assert any(0 < right < 8 and 8 < below < 20 for right, below in places), (mark, places)


def poles(figure: Figure) -> list[tuple[float, float, float]]:
    """The upright lines below bars: column, top and bottom, in pixels from the left and the top."""
    axes = figure.axes[1]
    found = []
    for collection in axes.collections:
        if isinstance(collection, LineCollection) and collection.get_zorder() == 1.6:
            for path in collection.get_paths():
                (x, top), (_, bottom) = axes.transData.transform(path.vertices)
                found.append((float(x), figure.bbox.height - float(top), figure.bbox.height - float(bottom)))
    return found


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("width", [3.0, 9.0, 20.0])
def test_no_pole_crosses_words_however_many_marks_there_are(width: float, axis: str) -> None:
    for count in (1, 12, 40, 200):
        figure = made.many_marks(count).plot(axis=axis, width=width)
        drawn(figure)
        planted = poles(figure)
        assert len(planted) == count
        for text in figure.axes[1].texts:
            box = Text.get_window_extent(text)
            top, bottom = figure.bbox.height - box.y1 + 2, figure.bbox.height - box.y0 - 2
            for x, begin, end in planted:
                assert not (box.x0 <= x <= box.x1 and begin < bottom and end > top), (text, x)


def test_marks_without_room_for_words_are_counted() -> None:
    said = words(made.many_marks(200).plot())
    written = sum(": " in text for text in said)
    assert 60 < written < 200
    assert f"There is no room for the words of {200 - written} of 200 marks." in said
    assert "There is no room for the words of 1,000 marks." in words(made.many_marks(1000).plot())
    assert "There is no room for the words of 100 marks." in words(made.many_marks(100, lanes=60).plot())
    assert not any("no room" in text for text in words(made.lost_update().plot()))


def test_a_lane_that_is_ready_and_not_chosen_is_a_thin_line() -> None:
    figure = made.lost_update().plot(axis="order")
    pixels = drawn(figure)
    row, column = row_of(figure, "one"), column_of(figure, 3.5)
    assert has_colour(pixels[row - 1 : row + 2, column], FAINT_INK).any()
    assert not has_colour(pixels[row - 9 : row - 2, column], LOOKS["running"].face).any()
    assert "ready, not chosen" in words(figure)
    assert "ready, not chosen" not in words(made.lock().plot(axis="order"))


# ---------------------------------------------------------------------------------------------- endings


def test_a_killed_lane_has_a_cross_at_its_end_and_the_signal_s_name() -> None:
    figure = made.killed_reader().plot()
    pixels = drawn(figure)
    end = column_of(figure, 700)
    row = row_of(figure, "Process-1")
    cross = has_colour(pixels[row - 6 : row + 7, end - 6 : end + 7], ALARM)
    assert cross.any(axis=0).sum() >= 7
    assert cross.any(axis=1).sum() >= 7
    assert "SIGTERM" in words(figure)
    untouched = made.lock().plot()
    assert not has_colour(drawn(untouched), ALARM).any()


def test_each_ending_is_said() -> None:
    said = words(made.endings().plot())
    assert {
        "ValueError",
        "cut off",
        "stopped",
        "exit code 3",
        "still waits for ready",
        "a wait that did not end",
    } <= said
    assert {"ended", "alive", "raised"}.isdisjoint(said)
    said = words(made.killed_reader().plot())
    assert {"still waits for read lock of queue", "stopped"} <= said  # the feeder waits inside the library
    assert "notempty" not in " ".join(said)


def test_a_bar_that_was_never_woken_is_torn_off() -> None:
    def edge(figure: Figure, name: str) -> set[int]:
        pixels = bar(figure, name, drawn(figure), half=8)
        colours = [LOOKS[state].face for state in ("signal", "running")]
        colours += [LOOKS[state].mark for state in ("signal", "running")]
        return {int(np.flatnonzero(row)[-1]) for row in has_colour(pixels, *colours)}

    figure = made.endings().plot()
    assert len(edge(figure, "waiting")) >= 3
    assert len(edge(figure, "busy")) == 1


# ------------------------------------------------------------------------------------- names and legend


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("name", made.SMALL)
@pytest.mark.parametrize("width", [3.0, 9.0])
def test_no_text_is_clipped_or_lies_on_another(name: str, axis: str, width: float) -> None:
    assert_readable(
        made.SMALL[name]().plot(axis=axis, width=width, title="A title that says what is to be seen")
    )


def assert_readable(figure: Figure) -> None:
    drawn(figure)
    plot = figure.axes[1].get_window_extent()
    boxes = []
    for text in texts(figure):
        box = Text.get_window_extent(text)
        boxes.append((text.get_text(), box))
        assert box.x0 >= 2, text
        assert box.y0 >= 2, text
        assert box.x1 <= figure.bbox.width - 2, text
        assert box.y1 <= figure.bbox.height - 2, text
    for label in tick_labels(figure):
        assert label.get_window_extent().y1 <= plot.y0
    for (one, first), (other, second) in combinations(boxes, 2):
        across = min(first.x1, second.x1) - max(first.x0, second.x0)
        down = min(first.y1, second.y1) - max(first.y0, second.y0)
        # Extents are those of a whole line; the letters of close lines may reach into each other's by a hair.
        assert across <= 0 or down <= 2.5, (one, other)


def test_margins_hold_at_twice_the_resolution() -> None:
    figure = made.deadlock().plot()
    figure.set_dpi(192)
    drawn(figure)
    assert all(0 < text.get_window_extent().x1 < figure.bbox.width for text in texts(figure))


@pytest.mark.parametrize("name", made.SMALL)
def test_the_legend_holds_only_what_occurs(name: str) -> None:
    timeline = made.SMALL[name]()
    figure = timeline.plot()
    occurs = {state for lane in timeline.spans for state in (span.state for span in lane)}
    if any(span.woken is not None for lane in timeline.spans for span in lane):
        occurs.add("woken")
    shown = words(figure)
    explained = {
        layer
        for layer, says in SHOWS.items()
        if any(text == says or text.startswith(f"{says}: ") for text in shown)
    }
    assert explained == occurs


def test_processes_are_named_once_with_their_ids_and_daemons_are_marked() -> None:
    figure = made.killed_reader().plot()
    shown = [text.get_text() for text in texts(figure)]
    for name in ("main process", "Process-1", "pid 41230", "pid 41234", "pid 41235", "daemon"):
        assert shown.count(name) == 1


@pytest.fixture
def fallbacks(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., None]]:
    """Say which fonts there are for letters that the picture's own lacks."""

    def forget() -> None:
        for cached in (lettering._families, lettering.width_of):
            cached.cache_clear()

    def set_to(*families: str) -> None:
        monkeypatch.setattr(lettering, "FALLBACKS", families)
        forget()

    yield set_to
    monkeypatch.undo()
    forget()


def test_long_names_are_shortened_in_the_middle(fallbacks: Callable[..., None]) -> None:
    fallbacks()
    shown = words(made.long_names().plot())
    assert "a process with…bly long name" in shown
    # Of an escape there is all or nothing.
    assert r"ThreadPoolExec…672c customers" not in shown
    assert "ThreadPoolExec…customers" in shown


def test_letters_that_no_font_has_are_told_apart(fallbacks: Callable[..., None]) -> None:
    fallbacks("A font that is not installed")
    story = Story()
    for name in ("\u65e5-1", "\u672c \U0001f40d", "\0 \udcff"):
        story.did(story.lane(name), "running", 1.0)
    assert {r"\u65e5-1", r"\u672c \U0001f40d", r"\x00 \udcff"} <= words(story.told().plot())


def test_letters_are_drawn_in_another_font_that_has_them(fallbacks: Callable[..., None]) -> None:
    fallbacks("STIXGeneral")  # comes with matplotlib
    letter = "\u2322"
    story = Story()
    story.did(story.lane(f"thread {letter}"), "running", 1.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # matplotlib's, of a letter that is missing
        figure = story.told().plot()
        drawn(figure)
    assert f"thread {letter}" in words(figure)
    fallbacks()
    assert "thread \\u2322" in words(story.told().plot())


def test_many_lanes_do_not_make_the_picture_endless() -> None:
    heights = [made.many_threads(count).plot().get_size_inches()[1] for count in (2, 10, 60, 1000)]
    assert heights == sorted(heights)
    assert heights[0] < 2
    assert heights[-1] < 16


@pytest.mark.parametrize("count", [60, 100, 1000])
def test_where_no_bar_has_room_for_words_the_legend_names_what_is_waited_for(count: int) -> None:
    figure = made.many_threads(count).plot()
    assert "waits for a signal: slots" in words(figure)
    if count <= 100:
        assert {f"Thread-{number} (worker)" for number in range(1, count)} <= words(figure)
        assert "holds slots" in words(figure)
        held = has_colour(drawn(figure), LOCK_COLOURS[0])
        for name in ("Thread-1 (worker)", f"Thread-{count // 2} (worker)"):
            row = row_of(figure, name)
            assert held[row - 8 : row].any()
    assert "waits for a signal" in words(made.every_state().plot())


@pytest.mark.parametrize("count", [20, 100, 400])
def test_the_words_behind_many_lanes_do_not_lie_on_each_other(count: int) -> None:
    story = Story()
    lock = story.thing("Lock", "lock")
    for number in range(count):
        lane = story.lane(f"thread {number}")
        story.did(lane, "lock", 1.0, lock)
        story.never(lane)
    figure = story.told().plot()
    behind = [text for text in texts(figure) if text.get_text() == "still waits for lock"]
    assert len(behind) == count if count <= 100 else 60 <= len(behind) < count
    heights = sorted(text.get_window_extent().y0 for text in behind)
    height = behind[0].get_window_extent().height
    assert np.diff(heights).min() >= 0.8 * height  # letters that reach below the line are few


def test_many_things_that_are_waited_for_are_not_named_in_the_legend() -> None:
    story = Story()
    for number in range(100):
        lock = story.thing("Lock", f"locks[{number % 4}]")
        story.did(story.lane(f"thread {number}"), "lock", 1.0, lock)
    assert "waits for a lock" in words(story.told().plot())


def test_an_empty_timeline_is_a_small_card_that_says_so() -> None:
    figure = Story("The recording folder could not be written.").told().plot(title="Nothing")
    assert words(figure) == {"Nothing", "Nothing was recorded.", "The recording folder could not be written."}
    assert figure.get_size_inches()[1] < 1.2
    assert (drawn(figure)[..., 3] == 255).all()


# ------------------------------------------------------------------------------------------- a stretch


def test_a_stretch_is_drawn_at_its_own_scale() -> None:
    figure = made.lock().plot(between=(0.3, 0.6))
    pixels = drawn(figure)
    labels = [float(label.get_text()) for label in tick_labels(figure)]
    assert min(labels) >= 300 and max(labels) <= 600
    waits = has_colour(bar(figure, "Thread-2 (deposit)", pixels), LOOKS["lock"].face, LOOKS["lock"].mark).any(
        axis=0
    )
    columns = np.flatnonzero(waits)
    assert columns[0] == pytest.approx(column_of(figure, 300), abs=2)  # it began before, at 0.2
    assert columns[-1] == pytest.approx(column_of(figure, 500), abs=2)
    whole = made.lock().plot()
    wide, narrow = (column_of(each, 500) - column_of(each, 400) for each in (figure, whole))
    assert wide == pytest.approx(3 * narrow, rel=0.1)  # 0.3 of 0.9 seconds


@pytest.mark.parametrize("axis", AXES)
def test_of_a_stretch_only_what_is_in_it_is_drawn_and_said(axis: str) -> None:
    figure = made.killed_reader().plot(axis=axis, between=(0.3, 0.6))
    said = words(figure)
    assert {SHOWS["sleep"], SHOWS["queue"], SHOWS["lock"], SHOWS["signal"]} <= said
    assert (
        not {"SIGTERM", "starts or forks", "a wait that did not end", SHOWS["running"], SHOWS["join"]} & said
    )
    later = words(made.killed_reader().plot(axis=axis, between=(0.6, 2.0)))
    assert {"SIGTERM", "a wait that did not end", SHOWS["running"]} <= later


@pytest.mark.parametrize("axis", AXES)
def test_what_only_touches_the_side_of_a_stretch_is_left_out(axis: str) -> None:
    said = words(made.every_state().plot(axis=axis, between=(3.0, 3.5)))  # the fourth state, on for a second
    assert said & set(SHOWS.values()) == {SHOWS[STATES[3]]}


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("name", made.SMALL)
def test_a_stretch_of_anything_can_be_drawn_without_text_on_text(name: str, axis: str) -> None:
    timeline = made.SMALL[name]()
    end = timeline.duration or 1.0
    for between in (
        (0.2 * end, 0.6 * end),
        (0.4000003 * end, 0.400001 * end),
        (2 * end, 3 * end),
        (-2.0, -1.0),
    ):
        assert_readable(timeline.plot(axis=axis, between=between))


def test_a_short_stretch_of_a_million_spans_shows_each_of_them() -> None:
    timeline = made.crowd(1_000_000)
    between = (5.0, 5.0002)
    figure = timeline.plot(between=between)
    assert len(figure.axes[1].images) == 0  # shapes again, sharp and with their marks
    spans = timeline.spans[0].columns
    seen = spans[(spans["end"] > between[0]) & (spans["start"] < between[1])]
    running = has_colour(bar(figure, "Thread-0", drawn(figure)), LOOKS["running"].face).all(axis=0)
    wide = seen[
        (seen["state"] == 0) & (np.minimum(seen["end"], 5.0002) - np.maximum(seen["start"], 5.0) > 1e-6)
    ]
    for span in wide:
        middle = (max(span["start"], between[0]) + min(span["end"], between[1])) / 2
        assert running[round(column_of(figure, middle))]
    assert len(wide) >= 3


def test_the_whole_as_a_stretch_has_the_same_scale_and_texts() -> None:
    timeline = made.lock()
    assert words(timeline.plot(between=(0.0, timeline.duration))) == words(timeline.plot())


@pytest.mark.parametrize("between", [(1.0, 1.0), (2.0, 1.0), (0.0, float("inf")), (float("nan"), 1.0)])
def test_what_is_no_stretch_of_time_is_refused(between: tuple[float, float]) -> None:
    with pytest.raises(ValueError, match=r"^between is .* but must be two times in seconds, the earlier one"):
        made.lock().plot(between=between)


# -------------------------------------------------------------------------------------------- the figure


@pytest.mark.parametrize("make", [made.lock, made.deadlock, lambda: made.crowd(8_000)])
def test_the_same_timeline_gives_the_same_picture_whatever_the_style(make: Callable[[], Timeline]) -> None:
    first = png(make().plot())
    strange = {
        "font.family": "monospace",
        "font.size": 30,
        "xtick.labelbottom": False,
        "lines.linewidth": 9.0,
    }
    with matplotlib.rc_context(strange):
        assert png(make().plot()) == first
        assert matplotlib.rcParams["lines.linewidth"] == 9.0


def test_the_card_is_opaque_and_has_a_border() -> None:
    pixels = drawn(made.lock().plot())
    assert (pixels[..., 3] == 255).all()
    for side in (pixels[0], pixels[-1], pixels[:, 0], pixels[:, -1]):
        assert has_colour(side, BORDER).all()


def test_pyplot_is_left_alone() -> None:
    code = (
        "import sys; from tests.timeline import made; made.lock().plot();"
        "assert 'matplotlib.figure' in sys.modules; assert 'matplotlib.pyplot' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60, cwd=Path(__file__).parents[2])


def test_a_picture_of_a_million_spans_stays_small_as_a_vector_file() -> None:
    file = io.BytesIO()
    made.crowd(100_000).plot().savefig(file, format="svg", metadata={"Date": None})
    assert len(file.getvalue()) < 1_500_000


def in_columns(rows: Any, count: int) -> npt.NDArray[np.float64]:
    """What `coverage.shares` must return, worked out piece by piece."""
    from helpers.timeline.picture.coverage import LAYERS

    share = np.zeros((len(LAYERS), count))
    for start, end, layer in rows:
        for column in range(count):
            share[layer, column] += max(0.0, min(end, column + 1) - max(start, column))
    return share


def test_coverage_is_exact() -> None:
    from helpers.timeline.picture.coverage import LAYERS, levels, shares

    random = np.random.default_rng(5)
    start = random.uniform(-3, 40, 300)
    end = start + random.exponential(1, 300) * random.choice([0.0, 0.01, 1, 20], 300)
    layer = random.integers(0, len(LAYERS), 300)
    share = shares(start, end, layer, 37)
    np.testing.assert_allclose(share, in_columns(zip(start, end, layer, strict=True), 37), atol=1e-9)
    for begins, ends, number in zip(start, end, layer, strict=True):
        if ends >= 0 and begins <= 37:
            assert share[number, min(36, int(max(begins, 0)))] > 0
    heights = np.diff(levels(share, 20, least=2), axis=0, prepend=0)
    assert (heights.sum(axis=0) <= 20).all()
    assert (heights[share > 0] >= 2).all()
    assert (heights[share == 0] == 0).all()

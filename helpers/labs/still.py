"""The panel where no widget can run: a picture of the buffer, with the same in words.

Before the workers have run, the picture shows what the settings predict.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import isinf

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from helpers.labs.appearance import COLOURS
from helpers.labs.frames import WINDOW
from helpers.labs.pipeline import Pipeline
from helpers.labs.prediction import predict
from helpers.labs.settings import Settings
from helpers.labs.snapshot import Snapshot
from helpers.pictures import Bundle, picture_of

SIZE = (7.5, 2.6)  # inches


def still(pipeline: Pipeline) -> Bundle:
    """Make the output that stands for a panel.

    Returns:
        Data and metadata; the plain text depends on the settings alone.
    """
    settings, snapshot = pipeline.settings, pipeline.snapshot()
    text = f"{in_words(settings)}\n{pipeline.prediction.sentence}"
    figure = Figure(SIZE, facecolor=COLOURS["card"], layout="constrained")
    axes = figure.add_subplot(facecolor=COLOURS["card"])
    if snapshot.depth and snapshot.seconds:
        points = [*snapshot.depth, (snapshot.seconds, snapshot.in_buffer)]
        _draw(axes, points, settings, "measured")
        title = f"{in_words(snapshot.settings)}\n{_counts(snapshot)}"
    else:
        _draw(axes, forecast(settings), settings, "predicted")
        title = text
    axes.set_title(title, loc="left", fontsize=9, color=COLOURS["ink"])
    return picture_of(figure, text)


def in_words(settings: Settings) -> str:
    """Say what is set."""

    def workers(number: int, role: str, rate: float) -> str:
        each = " each" if number > 1 else ""
        return f"{number} {role}{'s' * (number != 1)} at {rate:g}/s{each}"

    bound = "without bound" if settings.capacity is None else f"of capacity {settings.capacity}"
    return (
        f"{workers(settings.producers, 'producer', settings.produce_rate)}, "
        f"{workers(settings.consumers, 'consumer', settings.consume_rate)}; "
        f"buffer {bound}; {settings.mechanism}, {settings.engine}, {settings.arrivals} times."
    )


def forecast(settings: Settings) -> list[tuple[float, float]]:
    """How deep the buffer gets from empty on.

    It rises as water would, by the difference of the rates, up to the mean depth of the long run.
    """
    rise = settings.producers * settings.produce_rate - settings.consumers * settings.consume_rate
    level = predict(settings).mean_depth
    if rise <= 0:
        # Random times at just the same rates: it grows without bound, but nobody can say how fast.
        level = 0.0 if isinf(level) else level
        return [(0.0, level), (WINDOW, level)]
    reached = min(WINDOW, level / rise)
    return [(0.0, 0.0), (reached, rise * reached), (WINDOW, min(level, rise * WINDOW))]


def _counts(snapshot: Snapshot) -> str:
    return (
        f"{snapshot.produced:,} produced, {snapshot.consumed:,} consumed, {snapshot.lost:,} lost, "
        f"{snapshot.in_buffer:,} in the buffer.\n{snapshot.limit_sentence}"
    )


def _draw(axes: Axes, points: Sequence[tuple[float, float]], settings: Settings, what: str) -> None:
    seconds, depths = zip(*points, strict=True)
    dashes = "--" if what == "predicted" else "-"
    step = None if what == "predicted" else "post"
    axes.fill_between(seconds, depths, color=COLOURS["level"], linewidth=0, step=step)  # type: ignore[arg-type]
    axes.plot(
        seconds, depths, dashes, color=COLOURS["depth"], drawstyle=f"steps-{step}" if step else "default"
    )
    top = max(depths)
    if settings.capacity is not None:
        axes.axhline(settings.capacity, color=COLOURS["alarm"], linewidth=1)
        axes.annotate(
            "capacity",
            (1, settings.capacity),
            (0, 2),
            xycoords=axes.get_yaxis_transform(),  # x from 0 to 1, y in items
            textcoords="offset points",
            ha="right",
            va="bottom",
            fontsize=8,
            color=COLOURS["alarm"],
        )
        top = max(top, settings.capacity)
    axes.set_xlim(seconds[0], max(seconds[-1], seconds[0] + 1))
    axes.set_ylim(-0.04 * max(top, 1), 1.15 * max(top, 1))  # a curve at 0 is not hidden by the axis
    axes.set_xlabel("seconds", color=COLOURS["ink"])
    axes.set_ylabel(f"items in the buffer,\n{what}", color=COLOURS["ink"])
    axes.tick_params(colors=COLOURS["ink"])
    axes.spines[["top", "right"]].set_visible(False)

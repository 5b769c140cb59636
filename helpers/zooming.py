"""Look closer at a timeline in a notebook: a slider picks a stretch, which is redrawn at its own scale."""

from __future__ import annotations

from typing import Any

from ipywidgets import HTML, FloatRangeSlider, Layout, VBox

from helpers.pictures import Bundle, shown, widget
from helpers.timeline import Timeline
from helpers.timeline.picture.layout import StepScale, TimeScale

STEPS = 2_000  # the shortest stretch is one of so many


class Zoom:
    """A timeline's picture below a slider; a notebook shows both, or where there are no sliders the picture.

    Attributes:
        timeline: what is shown.
        slider: its value is the stretch, from when to when, in the unit beside it.
        picture: that stretch; its alternative text is the timeline's summary.
    """

    def __init__(self, timeline: Timeline, axis: str, width: float) -> None:
        self.timeline = timeline
        self._axis = axis
        self._width = width
        scale = (StepScale if timeline.steps else TimeScale)(0.0, timeline.duration)
        self._factor = scale.factor
        self._whole = self._drawn(None)
        self.slider = FloatRangeSlider(
            value=(0.0, scale.last),
            max=scale.last,
            step=scale.last / STEPS,
            description=scale.label,
            readout_format=".3r",  # three digits: more are cut off in the page
            continuous_update=False,
            layout=Layout(width="auto", max_width=f"{width}in"),
            style={"description_width": "initial"},
        )
        self.picture = HTML(_fitting(self._whole[0]["text/html"]))
        self._both = VBox([self.slider, self.picture])
        self.slider.observe(self._redraw, "value")

    def _drawn(self, between: tuple[float, float] | None) -> Bundle:
        return shown(self.timeline.plot(axis=self._axis, width=self._width, between=between))

    def _redraw(self, change: dict[str, Any]) -> None:
        # This may run in another thread than the reader's cells, and beside one of them: no pyplot here.
        start, end = change["new"]
        if start <= 0 and end >= self.slider.max:
            data, _ = self._whole
        else:
            end = max(end, start + self.slider.step)
            data, _ = self._drawn((start / self._factor, end / self._factor))
        self.picture.value = _fitting(data["text/html"])

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data, metadata = self._whole
        return widget(self._both.model_id) | data, metadata


def _fitting(image: str) -> str:
    """The image, no wider than the place it has: what a widget shows is not shrunk by the notebook."""
    return image.replace("<img ", '<img style="max-width: 100%; height: auto" ', 1)


def zoom(timeline: Timeline, *, axis: str = "time", width: float = 9.0) -> Zoom:
    """Show a timeline with a slider that picks a stretch of it, to end a notebook's cell with.

    Args:
        timeline: what to show.
        axis: as in `Timeline.plot`.
        width: of the picture, in inches.

    Returns:
        What a notebook shows: slider and picture, or the picture alone where widgets cannot run.

    Raises:
        ValueError: `axis` is neither of the two.
    """
    return Zoom(timeline, axis, width)

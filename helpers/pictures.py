"""A figure as a notebook's output: its picture, and the same in words."""

from __future__ import annotations

import base64
import io
from html import escape
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from helpers.timeline import Timeline
    from helpers.timeline.picture.drawing import TimelineFigure

PIXELS_PER_INCH = 96  # as browsers count; pictures are drawn twice as fine, for sharp screens
VIEW = "application/vnd.jupyter.widget-view+json"  # MIME type of a widget

Bundle = tuple[dict[str, str], dict[str, Any]]  # data and metadata, by MIME type


def widget(model_id: str) -> dict[str, Any]:
    """What a notebook's output has of a widget: JupyterLab shows that in place of the rest."""
    return {VIEW: {"version_major": 2, "version_minor": 0, "model_id": model_id}}


def picture(timeline: Timeline, axis: str = "time") -> Bundle:
    """Draw a timeline for a notebook; see `shown`.

    Args:
        timeline: what to draw.
        axis: as in `Timeline.plot`.
    """
    return shown(timeline.plot(axis=axis))


def shown(figure: TimelineFigure) -> Bundle:
    """Make a notebook's output of a timeline's figure, with the timeline's summary as its text."""
    return picture_of(figure, figure.timeline.summary())


def picture_of(figure: Figure, text: str) -> Bundle:
    """Make a notebook's output of a figure.

    The picture is sent twice. JupyterLab gives an ``image/png`` no alternative text, whatever its metadata
    say, so that it is shown as HTML; programs that make something else of a notebook take the image.

    Args:
        figure: what is shown.
        text: the same in words: the plain text and the alternative text.

    Returns:
        Data and metadata.
    """
    from PIL import Image  # like matplotlib, with which it comes: not before something is drawn

    width, height = (round(inches * PIXELS_PER_INCH) for inches in figure.get_size_inches())
    drawn, image = io.BytesIO(), io.BytesIO()
    figure.savefig(drawn, format="png", dpi=2 * PIXELS_PER_INCH)
    # A picture of few colours needs no more than 256: a third of the bytes, and no difference to be seen.
    few_colours = (
        Image.open(drawn).convert("RGB").quantize(256, Image.Quantize.FASTOCTREE, dither=Image.Dither.NONE)
    )
    few_colours.save(image, "PNG", optimize=True)
    png = base64.b64encode(image.getvalue()).decode()
    img = f'<img alt="{escape(text)}" width="{width}" src="data:image/png;base64,{png}">'
    metadata = {
        "image/png": {"alt": text, "width": width, "height": height},
        "helpers": {"raw": ["image/png", "text/html"]},
    }
    return {"image/png": png, "text/html": img, "text/plain": text}, metadata

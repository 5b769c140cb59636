"""`zoom`: the slider picks a stretch of a timeline, and the picture shows it, in Python and in a kernel."""

from __future__ import annotations

import base64
import re
import threading
from pathlib import Path
from typing import Any

import matplotlib
import pytest

from helpers import zoom
from helpers.pictures import shown
from helpers.timeline import Timeline
from tests.test_magics import PATIENCE, fresh_kernel
from tests.timeline import made

CELL = "from helpers import Timeline, zoom\nview = zoom(Timeline.load('timeline.json'))\nview"
VIEW = "application/vnd.jupyter.widget-view+json"


def pixels(page: str) -> bytes:
    (data,) = re.findall(r'src="data:image/png;base64,([^"]+)"', page)
    return base64.b64decode(data, validate=True)


@pytest.mark.parametrize("axis", ["time", "order"])
def test_the_picture_is_that_of_the_stretch(axis: str) -> None:
    timeline = made.lock()
    view = zoom(timeline, axis=axis)
    whole = view.picture.value
    view.slider.value = (200.0, 400.0)  # the slider counts milliseconds, as the picture does
    data, _ = shown(timeline.plot(axis=axis, between=(0.2, 0.4)))
    assert pixels(view.picture.value) == pixels(data["text/html"]) != pixels(whole)
    assert "max-width: 100%" in view.picture.value  # the whole of it is seen in a narrow place, too
    view.slider.value = (0.0, view.slider.max)
    assert view.picture.value == whole


def test_a_stretch_of_no_length_is_shown_as_the_shortest() -> None:
    view = zoom(made.lock())
    whole = view.picture.value
    view.slider.value = (300.0, 300.0)
    assert pixels(view.picture.value) != pixels(whole)


def test_of_a_schedule_the_slider_picks_steps() -> None:
    timeline = made.lost_update()
    view = zoom(timeline)
    assert (view.slider.description, view.slider.max) == ("step", timeline.duration)
    view.slider.value = (2.0, 4.0)
    data, _ = shown(timeline.plot(between=(2.0, 4.0)))
    assert pixels(view.picture.value) == pixels(data["text/html"])


@pytest.mark.parametrize("timeline", [made.no_length(), made.moment(), Timeline.empty()])
def test_there_may_be_little_to_zoom_into(timeline: Timeline) -> None:
    view = zoom(timeline)
    view.slider.value = (view.slider.max / 4, view.slider.max / 2)
    assert pixels(view.picture.value)


def test_where_widgets_cannot_run_there_is_the_picture_with_its_text() -> None:
    timeline = made.deadlock()
    data, metadata = zoom(timeline)._repr_mimebundle_()
    assert data[VIEW]["model_id"]
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert data["text/plain"] == timeline.summary() == metadata["image/png"]["alt"]
    assert "Deadlock: " in re.findall('alt="([^"]+)"', data["text/html"])[0]


def test_drawing_in_two_threads_leaves_the_reader_s_settings_alone() -> None:
    timeline = made.lock()
    with matplotlib.rc_context({"lines.linewidth": 7.5}):
        threads = [
            threading.Thread(target=lambda: [timeline.plot(between=(0.1, 0.3)) for _ in range(5)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert matplotlib.rcParams["lines.linewidth"] == 7.5


def test_the_slider_of_a_page_redraws_the_picture_without_a_cell(tmp_path: Path) -> None:
    made.lock().save(tmp_path / "timeline.json")
    with fresh_kernel(tmp_path) as kernel:
        cell = kernel.run(CELL)
        ((display),) = cell.displays
        assert display["data"][VIEW]["model_id"] == kernel.value("view._both.model_id")
        slider, picture = kernel.value("[view.slider.model_id, view.picture.model_id]")
        before = kernel.value("view.picture.value")

        session = kernel.client.session
        content = {
            "comm_id": slider,
            "data": {"method": "update", "state": {"value": [200, 400]}, "buffer_paths": []},
        }
        kernel.client.shell_channel.send(session.msg("comm_msg", content))
        while True:
            message: dict[str, Any] = kernel.client.get_iopub_msg(timeout=PATIENCE)
            state = message["content"].get("data", {}).get("state", {})
            if message["msg_type"] == "comm_msg" and message["content"]["comm_id"] == picture:
                break
        assert pixels(state["value"]) != pixels(before)
        assert kernel.value("'matplotlib.pyplot' in __import__('sys').modules") is False

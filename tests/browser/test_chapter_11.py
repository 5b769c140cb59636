"""Chapter 11, opened by a reader: run from first to last cell, then the lab is used."""

from __future__ import annotations

import pytest

from helpers.course.refresh import NOTEBOOKS
from tests.browser.jupyterlab import JupyterLab
from tests.browser.test_lab import STOPS, Panel

CHAPTER = NOTEBOOKS / "11_producer_consumer.ipynb"


@pytest.mark.timeout(300)
def test_its_lab_does_what_the_sliders_say(jupyterlab: JupyterLab) -> None:
    chapter = jupyterlab.open(CHAPTER)
    chapter.clear()
    chapter.run_all()
    panel = Panel(chapter.output(chapter.number("lab-show")))

    panel.start.click()
    panel.wait_for("consumed", "it > 20")
    panel.slider("consumers").press("Home")
    panel.wait_for("throughput now", "it === 0")
    capacity = STOPS["capacity"][int(panel.slider("capacity").input_value())]
    panel.wait_for("in buffer", f"it === {capacity}")
    panel.wait_until_it_shows("blocked")

    panel.slider("consume_rate").press("End")
    for _ in range(3):
        panel.slider("consumers").press("ArrowRight")
    panel.wait_for("in buffer", f"it < {capacity}")
    panel.slider("produce_rate").press("End")
    panel.wait_for("throughput now", "it > 100")

    # With steady times, consumers that are quicker than the producers may never meet them at a bad moment.
    panel.choose("Times are", "random")
    panel.choose("Mechanism", "event")
    panel.wait_for("lost", "it > 0")
    panel.stop.click()
    panel.start.wait_for()
    assert "pipeline" not in chapter.value("[it.name for it in __import__('threading').enumerate()]")

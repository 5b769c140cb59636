"""Chapter 01, opened by a reader and run from the first cell to the last."""

from __future__ import annotations

import nbformat
import pytest

from helpers.course.refresh import NOTEBOOKS
from tests.browser.jupyterlab import JupyterLab

CHAPTER = NOTEBOOKS / "01_fork.ipynb"


@pytest.mark.timeout(300)
def test_it_runs_from_first_to_last_cell_and_shows_its_timelines(jupyterlab: JupyterLab) -> None:
    cells = [cell for cell in nbformat.read(CHAPTER, as_version=4).cells if cell.cell_type == "code"]
    saved = [output for cell in cells for output in cell.outputs]
    summaries = [it.metadata["image/png"]["alt"] for it in saved if "image/png" in it.get("data", {})]
    assert len(summaries) >= 10

    chapter = jupyterlab.open(CHAPTER)
    chapter.clear()
    chapter.run_all()

    chapter.wait_until("[...document.images].every(image => image.complete)")
    shown = chapter.page.evaluate(
        "[...document.querySelectorAll('.jp-OutputArea-output img')].map(it => [it.alt, it.naturalWidth > 400])"
    )
    assert shown == [[summary, True] for summary in summaries]
    traceback = "[data-mime-type='application/vnd.jupyter.error']"
    assert chapter.page.locator(traceback).count() == sum(it.output_type == "error" for it in saved)

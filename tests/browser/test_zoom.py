"""The slider over a timeline in JupyterLab: a reader looks closer, by keys and by mouse."""

from __future__ import annotations

import nbformat
import pytest
from nbformat import v4
from playwright.sync_api import Locator, expect

from helpers.course.refresh import METADATA
from tests.browser.jupyterlab import JupyterLab, Notebook, Server
from tests.test_zoom import CELL
from tests.timeline import made

STRETCH = "view.slider.value"


@pytest.fixture(scope="module")
def notebook(server: Server, jupyterlab: JupyterLab, tmp_path_factory: pytest.TempPathFactory) -> Notebook:
    made.lock().save(server.folder / "timeline.json")
    path = tmp_path_factory.mktemp("zoom") / "zoom.ipynb"
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell(CELL)], metadata=METADATA), path)
    notebook = jupyterlab.open(path)
    notebook.run(0)
    return notebook


def drawn(picture: Locator) -> str:
    """The picture's pixels, once the browser has them."""
    picture.evaluate("it => it.decode()")
    return str(picture.get_attribute("src"))


def test_the_picture_follows_the_slider(notebook: Notebook) -> None:
    output = notebook.output(0)
    picture = output.locator("img")
    begin, end = (output.locator(f".noUi-handle-{side}") for side in ("lower", "upper"))
    expect(begin).to_be_visible()
    whole, last = drawn(picture), notebook.value("view.slider.max")
    assert notebook.value(STRETCH) == (0.0, last)

    begin.focus()
    notebook.page.keyboard.press("PageUp")
    expect(picture).not_to_have_attribute("src", whole)
    start, stop = notebook.value(STRETCH)
    assert 0.0 < start < stop == last
    by_keys = drawn(picture)

    box = end.bounding_box()
    assert box is not None
    notebook.page.mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2)
    notebook.page.mouse.down()
    notebook.page.mouse.move(box["x"] - 200, box["y"] + box["height"] / 2, steps=5)
    notebook.page.mouse.up()
    expect(picture).not_to_have_attribute("src", by_keys)
    assert start == notebook.value(STRETCH)[0] < notebook.value(STRETCH)[1] < last
    assert picture.get_attribute("alt") == made.lock().summary()

    # The whole of it again is the picture of the beginning.
    begin.focus()
    notebook.page.keyboard.press("Home")
    end.focus()
    notebook.page.keyboard.press("End")
    expect(picture).to_have_attribute("src", whole)


def test_nothing_is_cut_off_in_a_narrow_place(notebook: Notebook) -> None:
    output = notebook.output(0)
    for width in (1200, 600):
        notebook.page.set_viewport_size({"width": width, "height": 1000})
        notebook.wait_until("[...document.images].every(image => image.complete)")
        place, picture = (output.locator(name).first.bounding_box() for name in (".widget-vbox", "img"))
        assert place is not None and picture is not None
        assert picture["x"] + picture["width"] <= place["x"] + place["width"]
        numbers = output.locator(".widget-readout")
        assert numbers.evaluate("it => it.scrollWidth <= it.clientWidth")

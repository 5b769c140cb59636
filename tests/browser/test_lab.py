"""The panel of sliders in a real JupyterLab, as a reader uses it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import nbformat
import pytest

from helpers import PipelineLab
from helpers.course.refresh import METADATA
from helpers.labs.appearance import look_of
from helpers.labs.controls import SLIDERS
from helpers.labs.settings import Settings
from tests.browser.jupyterlab import JupyterLab, Notebook

if TYPE_CHECKING:
    from playwright.sync_api import Locator

CELLS = (
    "from helpers import PipelineLab",
    "lab = PipelineLab(produce_rate=200, consume_rate=300)\nlab",
    "lab",
    # A cell that runs until the reader has moved a slider, or for so long that nobody would wait.
    """\
import time
deadline = time.monotonic() + 60
while lab.capacity != 1 and time.monotonic() < deadline:
    time.sleep(0.01)
""",
)
STOPS = {name: stops for name, *_, stops in SLIDERS}
LABS_THREADS = {"frames", "pipeline", "producer 1", "consumer 1"}
SHOWS = """(canvas, colour) => {
    const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
    const [red, green, blue] = [1, 3, 5].map(place => parseInt(colour.slice(place, place + 2), 16));
    for (let i = 0; i < data.length; i += 4) {
        if (data[i] === red && data[i + 1] === green && data[i + 2] === blue) return true;
    }
    return false;
}"""
FAST = 300  # moves one after the other


pytestmark = pytest.mark.timeout(300)  # the first test starts the server, a browser and a kernel


class Panel:
    """One view of a lab."""

    def __init__(self, output: Locator) -> None:
        self.root = output.locator(".pipeline-lab")
        self.start = self.root.get_by_role("button", name="Start")
        self.stop = self.root.get_by_role("button", name="Stop")
        self.canvas = self.root.locator("canvas[role=img]")
        self.said = self.root.get_by_role("status")

    def slider(self, name: str) -> Locator:
        label = next(label for slider, label, *_ in SLIDERS if slider == name)
        return self.root.get_by_role("slider", name=label, exact=True)

    def choose(self, label: str, value: str) -> None:
        self.root.get_by_label(label).select_option(value)

    def wait_for(self, name: str, condition: str) -> None:
        """Wait until one of the numbers below the picture, `it`, fulfils a condition of JavaScript."""
        term = self.root.locator("dt", has_text=name).element_handle()
        self.root.page.wait_for_function(
            f"term => (it => {condition})(parseFloat(term.nextSibling.textContent.replace(/,/g, '')))",
            arg=term,
        )

    def wait_for_value(self, name: str, text: str) -> None:
        handle = self.slider(name).element_handle()
        self.root.page.wait_for_function(
            "([it, text]) => it.getAttribute('aria-valuetext') === text", arg=[handle, text]
        )

    def shows(self, state: str) -> bool:
        """Whether the picture has something in the colour of a worker's state."""
        return bool(self.canvas.evaluate(SHOWS, look_of(state).face))

    def wait_until_it_shows(self, state: str) -> None:
        canvas = self.canvas.element_handle()
        self.root.page.wait_for_function(
            f"([canvas, colour]) => ({SHOWS})(canvas, colour)", arg=[canvas, look_of(state).face]
        )


@pytest.fixture(scope="module")
def notebook(jupyterlab: JupyterLab, tmp_path_factory: pytest.TempPathFactory) -> Notebook:
    path = tmp_path_factory.mktemp("notebook") / "lab.ipynb"
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    nbformat.write(nbformat.v4.new_notebook(cells=cells, metadata=METADATA), path)
    notebook = jupyterlab.open(path)
    notebook.run(0)
    notebook.run(1)
    return notebook


@pytest.fixture
def panel(notebook: Notebook) -> Iterator[Panel]:
    """The lab of the notebook's second cell, as it was made; afterwards it has left no thread."""
    settings = Settings(produce_rate=200, consume_rate=300)
    notebook.value(f"lab.pipeline.set(**{asdict(settings)})")
    notebook.value("lab.reset()")
    panel = Panel(notebook.output(1))
    panel.wait_for("produced", "it === 0")
    panel.start.wait_for()
    yield panel
    notebook.value("lab.stop() and None")
    names = notebook.value("[it.name for it in __import__('threading').enumerate()]")
    assert LABS_THREADS.isdisjoint(names)


def test_start_runs_it_and_stop_stops_it(panel: Panel, notebook: Notebook) -> None:
    assert not panel.shows("producing")
    panel.start.click()
    panel.wait_for("consumed", "it > 100")
    panel.wait_until_it_shows("producing")
    assert panel.said.inner_text() == "Running"
    panel.stop.click()
    panel.start.wait_for()
    assert panel.said.inner_text() == "Stopped"
    consumed = notebook.value("lab.pipeline.snapshot().consumed")
    panel.wait_for("consumed", f"it === {consumed}")
    assert notebook.value("(lab.running, lab.pipeline.snapshot().consumed)") == (False, consumed)


@pytest.mark.parametrize("name", STOPS)
def test_every_slider_goes_by_keyboard_and_by_mouse(panel: Panel, notebook: Notebook, name: str) -> None:
    slider, stops = panel.slider(name), STOPS[name]

    def both_say(value: object) -> None:
        notebook.wait_until_value(f"lab.{name}", value)
        assert slider.input_value() == f"{stops.index(value)}"
        (unit,) = (spoken for it, _, _, spoken, _ in SLIDERS if it == name)
        assert slider.get_attribute("aria-valuetext") == ("unbounded" if value is None else f"{value} {unit}")

    slider.press("Home")
    both_say(stops[0])
    slider.press("ArrowRight")
    both_say(stops[1])
    slider.press("End")
    both_say(stops[-1])
    slider.press("ArrowLeft")
    both_say(stops[-2])
    box = slider.bounding_box()
    assert box
    mouse = panel.root.page.mouse
    mouse.move(box["x"] + box["width"] - 4, box["y"] + box["height"] / 2)
    mouse.down()
    mouse.move(box["x"] + box["width"] / 2, box["y"] + box["height"] / 2, steps=5)
    mouse.move(box["x"] + 2, box["y"] + box["height"] / 2, steps=5)
    mouse.up()
    both_say(stops[0])


def test_a_slider_follows_an_attribute(panel: Panel, notebook: Notebook) -> None:
    notebook.value("setattr(lab, 'produce_rate', 23)")  # between two of its places
    panel.wait_for_value("produce_rate", "23 items per second")
    notebook.value("setattr(lab, 'mechanism', 'semaphores')")
    mechanism = panel.root.get_by_label("Mechanism").element_handle()
    panel.root.page.wait_for_function("it => it.value === 'semaphores'", arg=mechanism)


def test_without_consumers_the_buffer_fills_and_stays_full_until_there_are_some(panel: Panel) -> None:
    panel.slider("consumers").press("Home")
    panel.start.click()
    panel.wait_for("in buffer", "it === 10")
    panel.wait_for("produced", "it === 10")
    panel.wait_until_it_shows("blocked")
    panel.wait_for("throughput now", "it === 0")
    for _ in range(4):
        panel.slider("consumers").press("ArrowRight")
    panel.wait_for("in buffer", "it < 10")
    panel.wait_for("throughput now", "it > 200")
    panel.wait_for("predicted", "it === 400")
    panel.root.get_by_text("The producers limit the flow").wait_for()


def test_another_mechanism_takes_effect(panel: Panel, notebook: Notebook) -> None:
    panel.start.click()
    panel.wait_for("consumed", "it > 50")
    panel.choose("Mechanism", "event")
    panel.wait_for("lost", "it > 0")  # a mailbox loses items
    assert notebook.value("lab.pipeline.snapshot().settings.mechanism") == "event"
    panel.choose("Mechanism", "condition")
    panel.wait_for("lost", "it === 0")
    panel.wait_for("consumed", "it > 50")
    panel.choose("Workers are", "processes")
    notebook.wait_until_value("lab.pipeline.snapshot().settings.engine", "processes")
    panel.wait_for("consumed", "it > 50")


def test_reset_begins_anew(panel: Panel) -> None:
    panel.start.click()
    panel.wait_for("consumed", "it > 50")
    panel.stop.click()
    panel.start.wait_for()
    panel.root.get_by_role("button", name="Reset").click()
    panel.wait_for("consumed", "it === 0")
    assert not panel.shows("producing")


def test_keys_pressed_as_fast_as_possible(panel: Panel, notebook: Notebook) -> None:
    panel.start.click()
    slider = panel.slider("capacity")
    slider.focus()
    for move in range(FAST):
        panel.root.page.keyboard.press("ArrowLeft" if move // 20 % 2 else "ArrowRight")
    slider.press("Home")
    notebook.wait_until_value("lab.capacity", 1)
    consumed = notebook.value("lab.pipeline.snapshot().consumed")
    panel.wait_for("consumed", f"it > {consumed}")


def test_two_views_of_a_lab_say_the_same(panel: Panel, notebook: Notebook) -> None:
    notebook.run(2)
    second = Panel(notebook.output(2))
    panel.start.click()
    second.stop.wait_for()
    second.wait_for("consumed", "it > 50")
    second.slider("producers").press("Home")
    panel.wait_for_value("producers", "0 producers")
    second.stop.click()
    panel.start.wait_for()


def test_running_the_cell_again_ten_times_leaves_one_lab(panel: Panel, notebook: Notebook) -> None:
    for _ in range(10):
        panel.start.click()
        panel.wait_for("consumed", "it > 0")
        old = notebook.value("id(lab)")
        notebook.run(1)
        assert notebook.value("id(lab)") != old
        names = notebook.value("[it.name for it in __import__('threading').enumerate()]")
        assert LABS_THREADS.isdisjoint(names)
        panel.start.wait_for()


def test_sliders_work_while_a_cell_runs(panel: Panel, notebook: Notebook) -> None:
    panel.start.click()
    panel.wait_for("consumed", "it > 0")
    notebook.begin(3)
    panel.slider("produce_rate").press("Home")
    panel.wait_for("predicted", "it === 1")  # the kernel has answered, and the cell still runs
    assert notebook.runs(3)
    panel.slider("capacity").press("Home")  # what the cell waits for
    notebook.wait_until_ended(3)


def test_an_error_in_a_worker_is_shown(panel: Panel, notebook: Notebook) -> None:
    panel.start.click()
    panel.wait_for("consumed", "it > 0")
    broken = "lambda self, timeout: 1 // 0"
    notebook.value(
        f"exec('from helpers.labs.buffers import QueueBuffer as it; real = it.get; it.get = {broken}')"
    )
    panel.root.get_by_role("alert").filter(has_text="ZeroDivisionError").wait_for()
    panel.start.wait_for()
    notebook.value("exec('from helpers.labs.buffers import QueueBuffer as it; it.get = real')")
    panel.start.click()
    panel.stop.wait_for()
    assert panel.root.get_by_role("alert").count() == 0


def test_what_goes_wrong_elsewhere_is_shown_until_the_reader_acts(panel: Panel, notebook: Notebook) -> None:
    panel.start.click()
    panel.wait_for("consumed", "it > 0")
    alert = panel.root.get_by_role("alert")
    notebook.value("lab.send({'error': 'No picture.'})")
    alert.filter(has_text="No picture.").wait_for()
    consumed = notebook.value("lab.pipeline.snapshot().consumed")
    panel.wait_for("consumed", f"it > {consumed + 20}")
    assert alert.inner_text() == "No picture."
    panel.slider("producers").press("ArrowRight")
    alert.wait_for(state="hidden")


def test_it_goes_on_while_the_notebook_is_closed(panel: Panel, notebook: Notebook) -> None:
    panel.start.click()
    panel.wait_for("consumed", "it > 50")
    notebook.close()
    notebook.reopen()
    panel = Panel(notebook.output(1))
    panel.stop.wait_for()
    panel.wait_for("consumed", "it > 100")
    panel.wait_until_it_shows("producing")
    panel.stop.click()
    panel.start.wait_for()


def test_after_a_restart_of_the_kernel_it_says_that_it_is_stopped(panel: Panel, notebook: Notebook) -> None:
    panel.start.click()
    panel.wait_for("consumed", "it > 0")
    notebook.restart_kernel()
    panel.said.filter(has_text="Stopped: the kernel was restarted. Run the cell again.").wait_for()
    assert panel.slider("producers").is_disabled()
    notebook.run(0)
    notebook.run(1)
    panel.start.click()
    panel.wait_for("consumed", "it > 0")


def test_in_a_notebook_that_has_not_been_run_its_picture_stands(
    jupyterlab: JupyterLab, tmp_path: Path
) -> None:
    data, metadata = PipelineLab(capacity=None)._repr_mimebundle_()
    output = nbformat.v4.new_output("execute_result", data, metadata=metadata, execution_count=1)
    cell = nbformat.v4.new_code_cell("lab", outputs=[output], execution_count=1)
    nbformat.write(nbformat.v4.new_notebook(cells=[cell], metadata=METADATA), tmp_path / "saved.ipynb")
    saved = jupyterlab.open(tmp_path / "saved.ipynb")
    picture = saved.output(0).get_by_role("img", name="2 producers at 20/s each")
    picture.wait_for()
    assert picture.evaluate("it => it.decode().then(() => it.naturalWidth)") > 400

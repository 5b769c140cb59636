"""What the lab's panel costs and how quick it is, measured in a browser: ``python -m helpers bench labs_panel``."""

from __future__ import annotations

import argparse
import statistics
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nbformat
from playwright.sync_api import sync_playwright

from helpers.course.browser import NONE, find
from helpers.course.refresh import METADATA
from tests.browser.jupyterlab import JupyterLab, Notebook, Server

CELLS = (
    "from helpers import PipelineLab\nlab = PipelineLab(consumers=2)\nlab",
    # Threads that want the interpreter all the time.
    """\
import threading, time
burning = threading.Event()
def burn():
    while burning.is_set():
        sum(range(1000))
def burners(number):
    burning.set()
    for _ in range(number):
        threading.Thread(target=burn, daemon=True).start()
    return number
""",
)
# Counts frames by the word "now" at the time axis, and takes the time from a key to the first change of what
# is left of the plot: there stands the capacity, as the kernel has last said it.
WATCH = """
    window.frames_drawn = 0;
    window.latencies = [];
    const write = CanvasRenderingContext2D.prototype.fillText;
    CanvasRenderingContext2D.prototype.fillText = function (text, ...where) {
        if (text === "now") window.frames_drawn += 1;
        return write.call(this, text, ...where);
    };
    const canvas = () => document.querySelector(".pipeline-lab canvas"); // another, when the cell has run again
    const margin = () => canvas().getContext("2d").getImageData(0, 0, 70, 120).data.join();
    document.addEventListener("keydown", () => {
        const [pressed, before] = [performance.now(), margin()];
        const look = () => {
            if (margin() === before) requestAnimationFrame(look);
            else window.latencies.push(performance.now() - pressed);
        };
        requestAnimationFrame(look);
    }, true);
"""
MOVES = 24
AGAIN = 10  # runs of the lab's cell, each of which leaves an old lab behind
FRAMES_FOR = 5.0  # seconds


@contextmanager
def panel() -> Iterator[Notebook]:
    """A lab that is shown in a browser."""
    cells = [nbformat.v4.new_code_cell(source) for source in CELLS]
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=METADATA)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder, sync_playwright() as playwright:
        path = Path(folder, "panel.ipynb")
        nbformat.write(notebook, path)
        browser = playwright.chromium.launch(executable_path=find())
        server = Server(Path(folder))
        try:
            opened = JupyterLab(server, browser).open(path)
            opened.run_all()
            opened.page.wait_for_selector(".pipeline-lab canvas")
            opened.page.evaluate(f"() => {{{WATCH}}}")
            yield opened
        finally:
            browser.close()
            server.stop()


def latency(notebook: Notebook) -> str:
    """How long it takes from a key on a slider to changed pixels, of `MOVES` moves."""
    slider = notebook.output(0).get_by_label("Buffer holds")
    notebook.page.evaluate("window.latencies = []")
    for move in range(MOVES):
        slider.press("ArrowLeft" if move % 2 else "ArrowRight")
        notebook.page.wait_for_function(f"window.latencies.length > {move}")
        time.sleep(0.06)  # so that moves and frames do not keep step
    taken = sorted(notebook.page.evaluate("window.latencies"))
    return f"{statistics.median(taken):.0f} ms, 90 % within {taken[int(0.9 * MOVES)]:.0f} ms"


def frames_a_second(notebook: Notebook) -> float:
    """How many frames a second the browser draws."""
    before, begin = notebook.page.evaluate("[window.frames_drawn, performance.now()]")
    time.sleep(FRAMES_FOR)
    after, end = notebook.page.evaluate("[window.frames_drawn, performance.now()]")
    return float(after - before) / (end - begin) * 1000


def processor_time(notebook: Notebook) -> float:
    """Milliseconds of the kernel's processor time for a frame: with the panel, less without it."""
    spent = []
    for what in ("lab.pipeline", "lab"):
        notebook.value(f"{what}.start()")
        before = notebook.value("__import__('time').process_time()")
        frames = notebook.page.evaluate("window.frames_drawn")
        time.sleep(FRAMES_FOR)
        spent.append(notebook.value("__import__('time').process_time()") - before)
        frames = notebook.page.evaluate("window.frames_drawn") - frames
        notebook.value("lab.stop() and None")
    return 1000 * (spent[1] - spent[0]) / frames


def main(argv: list[str]) -> int:
    """Print what is measured; return 0."""
    parser = argparse.ArgumentParser(prog="python -m helpers bench labs_panel", description=__doc__)
    parser.parse_args(argv)
    if not find():
        print(f"Nothing was measured: {NONE}.")
        return 1
    with panel() as notebook:
        print(f"processor time for a frame: {processor_time(notebook):.2f} ms (at most 1)")
        notebook.value("lab.start()")
        for number in (0, 1, 2, 4):
            notebook.value(f"burners({number})")
            rate, taken = frames_a_second(notebook), latency(notebook)
            notebook.value("burning.clear()")
            print(
                f"beside {number} threads that burn processor time: {rate:.1f} frames/s; "
                f"from key to pixels {taken}"
            )
        for _ in range(AGAIN):
            notebook.run(0)
            notebook.value("lab.start()")
        print(f"when the cell has been run {AGAIN} times more: from key to pixels {latency(notebook)}")
    return 0

"""Makes nbval see what a reader sees, and notice what it would let pass.

By itself nbval gives the kernel an environment in which output of child processes is lost, compares parts of
an output that change from run to run, waits the whole timeout for a dead kernel, and is content with a cell
that has never been run, that should raise and does not, or whose threads die or outlive the notebook.
"""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from queue import Empty
from typing import Any

import nbformat
import pytest
from nbval.kernel import CURRENT_ENV_KERNEL_NAME, RunningKernel, start_new_kernel
from nbval.plugin import IPyNbCell, IPyNbFile, NbCellError

from helpers.course.refresh import UNCOMPARED
from helpers.course.unattended import answer, environment, question


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> Iterator[None]:
    nodes = yield
    return [
        Notebook.from_parent(parent, path=file_path) if isinstance(node, IPyNbFile) else node
        for node in nodes
    ]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    terminalreporter.section("cells whose output is not compared")
    for path in sorted(Path(__file__).parent.glob("*.ipynb")):
        cells = [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
        count = sum(bool(UNCOMPARED & {*cell.metadata.get("tags", [])}) for cell in cells)
        share = f"{count / max(1, len(cells)):.0%}".replace("%", " %")
        terminalreporter.line(f"{path.stem}: {count} of {len(cells)} code cells are not compared ({share})")


class Notebook(IPyNbFile):
    """A notebook whose cells are run one after the other in a kernel of its own."""

    def setup(self) -> None:
        self.kernel = Kernel(self.path.parent, self.config.option.nbval_kernel_startup_timeout)

    def collect(self) -> Iterator[pytest.Item]:
        for cell in super().collect():
            yield Cell.from_parent(
                self, name=cell.name, cell_num=cell.cell_num, cell=cell.cell, options=cell.options
            )
        yield End.from_parent(self, name="End")


class Kernel(RunningKernel):
    """A kernel as JupyterLab starts it, that can be asked about its threads, and is missed when it dies."""

    def __init__(self, folder: Path, startup_timeout: float) -> None:
        self.km, self.kc = start_new_kernel(
            startup_timeout,
            CURRENT_ENV_KERNEL_NAME,
            cwd=str(folder),
            env=environment(),
            stderr=subprocess.DEVNULL,
        )
        self._ensure_iopub_up()
        self.ask("watch")

    def await_reply(self, msg_id: str, timeout: float | None = None) -> None:
        deadline = time.monotonic() + timeout if timeout else float("inf")
        while True:
            try:
                reply = self.get_message("shell", timeout=min(1, max(0, deadline - time.monotonic())))
            except Empty:
                if not self.is_alive():
                    raise RuntimeError("The kernel died in this cell.") from None
                if time.monotonic() >= deadline:
                    raise
            else:
                if reply["parent_header"].get("msg_id") == msg_id:
                    self.reply = reply
                    return

    def ask(self, name: str) -> list[str]:
        self.await_reply(self.kc.execute(**question(name)), timeout=30)
        return answer(self.reply)


class Cell(IPyNbCell):
    """A code cell: its outputs must be those in the notebook, and it must end as its tags say."""

    def runtest(self) -> None:
        tags = self.cell.metadata.get("tags", [])
        if "needs-fork" in tags and not hasattr(os, "fork"):
            pytest.skip("this system has no os.fork")
        if self.parent.timed_out:
            self.raise_cell_error("An earlier cell did not end, so this one was not run.")
        if self.cell.execution_count is None:
            self.raise_cell_error("The cell has never been run: python -m helpers refresh")
        kernel = self.parent.kernel
        try:
            super().runtest()
        except NbCellError:
            if kernel.is_alive():
                kernel.ask("deaths")  # no concern of the next cell's
            raise
        if self.parent.timed_out:
            self.raise_cell_error("The cell took too long.")
        # Not every mistake sends an error: an unknown magic only prints one.
        raised = kernel.reply["content"]["status"] == "error"
        if raised and not self.options["check_exception"]:
            self.raise_cell_error("The cell was cut short by an error.")
        if not raised and self.options["check_exception"]:
            self.raise_cell_error("The cell is tagged raises-exception, and raised none.")
        deaths = kernel.ask("deaths")
        expected = "thread-raises" in tags
        if deaths and not expected:
            self.raise_cell_error(f"{'; '.join(deaths)}. If that is meant, tag the cell thread-raises.")
        if expected and not deaths:
            self.raise_cell_error("The cell is tagged thread-raises, and no thread died.")

    def compare_outputs(self, test: list[Any], ref: list[Any], skip_compare: Any = None) -> bool:
        return super().compare_outputs(_without_raw(test), _without_raw(ref), skip_compare)


class End(pytest.Item):
    """The end of a notebook: no thread and no child process may outlive it."""

    def runtest(self) -> None:
        kernel = self.parent.kernel
        if not kernel.is_alive():
            pytest.fail("The kernel did not live to the end of the notebook.", pytrace=False)
        if left := kernel.ask("deaths") + kernel.ask("leftovers"):
            pytest.fail(f"At the end of the notebook: {'; '.join(left)}.", pytrace=False)

    def reportinfo(self) -> tuple[Path, int, str]:
        return self.path, 0, self.nodeid


def _without_raw(outputs: list[Any]) -> list[Any]:
    """Leave out what changes from run to run; each output says in its metadata what that is."""
    kept = []
    for output in outputs:
        raw = output.get("metadata", {}).get("helpers", {}).get("raw", [])
        if raw:
            compared = {kind: data for kind, data in output["data"].items() if kind not in raw}
            output = nbformat.from_dict(output | {"data": compared})
        kept.append(output)
    return kept

"""nbval as notebooks/conftest.py sets it up: what it lets pass, and what it does not.

All made-up notebooks are run in one go, by a pytest of its own; the tests look at what became of each.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

import nbformat
import pytest
from nbformat import NotebookNode, v4

ROOT = Path(__file__).parents[2]


class Verdicts(NamedTuple):
    """How pytest ended, and what it said of each item, by "notebook::item"."""

    outcomes: dict[str, str]
    report: str
    seconds: float


def display(html: str, text: str, raw: list[str]) -> NotebookNode:
    data = {"text/html": html, "text/plain": text}
    return v4.new_output("display_data", data=data, metadata={"helpers": {"raw": raw}})


def stream(text: str) -> NotebookNode:
    return v4.new_output("stream", name="stdout", text=text)


def code(
    source: str, *outputs: NotebookNode, tags: tuple[str, ...] = (), ran: int | None = 1
) -> NotebookNode:
    return v4.new_code_cell(source, outputs=[*outputs], metadata={"tags": [*tags]}, execution_count=ran)


SHOWS = """\
from IPython.display import display
data = {{"text/html": "now", "text/plain": "{text}"}}
display(data, raw=True, metadata={{"helpers": {{"raw": {raw}}}}})"""
RAW = ["text/html"]
DIES = "import threading as t; x = t.Thread(name='T', target=lambda: 1 / 0); x.start(); x.join()"
STDERR = v4.new_output("stream", name="stderr", text="…")
# What a child writes reaches the cell through a pipe and a thread of the kernel: wait until it has.
CHILD_PRINTS = """\
import subprocess, sys, threading
seen, write = threading.Event(), sys.stdout.write
sys.stdout.write = lambda text: (write(text), seen.set())
subprocess.run([sys.executable, "-c", "import os; os.write(1, b'5\\\\n')"])
assert seen.wait(4)
del sys.stdout.write"""

NOTEBOOKS = {
    "passes": [
        code(SHOWS.format(text="same", raw=RAW), display("then", "same", RAW)),
        code(CHILD_PRINTS, stream("5\n")),
        code(
            "import os; print('PYTEST_CURRENT_TEST' in os.environ, os.environ['PYTHON_COLORS'])",
            stream("False 0\n"),
        ),
        code(
            "1 / 0",
            v4.new_output("error", ename="ZeroDivisionError", evalue="division by zero"),
            tags=("raises-exception",),
        ),
        code(DIES, STDERR, tags=("thread-raises", "nbval-ignore-output")),
        code(
            "from IPython.display import Image; Image(b'\\x89PNG' + bytes(1_000_000))",
            tags=("nbval-ignore-output",),
        ),
        # What multiprocessing starts for itself, and keeps.
        code("import multiprocessing as m; m.get_context('spawn').Queue().close()"),
    ],
    "fails": [
        code(SHOWS.format(text="now", raw=RAW), display("then", "then", RAW)),
        code(SHOWS.format(text="same", raw=[]), display("then", "same", [])),
        code(SHOWS.format(text="same", raw=[]), display("now", "same", RAW)),
        code("1", ran=None),
        code("%no_such_magic", tags=("nbval-ignore-output",)),
        code("1", tags=("raises-exception", "nbval-ignore-output")),
        code(DIES, tags=("nbval-ignore-output",)),
        code(DIES, stream("another output")),
        code("", tags=("thread-raises",)),
    ],
    "leaves": [
        code("import threading as t; t.Thread(name='T', target=t.Event().wait, daemon=True).start()"),
        code("import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=-1)"),
    ],
    "dies": [code("import os; os._exit(3)"), code("1")],
    "hangs": [code("import time; time.sleep(600)"), code("time.sleep(600)")],
}
TIMEOUT = 5
OPTIONS = ["--nbval", f"--nbval-cell-timeout={TIMEOUT}", "-W", "error", "-rA", "--color=no"]
OPTIONS += ["-p", "no:cacheprovider", "-p", "no:xdist"]


@pytest.fixture(scope="module")
def verdicts(tmp_path_factory: pytest.TempPathFactory) -> Verdicts:
    folder = tmp_path_factory.mktemp("notebooks")
    shutil.copy(ROOT / "notebooks" / "conftest.py", folder)
    for name, cells in NOTEBOOKS.items():
        nbformat.write(v4.new_notebook(cells=cells), folder / f"{name}.ipynb")
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *OPTIONS, f"--rootdir={folder}", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=folder,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    found = re.findall(
        r"^(PASSED|FAILED|ERROR|XFAIL|SKIPPED) (\w+)\.ipynb::([\w ]+?)(?: - .*)?$", done.stdout, re.M
    )
    outcomes = {f"{notebook}::{item}": outcome for outcome, notebook, item in found}
    return Verdicts(outcomes, done.stdout, time.monotonic() - began)


def said(item: str, verdicts: Verdicts) -> str:
    """What the report says of one item."""
    notebook, name = item.split("::")
    sections = re.split(r"^_{3,} (.*) _{3,}$", verdicts.report, flags=re.M)
    return dict(zip(sections[1::2], sections[2::2], strict=True))[f"{notebook}.ipynb::{name}"]


def test_every_item_has_a_verdict(verdicts: Verdicts) -> None:
    assert len(verdicts.outcomes) == sum(len(cells) + 1 for cells in NOTEBOOKS.values()), verdicts.report


def test_what_is_as_before_passes_whatever_its_raw_parts(verdicts: Verdicts) -> None:
    outcomes = {outcome for item, outcome in verdicts.outcomes.items() if item.startswith("passes::")}
    assert outcomes == {"PASSED"}, verdicts.report


@pytest.mark.parametrize(
    ("item", "reason"),
    [
        ("fails::Cell 0", "mismatch 'text/plain'"),
        ("fails::Cell 1", "mismatch 'text/html'"),
        ("fails::Cell 2", "Unexpected output fields from running code: {'text/html'}"),
        ("fails::Cell 3", "The cell has never been run: python -m helpers refresh"),
        ("fails::Cell 4", "The cell was cut short by an error."),
        ("fails::Cell 5", "The cell is tagged raises-exception, and raised none."),
        ("fails::Cell 6", "T died of ZeroDivisionError: division by zero. If that is meant, tag the cell"),
        ("fails::Cell 7", "Cell outputs differ"),
        ("fails::Cell 8", "The cell is tagged thread-raises, and no thread died."),
        ("leaves::End", "At the end of the notebook: T is still alive; child process python"),
        ("dies::Cell 0", "The kernel died in this cell."),
        ("dies::End", "The kernel did not live to the end of the notebook."),
        ("hangs::Cell 0", f"Timeout of {TIMEOUT} seconds exceeded executing cell"),
    ],
)
def test_what_is_wrong_fails_and_is_named(verdicts: Verdicts, item: str, reason: str) -> None:
    assert verdicts.outcomes[item] == "FAILED"
    assert reason in said(item, verdicts)


def test_a_dead_thread_is_blamed_on_its_own_cell_only(verdicts: Verdicts) -> None:
    assert verdicts.outcomes["fails::End"] == "PASSED"


def test_no_time_is_lost_on_a_dead_or_hanging_kernel(verdicts: Verdicts) -> None:
    assert verdicts.outcomes["dies::Cell 1"] == "FAILED"
    assert verdicts.outcomes["hangs::Cell 1"] == "XFAIL"
    assert verdicts.seconds < 60


def test_the_share_of_what_is_not_compared_is_told(verdicts: Verdicts) -> None:
    assert "passes: 2 of 7 code cells are not compared (29 %)\n" in verdicts.report
    assert "hangs: 0 of 2 code cells are not compared (0 %)\n" in verdicts.report


def test_where_there_is_no_fork_its_cells_are_left_out(tmp_path: Path) -> None:
    shutil.copy(ROOT / "notebooks" / "conftest.py", tmp_path)
    cells = [code("1 / 0", tags=("needs-fork",)), code("")]
    nbformat.write(v4.new_notebook(cells=cells), tmp_path / "fork.ipynb")
    arguments = [*OPTIONS, f"--rootdir={tmp_path}", str(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", f"import os; del os.fork; import pytest; pytest.main({arguments})"],
        stdout=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert "2 passed, 1 skipped" in done.stdout

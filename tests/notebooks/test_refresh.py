"""`python -m helpers refresh`: saves what a fresh kernel gives, and nothing else."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import nbformat
import pytest

from helpers.course import refresh as refreshing
from helpers.course.problem import Problem
from helpers.course.refresh import find, main, refresh

# Shows an HTML output that differs in every run, and a text that does not.
RAW = """\
import random
class Differs:
    def _repr_mimebundle_(self, **_):
        data = {"text/html": str(random.random()), "text/plain": "the same"}
        return data, {"helpers": {"raw": ["text/html"], "source": "SOURCE"}}
Differs()"""
PICTURE = """\
import random
from IPython.display import display
display({"image/png": f"{random.randrange(10**8):08}", "text/plain": "a picture"}, raw=True)"""

# What a child writes reaches the cell through a pipe and a thread of the kernel: wait until it has.
CHILD_PRINTS = """\
import subprocess, sys, threading
seen, write = threading.Event(), sys.stdout.write
sys.stdout.write = lambda text: (write(text), seen.set())
subprocess.run([sys.executable, "-c", "import os; os.write(1, b'123\\\\n')"])
assert seen.wait(30)
del sys.stdout.write"""


@pytest.fixture
def saved(tmp_path: Path, notebook: Any) -> Callable[..., Path]:
    def save(*cells: Any) -> Path:
        notebook(*cells, name="01_made")
        return tmp_path / "01_made.ipynb"

    return save


def outputs(path: Path) -> list[list[Any]]:
    return [cell.outputs for cell in nbformat.read(path, as_version=4).cells]


def test_executes_in_a_fresh_kernel_and_saves_what_it_shows(saved: Callable[..., Path]) -> None:
    path = saved("import os\nprint(os.getcwd() == os.environ['PWD'] or 'elsewhere')\nx = 6", "x * 7")
    assert refresh(path)
    made = nbformat.read(path, as_version=4)
    nbformat.validate(made)
    assert [cell.execution_count for cell in made.cells] == [1, 2]
    assert made.cells[1].outputs[0].data == {"text/plain": "42"}
    assert [cell.id for cell in made.cells] == ["cell-0", "cell-1"]


def test_runs_where_the_notebook_is_with_the_environment_of_a_reader(saved: Callable[..., Path]) -> None:
    path = saved("import os\nos.path.exists('01_made.ipynb'), 'PYTEST_CURRENT_TEST' in os.environ")
    refresh(path)
    assert outputs(path)[0][0].data["text/plain"] == "(True, False)"


def test_output_of_child_processes_is_there(saved: Callable[..., Path]) -> None:
    path = saved(CHILD_PRINTS)
    refresh(path)
    assert outputs(path)[0][0].text == "123\n"


def test_metadata_are_clean(saved: Callable[..., Path], notebook: Any, tmp_path: Path) -> None:
    made = notebook("1")
    made.metadata.update(widgets={"x": {}}, language_info={"name": "python", "version": "3.11.7"})
    made.metadata.kernelspec.display_name = "my venv"
    made.cells[0].metadata.update(
        tags=["checks"],
        jupyter={"source_hidden": True},
        execution={"iopub.status.idle": "now"},
        scrolled=True,
    )
    path = tmp_path / "02_other.ipynb"
    nbformat.write(made, path)
    refresh(path)
    after = nbformat.read(path, as_version=4)
    assert after.metadata == {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    assert after.cells[0].metadata == {"tags": ["checks"], "jupyter": {"source_hidden": True}}
    text = path.read_text(encoding="utf-8")
    assert text.endswith("}\n")
    assert text == nbformat.writes(after) + "\n"


def test_a_second_run_changes_no_byte(saved: Callable[..., Path], cell: Any) -> None:
    path = saved(
        RAW,
        PICTURE,
        cell("print(random.random())", "nbval-ignore-output"),
        cell("1 / 0", "raises-exception"),
        cell("import threading; threading.Lock().release()", "raises-exception"),
    )
    assert refresh(path)
    before = path.read_bytes()
    assert not refresh(path)
    assert path.read_bytes() == before


def test_figures_are_made_anew_when_asked_for(saved: Callable[..., Path]) -> None:
    path = saved(RAW, PICTURE)
    refresh(path)
    before = outputs(path)
    assert refresh(path, figures=True)
    after = outputs(path)
    for kind, (old,), (new,) in zip(("text/html", "image/png"), before, after, strict=True):
        assert old.data[kind] != new.data[kind]
        assert old.data["text/plain"] == new.data["text/plain"]


@pytest.mark.parametrize(
    ("change", "kept"),
    [
        (("", ""), True),
        (('"the same"', '"another text"'), False),
        (('"SOURCE"', '"ANOTHER"'), False),  # the magics say so from which source an output is
    ],
)
def test_old_transcripts_stay_only_with_what_they_belong_to(
    saved: Callable[..., Path], change: tuple[str, str], kept: bool
) -> None:
    path = saved(RAW)
    refresh(path)
    ((before,),) = outputs(path)
    made = nbformat.read(path, as_version=4)
    made.cells[0].source = made.cells[0].source.replace(*change)
    nbformat.write(made, path)
    refresh(path)
    ((after,),) = outputs(path)
    assert (before.data["text/html"] == after.data["text/html"]) is kept


def test_a_kept_result_has_the_number_of_its_cell(saved: Callable[..., Path], notebook: Any) -> None:
    path = saved(RAW)
    refresh(path)
    made = nbformat.read(path, as_version=4)
    made.cells.insert(0, nbformat.v4.new_code_cell("0", id="new"))
    nbformat.write(made, path)
    refresh(path)
    cell = nbformat.read(path, as_version=4).cells[1]
    assert (cell.execution_count, cell.outputs[0].execution_count) == (2, 2)
    assert cell.outputs[0].data["text/html"] == made.cells[1].outputs[0].data["text/html"]


def test_tracebacks_do_not_say_where_python_is(saved: Callable[..., Path], cell: Any) -> None:
    path = saved(cell("import queue; queue.Queue().get(timeout=0)", "raises-exception"))
    refresh(path)
    traceback = "\n".join(outputs(path)[0][0].traceback)
    assert "queue.py:" in traceback
    assert "lib/python" not in traceback


@pytest.mark.parametrize(
    ("source", "tags", "said"),
    [
        (
            "1 / 0",
            [],
            "Cell 'cell-1' raised ZeroDivisionError: division by zero. If meant, tag it raises-excep",
        ),
        (
            "%no_such_magic",
            [],
            "Cell 'cell-1' raised UsageError: Line magic function `%no_such_magic` not found",
        ),
        ("1", ["raises-exception"], "Cell 'cell-1' is tagged raises-exception, and raised none."),
        (
            "import threading; t = threading.Thread(name='T', target=lambda: 1 / 0); t.start(); t.join()",
            [],
            "Cell 'cell-1': T died of ZeroDivisionError: division by zero. If meant, tag it thread-raises.",
        ),
        ("1", ["thread-raises"], "Cell 'cell-1' is tagged thread-raises, and no thread died."),
        ("import os; os._exit(3)", [], "The kernel died in Cell 'cell-1'."),
        ("import time; time.sleep(600)", [], "Cell 'cell-1' did not end within 2 s."),
        (
            "import threading as t; t.Thread(name='T', target=t.Event().wait, daemon=True).start()",
            [],
            "At its end: T is still alive. End what the notebook has started.",
        ),
        (
            "import subprocess, sys; p = subprocess.Popen([sys.executable, '-c', 'input()'], stdin=-1)",
            [],
            "At its end: child process python",
        ),
    ],
)
def test_a_notebook_that_does_not_what_it_says_is_left_as_it_was(
    saved: Callable[..., Path],
    cell: Any,
    monkeypatch: pytest.MonkeyPatch,
    source: str,
    tags: list[str],
    said: str,
) -> None:
    monkeypatch.setattr(refreshing, "CELL_SECONDS", 2)
    path = saved("0", cell(source, *tags))
    before = path.read_bytes()
    with pytest.raises(Problem) as caught:
        refresh(path)
    assert str(caught.value).startswith(said)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("chapter", ["2", "02", "02_queues", "02_queues.ipynb"])
def test_a_chapter_is_found_by_number_and_name(tmp_path: Path, chapter: str) -> None:
    for name in ("01_fork", "02_queues", "12_every"):
        (tmp_path / f"{name}.ipynb").touch()
    assert find([chapter], tmp_path) == [tmp_path / "02_queues.ipynb"]
    assert [path.stem for path in find([], tmp_path)] == ["01_fork", "02_queues", "12_every"]


def test_the_command_says_what_it_did(
    saved: Callable[..., Path],
    notebook: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = saved("1")
    notebook("1 / 0", name="02_wrong")
    monkeypatch.setattr("helpers.course.refresh.find", lambda chapters: find(chapters, path.parent))
    assert main(["1"]) == 0
    assert capsys.readouterr().out == "01_made.ipynb: saved\n"
    assert main([]) == 1
    done = capsys.readouterr()
    assert done.out == "01_made.ipynb: unchanged\n"
    assert done.err.startswith("02_wrong.ipynb is left as it was. Cell 'cell-0' raised ZeroDivisionError")
    assert main(["7"]) == 1
    assert capsys.readouterr().err == "There is no chapter '7'; there are: 01_made, 02_wrong.\n"

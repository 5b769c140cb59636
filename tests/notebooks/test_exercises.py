"""Every exercise can be solved: its published solution satisfies its verdict, and the first state does not."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import nbformat
import pytest
from nbformat import NotebookNode, v4

from helpers.course.refresh import NOTEBOOKS, refresh

Exercise = tuple[NotebookNode, NotebookNode, str]  # answer, verdict, solution


def exercises(notebook: NotebookNode) -> Iterator[Exercise]:
    """An exercise is a cell tagged so, then its verdict, then its solution in a fold."""
    tagged = {cell.id: {*cell.metadata.get("tags", [])} for cell in notebook.cells}
    for place, cell in enumerate(notebook.cells):
        if "exercise" in tagged[cell.id]:
            verdict, solution = notebook.cells[place + 1 : place + 3]
            assert "verdict" in tagged[verdict.id], f"no verdict after {cell.id}"
            assert "solution" in tagged[solution.id], f"no solution after the verdict of {cell.id}"
            code = re.search(r"```python\n(.*?)```", solution.source, re.DOTALL)
            assert code, f"no program in the solution of {cell.id}"
            assert solution.source.startswith("<details>"), f"the solution of {cell.id} is not in a fold"
            yield cell, verdict, code[1].rstrip("\n")


def text(cell: NotebookNode) -> str:
    return "".join(output.get("text", "") for output in cell.outputs)


# Answers that look right and are not, as (exercise, what of its solution, what in its place).
WRONG = {
    "00_start_here": [
        ("exercise-answer", "first.join()\nsecond.join()", "time.sleep(0.5)"),
        (
            "exercise-answer",
            "first.start()\nsecond.start()\nfirst.join()\nsecond.join()",
            "second.start()\nsecond.join()\nfirst.start()\nfirst.join()",
        ),
    ],
    "01_fork": [
        ("exercise-1-answer", "print(os.waitstatus_to_exitcode(status))", "print(5)"),
        ("exercise-2-answer", 'print("starting child", n, flush=True)', 'print("child", n, flush=True)'),
    ],
    "03_threads": [("exercise-2-answer", "if number == 2:", "if number == 3:")],
    "05_locks": [
        ("exercise-1-answer", "with lock:", "if True:"),
        ("exercise-2-answer", "key=lambda account: account.number", "key=lambda account: account.balance"),
        ("exercise-2-answer", "with first.lock, second.lock:", "with first.lock:"),
    ],
    "06_semaphores": [("exercise-2-answer", "with semaphore:", "if True:")],
    "07_events": [("exercise-2-answer", "stop.wait(timeout=30)", "stop.is_set()")],
    "08_conditions": [
        ("exercise-1-answer", "condition.wait_for(lambda: tickets > 0)", "if not tickets: condition.wait()"),
        ("exercise-2-answer", "self.condition.wait_for(lambda: self.count <= 0)", "self.condition.wait()"),
        ("exercise-2-answer", "self.condition.notify_all()", "self.condition.notify()"),
    ],
    "09_queues": [("exercise-2-answer", "queue = Queue()", "queue = Queue(maxsize=3)")],
    "11_producer_consumer": [("exercise-1-answer", 'mechanism="queue"', 'mechanism="event"')],
}


def carried_out(cells: list[str], path: Path) -> list[NotebookNode]:
    """What a notebook with these code cells has, run in a fresh kernel."""
    nbformat.write(v4.new_notebook(cells=[v4.new_code_cell(cell) for cell in cells]), path)
    refresh(path)
    return list(nbformat.read(path, as_version=4).cells)


def setup(notebook: NotebookNode) -> str:
    """The line that makes the magics known."""
    return str(next(cell for cell in notebook.cells if cell.cell_type == "code").source.splitlines()[0])


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_solutions_solve(path: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    found = list(exercises(notebook))
    assert found, "a chapter has at least one exercise"
    for _, verdict, _ in found:
        assert "Not yet. Hint:" in text(verdict)
    cells = [setup(notebook)]
    for _, verdict, code in found:
        cells += [code, verdict.source]
    verdicts = carried_out(cells, tmp_path / path.name)[2::2]
    assert [text(cell).splitlines()[-1] for cell in verdicts] == ["Solved."] * len(found)


@pytest.mark.parametrize("chapter", WRONG)
def test_answers_that_only_look_right_do_not(chapter: str, tmp_path: Path) -> None:
    notebook = nbformat.read(NOTEBOOKS / f"{chapter}.ipynb", as_version=4)
    solutions = {cell.id: (verdict.source, code) for cell, verdict, code in exercises(notebook)}
    cells = [f"{setup(notebook)}\nfrom helpers.exercises import verdict"]
    for exercise, right, wrong in WRONG[chapter]:
        verdict, code = solutions[exercise]
        assert code.count(right) == 1, right
        cells += [code.replace(right, wrong), verdict]
    verdicts = carried_out(cells, tmp_path / "wrong.ipynb")[2::2]
    assert [text(cell).splitlines()[-1].partition(".")[0] for cell in verdicts] == ["Not yet"] * len(verdicts)

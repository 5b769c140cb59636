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


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_solutions_solve(path: Path, tmp_path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    found = list(exercises(notebook))
    assert found, "a chapter has at least one exercise"
    for _, verdict, _ in found:
        assert "Not yet. Hint:" in text(verdict)
    setup = next(cell for cell in notebook.cells if cell.cell_type == "code")
    solved = v4.new_notebook(cells=[v4.new_code_cell(setup.source.splitlines()[0])])
    for _, verdict, code in found:
        solved.cells += [v4.new_code_cell(code), v4.new_code_cell(verdict.source)]
    nbformat.write(solved, tmp_path / path.name)
    refresh(tmp_path / path.name)
    verdicts = nbformat.read(tmp_path / path.name, as_version=4).cells[2::2]
    assert [text(cell).splitlines()[-1] for cell in verdicts] == ["Solved."] * len(found)

"""Notebooks made up for one test."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode, v4

MakeCell = Callable[..., NotebookNode]
MakeNotebook = Callable[..., NotebookNode]


@pytest.fixture
def cell() -> MakeCell:
    """A code cell: its source, tags and outputs; with `ran`, as if it had been executed."""

    def make(source: str, *tags: str, outputs: Iterable[Any] = (), ran: int | None = None) -> NotebookNode:
        return v4.new_code_cell(
            source, metadata={"tags": [*tags]} if tags else {}, outputs=[*outputs], execution_count=ran
        )

    return make


@pytest.fixture
def notebook(tmp_path: Path) -> MakeNotebook:
    """A notebook of the cells given (a text is a code cell), with clean metadata, saved if it has a name."""

    def make(*cells: NotebookNode | str, name: str = "") -> NotebookNode:
        made = v4.new_notebook(
            metadata={
                "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
                "language_info": {"name": "python"},
            }
        )
        for number, cell in enumerate(cells):
            made.cells.append(v4.new_code_cell(cell) if isinstance(cell, str) else cell)
            made.cells[-1].id = f"cell-{number}"
        if name:
            nbformat.write(made, tmp_path / f"{name}.ipynb")
        return made

    return make


@pytest.fixture
def printed() -> Callable[[str], NotebookNode]:
    """The output of a cell that printed the text."""
    return lambda text: v4.new_output("stream", name="stdout", text=text)

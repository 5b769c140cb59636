"""Execute chapters afresh and save them: ``python -m helpers refresh [--figures] [CHAPTER …]``.

What is saved is what a fresh kernel gives, without traces of the machine. Where the outputs of a cell are the
same as before, apart from what changes from run to run anyway, the old ones stay: a second refresh changes no
byte, and a commit shows only what has really changed. Staying are then also figures, the raw transcript and
the outputs of cells whose output is not compared. Outputs of `%%as_script` and `%%timeline` know the source
that made them, so those of a changed cell are always new. For other figures, and to see a new drawing style,
there is ``--figures``.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

from helpers.course import navigation
from helpers.course.problem import Problem
from helpers.course.requirements import ROOT
from helpers.course.unattended import answer, environment, question
from helpers.transcript import shorten_paths

NOTEBOOKS = ROOT / "notebooks"
CELL_SECONDS = 60
UNCOMPARED = {"nbval-ignore-output", "nbval-skip"}
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def main(argv: list[str]) -> int:
    """Refresh the chapters that `argv` names, all if it names none; return the exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m helpers refresh", description="Execute and save chapters."
    )
    parser.add_argument("chapters", nargs="*", metavar="CHAPTER", help="1, 01 or 01_fork; none means all")
    parser.add_argument("--figures", action="store_true", help="save new figures and transcripts in any case")
    arguments = parser.parse_args(argv)
    failed = False
    try:
        paths = find(arguments.chapters)
    except Problem as problem:
        print(problem, file=sys.stderr)
        return 1
    for path in paths:
        try:
            changed = refresh(path, figures=arguments.figures)
            print(f"{path.name}: {'saved' if changed else 'unchanged'}", flush=True)
        except Problem as problem:
            print(f"{path.name} is left as it was. {problem}", file=sys.stderr, flush=True)
            failed = True
    return int(failed)


def find(chapters: Iterable[str], folder: Path = NOTEBOOKS) -> list[Path]:
    """Find the notebooks that are meant by a number (``1``, ``01``) or name (``01_fork``).

    Raises:
        Problem: there is no such chapter.
    """
    paths = sorted(folder.glob("*.ipynb"))
    found = []
    for chapter in chapters:
        name = chapter.removesuffix(".ipynb")
        meant = [path for path in paths if name == path.stem or name.zfill(2) == path.stem.split("_")[0]]
        if not meant:
            there = ", ".join(path.stem for path in paths)
            raise Problem(f"There is no chapter {chapter!r}; there are: {there}.")
        found += meant
    return found or paths


def refresh(path: Path, *, figures: bool = False) -> bool:
    """Execute a notebook in a fresh kernel and save it.

    Args:
        path: the notebook.
        figures: save also what changes from run to run, where nothing else has changed.

    Returns:
        Whether the file has changed.

    Raises:
        Problem: the notebook does not do what its tags say; the file is left as it was.
    """
    text = path.read_text(encoding="utf-8")
    before = nbformat.reads(text, as_version=4)  # type: ignore[no-untyped-call]
    after = copy.deepcopy(before)
    asyncio.run(_execute(after, path.parent))
    _tidy(after)
    for cell in after.cells:
        generated = navigation.filled(cell.get("id"), path)
        cell.source = cell.source if generated is None else generated
    if not figures:
        _keep_what_has_not_changed(before, after)
    fresh = nbformat.writes(after) + "\n"  # type: ignore[no-untyped-call]
    if fresh == text:
        return False
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_text(fresh, encoding="utf-8", newline="\n")
    unfinished.replace(path)
    return True


async def _execute(notebook: NotebookNode, folder: Path) -> None:
    client = NotebookClient(
        notebook,
        kernel_name="python3",
        timeout=CELL_SECONDS,
        shutdown_kernel="immediate",
        coalesce_streams=True,
        resources={"metadata": {"path": str(folder)}},
    )
    # What the kernel says about itself is not for the terminal; what cells print, it sends as messages.
    silent = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    async with client.async_setup_kernel(env=environment(), **silent):
        await _ask(client, "watch")
        for index, cell in enumerate(notebook.cells):
            if cell.cell_type == "code":
                await _execute_cell(client, cell, index)
        if left := await _ask(client, "leftovers"):
            raise Problem(f"At its end: {'; '.join(left)}. End what the notebook has started.")


async def _execute_cell(client: NotebookClient, cell: NotebookNode, index: int) -> None:
    where = f"Cell {cell.get('id', index)!r}"
    tags = cell.metadata.get("tags", [])
    try:
        await client.async_execute_cell(cell, index, execution_count=client.code_cells_executed + 1)
    except CellExecutionError as error:
        raise Problem(
            f"{where} raised {error.ename}: {error.evalue}. If meant, tag it raises-exception."
        ) from None
    except CellTimeoutError:
        raise Problem(f"{where} did not end within {CELL_SECONDS} s.") from None
    except DeadKernelError:
        raise Problem(f"The kernel died in {where}.") from None
    if "raises-exception" in tags and not any(output.output_type == "error" for output in cell.outputs):
        raise Problem(f"{where} is tagged raises-exception, and raised none.")
    deaths = await _ask(client, "deaths")
    if deaths and "thread-raises" not in tags:
        raise Problem(f"{where}: {'; '.join(deaths)}. If meant, tag it thread-raises.")
    if "thread-raises" in tags and not deaths:
        raise Problem(f"{where} is tagged thread-raises, and no thread died.")


async def _ask(client: NotebookClient, name: str) -> list[str]:
    kernel: Any = client.kc
    return answer(await kernel.execute(**question(name), reply=True, timeout=CELL_SECONDS))


def _tidy(notebook: NotebookNode) -> None:
    """Leave out what depends on the machine or on who has edited the notebook."""
    notebook.metadata = nbformat.from_dict(METADATA)  # type: ignore[no-untyped-call]
    for cell in notebook.cells:
        cell.metadata = {name: value for name, value in cell.metadata.items() if name in ("tags", "jupyter")}
        for output in cell.get("outputs", []):
            if output.output_type == "error":
                output.traceback = [shorten_paths(line) for line in output.traceback]


def _keep_what_has_not_changed(before: NotebookNode, after: NotebookNode) -> None:
    """Put the old figures and the like back where a cell has given the same outputs as before."""
    old_outputs = {cell.get("id"): cell.outputs for cell in before.cells if cell.cell_type == "code"}
    for cell in after.cells:
        old = old_outputs.get(cell.get("id"), [])
        # What of an output must be the same for the old one to stay.
        essence = _kind if UNCOMPARED & set(cell.metadata.get("tags", [])) else _compared
        if cell.cell_type == "code" and [*map(essence, old)] == [*map(essence, cell.outputs)]:
            for output in old:
                if output.output_type == "execute_result":
                    output.execution_count = cell.execution_count
            cell.outputs = old


def _compared(output: NotebookNode) -> Any:
    """Say what a test compares of an output, and which source it says it is made by."""
    if output.output_type == "stream":
        return output.name, output.text
    if output.output_type == "error":
        return output.ename, output.evalue
    helpers = output.metadata.get("helpers", {})
    raw = {"image/png", "image/jpeg", *helpers.get("raw", [])}
    data = {kind: content for kind, content in output.data.items() if kind not in raw}
    return output.output_type, sorted(output.data), data, helpers


def _kind(output: NotebookNode) -> Any:
    """Say of what kind an output is, whatever it says."""
    return output.output_type, output.get("name"), sorted(output.get("data", {}))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""What every notebook of the course must be like, read from its file; and that each check can fail."""

from __future__ import annotations

import getpass
import itertools
import re
import socket
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbformat import NotebookNode, v4

from helpers.course import navigation
from helpers.course.refresh import METADATA, NOTEBOOKS, UNCOMPARED
from helpers.magics import fingerprint

Check = Callable[[NotebookNode], Iterator[str]]
CHECKS: dict[str, Check] = {}

LONGEST, MEDIAN = 40, 8  # lines of a code cell, blank ones not counted
SHARE = 0.15  # of cells whose output is not compared
WIDGET = "application/vnd.jupyter.widget-view+json"  # each has a number of its own
ORDINARY_NAMES = {"root", "user", "runner", "jovyan", "localhost", "home", "admin"}  # also words of a text


def check(function: Check) -> Check:
    CHECKS[function.__name__] = function
    return function


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def tags(cell: NotebookNode) -> set[str]:
    return set(cell.metadata.get("tags", []))


def texts(value: Any) -> Iterator[str]:
    """Every text in it, however deep."""
    if isinstance(value, str):
        yield re.sub(r"data:image/png;base64,[^\"]*", "", value)  # letters by chance
    elif isinstance(value, dict):
        value = {key: each for key, each in value.items() if key != "image/png" or not isinstance(each, str)}
        for each in itertools.chain(value.keys(), value.values()):
            yield from texts(each)
    elif isinstance(value, (list, tuple)):
        for each in value:
            yield from texts(each)


@check
def opens_with_what_will_be_learnt(notebook: NotebookNode) -> Iterator[str]:
    first = notebook.cells[0] if notebook.cells else None
    if first is None or first.cell_type != "markdown" or not first.source.startswith("# "):
        yield "the first cell is no title"
    elif "You will learn how to" not in first.source:
        yield "the first cell does not say: You will learn how to"


@check
def was_executed_in_order(notebook: NotebookNode) -> Iterator[str]:
    counts = [cell.execution_count for cell in code_cells(notebook)]
    if counts != [*range(1, len(counts) + 1)]:
        yield f"cells were executed as {counts}"


@check
def raises_where_it_says_so(notebook: NotebookNode) -> Iterator[str]:
    for cell in code_cells(notebook):
        raised = any(output.output_type == "error" for output in cell.outputs)
        if raised != ("raises-exception" in tags(cell)):
            yield f"{cell.id} {'raised' if raised else 'raised nothing'}, and its tags say otherwise"


@check
def says_nothing_of_the_machine(notebook: NotebookNode) -> Iterator[str]:
    here = [str(NOTEBOOKS.parent), str(Path.home()), tempfile.gettempdir()]
    names = [name for name in (socket.gethostname(), getpass.getuser()) if name.lower() not in ORDINARY_NAMES]
    places = re.compile(
        "|".join([*map(re.escape, here), *(rf"\b{re.escape(name)}\b" for name in names)])
        + r"|/home/\w|/Users/\w|/root/|/tmp/|/var/folders/|/lib/python3|site-packages|\b[A-Z]:\\\w"
    )
    for cell in notebook.cells:
        # A source may speak of such places in general; what was put out must not.
        parts = {"output": cell.get("outputs", []), "metadata": cell.metadata}
        for part, value in parts.items():
            for found in {match for text in texts(value) for match in places.findall(text)}:
                yield f"{cell.id}: its {part} says {found!r}"
        for place in here[:2]:
            if place in cell.source:
                yield f"{cell.id}: its source says {place!r}"


@check
def describes_its_images(notebook: NotebookNode) -> Iterator[str]:
    for cell in notebook.cells:
        for output in cell.get("outputs", []):
            for kind in output.get("data", {}):
                if kind.startswith("image/") and not output.metadata.get(kind, {}).get("alt", "").strip():
                    yield f"{cell.id}: its {kind} has no alternative text"
        written = [cell.source] if cell.cell_type == "markdown" else []
        pages = [output.get("data", {}).get("text/html", "") for output in cell.get("outputs", [])]
        for image in re.findall(r"<img\b[^>]*>", "\n".join(written + pages)):
            if not re.search(r'\balt="\s*[^"\s]', image):
                yield f"{cell.id}: {image[:60]} has no alternative text"
        if re.search(r"!\[\s*\]\(", "".join(written)):
            yield f"{cell.id}: an image has no alternative text"


@check
def has_stable_cell_ids(notebook: NotebookNode) -> Iterator[str]:
    ids = [cell.get("id", "") for cell in notebook.cells]
    for name in ids:
        if not re.fullmatch(r"[a-z0-9]+([-_][a-z0-9]+)*", name) or re.fullmatch(r"[0-9a-f]{8}(-.*)?", name):
            yield f"{name!r} is no name: take words, like fork-twice"
    for name in {name for name in ids if ids.count(name) > 1}:
        yield f"{name!r} is the name of several cells"


@check
def has_clean_metadata(notebook: NotebookNode) -> Iterator[str]:
    if notebook.metadata != METADATA:
        yield f"its metadata are {dict(notebook.metadata)}"
    for cell in notebook.cells:
        if more := cell.metadata.keys() - {"tags", "jupyter"}:
            yield f"{cell.id} has metadata {sorted(more)}"


@check
def compares_nearly_everything(notebook: NotebookNode) -> Iterator[str]:
    cells = code_cells(notebook)
    uncompared = [cell for cell in cells if UNCOMPARED & tags(cell)]
    if len(uncompared) > SHARE * len(cells):
        yield f"{len(uncompared)} of {len(cells)} cells are not compared: {[cell.id for cell in uncompared]}"
    for cell in cells:
        if {"nbval-skip", "skip-execution"} & tags(cell):
            yield f"{cell.id} is not even executed"
        if re.search(r"^\s*#+\s*(NBVAL|PYTEST_VALIDATE)_", cell.source, re.M):
            yield f"{cell.id} has a comment for nbval: use tags"
        for output in cell.outputs:
            raw = set(output.get("metadata", {}).get("helpers", {}).get("raw", []))
            if raw - {"text/html", "image/png", WIDGET} or (raw and "text/plain" not in output.data):
                yield f"{cell.id}: an output has nothing that is compared"


@check
def checks_what_is_not_compared(notebook: NotebookNode) -> Iterator[str]:
    cells = code_cells(notebook)
    for cell, following in itertools.zip_longest(cells, cells[1:]):
        if UNCOMPARED & tags(cell):
            # A check asserts, or it says what it found and is compared.
            if following is None or UNCOMPARED & tags(following):
                yield f"{cell.id} is not compared, and no compared cell follows it"
            elif not following.outputs and not re.search(r"^\s*assert\b", following.source, re.M):
                yield f"{cell.id} is not compared, and {following.id} checks nothing"
            elif any(re.search(r": False$", text, re.M) for text in texts(following.outputs)):
                yield f"{following.id} says that something is false"


@check
def shows_what_its_sources_made(notebook: NotebookNode) -> Iterator[str]:
    for cell in code_cells(notebook):
        head, _, body = cell.source.partition("\n")
        words = head.split(maxsplit=1)
        expected = fingerprint(words[1] if words[1:] else "", body)
        for output in cell.outputs:
            made_by = output.get("metadata", {}).get("helpers", {}).get("source", expected)
            if head.startswith("%%") and made_by != expected:
                yield f"{cell.id} has an output of another source: python -m helpers refresh"


@check
def has_short_cells(notebook: NotebookNode) -> Iterator[str]:
    lengths = {cell.id: len(re.findall(r"^.*\S", cell.source, re.M)) for cell in code_cells(notebook)}
    for name, length in lengths.items():
        if length > LONGEST:
            yield f"{name} has {length} lines"
    if lengths and statistics.median(lengths.values()) > MEDIAN:
        yield f"half of its code cells are longer than {MEDIAN} lines"


PATHS = sorted(NOTEBOOKS.glob("*.ipynb"))


@pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)
@pytest.mark.parametrize("name", CHECKS)
def test_a_notebook(path: Path, name: str) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    assert [*CHECKS[name](notebook)] == []


def test_there_are_notebooks_and_their_names_are_in_order() -> None:
    assert PATHS
    assert [path.stem for path in PATHS if not re.fullmatch(r"\d\d_[a-z0-9_]+", path.stem)] == []


# The same checks on a good notebook, and on it with one thing wrong.


def out(kind: str, **content: Any) -> NotebookNode:
    return v4.new_output(kind, **content)


@pytest.fixture
def good() -> NotebookNode:
    shown = out(
        "display_data",
        data={"image/png": "", "text/html": '<img alt="a lane" src="data:">', "text/plain": "a lane"},
        metadata={
            "image/png": {"alt": "a lane"},
            "helpers": {"raw": ["image/png", "text/html"], "source": fingerprint("r", "print(1)")},
        },
    )
    error = out("error", ename="E", evalue="e", traceback=["threading.py:3"])
    cells = [
        v4.new_markdown_cell("# Fork\n\nYou will learn how to **fork**.\n\n![a fork](fork.svg)"),
        v4.new_code_cell("%%as_script r\nprint(1)", outputs=[shown], execution_count=1),
        v4.new_code_cell(
            "1 / 0", outputs=[error], metadata={"tags": ["raises-exception"]}, execution_count=2
        ),
        v4.new_code_cell("race()", metadata={"tags": ["nbval-ignore-output"]}, execution_count=3),
        v4.new_code_cell("assert True", execution_count=4),
        *(v4.new_code_cell("1", execution_count=number) for number in (5, 6, 7)),
    ]
    for number, cell in enumerate(cells):
        cell.id = f"step-{number}"
    return v4.new_notebook(cells=cells, metadata=nbformat.from_dict(METADATA))


@pytest.mark.parametrize("name", CHECKS)
def test_a_good_notebook_passes(good: NotebookNode, name: str) -> None:
    assert [*CHECKS[name](good)] == []


def printed(text: str) -> NotebookNode:
    return out("stream", name="stdout", text=text)


def changed(**changes: Any) -> Callable[[NotebookNode], object]:
    """Set attributes of the cell that prints 1 as a script."""
    return lambda notebook: notebook.cells[1].update(nbformat.from_dict(changes))


@pytest.mark.parametrize(
    ("name", "spoil"),
    [
        ("opens_with_what_will_be_learnt", lambda n: n.cells.pop(0)),
        ("opens_with_what_will_be_learnt", lambda n: n.cells.clear()),
        ("opens_with_what_will_be_learnt", lambda n: n.cells[0].update(source="# Fork\n\nAbout forks.")),
        ("opens_with_what_will_be_learnt", lambda n: n.cells[0].update(source="You will learn how to fork.")),
        ("was_executed_in_order", changed(execution_count=None)),
        ("was_executed_in_order", changed(execution_count=9)),
        ("was_executed_in_order", lambda n: n.cells.insert(3, n.cells.pop(1))),
        ("raises_where_it_says_so", lambda n: n.cells[2].metadata.tags.clear()),
        ("raises_where_it_says_so", lambda n: n.cells[2].outputs.clear()),
        ("says_nothing_of_the_machine", changed(outputs=[printed(f"in {Path.home()}/x")])),
        ("says_nothing_of_the_machine", changed(outputs=[printed("in /home/anna/x")])),
        ("says_nothing_of_the_machine", changed(outputs=[printed(r"in C:\Users")])),
        ("says_nothing_of_the_machine", changed(outputs=[printed(f"{tempfile.gettempdir()}/x")])),
        ("says_nothing_of_the_machine", changed(outputs=[printed("/usr/lib/python3.11/queue.py")])),
        ("says_nothing_of_the_machine", changed(outputs=[out("error", traceback=["/Users/anna/x.py"])])),
        ("says_nothing_of_the_machine", changed(metadata={"path": "/root/x"})),
        ("says_nothing_of_the_machine", changed(source=f"open('{NOTEBOOKS.parent}')")),
        ("describes_its_images", lambda n: n.cells[1].outputs[0].metadata["image/png"].update(alt=" ")),
        ("describes_its_images", lambda n: n.cells[1].outputs[0].metadata.pop("image/png")),
        ("describes_its_images", lambda n: n.cells[1].outputs[0].data.update({"text/html": '<img src="x">'})),
        ("describes_its_images", lambda n: n.cells[1].outputs[0].data.update({"text/html": '<img alt="">'})),
        ("describes_its_images", lambda n: n.cells[0].update(source="![](fork.svg)")),
        ("describes_its_images", lambda n: n.cells[0].update(source='<img src="fork.svg">')),
        ("has_stable_cell_ids", changed(id="3f2a90bc")),
        ("has_stable_cell_ids", changed(id="3f2a90bc-5be1-4df5-9d1a-4c0b5e6f7a81")),
        ("has_stable_cell_ids", changed(id="Step 1")),
        ("has_stable_cell_ids", changed(id="step-2")),
        ("has_stable_cell_ids", lambda n: n.cells[1].pop("id")),
        ("has_clean_metadata", changed(metadata={"execution": {}})),
        ("has_clean_metadata", lambda n: n.metadata.kernelspec.update(name="my-venv")),
        ("has_clean_metadata", lambda n: n.metadata.language_info.update(version="3.11.7")),
        ("has_clean_metadata", lambda n: n.metadata.update(widgets={})),
        ("compares_nearly_everything", changed(metadata={"tags": ["nbval-ignore-output"]})),
        ("compares_nearly_everything", lambda n: n.cells[3].metadata.update(tags=["nbval-skip"])),
        ("compares_nearly_everything", changed(source="# NBVAL_IGNORE_OUTPUT\n1")),
        ("compares_nearly_everything", changed(source="x = 1\n  #NBVAL_SKIP")),
        (
            "compares_nearly_everything",
            lambda n: n.cells[1].outputs[0].metadata.helpers.raw.append("text/plain"),
        ),
        ("compares_nearly_everything", lambda n: n.cells[1].outputs[0].data.pop("text/plain")),
        ("checks_what_is_not_compared", lambda n: n.cells[4].update(source="print('assert')")),
        ("checks_what_is_not_compared", lambda n: n.cells[7].metadata.update(tags=["nbval-ignore-output"])),
        ("checks_what_is_not_compared", lambda n: n.cells[4].metadata.update(tags=["nbval-ignore-output"])),
        (
            "checks_what_is_not_compared",
            lambda n: n.cells[4].update(outputs=[printed("a: True\nb: False\n")]),
        ),
        ("shows_what_its_sources_made", changed(source="%%as_script r\nprint(2)")),
        ("shows_what_its_sources_made", changed(source="%%as_script\nprint(1)")),
        ("has_short_cells", changed(source="\n".join(["1"] * (LONGEST + 1)))),
        ("has_short_cells", lambda n: [cell.update(source="1\n" * (MEDIAN + 1)) for cell in n.cells[1:6]]),
    ],
)
def test_each_check_can_fail(good: NotebookNode, name: str, spoil: Callable[[NotebookNode], object]) -> None:
    spoil(good)
    assert [*CHECKS[name](good)] != []


@pytest.mark.parametrize("who", ["getpass.getuser", "socket.gethostname"])
def test_the_names_of_user_and_machine_are_found(
    good: NotebookNode, monkeypatch: pytest.MonkeyPatch, who: str
) -> None:
    monkeypatch.setattr(who, lambda: "zaphod42")
    good.cells[1].outputs = [printed("by zaphod42.")]
    assert [*says_nothing_of_the_machine(good)] == ["step-1: its output says 'zaphod42'"]
    good.cells[1].outputs = [printed("by zaphod421.")]
    assert [*says_nothing_of_the_machine(good)] == []


@pytest.mark.parametrize("path", sorted(NOTEBOOKS.glob("*.ipynb")), ids=lambda path: path.stem)
def test_chapters_are_linked(path: Path) -> None:
    cells = nbformat.read(path, as_version=4).cells
    assert cells[-1].id == "navigation"
    for cell in cells:
        generated = navigation.filled(cell.id, path)
        assert generated is None or cell.source == generated != ""


def headings(path: Path) -> set[str]:
    """The headings of a notebook, as JupyterLab makes addresses of them."""
    cells = nbformat.read(path, as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    return {
        line.lstrip("# ").replace("`", "").replace(" ", "-") for line in text.splitlines() if line[:1] == "#"
    }


def test_every_source_idea_has_its_section() -> None:
    cells = nbformat.read(NOTEBOOKS / "00_start_here.ipynb", as_version=4).cells
    (table,) = (cell.source for cell in cells if cell.id == "source-map")
    rows = [row for row in table.splitlines() if row.startswith("| ")][1:]
    assert len(rows) == 19
    for row in rows:
        links = re.findall(r"\]\(([^#)]+)#([^)]+)\)", row)
        assert links, row
        for name, heading in links:
            assert heading in headings(NOTEBOOKS / name), f"{heading} in {row}"


def test_the_readme_lists_every_chapter() -> None:
    readme = (NOTEBOOKS.parent / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"\]\(notebooks/([^)]+\.ipynb)\)", readme)
    assert listed == [path.name for path in sorted(NOTEBOOKS.glob("*.ipynb"))]

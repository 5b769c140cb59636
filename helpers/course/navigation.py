"""The links between chapters: contents, and previous and next at the end; made from the chapters' titles."""

from __future__ import annotations

from pathlib import Path

import nbformat


def title(path: Path) -> str:
    """The heading of a notebook."""
    first = nbformat.read(path, as_version=4).cells[0].source  # type: ignore[no-untyped-call]
    return str(first).partition("\n")[0].removeprefix("# ")


def filled(cell: str, path: Path) -> str | None:
    """What belongs into the cell with that id of the chapter `path`; None for a cell of its own."""
    return {"navigation": links, "contents": contents}.get(cell, lambda _: None)(path)


def contents(path: Path) -> str:
    """Write the list of all chapters, as Markdown."""
    chapters = sorted(path.parent.glob("*.ipynb"))
    return "\n".join(["## Contents", "", *(f"- [{title(each)}]({each.name})" for each in chapters)])


def links(path: Path) -> str:
    """Write the links that belong at the end of the chapter `path`, as Markdown."""
    chapters = sorted(path.parent.glob("*.ipynb"))
    at = chapters.index(path)
    parts = []
    if at > 0:
        parts.append(f"Previous: [{title(chapters[at - 1])}]({chapters[at - 1].name})")
    if at > 1:
        parts.append(f"[Contents]({chapters[0].name})")
    if at + 1 < len(chapters):
        parts.append(f"Next: [{title(chapters[at + 1])}]({chapters[at + 1].name})")
    return " | ".join(parts)

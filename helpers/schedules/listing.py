"""The function around a line of a program, as its author wrote it."""

from __future__ import annotations

import ast
import linecache
import textwrap
from functools import lru_cache
from typing import NamedTuple

from helpers.timeline.naming import parsed


class Listing(NamedTuple):
    """A piece of a program.

    Attributes:
        file: the path, or a notebook cell's name.
        first: number of its first line.
        lines: without the indentation they have in common.
    """

    file: str
    first: int
    lines: tuple[str, ...]

    def has(self, file: str, line: int) -> bool:
        """Is the line one of these?"""
        return file == self.file and self.first <= line < self.first + len(self.lines)


def around(file: str, line: int) -> Listing | None:
    """The innermost function with that line, else the statement of the module; None without its source."""
    lines = tuple(linecache.getlines(file))
    if not 0 < line <= len(lines):
        return None
    first, last = _bounds("".join(lines), line)
    text = textwrap.dedent("".join(lines[first - 1 : last]))
    return Listing(file, first, tuple(text.rstrip("\n").split("\n")))


@lru_cache(32)
def _bounds(source: str, line: int) -> tuple[int, int]:
    """First and last line of the innermost function, or of the statement, around a line."""
    try:
        tree = parsed(source)
    except SyntaxError:
        return line, line
    functions = [node for node in ast.walk(tree) if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    # Outer functions come before inner ones.
    for node in reversed([*tree.body, *functions]):
        last = node.end_lineno or node.lineno
        if _first(node) <= line <= last:
            return _first(node), last
    return line, line


def _first(node: ast.stmt) -> int:
    decorators: list[ast.expr] = getattr(node, "decorator_list", [])
    return min([node.lineno, *(each.lineno for each in decorators)])

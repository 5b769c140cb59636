"""What the program calls an object: found from the line that made it, after the run."""

from __future__ import annotations

import ast
import linecache
import warnings
from collections import defaultdict
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path


class NameFinder:
    """Finds names by the places that made the objects; two from one place are told apart."""

    def __init__(self) -> None:
        self._files: dict[str, dict[int, list[tuple[str, str]]]] = {}

    def find(self, file: str, line: int, kind: str, nth: int) -> str:
        """Name an object.

        Args:
            file: path of the source; it may be gone.
            line: number of the line.
            kind: what was made.
            nth: how many of this kind were made there before it.

        Returns:
            The name it is assigned to (``"lock"``, ``"self.not_empty"``, ``"forks[2]"``), or the
            kind and the line.
        """
        if file not in self._files:
            self._files[file] = _names(file)
        made = self._files[file].get(line, [])
        maker = kind.rpartition(".")[2]
        # A class or function of the program's own may have made it: then any name of that line will do.
        names = [name for called, name in made if called == maker] or [name for _, name in made]
        if not names:
            name = f"{maker} of line {line}" if line else maker
            return name if nth == 0 else f"{name} ({nth + 1})"
        name, round_ = names[nth % len(names)], nth // len(names)
        if name.endswith("[]"):
            return f"{name[:-1]}{round_}]"
        return name if round_ == 0 else f"{name} ({round_ + 1})"


def _names(file: str) -> dict[int, list[tuple[str, str]]]:
    try:
        return _names_in(_source(file))
    except (OSError, SyntaxError, ValueError):
        return {}


def parsed(text: str | bytes) -> ast.Module:
    """The syntax tree of a program's text, without the warnings: they were said when it was compiled.

    Raises:
        SyntaxError, ValueError: it is not Python.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ast.parse(text)


@lru_cache(32)
def _names_in(source: str | bytes) -> dict[int, list[tuple[str, str]]]:
    """For each line, in order: what is called there, and what the result is assigned to.

    ``"name[]"`` stands for one of several in a collection.
    """
    tree = parsed(source)
    found: dict[int, list[tuple[str, str]]] = defaultdict(list)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            pairs = _pairs(node.targets[0], node.value)
        elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
            pairs = _pairs(node.target, node.value)
        elif isinstance(node, ast.withitem) and node.optional_vars is not None:
            pairs = _pairs(node.optional_vars, node.context_expr)
        elif isinstance(node, ast.keyword) and node.arg is not None and isinstance(node.value, ast.Call):
            pairs = iter([(node.value, node.arg)])
        else:
            continue
        for call, name in pairs:
            for line in range(call.lineno, (call.end_lineno or call.lineno) + 1):
                found[line].append((ast.unparse(call.func).rpartition(".")[2], name))
    return found


def _source(file: str) -> str | bytes:
    """What the file holds; a notebook's cell is none, and only `linecache` knows its source."""
    try:
        return Path(file).read_bytes()
    except OSError:
        lines = linecache.getlines(file)
        if not lines:
            raise
        return "".join(lines)


def _pairs(target: ast.expr, value: ast.expr) -> Iterator[tuple[ast.Call, str]]:
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
        for one, made in zip(target.elts, value.elts, strict=False):
            yield from _pairs(one, made)
    elif isinstance(value, ast.Call):
        yield value, _unparse(target)
    elif isinstance(value, (ast.List, ast.ListComp, ast.Tuple, ast.Dict, ast.DictComp, ast.Set)):
        for inner in ast.walk(value):
            if isinstance(inner, ast.Call):
                yield inner, f"{ast.unparse(target)}[]"


def _unparse(target: ast.expr) -> str:
    """``"a, b"``, without the brackets, for what is assigned to both at once."""
    return ", ".join(map(_unparse, target.elts)) if isinstance(target, ast.Tuple) else ast.unparse(target)

"""From a function to the piece of syntax tree it was made from."""

from __future__ import annotations

import ast
import dis
import functools
import inspect
import linecache
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from helpers.schedules import variables
from helpers.schedules.operation import Site
from helpers.timeline.naming import parsed

Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda

_FUTURES = 0x1FE0000  # the flags of `from __future__ import …`, which a function has from its module


class NoSource(Exception):
    """The text of a function cannot be found; the exception's own text says why."""


class Module:
    """A file, or a notebook's cell, read once.

    Attributes:
        lines: its text.
        tree: its syntax tree, with the scopes that `variables.analyse` gives.
    """

    def __init__(self, lines: tuple[str, ...]) -> None:
        self.lines = lines
        self.tree = parsed("".join(lines))
        variables.analyse(self.tree)
        self.functions: dict[tuple[int, str], list[Function]] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                first = node.decorator_list[0].lineno if node.decorator_list else node.lineno
                self.functions.setdefault((first, node.name), []).append(node)
            elif isinstance(node, ast.Lambda) and hasattr(node, "scope"):
                self.functions.setdefault((node.lineno, "<lambda>"), []).append(node)


_modules: dict[str, Module] = {}


def _module(function: FunctionType) -> Module:
    file = function.__code__.co_filename
    if file.startswith("<frozen"):  # a part of the standard library that the interpreter has within itself
        file = function.__globals__.get("__file__", file)
    lines = tuple(linecache.getlines(file, function.__globals__))
    if not lines:
        raise NoSource("its source cannot be found")
    known = _modules.get(file)
    if known is None or known.lines != lines:
        try:
            known = _modules[file] = Module(lines)
        except SyntaxError:
            raise NoSource("its source cannot be read as Python") from None
    return known


def tree_of(function: FunctionType) -> Function:
    """The syntax tree of a function, with the scopes that `variables.analyse` gives.

    Raises:
        NoSource: there is none, or it is not what the function was compiled from.
    """
    code = function.__code__
    found = _module(function).functions.get((code.co_firstlineno, code.co_name), [])
    found = [node for node in found if _arguments(node) == code.co_varnames[: len(_arguments(node))]]
    if len(found) > 1:
        found = _by_columns(code, found)
    if not found:
        raise NoSource("its source has changed since it was loaded, or cannot be found")
    return found[0]


def _arguments(node: Function) -> tuple[str, ...]:
    given = node.args
    names = [*given.posonlyargs, *given.args, *given.kwonlyargs]
    names += [each for each in (given.vararg, given.kwarg) if each is not None]
    return tuple(node.scope.mangled(each.arg) for each in names)  # type: ignore[union-attr]


def _by_columns(code: CodeType, found: list[Function]) -> list[Function]:
    """Of several lambdas on one line, the one whose body is where the code's instructions are."""
    places = [
        (at.lineno or 0, at.col_offset or 0, at.end_lineno or 0, at.end_col_offset)
        for at in (instruction.positions for instruction in dis.get_instructions(code))
        if at is not None and at.end_col_offset
    ]
    if not places:  # it returns a constant, and 3.12 keeps no column for that
        return [
            node
            for node in found
            if isinstance(node.body, ast.Constant) and node.body.value in code.co_consts
        ]
    first, last = min(place[:2] for place in places), max(place[2:] for place in places)
    around = [node for node in found if _begin(node) <= first and last <= _end(node)]
    return sorted(around, key=lambda node: (_end(node)[0] - _begin(node)[0], _end(node)[1] - _begin(node)[1]))


def _begin(node: Function) -> tuple[int, int]:
    body = node.body[0] if isinstance(node.body, list) else node.body
    return (body.lineno, body.col_offset)


def _end(node: Function) -> tuple[int, int]:
    body = node.body[-1] if isinstance(node.body, list) else node.body
    return (body.end_lineno or 0, body.end_col_offset or 0)


def first_line(code: CodeType) -> Site:
    """Where a function begins."""
    return Site(code.co_filename, code.co_firstlineno, 0)


def file_of(scenario: Any) -> str:
    """The file that a scenario is from; "" where it has none."""
    while isinstance(scenario, functools.partial):
        scenario = scenario.func
    function = inspect.unwrap(scenario if inspect.isroutine(scenario) else type(scenario).__call__)
    code = getattr(function, "__code__", None)
    return "" if code is None else str(code.co_filename)


@functools.cache
def elsewhere(file: str, home: str) -> str:
    """The name of a file, to be said with its lines where others are from `home`; "" for that one.

    The cells of a notebook have no names that say anything.
    """
    path = Path(file)
    if file == home or not (path.is_file() or file.startswith("<frozen")):
        return ""
    name = file.strip("<>").removeprefix("frozen ") if file.startswith("<") else path.name
    return f"{path.parent.name}/{name}" if name == "__init__.py" else name


def line_in(name: str, line: int) -> str:
    """A line as one says it: ``"line 5"``, or ``"line 5 of own.py"`` with the name from `elsewhere`."""
    return f"line {line} of {name}" if name else f"line {line}"


def futures(code: CodeType) -> int:
    """The flags with which a changed version of the code must be compiled."""
    return code.co_flags & _FUTURES

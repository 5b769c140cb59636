"""What the program calls an object: found from the line that made it, after the run."""

from __future__ import annotations

import ast
import linecache
import re
import warnings
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path


@dataclass(frozen=True)
class _Made:
    """A call in the program, and what its result is called.

    Attributes:
        called: name of the class or function.
        names: one name for each time the call is made, before it begins anew; empty where it has none.
        endless: it goes on like that: how often the names were given out goes into the place of ``"{}"``.
    """

    called: str
    names: tuple[str, ...]
    endless: bool = False

    def name(self, times: int) -> str:
        """What its result is called when the call was made so many times before."""
        name, round_ = self.names[times % len(self.names)], times // len(self.names)
        if self.endless:
            return name.replace("{}", str(round_))
        return name if round_ == 0 else f"{name} ({round_ + 1})"


class NameFinder:
    """Finds names by the places that made the objects; two from one place are told apart."""

    def __init__(self) -> None:
        self._files: dict[str, dict[int, list[_Made]]] = {}

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
        maker = kind.rpartition(".")[2]
        if name := self.assigned(file, line, maker, nth):
            return name
        name = f"{maker} of line {line}" if line else maker
        return name if nth == 0 else f"{name} ({nth + 1})"

    def assigned(self, file: str, line: int, maker: str, nth: int) -> str:
        """What it is assigned to, as in `find`; "" where it is not."""
        if file not in self._files:
            self._files[file] = _names(file)
        made = self._files[file].get(line, [])
        # A class or function of the program's own may have made it: then any name of that line will do.
        made = [each for each in made if each.called == maker] or [each for each in made if each.names]
        # In turn, as often as the line is run; but a comprehension makes all of one before it goes on.
        which = made[nth % len(made)] if made else None
        return which.name(nth // len(made)) if which is not None and which.names else ""


def _names(file: str) -> dict[int, list[_Made]]:
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
def _names_in(source: str | bytes) -> dict[int, list[_Made]]:
    """For each line, in order: what is called there, and what the result is called."""
    named: dict[ast.Call, _Made] = {}
    calls: list[ast.Call] = []
    for node in ast.walk(parsed(source)):
        if isinstance(node, ast.Call):
            calls.append(node)
        for call, names, endless in _given(node):
            named.setdefault(call, _Made(_called(call), names, endless))
    found: dict[int, list[_Made]] = defaultdict(list)
    for call in sorted(calls, key=lambda call: (call.lineno, call.col_offset)):
        made = named.get(call, _Made(_called(call), ()))
        for line in range(call.lineno, (call.end_lineno or call.lineno) + 1):
            found[line].append(made)
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


def _called(call: ast.Call) -> str:
    return ast.unparse(call.func).rpartition(".")[2]


_MOST = 1000  # names for what one line makes; of more than that all are only numbered

# A call, the names for its results, and whether there are more than those.
_Named = tuple[ast.Call, tuple[str, ...], bool]


def _given(node: ast.AST) -> Iterator[_Named]:
    """The calls that a statement or an argument gives a name to."""
    if isinstance(node, ast.Assign):
        yield from _assigned(node.targets[0], node.value)
    elif isinstance(node, (ast.AnnAssign, ast.NamedExpr)) and node.value is not None:
        yield from _assigned(node.target, node.value)
    elif isinstance(node, ast.withitem) and node.optional_vars is not None:
        yield from _assigned(node.optional_vars, node.context_expr)
    elif isinstance(node, ast.ClassDef):  # it comes before its statements, which know nothing of the class
        for statement in node.body:
            if isinstance(statement, (ast.Assign, ast.AnnAssign)):
                for call, names, endless in _given(statement):
                    yield call, tuple(f"{node.name}.{name}" for name in names), endless
    elif isinstance(node, ast.keyword) and node.arg is not None and isinstance(node.value, ast.Call):
        yield node.value, (node.arg,), False
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.args:
        into = ast.unparse(node.func.value)
        if node.func.attr in ("append", "appendleft", "add"):
            yield from _within(node.args[0], (f"{into}[{{}}]",), True)
        elif node.func.attr == "setdefault" and len(node.args) == 2:
            yield from _within(node.args[1], (f"{into}[{ast.unparse(node.args[0])}]",), False)


def _assigned(target: ast.expr, value: ast.expr) -> Iterator[_Named]:
    if isinstance(target, (ast.Tuple, ast.List)):
        if isinstance(value, (ast.Tuple, ast.List)):
            for one, made in zip(target.elts, value.elts, strict=False):
                yield from _assigned(one, made)
            return
        if isinstance(value, (ast.ListComp, ast.GeneratorExp)):
            yield from _within(value.elt, tuple(map(ast.unparse, target.elts)), False)
            return
    match target:
        case ast.Subscript(whole, ast.Slice(None, None, None)):  # locks[:] = [Lock()]
            target = whole
    yield from _within(value, (ast.unparse(target).strip("()"),), False)


def _within(value: ast.expr, names: tuple[str, ...], endless: bool) -> Iterator[_Named]:
    """The calls in a value that are its result, or an item of it.

    Args:
        names, endless: what the value is called, each time it is made; as in `_Made`.
    """

    def item(place: str) -> tuple[str, ...]:
        return tuple(f"{name}[{place}]" for name in names)

    match value:
        case ast.Call():
            yield value, names, endless
            if _called(value) in ("list", "tuple", "set", "frozenset", "deque", "dict") and value.args:
                yield from _within(value.args[0], names, endless)
        case ast.List(elts) | ast.Tuple(elts) | ast.Set(elts):
            for place, each in enumerate(elts):
                yield from _within(each, item(str(place)), endless)
        case ast.Dict(keys, values):
            for key, each in zip(keys, values, strict=True):
                yield from _within(each, item("…" if key is None else ast.unparse(key)), endless)
        case ast.ListComp(elt) | ast.SetComp(elt) | ast.GeneratorExp(elt):
            known = _gone_through(value)
            places = None if known is None else [str(place) for place in range(len(known))]
            yield from _repeated(elt, names, endless, places)
        case ast.DictComp(key, elt):
            loop = value.generators[0].target
            known = _gone_through(value)
            simple = isinstance(key, ast.Name) and isinstance(loop, ast.Name) and key.id == loop.id
            yield from _repeated(elt, names, endless, known if simple else None, numbered=False)
        case ast.IfExp(_, one, other):
            yield from _within(one, names, endless)
            yield from _within(other, names, endless)
        case ast.BoolOp(_, values):
            for each in values:
                yield from _within(each, names, endless)
        case ast.BinOp(left, ast.Mult(), _):
            yield from _within(left, names, endless)
        case ast.BinOp(left, ast.Add(), right):
            yield from _within(left, names, endless)
            if isinstance(left, ast.List) and isinstance(right, ast.List):
                for place, each in enumerate(right.elts, len(left.elts)):
                    yield from _within(each, item(str(place)), endless)


def _repeated(
    elt: ast.expr, names: tuple[str, ...], endless: bool, places: Sequence[str] | None, numbered: bool = True
) -> Iterator[_Named]:
    """The calls in the element of a comprehension.

    Args:
        places: the indices or keys in turn; None where nobody knows how many there are.
        numbered: whether the place of an element is the number of those before it.
    """
    if places is not None:
        yield from _within(elt, tuple(f"{name}[{place}]" for name in names for place in places), endless)
    elif numbered and len(names) == 1 and not endless:
        yield from _within(elt, (f"{names[0]}[{{}}]",), True)
    else:
        yield from _within(elt, (re.sub(r"\[(\d+|{})]", "[…]", names[0]) + "[…]",), False)


def _gone_through(value: ast.ListComp | ast.SetComp | ast.GeneratorExp | ast.DictComp) -> list[str] | None:
    """What a comprehension goes through, where its text says that."""
    loop = value.generators[0]
    if len(value.generators) > 1 or loop.ifs:
        return None
    match loop.iter:
        case ast.Call(ast.Name("range"), [ast.Constant(int(stop))], []) if stop <= _MOST:
            return [str(place) for place in range(stop)]
        case ast.Constant(str(text)):
            return [repr(letter) for letter in text]
        case ast.List(elts) | ast.Tuple(elts) if all(isinstance(each, ast.Constant) for each in elts):
            return [ast.unparse(each) for each in elts]
    return None

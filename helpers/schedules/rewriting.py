"""Makes the accesses to shared data visible in functions that know nothing of it.

Each function that a scenario can come to gets, for the time of the search, other code: compiled from its own
syntax tree, in which each access to data that another thread may share is preceded by a call to
`helpers.schedules.reporting`; see `helpers.schedules.transformer`.

What rewritten code needs is put into its constants: neither its globals nor its builtins get a name of ours.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from types import CodeType, FunctionType
from typing import Any

from helpers.schedules import calls, importing, lifetimes, sources
from helpers.schedules.containers import Variables
from helpers.schedules.reaching import Reached
from helpers.schedules.reporting import variables_of
from helpers.schedules.transformer import MARK, Rewriter, copied, placed

_OUTER = "\0made "  # name of the function that the rewritten one is compiled in

# What was compiled, by the old code's id and what decides the new; with the old code, so that no other gets
# its id.
_made: dict[tuple[Any, ...], tuple[CodeType, CodeType]] = {}


def rewritten(function: FunctionType, code: CodeType, tree: sources.Function, reached: Reached) -> CodeType:
    """The code that a function whose own is `code` gets, so that it reports what it touches.

    Raises:
        sources.NoSource: what comes out does not fit the function.
    """
    names = function.__globals__
    is_shared = reached.shared_globals(names)
    attributes = reached.attributes
    of_attributes, of_variables = _mentioned(tree)
    watched = (
        None
        if attributes is None
        else frozenset(
            name
            for name in attributes
            if name in of_attributes or any(name.endswith(each) for each in of_attributes)
        )
    )
    key = (id(code), id(names), watched, frozenset(filter(is_shared, of_variables)))
    known = _made.get(key)
    if known is None:
        if len(_made) > 1000:
            _made.clear()
        known = _made[key] = (code, _compiled(code, tree, attributes, is_shared, variables_of(names)))
    return known[1]


@lru_cache(1000)
def _mentioned(tree: sources.Function) -> tuple[set[str], set[str]]:
    """The names of attributes, and of variables, that a function has in its text."""
    nodes = list(ast.walk(tree))
    return (
        {each.attr for each in nodes if isinstance(each, ast.Attribute)},
        {each.id for each in nodes if isinstance(each, ast.Name)},
    )


def _compiled(
    code: CodeType,
    tree: sources.Function,
    attributes: set[str] | None,
    is_shared: Callable[[str], bool],
    variables: Variables,
) -> CodeType:
    assert not isinstance(tree, ast.AsyncFunctionDef)
    node = copied(tree)
    rewriter = Rewriter(code.co_filename, attributes, is_shared, variables)
    rewriter.body(node)
    node.args.defaults = []
    node.args.kw_defaults = [None] * len(node.args.kwonlyargs)
    for each in ast.walk(node.args):
        if isinstance(each, ast.arg):
            each.annotation = None
    inner: ast.stmt
    if isinstance(node, ast.FunctionDef):
        # A decorator's line is the first of a function's, so one of them stays, though nothing will run it.
        node.decorator_list = [placed(ast.Constant(None), each) for each in node.decorator_list[:1]]
        node.returns = None
        node.type_params = []  # type: ignore[attr-defined, unused-ignore]  # 3.12
        inner = node
    else:
        inner = placed(ast.Expr(node), node)
    class_name = tree.scope.class_name  # type: ignore[union-attr]
    if class_name is not None:  # for mangled names, and the cell that `super()` looks into
        inner = placed(
            _new(ast.ClassDef, name=class_name, bases=[], keywords=[], body=[inner], decorator_list=[]), inner
        )
    body = [inner]
    bound = code.co_name if class_name is None else class_name
    if isinstance(inner, (ast.FunctionDef, ast.ClassDef)) and bound not in code.co_freevars:
        body.insert(
            0, placed(ast.Global([bound]), inner)
        )  # or the function would find it in its new surroundings
    free = [placed(ast.arg(name), inner) for name in code.co_freevars if name != "__class__"]
    arguments = ast.arguments([], free, None, [], [], None, [])
    outer = placed(_new(ast.FunctionDef, name=_OUTER, args=arguments, body=body, decorator_list=[]), inner)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        made = compile(
            ast.Module([outer], []), code.co_filename, "exec", flags=sources.futures(code), dont_inherit=True
        )
    for name in (_OUTER, *([] if class_name is None else [class_name]), code.co_name):
        made = next(each for each in made.co_consts if isinstance(each, CodeType) and each.co_name == name)
    made = _finish(made, rewriter.constants, made.co_qualname, code.co_qualname)
    if made.co_freevars != code.co_freevars:
        raise sources.NoSource("its closure is another one than its source says")
    return made


def _new(kind: type[ast.stmt], **fields: Any) -> Any:
    if "type_params" in kind._fields:
        fields["type_params"] = []
    return kind(**fields)


def _finish(code: CodeType, ours: list[Any], prefix: str, qualname: str) -> CodeType:
    """Put our objects where their marks are, and the names right, in a code and all within."""

    def named(name: str) -> str:
        return qualname + name[len(prefix) :] if name.startswith(prefix) else name

    constants: list[Any] = []
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            constant = _finish(constant, ours, prefix, qualname)
        elif isinstance(constant, str) and constant.startswith(MARK):
            constant = ours[int(constant[len(MARK) :])]
        elif isinstance(constant, str):
            constant = named(constant)
        constants.append(constant)
    return code.replace(co_consts=tuple(constants), co_qualname=named(code.co_qualname))


def _within(code: CodeType) -> Iterator[CodeType]:
    yield code
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _within(constant)


@contextmanager
def visible(*roots: Any) -> Iterator[Reached]:
    """Within this context, all functions of the program that `roots` can reach report their accesses.

    Args:
        roots: the scenario, and whatever else the threads will run.

    Yields:
        What was found; its `notes` say what cannot be followed, and where.
    """
    reached = Reached()
    old: dict[FunctionType, CodeType] = {}

    def swap(functions: Iterable[FunctionType]) -> None:
        for function in functions:
            before = old.get(function, function.__code__)
            try:
                code = rewritten(function, before, reached.functions[function], reached)
            except sources.NoSource as why:
                reached.note(f"{function.__qualname__} is not followed: {why}", sources.first_line(before))
                continue
            old[function] = before
            function.__code__ = code
            calls.follow(_within(code))

    def late(function: FunctionType) -> bool:
        known = reached.assigned(), reached.notices_going
        found = reached.add(function)
        grown = (reached.assigned(), reached.notices_going) != known
        lifetimes.noticed = reached.notices_going
        swap(list(reached.functions) if grown else found)
        return grown

    calls.begin(late)
    importing.begin(lambda: swap(reached.look_again()))
    try:
        for root in roots:
            reached.add(root)
        swap(list(reached.functions))
        lifetimes.noticed = reached.notices_going
        yield reached
    finally:
        lifetimes.noticed = False
        for function, code in old.items():
            function.__code__ = code
        calls.begin(None)
        importing.begin(None)

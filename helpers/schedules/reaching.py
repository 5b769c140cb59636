"""Which functions a scenario can come to: those of the program itself, found from what its code names and
holds.

The search begins at the scenario and follows the global names and attributes its code mentions, its
closure, defaults and attributes, classes with their methods, bases and subclasses, instances, and what lists,
dictionaries, namespaces and partial functions hold. Standard library and installed packages are not entered;
a few containers and descriptors that they write in Python are taken along as if the program had written them.
"""

from __future__ import annotations

import ast
import builtins
import collections
import copy
import copyreg
import dataclasses
import functools
import inspect
import os
import sys
import sysconfig
from collections.abc import Callable, ItemsView, Iterator, ValuesView
from contextlib import suppress
from pathlib import Path
from types import (
    BuiltinFunctionType,
    CodeType,
    FrameType,
    FunctionType,
    GeneratorType,
    MappingProxyType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    SimpleNamespace,
)
from typing import Any

from helpers.schedules import sources
from helpers.schedules.operation import Site

Note = tuple[str, Site | None]

MADE_BY_CLASS_STATEMENT = 0x200  # CPython's Py_TPFLAGS_HEAPTYPE: other types cannot change

_WEAK = ("weakref", "_weakref", "_weakrefset")
# A generator with one of these has something to do when it goes before it has come to its end.
_WITH_AN_END = (ast.With, ast.Try, getattr(ast, "TryStar", ast.Try))

OURS = __name__.rpartition(".")[0] + "."  # how the names of the modules beside this one begin
# Packages that keep nothing that threads share.
_HARMLESS = ("pytest", "_pytest", "typing_extensions")
_NUMPY = "numpy's arrays are not followed: what threads do to one at the same time is not seen"
_NOT_FOLLOWED = (
    ", and its code is not followed: what threads share in it is not tried. One that is installed to be "
    "edited (pip install -e) is followed like the program itself"
)

_MOST = 1000  # of what a container holds is looked at

_HELPERS = str(Path(__file__).resolve().parent.parent) + os.sep
_LIBRARIES = tuple(
    {
        str(Path(path)) + os.sep
        for name in ("stdlib", "platstdlib", "purelib", "platlib")
        for path in (sysconfig.get_path(name), os.path.realpath(sysconfig.get_path(name)))
    }
)
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")

# Written in Python, with state in plain sight: what they do in several steps is seen as several steps.
_TAKEN_ALONG: tuple[type, ...] = (
    collections.Counter,
    collections.UserDict,
    collections.UserList,
    collections.UserString,
    collections.ChainMap,
    functools.cached_property,
    type(os.environ),
)
# Functions likewise: each goes through what it is given, and others may change that meanwhile.
_TAKEN_FUNCTIONS = {
    copy.__name__: {name for name, each in vars(copy).items() if isinstance(each, FunctionType)},
    dataclasses.__name__: {"asdict", "_asdict_inner", "astuple", "_astuple_inner", "replace", "_replace"},
}


@functools.cache
def is_own(file: str) -> bool:
    """Whether a file belongs to the program.

    Not to the standard library, an installed package, or this course.
    """
    if file.startswith(("<frozen", "<__array_function__")):
        return False
    path = os.path.realpath(file) if os.path.isabs(file) else file
    if any(piece in file or piece in path for piece in _INSTALLED):
        return False
    return not any(each.startswith((_HELPERS, *_LIBRARIES)) for each in (file, path))


def installed_package(module: str) -> str:
    """The installed package that a module belongs to; "" for the program's own, the library's and ours."""
    package = module.partition(".")[0]
    found = sys.modules.get(module)
    if found is None or package in sys.stdlib_module_names or package in ("__main__", OURS.partition(".")[0]):
        return ""
    file = getattr(found, "__file__", None)
    return "" if file is None or is_own(file) else package


def is_followed(function: FunctionType) -> bool:
    """Whether what a function touches is seen as it goes: the program's own is, and some of the library."""
    return is_own(function.__code__.co_filename) or is_taken_along(function)


def is_ours(file: str) -> bool:
    """Whether a file belongs to this course's tools."""
    return file.startswith(_HELPERS)


def frame_of_program(frame: FrameType | None) -> FrameType | None:
    """The nearest frame of the program itself, from one outwards."""
    while frame is not None and not is_own(frame.f_code.co_filename):
        frame = frame.f_back
    return frame


CACHED = type(functools.cache(len))  # what `functools.cache` and `lru_cache` make of a function


class Reached:
    """What was found from a scenario.

    Attributes:
        functions: those whose code will be rewritten, with their syntax trees, in order of discovery.
        notes: what cannot be followed, and where.
        attributes: the names of all attributes that any of them assigns; None if they assign names made at
        run time.
        globals: by the `id` of a module's namespace, the global variables that any of them assigns.
        notices_going: whether the program can notice when an object goes (see `lifetimes`).
    """

    def __init__(self) -> None:
        self.functions: dict[FunctionType, sources.Function] = {}
        self.notes: dict[Note, None] = {}
        self.attributes: set[str] | None = set()
        self.globals: dict[int, set[str]] = {}
        self.notices_going = False
        self._packages: set[str] = set()  # that are noted
        self._seen: dict[int, Any] = {}
        self._waiting: collections.deque[Any] = collections.deque()

    def note(self, what: str, site: Site | None) -> None:
        """Keep something that cannot be followed."""
        self.notes[what, site] = None

    def add(self, found: Any) -> list[FunctionType]:
        """Go on from an object; returns the functions that were not known before."""
        self._waiting.append(found)
        return self._go_on()

    def look_again(self) -> list[FunctionType]:
        """Go on from all that is known: a name may have got a meaning. Returns the functions that are new."""
        for function in self.functions:
            self._named(function.__code__, function.__globals__)
        return self._go_on()

    def _go_on(self) -> list[FunctionType]:
        before = len(self.functions)
        while self._waiting:
            each = self._waiting.popleft()
            if id(each) not in self._seen:
                self._seen[id(each)] = each
                self._look(each)
        return list(self.functions)[before:]

    # --- one object ----------------------------------------------------------------------------------

    def _look(self, found: Any) -> None:
        if found is copyreg.dispatch_table:
            return  # how libraries want their objects copied
        if isinstance(found, FunctionType):
            self._function(found)
        elif isinstance(found, type):
            self._class(found)
        elif isinstance(found, MethodType):
            self._waiting.extend((found.__func__, found.__self__))
        elif isinstance(found, functools.partial):
            self._waiting.extend((found.func, *found.args, *found.keywords.values()))
        elif isinstance(found, (list, tuple, set, frozenset, collections.deque)):
            self._waiting.extend(tuple(found)[:_MOST])
            self._waiting.append(type(found))
        elif isinstance(found, (ValuesView, ItemsView)):
            self._waiting.extend(tuple(found)[:_MOST])
        elif isinstance(found, MappingProxyType):
            self._waiting.extend(tuple(found.values())[:_MOST])
        elif isinstance(found, SimpleNamespace):
            self._waiting.extend(tuple(vars(found).values())[:_MOST])
            self._waiting.append(type(found))
        elif isinstance(found, dict):
            self._waiting.extend(tuple(found.values())[:_MOST])
            if isinstance(found, collections.defaultdict):
                self._waiting.append(found.default_factory)
            self._waiting.append(type(found))
        elif isinstance(found, BuiltinFunctionType | MethodWrapperType):
            self._waiting.append(found.__self__)
        elif isinstance(found, (staticmethod, classmethod)):
            self._waiting.append(found.__func__)
        elif isinstance(found, property):
            self._waiting.extend((found.fget, found.fset, found.fdel))
        elif isinstance(found, functools.cached_property):
            self._waiting.extend((found.func, functools.cached_property))
        elif isinstance(found, functools.partialmethod):
            self._waiting.append(found.func)
        elif isinstance(found, GeneratorType):
            if is_own(found.gi_code.co_filename):
                self.note(
                    f"generator {found.__qualname__} was made before the search",
                    sources.first_line(found.gi_code),
                )
        elif isinstance(found, CACHED):
            wrapped = found.__wrapped__
            self._waiting.append(wrapped)
            if isinstance(wrapped, FunctionType) and is_own(wrapped.__code__.co_filename):
                self.note(
                    f"{wrapped.__qualname__} keeps its results from call to call, in C",
                    sources.first_line(wrapped.__code__),
                )
        elif isinstance(found, ModuleType):
            self._installed(found.__name__)
        elif not isinstance(found, (str, bytes, int, float, CodeType)) and found is not None:
            self._instance(found)

    def _function(self, function: FunctionType) -> None:
        code = function.__code__
        self._waiting.append(getattr(function, "__wrapped__", None))
        for cell in function.__closure__ or ():
            try:
                self._waiting.append(cell.cell_contents)
            except ValueError:
                continue
        taken_along = is_taken_along(function)
        if not is_own(code.co_filename) and not taken_along:
            self._installed(function.__module__)
            return
        self._waiting.extend(function.__defaults__ or ())
        self._waiting.extend((function.__kwdefaults__ or {}).values())
        self._waiting.extend(vars(function).values())
        if made_by_library(function):
            return
        if inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function):
            self.note(f"async function {function.__qualname__} is not followed", sources.first_line(code))
            return
        try:
            tree = sources.tree_of(function)
        except sources.NoSource as why:
            if code.co_name not in _MADE_BY_COMPILER:
                self.note(f"{function.__qualname__} is not followed: {why}", sources.first_line(code))
            return
        self.functions[function] = tree
        self._assigned(tree, function)
        self.notices_going = self.notices_going or _notices_going(tree)
        if not taken_along or function.__module__ in _TAKEN_FUNCTIONS:
            self._named(code, function.__globals__)

    def _named(self, code: CodeType, names: dict[str, Any]) -> None:
        """Everything that a function's code names: globals, and what own modules have under these names."""
        mentioned = set(_names(code))
        # What the function imports itself has no global name.
        modules = [sys.modules[name] for name in mentioned if isinstance(sys.modules.get(name), ModuleType)]
        for name in mentioned:
            found = names.get(name)
            origin = _module_of(name, found)
            self.notices_going = self.notices_going or origin in _WEAK
            self._installed(origin, code)
            if isinstance(found, ModuleType):
                modules.append(found)
            elif found is not None:
                self._waiting.append(found)
        while modules:
            module = modules.pop()
            if is_own(getattr(module, "__file__", None) or "<frozen>") or _has_taken_along(module):
                for name in mentioned & vars(module).keys():
                    found = vars(module)[name]
                    if isinstance(found, ModuleType) and found is not module:
                        modules.append(found)
                    else:
                        self._waiting.append(found)

    def _class(self, found: type) -> None:
        taken_along = any(found is each for each in _TAKEN_ALONG)
        if not taken_along and not class_is_own(found):
            for base in found.__mro__[1:]:
                if base in _TAKEN_ALONG:
                    self._waiting.append(base)
            self._installed(found.__module__)
            return
        self._waiting.extend(tuple(vars(found).values()))
        if any("__del__" in vars(base) for base in found.__mro__):
            self.notices_going = True
        if taken_along:
            return
        self._waiting.extend(found.__mro__[1:])
        self._waiting.append(type(found))
        self._waiting.extend(type.__subclasses__(found) if not issubclass(found, type) else ())

    def _instance(self, found: Any) -> None:
        type_ = type(found)
        self._waiting.append(type_)
        if class_is_own(type_):
            with suppress(AttributeError):
                self._waiting.extend(tuple(object.__getattribute__(found, "__dict__").values()))
            for base in type_.__mro__:
                for slot in tuple(vars(base).values()):
                    if inspect.ismemberdescriptor(slot) and base.__flags__ & MADE_BY_CLASS_STATEMENT:
                        with suppress(AttributeError):
                            self._waiting.append(slot.__get__(found))

    def _installed(self, module: str, code: CodeType | None = None) -> None:
        """Note a package that the program uses; `code` is what names it, where that is known."""
        package = installed_package(module)
        if not package or package in _HARMLESS or package in self._packages:
            return
        self._packages.add(package)
        what = _NUMPY if package == "numpy" else f"{package} is an installed package{_NOT_FOLLOWED}"
        # The library's own code may name it, where that is followed: it says no line of the program.
        names = code is not None and is_own(code.co_filename)
        self.note(what, sources.first_line(code) if code is not None and names else None)

    # --- what is assigned ----------------------------------------------------------------------------

    def _assigned(self, tree: sources.Function, function: FunctionType) -> None:
        known = self.globals.setdefault(id(function.__globals__), set())
        for node, scope in _with_scopes(tree):
            if isinstance(node, ast.Attribute):
                if not isinstance(node.ctx, ast.Load):
                    self._assigns(scope.mangled(node.attr))
                elif node.attr in ("__setattr__", "__delattr__", "__dict__") or _initializes_again(node):
                    self.attributes = None
            elif isinstance(node, ast.Name):
                if node.id in ("setattr", "delattr", "vars", "globals", "exec", "eval"):
                    self.attributes = None if not _constant_name(node, tree) else self.attributes
                name = scope.mangled(node.id)
                if not isinstance(node.ctx, ast.Load) and scope.owner(name) is None:
                    known.add(name)
            elif isinstance(node, ast.Global):
                known.update(map(scope.mangled, node.names))
            elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and len(node.args) > 1:
                which = node.args[1]
                if node.func.id in ("setattr", "delattr") and isinstance(which, ast.Constant):
                    self._assigns(str(which.value))

    def _assigns(self, name: str) -> None:
        if self.attributes is not None:
            self.attributes.add(name)

    def assigned(self) -> tuple[int | None, int]:
        """How many attributes and global variables are assigned: it only grows."""
        attributes = None if self.attributes is None else len(self.attributes)
        return attributes, sum(map(len, self.globals.values()))

    def shared_globals(self, names: dict[str, Any]) -> Callable[[str], bool]:
        """Whether a global variable of a module may change while the scenario runs."""
        assigned = self.globals.get(id(names), set())
        attributes = self.attributes
        if attributes is None:
            return lambda name: name in assigned or name in names or not hasattr(builtins, name)
        return lambda name: name in assigned or (name in names and name in attributes)


def _initializes_again(node: ast.Attribute) -> bool:
    """Whether `__init__` is called by name: that of a data class sets attributes that no text shows."""
    return node.attr == "__init__" and not (
        isinstance(node.value, ast.Call) and isinstance(node.value.func, ast.Name)
    )


def _constant_name(name: ast.Name, tree: ast.AST) -> bool:
    """Whether a use of `setattr` or `delattr` says in the text which attribute it is about."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call) and node.func is name:
            return (
                name.id in ("setattr", "delattr")
                and len(node.args) > 1
                and isinstance(node.args[1], ast.Constant)
            )
    return False


def _module_of(name: str, found: Any) -> str:
    """The module that a name in the program's code is about."""
    if found is None:
        return name  # it may be imported where it is used
    if isinstance(found, ModuleType):
        return found.__name__
    kind = found if isinstance(found, (type, FunctionType, BuiltinFunctionType)) else type(found)
    return kind.__module__ or ""


@functools.lru_cache(1000)
def _notices_going(tree: sources.Function) -> bool:
    """Whether a function, or one within it, does something when an object goes, or itself as a generator."""
    for node in ast.walk(tree):
        if "__del__" in (getattr(node, "name", None), getattr(node, "id", None)):
            return True
        generates = isinstance(node, ast.FunctionDef) and node.scope.generates  # type: ignore[attr-defined]
        if generates and any(isinstance(part, _WITH_AN_END) for part in ast.walk(node)):
            return True
    return False


@functools.lru_cache(1000)
def _with_scopes(tree: sources.Function) -> tuple[tuple[ast.AST, Any], ...]:
    found: list[tuple[ast.AST, Any]] = []
    stack: list[tuple[ast.AST, Any]] = [(tree, tree.scope)]  # type: ignore[union-attr]
    while stack:
        node, scope = stack.pop()
        scope = getattr(node, "scope", scope)
        found.append((node, scope))
        stack.extend((child, scope) for child in ast.iter_child_nodes(node))
    return tuple(found)


def _names(code: CodeType) -> Iterator[str]:
    yield from code.co_names
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield from _names(constant)
        elif isinstance(constant, str):
            yield constant  # `getattr(module, "name")`


def class_is_own(found: type) -> bool:
    """Whether a class is the program's own."""
    if any(
        isinstance(value, FunctionType) and is_own(value.__code__.co_filename)
        for value in vars(found).values()
    ):
        return True
    if found.__module__ == "__main__":
        return True  # of a script or a notebook
    file = getattr(sys.modules.get(found.__module__), "__file__", None)
    return file is not None and is_own(file)


def is_taken_along(function: FunctionType) -> bool:
    """Whether the standard library wrote it, and it is followed all the same."""
    name = function.__qualname__.partition(".")[0]
    if name in _TAKEN_FUNCTIONS.get(function.__module__, ()):
        return True
    return any(each.__name__ == name and each.__module__ == function.__module__ for each in _TAKEN_ALONG)


def _has_taken_along(module: ModuleType) -> bool:
    name = module.__name__
    return name in _TAKEN_FUNCTIONS or any(each.__module__ == name for each in _TAKEN_ALONG)


def made_by_library(function: FunctionType) -> bool:
    """Whether the standard library made it from text of its own: a data class's methods, a named tuple's."""
    return function.__code__.co_filename == "<string>" and (
        "__create_fn__" in function.__qualname__
        or "__dataclass" in function.__qualname__
        or (function.__module__ or "").startswith(("namedtuple_", "collections", "dataclasses"))
        or function.__name__ in _GENERATED
    )


# What says the annotations of a class or function, since 3.14; it has no text of its own.
_MADE_BY_COMPILER = {"__annotate__"}

_GENERATED = {
    "__init__", "__repr__", "__eq__", "__lt__", "__le__", "__gt__", "__ge__", "__hash__", "__setattr__",
    "__delattr__", "__new__", "__replace__",
}  # fmt: skip

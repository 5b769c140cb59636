"""Accesses by name, about to be made: variables that functions share, and attributes (see `reporting`)."""

from __future__ import annotations

import builtins
import queue
import threading
import weakref
from collections.abc import Hashable
from concurrent import futures
from types import (
    FunctionType,
    MemberDescriptorType,
    MethodDescriptorType,
    ModuleType,
    SimpleNamespace,
    WrapperDescriptorType,
)
from typing import Any

from helpers.schedules.containers import Place, Variables
from helpers.schedules.execution import Execution, current
from helpers.schedules.model import queues
from helpers.schedules.reaching import (
    MADE_BY_CLASS_STATEMENT,
    OURS,
    class_is_own,
    is_followed,
    is_ours,
    is_own,
)
from helpers.schedules.reporting import (
    Spot,
    belongs_to,
    finished,
    is_taken,
    report,
    variables_of,
    will_have_written,
)

# --- variables -------------------------------------------------------------------------------------------


def read_cell(cell: Any, spot: Spot) -> None:
    """A variable shared through a closure is about to be read."""
    execution = current()
    if execution is not None and execution.access(cell, None, False, spot.site, spot.reads):
        try:
            value = cell.cell_contents
        except ValueError:
            return
        execution.saw(value)


def write_cell(cell: Any, spot: Spot, value: Any) -> Any:
    """Such a variable is about to get a value, which is handed through."""
    execution = current()
    if execution is not None and execution.access(cell, None, True, spot.site, spot.writes):
        execution.saw(value)
    return value


def delete_cell(cell: Any, spot: Spot) -> None:
    """Such a variable is about to lose its value."""
    execution = current()
    if execution is not None:
        execution.access(cell, None, True, spot.site, spot.writes)


def read_global(variables: Variables, spot: Spot) -> None:
    """A global variable is about to be read."""
    execution = current()
    if (
        execution is not None
        and execution.access(variables, spot.key, False, spot.site, spot.reads)
        and spot.key in variables.names
    ):
        execution.saw(variables.names[spot.key])


def write_global(variables: Variables, spot: Spot, value: Any) -> Any:
    """A global variable is about to get a value, which is handed through."""
    execution = current()
    if execution is not None and execution.access(variables, spot.key, True, spot.site, spot.writes):
        execution.saw(value)
    return value


def delete_global(variables: Variables, spot: Spot) -> None:
    """A global variable is about to be deleted."""
    execution = current()
    if execution is not None:
        execution.access(variables, spot.key, True, spot.site, spot.writes)


# --- attributes ------------------------------------------------------------------------------------------

# How an attribute of a type's instances is found.
NOTHING = 0  # by code of the program's own, or it is not shared: nothing to report
_INSTANCE = 1  # in the instance, or nowhere
_SLOT = 2  # in a slot
_INHERITED = 3  # in the instance, else in a class
_WHOLE = 4  # the object is a library's: its methods may use any of its attributes, so they are one thing
_CLASS = 5  # the object is a class
_MODULE = 6  # the object is a module
_OF_QUEUE = 7  # it is what a queue keeps inside
_OF_PRIMITIVE = 8  # it is what another primitive, or a function, keeps inside
_REPLACES_ALL = 9  # it stands for all attributes
_OF_ANOTHER = 10  # the object is a weak proxy
_OF_FINALIZER = 11  # it says whether an object is still there

_known: dict[tuple[type, str, bool, bool], int] = {}
_spots: list[Spot] = []


def how_found(type_: type, name: str, write: bool, past_own: bool = False) -> int:
    """How an attribute is found; `past_own`: by `object.__setattr__` and the like, past the type's own."""
    key = type_, name, write, past_own
    known = _known.get(key)
    if known is None:
        known = _known[key] = _find_how(*key)
    return known


def _find_how(type_: type, name: str, write: bool, past_own: bool) -> int:
    if issubclass(type_, ModuleType):
        return _MODULE
    if type_ in weakref.ProxyTypes:
        return _OF_ANOTHER
    if issubclass(type_, _THREADS_OWN) or type_.__module__.startswith(OURS):
        return NOTHING
    if name == "alive" and issubclass(type_, weakref.finalize):
        return _OF_FINALIZER
    if name in queues.KEPT and issubclass(type_, queue.Queue):
        return _OF_QUEUE
    if name in KEPT_INSIDE and type_ in _PRIMITIVES:
        return _OF_PRIMITIVE
    found = next((vars(base)[name] for base in type_.__mro__ if name in vars(base)), _MISSING)
    if in_library(type_):
        return NOTHING if not write and isinstance(found, _METHODS) else _WHOLE
    intercepts = getattr(type_, "__setattr__" if write else "__getattribute__")
    if not past_own and isinstance(intercepts, FunctionType) and is_followed(intercepts):
        return NOTHING
    if write and name in (
        "__dict__",
        "__class__",
        *_REPLACED.get(type if issubclass(type_, type) else type_, ()),
    ):
        return _REPLACES_ALL
    if type_ is FunctionType and name == "__kwdefaults__":
        return _OF_PRIMITIVE
    if issubclass(type_, type):
        return NOTHING if hasattr(type(found), "__set__") else _CLASS
    if isinstance(found, MemberDescriptorType):
        return _SLOT
    if isinstance(found, property) and isinstance(found.fget, FunctionType):
        code = found.fget.__code__
        return NOTHING if is_own(code.co_filename) or is_ours(code.co_filename) else _SLOT
    if type(found) is not property and type(getattr(type(found), "__set__", None)) is WrapperDescriptorType:
        return _SLOT  # kept by code in C
    if hasattr(type(found), "__set__") or hasattr(type(found), "__delete__"):
        sets = getattr(type(found), "__set__", None)
        if isinstance(sets, FunctionType) and not is_followed(sets):
            return _SLOT  # kept by a library, wherever that may be
        return NOTHING  # a property: its functions are followed
    if not type_.__dictoffset__ and not type_.__flags__ & MADE_BY_CLASS_STATEMENT:
        return NOTHING
    if found is _MISSING:
        return _INSTANCE if type_.__dictoffset__ else NOTHING
    return _INHERITED


_METHODS = (FunctionType, staticmethod, classmethod, MethodDescriptorType, WrapperDescriptorType)
# Of these, attributes are known one by one, or never change.
_KNOWN_ONE_BY_ONE = {
    "threading", "queue", "concurrent", "collections", "types", "typing", "enum", "dataclasses", "functools",
}  # fmt: skip


_libraries: dict[type, bool] = {}


def in_library(type_: type) -> bool:
    """Whether objects are kept by code of a library in Python, which is not followed."""
    known = _libraries.get(type_)
    if known is None:
        known = _libraries[type_] = _is_in_library(type_)
    return known


def _is_in_library(type_: type) -> bool:
    module = type_.__module__
    if not type_.__flags__ & MADE_BY_CLASS_STATEMENT or module.partition(".")[0] in _KNOWN_ONE_BY_ONE:
        return False
    if issubclass(type_, (BaseException, tuple, type)) or class_is_own(type_) or module.startswith(OURS):
        return False
    functions = (each for base in type_.__mro__ for each in vars(base).values() if type(each) is FunctionType)
    return any(not is_followed(each) for each in functions)


# What the primitives of CPython keep, under names that are not meant for programs.
KEPT_INSIDE = {
    "_value", "_flag", "_waiters", "_owner", "_count", "_state", "_work_queue", "_threads", "_shutdown",
    "__kwdefaults__",
}  # fmt: skip
# What a call, or looking up an attribute, uses without a word.
_REPLACED = {FunctionType: ("__code__", "__defaults__", "__kwdefaults__"), type: ("__bases__",)}
_PRIMITIVES = {
    threading.Semaphore, threading.BoundedSemaphore, threading.Event, threading.Condition, threading.Barrier,
    futures.Future, futures.ThreadPoolExecutor,
}  # fmt: skip

_MISSING = object()
_THREADS_OWN: tuple[type, ...] = (__import__("_thread")._local, super)


def forget_types() -> None:
    """Forget how attributes are found: a class has changed."""
    _known.clear()
    _libraries.clear()
    for spot in _spots:
        spot.type = None
    _spots.clear()


def read_by_name(execution: Execution, held: Any, name: str, spot: Spot, past_own: bool = False) -> None:
    """An attribute is about to be read by code that is not rewritten."""
    _report_read(execution, held, name, how_found(type(held), name, False, past_own), spot)


def _report_read(execution: Execution, held: Any, name: str, how: int, spot: Spot) -> None:
    if how == NOTHING:
        return
    if how == _OF_ANOTHER:
        if (referent := _referent(execution, held, spot)) is not None:
            read_by_name(execution, referent, name, spot)
        return
    if how == _OF_FINALIZER:
        watched = held.peek()  # the object and what is called, as long as it is there
        execution.watches.looked(weakref.ref(watched[0]) if watched else _GONE, spot.site)
        return
    if how == _OF_QUEUE:
        queues.look_inside(held, name, False, spot.site, spot.reads)
        return
    if how == _OF_PRIMITIVE:
        whose = "function" if type(held) is FunctionType else "primitive"
        what = f"{spot.name} is what the {whose} keeps inside: who changes it is not seen"
        execution.cannot_follow(what, spot.site)
        return
    if how <= _SLOT:
        stepped = execution.access(held, name, False, spot.site, spot.reads)
    else:
        stepped = report(execution, places_of_attribute(held, name, how, False), False, spot)
    if stepped and execution.watched:
        try:
            value = look_up(held, name)
        except Exception:
            return
        execution.saw(value)


def _referent(execution: Execution, proxy: Any, spot: Spot) -> Any:
    """What a weak proxy stands for, which the program is about to use; None if that has gone."""
    try:
        referent = proxy.__dir__.__self__  # a method of it, so that it says whose
    except (ReferenceError, AttributeError):
        referent = None
    if referent is None:
        execution.watches.looked(_GONE, spot.site)
    else:
        execution.watches.looked(weakref.ref(referent), spot.site)
    return referent


_GONE: weakref.ref[Any] = weakref.ref(set())


def plain_places(held: Any, name: str) -> list[Place]:
    """Where an attribute is kept that is looked up without any code of the program's; else nothing."""
    how = how_found(type(held), name, False)
    return places_of_attribute(held, name, how, False) if how in (_INSTANCE, _SLOT, _INHERITED) else []


def places_of_attribute(held: Any, name: str, how: int, write: bool) -> list[Place]:
    if how == _WHOLE:
        return [(held, None)]
    if how == _MODULE:
        return [(variables_of(namespace(held)), name)]
    if how == _CLASS:
        return [(held, name)] if write else _classes(held, name)
    if how == _INHERITED and not write and name not in namespace(held):
        return [(held, name), *_classes(type(held), name)]
    return [(held, name)]


def _classes(type_: type, name: str) -> list[Place]:
    """The classes in which an attribute is looked for, as far as the first that has it.

    Built-in ones cannot change.
    """
    places: list[Place] = []
    for base in type.__dict__["__mro__"].__get__(type_) or ():
        if base.__flags__ & MADE_BY_CLASS_STATEMENT:
            places.append((base, name))
        if name in vars(base):
            break
    return places


def namespace(held: Any) -> dict[str, Any]:
    """The instance's own attributes, past any `__getattribute__` of the program's."""
    try:
        found: dict[str, Any] = object.__getattribute__(held, "__dict__")
    except AttributeError:
        return {}
    return found


def look_up(held: Any, name: str) -> Any:
    """The value of a plain attribute, without running code of the program's."""
    if issubclass(type(held), type):
        return type.__getattribute__(held, name)
    return object.__getattribute__(held, name)


def read_attribute(held: Any, spot: Spot) -> Any:
    """An attribute is about to be read."""
    execution = current()
    if execution is None:
        return held
    type_ = type(held)
    if spot.type is not type_:
        spot.how = how_found(type_, spot.key, False)
        spot.type = type_
        _spots.append(spot)
    written = execution.written
    if written is not None and spot.key not in written and NOTHING < spot.how <= _SLOT:
        execution.label(held)  # numbers go on as if it were reported
    else:
        _report_read(execution, held, spot.key, spot.how, spot)
    return held


def write_attribute(held: Any, spot: Spot) -> Any:
    """An attribute is about to be assigned or deleted."""
    execution = current()
    if execution is not None:
        report_written(execution, held, spot.key, spot)
    return held


def report_written(execution: Execution, held: Any, name: str, spot: Spot, past_own: bool = False) -> None:
    """Say that an attribute is about to be assigned or deleted, whoever does it."""
    finished()
    how = how_found(type(held), name, True, past_own)
    if how == NOTHING:
        if issubclass(type(held), threading.local):  # `isinstance` may run code of the program's own
            execution.progress()  # nothing else says that it has changed, and the thread may count its tries
        return
    if how == _OF_ANOTHER:
        if (referent := _referent(execution, held, spot)) is not None:
            report_written(execution, referent, name, spot, past_own)
        return
    if how == _OF_QUEUE:
        queues.look_inside(held, name, True, spot.site, spot.writes)
        return
    if how >= _OF_PRIMITIVE or held is builtins:
        execution.cannot_follow(f"{spot.name} is set: what that does to others is not seen", spot.site)
        return
    places = places_of_attribute(held, name, how, True)
    names = namespace(held)
    taken = (
        type(held) is SimpleNamespace
        or is_taken(names)
        or (len(execution.tasks) > 1 and _taken(held) in execution.search.racy)
    )
    if taken and name not in names:
        places.append((held, None))  # another one, for who goes through all of them
    if report(execution, places, True, spot) and execution.watched:
        will_have_written(execution, look_up, held, name)
    if how == _CLASS:
        forget_types()


def read_namespace(held: Any, spot: Spot) -> Any:
    """An object's `__dict__` is about to be taken.

    What is in it are the object's attributes, from now on too.
    """
    if current() is not None:
        namespace_taken(held)
    return held


def namespace_taken(held: Any) -> None:
    """Somebody has the `__dict__` of an object."""
    if issubclass(type(held), ModuleType):
        globals_taken(namespace(held))
    elif not issubclass(type(held), type):
        belongs_to(namespace(held), held)
        execution = current()
        if execution is not None and len(execution.tasks) > 1:
            execution.search.met([_taken(held)])  # a thread may already wait to add an attribute


def _taken(held: Any) -> Hashable:
    """Says that a thread takes the `__dict__` of objects of this class while others are there."""
    return "namespace", type(held).__module__, type(held).__qualname__


def globals_taken(names: dict[str, Any]) -> None:
    """Somebody has the dictionary with a module's variables."""
    belongs_to(names, variables_of(names))

"""What rewritten code calls just before it touches data that another thread may touch too.

Each function here is told by rewritten code what comes next, reports it to the execution that the calling thread
belongs to, and returns at once; the access itself is then made by the program's own code, in its own frame, so
that exceptions, tracebacks and evaluation are what they were. In a thread that is not explored nothing happens.

Since no other thread can run between the report and the access, what is going to be read is looked up here
as well, for the story of a schedule (`Execution.saw`); what was written is looked up when it has been.
"""

from __future__ import annotations

import array
import bisect
import collections
import copy
import functools
import heapq
import io
import itertools
import json
import operator
import pickle
import sys
from _random import Random as random_in_c
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import starmap
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GeneratorType,
    MemberDescriptorType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

from helpers.schedules import containers
from helpers.schedules.containers import Kind, Place, kind_of
from helpers.schedules.execution import Execution, Site, current
from helpers.schedules.reaching import class_is_own as is_own_class
from helpers.schedules.reaching import is_own


class Spot:
    """A place in the program where data is touched, with all about it that does not change.

    Attributes:
        site: file, line and column.
        key: name of the attribute or variable.
        reads: the access in words, should it be a read: ``"read counter"``.
        writes: the same for a write.
        how: how attributes of `type` are found; what was looked up last.
    """

    __slots__ = ("how", "key", "reads", "site", "type", "writes")

    def __init__(self, site: Site, key: str, name: str) -> None:
        self.site = site
        self.key = key
        self.reads = f"read {name}"
        self.writes = f"write {name}"
        self.type: type | None = None
        self.how = _NOTHING


class Variables:
    """A module's global variables: what stands for them in reports, because a dictionary has no identity there."""

    __slots__ = ("names",)

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names


_variables: dict[int, Variables] = {}


def variables_of(names: dict[str, Any]) -> Variables:
    """The one `Variables` for a module's namespace."""
    known = _variables.get(id(names))
    if known is None:
        known = _variables[id(names)] = Variables(names)
    return known


# --- reporting -------------------------------------------------------------------------------------------


def _report(execution: Execution, places: Sequence[Place], write: bool, spot: Spot) -> bool:
    """Say that places are touched, in one step; returns whether it was one, so that others had their chance."""
    if len(places) == 1:
        ((about, key),) = places
        return bool(execution.access(about, key, write, spot.site, spot.writes if write else spot.reads))
    if not places:
        return False
    return bool(execution.access_all(places, write, spot.site, spot.writes if write else spot.reads))


# What has been announced as a write and is made by now: an execution, and how to look the new value up.
_written: tuple[Execution, Callable[..., Any], tuple[Any, ...]] | None = None


def finished() -> None:
    """A statement that stores something is over: what was written can be seen."""
    global _written
    if _written is not None:
        (execution, look, args), _written = _written, None
        try:
            value = look(*args)
        except Exception:
            return  # the write failed, and left nothing to be seen
        execution.saw(value)


def progress(spot: Spot) -> bool:
    """One more turn of a `for` begins, or of a comprehension."""
    execution = current()
    if execution is not None:
        execution.progress(sys._getframe(1), spot.site)
    return True


def again(spot: Spot) -> None:
    """One more turn of a `while` begins."""
    execution = current()
    if execution is not None:
        execution.again(sys._getframe(1), spot.site)


def not_followed(spot: Spot) -> None:
    """A piece of the program that cannot be followed is about to run."""
    execution = current()
    if execution is not None:
        execution.cannot_follow(spot.reads[5:], spot.site)


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
_NOTHING = 0  # by code of the program's own, or it is not shared: nothing to report
_INSTANCE = 1  # in the instance, or nowhere
_SLOT = 2  # in a slot
_INHERITED = 3  # in the instance, else in a class
_CLASS = 4  # the object is a class
_MODULE = 5  # the object is a module

_ours = __name__.partition(".")[0] + ".schedules."
_known: dict[tuple[type, str, bool], int] = {}
_spots: list[Spot] = []


def _how(type_: type, name: str, write: bool) -> int:
    known = _known.get((type_, name, write))
    if known is None:
        known = _known[type_, name, write] = _find_how(type_, name, write)
    return known


def _find_how(type_: type, name: str, write: bool) -> int:
    if issubclass(type_, ModuleType):
        return _MODULE
    if issubclass(type_, _THREADS_OWN) or type_.__module__.startswith(_ours):
        return _NOTHING
    intercept = "__setattr__" if write else "__getattribute__"
    if isinstance(getattr(type_, intercept), FunctionType):
        return _NOTHING
    found = next((vars(base)[name] for base in type_.__mro__ if name in vars(base)), _MISSING)
    if issubclass(type_, type):
        return _NOTHING if hasattr(type(found), "__set__") else _CLASS
    if isinstance(found, MemberDescriptorType):
        return _SLOT
    if hasattr(type(found), "__set__") or hasattr(type(found), "__delete__"):
        return _NOTHING  # a property: its functions are followed
    if not type_.__dictoffset__ and not hasattr(type_, "__dict__"):
        return _NOTHING
    if found is _MISSING:
        return _INSTANCE if type_.__dictoffset__ else _NOTHING
    return _INHERITED


_MISSING = object()
_THREADS_OWN: tuple[type, ...] = (__import__("_thread")._local, super)


def forget_types() -> None:
    """Forget how attributes are found: a class has changed."""
    _known.clear()
    for spot in _spots:
        spot.type = None
    _spots.clear()


def _attribute(held: Any, name: str, how: int, write: bool) -> list[Place]:
    if how == _MODULE:
        return [(variables_of(_namespace(held)), name)]
    if how == _CLASS:
        return [(held, name)] if write else _classes(held, name)
    if how == _INHERITED and not write and name not in _namespace(held):
        return [(held, name), *_classes(type(held), name)]
    return [(held, name)]


def _classes(type_: type, name: str) -> list[Place]:
    """The classes in which an attribute is looked for, as far as the first that has it; built-in ones cannot change."""
    places: list[Place] = []
    for base in type.__dict__["__mro__"].__get__(type_) or ():
        if base.__flags__ & 0x200:  # it lives on the heap: made by a `class` statement
            places.append((base, name))
        if name in vars(base):
            break
    return places


def _namespace(held: Any) -> dict[str, Any]:
    """The instance's own attributes, past any `__getattribute__` of the program's."""
    try:
        found: dict[str, Any] = object.__getattribute__(held, "__dict__")
    except AttributeError:
        return {}
    return found


def _look(held: Any, name: str) -> Any:
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
        spot.how = _how(type_, spot.key, False)
        spot.type = type_
        _spots.append(spot)
    how = spot.how
    if how == _NOTHING:
        return held
    if how <= _SLOT:
        stepped = execution.access(held, spot.key, False, spot.site, spot.reads)
    else:
        places = _attribute(held, spot.key, how, False)
        stepped = bool(places) and _report(execution, places, False, spot)
    if stepped:
        try:
            value = _look(held, spot.key)
        except Exception:
            return held
        execution.saw(value)
    return held


def write_attribute(held: Any, spot: Spot) -> Any:
    """An attribute is about to be assigned or deleted."""
    global _written
    execution = current()
    if execution is None:
        return held
    finished()
    _report_written(execution, held, spot.key, spot)
    return held


def _report_written(execution: Execution, held: Any, name: str, spot: Spot) -> None:
    global _written
    how = _how(type(held), name, True)
    if how == _NOTHING:
        return
    if _report(execution, _attribute(held, name, how, True), True, spot):
        _written = (execution, _look, (held, name))
    if how == _CLASS:
        forget_types()


_owners: dict[int, tuple[Any, Any]] = {}  # an instance's `__dict__` by its id: whose it is


def read_namespace(held: Any, spot: Spot) -> Any:
    """An object's `__dict__` is about to be taken: whoever has it can read and write all attributes."""
    execution = current()
    if execution is not None and not issubclass(type(held), (type, ModuleType)):
        _namespace_taken(execution, held, spot)
    return held


def _namespace_taken(execution: Execution, held: Any, spot: Spot) -> None:
    """Report it as a read of every attribute there is. Changes made through it are said to be not followed."""
    names = _namespace(held)
    _owners[id(names)] = (names, held)
    _report(execution, [(held, name) for name in names], False, spot)


# --- items -----------------------------------------------------------------------------------------------


def _item(held: Any, key: Any, kind: Kind, write: bool) -> tuple[list[Place], bool]:
    """What an access by key touches, and whether it changes it."""
    if not kind.keyed:
        return [(held, None)], write
    if not containers.plain(key):
        return containers.whole(held), write
    if dict.__contains__(held, key):
        return [(held, (key,))], write
    if write or (kind.makes and held.default_factory is not None):
        return [(held, (key,)), (held, None)], True  # the key is added
    return [(held, (key,))], False


def _report_item(execution: Execution, held: Any, key: Any, kind: Kind, write: bool, spot: Spot) -> bool:
    """Report an access by key; again if others have meanwhile added or removed it."""
    stepped = False
    places, writes = _item(held, key, kind, write)
    while _report(execution, places, writes, spot):
        stepped = True
        now = _item(held, key, kind, write)
        if now == (places, writes):
            break
        places, writes = now
    return stepped


def read_item(held: Any, key: Any, spot: Spot) -> Any:
    """`held[key]` is about to be read."""
    kind = kind_of(type(held))
    if kind is None or "__getitem__" in kind.own:
        return held
    execution = current()
    if execution is None:
        return held
    if kind.makes:
        _make(execution, held, key, spot)
    if _report_item(execution, held, key, kind, False, spot):
        try:
            value = _get(held, key)
        except (LookupError, TypeError):
            return held
        execution.saw(value)
    return held


def _get(held: Any, key: Any) -> Any:
    """An item, past all code of the program's own."""
    for base in (dict, list, collections.deque, bytearray, array.array):
        if issubclass(type(held), base):
            return _no_default(held, key) if base is dict else base.__getitem__(held, key)  # type: ignore[attr-defined]
    raise LookupError


def _no_default(held: Any, key: Any) -> Any:
    value = dict.get(held, key, _MISSING)
    if value is _MISSING:
        raise LookupError
    return value


def _make(execution: Execution, held: Any, key: Any, spot: Spot) -> None:
    """A `defaultdict` whose factory is code of the program: looks, makes a value, then puts it, as three steps."""
    factory = held.default_factory
    if isinstance(factory, type) and not factory.__flags__ & 0x200:
        return  # a built-in type: all in one step
    if factory is None or not containers.plain(key) or dict.__contains__(held, key):
        return
    if _report(execution, [(held, (key,))], False, spot) and dict.__contains__(held, key):
        return
    value = factory()
    _report(execution, [(held, (key,)), (held, None)], True, spot)
    dict.__setitem__(held, key, value)


def write_item(held: Any, key: Any, spot: Spot) -> Any:
    """`held[key]` is about to be assigned."""
    global _written
    kind = kind_of(type(held))
    if kind is None or "__setitem__" in kind.own:
        return held
    execution = current()
    if execution is None:
        return held
    finished()
    if _report_item(execution, held, key, kind, True, spot):
        _written = (execution, _get, (held, key))
    return held


def delete_item(held: Any, key: Any, spot: Spot) -> Any:
    """`held[key]` is about to be deleted."""
    kind = kind_of(type(held))
    if kind is None or "__delitem__" in kind.own:
        return held
    execution = current()
    if execution is not None:
        places = [(held, (key,)), (held, None)] if kind.keyed and containers.plain(key) else containers.whole(held)
        _report(execution, places, True, spot)
    return held


def get_item(spot: Spot, held: Any, key: Any) -> Iterator[Any]:
    """`held[key]` where working the key out may take steps; the iterator's only value is the item."""
    return starmap(operator.getitem, ((read_item(held, key, spot), key),))


def set_item(spot: Spot, value: Any, held: Any, key: Any) -> Iterator[Any]:
    """`held[key] = value` likewise."""
    return starmap(operator.setitem, ((write_item(held, key, spot), key, value),))


def del_item(spot: Spot, held: Any, key: Any) -> Iterator[Any]:
    """`del held[key]` likewise."""
    return starmap(operator.delitem, ((delete_item(held, key, spot), key),))


class Target:
    """Stands for `held[key]` among several targets; what is assigned to its `value` is put there."""

    __slots__ = ("_held", "_key", "_spot")

    def __init__(self, held: Any, key: Any, spot: Spot) -> None:
        self._held = held
        self._key = key
        self._spot = spot

    def _put(self, value: Any) -> None:
        write_item(self._held, self._key, self._spot)
        self._held[self._key] = value
        finished()

    value = property(None, _put)


# --- containers as a whole -------------------------------------------------------------------------------


def _size(held: Any) -> list[Place]:
    """What the number of its elements depends on."""
    return [(each, None) for each in containers.sources(held)]


def truth(held: Any, spot: Spot) -> Any:
    """Whether a container is empty is about to be asked."""
    type_ = type(held)
    kind = kind_of(type_)
    if kind is None and type_ not in containers.VIEWS:
        return held
    execution = current()
    if execution is not None and (kind is None or not kind.own & {"__bool__", "__len__"}):
        if _report(execution, _size(held), False, spot):
            execution.saw(held)
    return held


def unpack(held: Any, spot: Spot) -> Any:
    """A container is about to be taken apart, in one go: `a, b = held`, `f(*held)`."""
    if type(held) in _WITHOUT_CHANGE:
        return held
    execution = current()
    if execution is None:
        return held
    return _consumed(execution, held, spot)


def _consumed(execution: Execution, held: Any, spot: Spot) -> Any:
    """Report that all of something is gone through; step by step where the program's code runs in between."""
    kind = kind_of(type(held))
    if kind is not None and "__iter__" in kind.own:
        return held
    if type(held) is GeneratorType or containers.calls_back(held):
        return _stepwise(held, spot)
    places = [place for each in containers.sources(held) for place in containers.whole(each)]
    if containers.is_iterator(type(held)):
        _report(execution, [(held, None), *places], True, spot)
    elif _report(execution, places, False, spot):
        execution.saw(held)
    return held


_WITHOUT_CHANGE = frozenset({str, bytes, int, float, bool, type(None), tuple, range, frozenset, complex, type})


def each(held: Any, spot: Spot) -> Any:
    """Something is about to be gone through, with the program's code in between: every step is a read."""
    if type(held) in _WITHOUT_CHANGE or current() is None:
        return held
    return _stepwise(held, spot)


def _stepwise(held: Any, spot: Spot) -> Any:
    type_ = type(held)
    kind = kind_of(type_)
    if kind is not None:
        if "__iter__" in kind.own:
            return held
        alone = False
    elif type_ is GeneratorType or containers.is_iterator(type_):
        alone = True
    elif type_ in containers.VIEWS or type_ is memoryview:
        alone = False
    else:
        return held
    return map(_second, iter(partial(_before_step, held, alone, spot), _END), iter(_sized(held, spot)))


_END = object()


def each_from(held: Any, spot: Spot) -> Any:
    """`yield from` is about to go through something; a generator gets what is sent, so it stays itself."""
    return held if type(held) is GeneratorType else each(held, spot)


def _sized(held: Any, spot: Spot) -> Any:
    """An iterator over a dictionary, set or deque keeps the size it was made at: that is a read too."""
    if kind_of(type(held)) is None or isinstance(held, (list, bytearray, array.array)):
        return held
    execution = current()
    if execution is not None:
        _report(execution, _size(held), False, spot)
    return held


def _before_step(held: Any, alone: bool, spot: Spot) -> Execution | None:
    """The next element is about to be taken; returns the execution if others had their chance before."""
    execution = current()
    if execution is None:
        return None
    if issubclass(type(held), dict):
        places = _size(held)  # the keys alone
    else:
        places = [place for source in containers.sources(held) for place in containers.whole(source)]
    if alone:  # an iterator changes itself with every step; what it goes through is only read
        stepped = bool(execution.access(held, None, True, spot.site, spot.writes))
        return execution if _report(execution, places, False, spot) or stepped else None
    return execution if _report(execution, places, False, spot) else None


def _second(execution: Execution | None, value: Any) -> Any:
    if execution is not None:
        execution.saw(value)
    return value


def shown(held: Any, spot: Spot) -> Any:
    """Something is about to be made into text, with all that it holds."""
    if type(held) in _FLAT:
        return held
    execution = current()
    if execution is not None:
        _show(execution, held, spot)
    return held


def _show(execution: Execution, held: Any, spot: Spot) -> None:
    places = _fields(held) if _is_record(held) else containers.deep(held)
    if _report(execution, places, False, spot):
        execution.saw(held)


_FLAT = frozenset({str, bytes, int, float, bool, type(None), range, complex, type})


def _is_record(held: Any) -> bool:
    """Whether it is an instance of a data class, whose `__repr__` and `__eq__` have no source to be followed."""
    type_ = type(held)
    known = _records.get(type_)
    if known is None:
        known = _records[type_] = any("__dataclass_fields__" in vars(base) for base in type_.__mro__)
    return known


_records: dict[type, bool] = {}


def _fields(held: Any) -> list[Place]:
    places: list[Place] = []
    for name in type(held).__dataclass_fields__:
        places.append((held, name))
        value = _namespace(held).get(name)
        if kind_of(type(value)) is not None:
            places += containers.deep(value)
    return places


def both(left: Any, right: Any, spot: Spot) -> Any:
    """Two values are about to be compared or combined by an operator."""
    if type(left) in _FLAT and type(right) in _FLAT:
        return left
    execution = current()
    if execution is not None:
        _combined(execution, left, right, spot)
    return left


def _combined(execution: Execution, left: Any, right: Any, spot: Spot) -> None:
    places = _of(left)
    _report(execution, places if right is left else [*places, *_of(right)], False, spot)


def operate(spot: Spot, operation: Callable[[Any, Any], Any], left: Any, right: Any) -> Iterator[Any]:
    """The same where working out the right operand may take steps; the iterator's only value is the result."""
    both(left, right, spot)
    return starmap(operation, ((left, right),))


def compared(held: Any, spot: Spot) -> Any:
    """A value is about to be compared, at the end of a chain of comparisons."""
    if type(held) not in _FLAT:
        execution = current()
        if execution is not None:
            _report(execution, _of(held), False, spot)
    return held


def chained(held: Any, spot: Spot) -> Any:
    """A value is about to be compared in a chain, `a < held < b`: twice, with code in between."""
    if type(held) in _FLAT:
        return held
    execution = current()
    if execution is not None and _report(execution, _of(held), False, spot):
        execution.cannot_follow(f"{spot.reads[5:]} is compared twice in one expression", spot.site)
    return held


def _of(held: Any) -> list[Place]:
    """What is read of something that is compared or combined."""
    if kind_of(type(held)) is not None or type(held) in containers.VIEWS or type(held) is tuple:
        return containers.deep(held)
    return _fields(held) if _is_record(held) else []


def decorating(hook: Callable[..., Any], where: Any, spot: Spot) -> Callable[[Any], Any]:
    """A decorator that reports that a function or class is about to be bound to its name."""
    return partial(hook, where, spot)


def augment(spot: Spot, operation: Callable[[Any, Any], Any], left: Any, right: Any) -> Iterator[Any]:
    """`left += right` and the like: changes `left` in place if it is a container."""
    kind = kind_of(type(left))
    if kind is None or f"__{operation.__name__}__" in kind.own or operation.__name__ not in _IN_PLACE[kind.base]:
        return operate(spot, operation, left, right)
    execution = current()
    if execution is not None:
        places = containers.whole(left)
        for source in containers.sources(right):
            places += containers.whole(source)
        if containers.calls_back(right):
            right = _stepwise(right, spot)
            _taken_meanwhile(execution, _report(execution, places, True, spot), spot)
        else:
            _report(execution, places, True, spot)
    return starmap(operation, ((left, right),))


def _taken_meanwhile(execution: Execution, stepped: bool, spot: Spot) -> None:
    """A container changes while code of the program runs in between: that is no one step."""
    if stepped:
        execution.cannot_follow(f"{spot.writes[6:]} is changed bit by bit while a generator runs", spot.site)


_IN_PLACE: dict[type, set[str]] = {
    list: {"iadd", "imul"},
    collections.deque: {"iadd", "imul"},
    bytearray: {"iadd", "imul"},
    array.array: {"iadd", "imul"},
    dict: {"ior"},
    set: {"ior", "iand", "isub", "ixor"},
}


def member(held: Any, element: Any, spot: Spot) -> Any:
    """`element in held` is about to be asked."""
    type_ = type(held)
    kind = kind_of(type_)
    if kind is None and type_ not in containers.VIEWS:
        return held
    execution = current()
    if execution is None or (kind is not None and "__contains__" in kind.own):
        return held
    if kind is not None and kind.keyed and containers.plain(element):
        _report(execution, [(held, (element,))], False, spot)
    else:
        places = [place for source in containers.sources(held) for place in containers.whole(source)]
        _report(execution, places, False, spot)
    return held


def ask_member(spot: Spot, element: Any, held: Any) -> Iterator[Any]:
    """`element in held` where working `held` out may take steps; the iterator's only value is the answer."""
    return starmap(operator.contains, ((member(held, element, spot), element),))


def matched(held: Any, names: tuple[str, ...], spot: Spot) -> Any:
    """A `match` statement is about to look at something, and at these attributes of it."""
    if type(held) in _FLAT:
        return held
    execution = current()
    if execution is None:
        return held
    places: list[Place] = []
    _look_apart(held, (*names, *getattr(type(held), "__match_args__", ())), places)
    if len(places) > 1:
        if _report(execution, places, False, spot):
            execution.cannot_follow("match takes a shared object apart in one step", spot.site)
    else:
        _report(execution, places, False, spot)
    return held


def _look_apart(held: Any, names: Iterable[str], places: list[Place], depth: int = 0) -> None:
    if kind_of(type(held)) is not None or type(held) is tuple:
        containers.deep(held, places)
        return
    for name in dict.fromkeys(names):
        how = _how(type(held), name, False)
        if how in (_INSTANCE, _SLOT, _INHERITED):
            places += _attribute(held, name, how, False)
            value = _namespace(held).get(name)
            if depth < 3 and value is not None and type(value) not in _FLAT:
                _look_apart(value, names, places, depth + 1)


# --- calls -----------------------------------------------------------------------------------------------

followed: set[int] = set()  # the ids of code and functions that need no look when they are called
_kept: list[Any] = []  # what has these ids, so that nothing else gets them
# Given a function of the program's own that is called though nobody had found it, rewrites it; returns whether
# what was rewritten before has now become too coarse. Set while rewriting is on.
_late: Callable[[FunctionType], bool] | None = None


def begin(late: Callable[[FunctionType], bool] | None) -> None:
    """Forget what was learned of a program's types and functions; from now on, `late` gets what is found late."""
    global _late, _written
    _late, _written = late, None
    followed.clear()
    _kept.clear()
    _owners.clear()
    forget_types()


def follow(codes: Iterable[CodeType]) -> None:
    """These are rewritten: calling what has them needs no look."""
    for code in codes:
        _remember(code)


def call(function: Any, spot: Spot) -> Any:
    """A call is about to be prepared; returns what is to be called: mostly the function itself."""
    inner = function.__func__ if type(function) is MethodType else function
    if type(inner) is FunctionType:
        if id(inner.__code__) in followed:
            return function
    elif id(inner) in followed:
        return function
    if current() is None or _needs_no_look(inner, spot):
        return function
    return partial(_called, spot, function)


def _needs_no_look(function: Any, spot: Spot) -> bool:
    """Whether what a function is given says nothing of what it touches; found out once for each."""
    if type(function) is FunctionType:
        if is_own(function.__code__.co_filename):
            _find_late(function, spot)
        elif not _only_keeps(function):
            return False
        return _remember(function.__code__)
    if issubclass(type(function), type):
        if function in _CONSUMERS or function in _FUNCTIONS or not (is_own_class(function) or _only_keeps(function)):
            return False
        return _remember(function)
    return not issubclass(type(function), _OF_C)  # an object with `__call__`: in Python, or of no interest


def _find_late(function: FunctionType, spot: Spot) -> None:
    execution = current()
    if _late is not None and execution is not None and _late(function):
        execution.search.met([("found late", spot.site)])  # too late for this one: the search begins anew


def _remember(known: Any) -> bool:
    followed.add(id(known))
    _kept.append(known)
    return True


_OF_C = (
    BuiltinFunctionType, MethodWrapperType, MethodDescriptorType, WrapperDescriptorType, partial,
    operator.itemgetter, operator.attrgetter, operator.methodcaller,
)  # fmt: skip
# What is given to these is kept or passed on, not looked into.
_KEEPERS = (
    "_thread", "abc", "concurrent", "contextlib", "contextvars", "dataclasses", "enum", "functools", "helpers",
    "itertools", "queue", "_queue", "threading", "time", "types", "typing", "warnings", "weakref", "multiprocessing",
)  # fmt: skip


def _only_keeps(function: Any) -> bool:
    return (getattr(function, "__module__", None) or "").partition(".")[0] in _KEEPERS


def _called(spot: Spot, function: Any, /, *args: Any, **keywords: Any) -> Any:
    execution = current()
    if execution is not None:
        function, args = _announce(execution, spot, function, args, keywords)
    return function(*args, **keywords)


class Bound:
    """A function written in C that reports what it does, wherever it is called from.

    `Thread(target=items.append)` hands a container's method to code that is not rewritten.
    """

    __slots__ = ("_function", "_spot")

    def __init__(self, function: Any, spot: Spot) -> None:
        self._function = function
        self._spot = spot

    def __call__(self, /, *args: Any, **keywords: Any) -> Any:
        return _called(self._spot, self._function, *args, **keywords)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._function, name)

    def __eq__(self, other: object) -> bool:
        return bool(self._function == (other._function if isinstance(other, Bound) else other))

    def __hash__(self) -> int:
        return hash(self._function)

    def __repr__(self) -> str:
        return repr(self._function)


def bound(function: Any, spot: Spot) -> Any:
    """A method is looked up without being called at once: what will be called later reports itself."""
    if type(function) is BuiltinFunctionType and current() is not None:
        owner = function.__self__
        if kind_of(type(owner)) is not None or function in _FUNCTIONS:
            return Bound(function, spot)
    return function


def prepare(spot: Spot, function: Any, /, *args: Any, **keywords: Any) -> Iterator[Any]:
    """A call is about to be made that may be a container's method; the iterator's only value is its result.

    The call itself is made by `next`, from the program's own frame.
    """
    execution = current()
    if execution is not None:
        inner = function.__func__ if type(function) is MethodType else function
        known = id(inner.__code__ if type(inner) is FunctionType else inner) in followed
        if not known and not _needs_no_look(inner, spot):
            function, args = _announce(execution, spot, function, args, keywords)
    return starmap(partial(function, **keywords) if keywords else function, (args,))


_Call = tuple[Any, tuple[Any, ...]]  # what is to be called, and with what


def _announce(execution: Execution, spot: Spot, function: Any, args: tuple[Any, ...], keywords: dict[str, Any]) -> _Call:
    """Report what a call is about to touch; returns what to call, and with what."""
    type_ = type(function)
    if type_ is BuiltinFunctionType:
        owner = function.__self__
        if owner is not None and type(owner) is not ModuleType:
            return _method(execution, spot, owner, function, args, keywords)
    elif type_ is MethodWrapperType:
        return _method(execution, spot, function.__self__, function, args, keywords)
    elif type_ is MethodDescriptorType or type_ is WrapperDescriptorType:
        if not args:
            return function, args
        _, rest = _method(execution, spot, args[0], function, args[1:], keywords)
        return function, (args[0], *rest)
    elif type_ is partial:
        inner, given = _announce(
            execution, spot, function.func, (*function.args, *args), {**function.keywords, **keywords}
        )
        return partial(inner, **function.keywords) if function.keywords else inner, given
    elif type_ is MethodType:
        owner = function.__self__
        if issubclass(type(owner), random_in_c):  # in Python, on top of what C keeps
            _report(execution, [(owner, None)], True, spot)
        return function, _given_away(execution, spot, function, args, keywords)
    elif type_ is FunctionType:
        if function in _FUNCTIONS:
            return function, _FUNCTIONS[function](execution, spot, args, keywords)
        return function, _given_away(execution, spot, function, args, keywords)
    elif issubclass(type_, type):
        if function in _CONSUMERS:
            return function, _consumes(execution, spot, args, keywords)
        if function in _FUNCTIONS:
            return function, _FUNCTIONS[function](execution, spot, args, keywords)
        if is_own_class(function) or _only_keeps(function):
            return function, args
        return function, _given_away(execution, spot, function, args, keywords)
    if type_ is operator.itemgetter:
        return function, _shows(execution, spot, args, keywords)
    if type_ is operator.attrgetter and args:
        for path in function.__reduce__()[1]:
            _read_path(execution, spot, args[0], path.split("."))
        return function, args
    if type_ is operator.methodcaller and args:
        method = getattr(args[0], function.__reduce__()[1][0])  # looked up as it will be
        return (function, args) if type(method) is MethodType else (function, _given_away(execution, spot, function, args, {}))
    try:
        handler = _FUNCTIONS.get(function)
    except TypeError:  # not hashable, so none of those
        handler = None
    if handler is not None:
        return function, handler(execution, spot, args, keywords)
    if issubclass(type_, _OF_C) and not _only_keeps(function):
        return function, _given_away(execution, spot, function, args, keywords)
    return function, args


# --- methods of containers and other objects made in C ---------------------------------------------------

_COMPARES = {"index", "count", "remove", "__contains__", "__eq__", "__ne__", "__lt__", "__le__", "__gt__", "__ge__"}


def _method(
    execution: Execution, spot: Spot, owner: Any, function: Any, args: tuple[Any, ...], keywords: dict[str, Any]
) -> _Call:
    name = function.__name__
    kind = kind_of(type(owner))
    if kind is None:
        return function, _method_of_other(execution, spot, owner, name, args, keywords)
    does = kind.does(name)
    if does is None:
        return function, args
    if kind.keyed and name in containers.BY_KEY and args:
        if _method_by_key(execution, spot, owner, name, args, kind) and name in ("get", "__getitem__"):
            execution.saw(dict.get(owner, args[0]))
        return function, args
    if name == "__len__":
        places = _size(owner)
    else:
        places = containers.whole(owner)
    if name in containers.TAKES_APART:
        args = tuple(_beside(execution, spot, each, places, does) for each in args)
    stepped = _report(execution, places, does, spot)
    if stepped:
        if not does or name in ("append", "add"):
            execution.saw(owner if not does else args[0] if args else owner)
        if _runs_program(name, owner, kind, args, keywords):
            execution.cannot_follow(f"{spot.reads[5:]} runs the program's own code while it is under way", spot.site)
    return function, args


def _beside(execution: Execution, spot: Spot, given: Any, places: list[Place], does: bool) -> Any:
    """Add what a method takes from another container to what it touches."""
    if type(given) is GeneratorType or containers.calls_back(given):
        return _stepwise(given, spot)
    for source in containers.sources(given):
        places += containers.whole(source)
    return given


def _runs_program(name: str, owner: Any, kind: Kind, args: tuple[Any, ...], keywords: dict[str, Any]) -> bool:
    """Whether a method of a container calls functions of the program before it is done."""
    if name == "sort":
        key = keywords.get("key")
        return isinstance(key, (FunctionType, MethodType)) or not _alike(owner, "__lt__")
    if name in _COMPARES:
        return not _alike((*kind.base.__iter__(owner), *args), "__eq__")  # type: ignore[attr-defined]
    return any(type(each) is map for each in args)


def _alike(elements: Iterable[Any], method: str) -> bool:
    """Whether all elements are compared without code of the program's own."""
    return not any(
        isinstance(getattr(type_, method, None), FunctionType) for type_ in {type(each) for each in elements}
    )


def _method_by_key(
    execution: Execution, spot: Spot, owner: Any, name: str, args: tuple[Any, ...], kind: Kind
) -> bool:
    key = args[0]
    if not containers.plain(key):
        return _report(execution, containers.whole(owner), name not in ("get", "__getitem__", "__contains__"), spot)
    if name in ("get", "__contains__"):
        return _report(execution, [(owner, (key,))], False, spot)
    if name in ("__getitem__", "__setitem__"):
        return _report_item(execution, owner, key, kind, name == "__setitem__", spot)
    if name == "__delitem__":
        return _report(execution, [(owner, (key,)), (owner, None)], True, spot)
    # `pop` changes only what has the key, `setdefault` only what has it not.
    changes = name == "pop" or name == "move_to_end"
    while True:
        has = dict.__contains__(owner, key)
        places: list[Place] = [(owner, (key,)), (owner, None)] if has == changes else [(owner, (key,))]
        stepped = _report(execution, places, has == changes, spot)
        if not stepped or dict.__contains__(owner, key) == has:
            return stepped


def _method_of_other(
    execution: Execution, spot: Spot, owner: Any, name: str, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    type_ = type(owner)
    if type_ is str or type_ is bytes:
        if name == "join":
            return tuple(_consumed(execution, each, spot) for each in args)
        if name in ("format", "format_map", "__mod__"):
            for each in (*args, *keywords.values()):
                shown(each, spot)
        return args
    if name in ("__setattr__", "__delattr__") and args:
        finished()
        _report_written(execution, owner, args[0], spot)
        return args
    if name == "__getattribute__" and args:
        _read_by_name(execution, spot, owner, args[0])
        return args
    if name == "__next__" or type_ is GeneratorType:
        if type_ is GeneratorType or containers.is_iterator(type_):
            _before_step(owner, True, spot)
        return args
    if issubclass(type_, type):  # a class method: `dict.fromkeys(items)`
        return _consumes(execution, spot, args, keywords)
    if issubclass(type_, _CHANGES_IN_C):
        _report(execution, [(owner, None)], True, spot)
        return args
    if issubclass(type_, io.IOBase):
        execution.cannot_follow(f"{spot.reads[5:]} uses a file, which the next schedule finds changed", spot.site)
        return args
    if type_ in _WITHOUT_CHANGE or type_.__module__ in _UNCHANGING or _only_keeps(type_) or name in _QUIET:
        return args
    if type_.__module__.startswith(_ours) or is_own_class(type_):
        return args
    execution.progress()
    if _report(execution, [(owner, None)], True, spot):
        execution.cannot_follow(f"{type_.__name__}.{name} is written in C: what it shares is not seen", spot.site)
    return args


_QUIET = {"__init__", "__new__", "__init_subclass__", "__subclasshook__", "__class_getitem__", "__reduce_ex__", "__hash__"}
_CHANGES_IN_C = (random_in_c, io.StringIO, io.BytesIO)
_UNCHANGING = {
    "_io", "_thread", "builtins", "datetime", "decimal", "fractions", "pathlib", "re", "uuid", "weakref", "_weakref",
    "types", "_contextvars", "_struct", "_operator", "functools", "itertools",
}  # fmt: skip


# --- functions made in C, and some of the standard library -----------------------------------------------


def _consumes(execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, ...]:
    """`list(x)`, `sum(x)`: goes through all of what it is given."""
    places: list[Place] = []
    given = list(args)
    alone: list[Place] = []
    for number, each in enumerate(given):
        kind = kind_of(type(each))
        if kind is not None and "__iter__" in kind.own:
            continue
        if type(each) is GeneratorType or containers.calls_back(each):
            given[number] = _stepwise(each, spot)
            continue
        found = [place for source in containers.sources(each) for place in containers.whole(source)]
        if containers.is_iterator(type(each)) and not isinstance(each, Bound):
            alone.append((each, None))
        places += found
    if alone:
        _report(execution, alone, True, spot)
    if _report(execution, places, False, spot):
        execution.saw(given[0])
    return tuple(given)


def _with_key(execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, ...]:
    """`max(x, key=f)`: goes through it with code of the program in between."""
    if len(args) != 1:
        return args
    key, held = keywords.get("key"), args[0]
    if isinstance(key, (FunctionType, MethodType)) or not _compared_quietly(held):
        return (_stepwise(held, spot),)
    return _consumes(execution, spot, args, keywords)


def _compared_quietly(held: Any) -> bool:
    kind = kind_of(type(held))
    elements = kind.base.__iter__(held) if kind is not None else ()  # type: ignore[attr-defined]
    methods = ("__lt__", "__gt__", "__add__", "__radd__", "__bool__", "__len__")
    types = {type(each) for each in elements}
    return not any(isinstance(getattr(type_, method, None), FunctionType) for type_ in types for method in methods)


def _first_is_callable(execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, ...]:
    """`reduce(f, x)`: goes through what comes after a function."""
    if not args:
        return args
    if isinstance(args[0], (FunctionType, MethodType)):
        return (args[0], *(_stepwise(each, spot) for each in args[1:2]), *args[2:])
    return (args[0], *_consumes(execution, spot, args[1:2], keywords), *args[2:])


def _length(execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, ...]:
    kind = kind_of(type(args[0])) if args else None
    if args and not (kind is not None and "__len__" in kind.own):
        if _report(execution, _size(args[0]), False, spot):
            execution.saw(args[0])
    return args


def _shows(execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, ...]:
    for each in args:
        shown(each, spot)
    return args


def _takes_next(execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, ...]:
    if args and (type(args[0]) is GeneratorType or containers.is_iterator(type(args[0]))):
        _before_step(args[0], True, spot)
    return args


def _begins(execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, ...]:
    if len(args) == 1:
        _sized(args[0], spot)
    return args


def _reads_by_name(execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, ...]:
    if len(args) > 1 and isinstance(args[1], str):
        _read_by_name(execution, spot, args[0], args[1])
    return args


def _read_by_name(execution: Execution, spot: Spot, held: Any, name: str) -> None:
    how = _how(type(held), name, False)
    if how != _NOTHING and _report(execution, _attribute(held, name, how, False), False, spot):
        try:
            value = _look(held, name)
        except Exception:
            return
        execution.saw(value)


def _read_path(execution: Execution, spot: Spot, held: Any, path: list[str]) -> None:
    """`a.b.c` of something: all but the last are looked up to find where that is."""
    for name in path:
        _read_by_name(execution, spot, held, name)
        try:
            held = _look(held, name)
        except Exception:
            return


def _writes_by_name(execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, ...]:
    if len(args) > 1 and isinstance(args[1], str):
        finished()
        _report_written(execution, args[0], args[1], spot)
    return args


def _takes_namespace(execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, ...]:
    if len(args) == 1 and not issubclass(type(args[0]), (type, ModuleType)):
        _namespace_taken(execution, args[0], spot)
    return args


def _combines(execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, ...]:
    if len(args) > 1:
        _combined(execution, args[0], args[1], spot)
    return args


def _by_operator(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:  # getitem
    if len(args) == 2:
        read_item(args[0], args[1], spot)
    return args


def _puts_by_operator(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    if len(args) == 3:
        write_item(args[0], args[1], spot)
    elif len(args) == 2:
        delete_item(args[0], args[1], spot)
    return args


def _asks_member(execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, ...]:
    if len(args) == 2:
        member(args[0], args[1], spot)
    return args


def _in_place(execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, ...]:
    if len(args) == 2 and kind_of(type(args[0])) is not None:
        _report(execution, containers.whole(args[0]), True, spot)
        _report(execution, [p for source in containers.sources(args[1]) for p in containers.whole(source)], False, spot)
    return args


def _changes_first(execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, ...]:
    """`heappush(heap, x)`: changes the list it is given."""
    if args and kind_of(type(args[0])) is not None and _report(execution, containers.whole(args[0]), True, spot):
        if isinstance(keywords.get("key"), (FunctionType, MethodType)) or not _alike((*args[0], *args[1:]), "__lt__"):
            execution.cannot_follow(f"{spot.reads[5:]} runs the program's own code while it is under way", spot.site)
    return args


def _given_away(
    execution: Execution, spot: Spot, function: Any, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    """A function that is not followed gets containers: it may do anything to them."""
    execution.progress()
    places: list[Place] = []
    for each in (*args, *keywords.values()):
        for source in containers.sources(each):
            places += containers.deep(source)
    if places and _report(execution, places, True, spot):
        name = getattr(function, "__qualname__", None) or repr(function)
        execution.cannot_follow(f"{name} is not followed, and gets something that is shared", spot.site)
    return args


_CONSUMERS: set[type] = {
    list, tuple, set, frozenset, dict, bytes, bytearray, array.array, collections.deque, collections.OrderedDict,
    collections.defaultdict,
}  # fmt: skip
_Handler = Callable[[Execution, Spot, tuple[Any, ...], dict[str, Any]], tuple[Any, ...]]


def _keeps(execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]) -> tuple[Any, ...]:
    return args


_FUNCTIONS: dict[Any, _Handler] = {
    **dict.fromkeys((any, all, itertools.product, itertools.permutations, itertools.combinations), _consumes),
    **dict.fromkeys((sorted, sum), _consumes),
    **dict.fromkeys((min, max), _with_key),
    functools.reduce: _first_is_callable,
    **dict.fromkeys((len, operator.length_hint), _length),
    **dict.fromkeys((print, repr, ascii, format, hash, str, copy.copy, copy.deepcopy, json.dumps, pickle.dumps), _shows),
    next: _takes_next,
    **dict.fromkeys((iter, reversed), _begins),
    **dict.fromkeys((getattr, hasattr), _reads_by_name),
    **dict.fromkeys((setattr, delattr), _writes_by_name),
    vars: _takes_namespace,
    dir: _keeps,
    bool: _length,
    **dict.fromkeys((heapq.heappush, heapq.heappop, heapq.heapify, heapq.heapreplace, heapq.heappushpop), _changes_first),
    **dict.fromkeys((bisect.insort_left, bisect.insort_right), _changes_first),
    **dict.fromkeys((bisect.bisect_left, bisect.bisect_right), _shows),
    operator.getitem: _by_operator,
    **dict.fromkeys((operator.setitem, operator.delitem), _puts_by_operator),
    operator.contains: _asks_member,
    **dict.fromkeys((operator.truth, operator.not_), _length),
    **dict.fromkeys(
        (operator.add, operator.concat, operator.eq, operator.ne, operator.lt, operator.le, operator.gt, operator.ge,
         operator.or_, operator.and_, operator.sub, operator.xor, operator.mul, operator.mod),
        _combines,
    ),
    **dict.fromkeys(
        (operator.iadd, operator.iconcat, operator.ior, operator.iand, operator.isub, operator.ixor, operator.imul),
        _in_place,
    ),
    **dict.fromkeys(
        (isinstance, issubclass, id, callable, type, object, range, slice, enumerate, zip, map, filter, super,
         operator.is_, operator.is_not, operator.itemgetter, operator.attrgetter, operator.methodcaller, property,
         staticmethod, classmethod, memoryview),
        _keeps,
    ),
}  # fmt: skip

"""What rewritten code calls just before it touches data that another thread may touch too.

Each function here is told by rewritten code what comes next, reports it to the execution that the calling
thread belongs to, and returns at once; the access itself is then made by the program's own code, in its own
frame, so that exceptions, tracebacks and evaluation are what they were. In a thread that is not explored
nothing happens.

Since no other thread can run between the report and the access, what is going to be read is looked up here
as well, for the story of a schedule (`Execution.saw`); what was written is looked up when it has been.
"""

from __future__ import annotations

import array
import collections
import dis
import operator
import queue
import sys
import threading
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent import futures
from contextlib import suppress
from functools import partial
from itertools import starmap
from types import (
    FunctionType,
    GeneratorType,
    MappingProxyType,
    MemberDescriptorType,
    ModuleType,
    SimpleNamespace,
    WrapperDescriptorType,
)
from typing import Any

from helpers.schedules import containers
from helpers.schedules.containers import MADE_BY_CLASS_STATEMENT, Kind, Place, Variables, is_record, kind_of
from helpers.schedules.execution import Execution, Site, current
from helpers.schedules.model import queues
from helpers.schedules.reaching import class_is_own, is_ours, is_own, is_taken_along


class Spot:
    """A place in the program where data is touched, with all about it that does not change.

    Attributes:
        site: file, line and column.
        key: name of the attribute or variable.
        name: what is touched, as the program writes it: ``"counter"``.
        reads: the access in words, should it be a read: ``"read counter"``.
        writes: the same for a write.
        how: how attributes of `type` are found; what was looked up last.
    """

    __slots__ = ("how", "key", "name", "reads", "site", "type", "writes")

    def __init__(self, site: Site, key: str, name: str) -> None:
        self.site = site
        self.key = key
        self.name = name
        self.reads = f"read {name}"
        self.writes = f"write {name}"
        self.type: type | None = None
        self.how = NOTHING


_variables: dict[int, Variables] = {}


def variables_of(names: dict[str, Any]) -> Variables:
    """The one `Variables` for a module's namespace."""
    known = _variables.get(id(names))
    if known is None:
        known = _variables[id(names)] = Variables(names)
    return known


# --- reporting -------------------------------------------------------------------------------------------


def report(execution: Execution, places: Sequence[Place], write: int, spot: Spot) -> bool:
    """Say that places are touched, in one step; `write` says how, as in `containers`.

    Returns whether it was one, so that others had their chance.
    """
    if _owners:
        places = [_owned(*place) for place in places]
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
        execution.cannot_follow(spot.name, spot.site)


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
_CLASS = 4  # the object is a class
_MODULE = 5  # the object is a module
_OF_QUEUE = 6  # it is what a queue keeps inside
_OF_PRIMITIVE = 7  # it is what another primitive keeps inside
_REPLACES_ALL = 8  # it stands for all attributes

OURS = __name__.partition(".")[0] + ".schedules."
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
    if issubclass(type_, _THREADS_OWN) or type_.__module__.startswith(OURS):
        return NOTHING
    if name in queues.KEPT and issubclass(type_, queue.Queue):
        return _OF_QUEUE
    if name in KEPT_INSIDE and type_ in _PRIMITIVES:
        return _OF_PRIMITIVE
    intercept = "__setattr__" if write else "__getattribute__"
    if not past_own and isinstance(getattr(type_, intercept), FunctionType):
        return NOTHING
    if name in ("__dict__", "__class__") and write:
        return _REPLACES_ALL
    found = next((vars(base)[name] for base in type_.__mro__ if name in vars(base)), _MISSING)
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
        return NOTHING  # a property: its functions are followed
    if not type_.__dictoffset__ and not type_.__flags__ & MADE_BY_CLASS_STATEMENT:
        return NOTHING
    if found is _MISSING:
        return _INSTANCE if type_.__dictoffset__ else NOTHING
    return _INHERITED


# What the primitives of CPython keep, under names that are not meant for programs.
KEPT_INSIDE = {
    "_value", "_flag", "_waiters", "_owner", "_count", "_state", "_work_queue", "_threads", "_shutdown",
}  # fmt: skip
_PRIMITIVES = {
    threading.Semaphore, threading.BoundedSemaphore, threading.Event, threading.Condition, threading.Barrier,
    futures.Future, futures.ThreadPoolExecutor,
}  # fmt: skip

_MISSING = object()
_THREADS_OWN: tuple[type, ...] = (__import__("_thread")._local, super)


def forget() -> None:
    """Forget all that was learned of a program's objects."""
    global _written
    _written = None
    _owners.clear()
    _generators.clear()
    forget_types()


def forget_types() -> None:
    """Forget how attributes are found: a class has changed."""
    _known.clear()
    for spot in _spots:
        spot.type = None
    _spots.clear()


def read_by_name(execution: Execution, held: Any, name: str, spot: Spot, past_own: bool = False) -> None:
    """An attribute is about to be read by code that is not rewritten."""
    _report_read(execution, held, name, how_found(type(held), name, False, past_own), spot)


def _report_read(execution: Execution, held: Any, name: str, how: int, spot: Spot) -> None:
    if how == NOTHING:
        return
    if how == _OF_QUEUE:
        queues.look_inside(held, name, False, spot.site, spot.reads)
        return
    if how == _OF_PRIMITIVE:
        what = f"{spot.name} is what the primitive keeps inside: who changes it is not seen"
        execution.cannot_follow(what, spot.site)
        return
    if how <= _SLOT:
        stepped = execution.access(held, name, False, spot.site, spot.reads)
    else:
        stepped = report(execution, places_of_attribute(held, name, how, False), False, spot)
    if stepped:
        try:
            value = look_up(held, name)
        except Exception:
            return
        execution.saw(value)


def places_of_attribute(held: Any, name: str, how: int, write: bool) -> list[Place]:
    if how == _MODULE:
        return [(variables_of(_namespace(held)), name)]
    if how == _CLASS:
        return [(held, name)] if write else _classes(held, name)
    if how == _INHERITED and not write and name not in _namespace(held):
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


def _namespace(held: Any) -> dict[str, Any]:
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
    global _written
    finished()
    how = how_found(type(held), name, True, past_own)
    if how == NOTHING:
        return
    if how == _OF_QUEUE:
        queues.look_inside(held, name, True, spot.site, spot.writes)
        return
    if how >= _OF_PRIMITIVE:
        execution.cannot_follow(f"{spot.name} is set: what that does to others is not seen", spot.site)
        return
    places = places_of_attribute(held, name, how, True)
    if _owners and id(_namespace(held)) in _owners and name not in _namespace(held):
        places.append((held, None))  # another one, for who goes through its `__dict__`
    if report(execution, places, True, spot):
        _written = (execution, look_up, (held, name))
    if how == _CLASS:
        forget_types()


_owners: dict[int, tuple[Any, Any]] = {}  # an instance's `__dict__` by its id: itself, and whose it is


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
        globals_taken(_namespace(held))
    elif not issubclass(type(held), type):
        names = _namespace(held)
        _owners[id(names)] = (names, held)


def globals_taken(names: dict[str, Any]) -> None:
    """Somebody has the dictionary with a module's variables."""
    _owners[id(names)] = (names, variables_of(names))


def _owned(about: Any, key: Any) -> Place:
    """The place of an attribute, where an access is to an item of the object's `__dict__`."""
    known = _owners.get(id(about))
    if known is None:
        return about, key
    return known[1], key[0] if type(key) is tuple else key


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


def report_item(execution: Execution, held: Any, key: Any, kind: Kind, write: bool, spot: Spot) -> bool:
    """Report an access by key; again if others have meanwhile added or removed it."""
    stepped = False
    places, writes = _item(held, key, kind, write)
    while report(execution, places, writes, spot):
        stepped = True
        now = _item(held, key, kind, write)
        if now == (places, writes):
            break
        places, writes = now
    return stepped


def read_item(held: Any, key: Any, spot: Spot) -> Any:
    """`held[key]` is about to be read."""
    kind = kind_of(type(held))
    if kind is None:
        return item_of_other(held, False, spot)
    if "__getitem__" in kind.own:
        return held
    execution = current()
    if execution is None:
        return held
    if kind.makes:
        _make(execution, held, key, spot)
    if report_item(execution, held, key, kind, False, spot):
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
            return _no_default(held, key) if base is dict else base.__getitem__(held, key)
    raise LookupError


def _no_default(held: Any, key: Any) -> Any:
    value = dict.get(held, key, _MISSING)
    if value is _MISSING:
        raise LookupError
    return value


def _make(execution: Execution, held: Any, key: Any, spot: Spot) -> None:
    """A `defaultdict` whose factory is code of the program.

    Looks, makes a value, then puts it, as three steps.
    """
    factory = held.default_factory
    if isinstance(factory, type) and not factory.__flags__ & MADE_BY_CLASS_STATEMENT:
        return  # a built-in type: all in one step
    if factory is None or not containers.plain(key) or dict.__contains__(held, key):
        return
    if report(execution, [(held, (key,))], False, spot) and dict.__contains__(held, key):
        return
    value = factory()
    report(execution, [(held, (key,)), (held, None)], True, spot)
    dict.__setitem__(held, key, value)


def write_item(held: Any, key: Any, spot: Spot) -> Any:
    """`held[key]` is about to be assigned."""
    global _written
    kind = kind_of(type(held))
    if kind is None:
        return item_of_other(held, True, spot)
    if "__setitem__" in kind.own:
        return held
    execution = current()
    if execution is None:
        return held
    finished()
    if report_item(execution, held, key, kind, True, spot):
        _written = (execution, _get, (held, key))
    return held


def delete_item(held: Any, key: Any, spot: Spot) -> Any:
    """`held[key]` is about to be deleted."""
    kind = kind_of(type(held))
    if kind is None:
        return item_of_other(held, True, spot)
    if "__delitem__" in kind.own:
        return held
    execution = current()
    if execution is not None:
        places = (
            [(held, (key,)), (held, None)] if kind.keyed and containers.plain(key) else containers.whole(held)
        )
        report(execution, places, True, spot)
    return held


# How the items are kept of what is none of Python's containers.
_FOLLOWED = 0  # by code of the program's own, or they cannot change
_IN_C = 1
_IN_LIBRARY = 2  # in Python, in several steps that are not seen
_keepers: dict[type, int] = {}


def _keeps_items(type_: type) -> int:
    known = _keepers.get(type_)
    if known is None:
        methods = [getattr(type_, name, None) for name in ("__setitem__", "__contains__", "__getitem__")]
        if any(isinstance(each, FunctionType) and _in_library(each) for each in methods):
            known = _IN_LIBRARY
        elif type_ is MappingProxyType or hasattr(methods[0], "__objclass__"):
            known = _IN_C
        else:
            known = _FOLLOWED
        _keepers[type_] = known
    return known


def _in_library(function: FunctionType) -> bool:
    file = function.__code__.co_filename
    return not (is_own(file) or is_ours(file) or is_taken_along(function))


def item_of_other(held: Any, write: bool, spot: Spot) -> Any:
    """An item is about to be used of something that is none of Python's containers."""
    how = _keeps_items(type(held))
    if how == _FOLLOWED:
        return held
    execution = current()
    if execution is None:
        return held
    if how == _IN_LIBRARY:
        used_in_library(execution, held, write, spot)
    else:
        report(execution, containers.gone_through(held) or [(held, None)], write, spot)
    return held


def used_in_library(execution: Execution, held: Any, write: bool, spot: Spot) -> None:
    """Code of a library, which is not followed, is about to use an object, and perhaps to change it."""
    type_ = type(held)
    if issubclass(type_, _LASTING) or type_.__module__.partition(".")[0] in _OUTSIDE:
        return
    if report(execution, [(held, None)], write, spot):
        execution.cannot_follow(f"{type_.__name__} is not followed, and is shared", spot.site)


_LASTING = (type, ModuleType, str, bytes, int, float, complex, tuple, frozenset)
# Of these modules, objects do not change, or are shared with the world anyway: loggers, files, tests.
_OUTSIDE = {
    "codecs", "datetime", "decimal", "enum", "fractions", "io", "logging", "pathlib", "re", "tempfile",
    "typing", "unittest", "uuid",
}  # fmt: skip


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


def size(held: Any) -> list[Place]:
    """What the number of its elements depends on."""
    return [(each, None) for each in containers.sources(held)]


def truth(held: Any, spot: Spot) -> Any:
    """Whether a container is empty is about to be asked."""
    type_ = type(held)
    kind = kind_of(type_)
    if kind is None and type_ not in containers.VIEWS:
        return held
    execution = current()
    if execution is None or (kind is not None and kind.own & {"__bool__", "__len__"}):
        return held
    if report(execution, size(held), False, spot):
        execution.saw(held)
    return held


def unpack(held: Any, spot: Spot) -> Any:
    """A container is about to be taken apart, in one go: `a, b = held`, `f(*held)`."""
    if type(held) in WITHOUT_CHANGE:
        return held
    execution = current()
    if execution is None:
        return held
    return consumed(execution, held, spot)


def consumed(execution: Execution, held: Any, spot: Spot) -> Any:
    """Report that all of something is gone through; step by step where the program's code runs in between."""
    held = entered(held)
    if containers.calls_back(held):
        return stepwise(held, spot)
    places = containers.gone_through(held)
    if containers.is_iterator(type(held)):
        report(execution, [(held, None), *places], True, spot)
    elif report(execution, places, False, spot):
        execution.saw(held)
    return held


def entered(held: Any) -> Any:
    """What the program's own `__iter__` gives, which may be an iterator of C's; else the thing itself."""
    return iter(held) if isinstance(getattr(type(held), "__iter__", None), FunctionType) else held


def unpack_pairs(held: Any, spot: Spot) -> Any:
    """The same for a mapping: `f(**held)`, which is asked for its keys."""
    if kind_of(type(held)) is None:
        return held
    return unpack(held, spot)


WITHOUT_CHANGE = frozenset({str, bytes, int, float, bool, type(None), tuple, range, frozenset, complex, type})


def each(held: Any, spot: Spot) -> Any:
    """Something is about to be gone through, with the program's code in between: every step is a read."""
    if type(held) in WITHOUT_CHANGE or current() is None:
        return held
    return stepwise(held, spot)


def stepwise(held: Any, spot: Spot) -> Any:
    if type(held) is list:
        return map(_second, iter(partial(before_item, held, spot), _END), iter(held))
    held = entered(held)
    type_ = type(held)
    kind = kind_of(type_)
    if kind is not None:
        alone = False
    elif type_ is GeneratorType or containers.is_iterator(type_):
        alone = True
    elif type_ in containers.VIEWS or type_ is memoryview:
        alone = False
    else:
        return held
    return map(_second, iter(partial(before_step, held, alone, spot), _END), iter(sized(held, spot)))


_END = object()


def each_from(held: Any, spot: Spot) -> Any:
    """`yield from` is about to go through something; a generator gets what is sent, so it stays itself."""
    return held if type(held) is GeneratorType else each(held, spot)


def sized(held: Any, spot: Spot) -> Any:
    """An iterator over a dictionary, set or deque keeps the size it was made at: that is a read too."""
    kind = kind_of(type(held))
    if type(held) not in containers.VIEWS if kind is None else kind.base in _WITHOUT_SIZE:
        return held
    execution = current()
    if execution is not None:
        report(execution, size(held), False, spot)
    return held


_WITHOUT_SIZE = (list, bytearray, array.array)  # their iterators look anew at each step


def before_item(held: list[Any], spot: Spot) -> Execution | None:
    """The same as `before_step`, for the usual case."""
    execution = current()
    if execution is not None and execution.access(held, None, False, spot.site, spot.reads):
        return execution
    return None


def before_step(held: Any, alone: bool, spot: Spot) -> Execution | None:
    """The next element is about to be taken; returns the execution if others had their chance before."""
    execution = current()
    if execution is None:
        return None
    if type(held) is GeneratorType:
        return execution if _enter(execution, held, spot) else None
    # Of a dictionary the keys alone.
    places = size(held) if issubclass(type(held), dict) else containers.gone_through(held)
    if alone:  # an iterator changes itself with every step; what it goes through is only read
        stepped = bool(execution.access(held, None, True, spot.site, spot.writes))
        return execution if report(execution, places, False, spot) or stepped else None
    return execution if report(execution, places, False, spot) else None


_generators: dict[int, weakref.ref[Any]] = {}  # by the id of its frame


def _enter(execution: Execution, generator: Any, spot: Spot) -> bool:
    """A generator is about to be entered: who finds another thread in it gets an exception."""
    number = id(generator.gi_frame)
    known = _generators.get(number)
    if known is None or known() is not generator:  # a frame that is over may have had the same id
        _generators[number] = weakref.ref(generator, partial(_forget_generator, number))
    stepped = bool(execution.access(generator, None, True, spot.site, spot.writes))
    if stepped and any(
        each.opname == "GET_YIELD_FROM_ITER" for each in dis.get_instructions(generator.gi_code)
    ):
        execution.cannot_follow("a generator with `yield from` is shared", spot.site)
    return stepped


def _forget_generator(number: int, reference: weakref.ref[Any]) -> None:
    if _generators.get(number) is reference:
        del _generators[number]


def leaving(value: Any, spot: Spot) -> Any:
    """A generator is about to give a value, and can then be entered again."""
    execution = current()
    if execution is not None:
        frame = sys._getframe(1)
        known = _generators.get(id(frame))
        generator = None if known is None else known()
        if generator is not None and generator.gi_frame is frame:
            execution.access(generator, None, True, spot.site, spot.writes)
    return value


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
    if report(execution, containers.deep(held), False, spot):
        execution.saw(held)


def copied(execution: Execution, held: Any, with_all_in_it: bool, spot: Spot) -> None:
    """Something is about to be copied: an instance has all its attributes read."""
    places: list[Place] = []
    _look_over(held, places, set(), with_all_in_it)
    if report(execution, places, False, spot):
        execution.saw(held)


def _look_over(held: Any, places: list[Place], seen: set[int], with_all_in_it: bool) -> None:
    type_ = type(held)
    if type_ in _FLAT or id(held) in seen:
        return
    seen.add(id(held))
    inner: list[Any] = []
    kind = kind_of(type_)
    if kind is not None:
        places += containers.whole(held)
        inner += kind.base.__iter__(held)  # type: ignore[attr-defined]
        inner += dict.values(held) if kind.keyed else ()
    elif type_ in (tuple, frozenset):
        inner += held
    if type_ is SimpleNamespace or class_is_own(type_):
        namespace_taken(held)
        names = _namespace(held)
        places += containers.whole(names)
        inner += names.values()
        for base in type_.__mro__:
            for name, slot in vars(base).items():
                if isinstance(slot, MemberDescriptorType):
                    places.append((held, name))
                    with suppress(AttributeError):
                        inner.append(slot.__get__(held))
    if with_all_in_it:
        for each in inner:
            _look_over(each, places, seen, True)


_FLAT = frozenset({str, bytes, int, float, bool, type(None), range, complex, type})


def both(left: Any, right: Any, spot: Spot) -> Any:
    """Two values are about to be compared or combined by an operator."""
    if type(left) in _FLAT and type(right) in _FLAT:
        return left
    execution = current()
    if execution is not None:
        combined(execution, left, right, spot)
    return left


def combined(execution: Execution, left: Any, right: Any, spot: Spot) -> None:
    places = _of(left)
    report(execution, places if right is left else [*places, *_of(right)], False, spot)


def operate(spot: Spot, operation: Callable[[Any, Any], Any], left: Any, right: Any) -> Iterator[Any]:
    """The same where working out the right operand may take steps.

    The iterator's only value is the result.
    """
    both(left, right, spot)
    return starmap(operation, ((left, right),))


def compared(held: Any, spot: Spot) -> Any:
    """A value is about to be compared, at the end of a chain of comparisons."""
    if type(held) not in _FLAT:
        execution = current()
        if execution is not None:
            report(execution, _of(held), False, spot)
    return held


def chained(held: Any, spot: Spot) -> Any:
    """A value is about to be compared in a chain, `a < held < b`: twice, with code in between."""
    if type(held) in _FLAT:
        return held
    execution = current()
    if execution is not None and report(execution, _of(held), False, spot):
        execution.cannot_follow(f"{spot.name} is compared twice in one expression", spot.site)
    return held


def _of(held: Any) -> list[Place]:
    """What is read of something that is compared or combined."""
    type_ = type(held)
    if kind_of(type_) is not None or type_ in containers.VIEWS or type_ is tuple or is_record(type_):
        return containers.deep(held)
    return []


def decorating(hook: Callable[..., Any], where: Any, spot: Spot) -> Callable[[Any], Any]:
    """A decorator that reports that a function or class is about to be bound to its name."""
    return partial(hook, where, spot)


def augment(spot: Spot, operation: Callable[[Any, Any], Any], left: Any, right: Any) -> Iterator[Any]:
    """`left += right` and the like: changes `left` in place if it is a container."""
    kind = kind_of(type(left))
    if (
        kind is None
        or f"__{operation.__name__}__" in kind.own
        or operation.__name__ not in _IN_PLACE[kind.base]
    ):
        return operate(spot, operation, left, right)
    execution = current()
    if execution is not None:
        places = [*containers.whole(left), *containers.gone_through(right)]
        bit_by_bit = containers.calls_back(right)
        if bit_by_bit:
            right = stepwise(right, spot)
        # With code of the program in between, that is no one step.
        if report(execution, places, True, spot) and bit_by_bit:
            execution.cannot_follow(f"{spot.name} is changed bit by bit while a generator runs", spot.site)
    return starmap(operation, ((left, right),))


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
        return item_of_other(held, False, spot)
    execution = current()
    if execution is None or (kind is not None and "__contains__" in kind.own):
        return held
    if kind is not None and kind.keyed and containers.plain(element):
        report(execution, [(held, (element,))], False, spot)
    else:
        report(execution, containers.gone_through(held), False, spot)
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
    if report(execution, places, False, spot) and len(places) > 1:
        execution.cannot_follow("match takes a shared object apart in one step", spot.site)
    return held


def _look_apart(held: Any, names: Iterable[str], places: list[Place], depth: int = 0) -> None:
    if kind_of(type(held)) is not None or type(held) is tuple:
        containers.deep(held, places)
        return
    for name in dict.fromkeys(names):
        how = how_found(type(held), name, False)
        if how in (_INSTANCE, _SLOT, _INHERITED):
            places += places_of_attribute(held, name, how, False)
            value = _namespace(held).get(name)
            if depth < 3 and value is not None and type(value) not in _FLAT:
                _look_apart(value, names, places, depth + 1)

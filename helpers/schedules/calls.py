"""What rewritten code calls before it calls something that may touch what threads share.

Functions of the program itself need no look: they are rewritten. What is made in C, or belongs to the
standard library, is told apart here: methods of containers, functions that go through what they are given,
those that only keep it, and the rest, of which nothing is known. Something shared that is given to these
may be changed by them: it counts as written, and where threads really meet there, the result says that it
could not be followed.
"""

from __future__ import annotations

import _string  # type: ignore[import-not-found]  # what str.format itself uses
import array
import bisect
import collections
import contextlib
import contextvars
import datetime
import functools
import gc
import heapq
import importlib
import io
import itertools
import json
import logging
import operator
import pickle
import sys
import time
import weakref
from _random import Random as random_in_c
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from functools import partial
from itertools import starmap
from types import (
    BuiltinFunctionType,
    CodeType,
    FunctionType,
    GeneratorType,
    MethodDescriptorType,
    MethodType,
    MethodWrapperType,
    ModuleType,
    WrapperDescriptorType,
)
from typing import Any

from helpers.schedules import containers, importing, lifetimes, outside
from helpers.schedules.as_a_whole import (
    WITHOUT_CHANGE,
    before_step,
    combined,
    consumed,
    copied,
    entered,
    forget_generators,
    member,
    reduced,
    shown,
    size,
    sized,
    stepwise,
)
from helpers.schedules.by_key import (
    delete_item,
    keeps_items_in_c,
    kept_in_library,
    looked_over,
    read_item,
    report_item,
    used_in_library,
    write_item,
)
from helpers.schedules.by_name import (
    forget_types,
    globals_taken,
    in_library,
    look_up,
    namespace_taken,
    read_by_name,
    report_written,
)
from helpers.schedules.containers import READS, Kind, Place, kind_of
from helpers.schedules.execution import Execution, Site, current
from helpers.schedules.model.readings import CONVERSIONS, are_told
from helpers.schedules.reaching import CACHED, OURS, frame_of_program, is_own, is_taken_along, made_by_library
from helpers.schedules.reaching import class_is_own as is_own_class
from helpers.schedules.reporting import IN_PARTS, Spot, forget_owners, in_one_step, report
from helpers.schedules.substitution import refuse_real, stand_in

followed: set[int] = set()  # the ids of code and functions that need no look when they are called
_kept: list[Any] = []  # what has these ids, so that nothing else gets them
# Given a function of the program's own that is called though nobody had found it, rewrites it; returns
# whether what was rewritten before has now become too coarse. Set while rewriting is on.
_late: Callable[[FunctionType], bool] | None = None


def begin(late: Callable[[FunctionType], bool] | None) -> None:
    """Forget what was learned of a program's types and functions.

    From now on, `late` gets what is found late.
    """
    global _late
    _late = late
    followed.clear()
    _kept.clear()
    forget_owners()
    forget_generators()
    forget_types()


def follow(codes: Iterable[CodeType]) -> None:
    """These are rewritten: calling what has them needs no look."""
    for code in codes:
        _remember(code)


def call(function: Any, spot: Spot) -> Any:
    """A call is about to be prepared; returns what is to be called: mostly the function itself."""
    inner = function.__func__ if type(function) is MethodType else function
    if id(inner.__code__ if type(inner) is FunctionType else inner) in followed or current() is None:
        return function
    instead = stand_in(inner)
    if instead is not None:
        return instead
    if _needs_no_look(inner, spot):
        return function
    return partial(_called, spot, function)


def _needs_no_look(function: Any, spot: Spot) -> bool:
    """Whether what a function is given says nothing of what it touches; found out once for each."""
    if outside.concerns(function):
        return False
    if type(function) is FunctionType:
        if is_own(function.__code__.co_filename) or is_taken_along(function):
            if made_by_library(function):
                return False
            _find_late(function, spot)
        elif function in _FUNCTIONS or function in _THAT_CHANGE or not _only_keeps(function):
            return False
        elif function.__module__ == "collections.abc":
            return False  # says something of the object whose method it is
        return _remember(function.__code__)
    if issubclass(type(function), type):
        if function in _FUNCTIONS or issubclass(function, weakref.ref):
            return False
        if not (is_own_class(function) or _only_keeps(function)):
            return False
        return _remember(function)
    # An object with `__call__`: of the program, or of no interest, unless a library keeps it.
    return not issubclass(type(function), _OF_C) and not in_library(type(function))


def _find_late(function: FunctionType, spot: Spot) -> None:
    execution = current()
    if _late is not None and execution is not None and _late(function):
        execution.search.met([("found late", spot.site)])  # too late for this one: the search begins anew


def _remember(known: Any) -> bool:
    followed.add(id(known))
    _kept.append(known)
    return True


_GETTERS = (operator.itemgetter, operator.attrgetter, operator.methodcaller)
_OF_C = (
    BuiltinFunctionType, MethodWrapperType, MethodDescriptorType, WrapperDescriptorType, partial, CACHED,
    weakref.ref, *_GETTERS,
)  # fmt: skip
# What is given to these is kept or passed on, not looked into.
_KEEPERS = (
    "_thread", "abc", "concurrent", "contextlib", "contextvars", "dataclasses", "enum", "functools",
    "helpers", "itertools", "queue", "_queue", "threading", "time", "types", "typing", "warnings",
    "weakref", "multiprocessing",
)  # fmt: skip


# Of these modules too, but their methods change what they are called on.
_STATEFUL = (contextlib.ExitStack, weakref.WeakKeyDictionary, weakref.WeakValueDictionary, weakref.WeakSet)
_THAT_CHANGE = frozenset(
    method
    for kind in _STATEFUL
    for base in kind.__mro__
    if base.__module__ == kind.__module__
    for method in vars(base).values()
    if type(method) is FunctionType
)


def _only_keeps(function: Any) -> bool:
    # A wrapped function says the module of what is wrapped.
    names = function.__globals__ if type(function) is FunctionType else {}
    module = names.get("__name__") or getattr(function, "__module__", None) or ""
    return module.partition(".")[0] in _KEEPERS or module == "collections.abc"


def _called(spot: Spot, function: Any, /, *args: Any, **keywords: Any) -> Any:
    execution = current()
    if execution is not None:
        function, args = _announce(execution, spot, function, args, keywords)
    return function(*args, **keywords)


class Bound:
    """A function written in C that reports what it does, wherever it is called from.

    `Thread(target=items.append)` hands a container's method to code that is not rewritten.
    """

    __slots__ = ("_spot", "function")

    def __init__(self, function: Any, spot: Spot) -> None:
        self.function = function
        self._spot = spot

    def __call__(self, /, *args: Any, **keywords: Any) -> Any:
        return _called(self._spot, self.function, *args, **keywords)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.function, name)

    def __copy__(self) -> Bound:
        return self

    def __deepcopy__(self, memo: Any) -> Bound:
        return self  # as functions are: what the method belongs to is not copied

    def __reduce__(self) -> Any:
        return self.function.__reduce__()

    def __eq__(self, other: object) -> bool:
        return bool(self.function == (other.function if isinstance(other, Bound) else other))

    def __hash__(self) -> int:
        return hash(self.function)

    def __repr__(self) -> str:
        return repr(self.function)


def _reporting(function: Any, spot: Spot) -> Any:
    """A function of C that other code of C will call, with what is shared: it is to report itself then."""
    type_ = type(function)
    if type_ is BuiltinFunctionType:
        reports = _FUNCTIONS.get(function, _keeps) not in (_keeps, _combines)
    else:
        reports = type_ in (*_GETTERS, MethodDescriptorType, WrapperDescriptorType)
    return Bound(function, spot) if reports else function


def bound(function: Any, spot: Spot) -> Any:
    """A method is looked up without being called at once: what will be called later reports itself."""
    if type(function) is BuiltinFunctionType and current() is not None:
        owner = function.__self__
        if kind_of(type(owner)) is not None or function in _FUNCTIONS:
            return Bound(function, spot)
    return function


def called_later(function: Any) -> Any:
    """The standard library gets a function that it will call: what is not followed reports itself then."""
    inner = function.__func__ if type(function) is MethodType else function
    if function is None or (type(inner) is FunctionType and id(inner.__code__) in followed):
        return function
    frame = frame_of_program(sys._getframe(1))
    if frame is None:
        return function
    name = getattr(function, "__qualname__", None) or type(function).__name__
    return call(function, Spot(Site(frame.f_code.co_filename, frame.f_lineno, 0, name), "", name))


def managed(manager: Any) -> Any:
    """A `with` statement is about to be entered."""
    refuse_real(manager)
    return manager


def prepare(spot: Spot, function: Any, /, *args: Any, **keywords: Any) -> Iterator[Any]:
    """A call is about to be made that may be a container's method; the iterator's only value is its result.

    The call itself is made by `next`, from the program's own frame.
    """
    execution = current()
    if execution is not None:
        writes = None
        if type(function) is BuiltinFunctionType:
            held = function.__self__
            writes = _AT_ONCE.get((type(held), function.__name__))
        if writes is not None:
            if execution.access(held, None, writes, spot.site, spot.writes if writes else spot.reads):
                if not writes:
                    execution.saw(held)
                elif function.__name__ == "append" and args:
                    execution.saw(args[0])
        else:
            inner = function.__func__ if type(function) is MethodType else function
            known = id(inner.__code__ if type(inner) is FunctionType else inner) in followed
            if not known and (instead := stand_in(inner)) is not None:
                function = instead
            elif not known and not _needs_no_look(inner, spot):
                function, args = _announce(execution, spot, function, args, keywords)
    return starmap(partial(function, **keywords) if keywords else function, (args,))


# The usual methods: each touches all of its list or deque, nothing else, and runs no code of the program's.
# The value says what it does.
_AT_ONCE: dict[tuple[type, str], int | None] = {
    (type_, name): Kind(type_, type_).does(name)
    for type_ in (list, collections.deque)
    for name in ("append", "appendleft", "pop", "popleft", "clear", "reverse", "copy")
    if hasattr(type_, name)
}

# Methods of loggers and handlers that change them; those that log leave them as they are.
_CONFIGURES = ("addHandler", "removeHandler", "addFilter", "removeFilter", "setLevel", "setFormatter")

_Call = tuple[Any, tuple[Any, ...]]  # what is to be called, and with what


def _announce(
    execution: Execution, spot: Spot, function: Any, args: tuple[Any, ...], keywords: dict[str, Any]
) -> _Call:
    """Report what a call is about to touch; returns what to call, and with what."""
    if "key" in keywords:
        keywords["key"] = _reporting(keywords["key"], spot)
    instead = stand_in(function)
    if instead is not None:
        return instead, args
    if outside.concerns(function):
        outside.met(execution, function, args, spot.site)
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
        if type(function.__func__) is FunctionType and _needs_no_look(function.__func__, spot):
            return function, args
        owner = function.__self__
        if function.__func__.__module__ == "collections.abc" and not kept_in_library(type(owner)):
            return function, args  # what the abstract classes do, they do by the program's own methods
        if made_by_library(function.__func__):
            _of_record(execution, spot, function.__name__, (owner, *args))
            return function, args
        if issubclass(type(owner), logging.Filterer) and function.__name__ in _CONFIGURES:
            report(execution, [(owner, None)], True, spot)
        if issubclass(type(owner), random_in_c):  # in Python, on top of what C keeps
            report(execution, [(owner, None)], True, spot)
        elif issubclass(type(owner), _STATEFUL) or not _only_keeps(type(owner)):
            used_in_library(execution, owner, True, spot)
        return function, _given_away(execution, spot, function, args, keywords)
    if type_ is CACHED:
        execution.cannot_follow(
            f"{function.__qualname__} keeps its results from call to call, in C", spot.site
        )
        return function, args
    if issubclass(type_, weakref.ref):
        execution.watches.looked(function, spot.site)
        return function, args
    if issubclass(type_, type) and issubclass(function, weakref.ref):
        if len(args) > 1 and args[1] is not None:
            _calls_when_gone(execution, spot, args, keywords)
        return partial(_refer_weakly, execution, function), args
    if type_ is operator.itemgetter:
        return function, _shows(execution, spot, args, keywords)
    if type_ is operator.attrgetter and args:
        for path in function.__reduce__()[1]:
            _read_path(execution, spot, args[0], path.split("."))
        return function, args
    if type_ is operator.methodcaller and args:
        method = getattr(args[0], function.__reduce__()[1][0])  # looked up as it will be
        return (
            (function, args)
            if type(method) is MethodType
            else (function, _given_away(execution, spot, function, args, {}))
        )
    try:
        handler = _FUNCTIONS.get(function)
    except TypeError:  # not hashable, so none of those
        handler = None
    if handler is not None:
        return function, handler(execution, spot, args, keywords)
    if type_ is FunctionType and made_by_library(function):
        _of_record(execution, spot, function.__name__, args)
        given_away = False
    elif type_ is FunctionType:
        given_away = not _needs_no_look(function, spot)
    elif function is int or function is float:
        return CONVERSIONS[function] if are_told(args) else function, args
    elif issubclass(type_, type):
        given_away = not (is_own_class(function) or _only_keeps(function))
    elif in_library(type_):
        used_in_library(execution, function, True, spot)
        given_away = True
    else:
        given_away = issubclass(type_, _OF_C) and not _only_keeps(function)
    if given_away:
        args = _given_away(execution, spot, function, args, keywords)
    return function, args


_RUNS = "runs the program's own code while it is under way"


# --- methods of containers and other objects made in C ---------------------------------------------------

_COMPARES = {
    "index",
    "count",
    "remove",
    "__contains__",
    "__eq__",
    "__ne__",
    "__lt__",
    "__le__",
    "__gt__",
    "__ge__",
}


def _method(
    execution: Execution,
    spot: Spot,
    owner: Any,
    function: Any,
    args: tuple[Any, ...],
    keywords: dict[str, Any],
) -> _Call:
    name = function.__name__
    kind = kind_of(type(owner))
    if name == "__reduce_ex__":
        reduced(execution, owner, spot)
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
        places = size(owner)
    elif _compares(name, args):
        places = containers.deep(owner)
    else:
        places = containers.whole(owner)
    if name in _COMPARES:
        places += containers.all_in(args)
    elif name == "__setitem__" and type(args[0]) is slice:
        places += containers.gone_through(args[1])
    elif name in containers.TAKES_APART:
        args = tuple(_beside(spot, each, places, kind.keyed) for each in args)
        if kind.keyed:  # who looks now at a key that is added may have found it there before
            added = [
                key for given in (*args, keywords) if isinstance(given, dict) for key in dict.keys(given)
            ]
            places += [
                (owner, (key,))
                for key in dict.fromkeys(filter(containers.plain, added))
                if not dict.__contains__(owner, key)
            ]
    stepped = report(execution, places, does, spot)
    if stepped:
        if not does or name in ("append", "add"):
            execution.saw(owner if not does else args[0] if args else owner)
        if _runs_program(name, owner, kind, args, keywords):
            in_one_step(execution, f"{spot.name} {_RUNS}", spot)
    return function, args


def _compares(name: str, args: tuple[Any, ...]) -> bool:
    """Whether a method compares what the container holds, and that may be containers."""
    return name == "sort" or (name in _COMPARES and not all(map(containers.plain, args)))


def _beside(spot: Spot, given: Any, places: list[Place], pairs: bool) -> Any:
    """Add what a method takes from another container to what it touches; a dictionary takes pairs apart."""
    if not hasattr(type(given), "keys"):
        given = entered(given)
    if containers.calls_back(given):
        return stepwise(given, spot)
    places += containers.deep(given) if pairs else containers.gone_through(given)
    return given


def _runs_program(name: str, owner: Any, kind: Kind, args: tuple[Any, ...], keywords: dict[str, Any]) -> bool:
    """Whether a method of a container calls functions of the program before it is done."""
    if name == "sort":
        return _ordered_by_program(owner, keywords)
    if name in _COMPARES:
        return not _alike((*kind.base.__iter__(owner), *args), "__eq__")  # type: ignore[attr-defined]
    return any(map(containers.calls_back, args))


def _ordered_by_program(elements: Iterable[Any], keywords: dict[str, Any]) -> bool:
    """Whether putting elements in order runs code of the program's own."""
    return containers.in_python(keywords.get("key")) or not _alike(elements, "__lt__")


def _alike(elements: Iterable[Any], *methods: str) -> bool:
    """Whether these methods of all elements are no code of the program's own."""
    types = {type(each) for each in elements}
    return not any(
        isinstance(getattr(type_, method, None), FunctionType) for type_ in types for method in methods
    )


def _method_by_key(
    execution: Execution, spot: Spot, owner: Any, name: str, args: tuple[Any, ...], kind: Kind
) -> bool:
    key = args[0]
    if not containers.plain(key):
        return report(
            execution, containers.whole(owner), name not in ("get", "__getitem__", "__contains__"), spot
        )
    if name in ("get", "__contains__"):
        return report(execution, containers.part(owner, key), False, spot)
    if name in ("__getitem__", "__setitem__"):
        return report_item(execution, owner, key, kind, name == "__setitem__", spot)
    if name == "__delitem__":
        return report(execution, [(owner, (key,)), (owner, None)], True, spot)
    # `pop` changes only what has the key, `setdefault` only what has it not.
    changes = name == "pop" or name == "move_to_end"
    while True:
        has = dict.__contains__(owner, key)
        places: list[Place] = (
            [(owner, (key,)), (owner, None)] if has == changes else containers.part(owner, key)
        )
        stepped = report(execution, places, has == changes, spot)
        if not stepped or dict.__contains__(owner, key) == has:
            return stepped


def _method_of_other(
    execution: Execution, spot: Spot, owner: Any, name: str, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    type_ = type(owner)
    refuse_real(owner)
    if type_ is str or type_ is bytes:
        if name == "join":
            if type_ is bytes and not any(map(containers.calls_back, args)):
                report(execution, containers.all_in(args), False, spot)
                return args
            return tuple(consumed(execution, each, spot) for each in args)
        if name in ("format", "format_map", "__mod__"):
            for each in (*args, *keywords.values()):
                shown(each, spot)
            if name != "__mod__":
                _read_fields(execution, spot, owner, args, *args[:1] if name == "format_map" else [keywords])
        else:  # a table for `translate`, or a `bytearray` to look for
            report(execution, containers.all_in(args), False, spot)
        return args
    if type_ is memoryview:
        report(execution, containers.gone_through(owner), False, spot)
        return args
    if name in ("__setattr__", "__delattr__") and args:
        report_written(execution, owner, args[0], spot, True)
        return args
    if name == "__getattribute__" and args:
        read_by_name(execution, owner, args[0], spot, True)
        return args
    if type_ in containers.VIEWS and name not in ("keys", "values", "items"):
        report(execution, containers.all_in((owner, *args)), False, spot)
        return args
    if issubclass(type_, tuple) and name in _COMPARES:
        report(execution, containers.all_in((owner, *args)), False, spot)
        return args
    if name == "__next__" or type_ is GeneratorType:
        if type_ is GeneratorType or containers.is_iterator(type_):
            before_step(owner, True, spot)
        return args
    if issubclass(type_, type):  # a class method: `dict.fromkeys(items)`
        if issubclass(owner, datetime.date):
            if name in ("now", "utcnow", "today"):
                _reads_real_clock(execution, spot, args, keywords)
            _takes_time(execution, spot, args, keywords)
        return _consumes(execution, spot, args, keywords)
    if issubclass(type_, _CHANGES_IN_C):
        report(execution, [(owner, None)], True, spot)
        return args
    if type_ is contextvars.ContextVar and name in ("set", "reset"):
        execution.progress()  # it is the thread's own, so nothing else says that it has changed
        return args
    if issubclass(type_, io.IOBase):
        execution.cannot_follow(f"{spot.name} uses a file, which the next schedule finds changed", spot.site)
        return args
    if type_ in WITHOUT_CHANGE or type_.__module__ in _UNCHANGING or _only_keeps(type_) or name in _QUIET:
        return args
    if type_.__module__.startswith(OURS) or is_own_class(type_):
        return args
    execution.progress()
    if report(execution, [(owner, None)], True, spot):
        in_one_step(execution, f"{type_.__name__}.{name} is written in C: what it shares is not seen", spot)
    return args


def _of_record(execution: Execution, spot: Spot, name: str, given: tuple[Any, ...]) -> None:
    """A method that `dataclass` has written: its `__init__` sets all fields, the others read them."""
    if name == "__init__" and given and containers.is_record(type(given[0])):
        fields: list[Place] = [(given[0], field) for field in type(given[0]).__dataclass_fields__]
        report(execution, fields, True, spot)
    else:
        report(execution, containers.all_in(given), False, spot)


def _read_fields(
    execution: Execution, spot: Spot, text: str, args: tuple[Any, ...], keywords: Mapping[str, Any]
) -> None:
    """`"{0.name} {1[key]}".format(…)`: reads attributes and items of what it is given."""
    for number, (_, field, _, _) in enumerate(part for part in _string.formatter_parser(text) if part[1]):
        first, path = _string.formatter_field_name_split(field)
        try:
            held = args[first or number] if isinstance(first, int) or not first else keywords[first]
            for is_attribute, key in path:
                if is_attribute:
                    read_by_name(execution, held, key, spot)
                    held = look_up(held, key)
                else:
                    held = read_item(held, key, spot)[key]
        except (LookupError, AttributeError, TypeError):
            return  # as it will be when it is made


_QUIET = {
    "__init__",
    "__new__",
    "__init_subclass__",
    "__subclasshook__",
    "__class_getitem__",
    "__reduce_ex__",
    "__hash__",
}
_CHANGES_IN_C = (random_in_c, io.StringIO, io.BytesIO)
_UNCHANGING = {
    "_io", "_thread", "builtins", "datetime", "decimal", "fractions", "pathlib", "re", "uuid", "weakref",
    "_weakref", "types", "_contextvars", "_struct", "_operator", "functools", "itertools",
}  # fmt: skip


# --- functions made in C, and some of the standard library -----------------------------------------------


def _consumes(
    execution: Execution,
    spot: Spot,
    args: tuple[Any, ...],
    keywords: dict[str, Any],
    reads: Callable[[Any], list[Place]] = containers.gone_through,
) -> tuple[Any, ...]:
    """`list(x)`: goes through all of what it is given; `reads` says what it reads then."""
    places: list[Place] = []
    given = list(args)
    alone: list[Place] = []
    for number, each in enumerate(given):
        looked_over(execution, each, spot)
        kind = kind_of(type(each))
        if kind is not None and "__iter__" in kind.own:
            continue
        if containers.calls_back(each):
            given[number] = stepwise(each, spot)
            continue
        if containers.is_iterator(type(each)):
            alone += containers.moved(each)
        places += reads(each)
    places += reads(keywords.get("start"))  # of a sum
    if alone:
        report(execution, alone, True, spot)
    if report(execution, places, False, spot):
        execution.saw(given[0])
    return tuple(given)


def _goes_through(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    """The same where nothing else is asked of what is given: `dict(x)` may ask for its keys."""
    for each in args:
        looked_over(execution, each, spot)
    return _consumes(execution, spot, tuple(map(entered, args)), keywords)


def _takes_apart(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    """`dict(x)`: goes through what it is given, and looks into what is in that: pairs."""
    return _consumes(execution, spot, args, keywords, containers.deep)


def _looks_into(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    """`sum(x)`, `sorted(x)`, `any(x)`: adds up, compares, or asks for the truth of what is in it."""
    return _looks_into_all(execution, spot, args, keywords, _key_in_c(args, keywords) or [])


def _looks_into_all(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any], looks: list[Place]
) -> tuple[Any, ...]:
    """The same, where a key function looks at places besides, in the same step."""
    given = tuple(map(entered, args))
    return _consumes(execution, spot, given, keywords, lambda held: containers.deep(held) + looks)


def _with_key(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    """`max(x, key=f)`: goes through it with code of the program in between."""
    if len(args) != 1:
        report(execution, containers.all_in(args), False, spot)
        return args
    looks = _key_in_c(args, keywords)
    if looks is None and (containers.in_python(keywords.get("key")) or not _compared_quietly(args[0])):
        return (stepwise(args[0], spot),)
    return _looks_into_all(execution, spot, args, keywords, looks or [])


def _key_in_c(args: tuple[Any, ...], keywords: dict[str, Any]) -> list[Place] | None:
    """Where all of a call is in C, its key function need not report itself, and does not any more.

    Returns:
        What that function looks at besides what it is given, as `stamps.get` does; None where it reports
        itself.
    """
    key = keywords.get("key")
    if type(key) is not Bound or not all(map(_compared_quietly, args)):
        return None
    function = key.function
    places: list[Place] = []
    if function is not len:
        owner = function.__self__ if type(function) is BuiltinFunctionType else None
        kind = kind_of(type(owner))
        if kind is None or function.__name__ in kind.own or kind.does(function.__name__) != READS:
            return None
        places = containers.whole(owner)
    keywords["key"] = function
    return places


def _compared_quietly(held: Any) -> bool:
    kind = kind_of(type(held))
    elements = kind.base.__iter__(held) if kind is not None else ()  # type: ignore[attr-defined]
    return _alike(elements, "__lt__", "__gt__", "__add__", "__radd__", "__bool__", "__len__")


def _first_is_callable(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    """`reduce(f, x)`: goes through what comes after a function."""
    if not args:
        return args
    args = (_reporting(args[0], spot), *args[1:])
    if containers.in_python(args[0]):
        return (args[0], *(stepwise(each, spot) for each in args[1:2]), *args[2:])
    return (args[0], *_consumes(execution, spot, args[1:2], keywords), *args[2:])


def _length(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    kind = kind_of(type(args[0])) if args else None
    counts_itself = kind is not None and "__len__" in kind.own
    if args:
        looked_over(execution, args[0], spot)
    if args and not counts_itself and report(execution, size(args[0]), False, spot):
        execution.saw(args[0])
    return args


def _shows(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    for each in args:
        shown(each, spot)
    return args


def _prints(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    file = keywords.get("file")
    if file is None and (execution.written is None or "stdout" in execution.written):
        at = spot.site
        where = Spot(Site(at.file, at.line, at.column, "sys.stdout"), "stdout", "sys.stdout")
        read_by_name(execution, sys, "stdout", where)
    _shows(execution, spot, args, keywords)
    if file is not None and not isinstance(getattr(type(file), "write", None), FunctionType):
        _method_of_other(execution, spot, file, "write", (), {})  # one of the program's own is followed
    return args


def _makes_json(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    """`json.dumps(x)`: in one step as long as code of C does it, without the program's own in between."""
    in_parts = any(keywords.get(name) is not None for name in ("indent", "default", "cls"))
    places = [place for each in args for place in containers.deep(each)]
    if report(execution, places, False, spot):
        if in_parts:
            in_one_step(execution, f"json.dumps does this in Python: {IN_PARTS}", spot)
        execution.saw(args[0])
    return args


def _pickles(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    for each in args[:1]:
        copied(execution, each, spot)
    return args


def _takes_next(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    if args and (type(args[0]) is GeneratorType or containers.is_iterator(type(args[0]))):
        before_step(args[0], True, spot)
    return args


def _begins(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    for each in args:
        sized(each, spot)
    return tuple(_reporting(each, spot) for each in args)


def _reads_by_name(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    if len(args) > 1 and isinstance(args[1], str):
        read_by_name(execution, args[0], args[1], spot)
    return args


def _read_path(execution: Execution, spot: Spot, held: Any, path: list[str]) -> None:
    """`a.b.c` of something: all but the last are looked up to find where that is."""
    for name in path:
        read_by_name(execution, held, name, spot)
        try:
            held = look_up(held, name)
        except Exception:
            return


def _writes_by_name(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    if len(args) > 1 and isinstance(args[1], str):
        report_written(execution, args[0], args[1], spot)
    return args


def _takes_namespace(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    if len(args) == 1:
        namespace_taken(args[0])
    return args


def _takes_globals(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    frame = frame_of_program(sys._getframe(1))
    if frame is not None:
        globals_taken(frame.f_globals)
    return args


def _combines(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    if len(args) > 1:
        combined(execution, args[0], args[1], spot)
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
    if len(args) == 3 and type(args[1]) is slice:
        report(execution, [*containers.whole(args[0]), *containers.gone_through(args[2])], True, spot)
    elif len(args) == 3:
        write_item(args[0], args[1], spot)
    elif len(args) == 2:
        delete_item(args[0], args[1], spot)
    return args


def _asks_member(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    if len(args) == 2:
        member(args[0], args[1], spot)
    return args


def _in_place(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    if len(args) == 2 and kind_of(type(args[0])) is not None:
        report(execution, containers.whole(args[0]), True, spot)
        report(execution, containers.gone_through(args[1]), False, spot)
    return args


def _changes_first(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    """`heappush(heap, x)`: changes the list it is given."""
    if not args or kind_of(type(args[0])) is None:
        return args
    runs_program = _ordered_by_program(itertools.chain(args[0], args[1:]), keywords)
    if report(execution, containers.all_in(args), True, spot) and runs_program:
        in_one_step(execution, f"{spot.name} {_RUNS}", spot)
    return args


def _counts_elements(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    """What `Counter.update(x)` is made of: goes through `x`, and changes the counter, in one go."""
    counter, counted = args
    if containers.calls_back(counted):
        return counter, list(stepwise(counted, spot))
    report(execution, [*containers.whole(counter), *containers.gone_through(counted)], True, spot)
    return args


def _given_away(
    execution: Execution, spot: Spot, function: Any, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    """A function that is not followed gets containers: it may do anything to them."""
    execution.progress()
    places: list[Place] = []
    for each in (*args, *keywords.values()):
        for source in [each] if issubclass(type(each), tuple) else containers.sources(each):
            places += containers.deep(source)
        if issubclass(type(each), _CHANGES_IN_C):
            places.append((each, None))
        elif in_library(type(each)):
            used_in_library(execution, each, True, spot)
    if places and report(execution, places, True, spot):
        name = getattr(function, "__qualname__", None) or repr(function)
        in_one_step(execution, f"{name} is not followed, and gets something that is shared", spot)
    return args


def _holds_weakly(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    what = f"what is still in a {spot.name} depends on when objects go, which is not tried in every order"
    execution.cannot_follow(what, spot.site)
    return args


def _finds_cycles(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    if lifetimes.noticed:
        execution.cannot_follow("which objects gc.collect() finds is not followed", spot.site)
    return args


def _refer_weakly(execution: Execution, make: Any, /, *args: Any, **keywords: Any) -> Any:
    """Make a weak reference, and watch what it is to."""
    reference = make(*args, **keywords)
    execution.watches.refers(reference)
    return reference


def _calls_when_gone(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    """`weakref.finalize(x, f)`: has something called when an object goes."""
    if args:
        with suppress(TypeError):  # which the call itself will raise
            execution.watches.watch(args[0], spot.site)
    return args


def _stands_for(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    """`weakref.proxy(x)`: what it does by its attributes is seen, the rest is not."""
    if len(args) > 1:
        _calls_when_gone(execution, spot, args, keywords)
    if args and (kind_of(type(args[0])) is not None or keeps_items_in_c(type(args[0]))):
        what = f"what is done through a weak proxy to {type(args[0]).__name__} is not seen"
        execution.cannot_follow(what, spot.site)
    return args


_Handler = Callable[[Execution, Spot, tuple[Any, ...], dict[str, Any]], tuple[Any, ...]]


def _takes_time(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    """`timedelta(seconds=elapsed)`: makes something of a time that does not say so when it is compared."""
    if are_told((*args, *keywords.values())):
        execution.cannot_follow(f"what is made of the time {spot.name} is not followed", spot.site)
    return args


def _reads_real_clock(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    execution.cannot_follow(
        f"{spot.name} reads a clock that is not virtual: each schedule finds another time", spot.site
    )
    return args


def _imports(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    importing.by_function(*args, **keywords)
    return args


def _makes_class(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    """`type(name, bases, names)`: goes through the names; with one argument it is a question."""
    report(execution, [place for names in args[2:3] for place in containers.gone_through(names)], False, spot)
    return args


def _keeps(
    execution: Execution, spot: Spot, args: tuple[Any, ...], keywords: dict[str, Any]
) -> tuple[Any, ...]:
    return args


# Each begins to go through its arguments when it is made; `chain` does so later.
_ITERATORS = [
    getattr(itertools, name)
    for name in ("accumulate", "batched", "compress", "cycle", "dropwhile", "filterfalse", "groupby",
                 "islice", "pairwise", "starmap", "takewhile", "tee", "zip_longest")
    if hasattr(itertools, name)
]  # fmt: skip

_FUNCTIONS: dict[Any, _Handler] = {
    **dict.fromkeys((bytes, bytearray, array.array), _consumes),
    **dict.fromkeys((dict, collections.OrderedDict, collections.defaultdict), _takes_apart),
    **dict.fromkeys(
        (list, tuple, collections.deque, itertools.product, itertools.permutations, itertools.combinations),
        _goes_through,
    ),
    **dict.fromkeys((set, frozenset, any, all, sorted, sum), _looks_into),
    **dict.fromkeys((min, max), _with_key),
    functools.reduce: _first_is_callable,
    datetime.timedelta: _takes_time,
    **dict.fromkeys(
        (getattr(time, name) for name in ("process_time", "process_time_ns", "thread_time", "thread_time_ns",
         "clock_gettime", "clock_gettime_ns") if hasattr(time, name)),
        _reads_real_clock,
    ),
    **dict.fromkeys((len, operator.length_hint), _length),
    print: _prints,
    **dict.fromkeys((repr, ascii, format, hash, str), _shows),
    json.dumps: _makes_json,
    pickle.dumps: _pickles,
    collections._count_elements: _counts_elements,  # type: ignore[attr-defined]
    next: _takes_next,
    gc.collect: _finds_cycles,
    weakref.finalize: _calls_when_gone,
    **dict.fromkeys(
        (weakref.WeakKeyDictionary, weakref.WeakValueDictionary, weakref.WeakSet), _holds_weakly
    ),
    weakref.proxy: _stands_for,
    **dict.fromkeys((iter, reversed, map, filter, zip, enumerate, *_ITERATORS), _begins),
    **dict.fromkeys((getattr, hasattr), _reads_by_name),
    **dict.fromkeys((setattr, delattr), _writes_by_name),
    type: _makes_class,
    vars: _takes_namespace,
    globals: _takes_globals,
    dir: _keeps,
    importlib.import_module: _imports,
    bool: _length,
    **dict.fromkeys((heapq.heappush, heapq.heappop, heapq.heapify, heapq.heapreplace, heapq.heappushpop),
    _changes_first),
    **dict.fromkeys((bisect.insort_left, bisect.insort_right), _changes_first),
    **dict.fromkeys((bisect.bisect_left, bisect.bisect_right), _shows),
    operator.getitem: _by_operator,
    **dict.fromkeys((operator.setitem, operator.delitem), _puts_by_operator),
    operator.contains: _asks_member,
    **dict.fromkeys((operator.truth, operator.not_), _length),
    **dict.fromkeys(
        (operator.add, operator.concat, operator.eq, operator.ne, operator.lt, operator.le, operator.gt,
        operator.ge,
         operator.or_, operator.and_, operator.sub, operator.xor, operator.mul, operator.mod),
        _combines,
    ),
    **dict.fromkeys(
        (operator.iadd, operator.iconcat, operator.ior, operator.iand, operator.isub, operator.ixor,
        operator.imul),
        _in_place,
    ),
    **dict.fromkeys(
        (isinstance, issubclass, id, callable, object, range, slice, super,
         operator.is_, operator.is_not, operator.itemgetter, operator.attrgetter, operator.methodcaller,
         property,
         staticmethod, classmethod, memoryview),
        _keeps,
    ),
}  # fmt: skip

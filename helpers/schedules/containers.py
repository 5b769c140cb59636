"""What Python's own containers hold, and what their operations do to it: read, write, or neither.

How fine is it seen? A dictionary key by key: writing one key has nothing to do with reading another, but
adding or removing a key does with the length, with iteration and with the whole. Everything else (list,
set, deque, bytearray, array) is one thing: that is coarser than need be, so no order is missed; there are
only more of them to try.
"""

from __future__ import annotations

import array
import collections
import gc
import itertools
from collections.abc import Iterable, Iterator
from contextlib import suppress
from types import (
    FunctionType,
    GeneratorType,
    MappingProxyType,
    MethodType,
    SimpleNamespace,
    WrapperDescriptorType,
)
from typing import Any

from helpers.schedules.reaching import is_followed

# What an access does to all that a place holds. Each kind of write is true, as `True` itself is.
READS = 0
CHANGES = 1  # by what is in it
ADDS = 2  # whatever is in it, and tells nothing of that
EMPTIES = 3
_ADDING = ("append", "appendleft", "extend", "extendleft", "add", "update")

Place = tuple[Any, Any]  # an object, and which of its parts: a key in a tuple of one, or None for its make-up

_LIST_WRITES = {"append", "extend", "insert", "pop", "remove", "clear", "sort", "reverse"}
_ASSIGNMENTS = {
    "__setitem__",
    "__delitem__",
    "__iadd__",
    "__imul__",
    "__ior__",
    "__iand__",
    "__isub__",
    "__ixor__",
}
_WRITES: dict[type, set[str]] = {
    list: _LIST_WRITES,
    dict: {"pop", "popitem", "setdefault", "clear", "update", "move_to_end"},
    set: {
        "add", "discard", "remove", "pop", "clear", "update",
        "difference_update", "intersection_update", "symmetric_difference_update",
    },
    collections.deque: {*_LIST_WRITES, "appendleft", "extendleft", "popleft", "rotate"},
    bytearray: _LIST_WRITES | {"resize", "take_bytes"},
    array.array: _LIST_WRITES | {"byteswap", "frombytes", "fromfile", "fromlist", "fromunicode"},
}  # fmt: skip
# These make something that looks at the container later, or say nothing of what it holds.
_NEITHER = {
    "__class_getitem__",
    "__reduce__",
    "__sizeof__",
    "__init_subclass__",
    "fromkeys",
    "keys",
    "values",
    "items",
}
# These look into what they are given; all others keep it, or compare with it.
TAKES_APART = {
    "extend", "extendleft", "update", "union", "intersection", "difference", "symmetric_difference",
    "isdisjoint", "issubset", "issuperset", "difference_update", "intersection_update",
    "symmetric_difference_update", "join", "fromlist", "__add__", "__iadd__", "__or__", "__ior__",
    "__and__", "__iand__", "__sub__", "__isub__", "__xor__", "__ixor__", "__eq__", "__ne__", "__lt__",
    "__le__", "__gt__", "__ge__", "__ror__", "__rand__", "__rsub__", "__rxor__", "__init__", "writelines",
    "fromkeys",
}  # fmt: skip
BY_KEY = {
    "get",
    "pop",
    "setdefault",
    "__getitem__",
    "__setitem__",
    "__delitem__",
    "__contains__",
    "move_to_end",
}
# By these names a call is known, in the text, as one that may be a container's method.
METHODS = frozenset(
    {name for names in _WRITES.values() for name in names}
    | {
        "copy",
        "count",
        "index",
        "get",
        "join",
        "format",
        "format_map",
        "tobytes",
        "tolist",
        "most_common",
        "elements",
    }
    | {"union", "intersection", "difference", "symmetric_difference", "isdisjoint", "issubset", "issuperset"}
    | {
        "__len__",
        "__contains__",
        "__getitem__",
        "__eq__",
        "__iter__",
        "__next__",
        "__setattr__",
        "__getattribute__",
    }
    | {
        "__delattr__",
        "total",
        "subtract",
        "writelines",
        "fromkeys",
        "send",
        "throw",
        "close",
        "write",
        "read",
    }
    | _ASSIGNMENTS
)

_PLAIN_KEYS = (str, int, bytes, float, bool, type(None), complex)
FLAT = frozenset({*_PLAIN_KEYS, range, type})  # hold nothing that can change


class Variables:
    """A module's global variables.

    What stands for them in reports, because a dictionary has no identity there.
    """

    __slots__ = ("names",)

    def __init__(self, names: dict[str, Any]) -> None:
        self.names = names


class Kind:
    """What is known of a type of container.

    Attributes:
        base: the built-in type it is, or is derived from.
        writes: the methods that change it.
        keyed: whether its keys are told apart.
        own: the methods that a subclass has of its own, and that are followed as any function. Those of a
            library are taken for what the built-in type's methods do.
        makes: whether a read of a missing key can add it (`defaultdict`).
    """

    __slots__ = ("base", "keyed", "makes", "own", "writes")

    def __init__(self, base: type, kind: type) -> None:
        self.base = base
        self.writes = frozenset(_WRITES[base] | _ASSIGNMENTS)
        self.keyed = base is dict
        self.makes = issubclass(kind, collections.defaultdict)
        self.own = frozenset(
            name
            for ancestor in kind.__mro__[: kind.__mro__.index(base)]
            for name, value in vars(ancestor).items()
            if isinstance(value, FunctionType) and is_followed(value)
        )

    def does(self, method: str) -> int | None:
        """What a method does: `READS`, `CHANGES`, `ADDS` or `EMPTIES`; None if none of that."""
        if method in self.writes:
            return EMPTIES if method == "clear" else ADDS if method in _ADDING else CHANGES
        return None if method in _NEITHER else READS


_kinds: dict[type, Kind | None] = {}


def kind_of(type_: type) -> Kind | None:
    """What is known of a type as a container that can change; None if it is no such thing."""
    try:
        return _kinds[type_]
    except KeyError:
        base = next((base for base in type_.__mro__ if base in _WRITES), None)
        kind = _kinds[type_] = None if base is None else Kind(base, type_)
        return kind


def plain(key: Any) -> bool:
    """Whether a key can be told from another without running the program's own `__eq__` and `__hash__`."""
    if type(key) is tuple:
        return all(map(plain, key))
    return type(key) in _PLAIN_KEYS


# Stands for all keys that a dictionary has not: who changes the whole of it, as `update` does, may add any.
ABSENT = ("a key that is absent",)


def part(held: dict[Any, Any], key: Any) -> list[Place]:
    """What a look at a dictionary's key reads: all of it where keys cannot be compared quietly."""
    if not plain(key):
        return whole(held)
    return [(held, (key,))] if dict.__contains__(held, key) else [(held, (key,)), (held, ABSENT)]


def whole(held: Any) -> list[Place]:
    """All that a container holds, itself."""
    places: list[Place] = [(held, None)]
    if issubclass(type(held), dict):
        places += [(held, (key,)) for key in dict.keys(held) if plain(key)]
        places.append((held, ABSENT))
    return places


def gone_through(held: Any) -> list[Place]:
    """All that is read when something is gone through: see `sources`."""
    if is_iterator(type(held)) and any(type(each) in _CALLING for each in (held, *layers(held))):
        return deep(held)
    return [place for source in sources(held) for place in whole(source)]


def all_in(many: Iterable[Any]) -> list[Place]:
    """All that several things hold, as `deep` says of one: what a comparison of them reads."""
    places: list[Place] = []
    seen: set[int] = set()
    for each in many:
        deep(each, places, seen)
    return places


_records: dict[type, bool] = {}


def is_record(type_: type) -> bool:
    """Whether it is a data class, whose `__repr__` and `__eq__` have no source to be followed."""
    known = _records.get(type_)
    if known is None:
        known = _records[type_] = any("__dataclass_fields__" in vars(base) for base in type_.__mro__)
    return known


def deep(held: Any, into: list[Place] | None = None, seen: set[int] | None = None) -> list[Place]:
    """All that a container holds, with what is in it: what its `repr` or a comparison reads."""
    places = [] if into is None else into
    type_ = type(held)
    if type_ in FLAT:
        return places
    seen = set() if seen is None else seen
    if id(held) in seen:
        return places
    seen.add(id(held))
    kind = kind_of(type_)
    elements: Iterable[Any]
    if kind is not None:
        places += whole(held)
        if kind.base in (bytearray, array.array):
            return places
        elements = list(kind.base.__iter__(held))  # type: ignore[attr-defined]
    elif is_record(type_) or type_ is SimpleNamespace:
        if type_ is SimpleNamespace:
            places.append((held, None))  # which attributes it has
        for name in vars(held) if type_ is SimpleNamespace else type_.__dataclass_fields__:
            places.append((held, name))
            with suppress(AttributeError):
                deep(object.__getattribute__(held, name), places, seen)
        return places
    elif issubclass(type_, (tuple, frozenset)):
        elements = (tuple if issubclass(type_, tuple) else frozenset).__iter__(held)
    else:
        elements = sources(held)
    for each in elements:
        deep(each, places, seen)
    if kind is not None and kind.keyed:
        for each in list(dict.values(held)):
            deep(each, places, seen)
    return places


_dictionaries: tuple[dict[Any, Any], ...] = ({}, collections.OrderedDict())
# What shows another object's content.
VIEWS: frozenset[type] = frozenset(
    {type(view) for each in _dictionaries for view in (each.keys(), each.values(), each.items())}
    | {MappingProxyType}
)
_iterators: dict[type, bool] = {itertools.repeat: False, GeneratorType: False}


def is_iterator(type_: type) -> bool:
    """Whether it is an iterator made in C: one whose steps no code of the program makes."""
    try:
        return _iterators[type_]
    except KeyError:
        step = next((vars(base)["__next__"] for base in type_.__mro__ if "__next__" in vars(base)), None)
        answer = _iterators[type_] = type(step) is WrapperDescriptorType
        return answer


def sources(held: Any) -> list[Any]:
    """The containers that are read when something is gone through.

    Itself, or what it is a view or iterator of.
    """
    type_ = type(held)
    if kind_of(type_) is not None:
        return [held]
    if type_ is memoryview:
        return [held.obj] if kind_of(type(held.obj)) is not None else []
    if type_ in VIEWS:
        return [found for each in gc.get_referents(held) for found in sources(each)]
    if is_iterator(type_):
        found: list[Any] = []
        _beneath(held, found, set())
        return found
    return []


def _beneath(iterator: Any, found: list[Any], seen: set[int]) -> None:
    """Find the containers an iterator goes through: it holds them, or other iterators that do."""
    seen.add(id(iterator))
    for each in gc.get_referents(iterator):
        if kind_of(type(each)) is not None or type(each) in VIEWS:
            found += sources(each)
            continue
        for inner in _inside(each):
            if is_iterator(type(inner)) and id(inner) not in seen and len(seen) < _DEEPEST:
                if type(iterator) is itertools.chain:  # goes through all that its source holds
                    for held in gc.get_referents(inner):
                        if type(held) in (tuple, list):
                            found += [source for element in held for source in sources(element)]
                _beneath(inner, found, seen)


def _inside(referent: Any) -> list[Any]:
    """`zip` keeps its iterators in a tuple. That of `zip_longest` may have holes.

    Which only the collector can pass. Those that `tee` makes have an object of their own in common.
    """
    return gc.get_referents(referent) if type(referent) in _PASSED else [referent]


_PASSED = {tuple, *map(type, gc.get_referents(*itertools.tee(())))}
_DEEPEST = 100  # iterators over iterators over …


# What these call, or ask of what they go through, may look into that.
_CALLING = {
    map, filter, itertools.accumulate, itertools.dropwhile, itertools.filterfalse, itertools.groupby,
    itertools.starmap, itertools.takewhile,
}  # fmt: skip


def layers(held: Any, seen: set[int] | None = None) -> Iterator[Any]:
    """What an iterator made in C consists of: functions, and what it goes through, with all within."""
    seen = set() if seen is None else seen
    if is_iterator(type(held)) and id(held) not in seen and len(seen) <= _DEEPEST:
        seen.add(id(held))
        for each in gc.get_referents(held):
            for inner in _inside(each):
                yield inner
                yield from layers(inner, seen)


def moved(held: Any) -> list[Place]:
    """What goes on when an iterator made in C does: itself, and those beneath it that are made in C too."""
    return [(each, None) for each in (held, *layers(held)) if is_iterator(type(each))]


def calls_back(held: Any) -> bool:
    """Whether going through it runs code of the program between two steps (`map` with a function)."""
    return type(held) is GeneratorType or any(
        type(inner) is GeneratorType or in_python(inner) for inner in layers(held)
    )


def in_python(function: Any) -> bool:
    """Whether calling it runs code in Python."""
    type_ = type(function)
    if type_ in (FunctionType, MethodType):
        return True
    return any(isinstance(vars(base).get("__call__"), FunctionType) for base in type_.__mro__)

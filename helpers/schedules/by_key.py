"""Accesses by key, about to be made: items of containers (see `reporting`)."""

from __future__ import annotations

import array
import collections
import inspect
import operator
from collections.abc import ItemsView, Iterator, KeysView, ValuesView
from itertools import starmap
from types import (
    BuiltinFunctionType,
    FunctionType,
    MappingProxyType,
    ModuleType,
)
from typing import Any

from helpers.schedules import containers
from helpers.schedules.containers import Kind, Place, kind_of
from helpers.schedules.execution import Execution, current
from helpers.schedules.model.locks import REAL
from helpers.schedules.reaching import MADE_BY_CLASS_STATEMENT, is_followed, is_ours
from helpers.schedules.reporting import (
    IN_PARTS,
    Spot,
    finished,
    in_one_step,
    report,
    will_have_written,
)


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
    return containers.part(held, key), False


def report_item(execution: Execution, held: Any, key: Any, kind: Kind, write: bool, spot: Spot) -> bool:
    """Report an access by key; again if others have meanwhile added or removed it."""
    stepped = False
    places, writes = _item(held, key, kind, write)
    while report(execution, places, writes, spot):
        stepped = True
        now = _item(held, key, kind, write)
        if now == (places, writes) or not (writes or now[1]):
            break
        places, writes = now
    return stepped


def _to_report(held: Any, method: str, write: bool, spot: Spot) -> tuple[Execution, Kind] | None:
    """To whom the use of an item is to be reported, and of what kind of container; None if it need not be.

    Args:
        method: what uses it; one of the program's own is followed.
    """
    kind = kind_of(type(held))
    if kind is None:
        item_of_other(held, write, spot)
        return None
    if method in kind.own:
        return None
    execution = current()
    return None if execution is None else (execution, kind)


def read_item(held: Any, key: Any, spot: Spot) -> Any:
    """`held[key]` is about to be read."""
    reported = _to_report(held, "__getitem__", False, spot)
    if reported is None:
        return held
    execution, kind = reported
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


_NOTHING = object()


def _no_default(held: Any, key: Any) -> Any:
    value = dict.get(held, key, _NOTHING)
    if value is _NOTHING:
        raise LookupError
    return value


def _make(execution: Execution, held: Any, key: Any, spot: Spot) -> None:
    """A `defaultdict` whose factory is code of the program.

    Looks, makes a value, then puts it, as three steps.
    """
    factory = held.default_factory
    if _in_c(factory):
        return  # all in one step
    if factory is None or not containers.plain(key) or dict.__contains__(held, key):
        return
    if report(execution, containers.part(held, key), False, spot) and dict.__contains__(held, key):
        return
    value = factory()
    report(execution, [(held, (key,)), (held, None)], True, spot)
    dict.__setitem__(held, key, value)


def _in_c(factory: Any) -> bool:
    """Whether making a value runs no code in Python."""
    real = factory.__func__ if type(factory) is staticmethod else factory
    if type(real) is FunctionType and is_ours(real.__code__.co_filename):
        real = inspect.unwrap(real)  # it stands in for a function such as `threading.Lock`
    if isinstance(real, type):
        if not real.__flags__ & MADE_BY_CLASS_STATEMENT or getattr(real, "real", None) in REAL:
            return True
        written = any(name in vars(base) for base in real.__mro__[:-1] for name in ("__new__", "__init__"))
        return type(real) is type and not written
    return type(real) is BuiltinFunctionType and kind_of(type(real.__self__)) is None


def write_item(held: Any, key: Any, spot: Spot) -> Any:
    """`held[key]` is about to be assigned."""
    reported = _to_report(held, "__setitem__", True, spot)
    if reported is None:
        return held
    execution, kind = reported
    finished()
    if report_item(execution, held, key, kind, True, spot):
        will_have_written(execution, _get, held, key)
    return held


def delete_item(held: Any, key: Any, spot: Spot) -> Any:
    """`held[key]` is about to be deleted."""
    reported = _to_report(held, "__delitem__", True, spot)
    if reported is None:
        return held
    execution, kind = reported
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


def kept_in_library(type_: type) -> bool:
    """Whether code of a library, in Python, keeps the items of such objects."""
    return _keeps_items(type_) == _IN_LIBRARY


def looked_over(execution: Execution, held: Any, spot: Spot) -> None:
    """All of something is about to be looked at; of what a library keeps no more is known than that."""
    if kept_in_library(type(held)):
        used_in_library(execution, held, False, spot)
    elif type(held) in (KeysView, ItemsView, ValuesView) and execution.accompanied():
        # Code of the library goes through what the mapping's `__iter__` gives; a generator is followed there.
        whose = type(held._mapping)
        goes = getattr(whose, "__iter__", None)
        if isinstance(goes, FunctionType) and not inspect.isgeneratorfunction(goes):
            what = f"{type(held).__name__} of {whose.__name__} takes one key after the other"
            execution.cannot_follow(f"{what}: {IN_PARTS}", spot.site)


def keeps_items_in_c(type_: type) -> bool:
    """Whether a type that is none of Python's containers keeps items all the same, by code in C."""
    return _keeps_items(type_) == _IN_C


def _in_library(function: FunctionType) -> bool:
    if function.__module__ == "collections.abc":  # does all by methods of the class it is inherited by
        return False
    return not (is_followed(function) or is_ours(function.__code__.co_filename))


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
    module = type_.__module__
    # A mock is the program's, and keeps what it was called with.
    outside = module.partition(".")[0] in _OUTSIDE and module != "unittest.mock"
    if outside or issubclass(type_, _LASTING):
        return
    if report(execution, [(held, None)], write, spot):
        in_one_step(execution, f"{type_.__name__} is not followed, and is shared", spot)


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

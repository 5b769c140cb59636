"""What one schedule leaves behind for the next, in data that was there before the scenario began.

Every schedule has to begin with the same data, else each is a schedule of another program: a cache that the
first one filled is never empty again, and the schedules in which two threads fill it are never seen. A
scenario that makes its data itself begins anew each time. One that only sets them does, too. What is found
here is the rest: a place in memory that was met in an earlier schedule, does not hold what it held there when
it was first looked at, and is read before anything is assigned to it.
"""

from __future__ import annotations

import re
from collections.abc import Hashable
from types import CellType
from typing import Any

from helpers.schedules.containers import ADDS, EMPTIES, Variables, kind_of
from helpers.schedules.lifetimes import Labels

# So many executions in, what was not met twice is taken to be made anew in each: looking costs time.
LEARNING = 12
_PLAIN = (str, bytes, int, float, complex, bool, type(None))
_MISSING = object()
_PART = re.compile(r"(\.\w+\(\)|\[.*\])$")  # a method's call, or an item, at the end


class Leftovers:
    """Places in memory and what each held when a schedule first looked at it.

    Attributes:
        places: by the number of an object that lasts, and its part: what that held.
    """

    def __init__(self) -> None:
        self.places: dict[tuple[int, Hashable], Hashable] = {}
        self._executions = 0
        self._objects = Labels()
        self._new: dict[tuple[int, Hashable], Hashable] = {}  # met in this execution, by its own numbers
        self._lasting: set[tuple[int, Hashable]] = set()  # those met in more than one execution

    def begin(self) -> bool:
        """An execution begins; returns whether there is anything to look for in it."""
        self._executions += 1
        self._new.clear()
        if self._executions == LEARNING + 1:
            for place in self.places.keys() - self._lasting:
                del self.places[place]
        return bool(self.places) or self._executions <= LEARNING

    def found(self, about: Any, key: Hashable, target: tuple[int, Hashable]) -> bool:
        """Whether a place, met for the first time in an execution, holds what another has left there.

        Args:
            target: how the execution itself calls the place.
        """
        place = self._objects.numbers.get(id(about), -1), key
        if place not in self.places:
            if self._executions <= LEARNING:
                self._new[target] = _state(about, key)
            return False
        self._lasting.add(place)
        return self.places[place] != _state(about, key)

    def learn(self, labels: Labels) -> None:
        """An execution is over: what is still there of the objects it has met may be met in the next one."""
        objects = dict(labels.objects())
        for (number, key), state in self._new.items():
            if number in objects:
                self.places.setdefault((self._objects.label(objects[number]), key), state)


def assigned(key: Hashable, about: Any, write: int) -> bool:
    """Whether a write puts something new in the place of all that was there."""
    return key is not None or type(about) is CellType or write == EMPTIES


def looked_at(write: int) -> bool:
    """Whether a write of a whole container depends on what is in it."""
    return write != ADDS


def name_in(text: str) -> str:
    """What an access in words calls the thing itself: ``"write items.append()"`` is about ``items``."""
    return f"`{_PART.sub('', text.partition(' ')[2])}`"


def _state(about: Any, key: Hashable) -> Hashable:
    """What a place holds, as far as it can be compared: plain values, and how they are put together."""
    if type(about) is CellType:
        try:
            return _value(about.cell_contents)
        except ValueError:
            return _MISSING
    if isinstance(key, tuple):
        return _value(dict.get(about, key[0], _MISSING))
    if key is None:
        kind = kind_of(type(about))
        if kind is None:
            return None
        held = list(kind.base.__iter__(about))  # type: ignore[attr-defined]
        values = map(_value, held)
        return frozenset(values) if issubclass(kind.base, (set, dict)) else tuple(values)
    names: Any
    if type(about) is Variables:
        names = about.names
    else:
        try:
            names = object.__getattribute__(about, "__dict__")
        except AttributeError:
            return None
    return _value(names.get(key, _MISSING))


def _value(value: Any) -> Hashable:
    kind: type = type(value)
    if kind in _PLAIN:
        return kind, value
    if kind is tuple:
        return tuple(map(_value, value))
    return kind

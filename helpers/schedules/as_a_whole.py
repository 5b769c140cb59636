"""Accesses to all of a container, about to be made: going through it, comparing it (see `reporting`)."""

from __future__ import annotations

import array
import collections
import dis
import itertools
import operator
import sys
import weakref
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from functools import partial
from itertools import starmap
from types import (
    FunctionType,
    GeneratorType,
    MemberDescriptorType,
    SimpleNamespace,
)
from typing import Any

from helpers.schedules import containers
from helpers.schedules.by_key import item_of_other, looked_over, set_item
from helpers.schedules.by_name import namespace, namespace_taken, plain_places
from helpers.schedules.containers import FLAT, Place, is_record, kind_of
from helpers.schedules.execution import Execution, current
from helpers.schedules.reaching import class_is_own
from helpers.schedules.reporting import Spot, finished, in_one_step, report

# --- going through ---------------------------------------------------------------------------------------


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
    looked_over(execution, held, spot)
    held = entered(held)
    if containers.calls_back(held):
        return stepwise(held, spot)
    places = containers.gone_through(held)
    if containers.is_iterator(type(held)):
        report(execution, [*containers.moved(held), *places], True, spot)
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


WITHOUT_CHANGE = FLAT | {tuple, frozenset}


def each(held: Any, spot: Spot) -> Any:
    """Something is about to be gone through, with the program's code in between: every step is a read."""
    if type(held) in WITHOUT_CHANGE or current() is None:
        return held
    return stepwise(held, spot)


def each_from_call(held: Any, function: Any, spot: Spot) -> Any:
    """The same for what a call has just given: numbers from `itertools.count` are nobody else's."""
    return held if function is itertools.count else each(held, spot)


def stepwise(held: Any, spot: Spot) -> Any:
    if type(held) is list:
        return _items(held, spot)
    execution = current()
    if execution is not None:
        looked_over(execution, held, spot)
    held = entered(held)
    type_ = type(held)
    if type_ is itertools.count:
        return map(_second, iter(partial(before_number, held, spot), _END), held)
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


def _items(held: list[Any], spot: Spot) -> Iterator[Any]:
    """The same as `stepwise`, for the usual case."""
    execution = _before_item(held, spot)
    for value in held:
        if execution is not None:
            execution.saw(value)
        yield value
        execution = _before_item(held, spot)


def _before_item(held: list[Any], spot: Spot) -> Execution | None:
    """The same as `before_step`, for a list."""
    execution = current()
    if execution is not None and execution.access(held, None, False, spot.site, spot.reads):
        return execution
    return None


def before_number(held: Any, spot: Spot) -> Execution | None:
    """The same as `before_step`, for `itertools.count`."""
    execution = current()
    return execution if execution is not None and execution.counts(held, spot.site, spot.writes) else None


def before_step(held: Any, alone: bool, spot: Spot) -> Execution | None:
    """The next element is about to be taken; returns the execution if others had their chance before."""
    execution = current()
    if execution is None:
        return None
    if type(held) is GeneratorType:
        return execution if _enter(execution, held, spot) else None
    # Of a dictionary the keys alone.
    places = size(held) if issubclass(type(held), dict) else containers.gone_through(held)
    if alone:  # an iterator changes with every step, and those beneath; what it goes through is only read
        stepped = report(execution, containers.moved(held), True, spot)
        for each in containers.layers(held):
            if type(each) is GeneratorType:
                stepped = _enter(execution, each, spot) or stepped
        return execution if report(execution, places, False, spot) or stepped else None
    return execution if report(execution, places, False, spot) else None


_generators: dict[int, weakref.ref[Any]] = {}  # by the id of its frame


def forget_generators() -> None:
    """Forget which generators were entered."""
    _generators.clear()


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


# --- showing, comparing, changing in place ---------------------------------------------------------------


def shown(held: Any, spot: Spot) -> Any:
    """Something is about to be made into text, with all that it holds."""
    if type(held) in FLAT:
        return held
    execution = current()
    if execution is not None:
        _show(execution, held, spot)
    return held


def _show(execution: Execution, held: Any, spot: Spot) -> None:
    if report(execution, containers.deep(held), False, spot):
        execution.saw(held)


def copied(execution: Execution, held: Any, spot: Spot) -> None:
    """Something is about to be copied, with all that is in it: an instance has all its attributes read."""
    places: list[Place] = []
    _look_over(held, places, set())
    if report(execution, places, False, spot):
        execution.saw(held)


def reduced(execution: Execution, held: Any, spot: Spot) -> None:
    """Something is about to be asked for its state: its `__dict__`, unless that is empty, and its slots."""
    if class_is_own(type(held)):
        namespace_taken(held)
        names = namespace(held)
        places: list[Place] = [(held, name) for name in _slots(held)]
        report(execution, places if names else [*places, (names, None)], False, spot)


def _slots(held: Any) -> dict[str, MemberDescriptorType]:
    """The slots of an instance that a program has given its class."""
    return {
        name: slot
        for base in type(held).__mro__
        for name, slot in vars(base).items()
        if isinstance(slot, MemberDescriptorType)
    }


def _look_over(held: Any, places: list[Place], seen: set[int]) -> None:
    type_ = type(held)
    if type_ in FLAT or id(held) in seen:
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
        names = namespace(held)
        places += containers.whole(names)
        inner += names.values()
        for name, slot in _slots(held).items():
            places.append((held, name))
            with suppress(AttributeError):
                inner.append(slot.__get__(held))
    for each in inner:
        _look_over(each, places, seen)


def both(left: Any, right: Any, spot: Spot) -> Any:
    """Two values are about to be compared or combined by an operator."""
    if type(left) in FLAT and type(right) in FLAT:
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
    if type(held) not in FLAT:
        execution = current()
        if execution is not None:
            report(execution, _of(held), False, spot)
    return held


def chained(held: Any, spot: Spot) -> Any:
    """A value is about to be compared in a chain, `a < held < b`: twice, with code in between."""
    if type(held) in FLAT:
        return held
    execution = current()
    if execution is not None and report(execution, _of(held), False, spot):
        in_one_step(execution, f"{spot.name} is compared twice in one expression", spot)
    return held


def _of(held: Any) -> list[Place]:
    """What is read of something that is compared or combined."""
    type_ = type(held)
    if kind_of(type_) is not None or type_ in containers.VIEWS or issubclass(type_, _COMPARED_IN_C):
        return containers.deep(held)
    return containers.deep(held) if is_record(type_) else []


_COMPARED_IN_C = (tuple, frozenset, SimpleNamespace)


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
            in_one_step(execution, f"{spot.name} is changed bit by bit while a generator runs", spot)
    return starmap(operation, ((left, right),))


def set_slice(spot: Spot, value: Any, held: Any, key: Any) -> Iterator[Any]:
    """`held[1:] = value`: goes through the value, and changes what is held; see `by_key.set_item`."""
    execution = current()
    kind = kind_of(type(held))
    if execution is None or kind is None or "__setitem__" in kind.own:
        return set_item(spot, value, held, key)
    if containers.calls_back(value):
        value = list(stepwise(value, spot))  # as the assignment does, before it changes anything
    finished()
    report(execution, [*containers.whole(held), *containers.gone_through(value)], True, spot)
    return starmap(operator.setitem, ((held, key, value),))


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
    if type_ in FLAT and type(element) in FLAT:
        return held
    kind = kind_of(type_)
    if kind is None and type_ not in (tuple, frozenset, bytes, *containers.VIEWS):
        return item_of_other(held, False, spot)
    execution = current()
    if execution is None or (kind is not None and "__contains__" in kind.own):
        return held
    if not containers.plain(element):  # it is compared, and may be a container itself
        report(execution, containers.all_in((held, element)), False, spot)
    elif kind is not None and kind.keyed:
        report(execution, containers.part(held, element), False, spot)
    else:
        report(execution, containers.gone_through(held), False, spot)
    return held


def ask_member(spot: Spot, element: Any, held: Any) -> Iterator[Any]:
    """`element in held` where working `held` out may take steps; the iterator's only value is the answer."""
    return starmap(operator.contains, ((member(held, element, spot), element),))


def matched(held: Any, names: tuple[str, ...], spot: Spot) -> Any:
    """A `match` statement is about to look at something, and at these attributes of it."""
    if type(held) in FLAT:
        return held
    execution = current()
    if execution is None:
        return held
    places: list[Place] = []
    _look_apart(held, (*names, *getattr(type(held), "__match_args__", ())), places)
    if report(execution, places, False, spot) and len(places) > 1:
        in_one_step(execution, "match takes a shared object apart in one step", spot)
    return held


def _look_apart(held: Any, names: Iterable[str], places: list[Place], depth: int = 0) -> None:
    if kind_of(type(held)) is not None or type(held) is tuple:
        containers.deep(held, places)
        return
    for name in dict.fromkeys(names):
        if kept := plain_places(held, name):
            places += kept
            value = namespace(held).get(name)
            if depth < 3 and value is not None and type(value) not in FLAT:
                _look_apart(value, names, places, depth + 1)

"""Numbers that came from the virtual clock: they say so where the program lets something depend on them.

A thread may be slow, so between any two looks at the clock there may be more time than what the program
itself has slept. What the program does with a wait that has a timeout is tried both ways. A comparison such
as ``time.monotonic() > deadline`` comes out one way only. So what the clock gives, and what is worked out of
it, are numbers like all others, except that a comparison of them is noted: the result then does not claim
that all schedules were tried.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dis import opmap
from math import inf
from typing import Any

from helpers.schedules.execution import current
from helpers.schedules.operation import Site
from helpers.schedules.reaching import frame_of_program

_COMPARED = (
    "a time is compared: it is tried only with the time that the program's own sleeps and waits take. "
    "Use a timeout instead, which is tried both in time and in vain"
)

# Comparisons in these change nothing that the program does. A wait is over at once where its timeout is not
# above 0, which is tried anyway, as its end in vain; and some only write numbers down.
_KNOWN = {
    "threading", "json.encoder", "logging", __name__,
    *(f"concurrent.futures.{name}" for name in ("_base", "thread")),
    *(f"{__package__}.{name}" for name in ("barriers", "conditions", "events", "futures", "pools",
                                           "primitives", "semaphores", "threads")),
}  # fmt: skip

# What gives a number of the same kind.
_ARITHMETIC = (
    *(f"__{side}{name}__" for side in ("", "r") for name in (
        "add", "sub", "mul", "truediv", "floordiv", "mod", "divmod", "pow",
        "and", "or", "xor", "lshift", "rshift")),
    "__neg__", "__pos__", "__abs__", "__round__", "__trunc__", "__floor__", "__ceil__",
)  # fmt: skip
_COMPARISONS = ("__lt__", "__le__", "__gt__", "__ge__", "__eq__", "__ne__")


def told(value: Any) -> Any:
    """A number as one that came from the clock."""
    if type(value) is tuple:
        return tuple(map(told, value))
    kind = _KINDS.get(type(value))
    return value if kind is None else kind(value)


def _note() -> None:
    """Say that what the program does next depends on the time."""
    execution = current()
    if execution is None or execution.quiet:
        return
    frame = sys._getframe(2)
    if frame.f_globals.get("__name__") in _KNOWN:
        return
    program = frame_of_program(frame)
    site = None if program is None else Site(program.f_code.co_filename, program.f_lineno)
    execution.cannot_follow(_COMPARED, site)


def _follows(work_out: Callable[..., Any]) -> Callable[..., Any]:
    def method(*args: Any) -> Any:
        return told(work_out(*args))

    return method


def _compares(compare: Callable[[Any, Any], Any]) -> Callable[[Any, Any], Any]:
    def method(self: Any, other: Any) -> Any:
        result = compare(self, other)
        # However much time has passed, it is less than an infinite one.
        if result is not NotImplemented and not (isinstance(other, float) and abs(float(other)) == inf):
            _note()
        return result

    return method


def _is_key(hash_of: Callable[[Any], int]) -> Callable[[Any], int]:
    """It is looked for among the keys of a dictionary or the elements of a set."""

    def method(self: Any) -> int:
        _note()
        return hash_of(self)

    return method


def _made_plain(work_out: Callable[[Any], Any]) -> Callable[[Any], Any]:
    """`int(time)`, where nobody can follow what becomes of it; ``"%d" % time`` is only written down."""

    def method(self: Any) -> Any:
        frame = sys._getframe(1)
        if frame.f_code.co_code[frame.f_lasti] != opmap["BINARY_OP"]:
            _note()
        return work_out(self)

    return method


def _is_true(self: Any) -> bool:
    """Whether it is not zero. `if started:` asks for a time at all, `if int(elapsed):` how long it was."""
    base: Any = type(self).__base__
    is_zero: bool = base.__eq__(self, 0)
    if is_zero or isinstance(self, int):
        _note()
    return not is_zero


def _methods(base: type) -> dict[str, Any]:
    """The methods of a kind of number that tell where it came from."""
    methods: dict[str, Any] = {"__slots__": ()}
    make: Any = base
    for name in _ARITHMETIC:
        if hasattr(base, name):
            methods[name] = _follows(getattr(base, name))
    for name in _COMPARISONS:
        methods[name] = _compares(getattr(base, name))
    methods["__hash__"] = _is_key(make.__hash__)
    for name in ("__int__", "__float__"):
        methods[name] = _made_plain(getattr(base, name))
    methods["__bool__"] = _is_true
    methods["__copy__"] = lambda self: self
    methods["__deepcopy__"] = lambda self, memo: self
    methods["__reduce__"] = lambda self: (make, (make.__pos__(self),))
    return methods


# The names are those that a program sees which asks for its type.
_KINDS: dict[type, type] = {base: type(base.__name__, (base,), _methods(base)) for base in (float, int)}
_TOLD = frozenset(_KINDS.values())


def are_told(values: Any) -> bool:
    """Whether any of the values came from the clock."""
    return any(type(each) in _TOLD for each in values)


def _converts(base: type) -> Callable[[Any], Any]:
    def convert(value: Any) -> Any:
        return told(base(value))

    return convert


# What the program calls in place of `int` and `float`, which would make a number that does not say it.
CONVERSIONS = {base: _converts(base) for base in (int, float)}

"""`threading.Lock` and `threading.RLock`: who takes them, who waits for them, who lets them go.

Both are C types that cannot be patched, so the names in `threading` are given recorded ones. The
fast paths are written out instead of calling `tape.record`: a lock nobody waits for costs a few
hundred nanoseconds, and a function call would double what the recorder adds.
"""

from __future__ import annotations

import _thread
import sys
import threading

from . import fileformat, tape
from .patching import caller, replace
from .tape import STRUCT_ERROR, now, pack_into, record, turn_page

TYPE_CHECKING = False  # `typing` costs more to import than all of the recorder
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

WAIT, GOT, GAVE_UP = fileformat.WAIT << 56, fileformat.GOT << 56, fileformat.GAVE_UP << 56
TAKE, FREE, UNDONE = fileformat.TAKE << 56, fileformat.FREE << 56, fileformat.UNDONE << 56

_original_rlock = threading.RLock  # of this name there is a function, and what it makes is another type

def _judge(blocking: bool, timeout: float) -> None:
    """Raise what a lock raises at bad arguments: a fresh one takes good ones without waiting."""
    _thread.allocate_lock().acquire(blocking, timeout)


def _say_what_is_wrong_with(args: Any, kwargs: Any) -> None:
    """An RLock takes no arguments: 3.13 and 3.14 warn of them, at the line that gives them; 3.15 raises."""
    import warnings

    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        _original_rlock(*args, **kwargs)
    for each in said:
        warnings.warn(each.message, stacklevel=3)


class _Kind(type):
    """Makes `isinstance(one, type(other))` true of a recorded lock and one that is not, as of any two."""

    def __instancecheck__(cls, made: object) -> bool:
        alike = cls.__dict__.get("_alike")  # a subclass of the program's own is no such kind
        return super().__instancecheck__(made) or (alike is not None and isinstance(made, alike))


class Lock(metaclass=_Kind):
    """A lock that records; otherwise a lock like any other."""

    __slots__ = ("__weakref__", "_acquire", "_free", "_lock", "_number", "_release", "_take")
    _alike = _thread.LockType
    __class__ = property(lambda self: _thread.LockType)
    _lock: Any
    _acquire: Callable[..., bool]
    _release: Callable[[], None]
    _number: int
    _take: int
    _free: int

    def __new__(cls) -> Any:
        file, line, internal = caller(sys._getframe(1))
        if internal:
            return _thread.allocate_lock()
        self = object.__new__(cls)
        lock = _thread.allocate_lock()
        self._lock, self._acquire, self._release = lock, lock.acquire, lock.release
        self._number = number = tape.define("Lock", file=file, line=line)
        self._take, self._free = TAKE | number, FREE | number
        return self

    def __init_subclass__(cls) -> None:
        raise TypeError("type '_thread.lock' is not an acceptable base type")

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if blocking is not True or timeout != -1:
            _judge(blocking, timeout)
        if self._acquire(False):
            record(self._take)
            return True
        return self._wait(timeout) if blocking else False

    def _wait(self, timeout: float = -1) -> bool:
        record(WAIT | self._number)
        got = False
        try:
            got = self._acquire(True, timeout)
        finally:
            record((GOT if got else GAVE_UP) | self._number)
        return got

    def __enter__(self) -> bool:
        if not self._acquire(False):
            return self._wait()
        try:
            page, slot = tape.local.tape
            pack_into(page, slot(), now(), self._take)
        except (AttributeError, STRUCT_ERROR):
            turn_page(self._take)
        return True

    # Released after it was recorded: otherwise the next holder's "take" could come before this "free".
    def __exit__(self, *exception: object) -> None:
        try:
            page, slot = tape.local.tape
            pack_into(page, slot(), now(), self._free)
        except (AttributeError, STRUCT_ERROR):
            turn_page(self._free)
        try:
            self._release()
        except RuntimeError:
            record(UNDONE | self._number)
            raise

    def release(self) -> None:
        record(self._free)
        try:
            self._release()
        except RuntimeError:
            record(UNDONE | self._number)
            raise

    def locked(self) -> bool:
        return bool(self._lock.locked())

    def _at_fork_reinit(self) -> None:
        self._lock._at_fork_reinit()

    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle '_thread.lock' object")

    def __repr__(self) -> str:
        return repr(self._lock)

    acquire_lock, release_lock, locked_lock = acquire, release, locked


class RLock(_thread.RLock, metaclass=_Kind):  # type: ignore[misc]
    """A re-entrant lock that records its first acquisition and its last release."""

    __slots__ = ("_depth", "_number")
    _alike = _thread.RLock
    _depth: int  # written only by the thread that owns the lock
    _number: int

    def __new__(cls, *args: Any, **kwargs: Any) -> Any:
        if args or kwargs:
            _say_what_is_wrong_with(args, kwargs)
        file, line, internal = caller(sys._getframe(1))
        if internal:
            return _thread.RLock()
        return cls.made_at(file, line)

    @classmethod
    def made_at(cls, file: str, line: int) -> RLock:
        """Make one as if by that line of the program."""
        self = super().__new__(cls)
        self._depth = 0
        self._number = tape.define("RLock", file=file, line=line)
        return self

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if blocking is not True or timeout != -1:
            _judge(blocking, timeout)
        if not super().acquire(False):
            return self._wait(timeout) if blocking else False
        self._depth += 1
        if self._depth == 1:
            record(TAKE | self._number)
        return True

    def _wait(self, timeout: float) -> bool:
        record(WAIT | self._number)
        got = False
        try:
            got = super().acquire(True, timeout)
        finally:
            if got:
                self._depth = 1
            record((GOT if got else GAVE_UP) | self._number)
        return got

    __enter__ = acquire

    def release(self) -> None:
        if not self._is_owned():  # type: ignore[attr-defined]
            super().release()  # raises, as it should
        self._depth -= 1
        if self._depth == 0:
            record(FREE | self._number)
        super().release()

    def __exit__(self, *exception: object) -> None:
        self.release()

    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle '_thread.RLock' object")

    # The two that Condition.wait uses: let go however deep, and take up again as deep.
    def _release_save(self) -> Any:
        depth, self._depth = self._depth, 0
        record(FREE | self._number)
        return depth, super()._release_save()  # type: ignore[misc]

    def _acquire_restore(self, state: Any) -> None:
        depth, inner = state
        if super().acquire(False):
            for _ in range(depth - 1):
                super().acquire(False)
            record(TAKE | self._number)
        else:
            record(WAIT | self._number)
            super()._acquire_restore(inner)  # type: ignore[misc]
            record(GOT | self._number)
        self._depth = depth

    def _at_fork_reinit(self) -> None:
        self._depth = 0
        super()._at_fork_reinit()  # type: ignore[misc]


def install() -> None:
    """Give `threading` the recorded locks."""
    replace(threading, "Lock", Lock)
    replace(threading, "RLock", RLock)
    for cls in (Lock, RLock):  # so that they are pickled as what they stand for
        replace(cls, "__module__", "threading")

"""`threading.Lock` and `threading.RLock`: who takes them, who waits for them, who lets them go.

Both are C types that cannot be patched, so the names in `threading` are given recorded ones. The
fast paths are written out instead of calling `tape.record`: a lock nobody waits for costs a few
hundred nanoseconds, and a function call would double what the recorder adds.

What must never happen is that `with` leaves a lock taken because the recorder could not write. So where
there is no room left on the stack, an event is lost; and an exception that a signal handler raises while a
lock is being taken or let go finds it free. (Between two lines of Python, that is. A handler that raises
at the very first or last step of one of these methods still comes between: only C could exclude that.)
"""

from __future__ import annotations

import _thread
import sys
import threading
from types import MemberDescriptorType

from . import fileformat, tape
from .patching import caller, is_left_out, owner, replace
from .tape import NO_ROOM, now, pack_into, record, turn_page

TYPE_CHECKING = False  # `typing` costs more to import than all of the recorder
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import FrameType
    from typing import Any

WAIT, GOT, GAVE_UP = fileformat.WAIT << 56, fileformat.GOT << 56, fileformat.GAVE_UP << 56
TIMED_WAIT = WAIT | fileformat.TIMED << 32
TAKE, FREE, UNDONE = fileformat.TAKE << 56, fileformat.FREE << 56, fileformat.UNDONE << 56

_OWN = vars(threading)  # what it makes for itself is found out quickly: there is a lock in every Thread
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
    """Makes a recorded lock and one that is not seem to be of one kind, which is that of C.

    So `isinstance(one, type(other))` is true. And a method that stands in a slot (see the end) is a function
    for whoever looks it up in the class, as `contextlib.ExitStack` does; `with` looks past this.
    """

    def __getattribute__(cls, name: str) -> Any:
        found = super().__getattribute__(name)
        return _method_in(found) if type(found) is MemberDescriptorType else found

    def __instancecheck__(cls, made: object) -> bool:
        alike = cls.__dict__.get("_alike")  # a subclass of the program's own is no such kind
        return super().__instancecheck__(made) or (alike is not None and isinstance(made, alike))


def _method_in(slot: Any) -> Callable[..., Any]:
    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return slot.__get__(self)(*args, **kwargs)

    return method


def _wait(acquire: Callable[..., bool], number: int, timeout: float = -1) -> bool:
    record((WAIT if timeout < 0 else TIMED_WAIT) | number)
    got = False
    try:
        got = acquire(True, timeout)
    finally:
        record((GOT if got else GAVE_UP) | number)
    return got


def _methods_for_with(lock: Any, number: int) -> tuple[Callable[[], bool], Callable[..., None]]:
    """What `with` calls on this one lock; made for each, since to bind a method takes as long as to record.

    They hold on to the bare lock, not to the recorded one, which would then keep itself alive.
    """
    acquire, release, take, free = lock.acquire, lock.release, TAKE | number, FREE | number

    def __enter__() -> bool:
        if not acquire(False):
            return _wait(acquire, number)
        try:
            try:
                page, slot = tape.local.tape
                pack_into(page, slot(), now(), take)
            except NO_ROOM:
                turn_page(take)
        except RecursionError:
            pass
        except BaseException:
            release()
            raise
        return True

    # Released after it was recorded: otherwise the next holder's "take" could come before this "free".
    # Three arguments, since collecting any number of them takes longer.
    def __exit__(kind: object = None, error: object = None, trace: object = None) -> None:
        try:
            try:
                page, slot = tape.local.tape
                pack_into(page, slot(), now(), free)
            except NO_ROOM:
                turn_page(free)
        except RecursionError:
            pass
        except BaseException:
            release()
            raise
        try:
            release()
        except RuntimeError:
            record(UNDONE | number)
            raise

    return __enter__, __exit__


class Lock(metaclass=_Kind):
    """A lock that records; otherwise a lock like any other."""

    __slots__ = (
        "__weakref__", "_acquire", "_enter", "_exit", "_free", "_lock", "_number", "_recorded_enter",
        "_recorded_exit", "_release", "_take",
    )  # fmt: skip
    _alike = _thread.LockType
    __class__ = property(lambda self: _thread.LockType)
    _lock: Any
    _acquire: Callable[..., bool]
    _release: Callable[[], None]
    _enter: Callable[[], bool]
    _exit: Callable[..., None]
    _recorded_enter: Callable[[], bool]
    _recorded_exit: Callable[..., None]
    _number: int
    _take: int
    _free: int

    def __new__(cls) -> Any:
        frame = sys._getframe(1)
        if frame.f_globals is _OWN:
            return _thread.allocate_lock()
        file, line, internal = caller(frame)
        if internal:
            return _thread.allocate_lock()
        number = tape.define("Lock", file=file, line=line)
        tape.define_owner(number, *owner(frame))
        return cls.around(_thread.allocate_lock(), number)

    @classmethod
    def around(cls, lock: Any, number: int) -> Lock:
        """Make one that records, under this number, what is done to a bare lock through it."""
        self: Lock = object.__new__(cls)
        self._lock, self._acquire, self._release = lock, lock.acquire, lock.release
        self._enter, self._exit = lock.__enter__, lock.__exit__
        self._number, self._take, self._free = number, TAKE | number, FREE | number
        self._recorded_enter, self._recorded_exit = _methods_for_with(lock, number)
        return self

    def __init_subclass__(cls) -> None:
        raise TypeError("type '_thread.lock' is not an acceptable base type")

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if blocking is not True or timeout != -1:
            _judge(blocking, timeout)
        if not self._acquire(False):
            return _wait(self._acquire, self._number, timeout) if blocking else False
        try:  # noqa: SIM105
            record(self._take)
        except RecursionError:
            pass
        return True

    def release(self) -> None:
        try:  # noqa: SIM105
            record(self._free)
        except RecursionError:
            pass
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
        frame = sys._getframe(1)
        return _thread.RLock() if is_left_out(frame) else cls.made_by(frame)

    @classmethod
    def made_by(cls, frame: FrameType | None) -> RLock:
        """Make one as if by the line of the program that runs in `frame`."""
        self = super().__new__(cls)
        self._depth = 0
        file, line, _ = caller(frame)
        self._number = tape.define("RLock", file=file, line=line)
        tape.define_owner(self._number, *owner(frame))
        return self

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if blocking is not True or timeout != -1:
            _judge(blocking, timeout)
        if not super().acquire(False):
            return self._wait(timeout) if blocking else False
        self._depth += 1
        if self._depth == 1:
            try:  # noqa: SIM105
                record(TAKE | self._number)
            except RecursionError:
                pass
        return True

    def _wait(self, timeout: float) -> bool:
        record((WAIT if timeout < 0 else TIMED_WAIT) | self._number)
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
        if self._depth == 1:
            try:  # noqa: SIM105
                record(FREE | self._number)
            except RecursionError:
                pass
        # Only now: a signal handler that takes the same lock in between must not record that once more.
        self._depth -= 1
        super().release()

    # Not by calling release(): that would need more room on the stack than __enter__ did.
    def __exit__(self, *exception: object) -> None:
        if not self._is_owned():  # type: ignore[attr-defined]
            super().release()
        if self._depth == 1:
            try:  # noqa: SIM105
                record(FREE | self._number)
            except RecursionError:
                pass
        # Only now: a signal handler that takes the same lock in between must not record that once more.
        self._depth -= 1
        super().release()

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
            for _ in range(inner[0] - 1):
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


class RLockBefore:
    """Records what is done through it to a re-entrant lock of C, which was made before the recording."""

    __slots__ = ("__weakref__", "_depth", "_lock", "_number")
    __class__ = property(lambda self: _thread.RLock)

    def __init__(self, lock: Any, number: int) -> None:
        self._lock, self._number = lock, number
        # Written only by the thread that owns the lock, as which it may be seen here for the first time.
        self._depth = int(repr(lock).rpartition("count=")[2].split()[0])

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if blocking is not True or timeout != -1:
            _judge(blocking, timeout)
        if not self._lock.acquire(False):
            got = bool(blocking) and _wait(self._lock.acquire, self._number, timeout)
            if got:
                self._depth = 1
            return got
        self._depth += 1
        if self._depth == 1:
            record(TAKE | self._number)
        return True

    def release(self) -> None:
        if self._lock._is_owned():
            if self._depth == 1:
                record(FREE | self._number)
            self._depth -= 1
        self._lock.release()

    __enter__ = acquire

    def __exit__(self, *exception: object) -> None:
        self.release()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._lock, name)

    def __reduce__(self) -> Any:
        raise TypeError("cannot pickle '_thread.RLock' object")

    def __repr__(self) -> str:
        return repr(self._lock)

    # As in RLock.
    def _release_save(self) -> Any:
        depth, self._depth = self._depth, 0
        record(FREE | self._number)
        return depth, self._lock._release_save()

    def _acquire_restore(self, state: Any) -> None:
        depth, inner = state
        record(WAIT | self._number)
        self._lock._acquire_restore(inner)
        record(GOT | self._number)
        self._depth = depth


def _methods_of(cls: type, names: str) -> list[tuple[Any, str, Any]]:
    return [(cls, name, cls.__dict__[name]) for name in names.split()]


_RECORDING = [
    *_methods_of(Lock, "acquire release acquire_lock release_lock"),
    (Lock, "__enter__", Lock.__dict__["_recorded_enter"]),
    (Lock, "__exit__", Lock.__dict__["_recorded_exit"]),
    *_methods_of(RLock, "acquire release __enter__ __exit__ _release_save _acquire_restore"),
]
# What the classes have while nothing is recorded. A slot in the place of a method gives what is in it: the
# bare lock's method, or, above, the one made for this lock.
for _name, _slot in (
    ("acquire", "_acquire"),
    ("acquire_lock", "_acquire"),
    ("release", "_release"),
    ("release_lock", "_release"),
    ("__enter__", "_enter"),
    ("__exit__", "_exit"),
):
    setattr(Lock, _name, Lock.__dict__[_slot])
for _cls, _name, _ in _RECORDING:
    if _cls is RLock:
        delattr(RLock, _name)  # it inherits them


def install() -> None:
    """Give `threading` the recorded locks."""
    for cls, name, method in _RECORDING:
        replace(cls, name, method)
    replace(threading, "Lock", Lock)
    replace(threading, "RLock", RLock)
    for cls in (Lock, RLock):  # so that they are pickled as what they stand for
        replace(cls, "__module__", "threading")

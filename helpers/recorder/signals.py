"""`threading`'s Event, Condition, Semaphore and Barrier.

These are Python classes, so their methods are replaced in place: subclasses, `isinstance` and names
imported earlier keep working. An object made inside the standard library has no number and is not
recorded.
"""

from __future__ import annotations

import sys
import threading

from . import fileformat, tape
from .locks import RLock
from .patching import NUMBER, caller, replace, same_face
from .tape import record

TYPE_CHECKING = False  # `typing` costs more to import than all of the recorder
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

WAIT, GOT, GAVE_UP = fileformat.WAIT << 56, fileformat.GOT << 56, fileformat.GAVE_UP << 56
TAKE, FREE, UNDONE = fileformat.TAKE << 56, fileformat.FREE << 56, fileformat.UNDONE << 56
SIGNAL, TIMED_OUT = fileformat.SIGNAL << 56, fileformat.TIMED_OUT << 56


def number_of(made: Any) -> int:
    """The number of an object, or 0 where it is the standard library's own and not recorded."""
    number: int | None = made.__dict__.get(NUMBER)
    if number is None:  # made before the recording began
        number = tape.define(_kind_of(made), _name_in_main(made))
        made.__dict__[NUMBER] = number
    return number


def _kind_of(made: object) -> str:
    """The name of its class, or of the library's class that it extends."""
    classes = type(made).__mro__
    return next(
        (cls.__name__ for cls in classes if cls.__module__ in ("threading", "queue")), classes[0].__name__
    )


def _name_in_main(made: object) -> str:
    variables = vars(sys.modules["__main__"])
    # A copy: another thread may bind a name meanwhile.
    return next((name for name, value in list(variables.items()) if value is made), "")


def give_number(made: Any, module: str = "") -> int:
    """Define an object that is being made two frames further up, unless the standard library makes it."""
    file, line, internal = caller(sys._getframe(2), made)
    number = 0 if internal else tape.define(module + _kind_of(made), file=file, line=line)
    setattr(made, NUMBER, number)
    return number


def _define_in_init(cls: Any) -> None:
    original = cls.__init__

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        # Once only: a subclass (BoundedSemaphore) calls its base's.
        if NUMBER not in self.__dict__:
            give_number(self)
        original(self, *args, **kwargs)

    replace(cls, "__init__", same_face(__init__, original))


def _record_before(cls: Any, name: str, kind: int) -> None:
    original = getattr(cls, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        number = number_of(self)
        if number:
            record(kind | number)
        return original(self, *args, **kwargs)

    replace(cls, name, same_face(method, original))


def _event() -> None:
    cls = threading.Event
    original = cls.wait

    def wait(self: Any, timeout: float | None = None) -> bool:
        number = number_of(self)
        if not number or self.is_set():
            return original(self, timeout)
        record(WAIT | number)
        was_set = False
        try:
            was_set = original(self, timeout)
        finally:
            record((GOT if was_set else GAVE_UP) | number)
        return was_set

    _define_in_init(cls)
    replace(cls, "wait", same_face(wait, original))
    _record_before(cls, "set", SIGNAL)


def _condition() -> None:
    cls: Any = threading.Condition
    init, original = cls.__init__, cls.wait

    def __init__(self: Any, lock: Any = None) -> None:
        number = give_number(self)
        if number and lock is None:
            file, line, _ = caller(sys._getframe(1), self)
            lock = RLock.made_at(file, line)
        init(self, lock)
        if number:
            restore = self._acquire_restore

            def end_of_wait(state: Any) -> None:
                # Notified (or timed out, which is told below); what follows is a wait for the lock.
                record(GOT | number)
                restore(state)

            self._acquire_restore = end_of_wait

    def wait(self: Any, timeout: float | None = None) -> bool:
        number = number_of(self)
        # Without the lock it raises before it waits.
        if not self._is_owned():
            return bool(original(self, timeout))
        if not number:
            # The library's own, in an Executor, a Timer, a feeder thread: that it waits is told all
            # the same, or it would seem to run. But not the moment a starter waits for its thread.
            if getattr(tape.local, "starting", False):
                return bool(original(self, timeout))
            record(WAIT | fileformat.INTERNAL)
            try:
                return bool(original(self, timeout))
            finally:
                record(GOT | fileformat.INTERNAL)
        record(WAIT | number)
        notified = bool(original(self, timeout))
        if not notified:
            record(TIMED_OUT | number)
        return notified

    replace(cls, "__init__", same_face(__init__, init))
    replace(cls, "wait", same_face(wait, original))
    _record_before(cls, "notify", SIGNAL)


def recorded_acquire(original: Callable[..., bool]) -> Callable[..., bool]:
    """An `acquire` that records; it asks first without waiting, to know whether it must."""

    def acquire(self: Any, blocking: bool = True, timeout: float | None = None) -> bool:
        number = number_of(self)
        if not number:
            return original(self, blocking, timeout)
        taken = original(self, False) if blocking else original(self, blocking, timeout)
        if taken:
            record(TAKE | number)
        if taken or not blocking:
            return taken
        record(WAIT | number)
        got = False
        try:
            got = original(self, blocking, timeout)
        finally:
            record((GOT if got else GAVE_UP) | number)
        return got

    return acquire


def _semaphores() -> None:
    cls: Any = threading.Semaphore
    acquire = same_face(recorded_acquire(cls.acquire), cls.acquire)
    _define_in_init(cls)
    replace(cls, "acquire", acquire)
    replace(cls, "__enter__", acquire)
    for each in (threading.Semaphore, threading.BoundedSemaphore):
        _release(each)


def _release(cls: Any) -> None:
    original = cls.release

    def release(self: Any, n: int = 1) -> None:
        number = number_of(self)
        if not number:
            original(self, n)
            return
        record(FREE | number)
        try:
            original(self, n)
        except ValueError:  # one release too many, or n < 1
            record(UNDONE | number)
            raise

    replace(cls, "release", same_face(release, original))


def _barrier() -> None:
    cls = threading.Barrier
    original = cls.wait

    def wait(self: Any, timeout: float | None = None) -> int:
        number = number_of(self)
        if not number:
            return original(self, timeout)
        record(WAIT | number)
        kind = GAVE_UP
        try:
            place = original(self, timeout)
            kind = GOT
        finally:
            record(kind | number)
        return place

    _define_in_init(cls)
    replace(cls, "wait", same_face(wait, original))


def install() -> None:
    """Replace the methods that wait, set, notify and release."""
    _event()
    _condition()
    _semaphores()
    _barrier()

"""`threading`'s Event, Condition, Semaphore, Barrier and Timer.

These are Python classes, so their methods are replaced in place: subclasses, `isinstance` and names
imported earlier keep working. An object made inside the standard library has no number: that somebody
waits is told all the same, or a thread of an Executor or a feeder of a queue would seem to run.
"""

from __future__ import annotations

import sys
import threading

from . import fileformat, tape
from .locks import RLock
from .patching import NUMBER, caller, maker, owner, replace, same_face
from .tape import record

TYPE_CHECKING = False  # `typing` costs more to import than all of the recorder
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

WAIT, GOT, GAVE_UP = fileformat.WAIT << 56, fileformat.GOT << 56, fileformat.GAVE_UP << 56
TIMED_WAIT = WAIT | fileformat.TIMED << 32
TAKE, FREE, UNDONE = fileformat.TAKE << 56, fileformat.FREE << 56, fileformat.UNDONE << 56
SIGNAL, TIMED_OUT = fileformat.SIGNAL << 56, fileformat.TIMED_OUT << 56

# The number of what is a part of another object of `threading`, such as an event's condition, or the event
# that says that a thread has begun: nothing of it is recorded. There are many, and so they are known quickly:
# by who makes them.
PART = -1
_OWN = vars(threading)


def number_of(made: Any) -> int:
    """The number of an object; 0 where it is the standard library's own, and `PART`."""
    number: int | None = getattr(made, NUMBER, None)
    if number is None:  # made before the recording began
        number = tape.define(_kind_of(made), _name_in_main(made))
        give(made, number)
    return number


def give(made: Any, number: int) -> None:
    """Give an object that was made before the recording this number; then its condition is a part of it."""
    setattr(made, NUMBER, number)
    condition = getattr(made, "_cond", None)
    if isinstance(condition, threading.Condition):
        setattr(condition, NUMBER, PART)


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
    frame = maker(sys._getframe(2), made)
    file, line, internal = caller(frame)
    number = 0 if internal else tape.define(module + _kind_of(made), file=file, line=line)
    if number:
        tape.define_owner(number, *owner(frame))
    setattr(made, NUMBER, number)
    return number


def _define_in_init(cls: Any) -> None:
    original = cls.__init__

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        # Once only: a subclass (BoundedSemaphore) calls its base's.
        if getattr(self, NUMBER, None) is None:
            give_number(self)
        original(self, *args, **kwargs)

    replace(cls, "__init__", same_face(__init__, original))


def _event() -> None:
    cls: Any = threading.Event
    init, original_set = cls.__init__, cls.set
    original: Callable[..., bool] = cls.wait

    def __init__(self: Any) -> None:
        if sys._getframe(1).f_globals is _OWN:
            setattr(self, NUMBER, PART)
        else:
            give_number(self)
        init(self)

    def wait(self: Any, timeout: float | None = None) -> bool:
        number = getattr(self, NUMBER, None)
        if number is None:
            number = number_of(self)
        if number < 0 or self.is_set() or (number == 0 and timeout == 0):
            return original(self, timeout)
        number = number or fileformat.INTERNAL
        record((WAIT if timeout is None else TIMED_WAIT) | number)
        was_set = False
        try:
            was_set = original(self, timeout)
        finally:
            record((GOT if was_set else GAVE_UP) | number)
        return was_set

    def set(self: Any) -> None:  # noqa: A001
        number = getattr(self, NUMBER, None)
        if number is None:
            number = number_of(self)
        if number > 0:
            record(SIGNAL | number)
        original_set(self)

    replace(cls, "__init__", same_face(__init__, init))
    replace(cls, "wait", same_face(wait, original))
    replace(cls, "set", same_face(set, original_set))


def follow(condition: Any, number: int) -> None:
    """Give a condition this number, and have it say when its waits are over."""
    setattr(condition, NUMBER, number)
    if type(condition._lock) is RLock:  # it may have been made while its lock did not record
        condition._release_save = condition._lock._release_save
        condition._acquire_restore = condition._lock._acquire_restore
    restore = condition._acquire_restore

    def end_of_wait(state: Any) -> None:
        # Notified (or timed out, which `wait` tells); what follows is a wait for the lock.
        record(GOT | number)
        restore(state)

    condition._acquire_restore = end_of_wait


def _condition() -> None:
    cls: Any = threading.Condition
    init, original_notify = cls.__init__, cls.notify
    original: Callable[..., bool] = cls.wait

    def __init__(self: Any, lock: Any = None) -> None:
        if sys._getframe(1).f_globals is _OWN:
            setattr(self, NUMBER, PART)
            init(self, lock)
            return
        number = give_number(self)
        if number and lock is None:
            lock = RLock.made_by(maker(sys._getframe(1), self))
        init(self, lock)
        if number:
            follow(self, number)

    def wait(self: Any, timeout: float | None = None) -> bool:
        number = getattr(self, NUMBER, None)
        # Without the lock it raises before it waits.
        if number == PART or (number == 0 and timeout == 0) or not self._is_owned():
            return original(self, timeout)
        if number is None:  # made before the recording began
            number = number_of(self)
            follow(self, number)
        if not number:
            record(WAIT | fileformat.INTERNAL)
            try:
                return original(self, timeout)
            finally:
                record(GOT | fileformat.INTERNAL)
        record((WAIT if timeout is None else TIMED_WAIT) | number)
        notified = original(self, timeout)
        if not notified:
            record(TIMED_OUT | number)
        return notified

    def notify(self: Any, n: int = 1) -> None:
        number = getattr(self, NUMBER, None)
        if number is None:
            number = number_of(self)
        if number > 0:
            record(SIGNAL | number)
        original_notify(self, n)

    replace(cls, "__init__", same_face(__init__, init))
    replace(cls, "wait", same_face(wait, original))
    replace(cls, "notify", same_face(notify, original_notify))


def recorded_acquire(original: Callable[..., bool]) -> Callable[..., bool]:
    """An `acquire` that records; it asks first without waiting, to know whether it must."""

    def acquire(self: Any, blocking: bool = True, timeout: float | None = None) -> bool:
        number = getattr(self, NUMBER, None)
        if number is None:
            number = number_of(self)
        taken = original(self, False) if blocking else original(self, blocking, timeout)
        if taken and number:
            record(TAKE | number)
        if taken or not blocking or (number == 0 and timeout == 0):
            return taken
        number = number or fileformat.INTERNAL
        record((WAIT if timeout is None else TIMED_WAIT) | number)
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
        number = getattr(self, NUMBER, None)
        if number is None:
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
        number = number_of(self) or fileformat.INTERNAL
        timed = timeout is not None or self._timeout is not None
        record((TIMED_WAIT if timed else WAIT) | number)
        kind = GAVE_UP
        try:
            place = original(self, timeout)
            kind = GOT
        except threading.BrokenBarrierError:
            kind = GOT  # somebody has ended the wait: whoever broke the barrier
            raise
        finally:
            record(kind | number)
        return place

    _define_in_init(cls)
    replace(cls, "wait", same_face(wait, original))
    for name in ("reset", "_break"):  # the latter is what abort(), a timeout and a failed action do
        _breaks(cls, name)


def _breaks(cls: Any, name: str) -> None:
    original = getattr(cls, name)

    def method(self: Any) -> None:
        number = number_of(self)
        if number:
            record(SIGNAL | number)
        original(self)

    replace(cls, name, same_face(method, original))


def _timer() -> None:
    cls: Any = threading.Timer
    original = cls.__init__

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        file, line, internal = caller(maker(sys._getframe(1), self))
        # The library's own event, for which it waits until its time has come, or cancel() sets it.
        number = 0 if internal else tape.define("Timer", file=file, line=line)
        setattr(self.finished, NUMBER, number)

    replace(cls, "__init__", same_face(__init__, original))


def install() -> None:
    """Replace the methods that wait, set, notify and release."""
    _event()
    _condition()
    _semaphores()
    _barrier()
    _timer()

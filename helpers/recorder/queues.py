"""`queue`: waiting because a queue is empty, because it is full, because its items are not dealt with."""

from __future__ import annotations

import sys

from . import fileformat, tape
from .patching import NUMBER, caller, owner, replace, same_face
from .signals import give_number, number_of
from .tape import NO_ROOM, now, pack_into, record, turn_page

TYPE_CHECKING = False  # `typing` costs more to import than all of the recorder
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

WAIT, GOT, GAVE_UP = fileformat.WAIT << 56, fileformat.GOT << 56, fileformat.GAVE_UP << 56
TIMED_WAIT = WAIT | fileformat.TIMED << 32
PUT, TOOK, UNDONE = fileformat.PUT << 56, fileformat.TOOK << 56, fileformat.UNDONE << 56
SIGNAL = fileformat.SIGNAL << 56
FULL, UNFINISHED, CLOSED = fileformat.FULL << 32, fileformat.UNFINISHED << 32, fileformat.CLOSED << 32


def install(queue: Any) -> None:
    """Patch the module `queue`."""
    _queue(queue)
    _simple_queue(queue)


def _worth_a_try(timeout: Any) -> bool:
    """Whether to try first without waiting; at a bad timeout the call must raise, item or not."""
    return timeout is None or (type(timeout) in (int, float) and timeout >= 0)


def _queue(queue: Any) -> None:
    cls = queue.Queue
    init, original_get, original_put, original_join = cls.__init__, cls.get, cls.put, cls.join
    shut_down = getattr(queue, "ShutDown", ())  # new in 3.13

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        if getattr(self, NUMBER, None) is None:
            give_number(self, "queue.")
        init(self, *args, **kwargs)

    # Both try first without waiting, to know whether they must. And both are recorded before it is
    # done: whoever is woken by it may run, and record that, before this thread goes on. `tape.record` is
    # written out, as in `locks`.
    def get(self: Any, block: bool = True, timeout: float | None = None) -> Any:
        number = getattr(self, NUMBER, None)
        if number is None:
            number = number_of(self)
        if not number:
            return original_get(self, block, timeout)
        if not block or timeout is None or _worth_a_try(timeout):
            try:
                page, slot = tape.local.tape
                pack_into(page, slot(), now(), TOOK | number)
            except NO_ROOM:
                turn_page(TOOK | number)
            try:
                return original_get(self, False)
            except queue.Empty:
                record(UNDONE | number)
                if not block:
                    raise
            except BaseException:
                record(UNDONE | number)
                raise
        record((WAIT if timeout is None else TIMED_WAIT) | number)
        end = GAVE_UP
        try:
            item = original_get(self, block, timeout)
            end = GOT
        except shut_down:
            end = GOT | CLOSED
            raise
        finally:
            record(end | number)
        return item

    def put(self: Any, item: Any, block: bool = True, timeout: float | None = None) -> None:
        number = getattr(self, NUMBER, None)
        if number is None:
            number = number_of(self)
        if not number:
            original_put(self, item, block, timeout)
            return
        if not block or timeout is None or _worth_a_try(timeout):
            try:
                page, slot = tape.local.tape
                pack_into(page, slot(), now(), PUT | number)
            except NO_ROOM:
                turn_page(PUT | number)
            try:
                original_put(self, item, False)
            except queue.Full:
                record(UNDONE | number)
                if not block:
                    raise
            except BaseException:
                record(UNDONE | number)
                raise
            else:
                return
        record((WAIT if timeout is None else TIMED_WAIT) | FULL | number)
        end = GAVE_UP
        try:
            original_put(self, item, block, timeout)
            end = GOT | FULL
        except shut_down:
            end = GOT | CLOSED
            raise
        finally:
            record(end | number)

    def join(self: Any) -> None:
        number = number_of(self)
        if not number or not self.unfinished_tasks:
            original_join(self)
            return
        record(WAIT | UNFINISHED | number)
        end = GAVE_UP
        try:
            original_join(self)
            end = GOT | UNFINISHED
        finally:
            record(end | number)

    replace(cls, "__init__", same_face(__init__, init))
    replace(cls, "get", same_face(get, original_get))
    replace(cls, "put", same_face(put, original_put))
    replace(cls, "join", same_face(join, original_join))
    _signals(cls, "task_done", UNFINISHED)
    if shut_down:
        _signals(cls, "shutdown", CLOSED)


def _signals(cls: Any, name: str, what: int) -> None:
    original = getattr(cls, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> None:
        number = number_of(self)
        if not number:
            original(self, *args, **kwargs)
            return
        record(SIGNAL | what | number)
        try:
            original(self, *args, **kwargs)
        except BaseException:
            record(UNDONE | number)
            raise

    replace(cls, name, same_face(method, original))


_simple: dict[Any, Any] = {}  # made once: what is made in one recording is recorded in the next, too


def _simple_queue(queue: Any) -> None:
    """Replace a class of C, which cannot be patched, by one that records."""
    bare = queue.SimpleQueue
    if bare not in _simple:
        _simple[bare] = _class_like(bare)
    for name, method in _methods(bare, queue.Empty).items():
        # In the class for the time of a recording only: in between it is a bare one in all but name.
        replace(_simple[bare], name, same_face(method, getattr(bare, name)))
    replace(queue, "SimpleQueue", _simple[bare])
    replace(_simple[bare], "__module__", "queue")  # under which pickle finds it; in `_queue` is the bare one


def _class_like(bare: Any) -> Any:
    class Face(type(bare)):  # type: ignore[misc]  # which another recorder may have made
        # One that was made before the recording began is a bare one.
        def __instancecheck__(cls, instance: object) -> bool:
            return isinstance(instance, bare)

    class SimpleQueue(bare, metaclass=Face):  # type: ignore[misc]
        __slots__ = (NUMBER,)

        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            frame = sys._getframe(1)
            file, line, internal = caller(frame)
            self = bare.__new__(cls, *args, **kwargs)
            number = 0 if internal else tape.define("queue.SimpleQueue", "", file, line)
            if number:
                tape.define_owner(number, *owner(frame))
            setattr(self, NUMBER, number)
            return self

        def __reduce__(self) -> Any:
            raise TypeError(f"cannot pickle '{bare.__module__}.{bare.__name__}' object")

    for name in ("__module__", "__name__", "__qualname__", "__doc__"):
        setattr(SimpleQueue, name, getattr(bare, name))
    return SimpleQueue


def _methods(bare: Any, empty: type[Exception]) -> dict[str, Callable[..., Any]]:
    def get(self: Any, block: bool = True, timeout: float | None = None) -> Any:
        number = getattr(self, NUMBER)
        if number and (not block or _worth_a_try(timeout)):
            record(TOOK | number)
            try:
                return bare.get(self, False)
            except empty:
                record(UNDONE | number)
                if not block:
                    raise
        elif not block or not bare.empty(self):
            return bare.get(self, block, timeout)
        number = number or fileformat.INTERNAL
        record((WAIT if timeout is None else TIMED_WAIT) | number)
        end = GAVE_UP
        try:
            item = bare.get(self, block, timeout)
            end = GOT
        finally:
            record(end | number)
        return item

    def get_nowait(self: Any) -> Any:
        return get(self, False)

    def put(self: Any, *args: Any, **kwargs: Any) -> None:
        number = getattr(self, NUMBER)
        if not number:
            bare.put(self, *args, **kwargs)
            return
        record(PUT | number)
        try:
            bare.put(self, *args, **kwargs)
        except TypeError:
            record(UNDONE | number)
            raise

    def put_nowait(self: Any, *args: Any, **kwargs: Any) -> None:
        put(self, *args, **kwargs)

    return {"get": get, "get_nowait": get_nowait, "put": put, "put_nowait": put_nowait}

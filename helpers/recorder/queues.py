"""`queue.Queue` and its subclasses: waiting because it is empty, waiting because it is full."""

from __future__ import annotations

from . import fileformat
from .patching import NUMBER, replace, same_face
from .signals import give_number, number_of
from .tape import record

TYPE_CHECKING = False  # `typing` costs more to import than all of the recorder
if TYPE_CHECKING:
    from typing import Any

WAIT, GOT, GAVE_UP = fileformat.WAIT << 56, fileformat.GOT << 56, fileformat.GAVE_UP << 56
PUT, TOOK, UNDONE = fileformat.PUT << 56, fileformat.TOOK << 56, fileformat.UNDONE << 56
WAIT_FULL, GOT_FULL = WAIT | fileformat.FULL << 32, GOT | fileformat.FULL << 32


def _is_wrong(timeout: object) -> bool:
    return timeout is not None and (not isinstance(timeout, (int, float)) or timeout < 0)


def install(queue: Any) -> None:
    """Patch the module `queue`."""
    cls = queue.Queue
    init, original_get, original_put = cls.__init__, cls.get, cls.put

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        if NUMBER not in self.__dict__:
            give_number(self, "queue.")
        init(self, *args, **kwargs)

    # Both try first without waiting, to know whether they must; with a timeout that is none they only
    # raise. And both are recorded before it is done: whoever is woken by it may run, and record that,
    # before this thread goes on.
    def get(self: Any, block: bool = True, timeout: float | None = None) -> Any:
        number = number_of(self)
        if not number:
            return original_get(self, block, timeout)
        record(TOOK | number)
        try:
            return original_get(self, block and _is_wrong(timeout), timeout)
        except queue.Empty:
            record(UNDONE | number)
            if not block:
                raise
        except BaseException:
            record(UNDONE | number)
            raise
        record(WAIT | number)
        end = GAVE_UP
        try:
            item = original_get(self, block, timeout)
            end = GOT
        finally:
            record(end | number)
        return item

    def put(self: Any, item: Any, block: bool = True, timeout: float | None = None) -> None:
        number = number_of(self)
        if not number:
            original_put(self, item, block, timeout)
            return
        record(PUT | number)
        try:
            original_put(self, item, block and _is_wrong(timeout), timeout)
        except queue.Full:
            record(UNDONE | number)
            if not block:
                raise
        except BaseException:
            record(UNDONE | number)
            raise
        else:
            return
        record(WAIT_FULL | number)
        end = GAVE_UP
        try:
            original_put(self, item, block, timeout)
            end = GOT_FULL
        finally:
            record(end | number)

    replace(cls, "__init__", same_face(__init__, init))
    replace(cls, "get", same_face(get, original_get))
    replace(cls, "put", same_face(put, original_put))

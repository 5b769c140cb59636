"""queue.Queue and its kin: each call is one step.

CPython's are a lock and three conditions. Whoever is woken looks again whether there is an item, or room,
before it takes or gives up. So no wake-up is ever lost, and one step that waits until it can be done says the
same.

A class that overrides how items are kept has its own steps in that, with the queue's lock held. Then
CPython's code runs as it is, with a modelled lock and modelled conditions. So it does for a `PriorityQueue`
whose items are changed while it compares them.
"""

from __future__ import annotations

import queue
import sys
from collections import deque
from collections.abc import Callable, Hashable, Sequence
from types import GenericAlias
from typing import Any

from helpers.schedules.containers import all_in
from helpers.schedules.execution import Execution, current
from helpers.schedules.model.locks import Lock
from helpers.schedules.model.primitives import (
    Methods,
    Over,
    PrimitiveOperation,
    State,
    Timed,
    as_is,
    execution_of,
)
from helpers.schedules.operation import Site
from helpers.schedules.reaching import frame_of_program

# Raised by a queue that was shut down; new in 3.13.
_ShutDown: type[Exception] = getattr(queue, "ShutDown", queue.Empty)

_real_init = queue.Queue.__init__

# How a subclass keeps its items; what changes in a queue; and what only CPython's own code has.
_KEEPING = {"_init", "_qsize", "_put", "_get"}
KEPT = {"maxsize", "queue", "unfinished_tasks"}
INSIDES = {"mutex", "not_empty", "not_full", "all_tasks_done"}


class _State(State):
    """What a search knows of one queue.

    Attributes:
        tasks: what stands for the number of tasks that are not done, as a target; the label is for the items.
    """

    __slots__ = ("tasks",)

    def __init__(self, primitive: Any) -> None:
        super().__init__(primitive)
        self.tasks: Hashable = (self.label, "tasks")


class _QueueOperation(PrimitiveOperation):
    __slots__ = ()
    state = "queue"

    def snapshot(self) -> Any:
        about = self.object
        return tuple(map(id, about.queue)), getattr(about, "unfinished_tasks", 0), _shut_down(about)

    def holds(self) -> tuple[Any, Sequence[Any]]:
        # That ever more are unfinished is no matter as long as nobody joins the queue.
        return _shut_down(self.object), self.object.queue


class _Put(_QueueOperation):
    __slots__ = ("item", "others")
    given = ("item",)
    kind = "put"
    verb = "put into"
    remedy = "take an item out"
    scarce = True

    def __init__(self, about: Any, item: Any) -> None:
        super().__init__(about)
        self.item = item
        self.others = (about._model.tasks,)

    def ready(self) -> bool:
        about = self.object
        return not 0 < about.maxsize <= len(about.queue) or _shut_down(about)

    def perform(self) -> None:
        about = self.object
        if _shut_down(about):
            raise _ShutDown
        if 0 < about.maxsize <= len(about.queue):
            raise queue.Full
        about._put(self.item)
        about.unfinished_tasks += 1


class _PutWhenRoom(_Put):
    __slots__ = ()
    blocks = True


class _PutInTime(Timed, _PutWhenRoom):
    def expire(self) -> None:
        self.pass_time()
        raise queue.Full


class _Get(_QueueOperation):
    __slots__ = ()
    kind = "get"
    verb = "get from"
    remedy = "put an item"

    def ready(self) -> bool:
        about = self.object
        return bool(about.queue) or _shut_down(about)

    def perform(self) -> Any:
        about = self.object
        if not about.queue:
            raise _ShutDown if _shut_down(about) else queue.Empty
        return about._get()


class _GetWhenThere(_Get):
    __slots__ = ()
    blocks = True


class _GetInTime(Timed, _GetWhenThere):
    def expire(self) -> None:
        self.pass_time()
        raise queue.Empty


class _TaskDone(_QueueOperation):
    __slots__ = ()
    kind = "notify"
    verb = "mark a task done in"

    def __init__(self, about: Any) -> None:
        self.object = about
        self.target = about._model.tasks

    def perform(self) -> None:
        about = self.object
        if about.unfinished_tasks <= 0:
            raise ValueError("task_done() called too many times")
        about.unfinished_tasks -= 1


class _Join(_QueueOperation):
    __slots__ = ()
    kind = "join"
    verb = "join"
    remedy = "mark its tasks done"
    writes = False
    blocks = True

    def __init__(self, about: Any) -> None:
        self.object = about
        self.target = about._model.tasks

    def ready(self) -> bool:
        return not self.object.unfinished_tasks


class _Size(_QueueOperation):
    __slots__ = ()
    kind = "read"
    verb = "look at"
    writes = False

    def perform(self) -> int:
        return len(self.object.queue)


class _Shutdown(_QueueOperation):
    __slots__ = ("immediate", "others")
    kind = "notify"
    verb = "shut down"

    def __init__(self, about: Any, immediate: bool) -> None:
        super().__init__(about)
        self.immediate = immediate
        self.others = (about._model.tasks,)

    def perform(self) -> None:
        about = self.object
        about.is_shutdown = True
        if self.immediate:
            about.unfinished_tasks = max(about.unfinished_tasks - len(about.queue), 0)
            about.queue.clear()


class _Look(_QueueOperation):
    """Reads an attribute, past the queue's own methods; `says` so in words."""

    __slots__ = ("attribute", "others", "says")
    kind = "read"
    writes = False

    def __init__(self, about: Any, attribute: str, says: str) -> None:
        self.object = about
        self.attribute = attribute
        self.says = says
        model = about._model
        # Where CPython's code runs as it is, all of it happens while somebody has the lock.
        self.target = about.mutex.label if model is None else model.label
        self.others = () if model is None else (model.tasks,)

    def text(self, execution: Execution) -> str:
        return self.says

    def perform(self) -> Any:
        return getattr(self.object, self.attribute)


class _TakeHold(_Look):
    """Gets what the items are kept in; what the program then does with it is unknown, so this "writes"."""

    __slots__ = ()
    writes = True


def _shut_down(about: Any) -> bool:
    return getattr(about, "is_shutdown", False)  # a SimpleQueue cannot be


def _keeps_as_usual(kind: type) -> bool:
    """Are items kept as CPython's queues keep them, and is nothing else of those touched by a subclass?"""
    for base in kind.__mro__:
        if base.__module__ == "queue":
            return True
        for name, value in vars(base).items():
            code = getattr(value, "__code__", None)
            if name in _KEEPING or (code is not None and not INSIDES.isdisjoint(code.co_names)):
                return False
    return True


def look_inside(about: Any, name: str, write: bool, site: Site, text: str) -> None:
    """The program is about to use what a queue keeps inside, past the queue's own methods.

    Args:
        name: of the attribute.
        write: whether it is assigned.
        site, text: where that is, and in words.
    """
    execution = current()
    if execution is None or execution.quiet or "_model" not in about.__dict__:
        return
    if about._model is not None:
        execution_of(about)
    elif not isinstance(about.mutex, Lock) or about.mutex.owner is execution.task:
        return  # the lock is held, as it should be
    if all(task.done or task is execution.task for task in execution.tasks):
        return
    if name == "maxsize":
        if write:
            execution.cannot_follow(f"{text}: whom that lets wait, or wakes, is not seen", site)
        return
    if name == "unfinished_tasks" and not write:
        execution.step(_Look(about, name, text))
        return
    execution.step(_TakeHold(about, name, text))
    execution.cannot_follow(f"{text} goes past the queue's lock: what comes of it is not seen", site)


class Insides:
    """Whether the explored program uses the lock and the conditions that a queue consists of."""

    used = False


# Among the racy sites it says that threads meet in what a `PriorityQueue` compares.
_COMPARING = "a priority queue compares"


def _is_one_step(about: Any) -> bool:
    """Is each call of a queue that is being made one step?"""
    if Insides.used or not _keeps_as_usual(type(about)):
        return False
    execution = current()
    assert execution is not None
    return not (isinstance(about, queue.PriorityQueue) and _COMPARING in execution.search.racy)


def _init(self: Any, maxsize: int = 0) -> None:
    if not _is_one_step(self):
        _real_init(self, maxsize)
        self._model = None
        return
    self._model = _State(self)
    self.mutex = self.not_empty = self.not_full = self.all_tasks_done = Over()
    self.maxsize = maxsize
    self._init(maxsize)
    self.unfinished_tasks = 0
    if hasattr(queue, "ShutDown"):
        self.is_shutdown = False


def _put(self: Any, item: Any, block: bool = True, timeout: float | None = None) -> None:
    execution = execution_of(self)
    if not block or self.maxsize <= 0:
        operation = _Put(self, item)
    elif timeout is None:
        operation = _PutWhenRoom(self, item)
    elif timeout < 0:
        raise ValueError("'timeout' must be a non-negative number")
    else:
        operation = _PutInTime(self, item, timeout=timeout) if timeout else _Put(self, item)
    execution.step(operation)


def _get(self: Any, block: bool = True, timeout: float | None = None) -> Any:
    return execution_of(self).step(_getting(self, block, timeout))


def _getting(about: Any, block: bool, timeout: float | None) -> _Get:
    if not block:
        return _Get(about)
    if timeout is None:
        return _GetWhenThere(about)
    if timeout < 0:
        raise ValueError("'timeout' must be a non-negative number")
    return _GetInTime(about, timeout=timeout) if timeout else _Get(about)


def _task_done(self: Any) -> None:
    execution_of(self).step(_TaskDone(self))


def _join(self: Any) -> None:
    execution_of(self).step(_Join(self))


def _qsize(self: Any) -> int:
    size: int = execution_of(self).step(_Size(self))
    return size


def _empty(self: Any) -> bool:
    return not _qsize(self)


def _full(self: Any) -> bool:
    return bool(0 < self.maxsize <= _qsize(self))


def _shutdown(self: Any, immediate: bool = False) -> None:
    execution_of(self).step(_Shutdown(self, immediate))


def _unless_seen_inside(name: str, model: Callable[..., Any]) -> Callable[..., Any]:
    """Let a call be one step, unless the queue is one that goes through CPython's code."""
    real = vars(queue.Queue)[name]

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        return (real if as_is(self) else model)(self, *args, **kwargs)

    return method


_CALLS: dict[str, Callable[..., Any]] = {
    "put": _put,
    "get": _get,
    "task_done": _task_done,
    "join": _join,
    "qsize": _qsize,
    "empty": _empty,
    "full": _full,
}
if hasattr(queue, "ShutDown"):
    _CALLS["shutdown"] = _shutdown


def _comparing(name: str) -> Callable[..., Any]:
    """A method of `PriorityQueue` that compares items: where others change them, that is a step."""
    real = vars(queue.PriorityQueue)[name]

    def method(self: Any, *item: Any) -> Any:
        execution = current()
        assert execution is not None
        places = all_in((*self.queue, *item))
        frame = frame_of_program(sys._getframe(1))
        if frame is not None and places:
            site = Site(frame.f_code.co_filename, frame.f_lineno, 0, _COMPARING)
            if as_is(self):
                execution.access_all(places, False, site, "read what the queue compares")
            elif site in execution.search.racy:
                execution.search.met([_COMPARING])
            else:
                for about, key in places:
                    execution.meet(about, key, False, site)
        before = execution.depth
        found = real(self, *item)
        if execution.depth > before and not as_is(self):  # code of the program's own has taken steps
            execution.search.met([_COMPARING])
        return found

    return method


METHODS: Methods = {
    queue.Queue: {
        "__init__": _init,
        **{name: _unless_seen_inside(name, model) for name, model in _CALLS.items()},
    },
    queue.PriorityQueue: {name: _comparing(name) for name in ("_put", "_get")},
}


class SimpleQueue:
    """What `queue.SimpleQueue()` gives during a search. It is unbounded, and has no tasks to be done.

    Attributes:
        queue: its items.
    """

    __slots__ = ("__weakref__", "_model", "queue")

    def __init__(self) -> None:
        self._model = State(self)
        self.queue: deque[Any] = deque()

    def __hash__(self) -> int:
        return self._model.label  # the same in every replay, so that a set of them keeps its order

    def put(self, item: Any, block: bool = True, timeout: float | None = None) -> None:
        self._model.execution.step(_SimplePut(self, item))

    def get(self, block: bool = True, timeout: float | None = None) -> Any:
        return self._model.execution.step(_getting(self, block, timeout))

    def put_nowait(self, item: Any) -> None:
        self.put(item)

    def get_nowait(self) -> Any:
        return self.get(False)

    def empty(self) -> bool:
        return not self.qsize()

    def qsize(self) -> int:
        size: int = self._model.execution.step(_Size(self))
        return size

    def _get(self) -> Any:
        return self.queue.popleft()

    def __class_getitem__(cls, item: Any) -> GenericAlias:
        return GenericAlias(cls, item)


class _SimplePut(PrimitiveOperation):
    __slots__ = ("item",)
    given = ("item",)
    kind = "put"
    verb = "put into"

    def __init__(self, about: SimpleQueue, item: Any) -> None:
        super().__init__(about)
        self.item = item

    def perform(self) -> None:
        self.object.queue.append(self.item)

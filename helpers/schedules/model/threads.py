"""Thread, and the functions of `threading` that tell which there are: what they do during a search.

The class stays the real one, and so do its subclasses, `Timer` among them: only its methods are others for
explored threads. That a thread begins, ends and is joined is no choice; that it has begun or ended is data
like any other, which only those look at who ask `is_alive()`, `active_count()` or join with a timeout.
"""

from __future__ import annotations

import _thread
import sys
import threading
import weakref
from collections.abc import Callable
from typing import Any, NoReturn

from helpers.schedules.execution import Execution, Operation, Task, current
from helpers.schedules.model.primitives import Timed, called_later
from helpers.schedules.reaching import frame_of_program

_real_timer_init = threading.Timer.__init__

# What starts and ends of all threads write, and those read who ask for all threads.
_ALL = ("all threads",)

# Racy as soon as somebody asks whether a thread has started or ended, other than its starter by a join. In
# all other programs no start or end of a thread needs to be kept.
_ASKED = ("whether a thread is alive",)


class State:
    """What an execution knows of one `Thread` object, and what that has for its `_started` and `_handle`.

    Attributes:
        starter: the task that started it, or None.
        task: what runs its code, or None before it is started.
        over: whether its code has been run: it is not alive any more.
        gone: whether it is no longer among all threads.
    """

    __slots__ = ("_thread", "execution", "gone", "label", "over", "starter", "task")

    def __init__(self, execution: Execution, thread: threading.Thread, task: Task | None = None) -> None:
        self.execution = execution
        self._thread = weakref.ref(thread)  # which has this
        self.label = execution.label(self)
        self.task = task
        self.starter: Task | None = None
        self.over = False
        self.gone = False

    @property
    def shown_name(self) -> str:
        thread = self._thread()
        return "a thread" if thread is None else thread.name

    def is_set(self) -> bool:
        return self.starter is not None

    def is_done(self) -> bool:
        return self.over

    def asked(self) -> None:
        """Somebody asks, or finds out by an exception, whether it has started or ended."""
        if len(self.execution.tasks) > 1:
            self.execution.search.met([_ASKED])

    def started(self, write: bool) -> None:
        """Start it, or look whether it is started."""
        self._access("started", write, "start" if write else "look whether it started")

    def ended(self, write: bool) -> None:
        """End it, or look whether it has ended."""
        self._access("ended", write, "end" if write else "look whether it ended")

    def _access(self, what: str, write: bool, text: str) -> None:
        if not write or _ASKED in self.execution.search.racy:
            self.execution.access(self, what, write, (what, self.label), text)

    def end(self) -> None:
        """Its code has been run."""
        self.ended(True)
        self.over = True
        _one_more_or_less(self.execution, "end a thread")
        self.gone = True


class _Join(Operation):
    """Waits for the end of a thread."""

    __slots__ = ()
    kind = "join"
    verb = "join"
    state = "join"
    remedy = "end it"
    writes = False
    blocks = True
    free = True
    object: State

    def ready(self) -> bool:
        return self.object.task.done  # type: ignore[union-attr]  # one that is not started is not joined

    def perform(self) -> None:
        ended = self.object.task
        assert ended is not None
        self.object.execution.join(ended)

    def holder(self) -> Task | None:
        return self.object.task


class _JoinInTime(Timed, _Join):
    """Waits for the end of a thread, but not for ever: it may give up at any moment before that."""

    object: State

    def __init__(self, state: State, timeout: float) -> None:
        state.asked()
        super().__init__(state, timeout=timeout)
        self.target = state.execution.meet(state, "ended", False, ("ended", state.label))

    def can_expire(self) -> bool:
        return not self.object.over

    def expire(self) -> None:
        self.pass_time()


def _execution() -> Execution:
    execution = current()
    assert execution is not None
    return execution


def _state(thread: Any) -> State:
    execution = _execution()
    state: State | None = getattr(thread, "_explored", None)
    if state is not None and state.execution is execution:
        return state
    main = execution.tasks[0]
    if thread is main.thread:
        if execution.main_state is None:
            execution.main_state = State(execution, thread, main)
        main_state: State = execution.main_state
        return main_state
    if thread._initialized:
        execution.refuse(f"the thread {thread.name!r} was made before the scenario: make it inside")
    raise RuntimeError("Thread.__init__() not called")


def __init__(
    self: Any,
    group: None = None,
    target: Callable[..., Any] | None = None,
    name: str | None = None,
    args: Any = (),
    kwargs: Any = None,
    *,
    daemon: bool | None = None,
    context: Any = None,
) -> None:
    assert group is None, "group argument must be None for now"
    execution = _execution()
    if name is None:
        execution.threads_made += 1
        name = f"Thread-{execution.threads_made}"
        if target is not None and hasattr(target, "__name__"):
            name += f" ({target.__name__})"
    state = State(execution, self)
    self._explored = state
    self._target = called_later(target)
    self._name = str(name)
    self._args = args
    self._kwargs = {} if kwargs is None else kwargs
    self._daemonic = execution.task.daemon if daemon is None else daemon
    self._context = context
    self._ident = None
    self._native_id = None
    self._started = state
    self._is_stopped = False
    self._handle = state
    self._initialized = True


def start(self: Any) -> None:
    if not self._initialized:
        raise RuntimeError("thread.__init__() not called")
    state = _state(self)
    execution = state.execution
    if state.starter is not None:
        state.asked()
    state.started(True)
    if state.starter is not None:
        raise RuntimeError("threads can only be started once")
    _one_more_or_less(execution, "start a thread")
    state.starter = execution.task
    task = execution.start(self, self._daemonic, self.run, state.end)
    self._ident = self._native_id = task.ident
    state.task = task


def join(self: Any, timeout: float | None = None) -> None:
    if not self._initialized:
        raise RuntimeError("Thread.__init__() not called")
    state = _state(self)
    if state.starter is not state.execution.task:  # who has started it need not ask
        state.asked()
        state.started(False)
    if state.task is None:
        raise RuntimeError("cannot join thread before it is started")
    if state.task is state.execution.task:
        raise RuntimeError("cannot join current thread")
    if timeout is None:
        state.execution.step(_Join(state))
    elif timeout > 0:
        state.execution.step(_JoinInTime(state, timeout))


def is_alive(self: Any) -> bool:
    assert self._initialized, "Thread.__init__() not called"
    state = _state(self)
    state.asked()
    state.started(False)
    state.ended(False)
    return state.task is not None and not state.over


def _one_more_or_less(execution: Execution, what: str) -> None:
    # Starts and ends meet each other without anybody who asks: only who asks makes them steps.
    if _ALL in execution.search.racy:
        execution.access(_ALL, None, True, _ALL, what)


def current_thread() -> threading.Thread:
    thread: threading.Thread = _execution().task.thread
    return thread


def main_thread() -> threading.Thread:
    thread: threading.Thread = _execution().tasks[0].thread
    return thread


def get_ident() -> int:
    return _execution().task.ident


def all_threads() -> list[threading.Thread]:
    execution = _execution()
    if len(execution.tasks) > 1:
        execution.search.met([_ALL])
    execution.access(_ALL, None, False, _ALL, "look which threads are alive")
    return [task.thread for task in execution.tasks if not _state(task.thread).gone]


def active_count() -> int:
    return len(all_threads())


def start_bare(*args: Any, **kwargs: Any) -> NoReturn:
    """`_thread.start_new_thread`: what it starts is no `Thread`, and nobody can wait for its end."""
    execution = _execution()
    frame = frame_of_program(sys._getframe(1))
    line = execution.line(frame.f_code.co_filename, frame.f_lineno) if frame else "the scenario"
    execution.refuse(f"{line} starts a thread that is no threading.Thread: use threading.Thread")


def _timer_init(self: Any, interval: float, function: Any, *args: Any, **kwargs: Any) -> None:
    _real_timer_init(self, interval, called_later(function), *args, **kwargs)


# What takes the place of what, for explored threads.
METHODS = {"__init__": __init__, "start": start, "join": join, "is_alive": is_alive}
FUNCTIONS = {
    "current_thread": current_thread,
    "main_thread": main_thread,
    "get_ident": get_ident,
    "get_native_id": get_ident,
    "enumerate": all_threads,
    "active_count": active_count,
}
TIMER = {"__init__": _timer_init}
BARE = {
    name: start_bare
    for name in ("start_new_thread", "start_new", "start_joinable_thread")
    if hasattr(_thread, name)
}

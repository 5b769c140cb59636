"""Lock and RLock."""

from __future__ import annotations

import _thread
from typing import Any, NoReturn

from helpers.schedules.execution import Operation, Task, current
from helpers.schedules.model.primitives import Timed

# The types of the real ones.
REAL = (type(_thread.allocate_lock()), type(_thread.RLock()))


class _LockOperation(Operation):
    __slots__ = ()
    state = "lock"
    remedy = "release it"
    object: Lock

    def holder(self) -> Task | None:
        return self.object.owner


class _Acquire(_LockOperation):
    """Waits until the lock is free."""

    __slots__ = ()
    kind = "acquire"
    verb = "acquire"
    blocks = True
    scarce = True

    def ready(self) -> bool:
        return self.object.owner is None

    def perform(self) -> bool:
        self.object.take()
        return True


class _AcquireAgain(_Acquire):
    """Acquires an RLock that the thread has already."""

    __slots__ = ()
    blocks = False


class _AcquireInTime(Timed, _Acquire):
    """Waits for a while.

    The wait may end at any moment at which the lock is not free. That the thread learns of it later, perhaps
    when the lock is free again, is the same as that it is slow after this step.
    """

    def expire(self) -> bool:
        self.pass_time()
        return False


class _TryAcquire(_LockOperation):
    __slots__ = ()
    kind = "acquire"
    verb = "try to acquire"

    def perform(self) -> bool:
        if not self.object.free():
            return False
        self.object.take()
        return True


class _Release(_LockOperation):
    __slots__ = ()
    kind = "release"
    verb = "release"

    @property
    def opens(self) -> bool:  # type: ignore[override]
        # Who releases a free lock gets an error, and an acquisition might have come before it.
        return self.object.owner is not None

    def perform(self) -> Any:
        self.object.give_back()


class _ReleaseAll(_Release):
    """Releases an RLock, however often it was acquired; returns how often that was."""

    __slots__ = ()
    object: RLock

    def perform(self) -> int:
        if not self.object.held():
            raise RuntimeError("cannot release un-acquired lock")
        return self.object.give_away()


class _Locked(_LockOperation):
    __slots__ = ()
    kind = "read"
    verb = "look at"
    writes = False

    def perform(self) -> bool:
        return self.object.owner is not None


class Lock:
    """What `threading.Lock()` gives during a search.

    Attributes:
        owner: the task that acquired it, or None. Any task may release it.
    """

    __slots__ = ("__weakref__", "execution", "label", "owner")
    _called = "_thread.lock"

    def __init__(self) -> None:
        execution = current()
        assert execution is not None
        self.execution = execution
        self.label = execution.label(self)
        self.owner: Task | None = None

    def __hash__(self) -> int:
        return self.label  # the same in every replay, so that a set of them keeps its order

    def state(self) -> Any:
        return self.owner

    def free(self) -> bool:
        return self.owner is None

    def take(self) -> None:
        self.owner = self.execution.task

    def give_back(self) -> None:
        if self.owner is None:
            raise RuntimeError("release unlocked lock")
        self.owner = None

    def held(self) -> bool:
        """Is it held, as a condition sees it? A plain lock does not know by whom."""
        return self.owner is not None

    def give_away(self) -> int:
        """Release it altogether; returns how many times it was acquired."""
        self.owner = None
        return 1

    def take_back(self, count: int) -> None:
        """Acquire it again, as often as it was before `give_away`."""
        self.owner = self.execution.task

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if not blocking:
            if timeout != -1:
                raise ValueError("can't specify a timeout for a non-blocking call")
            operation: Operation = _TryAcquire(self)
        elif timeout == -1:
            operation = _Acquire(self)
        elif timeout < 0:
            raise ValueError("timeout value must be a non-negative number")
        else:
            in_time = timeout and current() is not None
            operation = _AcquireInTime(self, timeout=timeout) if in_time else _TryAcquire(self)
        got: bool = self.execution.step(operation)
        return got

    def release(self) -> None:
        self.execution.step(_Release(self))

    def locked(self) -> bool:
        locked: bool = self.execution.step(_Locked(self))
        return locked

    def __enter__(self) -> bool:
        got: bool = self.execution.step(_Acquire(self))
        return got

    def __exit__(self, *_: Any) -> None:
        self.execution.step(_Release(self))

    def __repr__(self) -> str:
        state = "unlocked" if self.owner is None else "locked"
        return f"<{state} {self._called} object{self._more()} at {id(self):#x}>"

    def _more(self) -> str:
        return ""

    def __reduce_ex__(self, _: Any) -> NoReturn:
        raise TypeError(f"cannot pickle '{self._called}' object")

    acquire_lock, release_lock, locked_lock = acquire, release, locked  # as it was called long ago


class RLock(Lock):
    """What `threading.RLock()` gives during a search.

    Attributes:
        count: how many times its owner has acquired it.
    """

    __slots__ = ("count",)
    _called = "_thread.RLock"

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def state(self) -> Any:
        return self.owner, self.count

    def _more(self) -> str:
        return f" owner={self.owner.ident if self.owner else 0} count={self.count}"

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        if self.owner is self.execution.task and blocking and (timeout == -1 or timeout >= 0):
            again: bool = self.execution.step(_AcquireAgain(self))
            return again
        return super().acquire(blocking, timeout)

    __enter__ = acquire

    # What CPython's own conditions ask of it, where they are run as they are.

    def _is_owned(self) -> bool:
        return self.held()

    def _release_save(self) -> int:
        count: int = self.execution.step(_ReleaseAll(self))
        return count

    def _acquire_restore(self, count: int) -> None:
        self.execution.step(_Acquire(self))
        self.count = count

    def free(self) -> bool:
        return self.owner is None or self.held()

    def take(self) -> None:
        self.owner = self.execution.task
        self.count += 1

    def give_back(self) -> None:
        if not self.held():
            raise RuntimeError("cannot release un-acquired lock")
        self.count -= 1
        if not self.count:
            self.owner = None

    def held(self) -> bool:
        return self.owner is self.execution.task

    def give_away(self) -> int:
        count, self.count, self.owner = self.count, 0, None
        return count

    def take_back(self, count: int) -> None:
        super().take_back(count)
        self.count = count

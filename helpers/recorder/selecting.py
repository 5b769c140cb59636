"""`select` and `selectors`: waiting for any of several pipes or sockets, as asyncio does."""

from __future__ import annotations

from . import fileformat
from .io import called_from_inside
from .patching import replace, same_face
from .tape import record

TYPE_CHECKING = False  # `typing` costs more to import than all of the recorder
if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

WAIT, GOT = fileformat.WAIT << 56 | fileformat.PIPE, fileformat.GOT << 56 | fileformat.PIPE


def install(selectors: Any) -> None:
    """Patch the module `selectors`."""
    for name in ("SelectSelector", "PollSelector", "EpollSelector", "DevpollSelector", "KqueueSelector"):
        cls = getattr(selectors, name, None)
        if cls is not None:
            _selector(cls)


def _selector(cls: Any) -> None:
    original = cls.select

    def select(self: Any, timeout: float | None = None) -> Any:
        ready = original(self, 0)  # a look, no wait
        if ready or (timeout is not None and timeout <= 0):
            return ready
        return _waiting(original, self, timeout)

    replace(cls, "select", same_face(select, original))


def _waiting(call: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
    record(WAIT)
    try:
        return call(*args, **kwargs)
    finally:
        record(GOT)


def select(module: Any) -> None:
    """Patch the module `select`."""
    original = module.select

    def select(*arguments: Any) -> Any:
        if (len(arguments) > 3 and _is_a_look(arguments[3])) or called_from_inside():
            return original(*arguments)
        return _waiting(original, *arguments)

    replace(module, "select", same_face(select, original))
    if hasattr(module, "poll"):
        _polling(module)
    if hasattr(module, "epoll"):
        _object(module, "epoll", "poll", _epoll_waits)
    if hasattr(module, "kqueue"):
        _object(module, "kqueue", "control", _kqueue_waits)


def _is_a_look(timeout: Any) -> bool:
    """Whether nobody waits: a timeout of 0, or a bad one."""
    return timeout is not None and not (isinstance(timeout, (int, float)) and timeout > 0)


def _epoll_waits(timeout: Any = None, maxevents: Any = -1) -> bool:
    # Below 0 it means none, as for poll().
    return not _is_a_look(timeout) or (isinstance(timeout, (int, float)) and timeout < 0)


def _kqueue_waits(changes: Any, most: Any, timeout: Any = None) -> bool:
    return bool(most) and not _is_a_look(timeout)


def _polling(module: Any) -> None:
    original = module.poll

    class Poll:
        """What poll() returns cannot be patched, and so is wrapped."""

        __slots__ = ("_inner", "modify", "register", "unregister")

        def __init__(self) -> None:
            self._inner = inner = original()
            self.register, self.modify, self.unregister = inner.register, inner.modify, inner.unregister

        def poll(self, *arguments: Any) -> Any:
            if arguments and arguments[0] != -1 and _is_a_look(arguments[0]):
                return self._inner.poll(*arguments)
            return _waiting(self._inner.poll, *arguments)

    def poll(*arguments: Any) -> Any:
        return original(*arguments) if arguments or called_from_inside() else Poll()

    replace(module, "poll", same_face(poll, original))


def _object(module: Any, name: str, method: str, waits: Callable[..., Any]) -> None:
    """Replace a class of C that has no subclasses by one whose objects stand before those of the other."""
    bare = getattr(module, name)

    class Kind(type):
        def __instancecheck__(cls, made: object) -> bool:
            return isinstance(made, bare)

    class Before(metaclass=Kind):
        __slots__ = ("_inner",)
        __class__ = property(lambda self: bare)
        _inner: Any

        def __new__(cls, *args: Any, **kwargs: Any) -> Any:
            inner = bare(*args, **kwargs)
            return inner if called_from_inside() else cls._around(inner)

        @classmethod
        def _around(cls, inner: Any) -> Before:
            self: Before = object.__new__(cls)
            self._inner = inner
            return self

        @classmethod
        def fromfd(cls, *arguments: Any) -> Any:
            return cls._around(bare.fromfd(*arguments))

        def __getattr__(self, name: str) -> Any:
            return getattr(self._inner, name)

        def __enter__(self) -> Before:
            self._inner.__enter__()
            return self

        def __exit__(self, *exception: object) -> None:
            self._inner.__exit__(*exception)

        def __reduce__(self) -> Any:
            raise TypeError(f"cannot pickle '{bare.__module__}.{bare.__name__}' object")

        def __repr__(self) -> str:
            return repr(self._inner)

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        inner = getattr(self._inner, method)
        try:
            blocks = waits(*args, **kwargs)
        except TypeError:
            blocks = False  # so does the call below
        return _waiting(inner, *args, **kwargs) if blocks else inner(*args, **kwargs)

    setattr(Before, method, same_face(call, getattr(bare, method)))
    replace(module, name, same_face(Before, bare))

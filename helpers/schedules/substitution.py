"""Puts the models in the places of the real primitives, for explored threads only, and takes them out again.

The classes of Python (Thread, Event, Queue …) stay; their methods are replaced by ones that ask, at every
call, whether the calling thread is explored. So a class that was imported before, or is subclassed, is the
same as ever; and all other threads, such as those of a notebook's kernel, get what they always get. What is
made in C (Lock, `time.sleep` …) cannot be changed like that: there the name in its module is bound to
something that asks, and so are the names by which the program itself knows it.
"""

from __future__ import annotations

import _thread
import functools
import queue
import sys
import threading
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from concurrent import futures as concurrent_futures
from concurrent.futures import _base
from contextlib import contextmanager
from types import (
    BuiltinMethodType,
    CodeType,
    FunctionType,
    MappingProxyType,
    MethodType,
    ModuleType,
    SimpleNamespace,
)
from typing import Any, NamedTuple

from helpers.schedules import workers
from helpers.schedules.earlier import made_before
from helpers.schedules.execution import current
from helpers.schedules.model import (
    barriers,
    clock,
    conditions,
    events,
    futures,
    locks,
    pools,
    queues,
    semaphores,
    threads,
)
from helpers.schedules.model.primitives import Methods, by_number
from helpers.schedules.reaching import installed_package, is_own

_METHODS: list[Methods] = [
    {threading.Thread: threads.METHODS, threading.Timer: threads.TIMER},
    events.METHODS,
    conditions.METHODS,
    semaphores.METHODS,
    barriers.METHODS,
    queues.METHODS,
    futures.METHODS,
    pools.METHODS,
]

_FUNCTIONS: list[tuple[ModuleType, dict[str, Any]]] = [
    (
        threading,
        {
            "Lock": locks.Lock,
            "RLock": locks.RLock,
            "_allocate_lock": locks.Lock,
            "_CRLock": locks.RLock,
            **threads.FUNCTIONS,
        },
    ),
    (_thread, threads.BARE),
    (time, clock.FUNCTIONS),
    (queue, {"SimpleQueue": queues.SimpleQueue}),
    (_base, futures.FUNCTIONS),
]

# Where the standard library itself has some of these under names of its own. The locks stay in `_thread`:
# `import` takes its own from there, and they are none of the program's.
_MODULES = (threading, queue, concurrent_futures, functools)

# Objects that are looked into besides those of the program's own classes.
_HOLDERS = (*(kind for methods in _METHODS for kind in methods), SimpleNamespace)

# Callables that stand for another one.
_WRAPPERS = (MethodType, staticmethod, classmethod, property, functools.partial)

# Looked into at most, in search of names to be rebound.
_MOST_OBJECTS = 10_000

_MADE_IN_C = (*locks.REAL, queue.SimpleQueue)


class _Needs(NamedTuple):
    """What a program needs besides the models.

    Attributes:
        insides: it uses the lock and the conditions that a queue consists of.
        fresh_threads: it has a `threading.local` that was made before.
    """

    insides: bool = False
    fresh_threads: bool = False


class _Place(NamedTuple):
    """Where something was replaced: `put(owner, key, value)` puts, and `look(owner, key)` looks."""

    look: Callable[[Any, Any], Any]
    put: Callable[[Any, Any, Any], Any]
    owner: Any
    key: Any
    old: Any
    new: Any


def _look_at_item(owner: Any, key: Any) -> Any:
    return owner.get(key) if isinstance(owner, dict) else owner[key]


def _put_item(owner: Any, key: Any, value: Any) -> None:
    owner[key] = value


def _put_attribute(owner: Any, key: str, value: Any) -> None:
    if value is None:  # it had none of its own
        delattr(owner, key)
    else:
        setattr(owner, key, value)


def _look_at_attribute(owner: Any, key: str) -> Any:
    # Not what `getattr` makes of it: a function, and no bound method; a property, and not its value.
    return vars(owner).get(key)


def _look_at_slot(owner: Any, key: str) -> Any:
    try:
        return getattr(owner, key)
    except (AttributeError, ValueError):  # the latter from an empty cell
        return None


_places: list[_Place] = []
_stand_ins: dict[int, Any] = {}  # what stands in a module in place of what was there, by the `id` of that
_users: dict[object, _Needs] = {}  # who wants the models to be in place, and what else for
_changing = _thread.allocate_lock()


@contextmanager
def substituted(functions: Iterable[FunctionType] = ()) -> Iterator[None]:
    """Have the models in place while the context lasts. Contexts may overlap; the last to end puts all back.

    Args:
        functions: those of the program, or those from which one comes to all others. Where a variable of
            theirs is bound to something that is replaced, such as by `from time import sleep`, it is bound to
            what takes its place.
    """
    user = object()
    try:
        with _changing:
            _users[user] = _Needs()
            if not _places:
                _replace_primitives()
            _users[user] = _rebind(functions)
            _provide()
        yield
    finally:
        _finish(user)


def _finish(user: object) -> None:
    """A context has ended. An interrupt that comes meanwhile is raised when all is done."""
    interrupt: BaseException | None = None
    while True:
        try:
            with _changing:
                _users.pop(user, None)
                _provide()
                if not _users:
                    _put_back()
            break
        except KeyboardInterrupt as error:
            interrupt = error
    if interrupt is not None:
        raise interrupt


def _provide() -> None:
    queues.Insides.used = any(needs.insides for needs in _users.values())
    reused = sys.version_info < (3, 13) or not any(needs.fresh_threads for needs in _users.values())
    if workers.reused and not reused:
        workers.dismiss_idle()
    workers.reused = reused


def _put_back() -> None:
    _stand_ins.clear()
    while _places:
        # Taken off the list only when it is done: an interrupt may come in between.
        place = _places[-1]
        if place.look(place.owner, place.key) is place.new:  # otherwise the program itself has set it since
            place.put(place.owner, place.key, place.old)
        _places.pop()


def _replace(look: Any, put: Any, owner: Any, key: Any, old: Any, new: Any) -> None:
    _places.append(_Place(look, put, owner, key, old, new))
    put(owner, key, new)


def _replace_primitives() -> None:
    for methods in _METHODS:
        for owner, models in methods.items():
            for name, model in models.items():
                real = vars(owner)[name]
                _replace(_look_at_attribute, setattr, owner, name, real, _either(model, real))
            _replace(_look_at_attribute, _put_attribute, owner, "__hash__", None, by_number)
    for module, models in _FUNCTIONS:
        for name, model in models.items():
            real = vars(module)[name]
            _replace(_look_at_attribute, setattr, module, name, real, _either(model, real))
    _stand_ins.update({id(place.old): place.new for place in _places if isinstance(place.owner, ModuleType)})
    for module in _MODULES:
        for name, value in list(vars(module).items()):
            if id(value) in _stand_ins:
                _replace(_look_at_attribute, setattr, module, name, value, _stand_ins[id(value)])


def stand_in(function: Any) -> Any:
    """What an explored thread is to call in place of something real that it has come by; else None."""
    return _stand_ins.get(id(function))


def refuse_real(primitive: Any) -> None:
    """End the search if an explored thread uses a lock or a queue of C: it was not made in the scenario."""
    # By its type: `isinstance` may run code of the program's own.
    if issubclass(type(primitive), _MADE_IN_C) and (execution := current()) is not None:
        made_before(execution, primitive, _kind(primitive))


# --- what decides, at every call -------------------------------------------------------------------------


def _either(model: Any, real: Any) -> Any:
    """What takes the place of `real`: it behaves like `model` in explored threads only."""
    if isinstance(model, property):
        return property(_either(model.fget, real.fget), real.fset, real.fdel, real.__doc__)
    if isinstance(real, type):
        return _Face(real.__name__, (), {"real": real, "model": model, "__doc__": real.__doc__})

    @functools.wraps(real)
    def either(*args: Any, **kwargs: Any) -> Any:
        return (real if current() is None else model)(*args, **kwargs)

    # A function of C that a program keeps in a class is not bound to the instance.
    return either if isinstance(real, FunctionType) else staticmethod(either)


class _Face(type):
    """A class whose calls make objects of one of two classes."""

    real: type
    model: type

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        return (cls.real if current() is None else cls.model)(*args, **kwargs)

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, cls.real | cls.model)

    def __getattr__(cls, name: str) -> Any:
        return getattr(cls.real, name)

    def __repr__(cls) -> str:
        return repr(cls.real)


# --- names by which the program knows what was replaced --------------------------------------------------


def _rebind(functions: Iterable[FunctionType]) -> _Needs:
    """Let the program's variables be bound to what takes the place of what they are bound to."""
    rebinding = _Rebinding(dict(_stand_ins))
    for function in functions:
        rebinding.function(function)
    rebinding.libraries()
    return _Needs(not queues.INSIDES.isdisjoint(rebinding.names), rebinding.locals)


class _Rebinding:
    """Goes through what the functions of a program can reach by a variable.

    Locks and queues that are found there were made before the scenario began: what stands in for them tells
    so when it is used.
    """

    def __init__(self, stand_ins: dict[int, Any]) -> None:
        self.stand_ins = stand_ins
        self.seen: dict[int, Any] = {}
        self.names: set[str] = set()  # of variables and attributes that the program uses
        self.locals = False  # whether it has a `threading.local`
        self.packages: dict[str, None] = {}  # installed ones, that it uses

    def function(self, function: FunctionType) -> None:
        if not self.first(function):
            return
        variables = function.__globals__
        names = _names(function.__code__)
        self.names |= names
        for name in names & variables.keys():
            self.value(_look_at_item, _put_item, variables, name, variables[name])
        for name in names & sys.modules.keys():  # it may import them itself
            self.inside(sys.modules[name])
        for cell in function.__closure__ or ():
            self.value(_look_at_slot, setattr, cell, "cell_contents", _look_at_slot(cell, "cell_contents"))
        self.defaults(function, self.new)
        self.items(function.__kwdefaults__ or {})

    def value(self, look: Any, put: Any, owner: Any, key: Any, value: Any) -> None:
        """Replace what is at a place, or look into it."""
        new = self.new(value)
        if new is not value:
            _replace(look, put, owner, key, value, new)
        else:
            self.inside(value)

    def inside(self, value: Any) -> None:
        """Look into what a variable is bound to."""
        if isinstance(value, threading.local):
            self.locals = True
        elif isinstance(value, FunctionType):
            if is_own(value.__code__.co_filename):
                self.function(value)
            else:
                self.decorated(value)
        elif isinstance(value, dict | list):
            self.items(value)
        elif isinstance(value, tuple | set | frozenset):
            if self.first(value):
                for each in value:
                    self.inside(each)
        elif isinstance(value, functools.cached_property):
            self.inside(value.func)
            lock = getattr(value, "lock", None)  # until 3.11
            if lock is not None and self.first(value):
                _replace(_look_at_slot, setattr, value, "lock", lock, _LockOfClass(lock, value.attrname))
        elif isinstance(value, type):
            self.namespace(value)
        elif isinstance(value, ModuleType):
            if is_own(getattr(value, "__file__", None) or "<frozen>") and self.first(value):
                for name in self.names & vars(value).keys():
                    self.value(_look_at_attribute, setattr, value, name, vars(value)[name])
            self.library(value.__name__)
        elif isinstance(value, _WRAPPERS):
            for name in ("__func__", "__self__", "__wrapped__", "func", "args", "keywords", "fget", "fset"):
                self.inside(getattr(value, name, None))
        elif hasattr(value, "__dict__") and (_own(type(value)) or isinstance(value, _HOLDERS)):
            self.namespace(type(value))
            self.items(vars(value))
        else:
            self.library(type(value).__module__)

    def items(self, container: dict[Any, Any] | list[Any]) -> None:
        if not self.first(container):
            return
        if isinstance(container, defaultdict):
            factory = container.default_factory
            self.value(_look_at_slot, setattr, container, "default_factory", factory)
        pairs = container.items() if isinstance(container, dict) else enumerate(container)
        for key, value in list(pairs):
            self.value(_look_at_item, _put_item, container, key, value)

    def namespace(self, kind: type) -> None:
        """Look into a class of the program."""
        if not _own(kind):
            self.library(kind.__module__)
            return
        if not self.first(kind):
            return
        for base in kind.__mro__[1:]:
            self.namespace(base)
        for name, value in list(vars(kind).items()):
            self.value(_look_at_attribute, setattr, kind, name, value)

    def library(self, module: object) -> None:
        """The program uses something of a module, by its name; maybe it is of an installed package."""
        if isinstance(module, str) and (package := installed_package(module)):
            self.packages[package] = None

    def decorated(self, function: FunctionType) -> None:
        """Look into a function of a package, such as a decorator has made of one of the program."""
        self.library(function.__module__)
        for cell in function.__closure__ or ():
            value = _look_at_slot(cell, "cell_contents")
            self.rebind(_look_at_slot, setattr, cell, "cell_contents", value)
            if type(value).__module__ != "builtins" and hasattr(value, "__dict__"):
                self.library(type(value).__module__)
                for name, each in list(vars(value).items()):
                    self.rebind(_look_at_item, _put_item, vars(value), name, each)

    def libraries(self) -> None:
        """Rebind what the packages that the program uses have under names of their own, or as defaults."""
        done: set[str] = set()
        while left := self.packages.keys() - done:
            done |= left
            for name, module in list(sys.modules.items()):
                if name.partition(".")[0] in left and isinstance(module, ModuleType):
                    for key, value in list(vars(module).items()):
                        self.rebind(_look_at_item, _put_item, vars(module), key, value)
                        self.of_module(module, value)

    def of_module(self, module: ModuleType, value: Any) -> None:
        """Look into a variable of a package's module."""
        # By its type: some packages have proxies as variables, which are not to be asked anything.
        kind = type(value)
        if issubclass(kind, ModuleType):
            self.library(value.__name__)
        elif kind is FunctionType or issubclass(kind, type):
            if value.__module__ != module.__name__:
                self.library(value.__module__)
                return
            for each in vars(value).values() if issubclass(kind, type) else (value,):
                if type(each) is FunctionType:
                    self.defaults(each, self.stand_in)
                    for name, default in (each.__kwdefaults__ or {}).items():
                        self.rebind(_look_at_item, _put_item, each.__kwdefaults__, name, default)

    def rebind(self, look: Any, put: Any, owner: Any, key: Any, value: Any) -> None:
        """Replace a function of a package, if something stands in for it."""
        if (new := self.stand_in(value)) is not value:
            _replace(look, put, owner, key, value, new)

    def stand_in(self, value: Any) -> Any:
        """What stands in for a function such as `Lock`, if anything; a lock that a package has stays real."""
        return self.stand_ins.get(id(value), value) if callable(value) else value

    def defaults(self, function: FunctionType, new: Callable[[Any], Any]) -> None:
        """Rebind the defaults of a function to what is `new` for them."""
        before = function.__defaults__ or ()
        after = tuple(map(new, before))
        if any(one is not other for one, other in zip(after, before, strict=True)):
            _replace(_look_at_slot, setattr, function, "__defaults__", before, after)

    def new(self, value: Any) -> Any:
        if isinstance(value, _MADE_IN_C):
            return self.stand_ins.setdefault(id(value), _MadeBefore(value))
        if isinstance(value, functools.partial) and id(value.func) in self.stand_ins:
            return functools.partial(self.stand_ins[id(value.func)], *value.args, **value.keywords)
        if isinstance(value, BuiltinMethodType) and isinstance(value.__self__, _MADE_IN_C):
            return functools.partial(self.new(value.__self__).call, value.__name__)
        # A named tuple is made of its values one by one.
        make = type(value) if type(value) in (tuple, frozenset) else getattr(type(value), "_make", None)
        if make is not None and isinstance(value, tuple | frozenset) and id(value) not in self.stand_ins:
            self.stand_ins[id(value)] = value  # meanwhile: it may hold itself
            items = [self.new(each) for each in value]
            if any(new is not old for new, old in zip(items, value, strict=True)):
                self.stand_ins[id(value)] = make(items)
        if type(value) is MappingProxyType and id(value) not in self.stand_ins:
            self.stand_ins[id(value)] = value
            pairs = {key: self.new(each) for key, each in value.items()}
            if any(pairs[key] is not each for key, each in value.items()):
                self.stand_ins[id(value)] = MappingProxyType(pairs)
        return self.stand_ins.get(id(value), value)

    def first(self, about: Any) -> bool:
        """Is this met for the first time?"""
        if id(about) in self.seen or len(self.seen) > _MOST_OBJECTS:
            return False
        self.seen[id(about)] = about
        return True


def _own(kind: type) -> bool:
    """Is a class one of the program?"""
    module = sys.modules.get(kind.__module__)
    return (
        is_own(getattr(module, "__file__", None) or f"{kind.__module__}.py") and kind.__module__ != "builtins"
    )


def _names(code: CodeType) -> set[str]:
    """The names of the global variables, and of attributes, that a function and those inside it use."""
    names = set(code.co_names)
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            names |= _names(constant)
    return names


def _kind(primitive: Any) -> str:
    return "Lock" if isinstance(primitive, locks.REAL) else "SimpleQueue"


class _LockOfClass:
    """Stands for a lock that is made with a class and not with its objects: each schedule has its own."""

    def __init__(self, real: Any, name: str | None) -> None:
        self._real = real
        self._name = name
        self._mine: _Named | None = None

    def _lock(self) -> Any:
        execution = current()
        if execution is None:
            return self._real
        if self._mine is None or self._mine.execution is not execution:
            self._mine = _Named(f"lock of {self._name}")
        return self._mine

    def __enter__(self) -> Any:
        return self._lock().__enter__()

    def __exit__(self, *exception: Any) -> Any:
        return self._lock().__exit__(*exception)


class _Named(locks.RLock):
    """A lock that the program has no name for."""

    __slots__ = ("shown_name",)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.shown_name = name


class _MadeBefore:
    """Stands for a lock or a queue of C that was made before the scenario began."""

    __slots__ = ("_real",)

    def __init__(self, real: Any) -> None:
        self._real = real

    def _use(self) -> Any:
        if (execution := current()) is not None:
            made_before(execution, self, _kind(self._real))
        return self._real

    def call(self, name: str, *args: Any, **kwargs: Any) -> Any:
        """Call a method of it."""
        return getattr(self._use(), name)(*args, **kwargs)

    def __enter__(self) -> Any:
        return self._use().__enter__()

    def __exit__(self, *exception: Any) -> Any:
        return self._use().__exit__(*exception)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._use(), name)

    def __repr__(self) -> str:
        return repr(self._real)

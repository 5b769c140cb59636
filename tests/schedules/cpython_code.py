"""CPython's own code of the primitives, to be explored itself: on nothing but modelled locks and threads."""

from __future__ import annotations

import importlib.util
import inspect
import queue
import sys
import threading
from concurrent.futures import _base, thread
from pathlib import Path
from types import ModuleType

_HEAD = """
import collections
import itertools
import logging
import os
import queue as real_queue
import threading as real_threading
import time as real_time
import types
import weakref
from _weakrefset import WeakSet
from collections import deque, deque as _deque
from concurrent.futures._base import (
    ALL_COMPLETED, CANCELLED, CANCELLED_AND_NOTIFIED, FINISHED, FIRST_COMPLETED, FIRST_EXCEPTION, PENDING, RUNNING,
    BrokenExecutor, CancelledError, DoneAndNotDoneFutures, InvalidStateError, LOGGER, _AS_COMPLETED,
    _STATE_TO_DESCRIPTION_MAP,
)
from concurrent.futures.thread import BrokenThreadPool
from contextlib import nullcontext
from heapq import heappop, heappush
from itertools import islice
from queue import Empty, Full
from threading import BrokenBarrierError

ShutDown = getattr(real_queue, "ShutDown", None)


def Lock():
    return real_threading.Lock()


def RLock():
    return real_threading.RLock()


def _time():
    return real_time.monotonic()


_allocate_lock = Lock
"""

_MIDDLE = """

class threading:
    Lock = staticmethod(Lock)
    RLock = staticmethod(RLock)
    Condition = Condition
    Event = Event
    Semaphore = Semaphore
    Thread = real_threading.Thread


class time:
    monotonic = staticmethod(_time)

    def __new__(cls):
        return _time()

"""

_POOLS = """

class queue:
    SimpleQueue = _PySimpleQueue
    Empty = Empty


class _base:
    Future = Future
    Executor = Executor
    LOGGER = LOGGER


class _Forgetful:
    def __setitem__(self, key, value):
        pass


_shutdown = False
_global_shutdown_lock = nullcontext()
_threads_queues = _Forgetful()

"""


def cpython_code(folder: Path) -> ModuleType:
    """A module, written to `folder`, with the classes of `threading`, `queue` and `concurrent.futures`."""
    parts = [_HEAD]
    for name in ("Condition", "Semaphore", "BoundedSemaphore", "Event", "Barrier"):
        parts.append(inspect.getsource(getattr(threading, name)))
    parts.append(_MIDDLE)
    for name in ("Queue", "PriorityQueue", "LifoQueue", "_PySimpleQueue"):
        parts.append(inspect.getsource(getattr(queue, name)))
    for name, value in vars(_base).items():
        if name.startswith("_") and inspect.isclass(value) and value.__module__ == _base.__name__:
            parts.append(inspect.getsource(value))
    for name in ("_create_and_install_waiters", "_yield_finished_futures", "as_completed", "wait"):
        parts.append(inspect.getsource(getattr(_base, name)))
    for name in ("_result_or_cancel", "Future", "Executor"):
        parts.append(inspect.getsource(getattr(_base, name)))
    parts.append(_POOLS)
    for name in ("WorkerContext", "_WorkItem", "_worker", "ThreadPoolExecutor"):
        if hasattr(thread, name):
            parts.append(inspect.getsource(getattr(thread, name)))
    path = folder / "cpython_code.py"
    path.write_text("\n\n".join(parts), encoding="utf-8")
    spec = importlib.util.spec_from_file_location("cpython_code", path)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["cpython_code"] = module
    spec.loader.exec_module(module)
    return module

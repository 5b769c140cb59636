"""What a notebook's cells made or imported before the recording began, as far as their names can be reached.

A lock of C says nothing of itself. Where a name, or an item of a list or dictionary, or an attribute of
an object is such a lock, a recorded lock around the same one takes its place for the time of the
recording: whoever else has the bare one still shares it.
"""

from __future__ import annotations

import _thread

from . import tape
from .locks import Lock, RLockBefore
from .patching import rebind, replacements

TYPE_CHECKING = False  # `typing` costs more to import than all of the recorder
if TYPE_CHECKING:
    from collections.abc import Iterator
    from typing import Any

_MOST = 1000  # nobody looks for a lock among more


def install(namespaces: list[dict[str, Any]]) -> None:
    """Have names in these global namespaces mean what records, until `put_back`."""
    functions = replacements()  # from threading import Lock; from time import sleep
    locks: dict[int, Lock | RLockBefore] = {}  # one lock may have several names
    for namespace in namespaces:
        for name, value in list(namespace.items()):
            if id(value) in functions:
                rebind(namespace, name, functions[id(value)])
        for container, key, name in list(_places(namespace)):
            bare = container[key]
            if type(bare) in (_thread.LockType, _thread.RLock):
                if id(bare) not in locks:
                    kind = "Lock" if type(bare) is _thread.LockType else "RLock"
                    number = tape.define(kind, name)
                    locks[id(bare)] = (Lock.around if kind == "Lock" else RLockBefore)(bare, number)
                rebind(container, key, locks[id(bare)])


def _places(namespace: dict[str, Any]) -> Iterator[tuple[Any, Any, str]]:
    """Where a lock may be: as container, key, and what the program calls it."""
    for name, value in list(namespace.items()):
        yield namespace, name, name
        if name.startswith("_"):
            continue  # among them the notebook's own records of its cells
        if type(value) is list and len(value) <= _MOST:
            yield from ((value, at, f"{name}[{at}]") for at in range(len(value)))
        elif type(value) is dict and len(value) <= _MOST:
            yield from ((value, key, f"{name}[{key!r}]") for key in value)
        elif type(value).__module__ == namespace.get("__name__") and type(value).__dictoffset__:
            attributes = object.__getattribute__(value, "__dict__")
            yield from ((attributes, key, f"{name}.{key}") for key in attributes)

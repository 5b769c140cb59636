"""Modules that a scenario imports first.

A module's code runs once in a process, so it would run in the first schedule and in no other, and what it
makes would belong to that one: but a lock of a module is to last. So it is imported as if the program had
done so before the search, which begins anew. All schedules then find it imported, and its functions are
followed as any others.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from contextlib import suppress
from importlib.util import resolve_name
from typing import Any, NamedTuple

from helpers.schedules.execution import current
from helpers.schedules.workers import not_explored

# Finds what the program can come to now. Set while rewriting is on.
_look_again: Callable[[], Any] | None = None


def begin(look_again: Callable[[], Any] | None) -> None:
    """From now on, `look_again` is called when a module was imported."""
    global _look_again
    _look_again = look_again


class Wanted(NamedTuple):
    """What an import statement asks for.

    Attributes:
        module, level: ``from ..module import …`` is of level 2.
        names: what is imported from it; none for ``import module``.
    """

    module: str
    names: tuple[str, ...] = ()
    level: int = 0


def about_to_import(wanted: Wanted) -> None:
    """An import statement is about to run."""
    if current() is not None:
        _import(wanted, sys._getframe(1).f_globals)


def by_function(name: str, package: str | None = None) -> None:
    """`importlib.import_module` is about to be called."""
    module = name.lstrip(".")
    _import(Wanted(module, level=len(name) - len(module)), {"__package__": package})


def _import(wanted: Wanted, variables: dict[str, Any]) -> None:
    execution = current()
    assert execution is not None
    module, names, level = wanted
    with suppress(Exception):  # the program's own import, which comes next, fails likewise
        package = variables.get("__package__") or variables.get("__name__")
        whole = resolve_name("." * level + module, package) if level else module
        if _is_there(whole, names):
            return
        with not_explored():
            __import__(module, variables, None, names, level)
            if _look_again is not None:
                _look_again()
        execution.search.met([("imported", whole)])


def _is_there(name: str, names: tuple[str, ...]) -> bool:
    module = sys.modules.get(name)
    if module is None:
        return False
    if "__path__" not in vars(module):
        return True  # it has no modules within
    return all(each in vars(module) or f"{name}.{each}" in sys.modules for each in names)

"""How rewritten code says what it is about to touch.

Just before it touches data that another thread may touch too, it calls a function of `by_name`, `by_key` or
`as_a_whole`, or for a call one of `calls`. Each is told what comes next, reports it to the execution that the
calling thread belongs to, and returns at once; the access itself is then made by the program's own code, in
its own frame, so that exceptions, tracebacks and evaluation are what they were. In a thread that is not
explored nothing happens.

Since no other thread can run between the report and the access, what is going to be read is looked up then
as well, for the story of a schedule (`Execution.saw`); what was written is looked up when it has been.
"""

from __future__ import annotations

import itertools
import sys
import weakref
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from helpers.schedules.containers import Place, Variables, is_record
from helpers.schedules.execution import Execution, Site, current
from helpers.schedules.reaching import is_ours
from helpers.schedules.spinning import Loop


class Spot:
    """A place in the program where data is touched, with all about it that does not change.

    Attributes:
        site: file, line and column.
        key: name of the attribute or variable.
        name: what is touched, as the program writes it: ``"counter"``.
        reads: the access in words, should it be a read: ``"read counter"``.
        writes: the same for a write.
        how: how attributes of `type` are found; what was looked up last.
    """

    __slots__ = ("how", "key", "name", "reads", "site", "type", "writes")

    def __init__(self, site: Site, key: str, name: str) -> None:
        self.site = site
        self.key = key
        self.name = name
        self.reads = f"read {name}"
        self.writes = f"write {name}"
        self.type: type | None = None
        self.how = 0


_variables: dict[int, Variables] = {}


def variables_of(names: dict[str, Any]) -> Variables:
    """The one `Variables` for a module's namespace."""
    known = _variables.get(id(names))
    if known is None:
        known = _variables[id(names)] = Variables(names)
    return known


# --- reporting -------------------------------------------------------------------------------------------


def report(execution: Execution, places: Sequence[Place], write: int, spot: Spot) -> bool:
    """Say that places are touched, in one step; `write` says how, as in `containers`.

    Returns whether it was one, so that others had their chance.
    """
    if _owners:
        places = [_owned(*place) for place in places]
    if len(places) == 1:
        ((about, key),) = places
        return bool(execution.access(about, key, write, spot.site, spot.writes if write else spot.reads))
    if not places:
        return False
    stepped = bool(execution.access_all(places, write, spot.site, spot.writes if write else spot.reads))
    if stepped and (record := _in_parts(execution, places, write)):
        verb = "sets" if write else "looks at"
        in_one_step(execution, f"{record} {verb} its fields one after the other: {IN_PARTS}", spot)
    return stepped


IN_PARTS = "others may come in between, and here it is one step"


def in_one_step(execution: Execution, what: str, spot: Spot) -> None:
    """Note what takes CPython several steps and was one here, unless a lock keeps the others away."""
    if execution.others_could_come_between():
        execution.cannot_follow(what, spot.site)


def _in_parts(execution: Execution, places: Sequence[Place], write: int) -> str:
    """The data class whose fields are among these places, if others meet more than one of them there."""
    records = [type(about).__name__ for about, key in places if type(key) is str and is_record(type(about))]
    if not records:
        return ""
    met = {
        (id(about), key if type(key) is str else None)
        for about, key in places
        if execution.meets_in_parallel(about, key, write)
    }
    return records[0] if len(met) > 1 else ""


# A write that is made by now: an execution, and how to look up the new value.
_written: tuple[Execution, Callable[..., Any], tuple[Any, ...]] | None = None


def will_have_written(execution: Execution, look: Callable[..., Any], *about: Any) -> None:
    """A write has been announced, and `look` gives the new value when it has been made."""
    global _written
    _written = execution, look, about


def finished() -> None:
    """A statement that stores something is over: what was written can be seen."""
    global _written
    if _written is not None:
        (execution, look, args), _written = _written, None
        try:
            value = look(*args)
        except Exception:
            return  # the write failed, and left nothing to be seen
        execution.saw(value)


# --- dictionaries that are somebody's attributes ---------------------------------------------------------

# An instance's `__dict__` by its id: itself, and what says whose it is, as long as that is there.
_owners: dict[int, tuple[Any, Callable[[], Any]]] = {}


def belongs_to(names: dict[str, Any], whose: Any) -> None:
    """Somebody has the dictionary with an object's attributes, or a module's variables."""
    if type(whose).__weakrefoffset__:
        _owners[id(names)] = names, weakref.ref(whose, partial(_owners.pop, id(names)))
    else:
        _owners[id(names)] = names, partial(_itself, whose)


def _itself(whose: Any) -> Any:
    return whose


def is_taken(names: dict[str, Any]) -> bool:
    """Whether somebody has this dictionary."""
    return id(names) in _owners


def forget_owners() -> None:
    """Forget whose the dictionaries were, and what was about to be written."""
    global _written
    _written = None
    _owners.clear()


def _owned(about: Any, key: Any) -> Place:
    """The place of an attribute, where an access is to an item of the object's `__dict__`."""
    known = _owners.get(id(about))
    if known is None:
        return about, key
    return known[1](), key[0] if type(key) is tuple else key


# --- loops and gaps ---------------------------------------------------------------------------------------


def progress(spot: Spot, finite: bool, loop: Loop | None = None) -> bool:
    """One more turn of a `for` begins, or of a comprehension, which is known by nothing.

    Args:
        finite: whether it is one over a `range`.
    """
    execution = current()
    if execution is not None:
        execution.progress(sys._getframe(1), spot.site, loop, finite)
    return True


def again(loop: Loop, spot: Spot, unread: frozenset[str]) -> None:
    """One more turn of a `while` begins, in a function that does not look at these variables."""
    execution = current()
    if execution is not None:
        execution.again(loop, sys._getframe(1), spot.site, unread)


def counted(loop: Loop, spot: Spot, unread: frozenset[str], what: Any) -> None:
    """One more turn of a `for` over something, or what it gave: of `itertools.count` as of a `while`."""
    execution = current()
    if execution is None:
        return
    if what is itertools.count or type(what) is itertools.count:
        execution.again(loop, sys._getframe(1), spot.site, unread)
    else:
        execution.progress(sys._getframe(1), spot.site, loop)


def caught() -> None:
    """An exception is about to be handled: frames of ours that it came through are none of the program's."""
    if current() is None:
        return
    error = sys.exception()
    traceback = None if error is None else error.__traceback__
    while traceback is not None:
        after = traceback.tb_next
        while after is not None and is_ours(after.tb_frame.f_code.co_filename):
            after = after.tb_next
        if after is not traceback.tb_next:
            traceback.tb_next = after
        traceback = after


def finalized(held: Any, spot: Spot) -> None:
    """The `__del__` of an object begins."""
    execution = current()
    if execution is not None:
        execution.watches.finalized(held, spot.site)


def without_hidden(found: Any) -> Any:
    """What `locals()`, `vars()` or `dir()` gives, without the variables that rewriting has added."""
    hidden = {name for name in found if name[:1] == "." and name != ".0"}  # the latter is CPython's
    if not hidden:
        return found
    if type(found) is list:
        return [name for name in found if name not in hidden]
    return {name: value for name, value in found.items() if name not in hidden}


def not_followed(spot: Spot) -> None:
    """A piece of the program that cannot be followed is about to run."""
    execution = current()
    if execution is not None:
        execution.cannot_follow(spot.name, spot.site)

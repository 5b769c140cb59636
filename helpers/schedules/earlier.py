"""Primitives that were made before the scenario began: nobody can say in what state they are."""

from __future__ import annotations

import sys
from types import FrameType
from typing import TYPE_CHECKING, Any, NoReturn

from helpers.schedules.reaching import frame_of_program

if TYPE_CHECKING:
    from helpers.schedules.execution import Execution


def made_before(execution: Execution, primitive: Any, kind: str = "") -> NoReturn:
    """End the search, because the program uses a primitive that was made before the scenario began.

    Args:
        execution: of the thread that uses it.
        primitive: the object, or what stands in its place.
        kind: of what it stands for.
    """
    frame = frame_of_program(sys._getframe(1))
    name, named = _name_in(frame, primitive)
    if named is not primitive or not kind:
        kind = type(named).__name__
    kind = f"an {kind}" if kind[0] in "AEIOU" else f"a {kind}"
    what = f"`{name}` ({kind})" if name else kind
    line = f"{execution.line(frame.f_code.co_filename, frame.f_lineno)} uses " if frame else ""
    execution.refuse(f"{line}{what}, which was made before the scenario began: make it inside the scenario")


def _name_in(frame: FrameType | None, about: Any) -> tuple[str, Any]:
    """What a function calls an object, or that which it is a part of, and that one; ``""`` if nothing."""
    if frame is None:
        return "", about
    variables = dict(frame.f_locals) | {name: frame.f_globals.get(name) for name in frame.f_code.co_names}
    for name, value in variables.items():
        if value is about:
            return name, about
    for name, value in variables.items():
        for attribute, inner in getattr(value, "__dict__", {}).items():
            if inner is about:
                return (name, value) if attribute.startswith("_") else (f"{name}.{attribute}", about)
        if isinstance(value, list | tuple | dict):
            for key, inner in value.items() if isinstance(value, dict) else enumerate(value):
                if inner is about:
                    return f"{name}[{key!r}]", about
    return "", about

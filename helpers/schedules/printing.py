"""What explored threads print goes to their execution; what all others print goes where it always goes."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from helpers.schedules.operation import Unwind
from helpers.schedules.workers import current


class _Stream:
    """Stands in for `sys.stdout` or `sys.stderr`."""

    def __init__(self, real: Any) -> None:
        self._real = real

    def write(self, text: str) -> int:
        execution = current()
        if execution is None:
            return int(self._real.write(text))
        execution.output.append(text)
        return len(text)

    def writelines(self, lines: Any) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        if current() is None:
            self._real.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._real, name)

    def __repr__(self) -> str:
        return repr(self._real)


_places: dict[str, _Stream] = {}  # what stands in, by its name in `sys`


def in_place() -> None:
    """A schedule begins: an earlier one may have left another stream in a place of ours."""
    for name, stream in _places.items():
        if getattr(sys, name) is not stream:
            setattr(sys, name, stream)


@contextmanager
def captured() -> Iterator[None]:
    """Within this, explored threads print into their execution's `output`.

    A finalizer in which a thread's schedule ends is ended by an exception that says nothing to anybody.
    """
    real = {name: getattr(sys, name) for name in ("stdout", "stderr")}
    real_hook = sys.unraisablehook

    def said(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, Unwind):
            real_hook(unraisable)

    _places.update({name: _Stream(stream) for name, stream in real.items()})
    in_place()
    sys.unraisablehook = said
    try:
        yield
    finally:
        _places.clear()
        for name, stream in real.items():
            setattr(sys, name, stream)
        if sys.unraisablehook is said:  # unless somebody has put another one there meanwhile
            sys.unraisablehook = real_hook

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


@contextmanager
def captured() -> Iterator[None]:
    """Within this, explored threads print into their execution's `output`.

    A finalizer in which a thread's schedule ends is ended by an exception that says nothing to anybody.
    """
    real = sys.stdout, sys.stderr
    ours = _Stream(sys.stdout), _Stream(sys.stderr)
    real_hook = sys.unraisablehook

    def said(unraisable: Any) -> None:
        if not issubclass(unraisable.exc_type, Unwind):
            real_hook(unraisable)

    sys.stdout, sys.stderr = ours
    sys.unraisablehook = said
    try:
        yield
    finally:
        # Unless somebody has put another one there meanwhile.
        if sys.stdout is ours[0]:
            sys.stdout = real[0]
        if sys.stderr is ours[1]:
            sys.stderr = real[1]
        if sys.unraisablehook is said:
            sys.unraisablehook = real_hook

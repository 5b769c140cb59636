"""An interrupt (Ctrl-C, or a notebook's kernel being interrupted) during a search comes when it does no harm.

`KeyboardInterrupt` is raised between any two instructions of the main thread. There it might come between
the passing of a baton and the note that it was passed, and nobody would know any more where the baton is.
So an interrupt is only noted when it comes, and raised where all threads of the program are parked.
"""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

_noted = False


def noted() -> bool:
    """Whether an interrupt has come that was not raised yet."""
    return _noted


def raise_noted() -> None:
    """Raise the interrupt that has come, if one has.

    Raises:
        KeyboardInterrupt: one has.
    """
    global _noted
    if _noted:
        _noted = False
        raise KeyboardInterrupt


@contextmanager
def held_back() -> Iterator[None]:
    """Within this context an interrupt is noted; what nobody has raised by its end is raised then.

    Raises:
        KeyboardInterrupt: an interrupt came.
    """
    global _noted

    def note(number: int, frame: FrameType | None) -> None:
        global _noted
        _noted = True

    if signal.getsignal(signal.SIGINT) is not signal.default_int_handler:
        yield  # the program that runs the search has its own way with interrupts
        return
    try:
        signal.signal(signal.SIGINT, note)
    except ValueError:  # not in the main thread: no interrupt comes here
        yield
        return
    _noted = False
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    raise_noted()

"""Threads: started, begun, ended, joined; and the main thread's wait for the others at exit."""

from __future__ import annotations

import _thread
import sys
import threading

from . import fileformat, tape
from .patching import NUMBER, replace, same_face
from .signals import PART, give
from .tape import record

TYPE_CHECKING = False  # `typing` costs more to import than all of the recorder
if TYPE_CHECKING:
    from typing import Any

START = fileformat.START << 56
WAIT, GOT, GAVE_UP = fileformat.WAIT << 56, fileformat.GOT << 56, fileformat.GAVE_UP << 56
TIMED_WAIT = WAIT | fileformat.TIMED << 32
UNDONE, RAISED = fileformat.UNDONE << 56, fileformat.RAISED << 56


def _thread_class() -> None:
    cls: Any = threading.Thread
    original_join, original_bootstrap = cls.join, cls._bootstrap_inner

    def join(self: Any, timeout: float | None = None) -> None:
        number = getattr(self, NUMBER, 0)
        if not number:
            if (
                not self.__dict__.get("_initialized")
                or not self.is_alive()
                or self.ident == _thread.get_ident()
            ):
                original_join(self, timeout)  # at once, or it raises
                return
            # Started before the recording began.
            number = self.__dict__[NUMBER] = tape.define("Thread", self.name)
            tape.define_thread(number, self.ident)
        record((WAIT if timeout is None else TIMED_WAIT) | number)
        end = GAVE_UP
        try:
            original_join(self, timeout)
            end = GAVE_UP if timeout is not None and self.is_alive() else GOT
        finally:
            record(end | number)

    def bootstrap(self: Any) -> None:
        number = getattr(self, NUMBER, 0)
        if number and tape.admitted is not None:
            tape.admitted.add(_thread.get_ident())
        report = self._invoke_excepthook

        def report_and_record(*arguments: Any) -> None:
            kind = sys.exc_info()[0]
            if kind is not None and kind is not SystemExit:  # which ends a thread quietly
                record(RAISED | tape.define("exception", kind.__name__))
            report(*arguments)

        self._invoke_excepthook = report_and_record
        tape.begin(number)
        try:
            original_bootstrap(self)
        finally:
            tape.end()
            if tape.admitted is not None:
                # The ident may be given to a thread that is none of ours.
                tape.admitted.discard(_thread.get_ident())

    def rename(self: Any, name: str) -> None:
        original_name.fset(self, name)
        number = getattr(self, NUMBER, 0)
        if number:
            tape.rename(number, self._name)
        elif self._ident == _thread.get_ident():
            tape.rename_lane(self._name)  # the main thread

    original_name = cls.name
    replace(cls, "name", property(original_name.fget, rename, original_name.fdel, original_name.__doc__))
    replace(cls, "join", same_face(join, original_join))
    replace(cls, "_bootstrap_inner", same_face(bootstrap, original_bootstrap))


def _start(name: str) -> None:
    """Replace what `Thread.start` calls to have the system make a thread."""
    original = getattr(threading, name)

    def start(bootstrap: Any, *args: Any, **kwargs: Any) -> Any:
        thread, frame = bootstrap.__self__, sys._getframe(2)
        kind = "daemon Thread" if thread._daemonic else "Thread"
        number = tape.define(kind, thread._name, frame.f_code.co_filename, frame.f_lineno)
        setattr(thread, NUMBER, number)
        if getattr(thread._started, NUMBER, None) is None:  # made before the recording began
            give(thread._started, PART)
        record(START | number)
        try:
            return original(bootstrap, *args, **kwargs)
        except RuntimeError:  # no room for another thread
            record(UNDONE | number)
            raise

    replace(threading, name, same_face(start, original))


def _exit() -> None:
    original = threading._shutdown  # type: ignore[attr-defined]

    def shutdown() -> None:
        others = [t for t in threading.enumerate() if not t.daemon and t is not threading.current_thread()]
        if not others:
            original()
            return
        record(WAIT | fileformat.AT_EXIT)
        try:
            original()
        finally:
            record(GOT | fileformat.AT_EXIT)

    # The interpreter looks it up in the module when it ends.
    replace(threading, "_shutdown", same_face(shutdown, original))


def install() -> None:
    """Replace the methods of Thread, what starts it, and the interpreter's wait at exit."""
    _thread_class()
    _start("_start_joinable_thread" if sys.version_info >= (3, 13) else "_start_new_thread")
    _exit()

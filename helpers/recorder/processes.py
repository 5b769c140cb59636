"""Processes as `os`, `signal` and `subprocess` see them.

Forks, signals sent and waited for, commands and children waited for, `os._exit`.
"""

from __future__ import annotations

import atexit
import itertools
import os
import sys

from . import fileformat, tape
from .patching import NUMBER, replace, same_face, user_frame
from .tape import record, waiting

TYPE_CHECKING = False  # `typing` costs more to import than all of the recorder
if TYPE_CHECKING:
    from typing import Any

WAIT, GOT, GAVE_UP = fileformat.WAIT << 56, fileformat.GOT << 56, fileformat.GAVE_UP << 56
KILL, REAP, EXIT = fileformat.KILL << 56, fileformat.REAP << 56, fileformat.EXIT << 56
FORK, CHILD = fileformat.FORK << 56, fileformat.CHILD << 56
TIMED_WAIT = WAIT | fileformat.TIMED << 32
START, UNDONE = fileformat.START << 56, fileformat.UNDONE << 56
TIMED_OUT = fileformat.TIMED_OUT << 56

_forks = itertools.count(1)
_hooked = False


def _before_fork() -> None:
    # Two threads may fork at once. The child goes on as the thread that forked, so what that thread
    # keeps for itself is what its own child finds.
    tape.local.fork = next(_forks)
    record(FORK | tape.local.fork)


def _after_fork_in_child() -> None:
    fork = tape.local.fork
    tape.renew_after_fork(fork)
    record(CHILD | fork)


def _kill() -> None:
    original = os.kill

    def kill(pid: int, signal: int, /) -> None:
        if isinstance(pid, int) and isinstance(signal, int):  # else the call below says what is wrong
            record(KILL | (signal & 0xFF) << 32 | (pid & 0xFFFFFFFF))
        original(pid, signal)

    replace(os, "kill", same_face(kill, original))


def _waiting_for_a_child(name: str) -> None:
    original = getattr(os, name, None)
    if original is None:
        return

    of_pid = name in ("waitpid", "wait4")

    def wait(*arguments: Any) -> Any:
        # os.wait(), os.wait3(options): any child; os.waitpid(pid, options), os.wait4(pid, options).
        pid, options = arguments if of_pid and len(arguments) == 2 else (0, *arguments, 0)[:2]
        if not isinstance(pid, int) or not isinstance(options, int):
            return original(*arguments)
        blocks = not options & getattr(os, "WNOHANG", 0)
        on = tape.number_of_process(pid) if pid > 0 else fileformat.ANY_CHILD
        result = waiting(on, original, *arguments) if blocks else original(*arguments)
        if result[0]:
            record(REAP | result[1] << 32 | result[0])
        return result

    replace(os, name, same_face(wait, original))


def _waitid() -> None:
    original = getattr(os, "waitid", None)
    if original is None:
        return

    def waitid(*arguments: Any) -> Any:
        if len(arguments) != 3 or not all(isinstance(each, int) for each in arguments):
            return original(*arguments)
        of, pid, options = arguments
        on = tape.number_of_process(pid) if of == os.P_PID and pid > 0 else fileformat.ANY_CHILD
        result = original(*arguments) if options & os.WNOHANG else waiting(on, original, *arguments)
        if result is not None and result.si_code in (os.CLD_EXITED, os.CLD_KILLED, os.CLD_DUMPED):
            # As the others tell it: an exit code in the second byte, a signal in the first.
            status = result.si_status << 8 if result.si_code == os.CLD_EXITED else result.si_status
            record(REAP | status << 32 | result.si_pid)
        return result

    replace(os, "waitid", same_face(waitid, original))


def _system() -> None:
    original = os.system

    def system(command: Any) -> int:
        number = tape.define("Process", _first_word(command), *user_frame(sys._getframe(1)))
        status: int = waiting(number, original, command)
        return status

    replace(os, "system", same_face(system, original))


def signals(module: Any) -> None:
    """Patch `signal`: what waits for a signal, and what sends one to a thread."""
    for name in ("pause", "sigwait", "sigwaitinfo", "sigtimedwait"):
        _waiting_for_a_signal(module, name)
    _pthread_kill(module)


def _waiting_for_a_signal(module: Any, name: str) -> None:
    original = getattr(module, name, None)
    if original is None:
        return
    timed = name == "sigtimedwait"
    on = fileformat.OS_SIGNAL | (fileformat.TIMED << 32 if timed else 0)

    def wait(*arguments: Any) -> Any:
        heard = waiting(on, original, *arguments)
        if timed and heard is None:
            record(TIMED_OUT | fileformat.OS_SIGNAL)
        return heard

    _replace_in_signal(module, name, same_face(wait, original))


def _pthread_kill(module: Any) -> None:
    original = getattr(module, "pthread_kill", None)
    if original is None:
        return

    def pthread_kill(thread: int, signal: int, /) -> None:
        if isinstance(signal, int):
            record(KILL | (signal & 0xFF) << 32 | os.getpid())
        original(thread, signal)

    _replace_in_signal(module, "pthread_kill", same_face(pthread_kill, original))


def _replace_in_signal(module: Any, name: str, new: Any) -> None:
    new.__module__ = module.__name__  # as of all functions there but those of C
    replace(module, name, new)


def _exit_at_once() -> None:
    original = os._exit

    def _exit(status: int) -> None:
        if isinstance(status, int):
            tape.record_cpu()
            record(EXIT | (status & 0xFF) << 32)
        original(status)

    replace(os, "_exit", same_face(_exit, original))


def popen(module: Any) -> None:
    """Patch `subprocess`: Popen, on which all of it rests."""
    cls = module.Popen
    original = cls.__init__

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        command = args[0] if args else kwargs.get("args", "")
        number = tape.define("Process", _first_word(command), *user_frame(sys._getframe(1)))
        record(START | number)
        try:
            original(self, *args, **kwargs)
        except BaseException:
            record(UNDONE | number)
            raise
        setattr(self, NUMBER, number)
        tape.define_process(number, self.pid)
        # What `run_script` starts for itself takes no recorder on purpose.
        starter = sys._getframe(1).f_globals.get("__name__") or ""
        if not starter.startswith("helpers.") and _is_python_that_does_not_record(command, kwargs.get("env")):
            tape.define_unrecorded(" ".join([_first_word(command), *map(str, command[1:])]))

    replace(cls, "__init__", same_face(__init__, original))
    for name, at in (("wait", 0), ("communicate", 1)):
        _waiting_for_a_command(cls, name, at)


def _first_word(command: Any) -> str:
    """What a command is called: ``"grep"`` for ``["/bin/grep", "-r"]``."""
    words = command.split() if isinstance(command, str) else command
    try:
        return os.path.basename(os.fsdecode(words if isinstance(words, os.PathLike) else words[0]))
    except (TypeError, IndexError, KeyError):
        return "a command"


def _is_python_that_does_not_record(command: Any, environment: Any) -> bool:
    """Whether a command is a Python without the recorder's variables, or told not to look at them."""
    if not isinstance(command, (list, tuple)) or not _first_word(command).startswith("python"):
        return False
    if (
        environment is not None
        and "HELPERS_RECORDING" in os.environ
        and "HELPERS_RECORDING" not in environment
    ):
        return True
    for word in command[1:]:
        if not isinstance(word, str) or not word.startswith("-") or word[:2] in ("--", "-c", "-m"):
            return False
        if {"I", "E", "S"} & {*word}:
            return True
    return False


def _waiting_for_a_command(cls: Any, name: str, at: int) -> None:
    """Replace a method; `at`: where the timeout stands among its arguments."""
    original = getattr(cls, name)

    def method(self: Any, *args: Any, **kwargs: Any) -> Any:
        number = self.__dict__.get(NUMBER, 0)
        if not number or self.returncode is not None:
            return original(self, *args, **kwargs)
        timeout = kwargs.get("timeout", (*args, None, None)[at])
        record((WAIT if timeout is None else TIMED_WAIT) | number)
        try:
            return original(self, *args, **kwargs)
        finally:
            record((GAVE_UP if self.returncode is None else GOT) | number)

    replace(cls, name, same_face(method, original))


def _at_exit() -> None:
    tape.record_cpu()
    record(EXIT)


def install() -> None:
    """Replace the functions of `os`, and watch forks and the end of the process."""
    global _hooked
    _kill()
    for name in ("wait", "waitpid", "wait3", "wait4"):
        _waiting_for_a_child(name)
    _waitid()
    _system()
    _exit_at_once()
    if not _hooked:  # neither hook can be taken back; without a recording they do nothing
        _hooked = True
        if hasattr(os, "register_at_fork"):
            os.register_at_fork(before=_before_fork, after_in_child=_after_fork_in_child)
        atexit.register(_at_exit)

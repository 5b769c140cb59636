"""Functions by which a program reaches out of its own threads and its own data.

What they do to the system is no step, and the next schedule finds it done. What they change for the whole
process, such as `sys.stdout`, others see at once. Both is said, with the line. And what would begin a
process, or wait for the system instead of another thread, ends the search with a sentence.
"""

from __future__ import annotations

import os
import pathlib
import sys
from collections.abc import Callable
from types import BuiltinFunctionType, FunctionType, MethodType
from typing import Any

from helpers.schedules.execution import Execution, Site

# By module: how the program calls that, and what its functions use.
_USES = {
    **dict.fromkeys(("posix", "nt", "os"), ("os", "the operating system")),
    **dict.fromkeys(("genericpath", "posixpath", "ntpath"), ("os.path", "a file")),
    **dict.fromkeys(("pathlib", "pathlib._abc", "pathlib._local"), ("Path", "a file")),
    **{name: (name, "a file") for name in ("fileinput", "glob", "shutil", "tempfile")},
    "_sqlite3": ("sqlite3", "a database"),
    **{name: (name, "the network") for name in ("socket", "socketserver", "ssl", "urllib.request")},
    "subprocess": ("subprocess", "another process"),
}
# What only asks for something that stays as it is, or is about paths as text, does no harm.
_ASKS = {
    "os": {
        "cpu_count", "fsdecode", "fsencode", "fspath", "get_exec_path", "getcwd", "getenv", "getenvb",
        "getpid", "getppid", "process_cpu_count", "putenv", "sched_getaffinity", "sched_yield", "strerror",
        "unsetenv", "urandom",
    },
    "shutil": {"get_terminal_size", "which"},
    "socket": {"gethostname", "htonl", "htons", "ntohl", "ntohs"},
    "tempfile": {"gettempdir"},
}  # fmt: skip
_PATHS_LOOKED_UP = {
    "exists", "getatime", "getctime", "getmtime", "getsize", "isdir", "isfile", "isjunction", "islink",
    "ismount", "lexists", "realpath", "samefile",
}  # fmt: skip

# What belongs to the whole process, by module and name of the function that changes it.
_EVERYBODYS = {
    ("contextlib", "chdir"): "the current directory",
    ("contextlib", "redirect_stderr"): "sys.stderr",
    ("contextlib", "redirect_stdout"): "sys.stdout",
    ("functools", "register"): "a generic function",
    ("locale", "setlocale"): "the locale",
    **{("unittest", name): "what it patches" for name in ("_patch_dict", "_patch_object", "patch")},
    **{
        ("warnings", name): "the filters of warnings"
        for name in ("catch_warnings", "filterwarnings", "resetwarnings", "simplefilter")
    },
}

# How the program calls what has another name itself.
_CALLED = {
    "builtins.breakpoint": "breakpoint",
    "builtins.input": "input",
    "concurrent.InterpreterPoolExecutor": "concurrent.futures.InterpreterPoolExecutor",
    "concurrent.ProcessPoolExecutor": "concurrent.futures.ProcessPoolExecutor",
    "functools.register": "functools.singledispatch",
    "multiprocessing.ThreadPool": "multiprocessing.pool.ThreadPool",
    "unittest._patch_dict": "mock.patch.dict",
    "unittest._patch_object": "mock.patch.object",
    "unittest.patch": "mock.patch",
}

_PROCESSES = "processes cannot be explored: use threads, or concurrent.futures.ThreadPoolExecutor"
_MULTIPROCESSING = "it cannot be explored: use threading, or concurrent.futures.ThreadPoolExecutor"
_SIGNALS = "signals cannot be explored: let a thread set an event instead"
_COROUTINES = "only programs with threads can be explored, and no coroutines"
_ENDS_ALL = "that would end this process, with the search"
_REFUSED = {
    **{("os", name): _PROCESSES for name in ("fork", "forkpty")},
    **{("os", name): _ENDS_ALL for name in ("_exit", "abort", "execv", "execve")},
    **{
        ("signal", name): _SIGNALS
        for name in ("alarm", "pause", "pthread_kill", "raise_signal", "setitimer", "signal", "sigwait")
    },
    **{
        ("asyncio", name): _COROUTINES
        for name in ("Runner", "get_event_loop", "new_event_loop", "run", "to_thread")
    },
    **{
        ("builtins", name): "it would ask in every schedule: let the scenario have the answer"
        for name in ("breakpoint", "input")
    },
    ("concurrent", "ProcessPoolExecutor"): _PROCESSES,
    ("concurrent", "InterpreterPoolExecutor"): "interpreters cannot be explored: use threads",
}
_PUBLIC = {"posix": "os", "nt": "os", "_signal": "signal", "_py_warnings": "warnings"}
# Of `multiprocessing`.
_BEGINS_NOTHING = {
    "active_children", "cpu_count", "current_process", "freeze_support", "get_all_start_methods",
    "get_context", "get_start_method", "parent_process",
}  # fmt: skip

_KINDS = {BuiltinFunctionType, FunctionType, MethodType}


def concerns(function: Any) -> bool:
    """Whether a function may be one of those."""
    type_ = type(function)
    if type_ not in _KINDS and not issubclass(type_, type):
        return False  # to ask an object of the program's own may run its code
    module = getattr(function, "__module__", None)
    if not isinstance(module, str):
        return False
    key = _key(function, module)
    return module in _USES or key in _REFUSED or key in _EVERYBODYS or _is_about_processes(*key)


def _key(function: Any, module: str) -> tuple[str, str]:
    """The package that the program imports, and the function's name."""
    return _PUBLIC.get(module) or module.partition(".")[0], function.__name__


def _is_about_processes(package: str, name: str) -> bool:
    return package == "multiprocessing" and name not in _BEGINS_NOTHING


def met(execution: Execution, function: Any, args: tuple[Any, ...], site: Site) -> None:
    """Such a function is about to be called: say what there is to say of it, or end the search."""
    module = function.__module__
    key = _key(function, module)
    said = _CALLED.get(".".join(key), ".".join(key))
    refused = _MULTIPROCESSING if _is_about_processes(*key) else _REFUSED.get(key)
    if refused is not None:
        execution.refuse(f"{execution.line(site.file, site.line)} uses {said}: {refused}")
    if key in _EVERYBODYS:
        if _others_are_there(execution) and not (key[0] == "warnings" and _by_context()):
            what = _EVERYBODYS[key]
            execution.cannot_follow(f"{said} changes {what} for all threads, and is no step", site)
    elif _reaches_out(module, function, args):
        prefix, what = _USES[module]
        execution.cannot_follow(
            f"{prefix}.{function.__name__} uses {what}, which the next schedule finds changed", site
        )


def _reaches_out(module: str, function: Callable[..., Any], args: tuple[Any, ...]) -> bool:
    prefix = _USES[module][0]
    name = function.__name__
    if prefix == "os.path":
        return name in _PATHS_LOOKED_UP
    if prefix == "Path":
        return (
            not isinstance(function, type)
            and not name.startswith("__")
            and not hasattr(pathlib.PurePath, name)
        )
    if prefix == "sqlite3":
        return name == "connect" and args[:1] != (":memory:",)
    if prefix == "os" and not hasattr(os, name):
        return False  # what `os.environ` is made of
    return name not in _ASKS.get(prefix, ())


def _others_are_there(execution: Execution) -> bool:
    return any(not task.done for task in execution.tasks if task is not execution.task)


def _by_context() -> bool:
    """Whether each thread has filters of its own, as it may since Python 3.14."""
    return bool(getattr(sys.flags, "context_aware_warnings", False))

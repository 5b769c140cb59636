"""Runs at the start of every Python process of a script, before the script itself.

Python imports a module of this name by itself when it finds one; `run_script` puts this folder on
PYTHONPATH. It must not disturb: it imports little, works on any Python 3 (a script may start an old
one), and lets the user's own sitecustomize run after it.
"""

import os
import sys

MYPY = False
if MYPY:
    from typing import Any


def _run_the_next_sitecustomize(here: str) -> None:
    sys.path[:] = [entry for entry in sys.path if os.path.abspath(entry) != here]
    this = sys.modules.pop("sitecustomize")
    try:
        __import__("sitecustomize")
    except ImportError as error:
        if getattr(error, "name", None) != "sitecustomize":
            raise
        sys.modules["sitecustomize"] = this


def _lines_as_in_a_terminal() -> None:
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.reconfigure(line_buffering=True)  # type: ignore[union-attr]
        except (AttributeError, ValueError):
            pass  # closed, or not a text stream


def _tag_output() -> None:
    """Say before every piece of output who writes it, where the system does not (see `supervisor.Tags`)."""
    import io

    class Tagged(io.RawIOBase):
        def __init__(self, descriptor: int) -> None:
            self._descriptor = descriptor

        def writable(self) -> bool:
            return True

        def fileno(self) -> int:
            return self._descriptor

        def write(self, data: "Any") -> int:
            # Pieces so small that a pipe takes each whole: POSIX promises it up to 512 bytes.
            piece = bytes(data)[:480]
            os.write(self._descriptor, b"\0%d %d\0" % (os.getpid(), len(piece)) + piece)
            return len(piece)

    for name, descriptor in (("stdout", 1), ("stderr", 2)):
        old = getattr(sys, name)
        if old is None:
            continue
        new = io.TextIOWrapper(
            io.BufferedWriter(Tagged(descriptor)), old.encoding, old.errors, line_buffering=old.line_buffering
        )
        setattr(sys, name, new)
        setattr(sys, "__" + name + "__", new)


def _stacks_on_signal(number: int) -> None:
    import faulthandler

    # Descriptor 2, not sys.stderr: the program may have replaced or closed the object.
    try:
        faulthandler.register(number, file=2, all_threads=True)
    except (AttributeError, ValueError, OSError, RuntimeError):
        pass  # no such thing on Windows


def _recorder(folder: str) -> "Any":
    # Under a name of its own, so that it is never in the way of a module of the program. By a loader like the
    # one of this file: `importlib`, which has the class, takes long to import.
    name = "_recorder_of_helpers"
    loader = type(globals()["__spec__"].loader)(name, os.path.join(folder, "__init__.py"))
    package = type(sys)(name)
    vars(package).update(__file__=loader.path, __path__=[folder], __package__=name, __loader__=loader)
    sys.modules[name] = package
    loader.exec_module(package)
    return package


def _start() -> None:
    here = os.path.dirname(os.path.abspath(__file__))
    environ = os.environ
    if environ.get("HELPERS_BUFFERING") == "line":
        _lines_as_in_a_terminal()
    if environ.get("HELPERS_TAGS"):
        _tag_output()
    if environ.get("HELPERS_STACKS_SIGNAL"):
        _stacks_on_signal(int(environ["HELPERS_STACKS_SIGNAL"]))
    recording, start_method = environ.get("HELPERS_RECORDING"), environ.get("HELPERS_START_METHOD")
    if sys.version_info >= (3, 11) and (recording or start_method):
        recorder = _recorder(os.path.dirname(here))
        if start_method:
            recorder.default_start_method(start_method)
        if recording:
            newest = environ.get("HELPERS_KEEP") == "newest"
            recorder.start(recording, newest=newest, internals=environ.get("HELPERS_INTERNALS") == "1")
    _run_the_next_sitecustomize(here)


_start()

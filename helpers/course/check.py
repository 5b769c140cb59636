"""Say ``[ok]`` or the mend for each thing the course needs: ``python -m helpers check``.

It changes nothing, and also runs, with little to be happy about, on a Python that has nothing installed.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import NamedTuple
from unittest.mock import patch

from helpers.course import browser
from helpers.course.problem import Problem
from helpers.course.requirements import LOCKS, locked, unmet

LAB = "`python -m helpers lab`"
ANEW = f"remove .venv, then {LAB}"
PATIENCE = 60.0  # seconds for a kernel to start, on a slow machine
ROOM = 64  # megabytes; a recording of a chapter's program takes one or two
TWO_THREADS = """\
import threading
thread = threading.Thread(target=print, args=("hello",))
thread.start()
thread.join()
"""


def python_version() -> str:
    """The Python is one the course is made for."""
    found = sys.version.split()[0]
    if sys.version_info < (3, 11):
        raise Problem(f"Python is {found}, 3.11 or newer is needed: start the course with another one")
    return f"Python {found}"


def packages() -> str:
    """All packages are there, at the locked versions or at least within the bounds."""
    if complaints := unmet(["lab"]):
        raise Problem(f"{', '.join(complaints)}: {LAB} installs what is missing into .venv")
    from packaging.requirements import Requirement

    everywhere = map(Requirement, locked(LOCKS["lab"].read_text(encoding="utf-8")))
    here = [wanted for wanted in everywhere if not wanted.marker or wanted.marker.evaluate()]
    other = [wanted.name for wanted in here if str(wanted.specifier) != f"=={installed(wanted.name)}"]
    if not other:
        return f"{len(here)} packages at the locked versions"
    if Path(sys.prefix, "course.json").exists():  # the course's own .venv should be as it was made
        raise Problem(f"{', '.join(other)}: not at the locked version: {ANEW}")
    return f"packages within the bounds; not at the locked version: {', '.join(other)}"


def installed(name: str) -> str:
    """Read the version of a package here, "" if it is missing."""
    try:
        return version(name)
    except PackageNotFoundError:
        return ""


def kernel() -> str:
    """A notebook kernel starts, in this environment, and computes."""
    from jupyter_client.manager import start_new_kernel

    heard: list[str] = []
    # As in `lab`: a kernel of the same name in the reader's home is not meant.
    with patch.dict(os.environ, JUPYTER_PREFER_ENV_PATH="1"):
        manager, client = start_new_kernel(startup_timeout=PATIENCE, stderr=subprocess.DEVNULL)
    try:
        client.execute_interactive(
            "import sys; print(sys.prefix)",
            timeout=PATIENCE,
            output_hook=lambda message: heard.append(message["content"].get("text", "")),
        )
    finally:
        client.stop_channels()
        manager.shutdown_kernel(now=True)
    prefix = "".join(heard).strip()
    if prefix != sys.prefix:
        raise Problem(f"the kernel named python3 belongs to {prefix}: `jupyter kernelspec remove python3`")
    return "a notebook kernel starts"


def fork() -> str:
    """Processes can be forked."""
    if not hasattr(os, "fork"):
        raise Problem("this system has no fork: programs that use it need Linux, macOS, or WSL on Windows")
    return "processes can be forked"


def recordings() -> str:
    """There is room for recordings, in memory or in the folder for temporary files."""
    memory = Path("/dev/shm")
    folder = memory if os.access(memory, os.W_OK) else Path(tempfile.gettempdir())
    free = shutil.disk_usage(folder).free >> 20
    if free < ROOM:
        raise Problem(f"{folder} has {free} MB left for recordings, and {ROOM} are needed: make room there")
    return f"{folder} has room for recordings"


def script() -> str:
    """A script can be run and recorded."""
    from helpers import run_script

    run = run_script(TWO_THREADS, timeout=PATIENCE)
    if run.stdout != "hello\n":
        raise Problem(f"a script did not run as it should ({run.stderr or run!r}): {ANEW}")
    if len(run.timeline.lanes) != 2:
        raise Problem(f"of a script with two threads, {len(run.timeline.lanes)} were recorded: {ANEW}")
    return "a script runs and is recorded"


def browser_found() -> str:
    """The browser tests, which are optional, find a browser."""
    found = browser.find()
    if found is None:
        raise Problem(browser.NONE)
    return f"a browser for the browser tests: {found}"


class Verdict(NamedTuple):
    """What came of a check: whether all is well; in words what there is, or what is wrong and the mend."""

    ok: bool
    text: str


NEEDED = (python_version, packages, kernel, recordings, script)
OPTIONAL = (fork, browser_found)


def carry_out(checks: tuple[Callable[[], str], ...]) -> Iterator[Verdict]:
    """Carry out `checks`, one after the other."""
    for check in checks:
        try:
            yield Verdict(True, check())
        except Problem as problem:
            yield Verdict(False, str(problem))
        except ImportError as error:
            yield Verdict(False, f"{check.__name__}: {error}: {LAB} installs what is missing")
        except Exception as error:
            yield Verdict(False, f"{check.__name__}: {type(error).__name__}: {error}: {ANEW}")


def ready() -> None:
    """Say in a notebook whether all is there: in one line, the same everywhere; otherwise with the mends.

    That a kernel starts need not be tried: this runs in one.
    """
    verdicts = list(carry_out(tuple(check for check in NEEDED if check is not kernel)))
    passed = sum(verdict.ok for verdict in verdicts)
    print(
        f"{'Ready' if passed == len(verdicts) else 'Not ready'}: {passed} of {len(verdicts)} checks passed."
    )
    for verdict in verdicts:
        if not verdict.ok:
            print(f"[--] {verdict.text}")


def main() -> int:
    """Print a line for each check; return 0 if all that is needed is there."""
    ready = True
    for checks in (NEEDED, OPTIONAL):
        for verdict in carry_out(checks):
            print(f"[{'ok' if verdict.ok else '--'}] {verdict.text}", flush=True)
            ready &= verdict.ok or checks is OPTIONAL
    return 0 if ready else 1


if __name__ == "__main__":
    sys.exit(main())

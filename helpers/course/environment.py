"""The Python that has all the course needs: the running one, or the one in `.venv`, made on first use.

`.venv/course.json` says what the environment holds. It is emptied before anything is changed and written
when all is done, so that an interrupted set-up is known as such by the next command, which begins anew.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import sysconfig
from importlib.util import find_spec
from pathlib import Path

from helpers.course.install import attempt, install, say
from helpers.course.problem import AGAIN, Problem, meaning
from helpers.course.requirements import LOCKS, ROOT, digest, unmet
from helpers.course.turn import turn

VENV = ROOT / ".venv"
STAMP = VENV / "course.json"
PYTHON = VENV / ("Scripts/python.exe" if sys.platform == "win32" else "bin/python")


def find(groups: tuple[str, ...]) -> Path | None:
    """Find a Python that has what `groups` of pyproject.toml name; None if there is none. Changes nothing."""
    if in_own_environment() and not unmet(groups):
        return Path(sys.executable)
    return PYTHON if holds(groups) and works() else None


def provide(groups: tuple[str, ...]) -> Path:
    """Find a Python that has what `groups` of pyproject.toml name; make `.venv` if there is none.

    Raises:
        Problem: `.venv` could not be made; the text says why, and the mend.
    """
    if python := find(groups):
        return python
    try:
        with turn(LOCKS["lab"], lambda: say("Another command is setting up the course; waiting for it …")):
            if not (holds(groups) and works()):  # that other command may have done it meanwhile
                make(groups)
    except OSError as error:
        raise Problem(meaning(str(error))) from error
    return PYTHON


def hand_over(python: Path, module: str, options: list[str]) -> int:
    """Go on in `python` with `module`: as this very process, where the system can do that."""
    command = [str(python), "-P", "-m", module, *options]
    environ = dict(os.environ)
    if python != PYTHON:  # which has a path file instead, that also serves who uses it without these commands
        environ["PYTHONPATH"] = os.pathsep.join(filter(None, [str(ROOT), environ.get("PYTHONPATH")]))
    if sys.platform != "win32":
        os.execve(python, command, environ)
    with subprocess.Popen(command, env=environ) as process:
        while True:
            try:
                return process.wait()
            except KeyboardInterrupt:  # it went to the other process too; that one decides what it means
                continue


def in_own_environment() -> bool:
    """Tell whether this Python is of an environment that the reader has made (venv, conda, Binder)."""
    if STAMP.exists() and Path(sys.prefix).samefile(VENV):
        return False  # ours: what it holds, the stamp knows better
    return sys.prefix != sys.base_prefix or Path(sys.prefix, "conda-meta").is_dir()


def stamped() -> dict[str, str]:
    """Read which locks have been installed in `.venv`, each with its digest; none if it is unfinished."""
    try:
        return dict(json.loads(STAMP.read_text(encoding="utf-8")))
    except (OSError, ValueError):
        return {}


def holds(groups: tuple[str, ...]) -> bool:
    """Tell whether `.venv` is finished and as the locks of `groups` are now."""
    stamp = stamped()
    return all(stamp.get(group) == digest(group) for group in groups)


def works() -> bool:
    """Tell whether `.venv` has a Python that starts, of the same version and build as this one."""
    code = "import sys; print(sys.implementation.cache_tag, getattr(sys, 'abiflags', ''))"
    try:
        answer = subprocess.run([PYTHON, "-I", "-S", "-c", code], capture_output=True, text=True)
    except OSError:
        return False
    return answer.stdout == f"{sys.implementation.cache_tag} {getattr(sys, 'abiflags', '')}\n"


def make(groups: tuple[str, ...]) -> None:
    """Make `.venv`, or what is missing in it."""
    if not (find_spec("venv") and find_spec("ensurepip")):
        raise Problem(
            "This Python cannot make environments, since its modules venv and ensurepip are missing: install "
            f"them (Debian and Ubuntu: sudo apt install python3.{sys.version_info.minor}-venv), {AGAIN}."
        )
    if in_own_environment():
        say(f"The active environment does not do for the course: {', '.join(unmet(groups))}.")
    say(f"Setting up the course in .venv with Python {sys.version.split()[0]}; once, in a minute or so …")
    before = stamped()
    anew = VENV.exists() and (not works() or (STAMP.exists() and not before))
    VENV.mkdir(exist_ok=True)
    STAMP.write_text("{}", encoding="utf-8")
    if anew:
        say("  what is in .venv is unfinished, broken or of another Python; beginning anew.")
        before = {}
        for entry in VENV.iterdir():
            if entry.is_dir() and not entry.is_symlink():
                shutil.rmtree(entry)
            elif entry != STAMP:
                entry.unlink()
    # Not this very Python: if it is that of `.venv`, it may just have been removed.
    beneath = Path(getattr(sys, "_base_executable", sys.executable))
    if failure := attempt(beneath, "venv", "--without-pip", str(VENV)):
        raise Problem(meaning(failure))
    groups = tuple({**before, **dict.fromkeys(groups)})
    install(PYTHON, groups)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(VENV)}))
    (packages / "helpers.pth").write_text(f"{ROOT}\n", encoding="utf-8")
    STAMP.write_text(json.dumps({group: digest(group) for group in groups}), encoding="utf-8")
    say("  done.")

"""What the course needs: the bounds in pyproject.toml, and the exact versions in `locks/`."""

from __future__ import annotations

import hashlib
import re
import sys
from collections.abc import Iterable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
LOCKS = {name: ROOT / "helpers" / "course" / "locks" / f"{name}.txt" for name in ("installer", "lab", "test")}


def digest(group: str) -> str:
    """Tell one state of a lock file from another."""
    return hashlib.sha256(LOCKS[group].read_bytes()).hexdigest()


def locked(lock: str) -> dict[str, str]:
    """Split the text of a lock: requirement, as ``numpy==2.4.6 ; python_version < '3.12'`` → its lines."""
    blocks = re.findall(r"^((\w\S*==.*?) *\\?\n(?:    --hash=.*\n)*)", lock, re.MULTILINE)
    return {requirement: lines for lines, requirement in blocks}


def bounds(group: str, python: tuple[int, ...] = sys.version_info[:2]) -> dict[str, str]:
    """Read the packages that `group` names in pyproject.toml, and the lowest version of each that will do.

    A few are only for versions of Python below some other; those that are not for `python` are left out.
    """
    import tomllib  # missing before 3.11, where `check` must still say so

    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    wanted = project["dependencies"] if group == "lab" else project["optional-dependencies"][group]
    found = {}
    for requirement in wanted:
        package, _, below = requirement.partition("; python_version < ")
        if not below or python < release(below.strip("'")):
            name, lowest = package.split(">=")
            found[name] = lowest
    return found


def unmet(groups: Iterable[str]) -> list[str]:
    """Say in a few words each which packages of `groups` this Python lacks or has too old."""
    complaints = []
    for name, lowest in (item for group in groups for item in bounds(group).items()):
        try:
            found = version(name)
        except PackageNotFoundError:
            complaints.append(f"{name} is missing")
        else:
            if release(found) < release(lowest):
                complaints.append(f"{name} is {found}, {lowest} or newer is needed")
    return complaints


def release(text: str) -> tuple[int, ...]:
    """Read the numbers of a version. A pre-release counts as its release: near enough for a lower bound."""
    numbers = re.match(r"\d+(?:\.\d+)*", text)
    return tuple(map(int, numbers[0].split("."))) if numbers else ()

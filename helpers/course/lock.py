"""Remake the lock files in `locks/` from pyproject.toml: ``python -m helpers.course.lock [--upgrade]``.

Each names, for one purpose, exact versions and the hashes of their files, for every Python and system
the course runs on. No addresses: whoever installs uses the registry their machine is set up for.
Needs uv, which every `.venv` of the course has.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from pathlib import Path

from helpers.course.requirements import LOCKS, ROOT, locked

COMPILE = ("pip", "compile", "--universal", "--python-version=3.11", "--generate-hashes")
QUIET = ("--quiet", "--no-annotate", "--no-header")
HEADER = "# Made by `python -m helpers.course.lock`; do not edit.\n"


def compiled(name: str, *options: str) -> dict[str, str]:
    """Ask uv for exact versions with hashes; those that stand in the lock already are kept where they fit."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "requirements.txt")
        if LOCKS[name].exists():
            file.write_bytes(LOCKS[name].read_bytes())
        command = [sys.executable, "-m", "uv", *COMPILE, *QUIET, *options, "--output-file", str(file)]
        subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.DEVNULL)
        return locked(file.read_text(encoding="utf-8"))


def write(name: str, blocks: dict[str, str]) -> None:
    LOCKS[name].write_text(HEADER + "".join(blocks.values()), encoding="utf-8", newline="\n")


def main(argv: list[str]) -> int:
    write("installer", compiled("installer", "--group=installer", *argv))
    lab = compiled("lab", "pyproject.toml", *argv)
    write("lab", lab)
    # The test tools go on top of the course, whose versions they must leave alone.
    test = compiled("test", "pyproject.toml", "--extra=test", f"--constraint={LOCKS['lab']}", *argv)
    write("test", {requirement: lines for requirement, lines in test.items() if requirement not in lab})
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))

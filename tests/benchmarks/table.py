"""What the benches share: a table of figures, and other tools installed for the time of a bench."""

from __future__ import annotations

import argparse
import os
import shutil
import subprocess
import sys
from collections.abc import Iterable
from importlib.util import find_spec
from pathlib import Path

OK = {True: "ok", False: "no", None: ""}


def show(cells: Iterable[str], widths: Iterable[int]) -> None:
    """Print one line of a table."""
    print(
        " ".join(f"{cell:<{width}}" for cell, width in zip(cells, widths, strict=True)).rstrip(), flush=True
    )


def options(bench: str, description: str, *, pythons: bool = True) -> argparse.ArgumentParser:
    """The options that benches have in common; `pythons`: this one can measure others than its own."""
    parser = argparse.ArgumentParser(
        prog=f"python -m helpers bench {bench}",
        description=description,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    if pythons:
        parser.add_argument(
            "--python",
            action="append",
            default=[],
            type=interpreter,
            metavar="EXE",
            help="measure this Python too; repeatable",
        )
    parser.add_argument("--strict", action="store_true", help="end with 1 if anything is missed")
    return parser


def interpreter(python: str) -> str:
    """A Python as it is given in an option: checked that it is one."""
    try:
        version(python)
    except (OSError, subprocess.CalledProcessError):
        raise argparse.ArgumentTypeError(
            f"{python} is not a Python that runs here; give a command or a path, such as python3.13"
        ) from None
    return python


def version(python: str) -> str:
    """The version of a Python, as in ``"3.13.0"``."""
    code = "import sys; print(sys.version.split()[0])"
    return subprocess.run([python, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def install(tool: str, python: str, packages: Path) -> bool:
    """Install another tool, such as ``"viztracer==1.1.1"``, for `python` into the folder `packages`.

    Returns whether that was possible.
    """
    options = ["--quiet", "--target", str(packages), tool]
    if shutil.which("uv", path=os.path.dirname(sys.executable)) or find_spec("uv"):
        command = [sys.executable, "-m", "uv", "pip", "install", "--python", python, *options]
    else:
        command = [
            sys.executable,
            "-m",
            "pip",
            "--python",
            python,
            "install",
            "--disable-pip-version-check",
            *options,
        ]
    packages.mkdir(parents=True, exist_ok=True)
    # Not in the project's folder: its settings are not meant for these.
    return not subprocess.run(command, capture_output=True, cwd=packages).returncode

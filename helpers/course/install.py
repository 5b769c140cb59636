"""Put the locked packages into `.venv`: pip brings uv, uv brings the rest; pip does it where uv cannot."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from collections import deque
from collections.abc import Mapping
from pathlib import Path

from helpers.course.problem import FULL, OFFLINE, Problem, meaning
from helpers.course.requirements import LOCKS

PIP = ("pip", "install", "--require-hashes", "--no-input", "--no-user", "--retries=2", "--no-color")
UV = ("uv", "pip", "install", "--require-hashes", "--compile-bytecode", "--no-progress", "--color=never")
PROGRESS = ("Collecting", "Downloading", "Building", "Prepared", "Installed", "Bytecode")
# pip's settings, which uv does not read, and the variables that tell uv the same.
SETTINGS = {"index-url": "UV_DEFAULT_INDEX", "cert": "SSL_CERT_FILE", "proxy": "ALL_PROXY"}


def say(text: str) -> None:
    """Tell the reader how far it is; standard output belongs to the command itself."""
    print(text, file=sys.stderr, flush=True)


def install(python: Path, groups: tuple[str, ...]) -> None:
    """Install the locks of `groups` into the environment of `python`.

    Raises:
        Problem: it could not be done; the text says why, and the mend.
    """
    installer, *locks = (f"--requirement={LOCKS[name]}" for name in ("installer", *groups))
    failure = attempt(python, "ensurepip", "--default-pip") or attempt(python, *PIP, installer)
    if failure and meaning(failure) in (FULL, OFFLINE):
        raise Problem(meaning(failure))
    if not failure:
        failure = attempt(python, *UV, f"--python={python}", *locks, settings=for_uv(python))
    if failure and meaning(failure) != FULL:
        say("  uv does not work here; pip does the same, but takes longer.")
        failure = attempt(python, *PIP, *locks)
    if failure:
        raise Problem(meaning(failure))


def attempt(python: Path, *module: str, settings: Mapping[str, str] | None = None) -> str:
    """Run a module of `python`, and tell the reader its progress.

    Returns:
        "" if it did what it should, otherwise the last lines it wrote.
    """
    last: deque[str] = deque(maxlen=20)
    with subprocess.Popen(
        [python, "-P", "-m", *module],
        env={**os.environ, **(settings or {})},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        encoding="utf-8",
        errors="replace",
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                last.append(line)
                if line.lstrip().startswith(PROGRESS):
                    say(f"  {line.strip().partition(' (from ')[0]:.100}")
        except BaseException:
            process.terminate()
            raise
    return "".join(last) or "it said nothing" if process.returncode else ""


def for_uv(python: Path) -> dict[str, str]:
    """Say in uv's variables where the machine's pip gets its packages, unless uv has been told itself."""
    listed = subprocess.run([python, "-m", "pip", "config", "list"], capture_output=True, text=True)
    configured = dict(line.split("=", 1) for line in listed.stdout.splitlines() if "=" in line)
    settings = {"UV_SYSTEM_CERTS": "1"}  # the system's certificates, as pip has it
    for section in ("global", "install", ":env:"):  # as pip reads them: the last one counts
        for name, variable in SETTINGS.items():
            if value := configured.get(f"{section}.{name}"):
                settings[variable] = ast.literal_eval(value)
    if "UV_INDEX_URL" in os.environ:  # the older name of the same
        settings.pop("UV_DEFAULT_INDEX", None)
    return {variable: value for variable, value in settings.items() if variable not in os.environ}

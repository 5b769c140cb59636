"""The browser that the browser tests lead: Chromium, or one made of it."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess

from helpers.course.install import say

NAMES = ("chromium", "chromium-browser", "google-chrome", "chrome", "microsoft-edge", "msedge")
ELSEWHERE = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Microsoft Edge.app/Contents/MacOS/Microsoft Edge",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
    "C:/Program Files (x86)/Microsoft/Edge/Application/msedge.exe",
)
NONE = (
    "no Chromium, Chrome or Edge was found; install any of them (on Debian: apt install chromium), "
    "only the browser tests need it"
)
PACKAGES = ("chromium", "fonts-liberation")  # without a font, Debian's Chromium writes nothing
PATIENCE = 900.0  # seconds for apt-get; generous, only so that nothing hangs


def find() -> str | None:
    """Where it lies on this machine; None where there is none."""
    return next(filter(None, map(shutil.which, (*NAMES, *ELSEWHERE))), None)


def provide() -> None:
    """Install Chromium where there is no browser and nobody need be asked: as root on Debian, in a container.

    Where that cannot be done or fails, there is still none, and the tests say how to get one.
    """
    if find() or not may_install():
        return
    say("Installing Debian's Chromium for the browser tests; once, in half a minute or so …")
    quietly = ("apt-get", "--quiet=2", "--option=DPkg::Lock::Timeout=60")
    install = (*quietly, "install", "--yes", "--no-install-recommends", *PACKAGES)
    failure = _attempt((*quietly, "update")) or _attempt(install)
    say(f"  it could not be installed: {failure}" if failure else "  done.")


def may_install() -> bool:
    """Tell whether this system has Chromium among its own packages, and we may install them."""
    try:
        debian = platform.freedesktop_os_release()["ID"] == "debian"
    except OSError:  # not Linux
        return False
    return debian and os.geteuid() == 0 and shutil.which("apt-get") is not None


def _attempt(command: tuple[str, ...]) -> str:
    """Run a command; returns "", or the last line of what it said where it failed."""
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            timeout=PATIENCE,
        )
    except subprocess.TimeoutExpired:
        return f"{command[0]} did not end within {PATIENCE:.0f} seconds"
    last = (done.stdout.strip() or f"{command[0]} said nothing").splitlines()[-1]
    return last if done.returncode else ""

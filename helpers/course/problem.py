"""What a newcomer may run into, told in a sentence with the mend instead of a traceback."""

from __future__ import annotations


class Problem(Exception):
    """Something is in the way. Its text says what, and the mend."""


AGAIN = "then run the same command again"
OFFLINE = (
    "The registry of Python packages cannot be reached: connect to the network (behind a proxy, set "
    f"HTTPS_PROXY), {AGAIN}; what has been fetched is kept."
)
FULL = f"The disk is full: make room (the course needs about 700 MB), {AGAIN}."
FORBIDDEN = (
    "A file cannot be written: put the course into a folder of your own, close programs that use its "
    f".venv, {AGAIN}."
)
FORGED = (
    "A fetched package is not the one that the course was made with, so it was not installed: run the same "
    "command again, and if that does not help, over another network."
)
NOT_TO_BE_HAD = (
    "Some package is not to be had ready-made for this Python on this system, and cannot be built here: use "
    "Python 3.11 to 3.15, or make the environment with conda from environment.yml."
)

# What pip, uv or the operating system says, in lower case. What cannot be reached is reported as
# not to be had too, so the order matters.
_SIGNS = {
    FULL: ("no space left", "not enough space", "quota exceeded"),
    FORBIDDEN: ("read-only file system", "permission denied", "access is denied", "operation not permitted"),
    FORGED: ("do not match the hashes", "hash mismatch"),
    OFFLINE: ("retrying (retry", "connection", "timed out", "failed to fetch", "network was disabled"),
    NOT_TO_BE_HAD: ("no matching distribution", "no solution found", "failed to build", "failed building"),
}


def meaning(said: str) -> str:
    """Put what a program or an error `said` into a sentence for the reader, with the mend."""
    said_lower = said.lower()
    for sentence, signs in _SIGNS.items():
        if any(sign in said_lower for sign in signs):
            return sentence
    return f"The course's environment could not be made: run the same command again. What stopped it:\n{said}"

"""Measure the course's tools against what they must reach, and against others: ``python -m helpers bench``.

The benches are no part of what the course needs: they live with the tests, in ``tests/benchmarks``.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys

from helpers.course.requirements import ROOT

BENCHES = {
    "labs": "how near the lab's workers come to the rates that are set, and what it costs",
    "labs_panel": "how quick the lab's panel is in a browser, and what a frame costs",
    "recorder": "what recording costs a program, and what it must not lose",
    "schedules": "what every_schedule finds, what it must not miss, and how fast it is",
}


def main(argv: list[str]) -> int:
    """Run one bench; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m helpers bench", description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=BENCHES, help="; ".join(f"{k}: {v}" for k, v in BENCHES.items()))
    parser.add_argument("options", nargs=argparse.REMAINDER, metavar="…", help="what the bench takes")
    arguments = parser.parse_args(argv)
    os.chdir(ROOT)
    # First: an installed package may have brought a `tests` of its own.
    sys.path.insert(0, str(ROOT))
    bench = importlib.import_module(f"tests.benchmarks.{arguments.what}")
    return int(bench.main(arguments.options))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

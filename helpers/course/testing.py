"""Run every test of the course: ``python -m helpers test``.

What is a test, and how strictly, stands in pyproject.toml, so that a bare ``pytest`` does the same.
"""

from __future__ import annotations

import os
import sys

import pytest

from helpers.course import browser
from helpers.course.requirements import ROOT

# Notebooks and scripts are processes of their own; more of them at a time than this gains little.
WORKERS = min(4, os.cpu_count() or 1)


class Ran:
    """Tells pytest that a session in which no test was carried out has failed, skipped ones not counted."""

    def __init__(self) -> None:
        self.any = False

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.any |= report.when == "call" and (not report.skipped or hasattr(report, "wasxfail"))

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if session.exitstatus == pytest.ExitCode.OK and not (self.any or session.config.option.collectonly):
            session.exitstatus = pytest.ExitCode.NO_TESTS_COLLECTED


def main(argv: list[str]) -> int:
    os.chdir(ROOT)
    if "--no-browser-tests" not in argv:
        browser.provide()
    code = pytest.main([f"--numprocesses={WORKERS}", "--dist=loadfile", *argv], plugins=[Ran()])
    if code == pytest.ExitCode.NO_TESTS_COLLECTED:
        print("No test has run: nothing fits what was asked for.", file=sys.stderr)
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

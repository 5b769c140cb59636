"""``python -m helpers test`` fails where a test fails, and where none has run."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
TESTS = """\
import pytest

def test_passes(): pass

def test_fails(): assert False

def test_warns():
    import warnings
    warnings.warn("old")

@pytest.mark.skip
def test_skipped(): pass

@pytest.mark.xfail
def test_known(): assert False

@pytest.mark.xfail
def test_known_but_mended(): pass

@pytest.mark.misspelled
def test_marked(): pass
"""
NOTEBOOK = """\
{"cells": [{"cell_type": "code", "execution_count": 1, "id": "one", "metadata": {}, "source": ["print(2)"],
 "outputs": [{"name": "stdout", "output_type": "stream", "text": ["%s\\n"]}]}],
 "metadata": {}, "nbformat": 4, "nbformat_minor": 5}
"""


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project with tests and notebooks of its own."""
    root = tmp_path_factory.mktemp("project")
    shutil.copytree(ROOT / "helpers" / "course", root / "helpers" / "course")
    shutil.copy(ROOT / "pyproject.toml", root)
    (root / "helpers" / "__init__.py").touch()
    for folder in ("tests", "notebooks"):
        (root / folder).mkdir()
    (root / "tests" / "test_some.py").write_text(TESTS.rpartition("\n@")[0])
    (root / "tests" / "marked.py").write_text(TESTS)
    (root / "notebooks" / "right.ipynb").write_text(NOTEBOOK % 2)
    (root / "notebooks" / "wrong.ipynb").write_text(NOTEBOOK % 3)
    return root


@pytest.mark.parametrize(
    ("words", "code", "closing"),
    [
        ("-n 1 -k right", 0, "1 passed"),
        ("notebooks", 1, "1 failed, 1 passed"),
        ("-k fails", 1, "1 failed"),
        ("-k warns", 1, "1 failed"),
        ("-k mended", 1, "1 failed"),
        ("-k known", 1, "1 failed, 6 deselected, 1 xfailed"),
        ("-k skipped", 5, "1 skipped"),
        ("-n 1 -k nothing_matches", 5, "no tests ran"),
        ("-x -k fails_or_warns", 1, "1 failed"),
        ("tests/marked.py", 2, "1 error"),
        ("--collect-only", 0, "8 tests collected"),
    ],
)
def test_exit_code_and_closing_line(copy: Path, words: str, code: int, closing: str) -> None:
    options = [word.replace("_or_", " or ") for word in words.split()]
    result = subprocess.run(
        [sys.executable, "-P", "-m", "helpers.course.testing", "-n", "0", *options],
        cwd=copy.parent,
        env={**os.environ, "PYTHONPATH": str(copy)},
        capture_output=True,
        text=True,
    )
    assert result.returncode == code, result.stdout + result.stderr
    assert closing in result.stdout.splitlines()[-1]
    assert ("No test has run" in result.stderr) == (code == 5)


WITHOUT_BROWSER = """\
import sys
from helpers.course import browser, testing
browser.find = lambda: None
browser.may_install = lambda: False
sys.exit(testing.main(["-n0", "tests/browser/test_chapter_01.py", *sys.argv[1:]]))
"""


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ([], "They were skipped: no Chromium, Chrome or Edge was found; install any of them"),
        (["--no-browser-tests"], "They were left out, as --no-browser-tests asks."),
    ],
)
def test_without_browser_tests_the_end_says_so(options: list[str], said: str) -> None:
    result = subprocess.run(
        [sys.executable, "-c", WITHOUT_BROWSER, *options],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert said in result.stdout
    assert "INTERNALERROR" not in result.stdout + result.stderr

"""One style and checked types, as part of the tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    "tool",
    [
        pytest.param(("ruff", "check", "--output-format=concise"), id="ruff check"),
        pytest.param(("ruff", "format", "--check", "--output-format=concise"), id="ruff format"),
        pytest.param(("mypy",), id="mypy"),
    ],
)
def test_quality(tool: tuple[str, ...]) -> None:
    result = subprocess.run([sys.executable, "-m", *tool], cwd=ROOT, capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr

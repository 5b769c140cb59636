"""The command line, up to where a command begins."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from helpers.course.commands import COMMANDS

ROOT = Path(__file__).parents[2]


def helpers(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "helpers", *words], cwd=ROOT, capture_output=True, text=True)


@pytest.mark.parametrize("words", [(), ("--help",)])
def test_help_names_every_command(words: tuple[str, ...]) -> None:
    result = helpers(*words)
    assert result.returncode == 0
    assert all(f"  {name} " in result.stdout for name in COMMANDS)


def test_an_unknown_command_is_refused() -> None:
    result = helpers("tset")
    assert result.returncode == 2
    assert "invalid choice: 'tset'" in result.stderr


def test_a_bench_of_no_python_is_refused() -> None:
    result = helpers("bench", "recorder", "--python", "no-such-python")
    assert result.returncode == 2
    assert "no-such-python is not a Python that runs here" in result.stderr


def test_every_command_has_its_module() -> None:
    assert all((ROOT / f"{command.module.replace('.', '/')}.py").is_file() for command in COMMANDS.values())


def python(*words: str) -> str:
    result = subprocess.run([sys.executable, *words], cwd=ROOT, capture_output=True, text=True, check=True)
    return result.stdout


def test_all_up_to_the_set_up_runs_on_a_bare_python() -> None:
    assert python("-S", "-c", "import helpers.course.commands; print('imported')") == "imported\n"


def test_the_face_has_what_it_promises() -> None:
    import helpers

    assert set(helpers.__all__) <= set(dir(helpers))
    assert all(callable(getattr(helpers, name)) for name in helpers.__all__)
    with pytest.raises(AttributeError, match="no attribute 'recrod'"):
        _ = helpers.recrod

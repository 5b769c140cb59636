"""``python -m helpers check`` and what chapter 00 shows of it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.course import check
from helpers.course.problem import Problem

ROOT = Path(__file__).parents[2]


def test_on_a_machine_that_passes_the_tests_all_is_well() -> None:
    result = subprocess.run(
        [sys.executable, "-m", "helpers.course.check"], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout
    *needed, _fork, browser = result.stdout.splitlines()
    assert len(needed) == len(check.NEEDED)
    assert all(line.startswith("[ok] ") for line in needed)
    assert re.match(r"\[(ok|--)\] .*browser", browser)
    assert result.stderr == ""


def test_on_a_bare_python_every_line_has_its_mend() -> None:
    result = subprocess.run(
        [sys.executable, "-S", "-m", "helpers.course.check"], cwd=ROOT, capture_output=True, text=True
    )
    assert result.returncode == 1
    lines = result.stdout.splitlines()
    assert len(lines) == len(check.NEEDED) + len(check.OPTIONAL)
    mend = "`python -m helpers lab` installs what is missing"
    wrong = [line for line in lines if line.startswith("[--]") and "browser" not in line]
    assert len(wrong) >= 3
    assert all(mend in line for line in wrong)
    assert result.stderr == ""


def test_ready_is_one_line_without_anything_of_this_machine(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(check, "NEEDED", (check.python_version, check.recordings))
    check.ready()
    assert capsys.readouterr().out == "Ready: 2 of 2 checks passed.\n"


def test_ready_names_what_is_wrong(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def flat() -> str:
        raise Problem("the tyre is flat: pump it up")

    def broken() -> str:
        raise RuntimeError("crash")

    monkeypatch.setattr(check, "NEEDED", (flat, broken, check.python_version))
    check.ready()
    assert capsys.readouterr().out == (
        "Not ready: 1 of 3 checks passed.\n"
        "[--] the tyre is flat: pump it up\n"
        "[--] broken: RuntimeError: crash: remove .venv, then `python -m helpers lab`\n"
    )


def test_too_little_room_for_recordings_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(check, "ROOM", 1 << 50)
    with pytest.raises(Problem, match=r"MB left for recordings, and .* make room there"):
        check.recordings()


def test_a_kernel_of_another_environment_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = tmp_path / "kernels" / "python3"
    spec.mkdir(parents=True)
    # It starts as it should, only that its Python thinks it were elsewhere.
    code = f"import sys; sys.prefix = {os.fspath(tmp_path)!r}; from ipykernel.kernelapp import main; main()"
    argv = [sys.executable, "-c", code, "-f", "{connection_file}"]
    (spec / "kernel.json").write_text(json.dumps({"argv": argv, "display_name": "Other"}))
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path))
    with pytest.raises(Problem, match=r"belongs to .*: `jupyter kernelspec remove python3`"):
        check.kernel()

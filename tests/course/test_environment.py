"""Setting up: from nothing, after an interruption, beside another one, and with everything in the way."""

from __future__ import annotations

import errno
import os
import re
import signal
import subprocess
import sys
import time
from importlib.util import find_spec
from pathlib import Path

import pytest

from helpers.course import environment
from helpers.course.problem import Problem
from tests.course.conftest import Project

# Debian has ensurepip in a package of its own; environments made by other tools do without it.
SETS_UP = pytest.mark.skipif(find_spec("ensurepip") is None, reason="this Python has no ensurepip")
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="sends the signals of a terminal")


def opened(result: subprocess.CompletedProcess[str], project: Project) -> bool:
    """JupyterLab was started, by the Python of the project's `.venv`."""
    return result.returncode == 0 and f"JupyterLab in {project.venv} with" in result.stdout


@SETS_UP
def test_the_first_command_sets_up_and_the_next_finds_it_done(project: Project) -> None:
    first = project.run("lab", "--no-browser", "--port", "9999")
    assert opened(first, project)
    assert first.stdout.endswith("'--no-browser', '--port', '9999']\n")
    assert "Installed by uv" in first.stderr
    made = project.stamp.stat().st_mtime_ns

    second = project.run("lab", PIP_FIND_LINKS=os.devnull)
    assert opened(second, project)
    assert second.stderr == ""
    assert project.stamp.stat().st_mtime_ns == made

    # Whoever uses the environment without the commands finds the companion package there, too.
    python = project.venv / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    code = "import helpers; print(helpers.__file__)"
    found = subprocess.run([python, "-I", "-c", code], capture_output=True, text=True, check=True)
    assert Path(found.stdout.strip()).samefile(project.root / "helpers" / "__init__.py")


def appears(gate: Path, process: subprocess.Popen[str]) -> None:
    """Wait until the stand-in for uv has come to its gate."""
    while not gate.exists():
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)


@SETS_UP
@POSIX
def test_an_interrupted_set_up_is_repaired_by_the_next_command(project: Project, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with project.start("lab", UV_WAITS=str(gate)) as process:
        appears(gate, process)
        os.killpg(process.pid, signal.SIGINT)
        stdout, stderr = process.communicate(timeout=100)
    assert process.returncode == 130
    assert stderr.endswith("Interrupted; the same command goes on from here.\n")
    assert "Traceback" not in stderr
    assert stdout == ""
    assert project.stamp.read_text() == "{}"

    gate.unlink()
    (project.venv / "half-made").touch()
    again = project.run("lab")
    assert opened(again, project)
    assert "beginning anew" in again.stderr
    assert not (project.venv / "half-made").exists()


@SETS_UP
@POSIX
def test_two_commands_at_once_wait_for_each_other(project: Project, tmp_path: Path) -> None:
    gate = tmp_path / "gate"
    with project.start("lab", UV_WAITS=str(gate)) as first:
        appears(gate, first)
        with project.start("lab") as second:
            assert second.stderr is not None
            assert second.stderr.readline() == "Another command is setting up the course; waiting for it …\n"
            gate.unlink()
            for process in (first, second):
                stdout, stderr = process.communicate(timeout=100)
                assert f"JupyterLab in {project.venv} with" in stdout
            assert stderr == ""  # the second has found everything done


@SETS_UP
def test_where_uv_does_not_work_pip_does_it(project: Project) -> None:
    installer = project.locks / "installer.txt"
    uv = installer.read_text()
    installer.write_text(f"uv==1.0 --hash=sha256:{'0' * 64}\n")  # not to be had, as on some systems
    without = project.run("lab")
    assert opened(without, project)
    assert "uv does not work here" in without.stderr

    installer.write_text(uv)
    project.lock(
        "lab", project.wheel("jupyterlab", {"jupyterlab/labapp.py": "def main(argv): print('new')"}, "99.1")
    )
    failing = project.run("lab", UV_FAILS="1")
    assert (failing.returncode, failing.stdout) == (0, "new\n")
    assert "uv does not work here" in failing.stderr

    project.wheel("jupyterlab", {"jupyterlab/labapp.py": "print('forged')"}, "99.2")
    project.lock("lab", f"jupyterlab==99.2 --hash=sha256:{'0' * 64}\n")
    forged = project.run("lab")
    assert (forged.returncode, forged.stdout) == (1, "")
    assert "is not the one that the course was made with" in forged.stderr


@SETS_UP
def test_without_network_it_says_so(project: Project) -> None:
    nobody_listens = {"PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_NO_INDEX": "", "PIP_RETRIES": "1"}
    result = project.run("lab", PIP_FIND_LINKS="", **nobody_listens)
    assert result.returncode == 1
    assert result.stderr.endswith(
        "cannot be reached: connect to the network (behind a proxy, set HTTPS_PROXY), then run the same "
        "command again; what has been fetched is kept.\n"
    )


def run_with(project: Project, preparation: str) -> subprocess.CompletedProcess[str]:
    """Run ``python -m helpers lab`` in a Python that has been changed by `preparation`."""
    code = f"import runpy, sys; {preparation}; runpy.run_module('helpers', run_name='__main__')"
    return subprocess.run(
        [sys.executable, "-c", code, "lab"], cwd=project.root, capture_output=True, text=True
    )


def test_a_python_without_ensurepip_is_told_how_to_get_it(project: Project) -> None:
    result = run_with(project, "sys.modules['ensurepip'] = None")
    assert result.returncode == 1
    assert "modules venv and ensurepip are missing" in result.stderr
    assert f"sudo apt install python3.{sys.version_info.minor}-venv" in result.stderr
    assert "Traceback" not in result.stderr
    assert not project.venv.exists()


def test_too_old_a_python_is_told_so(project: Project) -> None:
    result = run_with(project, "sys.version_info = (3, 8, 18)")
    assert result.returncode == 2
    assert result.stderr == (
        "The course needs Python 3.11 or newer, and this is Python 3.8.18. "
        "Start it with a newer one, for example: python3.13 -m helpers lab\n"
    )


@pytest.mark.parametrize("minor", range(6, 11))
def test_every_older_python_reads_as_far_as_that_sentence(project: Project, minor: int) -> None:
    pythons = [
        *Path.home().glob(f".pyenv/versions/3.{minor}.*/bin/python"),
        Path(f"/usr/bin/python3.{minor}"),
    ]
    python = next((python for python in pythons if python.exists()), None)
    if python is None:
        pytest.skip(f"there is no Python 3.{minor} on this machine")
    with project.start("test", "-k", "one", python=python) as process:
        stdout, stderr = process.communicate(timeout=100)
    assert process.returncode == 2
    assert re.fullmatch(
        rf"The course needs .* this is Python 3\.{minor}\.\d+\. .* -m helpers test -k one\n", stderr
    )
    assert stdout == ""


class Stage:
    """The making of an environment with all but the packages; `installed` tells which were asked for."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.venv = folder / ".venv"
        self.stamp = self.venv / "course.json"
        self.python = self.venv / environment.PYTHON.relative_to(environment.VENV)
        self.installed: list[tuple[str, ...]] = []
        self.locks = dict.fromkeys(("lab", "test"), "first")
        monkeypatch.setattr(environment, "VENV", self.venv)
        monkeypatch.setattr(environment, "STAMP", self.stamp)
        monkeypatch.setattr(environment, "PYTHON", self.python)
        monkeypatch.setattr(environment, "digest", self.locks.__getitem__)
        monkeypatch.setattr(environment, "install", lambda _, groups: self.installed.append(groups))
        monkeypatch.setattr(environment, "find_spec", lambda _: True)
        monkeypatch.setattr(environment, "unmet", lambda _: ["something is missing"])

    def provide(self, *groups: str) -> bool:
        """Provide for `groups`; tell whether that has made a new environment of a given one."""
        mark = self.venv / "mark"
        if self.venv.exists():
            mark.touch()
        existed = mark.exists()
        assert environment.provide(groups) == self.python
        assert environment.find(groups) == self.python
        return existed and not mark.exists()


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stage:
    return Stage(tmp_path, monkeypatch)


def test_what_is_there_is_not_installed_again(stage: Stage) -> None:
    stage.provide("lab")
    stage.provide("lab")
    assert stage.installed == [("lab",)]


def test_the_tests_come_on_top(stage: Stage) -> None:
    stage.provide("lab")
    assert not stage.provide("lab", "test")
    stage.provide("lab")
    assert stage.installed == [("lab",), ("lab", "test")]


def test_a_new_lock_is_installed_on_top_with_what_was_there(stage: Stage) -> None:
    stage.provide("lab", "test")
    stage.locks["lab"] = "second"
    assert not stage.provide("lab")
    assert stage.installed == [("lab", "test")] * 2


@pytest.mark.parametrize(
    "damage", ["unfinished", "python is gone", "python does not start", "of another Python"]
)
def test_a_damaged_environment_is_made_anew(stage: Stage, damage: str) -> None:
    stage.provide("lab", "test")
    if damage == "unfinished":
        stage.stamp.write_text("{}")
    else:
        stage.python.unlink()
    if damage == "python does not start":
        stage.python.touch(0o755)
    if damage == "of another Python":
        stage.python.write_text("#!/bin/sh\necho cpython-310\n")
        stage.python.chmod(0o755)
    assert stage.provide("lab")
    assert stage.installed == [("lab", "test"), ("lab",)]


def test_a_remainder_of_an_environment_is_made_whole(stage: Stage) -> None:
    stage.venv.mkdir()
    (stage.venv / "pyvenv.cfg").touch()
    assert stage.provide("lab")
    assert stage.installed == [("lab",)]


def test_an_environment_of_the_readers_own_that_works_is_added_to(stage: Stage) -> None:
    stage.provide("lab")
    stage.stamp.unlink()
    assert not stage.provide("lab")


def test_an_active_environment_that_has_everything_is_used(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(environment, "unmet", lambda _: [])
    monkeypatch.setattr(sys, "prefix", str(stage.venv.parent))
    assert environment.provide(("lab",)) == Path(sys.executable)
    assert stage.installed == []


def test_a_folder_that_cannot_be_written_is_named_as_what_it_is(
    stage: Stage, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS), ".venv")

    monkeypatch.setattr(environment, "make", refuse)
    with pytest.raises(Problem, match="put the course into a folder of your own"):
        environment.provide(("lab",))

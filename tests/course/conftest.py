"""A small stand-in for the project: the real commands, with packages of a few lines made on the spot."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

# Says where it was started, and with what. A later version than any real one, so that no environment has it.
JUPYTERLAB = """\
import sys
def main(argv):
    print("JupyterLab in", sys.prefix, "with", argv)
"""
# Installs what it is told to, as uv does. The tests make it fail, or wait until a file is gone.
UV = """\
import os, pathlib, subprocess, sys, time
if "UV_FAILS" in os.environ:
    sys.exit("error: something about uv")
if "UV_WAITS" in os.environ:
    gate = pathlib.Path(os.environ["UV_WAITS"])
    gate.touch()
    for _ in range(10_000):
        time.sleep(0.01)
        if not gate.exists():
            break
locks = [word for word in sys.argv if word.startswith("--requirement=")]
subprocess.run([sys.executable, "-m", "pip", "install", "--quiet", "--require-hashes", *locks], check=True)
print("Installed by uv")
"""


class Project:
    """A project whose packages are `wheels` on this disk; the network is out of reach."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.wheels = root / "wheels"
        self.venv = root / ".venv"
        self.stamp = self.venv / "course.json"
        self.locks = root / "helpers" / "course" / "locks"
        shutil.copytree(ROOT / "helpers", root / "helpers", ignore=shutil.ignore_patterns("__pycache__"))
        self.wheels.mkdir()
        (root / "pyproject.toml").write_text(
            '[project]\ndependencies = ["jupyterlab>=99"]\noptional-dependencies.test = []\n'
        )
        self.lock("installer", self.wheel("uv", {"uv/__init__.py": "", "uv/__main__.py": UV}))
        self.lock("lab", self.wheel("jupyterlab", {"jupyterlab/labapp.py": JUPYTERLAB}))
        self.lock("test", "")

    def lock(self, name: str, text: str) -> None:
        (self.locks / f"{name}.txt").write_text(text)

    def wheel(self, name: str, files: Mapping[str, str], version: str = "99.0") -> str:
        """Make a wheel; return its line in a lock."""
        path = self.wheels / f"{name}-{version}-py3-none-any.whl"
        info = f"{name}-{version}.dist-info"
        about = {
            f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
            f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: us\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
            f"{info}/RECORD": "".join(f"{file},,\n" for file in [*files, f"{info}/RECORD"]),
        }
        with zipfile.ZipFile(path, "w") as wheel:
            for file, text in {**files, **about}.items():
                wheel.writestr(file, text)
        return f"{name}=={version} --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"

    def start(self, *words: str, python: Path | str = sys.executable, **env: str) -> subprocess.Popen[str]:
        """Start ``python -m helpers WORDS`` in a process group of its own."""
        clean = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("PIP_", "UV_", "PYTHON"))
        }
        settings = {"PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels), "PIP_CONFIG_FILE": os.devnull}
        return subprocess.Popen(
            [python, "-m", "helpers", *words],
            cwd=self.root,
            env={**clean, **settings, "PIP_DISABLE_PIP_VERSION_CHECK": "1", **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def run(self, *words: str, **env: str) -> subprocess.CompletedProcess[str]:
        """Run ``python -m helpers WORDS`` to its end."""
        with self.start(*words, **env) as process:
            stdout, stderr = process.communicate(timeout=100)
        assert "Traceback" not in stdout + stderr, stderr
        return subprocess.CompletedProcess(process.args, process.returncode, stdout, stderr)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return Project(tmp_path)

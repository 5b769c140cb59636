"""pyproject.toml, environment.yml and the locks tell of the same packages."""

from __future__ import annotations

import re
from importlib.metadata import PackageNotFoundError, requires
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from helpers.course import requirements
from helpers.course.requirements import LOCKS, ROOT, bounds, locked, release, unmet

OLDEST = (3, 11)  # all packages are for this Python
# What conda-forge calls otherwise.
CONDA_NAMES = {"matplotlib-base": "matplotlib", "playwright-python": "playwright"}


def pinned(*names: str) -> list[Requirement]:
    return [Requirement(line) for name in names for line in locked(LOCKS[name].read_text(encoding="utf-8"))]


def test_conda_gets_the_same_packages_and_bounds() -> None:
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    *packages, pip, in_pip = environment["dependencies"]
    found = dict(package.split(">=") for package in packages)
    assert (pip, in_pip) == ("pip", {"pip": ["-e ."]})
    assert found.pop("python") == "3.11"
    assert {CONDA_NAMES.get(name, name): bound for name, bound in found.items()} == {
        **bounds("lab", OLDEST),
        **bounds("test", OLDEST),
    }


@pytest.mark.parametrize(("group", "locks"), [("lab", ["lab"]), ("test", ["lab", "test"])])
def test_the_locks_name_every_dependency_within_its_bounds(group: str, locks: list[str]) -> None:
    versions = {
        requirement.name: str(requirement.specifier).removeprefix("==") for requirement in pinned(*locks)
    }
    assert all(release(versions[name]) >= release(lowest) for name, lowest in bounds(group, OLDEST).items())


def test_the_locks_name_what_their_packages_need() -> None:
    everything = {canonicalize_name(requirement.name) for requirement in pinned("lab", "test")}
    missing = set()
    for name in everything:
        try:
            needed = map(Requirement, requires(name) or [])
        except PackageNotFoundError:  # not for this Python or system
            continue
        missing |= {
            (name, need.name)
            for need in needed
            if canonicalize_name(need.name) not in everything
            and (not need.marker or need.marker.evaluate({"extra": ""}))
        }
    assert not missing


@pytest.mark.parametrize("name", LOCKS)
def test_a_lock_has_hashes_and_no_addresses(name: str) -> None:
    text = LOCKS[name].read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    blocks = locked(text)
    assert blocks
    assert all(re.search(r"--hash=sha256:[0-9a-f]{64}\n", lines) for lines in blocks.values())
    # Nothing is left over once the blocks and the remarks are taken away.
    for lines in blocks.values():
        text = text.replace(lines, "")
    assert all(line.startswith("#") for line in text.splitlines())


def test_what_is_missing_or_too_old_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pyproject.toml").write_text(
        '[project]\ndependencies = ["pytest>=8", "packaging>=9999.1", "no-such-package>=1"]\n'
    )
    monkeypatch.setattr(requirements, "ROOT", tmp_path)
    old, missing = unmet(["lab"])
    assert re.fullmatch(r"packaging is [\d.]+, 9999\.1 or newer is needed", old)
    assert missing == "no-such-package is missing"


def test_what_is_not_for_this_python_is_not_missed() -> None:
    assert "viztracer" in bounds("test", (3, 14))
    assert "viztracer" not in bounds("test", (3, 15))
    assert bounds("lab", (3, 14)) == bounds("lab", (3, 15))


def test_versions_are_compared_as_numbers() -> None:
    assert release("3.10") > release("3.9.1")
    assert release("9.0rc1") == (9, 0)

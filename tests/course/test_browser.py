"""The browser for the browser tests is found, or installed where nobody need be asked."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from helpers.course import browser

pytestmark = pytest.mark.skipif(os.name == "nt", reason="apt-get is a shell script here")
APT_GET = """\
#!/bin/sh
echo "$DEBIAN_FRONTEND $*" >> "$0.log"
{then}
"""


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A Debian of ours with nothing but a shell: programs stand in the folder."""
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(browser, "ELSEWHERE", ())
    monkeypatch.setattr(browser, "may_install", lambda: True)
    return tmp_path


def put(folder: Path, name: str, text: str) -> Path:
    program = folder / name
    program.write_text(text)
    program.chmod(0o755)
    return program


def test_a_browser_that_is_there_is_found_and_nothing_installed(machine: Path) -> None:
    apt_get = put(machine, "apt-get", APT_GET.format(then="exit 1"))
    chrome = put(machine, "google-chrome", "#!/bin/sh\n")
    assert browser.find() == str(chrome)
    browser.provide()
    assert not Path(f"{apt_get}.log").exists()


def test_it_is_installed_without_a_question(machine: Path, capsys: pytest.CaptureFixture[str]) -> None:
    chromium = machine / "chromium"
    then = f'case "$*" in *install*) echo "#!/bin/sh" > {chromium}; /bin/chmod +x {chromium};; esac'
    apt_get = put(machine, "apt-get", APT_GET.format(then=then))
    assert browser.find() is None
    browser.provide()
    assert browser.find() == str(chromium)
    update, install = Path(f"{apt_get}.log").read_text().splitlines()
    assert update.startswith("noninteractive ") and update.endswith(" update")
    assert install.startswith("noninteractive ") and install.endswith(" ".join(browser.PACKAGES))
    assert capsys.readouterr().err.splitlines()[-1] == "  done."


def test_a_failure_is_told_in_a_line_and_the_tests_go_on(
    machine: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    apt_get = put(machine, "apt-get", APT_GET.format(then="echo first; echo 'E: no network' >&2; exit 100"))
    browser.provide()
    assert len(Path(f"{apt_get}.log").read_text().splitlines()) == 1  # nothing to install from
    assert capsys.readouterr().err.splitlines()[-1] == "  it could not be installed: E: no network"


def test_an_installer_that_hangs_is_given_up(
    machine: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    put(machine, "apt-get", APT_GET.format(then="exec /bin/sleep 600"))
    monkeypatch.setattr(browser, "PATIENCE", 0.1)
    browser.provide()
    assert "apt-get did not end within" in capsys.readouterr().err


def test_without_leave_nothing_is_done(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    apt_get = put(machine, "apt-get", APT_GET.format(then="exit 1"))
    monkeypatch.setattr(browser, "may_install", lambda: False)
    browser.provide()
    assert not Path(f"{apt_get}.log").exists()


def test_only_root_on_debian_may_install(machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("PATH", str(machine))
    put(machine, "apt-get", "#!/bin/sh\n")
    for system, user, expected in (("debian", 0, True), ("debian", 1000, False), ("ubuntu", 0, False)):
        monkeypatch.setattr(browser.platform, "freedesktop_os_release", lambda system=system: {"ID": system})
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        assert browser.may_install() is expected
    monkeypatch.setattr(browser.shutil, "which", lambda name: None)
    monkeypatch.setattr(browser.platform, "freedesktop_os_release", lambda: {"ID": "debian"})
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    assert not browser.may_install()

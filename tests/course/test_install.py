"""What pip is set up for holds for uv; what they say is put into a sentence."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from helpers.course.install import for_uv
from helpers.course.problem import FORBIDDEN, FORGED, FULL, NOT_TO_BE_HAD, OFFLINE, meaning

PYTHON = Path(sys.executable)


@pytest.fixture
def pip_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """pip's settings, and no others."""
    pytest.importorskip("pip")  # other tools make environments without it
    file = tmp_path / "pip.conf"
    file.write_text("[global]\n")
    for variable in (
        "PIP_INDEX_URL",
        "PIP_CERT",
        "PIP_PROXY",
        "UV_INDEX_URL",
        "UV_DEFAULT_INDEX",
        "SSL_CERT_FILE",
    ):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("PIP_CONFIG_FILE", str(file))
    return file


def test_uv_is_told_where_pip_gets_its_packages(pip_file: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pip_file.write_text("[global]\nindex-url = https://index.test/simple\ncert = /certificates.pem\n")
    settings = for_uv(PYTHON)
    assert settings["UV_DEFAULT_INDEX"] == "https://index.test/simple"
    assert settings["SSL_CERT_FILE"] == "/certificates.pem"

    monkeypatch.setenv("PIP_INDEX_URL", "https://other.test/simple")
    assert for_uv(PYTHON)["UV_DEFAULT_INDEX"] == "https://other.test/simple"


@pytest.mark.parametrize("variable", ["UV_DEFAULT_INDEX", "UV_INDEX_URL"])
def test_who_has_set_up_uv_is_heard_first(
    pip_file: Path, monkeypatch: pytest.MonkeyPatch, variable: str
) -> None:
    pip_file.write_text("[global]\nindex-url = https://index.test/simple\n")
    monkeypatch.setenv(variable, "https://mine.test/simple")
    assert "UV_DEFAULT_INDEX" not in for_uv(PYTHON)


@pytest.mark.parametrize(
    ("said", "sentence"),
    [
        ("error: failed to link a.py: No space left on device (os error 28)", FULL),
        ("[Errno 30] Read-only file system: '.venv'", FORBIDDEN),
        ("[WinError 5] Access is denied: '.venv\\\\Scripts\\\\python.exe'", FORBIDDEN),
        ("THESE PACKAGES DO NOT MATCH THE HASHES FROM THE REQUIREMENTS FILE.", FORGED),
        ("error: Failed to download `a`\n  Caused by: Hash mismatch for `a==1`", FORGED),
        ("WARNING: Retrying (Retry(total=1, …\nERROR: No matching distribution found for uv", OFFLINE),
        ("error: Request failed after 3 retries in 4.5s\n  cause: Failed to fetch: …", OFFLINE),
        ("pip._vendor.urllib3.exceptions.ReadTimeoutError: Read timed out.", OFFLINE),
        ("ERROR: No matching distribution found for numpy==2.5.5", NOT_TO_BE_HAD),
        ("error: Failed to build `numpy==2.5.5`", NOT_TO_BE_HAD),
    ],
)
def test_known_troubles_have_their_sentence(said: str, sentence: str) -> None:
    assert meaning(said) == sentence


def test_an_unknown_trouble_is_told_in_its_own_words() -> None:
    assert meaning("the moon is full").endswith("What stopped it:\nthe moon is full")

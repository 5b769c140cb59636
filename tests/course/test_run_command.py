"""``python -m helpers run SCRIPT``: output, exit code and timeline of anybody's script."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from helpers import Timeline
from helpers.run_command import parse

ROOT = Path(__file__).parents[2]
ECHO = "import sys, threading; threading.Thread(target=print, args=(sys.argv[1:],)).start()"


def run(folder: Path, program: str, *words: str) -> subprocess.CompletedProcess[str]:
    """Write `program` to ``script.py`` and run the command line `words` in its folder."""
    (folder / "script.py").write_text(program)
    return subprocess.run(
        [sys.executable, "-P", "-m", "helpers.run_command", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("program", "code"),
    [
        ("pass", 0),
        ("raise SystemExit(7)", 7),
        ("raise ValueError", 1),
        pytest.param(
            "import os, signal; os.kill(os.getpid(), signal.SIGTERM)",
            128 + signal.SIGTERM,
            marks=pytest.mark.skipif(sys.platform == "win32", reason="no signals"),
        ),
    ],
)
def test_it_ends_as_the_script_ended(tmp_path: Path, program: str, code: int) -> None:
    assert run(tmp_path, program, "script.py").returncode == code


def test_output_goes_where_the_script_sent_it(tmp_path: Path) -> None:
    result = run(tmp_path, "import sys; print('out'); print('err', file=sys.stderr)", "script.py")
    assert result.stdout == "out\n"
    assert result.stderr.startswith("err\n")


def test_a_script_that_does_not_end_is_stopped_and_says_where_it_was(tmp_path: Path) -> None:
    result = run(
        tmp_path, "import time\ndef nap():\n    time.sleep(1000)\nnap()", "script.py", "--timeout", "2"
    )
    assert result.returncode == 124
    assert "line 3, in nap" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(("name", "begins"), [("a.png", b"\x89PNG"), ("a.svg", b"<?xml"), ("a.json", b"")])
def test_the_timeline_is_saved(tmp_path: Path, name: str, begins: bytes) -> None:
    result = run(tmp_path, ECHO, "--timeline", name, "script.py", "one", "--two")
    assert result.returncode == 0, result.stderr
    assert result.stdout == "['one', '--two']\n"
    assert result.stderr.endswith(f"The timeline is in {name}.\n")
    content = (tmp_path / name).read_bytes()
    assert content.startswith(begins)
    if name == "a.json":
        timeline = Timeline.load(tmp_path / name)
        assert len(timeline.lanes) == 2
        assert timeline.summary() in result.stderr
    else:
        assert b"Description" in content or b"<dc:description>" in content


def test_the_timeline_is_saved_for_perfetto(tmp_path: Path) -> None:
    result = run(tmp_path, ECHO, "--timeline", "a.perfetto.json", "script.py")
    assert result.returncode == 0, result.stderr
    trace = json.loads((tmp_path / "a.perfetto.json").read_text(encoding="utf-8"))
    assert trace["otherData"]["summary"] in result.stderr
    assert {event["tid"] for event in trace["traceEvents"]} == {1, 2}


def test_our_options_may_stand_before_or_after_the_script(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.py").touch()
    before = parse(["--timeout=3", "--timeline", "t.svg", "s.py", "-v", "x"])
    after = parse(["s.py", "-v", "--timeout", "3", "x", "--timeline=t.svg"])
    assert before == after
    assert (after.timeout, after.timeline, after.args) == (3.0, Path("t.svg"), ["-v", "x"])
    assert parse(["s.py", "--", "--timeout", "3", "--"]).args == ["--timeout", "3", "--"]
    assert parse(["s.py", "--help"]).args == ["--help"]


@pytest.mark.parametrize(
    ("words", "complaint"),
    [
        ([], "required: script"),
        (["gone.py"], "there is no file 'gone.py'"),
        (["s.py", "--timeline", "t.pdf"], "must end in .png, .svg or .json"),
        (["s.py", "--timeline", "gone/t.png"], "'gone' is not a folder"),
        (["s.py", "--timeline"], "expected one argument"),
        (["s.py", "--timeout", "0"], "not above 0"),
        (["s.py", "--timeout", "soon"], "'soon'"),
        (["--frob", "s.py"], "--frob"),
    ],
)
def test_a_wrong_command_line_is_explained(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: list[str],
    complaint: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.py").touch()
    with pytest.raises(SystemExit) as ending:
        parse(words)
    assert ending.value.code == 2
    assert complaint in capsys.readouterr().err


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGPIPE")
def test_who_has_read_enough_ends_it_quietly(tmp_path: Path) -> None:
    (tmp_path / "script.py").write_text("while True: print('more')")
    with subprocess.Popen(
        [sys.executable, "-P", "-m", "helpers.run_command", "script.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "more\n"
        process.stdout.close()
        assert process.wait(timeout=60) == 128 + signal.SIGPIPE
        assert process.stderr is not None
        assert process.stderr.read() == ""

"""``python -m helpers run SCRIPT``: output, exit code and timeline of anybody's script."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest

from helpers import Timeline
from helpers.run_command import parse

posix = pytest.mark.skipif(sys.platform == "win32", reason="Windows has no such terminals, pipes and signals")

ROOT = Path(__file__).parents[2]
ECHO = "import sys, threading; threading.Thread(target=print, args=(sys.argv[1:],)).start()"


def run(
    folder: Path, program: str, *words: str, stdin: str | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Write `program` to ``script.py`` and run the command line `words` in its folder."""
    (folder / "script.py").write_text(program)
    return subprocess.run(
        [sys.executable, "-P", "-m", "helpers.run_command", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT), **variables},
        input=stdin,
        capture_output=True,
        text=True,
    )


@contextmanager
def terminal(folder: Path, program: str, *words: str) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """The same in a terminal of its own; yields the command and the person's end of the terminal."""
    import pty

    (folder / "script.py").write_text(program)
    person, other = pty.openpty()
    # The terminal in which an interrupt is typed has to be the controlling one.
    take = "import fcntl, os, sys, termios; fcntl.ioctl(0, termios.TIOCSCTTY, 0); os.execv(sys.executable, sys.argv[1:])"
    process = subprocess.Popen(
        [sys.executable, "-c", take, sys.executable, "-P", "-m", "helpers.run_command", *words],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdin=other,
        stdout=other,
        stderr=other,
        start_new_session=True,
    )
    os.close(other)
    try:
        yield process, person
    finally:
        process.kill()
        process.wait()
        os.close(person)


def read_until(person: int, words: str) -> str:
    """What the terminal shows, up to these words."""
    shown, deadline = b"", time.monotonic() + 60
    while words.encode() not in shown:
        ready, _, _ = select.select([person], [], [], max(0.0, deadline - time.monotonic()))
        try:
            more = os.read(person, 1 << 16) if ready else b""
        except OSError:  # nobody has the terminal open any more
            more = b""
        assert more, f"{words!r} has not come; {shown!r} has"
        shown += more
    return shown.decode()


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


def test_it_says_where_each_thread_was_from_the_programs_first_line_on(tmp_path: Path) -> None:
    program = """
import threading

def work():
    gate.wait()

gate = threading.Event()
threading.Thread(target=work, name="worker").start()
"""
    result = run(tmp_path, program, "--timeout", "2", "script.py")
    at = result.stderr.partition("main process, worker was at:\n")[2]
    assert at.startswith(f"  {tmp_path / 'script.py'}, line 5, in work\n")
    assert ", in wait\n" in at.partition("was at:")[0]


def test_output_goes_where_the_script_sent_it(tmp_path: Path) -> None:
    result = run(tmp_path, "import sys; print('out'); print('err', file=sys.stderr)", "script.py")
    assert result.stdout == "out\n"
    assert result.stderr.startswith("err\n")


def test_output_passes_through_as_it_was_written(tmp_path: Path) -> None:
    """More of it, and stranger, than a `Run` keeps."""
    written = bytes(range(256)) * 20_000 + b"\r\n" + b"0%\r100%"
    (tmp_path / "script.py").write_text(
        "import sys\n"
        "sys.stdout.buffer.write(bytes(range(256)) * 20_000 + b'\\r\\n' + b'0%\\r100%')\n"
        "sys.stderr.buffer.write(b'\\xff no end')"
    )
    result = subprocess.run(
        [sys.executable, "-P", "-m", "helpers.run_command", "script.py"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
    )
    assert result.stdout == written
    assert result.stderr.startswith(b"\xff no end\n")


def test_a_temporary_file_that_is_made_for_the_caller_stays(tmp_path: Path) -> None:
    program = "import tempfile\nprint(tempfile.NamedTemporaryFile(delete=False).name)"
    folder = tmp_path / "temporary"
    folder.mkdir()
    names = dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(folder))
    made = Path(run(tmp_path, program, "script.py", **names).stdout.rstrip())
    assert made.parent == folder
    assert made.exists()
    assert list(folder.iterdir()) == [made]


def test_the_environment_is_the_callers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also variables that a notebook's kernel sets for itself: here the caller did."""
    program = "import os\nprint(os.environ['MPLBACKEND'], os.environ.get('TMPDIR'))"
    monkeypatch.delenv("TMPDIR", raising=False)
    assert run(tmp_path, program, "script.py", MPLBACKEND="Agg").stdout == "Agg None\n"


def test_a_script_that_does_not_end_is_stopped_and_says_where_it_was(tmp_path: Path) -> None:
    result = run(
        tmp_path, "import time\ndef nap():\n    time.sleep(1000)\nnap()", "script.py", "--timeout", "2"
    )
    assert result.returncode == 124
    assert "line 3, in nap" in result.stderr
    assert "Traceback" not in result.stderr


@pytest.mark.parametrize(
    ("name", "begins"),
    [("a.png", b"\x89PNG"), ("a.PNG", b"\x89PNG"), ("a.Svg", b"<?xml"), ("a.svg", b"<?xml"), ("a.json", b"")],
)
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
        (["folder"], "'folder' is a folder: give a file in it"),
        (["app"], f"'app' is a folder: give its {os.path.join('app', '__main__.py')!r}"),
        (["s.py", "--timeline", "t.pdf"], "must end in .png, .svg, .json or .perfetto.json"),
        (["s.py", "--timeline", "folder.png"], "'folder.png' cannot be written"),
        (["s.py", "--timeline", "gone/t.png"], "'gone' is not a folder"),
        (["s.py", "--timeline"], "expected one argument"),
        (["s.py", "--timeout", "0"], "not above 0"),
        (["s.py", "--timeout", "soon"], "'soon' is not a number of seconds, write it like 2.5"),
        (["--timline", "a.png", "s.py"], "there is no option --timline"),
        (["--time", "3", "s.py"], "there is no option --time;"),
        (["-m", "json.tool"], "runpy.run_module('json.tool', run_name='__main__')"),
        (["-mjson.tool"], "runpy.run_module('json.tool', run_name='__main__')"),
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
    for folder in ("folder", "folder.png", "app"):
        Path(folder).mkdir()
    Path("app", "__main__.py").touch()
    with pytest.raises(SystemExit) as ending:
        parse(words)
    assert ending.value.code == 2
    complaints = capsys.readouterr().err
    assert complaint in complaints
    assert "args" not in complaints.rpartition("error:")[2]


def test_a_place_for_the_timeline_is_tried_before_the_run_and_left_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("s.py").touch()
    Path("old.png").write_bytes(b"old")
    parse(["s.py", "--timeline", "new.png"])
    parse(["s.py", "--timeline", "old.png"])
    assert sorted(os.listdir()) == ["old.png", "s.py"]
    assert Path("old.png").read_bytes() == b"old"


@pytest.mark.parametrize("name", ["a.png", "a.json", "a.perfetto.json"])
def test_a_timeline_that_cannot_be_saved_after_all_costs_a_sentence(tmp_path: Path, name: str) -> None:
    """The script puts a folder in its place."""
    result = run(tmp_path, f"import os\nos.mkdir({name!r})", "script.py", "--timeline", name)
    assert result.returncode == 1
    assert f"The timeline cannot be saved in {name}: " in result.stderr
    assert "Traceback" not in result.stderr


@posix
@pytest.mark.parametrize(
    ("answer", "why"),
    [
        ("Python 3.9.2", "is Python 3.9, and the recorder needs 3.11 or newer."),
        ("Program 1.0", "does not seem to be a Python, and nothing else can be recorded."),
    ],
)
def test_who_cannot_be_recorded_is_told_why(tmp_path: Path, answer: str, why: str) -> None:
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\n[ $1 = --version ] && echo {answer}\nexit 0\n")
    program.chmod(0o755)
    result = run(tmp_path, "pass", "--python", str(program), "script.py")
    assert f"Nothing was recorded.\n{program} {why}\n" in result.stderr


@posix
def test_the_script_reads_what_is_piped_to_the_command(tmp_path: Path) -> None:
    result = run(tmp_path, "print('Hello', input('Your name? '))", "script.py", stdin="Ada\n")
    assert result.stdout == "Your name? Hello Ada\n"
    assert result.returncode == 0


def test_where_nothing_is_left_to_read_the_hint_is_for_the_command_too(tmp_path: Path) -> None:
    result = run(tmp_path, "input()", "script.py", stdin="")
    assert result.returncode == 1
    assert "echo Ada | python -m helpers run" in result.stderr


@posix
def test_the_script_reads_what_is_typed_in_a_terminal(tmp_path: Path) -> None:
    program = "import sys\nprint(sys.stdin.isatty(), flush=True)\nprint('Hello', input())"
    with terminal(tmp_path, program, "script.py") as (process, person):
        read_until(person, "True")
        os.write(person, b"Ada\n")
        read_until(person, "Hello Ada")
        read_until(person, "exit code 0")
        assert process.wait(timeout=60) == 0


@posix
def test_an_interrupt_typed_in_a_terminal_ends_a_script_that_reads(tmp_path: Path) -> None:
    program = "import os\ninput(f'<{os.getpid()}>')"
    with terminal(tmp_path, program, "script.py") as (process, person):
        script = int(read_until(person, ">").rpartition("<")[2].partition(">")[0])
        os.write(person, b"\x03")
        shown = read_until(person, "in <module>")
        assert "stopped by an interrupt" in shown
        assert "script.py, line 2" in shown
        assert process.wait(timeout=60) == 128 + signal.SIGINT
        assert not psutil.pid_exists(script)


@posix
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

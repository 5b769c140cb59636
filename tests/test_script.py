"""run_script: what a script prints, how it ends, and that nothing of it is left."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from helpers import supervisor
from helpers.script import STACKS_SIGNAL, Line, run_script

linux = pytest.mark.skipif(
    sys.platform != "linux", reason="needs Linux: other systems do not tell who writes"
)
forks = pytest.mark.skipif(not hasattr(os, "fork"), reason="needs os.fork, which this system lacks")


def texts(run, stream="stdout"):
    return [line.text for line in run.lines if line.stream == stream]


# What it prints.


def test_it_runs_as_main_in_a_session_and_process_of_its_own():
    run = run_script("import os\nprint(__name__, os.getpid(), os.getsid(0))")
    name, pid, session = run.stdout.split()
    assert name == "__main__"
    assert pid == session != str(os.getpid())
    assert run.exit_code == 0


def test_arguments_stdin_folder_and_environment_arrive(tmp_path):
    run = run_script(
        "import os, sys\nprint(sys.argv[1:], input(), os.getcwd(), os.environ['COLOUR'], 'HOME' in os.environ)",
        args=["--fast", "3"],
        stdin="hello\n",
        cwd=tmp_path,
        env={"COLOUR": "blue", "HOME": None},
    )
    assert run.stdout == f"['--fast', '3'] hello {tmp_path} blue False\n"


@pytest.mark.skipif(sys.platform == "win32", reason="an open file cannot be handed on there")
def test_an_open_file_is_read_from_where_it_stands(tmp_path):
    (tmp_path / "names").write_text("Ada\nGrace\n")
    with open(tmp_path / "names", "rb", buffering=0) as names:
        names.seek(4)
        run = run_script("print(input())", stdin=names)
        assert (run.stdout, names.read()) == ("Grace\n", b"")


@linux
def test_of_a_pipe_to_the_script_nobody_else_keeps_an_end():
    """Whoever writes into it must learn that the script reads no more."""
    reading, writing = os.pipe()
    with open(reading) as stdin, open(writing, "w"):
        run = run_script(
            """
import os, time
def held(process):
    folder = f"/proc/{process}/fd"
    files = [os.path.join(folder, each) for each in os.listdir(folder)]
    return sum(os.path.exists(each) and os.path.samefile(each, "/proc/self/fd/0") for each in files)
while held(os.getppid()):
    time.sleep(0.01)
print(held("self"))
""",
            stdin=stdin,
            timeout=20,
        )
    assert run.stdout == "1\n"


@pytest.mark.parametrize("wanted", [None, "elsewhere"])
def test_a_wish_for_a_folder_for_temporary_files_comes_last(wanted):
    program = "import os\nprint([os.environ.get(name) for name in ('TMPDIR', 'TEMP', 'TMP')])"
    run = run_script(program, env=dict.fromkeys(("TMPDIR", "TEMP", "TMP"), wanted))
    assert run.stdout == f"{[wanted] * 3}\n"


def test_a_file_runs_with_its_own_path(tmp_path):
    file = tmp_path / "mine.py"
    file.write_text("print(__file__)")
    for given in (file, str(file)):
        assert run_script(given).stdout == f"{file}\n"


def test_lines_know_their_time_stream_and_writer():
    run = run_script("import sys, os\nprint('out')\nprint('err', file=sys.stderr)\nprint(os.getpid())")
    # Between the two streams, which are two sockets, the order is only that of reading.
    out, pid, err = sorted(run.lines, key=lambda line: line.stream == "stderr")
    assert (out.text, out.stream) == ("out", "stdout")
    assert (err.text, err.stream) == ("err", "stderr")
    assert {out.pid, err.pid, pid.pid} == {int(pid.text)}
    assert 0 <= out.seconds <= run.duration
    assert (run.stdout, run.stderr) == (f"out\n{pid.text}\n", "err\n")


@linux
@forks
def test_whoever_writes_is_known_also_c_programs_and_grandchildren():
    run = run_script(
        """
import os, subprocess
if os.fork() == 0:
    shell = subprocess.Popen(["sh", "-c", "echo from sh; echo $$"])
    shell.wait()
    os._exit(0)
os.wait()
os.write(1, b"raw\\n")
"""
    )
    from_sh, sh_pid, raw = run.lines
    assert from_sh.pid == sh_pid.pid == int(sh_pid.text)
    assert raw.pid != from_sh.pid
    assert run.names[raw.pid] == "main process"


@forks
def test_halves_of_lines_from_two_processes_are_not_mixed():
    run = run_script(
        """
import os
to_child, from_parent = os.pipe()
to_parent, from_child = os.pipe()
if os.fork() == 0:
    os.read(to_child, 1)
    print("child, ", end="", flush=True)
    os.write(from_child, b".")
    os.read(to_child, 1)
    print("second half", flush=True)
    os._exit(0)
print("parent, ", end="", flush=True)
os.write(from_parent, b".")
os.read(to_parent, 1)
print("second half", flush=True)
os.write(from_parent, b".")
os.wait()
"""
    )
    assert texts(run) == ["parent, second half", "child, second half"]


def test_lines_arrive_while_it_runs(tmp_path):
    gate = tmp_path / "gate"
    seen = []

    def open_gate(line: Line) -> None:
        seen.append(line.text)
        gate.touch()

    run = run_script(
        "import os, time\nprint('waiting')\nwhile not os.path.exists('gate'): time.sleep(0.01)\nprint('open')",
        cwd=tmp_path,
        on_line=open_gate,
    )
    assert run.exit_code == 0
    assert seen == ["waiting", "open"]


def outputs() -> tuple[dict[str, bytearray], Callable[[str, bytes], None]]:
    """Where pieces of output are put together, by stream, and what does it."""
    together = {"stdout": bytearray(), "stderr": bytearray()}

    def put(stream: str, data: bytes) -> None:
        together[stream] += data

    return together, put


@pytest.mark.parametrize("system", [supervisor.LINUX, False], ids=["credentials", "tags"])
def test_output_is_passed_on_as_it_was_written(monkeypatch, system):
    """Bytes that are no text, endings of lines, no ending at the end, a long line, more than a Run keeps."""
    monkeypatch.setattr(supervisor, "LINUX", system)
    together, put = outputs()
    what = r"""bytes(range(1, 256)) * 10_000 + b"\r\n" + b"x" * 1_000_000 + b"\n\nno end" """
    program = f"import sys\nfor stream in (sys.stdout, sys.stderr): stream.buffer.write({what})"
    run = run_script(program, on_output=put, timeout=60)
    written = eval(what)
    assert together["stdout"] == written
    assert together["stderr"] == written
    assert " cut here]" in run.stdout


def test_a_prompt_is_passed_on_while_the_script_waits(tmp_path):
    together, put = outputs()

    def open_gate(stream: str, data: bytes) -> None:
        put(stream, data)
        if together[stream] == b"Your name? ":
            (tmp_path / stream).touch()

    run = run_script(
        """
import os, sys, time
for stream in ("stdout", "stderr"):
    print("Your name? ", end="", flush=True, file=getattr(sys, stream))
    while not os.path.exists(stream): time.sleep(0.01)
""",
        cwd=tmp_path,
        on_output=open_gate,
    )
    assert run.exit_code == 0


def test_stacks_taken_at_the_deadline_are_not_passed_on():
    together, put = outputs()
    run = run_script(
        "import sys, time\nprint('my error', file=sys.stderr)\ntime.sleep(1000)", on_output=put, timeout=1
    )
    assert run.stacks or not hasattr(signal, "SIGRTMAX")
    assert together["stderr"].splitlines() == [b"my error"]


def when_it_has_ended(put, pid):
    """A slow reader: takes what a script has written only when that one, whose id is in the file, has ended."""

    def read(stream: str, data: bytes) -> None:
        script = int(pid.read_text())
        deadline = time.monotonic() + 30
        while psutil.pid_exists(script) and time.monotonic() < deadline:
            time.sleep(0.01)
        assert not psutil.pid_exists(script)
        put(stream, data)

    return read


@pytest.mark.skipif(sys.platform == "win32", reason="processes are seen to end differently there")
def test_a_script_that_prints_to_a_slow_reader_is_stopped_at_its_deadline(tmp_path):
    together, put = outputs()

    run = run_script(
        "import os\nopen('pid', 'w').write(str(os.getpid()))\nwhile True: print('x' * 50)",
        cwd=tmp_path,
        on_output=when_it_has_ended(put, tmp_path / "pid"),
        timeout=1,
    )
    assert run.timed_out
    assert run.stacks or not hasattr(signal, "SIGRTMAX")
    assert b"x" * 50 in together["stdout"]
    assert len(together["stdout"]) < 2 * supervisor.ROOM


@pytest.mark.skipif(sys.platform == "win32", reason="processes are seen to end differently there")
def test_a_slow_reader_gets_all_that_a_script_has_printed_before_its_end(tmp_path):
    together, put = outputs()

    lines = supervisor.ROOM // 100
    run = run_script(
        f"import os\nopen('pid', 'w').write(str(os.getpid()))\nfor i in range({lines}): print(f'{{i:50}}')",
        cwd=tmp_path,
        buffering="block",
        on_output=when_it_has_ended(put, tmp_path / "pid"),
        timeout=20,
    )
    assert run.exit_code == 0
    assert [int(line) for line in together["stdout"].splitlines()] == list(range(lines))


@forks
def test_line_buffering_is_that_of_a_terminal_and_block_buffering_that_of_a_pipe():
    program = "import os\nprint('once')\nif os.fork() == 0:\n    raise SystemExit\nos.wait()"
    assert texts(run_script(program)) == ["once"]
    assert texts(run_script(program, buffering="block")) == ["once", "once"]


def test_block_buffered_output_is_lost_with_the_process():
    program = "import os\nprint('unflushed')\nos._exit(0)"
    assert texts(run_script(program)) == ["unflushed"]
    assert texts(run_script(program, buffering="block")) == []


def test_a_traceback_names_the_script_and_its_line():
    run = run_script("\n\nraise KeyError('x')")
    assert run.exit_code == 1
    assert '  File "script.py", line 3, in <module>' in run.stderr


TRACEBACKS = """
import threading, traceback
lock = threading.Lock()
def wrong():
    lock.release()
thread = threading.Thread(target=wrong)
thread.start()
thread.join()
try:
    wrong()
except RuntimeError as error:
    traceback.print_exception(ExceptionGroup("both", [error, ValueError("other")]))
wrong()
"""


def test_a_traceback_has_no_frames_of_the_recorder():
    bare, watched = run_script(TRACEBACKS, record=False), run_script(TRACEBACKS)
    assert bare.exit_code == watched.exit_code == 1
    assert "recorder" not in watched.stderr
    assert "release unlocked lock" in watched.stderr
    # But for the markers under the call, which Python leaves out where it spans the whole line.
    frames = [
        line.strip(" |+") for line in watched.stderr.splitlines() if "^" not in line and "~" not in line
    ]
    assert frames == [
        line.strip(" |+") for line in bare.stderr.splitlines() if "^" not in line and "~" not in line
    ]


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_nor_has_one_that_is_passed_on_in_whatever_pieces(tmp_path, unbuffered):
    (tmp_path / "wrong.py").write_text(TRACEBACKS)
    together, put = outputs()
    run = run_script(tmp_path / "wrong.py", env={"PYTHONUNBUFFERED": unbuffered}, on_output=put)
    assert "recorder" not in run.stderr
    assert together["stderr"].decode().splitlines() == run.stderr.splitlines()


def test_a_syntax_error_is_shown_with_its_line():
    run = run_script("print('a')\nprint(\n")
    assert run.exit_code == 1
    assert 'File "script.py", line 2' in run.stderr
    assert "SyntaxError" in run.stderr


def test_a_nul_byte_in_the_program_is_an_error_of_the_program():
    run = run_script("print('a')\0\n")
    assert run.exit_code == 1
    assert "null byte" in run.stderr


def test_output_that_is_no_text_is_shown_as_bytes():
    run = run_script("import sys\nsys.stdout.buffer.write(b'\\xff a\\0b \\xc3\\xa9\\n')")
    assert texts(run) == ["\\xff a\0b é"]


def test_a_line_of_50_megabytes_keeps_its_ends_and_says_the_cut():
    run = run_script("print('<' + 'x' * 50_000_000 + '>')")
    (line,) = texts(run)
    assert line.startswith("<xxx")
    assert line.endswith("xxx>")
    assert len(line) < 70_000
    kept = supervisor.LONGEST_LINE
    assert f"[{50_000_002 - kept} bytes cut here]" in line


def test_of_a_million_lines_the_middle_is_cut_and_counted():
    run = run_script("for i in range(1_000_000): print(i)", buffering="block", timeout=60)
    (cut,) = texts(run, "runner")
    numbers = list(map(int, texts(run)))
    missing = int(cut.removeprefix("[").partition(" ")[0].replace(",", ""))
    assert numbers[0] == 0
    assert numbers[-1] == 999_999
    assert missing == 1_000_000 - len(numbers)
    gaps = [(a, b) for a, b in itertools.pairwise(numbers) if b != a + 1]
    assert len(gaps) == 1
    assert gaps[0][1] - gaps[0][0] - 1 == missing
    assert cut in run.stdout.splitlines()


def test_endless_output_ends_at_the_deadline():
    run = run_script("while True: print('x' * 50)", timeout=1)
    assert run.timed_out
    assert run.exit_code is None
    assert len(run.lines) < 50_000
    assert "runner" in {line.stream for line in run.lines}


@pytest.mark.parametrize("close", ["import sys; sys.stdout.close()", "import os; os.close(1); os.close(2)"])
def test_a_script_may_close_its_output(close):
    run = run_script(f"{close}\nraise SystemExit(4)")
    assert run.exit_code == 4


def test_reading_from_stdin_without_any_is_an_end_of_file_and_a_hint():
    run = run_script("input()")
    assert run.exit_code == 1
    assert run.stderr.endswith("EOFError: EOF when reading a line\n")
    assert any("stdin=" in note for note in run.notes)


def test_a_missing_fork_is_explained():
    run = run_script("import os\nvars(os).pop('fork', None)\nos.fork()")
    assert run.exit_code == 1
    assert any("os.fork exists on Linux and macOS only" in note for note in run.notes)


def test_tags_tell_who_writes_where_the_system_does_not(monkeypatch):
    """The way of macOS and Windows, tried here."""
    monkeypatch.setattr(supervisor, "LINUX", False)
    run = run_script(
        """
import multiprocessing, os, sys
def child():
    print("child", os.getpid(), "x" * 2000)
if __name__ == "__main__":
    print("parent", os.getpid())
    process = multiprocessing.get_context("spawn").Process(target=child)
    process.start()
    process.join()
    os.write(1, b"raw\\n")
    print("error", file=sys.stderr)
""",
    )
    written = {line.text.split()[0]: line for line in run.lines}
    assert written["parent"].pid == int(written["parent"].text.split()[1])
    assert written["child"].pid == int(written["child"].text.split()[1])
    assert written["child"].text.endswith(" " + "x" * 2000)
    assert written["raw"].pid == written["parent"].pid
    assert written["error"].stream == "stderr"


# How it ends.


@pytest.mark.parametrize(
    "codes", [range(n, n + 32) for n in range(0, 256, 32)], ids=lambda r: f"{r[0]}-{r[-1]}"
)
def test_every_exit_code(codes):
    for code in codes:
        assert run_script(f"raise SystemExit({code})", record=False).exit_code == code


HARMLESS = {"SIGCHLD", "SIGCLD", "SIGCONT", "SIGURG", "SIGWINCH", "SIGINFO"}
STOPPING = {"SIGSTOP", "SIGTSTP", "SIGTTIN", "SIGTTOU"}
DEADLY = sorted(
    {each.name for each in signal.valid_signals() if isinstance(each, signal.Signals)} - HARMLESS - STOPPING
)


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
@pytest.mark.parametrize("name", DEADLY)
def test_death_by_each_signal(name, tmp_path):
    default = "" if name == "SIGKILL" else f"signal.signal(signal.{name}, signal.SIG_DFL); "
    run = run_script(f"import os, signal; {default}os.kill(os.getpid(), signal.{name})", cwd=tmp_path)
    assert run.exit_code == -getattr(signal, name)
    assert run.timeline.lanes[0].ending == "killed"
    assert run.timeline.lanes[0].detail == name


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_signals_are_as_in_a_fresh_shell_even_if_the_caller_ignores_some():
    handler = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        run = run_script(
            "import signal\nprint(signal.getsignal(signal.SIGINT) is signal.default_int_handler)"
        )
    finally:
        signal.signal(signal.SIGINT, handler)
    assert run.stdout == "True\n"


@forks
def test_exit_at_once_in_parent_and_child():
    run = run_script(
        "import os\npid = os.fork()\nif pid == 0: os._exit(7)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))\nos._exit(9)"
    )
    assert (run.exit_code, run.stdout) == (9, "7\n")


def test_the_deadline_shows_where_every_thread_was():
    run = run_script(
        """
import threading
event = threading.Event()
def forever():
    event.wait()
threading.Thread(target=forever, name="waiter").start()
event.wait()
""",
        timeout=1,
    )
    assert (run.exit_code, run.timed_out) == (None, True)
    inner = {stack.thread: [f for f in stack.frames if f[0] == "script.py"][-1] for stack in run.stacks}
    assert inner == {"waiter": ("script.py", 5, "forever"), "MainThread": ("script.py", 7, "<module>")}
    assert run.duration < 5


@linux
def test_a_stack_is_waited_for_also_when_its_heading_comes_early():
    run = run_script(
        f"""
import os, signal, time
def dump(*_):
    os.write(2, b"Current thread 0x1 (most recent call first):\\n")
    time.sleep(0.5)
    os.write(2, b'  File "script.py", line 9 in <module>\\n')
signal.signal({STACKS_SIGNAL}, dump)
time.sleep(1000)
""",
        record=False,
        timeout=1,
    )
    assert [stack.frames for stack in run.stacks] == [(("script.py", 9, "<module>"),)]


@linux
def test_stacks_are_in_the_order_of_the_timeline_whoever_answers_first():
    run = run_script(
        f"""
import os, signal, time
for _ in range(2):
    if os.fork() == 0:
        signal.pause()
def dump(*_):
    time.sleep(0.2)
    os.write(2, b'Current thread 0x1 (most recent call first):\\n  File "script.py", line 9 in <module>\\n')
signal.signal({STACKS_SIGNAL}, dump)
time.sleep(1000)
""",
        timeout=1,
    )
    assert [stack.process for stack in run.stacks] == ["main process", "child 1", "child 2"]


@linux
def test_of_the_resource_tracker_there_is_no_stack():
    run = run_script(
        """
import multiprocessing, time
def child(lock):
    time.sleep(1000)
if __name__ == "__main__":
    context = multiprocessing.get_context("spawn")
    lock = context.Lock()
    context.Process(target=child, args=(lock,), name="child").start()
    time.sleep(1000)
""",
        timeout=2,
    )
    assert [stack.process for stack in run.stacks] == ["main process", "child"]


@linux
@pytest.mark.parametrize("stderr", ["None", "subprocess.PIPE", "subprocess.STDOUT", "subprocess.DEVNULL"])
def test_a_child_that_waits_for_room_in_a_pipe_does_not_delay_the_end(stderr):
    """It is asked for its stack only where it would arrive."""
    run = run_script(
        f"""
import subprocess, sys
child = subprocess.Popen(
    [sys.executable, "-c", "print('x' * 1_000_000)"], stdout=subprocess.PIPE, stderr={stderr}
)
child.wait()
""",
        timeout=1,
    )
    assert run.timed_out
    assert run.duration < 1 + supervisor.DUMP / 2
    named = {"main process", "child 1"} if stderr == "None" else {"main process"}
    assert {stack.process for stack in run.stacks} == named


@forks
def test_a_script_that_never_stops_printing_is_stopped_as_promptly():
    quiet = run_script("import time\ntime.sleep(1000)", timeout=1)
    noisy = run_script("import time\nwhile True:\n    print('.')\n    time.sleep(0.01)", timeout=1)
    assert noisy.timed_out
    assert noisy.stacks
    # Waiting for silence would take the whole of supervisor.DUMP.
    assert noisy.duration < quiet.duration + supervisor.DUMP / 2


@forks
def test_the_deadline_ends_grandchildren_and_those_that_refuse():
    run = run_script(
        """
import os, signal, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
signal.signal(signal.SIGHUP, signal.SIG_IGN)
if os.fork() == 0:
    os.setsid()
    os.fork()
    print(os.getpid())
    time.sleep(1000)
print(os.getpid())
time.sleep(1000)
""",
        timeout=1,
    )
    assert run.timed_out
    pids = [int(line.text) for line in run.lines]
    assert len(pids) == 3
    assert not any(map(psutil.pid_exists, pids))
    assert {stack.pid for stack in run.stacks} == set(pids)


@forks
def test_a_fork_that_never_ends_is_ended():
    run = run_script(
        "import os\nwhile True:\n    if os.fork() == 0:\n        os._exit(0)\n    os.wait()", timeout=1
    )
    assert run.timed_out


@forks
def test_processes_that_outlive_the_script_are_named_and_ended():
    run = run_script("import os, time\npid = os.fork()\nif pid == 0: time.sleep(1000)\nprint(pid)")
    assert run.exit_code == 0
    assert [(each.pid, each.name) for each in run.survivors] == [(int(run.stdout), "child 1")]
    assert not psutil.pid_exists(int(run.stdout))


@forks
def test_a_child_may_finish_after_its_parent():
    run = run_script(
        "import os, time\nif os.fork() == 0:\n    time.sleep(0.2)\n    print('last words')", buffering="block"
    )
    assert texts(run) == ["last words"]
    assert run.survivors == ()


@forks
def test_twenty_children_at_once():
    run = run_script(
        """
import os
for n in range(20):
    if os.fork() == 0:
        print(n)
        os._exit(n)
codes = sorted(os.waitstatus_to_exitcode(os.wait()[1]) for _ in range(20))
print(codes == list(range(20)))
"""
    )
    assert sorted(texts(run)[:-1], key=int) == [str(n) for n in range(20)]
    assert texts(run)[-1] == "True"
    assert len({line.pid for line in run.lines}) == 21
    assert len(run.timeline.lanes) == 21


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_a_program_that_replaces_every_signal_handler_is_still_stopped():
    run = run_script(
        """
import signal, time
for number in signal.valid_signals() - {signal.SIGKILL, signal.SIGSTOP}:
    try:
        signal.signal(number, signal.SIG_IGN)
    except OSError:
        pass
print("deaf")
time.sleep(1000)
""",
        timeout=1,
    )
    assert run.timed_out
    assert texts(run) == ["deaf"]


@pytest.mark.skipif(sys.platform == "win32", reason="needs POSIX signals")
def test_an_interrupt_of_the_caller_ends_the_script(tmp_path):
    ready = tmp_path / "ready"

    def interrupt() -> None:
        while not ready.exists():
            time.sleep(0.01)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt) as caught:
        run_script("import time\nopen('ready', 'w')\ntime.sleep(1000)", cwd=tmp_path, timeout=60)
    thread.join()
    run = caught.value.run
    assert run.interrupted
    assert run.exit_code is None
    assert run.stacks[0].frames[-1] == ("script.py", 3, "<module>")


@pytest.mark.skipif(sys.platform == "win32", reason="interrupts differ there")
def test_an_interrupt_loses_no_line_that_has_arrived():
    """It comes while the first of a hundred lines, which arrive together, is being passed on."""
    seen = []

    def interrupt_at_the_first(line: Line) -> None:
        if not seen:
            signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)
        seen.append(line.text)

    program = "import sys, time\nfor i in range(100): print(i)\nsys.stdout.flush()\ntime.sleep(1000)"
    with pytest.raises(KeyboardInterrupt) as caught:
        run_script(program, buffering="block", on_line=interrupt_at_the_first, timeout=60)
    assert seen == [str(i) for i in range(100)]
    assert caught.value.run.stdout.split() == seen


@pytest.mark.parametrize("told", ["on_line", "on_output"])
def test_an_error_of_who_is_told_ends_the_script_and_is_raised(told):
    def fail(*what: object) -> None:
        raise ZeroDivisionError(str(what))

    with pytest.raises(ZeroDivisionError, match="first"):
        run_script("import time\nprint('first')\ntime.sleep(1000)", timeout=60, **{told: fail})


@linux
@forks
def test_a_killed_caller_leaves_nothing(tmp_path):
    """As when a kernel is restarted while a cell runs a script."""
    program = "import os, time\nos.fork()\nopen(f'{os.getpid()}.pid', 'w')\ntime.sleep(1000)"
    caller = subprocess.Popen(
        [
            sys.executable,
            "-c",
            f"from helpers.script import run_script\nrun_script({program!r}, cwd={str(tmp_path)!r})",
        ],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path), "TMPDIR": str(tmp_path)},
    )
    deadline = time.monotonic() + 20
    while len(pids := [int(each.stem) for each in tmp_path.glob("*.pid")]) < 2:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    processes = [*psutil.Process(caller.pid).children(), *map(psutil.Process, pids)]
    assert len(processes) == 3
    caller.kill()
    caller.wait()
    _, alive = psutil.wait_procs(processes, 10)
    assert not alive
    assert not list(tmp_path.glob("script-*"))


# What is given wrongly.


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"source_or_path": ""}, "program is empty"),
        ({"source_or_path": " \n\t\n"}, "program is empty"),
        ({"timeout": 0}, "timeout must be"),
        ({"timeout": -1}, "timeout must be"),
        ({"start_method": "thread"}, "start_method must be one of fork, spawn, forkserver"),
        ({"buffering": "none"}, "buffering must be"),
        ({"keep": "all"}, 'keep is \'all\', but must be "oldest" or "newest"'),
        ({"args": "--fast"}, "args must be a list"),
        ({"args": [3]}, "args must be a list"),
    ],
)
def test_wrong_values_are_named(arguments, sentence):
    with pytest.raises(ValueError, match=sentence):
        run_script(**{"source_or_path": "pass", **arguments})


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ({"source_or_path": "no_such_file.py"}, "no script 'no_such_file.py'"),
        ({"source_or_path": Path("no_such_file")}, "no script 'no_such_file'"),
        ({"python": "no-such-python"}, "python='no-such-python' was not found"),
        ({"cwd": "no/such/folder"}, "is no folder"),
    ],
)
def test_what_is_not_there_is_named(arguments, sentence):
    with pytest.raises(FileNotFoundError, match=sentence):
        run_script(**{"source_or_path": "pass", **arguments})


@pytest.mark.skipif(sys.platform == "win32", reason="needs an executable script")
def test_a_python_that_cannot_be_started_is_named(tmp_path):
    broken = tmp_path / "python"
    broken.write_bytes(b"\x7fELF nonsense")
    broken.chmod(0o755)
    with pytest.raises(OSError, match="cannot run the script"):
        run_script("pass", python=broken)


def test_no_folder_for_temporary_files(monkeypatch, tmp_path):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path / "missing"))
    with pytest.raises(OSError, match="No folder for temporary files can be written"):
        run_script("pass")


# multiprocessing, and other Pythons.


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"] if hasattr(os, "fork") else ["spawn"])
def test_start_methods_find_the_functions_and_classes_of_the_script(method):
    run = run_script(
        """
import multiprocessing
class Item:
    def __init__(self, value): self.value = value
def work(queue):
    queue.put(Item(multiprocessing.get_start_method()))
if __name__ == "__main__":
    queue = multiprocessing.Queue()
    process = multiprocessing.Process(target=work, args=(queue,))
    process.start()
    print(queue.get().value, multiprocessing.get_start_method())
    process.join()
""",
        start_method=method,
    )
    assert run.stdout == f"{method} {method}\n"
    assert run.survivors == ()


def test_the_script_may_still_set_the_start_method_itself():
    run = run_script(
        "import multiprocessing as m\nif __name__ == '__main__':\n"
        "    m.set_start_method('spawn')\n    print(m.get_start_method())",
        start_method="forkserver" if hasattr(os, "fork") else "spawn",
    )
    assert run.stdout == "spawn\n"


def test_the_users_own_sitecustomize_still_runs(tmp_path):
    (tmp_path / "sitecustomize.py").write_text("import builtins\nbuiltins.mine = 'mine'")
    run = run_script(
        "import sys, sitecustomize\nprint(mine, sitecustomize.__file__)", env={"PYTHONPATH": str(tmp_path)}
    )
    assert run.stdout == f"mine {tmp_path / 'sitecustomize.py'}\n"


def test_the_scripts_import_path_is_that_of_a_plain_script():
    program = (
        "import sys\nprint([p for p in sys.path[1:]], 'recorder' in sys.modules, 'helpers' in sys.modules)"
    )
    bare = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, env={**os.environ, "PYTHONPATH": ""}
    )
    assert run_script(program, env={"PYTHONPATH": None}).stdout == bare.stdout


# Nothing is left.


def test_after_a_hundred_runs_nothing_is_left(monkeypatch):
    made = []
    mkdtemp = tempfile.mkdtemp
    monkeypatch.setattr(tempfile, "mkdtemp", lambda *a, **k: made.append(mkdtemp(*a, **k)) or made[-1])

    def left() -> tuple[int, int, list[str]]:
        return (
            threading.active_count(),
            psutil.Process().num_fds(),
            [each for each in made if os.path.exists(each)],
        )

    # Every tenth is killed at its deadline, with a queue and a temporary file of its own.
    program = """
import multiprocessing, sys, tempfile, time
def work(queue): queue.put(tempfile.mkstemp()[1])
if __name__ == "__main__":
    queue = multiprocessing.Queue()
    process = multiprocessing.Process(target=work, args=(queue,), daemon=True)
    process.start()
    print(queue.get(), flush=True)
    if sys.argv[1:]: time.sleep(1000)
"""
    run_script(program)
    before = left()
    assert before[2] == []
    for number in range(100):
        stop = number % 10 == 0
        run = run_script(program, args=["stop"] if stop else [], timeout=0.5 if stop else 20)
        assert run.timed_out == stop
        assert not any(os.path.exists(line.text) for line in run.lines)
    assert left() == before
    assert len(made) == 2 * 101
    assert psutil.Process().children(recursive=True) == []

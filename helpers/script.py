"""Run a program as a real script, outside the kernel, and keep what it printed and what it did."""

from __future__ import annotations

import contextvars
import os
import queue
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import IO, Any, NamedTuple

from helpers import supervisor
from helpers.timeline import Timeline
from helpers.timeline.building import build, signal_name
from helpers.timeline.reading import Recording
from helpers.tracebacks import RECORDER, Filter, Frames

START_METHODS = ("fork", "spawn", "forkserver")
FILE_NAME = "script.py"
# What a kernel or a test runner puts into its environment for itself, and a terminal would not have.
_NOT_FOR_SCRIPTS = re.compile(
    r"JPY_|PYTEST_|HELPERS_|PYDEVD_|IPYTHON|MPLBACKEND$|FORCE_COLOR$|CLICOLOR|PYTHONUNBUFFERED$|GIT_PAGER$|PAGER$"
)
_STARTUP = Path(__file__).parent / "recorder" / "startup"


class Line(NamedTuple):
    """One line of output.

    Attributes:
        seconds: since the script was started, when the line was complete.
        pid: id of the process that wrote it; 0 for a remark of the runner.
        stream: ``"stdout"``, ``"stderr"``, or ``"runner"`` for a remark of the runner
            (``"[996,000 lines cut here]"``).
        text: without the newline.
    """

    seconds: float
    pid: int
    stream: str
    text: str


class Survivor(NamedTuple):
    """A process that outlived the script and had to be ended.

    Attributes:
        pid: its id.
        name: as in the transcript (``"child 1"``), or its command.
    """

    pid: int
    name: str


@dataclass(frozen=True)
class Stack:
    """Where one Python thread was when the deadline came.

    Attributes:
        pid: id of its process.
        process: name of its process.
        thread: name of the thread.
        frames: innermost last, as ``(file, line, function)``; the script's own file is a bare name.
    """

    pid: int
    process: str
    thread: str
    frames: tuple[tuple[str, int, str], ...]


@dataclass(frozen=True, eq=False)
class Run:
    """What a script did.

    Attributes:
        exit_code: as in `subprocess`: the exit code, or minus the number of the signal that ended it;
            None where the runner stopped it.
        timed_out: it was stopped at the deadline.
        interrupted: it was stopped because the caller was interrupted.
        duration: seconds from start to end.
        timeout: the deadline it ran under, seconds; None for none.
        lines: every line of output, in order of arrival. Of one stream that is the true order; between
            standard output and standard error it is, within about a millisecond, a guess.
        survivors: processes that outlived the script; they were ended.
        stacks: where every Python thread was when the script was stopped.
        timeline: what every thread and process did; empty where nothing was recorded.
        names: name of every process seen, by id, in order of birth: ``"main process"``, ``"Process-1"``,
            ``"child 1"``, ``"echo"``.
        file: name of the script's file, as tracebacks show it.
        notes: what the runner has to say about the run, in a sentence each.
    """

    exit_code: int | None
    timed_out: bool
    interrupted: bool
    duration: float
    timeout: float | None
    lines: tuple[Line, ...]
    survivors: tuple[Survivor, ...]
    stacks: tuple[Stack, ...]
    timeline: Timeline
    names: dict[int, str]
    file: str
    notes: tuple[str, ...] = ()

    @property
    def stdout(self) -> str:
        """What the script and its children wrote to standard output."""
        return "".join(f"{line.text}\n" for line in self.lines if line.stream in ("stdout", "runner"))

    @property
    def stderr(self) -> str:
        """What the script and its children wrote to standard error."""
        return "".join(f"{line.text}\n" for line in self.lines if line.stream == "stderr")

    @property
    def outcome(self) -> str:
        """How the script ended, in words: its exit code, the signal that killed it, or who stopped it."""
        if self.timed_out:
            return f"stopped at the deadline of {self.timeout:g} s"
        if self.interrupted:
            return "stopped by an interrupt"
        if self.exit_code is None:
            return "stopped by the runner"
        if self.exit_code < 0:
            return f"killed by {signal_name(-self.exit_code)}"
        return f"exit code {self.exit_code}"

    def __repr__(self) -> str:
        lines = sum(line.stream != "runner" for line in self.lines)
        processes = f"{len(self.names)} process{'es' if len(self.names) != 1 else ''}"
        return f"<Run: {self.outcome}, {processes}, {lines} line{'s' if lines != 1 else ''}>"


def run_script(
    source_or_path: str | os.PathLike[str],
    *,
    args: Sequence[str] = (),
    stdin: str | IO[Any] | None = None,
    timeout: float | None = 10.0,
    python: str | os.PathLike[str] | None = None,
    start_method: str | None = None,
    buffering: str = "line",
    cwd: str | os.PathLike[str] | None = None,
    env: Mapping[str, str | None] | None = None,
    record: bool = True,
    keep: str = "oldest",
    internals: bool = False,
    on_line: Callable[[Line], object] | None = None,
    on_output: Callable[[str, bytes], object] | None = None,
) -> Run:
    """Run a program by a fresh Python, outside this process, and wait for its end.

    It runs as a file, with ``__name__ == "__main__"``, in a session of its own. When it has ended,
    processes it left running have `supervisor.LINGER` seconds to end too; then they are ended, and
    named in `Run.survivors`. At the deadline, and at a KeyboardInterrupt in the caller, the stack of
    every Python thread is taken and everything the script has started is ended.

    Args:
        source_or_path: the text of the program, or the path of a file (a `Path`, or a text of one
            line that ends in ``.py``).
        args: the program's arguments.
        stdin: what it can read from standard input: a text, or (not on Windows) all that is still to come
            from an open file, a pipe or a terminal; nothing if None.
        timeout: the deadline in seconds; None for no deadline.
        python: the Python to run it, this one if None.
        start_method: the default of `multiprocessing` in the script, its own if None.
        buffering: ``"line"``: output appears line by line, as in a terminal; ``"block"``: as in a pipe,
            in blocks, and what is not flushed can be doubled by a fork or lost.
        cwd: the folder it runs in, the caller's if None.
        env: variables to set in its environment; with the value None, to leave out. Without a TMPDIR,
            TEMP or TMP here it has a folder for temporary files of its own, which goes with it.
        record: whether to record what its threads and processes do.
        keep: ``"oldest"`` or ``"newest"``: what to keep of a recording that has no room for all of it.
        internals: record also the locks, conditions and the like that the standard library makes for
            itself, such as the lock of a logging handler; what `threading` makes is left out.
        on_line: called with each `Line` as it arrives, in a thread of its own; an error it raises ends
            the script and is raised here.
        on_output: the same with each piece of output exactly as it was written, however long, with or
            without a newline: called with ``"stdout"`` or ``"stderr"`` and the bytes. Only the recorder's
            frames in a traceback are left out, and what is printed while the script is being stopped.

    Returns:
        The `Run`. An error of the program is no error of this function: see `Run.exit_code`.

    Raises:
        ValueError: an argument is not one of those above.
        FileNotFoundError: there is no such script, Python or folder.
        OSError: no folder for temporary files can be written.
        KeyboardInterrupt: the caller was interrupted; the finished `Run` is its attribute ``run``.
    """
    path = _path(source_or_path)
    _check(source_or_path, path, args, stdin, timeout, start_method, buffering)
    check_keep(keep)
    command = _python(python)
    where = os.path.abspath(cwd) if cwd is not None else os.getcwd()
    if not os.path.isdir(where):
        raise FileNotFoundError(f"cwd={cwd!r} is no folder: make it, or leave cwd out.")
    with _temporary_folders() as (folder, recording_folder), _readable(stdin, folder) as to_read:
        if path is None:
            file = folder / FILE_NAME
            file.write_bytes(str(source_or_path).encode("utf-8", "surrogatepass"))
        else:
            file = path
        temporary = folder / "tmp"
        temporary.mkdir()
        environment = _environment(env, temporary, start_method, buffering)
        recorded = recording_environment(environment, recording_folder if record else None, keep, internals)
        order = {
            "command": [command, str(file), *args],
            "cwd": where,
            "env": environment | recorded,
            "stdin": to_read,
            "timeout": timeout,
            "output": on_output is not None,
            "stacks_signal": STACKS_SIGNAL,
            "tags": not supervisor.LINUX,
            "cleanup": [str(folder), str(recording_folder)],
        }
        inside = f"{folder}{os.sep}"
        watch = _Watch(inside, on_line, on_output)
        trouble = watch.follow(order)
        if watch.report["error"]:
            raise trouble or OSError(f"{command} cannot run the script: {watch.report['error']}.")
        run = _run(watch, Recording(recording_folder, leave_out=inside), timeout, file)
        if record and not run.timeline.lanes:
            run = replace(run, notes=(*run.notes, *_why_nothing_was_recorded(command)))
    if trouble is not None:
        trouble.run = run  # type: ignore[attr-defined]
        raise trouble
    return run


# A signal that programs leave alone, at which every Python of the script writes its stacks.
if sys.platform == "linux":
    STACKS_SIGNAL = int(signal.SIGRTMAX) - 1
else:
    STACKS_SIGNAL = int(getattr(signal, "SIGINFO", 0))


def _path(source_or_path: str | os.PathLike[str]) -> Path | None:
    """The file to run, or None where the program is given as text."""
    if isinstance(source_or_path, str) and ("\n" in source_or_path or not source_or_path.endswith(".py")):
        return None
    path = Path(source_or_path).absolute()
    if not path.is_file():
        raise FileNotFoundError(
            f"There is no script {os.fspath(source_or_path)!r}: check the path, or give its text."
        )
    return path


def check_keep(keep: str) -> None:
    """Raise a ValueError where this is no answer to what a full recording is to keep."""
    if keep not in ("oldest", "newest"):
        raise ValueError(f'keep is {keep!r}, but must be "oldest" or "newest".')


def _check(
    source: object,
    path: Path | None,
    args: Sequence[str],
    stdin: str | IO[Any] | None,
    timeout: float | None,
    start_method: str | None,
    buffering: str,
) -> None:
    if path is None and not str(source).strip():
        raise ValueError("The program is empty: give at least one line of Python.")
    if isinstance(args, str) or not all(isinstance(argument, str) for argument in args):
        raise ValueError(f'args must be a list of texts, such as ["--fast", "3"], not {args!r}.')
    if supervisor.WINDOWS and not isinstance(stdin, str | None):
        raise ValueError("On Windows stdin must be a text: a script cannot be given an open file there.")
    if timeout is not None and not timeout > 0:
        raise ValueError(
            f"timeout must be a number of seconds above 0, or None for no deadline, not {timeout!r}."
        )
    if start_method is not None and start_method not in START_METHODS:
        raise ValueError(f"start_method must be one of {', '.join(START_METHODS)}, not {start_method!r}.")
    if start_method in ("fork", "forkserver") and not hasattr(os, "fork"):
        raise ValueError(
            f'start_method={start_method!r} needs os.fork, which this system lacks: use "spawn".'
        )
    if buffering not in ("line", "block"):
        raise ValueError(f'buffering must be "line" (a terminal) or "block" (a pipe), not {buffering!r}.')


def _python(python: str | os.PathLike[str] | None) -> str:
    if python is None:
        return sys.executable
    found = shutil.which(python)
    if found is None:
        raise FileNotFoundError(
            f"python={os.fspath(python)!r} was not found: give the path of a Python, or leave it out."
        )
    return os.fspath(found)


@contextmanager
def _temporary_folders() -> Iterator[tuple[Path, Path]]:
    """A folder for the script, and one for its recording."""
    folder = _make_folder("script-", None)
    try:
        recording = make_recording_folder()
        try:
            yield Path(folder), Path(recording)
        finally:
            shutil.rmtree(recording, ignore_errors=True)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _readable(stdin: str | IO[Any] | None, folder: Path) -> Iterator[str | int | None]:
    """What the supervisor opens for the script to read: the path of a file, or a descriptor."""
    if stdin is None:
        yield None
    elif isinstance(stdin, str):
        file = folder / "stdin"
        file.write_text(stdin, encoding="utf-8", newline="")
        yield str(file)
    else:
        import fcntl

        # A copy above the standard ones: in the supervisor, those are its ties to this process.
        descriptor = fcntl.fcntl(stdin.fileno(), fcntl.F_DUPFD_CLOEXEC, 3)
        try:
            yield descriptor
        finally:
            os.close(descriptor)


def make_recording_folder() -> str:
    """Make a folder for a recording, in memory where there is such a place.

    Raises:
        OSError: no folder for temporary files can be written.
    """
    memory = "/dev/shm" if os.access("/dev/shm", os.W_OK) else None
    return _make_folder("recording-", memory)


def _make_folder(prefix: str, where: str | None) -> str:
    try:
        return os.path.realpath(tempfile.mkdtemp(prefix=prefix, dir=where))
    except OSError as error:
        raise OSError(
            f"No folder for temporary files can be written ({error.strerror or error}): "
            "make room, or set TMPDIR to a folder that can."
        ) from None


def recording_environment(
    environment: Mapping[str, str],
    folder: str | os.PathLike[str] | None,
    keep: str = "oldest",
    internals: bool = False,
) -> dict[str, str]:
    """The variables by which every Python that is started prepares itself, and records into `folder`."""
    before = environment.get("PYTHONPATH")
    variables = {"PYTHONPATH": os.pathsep.join([str(_STARTUP), *([before] if before else [])])}
    if folder is not None:
        variables["HELPERS_RECORDING"] = os.fspath(folder)
        variables["HELPERS_KEEP"] = keep
        variables["HELPERS_INTERNALS"] = str(int(internals))
    return variables


def _environment(
    changes: Mapping[str, str | None] | None, temporary: Path, start_method: str | None, buffering: str
) -> dict[str, str]:
    kept = (item for item in os.environ.items() if not _NOT_FOR_SCRIPTS.match(item[0]))
    environment = dict(kept) | dict.fromkeys(("TMPDIR", "TEMP", "TMP"), str(temporary))
    for name, value in (changes or {}).items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    environment["PYTHON_COLORS"] = "0"
    environment["HELPERS_BUFFERING"] = buffering
    if STACKS_SIGNAL:
        environment["HELPERS_STACKS_SIGNAL"] = str(STACKS_SIGNAL)
    if not supervisor.LINUX:
        environment["HELPERS_TAGS"] = "1"
    environment["HELPERS_START_METHOD"] = start_method or ""
    return environment


class _Watch:
    """The caller's end: hands the order to a supervisor and takes in what comes back.

    What comes back is dealt with in a thread of its own. An interrupt can come between any two steps of
    the main thread; there it would cost whatever it held in its hands: the lines of a frame, or the end.
    """

    def __init__(
        self,
        folder: str,
        on_line: Callable[[Line], object] | None,
        on_output: Callable[[str, bytes], object] | None,
    ) -> None:
        self.lines: list[supervisor.Text] = []
        self.report: dict[str, Any] = {}
        self._folder = folder
        self._on_line = on_line
        self._on_output = on_output
        self._failure: BaseException | None = None  # of one of these two
        self._news: queue.SimpleQueue[None] = queue.SimpleQueue()  # wakes follow() up: look what there is
        self._began = 0
        self._recorders_frames = Frames()
        self._filter = Filter()

    def follow(self, order: dict[str, Any]) -> BaseException | None:
        """Run the script to its end.

        Returns:
            What came up in the caller meanwhile: an interrupt, or an error of `on_line` or `on_output`.
        """
        # Elsewhere than on Linux the supervisor needs psutil, and so the environment's packages.
        flags = ["-I", "-S"] if supervisor.LINUX else ["-I"]
        process = subprocess.Popen(
            [sys.executable, *flags, supervisor.__file__],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            pass_fds=[order["stdin"]] if isinstance(order["stdin"], int) else [],
            start_new_session=True,
        )
        trouble: BaseException | None = None
        assert process.stdin is not None and process.stdout is not None
        # In a copy of the context, because that is where ipykernel keeps to which cell an output belongs;
        # with a name, so that it takes no number from the caller's own threads.
        context = contextvars.copy_context()
        reader = threading.Thread(
            target=context.run, args=(self._read, process.stdout), name="script output", daemon=True
        )
        try:
            reader.start()
            supervisor.send(process.stdin, order)
            while not self.report:
                try:
                    if self._failure is not None and trouble is None:
                        raise self._failure
                    with suppress(queue.Empty):
                        # With a timeout, because on Windows a wait without one cannot be interrupted.
                        self._news.get(timeout=1.0)
                except BaseException as error:
                    # Told once. Another interrupt changes nothing: the script is being ended.
                    if trouble is None:
                        trouble = error
                        with suppress(OSError):
                            supervisor.send(process.stdin, "interrupt")
        finally:
            # Upon this the supervisor ends the script, if it has not; then its own output ends, and
            # with it the reader. Only then may that pipe be closed.
            with suppress(OSError):
                process.stdin.close()
            reader.join()
            process.stdout.close()
            process.wait()
        return trouble or self._failure

    def _read(self, pipe: IO[bytes]) -> None:
        while not self.report:
            self._take(supervisor.receive(pipe))
        self._news.put(None)

    def _take(self, frame: Any) -> None:
        if frame is None:
            self.report = {"error": "its supervisor ended early"}
            return
        kind, content = frame
        if kind == "began":
            self._began = content
        elif kind == "output":
            stream, pieces = content
            for pid, data in pieces:
                self._pass_on(stream, self._filter.passed(pid, data) if stream == "stderr" else data)
        elif kind == "lines":
            for at, pid, stream, text in content:
                if self._recorders_frames.contain(pid, stream, text):
                    continue
                text = self.without_folder(text)
                self.lines.append((at, pid, stream, text))
                self._call(self._on_line, Line((at - self._began) / 1e9, pid, stream, text))
        else:
            self._pass_on("stderr", self._filter.rest())
            self.report = content

    def _pass_on(self, stream: str, data: bytes) -> None:
        if data:
            self._call(self._on_output, stream, data)

    def _call(self, callback: Callable[..., object] | None, *arguments: object) -> None:
        if callback is not None and self._failure is None:
            try:
                callback(*arguments)
            except BaseException as error:
                self._failure = error
                self._news.put(None)

    def without_folder(self, text: str) -> str:
        """The text with the script called by its bare name: where it lay for a moment tells nothing."""
        return text.replace(self._folder, "")


def _run(watch: _Watch, recording: Recording, timeout: float | None, file: Path) -> Run:
    report = watch.report
    root, began, ended = report["root"], report["began"], report["ended"]
    deaths = {pid: (at, os.waitstatus_to_exitcode(status)) for pid, (status, at) in report["deaths"].items()}
    end = max([ended, *report["stopped"].values()])
    timeline = build(recording, root=root, deaths=deaths, stopped=report["stopped"], ended=end)
    # Where there is a recording, the transcript and the picture count from the same moment.
    zero = recording.zero if timeline.lanes else began
    lines = tuple(Line(max(0, at - zero) / 1e9, pid, *rest) for at, pid, *rest in watch.lines)
    names = _names(timeline, root, report["commands"])
    survivors = tuple(Survivor(pid, names.get(pid) or command) for pid, command in report["survivors"])
    notes = [note for sign, note in _SIGNS.items() if any(line.text.startswith(sign) for line in lines)]
    return Run(
        exit_code=None if report["why"] else deaths[root][1] if root in deaths else None,
        timed_out=report["why"] == "deadline",
        interrupted=report["why"] == "interrupt",
        duration=(ended - began) / 1e9,
        timeout=timeout,
        lines=lines,
        survivors=survivors,
        stacks=tuple(_stacks(watch, names, recording, timeline)),
        timeline=timeline,
        names=names,
        file=file.name,
        notes=tuple(notes),
    )


def _why_nothing_was_recorded(python: str) -> Iterator[str]:
    """Say it where it lies in what ran the script."""
    try:
        asked = subprocess.run(
            [python, "--version"],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,  # where a very old one answers
            timeout=5.0,
        )
    except (OSError, subprocess.TimeoutExpired):
        return
    version = re.match(rb"Python (\d+)\.(\d+)", asked.stdout)
    if version is None:
        yield f"{python} does not seem to be a Python, and nothing else can be recorded."
    elif (int(version[1]), int(version[2])) < (3, 11):
        yield f"{python} is {version[0].decode()}, and the recorder needs 3.11 or newer."


def _names(timeline: Timeline, root: int, commands: Mapping[int, str]) -> dict[int, str]:
    """What each process is called: as recorded, or else by its command, with a number if need be."""
    names = {lane.pid: lane.process for lane in timeline.lanes} or {root: "main process"}
    for pid, command in commands.items():
        if pid not in names:
            name, number = command or "program", 2
            while name in names.values():
                name, number = f"{command or 'program'} {number}", number + 1
            names[pid] = name
    return names


# What Python says at the end of a traceback, and what a learner should know about it.
_SIGNS = {
    "EOFError: EOF when reading": (
        "The script read from standard input, and there was nothing left: give it more, with stdin=, or by "
        "a pipe where it is run by the command (echo Ada | python -m helpers run …)."
    ),
    "AttributeError: module 'os' has no attribute 'fork'": (
        "os.fork exists on Linux and macOS only: on Windows, look at the outputs saved in the notebook."
    ),
}
_THREAD = re.compile(r"(?:Current thread|Thread) 0x([0-9a-f]+)")
_FRAME = re.compile(r'  File "(.*)", line (\d+) in (.*)')


def _stacks(
    watch: _Watch, names: Mapping[int, str], recording: Recording, timeline: Timeline
) -> Iterator[Stack]:
    """Read what faulthandler wrote: for each thread a heading and its frames, innermost first."""
    dumps: dict[int, list[str]] = watch.report["dumps"]
    # What recorded and yet is not in the timeline is left out: multiprocessing's resource tracker.
    recorded = {process.pid for process in recording.processes.values()}
    told = dumps.keys() - (recorded - {lane.pid for lane in timeline.lanes})
    # In the order of the timeline; in which they answered is chance.
    for pid in [pid for pid in dict.fromkeys([*names, *dumps]) if pid in told]:
        threads: list[tuple[str, list[tuple[str, int, str]]]] = []
        for text in dumps[pid]:
            if heading := _THREAD.match(text):
                ident = int(heading[1], 16)
                threads.append((recording.thread_name(pid, ident) or f"thread {len(threads) + 1}", []))
            elif (frame := _FRAME.match(watch.without_folder(text))) and threads and RECORDER not in frame[1]:
                threads[-1][1].insert(0, (frame[1], int(frame[2]), frame[3]))
        for thread, frames in threads:
            yield Stack(pid, names.get(pid, "process"), thread, tuple(frames))

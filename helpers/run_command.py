"""Record a script of one's own: ``python -m helpers run SCRIPT [ARGS …] [--timeline FILE] [--timeout S]``.

The script reads this command's standard input, and its output passes through as it comes; what the
recording shows is told in words on standard error at the end. The options below may stand before or after
the script; whatever comes after a ``--`` is the script's, even if it looks like one of them.
"""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

from helpers.script import Run, Stack, run_script
from helpers.timeline import Timeline

OURS = ("--timeline", "--timeout", "--python", "--keep")
SWITCHES = ("--internals",)
PICTURES = (".png", ".svg")
PERFETTO = ".perfetto.json"
# As in the shell: what timeout(1) ends with, and what is added to the number of a deadly signal.
TIMED_OUT, KILLED = 124, 128
SIGINT, SIGPIPE = 2, 13
_BEGINNING = ("_bootstrap", "_bootstrap_inner", "run")


def parse(argv: list[str]) -> argparse.Namespace:
    """Read the command line.

    Raises:
        SystemExit: it cannot be read, or asked for help.
    """
    parser = argparse.ArgumentParser(
        prog="python -m helpers run", description="Run and record a script.", allow_abbrev=False
    )
    parser.add_argument(
        "--timeline",
        type=_timeline,
        metavar="FILE",
        help="where to save it: .png, .svg, .json, or .perfetto.json for ui.perfetto.dev",
    )
    parser.add_argument("--timeout", type=_seconds, metavar="S", help="stop the script after S seconds")
    parser.add_argument("--python", metavar="EXE", help="the Python to run it, instead of this one")
    parser.add_argument(
        "--keep",
        choices=("oldest", "newest"),
        default="oldest",
        help="what to keep of a recording that has no room for all of it (oldest)",
    )
    parser.add_argument(
        "--internals",
        action="store_true",
        help="show also the locks and the like that the standard library makes for itself",
    )
    parser.add_argument("script", type=_script, help="the Python file to run")
    parser.add_argument("args", nargs="*", default=[], help="its arguments; after --, any at all")
    ours: list[str] = []
    theirs: list[str] = []
    words = iter(argv)
    for word in words:
        if word == "--":
            theirs += words
        elif word in OURS:
            value = next(words, None)
            if value is None:
                parser.error(f"argument {word}: expected one argument")
            ours.append(f"{word}={value}")
        elif word.startswith(tuple(f"{name}=" for name in OURS)) or word in SWITCHES:
            ours.append(word)
        elif theirs or not word.startswith("-"):
            theirs.append(word)
        elif word in ("-h", "--help"):
            parser.parse_args([word])
        elif word.startswith("-m"):
            parser.error(
                f"modules cannot be run with -m: run a script that says import runpy; "
                f"runpy.run_module({word[2:] or next(words, 'module')!r}, run_name='__main__')"
            )
        else:
            parser.error(f"there is no option {word}; before the script stand {', '.join(OURS + SWITCHES)}")
    wish = parser.parse_args([*ours, *theirs[:1]])
    wish.args = theirs[1:]
    return wish


def _timeline(text: str) -> Path:
    path = Path(text)
    if path.suffix.lower() not in (*PICTURES, ".json"):
        raise argparse.ArgumentTypeError(f"{text!r} must end in .png, .svg, .json or {PERFETTO}")
    if not path.absolute().parent.is_dir():
        raise argparse.ArgumentTypeError(f"{str(path.parent)!r} is not a folder: make it first")
    is_new = not os.path.lexists(path)
    try:  # now, and not when the script has run for an hour
        path.open("ab").close()
        if is_new:
            path.unlink()
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{text!r} cannot be written: {error.strerror}") from None
    return path


def _script(text: str) -> Path:
    path = Path(text)
    if path.is_dir():
        main = path / "__main__.py"
        mend = f"give its {str(main)!r}" if main.is_file() else "give a file in it"
        raise argparse.ArgumentTypeError(f"{text!r} is a folder: {mend}")
    if not path.is_file():
        raise argparse.ArgumentTypeError(f"there is no file {text!r}")
    return path


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds, write it like 2.5") from None
    if not seconds > 0:
        raise argparse.ArgumentTypeError(f"{text!r} is not above 0")
    return seconds


def pass_on(stream: str, data: bytes) -> None:
    """Pass on what the script wrote, at once and as it is."""
    to = sys.stdout.buffer if stream == "stdout" else sys.stderr.buffer
    to.write(data)
    to.flush()


def report(run: Run) -> str:
    """Say in words what happened, and where each thread was if the script had to be stopped."""
    lines = ["", f"{run.outcome} after {run.duration:.2f} s", run.timeline.summary(), *run.notes]
    lines += [f"{survivor.name} outlived the script and was ended." for survivor in run.survivors]
    for stack in run.stacks:
        lines.append(f"{stack.process}, {stack.thread} was at:")
        lines += [f"  {file}, line {number}, in {function}" for file, number, function in told(stack)]
    return "\n".join(lines)


def told(stack: Stack) -> tuple[tuple[str, int, str], ...]:
    """The frames of a stack without those by which `threading` begins every thread."""
    frames = stack.frames
    while len(frames) > 1 and Path(frames[0][0]).name == "threading.py" and frames[0][2] in _BEGINNING:
        frames = frames[1:]
    return frames


def save(timeline: Timeline, path: Path, title: str) -> None:
    """Save it as the name of the file asks.

    Raises:
        OSError: the file cannot be written.
    """
    name = path.name.lower()
    if name.endswith(PICTURES):
        timeline.plot(title=title).savefig(path, metadata={"Description": timeline.summary()})
    elif name.endswith(PERFETTO):
        timeline.to_perfetto(path)
    else:
        timeline.save(path)


def exit_code(run: Run) -> int:
    """Say as a shell does how the script ended."""
    if run.exit_code is None:
        return TIMED_OUT if run.timed_out else KILLED + SIGINT
    return KILLED - run.exit_code if run.exit_code < 0 else run.exit_code


def main(argv: list[str]) -> int:
    wish = parse(argv)
    run: Run | None
    try:
        run = run_script(
            wish.script,
            args=wish.args,
            stdin=None if sys.platform == "win32" else sys.stdin,
            timeout=wish.timeout,
            python=wish.python,
            keep=wish.keep,
            internals=wish.internals,
            # The caller's own, and what it makes for them in their folder for temporary files stays there.
            env={"TMPDIR": None, "TEMP": None, "TMP": None, **os.environ},
            on_output=pass_on,
        )
    except KeyboardInterrupt as interrupt:
        run = getattr(interrupt, "run", None)
    except BrokenPipeError:
        # Who read our output has seen enough (`| head`). What Python still has to flush goes nowhere.
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, sys.stdout.fileno())
        os.dup2(nowhere, sys.stderr.fileno())
        return KILLED + SIGPIPE
    except (OSError, ValueError) as error:
        print(error, file=sys.stderr)
        return 1
    if run is None:  # interrupted before there was anything to tell
        return KILLED + SIGINT
    print(report(run), file=sys.stderr)
    if wish.timeline is not None:
        try:
            save(run.timeline, wish.timeline, title=wish.script.name)
        except OSError as error:
            print(f"The timeline cannot be saved in {wish.timeline}: {error.strerror}.", file=sys.stderr)
            return exit_code(run) or 1
        print(f"The timeline is in {wish.timeline}.", file=sys.stderr)
    return exit_code(run)


if __name__ == "__main__":
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")  # type: ignore[union-attr]  # a thread may have any name
    sys.exit(main(sys.argv[1:]))

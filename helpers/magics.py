"""`%%as_script` runs a cell as a real script, `%%timeline` runs it here and draws what its threads did.

What a cell shows is sent in two outputs, so that nbval can hold a reader's notebook against a fresh run:

1. The transcript in order of arrival, brought up to date while the script runs. It changes from run to
   run; its plain text is a constant.
2. The timeline. Its plain text is what must be the same whenever the program behaves the same
   (`helpers.transcript.canonical` and `Timeline.summary`); that is compared.

The metadata say which parts change from run to run: ``{"helpers": {"raw": ["text/html", …]}}``.
"""

from __future__ import annotations

import argparse
import ast
import contextvars
import functools
import keyword
import threading
import time
import uuid
import zlib
from contextlib import ExitStack
from types import CodeType

from IPython.core.error import UsageError
from IPython.core.interactiveshell import InteractiveShell
from IPython.core.magic import Magics, cell_magic, magics_class
from IPython.core.magic_arguments import MagicArgumentParser
from IPython.utils.process import arg_split  # type: ignore[attr-defined]

from helpers.pictures import Bundle, picture, shown
from helpers.recording import record
from helpers.script import Line, Run, run_script
from helpers.timeline import Timeline
from helpers.transcript import Transcript, canonical, html

BETWEEN_UPDATES = 0.1  # seconds, at least: a page cannot follow every line of a fast script


def load_ipython_extension(ipython: InteractiveShell) -> None:
    """Make the magics known, and show a timeline, or its figure, that a cell ends with as its picture."""
    ipython.register_magics(CourseMagics)
    assert ipython.display_formatter is not None
    for_type = ipython.display_formatter.mimebundle_formatter.for_type
    for_type(Timeline, picture)
    # By name, so that matplotlib is not imported before something is drawn.
    for_type("helpers.timeline.picture.drawing.TimelineFigure", shown)


def fingerprint(line: str, cell: str) -> str:
    """Tell one source of a cell from another, so that an output can say which one made it.

    Args:
        line: what stands behind the magic's name.
        cell: the lines below.
    """
    return f"{zlib.crc32(bytes(line.strip() + cell.strip(), 'utf-8')):08x}"


class Parser(MagicArgumentParser):
    """Arguments of a magic; a mistake in them is a `UsageError` of one sentence."""

    def __init__(self, name: str, default: str, description: str) -> None:
        super().__init__(f"%{name}", description=description)  # type: ignore[no-untyped-call]
        self.allow_abbrev = False
        self.add_argument(
            "name",
            metavar="NAME",
            nargs="?",
            default=default,
            type=_variable,
            help=f"variable for the result; else {default}",
        )
        self.add_argument(
            "--axis",
            choices=("time", "order"),
            default="time",
            help="draw true durations, or one column per event",
        )

    def parse(self, line: str) -> argparse.Namespace:
        """Read the text behind the magic's name."""
        try:
            words = arg_split(line, posix=True)  # as a shell does it: quotes hold words together
        except ValueError as error:
            raise UsageError(f"The line cannot be taken apart: {error}.") from None
        return self.parse_args(words)


def _variable(text: str) -> str:
    if not text.isidentifier() or keyword.iskeyword(text):
        raise argparse.ArgumentTypeError(f"{text!r} cannot be the name of a variable; take one like my_run.")
    return text


def _seconds(text: str) -> float:
    try:
        seconds = float(text)
    except ValueError:
        seconds = 0.0
    if not 0 < seconds < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number of seconds; write it like 2.5.")
    return seconds


_INTERNALS = "show also the locks and the like that the standard library makes for itself"

AS_SCRIPT = Parser("%as_script", "run", "Run the cell as a script of its own, outside the kernel.")
AS_SCRIPT.add_argument(
    "--timeout", type=_seconds, default=10.0, help="stop it after so many seconds; else 10"
)
AS_SCRIPT.add_argument("--python", metavar="EXE", help="run it with this Python instead of the kernel's")
AS_SCRIPT.add_argument("--start-method", metavar="M", help="multiprocessing's: fork, spawn or forkserver")
AS_SCRIPT.add_argument(
    "--buffering",
    choices=("line", "block"),
    default="line",
    help="print as into a terminal, or as into a pipe",
)
AS_SCRIPT.add_argument(
    "--stdin",
    metavar="TEXT",
    type=lambda text: text.replace(r"\n", "\n"),
    help=r"what the script reads, \n for the end of a line; else there is nothing to read",
)
AS_SCRIPT.add_argument(
    "--keep",
    choices=("oldest", "newest"),
    default="oldest",
    help="what to keep of a recording that has no room for all of it",
)
AS_SCRIPT.add_argument("--internals", action="store_true", help=_INTERNALS)
AS_SCRIPT.add_argument("--no-timeline", action="store_true", help="record and draw nothing")
AS_SCRIPT.add_argument(
    "--args",
    nargs=argparse.REMAINDER,
    default=[],
    help="arguments of the script: all that follows on the line",
)
TIMELINE = Parser("%timeline", "timeline", "Run the cell here in the kernel, and draw what its threads did.")
TIMELINE.add_argument("--internals", action="store_true", help=_INTERNALS)


@magics_class
class CourseMagics(Magics):
    """The cell magics of the course."""

    shell: InteractiveShell

    @cell_magic
    def as_script(self, line: str, cell: str) -> None:
        arguments = AS_SCRIPT.parse(line)
        if not cell.strip():
            raise UsageError("The cell is empty: write a program below the %%as_script line.")
        made_by = fingerprint(line, cell)
        live = _Live(self.shell, made_by)
        interrupt = None
        try:
            run = run_script(
                "\n" + cell,  # the magic is line 1, so that tracebacks name the lines that JupyterLab shows
                args=arguments.args,
                stdin=arguments.stdin,
                timeout=arguments.timeout,
                python=arguments.python,
                start_method=arguments.start_method,
                buffering=arguments.buffering,
                record=not arguments.no_timeline,
                keep=arguments.keep,
                internals=arguments.internals,
                on_line=live.add,
            )
        except KeyboardInterrupt as error:
            if not hasattr(error, "run"):  # it came before there was a script, or after
                raise
            interrupt = error
            run = error.run
        except (OSError, ValueError) as error:
            raise UsageError(str(error)) from None
        finally:
            live.stop()
        self.shell.user_ns[arguments.name] = run
        live.show(html(run))
        self._show(_bundle(run, arguments.axis), made_by)
        if interrupt:
            # The script's own stacks stand in the transcript: how this magic waits for it tells nothing.
            interrupt._render_traceback_ = lambda: ["KeyboardInterrupt"]  # type: ignore[attr-defined]
            raise interrupt

    @cell_magic
    def timeline(self, line: str, cell: str) -> None:
        arguments = TIMELINE.parse(line)
        if not cell.strip():
            raise UsageError("The cell is empty: write a program below the %%timeline line.")
        name, parts = _compiled(self.shell, cell)
        with ExitStack() as after, record(internals=arguments.internals) as timeline:
            # Comes when the recording is complete, whatever the cell has raised.
            after.callback(self._keep, timeline, arguments, fingerprint(line, cell))
            try:
                for part in parts:
                    exec(part, self.shell.user_ns)
            except BaseException as error:
                _show_from(name, error, self.shell)
                raise

    as_script.__doc__ = AS_SCRIPT.format_help()
    timeline.__doc__ = TIMELINE.format_help()

    def _keep(self, timeline: Timeline, arguments: argparse.Namespace, made_by: str) -> None:
        self.shell.user_ns[arguments.name] = timeline
        self._show(picture(timeline, arguments.axis), made_by)

    def _show(self, bundle: Bundle, made_by: str) -> None:
        data, metadata = bundle
        if not _in_notebook(self.shell):
            print(data["text/plain"])
            return
        metadata["helpers"]["source"] = made_by
        self.shell.display_pub.publish(data, metadata)


class _Live:
    """The transcript on the page, brought up to date while the script runs."""

    def __init__(self, shell: InteractiveShell, made_by: str) -> None:
        self._shell = shell
        self._metadata = {"helpers": {"raw": ["text/html"], "source": made_by}}
        self._transient = {"display_id": uuid.uuid4().hex}
        self._stopped = threading.Event()
        self._lock = threading.Lock()  # guards everything below, and keeps updates in order
        self._transcript = Transcript()
        self._late: threading.Thread | None = None  # shows what came within the pause
        self._waiting = False  # whether it still has to
        self._shown_at = -BETWEEN_UPDATES
        self._published = False

    def add(self, line: Line) -> None:
        """Take the line that arrived next, and show it now, or as soon as the page has had its pause."""
        with self._lock:
            self._transcript.add(line)
            if self._waiting:
                return
            pause = self._shown_at + BETWEEN_UPDATES - time.monotonic()
            if pause <= 0:
                self._show_lines()
                return
            # No further line may come for long, so that somebody else must wake up to show this one. In a
            # copy of the context, because that is where ipykernel keeps to which cell an output belongs;
            # with a name, so that it takes no number from the reader's threads.
            if self._late is not None:
                self._late.join()  # it has shown its lines, and needs the lock no more
            context = contextvars.copy_context()
            target = functools.partial(context.run, self._show_late, pause)
            self._late = threading.Thread(target=target, name="transcript", daemon=True)
            self._late.start()
            self._waiting = True

    def stop(self) -> None:
        """Show no more lines; after it returns no thread is left."""
        with self._lock:
            self._stopped.set()
        if self._late is not None:
            self._late.join()

    def show(self, transcript: str) -> None:
        """Show the finished transcript, as HTML."""
        self._publish(transcript)

    def _show_late(self, pause: float) -> None:
        self._stopped.wait(pause)
        with self._lock:
            self._waiting = False
            # stop() may have come while this thread waited for the lock: what is shown then is final.
            if not self._stopped.is_set():
                self._show_lines()

    def _show_lines(self) -> None:
        self._publish(self._transcript.html())
        self._shown_at = time.monotonic()

    def _publish(self, transcript: str) -> None:
        if _in_notebook(self._shell):
            # nbval compares the first version that was sent with the last one that was saved, so that the
            # plain text is the same in all versions.
            data = {"text/html": transcript, "text/plain": "transcript"}
            publish = self._shell.display_pub.publish
            publish(data, self._metadata, transient=self._transient, update=self._published)
            self._published = True


def _bundle(run: Run, axis: str) -> Bundle:
    """Make the second output: the timeline if there is one, and the text that is compared."""
    if run.timeline.lanes:
        data, metadata = picture(run.timeline, axis)
        data["text/plain"] = f"{canonical(run)}\n\n{data['text/plain']}"
        return data, metadata
    # Nothing to see: the transcript stands above. The plain text is there to be compared.
    return {"text/html": "<!-- no timeline -->", "text/plain": canonical(run)}, {"helpers": {"raw": []}}


def _compiled(shell: InteractiveShell, cell: str) -> tuple[str, list[CodeType]]:
    """Compile a cell as IPython does: all but the last line, and the last line so that its value is shown.

    Returns:
        The name under which tracebacks find its source, and the two parts.
    """
    code = "# %%timeline\n" + shell.transform_cell(cell)  # type: ignore[no-untyped-call]
    name = shell.compile.cache(code, shell.execution_count, raw_code=cell)
    flags = shell.compile.flags  # what the reader imported from __future__ so far, not what this file did
    try:
        tree = shell.transform_ast(shell.compile.ast_parse(code, filename=name))  # type: ignore[no-untyped-call]
        last = [tree.body.pop()] if tree.body and isinstance(tree.body[-1], ast.Expr) else []
        return name, [
            compile(tree, name, "exec", flags, dont_inherit=True),
            compile(ast.Interactive(last), name, "single", flags, dont_inherit=True),
        ]
    except SyntaxError as error:
        where = f"line {error.lineno}: {(error.text or '').strip()}".removesuffix(": ")
        raise UsageError(f"Syntax error ({error.msg}) in {where}") from None


def _show_from(file: str, error: BaseException, shell: InteractiveShell) -> None:
    """Have IPython show the traceback from the frames of the reader's cell on, without those of the magic."""
    below = error.__traceback__
    while below is not None and below.tb_frame.f_code.co_filename != file:
        below = below.tb_next
    shown = shell.InteractiveTB.structured_traceback(type(error), error, below, tb_offset=0)
    error._render_traceback_ = lambda: shown  # type: ignore[attr-defined]


def _in_notebook(shell: InteractiveShell) -> bool:
    return hasattr(shell, "kernel")

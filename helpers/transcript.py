"""A run, written down: as a reader sees it (`html`), and as two runs must agree on it (`canonical`)."""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from pathlib import PurePath

from helpers.script import Line, Run, Stack

SHOWN = 200  # lines shown at each end of a long transcript
WIDEST = 500  # characters shown of a long line

# The colours of Okabe and Ito, told apart by the colour-blind too; the darker ones first.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#F0E442")

# Said in full, because pages that show notebooks have styles of their own for <pre>.
PAGE = (
    "margin: 0; font-family: Menlo, Consolas, 'DejaVu Sans Mono', monospace; line-height: 1.4; "
    "white-space: pre; overflow-x: auto; background: transparent"
)

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)|[@-Z\\-_])")
_VISIBLE = {code: 0x2400 + code for code in range(32) if code != ord("\t")} | {0x7F: 0x2421}

# Where this machine keeps the standard library and packages.
_LIBRARY = re.compile(
    r"""(?:~|\b[A-Za-z]:)?(?:[/\\][^/\\"\s]+)*  # folders
    [/\\](?:lib[/\\]python3(?:\.\d+t?)?|Lib)[/\\](?:(?:site|dist)-packages[/\\])?""",
    re.VERBOSE,
)

# A traceback inside an exception group has a margin of bars before each of its lines.
_MARGIN = re.compile(r"(?: *[|+] )?")
_TRACEBACK = re.compile(r"(?:Exception Group )?Traceback \(most recent call last\):$")
_FRAME = re.compile(r'  File "(?P<file>.+)", line (?P<line>\d+)(?P<function>, in .+)?$')


class Transcript:
    """The lines of a run that is still going on, for a view that follows it.

    Only what will be shown is kept, so an endless output needs no endless memory.
    """

    def __init__(self, lines: Iterable[Line] = ()) -> None:
        self._first: list[Line] = []
        self._last: deque[Line] = deque(maxlen=SHOWN)
        self._count = 0
        self._writers: dict[int, None] = {}
        for line in lines:
            self.add(line)

    def add(self, line: Line) -> None:
        """Append the line that arrived next."""
        (self._first if self._count < SHOWN else self._last).append(line)
        self._count += 1
        if line.pid:
            self._writers[line.pid] = None

    def html(self, names: Mapping[int, str] | None = None, ending: Iterable[str] = ()) -> str:
        """Write the transcript as HTML, in order of arrival.

        It takes its text colour and background from the page, and still reads well where styles are
        stripped.

        Args:
            names: name of each process by id, in order of birth; the others are shown by their id.
            ending: what to say below the lines, each item already HTML.
        """
        names = names or {}
        births = list(dict.fromkeys([*names, *self._writers]))
        colours = {pid: COLOURS[place % len(COLOURS)] for place, pid in enumerate(births)}
        labels = {pid: _clean(names.get(pid, f"process {pid}")) for pid in births}
        if not _several(self._writers, names):
            labels = {}

        lines = [*self._first, *self._last]
        label_width = max((len(labels[line.pid]) for line in lines if line.pid in labels), default=0)
        marked = any(line.stream == "stderr" for line in lines)
        rows = []
        for place, line in enumerate(lines):
            if place == SHOWN and (between := self._count - len(lines)):
                rows.append(f"<em>[{between:,} lines are between: all are in run.lines]</em>")
            cells = [f'<span style="opacity: 0.65">{line.seconds:7.3f} s</span>']
            if label_width:
                label = labels.get(line.pid, "")
                space = " " * (label_width - len(label))
                colour = colours.get(line.pid, "transparent")
                style = f"border-left: 4px solid {colour}; padding-left: 6px"
                cells.append(f'<span style="{style}">{escape(label)}</span>{space}')
            if marked:
                cells.append('<em style="opacity: 0.8">stderr</em>' if line.stream == "stderr" else " " * 6)
            text = escape(_clean(_near(line)), quote=False)
            cells.append(f"<em>{text}</em>" if line.stream == "runner" else text)
            rows.append("  ".join(cells).rstrip())
        rows += ending
        return f'<pre style="{PAGE}">' + "\n".join(rows) + "</pre>"


def html(run: Run) -> str:
    """Write the whole transcript of `run` as HTML: every line in order of arrival, and how it ended."""
    return Transcript(run.lines).html(run.names, _ending(run))


def canonical(run: Run) -> str:
    """Write what must be the same whenever a program behaves the same.

    What chance or the machine decides is left out: times, process ids, and the order *between*
    processes. Each process's lines stand together, processes in order of birth, standard output before
    standard error (they arrive through two pipes, so their order is chance as well). Of a traceback only
    the frames in the script's own file and the exception remain, because frames of the standard library,
    source lines and markers differ between versions of Python. Names of processes are written before the
    lines only where another process than the main one wrote any.
    """
    named = _several((line.pid for line in run.lines if line.pid), run.names)
    said = []
    for pid in dict.fromkeys([*run.names, *(line.pid for line in run.lines)]):
        name = _clean(run.names.get(pid, "a process that was not seen")) if named and pid else ""
        for stream in ("stdout", "stderr", "runner"):
            written = (_near(line) for line in run.lines if line.pid == pid and line.stream == stream)
            texts = _without_what_varies(written, run.file) if stream == "stderr" else written
            mark = ", ".join(part for part in (name, "stderr" if stream == "stderr" else "") if part)
            said += [f"{mark}: {text}" if mark else text for text in _shortened(texts)]
    return "\n".join([*said, run.outcome, *_survivors(run)])


def shorten_paths(text: str) -> str:
    """Call files of the standard library and of packages by what identifies them: ``threading.py``.

    Where a machine keeps them tells a reader nothing.
    """
    return _LIBRARY.sub("", text) if len(text) < 10_000 else text  # the search is slow in long lines


def _ending(run: Run) -> Iterator[str]:
    """Yield what stands below the lines of a finished run, as HTML."""
    code = f" (exit code {run.exit_code})" if run.exit_code is not None and run.exit_code < 0 else ""
    gap = "display: inline-block; padding-top: 4px"
    yield f'<strong style="{gap}">{escape(run.outcome)}</strong>{code} after {run.duration:.2f} s'
    for sentence in (*_survivors(run), *run.notes):
        yield escape(_clean(sentence), quote=False)
    if run.stacks:
        yield "Where each thread was when it was stopped, innermost call last:"
    for stack in run.stacks:
        yield escape(_clean(f"  {stack.process}, {stack.thread}"), quote=False)
        yield from (escape(_clean(f"    {frame}"), quote=False) for frame in _frames(stack, run.file))


def _frames(stack: Stack, file: str) -> Iterator[str]:
    """Yield the frames that tell a reader something: those of the script, and where it ended up."""
    own = PurePath(file).name
    for place, (path, line, function) in enumerate(stack.frames, start=1):
        name = PurePath(path).name
        if name == own or place == len(stack.frames):
            yield f"{name}, line {line}, in {function}"


def _survivors(run: Run) -> Iterator[str]:
    return (f"{_clean(survivor.name)} outlived the script and was ended." for survivor in run.survivors)


def _several(writers: Iterable[int], names: Mapping[int, str]) -> bool:
    """Whether anybody but the main process wrote, so that lines need a label."""
    written = list(writers)
    main = next(iter(names), written[0] if written else 0)
    return any(pid != main for pid in written)


def _without_what_varies(texts: Iterable[str], file: str) -> Iterator[str]:
    """Reduce each traceback to the frames in `file` and the exception; yield all other lines unchanged."""
    own = PurePath(file).name
    inside = False
    for text in texts:
        text = _ANSI.sub("", text)
        margin = _MARGIN.match(text)
        assert margin is not None  # it also matches nothing
        body = text[margin.end() :]
        frame = _FRAME.match(body)
        # A syntax error in the script itself has no heading, only a frame without a function.
        if _TRACEBACK.match(body) or (frame and not inside and not frame["function"]):
            inside = True
        elif inside and not body.startswith(" "):
            inside = False  # the exception itself: the first line that is not indented
        elif inside and frame is None:
            continue  # a source line, a marker below it, or "[Previous line repeated 996 more times]"
        if inside and frame is not None:
            if PurePath(frame["file"]).name != own:
                continue
            text = f'{margin[0]}  File "{own}", line {frame["line"]}{frame["function"] or ""}'
        yield text


def _near(line: Line) -> str:
    """Return the text of a line; in what Python says on standard error, without the machine's paths."""
    return shorten_paths(line.text) if line.stream == "stderr" else line.text


def _shortened(texts: Iterable[str]) -> Iterator[str]:
    """Yield the texts made readable, the middle of a long list left out and counted."""
    last: deque[str] = deque(maxlen=SHOWN)
    count = 0
    for count, text in enumerate(texts, start=1):
        if count <= SHOWN:
            yield _clean(text)
        else:
            last.append(text)
    if count > 2 * SHOWN:
        yield f"[{count - 2 * SHOWN:,} lines are between]"
    yield from map(_clean, last)


def _clean(text: str) -> str:
    """Make a line fit to be shown: no colour codes, control characters visible, not endless."""
    remark = f" [shortened: {len(text):,} characters]" if len(text) > WIDEST else ""
    shown = _ANSI.sub("", text[:WIDEST]).translate(_VISIBLE)
    return shown.encode(errors="backslashreplace").decode() + remark  # half a surrogate pair is no text

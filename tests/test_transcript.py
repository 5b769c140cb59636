"""What a reader sees of a run, and what two runs of one program must have in common."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest

from helpers.script import Line, Run, Stack, Survivor
from helpers.timeline import Timeline
from helpers.timeline.model import HOLD, WAKEUP, Deadlock, Holds, Wakeups
from helpers.transcript import COLOURS, SHOWN, WIDEST, Transcript, canonical, html, shorten_paths

MAIN, CHILD, OTHER = 4000, 4001, 4007
NOTHING = Timeline(
    (), (), Holds(np.empty(0, HOLD), ()), Wakeups(np.empty(0, WAKEUP), ()), (), Deadlock((), ()), 0.0
)
RUN = Run(
    exit_code=0,
    timed_out=False,
    interrupted=False,
    duration=0.2134,
    timeout=2.0,
    lines=(),
    survivors=(),
    stacks=(),
    timeline=NOTHING,
    names={MAIN: "main process", CHILD: "child 1", OTHER: "Process-1"},
    file="script.py",
)


def run_of(*lines: tuple[int, str, str], **changes: object) -> Run:
    """A run with the lines (pid, stream, text), one each millisecond."""
    numbered = tuple(Line(place / 1000, *line) for place, line in enumerate(lines))
    return dataclasses.replace(RUN, lines=numbered, **changes)


def rows(page: str) -> list[str]:
    """What a page of HTML says, line by line. It must be well-formed."""
    return "".join(ElementTree.fromstring(page).itertext()).split("\n")


class TestHtml:
    def test_lines_stand_in_order_of_arrival_with_time_and_process(self) -> None:
        run = run_of((MAIN, "stdout", "one"), (CHILD, "stdout", "two"), (MAIN, "stdout", "three"))
        assert rows(html(run)) == [
            "  0.000 s  main process  one",
            "  0.001 s  child 1       two",
            "  0.002 s  main process  three",
            "exit code 0 after 0.21 s",
        ]

    def test_one_process_needs_no_label(self) -> None:
        assert rows(html(run_of((MAIN, "stdout", "alone"))))[0] == "  0.000 s  alone"

    def test_a_child_that_writes_alone_is_named(self) -> None:
        assert rows(html(run_of((CHILD, "stdout", "alone"))))[0] == "  0.000 s  child 1  alone"

    def test_each_process_keeps_a_colour_of_its_own(self) -> None:
        page = html(run_of(*[(pid, "stdout", "x") for pid in (OTHER, MAIN, CHILD, OTHER)]))
        edges = [span.get("style", "") for span in ElementTree.fromstring(page).iter("span")]
        colours = [next((c for c in COLOURS if c in edge), None) for edge in edges if "border" in edge]
        assert colours == [COLOURS[2], COLOURS[0], COLOURS[1], COLOURS[2]]

    def test_standard_error_is_marked_without_colour_too(self) -> None:
        assert rows(html(run_of((MAIN, "stderr", "oh"), (MAIN, "stdout", "ah"))))[:2] == [
            "  0.000 s  stderr  oh",
            "  0.001 s          ah",
        ]

    def test_a_remark_of_the_runner_is_in_italics_and_of_no_process(self) -> None:
        page = html(run_of((CHILD, "stdout", "x"), (0, "runner", "[9 lines cut here]")))
        assert [element.text for element in ElementTree.fromstring(page).iter("em")] == ["[9 lines cut here]"]
        assert rows(page)[1].split() == ["0.001", "s", "[9", "lines", "cut", "here]"]

    @pytest.mark.parametrize(
        ("changes", "said"),
        [
            ({"exit_code": 3}, "exit code 3 after 0.21 s"),
            ({"exit_code": -9}, "killed by SIGKILL (exit code -9) after 0.21 s"),
            ({"exit_code": -63}, "killed by signal 63 (exit code -63) after 0.21 s"),
            ({"exit_code": None, "timed_out": True}, "stopped at the deadline of 2 s after 0.21 s"),
            ({"exit_code": None, "interrupted": True}, "stopped by an interrupt after 0.21 s"),
        ],
    )
    @pytest.mark.skipif(sys.platform == "win32", reason="signals have other names there")
    def test_how_it_ended(self, changes: dict[str, object], said: str) -> None:
        assert rows(html(run_of(**changes))) == [said]

    def test_survivors_notes_and_stacks_follow(self) -> None:
        inner = (("script.py", 12, "<module>"), ("lib/process.py", 149, "join"), ("lib/popen.py", 43, "poll"))
        outer = (("lib/threading.py", 1000, "_bootstrap"), ("script.py", 4, "work"))
        run = run_of(
            exit_code=None,
            timed_out=True,
            survivors=(Survivor(CHILD, "child 1"), Survivor(9, "sleep <60>")),
            notes=("A remark & more.",),
            stacks=(
                Stack(MAIN, "main process", "MainThread", inner),
                Stack(MAIN, "main process", "T-1", outer),
            ),
        )
        assert rows(html(run))[1:] == [
            "child 1 outlived the script and was ended.",
            "sleep <60> outlived the script and was ended.",
            "A remark & more.",
            "Where each thread was when it was stopped, innermost call last:",
            "  main process, MainThread",
            "    script.py, line 12, in <module>",
            "    popen.py, line 43, in poll",
            "  main process, T-1",
            "    script.py, line 4, in work",
        ]

    def test_what_the_program_prints_is_no_html(self) -> None:
        assert rows(html(run_of((MAIN, "stdout", "<script>1</script> & <b>"))))[0].endswith(
            "<script>1</script> & <b>"
        )

    def test_control_characters_show_and_colours_do_not(self) -> None:
        run = run_of((MAIN, "stdout", "a\0b\rc\x1b[1;31mred\x1b[0m\x1b]0;title\x07\tend\x7f"))
        assert rows(html(run))[0] == "  0.000 s  a␀b␍cred\tend␡"

    def test_half_a_character_can_be_sent_to_the_page(self) -> None:
        page = html(run_of((MAIN, "stdout", "broken \udcff")))
        json.dumps(page).encode()
        page.encode()
        assert rows(page)[0].endswith(r"broken \udcff")

    def test_a_long_transcript_shows_both_ends_and_says_how_much_is_between(self) -> None:
        run = run_of(*[(MAIN, "stdout", f"line {number}") for number in range(12_345)])
        shown = rows(html(run))
        assert shown[SHOWN - 1 : SHOWN + 2] == [
            "  0.199 s  line 199",
            "[11,945 lines are between: all are in run.lines]",
            " 12.145 s  line 12145",
        ]
        assert shown[2 * SHOWN] == " 12.344 s  line 12344"

    @pytest.mark.parametrize("count", [SHOWN, SHOWN + 1, 2 * SHOWN])
    def test_nothing_is_left_out_before_it_must_be(self, count: int) -> None:
        shown = rows(html(run_of(*[(MAIN, "stdout", str(number)) for number in range(count)])))
        assert [row.split()[-1] for row in shown[:-1]] == [str(number) for number in range(count)]

    def test_a_long_line_is_shortened_and_says_so(self) -> None:
        page = html(run_of((MAIN, "stdout", "x" * 50_000_000)))
        assert rows(page)[0].endswith("x" * WIDEST + " [shortened: 50,000,000 characters]")
        assert len(page) < 2 * WIDEST

    def test_while_it_runs_processes_without_a_name_go_by_their_number(self) -> None:
        transcript = Transcript([Line(0.5, MAIN, "stdout", "one")])
        assert rows(transcript.html()) == ["  0.500 s  one"]
        transcript.add(Line(0.6, CHILD, "stdout", "two"))
        assert rows(transcript.html()) == [
            f"  0.500 s  process {MAIN}  one",
            f"  0.600 s  process {CHILD}  two",
        ]


PROGRAMS = {
    "cause": (
        """\
        def look(values):
            return values["a"] + values[
                "b"
            ]

        def f():
            try:
                look({"a": 1})
            except KeyError as error:
                raise ValueError("no b") from error

        f()
        """,
        """\
        stderr: Traceback (most recent call last):
        stderr:   File "script.py", line 8, in f
        stderr:   File "script.py", line 2, in look
        stderr: KeyError: 'b'
        stderr:
        stderr: The above exception was the direct cause of the following exception:
        stderr:
        stderr: Traceback (most recent call last):
        stderr:   File "script.py", line 12, in <module>
        stderr:   File "script.py", line 10, in f
        stderr: ValueError: no b
        exit code 1
        """,
    ),
    "thread": (
        """\
        import threading

        def work():
            raise RuntimeError("two\\nlines")

        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
        print("main goes on")
        """,
        """\
        main goes on
        stderr: Exception in thread Thread-1 (work):
        stderr: Traceback (most recent call last):
        stderr:   File "script.py", line 4, in work
        stderr: RuntimeError: two
        stderr: lines
        exit code 0
        """,
    ),
    "process": (
        """\
        import multiprocessing

        def work():
            raise ValueError("child")

        if __name__ == "__main__":
            process = multiprocessing.get_context("spawn").Process(target=work)
            process.start()
            process.join()
        """,
        """\
        stderr: Process SpawnProcess-1:
        stderr: Traceback (most recent call last):
        stderr:   File "script.py", line 4, in work
        stderr: ValueError: child
        exit code 0
        """,
    ),
    "library": (
        """\
        import threading
        threading.BoundedSemaphore().release()
        """,
        """\
        stderr: Traceback (most recent call last):
        stderr:   File "script.py", line 2, in <module>
        stderr: ValueError: Semaphore released too many times
        exit code 1
        """,
    ),
    "group": (
        """\
        def one():
            raise ValueError(1)

        def both():
            problems = []
            for f in (one, lambda: {}["x"]):
                try:
                    f()
                except Exception as error:
                    problems.append(error)
            raise ExceptionGroup("two", problems)

        both()
        """,
        """\
        stderr:   + Exception Group Traceback (most recent call last):
        stderr:   |   File "script.py", line 13, in <module>
        stderr:   |   File "script.py", line 11, in both
        stderr:   | ExceptionGroup: two (2 sub-exceptions)
        stderr:   +-+---------------- 1 ----------------
        stderr:     | Traceback (most recent call last):
        stderr:     |   File "script.py", line 8, in both
        stderr:     |   File "script.py", line 2, in one
        stderr:     | ValueError: 1
        stderr:     +---------------- 2 ----------------
        stderr:     | Traceback (most recent call last):
        stderr:     |   File "script.py", line 8, in both
        stderr:     |   File "script.py", line 6, in <lambda>
        stderr:     | KeyError: 'x'
        stderr:     +------------------------------------
        exit code 1
        """,
    ),
    "recursion": (
        """\
        def f():
            f()

        f()
        """,
        """\
        stderr: Traceback (most recent call last):
        stderr:   File "script.py", line 4, in <module>
        stderr:   File "script.py", line 2, in f
        stderr:   File "script.py", line 2, in f
        stderr:   File "script.py", line 2, in f
        stderr: RecursionError: maximum recursion depth exceeded
        exit code 1
        """,
    ),
    "syntax": (
        """\
        x = 1
        def f(:
            pass
        """,
        """\
        stderr:   File "script.py", line 2
        stderr: SyntaxError: invalid syntax
        exit code 1
        """,
    ),
    "no traceback": (
        """\
        import sys
        print("  File \\"other.py\\", line 3, in f\\n    indented\\nend", file=sys.stderr)
        """,
        """\
        stderr:   File "other.py", line 3, in f
        stderr:     indented
        stderr: end
        exit code 0
        """,
    ),
}


def dedented(text: str) -> str:
    """`textwrap.dedent` would keep the blank lines' own idea of blanks."""
    return "\n".join(line.removeprefix(" " * 8) for line in text.splitlines()[:-1])


class TestCanonical:
    @pytest.mark.parametrize("name", PROGRAMS)
    def test_tracebacks_are_the_same_on_every_python(self, name: str, tmp_path: Path) -> None:
        source, expected = map(dedented, PROGRAMS[name])
        (tmp_path / "script.py").write_text(source + "\n")
        done = subprocess.run(
            [sys.executable, tmp_path / "script.py"], capture_output=True, text=True, check=False, timeout=60
        )
        lines = [(MAIN, "stdout", text) for text in done.stdout.splitlines()]
        lines += [(MAIN, "stderr", text) for text in done.stderr.splitlines()]
        text = canonical(run_of(*lines, exit_code=done.returncode))
        assert [line.rstrip() for line in text.split("\n")] == expected.split("\n")

    def test_the_markers_of_newer_pythons_go(self) -> None:
        written = """\
Traceback (most recent call last):
  File "/tmp/x/script.py", line 9, in g
    f({"a": 1})
    ~^^^^^^^^^^
  File "/usr/lib/python3.13/threading.py", line 2, in f
    return values["a"] + values[
                         ~~~~~~^
        "b"
        ^^^
    ]
    ^
KeyError: 'b'"""
        text = canonical(run_of(*[(MAIN, "stderr", line) for line in written.split("\n")]))
        assert text.split("\n") == [
            "stderr: Traceback (most recent call last):",
            'stderr:   File "script.py", line 9, in g',
            "stderr: KeyError: 'b'",
            "exit code 0",
        ]

    def test_the_order_between_processes_and_pipes_does_not_matter(self) -> None:
        lines = [
            (MAIN, "stdout", "a"),
            (CHILD, "stderr", "c"),
            (MAIN, "stderr", "b"),
            (OTHER, "stdout", "e"),
            (CHILD, "stdout", "d"),
        ]
        text = canonical(run_of(*lines))
        assert text == canonical(run_of(*reversed(lines)))
        assert text.split("\n") == [
            "main process: a",
            "main process, stderr: b",
            "child 1: d",
            "child 1, stderr: c",
            "Process-1: e",
            "exit code 0",
        ]

    def test_the_order_within_a_process_matters(self) -> None:
        lines = [(MAIN, "stdout", "a"), (MAIN, "stdout", "b")]
        assert canonical(run_of(*lines)) == "a\nb\nexit code 0"
        assert canonical(run_of(*reversed(lines))) == "b\na\nexit code 0"

    def test_times_process_ids_stacks_and_notes_do_not_matter(self) -> None:
        run = run_of((MAIN, "stdout", "a"), (CHILD, "stdout", "b"), exit_code=None, timed_out=True)
        other = dataclasses.replace(
            run,
            duration=9.0,
            lines=(Line(5.0, 71, "stdout", "a"), Line(6.0, 70, "stdout", "b")),
            names={71: "main process", 70: "child 1"},
            stacks=(Stack(71, "main process", "MainThread", (("script.py", 1, "f"),)),),
            notes=("Slow.",),
        )
        assert canonical(run) == canonical(other)

    def test_survivors_and_remarks_are_told(self) -> None:
        run = run_of(
            (MAIN, "stdout", "a"),
            (0, "runner", "[cut]"),
            exit_code=-11,
            survivors=(Survivor(CHILD, "child 1"),),
        )
        assert canonical(run) == "a\n[cut]\nkilled by SIGSEGV\nchild 1 outlived the script and was ended."

    def test_a_long_output_stays_bounded(self) -> None:
        text = canonical(run_of(*[(MAIN, "stdout", str(number)) for number in range(100_000)]))
        assert text.count("\n") == 2 * SHOWN + 1
        assert "\n199\n[99,600 lines are between]\n99800\n" in text


def test_the_short_form_is_stable_and_in_good_english() -> None:
    assert repr(run_of((MAIN, "stdout", "a"))) == "<Run: exit code 0, 3 processes, 1 line>"
    one = run_of((0, "runner", "[cut]"), names={MAIN: "main process"}, exit_code=None, interrupted=True)
    assert repr(one) == "<Run: stopped by an interrupt, 1 process, 0 lines>"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ('  File "/usr/lib/python3.14t/threading.py", line 2', '  File "threading.py", line 2'),
        ("~/v/lib/python3.11/site-packages/numpy/core.py:3: UserWarning", "numpy/core.py:3: UserWarning"),
        (r'  File "C:\Python311\Lib\threading.py", line 2', r'  File "threading.py", line 2'),
        ("/usr/lib/python3/dist-packages/apt.py:3", "apt.py:3"),
        ("and/or script.py:3 in /usr/lib/x", "and/or script.py:3 in /usr/lib/x"),
        ("\x1b[32m/opt/lib/python3.12/queue.py:7\x1b[39m", "\x1b[32mqueue.py:7\x1b[39m"),
    ],
)
def test_the_standard_library_is_called_by_what_identifies_it(text: str, expected: str) -> None:
    assert shorten_paths(text) == expected

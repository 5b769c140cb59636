"""The magics in real kernels, and in IPython without a notebook."""

from __future__ import annotations

import base64
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.kernels import PATIENCE, Kernel, fresh_kernel

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with fresh_kernel(tmp_path_factory.mktemp("kernel")) as kernel:
        yield kernel


def tags_in(page: str) -> list[tuple[str, dict[str, str | None]]]:
    """The tags of a piece of HTML, each with its attributes, as a browser understands them."""
    tags = []
    parser = HTMLParser()
    parser.handle_starttag = lambda tag, attributes: tags.append((tag, dict(attributes)))  # type: ignore
    parser.feed(page)
    return tags


TWO_PROCESSES = """\
import subprocess, sys
print("parent", flush=True)
subprocess.run([sys.executable, "-c", "print('child')"])
"""


class TestAsScript:
    def test_shows_the_transcript_and_the_timeline(self, kernel: Kernel) -> None:
        shown = kernel.run("%%as_script\n" + TWO_PROCESSES)
        first, second = shown.displays
        assert first["data"].keys() == {"text/html", "text/plain"}
        assert first["data"]["text/plain"] == "transcript"
        assert first["metadata"]["helpers"]["raw"] == ["text/html"]
        assert "parent" in shown.transcript
        assert "child" in shown.transcript
        assert "exit code 0</strong> after" in shown.transcript
        assert second["data"].keys() == {"text/html", "text/plain", "image/png"}
        assert second["metadata"]["helpers"]["raw"] == ["image/png", "text/html"]
        assert "parent" in second["data"]["text/plain"]

    def test_the_text_that_is_compared_is_that_of_the_run(self, kernel: Kernel) -> None:
        shown = kernel.run("%%as_script\n" + TWO_PROCESSES)
        kernel.run("from helpers.transcript import canonical")
        assert shown.displays[1]["data"]["text/plain"] == kernel.value(
            "canonical(run) + '\\n\\n' + run.timeline.summary()"
        )

    def test_every_update_can_stand_for_the_output(self, kernel: Kernel) -> None:
        shown = kernel.run("%%as_script\n" + TWO_PROCESSES)
        first = shown.displays[0]
        assert shown.updates
        for update in shown.updates:
            assert update["transient"] == first["transient"]
            assert update["metadata"] == first["metadata"]
            assert update["data"]["text/plain"] == first["data"]["text/plain"]

    def test_the_picture_has_an_alternative_text_in_both_places(self, kernel: Kernel) -> None:
        shown = kernel.run("%%as_script\nimport threading\nthreading.Thread(name='\"<&>\"').start()")
        output = shown.displays[1]
        summary = kernel.value("run.timeline.summary()")
        assert '"<&>"' in summary
        assert output["metadata"]["image/png"]["alt"] == summary
        tags = tags_in(output["data"]["text/html"])
        assert [(tag, attributes["alt"]) for tag, attributes in tags] == [("img", summary)]
        png = base64.b64decode(output["data"]["image/png"])
        assert png.startswith(b"\x89PNG")
        width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
        size = output["metadata"]["image/png"]
        assert (width, height) == pytest.approx((2 * size["width"], 2 * size["height"]), abs=2)

    def test_lines_appear_while_the_script_runs(self, kernel: Kernel, tmp_path: Path) -> None:
        go_on = tmp_path / "go on"
        cell = f"""%%as_script --timeout {PATIENCE}
import os, time
print("first")
print("second")
while not os.path.exists({str(go_on)!r}):
    time.sleep(0.01)
print("last")"""
        for shown, _ in kernel.start(cell):
            # The script ends only because this has been seen. The second line comes within the pause
            # after the first, so that it must be shown though no third line follows.
            if shown.displays and "second" in shown.transcript:
                go_on.touch()
        assert "last" in shown.transcript
        assert kernel.value("run.exit_code") == 0

    def test_many_lines_are_few_updates(self, kernel: Kernel) -> None:
        began = time.monotonic()
        shown = kernel.run("%%as_script --no-timeline\nfor number in range(20_000): print(number)")
        assert len(shown.updates) <= 10 * (time.monotonic() - began) + 2
        assert "19999" in shown.transcript
        assert "[19,600 lines are between" in shown.transcript

    def test_the_run_is_left_in_the_variable(self, kernel: Kernel) -> None:
        kernel.run("%%as_script first\nprint(1)")
        kernel.run("%%as_script --no-timeline second\nprint(2)")
        assert kernel.value("[first.stdout, second.stdout]") == ["1\n", "2\n"]
        assert kernel.value("[len(first.timeline.lanes), len(second.timeline.lanes)]") == [1, 0]

    def test_without_a_timeline_the_reader_sees_the_text_once(self, kernel: Kernel) -> None:
        shown = kernel.run("%%as_script --no-timeline\nprint('once')")
        second = shown.displays[1]
        assert second["data"] == {"text/html": "<!-- no timeline -->", "text/plain": "once\nexit code 0"}
        assert second["metadata"]["helpers"]["raw"] == []

    def test_options_reach_the_script(self, kernel: Kernel) -> None:
        kernel.run(
            r"""%%as_script --stdin "one\ntwo three" --start-method spawn --timeout 33 --args -x 'a b' --axis
import multiprocessing, sys
print(sys.argv[1:], sys.stdin.read().split("\n"), multiprocessing.get_start_method())"""
        )
        assert kernel.value("run.stdout") == "['-x', 'a b', '--axis'] ['one', 'two three'] spawn\n"
        assert kernel.value("run.timeout") == 33

    @pytest.mark.parametrize(("buffering", "expected"), [("line", 1), ("block", 2)])
    @pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
    def test_buffering_reaches_the_script(self, kernel: Kernel, buffering: str, expected: int) -> None:
        kernel.run(f"%%as_script --buffering {buffering}\nimport os\nprint('x')\nif os.fork(): os.wait()")
        assert kernel.value("run.stdout") == "x\n" * expected

    def test_python_reaches_the_script(self, kernel: Kernel) -> None:
        kernel.run(f"%%as_script --python {sys.executable}\nimport sys\nprint(sys.executable)")
        assert kernel.value("run.stdout") == f"{sys.executable}\n"

    def test_the_axis_changes_the_picture(self, kernel: Kernel) -> None:
        cell = "import threading\nthread = threading.Thread()\nthread.start()\nthread.join()"
        pictures = {
            axis: kernel.run(f"%%as_script --axis {axis}\n{cell}").displays[1] for axis in ("time", "order")
        }
        assert pictures["time"]["data"]["image/png"] != pictures["order"]["data"]["image/png"]

    def test_tracebacks_name_the_lines_of_the_cell(self, kernel: Kernel) -> None:
        shown = kernel.run("%%as_script --no-timeline\n\nx = 1\n1 / 0")
        assert "line 4, in &lt;module&gt;" in shown.transcript
        assert shown.displays[1]["data"]["text/plain"].split("\n") == [
            "stderr: Traceback (most recent call last):",
            'stderr:   File "script.py", line 4, in <module>',
            "stderr: ZeroDivisionError: division by zero",
            "exit code 1",
        ]
        assert shown.status == "ok"

    def test_the_readers_threads_are_numbered_as_if_nothing_had_run(self, kernel: Kernel) -> None:
        kernel.run("import threading; first = threading.Thread()")
        kernel.run(
            "%%as_script\nimport time\nfor number in range(4):\n    print(number)\n    time.sleep(0.06)"
        )
        kernel.run("second = threading.Thread()")
        numbers = kernel.value("[int(thread.name.split('-')[1]) for thread in (first, second)]")
        assert numbers[1] == numbers[0] + 1

    def test_outputs_know_the_source_that_made_them(self, kernel: Kernel) -> None:
        cells = [
            "%%as_script\nprint(1)",
            "%%as_script\nprint(1)\n",
            "%%as_script\nprint(2)",
            "%%as_script r\nprint(1)",
        ]
        made_by = [
            {output["metadata"]["helpers"]["source"] for output in kernel.run(cell).displays}
            for cell in cells
        ]
        assert [len(each) for each in made_by] == [1, 1, 1, 1]
        assert made_by[0] == made_by[1] != made_by[2]
        assert made_by[0] != made_by[3]

    @pytest.mark.parametrize(
        ("cell", "said"),
        [
            ("%%as_script\n  \n\n", "The cell is empty: write a program below the %%as_script line."),
            ("%%as_script", "the cell body is empty."),
            ("%%as_script my-run\n1", "'my-run' cannot be the name of a variable; take one like my_run."),
            ("%%as_script class\n1", "'class' cannot be the name of a variable; take one like my_run."),
            ("%%as_script --timeout soon\n1", "'soon' is not a number of seconds; write it like 2.5."),
            ("%%as_script --timeout -1\n1", "'-1' is not a number of seconds; write it like 2.5."),
            ("%%as_script --timeout nan\n1", "'nan' is not a number of seconds; write it like 2.5."),
            ("%%as_script --axis x\n1", "argument --axis: invalid choice: 'x'"),
            ("%%as_script --fast\n1", "unrecognized arguments: --fast"),
            ('%%as_script "a\n1', "The line cannot be taken apart: No closing quotation."),
            (
                "%%as_script --start-method x\n1",
                "start_method must be one of fork, spawn, forkserver, not 'x'.",
            ),
            ("%%as_script --python nowhere\n1", "'nowhere' was not found"),
            ("%%timeline\n\n", "The cell is empty: write a program below the %%timeline line."),
            ("%%timeline a b\n1", "unrecognized arguments: b"),
            ("%%timeline\nx = 1\ndef (", "Syntax error (invalid syntax) in line 3: def ("),
        ],
    )
    def test_mistakes_are_told_in_a_sentence(self, kernel: Kernel, cell: str, said: str) -> None:
        shown = kernel.run(cell)
        assert shown.printed.startswith("UsageError: ")
        assert said in shown.printed
        assert shown.printed.count("\n") == 1
        assert (shown.status, shown.displays) == ("error", [])

    @pytest.mark.skipif(sys.platform == "win32", reason="interrupts differ there")
    def test_an_interrupt_shows_what_there_is_and_ends_the_cell(self, kernel: Kernel, tmp_path: Path) -> None:
        child = tmp_path / "child"
        cell = f"""%%as_script --timeout {PATIENCE} cut_short
import pathlib, subprocess, time
child = subprocess.Popen(["sleep", "600"])
pathlib.Path({str(child)!r}).write_text(str(child.pid))
print("so far", flush=True)
time.sleep(600)"""
        interrupted = False
        for shown, _ in kernel.start(cell):
            if shown.displays and "so far" in shown.transcript and not interrupted:
                kernel.manager.interrupt_kernel()
                interrupted = True
        assert (shown.error["ename"], shown.error["traceback"]) == (
            "KeyboardInterrupt",
            ["KeyboardInterrupt"],
        )
        assert "stopped by an interrupt" in shown.transcript
        assert "so far\nstopped by an interrupt" in shown.displays[1]["data"]["text/plain"]
        assert kernel.value("[cut_short.interrupted, cut_short.stdout]") == [True, "so far\n"]
        with pytest.raises(ProcessLookupError):
            os.kill(int(child.read_text()), 0)
        assert kernel.run("1").status == "ok"

    def test_two_runs_are_the_same_where_they_are_compared(self, tmp_path: Path) -> None:
        cell = """%%as_script
import threading
def work(): print("worker")
thread = threading.Thread(target=work)
thread.start()
thread.join()
print("main")"""
        texts = []
        for _ in range(2):
            with fresh_kernel(tmp_path) as kernel:
                texts.append([output["data"]["text/plain"] for output in kernel.run(cell).displays])
        assert texts[0] == texts[1]


class TestTimeline:
    def test_runs_the_cell_here_and_shows_it(self, kernel: Kernel) -> None:
        kernel.run("before = 20")
        shown = kernel.run("%%timeline\nimport threading\nafter = before + 1\nprint('printed')\nafter + 1")
        value, picture = shown.displays
        assert value["data"]["text/plain"] == "22"
        assert shown.printed == "printed\n"
        assert kernel.value("after") == 21
        assert picture["data"].keys() == {"text/html", "text/plain", "image/png"}
        assert picture["data"]["text/plain"] == kernel.value("timeline.summary()")
        assert picture["metadata"]["image/png"]["alt"] == kernel.value("timeline.summary()")

    def test_is_left_in_the_variable(self, kernel: Kernel) -> None:
        kernel.run("%%timeline mine --axis order\nimport threading\nthreading.Thread(name='T').start()")
        assert kernel.value("[lane.thread for lane in mine.lanes]") == ["MainThread", "T"]

    def test_an_error_follows_the_timeline(self, kernel: Kernel) -> None:
        shown = kernel.run("%%timeline\ndef f():\n    1 / 0\nf()")
        assert len(shown.displays) == 1
        assert shown.status == "error"
        assert shown.error["ename"] == "ZeroDivisionError"
        traceback = "\n".join(shown.error["traceback"])
        assert "magics.py" not in traceback
        assert "line 4" in traceback
        assert "line 3" in traceback

    @pytest.mark.skipif(sys.platform == "win32", reason="interrupts differ there")
    def test_an_interrupt_is_an_error_like_any(self, kernel: Kernel) -> None:
        interrupted = False
        for shown, _ in kernel.start("%%timeline\nimport time\nprint('so far', flush=True)\ntime.sleep(600)"):
            if "so far" in shown.printed and not interrupted:
                kernel.manager.interrupt_kernel()
                interrupted = True
        assert shown.error["ename"] == "KeyboardInterrupt"
        assert len(shown.displays) == 1

    def test_a_timeline_at_the_end_of_a_cell_is_a_picture(self, kernel: Kernel) -> None:
        kernel.run("%%as_script\nprint(1)")
        (shown,) = kernel.run("run.timeline").displays
        assert shown["data"].keys() == {"text/html", "text/plain", "image/png"}
        assert shown["metadata"]["image/png"]["alt"] == shown["data"]["text/plain"]


def test_without_a_notebook_the_text_is_printed() -> None:
    script = r"""
from IPython.core.interactiveshell import InteractiveShell
shell = InteractiveShell.instance()
shell.run_cell("%load_ext helpers")
shell.run_cell("%%as_script\nprint('from the script')")
shell.run_cell("%%timeline\nprint('from here')")
"""
    done = subprocess.run(
        [sys.executable, "-c", script],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=PATIENCE,
        env=os.environ | {"HISTFILE": os.devnull},
    )
    assert done.stderr == ""
    lines = done.stdout.splitlines()
    assert lines[:3] == ["from the script", "exit code 0", ""]
    assert "from here" in lines
    assert "transcript" not in done.stdout
    assert "<" not in done.stdout

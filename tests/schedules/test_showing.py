"""How a result shows itself: the same words in text and in a notebook, and a picture of the shortest failure."""

from __future__ import annotations

import base64
import importlib
import re
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Event
from types import SimpleNamespace
from typing import Any

import pytest

from helpers.schedules import Result, every_schedule
from tests.schedules.scenarios import guarded, start, together
from tests.test_magics import Kernel, fresh_kernel, tags_in


def two_increments() -> None:
    counter = 0

    def add() -> None:
        nonlocal counter
        counter += 1  # both read, both write

    together(add, add)
    assert counter == 2, "an update was <lost>"


def pulse() -> None:
    go = Event()

    def wait() -> None:
        go.wait()

    def give() -> None:
        go.set()
        go.clear()

    together(wait, give)


def alone() -> None:
    together(lambda: None)


ADD = two_increments.__code__.co_firstlineno + 5
START, ASSERT = start.__code__.co_firstlineno + 4, two_increments.__code__.co_firstlineno + 8


@pytest.mark.parametrize(("scenario", "options", "said"), [
    (two_increments, {"mode": "all"}, "4 of 6 schedules fail; all were explored. "
     "This counts schedules; it is not a probability."),
    (two_increments, {}, "2 of 4 classes of schedules fail; all were explored. "
     "This counts classes; it is not a probability."),
    (two_increments, {"mode": "bound", "bound": 1}, "2 of 4 schedules fail; only those with at most 1 preemption "
     "were explored. This counts schedules; it is not a probability."),
    (guarded, {}, "None of 2 classes of schedules fails; all were explored."),
    (guarded, {"mode": "bound", "bound": 0}, "None of 2 schedules fails; only those with at most 0 preemptions "
     "were explored."),
    (pulse, {"mode": "all"}, "1 of 4 schedules fails; all were explored. "
     "This counts schedules; it is not a probability."),
    (alone, {"mode": "all"}, "The only schedule does not fail; all were explored."),
])  # fmt: skip
def test_one_sentence_says_how_many_of_which_fail(
    scenario: Callable[[], None], options: dict[str, Any], said: str
) -> None:
    assert str(every_schedule(scenario, **options)).splitlines()[0] == said


def test_a_search_that_was_cut_short_claims_nothing() -> None:
    def long() -> None:
        counter = 0

        def add() -> None:
            nonlocal counter
            for _ in range(20):
                counter += 1

        together(add, add, add)

    text = str(every_schedule(long, mode="all", seconds=0.2))
    assert "; not all were explored." in text.splitlines()[0]
    assert "The search was stopped after 0.2 seconds" in text


def test_the_text_is_exact(capsys: pytest.CaptureFixture[str]) -> None:
    print(every_schedule(two_increments, mode="all"))
    assert capsys.readouterr().out == (
        "4 of 6 schedules fail; all were explored. This counts schedules; it is not a probability.\n"
        "\n"
        f"AssertionError: an update was <lost> (MainThread, line {ASSERT})\n"
        '  4 schedules; the shortest schedule: "A B"\n'
        "\n"
        "The shortest schedule that fails, step by step:\n"
        f"   1. MainThread      scenarios.py:{START}: start Thread-1 (add)\n"
        f"   2. MainThread      scenarios.py:{START}: start Thread-2 (add)\n"
        f"   3. Thread-1 (add)  {ADD}: read counter = 0\n"
        f"   4. Thread-2 (add)  {ADD}: read counter = 0\n"
        f"   5. Thread-2 (add)  {ADD}: write counter = 1\n"
        f"   6. Thread-1 (add)  {ADD}: write counter = 1\n"
    )


OTHER = """
import threading

lock = threading.Lock()

def check(held):
    assert held.value == 2

def look(held):
    exec("held.value")

def guarded():
    with lock:
        pass
"""


def test_a_line_of_another_file_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "other_of_a_test.py").write_text(OTHER)
    monkeypatch.syspath_prepend(tmp_path)
    other = importlib.import_module("other_of_a_test")
    monkeypatch.delitem(sys.modules, "other_of_a_test")

    def scenario() -> None:
        held = SimpleNamespace(value=0)

        def add() -> None:
            held.value += 1

        together(add, add)
        other.look(held)
        other.check(held)

    result = every_schedule(scenario)
    text = str(result)
    assert "AssertionError: assert held.value == 2 (MainThread, line 7 of other_of_a_test.py)\n" in text
    assert "Line 10 of other_of_a_test.py: exec runs code that is not followed" in text
    (failure,) = result.failures
    assert failure.elsewhere == "other_of_a_test.py"
    assert {step.elsewhere for step in failure.shortest.steps if step.kind == "write"} == {""}
    assert (
        '<td style="text-align: left">7 of other_of_a_test.py</td>'
        in result._repr_mimebundle_()[0]["text/html"]
    )
    with pytest.raises(ValueError, match=r"^line 13 of other_of_a_test\.py uses `lock`"):
        every_schedule(lambda: other.guarded())


def test_a_schedule_and_a_failure_are_text_too(failing: Result) -> None:
    (failure,), schedule = failing.failures, failing.shortest
    assert schedule is not None
    said = "AssertionError: an update was <lost>"
    assert repr(failing.failures) == (
        f'(<Failure {said} (MainThread, line {ASSERT}); the shortest schedule: "{schedule.string}">,)'
    )
    lines = str(schedule).splitlines()
    assert lines[:2] == [f'"{schedule.string}"', f"{failure.message} (MainThread, line {ASSERT})"]
    _, told = str(failing).split("step by step:\n")
    assert lines[2:] == told.splitlines()
    assert len(repr(failing)) < 500


def test_the_text_is_the_same_every_time_however_long_it_takes() -> None:
    texts = set()
    for seconds in (10, 20):
        texts.add(str(every_schedule(pulse, mode="all", seconds=seconds)))
        time.sleep(0.01)
    assert len(texts) == 1


@pytest.fixture(scope="module")
def failing() -> Result:
    return every_schedule(two_increments, mode="all")


def test_a_notebook_gets_the_sentence_a_table_and_the_picture(failing: Result) -> None:
    assert failing.shortest is not None
    data, metadata = failing._repr_mimebundle_()
    assert data["text/plain"] == str(failing)
    assert metadata["helpers"]["raw"] == ["image/png", "text/html"]
    summary = failing.shortest.timeline.summary()
    assert metadata["image/png"]["alt"] == summary
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    page = data["text/html"]
    assert page.startswith("<p>4 of 6 schedules fail; all were explored. This counts")
    assert re.findall("<td[^>]*>(.*?)</td>", page) == [
        "AssertionError: an update was &lt;lost&gt;",
        "MainThread",
        str(ASSERT),
        "4",
        "&quot;A B&quot;",
    ]
    ((_, image),) = [(tag, attributes) for tag, attributes in tags_in(page) if tag == "img"]
    assert image["alt"] == summary


def test_nothing_to_see_is_said_without_a_picture() -> None:
    result = every_schedule(guarded)
    data, metadata = result._repr_mimebundle_()
    assert data == {"text/html": f"<p>{result}</p>", "text/plain": str(result)}
    assert metadata == {"helpers": {"raw": []}}


def test_what_could_not_be_followed_is_said_in_both() -> None:
    def reads() -> None:
        together(lambda: Path(__file__).read_text(), lambda: None)

    result = every_schedule(reads, mode="all")
    data, _ = result._repr_mimebundle_()
    for note in result.notes:
        assert note in data["text/plain"]
        assert f"<p>{note}</p>" in data["text/html"]


@pytest.fixture(scope="module")
def kernel(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    with fresh_kernel(tmp_path_factory.mktemp("kernel")) as kernel:
        yield kernel


CELL = """\
from threading import Lock, Thread
from helpers.schedules import every_schedule

def transfers():
    checking, savings = Lock(), Lock()
    def there():
        with checking, savings:
            print("there")
    def back():
        with savings, checking:
            print("back")
    threads = [Thread(target=there), Thread(target=back)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

every_schedule(transfers)
"""


def test_a_cell_that_ends_with_a_result_shows_it(kernel: Kernel) -> None:
    shown = [kernel.run(CELL) for _ in range(2)]
    assert shown[0].printed == ""  # what the scenario prints belongs to its schedules
    ((one,), (other,)) = (cell.displays for cell in shown)
    assert one["data"]["text/plain"] == other["data"]["text/plain"]
    assert one["data"]["text/plain"].splitlines() == [
        "1 of 3 classes of schedules fails; all were explored. This counts classes; it is not a probability.",
        "",
        "Thread-1 (there) holds `checking` and waits for `savings`; "
        "Thread-2 (back) holds `savings` and waits for `checking`",
        '  1 class; the shortest schedule: "A B"',
        "",
        "The shortest schedule that fails, step by step:",
        "   1. MainThread        14: start Thread-1 (there)",
        "   2. MainThread        14: start Thread-2 (back)",
        "   3. Thread-1 (there)  7: acquire checking",
        "   4. Thread-2 (back)   10: acquire savings",
    ]
    assert one["metadata"]["helpers"]["raw"] == ["image/png", "text/html"]


def test_a_result_is_shown_without_anything_of_ipython() -> None:
    program = textwrap.dedent("""
        import sys
        from helpers.schedules import every_schedule
        from helpers.schedules.showing import bundle
        from tests.schedules.test_showing import two_increments
        before = set(sys.modules)
        data, _ = bundle(every_schedule(two_increments))
        assert data["image/png"], data
        made = {name for name in set(sys.modules) - before if name.startswith(("IPython", "helpers.magics"))}
        print(sorted(made))
    """)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=100, check=True
    )
    assert done.stdout == "[]\n"

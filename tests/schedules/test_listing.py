"""The function around a line: what the player shows of a thread's code."""

from __future__ import annotations

import linecache
from pathlib import Path

import pytest

from helpers.schedules.listing import around

PROGRAM = """\
from functools import cache

class Account:
    def add(self, amount):
        self.balance += amount

        # the end

@cache
def outer():
    def inner():
        return [
            number
            for number in range(3)
        ]
    later = lambda: 1
    return inner() + [later()]

result = outer() if True else (
    None
)
"""


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return str(path)


@pytest.mark.parametrize(
    ("line", "first", "last"),
    [
        (4, 4, 5),
        (5, 4, 5),
        (9, 9, 17),
        (10, 9, 17),
        (11, 11, 15),
        (13, 11, 15),
        (16, 9, 17),
        (17, 9, 17),
        (20, 19, 21),
        (3, 3, 5),
        (1, 1, 1),
        (7, 7, 7),
    ],
)
def test_the_innermost_function_or_else_the_statement(line: int, first: int, last: int, file: str) -> None:
    listing = around(file, line)
    assert listing is not None
    assert (listing.file, listing.first) == (file, first)
    margin = len(PROGRAM.splitlines()[first - 1]) - len(PROGRAM.splitlines()[first - 1].lstrip())
    assert list(listing.lines) == [text[margin:] for text in PROGRAM.splitlines()[first - 1 : last]]
    assert listing.has(file, first) and listing.has(file, last)
    assert not listing.has(file, first - 1) and not listing.has(file, last + 1)
    assert not listing.has("other.py", first)


def test_where_there_is_no_source_there_is_no_listing(file: str) -> None:
    assert around(file, 22) is None
    assert around(file, 0) is None
    assert around("<stdin>", 1) is None


def test_a_cell_s_source_is_found_by_its_name(monkeypatch: pytest.MonkeyPatch) -> None:
    source = ["def work():\n", "    return 1\n"]
    monkeypatch.setitem(linecache.cache, "<cell 7>", (26, None, source, "<cell 7>"))
    listing = around("<cell 7>", 2)
    assert listing is not None and listing.lines == ("def work():", "    return 1")


def test_of_what_is_no_python_one_line_is_shown(tmp_path: Path) -> None:
    (tmp_path / "cell.py").write_text("%%magic\nx = 1\n")
    listing = around(str(tmp_path / "cell.py"), 2)
    assert listing is not None and (listing.first, listing.lines) == (2, ("x = 1",))


def test_what_python_warns_of_is_read_in_silence(tmp_path: Path) -> None:
    (tmp_path / "digits.py").write_text('def digits():\n    return "\\d"\n')
    listing = around(str(tmp_path / "digits.py"), 2)
    assert listing is not None and listing.lines == ("def digits():", r'    return "\d"')

"""What an object is called, by the line that made it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from helpers.timeline.naming import NameFinder


@pytest.mark.skipif(sys.version_info < (3, 12), reason="3.11 says nothing of it where it does not stop at it")
def test_a_program_with_a_warning_is_read_without_saying_it_again(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(r'pattern, lock = "\d", Lock()' + "\nother = Lock()\n")
    with pytest.warns(SyntaxWarning):
        compile(program.read_text(), str(program), "exec")
    assert NameFinder().find(str(program), 2, "Lock", 0) == "other"


@pytest.mark.parametrize(
    ("line", "names"),
    [
        ("lock = Lock()", ["lock", "lock (2)"]),
        ("a, b = Lock(), Lock()", ["a", "b", "a (2)"]),
        ("late, other = (Lock() for _ in range(2))", ["late", "other", "late (2)"]),
        ("self.guard: Lock = Lock()", ["self.guard", "self.guard (2)"]),
        ("lock = Lock() if fast else None", ["lock"]),
        ("lock = given or Lock()", ["lock"]),
        ("forks = [Lock(), Lock()]", ["forks[0]", "forks[1]", "forks[0] (2)"]),
        ("forks = [Lock()] + [Lock(), Lock()]", ["forks[0]", "forks[1]", "forks[2]"]),
        ("forks = [Lock() for _ in range(2)]", ["forks[0]", "forks[1]", "forks[0] (2)"]),
        ("forks = [Lock() for _ in range(10**9)]", ["forks[0]", "forks[1]"]),
        ("forks = [Lock() for _ in names]", ["forks[0]", "forks[1]", "forks[2]"]),
        ("forks = list(Lock() for _ in names)", ["forks[0]", "forks[1]"]),
        ("grid = [[Lock() for _ in range(2)] for _ in rows]", ["grid[0][0]", "grid[0][1]", "grid[1][0]"]),
        ("grid = [[Lock() for _ in row] for row in rows]", ["grid[…][…]", "grid[…][…] (2)"]),
        ("pairs = [(Lock(), Lock()) for _ in names]", ["pairs[0][0]", "pairs[0][1]", "pairs[1][0]"]),
        ("locks = {'users': Lock(), 'orders': Lock()}", ["locks['users']", "locks['orders']"]),
        ("locks = {n: Lock() for n in ('users', 'orders')}", ["locks['users']", "locks['orders']"]),
        ("locks = {n: Lock() for n in 'ab'}", ["locks['a']", "locks['b']"]),
        ("locks = {n: Lock() for n in names}", ["locks[…]", "locks[…] (2)"]),
        ("locks.append(Lock())", ["locks[0]", "locks[1]"]),
        ("locks.setdefault(key, Lock())", ["locks[key]", "locks[key] (2)"]),
        ("store = Store(Lock(), guard=Lock())", ["Lock of line 1", "guard"]),
        ("class Store: guard = Lock(); locks: list = [Lock(), Lock()]", ["Store.guard", "Store.locks[0]"]),
        ("locks[:] = [Lock(), Lock()]", ["locks[0]", "locks[1]"]),
        ("mine = Mine()", ["mine", "mine (2)"]),
        ("use(Lock())", ["Lock of line 1", "Lock of line 1 (2)"]),
    ],
)
def test_a_name_is_what_the_program_would_write(tmp_path: Path, line: str, names: list[str]) -> None:
    program = tmp_path / "program.py"
    program.write_text(line, encoding="utf-8")
    finder = NameFinder()
    assert [finder.find(str(program), 1, "Lock", nth) for nth in range(len(names))] == names


def test_items_on_lines_of_their_own_are_told_apart(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text("forks = [\n    Lock(),\n    Lock(),\n]\nstore = Store(\n    Lock(),\n)\n")
    finder = NameFinder()
    found = [finder.find(str(program), line, "Lock", 0) for line in (2, 3, 6)]
    assert found == ["forks[0]", "forks[1]", "Lock of line 6"]

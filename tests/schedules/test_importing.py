"""A module that the scenario imports first: all schedules find it imported, and its functions are followed."""

from __future__ import annotations

import importlib
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from helpers.schedules import every_schedule
from tests.schedules.exploring import fails
from tests.schedules.scenarios import together

COUNTER = """
import threading

counter = 0
lock = threading.Lock()

def add():
    global counter
    value = counter
    counter = value + 1

class Counter:
    value = 0

    def __enter__(self):
        self.value, self.before = self.before + 1, self.value

    def __exit__(self, *exception):
        pass

    before = property(lambda self: self.value, lambda self, value: None)

def guarded():
    with lock:
        add()
"""


@pytest.fixture(autouse=True)
def modules(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    package = tmp_path / "helpers_of_a_test"
    package.mkdir()
    (package / "__init__.py").touch()
    (package / "counting.py").write_text(COUNTER)
    (tmp_path / "counting_of_a_test.py").write_text(COUNTER)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in [
        name for name in sys.modules if name.endswith("_of_a_test") or name.startswith(package.name)
    ]:
        del sys.modules[name]


def by_statement() -> Any:
    import counting_of_a_test  # type: ignore[import-not-found]

    return counting_of_a_test


def from_a_package() -> Any:
    from helpers_of_a_test import counting  # type: ignore[import-not-found]

    return counting


def by_function() -> Any:
    return importlib.import_module("helpers_of_a_test.counting")


@pytest.mark.parametrize("imported", [by_statement, from_a_package, by_function])
def test_its_functions_are_followed_from_the_first_search_on(imported: Any) -> None:
    def scenario() -> None:
        module = imported()
        module.counter = 0
        together(module.add, module.add)
        assert module.counter == 2

    first, second = every_schedule(scenario), every_schedule(scenario)
    assert str(first) == str(second)
    assert (first.failing, first.schedules, first.exhausted) == (2, 4, True)


def test_so_are_methods_that_nobody_calls_by_name() -> None:
    def scenario() -> None:
        from counting_of_a_test import Counter

        counter = Counter()

        def count() -> None:
            with counter:
                pass

        together(count, count)
        assert counter.value == 2

    first, second = every_schedule(scenario), every_schedule(scenario)
    assert str(first) == str(second)
    assert first.failing > 0


def test_threads_import_it() -> None:
    def scenario() -> None:
        counts = []

        def add() -> None:
            counts.append(0)
            by_statement().add()
            counts.append(by_statement().counter)

        by_statement().counter = 0
        together(add, add)
        assert counts[-1] == 2

    assert fails(scenario) == ["AssertionError: assert counts[-1] == 2"]


def test_what_it_makes_lasts() -> None:
    def scenario() -> None:
        by_statement().guarded()

    with pytest.raises(ValueError, match=r"uses `lock` \(a Lock\), which was made before the scenario began"):
        every_schedule(scenario)
    scenario()
    assert type(by_statement().lock) is type(threading.Lock())


def test_what_is_not_there_fails_as_ever() -> None:
    def scenario() -> None:
        import there_is_none_of_a_test  # type: ignore[import-not-found]  # noqa: F401

    result = every_schedule(scenario)
    assert [failure.message for failure in result.failures] == [
        "ModuleNotFoundError: No module named 'there_is_none_of_a_test'"
    ]

"""Programs that use libraries: code that is not followed, and names that libraries have for locks and clocks."""

from __future__ import annotations

import http.cookies
import importlib
import logging
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from helpers.schedules import every_schedule
from tests.schedules.scenarios import together, transfers

PACKAGE = """
from _thread import allocate_lock
from threading import Lock
from time import monotonic

COUNTS = {}
REAL = allocate_lock()

class Field:
    def __set_name__(self, owner, name): self.name = "_" + name
    def __get__(self, instance, owner=None): return instance.__dict__.get(self.name, 0)
    def __set__(self, instance, value): instance.__dict__[self.name] = value

class Base:
    def __setattr__(self, name, value): object.__setattr__(self, name, value)

class Counter:
    n = 0
    def add(self): self.n = self.n + 1
    __call__ = __enter__ = add
    def __exit__(self, *exception): pass

class Guarded:
    def __init__(self): self.lock = Lock()
    def call(self, function):
        with self.lock: return function()

class Watch:
    def __init__(self, clock=monotonic): self.clock = clock
    def ticks(self): return int(self.clock())

def add(): COUNTS["n"] = COUNTS.get("n", 0) + 1
def add_to(about): about.n = about.n + 1
def under_a_real_lock(function):
    with REAL: function()
def twice(function):
    calls = []
    def wrapper():
        calls.append(1)
        function()
    wrapper.__wrapped__ = function
    return wrapper
"""


@pytest.fixture(scope="module")
def lib(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """An installed package."""
    folder = tmp_path_factory.mktemp("libraries") / "site-packages"
    (folder / "lib_of_test").mkdir(parents=True)
    (folder / "lib_of_test" / "__init__.py").write_text(PACKAGE, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(folder))
        yield importlib.import_module("lib_of_test")
        del sys.modules["lib_of_test"]


def is_said(scenario: Callable[[], Any]) -> bool:
    result = every_schedule(scenario)
    return not result.exhausted and any(
        "lib_of_test is an installed package" in note for note in result.notes
    )


class Own:
    n = 0


SHARED = Own()


@pytest.mark.parametrize(
    "use",
    [
        lambda lib: lib.add,
        lambda lib: lambda: lib.add_to(SHARED),
        lambda lib: lib.Counter().add,
        lambda lib: lib.Counter(),
        lambda lib: lib.twice(lambda: None),
    ],
    ids=["a function", "its argument", "a method", "an object that is called", "a decorator"],
)
def test_code_of_a_package_is_said_not_to_be_followed(lib: Any, use: Callable[[Any], Any]) -> None:
    function = use(lib)
    assert is_said(lambda: together(function, function))


def test_the_line_is_that_of_the_function_that_names_it(lib: Any) -> None:
    def scenario() -> None:
        with lib.Counter() as counter:
            together(counter, counter)

    scenario.__globals__["lib_by_name"] = lib

    def by_name() -> None:
        together(lib_by_name.add, lib_by_name.add)  # type: ignore[name-defined]  # noqa: F821

    try:
        (note,) = every_schedule(by_name).notes
    finally:
        del scenario.__globals__["lib_by_name"]
    assert note.startswith(f"Line {by_name.__code__.co_firstlineno}: lib_of_test is an installed package")
    assert is_said(scenario)


def test_own_classes_are_followed_whatever_a_package_gives_them(lib: Any) -> None:
    class WithField:
        n = lib.Field()

    class Derived(lib.Base):  # type: ignore[misc]
        n = 0

    for kind in (WithField, Derived):

        def scenario(kind: Any = kind) -> None:
            counter = kind()

            def add() -> None:
                counter.n += 1

            together(add, add)
            assert counter.n == 2

        result = every_schedule(scenario)
        assert (result.schedules, result.failing) == (4, 2)
        assert is_said(scenario)


def test_what_the_standard_library_keeps_in_python_is_shared_data() -> None:
    def attribute() -> None:
        mock = Mock(n=0)

        def add() -> None:
            mock.n += 1

        together(add, add)
        assert mock.n == 2

    def item() -> None:
        cookie: Any = http.cookies.Morsel()
        cookie["version"] = 0

        def add() -> None:
            cookie["version"] = cookie["version"] + 1

        together(add, add)
        assert cookie["version"] == 2

    for scenario in (attribute, item):
        result = every_schedule(scenario)
        assert (result.schedules, result.failing, result.exhausted) == (4, 2, True)


def test_a_flag_of_a_mock_ends_a_loop() -> None:
    def scenario() -> None:
        mock = Mock(stop=False)

        def loop() -> None:
            while not mock.stop:
                pass

        def stop() -> None:
            mock.stop = True

        together(loop, stop)

    result = every_schedule(scenario)
    assert (result.failing, result.exhausted) == (0, True)


def test_a_lock_that_a_package_makes_by_a_name_of_its_own_is_a_model(lib: Any) -> None:
    def scenario() -> None:
        guarded = lib.Guarded()
        count = 0

        def add() -> None:
            nonlocal count
            count += 1

        together(lambda: guarded.call(add), lambda: guarded.call(add))
        assert count == 2

    result = every_schedule(scenario)
    assert (result.failing, "made no step" in " ".join(result.notes)) == (0, False)
    assert lib.Lock is threading.Lock


def test_a_log_record_names_the_line_that_logs(caplog: pytest.LogCaptureFixture) -> None:
    log = logging.getLogger(__name__)

    def scenario() -> None:
        together(lambda: log.warning("here"))

    every_schedule(scenario)
    assert {(record.filename, record.lineno) for record in caplog.records} == {
        (Path(__file__).name, scenario.__code__.co_firstlineno + 1)
    }


def test_a_clock_that_a_package_has_as_a_default_is_virtual(lib: Any) -> None:
    def scenario() -> None:
        watch = lib.Watch()
        before = watch.ticks()
        time.sleep(11)
        assert watch.ticks() - before == 11

    real = lib.Watch.__init__.__defaults__
    assert not every_schedule(scenario).failing
    assert lib.Watch.__init__.__defaults__ is real
    assert lib.monotonic is time.monotonic


def test_who_waits_for_a_real_lock_is_given_up_and_the_next_search_is_as_ever(lib: Any) -> None:
    def scenario() -> None:
        count = 0

        def add() -> None:
            nonlocal count
            count += 1

        together(*[lambda: lib.under_a_real_lock(add)] * 3)

    result = every_schedule(scenario)
    assert not result.exhausted
    assert any("made no step for 3 seconds" in note for note in result.notes)
    for _ in range(3):
        assert every_schedule(transfers).schedules == 3

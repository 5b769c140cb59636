"""What a program does outside its own data is said with its line, or refused with a sentence."""

from __future__ import annotations

import asyncio
import concurrent.futures
import contextlib
import io
import multiprocessing
import multiprocessing.dummy
import multiprocessing.pool
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import pytest

from helpers.schedules import every_schedule
from tests.schedules.exploring import outcomes
from tests.schedules.scenarios import together

HERE = Path(__file__)

USES: dict[str, tuple[Callable[[], object], str]] = {
    "os.path.exists": (lambda: os.path.exists("none"), "os.path.exists uses a file"),
    "os.listdir": (lambda: os.listdir(), "os.listdir uses the operating system"),
    "os.write": (lambda: os.write(2, b""), "os.write uses the operating system"),
    "Path.exists": (lambda: HERE.exists(), "Path.exists uses a file"),
    "Path.read_text": (lambda: HERE.read_text(), "Path.read_text uses a file"),
    "tempfile": (lambda: shutil.rmtree(tempfile.mkdtemp()), "tempfile.mkdtemp uses a file"),
    "socket": (lambda: socket.socket().close(), "socket.socket uses the network"),
    "sqlite3": (lambda: sqlite3.connect("").close(), "sqlite3.connect uses a database"),
    "subprocess": (lambda: subprocess.run([sys.executable, "-c", ""]), "subprocess.run uses another process"),
}


@pytest.mark.parametrize("name", USES)
def test_what_the_next_schedule_finds_changed_is_said(name: str) -> None:
    use, said = USES[name]
    result = every_schedule(lambda: together(lambda: 1, use))
    assert (result.exhausted, result.failing) == (False, 0)
    assert any(
        re.fullmatch(rf"Line \d+: {said}, which the next schedule finds changed", note)
        for note in result.notes
    ), result.notes


def test_what_only_asks_is_not_said() -> None:
    def scenario() -> None:
        def ask() -> None:
            path = Path(os.path.join(os.getcwd(), "a", os.fspath("b"))).with_name(str(os.getpid()))
            assert path.name and path.parent / "c"
            os.environ.get("HOME")
            sqlite3.connect(":memory:").close()

        together(ask, ask)

    result = every_schedule(scenario)
    assert (result.notes, result.failing) == ((), 0)


REFUSED: dict[str, tuple[Callable[[], object], str]] = {
    "Process": (lambda: multiprocessing.Process(target=print), "multiprocessing.Process: it cannot be explored"),
    "ThreadPool": (
        lambda: multiprocessing.pool.ThreadPool(2),
        "multiprocessing.pool.ThreadPool: it cannot be explored: use threading, or concurrent.futures.ThreadPoolExecutor",
    ),
    "dummy": (lambda: multiprocessing.dummy.Pool(2), "multiprocessing.Pool: it cannot be explored"),
    "a lock between processes": (lambda: multiprocessing.Lock(), "multiprocessing.Lock: it cannot be explored"),
    "ProcessPoolExecutor": (
        lambda: concurrent.futures.ProcessPoolExecutor(1),
        "concurrent.futures.ProcessPoolExecutor: processes cannot be explored",
    ),
    "asyncio": (lambda: asyncio.run(asyncio.sleep(0)), "asyncio.run: only programs with threads can be explored"),
    "input": (lambda: input("Name: "), "input: it would ask in every schedule"),
    "breakpoint": (lambda: breakpoint(), "breakpoint: it would ask in every schedule"),
    "signal": (lambda: signal.signal(signal.SIGINT, print), "signal.signal: signals cannot be explored"),
    "_exit": (lambda: os._exit(1), "os._exit: that would end this process, with the search"),
}  # fmt: skip
if hasattr(os, "fork"):
    REFUSED["fork"] = (lambda: os.fork(), "os.fork: processes cannot be explored")


@pytest.mark.filterwarnings("ignore:coroutine 'sleep' was never awaited")
@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_explored_is_refused_with_its_line(name: str) -> None:
    use, said = REFUSED[name]
    line = use.__code__.co_firstlineno
    with pytest.raises(ValueError, match=rf"^line ({line}|{line + 1}) uses {re.escape(said)}"):
        every_schedule(lambda: together(use))


class TestOfTheWholeProcess:
    @pytest.mark.parametrize(
        ("use", "what"),
        [
            (
                lambda: contextlib.redirect_stdout(io.StringIO()),
                "contextlib.redirect_stdout changes sys.stdout",
            ),
            (lambda: contextlib.chdir("."), "contextlib.chdir changes the current directory"),
            (lambda: mock.patch("os.sep", "x"), "mock.patch changes what it patches"),
            (lambda: mock.patch.object(os, "sep", "x"), "mock.patch.object changes what it patches"),
        ],
    )
    def test_what_others_see_at_once_is_said(self, use: Callable[[], Any], what: str) -> None:
        def change() -> None:
            with use():
                pass

        notes = every_schedule(lambda: together(change, change)).notes
        assert any(f"{what} for all threads, and is no step" in note for note in notes)
        assert every_schedule(change).notes == ()  # nobody else is there

    @pytest.mark.skipif(
        getattr(sys.flags, "context_aware_warnings", False), reason="each thread has filters of its own"
    )
    def test_filters_of_warnings(self) -> None:
        def ignore() -> None:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")

        notes = every_schedule(lambda: together(ignore, ignore)).notes
        assert [note.partition(": ")[2].partition(" changes")[0] for note in notes] == [
            "warnings.catch_warnings", "warnings.simplefilter",
        ]  # fmt: skip

    def test_two_threads_that_catch_what_is_printed(self) -> None:
        def scenario() -> list[str]:
            caught = []

            def catch() -> None:
                before, sys.stdout = sys.stdout, io.StringIO()
                print("x")
                caught.append(sys.stdout.getvalue())
                sys.stdout = before

            together(catch, catch)
            return sorted(caught)

        stdout = sys.stdout
        found = set()

        def noted() -> None:
            with contextlib.suppress(
                AttributeError
            ):  # the other has put the real one there, which has no value
                found.add(repr(scenario()))

        result = every_schedule(noted)
        assert result.exhausted
        assert found >= {"['x\\n', 'x\\n']", "['', 'x\\n']", "['x\\n', 'x\\nx\\n']"}
        assert sys.stdout is stdout

    def test_a_text_in_memory_that_two_print_to(self) -> None:
        def scenario() -> str:
            text = io.StringIO()
            together(lambda: print("a", file=text), lambda: print("b", file=text))
            return text.getvalue()

        assert outcomes(scenario) == {repr("a\nb\n"), repr("b\na\n")}

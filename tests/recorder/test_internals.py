"""Locks and the like that the standard library makes for itself: left out, or shown when asked for."""

import os
import threading
from concurrent.futures import Future
from pathlib import Path

from helpers import record, run_script
from tests.course.test_run_command import run as run_command

# A logging handler calls `__str__` with its own lock in hand.
LOGGING = """
import logging
import threading

handler = logging.StreamHandler()
log = logging.getLogger("app")
log.addHandler(handler)
state = threading.Lock()
formatting = threading.Event()

class Account:
    def __str__(self):
        formatting.set()
        with state:
            return "an account"

def report():
    log.warning("about %s", Account())

def change():
    with state:
        reporter.start()
        formatting.wait()
        log.warning("changed")

reporter = threading.Thread(target=report, name="reporter")
threading.Thread(target=change, name="changer").start()
"""

NAMES = """
import logging
import queue
import threading
from concurrent.futures import ThreadPoolExecutor

logging.basicConfig(filename={nowhere!r})
items = queue.Queue(2)
ready = threading.Event()

def use():
    items.put(1)
    logging.warning("put")

with ThreadPoolExecutor(1) as pool:
    answer = pool.submit(use)
    answer.result()
items.get()
"""

OF_A_VALUE = """
import multiprocessing
import threading

total = multiprocessing.Value("i", 0)
lock = threading.Lock()
both = threading.Barrier(2)

def one():
    with total.get_lock():
        both.wait()
        with lock:
            total.value += 1

def other():
    with lock:
        both.wait()
        total.value += 1

for target in (one, other):
    threading.Thread(target=target, name=target.__name__).start()
"""


def test_a_deadlock_through_a_handlers_lock_is_told_when_asked_for(tmp_path: Path) -> None:
    done = run_command(tmp_path, LOGGING, "--internals", "--timeout", "2", "script.py")
    assert (
        "Deadlock: changer waits for handler.lock (RLock, logging/__init__.py:" in done.stderr
        and "), held by reporter; reporter waits for state (Lock, script.py:8), held by changer."
        in done.stderr
    )


def test_otherwise_it_is_no_cycle() -> None:
    run = run_script(LOGGING, timeout=2)
    assert not run.timeline.stuck.cycle
    assert not [each.name for each in run.timeline.objects if "handler" in each.name]


def test_they_are_named_after_what_the_program_calls_their_owners() -> None:
    run = run_script(NAMES.format(nowhere=os.devnull), internals=True)
    names = {each.name for each in run.timeline.objects if not each.internal}
    assert {
        "FileHandler.lock",  # made within basicConfig(), where the program has no name for it
        "items.mutex",
        "items.not_empty",
        "pool._shutdown_lock",
        "answer._condition",
    } <= names
    held = {hold.lock.name for hold in run.timeline.holds}
    assert {"FileHandler.lock", "items.mutex"} <= held
    # Those of `threading` are the object that they are in.
    assert not [each for each in run.timeline.objects if each.file == threading.__file__]


def test_pipes_are_shown_as_without_asking() -> None:
    run = run_script(
        "import multiprocessing\nqueue = multiprocessing.SimpleQueue()\nqueue.put(1)\nprint(queue.get())",
        internals=True,
    )
    assert run.stdout == "1\n"
    assert not [each.name for each in run.timeline.objects if each.kind == "pipe" and each.file]


def test_without_asking_only_the_programs_own_are_there() -> None:
    run = run_script(NAMES.format(nowhere=os.devnull))
    assert {each.name for each in run.timeline.objects if not each.internal} == {
        "items", "answer", "ThreadPoolExecutor-0_0"
    }  # fmt: skip


def test_a_child_that_is_started_anew_shows_them_too(tmp_path: Path) -> None:
    (tmp_path / "child.py").write_text("import queue; items = queue.Queue(); items.put(1)")
    program = "import subprocess, sys; subprocess.run([sys.executable, 'child.py'], check=True)"
    run = run_script(program, cwd=tmp_path, internals=True)
    assert "items.mutex" in {hold.lock.name for hold in run.timeline.holds}


def test_in_this_process_as_long_as_the_block_lasts() -> None:
    with record(internals=True) as timeline:
        future: Future[int] = Future()
        future.set_result(1)
    assert "future._condition" in {hold.lock.name for hold in timeline.holds}
    with record() as timeline:
        later: Future[int] = Future()
        later.set_result(1)
    assert [each.name for each in timeline.objects] == ["later"]


def test_the_lock_of_a_value_is_the_programs_to_use() -> None:
    run = run_script(OF_A_VALUE, timeout=2)
    assert (
        "Deadlock: one waits for lock (Lock, script.py:6), held by other; "
        "other waits for lock of total (multiprocessing.RLock, script.py:5), held by one."
    ) in run.timeline.summary()

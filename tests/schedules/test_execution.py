"""One schedule being run: explored threads take turns, all others notice nothing, and afterwards all is as before."""

from __future__ import annotations

import _thread
import contextvars
import gc
import io
import itertools
import os
import queue
import subprocess
import sys
import textwrap
import threading
import time
import traceback
import weakref
from concurrent.futures import ThreadPoolExecutor
from contextlib import redirect_stdout, suppress
from pathlib import Path
from threading import Lock, Thread
from typing import Any

import pytest

from helpers.schedules import every_schedule
from helpers.schedules.execution import Execution, current
from helpers.schedules.exploring import explore, installed
from helpers.schedules.hub import TURNS
from helpers.schedules.search import Reader
from helpers.schedules.workers import frames
from tests.schedules.scenarios import together, transfers

ROOT = Path(__file__).parents[2]


class TestOthers:
    def test_who_is_not_explored_has_the_real_things(self) -> None:
        made: list[Any] = []
        stop = threading.Event()
        jobs: queue.Queue[str] = queue.Queue()

        def outside() -> None:
            while not stop.is_set():
                jobs.put("one")
                lock = threading.Lock()
                with lock:
                    made.append((type(lock), current(), threading.current_thread()))
                jobs.get()

        thread = threading.Thread(target=outside)
        thread.start()
        try:
            for _ in range(5):
                before = len(made)
                assert every_schedule(transfers, mode="all").schedules == 6
                while len(made) == before:  # it goes on
                    time.sleep(0)
        finally:
            stop.set()
            thread.join()
        assert {kind for kind, _, _ in made} == {type(threading.Lock())}
        assert {execution for _, execution, _ in made} == {None}
        assert {who for _, _, who in made} == {thread}

    def test_afterwards_all_is_as_before(self) -> None:
        def state() -> list[Any]:
            return [
                threading.Lock,
                threading.RLock,
                threading.current_thread,
                vars(threading.Thread)["start"],
                vars(threading.Event)["wait"],
                vars(queue.Queue)["get"],
                time.sleep,
                time.monotonic,
                sys.stdout,
                sys.stderr,
                transfers.__code__,
                threading.enumerate(),
            ]

        before = state()
        every_schedule(transfers)
        assert state() == before
        with pytest.raises(ValueError, match="needs arguments"):
            every_schedule(together.__get__, mode="all")
        assert state() == before

    def test_threads_are_used_again(self) -> None:
        every_schedule(transfers, mode="all")
        before = set(frames())
        every_schedule(transfers, mode="all")
        assert set(frames()) == before

    def test_a_search_within_a_scenario_is_refused(self) -> None:
        result = every_schedule(lambda: every_schedule(transfers))
        (failure,) = result.failures
        assert failure.message == "RuntimeError: every_schedule cannot be called within a scenario"

    def test_two_searches_at_a_time_wait_for_each_other(self) -> None:
        numbers: list[int] = []
        threads = [
            Thread(target=lambda: numbers.append(every_schedule(transfers, mode="all").schedules))
            for _ in range(3)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert numbers == [6, 6, 6]


class TestScenarios:
    @pytest.mark.parametrize(
        ("scenario", "said"),
        [
            (7, "a scenario is a function without arguments, not 7"),
            (lambda x: x, "needs arguments: explore a function without, which calls it with them"),
        ],
    )
    def test_what_is_none(self, scenario: Any, said: str) -> None:
        with pytest.raises(ValueError, match=said):
            every_schedule(scenario)

    def test_a_generator_and_a_coroutine_are_none(self) -> None:
        def generator() -> Any:
            yield

        async def coroutine() -> None:
            pass

        with pytest.raises(ValueError, match="generator is a generator: calling it runs nothing"):
            every_schedule(generator)
        with pytest.raises(ValueError, match="coroutine is asynchronous"):
            every_schedule(coroutine)

    def test_methods_and_objects_that_are_called(self) -> None:
        class Program:
            def __init__(self) -> None:
                self.counter = 0

            def run(self) -> None:
                self.counter = 0

                def add() -> None:
                    self.counter += 1

                together(add, add)
                assert self.counter == 2

            __call__ = run

        for scenario in (Program().run, Program(), Program().run.__call__):
            result = every_schedule(scenario, mode="all")
            assert (result.schedules, result.failing) == (6, 4)

    def test_a_lock_that_was_made_before_is_refused(self) -> None:
        lock = Lock()

        def scenario() -> None:
            together(lock.acquire, lock.acquire)

        with pytest.raises(ValueError, match=r"made before the scenario.*make it inside"):
            every_schedule(scenario)
        assert not lock.locked()
        assert every_schedule(transfers).schedules == 3

    @pytest.mark.parametrize("start", [_thread.start_new_thread, _thread.start_new])
    def test_a_thread_that_is_none_of_threadings_is_refused(self, start: Any) -> None:
        def scenario() -> None:
            lock = Lock()
            lock.acquire()
            start(lock.release, ())
            lock.acquire()

        with pytest.raises(ValueError, match=r"line \d+ starts a thread.*: use threading.Thread"):
            every_schedule(scenario)
        assert every_schedule(transfers).schedules == 3

    def test_chance_is_seen_when_a_replay_differs(self) -> None:
        calls = itertools.count()

        def scenario() -> None:
            locks = [Lock(), Lock()]
            which = next(calls) % 2
            together(*[locks[which].acquire] * 2)

        result = every_schedule(scenario, mode="all")
        assert not result.exhausted
        assert any("does not do the same" in note for note in result.notes), result.notes

    def test_what_hangs_in_something_real_is_ended(self) -> None:
        reading, writing = os.pipe()

        def scenario() -> None:
            together(lambda: os.read(reading, 1))

        try:
            result = every_schedule(scenario)
            assert not result.exhausted
            assert "made no step for 3 seconds" in result.notes[-1]
        finally:
            os.close(writing)  # its thread may end
            os.close(reading)
        assert every_schedule(transfers).schedules == 3

    @pytest.mark.parametrize("seconds", [0.5, 10])
    def test_the_line_that_hangs_is_named(self, seconds: float) -> None:
        reading, writing = os.pipe()

        def scenario() -> None:
            thread = Thread(target=lambda: os.write(writing, b"x"))
            thread.start()
            os.read(reading, 1)
            thread.join()

        line = scenario.__code__.co_firstlineno + 3
        try:
            result = every_schedule(scenario, seconds=seconds)
        finally:
            os.close(writing)
            os.close(reading)
        assert (result.schedules, result.exhausted) == (0, False)
        note = result.notes[-1]
        assert "MainThread" in note
        assert f"busy in scenario() from line {line} of test_execution.py" in note

    def test_a_thread_that_is_not_given_the_processor_does_not_hang(self) -> None:
        class Late:
            """The gate where the search waits: opens the parked thread's when it has waited long enough."""

            def __init__(self, real: Any, late: int, gate: Any) -> None:
                self.real, self.late, self.gate = real, late, gate

            def acquire(self, blocking: bool, seconds: float) -> bool:
                self.late -= 1
                if self.late == 0:
                    self.gate.release()
                return bool(self.real.acquire(blocking, seconds if self.late > 0 else 60))

            def release(self) -> None:
                self.real.release()

        def scenario() -> None:
            with Lock():
                pass

        with installed(scenario):
            execution = Execution(Reader())
            execution.begin(scenario, threading.main_thread())
            hub = execution.hub
            hub.wait()  # it is parked where it acquires
            task = execution.go(0)
            real = hub._gate
            hub._gate = Late(real, TURNS * 3, task.gate)
            hub.wait(0.3)
            hub._gate = real
            assert execution.cut is None
            assert not task.done  # it is parked where it releases
            execution.unwind()
            assert task.done
        assert execution.cut is None


class TestEndings:
    def test_parked_threads_are_taken_out_of_their_program(self) -> None:
        class Kept:
            """Lives as long as somebody holds it."""

        kept: list[weakref.ref[Kept]] = []

        def wait(held: Kept) -> None:
            lock = Lock()
            lock.acquire()
            with lock:
                pass

        def scenario() -> None:
            held = Kept()
            kept.append(weakref.ref(held))
            together(lambda: wait(held), lambda: wait(held))

        result = every_schedule(scenario)
        assert result.failures[0].kind == "deadlock"
        assert len(kept) > result.schedules
        gc.collect()
        assert [ref() for ref in kept] == [None] * len(kept)

    def test_a_lock_given_back_while_a_thread_is_ended_does_not_block(self) -> None:
        def scenario() -> None:
            a, b = Lock(), Lock()
            b.acquire()

            def wait() -> None:
                with a:
                    b.acquire()

            together(wait)

        assert [failure.kind for failure in every_schedule(scenario).failures] == ["deadlock"]

    def test_a_thread_that_catches_everything_is_given_up(self) -> None:
        def scenario() -> None:
            event = threading.Event()

            def stubborn() -> None:
                while True:
                    with suppress(BaseException):  # ours, too
                        event.wait()

            together(stubborn)

        result = every_schedule(scenario)
        assert [failure.kind for failure in result.failures] == ["lost wake-up"]
        assert every_schedule(transfers).schedules == 3

    def test_a_daemon_that_waits_at_the_end_is_no_deadlock(self) -> None:
        def scenario() -> None:
            jobs: queue.Queue[int] = queue.Queue()

            def work() -> None:
                while True:
                    jobs.get()
                    jobs.task_done()

            Thread(target=work, daemon=True).start()
            jobs.put(1)
            jobs.join()

        result = every_schedule(scenario)
        assert (result.failing, result.exhausted) == (0, True)

    def test_a_daemon_may_be_cut_off_anywhere(self) -> None:
        reached: set[int] = set()
        far = [0]

        def scenario() -> None:
            lock = Lock()
            far[0] = 0

            def work() -> None:
                for _ in range(3):
                    with lock:
                        far[0] += 1

            Thread(target=work, daemon=True).start()

        for mode in ("all", "classes"):
            reached.clear()
            result = explore(
                scenario, mode=mode, ended=lambda _: reached.add(far[0]), restarted=reached.clear
            )
            assert reached == {0, 1, 2, 3}
            assert (result.failing, result.exhausted) == (0, True)

    def test_the_program_goes_on_until_its_last_thread_ends(self) -> None:
        def scenario() -> None:
            def fail() -> None:
                raise LookupError("late")

            Thread(target=fail, name="late").start()

        (failure,) = every_schedule(scenario).failures
        assert (failure.kind, failure.message, failure.thread) == ("LookupError", "LookupError: late", "late")


class TestAround:
    def test_prints_are_kept_for_the_schedule_that_is_shown(self, capsys: pytest.CaptureFixture[str]) -> None:
        def scenario() -> None:
            def say(what: str) -> None:
                print(what)
                print("to the side", file=sys.stderr)

            together(lambda: say("one"))
            raise ValueError

        result = every_schedule(scenario)
        assert result.shortest is not None
        assert result.shortest.output == "one\nto the side\n"
        assert capsys.readouterr() == ("", "")

    def test_a_traceback_that_the_program_makes_has_no_frames_of_ours(self) -> None:
        def release() -> None:
            threading.Lock().release()

        def broken() -> None:
            raise LookupError

        def scenario() -> str:
            said = []
            with ThreadPoolExecutor(1) as pool:
                failed = pool.submit(broken)
            for fail in (release, failed.result):
                try:
                    fail()
                except (RuntimeError, LookupError):
                    said.append(traceback.format_exc())
            return "".join(said)

        seen = []
        every_schedule(lambda: seen.append(scenario()))
        assert {text.count(" in release\n") + text.count(" in broken\n") for text in seen} == {2}
        assert not any(os.path.join("helpers", "schedules") in text for text in seen)

    def test_a_scenario_may_catch_its_own_output(self) -> None:
        def scenario() -> None:
            caught = io.StringIO()
            with redirect_stdout(caught):
                together(lambda: print("one"))
            assert caught.getvalue() == "one\n"

        assert every_schedule(scenario).failing == 0

    def test_context_variables_are_fresh(self) -> None:
        variable: contextvars.ContextVar[int] = contextvars.ContextVar("variable", default=0)

        def scenario() -> None:
            def change() -> None:
                assert variable.get() == 0
                variable.set(1)

            together(change, change)
            assert variable.get() == 0
            variable.set(2)

        assert every_schedule(scenario).failing == 0
        assert variable.get() == 0

    def test_in_a_script_and_in_a_module_of_its_own(self, tmp_path: Path) -> None:
        (tmp_path / "program.py").write_text(
            "from threading import Thread\n"
            "counter = 0\n"
            "def add():\n"
            "    global counter\n"
            "    counter += 1\n"
            "def scenario():\n"
            "    global counter\n"
            "    counter = 0\n"
            "    threads = [Thread(target=add), Thread(target=add)]\n"
            "    for thread in threads: thread.start()\n"
            "    for thread in threads: thread.join()\n"
            "    assert counter == 2\n"
            "if __name__ == '__main__':\n"
            "    from helpers import every_schedule\n"
            "    result = every_schedule(scenario, mode='all')\n"
            "    print(result.schedules, result.failing, result.exhausted, result.shortest.string)\n"
        )
        (tmp_path / "uses.py").write_text(
            "import program\n"
            "from helpers import every_schedule\n"
            "result = every_schedule(program.scenario)\n"
            "print(result.schedules, result.failing, result.exhausted, result.shortest.string)\n"
        )
        said = []
        for name in ("program.py", "uses.py"):
            run = subprocess.run(
                [sys.executable, tmp_path / name],
                env={"PYTHONPATH": f"{ROOT}:{tmp_path}", "PATH": ""},
                capture_output=True,
                text=True,
                timeout=60,
                check=True,
            )
            assert run.stderr == ""
            said.append(run.stdout)
        assert said == ["6 4 True A B\n", "4 2 True A B\n"]


def test_no_garbage_is_collected_while_all_threads_are_looked_at(tmp_path: Path) -> None:
    """With a `threading.local` among the garbage, Python 3.11 waited for ever for a lock that it held itself."""
    (tmp_path / "script.py").write_text(
        textwrap.dedent("""
            import gc
            import threading
            from helpers.schedules.workers import frames

            class Garbage:
                def __init__(self):
                    self.itself, self.local = self, threading.local()
                    self.local.value = 1

            def look(more):
                here, over = threading.Semaphore(0), threading.Event()
                threads = [threading.Thread(target=lambda: (here.release(), over.wait())) for _ in range(3)]
                for thread in threads:
                    thread.start()
                    here.acquire()
                gc.disable()
                gc.collect()
                Garbage()
                gc.set_threshold(gc.get_count()[0] + more)
                gc.enable()
                assert len(frames()) == 4 and gc.isenabled()
                gc.set_threshold(700)
                over.set()
                for thread in threads:
                    thread.join()

            for more in range(1, 40):
                look(more)
            gc.disable()
            assert frames() and not gc.isenabled()
        """)
    )
    subprocess.run(
        [sys.executable, tmp_path / "script.py"], env={"PYTHONPATH": str(ROOT)}, timeout=60, check=True
    )

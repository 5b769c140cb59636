"""The same model on real processes: counts, stops, deaths, and nothing left behind."""

from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time
from itertools import islice
from typing import Any

import psutil
import pytest

from helpers.labs import MECHANISMS, Pipeline, Snapshot, process_engine
from tests.labs.grid import (
    ENVIRONMENT,
    PATIENCE,
    accounted_for,
    batches,
    change_while_it_runs,
    run_all,
    settings,
    until,
    up,
)

# Servers that Python keeps for later processes; they end with this one.
SERVERS = ("multiprocessing.forkserver", "multiprocessing.resource_tracker")


@pytest.fixture
def _no_hurry(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody is killed for being slow: for tests of counts, which a busy machine must not disturb."""
    monkeypatch.setattr(process_engine, "ASK", PATIENCE)


def ended_by_themselves(snapshot: Snapshot) -> bool:
    """Whether everybody ended in time; where a machine has far too much to do, that says nothing."""
    if "was killed" in snapshot.error and os.getloadavg()[0] > 2 * (os.cpu_count() or 1):
        pytest.skip(f"this machine is too busy: {snapshot.error}")
    return accounted_for(snapshot)


def left_behind() -> list[str]:
    """Processes and threads of a pipeline. Children of the fork server look like the server itself."""
    threads = [
        thread.name for thread in threading.enumerate() if thread.name.startswith(("pipeline", "Queue"))
    ]
    children = psutil.Process().children()
    grandchildren = [
        " ".join(process.cmdline())
        for process in psutil.Process().children(recursive=True)
        if process not in children or not any(name in " ".join(process.cmdline()) for name in SERVERS)
    ]
    return threads + grandchildren + [child.name for child in multiprocessing.active_children()]


@pytest.mark.usefixtures("_no_hurry")
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_every_item_is_accounted_for_whatever_the_settings(mechanism: str) -> None:
    flowed = 0
    small = (one for one in settings(mechanism=mechanism, arrivals="random") if one["producers"] < 16)
    small = islice(small, 0, None, 2)  # every second: processes take their time to start
    for batch in batches(small, 4):
        for snapshot in run_all([Pipeline(engine="processes", **one) for one in batch], 0.4):
            assert accounted_for(snapshot)
            flowed += snapshot.consumed
    assert flowed > 100
    assert not left_behind()


@pytest.mark.usefixtures("_no_hurry")
@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_every_item_is_accounted_for_whatever_changes_while_it_runs(mechanism: str) -> None:
    choices: dict[str, list[Any]] = {
        "producers": [1, 2, 3],
        "consumers": [0, 1, 3],
        "produce_rate": [30, 300, 1000],
        "consume_rate": [0.5, 30, 1000],
        "capacity": [1, 2, 5, 1000, None],
    }
    pipeline = Pipeline(mechanism=mechanism, produce_rate=300, consume_rate=300, engine="processes")
    change_while_it_runs(
        pipeline,
        choices,
        pauses=[0.0, 0.02, 0.1],
        times=40,
        stop_after=10,
        before_stop=lambda: until(lambda: up(pipeline), "all workers up"),
    )
    assert not left_behind()


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"producers": 3, "consumers": 0, "capacity": 1, "produce_rate": 1000}, id="blocked"),
        pytest.param({"producers": 0, "consumers": 3}, id="waiting"),
        pytest.param({"producers": 2, "consumers": 2, "produce_rate": 0.5}, id="producing"),
        pytest.param(
            {"producers": 1, "consumers": 2, "produce_rate": 1000, "consume_rate": 0.5}, id="consuming"
        ),
    ],
)
def test_a_stop_ends_everybody(how: dict[str, Any], mechanism: str) -> None:
    pipeline = Pipeline(mechanism=mechanism, engine="processes", **how)
    pipeline.start()
    until(lambda: up(pipeline), "all workers up")
    time.sleep(0.05)  # whatever they come to wait for meanwhile
    began = time.monotonic()
    snapshot = pipeline.stop()
    took = time.monotonic() - began
    assert ended_by_themselves(snapshot)
    # What the pipeline gives them is half a second; what this test gives is for a busy machine.
    assert took < 2.0
    assert {worker.state for worker in snapshot.workers} == {"ended"}
    assert not left_behind()


@pytest.mark.usefixtures("_no_hurry")
def test_sixteen_of_each_come_up_and_stop() -> None:
    pipeline = Pipeline(engine="processes", producers=16, consumers=16, produce_rate=100, consume_rate=100)
    pipeline.start()
    until(lambda: up(pipeline), "all 32 up")
    until(lambda: pipeline.snapshot().consumed > 500, "a flow")
    assert accounted_for(pipeline.stop())
    assert not left_behind()


@pytest.mark.usefixtures("_no_hurry")
def test_a_stop_before_anybody_is_up() -> None:
    for _ in range(5):
        pipeline = Pipeline(engine="processes", producers=4, consumers=4)
        pipeline.start()
        assert accounted_for(pipeline.stop())
    assert not left_behind()


@pytest.mark.usefixtures("_no_hurry")
def test_what_pipes_hold_comes_home_at_a_stop() -> None:
    """Far more than a pipe can hold, so that no producer could end if nobody read."""
    pipeline = Pipeline(engine="processes", producers=4, consumers=0, produce_rate=1000, capacity=None)
    pipeline.start()
    until(lambda: pipeline.snapshot().in_buffer == 10_000, "as full as it gets")
    snapshot = pipeline.stop()
    assert accounted_for(snapshot)
    assert snapshot.in_buffer == 10_000
    pipeline.set(producers=0, consumers=2, consume_rate=1000, capacity=5)
    pipeline.start()
    until(lambda: pipeline.snapshot().consumed > 1000, "consumers at work")
    snapshot = pipeline.stop()
    assert accounted_for(snapshot)
    assert snapshot.produced == 10_000


@pytest.mark.usefixtures("_no_hurry")
def test_a_sleeping_process_hears_of_a_new_rate() -> None:
    pipeline = Pipeline(producers=1, consumers=1, produce_rate=0.5, consume_rate=0.5, engine="processes")
    pipeline.start()
    until(lambda: up(pipeline), "up")
    began = time.monotonic()
    pipeline.set(produce_rate=1000, consume_rate=1000)
    until(lambda: pipeline.snapshot().consumed >= 5, "items")
    assert time.monotonic() - began < 5  # at the old rates, ten seconds
    assert accounted_for(pipeline.stop())


@pytest.mark.usefixtures("_no_hurry")
def test_from_threads_to_processes_and_back_while_it_runs() -> None:
    pipeline = Pipeline(produce_rate=200, consume_rate=200)
    pipeline.start()
    for engine in ("processes", "threads", "processes"):
        pipeline.engine = engine
        until(lambda name=engine: pipeline.snapshot().settings.engine == name, engine)
        until(lambda: pipeline.snapshot().consumed > 10, "a flow")
    assert accounted_for(pipeline.stop())
    assert not left_behind()


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_killed_worker_stops_the_pipeline_and_is_told() -> None:
    pipeline = Pipeline(engine="processes", produce_rate=200, consume_rate=200, mechanism="semaphores")
    pipeline.start()
    until(lambda: pipeline.snapshot().consumed > 10, "a flow")
    (victim,) = [child for child in multiprocessing.active_children() if child.name == "consumer 1"]
    assert victim.pid is not None
    os.kill(victim.pid, signal.SIGKILL)
    until(lambda: not pipeline.running, "the end")
    snapshot = pipeline.snapshot()
    assert "consumer 1 ended by itself: " in snapshot.error
    # The one it had in its hands may be lost; every other is where it should be.
    assert snapshot.produced == snapshot.consumed + snapshot.in_buffer + snapshot.lost
    assert snapshot.lost <= 1
    assert not left_behind()
    again = pipeline.run(0.5)
    assert accounted_for(again)


def test_a_program_needs_no_guard(tmp_path: Any) -> None:
    """Its main program is not run again in the workers, and is as it was afterwards."""
    text = textwrap.dedent(
        """
        import pickle, sys
        from helpers.labs import Pipeline

        class Mine: pass

        before = sys.modules["__main__"]
        print("begun")
        snapshot = Pipeline(engine="processes", produce_rate=100, consume_rate=100).run(1.0)
        print(snapshot.consumed > 0, repr(snapshot.error), sys.modules["__main__"] is before)
        print(type(pickle.loads(pickle.dumps(Mine()))) is Mine)
        """
    )
    (tmp_path / "program.py").write_text(text)
    for command, given in (([str(tmp_path / "program.py")], ""), (["-"], text), (["-c", text], "")):
        done = subprocess.run(
            [sys.executable, *command],
            input=given,
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
            timeout=60,
        )
        assert (done.stdout, done.stderr) == ("begun\nTrue '' True\nTrue\n", "")


PROGRAM = textwrap.dedent(
    """
    import sys, time
    from helpers.labs import Pipeline

    if __name__ == "__main__":
        pipeline = Pipeline(engine=sys.argv[1], mechanism=sys.argv[2], producers=3, consumers=2, capacity=2)
        pipeline.start()
        while pipeline.snapshot().consumed < 5:
            time.sleep(0.01)
        print("up", flush=True)
        if sys.argv[3] == "raise":
            raise RuntimeError("the program fails")
        while sys.argv[3] == "stay":
            time.sleep(0.1)
    """
)


def started(
    tmp_path: Any, engine: str, mechanism: str, how: str
) -> tuple[subprocess.Popen[str], list[psutil.Process]]:
    (tmp_path / "program.py").write_text(PROGRAM)
    process = subprocess.Popen(
        [sys.executable, str(tmp_path / "program.py"), engine, mechanism, how],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=ENVIRONMENT,
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "up\n"
    try:
        return process, psutil.Process(process.pid).children(recursive=True)
    except psutil.NoSuchProcess:  # it has ended meanwhile, as it should
        return process, []


@pytest.mark.parametrize("mechanism", ["queue", "condition"])
def test_nothing_outlives_a_parent_that_is_killed(tmp_path: Any, mechanism: str) -> None:
    """As a kernel is, when it is restarted."""
    process, family = started(tmp_path, "processes", mechanism, "stay")
    assert len(family) >= 5
    process.kill()
    process.communicate()
    _, alive = psutil.wait_procs(family, timeout=PATIENCE)
    assert not alive


@pytest.mark.parametrize("engine", ["threads", "processes"])
@pytest.mark.parametrize(("how", "code"), [("end", 0), ("raise", 1)])
def test_a_program_that_forgets_to_stop_ends_all_the_same(
    tmp_path: Any, engine: str, how: str, code: int
) -> None:
    process, family = started(tmp_path, engine, "queue", how)
    _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == code
    assert ("the program fails" in errors) == (how == "raise")
    assert errors.count("Traceback") == code
    _, alive = psutil.wait_procs(family, timeout=PATIENCE)
    assert not alive

"""The model over the whole grid of settings, on real threads: counts, changes while it runs, stops, errors."""

from __future__ import annotations

import gc
import os
import random
import signal
import subprocess
import sys
import threading
import time
import weakref
from pathlib import Path
from typing import Any

import pytest

from helpers.labs import MECHANISMS, Pipeline
from helpers.labs.buffers import ConditionBuffer, QueueBuffer
from tests.labs.grid import (
    ENVIRONMENT,
    accounted_for,
    batches,
    change_while_it_runs,
    run_all,
    settings,
    until,
    up,
)

WHATEVER_THEY_WAIT_FOR = [
    pytest.param({"producers": 3, "consumers": 0, "capacity": 1, "produce_rate": 1000}, id="blocked"),
    pytest.param({"producers": 0, "consumers": 3}, id="waiting"),
    pytest.param({"producers": 3, "consumers": 3, "produce_rate": 0.5}, id="producing"),
    pytest.param({"producers": 1, "consumers": 3, "produce_rate": 1000, "consume_rate": 0.5}, id="consuming"),
    pytest.param(
        {"producers": 16, "consumers": 16, "produce_rate": 1000, "consume_rate": 1000}, id="all busy"
    ),
]


def workers_alive() -> list[str]:
    names = ("producer", "consumer", "pipeline")
    return [thread.name for thread in threading.enumerate() if thread.name.startswith(names)]


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_every_item_is_accounted_for_whatever_the_settings(mechanism: str) -> None:
    flowed = 0
    for batch in batches(settings(mechanism=mechanism), 9):
        for snapshot in run_all([Pipeline(**one) for one in batch], 0.15):
            assert accounted_for(snapshot)
            flowed += snapshot.consumed
    assert flowed > 1000
    assert not workers_alive()


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_every_item_is_accounted_for_whatever_changes_while_it_runs(mechanism: str) -> None:
    choices: dict[str, list[Any]] = {
        "producers": [0, 1, 3, 8],
        "consumers": [0, 1, 3, 8],
        "produce_rate": [0.5, 30, 300, 1000],
        "consume_rate": [0.5, 30, 300, 1000],
        "capacity": [1, 2, 5, 100, 1000, None],
        "arrivals": ["steady", "random"],
    }
    pipeline = Pipeline(mechanism=mechanism, produce_rate=300, consume_rate=300)
    change_while_it_runs(pipeline, choices, pauses=[0.0, 0.001, 0.02], times=200, stop_after=20)
    assert not workers_alive()


@pytest.mark.parametrize("mechanism", MECHANISMS)
@pytest.mark.parametrize("how", WHATEVER_THEY_WAIT_FOR)
def test_a_stop_ends_everybody(how: dict[str, Any], mechanism: str) -> None:
    pipeline = Pipeline(mechanism=mechanism, **how)
    pipeline.start()
    until(lambda: up(pipeline), "all workers up")
    time.sleep(0.05)  # whatever they come to wait for meanwhile
    began = time.monotonic()
    snapshot = pipeline.stop()
    # Threads end as soon as they are given a turn; what this test gives is for a busy machine.
    assert time.monotonic() - began < 2.0
    assert accounted_for(snapshot)
    assert {worker.state for worker in snapshot.workers} == {"ended"}
    assert not workers_alive()


def test_start_and_stop_twice_change_nothing() -> None:
    pipeline = Pipeline(produce_rate=500, consume_rate=500)
    first = pipeline.stop()
    assert (first.running, first.produced, first.seconds) == (False, 0, 0.0)
    pipeline.start()
    until(lambda: len(workers_alive()) == 4, "three workers and their supervisor")
    pipeline.start()
    assert pipeline.running
    assert len(workers_alive()) == 4
    first, second = pipeline.stop(), pipeline.stop()
    assert first == second
    assert accounted_for(first)
    assert not first.running


def test_a_stopped_pipeline_goes_on_where_it_was() -> None:
    pipeline = Pipeline(producers=1, consumers=0, capacity=5, produce_rate=500)
    pipeline.start()
    until(lambda: pipeline.snapshot().in_buffer == 5, "full")
    before = pipeline.stop()
    pipeline.set(producers=0, consumers=1, consume_rate=500)
    pipeline.start()
    until(lambda: pipeline.snapshot().in_buffer == 0, "empty")
    after = pipeline.stop()
    assert before.produced == after.produced == after.consumed == 5
    assert after.seconds > before.seconds
    assert accounted_for(after)


def test_a_reset_begins_anew_while_it_runs_and_while_it_does_not() -> None:
    pipeline = Pipeline(producers=1, consumers=0, capacity=5, produce_rate=500)
    pipeline.start()
    until(lambda: pipeline.snapshot().in_buffer == 5, "full")
    pipeline.set(producers=0)
    pipeline.reset()
    until(lambda: pipeline.snapshot().produced == 0, "nothing produced yet")
    assert pipeline.running
    pipeline.set(producers=1)
    until(lambda: pipeline.snapshot().in_buffer == 5, "full again")
    assert pipeline.stop().produced == 5
    pipeline.reset()
    snapshot = pipeline.snapshot()
    assert (snapshot.produced, snapshot.seconds, len(snapshot.depth), snapshot.workers) == (0, 0.0, 0, ())


def test_run_begins_anew_and_stops_by_itself() -> None:
    pipeline = Pipeline(produce_rate=500, consume_rate=500)
    first, second = pipeline.run(0.2), pipeline.run(0.2)
    assert not pipeline.running
    assert 0.2 <= second.seconds < first.seconds + 5
    assert second.workers[0].items <= second.produced
    assert accounted_for(first)
    assert accounted_for(second)


def test_run_refuses_what_it_cannot_do() -> None:
    pipeline = Pipeline()
    for seconds in (0, -1, float("nan")):
        with pytest.raises(ValueError, match="seconds must be above 0"):
            pipeline.run(seconds)
    pipeline.start()
    with pytest.raises(RuntimeError, match="runs already"):
        pipeline.run(1)
    assert pipeline.running
    pipeline.stop()


def test_a_sleeping_worker_hears_of_a_new_rate() -> None:
    pipeline = Pipeline(producers=1, consumers=1, produce_rate=0.5, consume_rate=0.5)
    pipeline.start()
    until(lambda: pipeline.snapshot().seconds > 0.1, "asleep")
    began = time.monotonic()
    pipeline.produce_rate = 1000
    until(lambda: pipeline.snapshot().produced >= 3, "items")
    assert time.monotonic() - began < 1.5  # at the old rate, six seconds
    pipeline.consume_rate = 1000
    until(lambda: pipeline.snapshot().consumed >= 100, "more items")
    assert accounted_for(pipeline.stop())


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_workers_come_and_go(mechanism: str) -> None:
    pipeline = Pipeline(producers=0, consumers=0, mechanism=mechanism, produce_rate=200, consume_rate=200)
    pipeline.start()
    for producers, consumers in ((16, 0), (16, 16), (1, 16), (0, 3), (2, 0)):
        pipeline.set(producers=producers, consumers=consumers)
        wanted = [f"producer {n}" for n in range(1, producers + 1)]
        wanted += [f"consumer {n}" for n in range(1, consumers + 1)]
        until(lambda wanted=wanted: [w.name for w in pipeline.snapshot().workers] == wanted, str(wanted))
    snapshot = pipeline.stop()
    assert accounted_for(snapshot)
    assert snapshot.consumed > 0
    assert not workers_alive()


def test_a_new_mechanism_begins_anew_while_it_runs() -> None:
    pipeline = Pipeline(producers=2, consumers=0, capacity=3, produce_rate=500)
    pipeline.start()
    for mechanism in (*MECHANISMS[1:], *MECHANISMS):
        until(lambda: pipeline.snapshot().in_buffer > 0, "something in the buffer")
        pipeline.mechanism = mechanism
        until(lambda name=mechanism: pipeline.snapshot().settings.mechanism == name, mechanism)
        assert not pipeline.snapshot().error
    pipeline.stop()
    pipeline.mechanism = "condition"
    pipeline.start()
    until(lambda: pipeline.snapshot().settings.mechanism == "condition", "condition")
    assert accounted_for(pipeline.stop())
    assert not workers_alive()


def test_a_changed_capacity_shows_in_the_depth() -> None:
    pipeline = Pipeline(producers=2, consumers=0, capacity=4, produce_rate=1000)
    pipeline.start()
    for capacity in (4, 9, 30):
        pipeline.capacity = capacity
        until(lambda capacity=capacity: pipeline.snapshot().in_buffer == capacity, f"depth {capacity}")
    pipeline.capacity = 2
    time.sleep(0.05)  # nothing is taken out, and nothing is thrown away
    assert pipeline.snapshot().in_buffer == 30
    pipeline.set(consumers=1, consume_rate=1000)
    until(lambda: pipeline.snapshot().in_buffer <= 2, "down to 2")
    snapshot = pipeline.stop()
    assert accounted_for(snapshot)
    assert max(depth for _, depth in snapshot.depth) == 30


def test_states_are_what_the_buffer_makes_of_them() -> None:
    pipeline = Pipeline(producers=2, consumers=0, capacity=3, produce_rate=1000)
    pipeline.start()
    until(lambda: {w.state for w in pipeline.snapshot().workers} == {"blocked"}, "blocked")
    assert "there are none, and the buffer is full" in pipeline.snapshot().limit_sentence
    pipeline.set(producers=0, consumers=2, consume_rate=1000)
    until(lambda: {w.state for w in pipeline.snapshot().workers} == {"waiting"}, "waiting")
    assert "there are none" in pipeline.snapshot().limit_sentence
    pipeline.set(producers=1, produce_rate=0.5)
    until(lambda: pipeline.snapshot().workers[0].state == "producing", "producing")
    pipeline.set(produce_rate=1000, consume_rate=0.5)
    until(lambda: "consuming" in {w.state for w in pipeline.snapshot().workers}, "consuming")
    pipeline.stop()


def test_the_time_of_every_worker_is_accounted_for() -> None:
    pipeline = Pipeline(producers=3, consumers=2, produce_rate=400, consume_rate=100, capacity=5)
    snapshot = pipeline.run(0.5)
    longest = max(sum(worker.seconds.values()) for worker in snapshot.workers)
    assert longest <= snapshot.seconds
    for worker in snapshot.workers:
        assert set(worker.seconds) == (
            {"producing", "blocked"} if worker.role == "producer" else {"consuming", "waiting"}
        )
        # Each was there from its start to its end; those came for all of them one after the other.
        assert sum(worker.seconds.values()) >= 0.5
    assert sum(w.items for w in snapshot.workers if w.role == "producer") == snapshot.produced
    assert sum(w.items for w in snapshot.workers if w.role == "consumer") == snapshot.consumed


def test_the_mean_depth_is_that_of_the_curve() -> None:
    """The exact mean, from the moments of all items, against 40 looks a second, over rise and fall."""
    pipeline = Pipeline(producers=2, consumers=0, capacity=100, produce_rate=100)
    pipeline.start()
    until(lambda: pipeline.snapshot().in_buffer == 100, "full")
    pipeline.set(producers=0, consumers=2, consume_rate=100)
    until(lambda: pipeline.snapshot().in_buffer == 0, "empty")
    snapshot = pipeline.stop()
    area = sum(
        depth * (later - now)
        for (now, depth), (later, _) in zip(snapshot.depth, snapshot.depth[1:], strict=False)
    )
    assert snapshot.mean_depth == pytest.approx(area / snapshot.seconds, rel=0.1)
    assert snapshot.mean_depth > 10


def test_the_curve_is_bounded_and_in_order() -> None:
    pipeline = Pipeline(produce_rate=1000, consume_rate=1000)
    snapshot = pipeline.run(0.5)
    moments = [moment for moment, _ in snapshot.depth]
    assert moments == sorted(moments)
    assert moments[-1] <= snapshot.seconds
    assert pipeline._books._depth.maxlen == 1200


@pytest.mark.parametrize(("mechanism", "buffer"), [("queue", QueueBuffer), ("condition", ConditionBuffer)])
def test_an_error_in_a_worker_stops_the_pipeline_and_is_told(
    mechanism: str, buffer: type, monkeypatch: pytest.MonkeyPatch
) -> None:
    right = buffer.get

    def wrong(self: Any, timeout: float) -> int | None:
        item: int | None = right(self, timeout)
        if item == 3:
            raise ZeroDivisionError("the third is not to be divided")
        return item

    monkeypatch.setattr(buffer, "get", wrong)
    pipeline = Pipeline(mechanism=mechanism, producers=1, consumers=1, produce_rate=500, consume_rate=500)
    pipeline.start()
    until(lambda: not pipeline.running, "the end")
    snapshot = pipeline.snapshot()
    assert snapshot.error == "consumer 1 failed: ZeroDivisionError: the third is not to be divided"
    assert snapshot.limit_sentence == "Nothing flows: a worker failed."
    assert snapshot.produced == snapshot.consumed + snapshot.in_buffer + snapshot.lost
    assert snapshot.lost == 1  # the one it had in its hands
    assert not workers_alive()
    monkeypatch.undo()
    assert not pipeline.run(0.1).error


@pytest.mark.skipif(sys.platform == "win32", reason="a process cannot send itself an interrupt")
def test_an_interrupt_stops_a_run() -> None:
    pipeline = Pipeline(consume_rate=500)

    def interrupt() -> None:
        until(lambda: pipeline.snapshot().consumed, "a flow")
        os.kill(os.getpid(), signal.SIGINT)

    interrupter = threading.Thread(target=interrupt)
    interrupter.start()
    with pytest.raises(KeyboardInterrupt):
        pipeline.run(60)
    interrupter.join()
    assert not pipeline.running
    assert accounted_for(pipeline.snapshot())
    assert not workers_alive()


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_fork_of_a_process_with_a_pipeline_can_end(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text(
        "import os, sys, warnings\n"
        "from helpers.labs import Pipeline\n"
        "warnings.simplefilter('ignore')\n"
        "pipeline = Pipeline()\n"
        "pipeline.start()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    sys.exit(7)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), pipeline.stop().error == '')\n"
    )
    done = subprocess.run(
        [sys.executable, str(tmp_path / "program.py")],
        capture_output=True,
        text=True,
        env=ENVIRONMENT,
        timeout=60,
    )
    assert (done.stdout, done.stderr) == ("7 True\n", "")


def test_settings_and_snapshots_from_many_threads_at_once() -> None:
    pipeline = Pipeline(produce_rate=300, consume_rate=300)
    pipeline.start()
    errors: list[BaseException] = []

    def turn_knobs(number: int) -> None:
        draw = random.Random(number)
        try:
            for _ in range(100):
                pipeline.set(producers=draw.randrange(5), consumers=draw.randrange(5))
                pipeline.capacity = draw.choice([1, 10, None])
                assert pipeline.snapshot().lost == 0
                if draw.random() < 0.05:
                    pipeline.stop()
                    pipeline.start()
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=turn_knobs, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not errors
    assert accounted_for(pipeline.stop())
    assert not workers_alive()


def test_a_stopped_pipeline_can_be_forgotten() -> None:
    pipeline = Pipeline()
    pipeline.run(0.05)
    seen = weakref.ref(pipeline)
    del pipeline
    gc.collect()
    assert seen() is None


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ({"producers": 0, "consumers": 0}, "Nothing flows: there are no workers."),
        (
            {"producers": 1, "consumers": 4, "produce_rate": 20, "consume_rate": 50},
            "The producers limit the flow",
        ),
        (
            {"producers": 4, "consumers": 1, "produce_rate": 50, "consume_rate": 20, "capacity": 2},
            "The consumers limit the flow: producers are blocked",
        ),
        (
            {"producers": 2, "consumers": 1, "produce_rate": 100, "consume_rate": 20, "capacity": None},
            "The consumers limit the flow: the buffer gains",
        ),
        (
            {
                "producers": 4,
                "consumers": 1,
                "produce_rate": 50,
                "consume_rate": 20,
                "mechanism": "event",
                "capacity": 1,
            },
            "Losses limit the flow",
        ),
    ],
)
def test_what_limits_the_flow_is_said(how: dict[str, Any], words: str) -> None:
    pipeline = Pipeline(**how)
    pipeline.start()
    until(lambda: words in pipeline.snapshot().limit_sentence, words)
    pipeline.stop()

"""What is said about a timeline, word by word: notebooks are compared by it."""

from __future__ import annotations

import numpy as np
import pytest

from helpers.timeline import Timeline
from helpers.timeline.words import waits
from tests.timeline import made
from tests.timeline.made import Story


def test_threads_of_one_process() -> None:
    assert made.lock().summary() == (
        "1 process, 3 threads.\n"
        "MainThread: ended.\n"
        "Thread-1 (deposit) and Thread-2 (deposit), started by MainThread: ended."
    )


def test_a_daemon_that_is_cut_off() -> None:
    assert made.queue().summary() == (
        "1 process, 3 threads.\n"
        "MainThread: ended.\n"
        "producer, started by MainThread: ended.\n"
        "consumer (a daemon), started by MainThread: cut off when the process ended."
    )


def test_processes_and_a_wait_for_what_a_killed_one_held() -> None:
    assert made.killed_reader().summary() == (
        "3 processes, 4 threads.\n"
        "main process: stopped by the runner.\n"
        "Process-1, forked by main process: killed by SIGTERM.\n"
        "Process-2, forked by main process:\n"
        "  MainThread: stopped by the runner.\n"
        "  QueueFeederThread (a daemon), started by MainThread: stopped by the runner.\n"
        "Never woken: main process waits for Process-2 to end.\n"
        "Never woken: Process-2 waits for read lock of queue (multiprocessing.Lock, demo.py:3), "
        "held by Process-1, which was killed."
    )


def test_a_deadlock_names_the_cycle() -> None:
    assert made.deadlock().summary() == (
        "1 process, 3 threads.\n"
        "MainThread: stopped by the runner.\n"
        "Thread-1 (one) and Thread-2 (two), started by MainThread: stopped by the runner.\n"
        "Deadlock: Thread-1 (one) waits for lock_b (Lock, demo.py:5), held by Thread-2 (two); "
        "Thread-2 (two) waits for lock_a (Lock, demo.py:4), held by Thread-1 (one).\n"
        "Never woken: MainThread waits for Thread-1 (one) to end."
    )


def test_every_ending() -> None:
    assert made.endings().summary() == (
        "1 process, 7 threads.\n"
        "MainThread: ended.\n"
        "that raised, started by MainThread: ended by an uncaught ValueError.\n"
        "that cut off (a daemon), started by MainThread: cut off when the process ended.\n"
        "that stopped, started by MainThread: stopped by the runner.\n"
        "that ended, started by MainThread: ended with exit code 3.\n"
        "waiting and busy, started by MainThread: still there when the recording ended.\n"
        "Never woken: waiting waits for ready (Event, demo.py:3)."
    )


def test_a_thread_that_waits_for_itself() -> None:
    story = Story()
    main, lock = story.lane(), story.thing("Lock", "lock", "/somewhere/else\\cell.py", 7)
    story.did(main, "lock", 1.0, lock)
    story.never(main, holder=main)
    story.ends(main, "stopped")
    story.cycle = (main,)
    assert story.told().summary() == (
        "1 process, 1 thread.\n"
        "MainThread: stopped by the runner.\n"
        "Deadlock: MainThread waits for lock (Lock, cell.py:7), which it holds itself."
    )


def test_a_lock_that_was_held_when_it_was_forked() -> None:
    story = Story()
    lock = story.thing("Lock", "lock")
    main = story.lane()
    holder = story.started(main, 0.1, "holder")
    child = story.forked(main, 0.2, "child 1", 200)
    story.did(main, "running", 1.0)
    story.did(holder, "running", 1.0)
    story.did(child, "lock", 1.0, lock)
    story.never(child, copied_from=holder)
    story.ends(child, "stopped")
    assert story.told().summary().splitlines()[-1] == (
        "Never woken: child 1 waits for lock (Lock, demo.py:3), which holder of main process held when this "
        "process was forked: nobody here can release it."
    )


def test_a_lock_whose_holder_has_ended() -> None:
    story = Story()
    lock = story.thing("Lock", "lock")
    main = story.lane()
    leaky = story.started(main, 0.1, "leaky")
    story.did(leaky, "running", 0.2)
    story.did(main, "lock", 1.0, lock)
    story.never(main, holder=leaky)
    assert "held by leaky, which has ended." in story.told().summary()


def test_those_that_wait_for_the_same_share_a_line() -> None:
    story = Story()
    q = story.thing("queue.Queue", "q")
    main = story.lane()
    story.did(main, "running", 1.0)
    for number in range(1, 4):
        thread = story.started(main, 0.1 * number, f"Thread-{number} (work)", ending="alive")
        story.did(thread, "queue", 1.0, q)
        story.never(thread)
    assert story.told().summary().splitlines()[2:] == [
        "Thread-1 (work), Thread-2 (work) and Thread-3 (work), started by MainThread: "
        "still there when the recording ended.",
        "Never woken: Thread-1 (work), Thread-2 (work) and Thread-3 (work) wait for q "
        "(queue.Queue, demo.py:3).",
    ]


def test_what_has_no_file_or_only_a_description() -> None:
    story = Story()
    pipe, event = story.thing("pipe", "a pipe", "", 0), story.thing("Event", "go", "", 0)
    for thread, state, thing in (("one", "io", pipe), ("two", "signal", event)):
        lane = story.lane(thread)
        story.did(lane, state, 1.0, thing)
        story.never(lane)
    assert story.told().summary().splitlines()[2:] == [
        "Never woken: one waits for a pipe.",
        "Never woken: two waits for go (Event).",
    ]


def test_many_alike_are_counted() -> None:
    assert made.many_threads(60).summary() == (
        "1 process, 60 threads.\n"
        "MainThread: ended.\n"
        "Thread-1 (worker) to Thread-59 (worker) (59 threads), started by MainThread: ended."
    )
    assert made.many_processes().summary() == (
        "26 processes, 26 threads.\n"
        "main process: ended.\n"
        "Process-1 to Process-25 (25 processes), forked by main process: ended."
    )


def test_marks_are_told_in_order() -> None:
    assert made.lost_update().summary() == (
        "1 process, 3 threads.\n"
        "MainThread: ended by an uncaught AssertionError.\n"
        "one and two, started by MainThread: ended.\n"
        "In order:\n"
        "  MainThread, 8: start one\n"
        "  MainThread, 8: start two\n"
        "  one, 5: read counter = 0\n"
        "  two, 5: read counter = 0\n"
        "  one, 5: write counter = 1\n"
        "  two, 5: write counter = 1\n"
        "  MainThread, 11: read counter = 1"
    )


def test_nothing() -> None:
    assert Timeline.empty().summary() == "Nothing was recorded."
    assert Story("The folder was full.").told().summary() == "Nothing was recorded.\nThe folder was full."


def test_notes_come_last() -> None:
    story = Story("The recording is full.")
    story.did(story.lane(), "running", 1.0)
    assert story.told().summary().splitlines()[-1] == "The recording is full."


def two_children(first_event_of_second: float, pids: tuple[int, int], wait: float) -> Timeline:
    """The same program twice: the scheduler chose who came first, the system the process ids."""
    story = Story()
    lock = story.thing("Lock", "lock")
    main = story.lane(pid=pids[0] - 1)
    story.did(main, "running", 1.0)
    children = [("writer", 0.1, 0.3, pids[0]), ("reader", 0.2, first_event_of_second, pids[1])]
    for process, started, born, pid in sorted(children, key=lambda child: child[2]):
        child = story.forked(main, started, process, pid, born=born)
        if wait:
            story.did(child, "lock", born + wait, lock, woken=born + wait)
        story.did(child, "running", 0.9)
        story.did(story.started(child, 0.5, "inner"), "running", 0.8)
    return story.told()


def test_luck_does_not_change_the_text() -> None:
    texts = {
        two_children(0.4, (100, 200), 0.0).summary(),
        two_children(0.25, (7000, 300), 0.0).summary(),
        two_children(0.4, (100, 200), 0.01).summary(),
    }
    assert texts == {
        "3 processes, 5 threads.\n"
        "main process: ended.\n"
        "writer, forked by main process:\n"
        "  MainThread: ended.\n"
        "  inner, started by MainThread: ended.\n"
        "reader, forked by main process:\n"
        "  MainThread: ended.\n"
        "  inner, started by MainThread: ended."
    }


def test_waits_are_added_up() -> None:
    assert waits(made.lock()) == (
        "MainThread: 135 ms running, 765 ms joining (2 times, longest 510 ms for Thread-1 (deposit)).\n"
        "Thread-1 (deposit): 410 ms running, 150 ms sleeping.\n"
        "Thread-2 (deposit): 435 ms running, 340 ms waiting for locks (1 time, longest 340 ms for lock)."
    )
    assert waits(made.moment()) == "MainThread: 3 µs running."
    assert waits(made.no_length()) == "MainThread: nothing was recorded."
    assert waits(Timeline.empty()) == ""


def test_a_million_spans_are_summed_up_at_once() -> None:
    timeline = made.crowd(1_000_000)
    total = sum(np.sum(lane.columns["end"] - lane.columns["start"]) for lane in timeline.spans)
    assert total == 80.0 or abs(total - 80.0) < 1e-6
    assert len(waits(timeline).splitlines()) == 8
    assert timeline.summary().splitlines()[0] == "1 process, 8 threads."


@pytest.mark.parametrize(
    ("names", "listed"),
    [
        (["a", "b"], "a and b"),
        ([f"worker {n}" for n in range(6)], "worker 0 to worker 5 (6 threads)"),
        (["anna", "bert", "cleo", "dora", "emil"], "anna, bert, cleo, dora and emil"),
        ([*"abcdefghijkl"], "a, b, c, d, e, f, g, h, i, j and 2 more threads"),
    ],
)
def test_only_a_numbered_series_is_cut_to_its_ends(names: list[str], listed: str) -> None:
    story = Story()
    main = story.lane()
    story.did(main, "running", 1.0)
    for name in names:
        story.did(story.started(main, 0.1, name), "running", 1.0)
    assert story.told().summary().splitlines()[-1] == f"{listed}, started by MainThread: ended."


def test_whether_a_stopped_wait_would_have_ended_is_not_known_unless_nobody_could_end_it() -> None:
    story = Story()
    lock, ready = story.thing("Lock", "lock"), story.thing("Event", "ready")
    main = story.lane()
    dead = story.started(main, 0.1, "dead")
    story.did(dead, "running", 0.2)
    for name, what, holder in (("hopeless", lock, dead), ("hopeful", ready, None)):
        lane = story.started(main, 0.2, name)
        story.did(lane, "lock" if what == lock else "signal", 1.0, what)
        story.never(lane, holder=holder)
        story.ends(lane, "stopped")
    story.did(main, "running", 1.0)
    assert story.told().summary().splitlines()[-2:] == [
        "Never woken: hopeless waits for lock (Lock, demo.py:3), held by dead, which has ended.",
        "Still waiting when stopped: hopeful waits for ready (Event, demo.py:3).",
    ]


def test_a_pool_without_a_free_worker() -> None:
    assert made.starved().summary().splitlines()[-2:] == [
        "Deadlock: worker 0, worker 1 and worker 2 wait for the result of inner (Future, demo.py:3), "
        "which no worker of pool is free to run: all its 3 workers wait.",
        "Never woken: MainThread waits for the result of whole (Future, demo.py:9), run by worker 0.",
    ]


def test_a_pool_with_a_worker_that_may_yet_be_free() -> None:
    story = Story()
    inner, ready = story.thing("Future", "inner"), story.thing("Event", "ready")
    main = story.lane()
    workers = tuple(story.started(main, 0.1, f"worker {number}") for number in range(2))
    story.did(workers[0], "signal", 1.0, inner)
    story.never(workers[0], workers=workers, pool="pool")
    story.did(workers[1], "signal", 1.0, ready)
    story.never(workers[1])
    for lane in workers:
        story.ends(lane, "stopped")
    story.did(main, "running", 1.0)
    assert story.told().summary().splitlines()[-2:] == [
        "Still waiting when stopped: worker 0 waits for the result of inner (Future, demo.py:3).",
        "Still waiting when stopped: worker 1 waits for ready (Event, demo.py:3).",
    ]

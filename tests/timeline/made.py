"""Timelines made by hand, for tests: say what each thread did, get a `Timeline`."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import numpy as np

from helpers.timeline import (
    STATES,
    Deadlock,
    Holds,
    Lane,
    Mark,
    Spans,
    Stuck,
    SyncObject,
    Timeline,
    Wakeups,
)
from helpers.timeline.model import HOLD, SPAN, WAKEUP

NAN = float("nan")


class Story:
    """Collects lanes and what happened on them; `told` makes the timeline.

    Lanes and objects are numbers, times are seconds. A lane lives until its last span ends.
    """

    def __init__(self, *notes: str) -> None:
        self._lanes: list[dict[str, Any]] = []
        self._spans: list[list[tuple[Any, ...]]] = []
        self._holds: list[tuple[Any, ...]] = []
        self._wakeups: list[tuple[Any, ...]] = []
        self._objects: list[SyncObject] = []
        self._stuck: list[Stuck] = []
        self._notes = notes
        self._marks: list[Mark] = []
        self._pauses: dict[int, float] = {}
        self.cycle: tuple[int, ...] = ()

    def lane(self, thread: str = "MainThread", *, born: float = 0.0, **fields: Any) -> int:
        """A thread of the main process, or whatever `fields` of `Lane` say."""
        known = {"pid": 100, "process": "main process", "daemon": False, "ending": "ended"}
        self._lanes.append({"number": len(self._lanes), "thread": thread, "born": born} | known | fields)
        self._spans.append([])
        return len(self._lanes) - 1

    def started(self, parent: int, at: float, thread: str, **fields: Any) -> int:
        """A thread that `parent` started, in its own process."""
        process = {field: self._lanes[parent][field] for field in ("pid", "process")}
        return self.lane(
            thread, **({"parent": parent, "started": at, "born": at, "how": "start"} | process | fields)
        )

    def forked(self, parent: int, at: float, process: str, pid: int, **fields: Any) -> int:
        """The main thread of a process that `parent` forked."""
        return self.lane(
            **(
                {"parent": parent, "started": at, "born": at, "how": "fork", "process": process, "pid": pid}
                | fields
            )
        )

    def ends(self, lane: int, ending: str, detail: str = "") -> None:
        self._lanes[lane].update(ending=ending, detail=detail)

    def thing(
        self, kind: str, name: str, file: str = "demo.py", line: int = 3, internal: bool = False
    ) -> int:
        self._objects.append(SyncObject(kind, name, file, line, internal))
        return len(self._objects) - 1

    def did(self, lane: int, state: str, until: float, on: int = -1, woken: float = NAN) -> None:
        """The lane was in `state` from where its last span ended (its birth at first) until `until`."""
        spans = self._spans[lane]
        start = self._pauses.pop(lane, spans[-1][2] if spans else self._lanes[lane]["born"])
        spans.append((lane, start, until, STATES.index(state), on, woken, False))

    def never(self, lane: int, holder: int | None = None, **fields: Any) -> None:
        """The lane's last span is a wait that never ended; `fields` are others of `Stuck`."""
        *span, _ = self._spans[lane][-1]
        self._spans[lane][-1] = (*span, True)
        on = self._objects[span[4]]
        self._stuck.append(Stuck(lane, span[1], STATES[span[3]], on, holder, **fields))

    def held(self, lane: int, lock: int, start: float, end: float, *, left_open: bool = False) -> None:
        self._holds.append((lane, lock, start, end, left_open))

    def woke(self, waker: int, at: float, woken: int, until: float, through: int) -> None:
        self._wakeups.append((waker, at, woken, until, through))

    def paused(self, lane: int, until: float) -> None:
        """The lane was ready, and not chosen, from where its last span ended (its birth at first)."""
        self._pauses[lane] = until

    def marked(self, lane: int, at: float, text: str) -> None:
        self._marks.append(Mark(lane, at, text))

    def told(self, *, steps: bool = False) -> Timeline:
        lanes = []
        for fields, spans in zip(self._lanes, self._spans, strict=True):
            end = spans[-1][2] if spans else fields["born"]
            lanes.append(Lane(**({"died": None if fields["ending"] == "alive" else end} | fields)))
        return Timeline(
            lanes=tuple(lanes),
            spans=tuple(Spans(_rows(spans, SPAN), self._objects) for spans in self._spans),
            holds=Holds(_rows(sorted(self._holds, key=lambda hold: hold[2]), HOLD), self._objects),
            wakeups=Wakeups(
                _rows(sorted(self._wakeups, key=lambda wakeup: wakeup[1]), WAKEUP), self._objects
            ),
            objects=tuple(self._objects),
            stuck=Deadlock(tuple(sorted(self._stuck, key=lambda wait: wait.lane)), self.cycle),
            duration=max((span[2] for spans in self._spans for span in spans), default=0.0),
            notes=self._notes,
            marks=tuple(sorted(self._marks, key=lambda mark: mark.at)),
            steps=steps,
        )


def _rows(rows: Iterable[tuple[Any, ...]], dtype: np.dtype[Any]) -> np.ndarray[Any, Any]:
    return np.array(list(rows), dtype=dtype)


def lock() -> Timeline:
    """Two threads use one lock, in turn; the main thread joins both."""
    story = Story()
    lock = story.thing("Lock", "lock")
    main = story.lane()
    first = story.started(main, 0.03, "Thread-1 (deposit)", born=0.04)
    second = story.started(main, 0.06, "Thread-2 (deposit)", born=0.075)
    joined = [story.thing("Thread", f"Thread-{number} (deposit)", "", 0) for number in (1, 2)]
    story.did(first, "running", 0.30)
    story.held(first, lock, 0.12, 0.5)
    story.did(first, "sleep", 0.45)
    story.did(first, "running", 0.6)
    story.did(second, "running", 0.2)
    story.did(second, "lock", 0.54, lock, woken=0.5)
    story.held(second, lock, 0.54, 0.8)
    story.did(second, "running", 0.85)
    story.did(main, "running", 0.1)
    story.did(main, "join", 0.61, joined[0], woken=0.6)
    story.did(main, "join", 0.865, joined[1], woken=0.85)
    story.did(main, "running", 0.9)
    story.woke(first, 0.5, second, 0.54, lock)
    story.woke(first, 0.6, main, 0.61, joined[0])
    story.woke(second, 0.85, main, 0.865, joined[1])
    return story.told()


def queue() -> Timeline:
    """A producer, and a daemon that consumes until the process ends."""
    story = Story()
    q = story.thing("queue.Queue", "q")
    main = story.lane()
    producer = story.started(main, 0.0001, "producer", born=0.00013)
    consumer = story.started(main, 0.0002, "consumer", born=0.00027, daemon=True)
    for item in range(6):
        put = 0.0005 + 0.002 * item
        story.did(producer, "running", put)
        story.did(producer, "sleep", put + 0.0018)
        story.did(consumer, "queue", put + 0.0002, q, woken=put)
        story.did(consumer, "running", put + 0.0008)
        story.woke(producer, put, consumer, put + 0.0002, q)
    story.did(producer, "running", 0.0125)
    story.did(consumer, "queue", 0.0131, q)
    story.ends(consumer, "cut off")
    story.did(main, "join", 0.0127, story.thing("Thread", "producer", "", 0), woken=0.0125)
    story.did(main, "running", 0.0131)
    story.woke(producer, 0.0125, main, 0.0127, 1)
    return story.told()


def killed_reader() -> Timeline:
    """A process is killed while it holds the lock that another one waits for, for ever."""
    story = Story()
    q = story.thing("multiprocessing.Queue", "queue")
    lock = story.thing("multiprocessing.Lock", "read lock of queue")
    inside = story.thing("Condition", "notempty", internal=True)
    main = story.lane(pid=41230)
    first = story.forked(main, 0.02, "Process-1", 41234, born=0.08)
    second = story.forked(main, 0.04, "Process-2", 41235, born=0.11)
    feeder = story.started(second, 0.2, "QueueFeederThread", daemon=True)
    story.did(first, "running", 0.12)
    story.did(first, "queue", 0.7, q)
    story.held(first, lock, 0.12, 0.7, left_open=True)
    story.ends(first, "killed", "SIGTERM")
    story.did(second, "running", 0.25)
    story.did(second, "lock", 1.6, lock)
    story.never(second, holder=first)
    story.did(feeder, "running", 0.3)
    story.did(feeder, "signal", 1.6, inside)
    story.never(feeder)
    story.did(main, "sleep", 0.7)
    story.did(main, "running", 0.72)
    story.did(main, "join", 1.6, story.thing("Process", "Process-2", "", 0))
    story.never(main, holder=second)
    for lane in (main, second, feeder):
        story.ends(lane, "stopped")
    return story.told()


def deadlock() -> Timeline:
    """Two locks in two orders."""
    story = Story()
    locks = [story.thing("Lock", "lock_a", line=4), story.thing("Lock", "lock_b", line=5)]
    main = story.lane()
    threads = [story.started(main, 0.01, "Thread-1 (one)"), story.started(main, 0.015, "Thread-2 (two)")]
    for thread, has, wants, other in (
        (threads[0], *locks, threads[1]),
        (threads[1], *locks[::-1], threads[0]),
    ):
        story.did(thread, "running", 0.05)
        story.held(thread, has, 0.05, 2.0, left_open=True)
        story.did(thread, "sleep", 0.15)
        story.did(thread, "lock", 2.0, wants)
        story.never(thread, holder=other)
        story.ends(thread, "stopped")
    story.did(main, "running", 0.02)
    story.did(main, "join", 2.0, story.thing("Thread", "Thread-1 (one)", "", 0))
    story.never(main, holder=threads[0])
    story.ends(main, "stopped")
    story.cycle = tuple(threads)
    return story.told()


def starved() -> Timeline:
    """All workers of a pool wait for what is behind them in its queue."""
    story = Story()
    inner, whole = story.thing("Future", "inner"), story.thing("Future", "whole", line=9)
    main = story.lane()
    workers = tuple(story.started(main, 0.1, f"worker {number}") for number in range(3))
    for lane in workers:
        story.did(lane, "signal", 1.0, inner)
        story.never(lane, workers=workers, pool="pool")
        story.ends(lane, "stopped")
    story.did(main, "signal", 1.0, whole)
    story.never(main, holder=workers[0])
    story.ends(main, "stopped")
    story.cycle = workers
    return story.told()


def endings() -> Timeline:
    """One lane for each way to end that is not in the others, each in another state before."""
    story = Story()
    event = story.thing("Event", "ready")
    main = story.lane()
    story.did(main, "io", 1.0)
    for ending, detail in (
        ("raised", "ValueError"),
        ("cut off", ""),
        ("stopped", ""),
        ("ended", "exit code 3"),
    ):
        lane = story.started(main, 0.1, f"that {ending}", daemon=ending == "cut off")
        story.did(lane, "sleep", 0.7)
        story.ends(lane, ending, detail)
    waiting = story.started(main, 0.1, "waiting", ending="alive")
    story.did(waiting, "signal", 1.0, event)
    story.never(waiting)
    story.did(story.started(main, 0.1, "busy", ending="alive"), "running", 1.0)
    return story.told()


def many_threads(count: int = 60) -> Timeline:
    """Each thread wakes the next one."""
    story = Story()
    slots = story.thing("Semaphore", "slots")
    main = story.lane()
    for number in range(1, count):
        at = 0.001 * number
        thread = story.started(main, at, f"Thread-{number} (worker)", born=at + 0.002)
        woken = 0.1 + 0.015 * number
        story.did(thread, "signal", woken + 0.01, slots, woken=woken)
        story.held(thread, slots, woken + 0.01, woken + 0.06)
        story.did(thread, "sleep", woken + 0.06)
        story.woke(thread - 1, woken, thread, woken + 0.01, slots)
    story.did(main, "join", 0.2 + 0.015 * count)
    return story.told()


def many_processes() -> Timeline:
    story = Story()
    main = story.lane()
    story.did(main, "running", 1.0)
    for number in range(1, 26):
        child = story.forked(main, 0.01 * number, f"Process-{number}", 2000 + number)
        story.did(child, "running", 0.6)
        story.did(child, "io", 0.9)
    return story.told()


def long_names() -> Timeline:
    """Names that are too long, or not for this font, or look like formulae."""
    story = Story(
        "The recording is full (64 MiB): what came later is missing.",
        "One process could not be recorded, because it was started with a flag that keeps it from reading "
        "the environment; its lanes are missing from this picture, and so are those of its children.",
    )
    long = story.thing("Lock", "self.registry.locks_by_customer_identifier[customer]")
    short = story.thing("Lock", r"$\frac$")
    main = story.lane(process="a process with quite an unreasonably long name", pid=3_214_321)
    other = story.started(
        main, 0.1, "ThreadPoolExecutor-0_0 handles $x^2$ of \u65e5\u672c customers", daemon=True
    )
    story.did(main, "running", 1.0)
    story.did(main, "lock", 700.0, long)
    story.never(main, holder=other)
    story.ends(main, "stopped")
    story.did(other, "running", 700.0)
    story.held(other, long, 0.5, 700.0, left_open=True)
    story.held(other, short, 100.0, 300.0)
    story.ends(other, "killed", "SIGKILL")
    return story.told()


def every_state() -> Timeline:
    """One thread, a second in each state, holding more and more locks."""
    story = Story()
    main = story.lane()
    thing = story.thing("queue.Queue", "q")
    for place, state in enumerate(STATES):
        waits = state not in ("running", "sleep")
        story.did(main, state, place + 1.0, thing if waits else -1, woken=place + 0.7 if waits else NAN)
    for place in range(5):
        story.held(main, story.thing("Lock", f"lock_{place}"), place / 2, 7 - place / 2)
    return story.told()


def moment() -> Timeline:
    """One thread, for three microseconds."""
    story = Story()
    story.did(story.lane(), "running", 3e-6)
    return story.told()


def no_length() -> Timeline:
    """A thread of which nothing is known but that it was there."""
    story = Story()
    story.lane()
    return story.told()


def lost_update() -> Timeline:
    """A schedule: one step of one thread at a time, each with its words."""
    story = Story()
    main = story.lane()
    threads = [story.started(main, float(number), name) for number, name in enumerate(("one", "two"))]
    story.did(main, "running", 2.0)
    story.did(main, "join", 7.0, story.thing("Thread", "one", "", 0), woken=6.0)
    story.did(main, "running", 8.0)
    for thread, turns in zip(threads, ((2.0, 4.0), (3.0, 5.0)), strict=True):
        for at, words in zip(turns, ("5: read counter = 0", "5: write counter = 1"), strict=True):
            story.paused(thread, at)
            story.did(thread, "running", at + 1)
            story.marked(thread, at, words)
    story.marked(main, 0.0, "8: start one")
    story.marked(main, 1.0, "8: start two")
    story.marked(main, 7.0, "11: read counter = 1")
    story.ends(main, "raised", "AssertionError")
    return story.told(steps=True)


def many_marks(count: int = 200, lanes: int = 3) -> Timeline:
    """More marks than there is room for words; of many lengths, some of them nearly at once."""
    story = Story()
    random = np.random.default_rng(3)
    for number in range(lanes):
        story.did(story.lane(f"lane {number}"), "running", 100.0)
    for number, at in enumerate(np.sort(random.uniform(0, 100, count))):
        verb = ("read", "write", "acquire", "wait for")[number % 4]
        story.marked(number * 7 % lanes, float(at), f"{number}: {verb} {'balance'[: 1 + number % 7]}")
    return story.told()


def crowd(spans: int, threads: int = 8, seed: int = 0) -> Timeline:
    """So many spans of random length, shared by `threads`: every other one is a wait of some kind."""
    random = np.random.default_rng(seed)
    objects = (SyncObject("Lock", "lock", "demo.py", 1),)
    lanes, rows = [], []
    for number in range(threads):
        size = spans // threads
        columns = np.zeros(size, SPAN)
        ends = np.cumsum(random.exponential(1, size))
        columns["lane"] = number
        columns["end"] = ends * (10 / ends[-1])
        columns["start"][1:] = columns["end"][:-1]
        columns["state"][1::2] = random.integers(1, len(STATES), size // 2)
        columns["on"] = np.where(columns["state"] == STATES.index("lock"), 0, -1)
        columns["woken"] = np.where(columns["on"] == 0, (columns["start"] + columns["end"]) / 2, NAN)
        lanes.append(Lane(number, 100, "main process", f"Thread-{number}", False, 0.0, 10.0, "ended"))
        rows.append(Spans(columns, objects))
    times = np.sort(random.uniform(0, 10, spans // 10))
    holds = np.zeros(len(times), HOLD)
    holds["lane"] = random.integers(0, threads, len(times))
    holds["start"], holds["end"] = times, times + 1e-5
    wakeups = np.zeros(len(times), WAKEUP)
    wakeups["waker"], wakeups["woken"] = random.integers(0, threads, (2, len(times)))
    wakeups["at"], wakeups["until"] = times, times + 1e-5
    return Timeline(
        lanes=tuple(lanes),
        spans=tuple(rows),
        holds=Holds(holds, objects),
        wakeups=Wakeups(wakeups, objects),
        objects=objects,
        stuck=Deadlock((), ()),
        duration=10.0,
    )


SMALL: dict[str, Callable[[], Timeline]] = {
    made.__name__: made
    for made in (
        lock,
        queue,
        killed_reader,
        deadlock,
        starved,
        endings,
        many_threads,
        many_processes,
        long_names,
        every_state,
        moment,
        no_length,
        lost_update,
        many_marks,
    )
}

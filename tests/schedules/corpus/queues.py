"""Queues: pills, counts, limits, and looking before taking."""

from __future__ import annotations

from contextlib import suppress
from queue import Empty, LifoQueue, PriorityQueue, Queue, SimpleQueue
from threading import Lock, Thread

from tests.schedules.corpus import bug, mend
from tests.schedules.scenarios import together

PILL = None


@bug("one pill for three consumers", fails="lost wake-up")
def one_pill():
    tasks = Queue()

    def work():
        while tasks.get() is not PILL:
            pass

    together(work, work, work, lambda: tasks.put(PILL))


@mend(one_pill)
def pill_handed_on():
    tasks = Queue()

    def work():
        while tasks.get() is not PILL:
            pass
        tasks.put(PILL)

    together(work, work, work, lambda: tasks.put(PILL))


@bug("a failed task is never reported done: join waits for ever", fails="lost wake-up")
def task_done_missing():
    tasks = Queue()

    def work():
        try:
            assert tasks.get() == "good"
            tasks.task_done()
        except AssertionError:
            pass

    def give():
        tasks.put("bad")
        tasks.join()

    together(work, give)


@mend(task_done_missing)
def task_done_in_any_case():
    tasks = Queue()

    def work():
        try:
            assert tasks.get() == "good"
        except AssertionError:
            pass
        finally:
            tasks.task_done()

    def give():
        tasks.put("bad")
        tasks.join()

    together(work, give)


@bug("a task is reported done by whoever looks, too", fails="ValueError")
def task_done_too_often():
    tasks = Queue()
    tasks.put("task")

    def work():
        with suppress(Empty):
            tasks.get_nowait()
        tasks.task_done()

    together(work, work)


@mend(task_done_too_often)
def task_done_once():
    tasks = Queue()
    tasks.put("task")

    def work():
        try:
            tasks.get_nowait()
        except Empty:
            return
        tasks.task_done()

    together(work, work)


@bug("reported done before it is: join lets go too early", fails="AssertionError")
def task_done_too_early():
    tasks, results = Queue(), []
    tasks.put("task")

    def work():
        task = tasks.get()
        tasks.task_done()
        results.append(task)

    thread = Thread(target=work)
    thread.start()
    tasks.join()
    assert results == ["task"]
    thread.join()


@mend(task_done_too_early)
def task_done_at_the_end():
    tasks, results = Queue(), []
    tasks.put("task")

    def work():
        results.append(tasks.get())
        tasks.task_done()

    thread = Thread(target=work)
    thread.start()
    tasks.join()
    assert results == ["task"]
    thread.join()


@bug("empty() is looked at before get()", fails="lost wake-up")
def empty_then_get():
    tasks = Queue()
    tasks.put("task")

    def work():
        while not tasks.empty():
            tasks.get()

    together(work, work)


@mend(empty_then_get)
def get_nowait():
    tasks = Queue()
    tasks.put("task")

    def work():
        try:
            while True:
                tasks.get_nowait()
        except Empty:
            pass

    together(work, work)


@bug("two stages with bounded queues in a circle, both full", fails="deadlock")
def circle_of_queues():
    there, back = Queue(1), Queue(1)

    def ask():
        for question in range(4):
            there.put(question)
        for _ in range(4):
            back.get()

    def answer():
        for _ in range(4):
            back.put(there.get())

    together(ask, answer)


@mend(circle_of_queues)
def circle_with_room():
    there, back = Queue(1), Queue()

    def ask():
        for question in range(4):
            there.put(question)
        for _ in range(4):
            back.get()

    def answer():
        for _ in range(4):
            back.put(there.get())

    together(ask, answer)


@bug("a full queue is put to under the lock that its consumer needs", fails="deadlock")
def put_under_a_lock():
    line, lock, log = Queue(1), Lock(), []

    def produce():
        for item in "ab":
            with lock:
                line.put(item)

    def consume():
        for _ in "ab":
            with lock:
                log.append("next")
            line.get()

    together(produce, consume)


@mend(put_under_a_lock)
def put_outside_the_lock():
    line, lock, log = Queue(1), Lock(), []

    def produce():
        for item in "ab":
            line.put(item)

    def consume():
        for _ in "ab":
            with lock:
                log.append("next")
            line.get()

    together(produce, consume)


@bug("a producer leaves at the first bad item, and tells nobody", fails="lost wake-up")
def producer_leaves():
    line, bad = SimpleQueue(), []

    def produce():
        for item in "ab":
            if item in bad:
                return
            line.put(item)
        line.put(PILL)

    def consume():
        while line.get() is not PILL:
            pass

    together(produce, consume, lambda: bad.append("b"))


@mend(producer_leaves)
def producer_leaves_a_pill():
    line, bad = SimpleQueue(), []

    def produce():
        try:
            for item in "ab":
                if item in bad:
                    return
                line.put(item)
        finally:
            line.put(PILL)

    def consume():
        while line.get() is not PILL:
            pass

    together(produce, consume, lambda: bad.append("b"))


@bug("the order of a queue with two producers is taken for granted", fails="AssertionError")
def order_of_two():
    line = Queue()
    together(lambda: line.put("first"), lambda: line.put("second"))
    assert [line.get(), line.get()] == ["first", "second"]


@mend(order_of_two)
def order_by_priority():
    line = PriorityQueue()
    together(lambda: line.put((1, "first")), lambda: line.put((2, "second")))
    assert [line.get()[1], line.get()[1]] == ["first", "second"]


@bug("the most urgent is taken before it has been put", fails="AssertionError")
def urgent_comes_late():
    jobs, first = PriorityQueue(), []

    def give():
        jobs.put(2)
        jobs.put(1)

    together(give, lambda: first.append(jobs.get()))
    assert first == [1]


@mend(urgent_comes_late)
def urgent_is_there():
    jobs, first = PriorityQueue(), []
    jobs.put(2)
    jobs.put(1)
    together(lambda: first.append(jobs.get()), lambda: None)
    assert first == [1]


@bug("undo: the last in is not one's own", fails="AssertionError")
def undo_of_another():
    undo = LifoQueue()

    def edit(name):
        undo.put(name)
        assert undo.get() == name

    together(lambda: edit("ann"), lambda: edit("ben"))


@mend(undo_of_another)
def undo_of_ones_own():
    def edit(name):
        undo = LifoQueue()
        undo.put(name)
        assert undo.get() == name

    together(lambda: edit("ann"), lambda: edit("ben"))


@bug("the item itself is changed after it has been handed over", fails="AssertionError")
def changed_after_put():
    line = Queue()

    def produce():
        row = []
        for number in (1, 2):
            row.append(number)
            line.put(row)

    def consume():
        assert len(line.get()) == 1

    together(produce, consume)


@mend(changed_after_put)
def copied_before_put():
    line = Queue()

    def produce():
        row = []
        for number in (1, 2):
            row.append(number)
            line.put(row.copy())

    def consume():
        assert len(line.get()) == 1

    together(produce, consume)


@bug("who gets the other's letter puts it back: both may do so for ever", fails="livelock")
def put_back():
    letters = Queue()
    letters.put("first")
    letters.put("second")

    def fetch(name):
        while (letter := letters.get()) != name:
            letters.put(letter)

    together(lambda: fetch("first"), lambda: fetch("second"))


@mend(put_back)
def boxes_of_their_own():
    boxes = {"first": Queue(), "second": Queue()}
    for name, box in boxes.items():
        box.put(name)

    together(boxes["first"].get, boxes["second"].get)

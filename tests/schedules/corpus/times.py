"""Time taken for an order: sleeps, timeouts and timers."""

from __future__ import annotations

import time
from queue import Empty, Queue
from threading import Condition, Event, Lock, Thread, Timer

from tests.schedules.corpus import bug, mend
from tests.schedules.scenarios import together


@bug("sleeps until the other has surely done it", fails="AssertionError")
def sleep_as_signal():
    written = []

    def read():
        time.sleep(1.0)
        assert written

    together(lambda: written.append("text"), read)


@mend(sleep_as_signal)
def event_as_signal():
    written, done = [], Event()

    def write():
        written.append("text")
        done.set()

    def read():
        done.wait()
        assert written

    together(write, read)


@bug("sleeps of different length are taken for an order", fails="AssertionError")
def sleeps_as_order():
    log = []

    def write(name, seconds):
        time.sleep(seconds)
        log.append(name)

    together(lambda: write("first", 0.1), lambda: write("second", 0.2))
    assert log == ["first", "second"]


@mend(sleeps_as_order)
def join_as_order():
    log = []
    for name in ("first", "second"):
        thread = Thread(target=log.append, args=(name,))
        thread.start()
        thread.join()
    assert log == ["first", "second"]


@bug("what Event.wait returned at its timeout is not looked at", fails="AssertionError")
def wait_timed_out():
    result, ready = [], Event()

    def work():
        result.append(42)
        ready.set()

    def use():
        ready.wait(timeout=1.0)
        assert result

    together(work, use)


@mend(wait_timed_out)
def wait_again():
    result, ready = [], Event()

    def work():
        result.append(42)
        ready.set()

    def use():
        while not ready.wait(timeout=1.0):
            pass
        assert result

    together(work, use)


@bug("what wait_for returned at its timeout is not looked at", fails="IndexError")
def wait_for_timed_out():
    condition, items = Condition(), []

    def put():
        with condition:
            items.append("item")
            condition.notify()

    def take():
        with condition:
            condition.wait_for(lambda: items, timeout=1.0)
            items.pop()

    together(put, take)


@mend(wait_for_timed_out)
def wait_for_looked_at():
    condition, items = Condition(), []

    def put():
        with condition:
            items.append("item")
            condition.notify()

    def take():
        with condition:
            if condition.wait_for(lambda: items, timeout=1.0):
                items.pop()

    together(put, take)


@bug("an acquire that timed out is taken for success", fails="RuntimeError")
def acquire_timed_out():
    lock = Lock()

    def work():
        lock.acquire(timeout=1.0)
        lock.release()

    together(work, work)


@mend(acquire_timed_out)
def acquire_looked_at():
    lock = Lock()

    def work():
        if lock.acquire(timeout=1.0):
            lock.release()

    together(work, work)


@bug("a queue that is empty for a second is taken for finished", fails="AssertionError")
def empty_for_a_while():
    line, got = Queue(), []

    def consume():
        try:
            while True:
                got.append(line.get(timeout=1.0))
        except Empty:
            pass

    together(lambda: line.put("item"), consume)
    assert got == ["item"]


@mend(empty_for_a_while)
def finished_by_a_pill():
    line, got = Queue(), []

    def produce():
        line.put("item")
        line.put(None)

    def consume():
        while (item := line.get()) is not None:
            got.append(item)

    together(produce, consume)
    assert got == ["item"]


@bug("a join that timed out is taken for the end", fails="AssertionError")
def join_timed_out():
    result = []
    thread = Thread(target=result.append, args=(42,))
    thread.start()
    thread.join(timeout=1.0)
    assert result == [42]
    thread.join()


@mend(join_timed_out)
def join_looked_at():
    result = []
    thread = Thread(target=result.append, args=(42,))
    thread.start()
    thread.join(timeout=1.0)
    if not thread.is_alive():
        assert result == [42]
    thread.join()


@bug("is_alive is looked at before a get: the thread may end in between", fails="lost wake-up")
def alive_then_get():
    line = Queue()
    thread = Thread(target=line.put, args=("item",))
    thread.start()
    line.get()
    if thread.is_alive():
        line.get()
    thread.join()


@mend(alive_then_get)
def end_by_a_pill():
    line = Queue()

    def produce():
        line.put("item")
        line.put(None)

    thread = Thread(target=produce)
    thread.start()
    while line.get() is not None:
        pass
    thread.join()


class Door:
    def __init__(self):
        self.is_open = True

    def ring(self):
        assert self.is_open


@bug("cancel comes too late: the timer's function is on its way", fails="AssertionError")
def timer_on_its_way():
    door = Door()
    timer = Timer(1.0, door.ring)
    timer.start()
    timer.cancel()
    door.is_open = False
    timer.join()


@mend(timer_on_its_way)
def timer_joined_after_cancel():
    door = Door()
    timer = Timer(1.0, door.ring)
    timer.start()
    timer.cancel()
    timer.join()
    door.is_open = False


@bug("a timeout and the answer both end the request", fails="AssertionError")
def answered_and_timed_out():
    state, endings = "waiting", []

    def end(how):
        nonlocal state
        if state == "waiting":
            state = how
            endings.append(how)

    timer = Timer(1.0, end, args=("timed out",))
    timer.start()
    end("answered")
    timer.cancel()
    timer.join()
    assert len(endings) == 1


@mend(answered_and_timed_out)
def answered_or_timed_out():
    state, endings, lock = "waiting", [], Lock()

    def end(how):
        nonlocal state
        with lock:
            if state != "waiting":
                return
            state = how
        endings.append(how)

    timer = Timer(1.0, end, args=("timed out",))
    timer.start()
    end("answered")
    timer.cancel()
    timer.join()
    assert len(endings) == 1


@bug("a timeout longer than the work is taken for long enough", fails="AssertionError")
def long_timeout():
    done = Event()

    def work():
        time.sleep(2.0)
        done.set()

    thread = Thread(target=work)
    thread.start()
    begin = time.monotonic()
    done.wait(timeout=3.0)
    assert done.is_set(), time.monotonic() - begin
    thread.join()


@mend(long_timeout)
def no_timeout():
    done = Event()

    def work():
        time.sleep(2.0)
        done.set()

    thread = Thread(target=work)
    thread.start()
    done.wait()
    assert done.is_set()
    thread.join()

"""Pools, futures, and what belongs to one thread."""

from __future__ import annotations

import threading
from concurrent.futures import CancelledError, Future, ThreadPoolExecutor, as_completed
from contextlib import suppress
from threading import Lock

from tests.schedules.corpus import bug, mend
from tests.schedules.scenarios import together


@bug("a task in a pool of one worker waits for a task behind it", fails="lost wake-up")
def waits_behind_itself():
    with ThreadPoolExecutor(1) as pool:

        def outer():
            return pool.submit(int).result()

        assert pool.submit(outer).result() == 0


@mend(waits_behind_itself)
def room_for_both():
    with ThreadPoolExecutor(2) as pool:

        def outer():
            return pool.submit(int).result()

        assert pool.submit(outer).result() == 0


@bug(
    "two tasks that each submit one: enough workers for either, not for both", fails="lost wake-up", long=True
)
def enough_for_one():
    with ThreadPoolExecutor(2) as pool:

        def outer():
            return pool.submit(int).result()

        results = [pool.submit(outer), pool.submit(outer)]
        assert [result.result() for result in results] == [0, 0]


@mend(enough_for_one)
def submitted_from_outside():
    with ThreadPoolExecutor(2) as pool:
        results = [pool.submit(int), pool.submit(int)]
        assert [result.result() for result in results] == [0, 0]


@bug(
    "add_done_callback under the lock: if the future is done, the callback runs here and takes it",
    fails="deadlock",
)
def callback_at_once():
    lock, log, future = Lock(), [], Future()

    def note(future):
        with lock:
            log.append(future.result())

    def listen():
        with lock:
            future.add_done_callback(note)

    together(listen, lambda: future.set_result(1))
    assert log == [1]


@mend(callback_at_once)
def callback_added_outside():
    lock, log, future = Lock(), [], Future()

    def note(future):
        with lock:
            log.append(future.result())

    together(lambda: future.add_done_callback(note), lambda: future.set_result(1))
    assert log == [1]


@bug("the order in which tasks end is taken for the order in which they were given", fails="AssertionError")
def order_of_ends():
    log = []
    with ThreadPoolExecutor(2) as pool:
        pool.submit(log.append, "first")
        pool.submit(log.append, "second")
    assert log == ["first", "second"]


@mend(order_of_ends)
def order_of_map():
    with ThreadPoolExecutor(2) as pool:
        assert list(pool.map(str.upper, "ab")) == ["A", "B"]


@bug("as_completed gives the first to end, not the first to begin", fails="AssertionError", long=True)
def first_completed():
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(str.upper, letter) for letter in "ab"]
        assert next(as_completed(futures)) is futures[0]


@mend(first_completed)
def first_asked():
    with ThreadPoolExecutor(2) as pool:
        futures = [pool.submit(str.upper, letter) for letter in "ab"]
        assert futures[0].result() == "A"


@bug("cancel is taken for granted, though the task may have begun", fails="AssertionError")
def cancelled_too_late():
    log = []
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(log.append, "ran")
        future.cancel()
    assert not log


@mend(cancelled_too_late)
def cancelled_or_not():
    log = []
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(log.append, "ran")
        cancelled = future.cancel()
    assert log == ([] if cancelled else ["ran"])


@bug("a pool is told to cancel what has not begun, and its result is asked for", fails="CancelledError")
def cancelled_and_asked():
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(int)
        pool.shutdown(wait=False, cancel_futures=True)
        assert future.result() == 0


@mend(cancelled_and_asked)
def cancelled_and_expected():
    with ThreadPoolExecutor(1) as pool:
        future = pool.submit(int)
        pool.shutdown(wait=False, cancel_futures=True)
        with suppress(CancelledError):
            assert future.result() == 0


@bug("a pool's thread remembers the task before", fails="AssertionError")
def remembered_by_the_thread():
    local = threading.local()
    seen = {}

    def serve(user):
        if not hasattr(local, "user"):
            local.user = user
        seen[user] = local.user

    with ThreadPoolExecutor(2) as pool:
        pool.submit(serve, "ann")
        pool.submit(serve, "ben")
    assert seen == {"ann": "ann", "ben": "ben"}


@mend(remembered_by_the_thread)
def set_by_every_task():
    local = threading.local()
    seen = {}

    def serve(user):
        local.user = user
        seen[user] = local.user

    with ThreadPoolExecutor(2) as pool:
        pool.submit(serve, "ann")
        pool.submit(serve, "ben")
    assert seen == {"ann": "ann", "ben": "ben"}


@bug("a thread-local name for an object that all threads share", fails="AssertionError")
def one_list_for_all():
    local, basket = threading.local(), []
    sold = []

    def buy(item):
        local.basket = basket
        local.basket.append(item)
        sold.append(len(local.basket))

    together(lambda: buy("cup"), lambda: buy("pot"))
    assert sold == [1, 2]


@mend(one_list_for_all)
def a_list_for_each():
    local = threading.local()
    sold = []

    def buy(item):
        local.basket = []
        local.basket.append(item)
        sold.append(len(local.basket))

    together(lambda: buy("cup"), lambda: buy("pot"))
    assert sold == [1, 1]


class Basket(threading.local):
    def __init__(self, items):
        self.items = items


@bug("the arguments of a subclass of local are the same objects for every thread", fails="AssertionError")
def shared_argument():
    basket, seen = Basket([]), []

    def buy():
        basket.items.append("cup")
        seen.append(len(basket.items))

    together(buy, buy)
    assert seen == [1, 2]


@mend(shared_argument)
def argument_copied():
    basket, seen = Basket(()), []

    def buy():
        basket.items = [*basket.items, "cup"]
        seen.append(len(basket.items))

    together(buy, buy)
    assert seen == [1, 1]


@bug("a Future is completed twice", fails="InvalidStateError")
def completed_twice():
    future = Future()

    def answer(text):
        if not future.done():
            future.set_result(text)

    together(lambda: answer("yes"), lambda: answer("no"))


@mend(completed_twice)
def completed_once():
    future, lock = Future(), Lock()

    def answer(text):
        with lock:
            if not future.done():
                future.set_result(text)

    together(lambda: answer("yes"), lambda: answer("no"))
    assert future.result() in ("yes", "no")

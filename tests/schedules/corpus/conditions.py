"""Conditions: notified too early, looked at once, notified in the wrong place, the wrong one woken."""

from __future__ import annotations

import threading

from tests.schedules.corpus import bug, mend
from tests.schedules.scenarios import together


@bug("waits without looking whether it has happened already", fails="lost wake-up")
def notified_before_the_wait():
    condition = threading.Condition()

    def wait():
        with condition:
            condition.wait()

    def announce():
        with condition:
            condition.notify()

    together(wait, announce)


@mend(notified_before_the_wait)
def looks_before_it_waits():
    condition, happened = threading.Condition(), False

    def wait():
        with condition:
            while not happened:
                condition.wait()

    def announce():
        nonlocal happened
        with condition:
            happened = True
            condition.notify()

    together(wait, announce)


@bug("`if` instead of `while`: two are woken for one item", fails="IndexError")
def if_instead_of_while():
    condition, items = threading.Condition(), []

    def take():
        with condition:
            if not items:
                condition.wait()
            items.pop()

    def put():
        for item in "ab":
            with condition:
                items.append(item)
                condition.notify_all()

    together(take, take, put)


@mend(if_instead_of_while)
def while_instead_of_if():
    condition, items = threading.Condition(), []

    def take():
        with condition:
            while not items:
                condition.wait()
            items.pop()

    def put():
        for item in "ab":
            with condition:
                items.append(item)
                condition.notify_all()

    together(take, take, put)


@bug("`if` with one notify: somebody who never waited comes first", fails="IndexError")
def taken_by_a_latecomer():
    condition, items, left = threading.Condition(), [], []

    def take():
        with condition:
            if not items:
                condition.wait()
            left.append(items.pop())

    def take_if_there():
        with condition:
            if items:
                left.append(items.pop())

    def put():
        with condition:
            items.append("item")
            condition.notify()

    together(take, take_if_there, put, put)


@mend(taken_by_a_latecomer)
def latecomers_allowed_for():
    condition, items, left = threading.Condition(), [], []

    def take():
        with condition:
            condition.wait_for(lambda: items)
            left.append(items.pop())

    def take_if_there():
        with condition:
            if items:
                left.append(items.pop())

    def put():
        with condition:
            items.append("item")
            condition.notify()

    together(take, take_if_there, put, put)


@bug("two kinds of waiters on one condition: notify wakes the wrong one", fails="lost wake-up")
def two_kinds_of_waiters():
    condition, served = threading.Condition(), []

    def wait_for(dish):
        with condition:
            while dish not in served:
                condition.wait()

    def cook():
        for dish in ("soup", "cake"):
            with condition:
                served.append(dish)
                condition.notify()

    together(lambda: wait_for("soup"), lambda: wait_for("cake"), cook)


@mend(two_kinds_of_waiters)
def all_waiters_woken():
    condition, served = threading.Condition(), []

    def wait_for(dish):
        with condition:
            while dish not in served:
                condition.wait()

    def cook():
        for dish in ("soup", "cake"):
            with condition:
                served.append(dish)
                condition.notify_all()

    together(lambda: wait_for("soup"), lambda: wait_for("cake"), cook)


@bug(
    "one slot, one producer, two consumers, one condition with notify: it stalls",
    fails="lost wake-up",
    long=True,
)
def one_slot():
    condition, slot = threading.Condition(), []

    def put():
        for item in "ab":
            with condition:
                while slot:
                    condition.wait()
                slot.append(item)
                condition.notify()

    def take():
        with condition:
            while not slot:
                condition.wait()
            slot.clear()
            condition.notify()

    together(take, take, put)


@mend(one_slot)
def one_slot_two_conditions():
    lock, slot = threading.Lock(), []
    empty, full = threading.Condition(lock), threading.Condition(lock)

    def put():
        for item in "ab":
            with lock:
                while slot:
                    empty.wait()
                slot.append(item)
                full.notify()

    def take():
        with lock:
            while not slot:
                full.wait()
            slot.clear()
            empty.notify()

    together(take, take, put)


@bug("the state changes after the notification, outside the lock", fails="lost wake-up")
def state_after_notify():
    condition, ready = threading.Condition(), False

    def wait():
        with condition:
            while not ready:
                condition.wait()

    def announce():
        nonlocal ready
        with condition:
            condition.notify()
        ready = True

    together(wait, announce)


@mend(state_after_notify)
def state_before_notify():
    condition, ready = threading.Condition(), False

    def wait():
        with condition:
            while not ready:
                condition.wait()

    def announce():
        nonlocal ready
        with condition:
            ready = True
            condition.notify()

    together(wait, announce)


@bug("the state is looked at outside the lock", fails="lost wake-up")
def looked_at_outside():
    condition, ready = threading.Condition(), False

    def wait():
        if not ready:
            with condition:
                condition.wait()

    def announce():
        nonlocal ready
        with condition:
            ready = True
            condition.notify_all()

    together(wait, announce)


@mend(looked_at_outside)
def looked_at_inside():
    condition, ready = threading.Condition(), False

    def wait():
        if not ready:
            with condition:
                while not ready:
                    condition.wait()

    def announce():
        nonlocal ready
        with condition:
            ready = True
            condition.notify_all()

    together(wait, announce)


@bug("notify without the lock, when somebody may be looking", fails="RuntimeError")
def notify_without_the_lock():
    condition, ready = threading.Condition(threading.Lock()), False

    def wait():
        with condition:
            while not ready:
                condition.wait()

    def announce():
        nonlocal ready
        ready = True
        condition.notify()

    together(wait, announce)


@mend(notify_without_the_lock)
def notify_with_the_lock():
    condition, ready = threading.Condition(threading.Lock()), False

    def wait():
        with condition:
            while not ready:
                condition.wait()

    def announce():
        nonlocal ready
        ready = True
        with condition:
            condition.notify()

    together(wait, announce)


@bug("a woken thread is the only one to be told, and leaves without telling the next", fails="lost wake-up")
def not_passed_on():
    condition, is_open = threading.Condition(), False

    def enter():
        with condition:
            while not is_open:
                condition.wait()

    def unlock():
        nonlocal is_open
        with condition:
            is_open = True
            condition.notify()

    together(enter, enter, unlock)


@mend(not_passed_on)
def passed_on():
    condition, is_open = threading.Condition(), False

    def enter():
        with condition:
            while not is_open:
                condition.wait()
            condition.notify()

    def unlock():
        nonlocal is_open
        with condition:
            is_open = True
            condition.notify()

    together(enter, enter, unlock)


class Turnstile:
    """A barrier made by hand: when all have come, all may pass; then it is to be used again."""

    def __init__(self, parties):
        self.condition = threading.Condition()
        self.parties = parties
        self.count = 0

    def wait(self):
        with self.condition:
            self.count += 1
            if self.count == self.parties:
                self.condition.notify_all()
            while self.count < self.parties:
                self.condition.wait()

    def reset(self):
        with self.condition:
            self.count = 0


class Rounds(Turnstile):
    """The same, which counts its rounds."""

    round = 0

    def wait(self):
        with self.condition:
            mine = self.round
            self.count += 1
            if self.count == self.parties:
                self.count = 0
                self.round += 1
                self.condition.notify_all()
            while self.round == mine:
                self.condition.wait()


@bug("a barrier made by hand is set back while somebody is still in it", fails="lost wake-up")
def barrier_set_back():
    barrier = Turnstile(2)

    def first():
        barrier.wait()
        barrier.reset()

    together(first, barrier.wait)


@mend(barrier_set_back)
def barrier_with_rounds():
    barrier = Rounds(2)

    def twice():
        barrier.wait()
        barrier.wait()

    together(twice, twice)

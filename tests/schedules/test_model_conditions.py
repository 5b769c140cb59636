"""Condition under every schedule."""

import threading

import pytest

from tests.schedules.exploring import STUCK, explored, outcomes
from tests.schedules.scenarios import start, together


@pytest.mark.parametrize("rlock", [False, True])
def test_a_notification_before_the_wait_is_lost(rlock):
    def scenario():
        condition = threading.Condition(threading.RLock() if rlock else threading.Lock())

        def wait():
            with condition:
                condition.wait()

        (thread,) = start(wait)
        with condition:
            condition.notify()
        thread.join()
        return "woken"

    assert outcomes(scenario) == {"'woken'", STUCK}


def test_while_finds_what_happened_before():
    def scenario():
        condition = threading.Condition()
        ready = False

        def wait():
            with condition:
                while not ready:
                    condition.wait()

        (thread,) = start(wait)
        with condition:
            ready = True
            condition.notify()
        thread.join()
        return "done"

    assert outcomes(scenario) == {"'done'"}


def test_wait_for_is_such_a_while():
    def scenario():
        condition = threading.Condition()
        items = []
        got = []

        def wait():
            with condition:
                got.append(condition.wait_for(lambda: len(items) == 2 and "both"))

        (thread,) = start(wait)
        for item in range(2):
            with condition:
                items.append(item)
                condition.notify_all()
        thread.join()
        return got

    assert outcomes(scenario) == {"['both']"}


def test_if_takes_an_item_that_a_third_thread_took_before():
    def scenario():
        condition = threading.Condition()
        items = []

        def take():
            with condition:
                if not items:
                    condition.wait()
                items.pop()

        threads = start(take, take)
        for item in range(2):
            with condition:
                items.append(item)
                condition.notify()
        for thread in threads:
            thread.join()
        return "both served"

    # Notified for the first item, one waiter finds that the other thread, which came without waiting, was
    # quicker to get the lock.
    assert outcomes(scenario) == {"'both served'", "IndexError: pop from empty list"}


def test_notify_wakes_the_one_that_has_waited_longest():
    def scenario():
        condition = threading.Condition()
        waiting = threading.Semaphore(0)
        woken = []

        def wait(name):
            with condition:
                waiting.release()
                condition.wait()
                woken.append(name)

        threads = []
        for name in "ab":
            threads.append(threading.Thread(target=wait, args=(name,)))
            threads[-1].start()
            waiting.acquire()
        with condition:
            condition.notify()
        threads[0].join()
        alone = list(woken)
        with condition:
            condition.notify()
        threads[1].join()
        return alone, woken

    assert outcomes(scenario) == {"(['a'], ['a', 'b'])"}


def test_who_is_woken_competes_for_the_lock_with_everybody():
    def scenario():
        condition = threading.Condition()
        order = []
        waiting = threading.Event()

        def wait():
            with condition:
                waiting.set()
                condition.wait()
                order.append("woken")

        def another():
            with condition:
                order.append("another")

        (first,) = start(wait)
        waiting.wait()
        with condition:
            condition.notify()
        (second,) = start(another)
        first.join()
        second.join()
        return order

    assert outcomes(scenario) == {"['woken', 'another']", "['another', 'woken']"}


def test_n_of_three_are_woken():
    def scenario(n):
        def run():
            condition = threading.Condition()
            woken = waiting = 0

            def wait():
                nonlocal woken, waiting
                with condition:
                    waiting += 1
                    condition.wait()
                    woken += 1

            threads = [threading.Thread(target=wait, daemon=True) for _ in range(3)]
            for thread in threads:
                thread.start()
            with condition:
                if waiting < 3:
                    return -1
                if n is None:
                    condition.notify_all()
                else:
                    condition.notify(n)
            for _ in range(3 if n is None else n):
                with condition:
                    pass
            with condition:
                return woken

        return run

    assert set(explored(scenario(0), "classes")) == {"-1", "0"}
    assert set(explored(scenario(1), "classes")) == {"-1", "0", "1"}
    assert set(explored(scenario(2), "classes")) == {"-1", "0", "1", "2"}
    assert set(explored(scenario(None), "classes")) == {"-1", "0", "1", "2", "3"}


def test_a_wait_gives_an_rlock_away_altogether_and_gets_it_back_as_often():
    def scenario():
        condition = threading.Condition(threading.RLock())
        ready = False

        def wait():
            with condition, condition:
                while not ready:
                    condition.wait()
                condition.release()
                condition.acquire()
            with pytest.raises(RuntimeError):
                condition.release()

        (thread,) = start(wait)
        with condition:
            ready = True
            condition.notify()
        thread.join()
        return "done"

    assert outcomes(scenario) == {"'done'"}


def test_a_wait_in_time_reports_a_timeout_although_it_was_notified():
    def scenario():
        condition = threading.Condition()
        got = []
        notified = False

        def wait():
            with condition:
                got.append(notified)
                got.append(condition.wait(1))

        (thread,) = start(wait)
        with condition:
            notified = True
            condition.notify()
        thread.join()
        return got

    assert outcomes(scenario) == {"[False, True]", "[False, False]", "[True, False]"}


def test_the_notification_that_a_timeout_was_spent_on_is_lost():
    def scenario():
        condition = threading.Condition()
        waiting = threading.Semaphore(0)
        timed_out = []

        def impatient():
            with condition:
                waiting.release()
                timed_out.append(not condition.wait(1))

        def patient():
            with condition:
                waiting.release()
                condition.wait()

        (first,) = start(impatient)
        waiting.acquire()
        (second,) = start(patient)
        waiting.acquire()
        with condition:
            condition.notify()
        first.join()
        if not timed_out[0]:
            with condition:
                condition.notify()
        second.join()
        return "both went on"

    # Stuck: the impatient one was first in the queue when its time was up, and the notification came before it
    # had the lock again.
    assert outcomes(scenario) == {"'both went on'", STUCK}


def test_a_wait_of_no_time_gives_the_lock_away_and_takes_it_again():
    def scenario():
        condition = threading.Condition()
        seen = []

        def other():
            with condition:
                seen.append("other")

        with condition:
            (thread,) = start(other)
            seen.append(condition.wait(0))
        thread.join()
        return seen

    assert outcomes(scenario) == {"[False, 'other']", "['other', False]"}


def test_wait_for_ends_when_the_time_is_up():
    def scenario():
        condition = threading.Condition()
        items = []

        def put():
            with condition:
                items.append(1)
                condition.notify()

        (thread,) = start(put)
        with condition:
            got = condition.wait_for(lambda: list(items), 5)
        thread.join()
        return got, items

    assert outcomes(scenario) == {"([], [1])", "([1], [1])"}


@pytest.mark.parametrize("rlock", [False, True])
def test_without_the_lock(rlock):
    def scenario():
        condition = threading.Condition(threading.RLock() if rlock else threading.Lock())
        said = []
        calls = [condition.wait, lambda: condition.wait(1), condition.notify]
        for call in [*calls, condition.notify_all]:
            try:
                call()
            except RuntimeError as error:
                said.append(str(error))
        return said

    said = ["cannot wait on un-acquired lock"] * 2 + ["cannot notify on un-acquired lock"] * 2
    assert explored(scenario, "all") == {repr(said): 1}


def test_a_plain_lock_held_by_another_thread_is_enough_to_notify_but_an_rlock_is_not():
    def noticed(rlock):
        def scenario():
            condition = threading.Condition(threading.RLock() if rlock else threading.Lock())

            def hold():
                with condition:
                    pass

            (thread,) = start(hold)
            try:
                condition.notify()
            except RuntimeError:
                return "refused"
            finally:
                thread.join()
            return "notified"

        return outcomes(scenario)

    assert noticed(False) == {"'refused'", "'notified'"}
    assert noticed(True) == {"'refused'"}


def test_two_conditions_on_one_lock_wake_their_own_waiters():
    def scenario():
        lock = threading.Lock()
        not_empty, not_full = threading.Condition(lock), threading.Condition(lock)
        slot = []
        got = []

        def produce():
            for item in range(2):
                with not_full:
                    while slot:
                        not_full.wait()
                    slot.append(item)
                    not_empty.notify()

        def consume():
            for _ in range(2):
                with not_empty:
                    while not slot:
                        not_empty.wait()
                    got.append(slot.pop())
                    not_full.notify()

        together(produce, consume)
        return got

    assert outcomes(scenario) == {"[0, 1]"}


def test_one_condition_for_two_kinds_of_waiters_stalls():
    def scenario():
        condition = threading.Condition()
        slot = []

        def produce():
            for item in range(2):
                with condition:
                    while slot:
                        condition.wait()
                    slot.append(item)
                    condition.notify()

        def consume():
            with condition:
                while not slot:
                    condition.wait()
                slot.pop()
                condition.notify()

        together(produce, consume, consume)
        return "done"

    assert set(explored(scenario, "classes")) == {"'done'", STUCK}


def test_a_lock_of_the_programs_own_kind_is_followed():
    class Counting:
        def __init__(self):
            self.lock = threading.Lock()
            self.acquired = 0

        def acquire(self, blocking=True, timeout=-1):
            got = self.lock.acquire(blocking, timeout)
            self.acquired += got
            return got

        def release(self):
            self.lock.release()

        def locked(self):
            return self.lock.locked()

        def __enter__(self):
            return self.acquire()

        def __exit__(self, *_):
            self.release()

    def scenario():
        condition = threading.Condition(Counting())
        ready = False

        def wait():
            with condition:
                if not ready:
                    condition.wait()

        (thread,) = start(wait)
        with condition:
            ready = True
            condition.notify_all()
        thread.join()
        return "done"

    assert set(explored(scenario, "classes")) == {"'done'"}

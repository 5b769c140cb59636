"""Everybody waits for somebody who waits."""

from __future__ import annotations

from threading import Condition, Lock, RLock, Semaphore, Thread

from tests.schedules.corpus import bug, mend
from tests.schedules.scenarios import together


@bug("two locks in two orders", fails="deadlock")
def two_orders():
    left, right = Lock(), Lock()

    def there():
        with left, right:
            pass

    def back():
        with right, left:
            pass

    together(there, back)


@mend(two_orders)
def one_order():
    left, right = Lock(), Lock()

    def there():
        with left, right:
            pass

    together(there, there)


class Purse:
    def __init__(self, money):
        self.lock = Lock()
        self.money = money


@bug("two transfers lock giver, then taker", fails="deadlock")
def giver_then_taker():
    ann, ben = Purse(5), Purse(5)

    def give(giver, taker):
        with giver.lock, taker.lock:
            giver.money -= 1
            taker.money += 1

    together(lambda: give(ann, ben), lambda: give(ben, ann))
    assert ann.money == ben.money == 5


@mend(giver_then_taker)
def in_a_fixed_order():
    ann, ben = Purse(5), Purse(5)

    def give(giver, taker):
        first, second = (ann, ben) if giver is ann else (taker, giver)
        with first.lock, second.lock:
            giver.money -= 1
            taker.money += 1

    together(lambda: give(ann, ben), lambda: give(ben, ann))
    assert ann.money == ben.money == 5


@bug("three philosophers take the left fork first", fails="deadlock")
def philosophers():
    forks = [Lock() for _ in range(3)]

    def eat(seat):
        with forks[seat], forks[(seat + 1) % 3]:
            pass

    together(lambda: eat(0), lambda: eat(1), lambda: eat(2))


@mend(philosophers)
def philosophers_one_of_them_left_handed():
    forks = [Lock() for _ in range(3)]

    def eat(*seats):
        with forks[min(seats)], forks[max(seats)]:
            pass

    together(lambda: eat(0, 1), lambda: eat(1, 2), lambda: eat(2, 0))


@bug("a method that holds the lock calls one that takes it", fails="deadlock")
def taken_twice():
    lock, count = Lock(), 0

    def add(amount):
        nonlocal count
        with lock:
            count += 1
            if amount > 1:
                add(amount - 1)

    together(lambda: add(2), lambda: add(1))
    assert count == 3


@mend(taken_twice)
def taken_twice_by_its_owner():
    lock, count = RLock(), 0

    def add(amount):
        nonlocal count
        with lock:
            count += 1
            if amount > 1:
                add(amount - 1)

    together(lambda: add(2), lambda: add(1))
    assert count == 3


class Bell:
    def __init__(self):
        self.lock = Lock()
        self.listeners = []
        self.rings = 0

    def listen(self, listener):
        with self.lock:
            self.listeners.append(listener)

    def ring(self):
        with self.lock:
            self.rings += 1
            for listener in self.listeners:
                listener()


class PoliteBell(Bell):
    def ring(self):
        with self.lock:
            self.rings += 1
            listeners = list(self.listeners)
        for listener in listeners:
            listener()


@bug("a listener is called under the lock, and takes it", fails="deadlock")
def callback_under_a_lock():
    bell = Bell()

    def add_another():
        bell.listen(lambda: None)

    together(lambda: bell.listen(add_another), bell.ring)


@mend(callback_under_a_lock)
def callback_after_the_lock():
    bell = PoliteBell()

    def add_another():
        bell.listen(lambda: None)

    together(lambda: bell.listen(add_another), bell.ring)


@bug("an exception leaves a lock held", fails="deadlock")
def leaked_lock():
    lock, stock = Lock(), 1

    def take():
        nonlocal stock
        try:
            lock.acquire()
            if stock == 0:
                raise LookupError("sold out")
            stock -= 1
            lock.release()
        except LookupError:
            pass

    together(take, take, take)


@mend(leaked_lock)
def lock_given_back():
    lock, stock = Lock(), 1

    def take():
        nonlocal stock
        try:
            with lock:
                if stock == 0:
                    raise LookupError("sold out")
                stock -= 1
        except LookupError:
            pass

    together(take, take, take)


@bug("two threads wait for each other's end", fails="deadlock")
def joins_in_a_circle():
    threads = []

    def wait_for(other):
        if threads[other].is_alive():
            threads[other].join()

    threads += [Thread(target=wait_for, args=(1,)), Thread(target=wait_for, args=(0,))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@mend(joins_in_a_circle)
def joins_by_main():
    threads = [Thread(target=lambda: None), Thread(target=lambda: None)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


@bug("main joins a thread while it holds the lock that the thread needs", fails="deadlock")
def join_under_a_lock():
    lock = Lock()

    def work():
        with lock:
            pass

    thread = Thread(target=work)
    thread.start()
    with lock:
        thread.join()


@mend(join_under_a_lock)
def join_after_the_lock():
    lock = Lock()

    def work():
        with lock:
            pass

    thread = Thread(target=work)
    thread.start()
    with lock:
        pass
    thread.join()


@bug("a condition is waited for under another lock, which the notifier needs", fails="deadlock")
def nested_monitors():
    outer, changed, full = Lock(), Condition(), False

    def take():
        with outer, changed:
            while not full:
                changed.wait()

    def put():
        nonlocal full
        with outer, changed:
            full = True
            changed.notify()

    together(take, put)


@mend(nested_monitors)
def one_monitor():
    changed, full = Condition(), False

    def take():
        with changed:
            while not full:
                changed.wait()

    def put():
        nonlocal full
        with changed:
            full = True
            changed.notify()

    together(take, put)


@bug("two kinds of places, taken in two orders", fails="deadlock")
def semaphores_in_two_orders():
    beds, tables = Semaphore(1), Semaphore(1)

    def sleep_and_eat():
        with beds, tables:
            pass

    def eat_and_sleep():
        with tables, beds:
            pass

    together(sleep_and_eat, eat_and_sleep)


@mend(semaphores_in_two_orders)
def semaphores_in_one_order():
    beds, tables = Semaphore(1), Semaphore(1)

    def sleep_and_eat():
        with beds, tables:
            pass

    together(sleep_and_eat, sleep_and_eat)


@bug("two places are taken one by one: each thread holds one and wants another", fails="deadlock")
def places_one_by_one():
    places = Semaphore(2)

    def take_both():
        with places, places:
            pass

    together(take_both, take_both)


@mend(places_one_by_one)
def places_at_a_time():
    places, door = Semaphore(2), Lock()

    def take_both():
        with door:
            places.acquire()
            places.acquire()
        places.release(2)

    together(take_both, take_both)


@bug("a reader asks for the writer's lock without giving back its own", fails="deadlock")
def upgrade():
    readers = Semaphore(2)
    writer = Lock()

    def read_and_write():
        with readers, writer:
            readers.acquire()
            readers.release()

    together(read_and_write, read_and_write)


@mend(upgrade)
def read_then_write():
    readers = Semaphore(2)
    writer = Lock()

    def read_and_write():
        with readers:
            pass
        with writer, readers:
            pass

    together(read_and_write, read_and_write)


@bug("who does not get the second lock gives back the first: both may do so for ever", fails="livelock")
def after_you():
    left, right = Lock(), Lock()

    def work(mine, other):
        while True:
            with mine:
                if other.acquire(blocking=False):
                    other.release()
                    return

    together(lambda: work(left, right), lambda: work(right, left))


@mend(after_you)
def in_one_order():
    left, right = Lock(), Lock()

    def work():
        while True:
            with left:
                if right.acquire(blocking=False):
                    right.release()
                    return

    together(work, work)

"""Read, compute, write: what another thread writes in between is lost."""

from __future__ import annotations

from threading import Lock, Thread

from tests.schedules.corpus import bug, mend
from tests.schedules.scenarios import together


@bug("two threads increment a variable", fails="AssertionError")
def increment():
    count = 0

    def add():
        nonlocal count
        count += 1

    together(add, add)
    assert count == 2


@mend(increment)
def increment_under_a_lock():
    count = 0
    lock = Lock()

    def add():
        nonlocal count
        with lock:
            count += 1

    together(add, add)
    assert count == 2


class Account:
    def __init__(self, balance):
        self.__balance = balance

    def pay_in(self, amount):
        self.__balance += amount

    def __int__(self):
        return self.__balance


class GuardedAccount(Account):
    def __init__(self, balance):
        super().__init__(balance)
        self.lock = Lock()

    def pay_in(self, amount):
        with self.lock:
            super().pay_in(amount)


@bug("two methods change a private attribute", fails="AssertionError")
def account():
    account = Account(10)
    together(lambda: account.pay_in(5), lambda: account.pay_in(-3))
    assert int(account) == 12


@mend(account)
def account_with_a_lock():
    account = GuardedAccount(10)
    together(lambda: account.pay_in(5), lambda: account.pay_in(-3))
    assert int(account) == 12


@bug("words are counted in a dict", fails="AssertionError")
def word_count():
    counts = {}

    def count(words):
        for word in words:
            counts[word] = counts.get(word, 0) + 1

    together(lambda: count("ab"), lambda: count("b"))
    assert counts == {"a": 1, "b": 2}


@mend(word_count)
def word_count_summed_up_at_the_end():
    parts = {}

    def count(name, words):
        counts = {}
        for word in words:
            counts[word] = counts.get(word, 0) + 1
        parts[name] = counts

    together(lambda: count(1, "ab"), lambda: count(2, "b"))
    assert {word: sum(part.get(word, 0) for part in parts.values()) for word in "ab"} == {"a": 1, "b": 2}


@bug("the lock guards the writing alone", fails="AssertionError")
def lock_too_late():
    total = 0
    lock = Lock()

    def add(amount):
        nonlocal total
        new = total + amount
        with lock:
            total = new

    together(lambda: add(1), lambda: add(2))
    assert total == 3


@mend(lock_too_late)
def lock_around_all():
    total = 0
    lock = Lock()

    def add(amount):
        nonlocal total
        with lock:
            new = total + amount
            total = new

    together(lambda: add(1), lambda: add(2))
    assert total == 3


@bug("every call makes a lock of its own", fails="AssertionError")
def lock_for_each_call():
    total = 0

    def add():
        nonlocal total
        with Lock():
            total += 1

    together(add, add)
    assert total == 2


@mend(lock_for_each_call)
def one_lock_for_all_calls():
    total = 0

    def add(lock):
        nonlocal total
        with lock:
            total += 1

    lock = Lock()
    together(lambda: add(lock), lambda: add(lock))
    assert total == 2


class Ticket:
    sold = 0

    def __init__(self):
        self.lock = Lock()

    def sell(self):
        with self.lock:
            Ticket.sold += 1


class TicketOfOneOffice(Ticket):
    office = None

    def __init__(self):
        self.lock = self.office


@bug("a lock of the instance guards an attribute of the class", fails="AssertionError")
def lock_of_the_instance():
    Ticket.sold = 0
    together(Ticket().sell, Ticket().sell)
    assert Ticket.sold == 2


@mend(lock_of_the_instance)
def lock_of_the_class():
    Ticket.sold = 0
    TicketOfOneOffice.office = Lock()
    together(TicketOfOneOffice().sell, TicketOfOneOffice().sell)
    assert Ticket.sold == 2


@bug("a lock is replaced while it is held", fails="AssertionError")
def lock_replaced():
    count = 0
    lock = Lock()

    def add():
        nonlocal count
        with lock:
            count += 1

    def renew_and_add():
        nonlocal lock
        lock = Lock()
        add()

    together(add, renew_and_add)
    assert count == 2


@mend(lock_replaced)
def lock_kept():
    count = 0
    lock = Lock()

    def add():
        nonlocal count
        with lock:
            count += 1

    together(add, add)
    assert count == 2


@bug("the largest value so far", fails="AssertionError")
def maximum():
    best = 0

    def offer(value):
        nonlocal best
        if value > best:
            best = value

    together(lambda: offer(1), lambda: offer(2))
    assert best == 2


@mend(maximum)
def maximum_under_a_lock():
    best = 0
    lock = Lock()

    def offer(value):
        nonlocal best
        with lock:
            if value > best:
                best = value

    together(lambda: offer(1), lambda: offer(2))
    assert best == 2


def numbers():
    last = 0

    def number():
        nonlocal last
        last += 1
        return last

    return number


@bug("numbers given out by a closure are given out twice", fails="AssertionError")
def unique_numbers():
    number, taken = numbers(), []
    together(lambda: taken.append(number()), lambda: taken.append(number()))
    assert sorted(taken) == [1, 2]


@mend(unique_numbers)
def unique_numbers_under_a_lock():
    number, taken, lock = numbers(), [], Lock()

    def take():
        with lock:
            mine = number()
        taken.append(mine)

    together(take, take)
    assert sorted(taken) == [1, 2]


@bug("two threads swap the same two variables", fails="AssertionError")
def swap():
    left, right = "red", "blue"

    def turn():
        nonlocal left, right
        left, right = right, left

    together(turn, turn)
    assert {left, right} == {"red", "blue"}


@mend(swap)
def swap_in_one_variable():
    both = ("red", "blue")
    lock = Lock()

    def turn():
        nonlocal both
        with lock:
            left, right = both
            both = right, left

    together(turn, turn)
    assert set(both) == {"red", "blue"}


@bug("a list is sorted into itself while another thread appends", fails="AssertionError")
def sorted_in_place():
    names = ["b", "a"]

    def sort():
        names[:] = sorted(names)

    together(sort, lambda: names.append("c"))
    assert "c" in names


@mend(sorted_in_place)
def sorted_by_one_call():
    names = ["b", "a"]
    together(lambda: names.sort(), lambda: names.append("c"))
    assert "c" in names


class Adder(Thread):
    total = 0

    def __init__(self, amount):
        super().__init__()
        self.amount = amount

    def run(self):
        type(self).total = type(self).total + self.amount


class CarefulAdder(Adder):
    guard = None

    def run(self):
        with self.guard:
            super().run()


def add_up(kind):
    kind.total = 0
    adders = [kind(1), kind(2)]
    for adder in adders:
        adder.start()
    for adder in adders:
        adder.join()
    assert kind.total == 3


@bug("subclasses of Thread add to an attribute of the class", fails="AssertionError")
def thread_subclass():
    add_up(Adder)


@mend(thread_subclass)
def thread_subclass_with_a_lock():
    CarefulAdder.guard = Lock()
    add_up(CarefulAdder)


def heading(text, parts=[]):  # noqa: B006 - this is the bug
    parts.clear()
    parts.append(text)
    parts.append("!")
    return "".join(parts)


def heading_of_its_own(text, parts=None):
    parts = [] if parts is None else parts
    parts.append(text)
    parts.append("!")
    return "".join(parts)


@bug("a default argument is one list for all calls", fails="AssertionError")
def shared_default():
    made = {}

    def make(text):
        made[text] = heading(text)

    together(lambda: make("a"), lambda: make("b"))
    assert made == {"a": "a!", "b": "b!"}


@mend(shared_default)
def default_made_by_the_call():
    made = {}

    def make(text):
        made[text] = heading_of_its_own(text)

    together(lambda: make("a"), lambda: make("b"))
    assert made == {"a": "a!", "b": "b!"}

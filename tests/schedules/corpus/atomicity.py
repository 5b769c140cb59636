"""Several values that belong together, seen or changed one by one."""

from __future__ import annotations

from threading import Lock

from tests.schedules.corpus import bug, mend
from tests.schedules.scenarios import together


@bug("two accounts are changed one after the other, without a lock", fails="AssertionError")
def transfer():
    accounts = {"ann": 5, "ben": 5}

    def move(amount, giver, taker):
        accounts[giver] -= amount
        accounts[taker] += amount

    together(lambda: move(1, "ann", "ben"), lambda: move(2, "ben", "ann"))
    assert sum(accounts.values()) == 10


@mend(transfer)
def transfer_under_a_lock():
    accounts = {"ann": 5, "ben": 5}
    lock = Lock()

    def move(amount, giver, taker):
        with lock:
            accounts[giver] -= amount
            accounts[taker] += amount

    together(lambda: move(1, "ann", "ben"), lambda: move(2, "ben", "ann"))
    assert sum(accounts.values()) == 10


@bug("somebody adds up while money is on its way", fails="AssertionError")
def audit():
    lock = Lock()
    ann, ben = 5, 5

    def move():
        nonlocal ann, ben
        with lock:
            ann -= 1
        with lock:
            ben += 1

    def add_up():
        with lock:
            assert ann + ben == 10

    together(move, add_up)


@mend(audit)
def audit_between_transfers():
    lock = Lock()
    ann, ben = 5, 5

    def move():
        nonlocal ann, ben
        with lock:
            ann -= 1
            ben += 1

    def add_up():
        with lock:
            assert ann + ben == 10

    together(move, add_up)


class Range:
    def __init__(self):
        self.low = self.high = 0

    def move(self, by):
        self.low = self.high = self.high + by

    def is_valid(self):
        return self.low <= self.high


class LockedRange(Range):
    def __init__(self):
        super().__init__()
        self.lock = Lock()

    def move(self, by):
        with self.lock:
            super().move(by)

    def is_valid(self):
        with self.lock:
            return super().is_valid()


@bug("two attributes of one assignment are read in between", fails="AssertionError")
def two_fields():
    span = Range()

    def look():
        assert span.is_valid()

    together(lambda: span.move(1), look)


@mend(two_fields)
def two_fields_under_a_lock():
    span = LockedRange()

    def look():
        assert span.is_valid()

    together(lambda: span.move(1), look)


@bug("an item on its way from one set to another is in neither", fails="AssertionError")
def two_containers():
    waiting, done = {"job"}, set()

    def work():
        waiting.remove("job")
        done.add("job")

    def look():
        assert "job" in waiting or "job" in done

    together(work, look)


@mend(two_containers)
def one_container():
    state = {"job": "waiting"}

    def work():
        state["job"] = "done"

    def look():
        assert state["job"] in ("waiting", "done")

    together(work, look)


@bug("a name is read while its two halves change", fails="AssertionError")
def torn_text():
    first, last = "Ann", "Ash"
    seen = []

    def rename():
        nonlocal first, last
        first = "Ben"
        last = "Bow"

    together(rename, lambda: seen.append(f"{first} {last}"))
    assert seen[0] in ("Ann Ash", "Ben Bow")


@mend(torn_text)
def text_in_one_piece():
    name = ("Ann", "Ash")
    seen = []

    def rename():
        nonlocal name
        name = ("Ben", "Bow")

    together(rename, lambda: seen.append("{} {}".format(*name)))
    assert seen[0] in ("Ann Ash", "Ben Bow")


class Stack:
    def __init__(self):
        self.items = []
        self.size = 0

    def __len__(self):
        return self.size

    def push(self, item):
        self.size += 1
        self.items.append(item)

    def pop(self):
        if not len(self):
            return None
        self.size -= 1
        return self.items.pop()


class LockedStack(Stack):
    def __init__(self):
        super().__init__()
        self.lock = Lock()

    def push(self, item):
        with self.lock:
            super().push(item)

    def pop(self):
        with self.lock:
            return super().pop()


@bug("the size of a stack is counted before its item is there", fails="IndexError")
def size_apart():
    stack = Stack()
    together(lambda: stack.push("a"), stack.pop)


@mend(size_apart)
def size_and_items_under_a_lock():
    stack = LockedStack()
    together(lambda: stack.push("a"), stack.pop)


@bug("the lock is let go between looking and taking", fails="AssertionError")
def two_sections():
    seats, lock = 1, Lock()

    def book():
        nonlocal seats
        with lock:
            free = seats > 0
        if free:
            with lock:
                seats -= 1

    together(book, book)
    assert seats == 0


@mend(two_sections)
def one_section():
    seats, lock = 1, Lock()

    def book():
        nonlocal seats
        with lock:
            if seats > 0:
                seats -= 1

    together(book, book)
    assert seats == 0


@bug("two stages with a lock each, read in between", fails="AssertionError")
def two_stages():
    first, second = 0, 0
    one, two = Lock(), Lock()

    def write():
        nonlocal first, second
        with one:
            first = 1
        with two:
            second = first + 1

    def read():
        with one:
            seen = first
        if seen:
            with two:
                assert second == seen + 1

    together(write, read)


@mend(two_stages)
def two_stages_as_one():
    first, second = 0, 0
    one = Lock()

    def write():
        nonlocal first, second
        with one:
            first = 1
            second = first + 1

    def read():
        with one:
            assert second == first * 2

    together(write, read)


@bug("settings are emptied and filled again in place", fails="KeyError")
def filled_in_place():
    settings = {"host": "a"}

    def reload():
        settings.clear()
        settings["host"] = "b"

    together(reload, lambda: settings["host"])


@mend(filled_in_place)
def published_in_one_piece():
    settings = {"host": "a"}

    def reload():
        nonlocal settings
        settings = {"host": "b"}

    together(reload, lambda: settings["host"])


@bug("a buffer is cut short between its length and its text", fails="IndexError")
def length_and_text():
    text = ["a", "b"]
    copy = []

    def append_all():
        for place in range(len(text)):
            copy.append(text[place])

    def cut():
        del text[1]

    together(append_all, cut)
    assert copy in (["a"], ["a", "b"])


@mend(length_and_text)
def copied_by_one_call():
    text = ["a", "b"]
    copy = []

    def cut():
        del text[1]

    together(lambda: copy.extend(text), cut)
    assert copy in (["a"], ["a", "b"])


@bug("counting down to zero is two steps: both close, or none", fails="AssertionError")
def reference_count():
    users, closed = 2, 0

    def leave():
        nonlocal users, closed
        users -= 1
        if users == 0:
            closed += 1

    together(leave, leave)
    assert closed == 1


@mend(reference_count)
def reference_count_under_a_lock():
    users, closed = 2, 0
    lock = Lock()

    def leave():
        nonlocal users, closed
        with lock:
            users -= 1
            last = users == 0
        if last:
            closed += 1

    together(leave, leave)
    assert closed == 1

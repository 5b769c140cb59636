"""Looked at, then acted upon: in between it has changed."""

from __future__ import annotations

from collections import deque
from contextlib import suppress
from threading import Lock

from tests.schedules.corpus import bug, mend
from tests.schedules.scenarios import together


@bug("a key is looked for, then its value is made", fails="AssertionError")
def made_twice():
    cache = {}
    got = []

    def use():
        if "key" not in cache:
            cache["key"] = object()
        got.append(cache["key"])

    together(use, use)
    assert got[0] is got[1]


@mend(made_twice)
def made_by_setdefault():
    cache = {}
    got = []

    def use():
        got.append(cache.setdefault("key", object()))

    together(use, use)
    assert got[0] is got[1]


@bug("a key is looked for, then deleted", fails="KeyError")
def deleted_twice():
    sessions = {"ann": 1}

    def log_out():
        if "ann" in sessions:
            del sessions["ann"]  # noqa: RUF051 - this is the bug

    together(log_out, log_out)


@mend(deleted_twice)
def popped_with_a_default():
    sessions = {"ann": 1}

    def log_out():
        sessions.pop("ann", None)

    together(log_out, log_out)


@bug("a list is not empty, then popped", fails="IndexError")
def popped_when_empty():
    tasks = ["task"]

    def work():
        if tasks:
            tasks.pop()

    together(work, work)


@mend(popped_when_empty)
def popped_and_forgiven():
    tasks = ["task"]

    def work():
        with suppress(IndexError):
            tasks.pop()

    together(work, work)


@bug("the length is looked at, then the last item", fails="IndexError")
def last_item():
    names = ["ann"]
    seen = []

    def look():
        if len(names) > 0:
            seen.append(names[-1])

    together(look, names.clear)


@mend(last_item)
def last_item_of_a_copy():
    names = ["ann"]
    seen = []

    def look():
        copy = tuple(names)
        if len(copy) > 0:
            seen.append(copy[-1])

    together(look, names.clear)


@bug("a deque is turned: its one item is gone for a moment", fails="IndexError")
def deque_turned():
    turns = deque(["ann"])

    def turn():
        turns.append(turns.popleft())

    together(turn, turn)


@mend(deque_turned)
def deque_turned_by_one_call():
    turns = deque(["ann"])
    together(lambda: turns.rotate(-1), lambda: turns.rotate(-1))
    assert turns[0] == "ann"


class File:
    def __init__(self):
        self.closed = False
        self.closings = 0

    def write(self):
        if self.closed:
            raise ValueError("I/O operation on closed file")

    def close(self):
        if not self.closed:
            self.closed = True
            self.closings += 1


@bug("a file is not closed, then written to", fails="ValueError")
def written_when_closed():
    file = File()

    def write():
        if not file.closed:
            file.write()

    together(write, file.close)


@mend(written_when_closed)
def written_under_a_lock():
    file, lock = File(), Lock()

    def write():
        with lock:
            if not file.closed:
                file.write()

    def close():
        with lock:
            file.close()

    together(write, close)


@bug("a file is closed twice", fails="AssertionError")
def closed_twice():
    file = File()
    together(file.close, file.close)
    assert file.closings == 1


@mend(closed_twice)
def closed_under_a_lock():
    file, lock = File(), Lock()

    def close():
        with lock:
            file.close()

    together(close, close)
    assert file.closings == 1


@bug("a dict grows while somebody goes through it", fails="RuntimeError")
def dict_grows():
    ages = {"ann": 1, "ben": 2}
    total = []

    def add_up():
        total.append(sum(ages[name] for name in ages))

    def add():
        ages["cy"] = 3

    together(add_up, add)
    assert total[0] in (3, 6)


@mend(dict_grows)
def dict_copied():
    ages = {"ann": 1, "ben": 2}
    total = []

    def add_up():
        total.append(sum(ages.copy().values()))

    def add():
        ages["cy"] = 3

    together(add_up, add)
    assert total[0] in (3, 6)


@bug("an item is removed from a list that somebody goes through: the next is skipped", fails="AssertionError")
def list_shrinks():
    names = ["ann", "ben", "cy"]
    seen = []

    def look():
        for name in names:
            seen.append(name)

    together(look, lambda: names.remove("ann"))
    assert {"ben", "cy"} <= set(seen)


@mend(list_shrinks)
def list_copied():
    names = ["ann", "ben", "cy"]
    seen = []

    def look():
        for name in names[:]:
            seen.append(name)

    together(look, lambda: names.remove("ann"))
    assert {"ben", "cy"} <= set(seen)


class Shelf:
    def __init__(self):
        self.items = {}

    def __contains__(self, name):
        return name in self.items

    def __getitem__(self, name):
        return self.items[name]

    def __setitem__(self, name, item):
        assert name not in self.items, "put there twice"
        self.items[name] = item

    def __delitem__(self, name):
        del self.items[name]


@bug("a container of the program's own: checked through `in`, filled through `[]`", fails="AssertionError")
def own_container():
    shelf = Shelf()

    def fill():
        if "cup" not in shelf:
            shelf["cup"] = 1

    together(fill, fill)
    assert shelf["cup"] == 1


@mend(own_container)
def own_container_under_a_lock():
    shelf, lock = Shelf(), Lock()

    def fill():
        with lock:
            if "cup" not in shelf:
                shelf["cup"] = 1

    together(fill, fill)
    assert shelf["cup"] == 1


@bug("an attribute is looked for by name, then read", fails="AttributeError")
def attribute_by_name():
    file = File()
    file.owner = "ann"

    def look():
        if hasattr(file, "owner"):
            assert file.owner == "ann"

    together(look, lambda: delattr(file, "owner"))


@mend(attribute_by_name)
def attribute_with_a_default():
    file = File()
    file.owner = "ann"

    def look():
        assert getattr(file, "owner", None) in ("ann", None)

    together(look, lambda: delattr(file, "owner"))


@bug("a generator is advanced by two threads at once", fails="ValueError")
def shared_generator():
    made = []

    def numbers():
        while True:
            made.append(len(made))
            yield made[-1]

    source = numbers()
    together(lambda: next(source), lambda: next(source))


@mend(shared_generator)
def shared_generator_under_a_lock():
    made, lock = [], Lock()

    def numbers():
        while True:
            made.append(len(made))
            yield made[-1]

    source = numbers()

    def take():
        with lock:
            next(source)

    together(take, take)
    assert made == [0, 1]

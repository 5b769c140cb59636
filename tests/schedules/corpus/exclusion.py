"""Mutual exclusion and containers made by hand, from plain reads and writes."""

from __future__ import annotations

from threading import Lock

from tests.schedules.corpus import bug, mend
from tests.schedules.scenarios import together


class Room:
    """Where at most one thread may be at a time."""

    def __init__(self):
        self.inside = 0

    def visit(self):
        self.inside += 1
        assert self.inside == 1
        self.inside -= 1


@bug("a lock made of a variable: looked at, then taken", fails="AssertionError")
def lock_by_hand():
    room, taken = Room(), False

    def enter():
        nonlocal taken
        if not taken:
            taken = True
            room.visit()
            taken = False

    together(enter, enter)


@mend(lock_by_hand)
def lock_that_is_tried():
    room, lock = Room(), Lock()

    def enter():
        if lock.acquire(blocking=False):
            room.visit()
            lock.release()

    together(enter, enter)


@bug("each looks at the other's flag before it raises its own", fails="AssertionError")
def looks_first():
    room, wants = Room(), [False, False]

    def enter(me):
        while wants[1 - me]:
            pass
        wants[me] = True
        room.visit()
        wants[me] = False

    together(lambda: enter(0), lambda: enter(1))


@bug("each raises its flag and waits for the other's to fall", fails="spin")
def both_wait():
    room, wants = Room(), [False, False]

    def enter(me):
        wants[me] = True
        while wants[1 - me]:
            pass
        room.visit()
        wants[me] = False

    together(lambda: enter(0), lambda: enter(1))


@bug("Peterson's algorithm: the turn is given before the flag is raised", fails="AssertionError")
def peterson_turn_first():
    room, wants, turn = Room(), [False, False], 0

    def enter(me):
        nonlocal turn
        turn = 1 - me
        wants[me] = True
        while wants[1 - me] and turn != me:
            pass
        room.visit()
        wants[me] = False

    together(lambda: enter(0), lambda: enter(1))


@mend(looks_first)
@mend(both_wait)
@mend(peterson_turn_first)
def peterson():
    room, wants, turn = Room(), [False, False], 0

    def enter(me):
        nonlocal turn
        wants[me] = True
        turn = 1 - me
        while wants[1 - me] and turn != me:
            pass
        room.visit()
        wants[me] = False

    together(lambda: enter(0), lambda: enter(1))


@bug("Dekker's algorithm: the turn stays with whoever came out", fails="spin")
def dekker_keeps_the_turn():
    room, wants, turn = Room(), [False, False], 0

    def enter(me):
        nonlocal turn
        wants[me] = True
        while wants[1 - me]:
            if turn != me:
                wants[me] = False
                while turn != me:
                    pass
                wants[me] = True
        room.visit()
        turn = me
        wants[me] = False

    together(lambda: enter(0), lambda: enter(1))


@mend(dekker_keeps_the_turn)
def dekker():
    room, wants, turn = Room(), [False, False], 0

    def enter(me):
        nonlocal turn
        wants[me] = True
        while wants[1 - me]:
            if turn != me:
                wants[me] = False
                while turn != me:
                    pass
                wants[me] = True
        room.visit()
        turn = 1 - me
        wants[me] = False

    together(lambda: enter(0), lambda: enter(1))


@bug("the bakery: a number is seen while it is still being drawn", fails="AssertionError")
def bakery_without_a_door():
    room, number = Room(), [0, 0]

    def enter(me):
        other = 1 - me
        number[me] = number[other] + 1
        while number[other] and (number[other], other) < (number[me], me):
            pass
        room.visit()
        number[me] = 0

    together(lambda: enter(0), lambda: enter(1))


@mend(bakery_without_a_door)
def bakery():
    room, number, choosing = Room(), [0, 0], [False, False]

    def enter(me):
        other = 1 - me
        choosing[me] = True
        number[me] = number[other] + 1
        choosing[me] = False
        while choosing[other]:
            pass
        while number[other] and (number[other], other) < (number[me], me):
            pass
        room.visit()
        number[me] = 0

    together(lambda: enter(0), lambda: enter(1))


@bug("readers count themselves without a lock", fails="AssertionError")
def readers_uncounted():
    room, readers, text = Lock(), 0, "whole"

    def read():
        nonlocal readers
        readers += 1
        if readers == 1:
            room.acquire()
        assert text == "whole"
        readers -= 1
        if readers == 0:
            room.release()

    def write():
        nonlocal text
        with room:
            text = "half"
            text = "whole"

    together(read, read, write)


@mend(readers_uncounted)
def readers_counted_under_a_lock():
    room, readers, text, door = Lock(), 0, "whole", Lock()

    def read():
        nonlocal readers
        with door:
            readers += 1
            if readers == 1:
                room.acquire()
        assert text == "whole"
        with door:
            readers -= 1
            if readers == 0:
                room.release()

    def write():
        nonlocal text
        with room:
            text = "half"
            text = "whole"

    together(read, read, write)


class Linked:
    """A stack whose top is exchanged in one step, if it still is what the caller has seen."""

    def __init__(self, names):
        self.lock = Lock()
        self.following = dict(zip(names, [*names[1:], None], strict=True))
        self.top = names[0]

    def exchange(self, seen, new):
        with self.lock:
            if self.top != seen:
                return False
            self.top = new
            return True

    def pop(self):
        top = self.top
        return top if top is not None and self.exchange(top, self.following[top]) else None

    def push(self, name):
        self.following[name] = self.top
        return self.exchange(self.following[name], name)


class Stamped(Linked):
    """The same, with a number that grows at every exchange."""

    def __init__(self, names):
        super().__init__(names)
        self.top = (names[0], 0)

    def pop(self):
        seen = name, stamp = self.top
        return name if name and self.exchange(seen, (self.following[name], stamp + 1)) else None

    def push(self, name):
        seen = self.top
        self.following[name] = seen[0]
        return self.exchange(seen, (name, seen[1] + 1))


def pop_against_pop_and_push(stack):
    taken = []

    def back_and_forth():
        name = stack.pop()
        other = stack.pop()
        if other is not None:
            taken.append(other)
        if name is not None:
            stack.push(name)

    def once():
        taken.append(stack.pop())

    together(once, back_and_forth)
    left = [stack.pop() for _ in range(3)]
    gone = [name for name in taken + left if name is not None]
    assert len(gone) == len(set(gone))


@bug("A, B, and A again: the top looks as if nothing had happened", fails="AssertionError")
def a_b_a():
    pop_against_pop_and_push(Linked("ABC"))


@mend(a_b_a)
def a_b_a_with_a_stamp():
    pop_against_pop_and_push(Stamped("ABC"))


@bug("a ring buffer: the place is counted before it is filled", fails="AssertionError")
def ring_buffer():
    ring, written, got = [None, None], 0, []

    def put():
        nonlocal written
        written += 1
        ring[written - 1] = "item"

    def get():
        if written > 0:
            got.append(ring[0])

    together(put, get)
    assert got in ([], ["item"])


@mend(ring_buffer)
def ring_buffer_filled_first():
    ring, written, got = [None, None], 0, []

    def put():
        nonlocal written
        ring[written] = "item"
        written += 1

    def get():
        if written > 0:
            got.append(ring[0])

    together(put, get)
    assert got in ([], ["item"])


@bug("a ring buffer: full and empty look the same", fails="AssertionError")
def ring_buffer_overrun():
    ring, head, tail, got = [None, None], 0, 0, []

    def put():
        nonlocal tail
        for item in "ab":
            ring[tail] = item
            tail = (tail + 1) % 2

    def get():
        nonlocal head
        for _ in range(2):
            if head != tail:
                got.append(ring[head])
                head = (head + 1) % 2

    together(put, get)
    get()
    assert got == ["a", "b"]


@mend(ring_buffer_overrun)
def ring_buffer_with_a_gap():
    ring, head, tail, got = [None, None, None], 0, 0, []

    def put():
        nonlocal tail
        for item in "ab":
            ring[tail] = item
            tail = (tail + 1) % 3

    def get():
        nonlocal head
        for _ in range(2):
            if head != tail:
                got.append(ring[head])
                head = (head + 1) % 3

    together(put, get)
    get()
    assert got == ["a", "b"]


@bug("a deque for work-stealing: owner and thief take the last task both", fails="AssertionError")
def work_stealing():
    tasks, top, bottom, done = ["task"], 0, 1, []

    def own():
        nonlocal bottom
        if bottom > top:
            bottom -= 1
            done.append(tasks[bottom])

    def steal():
        nonlocal top
        if bottom > top:
            task = tasks[top]
            top += 1
            done.append(task)

    together(own, steal)
    assert done == ["task"]


@mend(work_stealing)
def work_stealing_under_a_lock():
    tasks, top, bottom, done, lock = ["task"], 0, 1, [], Lock()

    def own():
        nonlocal bottom
        with lock:
            if bottom > top:
                bottom -= 1
                done.append(tasks[bottom])

    def steal():
        nonlocal top
        with lock:
            if bottom > top:
                done.append(tasks[top])
                top += 1

    together(own, steal)
    assert done == ["task"]

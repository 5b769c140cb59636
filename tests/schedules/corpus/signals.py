"""Events, semaphores and barriers: signals that merge, get erased, come once too often or never."""

from __future__ import annotations

from contextlib import suppress
from threading import Barrier, BoundedSemaphore, BrokenBarrierError, Event, Lock, Semaphore

from tests.schedules.corpus import bug, mend
from tests.schedules.scenarios import together


@bug("an event as a mailbox: two items, one signal", fails="lost wake-up")
def mailbox():
    mail, got, posted = [], [], Event()

    def post():
        for letter in "ab":
            mail.append(letter)
            posted.set()

    def read():
        for _ in "ab":
            posted.wait()
            posted.clear()
            got.append(mail.pop(0))

    together(post, read)


@mend(mailbox)
def mailbox_with_a_semaphore():
    mail, got, posted = [], [], Semaphore(0)

    def post():
        for letter in "ab":
            mail.append(letter)
            posted.release()

    def read():
        for _ in "ab":
            posted.acquire()
            got.append(mail.pop(0))

    together(post, read)


@bug("an event as a mailbox: two readers wake up for one item", fails="IndexError")
def mailbox_of_two():
    mail, posted = [], Event()

    def post():
        mail.append("letter")
        posted.set()

    def read():
        posted.wait()
        posted.clear()
        if mail:
            mail.pop()

    together(post, post, read, read)


@mend(mailbox_of_two)
def mailbox_of_two_with_a_semaphore():
    mail, posted = [], Semaphore(0)

    def post():
        mail.append("letter")
        posted.release()

    def read():
        posted.acquire()
        mail.pop()

    together(post, post, read, read)


@bug("cleared after the work: what was set in the meantime is erased", fails="lost wake-up")
def cleared_too_late():
    tasks, done, added = [], [], Event()

    def add():
        for task in "ab":
            tasks.append(task)
            added.set()

    def work():
        while len(done) < 2:
            added.wait()
            while tasks:
                done.append(tasks.pop())
            added.clear()

    together(add, work)


@mend(cleared_too_late)
def cleared_before_the_work():
    tasks, done, added = [], [], Event()

    def add():
        for task in "ab":
            tasks.append(task)
            added.set()

    def work():
        while len(done) < 2:
            added.wait()
            added.clear()
            while tasks:
                done.append(tasks.pop())

    together(add, work)


@bug("set and cleared at once: who does not wait yet misses it", fails="lost wake-up")
def pulse():
    go = Event()

    def start():
        go.set()
        go.clear()

    together(go.wait, start)


@mend(pulse)
def gate():
    go = Event()
    together(go.wait, go.set)


@bug("a countdown: both see that one is left to come", fails="lost wake-up")
def countdown():
    left, all_there = 2, Event()

    def arrive():
        nonlocal left
        left -= 1
        if left == 0:
            all_there.set()

    together(arrive, arrive, all_there.wait)


@mend(countdown)
def countdown_under_a_lock():
    left, all_there, lock = 2, Event(), Lock()

    def arrive():
        nonlocal left
        with lock:
            left -= 1
            if left == 0:
                all_there.set()

    together(arrive, arrive, all_there.wait)


@bug("is_set is looked at, and the event cleared by another thread in between", fails="AssertionError")
def looked_at_and_cleared():
    ticket, taken = Event(), []
    ticket.set()

    def take():
        if ticket.is_set():
            ticket.clear()
            taken.append("ticket")

    together(take, take)
    assert len(taken) == 1


@mend(looked_at_and_cleared)
def taken_in_one_step():
    ticket, taken = Semaphore(1), []

    def take():
        if ticket.acquire(blocking=False):
            taken.append("ticket")

    together(take, take)
    assert len(taken) == 1


@bug("released though it was never acquired: one too many comes in", fails="AssertionError")
def released_too_often():
    places, inside = Semaphore(1), 0

    def enter():
        nonlocal inside
        try:
            if not places.acquire(blocking=False):
                return
            inside += 1
            assert inside == 1
            inside -= 1
        finally:
            places.release()

    together(enter, enter, enter)


@mend(released_too_often)
def released_if_acquired():
    places, inside = Semaphore(1), 0

    def enter():
        nonlocal inside
        if not places.acquire(blocking=False):
            return
        try:
            inside += 1
            assert inside == 1
            inside -= 1
        finally:
            places.release()

    together(enter, enter, enter)


@bug("a bounded semaphore tells the wrong thread that it was released too often", fails="ValueError")
def bounded_released_too_often():
    places = BoundedSemaphore(1)

    def enter():
        with places:
            pass

    def leave():
        places.release()

    together(enter, leave)


@mend(bounded_released_too_often)
def bounded_released_by_who_acquired():
    places = BoundedSemaphore(1)

    def enter():
        with places:
            pass

    together(enter, enter)


@bug("a semaphore as a lock, its two calls exchanged", fails="AssertionError")
def calls_exchanged():
    mutex, count = Semaphore(1), 0

    def add():
        nonlocal count
        mutex.release()
        count += 1
        mutex.acquire()

    together(add, add)
    assert count == 2


@mend(calls_exchanged)
def calls_in_order():
    mutex, count = Semaphore(1), 0

    def add():
        nonlocal count
        mutex.acquire()
        count += 1
        mutex.release()

    together(add, add)
    assert count == 2


@bug("a semaphore as a lock, which begins at two", fails="AssertionError")
def begins_at_two():
    mutex, count = Semaphore(2), 0

    def add():
        nonlocal count
        with mutex:
            count += 1

    together(add, add)
    assert count == 2


@mend(begins_at_two)
def begins_at_one():
    mutex, count = Semaphore(1), 0

    def add():
        nonlocal count
        with mutex:
            count += 1

    together(add, add)
    assert count == 2


@bug("waits for an item while it holds the lock that the producer needs", fails="deadlock")
def lock_before_item():
    lock, items, buffer = Lock(), Semaphore(0), []

    def take():
        with lock:
            items.acquire()
            buffer.pop()

    def put():
        with lock:
            buffer.append("item")
        items.release()

    together(take, put)


@mend(lock_before_item)
def item_before_lock():
    lock, items, buffer = Lock(), Semaphore(0), []

    def take():
        items.acquire()
        with lock:
            buffer.pop()

    def put():
        with lock:
            buffer.append("item")
        items.release()

    together(take, put)


@bug("a barrier for one party more than there are", fails="lost wake-up")
def one_party_too_few():
    meeting = Barrier(3)
    together(meeting.wait, meeting.wait)


@mend(one_party_too_few)
def as_many_parties_as_threads():
    meeting = Barrier(2)
    together(meeting.wait, meeting.wait)


@bug(
    "four threads at a barrier for two, one of them after another: the pairs are not who you think",
    fails="AssertionError",
)
def wrong_pairs():
    meeting, seen = Barrier(2), []

    def write():
        seen.append("text")
        meeting.wait()

    def read():
        meeting.wait()
        assert seen

    def come_by():
        meeting.wait()

    together(write, read, come_by, come_by)


@mend(wrong_pairs)
def barriers_of_their_own():
    meeting, other, seen = Barrier(2), Barrier(2), []

    def write():
        seen.append("text")
        meeting.wait()

    def read():
        meeting.wait()
        assert seen

    together(write, read, other.wait, other.wait)


@bug("a thread gives up before the barrier: the others wait for it", fails="lost wake-up")
def gave_up():
    meeting, tickets = Barrier(2), []

    def come():
        if tickets:
            meeting.wait()

    def sell():
        tickets.append("ticket")

    together(come, meeting.wait, sell)


@mend(gave_up)
def gave_up_and_said_so():
    meeting, tickets = Barrier(2), []

    def come():
        if tickets:
            meeting.wait()
        else:
            meeting.abort()

    def wait():
        with suppress(BrokenBarrierError):
            meeting.wait()

    def sell():
        tickets.append("ticket")

    together(come, wait, sell)


@bug("the work of the next round begins before everybody has read this one's", fails="AssertionError")
def one_barrier_a_round():
    meeting, board = Barrier(2), [0, 0]

    def work(me):
        for turn in (1, 2):
            board[me] = turn
            meeting.wait()
            assert board[1 - me] == turn

    together(lambda: work(0), lambda: work(1))


@mend(one_barrier_a_round)
def two_barriers_a_round():
    meeting, board = Barrier(2), [0, 0]

    def work(me):
        for turn in (1, 2):
            board[me] = turn
            meeting.wait()
            assert board[1 - me] == turn
            meeting.wait()

    together(lambda: work(0), lambda: work(1))

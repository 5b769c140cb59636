"""Something is used before it is there, or after it is gone."""

from __future__ import annotations

from threading import Event, Lock, Thread

from tests.schedules.corpus import bug, mend
from tests.schedules.scenarios import together


class Worker:
    def __init__(self):
        self.thread = Thread(target=self.work)
        self.begin()
        self.thread.join()

    def begin(self):
        self.thread.start()
        self.task = "sums"

    def work(self):
        self.done = self.task


class WorkerStartedLast(Worker):
    def begin(self):
        self.task = "sums"
        self.thread.start()


@bug("a thread is started before what it needs is assigned", fails="AttributeError")
def started_too_early():
    assert Worker().done == "sums"


@mend(started_too_early)
def started_last():
    assert WorkerStartedLast().done == "sums"


@bug("a result is read without waiting for the thread", fails="AssertionError")
def no_join():
    result = None

    def work():
        nonlocal result
        result = 42

    thread = Thread(target=work)
    thread.start()
    assert result == 42
    thread.join()


@mend(no_join)
def join_first():
    result = None

    def work():
        nonlocal result
        result = 42

    thread = Thread(target=work)
    thread.start()
    thread.join()
    assert result == 42


@bug("ready is said before it is true", fails="AssertionError")
def flag_first():
    ready, data = False, None

    def write():
        nonlocal ready, data
        ready = True
        data = 42

    def read():
        if ready:
            assert data == 42

    together(write, read)


@mend(flag_first)
def data_first():
    ready, data = False, None

    def write():
        nonlocal ready, data
        data = 42
        ready = True

    def read():
        if ready:
            assert data == 42

    together(write, read)


class Connection:
    def __init__(self):
        self.is_open = False

    def open(self):
        self.is_open = True


@bug("double-checked: the object is seen before it is set up", fails="AssertionError")
def double_checked():
    connection, lock = None, Lock()

    def use():
        nonlocal connection
        if connection is None:
            with lock:
                if connection is None:
                    connection = Connection()
                    connection.open()
        assert connection.is_open

    together(use, use)


@mend(double_checked)
def double_checked_and_published_last():
    connection, lock = None, Lock()

    def use():
        nonlocal connection
        if connection is None:
            with lock:
                if connection is None:
                    new = Connection()
                    new.open()
                    connection = new
        assert connection.is_open

    together(use, use)


@bug("what is made at its first use is made twice", fails="AssertionError")
def lazy():
    made, thing = 0, None

    def use():
        nonlocal made, thing
        if thing is None:
            made += 1
            thing = object()

    together(use, use)
    assert made == 1


@mend(lazy)
def lazy_under_a_lock():
    made, thing, lock = 0, None, Lock()

    def use():
        nonlocal made, thing
        with lock:
            if thing is None:
                made += 1
                thing = object()

    together(use, use)
    assert made == 1


class Single:
    one = None

    def __new__(cls):
        if cls.one is None:
            cls.one = super().__new__(cls)
        return cls.one


class GuardedSingle:
    one = None
    guard = None

    def __new__(cls):
        with cls.guard:
            if cls.one is None:
                cls.one = super().__new__(cls)
        return cls.one


@bug("a singleton's __new__ makes two", fails="AssertionError")
def singleton():
    Single.one = None
    got = []
    together(lambda: got.append(Single()), lambda: got.append(Single()))
    assert got[0] is got[1]


@mend(singleton)
def singleton_under_a_lock():
    GuardedSingle.one, GuardedSingle.guard = None, Lock()
    got = []
    together(lambda: got.append(GuardedSingle()), lambda: got.append(GuardedSingle()))
    assert got[0] is got[1]


class Report:
    def __init__(self):
        self._text = "old"

    @property
    def text(self):
        if self._text is None:
            self._text = "new"
        return self._text

    def forget(self):
        self._text = None


class ReportReadOnce(Report):
    @property
    def text(self):
        text = self._text
        if text is None:
            text = self._text = "new"
        return text


@bug("a property's cache is emptied between looking and returning", fails="AssertionError")
def cached_property():
    report = Report()

    def read():
        assert report.text is not None

    together(read, report.forget)


@mend(cached_property)
def cached_property_read_once():
    report = ReportReadOnce()

    def read():
        assert report.text is not None

    together(read, report.forget)


@bug("an object is taken away between the check and the call", fails="AttributeError")
def taken_away():
    connection = Connection()

    def use():
        if connection is not None:
            connection.open()

    def drop():
        nonlocal connection
        connection = None

    together(use, drop)


@mend(taken_away)
def own_reference():
    connection = Connection()

    def use():
        mine = connection
        if mine is not None:
            mine.open()

    def drop():
        nonlocal connection
        connection = None

    together(use, drop)


@bug("main closes what a thread still uses", fails="AssertionError")
def closed_too_early():
    connection = Connection()
    connection.open()

    def use():
        assert connection.is_open

    thread = Thread(target=use)
    thread.start()
    connection.is_open = False
    thread.join()


@mend(closed_too_early)
def closed_after_the_join():
    connection = Connection()
    connection.open()

    def use():
        assert connection.is_open

    thread = Thread(target=use)
    thread.start()
    thread.join()
    connection.is_open = False


@bug("the stopper goes on as soon as nobody is counted, and somebody comes in", fails="AssertionError")
def stop_protocol():
    inside, stopping, stopped = 0, False, False

    def request():
        nonlocal inside
        if not stopping:
            inside += 1
            assert not stopped
            inside -= 1

    def stop():
        nonlocal stopping, stopped
        stopping = True
        if inside == 0:
            stopped = True

    together(request, stop)


@mend(stop_protocol)
def stop_protocol_under_a_lock():
    inside, stopping, stopped = 0, False, False
    lock = Lock()

    def request():
        nonlocal inside
        with lock:
            if stopping:
                return
            inside += 1
        assert not stopped
        with lock:
            inside -= 1

    def stop():
        nonlocal stopping, stopped
        with lock:
            stopping = True
            if inside == 0:
                stopped = True

    together(request, stop)


@bug("the worker says that it runs, after it was told to stop", fails="spin")
def stop_overwritten():
    running = False

    def work():
        nonlocal running
        running = True
        while running:
            pass

    thread = Thread(target=work)
    thread.start()
    running = False
    thread.join()


@mend(stop_overwritten)
def running_before_the_start():
    running = True

    def work():
        while running:
            pass

    thread = Thread(target=work)
    thread.start()
    running = False
    thread.join()


@bug("a stop flag is read once, before the loop", fails="spin")
def stop_read_once():
    stop = False

    def work():
        stopped = stop
        while not stopped:
            pass

    thread = Thread(target=work)
    thread.start()
    stop = True
    thread.join()


@mend(stop_read_once)
def stop_read_in_the_loop():
    stop = False

    def work():
        while not stop:
            pass

    thread = Thread(target=work)
    thread.start()
    stop = True
    thread.join()


@bug("cancelled and completed: both believe that they were first", fails="AssertionError")
def two_endings():
    state, endings = "running", []

    def end(how):
        nonlocal state
        if state == "running":
            state = how
            endings.append(how)

    together(lambda: end("cancelled"), lambda: end("completed"))
    assert len(endings) == 1


@mend(two_endings)
def one_ending():
    state, endings, lock = "running", [], Lock()

    def end(how):
        nonlocal state
        with lock:
            if state != "running":
                return
            state = how
        endings.append(how)

    together(lambda: end("cancelled"), lambda: end("completed"))
    assert len(endings) == 1


@bug("the second step is taken before the first", fails="AssertionError")
def steps_out_of_order():
    done = []
    together(lambda: done.append("first"), lambda: done.append("second"))
    assert done == ["first", "second"]


@mend(steps_out_of_order)
def steps_in_order():
    done, first_done = [], Event()

    def first():
        done.append("first")
        first_done.set()

    def second():
        first_done.wait()
        done.append("second")

    together(first, second)
    assert done == ["first", "second"]

"""The models in their places: for explored threads only, and only for the time of a search."""

import _thread
import concurrent.futures
import contextlib
import functools
import queue
import sys
import threading
import time
import types
from collections import defaultdict, namedtuple
from dataclasses import dataclass, field
from threading import Condition, Event, Lock, RLock, current_thread
from time import monotonic, sleep

import pytest

from helpers.schedules.exploring import every_schedule
from helpers.schedules.substitution import substituted
from tests.schedules.exploring import explored, outcomes
from tests.schedules.scenarios import together

lock_of_before = Lock()
event_of_before = Event()
queue_of_before = queue.SimpleQueue()
locks_of_before = [Lock(), RLock()]
REAL_SLEEP = sleep


def everything():
    """All that a search replaces, as it is now."""
    owners = [
        threading,
        time,
        queue,
        _thread,
        concurrent.futures,
        concurrent.futures._base,
        threading.Thread,
        threading.Event,
        threading.Condition,
        threading.Semaphore,
        threading.BoundedSemaphore,
        threading.Barrier,
        queue.Queue,
        queue.LifoQueue,
        queue.PriorityQueue,
        concurrent.futures.Future,
        concurrent.futures.ThreadPoolExecutor,
    ]
    found = {(owner.__name__, name): value for owner in owners for name, value in vars(owner).items()}
    return found | {("here", name): value for name, value in globals().items()}


@pytest.fixture(autouse=True)
def all_is_as_before():
    before = everything()
    yield
    after = everything()
    assert before.keys() == after.keys()
    assert [name for name, value in before.items() if after[name] is not value] == []


def small():
    condition = Condition()
    together(lambda: sleep(1), lambda: condition.acquire())
    return "done"


def test_all_is_put_back():
    assert outcomes(small) == {"'done'"}


@pytest.mark.parametrize("error", [KeyError, KeyboardInterrupt, SystemExit])
def test_all_is_put_back_when_the_search_ends_early(error):
    def search():
        with substituted([small]):
            assert sleep is not REAL_SLEEP
            raise error

    with pytest.raises(error):
        search()


def test_an_interrupt_while_things_are_put_back_comes_when_that_is_done(monkeypatch):
    import helpers.schedules.substitution as substitution

    put_back = substitution._put_back
    interrupts = iter([KeyboardInterrupt, KeyboardInterrupt])

    def interrupted():
        with contextlib.suppress(StopIteration):
            raise next(interrupts)
        put_back()

    monkeypatch.setattr(substitution, "_put_back", interrupted)
    with pytest.raises(KeyboardInterrupt), substituted([small]):
        pass
    monkeypatch.undo()
    assert sleep is REAL_SLEEP


def test_searches_may_overlap():
    with contextlib.ExitStack() as first, contextlib.ExitStack() as second:
        first.enter_context(substituted([small]))
        second.enter_context(substituted([test_all_is_put_back]))
        first.close()
        assert sleep is not REAL_SLEEP
    assert sleep is REAL_SLEEP


def test_who_is_not_explored_gets_the_real_thing():
    with substituted([small]):
        assert type(threading.Lock()) is type(_thread.allocate_lock())
        assert type(queue.SimpleQueue()) is type(queue_of_before)
        assert isinstance(queue_of_before, queue.SimpleQueue)
        assert time.monotonic() > 0
        with pytest.raises(ValueError, match="non-negative"):
            time.sleep(-1)
        event = threading.Event()
        assert not event.wait(0.001)
        with concurrent.futures.ThreadPoolExecutor(1) as pool:
            assert pool.submit(threading.current_thread).result().name.startswith("ThreadPoolExecutor-")


def test_other_threads_go_on_as_ever_during_a_search():
    stop = Event()
    rounds = [0, 0]
    wrong = []
    to, back = queue.Queue(1), queue.SimpleQueue()
    condition = Condition()
    lock = Lock()

    def ping():
        try:
            while not stop.is_set():
                made = threading.Event(), threading.Semaphore(1), queue.Queue()
                made[0].set()
                assert made[0].wait(10) and made[1].acquire(timeout=10)
                made[2].put(1)
                assert made[2].get(timeout=10) == 1
                to.put(rounds[0], timeout=10)
                assert back.get(timeout=10) == rounds[0]
                with condition:
                    rounds[0] += 1
                    condition.notify_all()
                helper = threading.Thread(target=lock.acquire)
                helper.start()
                helper.join(10)
                lock.release()
                began = time.monotonic()
                time.sleep(0.0001)
                assert time.monotonic() > began
                assert threading.current_thread() is threads[0]
        except BaseException as error:
            wrong.append(error)

    def pong():
        try:
            while not stop.is_set():
                with contextlib.suppress(queue.Empty):
                    back.put(to.get(timeout=0.01))
                    rounds[1] += 1
                    with condition:
                        condition.wait_for(lambda: rounds[0] >= rounds[1] or stop.is_set(), 10)
        except BaseException as error:
            wrong.append(error)

    threads = [threading.Thread(target=ping), threading.Thread(target=pong)]
    for thread in threads:
        thread.start()

    def scenario():
        items = queue.Queue(1)
        event = threading.Event()
        together(lambda: items.put(1), items.get, event.set, lambda: event.wait(1))

    try:
        deadline = time.monotonic() + 60
        before, searches = rounds[0], 0
        while (searches < 3 or rounds[0] < before + 20) and time.monotonic() < deadline:
            explored(scenario, "classes")
            searches += 1
    finally:
        stop.set()
        for thread in threads:
            thread.join(30)
    assert not wrong
    assert rounds[0] >= before + 20


def test_names_that_were_imported_before_are_followed():
    def scenario():
        lock = Lock()
        rlock = RLock()
        with lock, rlock:
            sleep(3600)
        return current_thread().name, round(monotonic())

    assert explored(scenario, "all") == {"('MainThread', 3600)": 1}


def test_names_in_closures_defaults_classes_and_containers_are_followed():
    rest = sleep

    def scenario(nap=sleep, *, doze=sleep):
        begin = monotonic()
        rest(1000)
        nap(1000)
        doze(1000)
        Sleeper().sleep()
        Sleeper.doze(1000)
        table["sleep"](1000)
        later(1000)
        return round(monotonic() - begin, -1)

    class Sleeper:
        doze = sleep

        def sleep(self, seconds=1000, how=sleep):
            how(seconds)

    table = {"sleep": sleep}
    later = functools.partial(sleep)
    began = monotonic()
    assert explored(lambda: scenario(), "all") == {"7000.0": 1}
    assert monotonic() - began < 60


@dataclass
class Account:
    balance: int = 0
    lock: Lock = field(default_factory=Lock)


def test_a_lock_made_by_the_default_factory_of_a_dataclass():
    def scenario():
        account = Account()

        def deposit():
            with account.lock:
                account.balance += 1

        together(deposit, deposit)
        return account.balance

    assert outcomes(scenario) == {"2"}


def test_a_lock_made_by_a_defaultdict():
    locks = defaultdict(Lock)

    def scenario():
        locks.clear()
        with locks["a"], locks["b"]:
            return len(locks)

    assert explored(scenario, "all") == {"2": 1}
    assert locks.default_factory is Lock


def refused(scenario):
    """Why the scenario cannot be explored."""
    with pytest.raises(ValueError, match="make it inside the scenario") as caught:
        every_schedule(scenario)
    return str(caught.value)


def test_a_lock_that_was_made_before_is_named_with_the_line_that_uses_it():
    def scenario():
        with lock_of_before:
            pass

    line = scenario.__code__.co_firstlineno + 1
    said = refused(scenario)
    assert f"line {line} uses `lock_of_before` (a Lock)" in said


def test_so_is_every_other_primitive():
    condition_of_before = Condition()
    items_of_before = queue.Queue()
    semaphore_of_before = threading.Semaphore()
    barrier_of_before = threading.Barrier(1)
    future_of_before = concurrent.futures.Future()
    inner = locks_of_before

    class Box:
        def __init__(self):
            self.lock = Lock()

    box = Box()

    def in_box():
        box.lock.acquire()

    for scenario, name in (
        (lambda: event_of_before.wait(), "`event_of_before` (an Event)"),
        (lambda: event_of_before.is_set(), "`event_of_before` (an Event)"),
        (lambda: queue_of_before.put(1), "`queue_of_before` (a SimpleQueue)"),
        (lambda: condition_of_before.acquire(), "`condition_of_before` (a Condition)"),
        (lambda: condition_of_before.notify(), "`condition_of_before` (a Condition)"),
        (lambda: items_of_before.get(), "`items_of_before` (a Queue)"),
        (lambda: semaphore_of_before.acquire(), "`semaphore_of_before` (a Semaphore)"),
        (lambda: barrier_of_before.wait(), "`barrier_of_before` (a Barrier)"),
        (lambda: future_of_before.result(), "`future_of_before` (a Future)"),
        (lambda: inner[0].acquire(), "`inner[0]` (a Lock)"),
        (lambda: Condition(lock_of_before), "`lock_of_before` (a Lock)"),
        (in_box, "`box.lock` (a Lock)"),
    ):
        said = refused(scenario)
        assert name in said, said


def test_what_an_earlier_schedule_left_behind_is_refused_too():
    kept = []

    def event():
        if not kept:
            kept.append(threading.Event())
        together(kept[0].set, kept[0].is_set)

    assert "made before" in refused(event)
    kept.clear()

    def lock():
        if not kept:
            kept.append(threading.Lock())

        def use():
            with kept[0]:
                pass

        together(use, use)

    assert "made before" in refused(lock)


def test_what_was_made_before_and_is_not_used_does_no_harm():
    def scenario():
        return lock_of_before is None, bool(event_of_before), str(type(queue_of_before))

    assert len(explored(scenario, "all")) == 1
    assert lock_of_before.acquire(timeout=10)
    lock_of_before.release()


Primitives = namedtuple("Primitives", "sleep lock items")
IN_C = (time.sleep, threading.Lock, queue.SimpleQueue)


@pytest.mark.parametrize(
    ("held", "unpacked"),
    [
        (IN_C, lambda held: held),
        (Primitives(*IN_C), lambda held: (held.sleep, held.lock, held.items)),
        ({"a": [(IN_C,)]}, lambda held: held["a"][0][0]),
        (types.SimpleNamespace(inner=IN_C), lambda held: held.inner),
        (types.MappingProxyType({"a": IN_C}), lambda held: held["a"]),
        ({"a": IN_C}.values(), lambda held: next(iter(held))),
    ],
    ids=["tuple", "named tuple", "nested", "namespace", "proxy", "view"],
)
def test_factories_are_found_in_whatever_holds_them(held, unpacked):
    def scenario():
        rest, make_lock, make_queue = unpacked(held)
        lock, items, sum_ = make_lock(), make_queue(), []

        def add():
            with lock:
                rest(100)
                sum_.append(len(sum_))
            items.put(sum_[-1])

        together(add, add)
        return sum_, items.qsize()

    began = monotonic()
    assert outcomes(scenario) == {"([0, 1], 2)"}
    assert monotonic() - began < 60
    assert (REAL_SLEEP, Lock, queue.SimpleQueue) == IN_C


def test_a_real_sleep_from_a_tuple_is_none_where_the_standard_library_calls_it():
    def scenario():
        threading.Thread(target=IN_C[0], args=(1000,)).start()

    began = monotonic()
    assert explored(scenario, "all") == {"None": 1}
    assert monotonic() - began < 60


def test_a_lock_of_before_is_refused_wherever_it_comes_from():
    hidden = types.MappingProxyType({"lock": Lock(), "items": queue.SimpleQueue()})

    def enter():
        with hidden["lock"]:
            pass

    for scenario, kind in (
        (enter, "a Lock"),
        (lambda: hidden["lock"].acquire(), "a Lock"),
        (lambda: hidden["items"].put(1), "a SimpleQueue"),
    ):
        assert f"uses {kind}, which was made before" in refused(scenario)


class Report:
    """Its property is made once: under a lock that all reports share until Python 3.11, without one later."""

    made = 0

    @functools.cached_property
    def text(self):
        Report.made += 1
        return Report.made


def test_a_cached_property():
    def scenario():
        Report.made = 0
        report = Report()
        together(lambda: report.text, lambda: report.text)
        return Report.made

    lock = getattr(vars(Report)["text"], "lock", None)
    assert outcomes(scenario) == ({"1"} if sys.version_info < (3, 12) else {"1", "2"})
    assert getattr(vars(Report)["text"], "lock", None) is lock
    assert Report().text == Report.made


def test_a_cached_property_of_a_class_that_the_scenario_makes():
    def scenario():
        class Local:
            made = 0

            @functools.cached_property
            def text(self):
                self.made += 1
                return self.made

        local = Local()
        together(lambda: local.text, lambda: local.text)
        return local.made

    assert outcomes(scenario) == ({"1"} if sys.version_info < (3, 12) else {"1", "2"})

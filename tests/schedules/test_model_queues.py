"""Queue and its kin under every schedule."""

import queue
import threading

import pytest

from helpers.schedules import every_schedule
from tests.schedules.exploring import STUCK, explored, outcomes, schedules
from tests.schedules.scenarios import start, together

has_shutdown = pytest.mark.skipif(not hasattr(queue.Queue, "shutdown"), reason="new in 3.13")


@pytest.mark.parametrize("kind", [queue.Queue, queue.SimpleQueue])
def test_one_producers_items_come_in_its_order(kind):
    def scenario():
        items = kind()
        got = []

        def produce(name):
            for number in range(2):
                items.put((name, number))

        threads = start(lambda: produce("a"), lambda: produce("b"))
        got = [items.get() for _ in range(4)]
        for thread in threads:
            thread.join()
        orders = {name: [number for who, number in got if who == name] for name in "ab"}
        assert orders == {"a": [0, 1], "b": [0, 1]}
        return "".join(name for name, _ in got)

    assert outcomes(scenario) == {repr(order) for order in ("aabb", "abab", "abba", "baab", "baba", "bbaa")}


def test_each_item_goes_to_one_consumer():
    def scenario():
        items = queue.Queue()
        got = []
        threads = start(*[lambda: got.append(items.get())] * 2)
        items.put(1)
        items.put(2)
        for thread in threads:
            thread.join()
        return sorted(got), items.empty()

    assert outcomes(scenario) == {"([1, 2], True)"}


def test_a_full_queue_holds_its_producer_up():
    def scenario():
        items = queue.Queue(1)
        log = []

        def produce():
            for item in range(3):
                items.put(item)
                log.append(item)

        (thread,) = start(produce)
        lead = []
        for item in range(3):
            lead.append(len(log) - item)
            assert items.get() == item
        thread.join()
        return max(lead)

    assert outcomes(scenario) <= {"0", "1", "2"}


def test_order_of_the_other_kinds():
    def order(make):
        def scenario():
            items = make()
            together(lambda: items.put(2), lambda: items.put(1))
            return items.get(), items.get()

        return outcomes(scenario)

    assert order(queue.Queue) == {"(1, 2)", "(2, 1)"}
    assert order(queue.LifoQueue) == {"(1, 2)", "(2, 1)"}
    assert order(queue.PriorityQueue) == {"(1, 2)"}


class Job:
    """Has a priority that may change."""

    def __init__(self, priority):
        self.priority = priority

    def __lt__(self, other):
        return self.priority < other.priority


class TestWhatAPriorityQueueCompares:
    def test_a_list_that_changes_meanwhile(self):
        def scenario():
            items = queue.PriorityQueue()
            item = [5]
            items.put(item)
            together(lambda: items.put([3]), lambda: item.insert(0, 1))
            return items.get()

        assert outcomes(scenario) == {"[1, 5]", "[3]"}

    def test_nobody_comes_in_while_it_compares(self):
        def scenario():
            items = queue.PriorityQueue()
            job = Job(5)
            items.put(job)

            def hurry():
                job.priority = 1

            together(lambda: items.put(Job(3)), hurry, items.get)
            return items.qsize()

        assert outcomes(scenario) == {"1"}  # and never that the list of items changed under its hands


@pytest.mark.parametrize("kind", [queue.Queue, queue.SimpleQueue, queue.LifoQueue, queue.PriorityQueue])
def test_giving_up_on_an_empty_queue(kind):
    def scenario(**how):
        def run():
            items = kind()
            (thread,) = start(lambda: items.put(1))
            try:
                got = items.get(**how)
            except queue.Empty:
                got = "empty"
            thread.join()
            return got, items.qsize()

        return run

    for how in ({"timeout": 5}, {"timeout": 0}, {"block": False}, {"block": False, "timeout": -1}):
        assert outcomes(scenario(**how)) == {"(1, 0)", "('empty', 1)"}


def test_giving_up_on_a_full_queue():
    def scenario(**how):
        def run():
            items = queue.Queue(1)
            items.put("first")
            (thread,) = start(items.get)
            try:
                items.put("second", **how)
            except queue.Full:
                return "full"
            finally:
                thread.join()
            return items.get_nowait()

        return run

    for how in ({"timeout": 5}, {"timeout": 0}, {"block": False}, {"block": False, "timeout": -1}):
        assert outcomes(scenario(**how)) == {"'second'", "'full'"}


def test_mistakes_are_told_as_ever():
    def scenario():
        said = []
        items, full = queue.Queue(), queue.Queue(1)
        full.put(1)
        for mistake in (
            lambda: items.get(timeout=-1),
            lambda: full.put(1, timeout=-1),
            lambda: queue.SimpleQueue().get(timeout=-1),
            items.task_done,
            items.get_nowait,
            lambda: full.put_nowait(1),
            queue.SimpleQueue().get_nowait,
        ):
            try:
                mistake()
            except (ValueError, queue.Empty, queue.Full) as error:
                said.append(repr(error))
        items.put(1, timeout=-1)  # it is never full
        return said, items.qsize(), full.full(), items.full()

    real = scenario()
    assert len(real[0]) == 7
    assert explored(scenario, "all") == {repr(real): 1}


def test_join_waits_until_all_that_was_put_is_done():
    def scenario():
        items = queue.Queue()
        done = []

        def work():
            for _ in range(2):
                item = items.get()
                done.append(item)
                items.task_done()

        items.put(1)
        threading.Thread(target=work, daemon=True).start()
        items.put(2)
        items.join()
        return done

    assert outcomes(scenario) == {"[1, 2]"}


def test_an_exception_that_skips_task_done_leaves_join_waiting():
    def scenario():
        items = queue.Queue()

        def work():
            items.get()

        (thread,) = start(work)
        items.put(1)
        thread.join()
        items.join()

    assert outcomes(scenario) == {STUCK}


def test_once_too_often_done():
    def scenario():
        items = queue.Queue()

        def work():
            items.get()
            items.task_done()
            items.task_done()

        (thread,) = start(work)
        items.put(1)
        items.put(2)
        thread.join()
        return "done"

    # The second item may be in the queue by then, and is taken for the one that is done.
    assert outcomes(scenario) == {"'done'", "ValueError: task_done() called too many times"}


def test_one_pill_for_two_consumers():
    def scenario():
        items = queue.Queue()

        def consume():
            while items.get() is not None:
                pass

        threads = start(consume, consume)
        items.put(None)
        for thread in threads:
            thread.join()

    assert outcomes(scenario) == {STUCK}


def test_looking_at_the_size_says_nothing_about_the_next_moment():
    def scenario():
        items = queue.Queue()
        items.put(1)

        def take():
            if not items.empty():
                items.get_nowait()

        together(take, take)
        return items.qsize()

    assert outcomes(scenario) == {"0", "Empty: "}


def test_a_get_and_task_done_do_not_meet():
    def scenario():
        items = queue.Queue()
        items.put(1)
        together(items.get, items.task_done)

    assert schedules(scenario) == (2, 1)


@has_shutdown
def test_shutdown_ends_all_waits():
    def scenario(immediate):
        def run():
            items = queue.Queue()
            got = []

            def consume():
                try:
                    while True:
                        got.append(items.get())
                except queue.ShutDown:
                    got.append("shut down")

            (thread,) = start(consume)
            items.put(1)
            items.shutdown(immediate)
            thread.join()
            try:
                items.put(2)
            except queue.ShutDown:
                return got
            return "?"

        return run

    assert outcomes(scenario(False)) == {"[1, 'shut down']"}
    assert outcomes(scenario(True)) == {"[1, 'shut down']", "['shut down']"}


@has_shutdown
def test_shutdown_of_a_full_queue_and_join():
    def scenario():
        items = queue.Queue(1)
        items.put(1)
        said = []

        def produce():
            try:
                items.put(2)
            except queue.ShutDown:
                said.append("shut down")

        threads = start(produce, items.join)
        items.shutdown(immediate=True)
        for thread in threads:
            thread.join()
        return said, items.qsize()

    assert outcomes(scenario) == {"(['shut down'], 0)"}


@has_shutdown
def test_an_item_in_flight_holds_join_up_even_after_shutdown():
    def scenario():
        items = queue.Queue()
        items.put(1)
        together(items.get)
        items.shutdown(immediate=True)
        items.join()

    assert outcomes(scenario) == {STUCK}


def test_a_subclass_that_keeps_its_items_its_own_way():
    class Latest(queue.Queue):
        """Keeps only the newest item."""

        def _put(self, item):
            self.queue.clear()
            super()._put(item)

    def scenario():
        items = Latest()
        (thread,) = start(lambda: (items.put(1), items.put(2)))
        first = items.get()
        thread.join()
        return first, items.qsize()

    assert outcomes(scenario) == {"(1, 1)", "(2, 0)"}


def test_a_priority_queue_of_the_programs_own_kind():
    class Urgent(queue.PriorityQueue):
        def _put(self, item):
            super()._put((-len(item), item))

        def _get(self):
            return super()._get()[1]

    def scenario():
        items = Urgent()
        together(lambda: items.put("a"), lambda: items.put("bbb"))
        return items.get(), items.get()

    assert set(explored(scenario, "classes")) == {"('bbb', 'a')"}


def test_a_subclass_that_only_adds_to_a_queue_is_as_any_other():
    class Closing(queue.Queue):
        def close(self):
            self.put(None)

    def scenario():
        items = Closing()
        together(items.get, items.close)

    assert schedules(scenario) == (1, 1)


def test_items_and_lock_of_a_queue_used_by_the_program():
    def scenario():
        items = queue.Queue(1)
        items.put(1)

        def clear():
            with items.mutex:
                items.queue.clear()

        together(lambda: items.put(2), clear)
        return items.get()

    # Cleared without a word to those who wait for room, the queue is empty and its producer waits for ever.
    assert outcomes(scenario) == {"2", STUCK}


def test_a_join_that_gives_up():
    def scenario():
        items = queue.Queue()
        items.put(1)
        (thread,) = start(lambda: (items.get(), items.task_done()))
        with items.all_tasks_done:
            while items.unfinished_tasks:
                if not items.all_tasks_done.wait(1):
                    break
        left = items.unfinished_tasks
        thread.join()
        return left

    assert set(explored(scenario, "classes")) == {"0", "1"}


def test_the_class_of_simple_queues_is_still_a_class():
    def scenario():
        items = queue.SimpleQueue()
        return (
            isinstance(items, queue.SimpleQueue),
            isinstance(3, queue.SimpleQueue),
            bool(queue.SimpleQueue[int]),
        )

    assert explored(scenario, "all") == {"(True, False, True)": 1}


def looks(look):
    """What comes of a look at a queue while another thread puts something into it."""

    def scenario():
        items = queue.Queue()
        seen = []
        together(lambda: items.put(1), lambda: seen.append(look(items)))
        assert seen == [0]

    result = every_schedule(scenario)
    return result.schedules, result.failing, result.notes


def locked(items):
    with items.mutex:
        return len(items.queue)


def not_quite_locked(items):
    with items.mutex:
        pass
    return items.unfinished_tasks


def test_what_a_queue_keeps_inside_is_seen_without_its_lock():
    assert looks(lambda items: items.unfinished_tasks) == (2, 1, ())
    assert looks(lambda items: items.maxsize) == (1, 0, ())
    assert looks(locked) == (2, 1, ())
    schedules, failing, notes = looks(not_quite_locked)
    assert (schedules > 2, failing > 1, notes) == (True, True, ())


@pytest.mark.parametrize(
    "look",
    [lambda items: len(items.queue), lambda items: len(getattr(items, "queue"))],  # noqa: B009
    ids=["attribute", "getattr"],
)
def test_who_takes_a_queues_items_past_its_lock_is_told_so(look):
    schedules, failing, notes = looks(look)
    assert (schedules, failing) == (2, 1)
    assert notes == (
        f"Line {look.__code__.co_firstlineno}: read items.queue goes past the queue's lock: "
        "what comes of it is not seen",
    )


def test_a_queue_may_be_looked_into_when_all_other_threads_have_ended():
    def scenario():
        items = queue.Queue()
        together(lambda: items.put(1), lambda: items.put(1))
        return list(items.queue), items.unfinished_tasks

    assert explored(scenario, "all") == {"([1, 1], 2)": 2}

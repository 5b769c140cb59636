"""`threading.local` needs no model: each explored thread is a real thread, and begins without what was there before."""

import contextvars
import threading

from tests.schedules.exploring import explored, outcomes
from tests.schedules.scenarios import together

made_before = threading.local()
variable = contextvars.ContextVar("variable", default="unset")


def test_each_thread_has_its_own_value():
    def scenario():
        data = threading.local()
        data.value = "main"
        seen = []
        lock = threading.Lock()

        def work(name):
            assert not hasattr(data, "value")
            data.value = name
            with lock:
                seen.append(data.value)

        together(lambda: work("a"), lambda: work("b"))
        return data.value, sorted(seen)

    assert outcomes(scenario) == {"('main', ['a', 'b'])"}


def test_the_init_of_a_subclass_runs_in_each_thread():
    def scenario():
        lock = threading.Lock()

        class Data(threading.local):
            def __init__(self, start):
                with lock:
                    made.append(threading.current_thread().name)
                self.count = start

        made = []
        data = Data(7)

        def work():
            data.count += 1
            assert data.count == 8

        together(work, work)
        return sorted(made), data.count

    assert outcomes(scenario) == {"(['MainThread', 'Thread-1 (work)', 'Thread-2 (work)'], 7)"}


def test_one_that_was_made_before_begins_empty_in_every_thread_of_every_schedule():
    def scenario():
        def work():
            assert not hasattr(made_before, "value")
            made_before.value = 1
            assert variable.get() == "unset"
            variable.set("set")

        work()
        together(work, work)
        return "empty"

    made_before.value = "ours"
    assert outcomes(scenario) == {"'empty'"}
    assert made_before.value == "ours"


def test_threads_of_a_pool_remember():
    def scenario():
        from concurrent.futures import ThreadPoolExecutor

        data = threading.local()

        def remember(item):
            before = getattr(data, "item", None)
            data.item = item
            return before

        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(remember, [1, 2]))

    assert set(explored(scenario, "classes")) == {"[None, None]", "[None, 1]"}

"""ThreadPoolExecutor and Future under every schedule."""

import re
import threading
import time
from concurrent.futures import (
    ALL_COMPLETED,
    FIRST_COMPLETED,
    FIRST_EXCEPTION,
    CancelledError,
    Future,
    ThreadPoolExecutor,
    as_completed,
    wait,
)

import pytest

from tests.schedules.exploring import STUCK, explored, outcomes
from tests.schedules.scenarios import together


def possible(scenario):
    """What can come of it. Pools have too many schedules to try them all."""
    return set(explored(scenario, "classes"))


def test_results_of_map_come_in_the_order_of_the_arguments():
    def scenario():
        with ThreadPoolExecutor(2) as pool:
            return list(pool.map(lambda one, other: one * other, [1, 2, 3], [4, 5, 6]))

    assert possible(scenario) == {"[4, 10, 18]"}


def test_a_small_pool_under_all_schedules():
    def scenario():
        with ThreadPoolExecutor(1) as pool:
            futures = [pool.submit(pow, 2, number) for number in range(2)]
            return [future.result() for future in futures]

    assert outcomes(scenario) == {"[1, 2]"}


def test_an_exception_is_kept_for_who_asks():
    def scenario():
        def fail():
            raise KeyError("no")

        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(fail)
        return future.exception(), future.done()

    assert possible(scenario) == {"(KeyError('no'), True)"}

    def asks():
        with ThreadPoolExecutor(1) as pool:
            pool.submit({}.pop, "x").result()

    assert possible(asks) == {"KeyError: 'x'"}


def test_work_for_one_thread_is_done_in_order():
    def scenario():
        done = []
        with ThreadPoolExecutor(1) as pool:
            for number in range(3):
                pool.submit(done.append, number)
        return done

    assert possible(scenario) == {"[0, 1, 2]"}


def test_an_idle_thread_is_used_again():
    def scenario():
        names = []
        with ThreadPoolExecutor(2, thread_name_prefix="w") as pool:
            for _ in range(2):
                names.append(pool.submit(lambda: threading.current_thread().name).result())
        return names

    # The second piece of work comes before or after the first thread is idle; and both threads may take it.
    assert possible(scenario) == {"['w_0', 'w_0']", "['w_0', 'w_1']"}


def test_names_are_the_same_in_every_schedule():
    def scenario():
        with ThreadPoolExecutor(1) as one, ThreadPoolExecutor(1) as other:
            return [pool.submit(lambda: threading.current_thread().name).result() for pool in (one, other)]

    assert len(possible(scenario)) == 1
    assert possible(scenario) == {"['ThreadPoolExecutor-0_0', 'ThreadPoolExecutor-1_0']"}


def test_waiting_in_a_pool_for_the_pool_gets_stuck():
    def scenario():
        with ThreadPoolExecutor(1) as pool:

            def outer():
                return pool.submit(lambda: 1).result()

            return pool.submit(outer).result()

    assert possible(scenario) == {STUCK}


def test_what_is_not_begun_can_be_cancelled():
    def scenario():
        with ThreadPoolExecutor(1) as pool:
            pool.submit(int)
            future = pool.submit(lambda: "done")
            cancelled = future.cancel()
            try:
                return cancelled, future.result()
            except CancelledError:
                return cancelled, "cancelled", future.cancelled(), future.cancel()

    assert possible(scenario) == {"(True, 'cancelled', True, True)", "(False, 'done')"}


def test_what_runs_cannot_be_cancelled():
    def scenario():
        begun, go_on = threading.Event(), threading.Event()

        def work():
            begun.set()
            go_on.wait()

        with ThreadPoolExecutor(1) as pool:
            future = pool.submit(work)
            begun.wait()
            state = future.running(), future.cancel(), future.done()
            go_on.set()
        return state, future.running(), future.done()

    assert possible(scenario) == {"((True, False, False), False, True)"}


def test_giving_up_on_a_result():
    def scenario(timeout):
        def run():
            with ThreadPoolExecutor(1) as pool:
                future = pool.submit(lambda: "done")
                try:
                    return future.result(timeout)
                except TimeoutError:
                    return "gave up"

        return run

    for timeout in (1, 0, -1):
        assert possible(scenario(timeout)) == {"'done'", "'gave up'"}


def test_a_callback_is_called_once_by_whoever_comes_last():
    def scenario():
        called = []
        with ThreadPoolExecutor(1, thread_name_prefix="w") as pool:
            future = pool.submit(int)
            future.add_done_callback(
                lambda done: called.append((done is future, threading.current_thread().name))
            )
        return called

    assert possible(scenario) == {"[(True, 'MainThread')]", "[(True, 'w_0')]"}


def test_a_callback_of_what_is_cancelled():
    def scenario():
        called = []
        future = Future()
        future.add_done_callback(called.append)
        together(future.cancel, future.cancel)
        return called == [future]

    assert outcomes(scenario) == {"True"}


def test_wait_until_all_or_one_is_done():
    def scenario(until):
        def run():
            with ThreadPoolExecutor(2) as pool:
                futures = [pool.submit(int), pool.submit(int)]
                done, not_done = wait(futures, return_when=until)
                assert done | not_done == set(futures)
                return len(done)

        return run

    assert possible(scenario(ALL_COMPLETED)) == {"2"}
    assert possible(scenario(FIRST_COMPLETED)) == {"1", "2"}
    assert possible(scenario(FIRST_EXCEPTION)) == {"2"}


def test_a_set_of_futures_has_the_same_order_in_every_schedule():
    def scenario():
        with ThreadPoolExecutor(1) as pool:
            done, _ = wait({pool.submit(pow, 2, number) for number in range(3)})
            return [future.result() for future in done]

    assert len(possible(scenario)) == 1


def test_wait_until_one_has_failed():
    def scenario():
        with ThreadPoolExecutor(2) as pool:
            futures = [pool.submit(int), pool.submit(int, "x")]
            done, _ = wait(futures, return_when=FIRST_EXCEPTION)
            return [future in done for future in futures]

    assert possible(scenario) == {"[True, True]", "[False, True]"}


def test_wait_for_a_while_and_for_nothing():
    def scenario():
        with ThreadPoolExecutor(1) as pool:
            futures = [pool.submit(int)]
            return [len(part) for part in wait(futures, timeout=1)], [len(part) for part in wait([])]

    assert possible(scenario) == {"([1, 0], [0, 0])", "([0, 1], [0, 0])"}


def test_a_cancelled_future_that_nobody_drops_is_waited_for_for_ever():
    def scenario():
        future = Future()
        future.cancel()
        wait([future])

    assert outcomes(scenario) == {STUCK}


def test_as_completed_gives_each_once_in_the_order_they_end():
    def scenario():
        with ThreadPoolExecutor(2) as pool:
            futures = [pool.submit(int, text) for text in "12"]
            return [future.result() for future in as_completed([*futures, futures[0]])]

    assert possible(scenario) == {"[1, 2]", "[2, 1]"}


def test_as_completed_gives_up():
    def scenario(timeout):
        def run():
            with ThreadPoolExecutor(1) as pool:
                futures = [pool.submit(int), pool.submit(int)]
                got = 0
                try:
                    for _ in as_completed(futures, timeout=timeout):
                        got += 1
                except TimeoutError as error:
                    return got, str(error)
                return got

        return run

    for timeout in (1, 0):
        assert possible(scenario(timeout)) == {
            "2",
            "(1, '1 (of 2) futures unfinished')",
            "(0, '2 (of 2) futures unfinished')",
        }


def test_a_map_that_takes_too_long_cancels_the_rest():
    def scenario():
        def slow(number):
            time.sleep(10)
            return number

        with ThreadPoolExecutor(1) as pool:
            try:
                return list(pool.map(slow, [1, 2], timeout=5))
            except TimeoutError:
                return "too late"

    assert possible(scenario) == {"[1, 2]", "'too late'"}


def test_after_shutdown():
    def scenario():
        pool = ThreadPoolExecutor(1)
        future = pool.submit(int)
        pool.shutdown(wait=False)
        try:
            pool.submit(int)
        except RuntimeError as error:
            return str(error), future.result()

    assert possible(scenario) == {"('cannot schedule new futures after shutdown', 0)"}


def test_shutdown_cancels_what_nobody_has_taken():
    def scenario():
        pool = ThreadPoolExecutor(1)
        futures = [pool.submit(int), pool.submit(int)]
        pool.shutdown(cancel_futures=True)
        return [future.cancelled() for future in futures]

    # The last: between the two cancellations the thread took what was left.
    assert possible(scenario) == {"[False, False]", "[False, True]", "[True, True]", "[True, False]"}


def test_a_pool_that_is_not_shut_down_ends_with_the_program():
    def scenario():
        pool = ThreadPoolExecutor(2)
        pool.submit(int)
        return "over"

    assert possible(scenario) == {"'over'"}


def test_an_initializer_runs_in_each_thread_and_one_that_fails_breaks_the_pool():
    def scenario():
        data = threading.local()

        def prepare(value):
            data.value = value

        with ThreadPoolExecutor(2, initializer=prepare, initargs=("ready",)) as pool:
            return list(pool.map(lambda _: data.value, range(2)))

    assert possible(scenario) == {"['ready', 'ready']"}

    def fails():
        def prepare():
            raise KeyError("no")

        with ThreadPoolExecutor(1, initializer=prepare) as pool:
            future = pool.submit(int)
            error = future.exception()
        return type(error).__name__

    assert possible(fails) == {"'BrokenThreadPool'"}


def test_mistakes_are_told_as_ever():
    def scenario():
        said = []
        for mistake in (
            lambda: ThreadPoolExecutor(0),
            lambda: ThreadPoolExecutor(1, initializer=1),
            lambda: wait([Future()], return_when="?"),
            lambda: done().set_result(2),
        ):
            try:
                mistake()
            except Exception as error:
                said.append(f"{type(error).__name__}: {error}")
        return re.sub("0x[0-9a-f]+", "0x…", f"{said} {done()!r}")

    def done():
        future = Future()
        future.set_result(1)
        return future

    real = scenario()
    assert real.count("Error:") == 4
    assert explored(scenario, "all") == {repr(real): 1}


@pytest.mark.parametrize("size", [1, 2])
def test_a_pool_never_runs_more_than_it_has_threads(size):
    def scenario():
        lock = threading.Lock()
        inside = most = 0

        def work():
            nonlocal inside, most
            with lock:
                inside += 1
                most = max(most, inside)
            with lock:
                inside -= 1

        with ThreadPoolExecutor(size) as pool:
            for _ in range(2):
                pool.submit(work)
        return most

    assert possible(scenario) == {str(number) for number in range(1, size + 1)}


def test_futures_without_a_pool():
    def scenario():
        future = Future()
        got = []
        together(lambda: got.append(future.result()), lambda: future.set_result("x"))
        return got

    assert outcomes(scenario) == {"['x']"}

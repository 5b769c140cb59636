"""Event under every schedule."""

import threading

from tests.schedules.exploring import STUCK, explored, outcomes, schedules
from tests.schedules.scenarios import start, together


def test_a_gate_lets_everybody_through_whenever_they_come():
    def scenario():
        gate = threading.Event()
        passed = []
        threads = start(*[lambda: passed.append(gate.wait())] * 2)
        gate.set()
        for thread in threads:
            thread.join()
        return passed.count(True)

    assert outcomes(scenario) == {"2"}


def test_a_pulse_is_missed_by_who_waits_too_late_and_wakes_who_waited_although_it_is_cleared_first():
    def scenario():
        event = threading.Event()
        woken = []
        (thread,) = start(lambda: woken.append(event.wait()))
        event.set()
        event.clear()
        thread.join()
        return woken[0]

    # Wait, set, clear: woken before or after the clear. Set, wait, clear. Set, clear, wait: stuck.
    assert explored(scenario, "all") == {"True": 3, STUCK: 1}
    assert outcomes(scenario) == {"True", STUCK}


def test_several_sets_before_anybody_looks_are_one():
    def scenario():
        event = threading.Event()
        seen = 0

        def look():
            nonlocal seen
            for _ in range(2):
                event.wait()
                event.clear()
                seen += 1

        (thread,) = start(look)
        event.set()
        event.set()
        thread.join()
        return seen

    assert outcomes(scenario) == {"2", STUCK}


def test_waiting_for_a_while_ends_either_way_and_only_before_the_event_is_set_in_vain():
    def waits(timeout):
        def scenario():
            event = threading.Event()
            (thread,) = start(event.set)
            got = event.wait(timeout)
            thread.join()
            return got

        return outcomes(scenario)

    assert waits(1) == waits(1e-9) == waits(0) == waits(-1) == {"True", "False"}


def test_waiting_for_a_while_for_what_never_comes_or_has_come():
    def scenario():
        event = threading.Event()
        in_vain = event.wait(0.5)
        event.set()
        return in_vain, event.wait(0.5)

    assert explored(scenario, "all") == {"(False, True)": 1}


def test_looking_at_the_flag():
    def scenario():
        event = threading.Event()
        (thread,) = start(event.set)
        early = event.is_set()
        thread.join()
        return early, event.is_set(), repr(event).rpartition(" ")[2]

    assert outcomes(scenario) == {"(False, True, 'set>')", "(True, True, 'set>')"}


def test_waiters_do_not_meet_each_other():
    def scenario():
        event = threading.Event()
        event.set()
        together(event.wait, event.wait, event.is_set)

    assert schedules(scenario) == (6, 1)


def test_an_event_of_a_subclass_and_one_imported_before_are_followed():
    Imported = threading.Event

    class Named(Imported):
        def __init__(self, name):
            super().__init__()
            self.name = name

        def set(self):
            super().set()
            self.name += "!"

    def scenario():
        event = Named("go")
        (thread,) = start(event.set)
        event.wait()
        thread.join()
        return event.name

    assert outcomes(scenario) == {"'go!'"}


def test_a_timer_fires_at_any_moment_or_is_cancelled_before():
    def scenario():
        fired = []
        timer = threading.Timer(60, fired.append, ["fired"])
        timer.start()
        timer.cancel()
        timer.join()
        return fired

    assert outcomes(scenario) == {"[]", "['fired']"}

"""The switch interval: short while somebody wants that, and afterwards what it was."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from helpers.labs.switching import SHORT, short_switch_interval
from tests.labs.grid import PATIENCE


@pytest.fixture(autouse=True, params=[0.005, 0.025, 0.1])
def own(request: pytest.FixtureRequest) -> Iterator[float]:
    """A reader's own setting."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(request.param)
    yield sys.getswitchinterval()
    sys.setswitchinterval(before)


def test_is_short_and_then_what_it_was(own: float) -> None:
    for _ in range(2):
        with short_switch_interval():
            assert sys.getswitchinterval() == pytest.approx(SHORT)
        assert sys.getswitchinterval() == own


def test_is_put_back_after_an_exception(own: float) -> None:
    with pytest.raises(ZeroDivisionError), short_switch_interval():
        _ = 1 // 0
    assert sys.getswitchinterval() == own


def test_is_short_until_the_last_one_ends_whoever_began(own: float) -> None:
    begun, first_ended = threading.Semaphore(0), threading.Event()
    ends = [threading.Event(), threading.Event()]

    def use(end: threading.Event) -> None:
        with short_switch_interval():
            begun.release()
            assert end.wait(PATIENCE)
        first_ended.set()

    users = [threading.Thread(target=use, args=(end,)) for end in ends]
    for user in users:
        user.start()
        assert begun.acquire(timeout=PATIENCE)
    ends[0].set()
    assert first_ended.wait(PATIENCE)
    assert sys.getswitchinterval() == pytest.approx(SHORT)
    ends[1].set()
    for user in users:
        user.join(PATIENCE)
    assert sys.getswitchinterval() == own


def test_of_somebody_else_stands() -> None:
    with short_switch_interval():
        sys.setswitchinterval(0.01)
    assert sys.getswitchinterval() == pytest.approx(0.01)


def test_that_is_shorter_already_stays() -> None:
    sys.setswitchinterval(SHORT / 10)
    own = sys.getswitchinterval()
    with short_switch_interval():
        assert sys.getswitchinterval() == own
    assert sys.getswitchinterval() == own

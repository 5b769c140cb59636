"""Every mechanism on its own: room, order, a changed capacity; and how the wrong ones go wrong."""

from __future__ import annotations

import multiprocessing
import threading
from collections.abc import Callable

import pytest

from helpers.labs import MECHANISMS, buffers
from helpers.labs.buffers import BUFFERS, Buffer, Mailbox, UnprotectedList
from helpers.labs.shared_buffers import SHARED_BUFFERS
from tests.labs.grid import LOSSLESS, PATIENCE

SPAWN = multiprocessing.get_context("spawn")


def shared(mechanism: str) -> Callable[[int | None], Buffer]:
    return lambda capacity: SHARED_BUFFERS[mechanism](SPAWN, capacity, ())


KINDS = [pytest.param(BUFFERS[name], id=f"{name}, threads") for name in MECHANISMS] + [
    pytest.param(shared(name), id=f"{name}, processes") for name in MECHANISMS
]
CORRECT = [pytest.param(BUFFERS[name], id=f"{name}, threads") for name in LOSSLESS] + [
    pytest.param(shared(name), id=f"{name}, processes") for name in LOSSLESS
]


def get(buffer: Buffer) -> int:
    """Take one that is there: a pipe between processes needs a moment."""
    item = buffer.get(PATIENCE)
    assert item is not None
    return item


@pytest.mark.parametrize("make", CORRECT)
def test_first_in_first_out_and_never_more_than_there_is_room_for(
    make: Callable[[int | None], Buffer],
) -> None:
    buffer = make(3)
    assert buffer.get(0) is None
    assert [buffer.put(item, 0) for item in (1, 2, 3)] == [True] * 3
    assert not buffer.put(4, 0)
    assert not buffer.put(4, 0.01)
    assert get(buffer) == 1
    assert buffer.put(4, 0)
    assert [get(buffer) for _ in range(3)] == [2, 3, 4]
    assert buffer.get(0.01) is None
    assert buffer.contents() == []


@pytest.mark.parametrize("make", CORRECT)
def test_a_changed_capacity_loses_nothing(make: Callable[[int | None], Buffer]) -> None:
    buffer = make(4)
    for item in range(4):
        assert buffer.put(item, 0)
    buffer.resize(2)  # below what is in it
    assert not buffer.put(99, 0)
    assert [get(buffer), get(buffer)] == [0, 1]
    assert not buffer.put(99, 0)
    assert get(buffer) == 2
    assert buffer.put(4, 0)
    assert not buffer.put(99, 0)
    buffer.resize(3)
    assert buffer.put(5, 0)
    assert not buffer.put(99, 0)
    buffer.resize(None)
    for item in range(6, 1500):
        assert buffer.put(item, 0)
    buffer.resize(1)
    assert not buffer.put(99, 0)
    assert [get(buffer) for _ in range(1497)] == list(range(3, 1500))
    assert buffer.put(1500, 0)
    assert not buffer.put(99, 0)
    assert get(buffer) == 1500
    assert buffer.contents() == []


@pytest.mark.parametrize("make", CORRECT)
def test_whoever_waits_for_room_gets_it_when_something_is_taken(make: Callable[[int | None], Buffer]) -> None:
    buffer = make(1)
    assert buffer.put(1, 0)
    done: list[bool] = []
    producer = threading.Thread(target=lambda: done.append(buffer.put(2, PATIENCE)), daemon=True)
    producer.start()
    assert get(buffer) == 1
    producer.join(PATIENCE)
    assert done == [True]
    assert get(buffer) == 2
    buffer.contents()


@pytest.mark.parametrize("make", KINDS)
def test_what_is_left_can_be_read_at_the_end(make: Callable[[int | None], Buffer]) -> None:
    buffer = make(None)
    for item in (5, 6, 7):
        assert buffer.put(item, 0)
    assert get(buffer) == 5
    assert buffer.contents() == [6, 7]


@pytest.mark.parametrize("mechanism", MECHANISMS)
def test_a_shared_buffer_begins_with_what_was_left(mechanism: str) -> None:
    buffer = SHARED_BUFFERS[mechanism](SPAWN, 2, [1, 2, 3])
    if mechanism in LOSSLESS:
        assert not buffer.put(4, 0)
    if mechanism == "event":  # its signal is not kept: the next item brings it
        assert buffer.put(4, 0)
        assert get(buffer) == 3  # two fell out of the full mailbox
    else:
        assert get(buffer) == 1
    buffer.contents()


def test_the_mailbox_lets_the_oldest_fall_out_when_it_is_full() -> None:
    for mailbox in (Mailbox(2), SHARED_BUFFERS["event"](SPAWN, 2, ())):
        assert all(mailbox.put(item, 0) for item in (1, 2, 3))
        assert mailbox.contents() == [2, 3]


def test_the_mailbox_s_two_signals_are_one() -> None:
    for mailbox in (Mailbox(9), SHARED_BUFFERS["event"](SPAWN, 9, ())):
        assert all(mailbox.put(item, 0) for item in (1, 2))
        assert mailbox.get(0) == 1
        assert mailbox.get(0.01) is None  # though something is in it
        assert mailbox.contents() == [2]


def meet(monkeypatch: pytest.MonkeyPatch) -> None:
    """Between look and act, each of two threads waits until the other has looked too."""
    barrier = threading.Barrier(2, timeout=PATIENCE)
    monkeypatch.setattr(buffers.time, "sleep", lambda _: barrier.wait())


def both(*calls: Callable[[], object]) -> list[object]:
    results: list[object] = []
    threads = [threading.Thread(target=lambda call=call: results.append(call())) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def test_the_unprotected_list_loses_one_of_two_items_put_in_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    unprotected = UnprotectedList(9)
    meet(monkeypatch)
    assert both(lambda: unprotected.put(1, 0), lambda: unprotected.put(2, 0)) == [True, True]
    assert unprotected.count() == 1


def test_the_unprotected_list_hands_one_item_to_two_and_loses_the_next(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    unprotected = UnprotectedList(9)
    unprotected.items = [1, 2, 3]
    meet(monkeypatch)
    assert both(lambda: unprotected.get(0), lambda: unprotected.get(0)) == [1, 1]
    assert unprotected.contents() == [3]

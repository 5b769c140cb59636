"""`PipelineLab` without a browser: what it sends, whom it listens to, and what it leaves behind."""

from __future__ import annotations

import base64
import json
import sys
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from helpers import PipelineLab
from helpers.labs import buffers, panel
from helpers.labs.controls import SLIDERS
from helpers.labs.frames import WINDOW, Columns
from helpers.labs.settings import CAPACITIES, MOST_WORKERS, RATES, Settings
from helpers.labs.snapshot import Snapshot, Worker
from helpers.labs.still import forecast
from helpers.labs.switching import SHORT
from tests.labs.grid import PATIENCE

VIEW = "application/vnd.jupyter.widget-view+json"


class Page:
    """What the page would know: it takes each message as `panel.js` does.

    Attributes:
        messages: all of them.
        columns: those of the picture.
    """

    def __init__(self, lab: PipelineLab) -> None:
        self.messages: list[dict[str, Any]] = []
        self.columns: list[Any] = []
        self.listens = True  # acknowledges frames
        self._changed = threading.Condition()
        self._lab = lab
        lab.send = self._receive

    def _receive(self, message: dict[str, Any]) -> None:
        message = json.loads(json.dumps(message))
        if "frame" in message:
            assert message["frame"] == len(self.frames) + 1
            self.columns = [*([] if message["whole"] else self.columns), *message["columns"]]
            if self.listens:
                self.ask(seen=message["frame"])
        with self._changed:
            self.messages.append(message)
            self._changed.notify_all()

    @property
    def frames(self) -> list[dict[str, Any]]:
        return [message for message in self.messages if "frame" in message]

    @property
    def errors(self) -> list[str]:
        return [message["error"] for message in self.messages if message.get("error")]

    def ask(self, **content: Any) -> None:
        self._lab._handle_custom_msg(content, [])

    def wait_until(self, true: Callable[[], Any]) -> None:
        with self._changed:
            assert self._changed.wait_for(true, PATIENCE), self.messages[-1:]

    def wait_for_frames(self, number: int) -> None:
        wanted = len(self.frames) + number
        self.wait_until(lambda: len(self.frames) >= wanted)


def break_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let whoever takes an item out of the buffer fail."""

    def broken(*_: object) -> int:
        raise ZeroDivisionError("no items")

    monkeypatch.setattr(buffers.QueueBuffer, "get", broken)


@pytest.fixture
def lab() -> Iterator[PipelineLab]:
    lab = PipelineLab(produce_rate=200, consume_rate=300)
    yield lab
    lab.close()
    assert threads() == []


def threads() -> list[str]:
    """Those that belong to a lab: the main thread and pytest's own do not."""
    kept = {"MainThread", "pytest_timeout"}
    alive = [thread.name for thread in threading.enumerate()]
    return [name for name in alive if not any(name.startswith(it) for it in kept)]


class TestSettings:
    def test_are_arguments_and_attributes_of_the_model(self) -> None:
        lab = PipelineLab(producers=3, capacity=None, mechanism="condition", seed=7)
        assert (lab.producers, lab.capacity, lab.mechanism, lab.seed) == (3, None, "condition", 7)
        lab.produce_rate = 55.5
        lab.capacity = 4
        assert lab.pipeline.settings == Settings(
            producers=3, capacity=4, mechanism="condition", seed=7, produce_rate=55.5
        )

    def test_the_page_follows_an_attribute(self, lab: PipelineLab) -> None:
        page = Page(lab)
        lab.consumers = 5
        assert page.frames[-1]["settings"]["consumers"] == 5

    def test_a_mistake_is_said_in_a_sentence_and_changes_nothing(self, lab: PipelineLab) -> None:
        with pytest.raises(ValueError, match="producers must be a whole number from 0 to 16, not 17"):
            lab.producers = 17
        with pytest.raises(ValueError, match="mechanism must be one of"):
            PipelineLab(mechanism="pipe")
        with pytest.raises(TypeError, match="producer"):
            PipelineLab(producer=1)
        assert lab.producers == 2

    def test_sliders_go_from_bound_to_bound_and_have_a_place_for_every_default(self) -> None:
        stops = {name: values for name, _, _, _, values in SLIDERS}
        bounds = {name: (values[0], values[-1]) for name, values in stops.items()}
        assert bounds["producers"] == bounds["consumers"] == (0, MOST_WORKERS)
        assert bounds["produce_rate"] == bounds["consume_rate"] == RATES
        assert bounds["capacity"] == (CAPACITIES[0], None)
        assert CAPACITIES[1] in stops["capacity"]
        for name, values in stops.items():
            assert getattr(Settings(), name) in values
            assert (numbers := [value for value in values if value is not None]) == sorted({*numbers})


class TestFrames:
    def test_each_goes_on_where_the_one_before_has_ended(self, lab: PipelineLab) -> None:
        page = Page(lab)
        lab.start()
        page.wait_for_frames(15)
        lab.stop()
        ends = [column[0] for column in page.columns]
        assert ends == sorted(ends)
        assert len({*ends}) == len(ends) >= 15
        for _, low, high, capacity, shares in page.columns:
            assert 0 <= low <= high <= capacity == 10
            assert all(len(parts) == 4 and sum(parts) <= 102 for parts in shares.values())
        *_, last = page.columns
        assert [*last[4]] == ["producer 1", "producer 2", "consumer 1"]
        assert any(shares["producer 1"][1] for *_, shares in page.columns), "it was never blocked"
        assert page.errors == []

    def test_say_what_the_model_says(self, lab: PipelineLab) -> None:
        page = Page(lab)
        lab.start()
        page.wait_for_frames(10)
        snapshot = lab.stop()
        last = page.frames[-1]
        numbers = dict(last["numbers"])
        assert last["running"] is False
        assert numbers["consumed"] == f"{snapshot.consumed:,}"
        assert numbers["predicted"] == "300.0/s"
        assert last["limit"] == snapshot.limit_sentence

    def test_a_page_that_comes_later_gets_the_whole_picture(self, lab: PipelineLab) -> None:
        page = Page(lab)
        lab.start()
        page.wait_for_frames(10)
        lab.stop()
        before = page.columns
        page.ask(show="view")
        assert page.frames[-1]["whole"] is True
        assert page.columns == before

    def test_reset_begins_a_new_picture(self, lab: PipelineLab) -> None:
        page = Page(lab)
        lab.start()
        page.wait_for_frames(5)
        lab.stop()
        page.ask(do="reset")
        assert page.frames[-1]["whole"] is True
        assert page.columns == []
        assert dict(page.frames[-1]["numbers"])["produced"] == "0"

    def test_another_mechanism_begins_a_new_picture(self, lab: PipelineLab) -> None:
        page = Page(lab)
        lab.start()
        page.wait_for_frames(5)
        seen = len(page.frames)
        lab.mechanism = "condition"
        page.wait_until(lambda: any(frame["whole"] for frame in page.frames[seen:]))
        page.wait_for_frames(5)
        lab.stop()
        assert len(page.columns) < len(page.frames)

    def test_none_pile_up_where_nobody_looks(self, lab: PipelineLab, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(panel, "BETWEEN_FRAMES", 0.005)
        monkeypatch.setattr(panel, "BETWEEN_UNSEEN", 3600.0)
        page = Page(lab)
        page.listens = False
        lab.start()
        page.wait_until(lambda: len(page.frames) == panel.ON_THEIR_WAY)
        drawn = lab._columns.add
        looked = threading.Semaphore(0)
        monkeypatch.setattr(lab._columns, "add", lambda it: (drawn(it), looked.release())[0])
        for _ in range(10):  # it goes on to look at the model
            assert looked.acquire(timeout=PATIENCE)
        assert len(page.frames) == panel.ON_THEIR_WAY
        page.ask(seen=page.frames[-1]["frame"])
        page.wait_for_frames(1)
        assert len(page.frames[panel.ON_THEIR_WAY]["columns"]) > 1
        lab.stop()

    def test_an_error_in_drawing_is_shown(self, lab: PipelineLab, monkeypatch: pytest.MonkeyPatch) -> None:
        def broken(_: object) -> bool:
            raise ZeroDivisionError("no pixels")

        page = Page(lab)
        lab.start()
        with monkeypatch.context() as patch:
            patch.setattr(lab._columns, "add", broken)
            page.wait_until(lambda: page.errors)
        assert page.errors == ["The picture stands still. ZeroDivisionError: no pixels"]
        lab.start()  # draws again
        page.wait_for_frames(3)

    def test_an_error_in_a_worker_is_shown(self, lab: PipelineLab, monkeypatch: pytest.MonkeyPatch) -> None:
        page = Page(lab)
        break_workers(monkeypatch)
        lab.start()
        page.wait_until(lambda: page.errors and not page.frames[-1]["running"])
        assert "ZeroDivisionError: no items" in page.errors[0]
        assert not lab.running
        monkeypatch.undo()
        lab.start()
        page.wait_until(lambda: page.frames[-1]["running"] and not page.frames[-1]["error"])


class TestStartAndStop:
    def test_twice_is_once(self, lab: PipelineLab) -> None:
        page = Page(lab)
        lab.start()
        lab.start()
        page.wait_for_frames(3)
        assert threads().count("frames") == threads().count("pipeline") == 1
        assert lab.running
        first = lab.stop()
        assert threads() == []
        assert lab.stop() == first
        assert not lab.running

    def test_the_page_has_the_same_buttons(self, lab: PipelineLab) -> None:
        page = Page(lab)
        page.ask(do="start")
        page.ask(do="start")
        page.wait_for_frames(3)
        assert page.frames[-1]["running"]
        page.ask(do="stop")
        page.ask(do="stop")
        assert not page.frames[-1]["running"]
        assert threads() == []

    def test_it_goes_on_after_a_stop(self, lab: PipelineLab) -> None:
        page = Page(lab)
        lab.start()
        page.wait_for_frames(5)
        before = lab.stop()
        lab.start()
        page.wait_for_frames(5)
        assert lab.stop().produced > before.produced

    def test_a_new_lab_stops_the_old_one(self, lab: PipelineLab) -> None:
        lab.start()
        for _ in range(10):
            newer = PipelineLab()
            assert threads() == []
            newer.start()
            assert newer.running
            assert threads().count("frames") == threads().count("pipeline") == 1
        newer.stop()
        assert threads() == []

    def test_starting_one_stops_the_other(self, lab: PipelineLab) -> None:
        other = PipelineLab()
        lab.start()
        other.start()
        assert (lab.running, other.running) == (False, True)
        other.stop()

    def test_changes_from_many_threads_at_once(self, lab: PipelineLab) -> None:
        page = Page(lab)
        lab.start()

        def move(view: int) -> None:
            for step in range(100):
                page.ask(set={"producers": step % 5, "capacity": 1 + step}, change=[f"{view}", step])

        movers = [threading.Thread(target=move, args=(view,)) for view in range(4)]
        for mover in movers:
            mover.start()
        for mover in movers:
            mover.join(PATIENCE)
        heard = [tuple(frame["heard"]) for frame in page.frames if frame["heard"]]
        assert sorted(heard) == sorted((f"{view}", step) for view in range(4) for step in range(100))
        assert (lab.producers, lab.capacity) == (4, 100)
        assert page.errors == []
        lab.stop()

    def test_a_closed_lab_leaves_nothing(self) -> None:
        lab = PipelineLab()
        lab.start()
        lab.close()
        lab.close()
        assert threads() == []


class TestSwitchInterval:
    """Threads that compute let others run sooner while a lab runs, and only then."""

    @pytest.fixture(autouse=True)
    def own_interval(self) -> Iterator[float]:
        before = sys.getswitchinterval()
        sys.setswitchinterval(0.025)
        yield sys.getswitchinterval()
        sys.setswitchinterval(before)

    def test_is_short_from_start_to_stop(self, lab: PipelineLab, own_interval: float) -> None:
        page = Page(lab)
        for _ in range(2):
            lab.start()
            page.wait_for_frames(1)
            assert sys.getswitchinterval() == pytest.approx(SHORT)
            lab.stop()
            assert sys.getswitchinterval() == own_interval

    def test_is_put_back_when_a_newer_lab_stops(self, lab: PipelineLab, own_interval: float) -> None:
        lab.start()
        newer = PipelineLab()
        assert sys.getswitchinterval() == own_interval
        page = Page(newer)
        lab.start()
        newer.start()
        page.wait_for_frames(1)
        assert sys.getswitchinterval() == pytest.approx(SHORT)
        newer.close()
        assert sys.getswitchinterval() == own_interval

    def test_is_put_back_after_an_error_in_a_worker(
        self, lab: PipelineLab, own_interval: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        page = Page(lab)
        break_workers(monkeypatch)
        lab.start()
        page.wait_until(lambda: page.errors and not page.frames[-1]["running"])
        assert lab._frames is not None
        lab._frames.join(PATIENCE)
        assert sys.getswitchinterval() == own_interval

    def test_is_put_back_after_an_error_in_drawing(
        self, lab: PipelineLab, own_interval: float, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def broken(_: object) -> bool:
            raise ZeroDivisionError("no pixels")

        lab.start()
        with monkeypatch.context() as patch:
            patch.setattr(lab._columns, "add", broken)
            assert lab._frames is not None
            lab._frames.join(PATIENCE)
        assert sys.getswitchinterval() == own_interval

    def test_of_somebody_else_stands(self, lab: PipelineLab) -> None:
        page = Page(lab)
        lab.start()
        page.wait_for_frames(1)
        sys.setswitchinterval(0.01)
        lab.stop()
        assert sys.getswitchinterval() == pytest.approx(0.01)


class TestStill:
    def test_stands_in_the_output_with_its_text(self) -> None:
        data, metadata = PipelineLab(consumers=0, capacity=None)._repr_mimebundle_()
        assert data[VIEW]["model_id"]
        assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
        assert metadata["image/png"]["alt"] == data["text/plain"]
        assert data["text/plain"].startswith(
            "2 producers at 20/s each, 0 consumers at 30/s; buffer without bound; queue, threads, steady times."
        )
        assert '<img alt="2 producers at 20/s each' in data["text/html"]
        assert {VIEW, "image/png", "text/html"} <= {*metadata["helpers"]["raw"]}

    def test_its_text_is_the_same_before_and_after_a_run(self, lab: PipelineLab) -> None:
        before, _ = lab._repr_mimebundle_()
        page = Page(lab)
        lab.start()
        page.wait_for_frames(5)
        lab.stop()
        after, _ = lab._repr_mimebundle_()
        assert after["text/plain"] == before["text/plain"]
        assert after["image/png"] != before["image/png"]

    @pytest.mark.parametrize(
        ("settings", "ends"),
        [
            (Settings(producers=2, consumers=1), (WINDOW, 10.0)),
            (Settings(producers=1, consumers=1), (WINDOW, 0.0)),
            (Settings(consumers=0, capacity=None), (WINDOW, 40 * WINDOW)),
            (Settings(consumers=0, capacity=1000, produce_rate=0.5), (WINDOW, WINDOW)),
        ],
    )
    def test_the_forecast_ends_where_water_would(self, settings: Settings, ends: tuple[float, float]) -> None:
        assert forecast(settings)[-1] == ends


class TestColumns:
    def snapshot(self, seconds: float, depth: int, *more: tuple[float, int], **spent: float) -> Snapshot:
        whole = PipelineLab(producers=0, consumers=0).pipeline.snapshot()
        worker = Worker("consumer 1", "consumer", "waiting", spent, 0, False)
        changes = {"seconds": seconds, "in_buffer": depth, "depth": more, "workers": (worker,)}
        return whole.__class__(**{**{name: getattr(whole, name) for name in vars(whole)}, **changes})

    def test_have_the_extremes_of_the_depth_and_the_shares_of_the_states(self) -> None:
        columns = Columns()
        columns.add(self.snapshot(0.04, 3, (0.02, 7), waiting=0.03, consuming=0.01))
        columns.add(self.snapshot(0.08, 4, (0.02, 7), (0.06, 9), waiting=0.03, consuming=0.05))
        assert columns.unsent(whole=False) == [
            (0.04, 0, 7, 10, {"consumer 1": [0, 0, 75, 25]}),
            (0.08, 3, 9, 10, {"consumer 1": [0, 0, 0, 100]}),
        ]
        assert columns.unsent(whole=False) == []
        assert len(columns.unsent(whole=True)) == 2

    def test_of_a_late_snapshot_several_are_made(self) -> None:
        columns = Columns()
        columns.add(self.snapshot(0.2, 4, (0.06, 7), (0.07, 2), (0.14, 9), waiting=0.05, consuming=0.15))
        shares = {"consumer 1": [0, 0, 25, 75]}
        assert columns.unsent(whole=False) == [
            (0.05, 0, 0, 10, shares),
            (0.1, 0, 7, 10, shares),
            (0.15, 2, 9, 10, shares),
            (0.2, 4, 9, 10, shares),
        ]

    def test_of_a_worker_that_came_in_between_only_its_own_part_is_filled(self) -> None:
        columns = Columns()
        columns.add(self.snapshot(0.04, 0, waiting=0.01))
        ((*_, shares),) = columns.unsent(whole=False)
        assert shares == {"consumer 1": [0, 0, 25, 0]}

    def test_the_old_ones_are_forgotten(self) -> None:
        columns = Columns()
        for step in range(2000):
            columns.add(self.snapshot((step + 1) / 20, 0))
        ends = [column[0] for column in columns.unsent(whole=False)]
        assert ends == [step / 20 for step in range(1400, 2001)]

    def test_a_model_that_begins_anew_begins_new_columns(self) -> None:
        columns = Columns()
        assert not columns.add(self.snapshot(5.0, 5))
        assert columns.add(self.snapshot(0.04, 1))
        assert [column[:3] for column in columns.unsent(whole=True)] == [(0.04, 0, 1)]


def test_workers_that_have_not_been_started_have_a_lane(lab: PipelineLab) -> None:
    page = Page(lab)
    lab.producers = 1
    assert page.frames[-1]["workers"] == [
        ["producer 1", "producer", "not started"],
        ["consumer 1", "consumer", "not started"],
    ]

"""A saved timeline comes back as it was; what is not one is refused in a sentence."""

from __future__ import annotations

import base64
import io
import json
import zlib
from pathlib import Path
from typing import Any

import pytest

from helpers.timeline import Timeline
from tests.timeline import made
from tests.timeline.made import Story


def assert_equal(one: Timeline, other: Timeline) -> None:
    assert one.lanes == other.lanes
    assert one.objects == other.objects
    assert one.stuck == other.stuck
    assert one.notes == other.notes
    assert one.marks == other.marks
    assert one.steps == other.steps
    assert one.duration == other.duration
    assert len(one.spans) == len(other.spans)
    pairs = [
        *zip(one.spans, other.spans, strict=True),
        (one.holds, other.holds),
        (one.wakeups, other.wakeups),
    ]
    for before, after in pairs:
        assert before.columns.dtype == after.columns.dtype
        assert before.columns.tobytes() == after.columns.tobytes()  # to the bit, NaN too
        assert list(before[:100]) == list(after[:100])


@pytest.mark.parametrize("name", made.SMALL)
def test_it_comes_back_as_it_was(name: str, tmp_path: Path) -> None:
    timeline = made.SMALL[name]()
    timeline.save(tmp_path / "a timeline")
    assert_equal(timeline, Timeline.load(tmp_path / "a timeline"))


@pytest.mark.parametrize("timeline", [Timeline.empty(), made.crowd(100_000), Story("a note").told()])
@pytest.mark.parametrize("name", ["saved.json", "saved.npz", "saved"])
def test_whatever_the_size_and_the_file_s_name(timeline: Timeline, name: str, tmp_path: Path) -> None:
    timeline.save(str(tmp_path / name))
    assert_equal(timeline, Timeline.load(str(tmp_path / name)))


def test_it_can_be_drawn_and_told_again(tmp_path: Path) -> None:
    timeline = made.killed_reader()
    timeline.save(tmp_path / "saved.json")
    again = Timeline.load(tmp_path / "saved.json")
    pictures = []
    for each in (timeline, again):
        file = io.BytesIO()
        each.plot().savefig(file, format="png")
        pictures.append(file.getvalue())
    assert pictures[0] == pictures[1]
    assert again.summary() == timeline.summary()


def test_names_with_strange_letters_come_back(tmp_path: Path) -> None:
    story = Story()
    story.did(story.lane("tab\t, \u65e5\u672c, \udcff and \0"), "running", 1.0)
    story.told().save(tmp_path / "saved")
    assert Timeline.load(tmp_path / "saved").lanes == story.told().lanes


def test_the_file_is_json(tmp_path: Path) -> None:
    made.deadlock().save(tmp_path / "saved.json")
    content = json.loads((tmp_path / "saved.json").read_text("ascii"))
    assert [lane["thread"] for lane in content["lanes"]] == ["MainThread", "Thread-1 (one)", "Thread-2 (two)"]
    assert content["cycle"] == [1, 2]


def refused(path: Path) -> str:
    with pytest.raises(
        ValueError, match=r"is not a timeline saved by|was saved by a newer version of"
    ) as error:
        Timeline.load(path)
    message = str(error.value)
    assert "\n" not in message
    assert str(path) in message
    return message


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{}",
        b"[]",
        b"null",
        b'"timeline"',
        b"[" * 100_000,
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xfe\x00",
        b"PK\x03\x04",
        b'{"format": "python-concurrency-course timeline"}',
        b'{"format": "python-concurrency-course timeline", "version": "one"}',
    ],
)
def test_what_is_not_a_timeline_is_refused(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_bytes(content)
    assert refused(path) == f"{path} is not a timeline saved by this package, or it is damaged."


def test_a_file_cut_short_anywhere_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "saved.json"
    made.killed_reader().save(path)
    whole = path.read_bytes()
    for length in range(0, len(whole), 7):
        path.write_bytes(whole[:length])
        refused(path)


def spoil(content: dict[str, Any], *where: Any, to: Any) -> None:
    for key in where[:-1]:
        content = content[key]
    content[where[-1]] = to


@pytest.mark.parametrize(
    "change",
    [
        (("lanes", 0, "pid"), "100"),
        (("lanes", 0, "number"), 1),
        (("lanes", 1, "parent"), 99),
        (("lanes", 0, "born"), None),
        (("lanes", 0, "colour"), "red"),
        (("lanes",), []),
        (("objects", 0), {"kind": "Lock"}),
        (("objects",), []),
        (("stuck", 0, "lane"), 77),
        (("stuck", 0, "on"), "lock"),
        (("stuck", 0, "workers"), [0, 9]),
        (("stuck", 0, "workers"), None),
        (("cycle",), [0, 9]),
        (("cycle",), None),
        (("states",), ["running"]),
        (("notes",), [1]),
        (("marks",), [{"lane": 3, "at": 1.0, "text": "5: read x"}]),
        (("marks",), [{"lane": 0, "at": None, "text": "5: read x"}]),
        (("marks",), [{"lane": 0, "at": 1.0}]),
        (("marks",), None),
        (("steps",), 1),
        (("duration",), "long"),
        (("spans of lane",), [1, 2, 3]),
        (("spans of lane",), [-1, 5, 6]),
        (("spans", "state", "data"), ""),
        (("spans", "state", "data"), "not base 64!"),
        (("spans", "start", "data"), base64.b64encode(zlib.compress(bytes(8))).decode()),
        (("spans", "state", "count"), 3),
        (("spans", "lane", "count"), 10**15),
        (("spans", "lane", "count"), -1),
        (("spans", "start", "type"), "<f4"),
        (("spans", "start", "type"), "|O"),
        (("holds",), {}),
        (("wakeups", "at"), None),
    ],
)
def test_a_file_that_contradicts_itself_is_refused(change: tuple[Any, Any], tmp_path: Path) -> None:
    path = tmp_path / "saved.json"
    made.deadlock().save(path)
    content = json.loads(path.read_bytes())
    spoil(content, *change[0], to=change[1])
    path.write_text(json.dumps(content))
    refused(path)


@pytest.mark.parametrize("column", ["lane", "start", "end", "woken", "state"])
def test_a_changed_letter_in_the_numbers_is_noticed(column: str, tmp_path: Path) -> None:
    path = tmp_path / "saved.json"
    made.lock().save(path)
    content = json.loads(path.read_bytes())
    data = content["spans"][column]["data"]
    for place in range(8, len(data) - 8, 5):
        other = "A" if data[place] != "A" else "B"
        content["spans"][column]["data"] = data[:place] + other + data[place + 1 :]
        path.write_text(json.dumps(content))
        refused(path)


def test_a_newer_version_is_named_as_such(tmp_path: Path) -> None:
    path = tmp_path / "saved.json"
    made.lock().save(path)
    content = json.loads(path.read_bytes())
    path.write_text(json.dumps(content | {"version": 2}))
    assert refused(path) == f"{path} was saved by a newer version of this package: update it to read this."


def test_a_file_of_before_there_were_schedules_is_read(tmp_path: Path) -> None:
    path = tmp_path / "saved.json"
    made.lock().save(path)
    content = json.loads(path.read_bytes())
    del content["marks"], content["steps"]
    path.write_text(json.dumps(content))
    assert_equal(made.lock(), Timeline.load(path))


def test_a_missing_file_is_the_usual_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Timeline.load(tmp_path / "nowhere.json")


def test_a_failed_save_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "saved.json"
    made.lock().save(path)
    before = path.read_bytes()
    unwritable = Story(object()).told()  # type: ignore[arg-type]
    with pytest.raises(TypeError):
        unwritable.save(path)
    assert path.read_bytes() == before
    assert [file.name for file in tmp_path.iterdir()] == ["saved.json"]


def test_saving_over_an_old_file_replaces_it(tmp_path: Path) -> None:
    path = tmp_path / "saved.json"
    made.crowd(1_000).save(path)
    made.lock().save(path)
    assert_equal(made.lock(), Timeline.load(path))
    assert [file.name for file in tmp_path.iterdir()] == ["saved.json"]

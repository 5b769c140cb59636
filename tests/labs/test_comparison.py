"""Runs side by side: the table has their counts, the figure is described by what went wrong."""

from __future__ import annotations

import base64

from helpers.labs import Pipeline, compare


def test_the_table_has_the_counts_of_each_run() -> None:
    runs = {
        "right": Pipeline(produce_rate=200, consume_rate=200).run(0.2),
        "wrong": Pipeline(mechanism="event", capacity=1, producers=4, produce_rate=200).run(0.2),
    }
    comparison = compare(runs)
    head, *rows = str(comparison).splitlines()
    assert head.split() == ["produced", "consumed", "left", "lost", "twice", "items/s", "blocked", "waiting"]
    for row, (name, run) in zip(rows, runs.items(), strict=True):
        counts = [run.produced, run.consumed, run.in_buffer, run.lost, run.duplicated]
        assert row.split()[:6] == [name, *map(str, counts)]
    data, metadata = comparison._repr_mimebundle_()
    assert base64.b64decode(data["image/png"]).startswith(b"\x89PNG")
    assert data["text/plain"] == metadata["image/png"]["alt"]
    assert "right: no item lost or twice. wrong: items lost." in data["text/plain"]
    assert len(comparison.figure().axes) == 3


def test_a_run_without_workers_can_be_compared() -> None:
    comparison = compare({"nobody": Pipeline(producers=0, consumers=0).run(0.05)})
    assert str(comparison).splitlines()[1].split()[-2:] == ["0%", "0%"]
    assert comparison._repr_mimebundle_()[0]["image/png"]

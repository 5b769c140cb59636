"""What can be set, and what is refused with which words."""

from __future__ import annotations

import math
from typing import Any

import pytest

from helpers.labs import Pipeline


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("producers", -1, "a whole number from 0 to 16"),
        ("producers", 17, "a whole number from 0 to 16"),
        ("consumers", 1.5, "a whole number from 0 to 16"),
        ("consumers", True, "a whole number from 0 to 16"),
        ("produce_rate", 0.4, "from 0.5 to 1000"),
        ("produce_rate", math.nan, "from 0.5 to 1000"),
        ("consume_rate", 1001, "from 0.5 to 1000"),
        ("consume_rate", "fast", "from 0.5 to 1000"),
        ("capacity", 0, "from 1 to 1000, or None for no bound"),
        ("capacity", 1001, "from 1 to 1000, or None for no bound"),
        ("capacity", math.inf, "from 1 to 1000, or None for no bound"),
        ("mechanism", "lock", "'queue', 'condition', 'semaphores', 'event', 'none'"),
        ("engine", "asyncio", "'threads', 'processes'"),
        ("arrivals", None, "'steady', 'random'"),
        ("seed", "x", "a whole number"),
    ],
)
def test_what_is_out_of_bounds_is_refused_with_the_bounds(name: str, value: Any, words: str) -> None:
    pipeline = Pipeline()
    before = pipeline.settings
    with pytest.raises(ValueError, match=f"^{name} must be ") as error:
        Pipeline(**{name: value})
    assert words in str(error.value)
    assert str(error.value).endswith(f", not {value!r}.")
    with pytest.raises(ValueError, match=f"^{name} must be "):
        setattr(pipeline, name, value)
    assert pipeline.settings == before


def test_what_is_set_can_be_read_at_once() -> None:
    pipeline = Pipeline(capacity=None, produce_rate=1)
    assert (pipeline.capacity, pipeline.produce_rate, pipeline.engine) == (None, 1, "threads")
    pipeline.capacity = 3
    pipeline.arrivals = "random"
    assert (pipeline.capacity, pipeline.arrivals) == (3, "random")


def test_several_settings_change_together_or_not_at_all() -> None:
    pipeline = Pipeline()
    pipeline.set(producers=4, consumers=0)
    assert (pipeline.producers, pipeline.consumers) == (4, 0)
    with pytest.raises(ValueError, match="consumers"):
        pipeline.set(producers=5, consumers=99)
    assert (pipeline.producers, pipeline.consumers) == (4, 0)


def test_a_setting_that_does_not_exist_is_refused() -> None:
    with pytest.raises(TypeError, match="speed"):
        Pipeline(speed=3)
    with pytest.raises(TypeError, match="speed"):
        Pipeline().set(speed=3)

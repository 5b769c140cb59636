"""Every known bug is found, with a schedule that shows it again; every mend is clean, under all schedules."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.schedules.corpus import pairs
from tests.schedules.judging import clean, found

PAIRS = list(pairs())
MENDS = list({pair.mend: pair for pair in PAIRS}.values())  # some mend more than one bug


def marked(chosen):
    """The pairs as parameters, the long ones marked."""
    return [
        pytest.param(pair, id=str(pair), marks=[pytest.mark.exhaustive] if pair.long else [])
        for pair in chosen
    ]


def test_the_corpus_is_complete():
    assert len(PAIRS) >= 40
    assert all(pair.mend for pair in PAIRS)
    assert Counter(map(str, PAIRS)).most_common(1)[0][1] == 1


@pytest.mark.parametrize("pair", marked(PAIRS))
def test_a_bug_is_found_and_replays(pair):
    is_found, result = found(pair)
    assert is_found, result


@pytest.mark.parametrize("pair", marked(MENDS))
def test_a_mend_is_clean(pair):
    is_clean, result = clean(pair)
    assert is_clean, result

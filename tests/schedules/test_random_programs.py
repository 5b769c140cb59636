"""Random programs: one schedule of each class shows what all schedules show, and all that real threads do."""

from __future__ import annotations

import sys
from itertools import islice

import pytest

from tests.benchmarks.table import install
from tests.schedules.outcomes import compare, compared, second_opinions, unpredicted
from tests.schedules.random_programs import random_program, shrink
from tests.schedules.second_opinion import TOOL

AT_A_TIME = 100
BLOCKS = range(20, 20 + 24)  # of so many programs: beyond those of every run


def comparisons(first, count, folder, most):
    """So many programs of at most so many classes, with what is found of each; none may differ."""
    programs = map(random_program, range(first, sys.maxsize))
    small = islice((each for each in compared(programs, folder, most) if each.known), count)
    found = list(small)
    different = [each for each in found if each.differs]
    assert not different, "\n".join(map(str, different))
    return found


def test_a_seed_gives_the_same_program():
    assert [random_program(seed).source() for seed in range(20)] == [
        random_program(seed).source() for seed in range(20)
    ]
    assert len({random_program(seed).source() for seed in range(20)}) == 20


def test_a_program_shrinks_to_what_makes_it_fail():
    def tells(program):
        return "notify" in program.source()

    program = next(program for program in map(random_program, range(1000)) if tells(program))
    smallest = shrink(program, tells)
    assert tells(smallest)
    assert not any(tells(smaller) for smaller in smallest.smaller())
    assert len(smallest.source()) < len(program.source())


def test_classes_and_real_threads(tmp_path):
    found = comparisons(0, 60, tmp_path, most=25)
    assert not unpredicted(found, 1)


@pytest.mark.exhaustive
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("block", BLOCKS)
def test_many_programs(block, tmp_path):
    found = comparisons(block * AT_A_TIME, AT_A_TIME, tmp_path, most=1_000)
    assert not unpredicted(found, 3, seed=block)


@pytest.mark.exhaustive
@pytest.mark.timeout(1200)
@pytest.mark.skipif(sys.version_info < (3, 12), reason="interleave-test needs Python 3.12")
def test_another_explorer_shows_nothing_new(tmp_path):
    if not install(TOOL, sys.executable, tmp_path / "packages"):
        pytest.skip("interleave-test cannot be installed")
    found = [compare(random_program(seed), tmp_path) for seed in range(300)]
    asked = second_opinions(found, sys.executable, tmp_path / "packages", 100, tmp_path)
    assert len(asked) > 100
    new = [(str(each.program.source()), each.seen - each.predicted) for each in asked]
    assert not [(source, outcomes) for source, outcomes in new if outcomes]

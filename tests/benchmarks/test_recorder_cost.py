"""What recording costs, against the same program unrecorded. Ratios of one run, with room for a busy machine.

The figures to reach, and measurements with more patience: `python -m helpers bench recorder`.
"""

from __future__ import annotations

import json
import sys

import pytest

from helpers.script import run_script
from tests.benchmarks import workloads

# What must be reached on a quiet machine is 1.02, 5.5, 2 and 1.25.
COSTS = {
    "code without synchronisation": (workloads.FIB, 1.5),
    # An unrecorded lock costs a quarter since Python 3.14; what recording adds has not changed.
    "an empty with": (workloads.EMPTY_WITH, 9.0 if sys.version_info < (3, 14) else 25.0),
    "queue put and get": (workloads.QUEUE, 4.0),
    "thread start and join": (workloads.START_AND_JOIN, 2.5),
}


def nanoseconds(turns: str, *, record: bool) -> float:
    run = run_script(workloads.program(turns), record=record, timeout=60)
    assert run.exit_code == 0
    assert bool(run.timeline.lanes) is record
    return float(json.loads(run.stdout)["ns"])


@pytest.mark.parametrize("what", COSTS)
def test_recording_costs_no_more_than(what: str) -> None:
    turns, most = COSTS[what]
    bare, recorded = [], []
    for _ in range(2):  # by turns: what disturbs the machine for a while disturbs both
        bare.append(nanoseconds(turns, record=False))
        recorded.append(nanoseconds(turns, record=True))
    print(f"\n{what}: {min(recorded) / min(bare):.2f} times")
    assert min(recorded) < most * min(bare)


def test_a_program_without_threads_does_not_pay_for_them() -> None:
    program = "import sys; print('threading' in sys.modules)"
    run = run_script(program)
    assert run.stdout == run_script(program, record=False).stdout
    assert [lane.thread for lane in run.timeline.lanes] == ["MainThread"]

"""What recording costs, against the same program unrecorded. Ratios of one run, with room for a busy machine.

The figures to reach, and measurements with more patience: `python -m helpers bench recorder`.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from helpers.script import make_recording_folder, recording_environment, run_script
from tests.benchmarks import workloads

# What must be reached on a quiet machine is 1.02, 5.5, 2 and 1.25.
COSTS = {
    "code without synchronisation": (workloads.FIB, 1.5),
    # An unrecorded lock costs a quarter since Python 3.14; what recording adds has not changed.
    "an empty with": (workloads.EMPTY_WITH, 9.0 if sys.version_info < (3, 14) else 25.0),
    "queue put and get": (workloads.QUEUE, 4.0),
    "thread start and join": (workloads.START_AND_JOIN, 2.5),
}


@pytest.fixture
def recording() -> Iterator[Path]:
    folder = make_recording_folder()
    yield Path(folder)
    shutil.rmtree(folder)


@pytest.mark.parametrize("what", COSTS)
def test_recording_costs_no_more_than(what: str, tmp_path: Path, recording: Path) -> None:
    turns, most = COSTS[what]
    program = tmp_path / "program.py"
    program.write_text(workloads.program(turns), encoding="utf-8")
    command = [sys.executable, str(program)]
    recorded = os.environ | recording_environment(os.environ, recording)
    taken = workloads.in_turns(
        {"bare": (command, os.environ), "recorded": (command, recorded)}, 30, deadline=60
    )
    assert any(recording.glob("*.rec"))
    cost = workloads.times(taken["recorded"], taken["bare"])
    print(f"\n{what}: {cost:.2f} times")
    assert cost < most


def test_a_program_without_threads_does_not_pay_for_them() -> None:
    program = "import sys; print('threading' in sys.modules)"
    run = run_script(program)
    assert run.stdout == run_script(program, record=False).stdout
    assert [lane.thread for lane in run.timeline.lanes] == ["MainThread"]

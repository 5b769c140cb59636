"""Recording changes nothing: CPython's own tests come out recorded as they come out bare, on the same Python.

Some of them fail bare where the machine is not theirs (no network, root), so each suite is run twice and every
test that passes bare must pass recorded. Needs an interpreter with its `test` package; some systems install it
apart, or leave modules out.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from helpers.script import make_recording_folder, recording_environment
from helpers.timeline.building import build
from helpers.timeline.reading import Recording

RUNNER = Path(__file__).with_name("unittest_results.py")

# Tests that look at what a recorder cannot hide. Each must really fail: one that passes is to be taken out.
INTROSPECTIVE = {
    "test_threading.ThreadTests.test_join_nondaemon_on_shutdown": "prints repr(time.sleep), which is a built-in",
}
if sys.version_info < (3, 13):
    INTROSPECTIVE["test_threading.ThreadTests.test_disallow_instantiation"] = (
        "wants type(threading.Lock()) not to be callable, which from 3.13 on it is"
    )

QUICK = {
    "test_thread": ["test_thread"],
    "test_queue": [
        f"test_queue.{kind}{name}Test"
        for kind, name in (
            ("Py", "Queue"),
            ("Py", "FailingQueue"),
            ("Py", "SimpleQueue"),
            ("C", "SimpleQueue"),
        )
    ],
    "test_sched": ["test_sched"],
    "test_threading_local": ["test_threading_local"],
    "test_contextlib": ["test_contextlib"],
    "test_threading": [
        f"test_threading.{name}"
        for name in (
            *("ThreadTests", "ThreadingExceptionTests", "TimerTests", "LockTests", "CRLockTests"),
            *("ConditionTests", "SemaphoreTests", "BoundedSemaphoreTests", "EventTests", "BarrierTests"),
            *("MiscTestCase", "InterruptMainTests", "AtexitTests"),
        )
    ],
}
# In so many parts, because a recording has room for about 500 processes and 64 MiB.
WHOLE = {
    "test_queue": 1,
    "test_threading": 1,
    "test_concurrent_futures": 12,
    "test_multiprocessing_fork": 7,
    "test_multiprocessing_spawn": 7,
    "test_multiprocessing_forkserver": 7,
}


def run(names, shard, of, folder, recording=None, seconds=900):
    """How each of the tests came out, by its name, and what went wrong with it."""
    folder.mkdir()
    environment = {
        name: value
        for name, value in os.environ.items()
        if name == "PYTHONPATH" or not name.startswith(("PYTHON", "PYTEST_", "HELPERS_"))
    }
    if recording is not None:
        environment.update(recording_environment(environment, recording))
    results = folder / "results"
    command = [
        sys.executable,
        str(RUNNER),
        str(results),
        str(shard),
        str(of),
        *[f"test.{name}" for name in names],
    ]
    with (folder / "output").open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    assert results.exists(), (folder / "output").read_text(errors="replace")
    outcomes = {}
    for line in results.read_text(encoding="utf-8").splitlines():
        test, outcome, text = json.loads(line)
        # A subtest that fails is told before its test ends.
        if outcomes.get(test, ("started",))[0] != "failed":
            outcomes[test] = outcome, text
    return outcomes


def compare(names, shard, of, folder, recording):
    suite = names[0].partition(".")[0]
    if not _is_there(suite):
        pytest.skip(f"this Python comes without test.{suite}")
    # One after the other: some tests make shared memory under names that the whole machine knows.
    bare = run(names, shard, of, folder / "bare")
    recorded = run(names, shard, of, folder / "recorded", recording)
    passed = {test for test, (outcome, _) in bare.items() if outcome == "passed"}
    print(f"{len(bare)} tests, {len(passed)} of them pass bare; recorded:", _counted(recorded))
    different = {test: recorded.get(test, ("not run", "")) for test in passed}
    different = {test: how for test, how in different.items() if how[0] != "passed"}
    excused = {f"test.{test}" for test in INTROSPECTIVE}
    for test in sorted(different.keys() - excused):
        print(f"\n{test}: {': '.join(different[test])}")
    assert passed
    assert not different.keys() - excused
    assert passed & excused == different.keys() & excused
    # And they were recorded, to the end.
    read = Recording(recording)
    # Some tests start a Python that looks at no environment (-E, -I): that it is not recorded is said.
    assert [note for note in read.notes if not note.startswith("Not recorded: `")] == []
    assert build(read, root=next(iter(read.processes.values())).pid).lanes


def _is_there(suite):
    made_by = "_test_multiprocessing" if suite.startswith("test_multiprocessing_") else suite
    try:
        return importlib.util.find_spec(f"test.{made_by}") is not None
    except ImportError:  # not even the package
        return False


def _counted(outcomes):
    kinds = [outcome for outcome, _ in outcomes.values()]
    return ", ".join(f"{kinds.count(kind)} {kind}" for kind in sorted(set(kinds)))


@pytest.fixture
def recording():
    folder = Path(make_recording_folder())
    yield folder
    for file in folder.iterdir():
        file.unlink()
    folder.rmdir()


@pytest.mark.parametrize("suite", QUICK)
def test_the_quick_part(suite, tmp_path, recording):
    compare(QUICK[suite], 0, 1, tmp_path, recording)


@pytest.mark.cpython
@pytest.mark.timeout(1000)
@pytest.mark.parametrize(
    ("suite", "shard"), [(suite, shard) for suite, count in WHOLE.items() for shard in range(count)]
)
def test_the_whole(suite, shard, tmp_path, recording):
    compare([suite], shard, WHOLE[suite], tmp_path, recording)

"""What blocks in the operating system: commands, children, signals, locks of files."""

from __future__ import annotations

import sys

import pytest

from tests.recorder.programs import METHODS, WAITING, forks, recorded

posix = pytest.mark.skipif(sys.platform == "win32", reason="needs signals and locks of POSIX")
waits_for_signals = pytest.mark.skipif(sys.platform in ("win32", "darwin"), reason="needs sigtimedwait")


@posix
def test_a_command_of_the_shell_is_waited_for():
    seen = recorded(
        """
import os
print(os.waitstatus_to_exitcode(os.system("exit 3")))
try: os.system(None)
except TypeError: print("refused")
"""
    )
    assert seen.run.stdout == "3\nrefused\n"
    assert seen.waits["MainThread"][0] == ("join", "exit")


@posix
def test_a_command_of_the_shell_that_does_not_end():
    seen = recorded("import os\nos.system('sleep 1000')", timeout=2)
    assert seen.timeline.summary().splitlines()[-1] == (
        "Still waiting when stopped: MainThread waits for sleep to end."
    )


@forks
def test_a_child_waited_for_by_waitid():
    seen = recorded(
        """
import os
def child(code):
    pid = os.fork()
    if not pid: os._exit(code)
    return pid
print(os.waitid(os.P_PID, child(3), os.WEXITED).si_status)
print(os.waitid(os.P_ALL, 0, os.WEXITED).si_status if child(4) else "")
print(os.waitid(os.P_PID, (pid := child(5)), os.WEXITED | os.WNOWAIT).si_status)
print(os.waitid(os.P_PID, pid, os.WEXITED | os.WNOHANG).si_status)
try: os.waitid(os.P_PID, pid, os.WEXITED)
except ChildProcessError: print("none left")
try: os.waitid(os.P_PID)
except TypeError: print("refused")
"""
    )
    assert seen.run.stdout == "3\n4\n5\n5\nnone left\nrefused\n"
    assert [name for state, name in seen.waits["MainThread"] if state == "join"] == [
        "child 1",
        "any child",
        "child 3",
        "child 3",
    ]
    assert ("child 1", "MainThread", "child 1") in seen.wakeups
    assert ("child 2", "MainThread", "any child") in seen.wakeups
    assert [seen.lanes[f"child {number}"].detail for number in (1, 2, 3)] == [
        "exit code 3",
        "exit code 4",
        "exit code 5",
    ]


@posix
def test_pause_waits_for_a_signal():
    seen = recorded(
        """
import signal
signal.signal(signal.SIGALRM, lambda *_: print("heard") or signal.setitimer(signal.ITIMER_REAL, 0))
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
signal.pause()
"""
    )
    assert seen.run.stdout == "heard\n"
    assert seen.waits["MainThread"] == [("signal", "a signal")]
    assert seen.spans["MainThread"][1].woken is None


@waits_for_signals
@pytest.mark.parametrize("call", ["sigwait([USED])", "sigwaitinfo([USED])", "sigtimedwait([USED], 1000)"])
@pytest.mark.parametrize("sent", ["os.kill(os.getpid(), USED)", "signal.pthread_kill(waiter, USED)"])
def test_who_waits_for_a_signal_is_woken_by_who_sends_it(call, sent):
    seen = recorded(
        WAITING
        + f"""
import os, signal
USED = signal.SIGUSR1
signal.pthread_sigmask(signal.SIG_BLOCK, [USED])
def waits():
    global waiter
    waiter = threading.get_ident()
    print(getattr(heard := signal.{call}, "si_signo", heard) == USED)
run(waits, lambda: {sent}, "waiting")
"""
    )
    assert seen.run.stdout == "True\n"
    assert seen.waits["waiter"] == [("signal", "a signal")]
    assert ("MainThread", "waiter", "a signal") in seen.wakeups


@waits_for_signals
def test_a_signal_that_does_not_come_and_one_that_is_there():
    seen = recorded(
        """
import signal
signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
print(signal.sigtimedwait([signal.SIGUSR1], 0.01))
signal.raise_signal(signal.SIGUSR1)
print(signal.sigtimedwait([signal.SIGUSR1], 0).si_signo == signal.SIGUSR1)
try: signal.sigwait(1)
except TypeError: print("refused")
"""
    )
    assert seen.run.stdout == "None\nTrue\nrefused\n"
    assert seen.waits["MainThread"][0] == ("signal", "a signal")
    assert all(span.woken is None for span in seen.spans["MainThread"])


@posix
def test_functions_of_signal_are_its_own_and_pickled_as_such():
    seen = recorded(
        """
import pickle, signal
for function in (signal.pause, signal.pthread_kill, signal.sigwait):
    print(function.__module__, pickle.loads(pickle.dumps(function)) is function)
"""
    )
    assert seen.run.stdout == "signal True\n" * 3


@posix
def test_a_lock_of_a_file_is_waited_for(tmp_path):
    seen = recorded(
        WAITING
        + """
import fcntl
one, other = open("jobs", "w"), open("jobs", "w")
fcntl.flock(one, fcntl.LOCK_EX)
try: fcntl.flock(other, fcntl.LOCK_EX | fcntl.LOCK_NB)
except BlockingIOError: print("taken")
run(lambda: fcntl.flock(other.fileno(), fcntl.LOCK_EX), lambda: fcntl.flock(one, fcntl.LOCK_UN), "waiting")
for wrong in ((), (one,), (-1, fcntl.LOCK_EX), (one, "x")):
    try: fcntl.flock(*wrong)
    except (TypeError, ValueError, OSError) as error: print(type(error).__name__)
""",
        cwd=tmp_path,
    )
    assert seen.run.stdout == "taken\nTypeError\nTypeError\nValueError\nTypeError\n"
    assert seen.waits["waiter"] == [("lock", "lock of jobs")]
    assert seen.waits["MainThread"] == [("sleep", "")] * (len(seen.waits["MainThread"]) - 1) + [
        ("join", "waiter")
    ]
    assert ("MainThread", "waiter", "lock of jobs") in seen.wakeups


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, to see that a process is blocked")
@pytest.mark.parametrize("call", ["flock", "lockf"])
@pytest.mark.parametrize("method", METHODS)
def test_a_lock_of_a_file_is_known_in_other_processes(call, method, tmp_path):
    seen = recorded(
        f"""
import fcntl, multiprocessing, time
def wait(about_to):
    with open("jobs", "w") as file:
        about_to.send(None)
        fcntl.{call}(file, fcntl.LOCK_EX)
def blocked(process):
    with open(f"/proc/{{process.pid}}/stat") as stat: return stat.read().rpartition(")")[2].split()[0] == "S"
if __name__ == "__main__":
    told, about_to = multiprocessing.Pipe(False)
    with open("jobs", "w") as file:
        fcntl.{call}(file, fcntl.LOCK_EX)
        process = multiprocessing.Process(target=wait, args=(about_to,), name="waiter")
        process.start()
        told.recv()
        while not blocked(process): time.sleep(0.001)
        fcntl.{call}(file, fcntl.LOCK_UN)
        process.join()
""",
        start_method=method,
        timeout=30,
        cwd=tmp_path,
    )
    assert ("lock", "lock of jobs") in seen.waits["waiter"]
    assert ("MainThread", "waiter", "lock of jobs") in seen.wakeups
    (lock,) = (thing for thing in seen.timeline.objects if thing.kind == "file lock")
    assert lock.file == "script.py"

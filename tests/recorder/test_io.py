"""Commands, pipes and sockets."""

from __future__ import annotations

import os
import sys

import pytest

from helpers.script import run_script
from tests.recorder.programs import recorded

posix = pytest.mark.skipif(os.name != "posix", reason="needs select on pipes, and sh")

COMMANDS = {
    "wait": "command = subprocess.Popen(['sleep', '0.05'])\ncommand.wait()",
    "communicate": "command = subprocess.Popen(['/bin/sleep', '0.05'], stdout=subprocess.PIPE)\nprint(command.communicate())",
    "run": "print(subprocess.run('sleep 0.05; echo done', shell=True, capture_output=True).stdout)",
    "check_output": "print(subprocess.check_output(args=['sleep', '0.05']))",
    "with": "with subprocess.Popen(['sleep', '0.05']): pass",
}


@posix
@pytest.mark.parametrize("command", COMMANDS)
def test_waiting_for_a_command(command):
    seen = recorded(f"import subprocess\n{COMMANDS[command]}")
    assert seen.run.exit_code == 0
    assert seen.waits["MainThread"] == [("join", "sleep")]
    assert seen.spans["MainThread"][1].on.kind == "Process"


@posix
def test_a_command_not_waited_for_long_enough_and_one_that_does_not_exist():
    seen = recorded(
        """
import subprocess
command = subprocess.Popen(["sleep", "1000"])
try: command.wait(0.02)
except subprocess.TimeoutExpired: print("too early")
command.kill(); print(command.wait(), command.wait(), command.poll())
for wrong in ([], ["/no/such/command"], None):
    try: subprocess.Popen(wrong)
    except (OSError, IndexError, TypeError) as error: print(type(error).__name__)
"""
    )
    assert seen.run.stdout == "too early\n-9 -9 -9\nIndexError\nFileNotFoundError\nTypeError\n"
    assert seen.waits["MainThread"][:2] == [("join", "sleep")] * 2
    assert seen.wakeups == []


def test_a_python_that_is_run_is_recorded_with_its_starter():
    seen = recorded(
        """
import subprocess, sys, threading
def start():
    subprocess.run([sys.executable, "-c", "import time; time.sleep(0.02)"])
thread = threading.Thread(target=start, name="starter"); thread.start(); thread.join()
"""
    )
    child = seen.lanes["child 1"]
    assert (child.how, child.parent) == ("spawn", seen.lanes["starter"].number)
    assert seen.waits["starter"] == [("join", "child 1")]
    assert seen.waits["child 1"] == [("sleep", "")]
    assert ("child 1", "starter", "child 1") in seen.wakeups


# Each blocks; then the other thread, when it sees that, does what ends it.
BLOCKING = {
    "os.read": ("r, w = os.pipe()", "os.read(r, 1)", "os.write(w, b'x')"),
    "os.write": (
        "r, w = os.pipe(); os.set_blocking(w, False)\nwhile True:\n    try: os.write(w, bytes(4096))\n    except BlockingIOError: break\nos.set_blocking(w, True)",
        "os.write(w, b'x')", "os.read(r, 1 << 20)",
    ),
    "select": ("r, w = os.pipe()", "select.select([r], [], [])", "os.write(w, b'x')"),
    "select, timeout": ("r, w = os.pipe()", "select.select([r], [], [], 1000)", "os.write(w, b'x')"),
    "poll": ("r, w = os.pipe(); poll = select.poll(); poll.register(r)", "poll.poll()", "os.write(w, b'x')"),
    "recv": ("a, b = socket.socketpair()", "a.recv(1)", "b.send(b'x')"),
    "recv_into": ("a, b = socket.socketpair()", "a.recv_into(bytearray(1))", "b.send(b'x')"),
    "makefile": ("a, b = socket.socketpair(); file = a.makefile()", "file.readline()", "b.send(b'x\\n')"),
    "sendall": ("a, b = socket.socketpair()", "a.sendall(bytes(4 << 20))", "b.recv(8 << 20, socket.MSG_WAITALL) and a.close()"),
    "accept": (
        "a = socket.create_server(('127.0.0.1', 0)); b = socket.socket()", "a.accept()", "b.connect(a.getsockname())",
    ),
    "Pipe recv": ("a, b = multiprocessing.Pipe()", "a.recv()", "b.send(1)"),
    "Pipe poll": ("a, b = multiprocessing.Pipe()", "a.poll(None)", "b.send(1)"),
}  # fmt: skip
BLOCKING["sendall"] = (*BLOCKING["sendall"][:2], "drain(b, 4 << 20)")


@posix
@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc, to see that a thread is blocked")
@pytest.mark.parametrize("call", BLOCKING)
def test_input_and_output_that_block_are_waits(call):
    make, wait, end = BLOCKING[call]
    seen = recorded(
        f"""
import multiprocessing, os, select, socket, threading, time
def drain(b, size):
    while size: size -= len(b.recv(size))
{make}
def waits():
    global waiter
    waiter = threading.get_native_id()
    {wait}
waiter = None
thread = threading.Thread(target=waits, name="waiter"); thread.start()
def is_in_the_system():
    "Waiting there for something else than the interpreter's lock (a futex)."
    if waiter is None: return False
    with open(f"/proc/self/task/{{waiter}}/stat") as stat: state = stat.read().rpartition(")")[2].split()[0]
    with open(f"/proc/self/task/{{waiter}}/wchan") as where: return state == "S" and "futex" not in where.read()
while not is_in_the_system(): time.sleep(0.001)
{end}
thread.join()
"""
    )
    assert seen.run.exit_code == 0, seen.run.stderr
    assert set(seen.waits["waiter"]) == {("io", "a pipe")}
    assert len(seen.waits["waiter"]) == 1


@posix
def test_input_and_output_that_need_not_wait_are_none():
    seen = recorded(
        """
import os, select, socket
r, w = os.pipe()
os.write(w, b"x"); select.select([r], [], [], 0)
poll = select.poll(); poll.register(r); print(poll.poll(0) == [(r, select.POLLIN)], os.read(r, 1))
a, b = socket.socketpair()
a.send(b"x"); print(b.recv(1))
a.setblocking(False)
try: a.recv(1)
except BlockingIOError: print("nothing there")
with open(__file__) as file: print(len(os.read(file.fileno(), 5)))
"""
    )
    assert seen.run.stdout == "True b'x'\nb'x'\nnothing there\n5\n"
    assert seen.waits["MainThread"] == []


def test_an_event_loop_waits_in_its_selector():
    seen = recorded("import asyncio\nasyncio.run(asyncio.sleep(0.03))")
    assert ("io", "a pipe") in seen.waits["MainThread"]


@posix
def test_input_and_output_fail_as_they_do_unrecorded():
    program = """
import inspect, os, select, socket, subprocess
closed = socket.socket(); closed.close()
for call in (lambda: os.read(-1, 1), lambda: os.read(99, 1), lambda: os.read("a", 1), lambda: os.read(1 << 40, 1), lambda: os.read(), lambda: os.write(99, b""),
             lambda: os.write(1, "text"), lambda: select.select([], [], [], -1), lambda: select.select([], [], [], "a"), lambda: select.select([99], [], [], 0.1),
             lambda: select.select(), lambda: select.poll().poll("a"), lambda: select.poll().poll(0), lambda: select.poll().register("a"), lambda: select.poll(1),
             lambda: closed.recv(1), lambda: closed.accept(), lambda: closed.connect(("127.0.0.1", 1)), lambda: socket.socket().recv(-1), lambda: socket.socket().recv(),
             lambda: socket.socket().connect(("127.0.0.1", 1)), lambda: socket.socket().connect("a"), lambda: socket.socket().sendall("text"),
             lambda: subprocess.Popen(), lambda: subprocess.run(["true"], wrong=1), lambda: subprocess.run(["false"], check=True)):
    try: print(call())
    except Exception as error: print(type(error).__name__, error)
reader = socket.socketpair()[0]; reader.settimeout(0.01)
try: reader.recv(1)
except (TimeoutError, ConnectionError) as error: print(error)
print(socket.socket.recv.__name__, isinstance(reader, socket.socket), inspect.signature(subprocess.Popen.wait))
"""
    bare, watched = run_script(program, record=False), run_script(program)
    assert bare.exit_code == 0
    assert watched.stdout == bare.stdout


def test_a_module_of_c_is_imported_as_ever():
    program = """
import select, math, sys
loader = select.__loader__
print(loader.__name__ if isinstance(loader, type) else type(loader).__name__, loader is select.__spec__.loader)
print(select.__name__, sys.modules["select"] is select, math.pi)
"""
    bare, watched = run_script(program, record=False), run_script(program)
    assert bare.exit_code == 0
    assert watched.stdout == bare.stdout


def test_functions_of_c_can_be_kept_in_classes_and_pickled_as_ever():
    program = """
import copy, os, pickle, select, time
class Mine:
    sleep, read, select, kill = time.sleep, os.read, select.select, os.kill
mine = Mine()
print(mine.sleep(0), mine.select([], [], [], 0), mine.kill(os.getpid(), 0))
for function in (time.sleep, os.kill, os.read, os.waitpid, os._exit, select.select):
    print(pickle.loads(pickle.dumps(function)).__name__, copy.copy(function).__name__, function.__name__, callable(function))
"""
    bare, watched = run_script(program, record=False), run_script(program)
    assert bare.exit_code == 0
    assert watched.stdout == bare.stdout

"""Commands, pipes and sockets."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import time

import pytest

from helpers.script import make_recording_folder, recording_environment, run_script
from helpers.timeline.building import build
from helpers.timeline.reading import Recording
from tests.recorder.programs import METHODS, recorded

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
    "epoll": ("r, w = os.pipe(); epoll = select.epoll(); epoll.register(r)", "epoll.poll()", "os.write(w, b'x')"),
    "epoll, timeout": (
        "r, w = os.pipe(); epoll = select.epoll(); epoll.register(r, select.EPOLLIN)",
        "epoll.poll(timeout=1000, maxevents=1)",
        "os.write(w, b'x')",
    ),
    "poll": ("r, w = os.pipe(); poll = select.poll(); poll.register(r)", "poll.poll()", "os.write(w, b'x')"),
    "recv": ("a, b = socket.socketpair()", "a.recv(1)", "b.send(b'x')"),
    "recv_into": ("a, b = socket.socketpair()", "a.recv_into(bytearray(1))", "b.send(b'x')"),
    "makefile": ("a, b = socket.socketpair(); file = a.makefile()", "file.readline()", "b.send(b'x\\n')"),
    "sendall": ("a, b = socket.socketpair()", "a.sendall(bytes(4 << 20))", "b.recv(8 << 20, socket.MSG_WAITALL) and a.close()"),
    "accept": (
        "a = socket.create_server(('127.0.0.1', 0)); b = socket.socket()", "a.accept()", "b.connect(a.getsockname())",
    ),
    "recv, from another machine": (
        "server = socket.create_server(('127.0.0.1', 0)); one = socket.create_connection(server.getsockname())\n"
        "a, _ = server.accept(); other = socket.create_connection(server.getsockname()); b, _ = server.accept()",
        "a.recv(1)",
        "b.sendall(b'x'); one.close()",
    ),
    "Pipe recv": ("a, b = multiprocessing.Pipe()", "a.recv()", "b.send(1)"),
    "Pipe recv, one way": ("a, b = multiprocessing.Pipe(False)", "a.recv()", "b.send(1)"),
    "Pipe send": ("a, b = multiprocessing.Pipe()", "b.send_bytes(bytes(4 << 20))", "a.recv_bytes()"),
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
    # Where more than one thing can be waited for, or it comes over the network, nobody knows whose end that is.
    name = next(
        (ends for ends in ("r, w", "a, b") if make.startswith(ends) and "poll" not in wait),
        "a pipe or socket",
    )
    if call in ("select", "select, timeout", "accept"):
        name = "a pipe or socket"
    elif call == "Pipe poll":
        name = "a, b"
    assert seen.waits["waiter"] == [("io", name)]
    assert (("MainThread", "waiter", name) in seen.wakeups) == (name != "a pipe or socket")


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


@posix
@pytest.mark.parametrize("method", METHODS)
def test_a_pipe_is_known_in_other_processes(method):
    seen = recorded(
        """
import multiprocessing, time
def answer(end, other):
    while True:
        question = end.recv()
        other.send(question)
        if question is None: break
if __name__ == "__main__":
    here, there = multiprocessing.Pipe()
    results, sender = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.Process(target=answer, args=(there, sender), name="child"); child.start()
    for question in (1, None):
        time.sleep(0.2)
        here.send(question)
        results.recv()
    child.join()
""",
        start_method=method,
    )
    assert ("io", "here, there") in seen.waits["child"]
    assert ("io", "results, sender") in seen.waits["MainThread"]
    assert ("MainThread", "child", "here, there") in seen.wakeups
    assert ("child", "MainThread", "results, sender") in seen.wakeups
    assert not seen.timeline.stuck


@posix
def test_a_pipe_that_nobody_writes_to_is_named():
    seen = recorded(
        """
import os, threading
reading, writing = os.pipe()
threading.Thread(target=lambda: os.read(reading, 1), name="reader").start()
""",
        timeout=1.0,
    )
    assert (
        "Still waiting when stopped: reader waits for reading, writing (pipe, script.py:3)."
        in seen.timeline.summary()
    )


@posix
def test_a_write_that_fails_wakes_nobody():
    seen = recorded(
        """
import os, threading, time
r, w = os.pipe()
reader = threading.Thread(target=lambda: print(os.read(r, 1)), name="reader"); reader.start()
for _ in range(20):
    time.sleep(0.002)
    try: os.write(w, "text")
    except TypeError: pass
os.close(w); reader.join()
"""
    )
    assert seen.run.stdout == "b''\n"
    assert seen.waits["reader"] == [("io", "r, w")]
    assert not [wake for wake in seen.wakeups if wake[2] == "r, w"]


# What stands there already, and what does not.
INPUTS = {
    "input": ("[input(), input()]", 1),
    "iteration": ("[line.strip() for line in sys.stdin]", 2),  # to the end
    "readline": ("[sys.stdin.readline().strip() for _ in range(2)]", 1),
    "read": ("sys.stdin.read().split()", 1),
    "bytes": ("[line.strip().decode() for line in sys.stdin.buffer.readlines()]", 2),
    "unbuffered": ("[sys.stdin.buffer.raw.readline().strip().decode() for _ in range(2)]", 1),
}


@posix
@pytest.mark.parametrize("how", INPUTS)
def test_standard_input_that_blocks_is_a_wait(how):
    expression, waits = INPUTS[how]
    seen = recorded(
        f"""
import subprocess, sys, time
child = "import sys; print('ready', flush=True); print({expression})"
process = subprocess.Popen([sys.executable, "-c", child], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
process.stdout.readline()
time.sleep(0.1)
process.stdin.write(b"one\\ntwo\\n"); process.stdin.flush()
time.sleep(0.1)
process.stdin.close()
print(process.stdout.read().decode(), end="")
process.wait()
"""
    )
    assert (seen.run.stdout, seen.run.stderr) == ("['one', 'two']\n", "")
    (child,) = (waits for name, waits in seen.waits.items() if name != "MainThread")
    assert child == [("io", "a pipe")] * waits


@posix
def test_standard_input_is_what_it_is_unrecorded():
    program = """
import io, os, sys
for each in (sys.stdin, sys.stdin.buffer, sys.stdin.buffer.raw):
    print(repr(each), isinstance(each, io.IOBase), each.fileno(), each.closed, each.readable(), each.isatty(), each.name)
print(type(sys.stdin) is io.TextIOWrapper, isinstance(sys.stdin.buffer.raw, io.FileIO), sys.__stdin__ is sys.stdin, sys.stdin.newlines)
print(input("? "), [*sys.stdin], input.__name__, callable(input))
try: input()
except EOFError as error: print(error)
sys.stdin.buffer.raw.close()
sys.stdin = io.StringIO("text")
print(input()); sys.stdin = None
try: input()
except RuntimeError as error: print(error)
os.fstat(0)  # it was never this object's to close
"""
    for given in ("first\nsecond\n\N{SNOWMAN}", None):
        bare, watched = (run_script(program, stdin=given, record=each) for each in (False, True))
        assert watched.stdout == bare.stdout
        assert watched.exit_code == bare.exit_code
    seen = recorded(program, stdin="first\nsecond\n")  # a file is no wait
    assert seen.run.exit_code == 0, seen.run.stderr
    assert seen.waits["MainThread"] == []


@posix
def test_input_at_a_terminal_is_a_wait():
    import pty

    master, terminal = pty.openpty()
    folder = make_recording_folder()
    environment = recording_environment(os.environ, folder) | {"TERM": "dumb"}
    code = "print('got', input('name? '))"
    process = subprocess.Popen(
        [sys.executable, "-c", code], stdin=terminal, stdout=terminal, stderr=terminal, env=environment
    )
    os.close(terminal)
    try:
        said = b""
        while b"name? " not in said:
            said += os.read(master, 1000)
        time.sleep(0.1)
        os.write(master, b"Ada\n")
        while b"got Ada" not in said:
            said += os.read(master, 1000)
        assert process.wait(10) == 0
        timeline = build(Recording(folder), root=process.pid)
    finally:
        process.kill()
        process.wait()
        os.close(master)
        shutil.rmtree(folder)
    assert [span.state for span in timeline.spans[0] if span.state != "running"] == ["io"]


@pytest.mark.skipif(sys.platform != "linux", reason="needs epoll")
def test_epoll_is_what_it_is_unrecorded():
    program = """
import inspect, os, pickle, re, select
epoll = select.epoll(sizehint=5)
print(isinstance(epoll, select.epoll), isinstance(3, select.epoll), epoll.closed, re.sub("0x.*", "", repr(epoll)))
r, w = os.pipe()
epoll.register(r, select.EPOLLIN); epoll.modify(r, eventmask=select.EPOLLIN | select.EPOLLET)
print(epoll.poll(0), epoll.poll(0.01, 1), epoll.poll(timeout=0))
os.write(w, b"x"); print(epoll.poll(-1) == [(r, select.EPOLLIN)])
print(select.epoll.fromfd(os.dup(epoll.fileno())).fileno() > 2, select.epoll.__name__)
outer = select.epoll(); outer.register(epoll)
epoll.unregister(r)
for wrong in (lambda: epoll.poll("a"), lambda: epoll.poll(0, 0), lambda: epoll.poll(1, 2, 3), lambda: epoll.register("a"), lambda: select.epoll("a"),
              lambda: epoll.nothing, lambda: pickle.dumps(epoll), lambda: epoll.unregister(r)):
    try: print(wrong())
    except Exception as error: print(type(error).__name__, re.sub("0x[0-9a-f]+", "", str(error)))
with epoll as same: print(same is epoll)
print(epoll.closed)
try: epoll.poll()
except ValueError as error: print(error)
try:
    with epoll: pass
except ValueError as error: print(error)
"""
    bare, watched = run_script(program, record=False), run_script(program)
    assert bare.exit_code == 0, bare.stderr
    assert watched.stdout == bare.stdout


def test_an_event_loop_waits_in_its_selector():
    seen = recorded("import asyncio\nasyncio.run(asyncio.sleep(0.03))")
    assert ("io", "a pipe or socket") in seen.waits["MainThread"]


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

"""The process between the caller and a script: starts it, reads what it prints, ends what it leaves.

It runs as a program of its own, so that a busy, interrupted or killed kernel changes nothing for the
script, and leaves nothing behind: when the caller is gone, its end of the pipe closes, and the
supervisor ends everything the script started. On Linux it is a "child subreaper" (prctl(2)): a
process whose parent has ended becomes its child, so nothing the script starts can get away.

Caller and supervisor send each other frames: four bytes of length, then a `marshal` value (both ends
are the same Python). The caller sends the order, a dictionary, then perhaps ``"interrupt"``. The
supervisor sends ``("began", nanoseconds)``, then ``("lines", [(nanoseconds, process id, stream,
text), …])`` as they come and, if ordered, every piece of output as it was written, ``("output",
(stream, [(process id, bytes), …]))``; at last ``("end", {…})`` with what `Supervisor.run` returns.

Standard library only; elsewhere than on Linux also psutil, to find what a script has started.
"""

from __future__ import annotations

import contextlib
import marshal
import os
import queue
import re
import selectors
import signal
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterable
from typing import IO, Any

LINUX, WINDOWS = sys.platform == "linux", sys.platform == "win32"
# How long a process that outlives the script may go on by itself, seconds.
LINGER = 1.0
# How long stack dumps may take, seconds, and the silence after which they are complete.
DUMP, SILENCE = 2.0, 0.1
# After this long, seconds, the supervisor no longer waits for what it has ended (a process can hang
# in the operating system).
PATIENCE = 5.0
# Output beyond twice KEPT (in characters, with so much more per line) is cut in its middle.
KEPT, PER_LINE = 1 << 20, 100
LONGEST_LINE = 1 << 16
CHUNK = 1 << 16
# So much output may be read ahead of who deals with it (in bytes, with so much more per piece).
ROOM, PER_PIECE = 1 << 22, 512
PR_SET_CHILD_SUBREAPER = 36  # <linux/prctl.h>

Text = tuple[int, int, str, str]


def send(pipe: IO[bytes], message: Any) -> None:
    """Write one frame."""
    data = marshal.dumps(message)
    pipe.write(struct.pack("<I", len(data)) + data)
    pipe.flush()


def receive(pipe: IO[bytes]) -> Any:
    """Read one frame; None where the other end is gone."""
    head = pipe.read(4)
    if len(head) < 4:
        return None
    (size,) = struct.unpack("<I", head)
    data = pipe.read(size)
    return marshal.loads(data) if len(data) == size else None


class Line:
    """A line that is still being written; of a very long one the two ends are kept."""

    def __init__(self) -> None:
        self.head, self.tail = bytearray(), bytearray()
        self.dropped = 0

    def add(self, data: bytes) -> None:
        """Take more of it."""
        half = LONGEST_LINE // 2
        room = half - len(self.head)
        self.head += data[:room]
        self.tail += data[room:]
        if len(self.tail) > 2 * half:
            self.dropped += len(self.tail) - half
            del self.tail[:-half]

    def text(self) -> str:
        """The line, with what was dropped said where it was."""
        half = LONGEST_LINE // 2
        dropped = self.dropped + max(0, len(self.tail) - half)
        middle = b"[%d bytes cut here]" % dropped if dropped else b""
        line = bytes(self.head) + middle + bytes(self.tail[-half:])
        return _text(line)


def _is_whole(dump: list[str]) -> bool:
    """Whether the last frame is the outermost of its thread, as far as its function's name tells."""
    frames = [line for line in dump if line.startswith("  ")]
    outermost = (" in <module>", " in _bootstrap", " in _run_module_as_main", "  ...")
    return bool(frames) and frames[-1].endswith(outermost)


def _text(line: bytes) -> str:
    return line.decode("utf-8", "backslashreplace").removesuffix("\r")


class Output:
    """Turns what processes write into lines; of too many lines the first and the last are kept."""

    def __init__(self, show: Callable[[list[Text]], None]) -> None:
        self._show = show
        self._unfinished: dict[tuple[int, str], Line] = {}
        self._room = KEPT
        self._tail: list[Text] = []
        self._tail_size = 0
        self._cut = 0
        # Once it is a dict: standard error is collected here, by process, because stacks are dumped there.
        self.dumps: dict[int, list[str]] | None = None

    def add(self, at: int, pid: int, stream: str, data: bytes) -> None:
        """Take what a process wrote at that time (nanoseconds)."""
        *complete, rest = data.split(b"\n")
        lines = []
        for piece in complete:
            line = self._unfinished.pop((pid, stream), None)
            if line is None and len(piece) <= LONGEST_LINE:
                lines.append((at, pid, stream, _text(piece)))
            else:
                line = line or Line()
                line.add(piece)
                lines.append((at, pid, stream, line.text()))
        if rest:
            self._unfinished.setdefault((pid, stream), Line()).add(rest)
        self._take(lines)

    def finish_lines(self, at: int) -> None:
        """Pass on what has no newline yet and will get none."""
        lines = [(at, pid, stream, line.text()) for (pid, stream), line in self._unfinished.items()]
        self._unfinished.clear()
        self._take(lines)

    def end(self, at: int) -> None:
        """Pass on everything that was held back."""
        self.finish_lines(at)
        if self._cut:
            self._show([(self._tail[0][0], 0, "runner", f"[{self._cut:,} lines cut here]")])
        self._show(self._tail)

    def _take(self, lines: list[Text]) -> None:
        if self.dumps is not None:
            for _, pid, stream, text in lines:
                if stream == "stderr":
                    self.dumps.setdefault(pid, []).append(text)
            lines = [line for line in lines if line[2] != "stderr"]
        shown = 0
        while shown < len(lines) and not self._tail:
            self._room -= len(lines[shown][3]) + PER_LINE
            if self._room < 0:
                break
            shown += 1
        if shown:
            self._show(lines[:shown])
        self._tail += lines[shown:]
        self._tail_size += sum(len(line[3]) + PER_LINE for line in lines[shown:])
        drop = 0
        while self._tail_size > KEPT:
            self._tail_size -= len(self._tail[drop][3]) + PER_LINE
            drop += 1
        del self._tail[:drop]
        self._cut += drop


class Credentials:
    """One stream of the script, where the kernel tells who wrote (Linux).

    A UNIX socket in place of a pipe: with SO_PASSCRED every read comes with the id of the process
    that did the write, whatever it is written in, and never mixes two writers (unix(7)).
    """

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.reading, self.writing = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        self.reading.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)

    def fileno(self) -> int:
        return self.reading.fileno()

    def read(self) -> list[tuple[int, bytes]] | None:
        """What was written, by whom; None at the end."""
        data, ancillary, _, _ = self.reading.recvmsg(CHUNK, socket.CMSG_SPACE(12))
        if not data:
            return None
        (pid,) = struct.unpack_from("i", ancillary[0][2])
        return [(pid, data)]

    def close(self) -> None:
        self.reading.close()


class Tags:
    """One stream of the script, where Python processes say themselves who they are.

    A pipe. The script's start-up module puts ``NUL process-id space length NUL`` before everything
    Python writes (`HELPERS_TAGS`); what has no tag is taken to be the script's own.
    """

    _TAG = re.compile(rb"\0(\d+) (\d+)\0")

    def __init__(self, stream: str) -> None:
        self.stream = stream
        self.reading, writing = os.pipe()
        self.writing = open(writing, "wb", buffering=0)  # noqa: SIM115 - closed by Supervisor.spawn
        self.root = 0
        self._rest = b""

    def fileno(self) -> int:
        return self.reading

    def read(self) -> list[tuple[int, bytes]] | None:
        """What was written, by whom; None at the end."""
        data = os.read(self.reading, CHUNK)
        if not data:
            rest, self._rest = self._rest, b""
            return [(self.root, rest)] if rest else None
        data = self._rest + data
        found, at = [], 0
        while tag := self._TAG.search(data, at):
            if tag.start() > at:
                found.append((self.root, data[at : tag.start()]))
            end = tag.end() + int(tag[2])
            if end > len(data):
                at = tag.start()
                break
            found.append((int(tag[1]), data[tag.end() : end]))
            at = end
        self._rest = data[at:]
        if self._rest and not self._rest.startswith(b"\0"):
            found.append((self.root, self._rest))
            self._rest = b""
        return found

    def close(self) -> None:
        os.close(self.reading)


class Room:
    """Where output may lie that is read and not yet dealt with; who reads has to wait when it is full.

    So a script that prints faster than its output is taken has to wait too, as in a terminal.
    """

    def __init__(self, size: int) -> None:
        self._left = size
        self._more = threading.Condition()

    def take(self, size: int) -> None:
        """Take so much of it, as soon as there is any left."""
        with self._more:
            self._more.wait_for(lambda: self._left > 0)
            self._left -= size

    def give(self, size: int) -> None:
        """Give so much of it back, or more room."""
        with self._more:
            self._left += size
            self._more.notify_all()


class Outbox:
    """Frames on their way to the caller, sent in a thread of its own: no deadline waits for a slow caller."""

    def __init__(self, pipe: IO[bytes], room: Room) -> None:
        self.broken = False  # the caller is gone
        self._pipe, self._room = pipe, room
        self._frames: queue.SimpleQueue[tuple[Any, int] | None] = queue.SimpleQueue()
        self._thread = threading.Thread(target=self._send, daemon=True)
        self._thread.start()

    def put(self, frame: Any, size: int = 0) -> None:
        """Have a frame sent; then so much room is free."""
        self._frames.put((frame, size))

    def close(self) -> None:
        """Wait until everything is sent or cannot be."""
        self._frames.put(None)
        self._thread.join()

    def _send(self) -> None:
        while (entry := self._frames.get()) is not None:
            frame, size = entry
            try:
                if not self.broken:
                    send(self._pipe, frame)
            except OSError:
                self.broken = True
            self._room.give(size)


class Supervisor:
    """Runs one script to its end.

    Everything that happens arrives in one queue: output (from a reading thread), deaths (from a
    waiting thread), the caller's words (from a listening thread). The main thread alone decides.
    """

    def __init__(self, order: dict[str, Any], caller: IO[bytes], outbox: Outbox, room: Room) -> None:
        self.order = order
        self._caller, self._outbox, self._room = caller, outbox, room
        self._events: queue.SimpleQueue[tuple[Any, ...]] = queue.SimpleQueue()
        self._output = Output(self._show)
        self._root: int = 0
        self._open_streams = 2
        self._nobody_left = self._caller_gone = False
        self._why = ""
        self._status: int | None = None
        self._last_dump = 0.0  # seconds of time.perf_counter
        self._deaths: dict[int, tuple[int, int]] = {}
        self._stopped: dict[int, int] = {}
        self._survivors: list[tuple[int, str]] = []
        self._commands: dict[int, str] = {}

    def run(self) -> dict[str, Any]:
        """Start the script and see it to its end.

        Returns:
            The report for the caller.
        """
        channel = Credentials if LINUX and not self.order["tags"] else Tags
        channels = [channel("stdout"), channel("stderr")]
        began = time.perf_counter_ns()
        try:
            self._spawn(channels)
        except OSError as error:
            return {"error": str(error)}
        self._outbox.put(("began", began))
        self._in_thread(self._listen)
        for group in [channels] if not WINDOWS else [[each] for each in channels]:
            self._in_thread(self._read, group)
        self._in_thread(self._wait)
        self._until_the_end(began)
        ended = time.perf_counter_ns()
        self._output.end(ended)
        return {
            "error": "",
            "root": self._root,
            "began": began,
            "ended": self._deaths.get(self._root, (0, ended))[1],
            "status": self._status,
            "why": self._why,
            "deaths": self._deaths,
            "stopped": self._stopped,
            "survivors": self._survivors,
            "commands": self._commands,
            "dumps": self._output.dumps or {},
        }

    # What happens: each of these runs in a thread of its own and only reports.

    def _in_thread(self, work: Callable[..., None], *arguments: Any) -> None:
        threading.Thread(target=work, args=arguments, daemon=True).start()

    def _spawn(self, channels: list[Any]) -> None:
        stdin = open(self.order["stdin"] or os.devnull, "rb")  # noqa: SIM115 - handed to the script
        self._process = subprocess.Popen(
            self.order["command"],
            stdin=stdin,
            stdout=channels[0].writing,
            stderr=channels[1].writing,
            cwd=self.order["cwd"],
            env=self.order["env"],
            start_new_session=True,
        )
        self._root = self._process.pid
        stdin.close()
        self._stderr = os.fstat(channels[1].writing.fileno())
        for channel in channels:
            channel.writing.close()
            channel.root = self._root

    def _listen(self) -> None:
        while (word := receive(self._caller)) is not None:
            self._events.put(("caller", word))
        self._events.put(("caller", None))

    def _read(self, channels: list[Any]) -> None:
        if WINDOWS:  # a pipe cannot be selected there: one thread reads one stream
            (channel,) = channels
            while (pieces := channel.read()) is not None:
                self._arrived(channel.stream, pieces)
        else:
            # One thread for both streams, so that they stay in order as far as can be known.
            with selectors.DefaultSelector() as selector:
                for channel in channels:
                    selector.register(channel, selectors.EVENT_READ)
                while selector.get_map():
                    for key, _ in selector.select():
                        ready: Any = key.fileobj
                        pieces = ready.read()
                        if pieces is None:
                            selector.unregister(ready)
                        else:
                            self._arrived(ready.stream, pieces)
        self._events.put(("silent", len(channels)))

    def _arrived(self, stream: str, pieces: list[tuple[int, bytes]]) -> None:
        at = time.perf_counter_ns()
        size = PER_PIECE + sum(len(data) for _, data in pieces)
        self._room.take(size)
        self._events.put(("output", at, stream, pieces, size))

    def _wait(self) -> None:
        if WINDOWS:
            status = self._process.wait()
            self._events.put(("dead", self._root, status, time.perf_counter_ns()))
        else:
            while True:
                try:
                    pid, status = os.waitpid(-1, 0)
                except ChildProcessError:
                    break
                self._events.put(("dead", pid, status, time.perf_counter_ns()))
        self._events.put(("nobody",))

    # What is done about it: the main thread.

    def _until_the_end(self, began: int) -> None:
        timeout = self.order["timeout"]
        deadline = began / 1e9 + timeout if timeout is not None else float("inf")
        linger = float("inf")
        while not self._over():
            self._next_event(min(deadline, linger))
            now = time.perf_counter()
            if self._root in self._deaths and linger == float("inf"):
                # The script has kept its deadline; what it left behind has this long.
                linger, deadline = min(deadline, now + LINGER), float("inf")
                self._room.give(ROOM)  # for its last words: their time must not go by with waiting
            if self._caller_gone:
                break
            if self._why or now >= deadline:
                self._why = self._why or "deadline"
                self._dump_stacks()
                break
            if now >= linger:
                self._survivors = [(pid, command_of(pid)) for pid in started_by(self._root)]
                break
        self._end_everything()

    def _over(self) -> bool:
        return self._nobody_left and self._open_streams == 0

    def _next_event(self, until: float) -> None:
        """Deal with one event; return without one at that time (seconds of `time.perf_counter`)."""
        try:
            event = self._events.get(timeout=min(max(0.0, until - time.perf_counter()), 3600.0))
        except queue.Empty:
            return
        kind, *details = event
        if kind == "output":
            at, stream, pieces, size = details
            # What is printed while stacks are dumped may be one of those, and is not passed on.
            if self.order["output"] and self._output.dumps is None:
                self._outbox.put(("output", (stream, pieces)), size)
            else:
                self._room.give(size)
            for pid, data in pieces:
                # The script may go on printing all the time; only what looks like a stack counts.
                if stream == "stderr" and b"  File " in data:
                    self._last_dump = at / 1e9
                if pid not in self._commands:
                    self._commands[pid] = command_of(pid)
                self._output.add(at, pid, stream, data)
        elif kind == "dead":
            pid, status, at = details
            self._deaths[pid] = (status, at)
            if pid == self._root:
                self._status = self._process.returncode = status
        elif kind == "nobody":
            # Elsewhere than on Linux orphans are not our children, so there may still be some.
            self._nobody_left = LINUX or not started_by(self._root)
        elif kind == "silent":
            self._open_streams -= details[0]
        elif kind == "caller":
            if details[0] == "interrupt":
                self._why = self._why or "interrupt"
            elif details[0] is None:
                self._caller_gone = True

    def _dump_stacks(self) -> None:
        """Have every Python process write where its threads are, and wait until they have."""
        number = self.order["stacks_signal"]
        self._output.finish_lines(time.perf_counter_ns())
        dumps = self._output.dumps = {}
        self._room.give(ROOM)  # for the stacks: the caller may not have taken what came before
        if not number:
            return
        # Whose standard error goes elsewhere writes its stack there too, and would be waited for in vain.
        asked = [
            pid for pid in started_by(self._root) if handles(pid, number) and complains_to(pid, self._stderr)
        ]
        for pid in asked:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        now = time.perf_counter()
        end = now + DUMP
        while now < end and not self._over():
            quiet = self._last_dump + SILENCE
            # On a busy machine the frames of one stack may arrive with long pauses between them.
            if now >= quiet and all(_is_whole(dumps.get(pid, [])) for pid in asked):
                break
            self._next_event(min(end, max(quiet, now + 0.01)))
            now = time.perf_counter()

    def _end_everything(self) -> None:
        """Kill whatever is left, and what that has started meanwhile, until there is nothing."""
        self._room.give(ROOM)  # as there
        end = time.perf_counter() + PATIENCE
        while not self._over() and time.perf_counter() < end:
            left = started_by(self._root)
            for pid in left:
                self._stopped.setdefault(pid, time.perf_counter_ns())
                kill(pid)
            if not LINUX and not left and self._root in self._deaths:
                self._nobody_left = True
            self._next_event(time.perf_counter() + 0.02)

    def _show(self, lines: list[Text]) -> None:
        if lines:
            self._outbox.put(("lines", lines))


def started_by(root: int) -> list[int]:
    """The ids of all living processes the script has started, and of the script itself."""
    parents = dict(_parents_on_linux() if LINUX else _parents_elsewhere(root))
    # Orphans are our own children on Linux, and in the script's session elsewhere (see below).
    found, news = set(), {os.getpid()} if LINUX else {root}
    while news:
        found |= news
        news = {pid for pid, parent in parents.items() if parent in found} - found
    return sorted(found & parents.keys())


def _parents_on_linux() -> Iterable[tuple[int, int]]:
    for entry in os.listdir("/proc"):
        if entry.isdigit() and int(entry) != os.getpid():
            with contextlib.suppress(OSError), open(f"/proc/{entry}/stat", "rb") as file:
                # pid (command) state parent …; the command may hold anything, so from the last bracket.
                state, parent = file.read().rpartition(b")")[2].split()[:2]
                if state not in b"ZX":
                    yield int(entry), int(parent)


def _parents_elsewhere(root: int) -> Iterable[tuple[int, int]]:
    import psutil

    for process in psutil.process_iter(["ppid", "status"]):
        parent = process.info["ppid"]
        if process.info["status"] == psutil.STATUS_ZOMBIE or process.pid == os.getpid():
            continue
        if not WINDOWS:
            with contextlib.suppress(OSError):
                if os.getsid(process.pid) == root and process.pid != root:
                    parent = root
        yield process.pid, parent


def handles(pid: int, number: int) -> bool:
    """Whether that process has a handler for the signal; without one the signal would end it."""
    if not LINUX:
        return "python" in command_of(pid).lower()
    with contextlib.suppress(OSError), open(f"/proc/{pid}/status") as file:
        caught = re.search(r"^SigCgt:\s*([0-9a-f]+)", file.read(), re.MULTILINE)
        return caught is not None and bool(int(caught[1], 16) >> (number - 1) & 1)
    return False


def complains_to(pid: int, file: os.stat_result) -> bool:
    """Whether this file is the standard error of that process, as far as the system tells."""
    if not LINUX:
        return True
    with contextlib.suppress(OSError):
        return os.path.samestat(os.stat(f"/proc/{pid}/fd/2"), file)
    return False


def command_of(pid: int) -> str:
    """What the process runs, in a word; empty where it is gone."""
    if LINUX:
        with contextlib.suppress(OSError), open(f"/proc/{pid}/comm") as file:
            return file.read().strip()
        return ""
    import psutil

    with contextlib.suppress(psutil.Error):
        return str(psutil.Process(pid).name())
    return ""


def kill(pid: int) -> None:
    """End a process that cannot refuse."""
    if WINDOWS:
        import psutil

        with contextlib.suppress(psutil.Error):
            psutil.Process(pid).kill()
    else:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _become_subreaper() -> None:
    import ctypes

    ctypes.CDLL(None, use_errno=True).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def main() -> None:
    """Do what the caller orders over standard input."""
    caller, to_caller = sys.stdin.buffer, sys.stdout.buffer
    order = receive(caller)
    if order is None:
        return
    if not WINDOWS:
        # A script starts with the signals as a shell would give it: nothing ignored, nothing blocked.
        # A handler becomes the default in the new program (execve(2)); an ignored signal would not.
        signal.signal(signal.SIGINT, lambda *_: None)
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
    if LINUX:
        _become_subreaper()
    room = Room(ROOM)
    outbox = Outbox(to_caller, room)
    outbox.put(("end", Supervisor(order, caller, outbox, room).run()))
    outbox.close()
    if outbox.broken:
        import shutil

        for folder in order["cleanup"]:  # the caller is gone and cannot
            shutil.rmtree(folder, ignore_errors=True)
    # Not through the interpreter's end: the listening thread sits in a read and holds the pipe's lock.
    os._exit(0)


if __name__ == "__main__":
    main()

"""Where events are written: per-thread pages in memory-mapped files (the layout is in `fileformat`).

`record` is called from inside the primitives of the recorded program, with locks held and between
any two of its steps. So it must not wait, must not let go of the interpreter's lock (a recorder that
does changes which races happen), and must never raise. A recording that cannot go on, because the
disk is full or the folder is gone, stops by itself; the program does not notice.
"""

from __future__ import annotations

import _signal  # type: ignore[import-not-found]
import _thread
import itertools
import mmap
import os
import sys
import time

from . import fileformat

TYPE_CHECKING = False  # `typing` costs more to import than all of the recorder
if TYPE_CHECKING:
    from collections import deque
    from collections.abc import Callable
    from struct import Struct
    from typing import Any

    Slot = Callable[[], int]
else:
    # What `collections` and `struct` have them from, which take longer to import.
    from _collections import deque
    from _struct import Struct

now = time.perf_counter_ns
pack_into = Struct("<qq").pack_into
pack_two_into = Struct("<qqqq").pack_into
# What writing an event ends in where the thread has no page yet, or its page has no slot left.
NO_ROOM = (AttributeError, StopIteration)
_USUAL = 1000  # characters of a line, none of which is longer than four bytes
_SLOTS = range(fileformat.RECORD, fileformat.PAGE, fileformat.RECORD)
WAIT, GOT, GAVE_UP = fileformat.WAIT << 56, fileformat.GOT << 56, fileformat.GAVE_UP << 56
BEGIN, END, IDENT = fileformat.BEGIN << 56, fileformat.END << 56, fileformat.IDENT << 56
DEFINE, CPU, PAGE_OF_EVENTS = fileformat.DEFINE, fileformat.CPU << 56, fileformat.PAGE_OF_EVENTS << 56

# Where a thread whose events are not wanted writes: always to the same place.
_NOWHERE: tuple[memoryview, Slot] = (memoryview(bytearray(fileformat.RECORD)), itertools.repeat(0).__next__)

# .tape: this thread's (page, next offset); .lane: its lane, as the record of a page and BEGIN name it.
local = _thread._local()
folder = ""
on = False
# None: every thread is recorded. A set: only the threads with these idents (a notebook kernel has others).
admitted: set[int] | None = None

_numbers = itertools.count(fileformat.FIRST_FREE)
_lanes = itertools.count()
_segments = itertools.count()
_process = ""  # names this process's files
_header: dict[str, object] = {}
_size = fileformat.FIRST_SEGMENT
_pages: list[memoryview] = []  # unused pages of the newest segment; list.pop is atomic
_newest = False  # whether, when there is no more room, full pages are used again
_reusing = False
_full: deque[memoryview] = deque()  # pages in the order in which they were full, where that is so
_BLANK = bytes(fileformat.PAGE)
# What threads that have ended left of their pages, and the `local` in which these were theirs.
_left: list[tuple[_thread._local, tuple[memoryview, Slot]]] = []
# Where threads that have begun and done nothing yet, by their idents, will write, and as which lane: a part
# of `local` takes longer to make than the rest of what a new thread needs, and some do nothing to the end.
_begun: dict[int, tuple[_thread._local, tuple[memoryview, Slot], int]] = {}
_keep: list[mmap.mmap] = []  # mapped files must outlive their views, to the very end
_text: memoryview | None = None
_text_at = 0
_numbers_of_processes: dict[int, int] = {}
_growing = _thread.RLock()  # re-entrant: a signal handler may record while its own thread makes a segment
_sigmask = getattr(_signal, "pthread_sigmask", None)
# The last definitions, to be repeated at the start of a next recording in the same process (a kernel).
_definitions: deque[bytes] | None = None
_REPEATED = 5_000
# From 3.13 on mmap need not keep a file descriptor of the program's for itself.
_NO_DESCRIPTOR = {"trackfd": False} if sys.version_info >= (3, 13) else {}


def start(into: str, only: set[int] | None = None, newest: bool = False) -> None:
    """Begin to record this process.

    Args:
        into: the folder for its files.
        only: these thread idents, if given.
        newest: keep the newest events, and not the oldest, where there is no room for all.
    """
    global folder, on, admitted, _definitions, _newest
    folder, admitted, _newest = into, only, newest
    if only is not None and _definitions is None:
        _definitions = deque(maxlen=_REPEATED)
    _renew({})
    on = True
    for line in _definitions or ():
        _write(line)


def stop() -> None:
    """End the recording of this process. Objects that go on recording write to nowhere."""
    global on, local
    on = False
    local = _thread._local()


def process() -> str:
    """A name for this process that no other has."""
    return _process


def renew_after_fork(fork: int) -> None:
    """Give a forked child files of its own; `fork` is the number of the parent's FORK record."""
    global _growing
    _growing = _thread.RLock()  # another thread of the parent may have held it
    if on:
        _renew({"parent": _process, "fork": fork})


def _renew(parent: dict[str, object]) -> None:
    global local, _begun, _full, _header, _lanes, _left, _pages, _process, _reusing, _segments, _size, _text
    _lanes, _segments = itertools.count(), itertools.count()
    _size, _pages, _left, _begun, _text = fileformat.FIRST_SEGMENT, [], [], {}, None
    _full, _reusing = deque(), False
    began = now()
    _process = f"{os.getpid()}-{began}"
    # The parent's is cleared now: what its threads leave there is of another process.
    local = _thread._local()
    _header = {
        "format": fileformat.FORMAT,
        "pid": os.getpid(),
        "ppid": os.getppid(),
        "began": began,
        "argv": [argument[:100] for argument in sys.orig_argv[:4]],
        "numbers": next(_numbers),
        **parent,
    }


def record(code: int) -> None:
    """Write one event of the calling thread; it is lost where there is no room left on the stack."""
    try:
        try:
            page, slot = local.tape
            pack_into(page, slot(), now(), code)
        except NO_ROOM:
            turn_page(code)
    except RecursionError:
        pass


def waiting(on: int, call: Callable[..., Any], *arguments: Any) -> Any:
    """Make a call that waits for what has this number, and record that."""
    record(WAIT | on)
    end = GAVE_UP
    try:
        result = call(*arguments)
        end = GOT
    finally:
        record(end | on)
    return result


def record_cpu() -> None:
    """Write down how much CPU time the calling thread has used."""
    record(_cpu())


def _cpu() -> int:
    # A system call, but one that does not let go of the interpreter's lock.
    return CPU | time.thread_time_ns()


def admit() -> None:
    """Record the calling thread, too."""
    ident = _thread.get_ident()
    if admitted is not None and ident not in admitted:
        admitted.add(ident)
        # It may have been writing to nowhere.
        local.__dict__.pop("tape", None)


def begin(number: int = 0) -> None:
    """Write down that the calling thread begins; `number` is that of its Thread object, if it has one."""
    here = local  # another recording may begin meanwhile
    ident = _thread.get_ident()
    if not on or (admitted is not None and ident not in admitted):
        here.tape = _NOWHERE
        return
    lane = next(_lanes) << 32 | number
    if not number:
        _write(_lane_line(lane >> 32))
    tape = None
    try:
        of, tape = _left.pop()
        if of is here:
            page, slot = tape
            at, _, time_ = slot(), slot(), now()
            pack_two_into(page, at, time_, BEGIN | lane, time_, IDENT | ident)
            _begun[ident] = here, tape, lane
            return
    except IndexError:
        pass
    except StopIteration:
        here.tape = tape
    here.lane = lane
    turn_page(BEGIN | lane)
    record(IDENT | ident)


def end() -> None:
    """Write down that the calling thread ends, and leave the rest of its page to one that begins."""
    code = END | time.thread_time_ns()
    here, idle = local, _begun.pop(_thread.get_ident(), None)
    if idle is not None and idle[0] is not here:
        idle = None
    try:
        page, slot = tape = idle[1] if idle else here.tape
        pack_into(page, slot(), now(), code)
    except NO_ROOM:
        if idle:
            _, here.tape, here.lane = idle
        turn_page(code)
        return
    if tape is not _NOWHERE:
        if not idle:
            del here.tape  # what the thread still does, destructors and the like, it writes elsewhere
        _left.append((here, tape))


def turn_page(code: int) -> None:
    """Give the calling thread its first or next page and write the event there."""
    begun = _begun.pop(_thread.get_ident(), None)
    if begun is not None and begun[0] is local:
        _, local.tape, local.lane = begun
        record(code)
        return
    lane = getattr(local, "lane", None)
    if not on or (lane is None and admitted is not None and _thread.get_ident() not in admitted):
        local.tape = _NOWHERE
        return
    if _newest:
        # Taken off first: a signal handler that comes here, too, must not find it once more.
        full = local.__dict__.pop("tape", None)
        if full is not None and full is not _NOWHERE:
            _full.append(full[0])
    page = _new_page()
    if page is None:
        local.tape = _NOWHERE
        return
    lane = getattr(local, "lane", None)  # once more: a signal handler may have been first
    if lane is None:
        lane = local.lane = next(_lanes) << 32
        _write(_lane_line(lane >> 32))
        if lane:  # the first is the main thread's, which ends with the process
            local.end = _End(lane)
    local.tape = _begun_page(page, lane, code)
    end = getattr(local, "end", None)
    if end is not None:
        end.tape = local.tape


def _begun_page(page: memoryview, lane: int, code: int) -> tuple[memoryview, Slot]:
    slot = iter(_SLOTS).__next__
    pack_into(page, slot(), now(), code)
    pack_into(page, slot(), now(), _cpu())
    pack_into(page, 0, 0, PAGE_OF_EVENTS | lane)
    return page, slot


class _End:
    """Records, when it is cleared, the end of a thread that `threading` did not start; nobody else tells it.

    It is kept where a thread has what is its own, which the interpreter clears as soon as the thread is done.
    """

    __slots__ = ("ident", "lane", "process", "tape")

    def __init__(self, lane: int) -> None:
        self.lane, self.ident, self.process = lane, _thread.get_ident(), _process
        self.tape = _NOWHERE

    def __del__(self) -> None:
        # Cleared by the end of a recording or of the process, or in a child that was forked, it is no end.
        # When the interpreter ends, `_thread` may be None already; then `_process` is None, too.
        if not on or self.process != _process or self.ident != _thread.get_ident():
            return
        code = END | time.thread_time_ns()
        page, slot = self.tape
        try:
            pack_into(page, slot(), now(), code)
        except StopIteration:
            another = _new_page()
            if another is None:
                return
            self.tape = _begun_page(another, self.lane, code)
        _left.append((local, self.tape))


def define(
    kind: str, name: str = "", file: str = "", line: int = 0, internal: bool = False, key: str = ""
) -> int:
    """Give an object of the program a number, and write down what it is.

    Args:
        kind: what made it, as the program would write it.
        name: what it is called, where that is known already; otherwise `file` and `line`, the place
            that made it, tell the reader later.
        internal: made inside the standard library.
        key: names an object that several processes share, so that the reader knows it again.
    """
    global _text_at
    number = next(_numbers)
    inside = "1" if internal else "0"  # `:d` takes as long as all the rest
    text = f"{DEFINE}\t{number}\t{kind}\t{name}\t{file}\t{line}\t{inside}\t{key}\n"
    if len(text) > _USUAL or text.count("\t") != 7 or text.count("\n") != 1:
        fields = (str(number), kind, name[:200], file[-1000:], str(line), inside, key[:200])
        _say(_line(DEFINE, *fields))
        return number
    data = text.encode("utf-8", "backslashreplace")
    # `_say` and `_write` for what is usual, written out: there may be many threads and locks.
    if _definitions is None and on:
        with _growing:
            begin = _text_at
            end = begin + len(data)
            if _text is not None and end <= fileformat.PAGE:
                _text_at = end
                _text[begin:end] = data
                return number
    _say(data)
    return number


def define_owner(number: int, file: str, line: int, kind: str, field: str) -> None:
    """Write down which line makes the object that the one with this number is a part of, and its class.

    And which field of a data class it is, or "".

    Nothing is written where the line is 0.
    """
    if line:
        _say(_line(fileformat.OWNER, str(number), file[-1000:], str(line), kind[:200], field[:200]))


def define_queued(number: int, tasks: int) -> None:
    """Write down which pool's queue of tasks that of the future with this number goes into."""
    _say(_line(fileformat.QUEUED, str(number), str(tasks)))


def define_awaited(number: int, all_of_them: bool, futures: list[int]) -> None:
    """Write down for which futures somebody waits who waits for several."""
    _say(_line(fileformat.AWAITED, str(number), str(int(all_of_them)), " ".join(map(str, futures))))


def rename(number: int, name: str) -> None:
    """Write down that the Thread object with this number has another name now."""
    _say(_line(fileformat.RENAME, str(number), name[:200]))


def define_thread(number: int, ident: int) -> None:
    """Write down that the Thread object with this number, which may be the main thread's, has this ident."""
    _say(_line(fileformat.THREAD, str(number), str(ident)))


def rename_lane(name: str) -> None:
    """Write down that the calling thread, which began with no Thread object, has another name now."""
    lane = getattr(local, "lane", None)
    if lane is not None:
        _write(_line(fileformat.LANE, str(lane >> 32), str(_thread.get_ident()), name[:200], "0"))


def define_process(number: int, pid: int) -> None:
    """Write down that the Process object with this number has this process id."""
    _numbers_of_processes[pid] = number
    _say(_line(fileformat.PROCESS, str(number), str(pid)))


def number_of_process(pid: int) -> int:
    """The number of the process with this id, which the program may have made with `os.fork`."""
    if pid not in _numbers_of_processes:
        define_process(define("Process", "a child process"), pid)
    return _numbers_of_processes[pid]


def define_unrecorded(command: str) -> None:
    """Write down that a Python was started which does not record."""
    _say(_line(fileformat.UNRECORDED, command[:200]))


def define_name(name: str) -> None:
    """Write down what this process is called."""
    _say(_line(fileformat.NAME, name[:200]))


def _say(line: bytes) -> None:
    if _definitions is not None:
        _definitions.append(line)
    _write(line)


def _line(*fields: str) -> bytes:
    line = "\t".join(fields)
    if "\n" in line or line.count("\t") >= len(fields):
        line = "\t".join([field.replace("\t", " ").replace("\n", " ") for field in fields])
    return f"{line}\n".encode("utf-8", "backslashreplace")


def _lane_line(lane: int) -> bytes:
    ident = _thread.get_ident()
    threading = sys.modules.get("threading")
    # Not current_thread(): that would make a dummy Thread object the program did not ask for.
    thread = threading._active.get(ident) if threading else None
    if thread is not None:
        name, daemon = thread.name, thread.daemon
    else:
        # As `threading` will call the process's first thread as soon as it is imported.
        name, daemon = "MainThread" if threading is None and lane == 0 else "", False
    return _line(fileformat.LANE, str(lane), str(ident), name[:200], str(int(daemon)))


def _write(line: bytes) -> None:
    global _text, _text_at
    if not on:
        return
    size = len(line)
    with _growing:
        if _text is None or _text_at + size > fileformat.PAGE:
            page = _new_page()
            if page is None:
                return
            pack_into(page, 0, 0, fileformat.PAGE_OF_TEXT << 56)
            _text, _text_at = page, fileformat.RECORD
        # A signal handler of this thread may define something of its own here. Signals are handled
        # at calls and jumps only, and there is none between these two statements.
        begin = _text_at
        _text_at = begin + size
        _text[begin : begin + size] = line  # the newline last: a line without it was never finished


def _new_page() -> memoryview | None:
    while True:
        try:
            return _pages.pop()
        except IndexError:
            if _reusing:
                return _used_page()
            with _growing:
                # Another thread may have made the segment while this one waited for it.
                if not _pages and not _grow_without_signals() and not _reusing:
                    return None


def _used_page() -> memoryview | None:
    """The page that has been full for longest, or is left over from an ended thread, blank again."""
    try:
        page = _full.popleft()
    except IndexError:
        try:
            page = _left.pop(0)[1][0]
        except IndexError:
            return None
    pack_into(page, 0, 0, 0)  # from now on nobody reads it
    page[:] = _BLANK
    return page


def _grow_without_signals() -> bool:
    # A timer's signals can come faster than a segment is made, and each handler's first event would ask
    # for one more.
    if _sigmask is None:
        return _grow()
    before = _sigmask(_signal.SIG_BLOCK, ())
    try:
        _sigmask(_signal.SIG_BLOCK, _signal.valid_signals())
        return _grow()
    finally:
        _sigmask(_signal.SIG_SETMASK, before)


def _grow() -> bool:
    """Map a further segment; False, and the end of the recording, where that cannot be."""
    global _reusing, _size
    size = _size  # a signal handler of this thread may make a segment of its own at any point
    try:
        room = fileformat.LIMIT - sum(entry.stat().st_size for entry in os.scandir(folder))
        if _newest and size > fileformat.FIRST_SEGMENT:
            room -= fileformat.FOR_NEWCOMERS
        if size > room and _newest:
            _reusing = True
            _say_why(fileformat.TURNED_OVER)
            return False
        if size > room:
            return _give_up(fileformat.LIMIT_REACHED)
        path = f"{folder}/{_process}.{next(_segments)}.rec"
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_CLOEXEC", 0), 0o600)
        try:
            _reserve(descriptor, size)
            mapped = mmap.mmap(descriptor, size, **_NO_DESCRIPTOR)
        finally:
            os.close(descriptor)
        header = repr(_header).encode("utf-8", "backslashreplace")[: fileformat.PAGE - fileformat.RECORD]
        mapped[: len(header)] = header
    except OSError:
        return _give_up(fileformat.LOST)
    view = memoryview(mapped)
    _keep.append(mapped)
    pages = [view[at : at + fileformat.PAGE] for at in range(size - fileformat.PAGE, 0, -fileformat.PAGE)]
    _pages.extend(pages)
    _size = min(size * 2, fileformat.LARGEST_SEGMENT)
    return True


def _reserve(descriptor: int, size: int) -> None:
    """Reserve the room on the disk: a write to a mapped page without any would kill the program."""
    if hasattr(os, "posix_fallocate"):
        os.posix_fallocate(descriptor, 0, size)
    else:
        os.write(descriptor, bytes(size))


def _give_up(why: str) -> bool:
    global on
    on = False
    _say_why(why)
    return False


def _say_why(why: str) -> None:
    # contextlib.suppress would be an import for every recorded program.
    try:
        os.close(os.open(f"{folder}/{why}", os.O_CREAT | os.O_WRONLY, 0o600))
    except OSError:
        # What is mapped can still be written, and a forked child has its parent's mappings. Where there are
        # none, or the folder itself is gone, the reader will find nothing, and say so.
        for mapped in _keep[:1]:
            pack_into(mapped, fileformat.PAGE - fileformat.RECORD, now(), fileformat.INCOMPLETE[why])

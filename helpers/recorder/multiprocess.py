"""`multiprocessing`: Process, its locks and semaphores, and its Queue."""

from __future__ import annotations

import itertools
import sys

from . import fileformat, io, tape
from .patching import NUMBER, replace, same_face, user_frame
from .signals import number_of
from .tape import record

TYPE_CHECKING = False  # `typing` costs more to import than all of the recorder
if TYPE_CHECKING:
    from types import FrameType
    from typing import Any

START = fileformat.START << 56
WAIT, GOT, GAVE_UP = fileformat.WAIT << 56, fileformat.GOT << 56, fileformat.GAVE_UP << 56
TIMED_WAIT = WAIT | fileformat.TIMED << 32
TAKE, FREE, UNDONE = fileformat.TAKE << 56, fileformat.FREE << 56, fileformat.UNDONE << 56
PUT = fileformat.PUT << 56
PIPE = fileformat.PIPE


_unnamed = itertools.count()


def process(module: Any) -> None:
    """Patch `multiprocessing.process`."""
    cls = module.BaseProcess
    original_start, original_join, original_bootstrap = cls.start, cls.join, cls._bootstrap

    def start(self: Any) -> None:
        if self._popen is not None:
            original_start(self)  # it was started before: it raises
            return
        file, line = user_frame(sys._getframe(1))
        number = tape.define("Process", self.name, file, line)
        self.__dict__[NUMBER] = number
        record(START | number)
        try:
            original_start(self)
        except BaseException:
            record(UNDONE | number)
            raise
        if self.pid is not None:
            tape.define_process(number, self.pid)

    def join(self: Any, timeout: float | None = None) -> None:
        number = number_of(self)
        if not number:
            original_join(self, timeout)
            return
        record((WAIT if timeout is None else TIMED_WAIT) | number)
        end = GAVE_UP
        try:
            original_join(self, timeout)
            end = GAVE_UP if self._popen.returncode is None else GOT
        finally:
            record(end | number)

    def bootstrap(self: Any, *args: Any, **kwargs: Any) -> Any:
        tape.define_name(self.name)
        return original_bootstrap(self, *args, **kwargs)

    replace(cls, "start", same_face(start, original_start))
    replace(cls, "join", same_face(join, original_join))
    replace(cls, "_bootstrap", same_face(bootstrap, original_bootstrap))


def synchronize(module: Any) -> None:
    """Patch `multiprocessing.synchronize`: every lock and semaphore there is a SemLock."""
    cls = module.SemLock
    init, make_methods = cls.__init__, cls._make_methods

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        self.__dict__["_recorder_site"] = _kind_and_site(self, sys._getframe(1))
        init(self, *args, **kwargs)

    def _make_methods(self: Any) -> None:
        make_methods(self)
        semaphore = self._semlock
        acquire_now, release_now = semaphore.acquire, semaphore.release
        unknown = f"multiprocessing.{type(self).__name__}", "", 0, False  # it comes from another process
        kind, file, line, internal = self.__dict__.pop("_recorder_site", unknown)
        # By its key the reader knows it again in other processes. Made for fork it has no name, and
        # needs none: children have the object itself.
        key = self.__dict__["_recorder_key"] = semaphore.name or f"{tape.process()} {next(_unnamed)}"
        number = tape.define(kind, file=file, line=line, internal=internal, key=key)
        self.__dict__[NUMBER] = number
        recursive = semaphore.kind == module.RECURSIVE_MUTEX

        def acquire(block: bool = True, timeout: float | None = None) -> bool:
            # Nothing is recorded at present; or it must raise, free or not.
            if not tape.on or type(timeout) not in (type(None), int, float):
                return bool(acquire_now(block, timeout))
            first = not recursive or not semaphore._is_mine()
            if acquire_now(False):
                if first:
                    record(TAKE | number)
                return True
            if not block:
                return False
            record((WAIT if timeout is None else TIMED_WAIT) | number)
            got = False
            try:
                got = bool(acquire_now(True, timeout))
            finally:
                record((GOT if got else GAVE_UP) | number)
            return got

        def release() -> None:
            if not tape.on or (recursive and semaphore._count() > 1):
                release_now()
                return
            record(FREE | number)
            try:
                release_now()
            except BaseException:
                record(UNDONE | number)
                raise

        self.acquire, self.release = acquire, release

    def enter(self: Any) -> Any:
        return self.acquire()

    def leave(self: Any, *exception: Any) -> None:
        self.release()

    replace(cls, "__init__", same_face(__init__, init))
    replace(cls, "_make_methods", same_face(_make_methods, make_methods))
    replace(cls, "__enter__", same_face(enter, cls.__enter__))
    replace(cls, "__exit__", same_face(leave, cls.__exit__))
    _condition(module.Condition)
    _event(module.Event)
    _barrier(module.Barrier)


# Conditions and events are made of semaphores, on which their waits, wake-ups and holds are recorded. All
# there is to do is to say what those semaphores are; by their keys the other processes' are known, too.


def _condition(cls: Any) -> None:
    original = cls.__init__

    def __init__(self: Any, lock: Any = None, **kwargs: Any) -> None:
        original(self, lock, **kwargs)
        file, line, internal = _site(_maker(self, sys._getframe(1)))
        if internal:
            return
        tape.define("multiprocessing.Condition", file=file, line=line, key=_sleep_key(self))
        if not lock:
            key = self._lock._recorder_key
            tape.define("multiprocessing.RLock", file=file, line=line, key=key)

    replace(cls, "__init__", same_face(__init__, original))


def _sleep_key(condition: Any) -> str:
    """The key of the semaphore on which the waiters of a condition sleep."""
    return str(condition._wait_semaphore._recorder_key)


def _event(cls: Any) -> None:
    original = cls.__init__

    def __init__(self: Any, **kwargs: Any) -> None:
        original(self, **kwargs)
        file, line, internal = _site(_maker(self, sys._getframe(1)))
        if not internal:
            tape.define("multiprocessing.Event", file=file, line=line, key=_sleep_key(self._cond))

    replace(cls, "__init__", same_face(__init__, original))


def _barrier(cls: Any) -> None:
    original = cls.__setstate__

    # __init__ calls it, too. The rest is that of threading.Barrier.
    def __setstate__(self: Any, state: Any) -> None:
        original(self, state)
        file, line = user_frame(sys._getframe(1))
        key = f"barrier {_sleep_key(self._cond)}"
        self.__dict__[NUMBER] = tape.define("multiprocessing.Barrier", file=file, line=line, key=key)

    replace(cls, "__setstate__", same_face(__setstate__, original))


def _maker(made: Any, frame: FrameType | None) -> FrameType | None:
    """Who makes this lock or queue: past its own __init__, and past context.Lock() and its like."""
    while frame is not None and frame.f_locals.get("self") is made:
        frame = frame.f_back
    if frame is not None and frame.f_globals.get("__name__") == "multiprocessing.context":
        frame = frame.f_back
    return frame


def _site(maker: FrameType | None) -> tuple[str, int, bool]:
    """Where it is made, and whether by the standard library."""
    file, line = user_frame(maker)
    internal = maker is None or maker.f_code.co_filename != file
    return file, line, internal


def _kind_and_site(lock: Any, frame: FrameType | None) -> tuple[str, str, int, bool]:
    """What a lock is, and the same. That of a Value or an Array, `get_lock()`, is the program's to use."""
    maker = _maker(lock, frame)
    if maker is not None and maker.f_globals.get("__name__") == "multiprocessing.sharedctypes":
        return fileformat.LOCK_OF, *user_frame(maker), False
    return f"multiprocessing.{type(lock).__name__}", *_site(maker)


def queues(module: Any) -> None:
    """Patch `multiprocessing.queues`: its queues, and the locks their readers and writers take turns with."""
    for cls in (module.Queue, module.SimpleQueue):
        _made(cls)
        _get(cls)
        _put(cls)
    _put(module.JoinableQueue)
    _join(module.JoinableQueue)


def _made(cls: Any) -> None:
    init, setstate = cls.__init__, cls.__setstate__

    def number_it(self: Any, file: str, line: int, internal: bool) -> None:
        key = self._rlock._recorder_key
        kind = f"multiprocessing.{type(self).__name__}"
        number = tape.define(kind, file=file, line=line, internal=internal, key=f"queue {key}")
        self.__dict__[NUMBER] = number

    def number_its_parts(self: Any, file: str, line: int) -> None:
        # A reader holds this lock while it waits. If it is killed then, nobody ever reads again:
        # so it is shown, though it is the library's own. And so are the places that writers take.
        tape.define(fileformat.READ_LOCK, file=file, line=line, key=self._rlock._recorder_key)
        if self._wlock is not None:  # Windows needs none
            tape.define(fileformat.WRITE_LOCK, file=file, line=line, key=self._wlock._recorder_key)
        if hasattr(self, "_sem"):
            tape.define(fileformat.PLACES, file=file, line=line, key=self._sem._recorder_key)

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        init(self, *args, **kwargs)
        file, line, internal = _site(_maker(self, sys._getframe(1)))
        number_it(self, file, line, internal)
        if not internal:
            number_its_parts(self, file, line)

    # What its parts are, and whether they are the program's, the process that made it has said.
    def __setstate__(self: Any, state: Any) -> None:
        setstate(self, state)
        number_it(self, *user_frame(sys._getframe(1)), False)

    replace(cls, "__init__", same_face(__init__, init))
    replace(cls, "__setstate__", same_face(__setstate__, setstate))


def _get(cls: Any) -> None:
    original = cls.get

    def get(self: Any, *args: Any, **kwargs: Any) -> Any:
        number = number_of(self)
        timeout = args[1] if len(args) > 1 else kwargs.get("timeout")
        record((WAIT if timeout is None else TIMED_WAIT) | number)
        end = GAVE_UP
        try:
            item = original(self, *args, **kwargs)
            end = GOT
        finally:
            record(end | number)
        return item

    replace(cls, "get", same_face(get, original))


def _put(cls: Any) -> None:
    original = cls.put

    def put(self: Any, *args: Any, **kwargs: Any) -> None:
        number = number_of(self)
        # Recorded before the item is there: whoever gets it must not seem to be woken by nothing.
        # A wait because it is full is one for the semaphore that counts its places.
        record(PUT | number)
        try:
            original(self, *args, **kwargs)
        except BaseException:
            record(UNDONE | number)
            raise

    replace(cls, "put", same_face(put, original))


def _join(cls: Any) -> None:
    original = cls.__init__

    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:
        original(self, *args, **kwargs)
        file, line, _ = _site(_maker(self, sys._getframe(1)))
        # join() waits for this condition, which the last task_done() notifies.
        tape.define(fileformat.UNFINISHED_TASKS, file=file, line=line, key=_sleep_key(self._cond))

    replace(cls, "__init__", same_face(__init__, original))


def connection(module: Any) -> None:
    """Patch `multiprocessing.connection`: a pipe that is full, or empty."""
    cls = module.Connection
    original_send, original_receive = cls._send_bytes, cls._recv_bytes
    original_poll, original_pipe = cls._poll, module.Pipe

    def _send_bytes(self: Any, data: Any) -> None:
        number = _number_of_connection(self)
        if not number:
            original_send(self, data)
            return
        blocks = len(data) > _SURE or io.would_block(self._handle, io.OUT)
        io.transfer(number, io.OUT, blocks, original_send, self, data)

    def _recv_bytes(self: Any, *args: Any) -> Any:
        number = _number_of_connection(self)
        if not number:
            return original_receive(self, *args)
        blocks = io.would_block(self._handle, io.IN)
        return io.transfer(number, io.IN, blocks, original_receive, self, *args)

    def _poll(self: Any, timeout: float) -> bool:
        if timeout is not None and timeout <= 0:
            return bool(original_poll(self, timeout))
        number = _number_of_connection(self)
        record((WAIT if timeout is None else TIMED_WAIT) | number)
        ready = False
        try:
            ready = bool(original_poll(self, timeout))
        finally:
            record((GOT if ready else GAVE_UP) | number)
        return ready

    def Pipe(*args: Any, **kwargs: Any) -> Any:
        ends = original_pipe(*args, **kwargs)
        frame: FrameType | None = sys._getframe(1)
        if frame and frame.f_globals.get("__name__") == "multiprocessing.context":
            frame = frame.f_back
        if sys.platform != "win32":
            io.made("multiprocessing.Pipe", (ends[0].fileno(), ends[1].fileno()), frame)
        return ends

    replace(cls, "_send_bytes", same_face(_send_bytes, original_send))
    replace(cls, "_recv_bytes", same_face(_recv_bytes, original_receive))
    replace(cls, "_poll", same_face(_poll, original_poll))
    replace(module, "Pipe", same_face(Pipe, original_pipe))


_SURE = 4096  # for so many bytes there is room in a pipe that is not full


def _number_of_connection(connection: Any) -> int:
    """The number of a connection, or 0 of one with the fork server, for which the program does not wait."""
    number: int | None = connection.__dict__.get(NUMBER)
    if number is None:
        if _greets_the_fork_server():
            number = 0
        else:
            # On Windows it is no file descriptor.
            known = 0 if sys.platform == "win32" else io.channel(connection._handle, define_sockets=True)
            number = known or PIPE
        connection.__dict__[NUMBER] = number
    return number


def _greets_the_fork_server() -> bool:
    """Whether a connection is first used to prove to the fork server who asks, as from Python 3.14 on.

    That module calls `answer_challenge`, which calls `recv_bytes`, which calls our `_recv_bytes`, which asks
    for the number. It uses the connection for nothing else.
    """
    frame = sys._getframe(3).f_back
    asker = frame and frame.f_back
    return asker is not None and asker.f_globals.get("__name__") == "multiprocessing.forkserver"

"""The recording's file format, as the recorder writes it and `helpers.timeline.reading` reads it.

A recording is a folder of segment files, at least one per process, each mapped into the memory of
the process that writes it. What is in a mapped file is kept by the operating system however the
process ends, so nothing has to be flushed and no system call is made per event.

A segment is a row of pages of `PAGE` bytes. Page 0 is the header: the `repr` of a dictionary, padded
with zero bytes; its last record is described at INCOMPLETE. Every other page begins with a record of
its own (`PAGE_OF_EVENTS` or `PAGE_OF_TEXT`); a page that begins with zero bytes was never used.

A page of events belongs to one lane (one thread) at a time, so no two threads ever write to the same page,
and holds records of 16 bytes: the time (nanoseconds of `time.perf_counter_ns`, which all processes of a
machine share) and a code. The code is written last: a record whose code is zero was never finished.

    code = kind << 56 | detail << 32 | number

The page's own record says whose it is at first: `detail` is the number of the lane, `number` that of its
Thread object, or 0. A thread that ends leaves the rest of its page to one that begins: from a BEGIN on, the
page belongs to the lane that this names in the same way.

A page of text holds lines: definitions of the numbers that the records use (see `tape.define`).
"""

from __future__ import annotations

FORMAT = 2
PAGE = 4096
RECORD = 16
FIRST_SEGMENT = 32 * PAGE
LARGEST_SEGMENT = 1024 * PAGE
# All segments of a recording together; a recording that has reached it stops, and says so. Or it keeps the
# newest events instead of the oldest: then full pages are used again, those that were full first.
LIMIT = 64 << 20
# With the newest kept, so much is left to the first segments of processes that begin later.
FOR_NEWCOMERS = LIMIT // 4

# Files in the folder that say why a recording is incomplete.
LIMIT_REACHED = "full"
LOST = "lost"
TURNED_OVER = "turned over"
# Where such a file cannot be made, page 0 of a segment ends with a record that says it, by this code.
INCOMPLETE = {LIMIT_REACHED: 1, LOST: 2, TURNED_OVER: 3}

PAGE_OF_EVENTS = 1
PAGE_OF_TEXT = 2

# What a lane does. `number` names the object it does it to, unless said otherwise.
BEGIN = 3  # the lane's first event; detail: the number of the lane; number: that of its Thread object, or 0
END = 4  # its last; `detail` and `number` as for CPU
WAIT = 5  # it may have to wait from here on; detail: which side of a queue, and perhaps TIMED
GOT = 6  # the wait ended, and it has what it waited for; detail as for WAIT, or CLOSED
GAVE_UP = 7  # the wait ended without: a timeout or an exception
TAKE = 8  # it has the lock, without having waited
FREE = 9  # it is about to release the lock; detail: how many permits
UNDONE = 10  # the FREE, PUT, TOOK, START or SIGNAL of the same number before this one failed
SIGNAL = 11  # it is about to set the event or notify the condition; of a queue: UNFINISHED or CLOSED
PUT = 12  # it is about to put an item
TOOK = 13  # it is about to take an item
START = 14  # it is about to start the thread or process
RAISED = 15  # its function raised what nobody caught; the number is that of the exception's definition
FORK = 16  # it is about to fork; the number counts this process's forks
CHILD = 17  # it is the child of that fork; the number is the parent's count
KILL = 18  # it is about to send a signal; detail: the signal; number: the process id
REAP = 19  # it learned how a child ended; detail: the wait status; number: the process id
EXIT = 20  # its process is about to end; detail: the exit code where it is known (os._exit)
TIMED_OUT = 21  # the wait that just ended was ended by its timeout, by nobody
CPU = 22  # the CPU time its thread has used, nanoseconds; `detail` and `number` are one number
IDENT = 23  # what threading.get_ident() calls its thread; `detail` and `number` are one number
RUNS = 24  # it is about to run the task of that future

# Sides of a queue.
EMPTY = 0
FULL = 1
UNFINISHED = 2  # of a join(), which waits for task_done(): not every item has been dealt with
CLOSED = 3  # it was shut down, which ends every wait

TIMED = 1 << 23  # of a wait that has a timeout, and so ends by itself

# Numbers that mean the same in every process.
SLEEP = 1
AT_EXIT = 2  # the end of the main thread, waiting for the other threads
PIPE = 3  # a pipe or socket that is full or empty
ANY_CHILD = 4  # os.wait() and its like
INTERNAL = 5  # a condition made inside the standard library
OS_SIGNAL = 6  # signal.pause(), signal.sigwait() and its like
FIRST_FREE = 16

# Kinds of definitions that name a part after what it is a part of.
READ_LOCK = "read lock of"
WRITE_LOCK = "write lock of"
PLACES = "places in"
LOCK_OF = "lock of"  # a Value or an Array
UNFINISHED_TASKS = "unfinished tasks of"
TASKS = "tasks for"  # queues of a pool or an executor
RESULTS = "results of"

# The key of a pipe, or a pair of sockets: this, and the device and inode of each end; by either it is known
# again.
ENDS = "ends"

# First letters of the lines of text; the fields behind are separated by tabs.
DEFINE = "D"  # number, kind, name, file, line, internal (0 or 1), key shared between processes
LANE = "L"  # of a lane that begins with no Thread object: lane, thread ident, name, daemon (0 or 1)
PROCESS = "P"  # number of a Process object, process id
NAME = "N"  # name of this process
UNRECORDED = "U"  # command of a Python that is started without what makes it record
THREAD = (
    "T"  # number of a Thread object that did not start its thread, such as the main one's; that one's ident
)
# number of what an __init__ made; file, line and class of the object that it is a part of; and which field of
# a data class it is, whose __init__ nobody has written
OWNER = "O"
GENERATED = "<string>"  # the file of such an __init__
RENAME = "R"  # number of a Thread object, the name it has been given since
QUEUED = "Q"  # number of a future, number of the queue of the pool that is to run its task
AWAITED = "A"  # number of what stands for several futures; 1 if all are waited for, 0 if any; their numbers

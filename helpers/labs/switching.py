"""How soon threads that compute are made to let others run: sooner while a lab runs.

A thread that computes keeps the interpreter until another has wanted it for a whole *switch interval*, 5 ms.
From a slider to the picture three threads of the kernel need it one after the other, and so do the lab's own
beside them. Each of these waits for threads that compute, and may wait for every one of them, more than once.
"""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

SHORT = 0.001  # seconds

_lock = threading.Lock()  # guards what follows
_users = 0
_before = 0.0  # the interval that was found, and that was then set
_set = 0.0


@contextmanager
def short_switch_interval() -> Iterator[None]:
    """Have a switch interval of at most 1 ms; several threads may want that at a time.

    When the last of them has ended, also by an exception, the interval is again what it was; unless somebody
    else has set it meanwhile, which then stands.
    """
    global _users, _before, _set
    with _lock:
        if not _users:
            _before = sys.getswitchinterval()
            if _before > SHORT:
                sys.setswitchinterval(SHORT)
            _set = sys.getswitchinterval()
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users and sys.getswitchinterval() == _set:
                # Python cuts off what is less than a microsecond, also where 25 ms are 0.024999999999999998.
                sys.setswitchinterval(_before + 5e-7)

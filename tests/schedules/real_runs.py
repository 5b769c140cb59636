"""Random programs on real threads, in a process of their own, disturbed at random places.

At the steps of the interpreter in the program, and at the lines of the standard library's own code for threads and
queues, a trace function lets a thread pause now and then: so it is overtaken where it could be. Programs
that get stuck stay so until the process is ended; what they noted up to then is their outcome.
"""

from __future__ import annotations

import json
import os
import queue
import random
import subprocess
import sys
import threading
import time
from collections.abc import Iterable
from concurrent.futures import _base, thread
from types import FrameType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.schedules.random_programs import Program

AT_A_TIME = 4
QUIET = 60  # looks without any change, after which what has not ended is stuck
BETWEEN_LOOKS = 0.05  # seconds
LIBRARY = {module.__file__ for module in (threading, queue, thread, _base)}


def can_run(program: Program) -> bool:
    """Whether it is worth while to run a program on real threads.

    One that spins without end takes the others' time. And before Python 3.13 two threads that join a third can
    disturb each other: one of them gets an AssertionError or a RuntimeError, by a fault of CPython's own.
    """
    joins = any(".join(" in line for line in program.lines(main=False))
    return "pass" not in program.lines(main=True) and (sys.version_info >= (3, 13) or not joins)


def real_outcomes(sources: Iterable[str], times: int, seed: int) -> list[list[str]]:
    """Run each program so many times on real threads; the outcome of every run, as JSON, program by program."""
    order = {"sources": list(sources), "times": times, "seed": seed}
    done = subprocess.run(
        [sys.executable, __file__], input=json.dumps(order), capture_output=True, text=True, timeout=600
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return [[json.dumps(seen) for seen in runs] for runs in json.loads(done.stdout)]


class Noise:
    """A trace function that pauses at random."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.often = 0.0

    def __call__(self, frame: FrameType, event: str, arg: object) -> Any:
        file = frame.f_code.co_filename
        if file == "program":
            frame.f_trace_opcodes = True
        elif file not in LIBRARY:
            return None
        return self.pause

    def pause(self, frame: FrameType, event: str, arg: object) -> Any:
        if event in ("line", "opcode") and self.random.random() < self.often:
            time.sleep(self.random.choice([0.0, 0.0, self.random.uniform(0.0, 0.002)]))
        return self.pause


def main() -> None:
    """Read an order, run it, write the outcomes."""
    order = json.load(sys.stdin)
    codes = [compile(source, "program", "exec") for source in order["sources"]]
    noise = Noise(order["seed"])
    turns = [(number, code) for number, code in enumerate(codes) for _ in range(order["times"])]
    noise.random.shuffle(turns)
    sys.setswitchinterval(1e-5)
    threading.settrace(noise)
    outcomes: list[list[list[list[object]]]] = [[] for _ in codes]
    running: list[threading.Thread] = []
    for number, code in turns:
        seen: list[list[object]] = [[], [], [], []]
        outcomes[number].append(seen)
        names: dict[str, Any] = {"__name__": "program"}
        exec(code, names)
        noise.often = noise.random.choice([0.0, 0.02, 0.1, 0.3])
        running.append(threading.Thread(target=names["scenario"], args=(seen,), daemon=True))
        running[-1].start()
        looks = 0
        while sum(each.is_alive() for each in running[-AT_A_TIME:]) == AT_A_TIME and looks < 5:
            time.sleep(BETWEEN_LOOKS / 10)
            looks += 1
    before, looks = "", 0
    while any(each.is_alive() for each in running) and looks < QUIET:
        time.sleep(BETWEEN_LOOKS)
        now = repr(outcomes)
        looks = looks + 1 if now == before else 0
        before = now
    threading.settrace(None)  # type: ignore[arg-type]
    print(json.dumps(outcomes), flush=True)
    os._exit(0)  # what is stuck is never joined


if __name__ == "__main__":
    main()

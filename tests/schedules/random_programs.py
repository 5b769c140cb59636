"""Random programs for the explorer: small, made from a seed, and each a module with source of its own.

A program has two or three threads, and operations in the main thread while they run. What each thread
observes, it notes in a list of its own, and "end" at its end: the lists together are the outcome, also
of a program that gets stuck.
"""

from __future__ import annotations

import importlib.util
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from types import ModuleType
from typing import NamedTuple


class Style(NamedTuple):
    """How two variables are shared.

    Attributes:
        written: how each is written in the program.
        made: how the program makes them.
        declared: what a function says first that assigns them.
    """

    written: str
    made: str
    declared: str = ""

    def write(self, name: str) -> str:
        return self.written.format("xy".index(name) if self.written.startswith("cells") else name)


STYLES = {
    "closure": Style("{}", "x = y = 0", "nonlocal x, y"),
    "global": Style("{}", "x = y = 0", "global x, y"),
    "attribute": Style("box.{}", "box = Box()"),
    "item": Style('data["{}"]', "data = {'x': 0, 'y': 0}"),
    "list": Style("cells[{}]", "cells = [0, 0]"),
}
TIMEOUT = "timeout=0.001"


@dataclass(frozen=True)
class Statement:
    """A line of a program, and what is indented below it."""

    line: str
    body: tuple[Statement, ...] = ()

    def lines(self, depth: int) -> Iterator[str]:
        yield "    " * depth + self.line
        for statement in self.body:
            yield from statement.lines(depth + 1)

    def smaller(self) -> Iterator[tuple[Statement, ...]]:
        """What could stand in its place and is simpler."""
        yield ()
        if self.body:
            yield self.body
            for body in smaller(self.body):
                if body:
                    yield (replace(self, body=body),)


Block = tuple[Statement, ...]


def smaller(block: Block) -> Iterator[Block]:
    """The block with one statement taken out or made simpler."""
    for place, statement in enumerate(block):
        for instead in statement.smaller():
            yield block[:place] + instead + block[place + 1 :]


@dataclass(frozen=True)
class Program:
    """A random program.

    Attributes:
        seed: it was made from.
        style: of its shared variables, one of `STYLES`.
        made: the lines that make what its threads share.
        threads: what each thread does.
        main: what the main thread does after it has started them.
        form: how the first thread is made: "thread", "subclass" or "timer"; or "pool", for all of them.
        workers: of the pool.
    """

    seed: int
    style: str
    made: tuple[str, ...]
    threads: tuple[Block, ...]
    main: Block
    form: str = "thread"
    workers: int = 2

    def source(self) -> str:
        """The program as a module; its function is `scenario(seen)`."""
        lines = [
            "import queue",
            "import threading",
            "import time",
            "from concurrent.futures import ThreadPoolExecutor",
            "",
            "",
            "class Box:",
            "    x = y = 0",
            "",
            "",
            "class Runner(threading.Thread):",
            "    def __init__(self, work):",
            "        super().__init__()",
            "        self.work = work",
            "",
            "    def run(self):",
            "        self.work()",
            "",
            "",
            "def scenario(seen):",
        ]
        style = STYLES[self.style]
        if style.declared.startswith("global"):
            lines.append(f"    {style.declared}")
        lines += [f"    {line}" for line in (style.made, *self.made)]
        for number, block in enumerate(self.threads):
            lines += ["", f"    def work{number}():"]
            lines += self._body(block, number + 1)
        lines.append("")
        names = [f"work{number}" for number in range(len(self.threads))]
        if self.form == "pool":
            lines.append(f"    with ThreadPoolExecutor({self.workers}) as pool:")
            lines += [f"        task{n} = pool.submit({name})" for n, name in enumerate(names)]
            lines += self._part(self.main, 0, 2)
        else:
            first = {"timer": "threading.Timer(0.001, {})", "subclass": "Runner({})"}.get(
                self.form, "threading.Thread(target={})"
            )
            kinds = [first, *["threading.Thread(target={})"] * (len(names) - 1)]
            lines += [
                f"    task{n} = {kind.format(name)}"
                for n, (kind, name) in enumerate(zip(kinds, names, strict=True))
            ]
            lines += [f"    task{n}.start()" for n in range(len(names))]
            lines += self._part(self.main, 0, 1)
            lines += [f"    task{n}.join()" for n in range(len(names))]
        lines += [f"    seen[0].append({style.write(name)})" for name in "xy"]
        lines.append("    seen[0].append('end')")
        return "\n".join(lines) + "\n"

    def lines(self, *, main: bool) -> list[str]:
        """What the threads do, each line without what is before and after it; with what the main thread does."""
        blocks = (*self.threads, self.main) if main else self.threads
        return [line.strip() for block in blocks for statement in block for line in statement.lines(0)]

    def _body(self, block: Block, number: int) -> list[str]:
        declared = STYLES[self.style].declared
        return [
            *([f"        {declared}"] if declared else []),
            *self._part(block, number, 2),
            f"        seen[{number}].append('end')",
        ]

    def _part(self, block: Block, number: int, depth: int) -> list[str]:
        """A block of one thread, with what it raises noted."""
        indent = "    " * depth
        return [
            f"{indent}note = seen[{number}].append",
            f"{indent}try:",
            *([line for statement in block for line in statement.lines(depth + 1)] or [f"{indent}    pass"]),
            f"{indent}except Exception as error:",
            f"{indent}    note(type(error).__name__)",
        ]

    def load(self, folder: Path) -> ModuleType:
        """Write it to a new file there and import it: so its source is found."""
        name = f"random_program_{self.seed}_{len(list(folder.iterdir()))}"
        path = folder / f"{name}.py"
        path.write_text(self.source(), encoding="utf-8")
        spec = importlib.util.spec_from_file_location(name, path)
        assert spec and spec.loader
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    def smaller(self) -> Iterator[Program]:
        """The program with one thing taken out or made simpler."""
        if len(self.threads) > 1:
            for number in reversed(range(len(self.threads))):
                if not any(f"task{number}" in line for s in self.main for line in s.lines(0)):
                    yield replace(self, threads=self.threads[:number] + self.threads[number + 1 :])
        for number, block in enumerate(self.threads):
            for instead in smaller(block):
                rest = self.threads[:number], self.threads[number + 1 :]
                yield replace(self, threads=(*rest[0], instead, *rest[1]))
        for instead in smaller(self.main):
            yield replace(self, main=instead)
        if self.form in ("timer", "subclass"):
            yield replace(self, form="thread")


def shrink(program: Program, fails: Callable[[Program], bool]) -> Program:
    """The smallest program to be had by taking things out of it, such that it still fails."""
    while True:
        for simpler in program.smaller():
            if fails(simpler):
                program = simpler
                break
        else:
            return program


class Maker:
    """Makes the statements of one program, from what it happens to share."""

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.seed = seed
        self.made: list[str] = []
        self.kinds: list[Callable[[], Statement]] = []

    def program(self) -> Program:
        pick = self.random
        self.style = pick.choice(list(STYLES))
        self.form = pick.choices(["thread", "subclass", "timer", "pool"], [12, 3, 2, 3])[0]
        self.count = pick.choices([2, 3], [3, 2])[0]
        self.kinds = [self.variables] * 2
        parts = [
            self.locks, self.conditions, self.semaphores, self.events,
            self.barriers, self.queues, self.containers, self.spins,
        ]  # fmt: skip
        for part in pick.sample(parts, pick.choices([1, 2, 3], [5, 4, 1])[0]):
            part()
        if pick.random() < 0.15:
            self.kinds.append(lambda: Statement("time.sleep(0.001)"))
        if pick.random() < 0.15:
            self.kinds.append(self.of_threads)
        most = 4 if self.count == 2 else 2
        threads = tuple(self.block(1, most, f"task{number}") for number in range(self.count))
        self.kinds += [self.of_threads] * 2
        main = self.block(0, 2, "main") if pick.random() < 0.7 else ()
        return Program(self.seed, self.style, tuple(self.made), threads, main, self.form, pick.choice([1, 2]))

    def block(self, least: int, most: int, who: str = "") -> Block:
        return tuple(self.random.choice(self.kinds)() for _ in range(self.random.randint(least, most)))

    def name(self, name: str) -> str:
        return STYLES[self.style].write(name)

    def either(self, *lines: str) -> Statement:
        return Statement(self.random.choice(lines))

    def inner(self) -> Block:
        """What a lock may guard, or a condition decide: variables alone, mostly."""
        if self.random.random() < 0.85:
            return (self.variables(),)
        return (self.random.choice(self.kinds)(),)

    # --- what a program may share, and what its threads do with it -------------------------------------

    def variables(self) -> Statement:
        x, y = self.random.sample([self.name("x"), self.name("y")], 2)
        choice = self.random.random()
        if choice < 0.12:
            return Statement(f"if {x} == {self.random.randint(0, 1)}:", self.inner())
        return self.either(
            f"{x} += 1",
            f"{x} += 1",
            f"{x} = {self.random.randint(1, 3)}",
            f"{x} = {y} + 1",
            f"note({x})",
            f"note({x})",
            f"note(({x}, {y}))",
            f"{x}, {y} = {y}, {x} + 1",
            f"{x} = {y} = {self.random.randint(2, 4)}",
            f"note(f'{{{x}}} {{{y}}}')",
            f"note({x} if {y} else None)",
            f"note({x} and {y})",
        )

    def locks(self) -> None:
        kind = self.random.choice(["Lock", "Lock", "RLock"])
        names = ["lock", "other"][: self.random.choice([1, 1, 2])]
        self.made += [f"{name} = threading.{kind}()" for name in names]

        def guarded() -> Statement:
            name = self.random.choice(names)
            choice = self.random.random()
            if choice < 0.55:
                return Statement(f"with {name}:", self.inner())
            if choice < 0.65 and len(names) == 2:
                one, two = self.random.sample(names, 2)
                return Statement(f"with {one}, {two}:", self.inner())
            how = self.random.choice(["blocking=False", TIMEOUT])
            if kind == "RLock":
                # Never left held: a new thread may have the identifier of one that has ended, and so its RLocks.
                return self.either(f"note({name}.acquire({how})) or {name}.release()", f"{name}.release()")
            if choice < 0.85:
                return Statement(
                    f"if {name}.acquire({how}):", (*self.inner(), Statement(f"{name}.release()"))
                )
            return self.either(f"note({name}.locked())", f"{name}.release()", f"{name}.acquire()")

        self.kinds += [guarded] * 3

    def conditions(self) -> None:
        own = self.random.choice(["", "", "threading.Lock()"])
        self.made.append(f"changed = threading.Condition({own})")

        def guarded() -> Statement:
            x = self.name(self.random.choice("xy"))
            waiting = (
                ("changed.wait()",),
                (f"note(changed.wait({TIMEOUT}))",),
                (f"if not {x}:", "changed.wait()"),
                (f"while not {x}:", "changed.wait()"),
                (f"changed.wait_for(lambda: {x})",),
                (f"note(changed.wait_for(lambda: {x}, {TIMEOUT}))",),
            )
            telling = (("changed.notify()",), ("changed.notify_all()",), ("changed.notify(2)",))
            if self.random.random() < 0.5:
                head, *rest = self.random.choice(waiting)
                body: Block = (Statement(head, tuple(map(Statement, rest))),)
                after: Block = (Statement(f"note({x})"),) if self.random.random() < 0.3 else ()
            else:
                (head,) = self.random.choice(telling)
                body = (Statement(head),)
                after = ()
            before: Block = (self.variables(),) if self.random.random() < 0.4 else ()
            if self.random.random() < 0.06:
                return body[0]
            return Statement("with changed:", before + body + after)

        self.kinds += [guarded] * 3

    def semaphores(self) -> None:
        kind = self.random.choice(["Semaphore", "BoundedSemaphore"])
        self.made.append(f"places = threading.{kind}({self.random.choice([0, 1, 1, 2])})")

        def guarded() -> Statement:
            choice = self.random.random()
            if choice < 0.3:
                return Statement("with places:", self.inner())
            if choice < 0.5:
                how = self.random.choice(["blocking=False", TIMEOUT])
                return Statement(f"if places.acquire({how}):", self.inner())
            return self.either(
                "places.acquire()",
                "places.release()",
                "places.release()",
                "places.release(2)",
                "note(places.acquire(False))",
                f"note(places.acquire({TIMEOUT}))",
            )

        self.kinds += [guarded] * 3

    def events(self) -> None:
        self.made.append("happened = threading.Event()")
        self.kinds += [
            lambda: self.either(
                "happened.set()",
                "happened.set()",
                "happened.clear()",
                "happened.wait()",
                "happened.wait()",
                f"note(happened.wait({TIMEOUT}))",
                "note(happened.is_set())",
            )
        ] * 3

    def barriers(self) -> None:
        self.made.append(f"meeting = threading.Barrier({self.random.choice([2, 2, 3])})")
        self.kinds += [
            lambda: self.either(
                "note(meeting.wait())",
                "note(meeting.wait())",
                "note(meeting.wait())",
                f"note(meeting.wait({TIMEOUT}))",
                "meeting.abort()",
                "meeting.reset()",
                "note(meeting.broken)",
                "note(meeting.n_waiting)",
            )
        ] * 2

    def queues(self) -> None:
        kind = self.random.choice(["Queue", "Queue", "LifoQueue", "PriorityQueue", "SimpleQueue"])
        simple = kind == "SimpleQueue"
        size = "" if simple else str(self.random.choice([0, 1, 1, 2]))
        self.made.append(f"line = queue.{kind}({size})")

        def used() -> Statement:
            item = self.random.randint(1, 9)
            lines = [
                f"line.put({item})",
                f"line.put({item})",
                "note(line.get())",
                "note(line.get())",
                "note(line.get_nowait())",
                f"note(line.get({TIMEOUT}))",
                "note(line.qsize())",
                "note(line.empty())",
            ]
            if not simple:
                lines += [
                    f"line.put({item}, {TIMEOUT})",
                    f"line.put_nowait({item})",
                    "line.task_done()",
                    "line.join()",
                    "note(line.full())",
                ]
                if sys.version_info >= (3, 13):
                    lines += ["line.shutdown()", "line.shutdown(immediate=True)"]
            return self.either(*lines)

        self.kinds += [used] * 3

    def containers(self) -> None:
        self.made += [
            self.random.choice(["items = [1]", "items = [1, 2]"]),
            "names = {'a': 1}",
        ]

        def used() -> Statement:
            item = self.random.randint(2, 4)
            if self.random.random() < 0.12:
                return Statement("for each in items:", (Statement("note(each)"),))
            if self.random.random() < 0.12:
                return Statement("if items:", (self.either("note(items.pop())", "del items[0]"),))
            if self.random.random() < 0.12:
                return Statement("if 'a' in names:", (self.either("note(names.pop('a'))", "del names['a']"),))
            return self.either(
                f"items.append({item})",
                f"items.append({item})",
                "note(items.pop())",
                "note(len(items))",
                f"note({item} in items)",
                "items[0] += 1",
                f"items[:] = [{item}]",
                "del items[-1]",
                "note([each * 2 for each in items])",
                "note(sum(items))",
                f"names['b'] = {item}",
                "names['a'] = names.get('a', 0) + 1",
                "note(sorted(names))",
                "note(names.setdefault('b', 5))",
                "note(names == {'a': 1})",
                "items, names",
            )

        self.kinds += [used] * 3

    def spins(self) -> None:
        x = self.name("x")
        self.kinds += [
            lambda: Statement(
                f"while {x} {self.random.choice(['== 0', '< 2'])}:",
                (self.either("pass", *["time.sleep(0.001)"] * 2),),
            )
        ]

    def of_threads(self) -> Statement:
        task = f"task{self.random.randrange(self.count)}"
        if self.form == "pool":
            return self.either(
                f"note({task}.done())",
                f"note({task}.running())",
                f"note({task}.cancel())",
                f"note({task}.result())",
                f"note({task}.result({TIMEOUT}))",
                f"{task}.add_done_callback(lambda task: note(task.cancelled()))",
            )
        return self.either(
            f"{task}.join()",
            f"{task}.join({TIMEOUT})",
            f"note({task}.is_alive())",
            *(["task0.cancel()"] * 2 if self.form == "timer" else []),
        )


def random_program(seed: int) -> Program:
    """The random program that belongs to a seed: the same on every Python, but for what that has not got."""
    return Maker(seed).program()

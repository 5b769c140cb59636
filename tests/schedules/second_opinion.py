"""What interleave-test says of random programs: another explorer, of other making, as a check on ours.

It schedules threads at random, bytecode by bytecode, and lets a timeout pass only when nothing else can go on. So it
does not see all that may happen; but what it sees must be among what ours has predicted.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from tests.schedules.random_programs import Program

TOOL = "interleave-test==0.1.0"
PATIENCE = 900.0  # seconds for all programs


def can_run(program: Program) -> bool:
    """Whether the tool can run a program.

    It knows neither pools nor subclasses of Thread, may follow a spinning thread for ever, and is wrong about threads
    that join themselves or ask whether they are alive.
    """
    spins = any(line.startswith("while") for line in program.lines(main=True))
    asks = any("task" in line for line in program.lines(main=False))
    return program.form == "thread" and not spins and not asks


def opinions(
    python: str, packages: Path, sources: Iterable[str], schedules: int, folder: Path
) -> list[list[str]]:
    """The outcomes, as JSON, that interleave-test finds for each program under so many random schedules.

    `python` is 3.12 or newer, and `packages` a folder into which the tool has been installed.
    """
    order = {"sources": list(sources), "schedules": schedules, "folder": str(folder)}
    done = subprocess.run(
        [python, __file__],
        env={**os.environ, "PYTHONPATH": str(packages)},
        input=json.dumps(order),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return [[json.dumps(seen) for seen in found] for found in json.loads(done.stdout)]


def main() -> None:
    """Read an order, explore, write what was found."""
    import interleave_test  # type: ignore[import-not-found]

    order = json.load(sys.stdin)
    answer = []
    for number, source in enumerate(order["sources"]):
        path = Path(order["folder"]) / f"program{number}.py"
        path.write_text(source, encoding="utf-8")
        names: dict[str, Any] = {"__name__": "program"}
        exec(compile(source, str(path), "exec"), names)
        found: dict[str, Any] = {}
        for seed in range(order["schedules"]):
            seen: list[list[object]] = [[], [], [], []]
            interleave_test.explore(
                lambda seen=seen, names=names: names["scenario"](seen),
                iterations=1,
                seed=seed,
                strategy="random" if seed % 2 else "pct",
                raise_on_failure=False,
            )
            found.setdefault(json.dumps(seen), seen)
        answer.append(list(found.values()))
    print(json.dumps(answer), flush=True)
    os._exit(0)


if __name__ == "__main__":
    main()

"""What went wrong in an execution: found by the search, and said in words for a schedule that is shown."""

from __future__ import annotations

import linecache
import re
from collections.abc import Hashable
from typing import NamedTuple

from helpers.schedules.execution import Execution, Task
from helpers.schedules.operation import Site, Wait
from helpers.schedules.reaching import is_own
from helpers.schedules.result import Failure, Schedule
from helpers.schedules.sources import elsewhere


class Verdict(NamedTuple):
    """What went wrong: the same in two executions if the same went wrong.

    Attributes:
        kind: as in `result.Failure`.
        about: tells failures of one kind apart.
    """

    kind: str
    about: Hashable


def judge(execution: Execution) -> Verdict | None:
    """What went wrong in an execution that has come to its end but is not unwound; None if nothing did."""
    if execution.raised:
        task = execution.raised[0]
        error = task.failure
        assert error is not None
        return Verdict(type(error).__name__, (task.number, _text(execution, error), place_of(error)))
    if together := execution.rounds.together:
        return Verdict("livelock", tuple(task.number for task in together))
    if execution.cut is not None:
        return Verdict("divergence", execution.cut)
    stuck = [task for task in execution.tasks if not task.done]
    if all(task.daemon for task in stuck):
        return None
    about = []
    for task in stuck:
        operation = task.op
        assert operation is not None
        holder = operation.holder()
        about.append((task.number, operation.kind, operation.target, holder and holder.number))
    return Verdict(_kind(stuck), tuple(about))


def in_words(execution: Execution, verdict: Verdict, shown: Schedule) -> Failure:
    """Say what went wrong in a schedule that is shown, with the program's own names."""
    if execution.raised:
        task = execution.raised[0]
        error = task.failure
        assert error is not None
        text = _text(execution, error)
        place = place_of(error) or Site("", 0)
        if not text and isinstance(error, AssertionError):
            text = linecache.getline(place.file, place.line).strip()
        name = type(error).__name__
        message = f"{name}: {text}" if text else name
        who = execution.name_of(task)
        return Failure(
            verdict.kind, message, who, place.line, 1, shown, elsewhere(place.file, execution.home)
        )
    if together := execution.rounds.together:
        who = " and ".join(map(execution.name_of, together))
        verb, steps = "get" if len(together) > 1 else "gets", execution.rounds.steps
        message = (
            f"{who} {verb} nowhere: after the last {steps} steps all is as it was before them, "
            "and so it can go on for ever"
        )
    elif execution.cut is not None:
        message = f"It goes on for ever, or for longer than can be explored: {execution.cut[1]}."
    else:
        message = _stuck(execution)
    return Failure(verdict.kind, message, "", 0, 1, shown)


# Objects that say nothing else of themselves say where they are, which is elsewhere every time.
_ADDRESS = re.compile(r" at 0x[0-9a-fA-F]+")


def without_addresses(text: str) -> str:
    """The text with ``<object at 0x7f…>`` as ``<object>``: the same in every replay."""
    return _ADDRESS.sub("", text)


# --- exceptions ------------------------------------------------------------------------------------------


def _text(execution: Execution, error: BaseException) -> str:
    execution.quiet = True  # its __str__ may be the program's own
    try:
        return without_addresses(str(error))
    except Exception:
        return "(its text cannot be made)"
    finally:
        execution.quiet = False


def place_of(error: BaseException) -> Site | None:
    """The innermost line of the program itself that an exception went through."""
    place = None
    traceback = error.__traceback__
    while traceback is not None:
        file = traceback.tb_frame.f_code.co_filename
        if is_own(file):
            place = Site(file, traceback.tb_lineno)
        traceback = traceback.tb_next
    return place


# --- threads that wait for ever ----------------------------------------------------------------------------


def _cycle(stuck: list[Task]) -> list[Task]:
    """Tasks each of which waits for what the next one holds, and the last for what the first does."""
    for begin in stuck:
        path: list[Task] = []
        task: Task | None = begin
        while task is not None and task.op is not None and task not in path:
            path.append(task)
            task = task.op.holder()
        if task in path:
            return path[path.index(task) :]
    return []


def _kind(stuck: list[Task]) -> str:
    if _cycle(stuck):
        return "deadlock"
    if any(task.op is not None and task.op.scarce for task in stuck):
        return "deadlock"
    states = [task.op.state for task in stuck if task.op is not None and task.op.state != "join"]
    if "spin" in states and not any(state in ("signal", "queue") for state in states):
        return "spin"
    return "lost wake-up" if states else "deadlock"


def _stuck(execution: Execution) -> str:
    stuck = [task for task in execution.tasks if not task.done]
    waits = {task.number: task.op.waits_for(execution) for task in stuck if task.op is not None}
    cycle = _cycle(stuck)
    parts = []
    for position, task in enumerate(cycle):
        name = execution.name_of(task)
        held, wait = waits[cycle[position - 1].number], waits[task.number]
        if len(cycle) == 1:
            parts.append(f"{name} waits for {_thing(wait)}, which it holds itself")
        elif held.state == "join":
            parts.append(f"{name} {_waits(execution, wait)}")
        else:
            parts.append(f"{name} holds {_thing(held)} and {_waits(execution, wait)}")
    others = [task for task in stuck if task not in cycle]
    # Who joins one of these waits only because of them.
    told = [task for task in others if waits[task.number].state != "join"]
    if not parts and not told:
        told = others
    for task in told:
        wait = waits[task.number]
        said = f"{execution.name_of(task)} {_waits(execution, wait)}"
        if wait.state == "lock" and wait.holder is not None:
            said += f", held by {execution.name_of(wait.holder)}" + (
                ", which has ended" if wait.holder.done else ""
            )
        elif wait.holder is None:
            said += f", nobody is left to {wait.remedy}"
        parts.append(said)
    return "; ".join(parts)


def _waits(execution: Execution, wait: Wait) -> str:
    if wait.state == "join":
        assert wait.holder is not None
        return f"waits for {execution.name_of(wait.holder)} to end"
    return f"spins on {_thing(wait)}" if wait.state == "spin" else f"waits for {_thing(wait)}"


def _thing(wait: Wait) -> str:
    return f"`{wait.on}`"

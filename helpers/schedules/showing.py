"""What a result says: in words, and in a notebook as a sentence, a table and the shortest failure's picture.

The words are the same whenever the program behaves the same: how long the search took is not among them.
"""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from helpers import pictures
from helpers.pictures import Bundle
from helpers.schedules.sources import line_in
from helpers.schedules.story import shown, words
from helpers.timeline.words import abridged, count

if TYPE_CHECKING:
    from helpers.schedules.result import Failure, Result, Schedule


LONGEST = 120  # characters of a schedule that is to be read


def sentences(result: Result) -> str:
    """How many schedules fail, and which were explored."""
    number, failing = result.schedules, result.failing
    one, many = _counted(result)
    whole = " of schedules" if result.mode == "classes" else ""
    if not number:
        return "No schedule was run to its end."
    if not failing:
        none = (
            f"The only {one}{whole} does not fail"
            if number == 1
            else f"None of {number:,} {many}{whole} fails"
        )
        return f"{none}; {_explored(result)}."
    verb = "fails" if failing == 1 else "fail"
    said = f"{failing:,} of {count(number, one, many)}{whole} {verb}; {_explored(result)}."
    return f"{said} This counts {many}; it is not a probability."


def _counted(result: Result) -> tuple[str, str]:
    """What is counted: one, and many."""
    return ("class", "classes") if result.mode == "classes" else ("schedule", "schedules")


def _explored(result: Result) -> str:
    if result.bound is not None:
        return f"only those with at most {count(result.bound, 'preemption')} were explored"
    return "all were explored" if result.exhausted else "not all were explored"


def plain(result: Result) -> str:
    """The result as text: the sentence, the failures, and the steps of the shortest."""
    lines = [sentences(result)]
    for number, failure in enumerate(result.failures):
        lines += [
            "",
            _what(failure),
            f"  {count(failure.count, *_counted(result))}; the shortest schedule: {_short(failure, number)}",
        ]
    if result.shortest is not None and (steps := list(_steps(result.shortest))):
        lines += ["", "The shortest schedule that fails, step by step:", *abridged(steps, "step")]
    notes = ["", *result.notes] if result.notes else []
    return "\n".join([*lines, *notes])


def schedule_in_words(schedule: Schedule) -> str:
    """A schedule as text: its string, what went wrong, and its steps."""
    wrong = [] if schedule.failure is None else [_what(schedule.failure)]
    return "\n".join([f'"{_begun(schedule.string)}"', *wrong, *abridged(list(_steps(schedule)), "step")])


def failure_in_words(failure: Failure) -> str:
    """A failure in one line."""
    return f'{_what(failure)}; the shortest schedule: "{_begun(failure.shortest.string)}"'


def bundle(result: Result) -> Bundle:
    """The result as a notebook shows it; the plain text is `plain`."""
    if result.shortest is None:
        page = [_paragraph(sentences(result)), *map(_paragraph, result.notes)]
        return {"text/html": "\n".join(page), "text/plain": plain(result)}, {"helpers": {"raw": []}}
    data, metadata = pictures.shown(result.shortest.timeline.plot(title="The shortest schedule that fails"))
    page = [_paragraph(sentences(result)), _table(result), data["text/html"], *map(_paragraph, result.notes)]
    return data | {"text/html": "\n".join(page), "text/plain": plain(result)}, metadata


def _what(failure: Failure) -> str:
    """What went wrong, and where."""
    where = f" ({failure.thread}, {line_in(failure.elsewhere, failure.line)})" if failure.thread else ""
    return f"{failure.message}{where}"


def _short(failure: Failure, number: int) -> str:
    """The shortest schedule of a failure, as one writes it in Python; it may be empty, or only begun here."""
    string = failure.shortest.string
    if len(string) <= LONGEST:
        return f'"{string}"'
    return f'"{_begun(string)}" (whole in failures[{number}].shortest.string)'


def _begun(string: str) -> str:
    return textwrap.shorten(string, LONGEST, placeholder=" ...")


def _steps(schedule: Schedule) -> Iterator[str]:
    """The steps of a schedule, a line for each, numbered as in the picture."""
    steps = shown(schedule)
    wide = max((len(step.thread) for step in steps), default=0)
    for number, step in enumerate(steps, 1):
        yield f"{number:4}. {step.thread:{wide}}  {words(step)}"


def _paragraph(text: str) -> str:
    return f"<p>{escape(text, quote=False)}</p>"


def _table(result: Result) -> str:
    _, many = _counted(result)
    heads = ("what goes wrong", "thread", "line", many, "shortest schedule")
    rows = [
        (
            each.message,
            each.thread,
            line_in(each.elsewhere, each.line).removeprefix("line ") if each.line else "",
            f"{each.count:,}",
            _short(each, number),
        )
        for number, each in enumerate(result.failures)
    ]
    left = 'style="text-align: left"'  # JupyterLab would have it to the right
    head = "".join(f"<th {left}>{heading}</th>" for heading in heads)
    body = "".join(f"<tr>{''.join(f'<td {left}>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    return f"<table><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>"

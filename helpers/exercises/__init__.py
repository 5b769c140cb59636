"""Verdicts on a learner's answer: what it does, held against what it should do."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["verdict"]


def verdict(*claims: tuple[str, Callable[[], object]], hint: str) -> None:
    """Print which claims hold for an answer, and whether it is solved.

    Args:
        claims: pairs of a sentence and a function that says whether it holds. A function that raises
            says that it does not: there may be nothing yet to look at.
        hint: said as long as a claim does not hold.
    """
    solved = True
    for sentence, holds in claims:
        try:
            good = bool(holds())
        except Exception:
            good = False
        solved = solved and good
        print(f"[{'yes' if good else 'no '}] {sentence}")
    print("Solved." if solved else f"Not yet. Hint: {hint}")

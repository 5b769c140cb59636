"""The texts of a picture: how wide they are, and how to make them fit.

Labels are never clipped because each is measured, with the renderer that will draw it, before the margins
are set.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cache, lru_cache
from typing import Any

from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import FontProperties, findfont, get_font

DPI = 96  # of the layout, as browsers count: a multiple of it gives sharp edges on every screen
FAMILY = "DejaVu Sans"  # comes with matplotlib: the picture is the same on every machine
LONGEST_NAME = 28  # letters


def font(size: float, bold: bool = False) -> FontProperties:
    """The picture's font in `size` points."""
    return FontProperties(family=FAMILY, size=size, weight="bold" if bold else "normal")


@cache
def _renderer() -> Any:  # matplotlib does not tell its types
    return RendererAgg(1, 1, DPI)  # type: ignore[no-untyped-call]


@lru_cache(10_000)
def width_of(text: str, size: float, bold: bool = False) -> float:
    """How wide `text` will be, in pixels."""
    width, _, _ = _renderer().get_text_width_height_descent(text, font(size, bold), ismath=False)
    return float(width)


@cache
def _letters() -> frozenset[int]:
    return frozenset(get_font(findfont(font(8))).get_charmap())


def drawable(text: str) -> str:
    """`text` on one line, with a mark in place of each character that the font does not have.

    Without this matplotlib warns of every missing character, into the reader's notebook.
    """
    line = " ".join(text.split())
    return "".join(letter if ord(letter) in _letters() else "\N{REPLACEMENT CHARACTER}" for letter in line)


def shorten(text: str, letters: int = LONGEST_NAME) -> str:
    """`text`, drawable, with its middle left out where it is longer than `letters`."""
    text = drawable(text)
    if len(text) <= letters:
        return text
    tail = (letters - 1) // 2
    return f"{text[: letters - 1 - tail].rstrip()}…{text[-tail:].lstrip()}"


def wrap(text: str, size: float, width: float, bold: bool = False) -> list[str]:
    """Break `text` into lines of at most `width` pixels, between words where that is possible."""
    lines: list[str] = []
    line = ""
    for word in drawable(text).split():
        longer = f"{line} {word}" if line else word
        if width_of(longer, size, bold) <= width:
            line = longer
            continue
        if line:
            lines.append(line)
        while len(word) > 1 and width_of(word, size, bold) > width:
            fits = bisect_right(range(1, len(word)), width, key=lambda cut: width_of(word[:cut], size, bold))
            lines.append(word[: max(1, fits)])
            word = word[max(1, fits) :]
        line = word
    if line:
        lines.append(line)
    return lines

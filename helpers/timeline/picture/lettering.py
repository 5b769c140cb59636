"""The texts of a picture: how wide they are, and how to make them fit.

Labels are never clipped because each is measured, with the renderer that will draw it, before the margins
are set.
"""

from __future__ import annotations

from bisect import bisect_right
from functools import cache, lru_cache
from itertools import accumulate
from typing import Any

from matplotlib.backends.backend_agg import RendererAgg
from matplotlib.font_manager import FontProperties, findfont, fontManager, get_font

DPI = 96  # of the layout, as browsers count: a multiple of it gives sharp edges on every screen
FAMILY = "DejaVu Sans"  # comes with matplotlib: the picture is the same on every machine
# Where one of these is installed, it has the letters that the picture's own font lacks.
FALLBACKS = (
    *("Noto Sans CJK SC", "Noto Sans CJK JP", "Noto Sans SC", "Noto Sans JP", "WenQuanYi Micro Hei"),
    *("Microsoft YaHei", "Yu Gothic", "Malgun Gothic", "Segoe UI Emoji"),
    *("PingFang SC", "Hiragino Sans", "Apple SD Gothic Neo", "Noto Emoji"),
)
LONGEST_NAME = 28  # letters


def font(size: float, bold: bool = False) -> FontProperties:
    """The picture's font in `size` points, and those it falls back on."""
    return FontProperties(family=_families(), size=size, weight="bold" if bold else "normal")


@cache
def _renderer() -> Any:  # matplotlib does not tell its types
    return RendererAgg(1, 1, DPI)  # type: ignore[no-untyped-call]


@lru_cache(10_000)
def width_of(text: str, size: float, bold: bool = False) -> float:
    """How wide `text` will be, in pixels."""
    width, _, _ = _renderer().get_text_width_height_descent(text, font(size, bold), ismath=False)
    return float(width)


@cache
def _families() -> list[str]:
    installed = {entry.name for entry in fontManager.ttflist}
    return [FAMILY, *(family for family in FALLBACKS if family in installed)]


@cache
def _letters(family: str) -> frozenset[int]:
    """What can be written in it, in bold, too."""
    faces = [findfont(FontProperties(family=family, weight=weight)) for weight in ("normal", "bold")]
    return frozenset.intersection(*(frozenset(get_font(face).get_charmap()) for face in faces))


def drawable(text: str) -> str:
    """`text` on one line, with an escape (``\\u65e5``) in place of each character that no font here has.

    Without this matplotlib warns of every missing character, into the reader's notebook.
    """
    return "".join(_pieces(text))


def _pieces(text: str) -> list[str]:
    return [
        letter
        if any(ord(letter) in _letters(family) for family in _families())
        else letter.encode("unicode_escape").decode("ascii")
        for letter in " ".join(text.split())
    ]


def shorten(text: str, letters: int = LONGEST_NAME) -> str:
    """`text`, drawable, with its middle left out where it is longer than `letters`."""
    pieces = _pieces(text)
    if sum(map(len, pieces)) <= letters:
        return "".join(pieces)
    tail = (letters - 1) // 2
    begin, end = _fitting(pieces, letters - 1 - tail), _fitting(pieces[::-1], tail)[::-1]
    return f"{''.join(begin).rstrip()}…{''.join(end).lstrip()}"


def _fitting(pieces: list[str], room: int) -> list[str]:
    return [piece for piece, reach in zip(pieces, accumulate(map(len, pieces)), strict=True) if reach <= room]


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

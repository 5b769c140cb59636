"""What the picture is drawn on: matplotlib's axes, used in pixels."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.collections import LineCollection, PolyCollection

from helpers.timeline.picture.lettering import DPI, font

Point = tuple[float, float]


class Sheet:
    """Axes on which y counts pixels downwards, and x counts places that are `pixel` apart.

    What lies higher has the greater `order`.
    """

    def __init__(self, axes: Axes, pixel: float = 1.0) -> None:
        self.axes = axes
        self.pixel = pixel

    def write(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        colour: str,
        *,
        align: str = "left",
        bold: bool = False,
        ground: str = "",
    ) -> None:
        """Write one line of `size` points, its letters centred at `y`; `ground` keeps lines away from it."""
        patch = {"boxstyle": "square,pad=0.15", "facecolor": ground, "edgecolor": "none"} if ground else None
        self.axes.text(
            x,
            y + 0.36 * size * DPI / 72,
            text,
            color=colour,
            fontproperties=font(size, bold),
            horizontalalignment=align,
            parse_math=False,
            bbox=patch,
            zorder=6,
        )

    def boxes(
        self, sides: npt.NDArray[Any], face: str, mark: str = "", hatch: str = "", *, order: float
    ) -> None:
        """Fill boxes; `sides` has four rows: left, right, top and bottom of each."""
        left, right, top, bottom = sides
        if not len(left):
            return
        corners = np.array(((left, top), (right, top), (right, bottom), (left, bottom))).transpose(2, 0, 1)
        # Without smoothing neighbouring boxes share an edge, with no seam of background between them.
        collection = PolyCollection(
            corners,  # type: ignore[arg-type]  # an array is taken, and is faster
            facecolor=face,
            edgecolor=mark or face,
            linewidth=0,
            hatch=hatch or None,
            antialiased=False,
            zorder=order,
        )
        self.axes.add_collection(collection, autolim=False)

    def box(self, left: float, right: float, top: float, bottom: float, face: str, **more: Any) -> None:
        """Fill one box; the rest as for `boxes`."""
        self.boxes(np.array([[left], [right], [top], [bottom]]), face, **more)

    def paint(self, pixels: npt.NDArray[Any], sides: tuple[float, float, float, float], order: float) -> None:
        """Fill the box between left, right, top and bottom with `pixels`."""
        left, right, top, bottom = sides
        self.axes.imshow(
            pixels, extent=(left, right, bottom, top), aspect="auto", interpolation="none", zorder=order
        )

    def shapes(
        self,
        corners: Sequence[Sequence[Point]],
        colour: str,
        *,
        order: float,
        edge: str = "none",
        clip: bool = False,
    ) -> None:
        """Fill polygons; `clip` them at the sides of the axes."""
        if corners:
            collection = PolyCollection(
                corners, facecolor=colour, edgecolor=edge, linewidth=0.5, zorder=order, clip_on=clip
            )
            self.axes.add_collection(collection, autolim=False)

    def lines(
        self,
        paths: Sequence[Sequence[Point]],
        colour: str,
        weight: float,
        *,
        order: float,
        dashes: tuple[float, float] | None = None,
        clip: bool = False,
    ) -> None:
        """Draw lines of `weight` points; `clip` them at the sides of the axes."""
        if paths:
            style: Any = (0, dashes) if dashes else "solid"
            collection = LineCollection(
                paths, colors=colour, linewidths=weight, linestyles=style, zorder=order, clip_on=clip
            )
            collection.set_capstyle("butt")
            self.axes.add_collection(collection, autolim=False)

    def marks(
        self, points: Iterable[Point], kind: str, size: float, colour: str, weight: float, *, order: float
    ) -> None:
        """Draw markers, in matplotlib's notation."""
        x, y = [*zip(*points, strict=True)] or ((), ())
        self.axes.plot(
            x,
            y,
            kind,
            markersize=size,
            markeredgewidth=weight,
            color=colour,
            zorder=order,
            clip_on=False,
            scalex=False,
            scaley=False,
        )

    def arrows(self, arrows: Iterable[tuple[Point, Point]], colour: str, edge: str) -> None:
        """Draw thin arrows, their shafts above everything but texts, their heads also above these.

        Args:
            edge: the colour that parts them from what they cross, or ``"none"``.
        """
        shafts, heads = [], []
        for begin, end in arrows:
            run, rise = (end[0] - begin[0]) / self.pixel, end[1] - begin[1]
            length = math.hypot(run, rise) or 1.0
            run, rise = run / length, rise / length

            def back(
                along: float, aside: float, end: Point = end, run: float = run, rise: float = rise
            ) -> Point:
                return end[0] - (along * run + aside * rise) * self.pixel, end[1] - along * rise + aside * run

            shafts.append([begin, back(4.0, 0.0)])
            heads.append([end, back(6.0, 2.8), back(6.0, -2.8)])
        # Some lead out of the stretch that is shown.
        self.parted_lines(shafts, colour, 0.8, edge, clip=True)
        self.shapes(heads, colour, order=6.5, edge=edge, clip=True)

    def parted_lines(
        self, paths: Sequence[Sequence[Point]], colour: str, weight: float, edge: str, *, clip: bool = False
    ) -> None:
        """Draw lines across bars of other lanes: with an `edge`, so that they are seen to go on."""
        if edge != "none":
            self.lines(paths, edge, weight + 1.6, order=3.2, clip=clip)
        self.lines(paths, colour, weight, order=3.3, clip=clip)

    def tear(self, x: float, top: float, bottom: float, ground: str) -> None:
        """Make the end of a bar look torn off."""
        teeth = max(1, round((bottom - top) / 5.5))
        step = (bottom - top + 1) / (2 * teeth)
        edge = [
            (x - 5 * self.pixel * (place % 2), top - 0.5 + place * step) for place in range(2 * teeth + 1)
        ]
        behind = [(x + self.pixel, bottom + 0.5), (x + self.pixel, top - 0.5)]
        self.shapes([[*edge, *behind]], ground, order=3.5)

    def wedge(self, x: float, top: float, bottom: float, colour: str) -> None:
        """Point onwards from the end of a strip."""
        self.shapes([[(x, top), (x + 6 * self.pixel, (top + bottom) / 2), (x, bottom)]], colour, order=3.6)

"""Draws a timeline: a lane per thread, banded by process; what each did, held, and who woke whom.

`lettering` measures texts, `layout` says where things lie, `flags` where the words of marks do, `coverage`
how much of a column of pixels each state takes, `looks` what a state looks like, `sheet` is what is drawn on;
`drawing` puts them together.
The picture is a `Figure` of its own: pyplot is not touched, so nothing has to be closed.
"""

from helpers.timeline.picture.drawing import draw

__all__ = ["draw"]

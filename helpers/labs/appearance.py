"""What the panel looks like: its colours and hatches are those of the timelines."""

from __future__ import annotations

from helpers.labs.frames import STATES, WINDOW
from helpers.timeline.picture import looks
from helpers.timeline.picture.looks import LOOKS, Look

# At work: running. Both waits are for a queue: that for room is filled and that for an item is hatched, so
# that they can be told apart, in grey too.
_QUEUE = LOOKS["queue"]
_BY_STATE = {
    "producing": LOOKS["running"],
    "blocked": Look(_QUEUE.mark, _QUEUE.mark),
    "waiting": _QUEUE,
    "consuming": LOOKS["running"],
}
LABELS = {
    "producing": "producing or consuming",
    "blocked": "blocked: buffer full",
    "waiting": "waiting: buffer empty",
}
COLOURS = {
    "card": looks.CARD,
    "border": looks.BORDER,
    "ink": looks.INK,
    "pale": looks.PALE_INK,
    "alarm": looks.ALARM,
    "work": LOOKS["running"].face,
    "depth": looks.ARROW,
    "level": looks.BORDER,
}


def look_of(state: str) -> Look:
    """How a worker's state is drawn."""
    return _BY_STATE[state]


def for_page() -> dict[str, object]:
    """All that in a form that can be sent."""
    states = [
        {"label": LABELS.get(state), "face": look.face, "mark": look.mark, "tile": look.tile}
        for state, look in ((state, look_of(state)) for state in STATES)
    ]
    return {"states": states, "colours": COLOURS, "window": WINDOW}

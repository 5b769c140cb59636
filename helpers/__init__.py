"""Threads and processes, seen: run programs for real, record what they do, draw it on a timeline.

The companion of the course in ``notebooks/``. Nothing heavy is imported before a name is used, so that
``python3 -m helpers`` also starts on a Python that has nothing installed.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

    from helpers.labs.panel import PipelineLab
    from helpers.recording import record
    from helpers.schedules import every_schedule, play
    from helpers.script import Line, Run, run_script
    from helpers.timeline import Timeline
    from helpers.zooming import zoom

__all__ = [
    "Line",
    "PipelineLab",
    "Run",
    "Timeline",
    "every_schedule",
    "play",
    "record",
    "run_script",
    "zoom",
]

_ROOMS = {
    "Line": "helpers.script",
    "PipelineLab": "helpers.labs.panel",
    "Run": "helpers.script",
    "Timeline": "helpers.timeline",
    "every_schedule": "helpers.schedules",
    "play": "helpers.schedules",
    "record": "helpers.recording",
    "run_script": "helpers.script",
    "zoom": "helpers.zooming",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'helpers' has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name]), name)


def __dir__() -> "list[str]":
    return sorted({*globals(), *__all__})


def load_ipython_extension(ipython: "InteractiveShell") -> None:
    """Make ``%%as_script`` and ``%%timeline`` known: ``%load_ext helpers``."""
    import_module("helpers.magics").load_ipython_extension(ipython)

"""The lab: real producers and consumers on a bounded buffer, and a panel of sliders over it.

`Pipeline` is the model, without widgets; `PipelineLab` is the panel; `compare` sets runs side by side.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from helpers.labs.comparison import compare
    from helpers.labs.panel import PipelineLab
    from helpers.labs.pipeline import Pipeline
    from helpers.labs.prediction import Prediction
    from helpers.labs.settings import ARRIVALS, ENGINES, MECHANISMS, Settings
    from helpers.labs.snapshot import Snapshot, Worker

__all__ = [
    "ARRIVALS",
    "ENGINES",
    "MECHANISMS",
    "Pipeline",
    "PipelineLab",
    "Prediction",
    "Settings",
    "Snapshot",
    "Worker",
    "compare",
]

_ROOMS = {
    "ARRIVALS": "helpers.labs.settings",
    "ENGINES": "helpers.labs.settings",
    "MECHANISMS": "helpers.labs.settings",
    "Pipeline": "helpers.labs.pipeline",
    "PipelineLab": "helpers.labs.panel",
    "Prediction": "helpers.labs.prediction",
    "Settings": "helpers.labs.settings",
    "Snapshot": "helpers.labs.snapshot",
    "Worker": "helpers.labs.snapshot",
    "compare": "helpers.labs.comparison",
}


def __getattr__(name: str) -> Any:
    if name not in _ROOMS:
        raise AttributeError(f"module 'helpers.labs' has no attribute {name!r}")
    return getattr(import_module(_ROOMS[name]), name)


def __dir__() -> "list[str]":
    return sorted({*globals(), *__all__})

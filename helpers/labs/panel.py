"""The panel: sliders over a `Pipeline`, and a live picture of its buffer and its workers.

The model alone knows the settings. The page asks for a change, and every frame says what is set, so that all
views follow, whoever has changed it. A frame is a message with what the page needs to draw (`panel.js`): up
to 20 a second while the workers run, and one at once after a change. The page acknowledges frames that it has
drawn; where it does not, because it is hidden, closed or slow, one a second remains, so that none pile up.
"""

from __future__ import annotations

import threading
import time
from pathlib import Path
from typing import Any, ClassVar

import traitlets
from anywidget import AnyWidget

from helpers.labs import appearance
from helpers.labs.controls import CHOICES, SETTINGS, SLIDERS
from helpers.labs.frames import Columns, numbers, workers
from helpers.labs.pipeline import Pipeline
from helpers.labs.snapshot import Snapshot
from helpers.labs.still import still
from helpers.labs.switching import short_switch_interval
from helpers.pictures import VIEW, widget

HERE = Path(__file__).parent
BETWEEN_FRAMES = 0.05  # seconds
BETWEEN_UNSEEN = 1.0  # the same, where the page does not acknowledge what it is sent
ON_THEIR_WAY = 50  # frames that may be, before they count as unseen
PATIENCE = 5.0  # seconds for the frame thread to end; it needs that only on a very busy machine


def _setting(name: str) -> Any:
    """One of the model's settings as an attribute of the panel."""

    def put(lab: PipelineLab, value: Any) -> None:
        setattr(lab.pipeline, name, value)
        lab._send_frame()

    return property(lambda lab: getattr(lab.pipeline, name), put)


class PipelineLab(AnyWidget):
    """Sliders over real producers and consumers, and a live picture of what they do: display it.

    Every setting of `Pipeline` is an argument, and an attribute that can be read and set at any time; the
    sliders follow. At most one lab runs at a time: making or starting one stops the other.

    While a lab runs, the interpreter's switch interval (`sys.setswitchinterval`) is 1 ms, not 5 ms, so that
    sliders answer also beside threads that compute. All threads of the kernel are switched that often.
    Afterwards it is again what it was, unless somebody else has set it meanwhile.

    Attributes:
        pipeline: the model, with its counts and its prediction.
        running: whether the workers run.

    Raises:
        ValueError: a setting is out of its bounds.
    """

    _esm = (HERE / "panel.js").read_text(encoding="utf-8")
    _css = (HERE / "panel.css").read_text(encoding="utf-8")
    _fixed = traitlets.Any({"sliders": SLIDERS, "choices": CHOICES, "looks": appearance.for_page()}).tag(
        sync=True
    )

    _turn: ClassVar[threading.RLock] = threading.RLock()  # labs start and stop one after the other
    _started: ClassVar[PipelineLab | None] = None  # the one that runs; guarded by _turn

    producers = _setting("producers")
    consumers = _setting("consumers")
    produce_rate = _setting("produce_rate")
    consume_rate = _setting("consume_rate")
    capacity = _setting("capacity")
    mechanism = _setting("mechanism")
    engine = _setting("engine")
    arrivals = _setting("arrivals")
    seed = _setting("seed")

    def __init__(self, **settings: Any) -> None:
        self.pipeline = Pipeline(**settings)
        self._sending = threading.Lock()  # guards the columns and the count, and keeps frames in order
        self._columns = Columns()
        self._frame = 0  # how many have been sent
        self._seen = 0  # the latest that some page has drawn
        self._frames: threading.Thread | None = None
        self._ending = threading.Event()  # of the frame thread; a new one for each
        self._ending.set()
        super().__init__()
        # The page says which of the kernel's subshells is to take its message, one that is free while a cell
        # runs. ipykernel (7.4) would rather take that in which the last message to the page was caused, for
        # frames that of a running cell, and sliders would stand still until its end.
        self.comm._reply_subshell_for = lambda _, asked_by_page: asked_by_page
        self.on_msg(self._asked)
        with PipelineLab._turn:
            if PipelineLab._started is not None:
                PipelineLab._started.stop()

    @property
    def running(self) -> bool:
        return self.pipeline.running

    def start(self) -> None:
        """Start the workers, or let them go on; nothing happens if they run."""
        with PipelineLab._turn:
            if self.running and not self._ending.is_set():
                return
            if PipelineLab._started is not None:  # another lab; or this one, if an error has stopped a part
                PipelineLab._started.stop()
            self.pipeline.start()
            PipelineLab._started = self
            self._seen = self._frame
            self._ending = threading.Event()
            self._frames = threading.Thread(target=self._send_frames, name="frames", daemon=True)
            self._frames.start()

    def stop(self) -> Snapshot:
        """Stop the workers; nothing happens if they do not run.

        Returns:
            What they have done.
        """
        with PipelineLab._turn:
            last = self.pipeline.stop()
            if self._frames is not None:
                self._ending.set()
                self._frames.join(PATIENCE)
                self._frames = None
            if PipelineLab._started is self:
                PipelineLab._started = None
            self._send_frame()
            return last

    def reset(self) -> None:
        """Begin anew: all counts 0 and the buffer empty; if the workers run, they go on."""
        self.pipeline.reset()
        self._send_frame()

    def close(self) -> None:
        """Stop the workers and take the panel off the page."""
        if self.comm is not None:
            self.stop()
        super().close()

    def _asked(self, _: Any, content: Any, __: Any) -> None:
        """Do what the page asks for; this may be another thread than the reader's cells run in."""
        try:
            match content:
                case {"seen": frame}:
                    self._seen = max(self._seen, frame)
                case {"show": _}:
                    self._send_frame(whole=True)
                case {"set": settings, "change": change}:
                    self.pipeline.set(**settings)
                    self._send_frame(heard=change)
                case {"do": "start" | "stop" | "reset" as what}:
                    getattr(self, what)()
        except Exception as error:
            self.send({"error": f"{type(error).__name__}: {error}"})

    @short_switch_interval()
    def _send_frames(self) -> None:
        """In a thread of its own: send a frame every 50 ms, each at its due time."""
        ending = self._ending
        try:
            due = last = time.monotonic()
            while not ending.wait(max(0.0, due - time.monotonic())):
                running = self.running
                now = time.monotonic()
                if not running or self._frame - self._seen < ON_THEIR_WAY or now - last >= BETWEEN_UNSEEN:
                    self._send_frame()
                    last = now
                else:
                    with self._sending:
                        self._columns.add(self.pipeline.snapshot())
                if not running:  # an error has stopped it, which the frame has told
                    return
                due = max(due + BETWEEN_FRAMES, now)
        except Exception as error:
            ending.set()  # first: who reads the message may start again at once
            self.send({"error": f"The picture stands still. {type(error).__name__}: {error}"})

    def _send_frame(self, *, whole: bool = False, heard: Any = None) -> None:
        """Send what has come since the frame before.

        Args:
            whole: send all that the picture shows, for a page that has nothing yet.
            heard: the page's change that this frame answers.
        """
        with self._sending:
            snapshot = self.pipeline.snapshot()
            whole = self._columns.add(snapshot) or whole
            self._frame += 1
            self.send(
                {
                    "frame": self._frame,
                    "whole": whole,
                    "heard": heard,
                    "running": snapshot.running,
                    "settings": {name: getattr(self.pipeline, name) for name in SETTINGS},
                    "columns": self._columns.unsent(whole),
                    "workers": workers(snapshot, self.pipeline.settings),
                    "numbers": numbers(snapshot, self.pipeline.prediction),
                    "limit": snapshot.limit_sentence,
                    "error": snapshot.error,
                }
            )

    def _repr_mimebundle_(self, **_: Any) -> tuple[dict[str, Any], dict[str, Any]]:
        data, metadata = still(self.pipeline)
        metadata["helpers"]["raw"].append(VIEW)  # every widget has a number of its own
        return widget(self.model_id) | data, metadata

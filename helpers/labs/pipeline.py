"""The lab's model: producers, a bounded buffer and consumers, as real threads or processes."""

from __future__ import annotations

import atexit
import threading
from collections.abc import Callable
from dataclasses import fields, replace
from typing import Any

from helpers.labs.books import Books
from helpers.labs.crew import Engine, adjust
from helpers.labs.prediction import Prediction, predict
from helpers.labs.process_engine import ProcessEngine
from helpers.labs.settings import Settings
from helpers.labs.snapshot import Snapshot
from helpers.labs.thread_engine import ThreadEngine
from helpers.labs.workers import STARTING


class Pipeline:
    """Producers → buffer → consumers, as real threads or processes, whose settings can change while it runs.

    Every setting is an attribute (see `Settings` for what each means and may be). Setting one takes effect
    within milliseconds: a rate also for a worker that is asleep, a number of workers without losing an item.
    A new `mechanism`, `engine` or `seed` while it runs ends all workers and begins anew, with counts at zero.
    Setting an attribute never waits, and may be done from any thread: one thread of the pipeline's own, its
    supervisor, carries everything out.

    Args:
        settings: as attributes of `Settings`.

    Raises:
        ValueError: a setting is out of bounds; also where it is set later.
        TypeError: there is no such setting.
    """

    producers: int
    consumers: int
    produce_rate: float
    consume_rate: float
    capacity: int | None
    mechanism: str
    engine: str
    arrivals: str
    seed: int

    def __init__(self, **settings: Any) -> None:
        self._settings = Settings(**settings)
        self._settings_lock = threading.Lock()  # held only for the moment of a change: a setter never waits
        self._lock = threading.RLock()  # for those who start and stop; the supervisor never takes it
        self._wake = threading.Event()
        self._stopping = False
        self._anew = False
        self._supervisor: threading.Thread | None = None
        # Whether all is over. Asked in place of the thread: an interrupted join() makes Python 3.11 and 3.12
        # believe that a thread has ended which has not.
        self._over = threading.Event()
        self._over.set()
        self._books = self._new_books(self._settings)

    @property
    def settings(self) -> Settings:
        """The values that are set."""
        return self._settings

    @property
    def running(self) -> bool:
        """Whether it runs."""
        return not self._over.is_set()

    @property
    def prediction(self) -> Prediction:
        """What queueing theory says about the values that are set."""
        return predict(self._settings)

    def set(self, **changes: Any) -> None:
        """Change several settings at once.

        Raises:
            ValueError: a setting is out of bounds; then none is changed.
            TypeError: there is no such setting.
        """
        with self._settings_lock:
            self._settings = replace(self._settings, **changes)
        self._wake.set()

    def start(self) -> None:
        """Begin, or go on after a stop; nothing if it runs. Returns at once.

        After a change of mechanism, engine or seed it begins anew.
        """
        with self._lock:
            if self.running:
                return
            if _begins_anew(self._books.settings, self._settings):
                self._books = self._new_books(self._settings)
            self._books.open()
            self._stopping = self._anew = False
            self._over.clear()
            self._supervisor = threading.Thread(target=self._supervise, name="pipeline", daemon=True)
            # Runs before multiprocessing's own farewell, which would wait for children that nobody ends.
            atexit.register(self.stop)
            self._supervisor.start()

    def stop(self) -> Snapshot:
        """End every worker, whatever it waits for, within half a second; nothing if it does not run."""
        with self._lock:
            if self._supervisor is not None:
                self._stopping = True
                self._wake.set()
                # In a fork of this process there is no such thread, and nobody who would end this wait.
                while not self._over.wait(1.0) and self._supervisor.is_alive():
                    pass
                self._supervisor.join()
                self._supervisor = None
                atexit.unregister(self.stop)
            return self._books.snapshot()

    def reset(self) -> None:
        """Begin anew, with an empty buffer and all counts at zero; it goes on if it runs."""
        with self._lock:
            if self.running:
                self._anew = True
                self._wake.set()
            else:
                self._books = self._new_books(self._settings)

    def run(self, seconds: float) -> Snapshot:
        """Run anew for so many seconds, counted from when all workers are at work, and stop.

        An interrupt, or an error in a worker, stops it too.

        Raises:
            ValueError: not a time above 0.
            RuntimeError: it runs already.
        """
        if not seconds > 0:
            raise ValueError(f"seconds must be above 0, not {seconds!r}.")
        with self._lock:
            if self.running:
                raise RuntimeError("The pipeline runs already: stop() it first.")
            self.reset()
            self.start()
        try:
            while not self._everybody_works() and not self._over.wait(0.002):
                pass
            self._over.wait(seconds)
        finally:
            snapshot = self.stop()
        return snapshot

    def snapshot(self) -> Snapshot:
        """What was done so far. Cheap, and never waits for a worker."""
        return self._books.snapshot()

    def _everybody_works(self) -> bool:
        members = self._books.crew.members
        wanted = self._settings.producers + self._settings.consumers
        return len(members) == wanted and all(member.row.state != STARTING for member in members)

    def _new_books(self, settings: Settings) -> Books:
        return Books(settings, ENGINES[settings.engine](settings))

    def _supervise(self) -> None:
        """Carry out what is set, look every `TICK`, and end everybody at the end."""
        try:
            self._begin()
            while not self._stopping and not self._books.error:
                wish = self._settings
                if self._anew or _begins_anew(self._books.settings, wish):
                    self._anew = False
                    self._end()
                    self._books = self._new_books(wish)
                    self._books.open()
                    self._begin()
                done = self._carry_out(wish)
                left = self._books.look_if_due()
                if done:
                    self._wake.wait(left)
                # Cleared before the settings are read: a change that comes later wakes again.
                self._wake.clear()
        except Exception as error:
            self._books.error = f"The pipeline failed: {type(error).__name__}: {error}"
        finally:
            try:
                self._end()
            finally:
                self._over.set()

    def _begin(self) -> None:
        books = self._books
        books.engine.begin(books.settings, books.zero)

    def _carry_out(self, wish: Settings) -> bool:
        """Bring everything to the settings; False where there are still workers to hire."""
        books = self._books
        if wish.capacity != books.settings.capacity:
            books.engine.resize(wish.capacity)
        books.settings = wish
        members, complete = adjust(books.engine, books.crew.members, wish)
        before = books.crew.members
        # Known before they start: what a worker has taken must not look lost for a moment.
        books.crew = books.crew._replace(members=members)
        for member in members:
            if member not in before:
                member.start()
        return complete

    def _end(self) -> None:
        books = self._books
        sentences = books.engine.end(books.crew.members)
        books.close()
        books.error = books.error or " ".join(sentences)


ENGINES: dict[str, Callable[[Settings], Engine]] = {"threads": ThreadEngine, "processes": ProcessEngine}


def _begins_anew(before: Settings, now: Settings) -> bool:
    return (before.mechanism, before.engine, before.seed) != (now.mechanism, now.engine, now.seed)


def _attribute(name: str) -> property:
    def get(self: Pipeline) -> Any:
        return getattr(self.settings, name)

    def change(self: Pipeline, value: Any) -> None:
        self.set(**{name: value})

    return property(get, change)


for _field in fields(Settings):
    setattr(Pipeline, _field.name, _attribute(_field.name))

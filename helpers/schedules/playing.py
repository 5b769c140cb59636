"""The reader is the scheduler: a scenario run step by step, as the reader chooses.

All that the player in a notebook can do, without the notebook: `Play` keeps the game, and `Play.view` says
all that is to be shown. The page may ask from another thread than the one the reader's cells run in, so that
one thing is done after the other.
"""

from __future__ import annotations

import random
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from helpers.schedules.listing import Listing, around
from helpers.schedules.notation import letter, read
from helpers.timeline.words import count

if TYPE_CHECKING:
    from helpers.schedules.result import Failure, Schedule
    from helpers.schedules.stepper import Choice, Stepper

# What the reader may be asked to reach, and the kind of failure as which it shows; "" for any.
GOALS = {
    "failure": ("Make it fail.", ""),
    "deadlock": ("Make it deadlock.", "deadlock"),
    "lost update": ("Make it lose an update.", "AssertionError"),
    "lost wake-up": ("Make it lose a wake-up.", "lost wake-up"),
    "livelock": ("Make it livelock.", "livelock"),
}
MOST_STEPS = 1_000  # that chance makes at once: a program may go on for ever
KEYS = "0123456789"  # of the threads, by number
_ALONG = '"Next step of it" goes along it.'


class Play:
    """A scenario, and how far the reader has led it.

    The scenario's threads are real ones that stand still between two steps. They are there from the first
    look on until `close`.
    """

    def __init__(
        self,
        begin: Callable[[], Stepper],
        find: Callable[[str], Schedule | None],
        *,
        goal: str = "",
        seed: int = 0,
    ) -> None:
        """
        Args:
            begin: begins the scenario, to be run step by step.
            find: finds a schedule that fails, if possible by this kind of failure; None where there is none.
            goal: what the reader is to reach: one of `GOALS`, or a sentence, which any failure fulfils.
            seed: decides what chance does.
        """
        self._turn = threading.RLock()  # guards everything below
        self._begin = begin
        self._find = find
        self._goal, self._goal_kind = GOALS.get(goal, (goal, ""))
        self._random = random.Random(seed)
        self._game: Stepper | None = None
        self._closed = False
        self._listings: dict[int, list[Listing]] = defaultdict(list)  # by thread, as they were come to
        self._ahead: deque[tuple[str, bool]] = deque()  # thread and timeout of each step still to be shown
        self._before: dict[str, str] = {}  # the values before the last step
        self._last: int | None = None  # who made it
        self._said = ""
        self._steps: list[tuple[int, bool]] = []  # made so far: thread, and whether its timeout fired

    # ------------------------------------------------------------------------------------ what is done

    def choose(self, thread: int, *, expire: bool = False) -> None:
        """Let a thread make its next step, or let the timeout of its wait fire.

        Args:
            thread: its number, as in the view.
            expire: let the timeout fire.

        Raises:
            ValueError: it cannot.
        """
        with self._turn:
            self._go(thread, expire)
            self._ahead.clear()

    def undo(self) -> None:
        """Take the last step back."""
        with self._turn:
            if self._steps:
                self._stepper.undo()
                self._steps.pop()
                self._ahead.clear()
                self._tell("The last step is taken back.")

    def again(self) -> None:
        """Start again from the beginning."""
        with self._turn:
            self._restart()
            self._tell("It begins again.")

    def chance(self) -> None:
        """Go on by chance until the schedule is over."""
        with self._turn:
            self._ahead.clear()
            for _ in range(MOST_STEPS):
                options = self._options()
                if not options:
                    return
                self._go(*self._random.choice(options))
            self._tell(f"It has gone on for {MOST_STEPS:,} steps, and may go on for ever.")

    def follow(self, string: str) -> None:
        """Begin again, and go to where a schedule leads.

        Args:
            string: as in `Schedule.string`.

        Raises:
            ValueError: it is no schedule, or none of this scenario.
        """
        with self._turn:
            picks = read(string)
            before = list(self._steps)
            try:
                self._restart()
                self._tell("It begins again.")
                self._follow(picks)
            except ValueError:
                self._restart()
                for step in before:
                    self._go(*step)
                raise

    def fail(self) -> None:
        """Begin again, with a schedule that fails ahead: `forward` goes along it step by step.

        Raises:
            ValueError: none is known to fail.
        """
        with self._turn:
            schedule = self._find(self._goal_kind)
            if schedule is None:
                raise ValueError("No schedule of this scenario was found to fail.")
            self._restart()
            self._ahead.extend((step.thread, step.expired) for step in schedule.steps if step.chosen)
            if self._ahead:
                steps = count(len(self._ahead), "step")
                self._tell(f'This one fails, in {steps}. Its short name is "{schedule.string}". {_ALONG}')

    def forward(self) -> None:
        """Make the next step of the schedule that lies ahead."""
        with self._turn:
            if self._ahead:
                self._forward()

    def close(self) -> None:
        """End the scenario's threads; nothing can be done any more."""
        with self._turn:
            self._closed = True
            self._end()

    # ------------------------------------------------------------------------------------ what is shown

    def view(self) -> dict[str, Any]:
        """All that is to be shown now, as plain data: see `player.js`."""
        with self._turn:
            stepper = self._stepper
            values = [
                [name, value, before if (before := self._before.get(name, value)) != value else None]
                for name, value in stepper.values.items()
                if not name.endswith(")")  # what a call has given is no variable's value
            ]
            outcome = stepper.outcome
            kind = getattr(outcome, "kind", "")  # of a failure
            reached = bool(self._goal and kind) and self._goal_kind in ("", kind)
            return {
                "goal": self._goal,
                "reached": reached,
                "threads": [self._thread(choice) for choice in stepper.choices],
                "said": self._all_said(stepper.outcome, reached),
                "outcome": "" if outcome is None else "failed" if kind else "ended",
                "values": values,
                "output": stepper.output,
                "schedule": stepper.schedule,
                "steps": len(self._steps),
                "ahead": len(self._ahead),
            }

    def _thread(self, choice: Choice) -> dict[str, Any]:
        """One thread's column."""
        listings = self._listings[choice.number]
        at = None
        if site := self._site(choice):
            if not any(listing.has(*site) for listing in listings) and (new := around(*site)):
                listings.append(new)
            at = next(([n, site[1]] for n, listing in enumerate(listings) if listing.has(*site)), None)
        return {
            "number": choice.number,
            "key": KEYS[choice.number : choice.number + 1],
            "letter": letter(choice.number),
            "name": choice.name,
            "state": choice.state if choice.waits is None else choice.waits.state,
            "does": "" if choice.state in ("ended", "raised") else choice.text,
            "says": _says(choice),
            "can": choice.can_go,
            "can_expire": choice.can_expire,
            "functions": [{"first": listing.first, "lines": listing.lines} for listing in listings],
            "at": at,
            "chosen": choice.number == self._last,
        }

    def _site(self, choice: Choice) -> tuple[str, int] | None:
        """File and line of a thread: where it goes on, or where an exception has ended it."""
        if choice.site is None or choice.state == "ended":
            return None
        return choice.site.file, choice.site.line

    # --------------------------------------------------------------------------------------- in between

    @property
    def _stepper(self) -> Stepper:
        if self._closed:
            raise ValueError("This player is closed: run its cell again.")
        if self._game is None:
            self._game = self._begin()
        return self._game

    def _end(self) -> None:
        if self._game is not None:
            self._game.close()
        self._game = None

    def _restart(self) -> None:
        self._end()
        self._ahead.clear()
        self._steps.clear()

    def _forward(self) -> None:
        name, expire = self._ahead.popleft()
        self._go(next(choice.number for choice in self._stepper.choices if choice.name == name), expire)

    def _follow(self, picks: Sequence[int]) -> None:
        """Make these steps, each as a schedule's string has it."""
        for number, pick in enumerate(picks, 1):
            options = self._options()
            if not options:
                raise ValueError(f"This schedule is over after {number - 1} of these {len(picks)} steps.")
            step = pick // 2, bool(pick % 2)
            if step not in options:
                what = letter(step[0]) + "!" * step[1]
                raise ValueError(f"Step {number} of this schedule, {what}, is not possible there.")
            self._go(*step)

    def _options(self) -> list[tuple[int, bool]]:
        """All that can be done now: the number of a thread, and whether it is that its timeout fires."""
        found = []
        for choice in self._stepper.choices:
            found += [(choice.number, False)] * choice.can_go + [(choice.number, True)] * choice.can_expire
        return found

    def _go(self, thread: int, expire: bool) -> None:
        """Make one step, and say it."""
        stepper = self._stepper
        choice = next((each for each in stepper.choices if each.number == thread), None)
        if choice is None or not (choice.can_expire if expire else choice.can_go):
            raise ValueError(f"{choice.name if choice else 'That thread'} cannot do that now.")
        before = dict(stepper.values)
        stepper.choose(thread, expire=expire)
        self._steps.append((thread, expire))
        expired = " (timeout)" if expire else ""
        value = f" = {stepper.value}" if stepper.value else ""
        self._tell(f"{len(self._steps)}. {choice.name}: {choice.text}{expired}{value}.")
        self._before, self._last = before, thread

    def _all_said(self, outcome: Failure | str | None, reached: bool) -> str:
        """What was done last, and how the schedule ended if it did."""
        if outcome is None:
            return self._said or "Choose which thread goes first."
        said = self._said if self._steps else "There is nothing to choose."
        return f"{said} {_ending(outcome)}{' The goal is reached.' * reached}"

    def _tell(self, said: str) -> None:
        self._said = said
        self._before, self._last = {}, None


def _says(choice: Choice) -> str:
    """What a thread that cannot go on waits for, or how it ended."""
    if choice.state == "ended":
        return "It has ended."
    if choice.state == "raised":
        return f"It has ended by {choice.text}."
    if choice.waits is None:
        return ""
    wait = choice.waits
    if wait.state == "join":
        return f"It waits for {wait.on} to end."
    if wait.holder:
        return f"It waits for {wait.on}, held by {wait.holder}."
    return f"It waits for {wait.on}: another thread would have to {wait.remedy}."


def _ending(outcome: Failure | str) -> str:
    """How the schedule ended."""
    if isinstance(outcome, str):
        return "The program has ended, and nothing has failed."
    named = (
        f"{outcome.kind.capitalize()}: " if outcome.kind in ("deadlock", "lost wake-up", "livelock") else ""
    )
    return f"{named}{outcome.message.removesuffix('.')}."

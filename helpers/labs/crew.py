"""Who works at the moment: workers are hired, given their orders, and retired."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator
from itertools import count, islice

from helpers.labs.settings import MOST_WORKERS, Settings
from helpers.labs.workers import Row

PRODUCER, CONSUMER = "producer", "consumer"


class Member(ABC):
    """A worker, as the pipeline sees it.

    Attributes:
        role: `PRODUCER` or `CONSUMER`.
        number: within its role, from 1 on.
        retiring: it has been told to leave.
        ended: its thread or process was no more when `check` looked.
        error: what went wrong in it; empty where nothing did.
    """

    def __init__(self, role: str, number: int) -> None:
        self.ended = False
        self.error = ""
        self.role = role
        self.number = number
        self.name = f"{role} {number}"
        self.retiring = False

    @abstractmethod
    def start(self) -> None:
        """Let it begin."""

    @property
    @abstractmethod
    def row(self) -> Row:
        """Its account."""

    @abstractmethod
    def check(self) -> None:
        """See whether it has ended."""

    @abstractmethod
    def taken(self) -> Iterator[int]:
        """The numbers of items it took that were not asked for before."""

    @abstractmethod
    def give(self, rate: float, random: bool) -> None:
        """Set its pace."""

    @abstractmethod
    def leave(self) -> None:
        """Tell it to end, whatever it waits for."""


class Engine(ABC):
    """Makes workers of one kind and the buffer between them. It outlives a stop.

    Attributes:
        hires: how many of each role it hires at a time; where starting takes long, the rest wait.
    """

    hires = MOST_WORKERS

    @abstractmethod
    def begin(self, settings: Settings, zero: float) -> None:
        """Workers are to come; moments are counted from `zero`."""

    @abstractmethod
    def hire(self, role: str, number: int, settings: Settings) -> Member:
        """Make a worker; it has yet to be started."""

    @abstractmethod
    def resize(self, capacity: int | None) -> None:
        """Change the buffer's capacity."""

    @abstractmethod
    def depth(self) -> int | None:
        """How many items are in the buffer; None where that is known only from what went in and out."""

    @abstractmethod
    def end(self, members: tuple[Member, ...]) -> list[str]:
        """End all workers within half a second; return sentences about those that had to be killed."""

    @abstractmethod
    def contents(self) -> list[int]:
        """The items in the buffer, after `end`."""


def orders_of(role: str, settings: Settings) -> tuple[float, bool]:
    """What the workers of a role are told: their rate, and whether times are random."""
    rate = settings.produce_rate if role == PRODUCER else settings.consume_rate
    return rate, settings.arrivals == "random"


def adjust(
    engine: Engine, members: tuple[Member, ...], settings: Settings
) -> tuple[tuple[Member, ...], bool]:
    """Retire who is too many, make who is missing, and give everybody the rates that are set.

    Returns:
        All members, also those that are still about to leave, and those who have yet to be started;
        whether nobody is left to be hired.
    """
    everybody = list(members)
    complete = True
    for role, wanted in ((PRODUCER, settings.producers), (CONSUMER, settings.consumers)):
        active = [member for member in members if member.role == role and not member.retiring]
        for member in active[wanted:]:
            member.retiring = True
            member.leave()
        for member in active[:wanted]:
            member.give(*orders_of(role, settings))
        missing = wanted - len(active)
        complete = complete and missing <= engine.hires
        # A name is free again when its former bearer has left.
        names = {member.number for member in members if member.role == role}
        free = (number for number in count(1) if number not in names)
        for number in islice(free, max(0, min(missing, engine.hires))):
            everybody.append(engine.hire(role, number, settings))
    everybody.sort(key=lambda member: (member.role == CONSUMER, member.number))
    return tuple(everybody), complete

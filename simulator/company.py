"""Company: what is settled about one company and its people before its first event: its destiny and its dates."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum


class Destiny(StrEnum):
    """How the story of a company goes, if the run is long enough to tell it."""

    STALL = "stall"
    ACTIVATE = "activate"
    EXPAND = "expand"
    CHURN = "churn"


@dataclass(frozen=True, slots=True)
class Person:
    """
    One user. Times are Unix milliseconds.

    `diligence` is the share of ordinary working days with a session; `leaves` is the moment an admin removes the
    person; `elsewhere` is True for one who belongs to a second workspace.
    """

    id: str
    anonymous_id: str
    email: str
    arrives: int
    diligence: float
    leaves: int | None = None
    elsewhere: bool = False
    # The browser's clock against the true time; Segment's `timestamp` corrects it.
    clock_skew: int = 0


@dataclass(frozen=True, slots=True)
class Subscription:
    """What a company pays for from `time` on; `mrr` in whole dollars."""

    time: int
    plan: str
    seats: int
    mrr: int


@dataclass(slots=True)
class Company:
    """
    One company and its workspace. Times are Unix milliseconds; None is never.

    `people[0]` founded it. `offset` is local time minus UTC. `fades` is when interest begins to go.
    """

    index: int
    workspace_id: str
    name: str
    domain: str
    employees: int
    offset: int
    destiny: Destiny
    existing: bool
    large: bool
    created: int | None
    activated: int | None
    people: list[Person]
    trial: tuple[int, int] | None = None
    subscriptions: list[Subscription] = field(default_factory=list)
    procurement: list[tuple[int, str]] = field(default_factory=list)
    fades: int | None = None
    cancelled: int | None = None

    @property
    def founder(self) -> Person:
        """Who signed up first."""
        return self.people[0]

    @property
    def converted(self) -> int | None:
        """When it began to pay."""
        return self.subscriptions[0].time if self.subscriptions else None

    def workspace_at(self, time: int) -> str | None:
        """The workspace id events carry at that time; a founder's first ones may come before the workspace."""
        return self.workspace_id if self.created is not None and time >= self.created else None

    def members_at(self, time: int) -> int:
        """How many people have come and not left by then."""
        return sum(p.arrives <= time and (p.leaves is None or p.leaves > time) for p in self.people)

    def subscription_at(self, time: int) -> Subscription | None:
        """What it pays for at that time; None on the free plan."""
        if self.cancelled is not None and time >= self.cancelled:
            return None
        return next((s for s in reversed(self.subscriptions) if s.time <= time), None)

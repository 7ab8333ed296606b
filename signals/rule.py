"""What a rule is: it looks at a state that an event has just changed and says whether its signal fires, and why."""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import StrEnum
from typing import TYPE_CHECKING, ClassVar

import msgspec
from pydantic import BaseModel, ConfigDict, Field

from signals.event import Role, Scalar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signals.event import Event
    from signals.facts import Fact, Firing
    from signals.timers import Timer
    from signals.user import Progress, UserState
    from signals.workspace import Change, WorkspaceState

Evidence = dict[str, Scalar | None]


class RuleParams(BaseModel):
    """What ops set for one signal in the config, under `signals.<name>`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    enabled: bool = Field(default=True, description="false switches the signal off.")


class Kind(StrEnum):
    """What a signal is about."""

    ACTIVATION = "activation"
    EXPANSION = "expansion"
    INTENT = "intent"
    RISK = "risk"
    # No signal: what the funnel needs to know besides (SIGNALS 8). Policy never sees one.
    MEASURE = "measure"


class Scope(StrEnum):
    """Whose state a rule reads, and who is the subject of its signals."""

    USER = "user"
    WORKSPACE = "workspace"


class Trigger(StrEnum):
    """What, besides a role of the event, can change the outcome of a workspace rule."""

    MEMBERS = "members"
    ACTIVE_DAY = "active_day"
    DOMAIN = "domain"
    PLAN = "plan"
    SEATS = "seats"
    USAGE = "usage"
    # Core events have been added to a day's volume.
    VOLUME = "volume"
    # A power user was removed, or has not been active for long.
    CHAMPION = "champion"


class Why(msgspec.Struct, frozen=True):
    """One reason in an alert's `why`: what was observed, and the threshold it was held against if there is one."""

    fact: str
    value: Scalar | None
    threshold: Scalar | None = None


class Finding(msgspec.Struct, frozen=True):
    """
    A rule's yes.

    `key` is what the definition of the signal says "per" (request type, domain), empty where it says nothing.
    `end` is the window end that a window signal was judged at. `kind` is set where it differs from the rule's.
    `threshold` is set where falling below it arms the rule again.
    """

    evidence: Evidence
    key: str = ""
    end: int | None = None
    kind: Kind | None = None
    threshold: float | None = None


class Rule(ABC):
    """
    What user and workspace rules share.

    A rule only reads. The engine records what it found; a rule that raises loses only its own firing.
    """

    # Of one of ours the class has these; of the config's own signals, each its own (signals/custom_rule.py).
    name: str
    kind: Kind
    scope: ClassVar[Scope]
    # What the rep should do.
    play: str
    # Sales hear of it although nobody in the workspace has activated (SIGNALS 6.1).
    before_activation: ClassVar[bool] = False

    @abstractmethod
    def headline(self, evidence: Evidence) -> str:
        """Say in half a sentence what happened, for the title of an alert."""

    @abstractmethod
    def why(self, evidence: Evidence) -> list[Why]:
        """Hold the observed values of a firing against the thresholds that were in force."""

    def family(self, evidence: Evidence) -> tuple[str, float] | None:  # noqa: ARG002 - most signals stand alone
        """
        Name the story of which the signal is a chapter, and how far on it is.

        While an alert of a later chapter is open, an earlier one is no news.
        """
        return None

    def is_pressing(self, evidence: Evidence) -> bool:  # noqa: ARG002 - most are as urgent as their route says
        """Tell whether it is one step more urgent than its route says: the last chapter of a story that has several."""
        return False

    def alerted_as(self, evidence: Evidence) -> str:  # noqa: ARG002 - mostly by its name
        """Name what sales has heard of by an alert about it: what has the same name is quiet for `alerts.cooldown`."""
        return self.name

    def still_holds(self, workspace: WorkspaceState, day: int) -> bool:  # noqa: ARG002 - most moments stay true
        """Tell whether a signal held back earlier is still worth an alert on `day`."""
        return True


class UserRule(Rule):
    """A rule over the state of one user, asked when an event has one of its roles, or at his new active days."""

    scope = Scope.USER
    roles: ClassVar[frozenset[Role]]
    # Asked at each new active day of the user, and at each new core name of his.
    on_active_day: ClassVar[bool] = False

    @property
    def breadth_days(self) -> int:
        """In how many days, up to that of the event, it counts core names; 0 for a rule that does not."""
        return 0

    def may_fire(self, user: UserState, day: int) -> bool:  # noqa: ARG002 - most are not asked about days
        """
        Tell cheaply whether a new active day of the user could make it fire, or a core name that is new on its day.

        Args:
            user: The state before that. Where in doubt, it could.
            day: The day.
        """
        return True

    @abstractmethod
    def judge(self, user: UserState, event: Event, progress: Progress) -> Finding | None:
        """Tell whether the event, already applied to the user, raises the signal."""

    def gap(self, user: UserState, now: int, day: int) -> str | None:  # noqa: ARG002 - of some nothing can be said
        """
        Say what is missing for it to fire: "2 more active days by 2026-03-08"; None where nothing can be said.

        Args:
            user: The state.
            now: The moment, Unix milliseconds.
            day: Its day, numbered as in `signals.moments.Days`.
        """
        return None


class WorkspaceRule(Rule):
    """A rule over the state of one workspace, asked when a fact has one of its triggers."""

    scope = Scope.WORKSPACE
    triggers: ClassVar[frozenset[Role | Trigger]]
    # Whether it looks at ends of its ring that lie between its last firing and now, however long ago.
    looks_back: ClassVar[bool] = False

    @property
    def window(self) -> int | None:
        """The window in days whose ring the rule reads, None for a rule without one."""
        return None

    @abstractmethod
    def judge(self, workspace: WorkspaceState, fact: Fact, change: Change) -> Finding | None:
        """Tell whether the fact, already applied to the workspace, raises the signal."""

    def gap(self, workspace: WorkspaceState, now: int, day: int) -> str | None:  # noqa: ARG002 - of some nothing can be said
        """Say what is missing for it to fire, as `UserRule.gap` does: "2 more active users within 7 days"."""
        return None


class UserTimer(Rule):
    """A rule that time makes fire: a user waits for it, see `signals.timers`."""

    scope = Scope.USER
    # What must not happen until then, for people: "unless ...".
    unless: str

    @abstractmethod
    def due(self, user: UserState, key: str, timer: Timer) -> int | None:
        """When it is due (Unix milliseconds), by what is known now; None if it is waited for no more."""

    @abstractmethod
    def judge_due(self, user: UserState, key: str, timer: Timer) -> Finding | None:
        """Tell whether the signal fires now that it is due; the timer is gone in any case."""


class WorkspaceTimer(Rule):
    """The same of a workspace."""

    scope = Scope.WORKSPACE
    unless: str

    @abstractmethod
    def due(self, workspace: WorkspaceState, key: str, timer: Timer) -> int | None:
        """When it is due (Unix milliseconds), by what is known now; None if it is waited for no more."""

    @abstractmethod
    def judge_due(self, workspace: WorkspaceState, key: str, timer: Timer) -> Finding | None:
        """Tell whether the signal fires now that it is due; the timer is gone in any case."""

    def event_of(self, workspace: WorkspaceState, timer: Timer) -> Timer:  # noqa: ARG002 - mostly the timer's own
        """The event that a firing names: that which the wait counts from (SIGNALS A15)."""
        return timer


class DerivedRule(Rule):
    """A rule over the signals of its workspace, asked when one has fired and when its plan or its company changes."""

    scope = Scope.WORKSPACE
    # Asked only when the score has been moved by something other than time.
    on_score: ClassVar[bool] = False

    @abstractmethod
    def judge_derived(self, workspace: WorkspaceState, firings: Sequence[Firing], time: int) -> Finding | None:
        """
        Tell whether what has just fired raises this signal.

        Args:
            workspace: With the firings recorded, and their points in its score.
            firings: What fired at this moment, of user scope first; maybe none.
            time: Of the moment, Unix milliseconds.
        """

    def gap(self, workspace: WorkspaceState, now: int, day: int) -> str | None:  # noqa: ARG002 - of some nothing can be said
        """Say what is missing for it to fire, as `UserRule.gap` does."""
        return None

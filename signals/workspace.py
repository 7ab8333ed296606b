"""The workspace's state: members, active users, plan and usage, what has fired, and what policy is waiting for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from signals.billing import (
    NOTHING_PASSED,
    Billing,
    Number,
    Plan,
    PlanStep,
    RevenueStep,
    SeatStep,
    Terms,
    UsageStep,
    move_mrr,
    move_plan,
    move_seats,
    report_usage,
)
from signals.domains import DomainKind
from signals.event import EventType, Role, Source
from signals.facts import Alert, Decision, Fact, FactKind, Firing, Heard, Profile
from signals.fired import FiredState
from signals.rule import Why
from signals.score import Points
from signals.timers import Timer
from signals.volume import Volume
from signals.window import KEPT_DAYS, TOO_OLD_DAYS, WindowRing


class Pending(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A signal that came inside a cooldown or above the cap: its reasons join the workspace's next alert."""

    signal_id: str
    why: tuple[Why, ...]
    time: int


class Trial(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The trial in force: its end, and the event time of the `trial_started` that named it first."""

    end: int
    started: int


class Recent(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One of the last verdicts, for people who look at the workspace."""

    signal: str
    decision: Decision
    time: int
    reason: str | None = None


# What the fields are called where they are stored, as in signals/user.py.
_POLICY_STORED_AS = {
    "activated_at": "ac",
    "held": "h",
    "quiet": "q",
    "quiet_until": "qu",
    "asked": "as",
    "answers": "an",
    "alerted": "al",
    "sent": "s",
    "open": "o",
    "pending": "p",
    "muted": "m",
    "snoozed_until": "sn",
    "heard": "he",
    "recent": "r",
}
_STORED_AS = {
    "since": "s",
    "until": "u",
    "newest_day": "n",
    "members": "m",
    "signed_up_members": "sm",
    "is_created": "c",
    "rings": "r",
    "name": "na",
    "domain": "d",
    "domain_kind": "k",
    "moved_to": "mv",
    "is_suspect": "x",
    "billing": "b",
    "policy": "p",
    "timers": "tm",
    "active_at": "aa",
    "active_event": "ae",
    "active_source": "as",
    "trial": "t",
    "volume": "v",
    "employees": "e",
    "score": "sc",
}


class PolicyState(msgspec.Struct, omit_defaults=True, forbid_unknown_fields=True, rename=_POLICY_STORED_AS, gc=False):
    """
    What policy remembers of a workspace.

    `activated_at` is the first activation known of a present or former member. `held` waits for it, oldest first;
    `quiet` waits for the end of the quiet hours, `quiet_until`; `asked` for what another workspace knows; `answers`
    has the events whose answers came first. `alerted` maps a signal to the time of its last alert. `sent` has the
    times of the alerts that count towards the cap, `open` the alerts that are not closed, oldest first. `muted` maps
    a signal, or "" for all of them, to the time it ends. `heard` has what sales heard of a company, by domain. Times
    are Unix milliseconds.
    """

    activated_at: int | None = None
    held: list[Firing] = []
    quiet: list[Firing] = []
    quiet_until: int | None = None
    asked: list[Firing] = []
    answers: list[str] = []
    alerted: dict[str, int] = {}
    sent: list[int] = []
    open: list[Alert] = []
    pending: list[Pending] = []
    muted: dict[str, int] = {}
    snoozed_until: int | None = None
    heard: dict[str, Heard] = {}
    recent: list[Recent] = []


class WorkspaceState(FiredState, omit_defaults=True, forbid_unknown_fields=True, rename=_STORED_AS, gc=False):
    """
    One workspace; a user's personal one has the id `user:<user id>`.

    `since` is the oldest and `until` the newest event time seen. `rings` holds one ring per window length in days.
    `signed_up_members` counts the members whose sign-up has been seen anywhere.
    """

    at: int = -1
    due: int | None = None
    since: int | None = None
    until: int = 0
    newest_day: int | None = None
    members: int = 0
    signed_up_members: int = 0
    # Its `workspace_created` has been seen.
    is_created: bool = False
    rings: dict[int, WindowRing] = msgspec.field(default_factory=dict)
    name: str | None = None
    domain: str | None = None
    domain_kind: DomainKind | None = None
    moved_to: str | None = None
    # A fact of it was set aside unapplied: what is known of it may be wrong.
    is_suspect: bool = False
    billing: Billing = msgspec.field(default_factory=Billing)
    policy: PolicyState = msgspec.field(default_factory=PolicyState)
    timers: dict[str, Timer] = msgspec.field(default_factory=dict)
    # Its newest active event: when, which, and where it stands.
    active_at: int | None = None
    active_event: str = ""
    active_source: Source | None = None
    trial: Trial | None = None
    # Core events by day, see `signals.volume`.
    volume: Volume | None = None
    # As its newest group call says.
    employees: Number | None = None
    # By signal, what it has added to the score, see `signals.score`.
    score: dict[str, Points] = msgspec.field(default_factory=dict)

    @property
    def creation_seen(self) -> bool:
        """Whether it came into being before our eyes: what it is now, it has become (SIGNALS A4)."""
        return self.is_created or self.signed_up_members > 0

    def has_converted(self, step: PlanStep) -> bool:
        """Whether it pays now and did not; from an unknown plan only if we saw it come into being (SIGNALS A4)."""
        return step.is_paying and not step.was_paying and (step.before is not None or self.creation_seen)

    @property
    def seats_used(self) -> float | None:
        """The members' share of the seats, None while the seats are unknown or none."""
        seats = self.billing.seats
        return self.members / seats.count if seats is not None and seats.count > 0 else None


class Change(msgspec.Struct, gc=False):
    """What one applied fact changed: the window ends it raised, by window length; plan, seats and usage."""

    raised: Mapping[int, range] = {}
    plan: PlanStep | None = None
    seats: SeatStep | None = None
    usage: UsageStep | None = None
    # For the funnel alone: what it pays became another amount; its `workspace_created` is the first one.
    revenue: RevenueStep | None = None
    is_created: bool = False
    # Firings of a metric's earlier periods have made room for those of this one.
    has_forgotten: bool = False
    # A timer was set or taken away.
    has_timers: bool = False
    # What the rules over signals look at has changed although nothing fired.
    is_derived: bool = False


_NO_CHANGE = Change()
# Looking a member up in its enum costs more than the comparison.
_OBSERVED, _MOVED, _GROUP = FactKind.OBSERVED, FactKind.MOVED, EventType.GROUP
_CREATED, _PLAN_CHANGED, _USAGE_REPORTED = Role.WORKSPACE_CREATED, Role.PLAN_CHANGED, Role.USAGE_REPORTED
_SEAT_LIMIT, _USAGE_LIMIT = "seat_limit", "usage_limit"


def apply_fact(workspace: WorkspaceState, fact: Fact, watched: Mapping[int, Iterable[str]], terms: Terms) -> Change:
    """
    Fold a fact into its workspace.

    Args:
        workspace: The state.
        fact: A fact that its fence has admitted.
        watched: By window length in use, the signals that look back at ends after their last firing.
        terms: How plans and periods are read.
    """
    workspace.signed_up_members += fact.signed_up
    if fact.profile is not None:
        _learn(workspace, fact.profile)
    if fact.kind is _MOVED:
        workspace.moved_to = fact.target
    if fact.kind is not _OBSERVED:
        return _NO_CHANGE
    if workspace.since is None or fact.time < workspace.since:
        workspace.since = fact.time
    workspace.until = max(workspace.until, fact.time)
    workspace.members += fact.joined
    if fact.type is _GROUP:
        name = fact.traits.get("name")
        if isinstance(name, str) and name.strip():
            workspace.name = name.strip()
    raised = _add_day(workspace, fact.day, fact.prev, fact.next, watched) if fact.day is not None else None
    if fact.roles or fact.joined or fact.type is _GROUP:
        return _bill(workspace, fact, raised or {}, terms)
    return _NO_CHANGE if raised is None else Change(raised)


def _bill(workspace: WorkspaceState, fact: Fact, raised: Mapping[int, range], terms: Terms) -> Change:
    change = Change(raised)
    roles = fact.roles
    if _CREATED in roles:
        change.is_created = not workspace.is_created
        workspace.is_created = True
    if _PLAN_CHANGED in roles or (fact.type is _GROUP and fact.traits):
        known = workspace.billing.plan
        change.plan = move_plan(workspace.billing, fact, terms)
        change.seats = move_seats(workspace.billing, fact)
        if _PLAN_CHANGED in roles:
            change.revenue = move_mrr(workspace.billing, fact, terms, was_free=_was_free(workspace, known, terms))
    if _USAGE_REPORTED in roles:
        change.usage = report_usage(workspace.billing, fact, terms)
        if change.usage is not None and change.usage.passed == NOTHING_PASSED:
            # Only a new metric or period brings new keys.
            change.has_forgotten = workspace.forget_firings(_USAGE_LIMIT, terms.fired_keys)
    if fact.joined or change.seats is not None:
        _note_seats_used(workspace)
    return change


def _was_free(workspace: WorkspaceState, plan: Plan | None, terms: Terms) -> bool:
    # As for a conversion: from an unknown plan only if we saw it come into being (SIGNALS A4).
    return workspace.creation_seen if plan is None else not terms.is_paying(plan.name)


def _note_seats_used(workspace: WorkspaceState) -> None:
    # What arms `seat_limit` anew: the lowest share since it fired, whatever its threshold is.
    fired, used = workspace.fired.get(_SEAT_LIMIT), workspace.seats_used
    if fired is not None and used is not None:
        fired.low = used if fired.low is None else min(fired.low, used)


def _learn(workspace: WorkspaceState, profile: Profile) -> None:
    known = workspace.policy.activated_at
    if profile.activated_at is not None and profile.belonged and known is None:
        workspace.policy.activated_at = profile.activated_at
    # The domain to show: one of the enterprise list before any other company's, the first one seen of its kind.
    if profile.domain is None or workspace.domain_kind is DomainKind.ENTERPRISE:
        return
    is_better = profile.domain_kind is DomainKind.ENTERPRISE
    if is_better or (profile.domain_kind is DomainKind.CORPORATE and workspace.domain is None):
        workspace.domain, workspace.domain_kind = profile.domain, profile.domain_kind


def _add_day(
    workspace: WorkspaceState, day: int, prev: int | None, following: int | None, watched: Mapping[int, Iterable[str]]
) -> dict[int, range]:
    newest = workspace.newest_day
    if newest is not None and newest - day >= TOO_OLD_DAYS:
        return {}
    if newest is None or day > newest:
        newest = workspace.newest_day = day
        for window, ring in workspace.rings.items():
            _forget_ends(workspace, ring, newest - KEPT_DAYS, watched.get(window, ()))
    raised = {}
    for window in watched:
        if window not in workspace.rings:
            workspace.rings[window] = WindowRing(kept_from=newest - KEPT_DAYS)
        ring = workspace.rings[window]
        raised[window] = ring.raise_ends(window, day, prev, following)
    return raised


def _forget_ends(workspace: WorkspaceState, ring: WindowRing, before: int, signals: Iterable[str]) -> None:
    # What the ring forgets counts for re-arming as it stood (SIGNALS A9).
    for signal in signals:
        last = workspace.fired.get(signal)
        if last is not None and last.end is not None:
            low = ring.lowest(after=last.end, before=before)
            if low is not None:
                last.low = low if last.low is None else min(last.low, low)
    ring.forget(before)

"""The workspace's state: members, active users, plan and usage, what has fired, and what policy is waiting for."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import msgspec

from signals import arming
from signals.arming import Trial
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
    number,
    report_usage,
)
from signals.domains import DomainKind
from signals.event import EventType, Role, Source
from signals.facts import Alert, Decision, Fact, FactKind, Firing, Heard, Profile
from signals.fired import FiredState
from signals.rule import Why
from signals.score import Points
from signals.timers import Timer
from signals.volume import Volume, add_core
from signals.window import KEPT_DAYS, TOO_OLD_DAYS, WindowRing


class Pending(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A signal that came inside a cooldown or above the cap: its reasons join the workspace's next alert."""

    signal_id: str
    why: tuple[Why, ...]
    time: int


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
    "active_days": "ad",
    "active_at": "aa",
    "active_event": "ae",
    "active_source": "as",
    "trial": "t",
    "volume": "v",
    "employees": "e",
    "score": "sc",
    "custom": "cu",
    "custom_rings": "cr",
    "answered": "an",
    "size": "z",
    "imported_at": "im",
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
    # Bit i, little-endian: somebody was active on the day `newest_day` - i.
    active_days: bytes = b""
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
    # For the config's own signals (signals/custom_state.py): events by signal and day; a ring of their own for those
    # that count users, by signal and window; of each wait the newest event that ends it.
    custom: dict[str, dict[int, int]] = msgspec.field(default_factory=dict)
    custom_rings: dict[str, WindowRing] = msgspec.field(default_factory=dict)
    answered: dict[str, int] = msgspec.field(default_factory=dict)
    # The time of the newest import that speaks of it.
    imported_at: int | None = None

    # At most so many bytes long (signals/bounds.py), 0 if that is not known; not stored, and nothing depends on it.
    size: int = 0

    @property
    def creation_seen(self) -> bool:
        """Whether it came into being before our eyes: what it is now, it has become (SIGNALS A4)."""
        # Of a workspace that was imported, new colleagues who sign up show nothing.
        return self.is_created or (self.signed_up_members > 0 and self.imported_at is None)

    def has_converted(self, step: PlanStep) -> bool:
        """Whether it pays now and did not; from an unknown plan only if we saw it come into being (SIGNALS A4)."""
        return step.is_paying and not step.was_paying and (step.before is not None or self.creation_seen)

    def was_active_on(self, day: int) -> bool:
        """Whether anybody was active on a day; of days too old to be counted nothing is known."""
        back = None if self.newest_day is None else self.newest_day - day
        return back is not None and back >= 0 and bool(int.from_bytes(self.active_days, "little") >> back & 1)

    @property
    def seats_used(self) -> float | None:
        """The members' share of the seats, None while the seats are unknown or none."""
        seats = self.billing.seats
        return self.members / seats.count if seats is not None and seats.count > 0 else None


class CustomChange(msgspec.Struct, gc=False):
    """What it is for the config's own signals: those to be judged, the window ends it raised, and its day."""

    counted: tuple[str, ...]
    raised: Mapping[str, range]
    day: int


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
    # The timer of another limit has made room.
    has_dropped: bool = False
    # What the rules over signals look at has changed although nothing fired.
    is_derived: bool = False
    custom: CustomChange | None = None
    # A map has become longer.
    has_grown: bool = False


NO_CHANGE = Change()
# Looking a member up in its enum costs more than the comparison.
_OBSERVED, _MOVED, _GROUP = FactKind.OBSERVED, FactKind.MOVED, EventType.GROUP
_CREATED, _PLAN_CHANGED, _USAGE_REPORTED = Role.WORKSPACE_CREATED, Role.PLAN_CHANGED, Role.USAGE_REPORTED
# How much a kind of domain tells about who is behind a workspace; the domains of two of them are nobody's.
_TELLING: dict[DomainKind | None, int] = {
    DomainKind.DISPOSABLE: 0,
    DomainKind.FREE_MAIL: 0,
    DomainKind.ACADEMIC: 1,
    DomainKind.CORPORATE: 2,
    DomainKind.ENTERPRISE: 3,
}
_OF_COMPANIES = frozenset({DomainKind.ACADEMIC, DomainKind.CORPORATE, DomainKind.ENTERPRISE})
_DAY_MASK = (1 << TOO_OLD_DAYS) - 1
_TRIAL_ROLES = frozenset({Role.TRIAL_STARTED, Role.TRIAL_ENDED})
_SEAT_LIMIT, _USAGE_LIMIT, _CHAMPION_LEFT = "seat_limit", "usage_limit", "champion_left"


def apply_fact(
    workspace: WorkspaceState,
    fact: Fact,
    watched: Mapping[int, Iterable[str]],
    terms: Terms,
    awaited: Collection[str],
) -> Change:
    """
    Fold a fact into its workspace.

    Args:
        workspace: The state.
        fact: A fact that its fence has admitted.
        watched: By window length in use, the signals that look back at ends after their last firing.
        terms: How plans and periods are read.
        awaited: The timer rules that are on.
    """
    workspace.signed_up_members += fact.signed_up
    if fact.profile is not None:
        learn(workspace, fact.profile)
    # Only here a user becomes a new key.
    has_forgotten = fact.champion is not None and workspace.forget_firings(_CHAMPION_LEFT, terms.fired_keys)
    if fact.kind is _MOVED:
        workspace.moved_to = fact.target
    if fact.core:
        workspace.volume = add_core(workspace.volume, fact.core)
    if fact.kind is not _OBSERVED:
        return Change(has_forgotten=True) if has_forgotten else NO_CHANGE
    if workspace.since is None or fact.time < workspace.since:
        workspace.since = fact.time
    workspace.until = max(workspace.until, fact.time)
    workspace.members += fact.joined
    if fact.type is _GROUP:
        _learn_traits(workspace, fact)
    is_armed = fact.active and arming.note_activity(workspace, fact.time, fact.event_id, fact.cause, terms, awaited)
    raised = add_active_day(workspace, fact.day, fact.prev, fact.next, watched) if fact.day is not None else None
    if fact.roles or fact.joined or fact.type is _GROUP:
        change = Change(raised or {}, has_forgotten=has_forgotten, has_timers=is_armed)
        _bill(workspace, fact, change, terms, awaited)
        return change
    if raised is None and not (is_armed or has_forgotten):
        return NO_CHANGE
    return Change(raised or {}, has_forgotten=has_forgotten, has_timers=is_armed)


def _bill(workspace: WorkspaceState, fact: Fact, change: Change, terms: Terms, awaited: Collection[str]) -> None:
    roles, billing, before = fact.roles, workspace.billing, workspace.billing.plan
    if _CREATED in roles:
        change.is_created = not workspace.is_created
        workspace.is_created = True
    if _PLAN_CHANGED in roles or (fact.type is _GROUP and fact.traits):
        change.plan = move_plan(billing, fact, terms)
        change.seats = move_seats(billing, fact)
        change.is_derived = change.plan is not None and change.plan.is_paying and not change.plan.was_paying
        if _PLAN_CHANGED in roles:
            change.revenue = move_mrr(billing, fact, terms, was_free=_was_free(workspace, before, terms))
    if _USAGE_REPORTED in roles:
        change.usage = report_usage(billing, fact, terms)
        if change.usage is not None:
            if change.usage.passed == NOTHING_PASSED:
                # Only a new metric or period brings new keys.
                change.has_forgotten |= workspace.forget_firings(_USAGE_LIMIT, terms.fired_keys)
                change.has_forgotten |= workspace.forget_firings(arming.LIMIT, terms.fired_keys)
            arming.follow_usage(workspace, fact, change.usage, change, terms, awaited)
    if billing.plan is not before:
        # After the use: who hits a limit and upgrades by the same event has upgraded.
        arming.follow_plan(workspace, fact, before, change, terms, awaited)
    if not _TRIAL_ROLES.isdisjoint(roles):
        arming.follow_trial(workspace, fact, change, terms, awaited)
    if fact.joined or change.seats is not None:
        _note_seats_used(workspace)


def _was_free(workspace: WorkspaceState, plan: Plan | None, terms: Terms) -> bool:
    # As for a conversion: from an unknown plan only if we saw it come into being (SIGNALS A4).
    return workspace.creation_seen if plan is None else not terms.is_paying(plan.name)


def _note_seats_used(workspace: WorkspaceState) -> None:
    # What arms `seat_limit` anew: the lowest share since it fired, whatever its threshold is.
    fired, used = workspace.fired.get(_SEAT_LIMIT), workspace.seats_used
    if fired is not None and used is not None:
        fired.low = used if fired.low is None else min(fired.low, used)


def _learn_traits(workspace: WorkspaceState, fact: Fact) -> None:
    """Take in what a group call says of the company."""
    name, employees = fact.traits.get("name"), number(fact.traits.get("employees"))
    if isinstance(name, str) and name.strip():
        workspace.name = name.strip()
    if employees is not None:
        workspace.employees = employees


def learn(workspace: WorkspaceState, profile: Profile) -> None:
    """Take in what a profile says of the gate and of the company."""
    known = workspace.policy.activated_at
    if profile.activated_at is not None and profile.belonged and known is None:
        workspace.policy.activated_at = profile.activated_at
    # The domain to show: one of the enterprise list before any other company's, that before a school's, the first one
    # seen of its kind. Where nobody has shown one of those, that they write from free mail is known without a domain.
    kind = profile.domain_kind
    if kind is None or _TELLING.get(kind, -1) <= _TELLING.get(workspace.domain_kind, -1):
        return
    workspace.domain_kind = kind
    workspace.domain = profile.domain if kind in _OF_COMPANIES else None


def add_active_day(
    workspace: WorkspaceState, day: int, prev: int | None, following: int | None, watched: Mapping[int, Iterable[str]]
) -> dict[int, range]:
    """
    Count a user's new active day, with his active days next to it.

    Returns:
        The window ends that it raised, by window length.
    """
    newest = workspace.newest_day
    if newest is not None and newest - day >= TOO_OLD_DAYS:
        return {}
    if day != newest:
        _note_active_day(workspace, day)
    if newest is None or day > newest:
        newest = workspace.newest_day = day
        kept_from = newest - KEPT_DAYS
        for window, ring in workspace.rings.items():
            for signal in watched.get(window, ()):
                _note_lowest(workspace, signal, ring, kept_from)
            ring.forget(kept_from)
    raised = {}
    for window in watched:
        if window not in workspace.rings:
            workspace.rings[window] = WindowRing(kept_from=newest - KEPT_DAYS)
        ring = workspace.rings[window]
        raised[window] = ring.raise_ends(window, day, prev, following)
    return raised


def _note_active_day(workspace: WorkspaceState, day: int) -> None:
    newest = workspace.newest_day
    if newest is None:
        bits = 1
    else:
        # The newest is one of them: a state that was stored before they were kept knows no other.
        bits = int.from_bytes(workspace.active_days, "little") | 1
        bits = bits << (day - newest) | 1 if day > newest else bits | 1 << (newest - day)
    bits &= _DAY_MASK
    workspace.active_days = bits.to_bytes((bits.bit_length() + 7) // 8, "little")


def _note_lowest(workspace: WorkspaceState, signal: str, ring: WindowRing, before: int) -> None:
    # What the ring forgets counts for re-arming as it stood (SIGNALS A9).
    last = workspace.fired.get(signal)
    if last is not None and last.end is not None:
        low = ring.lowest(after=last.end, before=before)
        if low is not None:
            last.low = low if last.low is None else min(last.low, low)

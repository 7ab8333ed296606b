"""The workspace's state: members, active users by window end, what has fired, and what policy is waiting for."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import msgspec

from signals.domains import DomainKind
from signals.event import EventType
from signals.facts import Decision, Fact, FactKind, Firing, Profile
from signals.fired import FiredState
from signals.rule import Why
from signals.window import KEPT_DAYS, TOO_OLD_DAYS, WindowRing


class Pending(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """A signal that came inside its cooldown: its reasons join the workspace's next alert."""

    signal_id: str
    why: tuple[Why, ...]


class Recent(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """One of the last verdicts, for people who look at the workspace."""

    signal: str
    decision: Decision
    time: int
    reason: str | None = None


class PolicyState(msgspec.Struct, omit_defaults=True, gc=False):
    """
    What policy remembers of a workspace.

    `activated_at` is the first activation known of a present or former member. `held` waits for it, oldest first.
    `alerted` maps a signal to the event time of its last alert.
    """

    activated_at: int | None = None
    held: list[Firing] = []
    alerted: dict[str, int] = {}
    pending: list[Pending] = []
    recent: list[Recent] = []


class WorkspaceState(FiredState, omit_defaults=True, gc=False):
    """
    One workspace; a user's personal one has the id `user:<user id>`.

    `since` is the oldest and `until` the newest event time seen. `rings` holds one ring per window length in days.
    """

    at: int = -1
    due: int | None = None
    since: int | None = None
    until: int = 0
    newest_day: int | None = None
    members: int = 0
    rings: dict[int, WindowRing] = msgspec.field(default_factory=dict)
    name: str | None = None
    domain: str | None = None
    domain_kind: DomainKind | None = None
    moved_to: str | None = None
    # A fact of it was set aside unapplied: what is known of it may be wrong.
    is_suspect: bool = False
    policy: PolicyState = msgspec.field(default_factory=PolicyState)


class Change(msgspec.Struct, gc=False):
    """What one applied fact changed: the window ends it raised, by window length."""

    raised: Mapping[int, range] = {}


_NO_CHANGE = Change()
# Looking a member up in its enum costs more than the comparison.
_OBSERVED, _MOVED, _GROUP = FactKind.OBSERVED, FactKind.MOVED, EventType.GROUP


def apply_fact(workspace: WorkspaceState, fact: Fact, watched: Mapping[int, Iterable[str]]) -> Change:
    """
    Fold a fact into its workspace.

    Args:
        workspace: The state.
        fact: A fact that its fence has admitted.
        watched: By window length in use, the signals that look back at ends after their last firing.
    """
    if fact.profile is not None:
        _learn(workspace, fact.profile)
    if fact.kind is _MOVED:
        workspace.moved_to = fact.moved_to
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
    return _NO_CHANGE if fact.day is None else Change(_add_day(workspace, fact.day, fact.prev, fact.next, watched))


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

"""What the user step tells the workspaces about one event: at most one fact of each kind, at a fixed place."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

import msgspec

from signals.domains import DomainKind
from signals.event import Event, EventType, Role
from signals.facts import Fact, FactKind, Firing, Profile, Pulse, Slot

if TYPE_CHECKING:
    from signals.compiled import Engine
    from signals.user import Membership, Progress, UserState


_GROUP = EventType.GROUP
_OBSERVED, _OBSERVED_SLOT = FactKind.OBSERVED, Slot.OBSERVED.value
# The roles of somebody at work who has activated already, as meanings give them.
CORE_ALONE, ACTIVATED_ALONE = (Role.CORE,), (Role.ACTIVATED,)
AT_WORK = frozenset({CORE_ALONE, ACTIVATED_ALONE, (Role.ACTIVATED, Role.CORE)})
# What a workspace does not ask the roles of a fact for: it is told of it by other fields, or not at all.
_OF_USERS = frozenset(
    {Role.SIGNED_UP, Role.ACTIVATED, Role.INVITE_SENT, Role.SALES_CONTACTED, Role.FEATURE_GATED, Role.CORE}
)


class Place(msgspec.Struct, frozen=True, gc=False):
    """Where the event stands in `plg.user-events`: the start of the coordinates of its facts."""

    partition: int
    position: int


def passed_through(event: Event, workspace: str, partition: int, position: int) -> Fact:
    """The fact of an event without a user: its workspace learns it as it is."""
    return Fact(
        workspace,
        _OBSERVED,
        partition,
        position,
        _OBSERVED_SLOT,
        event.time,
        event.id,
        event.source,
        type=event.type,
        name=event.name,
        roles=event.roles,
        matched=event.matched,
        properties=event.properties,
        traits=event.traits,
        ingested_at=event.ingested_at,
    )


def facts_of(
    user: UserState, event: Event, progress: Progress, firings: list[Firing], place: Place, engine: Engine
) -> list[Fact | Pulse]:
    """
    The facts of an event of a user, in the order of their coordinates.

    Args:
        user: The state, with the event applied.
        event: What happened.
        progress: What it changed.
        firings: The signals of user scope that it raised: the workspace decides about them.
        place: Where the event stands.
        engine: The lists of domains.
    """
    facts: list[Fact | Pulse] = []
    observed = None
    if progress.workspace is not None and progress.membership is not None:
        observed = _observed(user, event, progress, firings, place, engine)
    if progress.moved_from is not None:
        facts.append(_question(event, FactKind.MOVED, Slot.MOVED, progress.moved_from, progress, place))
    if observed is not None:
        facts.append(observed)
    if progress.asked is not None and progress.asked != progress.moved_from:
        facts.append(_question(event, FactKind.ENTERED, Slot.ENTERED, progress.asked, progress, place))
    if progress.signed_up or progress.activated:
        facts.extend(_told_elsewhere(user, event, progress, place, engine))
    return facts


def _observed(
    user: UserState, event: Event, progress: Progress, firings: list[Firing], place: Place, engine: Engine
) -> Fact | Pulse:
    workspace, membership = progress.workspace or "", progress.membership
    roles = _told(progress.roles)
    if roles or event.customs or event.type is _GROUP:
        fact = passed_through(event, workspace, place.partition, place.position)
        fact.roles = roles
    else:
        # Nobody there asks what kind of event it was.
        fact = _bare(event, workspace, _OBSERVED, _OBSERVED_SLOT, place)
    fact.user_id = event.user_id
    fact.joined = progress.joined
    fact.signed_up = progress.signed_up_joined
    fact.signals = tuple(firings)
    if progress.custom is not None:
        fact.customs = progress.custom.told
    fact.active, fact.core, fact.champion = progress.is_active, progress.core, progress.champion
    if progress.day is not None:
        fact.day, fact.prev, fact.next = progress.day.day, progress.day.prev, progress.day.next
    if (
        user.domain is not None
        and membership is not None
        and membership.shown != user.domain
        and not progress.is_internal
        and engine.kind_of(user.domain) is DomainKind.ENTERPRISE
    ):
        # Once is enough: what the workspace has seen of a company, it has fired or never will.
        fact.domain = user.domain
        progress.asked = _whom_to_ask(user, user.domain, fact.workspace_id, membership)
        progress.has_grown = True
        fact.is_asked = progress.asked is not None
    if engine.shows_email:
        fact.email = user.email
    if progress.signed_up or progress.activated:
        fact.first = _milestones(progress)
    if progress.must_tell and membership is not None:
        fact.profile = _profile(user, membership, engine)
        membership.told = user.version
    return fact if _has_news(fact) else _pulse(fact)


def _pulse(fact: Fact) -> Pulse:
    """A fact without news as the pulse that it is."""
    pulse = Pulse(fact.workspace_id, fact.partition, fact.offset, fact.time, fact.ingested_at)
    if fact.active:
        pulse.event_id, pulse.cause = fact.event_id, fact.cause
    if fact.day is not None or fact.core:
        pulse.user_id, pulse.core = fact.user_id, fact.core
        pulse.day, pulse.prev, pulse.next = fact.day, fact.prev, fact.next
    return pulse


def _has_news(fact: Fact) -> bool:
    """Whether a fact tells its workspace more than that somebody was at work."""
    return bool(
        fact.roles
        or fact.traits
        or fact.joined
        or fact.champion is not None
        or fact.signed_up
        or fact.domain is not None
        or fact.signals
        or fact.profile is not None
        or fact.email is not None
        or fact.customs
    )


@lru_cache(maxsize=1_024)
def _told(roles: tuple[Role, ...]) -> tuple[Role, ...]:
    """The roles of an event that its workspace asks for."""
    return tuple(role for role in roles if role not in _OF_USERS)


def _told_elsewhere(user: UserState, event: Event, progress: Progress, place: Place, engine: Engine) -> list[Fact]:
    facts = []
    for index, (workspace, membership) in enumerate(user.workspaces.items()):
        was_there = membership.is_listed or membership.in_at is not None
        if workspace == progress.workspace or not was_there:
            continue
        fact = _bare(event, workspace, FactKind.TOLD, Slot.TOLD.value + index, place)
        fact.first = _milestones(progress)
        # Wherever the first sign-up was placed, every workspace that he is a member of counts him (SIGNALS A4).
        fact.signed_up = int(progress.signed_up and membership.is_member)
        fact.profile = _profile(user, membership, engine)
        membership.told = user.version
        facts.append(fact)
    return facts


def _whom_to_ask(user: UserState, domain: str, workspace: str, membership: Membership) -> str | None:
    """The workspace that saw the user's company before this one, which sees it now; None if there is none."""
    membership.shown = domain
    before, user.shown = user.shown, (domain, workspace)
    return before[1] if before is not None and before[0] == domain and before[1] != workspace else None


def _question(event: Event, kind: FactKind, slot: Slot, workspace: str, progress: Progress, place: Place) -> Fact:
    fact = _bare(event, workspace, kind, slot.value, place)
    fact.target = progress.workspace
    fact.is_asked = progress.asked == workspace
    return fact


def _bare(event: Event, workspace: str, kind: FactKind, n: int, place: Place) -> Fact:
    return Fact(
        workspace,
        kind,
        place.partition,
        place.position,
        n,
        event.time,
        event.id,
        event.source,
        user_id=event.user_id,
        ingested_at=event.ingested_at,
    )


def _milestones(progress: Progress) -> tuple[Role, ...]:
    reached = ((Role.SIGNED_UP, progress.signed_up), (Role.ACTIVATED, progress.activated))
    return tuple(role for role, is_reached in reached if is_reached)


def _profile(user: UserState, membership: Membership, engine: Engine) -> Profile:
    # Our own people work in the workspaces of customers, too: their company is not the workspace's.
    domain = None if user.has_internal_address else user.domain
    return Profile(
        signed_up_at=user.signed_up_at,
        activated_at=user.activated_at,
        domain=domain,
        domain_kind=engine.kind_of(domain) if domain is not None else None,
        member=membership.is_member,
        belonged=membership.in_at is not None,
    )

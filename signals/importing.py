"""
Importing: total functions that fold what an import says into the states.

An import raises no signal and no alert, and moves no clock. What it says is the base from which events go on: what
would have fired on the way there is spent. Of an import and an event the later one counts, by event time; of what has
no time (names, addresses, the first activation) an import only fills in what nobody knows.
"""

from __future__ import annotations

from datetime import timedelta
from math import ceil
from typing import TYPE_CHECKING

from signals import policy
from signals.arming import TRIAL, Trial
from signals.billing import Mrr, Plan, Seats, is_same_plan, report_usage
from signals.bounds import bound_user, bound_workspace, is_too_large
from signals.case import Case
from signals.clock import set_user_due
from signals.domains import DomainKind
from signals.event import Source
from signals.facts import Decision, Fact, FactKind, Note, Profile, Slot
from signals.moments import iso
from signals.score import LEVELS, PQL
from signals.timers import Timer
from signals.units import DAY_MS
from signals.user import STALLED, Membership
from signals.workspace import learn

if TYPE_CHECKING:
    from signals.billing import Billing
    from signals.compiled import Engine
    from signals.facts import Outputs
    from signals.imported import ImportedMember, ImportedWorkspace
    from signals.telling import Place
    from signals.user import UserState

SECOND_USER, SEAT_LIMIT, SEAT_GROWTH = "second_user", "seat_limit", "seat_growth"
USAGE_LIMIT = "usage_limit"
ENTERPRISE = "enterprise_domain"
_TEAM = 2
_OPENED = "an import says that somebody had activated before"


def import_member(user: UserState, record: ImportedMember, place: Place, engine: Engine, out: Outputs) -> None:
    """
    Make a user a member of a workspace as of the import, and tell the workspace.

    Args:
        user: The state.
        record: What the import says.
        place: Where it stands in `plg.user-events`.
        engine: Who is internal, and the lists of domains.
        out: Receives the fact.
    """
    if record.email is not None and user.domain is None and not user.has_internal_address:
        address = engine.address(record.email)
        user.set_address(address.domain, is_internal=address.is_internal)
        user.email = record.email if engine.shows_email else None
    if user.has_internal_address or record.user_id in engine.internal_users:
        # Nobody internal is a member (SIGNALS A20).
        user.drop_timers()
        out.notes.append(Note.INTERNAL)
        return
    if user.activated_at is None and record.activated_at is not None:
        user.activated_at = record.activated_at
        user.version += 1
        if user.timers.pop(STALLED, None) is not None:
            set_user_due(user, engine)
    membership, is_new = user.workspaces.get(record.workspace_id), False
    if membership is None:
        if len(user.workspaces) >= engine.workspaces_per_user:
            user.forget_workspace()
            out.notes.append(Note.WORKSPACE_FORGOTTEN)
        membership = user.workspaces[record.workspace_id] = Membership(touched=user.order)
        is_new = True
    was_member = membership.is_member
    if membership.out_at is None or record.time > membership.out_at:
        membership.is_listed = True
        # A personal workspace he leaves by an event that names another one: what waits there is judged then, not now.
        user.is_settled |= f"user:{record.user_id}" not in user.workspaces
    membership.come(record.time)
    out.facts.append(_told(user, record, membership, membership.is_member - was_member, place, engine))
    if is_new:
        bound_user(user, out)


def _told(
    user: UserState, record: ImportedMember, membership: Membership, joined: int, place: Place, engine: Engine
) -> Fact:
    kind = engine.kind_of(user.domain) if user.domain is not None else None
    fact = Fact(
        record.workspace_id,
        FactKind.IMPORTED,
        place.partition,
        place.position,
        Slot.OBSERVED.value,
        record.time,
        "",
        record.source,
        user_id=record.user_id,
        joined=joined,
        # An import counts no sign-up, but one that has been seen elsewhere counts here, too (SIGNALS A4).
        signed_up=joined if user.signed_up_at is not None else 0,
        profile=Profile(
            user.signed_up_at, user.activated_at, user.domain, kind, member=membership.is_member, belonged=True
        ),
    )
    if kind is DomainKind.ENTERPRISE and membership.shown != user.domain:
        membership.shown = fact.domain = user.domain
        if user.shown is None and user.domain is not None:
            user.shown = user.domain, record.workspace_id
    membership.told = user.version
    return fact


def import_fact(case: Case, fact: Fact) -> None:
    """Take in what an import says of a member."""
    workspace = case.workspace
    workspace.members += fact.joined
    workspace.signed_up_members += fact.signed_up
    if fact.profile is not None:
        learn(workspace, fact.profile)
    if fact.domain is not None:
        # Whoever comes from there later is not the first one.
        workspace.spend(ENTERPRISE, fact.domain)
    _settle(case, has_moved=fact.joined != 0, has_grown=fact.domain is not None)


def import_workspace(case: Case, record: ImportedWorkspace) -> None:
    """Take in what an import says of a workspace."""
    workspace, domains = case.workspace, case.engine.domains
    if workspace.name is None:
        workspace.name = record.name
    if workspace.employees is None:
        workspace.employees = record.employees
    domain = domains.registrable(record.domain) if record.domain is not None else None
    if domain is not None or record.activated_at is not None:
        kind = case.engine.kind_of(domain) if domain is not None else None
        learn(workspace, Profile(None, record.activated_at, domain, kind, belonged=True))
    seats = workspace.billing.seats
    _take_billing(workspace.billing, record)
    for used in record.usage:
        report = _report(record, used.metric, used.used, used.limit, used.period)
        step = report_usage(workspace.billing, report, case.engine.terms)
        reached = (
            [] if step is None else [one for one in case.engine.config.signals.usage_limit.levels if one <= step.ratio]
        )
        if step is not None and reached:
            # The highest one, as a report that had passed them all would have it.
            workspace.spend(USAGE_LIMIT, step.key_of(max(reached)))
            workspace.forget_firings(USAGE_LIMIT, case.engine.terms.fired_keys)
    _take_trial(case, record)
    _settle(case, has_moved=workspace.billing.seats != seats, has_grown=True)


def _take_billing(billing: Billing, record: ImportedWorkspace) -> None:
    at, plan, seats, mrr = record.time, billing.plan, billing.seats, billing.mrr
    if record.plan is not None:
        billing.plan_from = max(at, billing.plan_from or at)
        if plan is None or (at > plan.time and not is_same_plan(plan.name, record.plan)):
            billing.plan = Plan(record.plan.strip(), at, plan is not None and plan.is_billed)
    if record.seats is not None and record.seats >= 0:
        billing.seats_from = max(at, billing.seats_from or at)
        if seats is None or (at > seats.time and seats.count != record.seats):
            billing.seats = Seats(record.seats, at, seats is not None and seats.is_billed)
    if record.mrr is not None and record.mrr >= 0:
        currency = record.currency or (mrr.currency if mrr is not None else None)
        if mrr is None or (at > mrr.time and (mrr.amount, mrr.currency) != (record.mrr, currency)):
            # A baseline: the next amount is the next change.
            billing.mrr = Mrr(record.mrr, currency, at, mrr.n if mrr is not None else 0)


def _report(record: ImportedWorkspace, metric: str, used: float, limit: float, period: str | None) -> Fact:
    properties: dict[str, str | int | float | bool] = {"metric": metric, "used": used, "limit": limit}
    if period is not None:
        properties["period"] = period
    return Fact(
        record.workspace_id, FactKind.IMPORTED, 0, 0, 0, record.time, "", Source("", -1, -1), properties=properties
    )


def _take_trial(case: Case, record: ImportedWorkspace) -> None:
    workspace, end, at = case.workspace, record.trial_end, record.time
    known = workspace.trial
    if end is None or end <= at or (known is not None and (at <= known.started or end == known.end)):
        return
    workspace.trial = Trial(end, at)
    workspace.timers.pop(TRIAL, None)
    timer = Timer(at, f"import of {iso(at)}", record.source, end)
    due = case.engine.workspace_due(workspace, TRIAL, timer)
    if due is None or workspace.has_fired(TRIAL, iso(end)):
        return
    if due > at:
        workspace.timers[TRIAL] = timer
    else:
        workspace.spend(TRIAL, iso(end))
        workspace.forget_firings(TRIAL, case.engine.terms.fired_keys)


def _settle(case: Case, *, has_moved: bool, has_grown: bool) -> None:
    """
    Spend what the import has reached, and end what waited for a gate that it has opened.

    Args:
        case: The workspace, with the import applied.
        has_moved: Members or seats are others.
        has_grown: A map may have become longer.
    """
    workspace, engine = case.workspace, case.engine
    workspace.imported_at = max(case.time, workspace.imported_at or case.time)
    if workspace.members >= _TEAM:
        workspace.spend(SECOND_USER)
    growth = engine.config.signals.seat_growth
    observed_from = case.time if workspace.since is None else workspace.since
    if observed_from + 2 * growth.window * DAY_MS > case.time:
        # Who was active before we looked is unknown: the first growth is that over a window after the import.
        between = max(1, ceil(growth.cooldown / timedelta(days=1)))
        workspace.spend(SEAT_GROWTH, end=engine.days.day_of(case.time) + 2 * growth.window - between)
    used = workspace.seats_used
    if has_moved and used is not None:
        # Whatever the threshold is: a share at or above it has been reached before, one below arms.
        workspace.spend(SEAT_LIMIT)
        workspace.fired[SEAT_LIMIT].low = used
    levels, score = engine.config.signals.pql, engine.scoring.score(workspace, workspace.until)
    for level, threshold in zip(LEVELS, (levels.attention, levels.ready), strict=True):
        if score >= threshold:
            workspace.spend(PQL, level, low=score)
    if case.policy.held and policy.is_open(workspace, engine):
        held, case.policy.held = case.policy.held, []
        for firing in held:
            case.decide(firing, Decision.EXPIRED, _OPENED)
    if has_grown and is_too_large(workspace, engine.workspace_room):
        bound_workspace(case, engine.workspace_room)
    policy.set_due(case)

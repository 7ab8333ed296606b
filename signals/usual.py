"""
The usual event: somebody is at work in a workspace of his, and nothing about him is new but, at most, the day.

Most events are such. What the general way (signals/user.py, signals/telling.py, signals/workspace.py) comes to for them
is done here without its detours, at a fraction of its cost. tests/signals/test_usual.py holds both against each other
over random histories.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from signals.active_days import add_day, is_new_day
from signals.arming import SILENT
from signals.bounds import has_few
from signals.core_use import STEPS, Added, count_core
from signals.domains import DomainKind
from signals.event import Event, EventType
from signals.facts import Pulse
from signals.measures import is_measure
from signals.telling import ACTIVATED_ALONE, AT_WORK, CORE_ALONE
from signals.volume import add_core
from signals.workspace import NO_CHANGE, Change, add_active_day

if TYPE_CHECKING:
    from signals.compiled import Engine
    from signals.user import UserState
    from signals.workspace import WorkspaceState

# What a pulse changed that counts core events only.
COUNTED = Change()
# Before any day; and nothing to be added to a volume.
_NEVER = -(2**62)
_NOTHING: Added = ()
# Looking a member up in its enum costs more than the comparison.
_TRACK, _PAGE, _IDENTIFY, _ENTERPRISE = EventType.TRACK, EventType.PAGE, EventType.IDENTIFY, DomainKind.ENTERPRISE


def take_usual_event(  # noqa: C901, PLR0911, PLR0912, PLR0915 - flat: a call less per event
    user: UserState, event: Event, partition: int, position: int, engine: Engine
) -> Pulse | None:
    """
    Fold a usual event into its user.

    Returns:
        What its workspace is told; None if the event is not usual, and then nothing has been changed.
    """
    workspace, kind, time, roles = event.workspace_id, event.type, event.time, event.roles
    if event.customs or not (kind is _TRACK or kind is _PAGE or kind is _IDENTIFY):
        return None
    if workspace is None or event.email is not None:
        workspace = _place_of(user, event, engine)
        if workspace is None:
            return None
    is_core = False
    if roles:
        # Who has activated does so no more.
        if roles != CORE_ALONE and (user.activated_at is None or roles not in AT_WORK):
            return None
        is_core = roles != ACTIVATED_ALONE
    membership = user.workspaces.get(workspace)
    if (
        membership is None
        or membership.in_at is None
        or membership.told != user.version
        or (membership.out_at is not None and membership.in_at <= membership.out_at)
        or not membership.is_listed
        or not user.is_settled
        or user.has_internal_address
        or (engine.has_exceptions and (engine.shows_email or event.user_id in engine.internal_users))
    ):
        return None
    domain = user.domain
    if domain is not None and membership.shown != domain and engine.kind_of(domain) is _ENTERPRISE:
        return None
    is_at_work = kind is _TRACK and not event.passive
    active_day, is_new, core = None, False, _NOTHING
    if is_at_work:
        day = engine.days.day_of(time)
        if user.newest_day != day:
            is_new = is_new_day(user, day)
        name, used = event.matched or "", day
        if is_core:
            used = user.core.get(name, _NEVER)
            if used == _NEVER and (len(user.core) >= engine.core_names or not has_few(user, 1)):
                # Another name has to be forgotten, or something else.
                return None
        # A name used in the days that any rule looks back at adds nothing to their breadth.
        if (is_new or used <= day - engine.breadth_days) and engine.may_matter(user, day):
            return None
        if user.measurable_from <= time < user.measurable_until and is_measure(user, time):
            return None
        if is_core:
            if membership.core_day != day or membership.core_count + 1 in STEPS:
                core = count_core(membership, day)
            else:
                membership.core_count += 1
            if used < day:
                user.core[name] = day
        if is_new:
            if membership.newest_day == user.newest_day and membership.days == user.days:
                # Mostly he was nowhere else.
                active_day = add_day(membership, day)
                user.newest_day, user.days = membership.newest_day, membership.days
            else:
                add_day(user, day)
                active_day = add_day(membership, day)
        elif membership.newest_day != day:
            active_day = add_day(membership, day)
        membership.active_order = user.order + 1
        if time > membership.in_at:  # noqa: PLR1730  # `max` is a call
            membership.in_at = time
    user.order = membership.touched = user.order + 1
    if not is_at_work:
        return Pulse(workspace, partition, position, time, event.ingested_at)
    pulse = Pulse(workspace, partition, position, time, event.ingested_at, event.id, event.source)
    if active_day is not None:
        pulse.user_id, pulse.core = event.user_id, core
        pulse.day, pulse.prev, pulse.next = active_day.day, active_day.prev, active_day.next
    elif core:
        pulse.user_id, pulse.core = event.user_id, core
    return pulse


def _place_of(user: UserState, event: Event, engine: Engine) -> str | None:
    """Where an event counts that names no workspace, or an address; None if that is not plain, or the address news."""
    if event.email is not None:
        address = engine.address(event.email)
        # One that was kept while addresses were shown is to go.
        if address.domain != user.domain or address.is_internal or user.email is not None:
            return None
    if event.workspace_id is None and len(user.workspaces) == 1:
        return next(iter(user.workspaces))
    return event.workspace_id


def take_pulse(workspace: WorkspaceState, pulse: Pulse, engine: Engine) -> Change | None:
    """
    Fold a pulse that makes nothing due, opens no gate and sets no timer into its workspace.

    Returns:
        What it changed, `NO_CHANGE` if no rule looks at that; None if it may do one of those, and then nothing has been
        changed.
    """
    time, since, due = pulse.time, workspace.since, workspace.due
    if since is None or time < since or (due is not None and due < time):
        return None
    if pulse.event_id is not None:
        plan = workspace.billing.plan
        if plan is not None and SILENT not in workspace.timers and engine.awaits_silence_on(plan.name):
            # Its silence may be waited for from here on.
            return None
        if workspace.active_at is None or time > workspace.active_at:
            workspace.active_at, workspace.active_event, workspace.active_source = time, pulse.event_id, pulse.cause
    if time > workspace.until:  # noqa: PLR1730  # `max` is a call
        workspace.until = time
    if pulse.core:
        workspace.volume = add_core(workspace.volume, pulse.core)
    if pulse.day is not None:
        return Change(add_active_day(workspace, pulse.day, pulse.prev, pulse.next, engine.watched))
    return COUNTED if pulse.core else NO_CHANGE

"""What is known of a user or a workspace at a moment, taken from its state for people to read."""

from __future__ import annotations

from typing import TYPE_CHECKING

from signals.explanation import Gate, MembershipTold, TrialTold, UsageTold, UserTold, WorkspaceTold
from signals.moments import day_iso, iso
from signals.policy import is_open
from signals.units import WINDOW_DAYS
from signals.workspace import WorkspaceState

if TYPE_CHECKING:
    from signals.compiled import Engine
    from signals.user import Membership, UserState


def tell_workspace(workspace: WorkspaceState, engine: Engine, now: int) -> WorkspaceTold:
    """
    Tell what is known of a workspace.

    Args:
        workspace: The state.
        engine: The rules in force.
        now: The moment, Unix milliseconds; windows end with its day.
    """
    day = engine.days.day_of(now)
    score, score_parts = engine.scoring.standing(workspace, now).shown()
    billing, volume, trial = workspace.billing, workspace.volume, workspace.trial
    plan = billing.plan.name if billing.plan is not None else None
    core_events = {}
    if volume is not None:
        by_day = {volume.first + index: count for index, count in enumerate(volume.counts)}
        core_events = {f"{n}d": sum(by_day.get(day - back, 0) for back in range(n)) for n in WINDOW_DAYS}
    return WorkspaceTold(
        members=workspace.members,
        active_users={f"{window}d": ring.count(day) for window, ring in sorted(workspace.rings.items())},
        gate=_gate(workspace, engine),
        name=workspace.name,
        domain=workspace.domain,
        first_event_at=_iso(workspace.since),
        newest_event_at=_iso(workspace.until or None),
        active_at=_iso(workspace.active_at),
        newest_active_day=_day(workspace.newest_day),
        plan=plan,
        paying=engine.terms.is_paying(plan),
        seats=billing.seats.count if billing.seats is not None else None,
        seats_used=workspace.seats_used,
        employees=workspace.employees,
        usage=tuple(
            UsageTold(metric, usage.period, usage.used, usage.limit, iso(usage.time))
            for metric, usage in billing.usage.items()
        ),
        trial=TrialTold(iso(trial.started), iso(trial.end)) if trial is not None else None,
        core_events=core_events,
        score=score,
        score_parts=score_parts,
        moved_to=workspace.moved_to,
    )


def tell_user(user_id: str, user: UserState, engine: Engine, now: int) -> UserTold:
    """Tell what is known of a user, as `tell_workspace` does; `user_id` is without `user:`."""
    day = engine.days.day_of(now)
    anywhere = _active_days(user.newest_day, user.days)
    for membership in user.workspaces.values():
        anywhere |= _active_days(membership.newest_day, membership.days)
    return UserTold(
        internal=user.has_internal_address or user_id in engine.internal_users,
        active_days=_by_window(anywhere, day),
        domain=user.domain,
        signed_up_at=_iso(user.signed_up_at),
        activated_at=_iso(user.activated_at),
        employees=user.employees,
        workspaces=tuple(_membership(workspace, one, day) for workspace, one in user.workspaces.items()),
        core={name: day_iso(newest) for name, newest in user.core.items()},
        refused={feature: sum(attempts.values()) for feature, attempts in user.gated.items()},
    )


def newest_time(state: UserState | WorkspaceState) -> int:
    """The newest event time (Unix milliseconds) that a state shows; a user's may not show the last ones."""
    moments = [fired.time for fired in state.fired.values()]
    if isinstance(state, WorkspaceState):
        moments.append(state.until)
    else:
        moments += [time for time in (state.signed_up_at, state.activated_at) if time is not None]
        for membership in state.workspaces.values():
            moments += [time for time in (membership.in_at, membership.out_at) if time is not None]
    return max(moments, default=0)


def _gate(workspace: WorkspaceState, engine: Engine) -> Gate:
    activated_at = workspace.policy.activated_at
    if activated_at is not None:
        return Gate(open=True, because="somebody has activated", activated_at=iso(activated_at))
    if not engine.is_gated:
        return Gate(open=True, because="there is none: events.activated names no event")
    if is_open(workspace, engine):
        return Gate(open=True, because="older than policy.assume_activated_before")
    return Gate(open=False, because="nobody has activated")


def _membership(workspace: str, membership: Membership, day: int) -> MembershipTold:
    return MembershipTold(
        workspace,
        membership.is_member,
        _by_window(_active_days(membership.newest_day, membership.days), day),
        _day(membership.newest_day),
        _iso(membership.out_at),
    )


def _active_days(newest: int | None, days: bytes) -> set[int]:
    if newest is None:
        return set()
    bits = int.from_bytes(days, "little")
    return {newest - back for back in range(bits.bit_length()) if bits >> back & 1}


def _by_window(active: set[int], day: int) -> dict[str, int]:
    return {f"{n}d": sum(day - n < one <= day for one in active) for n in WINDOW_DAYS}


def _iso(time: int | None) -> str | None:
    return None if time is None else iso(time)


def _day(day: int | None) -> str | None:
    return None if day is None else day_iso(day)

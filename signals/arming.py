"""
Arming: what a workspace begins and ceases to wait for as facts are applied to it. Its rules only read the timers.

A timer is set only while its rule is on, and taken away whether it is or not.
"""

from __future__ import annotations

import json
from collections.abc import Collection
from typing import TYPE_CHECKING

import msgspec

from signals.event import Role
from signals.moments import iso, parse_time
from signals.timers import Timer, key_of

if TYPE_CHECKING:
    from signals.billing import Plan, Terms, UsageStep
    from signals.event import Source
    from signals.facts import Fact
    from signals.workspace import Change, WorkspaceState

# The rules whose timers these are.
SILENT, TRIAL, LIMIT = "went_silent", "trial_ending", "limit_hit_no_upgrade"
# The whole limit, a level of `usage_limit` or not (SIGNALS A24).
_WHOLE = 1.0
_STARTED, _ENDED = Role.TRIAL_STARTED, Role.TRIAL_ENDED


class Trial(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """The trial in force: its end, and the event time of the `trial_started` that named it first."""

    end: int
    started: int


def note_activity(
    workspace: WorkspaceState, time: int, event_id: str, source: Source, terms: Terms, awaited: Collection[str]
) -> bool:
    """
    Take note of an active event. Of equally new ones the first that was applied stays the newest.

    Args:
        workspace: The state.
        time: Of the event, Unix milliseconds.
        event_id: Its id.
        source: Where it stands.
        terms: Which plans are paid for.
        awaited: The timer rules that are on.

    Returns:
        Whether its end is waited for anew: it pays, and the activity is later than the silence that was told of.
    """
    if workspace.active_at is None or time > workspace.active_at:
        workspace.active_at, workspace.active_event, workspace.active_source = time, event_id, source
    if SILENT in workspace.timers or SILENT not in awaited:
        return False
    told, plan = workspace.fired.get(SILENT), workspace.billing.plan
    if plan is None or (told is not None and time <= told.time) or not terms.is_paying(plan.name):
        return False
    workspace.timers[SILENT] = Timer(time, event_id, source)
    return True


def follow_plan(
    workspace: WorkspaceState, fact: Fact, before: Plan | None, change: Change, terms: Terms, awaited: Collection[str]
) -> None:
    """Wait for silence from when it begins to pay until it does no more; forget limits that it has paid for."""
    plan, step = workspace.billing.plan, change.plan
    was_paying = before is not None and terms.is_paying(before.name)
    is_paying = plan is not None and terms.is_paying(plan.name)
    if is_paying and not was_paying and SILENT in awaited:
        workspace.timers[SILENT] = Timer(fact.time, fact.event_id, fact.cause)
        change.has_timers = True
    elif not is_paying:
        change.has_timers |= workspace.timers.pop(SILENT, None) is not None
    if step is not None and (workspace.has_converted(step) or step.is_upgrade):
        for key in _limits_hit(workspace):
            del workspace.timers[key]
            change.has_timers = True


def follow_trial(workspace: WorkspaceState, fact: Fact, change: Change, terms: Terms, awaited: Collection[str]) -> None:
    """Take in the beginning or the end of a trial (SIGNALS A23); what is older than the trial in force is ignored."""
    trial = workspace.trial
    if trial is not None and fact.time < trial.started:
        return
    if _STARTED in fact.roles:
        end = parse_time(fact.properties.get("trial_end_date"), terms.days.zone)
        # Another end is another trial; the same one is known, whatever has become of it.
        if end is not None and end > fact.time and (trial is None or end != trial.end):
            workspace.trial = Trial(end, fact.time)
            _forget_trial(workspace, change)
            # Only a new trial brings a new key.
            change.has_forgotten |= workspace.forget_firings(TRIAL, terms.fired_keys)
            if TRIAL in awaited and not workspace.has_fired(TRIAL, iso(end)):
                workspace.timers[TRIAL] = Timer(fact.time, fact.event_id, fact.cause, end)
                change.has_timers = True
    if _ENDED in fact.roles:
        _forget_trial(workspace, change)


def follow_usage(
    workspace: WorkspaceState, fact: Fact, usage: UsageStep, change: Change, terms: Terms, awaited: Collection[str]
) -> None:
    """Forget limits that are higher now, and begin to wait where the whole of one has been used up (SIGNALS A24)."""
    for key in _limits_hit(workspace):
        metric, _ = json.loads(key_of(key))
        limit = workspace.timers[key].about
        if metric == usage.metric and isinstance(limit, int | float) and limit < usage.limit:
            del workspace.timers[key]
            change.has_timers = True
    if LIMIT not in awaited or not usage.passed < _WHOLE <= usage.ratio:
        return
    # As JSON, so that no two of them share a key whatever a metric is called; unescaped, for it is stored.
    hit = json.dumps((usage.metric, usage.period), separators=(",", ":"), ensure_ascii=False)
    key = f"{LIMIT}|{hit}"
    if key in workspace.timers or workspace.has_fired(LIMIT, hit):
        return
    pending = _limits_hit(workspace)
    if len(pending) >= terms.metrics:
        del workspace.timers[min(pending, key=lambda one: (workspace.timers[one].since, one))]
        change.has_dropped = True
    workspace.timers[key] = Timer(fact.time, fact.event_id, fact.cause, usage.limit)
    change.has_timers = True


def _limits_hit(workspace: WorkspaceState) -> list[str]:
    return [key for key in workspace.timers if key.startswith(f"{LIMIT}|")]


def _forget_trial(workspace: WorkspaceState, change: Change) -> None:
    change.has_timers |= workspace.timers.pop(TRIAL, None) is not None

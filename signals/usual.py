"""
The usual event: somebody is at work in a workspace where he was at work today already, and nothing about him is new.

Most events are such. What the general way (signals/user.py, signals/telling.py, signals/workspace.py) comes to for them
is done here without its detours, at a fraction of its cost. tests/signals/test_usual.py holds both against each other
over random histories.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from signals.domains import DomainKind
from signals.event import Event, EventType
from signals.facts import FactKind
from signals.telling import passed_through, pulse

if TYPE_CHECKING:
    from signals.compiled import Engine
    from signals.facts import Fact
    from signals.user import UserState
    from signals.workspace import WorkspaceState

_TRACK, _OBSERVED = EventType.TRACK, FactKind.OBSERVED


def take_usual_event(user: UserState, event: Event, partition: int, position: int, engine: Engine) -> Fact | None:
    """
    Fold a usual event into its user.

    Returns:
        What its workspace is told; None if the event is not usual, and then nothing has been changed.
    """
    workspace = event.workspace_id
    if workspace is None or event.type is not _TRACK or event.roles or event.passive or event.email is not None:
        return None
    membership = user.workspaces.get(workspace)
    if (
        membership is None
        or membership.newest_day != engine.days.day_of(event.time)
        or membership.told != user.version
        or not membership.is_listed
        or not membership.is_member
        or not user.is_settled
        or user.has_internal_address
        or engine.shows_email
        or event.user_id in engine.internal_users
    ):
        return None
    domain = user.domain
    if domain is None or engine.kind_of(domain) is not DomainKind.ENTERPRISE:
        fact = pulse(event, workspace, partition, position)
    elif membership.shown != domain:
        return None
    else:
        fact = passed_through(event, workspace, partition, position)
        fact.user_id, fact.domain = event.user_id, domain
    user.order = membership.touched = membership.active_order = user.order + 1
    membership.come(event.time)
    return fact


def take_pulse(workspace: WorkspaceState, fact: Fact) -> bool:
    """
    Fold a pulse that makes nothing due and opens no gate into its workspace.

    Returns:
        False if the fact is another, and then nothing has been changed.
    """
    time, since, due = fact.time, workspace.since, workspace.due
    if fact.event_id or fact.kind is not _OBSERVED or since is None or time < since or (due is not None and due < time):
        return False
    workspace.until = max(workspace.until, time)
    return True

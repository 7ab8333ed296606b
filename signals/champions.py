"""
Champions: the power users of a workspace, each watched until he is removed from it or has not been active for long.

The watch is a timer of the user under `champion|<workspace>` whose outcome is no signal but a fact: what it means that
he is silent, the workspace decides.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from signals.timers import Timer

if TYPE_CHECKING:
    from signals.event import Event
    from signals.user import Membership, UserState

# What the watch is called among the timers; no rule has the name.
CHAMPION = "champion"
REMOVED, SILENT = "removed", "silent"


def crown(user: UserState, workspace: str, membership: Membership, event: Event) -> None:
    """Take note that a user is a power user of a workspace by this event, and watch him."""
    membership.is_champion = True
    user.timers[f"{CHAMPION}|{workspace}"] = Timer(event.time, event.id, event.source)


def uncrown(user: UserState, workspace: str, membership: Membership) -> None:
    """Watch him no more."""
    membership.is_champion = False
    user.timers.pop(f"{CHAMPION}|{workspace}", None)


def silent_at(user: UserState, workspace: str, timer: Timer, after: int) -> int | None:
    """
    When a champion will have been silent for long.

    Args:
        user: The state.
        workspace: Where he is one.
        timer: The watch.
        after: How long is long, milliseconds.

    Returns:
        Unix milliseconds, by his newest activity there; None if he is watched no more.
    """
    membership = user.workspaces.get(workspace)
    if membership is None or not membership.is_champion:
        return None
    newest = membership.in_at
    return (timer.since if newest is None else max(timer.since, newest)) + after

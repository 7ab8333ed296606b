"""
Bounds: what a state lets go of before it is too large for its changelog, the least important first (DESIGN 4.9).

Inside the step, where something was added that may be long: a pure function of the state, so that every replay lets go
of the same. At a checkpoint, whose moments differ from run to run, it would not be.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from signals import alerting, waiting
from signals.arming import LIMIT
from signals.champions import CHAMPION, uncrown
from signals.codec import encode, encode_state
from signals.config import MAX_CHARS
from signals.custom import MAX_STANZAS
from signals.facts import Decision, Note
from signals.room import MAX_STATE_BYTES, UTF8_BYTES
from signals.timers import key_of, rule_of

if TYPE_CHECKING:
    from signals.case import Case
    from signals.facts import Firing, Outputs
    from signals.fired import FiredState
    from signals.user import UserState
    from signals.workspace import WorkspaceState

V = TypeVar("V")

_LONGEST = UTF8_BYTES * MAX_CHARS
# What may be added to a user without anybody looking: an address, a domain, times and counts.
_UNWATCHED_BYTES = 2_048
# The same of each of his workspaces: times, places in his order, days, core events.
_MEMBERSHIP_BYTES = 64
_USER_ROOM = MAX_STATE_BYTES - _UNWATCHED_BYTES
# What a user has of his own at most: 64 hashes, the workspace that saw his company first, his sign-up's timer, and of
# each wait of the config's own signals when it was last answered.
_OWN_BYTES = 1_024 + 3 * _LONGEST + MAX_STANZAS * 80
# What a workspace, a feature, a firing, a core name or half a timer of his takes at most: the longest text, and a
# domain or 56 days of attempts.
_ENTRY_BYTES = _LONGEST + 56 * 14 + 64
# So few of them always fit.
_FEW = (_USER_ROOM - _OWN_BYTES) // _ENTRY_BYTES
# What one fact adds to a workspace whose signals are as short as can be, and how many times as long as a signal is all
# that is kept of it at most.
_ADDED_BYTES, _TIMES = 1_024, 4
# What is let go of at once is a part of what is left, so that a producer who fills a state again and again does not
# make each of its events dear.
_SHARE = 4


def bound_user(user: UserState, out: Outputs) -> None:
    """Let go of attempts, counts, core names, who is watched, waits, workspaces, until the user's state fits."""
    if has_few(user):
        return

    def is_above(limit: int) -> bool:
        return len(encode_state(user)) + _MEMBERSHIP_BYTES * len(user.workspaces) > limit

    if not is_above(_USER_ROOM):
        return
    out.notes.append(Note.STATE_TRIMMED)
    _let_go(
        (
            lambda: _drop_first(user.gated),
            lambda: _drop_first(user.custom_days),
            lambda: _drop_first(user.custom),
            lambda: _forget_firing(user),
            lambda: _drop_first(user.core),
            lambda: _watch_less(user),
            lambda: _drop_first(user.timers),
            lambda: _forget_workspaces(user),
        ),
        lambda: is_above(_less(_USER_ROOM)),
    )


def has_few(user: UserState, more: int = 0) -> bool:
    """Whether a user has so few workspaces, features, firings and the like, and so many more, that his state fits."""
    # A timer names its workspace and its event.
    own = len(user.custom) + len(user.custom_days) + len(user.core) + 2 * len(user.timers)
    return len(user.workspaces) + len(user.gated) + len(user.fired) + own + more <= _FEW


def is_too_large(workspace: WorkspaceState, room: int) -> bool:
    """Whether a workspace's state has outgrown its room."""
    workspace.size = len(encode_state(workspace))
    return workspace.size > room


def may_be_too_large(workspace: WorkspaceState, room: int, firings: Sequence[Firing], out: Outputs) -> bool:
    """
    Whether a state may have outgrown its room by signals and by what became of them.

    Writing the whole state to see how long it is costs as much as all rules together; what has been added is written
    instead, and what that can come to is added up until the room might be full.
    """
    added = len(encode(firings))
    if out.verdicts:
        added += len(encode(out.verdicts))
    if out.alerts:
        added += len(encode(out.alerts))
    size = workspace.size
    # The memory of a firing, its points, the signal itself where it waits, its reasons where they do; a verdict among
    # the recent ones; an alert that is open. Each is about as long as what was put out, and none twice as long.
    workspace.size = size + _ADDED_BYTES + _TIMES * added
    return size == 0 or workspace.size > room


def bound_workspace(case: Case, room: int) -> None:
    """
    Let go of a workspace's memories for people to look at, then of those that keep signals apart, then of what waits.

    Alerts that leave are closed, and signals that leave get their verdict.
    """
    workspace, policy = case.workspace, case.policy
    case.out.notes.append(Note.STATE_TRIMMED)
    _let_go(
        (
            lambda: _drop_oldest(policy.recent),
            lambda: _drop_oldest(policy.pending),
            lambda: _drop_oldest(policy.answers),
            lambda: _drop_first(policy.heard),
            lambda: _drop_first(workspace.billing.usage),
            lambda: _drop_first(workspace.custom),
            lambda: _drop_first(workspace.custom_rings),
            lambda: _forget_firing(workspace),
            lambda: _drop_first_limit(workspace),
            lambda: _drop_first_custom(case),
            lambda: _close_alert(case),
            lambda: _expire(case, policy.quiet),
            lambda: _expire(case, policy.held),
            lambda: _expire(case, policy.asked),
        ),
        lambda: is_too_large(workspace, _less(room)),
    )


def _less(limit: int) -> int:
    return limit - limit // _SHARE


def _let_go(parts: Sequence[Callable[[], bool]], is_too_much: Callable[[], bool]) -> None:
    for let_go in parts:
        while is_too_much():
            if not let_go():
                break


def _drop_first(entries: dict[str, V]) -> bool:
    """Drop a part of a map, from its beginning."""
    for key in list(entries)[: _part(len(entries))]:
        del entries[key]
    return bool(entries)


def _drop_first_limit(workspace: WorkspaceState) -> bool:
    """Cease to wait for a part of the limits that were hit, those set first; of other timers there is one each."""
    hit = [key for key in workspace.timers if key.startswith(f"{LIMIT}|")]
    for key in hit[: _part(len(hit))]:
        del workspace.timers[key]
    return len(hit) > 1


def _drop_first_custom(case: Case) -> bool:
    """Cease to wait for a part of what the config's own signals wait for, that set first."""
    timers, names = case.workspace.timers, case.engine.config.custom
    waits = [key for key in timers if rule_of(key) in names]
    for key in waits[: _part(len(waits))]:
        del timers[key]
    return len(waits) > 1


def _drop_oldest(entries: list[V]) -> bool:
    """Drop a part of a list, from its beginning."""
    del entries[: _part(len(entries))]
    return bool(entries)


def _forget_firing(state: FiredState) -> bool:
    """Forget a part of the firings that have keys, those longest ago in event time; what fires once has none."""
    keyed = sorted((key for key in state.fired if "|" in key), key=lambda key: state.fired[key].time)
    for key in keyed[: _part(len(keyed))]:
        del state.fired[key]
    return len(keyed) > 1


def _watch_less(user: UserState) -> bool:
    """Watch the user less: no more in a part of the workspaces, those in which he became a power user first."""
    watched = [key for key in user.timers if rule_of(key) == CHAMPION]
    for key in watched[: _part(len(watched))]:
        workspace = key_of(key)
        uncrown(user, workspace, user.workspaces[workspace])
    return len(watched) > 1


def _forget_workspaces(user: UserState) -> bool:
    for _ in range(_part(len(user.workspaces))):
        user.forget_workspace()
    return bool(user.workspaces)


def _close_alert(case: Case) -> bool:
    if case.policy.open:
        alerting.close_oldest(case)
    return bool(case.policy.open)


def _expire(case: Case, waits: list[Firing]) -> bool:
    if waits:
        case.decide(waits.pop(0), Decision.EXPIRED, waiting.TOO_MANY)
    return bool(waits)


def _part(count: int) -> int:
    return -(-count // _SHARE)

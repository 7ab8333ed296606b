"""
Measures: what the funnel needs to know of a user beside his signals (SIGNALS 8); policy never sees one.

Days here are rolling ones of 24 hours from an anchor, counted from zero: the first sign-up, or the first activation.
Only what happens after an anchor is known can count from it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from signals.compiled import signal_identifier
from signals.event import Role
from signals.facts import Firing
from signals.rule import Kind, Scope
from signals.units import DAY_MS

if TYPE_CHECKING:
    from signals.compiled import Engine
    from signals.event import Event
    from signals.facts import Outputs
    from signals.user import Progress, UserState

_INVITE_SENT = Role.INVITE_SENT


class _Window(NamedTuple):
    """Being active in it, `start` to `end` milliseconds after its anchor, is a measure; told once, as `bit` says."""

    name: str
    bit: int
    start: int
    end: int
    is_of_activated: bool = False


_WINDOWS = (
    _Window("active_day_2", 1, 2 * DAY_MS, 3 * DAY_MS),
    _Window("active_week_1", 2, DAY_MS, 8 * DAY_MS),
    _Window("active_day_7", 4, 7 * DAY_MS, 8 * DAY_MS, is_of_activated=True),
)


def set_measurable(user: UserState) -> None:
    """Set when activity can still be a measure: an anchor has become known, or a measure has been told."""
    begins, ends = [], [0]
    for window in _WINDOWS:
        anchor = _anchor(user, window)
        if anchor is not None:
            begins.append(anchor + window.start)
            ends.append(anchor + window.end)
    user.measurable_from, user.measurable_until = min(begins, default=0), max(ends)


def is_measure(user: UserState, time: int) -> bool:
    """Whether activity at a time from `measurable_from` to `measurable_until` is a measure."""
    for window in _WINDOWS:  # noqa: SIM110  # `any` over a generator takes twice as long
        if _is_in(user, window, time):
            return True
    return False


def tell_measures(user: UserState, event: Event, progress: Progress, engine: Engine, out: Outputs) -> None:
    """Send what an event, already applied to its user, tells the funnel."""
    if progress.is_internal:
        return
    if progress.signed_up or progress.activated:
        set_measurable(user)
    if progress.is_active and user.measurable_from <= event.time < user.measurable_until:
        for window in _WINDOWS:
            if _is_in(user, window, event.time):
                user.measured |= window.bit
                out.measures.append(_measure(window.name, "", 1, event, progress, engine))
        set_measurable(user)
    if _INVITE_SENT in progress.roles:
        user.invited += 1
        out.measures.append(_measure("invited", "", user.invited, event, progress, engine))
    workspace = progress.workspace
    if progress.has_come and workspace is not None and workspace != f"user:{event.user_id}":
        out.measures.append(_measure("joined", workspace, 1, event, progress, engine))


def _anchor(user: UserState, window: _Window) -> int | None:
    """What a window still to be told counts from, None if it is unknown or there is nothing to tell."""
    if user.measured & window.bit:
        return None
    return user.activated_at if window.is_of_activated else user.signed_up_at


def _is_in(user: UserState, window: _Window, time: int) -> bool:
    anchor = _anchor(user, window)
    return anchor is not None and anchor + window.start <= time < anchor + window.end


def _measure(name: str, key: str, n: int, event: Event, progress: Progress, engine: Engine) -> Firing:
    subject = event.user_id or ""
    return Firing(
        signal_identifier(engine.config.prefix, Scope.USER, subject, name, key, n),
        name,
        Kind.MEASURE,
        Scope.USER,
        n,
        event.time,
        event.id,
        event.source,
        key,
        event.user_id,
        progress.workspace,
    )

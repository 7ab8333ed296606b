"""
The clock of a subject: it fires the timers that are due, moved by the subject's own events and by ticks (SIGNALS A1).

An event fires what was due before it, a tick what is due at or before it, each at its own due time, earliest first.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from signals import policy
from signals.champions import CHAMPION, SILENT
from signals.facts import Fact, FactKind, Slot
from signals.judging import fire_derived, fire_user_timer, fire_workspace_timer
from signals.timers import NEVER, key_of, next_timer, rule_of

if TYPE_CHECKING:
    from signals.case import Case
    from signals.compiled import Engine
    from signals.facts import Firing, Outputs
    from signals.telling import Place
    from signals.timers import Timer
    from signals.user import UserState

# As many slots as a record's facts of this kind have; who has more due keeps the rest for the next record.
_MOST_AT_ONCE = Slot.MOVED - Slot.FIRED


def move_user_clock(  # noqa: PLR0913, PLR0917 - who, until when, and where it stands
    subject: str, user: UserState, until: int, now: int | None, place: Place, order: str, engine: Engine, out: Outputs
) -> None:
    """
    Fire the timers of a user that are due up to `until` (Unix milliseconds, that moment included).

    Args:
        subject: Whose id it is, without `user:`.
        user: The state.
        until: See above.
        now: When people could hear of it: wall time, None in `clock: events`.
        place: Where the record stands that moves the clock.
        order: Empty for an event; for a tick what keeps its facts in their order (docs/adr/0006).
        engine: The rules in force.
        out: Receives the signals, and the facts that carry them.
    """
    if subject in engine.internal_users:
        # One who has become internal by the config; by an address, his own event drops them (SIGNALS A20).
        user.drop_timers()
        return
    n = 0
    while n < _MOST_AT_ONCE:
        found = next_timer(user.timers, lambda key, timer: engine.user_due(user, key, timer))
        if found is None or found[0] > until:
            break
        due, key = found
        timer = user.timers.pop(key)
        if due == NEVER:
            continue
        fact = _fired(subject, user, key, timer, due, engine, out)
        if fact is not None:
            fact.partition, fact.offset, fact.order, fact.n = place.partition, place.position, order, n
            fact.ingested_at = now
            out.facts.append(fact)
            n += 1
    set_user_due(user, engine)


def set_user_due(user: UserState, engine: Engine) -> None:
    """Set the moment at which a user's timers are to be looked at, without those that nobody waits for any more."""
    earliest: int | None = None
    for key, timer in list(user.timers.items()):
        due = engine.user_due(user, key, timer)
        if due is None:
            del user.timers[key]
        elif earliest is None or due < earliest:
            earliest = due
    user.due = earliest


def _fired(
    subject: str, user: UserState, key: str, timer: Timer, due: int, engine: Engine, out: Outputs
) -> Fact | None:
    """What the workspace is told of a timer that is due; None where there is nothing to tell. Its place is open."""
    signals: tuple[Firing, ...] = ()
    champion = None
    if rule_of(key) == CHAMPION:
        workspace: str | None = key_of(key)
        user.workspaces[key_of(key)].is_champion = False
        champion = SILENT
    else:
        workspace = timer.workspace
        firing = fire_user_timer(subject, user, key, timer, due, engine, out)
        signals = () if firing is None else (firing,)
    if workspace is None or not (signals or champion):
        return None
    return Fact(
        workspace,
        FactKind.FIRED,
        0,
        0,
        0,
        due,
        timer.event_id,
        timer.source,
        user_id=subject,
        signals=signals,
        champion=champion,
    )


def move_workspace_clock(case: Case, until: int) -> None:
    """Fire what is due in a workspace up to `until` (Unix milliseconds, that moment included), in its order."""
    workspace, engine = case.workspace, case.engine
    while True:
        found = next_timer(workspace.timers, lambda key, timer: engine.workspace_due(workspace, key, timer))
        if found is None or found[0] > until:
            break
        due, key = found
        if due == NEVER:
            del workspace.timers[key]
            continue
        # What waits until the same moment ends first.
        policy.fire_due(case, due)
        firing = fire_workspace_timer(case, key, workspace.timers.pop(key), due)
        if firing is not None:
            then = case.at(due)
            if engine.is_wall:
                # How old its cause is goes by when people can hear of it.
                then.now = case.now
            firings = [firing, *fire_derived(then, [firing], due, firing.event_id, firing.cause, None)]
            policy.judge(then, firings)
    policy.fire_due(case, until)

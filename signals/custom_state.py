"""
What states remember for the config's own signals, and how an event moves it.

Total functions of state and record, as those in signals/user.py and signals/workspace.py: no threshold is looked at.
"""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import TYPE_CHECKING

import msgspec

from signals.attempts import Attempt, add_attempt
from signals.custom import ENDS, CustomAbsence, CustomCount
from signals.facts import CustomMark, Note
from signals.rule import Scope
from signals.timers import Timer, rule_of
from signals.user import CustomProgress, Membership
from signals.window import KEPT_DAYS, TOO_OLD_DAYS, WindowRing
from signals.workspace import CustomChange

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signals.custom import CustomSignal
    from signals.event import Event
    from signals.facts import Fact, Outputs
    from signals.user import Progress, UserState
    from signals.workspace import Change, WorkspaceState


class Part(StrEnum):
    """What an event does for a signal: it is counted, or its user is, or it begins a wait, or ends one."""

    COUNT = "count"
    USER = "user"
    START = "start"
    END = "end"


class Customs:
    """
    The config's own signals as the two steps need them: by the marks of events, those switched off left out.

    Args:
        custom: The stanzas by name.
        keys: `limits.custom_keys`.
    """

    def __init__(self, custom: Mapping[str, CustomSignal], keys: int) -> None:
        self.keys = keys
        self.of_user: dict[str, Part] = {}
        self.of_workspace: dict[str, Part] = {}
        # Of those that count users, the window in days.
        self.windows: dict[str, int] = {}
        for name, stanza in custom.items():
            if not stanza.enabled:
                continue
            of = self.of_user if stanza.scope is Scope.USER else self.of_workspace
            if isinstance(stanza, CustomCount):
                of[name] = Part.COUNT
            elif isinstance(stanza, CustomAbsence):
                of[name], of[f"{ENDS}{name}"] = Part.START, Part.END
            else:
                # His days are the user's own memory; the workspace is told of them one by one.
                self.of_user[name] = Part.USER
                self.windows[name] = stanza.window


def ring_key(name: str, window: int) -> str:
    """Where the ring of a signal stands in its workspace: one of another window is another ring."""
    return f"{name}|{window}"


def take_customs_of_user(
    user: UserState, event: Event, progress: Progress, day: int, customs: Customs, out: Outputs
) -> None:
    """
    Fold what an event is for the config's own signals into its user.

    Args:
        user: The state, with the event applied.
        event: Not of an internal user; it has marks.
        progress: Receives which rules are to be asked, and what the workspace is to be told.
        day: That of the event.
        customs: The signals.
        out: Receives what was forgotten.
    """
    counted: list[str] = []
    told: list[CustomMark] = []
    waits = len(user.answered)
    for mark in event.customs:
        if mark in customs.of_workspace:
            told.append(CustomMark(mark))
        part = customs.of_user.get(mark)
        if part is Part.COUNT:
            progress.has_grown |= _count(user.custom, mark, day, customs.of_user)
            counted.append(mark)
        elif part is Part.USER and progress.workspace is not None:
            added = _add_day(user, mark, progress.workspace, day, customs, out)
            if added is not None:
                progress.has_grown = True
                told.append(added)
        elif part is Part.START:
            timer = Timer(event.time, event.id, event.source, event.matched, progress.workspace)
            progress.has_timers |= _begin(user.timers, user.answered, mark, timer)
        elif part is Part.END:
            progress.has_timers |= _end(user.timers, user.answered, mark, event.time, customs.of_user)
    progress.has_grown |= progress.has_timers or len(user.answered) > waits
    progress.custom = CustomProgress(tuple(counted), tuple(told), day)


def move_waits(user: UserState, left: str, entered: str | None) -> None:
    """Let what a user waits for count in the workspace that he has left his personal one for."""
    for key, timer in user.timers.items():
        if timer.workspace == left:
            user.timers[key] = msgspec.structs.replace(timer, workspace=entered)


def take_customs_of_workspace(
    workspace: WorkspaceState, fact: Fact, change: Change, day: int, customs: Customs
) -> Change:
    """
    Fold what a fact is for the config's own signals into its workspace.

    Args:
        workspace: The state, with the fact applied.
        fact: One that was observed; it has marks.
        change: What else it changed.
        day: That of the event.
        customs: The signals.

    Returns:
        The change with what is to be asked and whether timers moved.
    """
    counted: list[str] = []
    raised: dict[str, range] = {}
    has_timers, has_grown, waits = change.has_timers, False, len(workspace.answered)
    for one in fact.customs:
        mark = one.mark
        part = customs.of_workspace.get(mark)
        if part is Part.COUNT:
            has_grown |= _count(workspace.custom, mark, day, customs.of_workspace)
            counted.append(mark)
        elif part is Part.START:
            timer = Timer(fact.time, fact.event_id, fact.cause, fact.matched)
            has_timers |= _begin(workspace.timers, workspace.answered, mark, timer)
        elif part is Part.END:
            has_timers |= _end(workspace.timers, workspace.answered, mark, fact.time, customs.of_workspace)
        elif one.day is not None and mark in customs.windows:
            raised[mark] = _raise_ends(workspace, mark, (one.day, one.prev, one.next), customs)
            counted.append(mark)
    return msgspec.structs.replace(
        change,
        custom=CustomChange(tuple(counted), raised, day),
        has_timers=has_timers,
        has_grown=has_grown or has_timers or bool(raised) or len(workspace.answered) > waits,
    )


def _count(counts: dict[str, dict[int, int]], name: str, day: int, known: Collection[str]) -> bool:
    """Count an event on its day; whether the memory has become longer by that."""
    days = counts.get(name)
    if days is None:
        _forget_strangers(counts, known)
    has_grown = days is None or day not in days
    # Beside those of the config there are none, so that none has to leave.
    add_attempt(counts, Attempt(name, day), len(known))
    return has_grown


def _add_day(user: UserState, name: str, workspace: str, day: int, customs: Customs, out: Outputs) -> CustomMark | None:
    """Remember the day on which a user did it in a workspace; None if it was known, or is too old to be remembered."""
    key, days = f"{name}|{workspace}", user.custom_days
    known = days.get(key)
    if known is None:
        for other in [other for other in days if rule_of(other) not in customs.windows]:
            del days[other]
        if len(days) >= customs.keys:
            del days[next(iter(days))]
            out.notes.append(Note.CUSTOM_FORGOTTEN)
        memory = Membership()
    else:
        # Days are remembered as those of a membership are.
        memory = Membership(newest_day=known[0], days=known[1])
    added = memory.add_day(day)
    if added is None or memory.newest_day is None:
        return None
    # What has changed last is at the end.
    days.pop(key, None)
    days[key] = (memory.newest_day, memory.days)
    return CustomMark(name, day, added.prev, added.next)


def _begin(timers: dict[str, Timer], answered: Mapping[str, int], name: str, timer: Timer) -> bool:
    """Wait from an event on, unless it is waited already, or what it waits for has come later than it."""
    if name in timers or timer.since < answered.get(name, timer.since):
        return False
    timers[name] = timer
    return True


def _end(timers: dict[str, Timer], answered: dict[str, int], mark: str, time: int, known: Collection[str]) -> bool:
    """End a wait that began before the event; whether there was one."""
    name = mark.removeprefix(ENDS)
    if name not in answered:
        _forget_strangers(answered, known)
    answered[name] = max(time, answered.get(name, time))
    timer = timers.get(name)
    if timer is None or time < timer.since:
        return False
    del timers[name]
    return True


def _raise_ends(
    workspace: WorkspaceState, name: str, days: tuple[int, int | None, int | None], customs: Customs
) -> range:
    """Count a user's day at the window ends that it changes, as those of all active users are (SIGNALS A9)."""
    (day, previous, following), window = days, customs.windows[name]
    key, rings = ring_key(name, window), workspace.custom_rings
    ring = rings.get(key)
    if ring is None:
        for other in [other for other in rings if other not in {ring_key(*each) for each in customs.windows.items()}]:
            del rings[other]
        ring = rings[key] = WindowRing(kept_from=day - KEPT_DAYS)
    # So far back from the newest day the ring is kept.
    newest = ring.kept_from + KEPT_DAYS
    if newest - day >= TOO_OLD_DAYS:
        return range(0)
    if day > newest:
        ring.forget(day - KEPT_DAYS)
    return ring.raise_ends(window, day, previous, following)


def _forget_strangers(memory: dict[str, dict[int, int]] | dict[str, int], known: Collection[str]) -> None:
    """Forget what belongs to signals that the config has no more."""
    for name in [name for name in memory if name not in known]:
        del memory[name]

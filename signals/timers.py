"""
Timers: what a subject waits for, since which event.

A timer stands in its subject's state under its rule's name, `name|key` where there may be several. When it is due, its
rule says, from the state: activity that puts it off moves a number there and no timer. `due` of a state is therefore a
lower bound: at that moment its timers are looked at, and what is not due yet is put off.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from signals.event import Source

# Before every moment: what is not waited for any more.
NEVER = -1


class Timer(msgspec.Struct, array_like=True, frozen=True, gc=False):
    """
    One wait.

    `since` is the event time (Unix milliseconds) of the event that set it, whose `event_id` and `source` a signal will
    name. `about` is what its rule has to remember besides: the end of a trial, a limit. `workspace` is where a user's
    signal will count.
    """

    since: int
    event_id: str
    source: Source
    about: int | float | str | None = None
    workspace: str | None = None


def next_timer(timers: Mapping[str, Timer], due_of: Callable[[str, Timer], int | None]) -> tuple[int, str] | None:
    """
    The timer that is due first, of equals the first by its key.

    Args:
        timers: Those of one subject.
        due_of: When one of them is due, None if nobody waits for it any more: it comes first then, to be removed.

    Returns:
        When (`NEVER` for one to be removed), and its key; None if there are none.
    """
    if not timers:
        return None
    return min((NEVER if (due := due_of(key, timer)) is None else due, key) for key, timer in timers.items())


def rule_of(key: str) -> str:
    """The name of the rule that a timer belongs to."""
    return key.partition("|")[0]


def key_of(key: str) -> str:
    """What the definition of the signal says "per", as in a finding's key."""
    return key.partition("|")[2]

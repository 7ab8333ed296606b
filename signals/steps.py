"""What both steps have in common: what stands in their logs, what comes of it, and how a tick is taken."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, NamedTuple, TypeVar

from signals.compiled import Engine
from signals.event import Event, Tick
from signals.facts import Command, Fact, Note, Outputs, Pulse
from signals.imported import ImportedMember, ImportedWorkspace
from signals.shard import Shard
from signals.user import UserState
from signals.workspace import WorkspaceState

R = TypeVar("R")
S = TypeVar("S", UserState, WorkspaceState)
# What stands in the logs of the two steps.
UserRecord = Event | Tick | ImportedMember
WorkspaceRecord = Fact | Pulse | Tick | Command | ImportedWorkspace


class News(NamedTuple, Generic[R]):
    """What a record put out besides facts."""

    record: R
    out: Outputs


class Stepped(NamedTuple, Generic[R]):
    """What a step put out for some records: all facts, and what else there was by record, each in its order."""

    facts: list[Fact | Pulse]
    news: list[News[R]]


def collected(record: R, out: Outputs, facts: list[Fact | Pulse], tell: Callable[[News[Any]], None]) -> Outputs:
    """Take what a record put out from `out`, and return an empty one: mostly the same, for most put out nothing."""
    if out.facts:
        facts.extend(out.facts)
        out.facts = []
    if not out.has_news:
        return out
    tell(News(record, out))
    return Outputs()


def fire_due(  # a step's parts
    shard: Shard[S], tick: Tick, position: int, engine: Engine, out: Outputs, move: Callable[[int, str, S], None]
) -> None:
    """
    Take a tick: whoever waits for a moment up to it does what is due.

    Args:
        shard: The states.
        position: Where the tick stands in its log.
        engine: The rules from it on.
        out: Receives notes about it.
        move: Moves the clock of a subject to the tick, given the moment that was due, the subject and its state.
    """
    before = shard.fence.config
    # Now and then is enough: a new origin is a new partition of the step before.
    while len(shard.fence.origins) > engine.origins:
        shard.fence.forget_origin()
        out.notes.append(Note.ORIGIN_FORGOTTEN)
    if not shard.fence.take(tick):
        out.notes.append(Note.STALE_TICK)
    elif shard.fence.config == before:
        _move_due(shard, tick.time, position, move)
    else:
        _move_all(shard, position, move)


def _move_due(shard: Shard[S], time: int, position: int, move: Callable[[int, str, S], None]) -> None:
    for due, key in shard.due(time):
        state = shard.get(key)
        if state is None:
            continue
        if position <= state.at:
            # The state is ahead of the log, after a crash: this tick is in it already, only its schedule is to be kept.
            shard.touch(key, state, state.at)
            continue
        move(due, key, state)
        shard.touch(key, state, position)


def _move_all(shard: Shard[S], position: int, move: Callable[[int, str, S], None]) -> None:
    """
    As `_move_due`, at a tick that brings another config: whoever waits is looked at.

    What it waits for may now be due earlier, which `due` of its state does not know, or never. A state that is as
    before is not written.
    """
    for due, key, state in shard.waiting():
        if position <= state.at:
            continue
        waits = len(state.timers)
        move(due, key, state)
        if state.due != due or len(state.timers) != waits:
            shard.touch(key, state, position)

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


def take_tick(shard: Shard[UserState] | Shard[WorkspaceState], tick: Tick, engine: Engine, out: Outputs) -> bool:
    """Take a tick, and tell whether it is newer than the last; only then is anything due by it."""
    # Now and then is enough: a new origin is a new partition of the step before.
    while len(shard.fence.origins) > engine.origins:
        shard.fence.forget_origin()
        out.notes.append(Note.ORIGIN_FORGOTTEN)
    if not shard.fence.take(tick):
        out.notes.append(Note.STALE_TICK)
        return False
    return True

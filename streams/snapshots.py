"""The live snapshot of each workspace on `plg.workspaces`: when it changed, at most every 5 s per workspace."""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable
from typing import Protocol

from signals.compiled import Engine
from signals.snapshot import snapshot_json
from signals.workspace import WorkspaceState
from streams.checkpoint import BUSY
from streams.tables import StateTable
from streams.topics import Topics

EVERY_S = 5.0
# The same of a worker that is busy: to catch up matters more than a view that is old in any case.
BUSY_EVERY_S = 20.0
# A worker that dies has sent the snapshot of every state but those written within the last `BUSY_EVERY_S`, counted from
# the last write; between a barrier and its writes lie at most the 30 s that a send may take.
UNSENT_S = BUSY_EVERY_S + 30.0


class Sender(Protocol):
    """What snapshots need of the outbox."""

    def send(self, topic: str, partition: int, key: bytes | None, value: bytes | None) -> None:
        """Send a record in the current epoch."""


class Snapshots:
    """
    Sends snapshots at barriers, scored by the config that is in force in their partition.

    The pace is the wall clock's: a snapshot is a view for people, its pace decides nothing.

    Args:
        workspaces: The states.
        sender: Where snapshots go.
        topics: Names and partitions.
        engine_of: The compiled rules by the hash that a log names.
        busy_s: For how many seconds in all the worker has been at work on records.
    """

    def __init__(
        self,
        workspaces: StateTable[WorkspaceState],
        sender: Sender,
        topics: Topics,
        engine_of: Callable[[str], Engine],
        busy_s: Callable[[], float] = lambda: 0.0,
    ) -> None:
        self._workspaces = workspaces
        self._sender = sender
        self._topics = topics
        self._engine_of = engine_of
        self._busy_s = busy_s
        # When the last barrier was, and how long the worker had been at work by then.
        self._last = time.monotonic(), 0.0
        # Workspaces that changed since their last snapshot, by partition.
        self._changed: dict[int, set[str]] = {}
        # Workspaces whose last owner may have left their snapshot unsent, by partition, oldest first: when their states
        # were written, in Unix milliseconds.
        self._unsent: dict[int, OrderedDict[str, int]] = {}
        self._sent_at: dict[str, float] = {}

    def note_restored(self, partition: int, workspace_id: str, written_at: int) -> None:
        """Remember a state read back, and forget those written too long before it."""
        unsent = self._unsent.get(partition)
        if unsent is None:
            unsent = self._unsent[partition] = OrderedDict()
        unsent[workspace_id] = written_at
        unsent.move_to_end(workspace_id)
        while unsent[next(iter(unsent))] < written_at - UNSENT_S * 1_000:
            unsent.popitem(last=False)

    def send_due(self) -> None:
        """Send what changed and has not been sent for a while; called at a barrier, before the states are taken."""
        now = time.monotonic()
        every_s = self._every_s(now)
        for partition, shard in self._workspaces.shards.items():
            changed = self._changed.setdefault(partition, set())
            # Not `|=`: with what is no set it makes a new one, and what was sent would stay in the old one for ever.
            changed.update(shard.dirty)
            if partition in self._workspaces.recovered:
                changed.update(self._unsent.pop(partition, ()))
            scoring = self._engine_of(shard.fence.config).scoring
            for workspace_id in [key for key in changed if now - self._sent_at.get(key, -every_s) >= every_s]:
                changed.discard(workspace_id)
                state = shard.get(workspace_id)
                if state is not None:
                    self._sent_at[workspace_id] = now
                    value = snapshot_json(workspace_id, state, scoring)
                    self._sender.send(self._topics.workspaces, partition, workspace_id.encode(), value)
        for partition in self._changed.keys() - self._workspaces.shards.keys():
            del self._changed[partition]
        for partition in self._unsent.keys() - self._workspaces.shards.keys():
            del self._unsent[partition]
        # What was sent longer ago needs no memory.
        if len(self._sent_at) > 10_000:  # noqa: PLR2004  # a sweep now and then, not at each barrier
            self._sent_at = {key: at for key, at in self._sent_at.items() if now - at < BUSY_EVERY_S}

    def _every_s(self, now: float) -> float:
        (then, busy_then_s), busy_s = self._last, self._busy_s()
        self._last = now, busy_s
        return BUSY_EVERY_S if busy_s - busy_then_s > BUSY * (now - then) else EVERY_S

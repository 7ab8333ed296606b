"""The checkpoint: outputs before state, state before offsets, by barrier (DESIGN 4.3)."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Protocol

from faust.types import TP

from streams.endings import described, fail_stop
from streams.metrics import Metrics
from streams.outbox import Epoch

# A worker is busy when it is at work on records for more than this part of the time; it then lets so many intervals
# pass between two checkpoints, and is looked at so often in each: what it has caught up with is committed at once.
BUSY = 0.6
_BUSY_INTERVALS = 8
_LOOKS = 5
# Times added up fall short of their sum by rounding.
_ROUNDED = 0.01


class Table(Protocol):
    """What a checkpoint needs of a table; `streams.tables.StateTable` is one."""

    @property
    def changelog_topic_name(self) -> str:
        """Where its states are written."""

    def take_changes(self) -> Iterable[tuple[int, int, list[tuple[bytes, bytes]]]]:
        """Partition, applied offset and writes of every partition that changed."""


class Sender(Protocol):
    """What a checkpoint needs of the outbox; `streams.outbox.Outbox` is one."""

    def send(self, topic: str, partition: int, key: bytes | None, value: bytes | None) -> None:
        """Send a record in the current epoch."""

    def barrier(self) -> Epoch:
        """Close the current epoch."""

    async def durable(self, barrier: Epoch) -> None:
        """Wait for every send before the barrier."""


class Checkpoint:
    """
    Makes progress durable, one checkpoint at a time.

    Args:
        sender: Where outputs and changelog records go.
        tables: Each table with the topic that is its input log.
        positions: Offsets applied by the steps that keep no state (ingest); read at the barrier.
        commit: Commits the offsets that a finished checkpoint covers.
        at_barrier: Called at each barrier, between two records, to send what is derived from the states there.
        still_owner: Ends the process if the partitions may have another owner by now.
        is_ending: Whether a step has failed: its states are ahead of what it has sent, and must not be written.
    """

    def __init__(  # noqa: PLR0913  # each is a seam that the crash explorer or a test replaces
        self,
        *,
        sender: Sender,
        tables: Mapping[str, Table],
        positions: Callable[[], Mapping[TP, int]],
        commit: Callable[[Mapping[TP, int]], Awaitable[None]],
        at_barrier: Callable[[], None] = lambda: None,
        still_owner: Callable[[], None] = lambda: None,
        is_ending: Callable[[], bool] = lambda: False,
        metrics: Metrics | None = None,
    ) -> None:
        self._sender = sender
        self._tables = tables
        self._positions = positions
        self._commit = commit
        self._at_barrier = at_barrier
        self._still_owner = still_owner
        self._is_ending = is_ending
        self._metrics = metrics or Metrics()
        self._one_at_a_time = asyncio.Lock()

    async def run(self) -> None:
        """
        Bring one checkpoint about and return when its offsets are committed.

        Once begun it runs to its end, even if the caller is cancelled: what it has taken from the tables is nowhere
        else, and a later checkpoint would write a fence past it. A failure ends the process.
        """
        await asyncio.shield(asyncio.ensure_future(self._run_or_end()))

    async def _run_or_end(self) -> None:
        try:
            await self._run()
        except Exception as error:  # noqa: BLE001  # whatever it is, nothing may be committed after it
            fail_stop("checkpoint.failed", **described(error))

    async def _run(self) -> None:
        async with self._one_at_a_time:
            if self._is_ending():
                return
            started = time.monotonic()
            self._metrics.checkpoint_in_flight = True
            # No await up to the end of this block: it stands between two records. States encoded any later would hold
            # records whose outputs this checkpoint does not wait for, and a crash would lose those outputs.
            self._at_barrier()
            writes, offsets = self._take()
            barrier = self._sender.barrier()

            await self._sender.durable(barrier)
            self._still_owner()
            if writes:
                await self._write(writes)
            await self._commit(offsets)
            self._metrics.checkpoint_in_flight = False
            self._metrics.checkpoints += 1
            self._metrics.checkpoint_waits.observe(time.monotonic() - started)

    async def run_every(
        self, interval_s: float, is_idle: Callable[[], bool], busy_s: Callable[[], float] = lambda: 0.0
    ) -> None:
        """
        Checkpoint for as long as the worker lives, except while the group rebalances or tables recover.

        A worker that is busy all the time, catching up, checkpoints more rarely: of all that a backlog tells of a
        subject in that time, one state is written. Once it has caught up it does so at once.

        Args:
            interval_s: How often.
            is_idle: Whether there is nothing to do now.
            busy_s: For how many seconds in all the worker has been at work on records.
        """
        put_off_s, worked_s = 0.0, busy_s()
        while True:
            pause_s = interval_s / _LOOKS if put_off_s else interval_s
            await asyncio.sleep(pause_s)
            before_s, worked_s = worked_s, busy_s()
            if is_idle():
                continue
            put_off_s += pause_s
            if put_off_s < (_BUSY_INTERVALS - _ROUNDED) * interval_s and worked_s - before_s > BUSY * pause_s:
                continue
            put_off_s = 0.0
            await self.run()

    def _take(self) -> tuple[list[tuple[str, int, list[tuple[bytes, bytes]]]], dict[TP, int]]:
        writes: list[tuple[str, int, list[tuple[bytes, bytes]]]] = []
        offsets = dict(self._positions())
        for input_topic, table in self._tables.items():
            changelog = table.changelog_topic_name
            for partition, end, changes in table.take_changes():
                offsets[TP(input_topic, partition)] = end
                if changes:
                    writes.append((changelog, partition, changes))
        return writes, offsets

    async def _write(self, writes: list[tuple[str, int, list[tuple[bytes, bytes]]]]) -> None:
        # One partition of a changelog gets its states and then its fence; the outbox keeps that order.
        send = self._sender.send
        for topic, partition, changes in writes:
            for key, value in changes:
                send(topic, partition, key, value)
        await self._sender.durable(self._sender.barrier())

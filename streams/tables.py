"""A Faust table of states: recovered by Faust, held as shards, written by the checkpoint (DESIGN 4.2, 4.3, 4.8)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import faust
import msgspec
from faust.types import TP, EventT

from signals.errors import BrokenLog
from signals.shard import Fence, Shard, State
from streams.endings import fail_stop
from streams.packing import Packer
from streams.stored import FENCE as _FENCE
from streams.stored import to_key as _to_key
from streams.stored import to_subject as _to_subject

S = TypeVar("S", bound=State)

_FAILURE = b"\0failure"


class Failure(msgspec.Struct):
    """How often the step has raised an exception on the record at `position`; kept in the changelog over restarts."""

    position: int
    count: int


class StateTable(faust.Table[bytes, bytes], Generic[S]):
    """
    The states of one keyed step.

    Faust decides which partitions are here and replays their changelog; nothing else of its table is used: writes go
    to the changelog by explicit partition through the outbox, since a timer may not write a stock table, an in-place
    change never reaches a stock changelog, and a failed stock write is only logged.

    Args:
        encode: State to bytes.
        decode: Bytes to state.
    """

    def __init__(
        self, app: faust.App, *, encode: Callable[[S], bytes], decode: Callable[[bytes], S], **options: Any
    ) -> None:
        super().__init__(app, key_type=bytes, value_type=bytes, **options)
        self._encode = encode
        self._decode = decode
        self._packer = Packer()
        self.shards: dict[int, Shard[S]] = {}
        # Told of each state read back: partition, subject, and when it was written in Unix milliseconds.
        self.on_restored: Callable[[int, str, int], None] | None = None
        # Records read back from the changelog by this process: the watchdog sees a recovery move by it.
        self.restored = 0
        # Partitions whose changelog has been read to its end since they were assigned.
        self.recovered: set[int] = set()
        # Partitions whose states have been held against their logs (streams/continuity.py).
        self._verified: set[int] = set()
        # By partition: the record on which the step failed last.
        self._failures: dict[int, Failure] = {}
        # Where each fence stood at the last checkpoint.
        self._stored_end: dict[int, int] = {}

    def shard(self, partition: int) -> Shard[S]:
        """The states of a partition; made when first asked for."""
        shard = self.shards.get(partition)
        if shard is None:
            shard = self.shards[partition] = Shard(self._encode, self._decode, self._packer)
        return shard

    # -- recovery, called by Faust

    def apply_changelog_batch(self, batch: Iterable[EventT[Any]]) -> None:
        """Restore what a changelog holds. Faust would log an error here and spin; we end instead."""
        try:
            for event in batch:
                self._restore_all(event.value)  # the list of records that the transport put there
        except BrokenLog as error:
            fail_stop("changelog.unreadable", table=self.name, error=str(error))

    def _restore_all(self, records: Any) -> None:
        """Restore records of one partition: millions at a start, so nothing is asked twice that is the same for all."""
        partition = records[0].partition
        restore, on_restored = self.shard(partition).restore, self.on_restored
        for record in records:
            key, value = record.key, record.value
            if key[:1] == b"\0" or value is None:
                self._restore(partition, key, value, record.timestamp)
                continue
            subject = key.decode("utf-8", "surrogatepass")
            restore(subject, value)
            if on_restored is not None:
                on_restored(partition, subject, record.timestamp)
        self.restored += len(records)

    def _restore(self, partition: int, key: bytes, value: bytes | None, written_at: int = -1) -> None:
        if value is None:
            return
        shard = self.shard(partition)
        if key == _FAILURE:
            self._failures[partition] = msgspec.msgpack.decode(value, type=Failure)
        elif key == _FENCE:
            self._stored_end[partition] = shard.restore_fence(value)
        else:
            subject = _to_subject(key)
            shard.restore(subject, value)
            if self.on_restored is not None:
                self.on_restored(partition, subject, written_at)

    async def on_rebalance(
        self, assigned: set[TP], revoked: set[TP], newly_assigned: set[TP], generation_id: int = 0
    ) -> None:
        """Drop the states of partitions that are ours no longer; those we keep stay as they are."""
        changelog = self.changelog_topic_name
        for tp in revoked | newly_assigned:
            if tp.topic == changelog:
                self.shards.pop(tp.partition, None)
                self._stored_end.pop(tp.partition, None)
                self._failures.pop(tp.partition, None)
                self.recovered.discard(tp.partition)
                self._verified.discard(tp.partition)
        await super().on_rebalance(assigned, revoked, newly_assigned, generation_id)

    async def on_recovery_completed(self, active_tps: set[TP], standby_tps: set[TP]) -> None:
        """Every assigned partition has its shard from here on, empty or not."""
        await super().on_recovery_completed(active_tps, standby_tps)
        for tp in active_tps:
            self.shard(tp.partition)
            self.recovered.add(tp.partition)

    def persisted_offset(self, tp: TP) -> int | None:  # noqa: ARG002  # Faust's signature
        """Nothing is kept on disk: recovery starts at the beginning of the changelog."""
        return None

    # -- records that the step cannot apply

    def failure(self, partition: int) -> Failure | None:
        """The record of a partition on which the step failed last, if any."""
        return self._failures.get(partition)

    def count_failure(self, partition: int, position: int) -> tuple[bytes, bytes]:
        """Count a failure of the step; returns the changelog record that lets the next owner know."""
        last = self._failures.get(partition)
        count = last.count + 1 if last is not None and last.position == position else 1
        self._failures[partition] = failure = Failure(position, count)
        return _FAILURE, msgspec.msgpack.encode(failure)

    # -- what stands in the way of a start

    def unverified(self) -> dict[int, Fence]:
        """The fences of partitions assigned since the last verification: up to where their states are applied."""
        return {number: shard.fence for number, shard in self.shards.items() if number not in self._verified}

    def mark_verified(self) -> None:
        """The partitions here have been held against their logs."""
        self._verified.update(self.shards)

    # -- checkpoints

    def take_changes(self) -> Iterator[tuple[int, int, list[tuple[bytes, bytes]]]]:
        """
        Take what has changed since the last call, encoded, and where every partition stands.

        Yields:
            Partition; the input offset it is applied up to; changelog records in the order they must be written:
            states, then the fence, so that a fence never claims what its states do not hold.
        """
        for partition, shard in self.shards.items():
            if not shard.dirty and shard.fence.end == self._stored_end.get(partition, 0):
                # Its offset all the same: a crash may have come between the last fence and its commit.
                yield partition, shard.fence.end, []
                continue
            writes = [(_to_key(key), shard.sealed(key)) for key in shard.dirty]
            writes.append((_FENCE, msgspec.msgpack.encode(shard.fence)))
            shard.settle()
            self._stored_end[partition] = shard.fence.end
            yield partition, shard.fence.end, writes

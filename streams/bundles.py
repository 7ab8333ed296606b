"""Bundles: what a slice sends to one partition of a keyed log leaves as one Kafka record (signals/codec.py)."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from signals.codec import MAX_BUNDLED, bundle
from signals.event import Event
from signals.facts import Fact, Pulse
from streams.topics import partition_of

Send = Callable[[str, int, bytes | None, bytes | None], None]

# A bundle is cut in two while it is longer than this, so that it stays well below what any broker takes by default
# (1 MB), and what it makes the next step do at once stays short. A record that is longer alone goes alone.
MAX_BUNDLE_BYTES = 64 * 1024
# Keys whose partitions are remembered: a table of texts and small numbers, of a few MB.
_REMEMBERED = 50_000


class Bundles:
    """
    The records of one slice on their way to a keyed log.

    They are written only when they leave, many at once: nobody may change one that was added. The order in each
    partition is kept. Nothing may wait here while the loop turns: a checkpoint would not know of it.

    Args:
        topic: The log.
        partitions: Of the log.
        send: Sends a Kafka record.
    """

    def __init__(self, topic: str, partitions: int, send: Send) -> None:
        self._topic = topic
        self._send = send
        self._partitions: dict[str, int] = {}
        self._waiting: list[list[Event | Fact | Pulse]] = [[] for _ in range(partitions)]
        self._used: list[int] = []

    def add(self, key: str, record: Event | Fact | Pulse) -> None:
        """Put a record behind those that wait for the partition of its key."""
        partition = self._partitions.get(key)
        if partition is None:
            partition = self._partition_of(key)
        waiting = self._waiting[partition]
        if not waiting:
            self._used.append(partition)
        waiting.append(record)
        if len(waiting) == MAX_BUNDLED:
            self._close(partition)

    def flush(self) -> None:
        """Send all that waits."""
        for partition in self._used:
            if self._waiting[partition]:
                self._close(partition)
        self._used.clear()

    def _partition_of(self, key: str) -> int:
        if len(self._partitions) >= _REMEMBERED:
            self._partitions.clear()
        partition = self._partitions[key] = partition_of(key, len(self._waiting))
        return partition

    def _close(self, partition: int) -> None:
        self._write(partition, self._waiting[partition])
        self._waiting[partition].clear()

    def _write(self, partition: int, records: Sequence[Event | Fact | Pulse]) -> None:
        value = bundle(records)
        if len(value) > MAX_BUNDLE_BYTES and len(records) > 1:
            middle = len(records) // 2
            self._write(partition, records[:middle])
            self._write(partition, records[middle:])
        else:
            # Without a key: its records have one each, and the partition is given.
            self._send(self._topic, partition, None, value)

"""Bundles: what a slice sends to one partition of a keyed log leaves as one Kafka record (signals/codec.py)."""

from __future__ import annotations

from collections.abc import Callable

from signals.codec import MAX_BUNDLED, bundle

Send = Callable[[str, int, bytes | None, bytes | None], None]

# A bundle is closed before it grows beyond this, so that it stays well below what any broker takes by default (1 MB),
# and what it makes the next step do at once stays short. A record that is longer alone goes alone.
MAX_BUNDLE_BYTES = 64 * 1024


class Bundles:
    """
    The records of one slice on their way to a keyed log.

    The order in each partition is kept. Nothing may wait here while the loop turns: a checkpoint would not know of it.

    Args:
        topic: The log.
        partitions: Of the log.
        send: Sends a Kafka record.
    """

    def __init__(self, topic: str, partitions: int, send: Send) -> None:
        self._topic = topic
        self._send = send
        self._waiting: list[list[bytes]] = [[] for _ in range(partitions)]
        self._bytes = [0] * partitions
        self._used: list[int] = []

    def add(self, partition: int, record: bytes) -> None:
        """Put an encoded record behind those that wait for its partition."""
        waiting = self._waiting[partition]
        size = len(record)
        if not waiting:
            self._used.append(partition)
        elif len(waiting) == MAX_BUNDLED or self._bytes[partition] + size > MAX_BUNDLE_BYTES:
            self._close(partition)
        waiting.append(record)
        self._bytes[partition] += size

    def flush(self) -> None:
        """Send all that waits."""
        for partition in self._used:
            self._close(partition)
        self._used.clear()

    def _close(self, partition: int) -> None:
        waiting = self._waiting[partition]
        # Without a key: its records have one each, and the partition is given.
        self._send(self._topic, partition, None, bundle(waiting))
        waiting.clear()
        self._bytes[partition] = 0

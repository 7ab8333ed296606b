"""
What is mended of aiokafka's fetching, which has no hooks for it; its version is pinned.

Importing this module puts it in place: streams/transport.py does.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec
from aiokafka.consumer import consumer, fetcher

if TYPE_CHECKING:
    from aiokafka.record.default_records import DefaultRecord
    from faust.types import TP

# How long the broker may keep a fetch that finds nothing. aiokafka has one fetch under way at a time, without those
# partitions whose records were not yet taken when it began: what comes in these meanwhile waits for its end.
FETCH_MAX_WAIT_MS = 50
# How soon after the begin of a round of fetching the next one may begin.
FETCH_EVERY_S = 0.02


class FetchedRecord(msgspec.Struct, gc=False):
    """A record as it was fetched; `aiokafka.ConsumerRecord`, a dataclass of eleven fields, costs much more."""

    topic: str
    partition: int
    offset: int
    # Unix milliseconds, -1 where the broker has none.
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]]


class FetchedRecords(fetcher.PartitionRecords):  # type: ignore[misc]  # aiokafka is not typed here
    """What was fetched of a partition, read without a detour for each record."""

    def __iter__(self) -> Iterator[FetchedRecord]:
        """The generator itself; the base class steps it from Python."""
        records: Iterator[FetchedRecord] = self._records_iterator
        return records

    def _consumer_record(self, tp: TP, record: DefaultRecord) -> FetchedRecord:
        return FetchedRecord(
            tp.topic,
            tp.partition,
            record.offset,
            record.timestamp,
            record.timestamp_type,
            record.key,
            record.value,
            record.headers,
        )


class PacedFetcher(fetcher.Fetcher):  # type: ignore[misc]  # aiokafka is not typed here
    """
    Begins a round of fetching at most every `FETCH_EVERY_S`.

    A round asks for all partitions, of which a worker may have a hundred and more: without a pause a few records a
    second would keep a core busy. While there is a backlog a round takes longer than the pause.
    """

    _next_round = 0.0

    def _get_actions_per_node(self, assignment: object) -> tuple[object, ...]:
        now = time.monotonic()
        if now < self._next_round:
            return [], {}, self._next_round - now, False, []
        actions: tuple[object, ...] = super()._get_actions_per_node(assignment)
        if actions[0]:
            self._next_round = now + FETCH_EVERY_S
        return actions


fetcher.PartitionRecords = FetchedRecords
consumer.Fetcher = PacedFetcher

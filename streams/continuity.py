"""Refuses to go on where a log and the states folded from it contradict each other (DESIGN 4.2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping
from typing import Protocol

import structlog
from faust.types import TP

from signals.shard import Fence
from streams.endings import fail_stop

log = structlog.get_logger()

REPAIR = "plg topics reset"

Offsets = Callable[[list[TP]], Awaitable[Mapping[TP, int | None]]]


class Fenced(Protocol):
    """What is asked of a table; `streams.tables.StateTable` is one."""

    def unverified(self) -> dict[int, Fence]:
        """The fences of partitions assigned since the last verification: up to where their states are applied."""

    def mark_verified(self) -> None:
        """The partitions here have been held against their logs."""


class Continuity:
    """
    Holds newly assigned states against the logs they came from.

    Args:
        tables: Each table with the topic that is its input log.
        ingested: Every topic that ingest reads.
        commands: Which of them carries the orders of people.
        ends: Reads the end offsets of partitions; one that does not exist may be left out.
        beginnings: Reads the offsets of the oldest records that are still there.
    """

    def __init__(
        self, tables: Mapping[str, Fenced], ingested: Collection[str], commands: str, ends: Offsets, beginnings: Offsets
    ) -> None:
        self._tables = tables
        self._ingested = frozenset(ingested)
        self._commands = commands
        self._ends = ends
        self._beginnings = beginnings

    async def verify(self, committed: Mapping[TP, int | None]) -> None:
        """
        End the process if a log was recreated under its states.

        A fence beyond the end of its log, be it our own or one that ingest reads, would make a step skip every record
        up to there. A committed offset beyond the fence means that the changelog has lost states.
        """
        fences = {
            TP(topic, p): fence for topic, table in self._tables.items() for p, fence in table.unverified().items()
        }
        told = dict(self._told(fences.values()))
        for tp, offset in committed.items():
            if tp.topic in self._ingested:
                told[tp] = max(told.get(tp, 0), offset or 0)
        if fences or told:
            ends = await self._ends([*fences, *told])
            for tp, fence in fences.items():
                place = {"topic": tp.topic, "partition": tp.partition, "applied": fence.end, "repair": REPAIR}
                if fence.end > (ends.get(tp) or 0):
                    fail_stop("log.recreated", **place, log_end=ends.get(tp))
                if (committed.get(tp) or 0) > fence.end:
                    fail_stop("changelog.recreated", **place, committed=committed.get(tp))
            for tp, end in told.items():
                if end > (ends.get(tp) or 0):
                    place = {"topic": tp.topic, "partition": tp.partition, "applied": end, "repair": REPAIR}
                    fail_stop("source.recreated", **place, log_end=ends.get(tp))
            await self._look_for_expired(committed)
        for table in self._tables.values():
            table.mark_verified()

    def _told(self, fences: Collection[Fence]) -> Iterator[tuple[TP, int]]:
        """For each partition that ingest reads, up to where any state here has taken it."""
        furthest: dict[TP, int] = {}
        for fence in fences:
            for origin, coordinate in fence.origins.items():
                tp = self._place(origin)
                if tp is not None:
                    furthest[tp] = max(furthest.get(tp, 0), coordinate.offset + 1)
        yield from furthest.items()

    def _place(self, origin: str) -> TP | None:
        topic, colon, partition = origin.rpartition(":")
        if colon:
            # A topic that the config no longer names may be gone.
            return TP(topic, int(partition)) if topic in self._ingested else None
        return TP(self._commands, int(origin[1:])) if origin.startswith("c") else None

    async def _look_for_expired(self, committed: Mapping[TP, int | None]) -> None:
        """Say it where retention has deleted records that nobody here has read: nothing brings them back."""
        read = {tp: offset for tp, offset in committed.items() if tp.topic in self._ingested and offset}
        begins = await self._beginnings(list(read)) if read else {}
        for tp, offset in read.items():
            begin = begins.get(tp) or 0
            if begin > offset:
                log.error("source.expired", topic=tp.topic, partition=tp.partition, records=begin - offset)

"""Refuses to go on where a log and the states folded from it contradict each other (DESIGN 4.2)."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Protocol

from faust.types import TP

from streams.endings import fail_stop

REPAIR = "plg topics reset"


class Fenced(Protocol):
    """What is asked of a table; `streams.tables.StateTable` is one."""

    def unverified(self) -> dict[int, int]:
        """Partitions assigned since the last verification, each with the input offset its states are applied up to."""

    def mark_verified(self) -> None:
        """The partitions here have been held against their logs."""


class Continuity:
    """
    Holds newly assigned states against the logs they came from.

    Args:
        tables: Each table with the topic that is its input log.
        ends: Reads the end offsets of partitions.
    """

    def __init__(
        self, tables: Mapping[str, Fenced], ends: Callable[[list[TP]], Awaitable[Mapping[TP, int | None]]]
    ) -> None:
        self._tables = tables
        self._ends = ends

    async def verify(self, committed: Mapping[TP, int | None]) -> None:
        """
        End the process if a log was recreated under its states.

        A fence beyond the end of its log would make the step skip every record up to there. A committed offset beyond
        the fence means that the changelog has lost states.
        """
        for topic, table in self._tables.items():
            applied = {TP(topic, partition): end for partition, end in table.unverified().items()}
            if not applied:
                continue
            ends = await self._ends(list(applied))
            for tp, end in applied.items():
                place = {"topic": tp.topic, "partition": tp.partition, "applied": end, "repair": REPAIR}
                if end > (ends.get(tp) or 0):
                    fail_stop("log.recreated", **place, log_end=ends.get(tp))
                if (committed.get(tp) or 0) > end:
                    fail_stop("changelog.recreated", **place, committed=committed.get(tp))
            table.mark_verified()

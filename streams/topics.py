"""The topics: their names, partitions and settings, and which partition a key belongs to."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from zlib import crc32

DAY_MS = 86_400_000


def partition_of(key: str, partitions: int) -> int:
    """
    The partition of a key; fixed for good, since states live where their keys hash to.

    CRC-32 of the UTF-8 bytes: librdkafka's own choice for keyed records, so that its tools agree.
    """
    return crc32(key.encode("utf-8", "surrogatepass")) % partitions


@dataclass(frozen=True)
class TopicSpec:
    """A topic as it should be: `settings` are Kafka topic settings."""

    name: str
    partitions: int
    settings: dict[str, str]


class Topics:
    """
    The names under one prefix.

    Args:
        prefix: Config `prefix`.
        partitions: Partitions of every keyed topic, fixed at birth.
    """

    def __init__(self, prefix: str, partitions: int) -> None:
        self.prefix = prefix
        self.partitions = partitions
        self.user_events = f"{prefix}.user-events"
        self.workspace_facts = f"{prefix}.workspace-facts"
        self.signals = f"{prefix}.signals"
        self.alerts = f"{prefix}.alerts"
        self.verdicts = f"{prefix}.verdicts"
        self.workspaces = f"{prefix}.workspaces"
        self.dead_letters = f"{prefix}.dead-letters"
        self.redrive = f"{prefix}.redrive"
        self.commands = f"{prefix}.commands"
        self.config = f"{prefix}.config"
        self.funnel = f"{prefix}.funnel"
        # Faust's naming: <app id>-<table>-changelog; the app id is the prefix.
        self.users_changelog = f"{prefix}-users-changelog"
        self.workspaces_changelog = f"{prefix}-workspaces-changelog"

    def of(self, key: str) -> int:
        """The partition of a key in any of the keyed topics."""
        return partition_of(key, self.partitions)

    def ingested(self, sources: Sequence[str]) -> tuple[str, ...]:
        """Every topic that ingest reads: the customer's `sources`, and those of ours that go the same way."""
        return (*sources, self.redrive, self.commands)

    def specs(self) -> list[TopicSpec]:
        """Every topic of ours with its settings."""
        compacted = {"cleanup.policy": "compact"}
        changelog = {
            **compacted,
            "segment.bytes": str(64 * 1024 * 1024),
            "min.cleanable.dirty.ratio": "0.2",
            # A value overwritten by a stale owner must still be there when the next recovery heals it (DESIGN 4.8).
            "min.compaction.lag.ms": str(3_600_000),
            "delete.retention.ms": str(DAY_MS),
        }
        # A dead letter carries the customer's record whole, however large their topic allows it to be.
        large = {"max.message.bytes": str(16 * 1024 * 1024)}
        return [
            TopicSpec(self.user_events, self.partitions, {"retention.ms": str(7 * DAY_MS)}),
            TopicSpec(self.workspace_facts, self.partitions, {"retention.ms": str(7 * DAY_MS)}),
            TopicSpec(self.signals, self.partitions, {"retention.ms": str(90 * DAY_MS)}),
            TopicSpec(self.alerts, self.partitions, {"retention.ms": str(90 * DAY_MS)}),
            TopicSpec(self.verdicts, self.partitions, {"retention.ms": str(30 * DAY_MS)}),
            TopicSpec(self.workspaces, self.partitions, compacted),
            TopicSpec(self.dead_letters, self.partitions, {"retention.ms": str(30 * DAY_MS), **large}),
            # It is read back to know what has been redriven, so it must outlive the dead letters, segments and all. Its
            # own clock counts: the original's time, in a header, may be older than any retention.
            TopicSpec(
                self.redrive,
                self.partitions,
                {"retention.ms": str(60 * DAY_MS), "message.timestamp.type": "LogAppendTime", **large},
            ),
            TopicSpec(self.commands, 1, {"retention.ms": str(7 * DAY_MS)}),
            TopicSpec(self.config, 1, compacted),
            TopicSpec(self.funnel, self.partitions, compacted),
            TopicSpec(self.users_changelog, self.partitions, changelog),
            TopicSpec(self.workspaces_changelog, self.partitions, changelog),
        ]

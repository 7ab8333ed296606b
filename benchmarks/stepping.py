"""The three steps over records in memory: each is read, applied and written as a worker does it, without a broker."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from signals.codec import (
    decode_fact_record,
    decode_user_record,
    decode_user_state,
    decode_workspace_state,
    encode_record,
    encode_state,
)
from signals.compiled import Engine
from signals.config import Config
from signals.contract import alert_json, signal_json, verdict_json
from signals.engine import step_user, step_workspace
from signals.event import Source
from signals.facts import Outputs
from signals.formats.segment import SegmentDecoder
from signals.shard import Shard
from signals.user import UserState
from signals.workspace import WorkspaceState
from streams.topics import partition_of

# What is written for readers only names a wall time; any will do.
_DETECTED_AT = 1_767_225_600_000


class Keyed(NamedTuple):
    """A record of one of the two inner logs."""

    partition: int
    value: bytes


class Steps:
    """
    What stands between the logs; the callers carry the records from step to step.

    Args:
        config: With `clock: events`: nothing here reads the wall's.
        partitions: Of both inner logs; a partition's records are numbered from 0.
    """

    def __init__(self, config: Config, partitions: int = 1) -> None:
        self.users = [Shard[UserState](encode_state, decode_user_state) for _ in range(partitions)]
        self.workspaces = [Shard[WorkspaceState](encode_state, decode_workspace_state) for _ in range(partitions)]
        # Records written for readers: signals, alerts and verdicts.
        self.told = 0
        self._decoder = SegmentDecoder(config)
        self._engine = Engine(config)
        self._config_hash = config.hash
        self._partitions = partitions
        self._lines = 0

    def ingest(self, lines: Iterable[bytes]) -> list[Keyed]:
        """Lines of the product, good ones only -> records of `user-events`."""
        decode, partitions, sent = self._decoder.decode, self._partitions, []
        for number, line in enumerate(lines, self._lines):
            event = decode(line, None, Source("product", 0, number))
            sent.append(Keyed(partition_of(event.subject, partitions), encode_record(event)))
        self._lines += len(sent)
        return sent

    def step_users(self, partition: int, records: Sequence[bytes]) -> list[Keyed]:
        """Records of `user-events` -> records of `workspace-facts`."""
        shard, engine, sent = self.users[partition], self._engine, list[Keyed]()
        for offset, record in enumerate(records, shard.fence.end):
            self._send(step_user(shard, decode_user_record(record), offset, partition, engine), sent)
        return sent

    def step_workspaces(self, partition: int, records: Sequence[bytes]) -> list[Keyed]:
        """Records of `workspace-facts` -> the answers among them, which go to the end of the same log."""
        shard, engine, sent = self.workspaces[partition], self._engine, list[Keyed]()
        for offset, record in enumerate(records, shard.fence.end):
            self._send(step_workspace(shard, decode_fact_record(record), offset, partition, engine), sent)
        return sent

    def _send(self, outputs: Outputs, sent: list[Keyed]) -> None:
        # Most have none: a comprehension would cost more than the loop that never begins.
        send = sent.append
        for fact in outputs.facts:
            send(Keyed(partition_of(fact.workspace_id, self._partitions), encode_record(fact)))
        if not outputs.firings_or_alerts:
            return
        for firing in outputs.signals:
            signal_json(firing, _DETECTED_AT, self._config_hash)
        for alert in outputs.alerts:
            alert_json(alert, _DETECTED_AT, self._config_hash)
        for verdict in outputs.verdicts:
            if verdict.is_final:
                verdict_json(verdict)
        self.told += len(outputs.signals) + len(outputs.alerts) + len(outputs.verdicts)

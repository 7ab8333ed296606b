"""The three agents over records in memory: each is read, applied and written as a worker does it, without a broker."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from types import SimpleNamespace
from typing import Any, Generic, NamedTuple, NoReturn, TypeVar, cast

from signals.codec import decode_user_state, decode_workspace_state, encode_state
from signals.config import Config
from signals.engines import Engines
from signals.shard import Shard
from signals.user import UserState
from signals.workspace import WorkspaceState
from streams.agents import River
from streams.metrics import Metrics
from streams.outbox import Epoch
from streams.tables import StateTable
from streams.topics import Topics

# Records of a batch, as a fetch brings them.
_BATCH = 2_000
_WRITTEN_AT = 1_767_225_600_000
S = TypeVar("S", UserState, WorkspaceState)


class _Record(NamedTuple):
    """What the agents read of a Kafka record."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    key: bytes | None
    value: bytes | None
    headers: Sequence[tuple[str, bytes]] = ()


class _Table(Generic[S]):
    """What the agents need of a state table."""

    changelog_topic_name = ""

    def __init__(self, decode: Callable[[bytes], S]) -> None:
        self.shards: dict[int, Shard[S]] = {}
        self._decode = decode

    def shard(self, partition: int) -> Shard[S]:
        """The states of a partition."""
        if partition not in self.shards:
            self.shards[partition] = Shard(encode_state, self._decode)
        return self.shards[partition]

    def failure(self, _partition: int) -> None:
        """No step has failed."""


class _Sent:
    """An outbox that keeps what is sent, by topic."""

    def __init__(self) -> None:
        self.records: dict[str, list[_Record]] = {}

    def send(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Keep a record."""
        log = self.records.setdefault(topic, [])
        log.append(_Record(topic, partition, len(log), _WRITTEN_AT, key, value, headers))

    async def room(self) -> None:
        """There always is."""

    def barrier(self) -> NoReturn:
        """Nothing here is made durable."""
        raise NotImplementedError

    async def durable(self, barrier: Epoch) -> NoReturn:
        """Nothing here is made durable."""
        raise NotImplementedError


class Steps:
    """
    The agents of a worker; the caller carries the records from step to step.

    Args:
        config: With `clock: events`: nothing here reads the wall's but for `detected_at`.
        metrics: What they count goes there.
    """

    def __init__(self, config: Config, metrics: Metrics | None = None) -> None:
        self.topics = Topics(config.prefix, 1)
        self._sent = _Sent()
        self._offsets = {"product": 0}
        users, workspaces = _Table(decode_user_state), _Table(decode_workspace_state)
        self.users, self.workspaces = users.shard(0), workspaces.shard(0)
        self._river = River(
            config=config,
            engine_of=Engines(config).of,
            topics=self.topics,
            sender=self._sent,
            users=cast(StateTable[UserState], users),
            workspaces=cast(StateTable[WorkspaceState], workspaces),
            still_owner=lambda: None,
            metrics=metrics or Metrics(),
        )

    def ingest(self, lines: Sequence[bytes]) -> list[bytes]:
        """Lines of the product -> values of `user-events`."""
        self._run(self._river.ingest, "product", lines)
        return self._taken(self.topics.user_events)

    def step_users(self, bundles: Sequence[bytes]) -> list[bytes]:
        """Values of `user-events` -> values of `workspace-facts`."""
        self._run(self._river.users, self.topics.user_events, bundles)
        return self._taken(self.topics.workspace_facts)

    def step_workspaces(self, bundles: Sequence[bytes]) -> list[bytes]:
        """Values of `workspace-facts` -> the answers among them, which go to the end of the same log."""
        self._run(self._river.workspaces, self.topics.workspace_facts, bundles)
        return self._taken(self.topics.workspace_facts)

    def _run(self, agent: Callable[[Any], Awaitable[None]], topic: str, values: Sequence[bytes]) -> None:
        begin = self._offsets.get(topic, 0)
        self._offsets[topic] = begin + len(values)
        records = [_Record(topic, 0, offset, _WRITTEN_AT, None, value) for offset, value in enumerate(values, begin)]

        async def events() -> AsyncIterator[SimpleNamespace]:
            for start in range(0, len(records), _BATCH):
                yield SimpleNamespace(value=records[start : start + _BATCH])

        async def run() -> None:
            await agent(SimpleNamespace(events=events))

        asyncio.run(run())

    def _taken(self, topic: str) -> list[bytes]:
        values = [record.value or b"" for record in self._sent.records.pop(topic, [])]
        # What is written for readers is written and no more.
        self._sent.records.clear()
        return values

"""A river small enough to check exhaustively: ingest, users and workspaces only count, with the engine's fences."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, cast

import faust
import msgspec
from faust.types import TP, StreamT

from signals.shard import Coordinate, Fence, Shard
from streams.checkpoint import Checkpoint
from streams.outbox import Outbox
from streams.tables import StateTable
from streams.topics import Topics
from streams.transport import PassThroughSchema
from tests.records import Record
from tests.streams.life import Life
from tests.streams.memory import Broker, MemoryConsumer, MemoryDriver, MemoryTransport
from tests.streams.memory_outbox import MemoryOutbox

PARTITIONS = 2
SOURCE = "product"
TOPICS = Topics("count", PARTITIONS)
USER_SIGNAL_EVERY = 3
WORKSPACE_SIGNAL_EVERY = 5


class Event(msgspec.Struct, array_like=True):
    """One event of a user, with its place in the source: what ingest makes of a record."""

    user: str
    number: int
    partition: int
    offset: int


class Fact(msgspec.Struct, array_like=True):
    """What the user step tells the workspace step about one event; `place` is its coordinate."""

    workspace: str
    number: int
    origin: str
    place: Coordinate


class Count(msgspec.Struct):
    """The state of a user or a workspace: how many events, and the sum of their numbers, which says which ones."""

    at: int = -1
    due: int | None = None
    n: int = 0
    total: int = 0


# Keys of both partitions in both keyed steps; each workspace has users of both.
WORKSPACES = {"ann": "acme", "bob": "acme", "cid": "zeta", "dan": "zeta"}


class River:
    """
    The three agents over the counting steps.

    Args:
        sender: Where everything goes.
        users: States of the first keyed step.
        workspaces: States of the second.
    """

    def __init__(self, sender: Outbox, users: StateTable[Count], workspaces: StateTable[Count]) -> None:
        self.positions: dict[TP, int] = {}
        self._sender = sender
        self._users = users
        self._workspaces = workspaces

    async def ingest(self, stream: StreamT[list[Record]]) -> None:
        """Source -> users' log."""
        await self._each(stream, self._ingest)

    async def users(self, stream: StreamT[list[Record]]) -> None:
        """Users' log -> users' states, facts and signals."""
        await self._each(stream, self._count_user)

    async def workspaces(self, stream: StreamT[list[Record]]) -> None:
        """Facts -> workspaces' states and signals."""
        await self._each(stream, self._count_workspace)

    async def _each(self, stream: StreamT[list[Record]], apply: Callable[[Record], None]) -> None:
        async for event in stream.events():
            for record in event.value:
                apply(record)
                # Between any two records a checkpoint may begin.
                await self._sender.room()

    def _ingest(self, record: Record) -> None:
        user, number = msgspec.json.decode(record.value or b"", type=tuple[str, int])
        event = Event(user, number, record.partition, record.offset)
        self._send(TOPICS.user_events, user, msgspec.json.encode(event))
        self.positions[TP(record.topic, record.partition)] = record.offset + 1

    def _count_user(self, record: Record) -> None:
        event = msgspec.json.decode(record.value or b"", type=Event)
        shard = self._users.shard(record.partition)
        origin = f"{SOURCE}:{event.partition}"
        count = self.step(shard, event.user, record.offset, origin, Coordinate(event.offset), event.number)
        if count is None:
            return
        place = Coordinate(record.offset)
        fact = Fact(WORKSPACES[event.user], event.number, str(record.partition), place)
        self._send(TOPICS.workspace_facts, fact.workspace, msgspec.json.encode(fact))
        if count % USER_SIGNAL_EVERY == 0:
            self._send(TOPICS.signals, event.user, f"{event.user}/{count}".encode())

    def _count_workspace(self, record: Record) -> None:
        fact = msgspec.json.decode(record.value or b"", type=Fact)
        shard = self._workspaces.shard(record.partition)
        count = self.step(shard, fact.workspace, record.offset, fact.origin, fact.place, fact.number)
        if count is not None and count % WORKSPACE_SIGNAL_EVERY == 0:
            self._send(TOPICS.signals, fact.workspace, f"{fact.workspace}/{count}".encode())

    def step(
        self, shard: Shard[Count], key: str, offset: int, origin: str, place: Coordinate, number: int
    ) -> int | None:
        """Count a record of `key`; None if it had been counted before. Fences as in signals/engine.py."""
        shard.fence.end = offset + 1
        is_new = self.admits(shard.fence, origin, place)
        state = shard.get(key)
        if not is_new or (state is not None and self.has_applied(state, offset)):
            return None
        state = state or Count()
        state.n += 1
        state.total += number
        shard.touch(key, state, offset)
        return state.n

    def admits(self, fence: Fence, origin: str, place: Coordinate) -> bool:
        """True for a record that the step before has not sent already."""
        return fence.admit(origin, place)

    def has_applied(self, state: Count, offset: int) -> bool:
        """True for a record that this step has already applied."""
        return offset <= state.at

    def _send(self, topic: str, key: str, value: bytes) -> None:
        self._sender.send(topic, TOPICS.of(key), key.encode(), value)


@dataclass(frozen=True)
class Build:
    """What a worker is made of; a stock fault replaces one of them."""

    consumer: type[MemoryDriver] = MemoryConsumer
    checkpoint: type[Checkpoint] = Checkpoint
    river: type[River] = River
    outbox: type[MemoryOutbox] = MemoryOutbox
    stream_buffer: int = 8


class Worker(Life):
    """One worker process's parts over a broker in memory; make it inside the running loop."""

    def __init__(self, broker: Broker, seed: int, build: Build | None = None) -> None:
        build = build or Build()
        rng = random.Random(seed)
        super().__init__(
            make_app(broker, rng, build.consumer, stream_buffer_maxsize=build.stream_buffer), build.outbox(broker, rng)
        )
        self.users = self._table("users")
        self.workspaces = self._table("workspaces")
        self.river = build.river(self.outbox, self.users, self.workspaces)
        self.checkpoint = build.checkpoint(
            sender=self.outbox,
            tables={TOPICS.user_events: self.users, TOPICS.workspace_facts: self.workspaces},
            positions=lambda: self.river.positions,
            commit=self.commit,
        )
        self.app.agent(self.app.topic(SOURCE, internal=False), name="ingest")(self.river.ingest)
        self.app.agent(self.app.topic(TOPICS.user_events, internal=False), name="users")(self.river.users)
        self.app.agent(self.app.topic(TOPICS.workspace_facts, internal=False), name="facts")(self.river.workspaces)

    async def commit(self, offsets: Mapping[TP, int]) -> None:
        """As in streams/app.py."""
        if isinstance(self.consumer, MemoryConsumer):
            self.consumer.make_committable(offsets)
        if not await self.consumer.commit():
            await self.consumer.commit()

    def prepare(self) -> None:
        """As in streams/app.py."""
        self.app.in_worker = True
        self.app.finalize()
        self.consumer.checkpoint = self.checkpoint.run

    def _table(self, name: str) -> StateTable[Count]:
        table: Any = self.app.Table(
            name,
            partitions=PARTITIONS,
            encode=msgspec.msgpack.encode,
            decode=msgspec.msgpack.Decoder(Count).decode,
            recovery_buffer_size=2,
        )
        return cast(StateTable[Count], table)


def make_app(
    broker: Broker, rng: random.Random, consumer: type[MemoryDriver], prefix: str = TOPICS.prefix, **options: Any
) -> faust.App:
    """A Faust app over the broker, with the settings of streams/app.py that matter without Kafka."""
    settings: dict[str, Any] = {
        "Table": StateTable,
        "Schema": PassThroughSchema,
        "store": "memory://",
        "table_standby_replicas": 0,
        "topic_partitions": PARTITIONS,
        "topic_allow_declare": False,
        "topic_disable_leader": True,
        "consumer_auto_offset_reset": "earliest",
        "broker_commit_interval": 3_600.0,
        "broker_commit_every": 2**31,
        "stream_wait_empty": True,
        "stream_recovery_delay": 0.0,
        "web_enabled": False,
        "worker_redirect_stdouts": False,
        "loop": asyncio.get_running_loop(),
        **options,
    }
    app = faust.App(prefix, version=1, **settings)
    transport = MemoryTransport(app, broker, rng, consumer)
    app.transport = transport
    app.producer_transport = transport
    return app


@dataclass(frozen=True)
class Oracle:
    """What a history must come to, however often it is interrupted."""

    signals: frozenset[str]
    states: dict[str, tuple[int, int]]


def oracle(history: list[tuple[str, int]]) -> Oracle:
    """Count a history in one go."""
    n: Counter[str] = Counter()
    total: Counter[str] = Counter()
    signals = set()
    for user, number in history:
        for key, every in ((user, USER_SIGNAL_EVERY), (WORKSPACES[user], WORKSPACE_SIGNAL_EVERY)):
            n[key] += 1
            total[key] += number
            if n[key] % every == 0:
                signals.add(f"{key}/{n[key]}")
    return Oracle(frozenset(signals), {key: (n[key], total[key]) for key in n})

"""
The same small river as its users would write it with stock Faust: tables, agents, sends, as the user guide shows them.

Nothing of ours is in it but the broker in memory, which acknowledges what it was sent late, as every broker does.
"""

from __future__ import annotations

import asyncio
import random
from typing import Any

import faust
import msgspec
from faust.transport.producer import Producer as StockBaseProducer
from faust.types import TP, RecordMetadata, StreamT

from tests.streams.counting import (
    PARTITIONS,
    SOURCE,
    TOPICS,
    USER_SIGNAL_EVERY,
    WORKSPACE_SIGNAL_EVERY,
    WORKSPACES,
    make_app,
    oracle,
)
from tests.streams.memory import Broker, MemoryTransport, StockConsumer
from tests.streams.memory_outbox import MemoryProducer
from tests.streams.virtual_time import run_virtually

LIFETIME_S = 300.0
# As short as the checkpoint's pace: a longer one only repeats more after a crash.
COMMIT_S = 0.03


class StockProducer(StockBaseProducer):
    """The part of a Faust producer that talks to a broker; everything above it is Faust's."""

    memory: MemoryProducer

    async def send(  # Faust's signature
        self,
        topic: str,
        key: bytes | None,
        value: bytes | None,
        partition: int | None,
        timestamp: float | None,
        headers: Any,
        *,
        transactional_id: str | None = None,
    ) -> asyncio.Future[RecordMetadata]:
        """Send; the future is done when the broker has acknowledged it."""
        loop = asyncio.get_running_loop()
        sent: asyncio.Future[RecordMetadata] = loop.create_future()
        number = partition if partition is not None else TOPICS.of((key or b"").decode())
        place = TP(topic, number)
        metadata = RecordMetadata(topic, number, place, 0, None, 0)

        def acknowledged(_error: object, _message: object) -> None:
            if not sent.done():
                sent.set_result(metadata)

        self.memory.produce(topic, value, key, number, acknowledged)
        return sent

    async def send_and_wait(self, *arguments: Any, **options: Any) -> RecordMetadata:
        """Send and wait for the acknowledgement."""
        return await (await self.send(*arguments, **options))

    async def flush(self) -> None:
        """As the drivers do."""
        await self.buffer.flush()

    def key_partition(self, topic: str, key: bytes) -> TP:
        """By the same hash as ours."""
        return TP(topic, TOPICS.of(key.decode()))


class StockTransport(MemoryTransport):
    """Faust's own consumer and producer over the broker in memory."""

    def __init__(self, app: faust.App, broker: Broker, rng: random.Random) -> None:
        super().__init__(app, broker, rng, StockConsumer)
        self._memory = MemoryProducer(broker, rng)

    def create_producer(self, **options: Any) -> StockProducer:
        """Make the producer."""
        producer = StockProducer(self, **options)
        producer.memory = self._memory
        return producer


def make_stock_app(broker: Broker, seed: int) -> faust.App:
    """The app; call it inside the running loop."""
    rng = random.Random(seed)
    app = make_app(
        broker,
        rng,
        StockConsumer,
        Table=faust.Table,
        Schema=faust.Schema,
        broker_commit_interval=COMMIT_S,
        broker_commit_every=10,
    )
    app.transport = app.producer_transport = StockTransport(app, broker, rng)

    def topic(name: str) -> Any:
        return app.topic(
            name, key_type=str, key_serializer="raw", value_type=bytes, value_serializer="raw", internal=False
        )

    source, user_events = topic(SOURCE), topic(TOPICS.user_events)
    workspace_facts, signals = topic(TOPICS.workspace_facts), topic(TOPICS.signals)
    users: Any = app.Table("users", default=lambda: [0, 0], partitions=PARTITIONS)
    workspaces: Any = app.Table("workspaces", default=lambda: [0, 0], partitions=PARTITIONS)

    async def ingest(stream: StreamT[bytes]) -> None:
        async for value in stream:
            user, _ = msgspec.json.decode(value, type=tuple[str, int])
            await user_events.send(key=user, value=value, partition=TOPICS.of(user))

    async def count_users(stream: StreamT[bytes]) -> None:
        async for value in stream:
            user, number = msgspec.json.decode(value, type=tuple[str, int])
            n, total = users[user]
            users[user] = [n + 1, total + number]
            workspace = WORKSPACES[user]
            fact = msgspec.json.encode((workspace, number))
            await workspace_facts.send(key=workspace, value=fact, partition=TOPICS.of(workspace))
            if (n + 1) % USER_SIGNAL_EVERY == 0:
                await signals.send(key=user, value=f"{user}/{n + 1}".encode())

    async def count_workspaces(stream: StreamT[bytes]) -> None:
        async for value in stream:
            workspace, number = msgspec.json.decode(value, type=tuple[str, int])
            n, total = workspaces[workspace]
            workspaces[workspace] = [n + 1, total + number]
            if (n + 1) % WORKSPACE_SIGNAL_EVERY == 0:
                await signals.send(key=workspace, value=f"{workspace}/{n + 1}".encode())

    app.agent(source, name="ingest")(ingest)
    app.agent(user_events, name="users")(count_users)
    app.agent(workspace_facts, name="workspaces")(count_workspaces)
    return app


def live(broker: Broker, seed: int, *, dies_after: int | None = None) -> Broker:
    """Run the app until every input is committed to its end, or until it dies; returns what the next life finds."""
    broker.dies_after = dies_after

    async def run() -> None:
        app = make_stock_app(broker, seed)
        app.in_worker = True
        app.finalize()
        await app.start()
        async with asyncio.timeout(LIFETIME_S):
            while not (broker.died.is_set() or await _is_settled(broker)):  # noqa: ASYNC110  # in virtual time it costs nothing
                await asyncio.sleep(0.1)

    run_virtually(run())
    return broker.survivor()


async def _is_settled(broker: Broker) -> bool:
    """Whether nothing new is appended or committed for a while: there is no better sign of the end from outside."""
    inputs = (SOURCE, TOPICS.user_events, TOPICS.workspace_facts)
    if any(broker.committed.get(tp, 0) < len(log) for tp, log in broker.logs.items() if tp.topic in inputs):
        return False
    before = broker.operations
    await asyncio.sleep(1.0)
    return broker.operations == before


def losses(broker: Broker, events: list[tuple[str, int]]) -> tuple[bool, bool]:
    """Whether signals were lost or made up, and whether states are wrong."""
    expected = oracle(events)
    seen = {(value or b"").decode() for value in broker.values(TOPICS.signals)}
    stored = {}
    for topic in (TOPICS.users_changelog, TOPICS.workspaces_changelog):
        for partition in range(PARTITIONS):
            for record in broker.logs.get(TP(topic, partition), []):
                stored[msgspec.json.decode(record.key or b"")] = tuple(msgspec.json.decode(record.value or b""))
    return seen != expected.signals, stored != expected.states

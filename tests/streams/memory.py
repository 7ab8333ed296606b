"""A broker in memory and a Faust transport over it: real Faust and the real runtime, only Kafka is missing."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextvars import ContextVar
from typing import Any

import faust
from faust.assignor.client_assignment import ClientAssignment
from faust.transport import base
from faust.transport.consumer import Consumer as StockBaseConsumer
from faust.types import TP, ConsumerMessage

from streams.transport import CheckpointConsumer, Producer
from tests.records import Record

# Longest wait on the way to the broker, for an acknowledgement and for a fetch, in (virtual) seconds.
LATENCY_S = 0.02
CHANGELOG_BATCH = 50
# In which worker's process a task runs; tasks hand it on to those they start.
LIFE: ContextVar[object | None] = ContextVar("life", default=None)


class Broker:
    """
    What survives a process: logs and committed offsets.

    `dies_after` is the number of durable operations (appends and commits) after which the process of this life is gone:
    nothing that it does later arrives. Dying right before operation k + 1 is the same as dying right after k.
    """

    def __init__(self, partitions: int = 2) -> None:
        self.partitions = partitions
        self.logs: dict[TP, list[Record]] = {}
        self.committed: dict[TP, int] = {}
        # Commits that took an offset back, as (partition, from, to).
        self.regressions: list[tuple[TP, int, int]] = []
        self.operations = 0
        self.dies_after: int | None = None
        self.died = asyncio.Event()
        # Told the number of each durable operation, right after it.
        self.on_operation: Callable[[int], None] = lambda _number: None
        self.appended = asyncio.Event()
        self.group = Group(self)

    def survivor(self) -> Broker:
        """The broker as the next life finds it; this one no longer has any effect on it."""
        after = Broker(self.partitions)
        after.logs = {tp: list(log) for tp, log in self.logs.items()}
        after.committed = dict(self.committed)
        after.regressions = list(self.regressions)
        return after

    def seed(self, topic: str, partition: int, value: bytes, key: bytes | None = None) -> None:
        """Append what somebody else has written; it is no operation of ours."""
        log = self.logs.setdefault(TP(topic, partition), [])
        log.append(Record(topic, partition, len(log), 1_700_000_000_000, 0, key, value))
        self.appended.set()

    def append(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Append durably."""
        if not self.died.is_set():
            log = self.logs.setdefault(TP(topic, partition), [])
            log.append(Record(topic, partition, len(log), 1_700_000_000_000, 0, key, value, tuple(headers)))
            self.appended.set()
            self._count()

    def commit(self, offsets: Mapping[TP, int]) -> bool:
        """Commit durably."""
        if self.died.is_set():
            return False
        for tp, offset in offsets.items():
            before = self.committed.get(tp, 0)
            if offset < before:
                self.regressions.append((tp, before, offset))
        self.committed.update(offsets)
        self._count()
        return True

    def end(self, tp: TP) -> int:
        """Where a log ends."""
        return len(self.logs.get(tp, ()))

    def values(self, topic: str) -> list[bytes | None]:
        """Every value of a topic, partition by partition."""
        return [record.value for tp in sorted(self.logs) if tp.topic == topic for record in self.logs[tp]]

    def _count(self) -> None:
        self.operations += 1
        if self.operations == self.dies_after:
            self.died.set()
        self.on_operation(self.operations)


class Group:
    """The consumer group, eager as Faust's: a join or leave stops all members; partition p goes to member p mod n."""

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._members: list[MemoryDriver] = []
        self._one_at_a_time = asyncio.Lock()
        self.generation = 0

    async def join(self, member: MemoryDriver) -> None:
        """Take a member in and share anew."""
        async with self._one_at_a_time:
            if member not in self._members:
                self._members.append(member)
            await self._share()

    async def leave(self, member: MemoryDriver) -> None:
        """Share anew without a member (it has stopped, or its session has timed out)."""
        async with self._one_at_a_time:
            if member not in self._members:
                return
            self._members.remove(member)
            # A frozen one goes on believing that they are its own.
            if member.killed.is_set():
                member.assigned = set()
            await self._share()

    def has(self, member: MemoryDriver) -> bool:
        """Whether the group still counts on a member."""
        return member in self._members

    async def _share(self) -> None:
        for member in self._members:
            member.app.on_rebalance_start()
        await asyncio.gather(*(_unless_killed(member, _revoke(member)) for member in self._members))
        self.generation += 1
        for rank, member in enumerate(self._members):
            mine = [p for p in range(self._broker.partitions) if p % len(self._members) == rank]
            member.assigned = {TP(topic, p) for topic in member.topics for p in mine}
            # As aiokafka: a new assignment forgets where the old one was reading.
            member.fetch_positions = {tp: self._broker.committed.get(tp, 0) for tp in member.assigned}
            member.app.assignor._assignment = ClientAssignment(  # type: ignore[attr-defined]  # what Faust's assignor would have answered
                actives={topic: list(mine) for topic in member.topics}, standbys={}
            )
            member.app.consumer_generation_id = self.generation
        await asyncio.gather(*(_unless_killed(member, _assign(member)) for member in self._members))


async def _revoke(member: MemoryDriver) -> None:
    await member.on_partitions_revoked(set(member.assigned))


async def _assign(member: MemoryDriver) -> None:
    await member.on_partitions_assigned(set(member.assigned), member.app.consumer_generation_id)


async def _unless_killed(member: MemoryDriver, answer: Coroutine[Any, Any, None]) -> None:
    """The group waits for each member's answer, but not for the dead."""
    answering = asyncio.ensure_future(member.in_its_process(answer))
    killed = asyncio.ensure_future(member.killed.wait())
    await asyncio.wait({answering, killed}, return_when=asyncio.FIRST_COMPLETED)
    if not answering.done():
        answering.cancel()
    killed.cancel()


class MemoryDriver(StockBaseConsumer):
    """The part of a Faust consumer that talks to a broker."""

    def __init__(self, *args: Any, broker: Broker, rng: random.Random, **kwargs: Any) -> None:
        self.broker = broker
        self.rng = rng
        self.topics: list[str] = []
        self.assigned: set[TP] = set()
        self.fetch_positions: dict[TP, int] = {}
        self.max_batch = 3
        # Set when the process is killed: nothing it does arrives any more, nothing arrives at it.
        self.killed = asyncio.Event()
        # Cleared while the process is frozen: what it does arrives when it is thawed.
        self.running = asyncio.Event()
        self.running.set()
        self._frozen_at: float | None = None
        self.life: object | None = None
        # A test's way to hold a fetch back after its records were taken.
        self.after_fetch: Callable[[], Any] | None = None
        self._joining: asyncio.Task[None] | None = None
        super().__init__(*args, **kwargs)

    async def in_its_process(self, work: Coroutine[Any, Any, None]) -> None:
        """Do something as the process of this consumer, whoever asked for it."""
        LIFE.set(self.life)
        await work

    def freeze(self) -> None:
        """Stop the process as SIGSTOP does."""
        self._frozen_at = asyncio.get_running_loop().time()
        self.running.clear()

    def thaw(self) -> None:
        """Let the process go on as SIGCONT does."""
        self.running.set()

    def heartbeat_age_s(self) -> float:
        """How long the group has not heard from us: since we were frozen. While frozen nobody is there to ask."""
        if self._frozen_at is None or not self.running.is_set():
            return 0.0
        return asyncio.get_running_loop().time() - self._frozen_at

    async def subscribe(self, topics: Any) -> None:
        self.topics = sorted(topics)
        self._joining = asyncio.get_running_loop().create_task(self.broker.group.join(self))

    def assignment(self) -> set[TP]:
        return set(self.assigned)

    async def create_topic(self, *_args: Any, **_options: Any) -> None:
        """Every topic exists."""

    async def _commit(self, offsets: Mapping[TP, int]) -> bool:
        await asyncio.sleep(self.rng.random() * LATENCY_S)
        await self.running.wait()
        # The group's coordinator refuses the commit of a member that it knows no more.
        if self.killed.is_set() or not self.broker.group.has(self):
            return False
        return self.broker.commit(offsets)

    async def seek_to_committed(self) -> dict[TP, int | None]:
        # As aiokafka: a partition without a commit, or with 0, stays where it is.
        committed = {tp: self.broker.committed.get(tp) for tp in self.assigned if not self._is_changelog_tp(tp)}
        self.fetch_positions.update({tp: offset for tp, offset in committed.items() if offset})
        return committed

    async def _seek(self, tp: TP, offset: int) -> None:
        self.fetch_positions[tp] = offset

    async def seek_wait(self, partitions: Mapping[TP, int]) -> None:
        # As Faust's aiokafka driver: offset 0 forgets the read position.
        for tp, offset in partitions.items():
            self.fetch_positions[tp] = offset
            if offset > 0:
                self._read_offset[tp] = offset
            else:
                self._read_offset.pop(tp, None)

    async def position(self, tp: TP) -> int | None:
        return self.fetch_positions.get(tp)

    def highwater(self, tp: TP) -> int:
        return self.broker.end(tp)

    async def highwaters(self, *tps: TP) -> dict[TP, int]:
        return {tp: self.broker.end(tp) for tp in tps}

    async def earliest_offsets(self, *tps: TP) -> dict[TP, int]:
        return dict.fromkeys(tps, 0)

    def topic_partitions(self, topic: str) -> int:
        return self.broker.partitions

    def key_partition(self, topic: str, key: bytes | None, partition: int | None = None) -> int | None:
        return partition

    def _new_topicpartition(self, topic: str, partition: int) -> TP:
        return TP(topic, partition)

    async def _getmany(
        self,
        active_partitions: set[TP] | None,
        timeout: float,  # noqa: ASYNC109  # Faust's signature
    ) -> dict[TP, list[Record]]:
        fetched = self._take(active_partitions or set())
        if not fetched:
            self.broker.appended.clear()
            try:
                await asyncio.wait_for(self.broker.appended.wait(), timeout)
            except TimeoutError:
                return {}
            fetched = self._take(active_partitions or set())
        await asyncio.sleep(self.rng.random() * LATENCY_S)
        await self.running.wait()
        if self.after_fetch is not None:
            await self.after_fetch()
        return fetched

    def _take(self, active: set[TP]) -> dict[TP, list[Record]]:
        fetched = {}
        for tp in sorted(active & self.assigned if not self.killed.is_set() else ()):
            start = self.fetch_positions.get(tp, 0)
            size = CHANGELOG_BATCH if self._is_changelog_tp(tp) else self.rng.randint(1, self.max_batch)
            records = self.broker.logs.get(tp, [])[start : start + size]
            if records:
                fetched[tp] = records
                self.fetch_positions[tp] = start + len(records)
        return fetched

    def _to_message(self, tp: TP, record: Record) -> ConsumerMessage:
        """For the stock path only: ours makes one message of a whole batch."""
        return ConsumerMessage(
            record.topic,
            record.partition,
            record.offset,
            record.timestamp / 1000,
            record.timestamp_type,
            [],
            record.key,
            record.value,
            None,
            tp=tp,
            generation_id=self.app.consumer_generation_id,
        )


class MemoryConsumer(CheckpointConsumer, MemoryDriver):
    """Our consumer over the broker in memory."""


class StockConsumer(MemoryDriver):
    """Faust's own consumer, nothing of ours, over the broker in memory."""


class MemoryTransport(base.Transport):
    """Gives an app a consumer over `broker`."""

    driver_version = "memory"
    default_port = 0
    Producer = Producer

    def __init__(
        self, app: faust.App, broker: Broker, rng: random.Random, consumer: type[MemoryDriver] = MemoryConsumer
    ) -> None:
        super().__init__([], app)
        self._broker = broker
        self._rng = rng
        self._consumer = consumer

    def create_consumer(self, callback: Any, **kwargs: Any) -> MemoryDriver:
        return self._consumer(self, callback=callback, broker=self._broker, rng=self._rng, **kwargs)

"""The real outbox over the broker in memory: acknowledgements come late, in order, as a seeded generator decides."""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable, Sequence

from faust.types import TP

from streams.outbox import Epoch, Outbox
from tests.streams.memory import LATENCY_S, Broker

_Send = tuple[bytes | None, bytes | None, Sequence[tuple[str, bytes]], Callable[..., None]]


class MemoryProducer:
    """
    What the outbox needs of librdkafka's producer.

    Records wait in memory; a partition's arrive in order, partitions overtake each other; acknowledgements come later,
    in the order of arrival.
    """

    def __init__(self, broker: Broker, rng: random.Random, latency_s: float = LATENCY_S) -> None:
        self._broker = broker
        self._rng = rng
        self._latency_s = latency_s
        self.is_killed = False
        # Cleared while the process is frozen: librdkafka's threads are then, too.
        self.running = asyncio.Event()
        self.running.set()
        self._waiting: dict[TP, deque[_Send]] = {}
        self._arrived: deque[Callable[..., None]] = deque()
        self._on_its_way: asyncio.Task[None] | None = None
        self._returning: asyncio.Task[None] | None = None

    def produce(
        self,
        topic: str,
        value: bytes | None,
        key: bytes | None,
        partition: int,
        on_delivery: Callable[..., None],
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """Take a record."""
        self._waiting.setdefault(TP(topic, partition), deque()).append((key, value, headers, on_delivery))
        if self._on_its_way is None or self._on_its_way.done():
            self._on_its_way = asyncio.get_running_loop().create_task(self._transmit())

    async def _transmit(self) -> None:
        while self._waiting and not self.is_killed:
            await asyncio.sleep(self._rng.random() * self._latency_s)
            for _ in range(self._rng.randint(1, 4)):
                await self.running.wait()
                if not self._waiting or self.is_killed:
                    break
                tp = self._rng.choice(sorted(self._waiting))
                key, value, headers, on_delivery = self._waiting[tp].popleft()
                if not self._waiting[tp]:
                    del self._waiting[tp]
                self._broker.append(tp.topic, tp.partition, key, value, headers)
                self._arrived.append(on_delivery)
            if self._returning is None or self._returning.done():
                self._returning = asyncio.get_running_loop().create_task(self._acknowledge())

    async def _acknowledge(self) -> None:
        while self._arrived:
            await asyncio.sleep(self._rng.random() * self._latency_s)
            await self.running.wait()
            for _ in range(min(len(self._arrived), self._rng.randint(1, 4))):
                self._arrived.popleft()(None, None)


class MemoryOutbox(Outbox):
    """The real outbox, except that its producer is in memory and needs no thread."""

    def __init__(self, broker: Broker, rng: random.Random, latency_s: float = LATENCY_S) -> None:
        super().__init__({})
        self.producer = MemoryProducer(broker, rng, latency_s)
        # Cleared while the process is frozen.
        self.running = self.producer.running

    def start(self) -> None:
        """Open the first epoch."""
        self._loop = asyncio.get_running_loop()
        self._producer = self.producer
        self._open = Epoch(self._loop)
        self._epochs.append(self._open)

    async def room(self) -> None:
        """Give way; a frozen process goes no further."""
        await super().room()
        await self.running.wait()

    async def durable(self, barrier: Epoch) -> None:
        """Wait as the real one does; a frozen process learns of it when it is thawed."""
        await super().durable(barrier)
        await self.running.wait()

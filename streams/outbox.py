"""The one producer of a worker: all it sends goes through here, in order, counted; it fails loudly (DESIGN 4.6)."""

from __future__ import annotations

import asyncio
import threading
from collections import deque
from collections.abc import Mapping, Sequence

from confluent_kafka import KafkaError, KafkaException, Message, Producer

from streams.endings import fail_stop, now_s

# Above this many unacknowledged sends the agents wait: memory stays bounded and a slow broker is felt upstream.
MAX_OUTSTANDING = 100_000
# The same in bytes, since a bundle is many records; far below `queue.buffering.max.kbytes`, where sends are refused.
MAX_OUTSTANDING_BYTES = 64 * 1024 * 1024
# One dead letter may carry a record as large as the broker of the customer's topic allows.
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
# librdkafka's own framing of a record batch; a value this close to the limit would be refused late.
_HEADROOM_BYTES = 4_096


class Epoch:
    """The sends between two barriers: done when closed and each of them acknowledged by all in-sync replicas."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.sent = 0
        self.acked = 0
        self.sent_bytes = 0
        self.since = now_s()
        self._closed = False
        self._loop = loop
        self._done = asyncio.Event()

    def on_delivery(self, error: KafkaError | None, message: Message) -> None:
        """Count one acknowledgement (called in the producer's poll thread)."""
        if error is not None:
            fail_stop("send.failed", topic=message.topic(), partition=message.partition(), error=error.str())
        self.acked += 1
        if self._closed and self.acked == self.sent:
            self._loop.call_soon_threadsafe(self._done.set)

    def close(self) -> None:
        """No more sends belong to it."""
        self._closed = True
        # Once more here: the last acknowledgement may have come before the epoch was closed.
        if self.acked == self.sent:
            self._done.set()

    async def wait(self) -> None:
        """Wait until every send of a closed epoch is durable."""
        await self._done.wait()


class Outbox:
    """
    Sends records and knows which of them are durable.

    One producer a worker with idempotence and gapless order, so that what one partition of a step sends reaches each
    partition of the next one as a gap-free prefix, in order: the fences rest on it.

    Args:
        settings: librdkafka settings of the connection (bootstrap servers, security).
    """

    def __init__(self, settings: Mapping[str, str | int | bool]) -> None:
        self._settings = dict(settings)
        self._epochs: deque[Epoch] = deque()
        self._stopped = threading.Event()
        self._producer: Producer | None = None
        self._thread = threading.Thread(target=self._poll, name="outbox", daemon=True)

    def start(self) -> None:
        """Open the connection; call it inside the running loop."""
        self._loop = asyncio.get_running_loop()
        self._producer = Producer(
            {
                "linger.ms": 5,
                "message.max.bytes": MAX_MESSAGE_BYTES,
                "queue.buffering.max.messages": 4 * MAX_OUTSTANDING,
                "queue.buffering.max.kbytes": 1_048_576,
                "compression.type": "lz4",
                **self._settings,
                "acks": "all",
                "enable.idempotence": True,
                "enable.gapless.guarantee": True,
                # Nothing expires alone: a send either arrives or ends the process through `oldest_unacked_s`.
                "message.timeout.ms": 0,
                "error_cb": self._on_error,
            }
        )
        self._open = Epoch(self._loop)
        self._epochs.append(self._open)
        self._thread.start()

    def send(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        """
        Send a record in the current epoch; returns before it is durable.

        A failure ends the process: nothing that depends on the record may be committed.
        """
        assert self._producer is not None, "the outbox is not started"
        if value is not None and len(value) > MAX_MESSAGE_BYTES - _HEADROOM_BYTES:
            fail_stop("send.too_large", topic=topic, size=len(value), limit=MAX_MESSAGE_BYTES)
        epoch = self._open
        if epoch.sent == epoch.acked:
            epoch.since = now_s()
        epoch.sent += 1
        if value is not None:
            epoch.sent_bytes += len(value)
        try:
            if headers:
                self._producer.produce(topic, value, key, partition, epoch.on_delivery, headers=list(headers))
            else:
                self._producer.produce(topic, value, key, partition, epoch.on_delivery)
        except (BufferError, KafkaException) as error:
            fail_stop("send.refused", topic=topic, error=str(error))

    def barrier(self) -> Epoch:
        """Close the current epoch and open the next; every send so far belongs to the returned one or older ones."""
        closed = self._open
        self._open = Epoch(self._loop)
        self._epochs.append(self._open)
        closed.close()
        return closed

    async def durable(self, barrier: Epoch) -> None:
        """Wait until every send before the barrier is durable."""
        while self._epochs and self._epochs[0] is not self._open:
            oldest = self._epochs[0]
            await oldest.wait()
            if self._epochs and self._epochs[0] is oldest:
                self._epochs.popleft()
            if oldest is barrier:
                return

    @property
    def outstanding(self) -> int:
        """Sends not acknowledged yet."""
        return sum(epoch.sent - epoch.acked for epoch in list(self._epochs))

    @property
    def outstanding_bytes(self) -> float:
        """About how many bytes are not acknowledged yet: the sends of an epoch are taken to be of one size."""
        epochs = [epoch for epoch in list(self._epochs) if epoch.sent > epoch.acked]
        return sum(epoch.sent_bytes * (1 - epoch.acked / epoch.sent) for epoch in epochs)

    async def room(self) -> None:
        """Give way to the loop, and wait while too much is unacknowledged."""
        await asyncio.sleep(0)
        while self.outstanding > MAX_OUTSTANDING or self.outstanding_bytes > MAX_OUTSTANDING_BYTES:  # noqa: ASYNC110  # acknowledgements come from another thread
            await asyncio.sleep(0.005)

    def oldest_unacked_s(self) -> float:
        """How long the oldest unacknowledged send has waited, in seconds; 0 when none does."""
        waiting = [epoch.since for epoch in list(self._epochs) if epoch.sent > epoch.acked]
        return now_s() - min(waiting) if waiting else 0.0

    def stop(self) -> None:
        """End the poll thread; what is still unacknowledged is given up (it will be sent again after a restart)."""
        self._stopped.set()
        if self._thread.is_alive():
            self._thread.join(timeout=5.0)

    def _poll(self) -> None:
        assert self._producer is not None
        while not self._stopped.is_set():
            self._producer.poll(0.1)

    def _on_error(self, error: KafkaError) -> None:
        # Transient errors (a broker is away) heal or trip the watchdog; a fatal one means a gap in the order.
        if error.fatal():
            fail_stop("producer.fatal", error=error.str())

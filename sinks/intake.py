"""The incoming side of a sink: records in hand, in order, from a consumer group that commits only what was finished."""

from __future__ import annotations

import contextlib
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from itertools import islice
from typing import Final

import structlog
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, TopicPartition

from sinks.base import Delivery, SinkError
from sinks.broker_trouble import BrokerTrouble
from sinks.first_read import begin

POLL_S: Final = 0.25
# Leaving may wait for a broker that is gone. A clean stop takes at most 10 s: one commit or one delivery that is under
# way, then this.
LEAVE_S: Final = 3.0

_DEFAULTS: Final[Mapping[str, str]] = {
    "auto.offset.reset": "earliest",
    # A topic created after the sink started is found this soon.
    "topic.metadata.refresh.interval.ms": "5000",
    # A commit to a broker that is gone gives up this soon; it is repeated while the partition is ours.
    "socket.timeout.ms": "3000",
    # librdkafka would write to stderr on its own; what matters of it is said by us.
    "log_level": "0",
}
_log = structlog.get_logger()


class BrokerUnreachable(SinkError):
    """No broker answered, or let us in, within the time the caller gave it."""


class Intake:
    """
    A member of a consumer group, with the records it has read and not finished.

    `dropped` counts those that were in hand when their partition went to another member, which delivers them.

    Args:
        topics: Full names.
        group: The consumer group.
        options: librdkafka options; `bootstrap.servers` must be among them, group and commit options stay ours.
        look_back_s: Where a group begins in a partition of which it has never committed anything: with the records of
            so many seconds; None: with the first.
    """

    def __init__(
        self, topics: Sequence[str], group: str, options: Mapping[str, str], look_back_s: float | None = None
    ) -> None:
        self.dropped = 0
        self._look_back_s = look_back_s
        self._topics = list(topics)
        self._trouble = BrokerTrouble(options)
        self._log = _log.bind(group=group)
        self._pending: deque[Delivery] = deque()
        self._finished: dict[tuple[str, int], int] = {}
        self._assigned: set[tuple[str, int]] = set()
        self._troubles: set[str] = set()
        self._has_joined = False
        # How often the group has given us partitions: in between somebody else may have had them.
        self.assignments = 0
        self._is_paused = False
        # Whether the group has taken us in, be it without a partition.
        self.is_member = False
        ours = {"group.id": group, "enable.auto.commit": "false", "error_cb": self._note_error}
        self._consumer = Consumer({**_DEFAULTS, **options, **ours})

    def __len__(self) -> int:
        """Count the records in hand."""
        return len(self._pending)

    @property
    def partitions(self) -> int:
        """Count the partitions that are ours."""
        return len(self._assigned)

    def oldest_s(self) -> float:
        """How long the oldest record in hand has waited since it was sent, in seconds; to be asked from any thread."""
        # In one go: the loop's thread takes records in and out meanwhile.
        sent = [record.timestamp for record in list(self._pending) if record.timestamp is not None]
        return max(0.0, time.time() - min(sent) / 1_000) if sent else 0.0

    def join(self, stop: threading.Event, timeout_s: float | None) -> bool:
        """
        Look for a broker, then join the group.

        Args:
            stop: Ends the search.
            timeout_s: How long to search; None: until stopped.

        Returns:
            Whether it joined before it was stopped.

        Raises:
            BrokerUnreachable: The time is over, or waiting would change nothing: a wrong password or certificate.
        """
        started = time.monotonic()
        while not stop.is_set():
            try:
                known = self._consumer.list_topics(timeout=1.0).topics
            except KafkaException as error:
                # Only now the error callback is called.
                self._consumer.poll(0)
                text = str(self._trouble)
                is_over = timeout_s is not None and time.monotonic() - started >= timeout_s
                if is_over or (timeout_s is not None and self._trouble.is_hopeless):
                    raise BrokerUnreachable(text) from error
                self._say_once("sink.no_broker", text)
                stop.wait(POLL_S)
                continue
            for topic in self._topics:
                if topic not in known:
                    self._say_once("sink.topic_missing", f"{topic} does not exist yet; `plg topics create` makes it")
            self._consumer.subscribe(
                self._topics, on_assign=self._on_assign, on_revoke=self._on_revoke, on_lost=self._on_lost
            )
            self._has_joined = True
            return True
        return False

    def read(self, limit: int) -> Sequence[Delivery]:
        """Wait a moment for records if none are in hand; returns the first `limit`, still unfinished."""
        if not self._pending:
            # Also when a rebalance took all that was in hand while paused: nothing would ever come again.
            self._resume()
            # consume() alone would wait for a full batch; an alert should not wait for the next one.
            self._take(self._consumer.poll(POLL_S))
            if self._pending and limit > 1:
                for message in self._consumer.consume(limit - 1, 0):
                    self._take(message)
        return list(islice(self._pending, limit))

    def finish(self) -> None:
        """The first record in hand is delivered or parked: it may be committed."""
        record = self._pending.popleft()
        self._finished[record.topic, record.partition] = record.offset + 1

    def commit(self) -> None:
        """Commit what was finished. What fails stays noted for the next call, unless a rebalance takes it away."""
        if not self._finished:
            return
        offsets = [TopicPartition(topic, partition, offset) for (topic, partition), offset in self._finished.items()]
        try:
            self._consumer.commit(offsets=offsets, asynchronous=False)
        except KafkaException as error:
            self._say_once("sink.commit_failed", error.args[0].name())
        else:
            self._finished.clear()
            self._troubles.clear()

    def keep_alive(self, seconds: float) -> None:
        """Poll without reading, so that the group keeps its member; `read` goes on once nothing is in hand."""
        # Each time anew: a rebalance may have brought further partitions.
        with contextlib.suppress(KafkaException):
            self._consumer.pause(self._consumer.assignment())
            self._is_paused = True
        self._take(self._consumer.poll(min(POLL_S, seconds)))

    def leave(self) -> None:
        """Commit and leave the group, in bounded time even if the broker is gone."""

        def leave() -> None:
            self.commit()
            self._consumer.close()

        thread = threading.Thread(target=leave, name="sink-leave", daemon=True)
        thread.start()
        thread.join(LEAVE_S)
        if thread.is_alive():
            self._log.warning("sink.left_in_a_hurry", uncommitted=len(self._finished))

    def _resume(self) -> None:
        if self._is_paused:
            self._consumer.resume(self._consumer.assignment())
            self._is_paused = False

    def _take(self, message: Message | None) -> None:
        if message is None:
            return
        error = message.error()
        if error is not None:
            self._note_error(error)
            return
        record = delivery_of(message)
        # The partition may have gone during the very call that returned the record.
        if (record.topic, record.partition) in self._assigned:
            self._pending.append(record)

    def _on_assign(self, consumer: Consumer, partitions: list[TopicPartition]) -> None:
        if self._look_back_s is not None:
            begin(consumer, partitions, time.time() - self._look_back_s)
        self._assigned.update((p.topic, p.partition) for p in partitions)
        self.assignments += 1
        self.is_member = True
        # A partition that was paused when it went may come back paused: let the next `read` resume it.
        self._is_paused = True

    def _on_revoke(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        # Still ours while this runs: what was finished must not come again to the next owner.
        self.commit()
        self._forget(partitions)

    def _on_lost(self, _: Consumer, partitions: list[TopicPartition]) -> None:
        self._forget(partitions)

    def _forget(self, partitions: list[TopicPartition]) -> None:
        self.is_member = False
        gone = {(p.topic, p.partition) for p in partitions}
        self._assigned -= gone
        kept = [record for record in self._pending if (record.topic, record.partition) not in gone]
        self.dropped += len(self._pending) - len(kept)
        self._pending = deque(kept)
        self._finished = {place: offset for place, offset in self._finished.items() if place not in gone}

    def _note_error(self, error: KafkaError) -> None:
        if self._has_joined:
            self._say_once("sink.kafka_trouble", error.name())
        else:
            self._trouble.note(error)

    def _say_once(self, event: str, reason: str) -> None:
        """Log a trouble when it begins, not every time it is met."""
        if reason not in self._troubles:
            self._troubles.add(reason)
            self._log.warning(event, reason=reason)


def delivery_of(message: Message) -> Delivery:
    """A record as sinks take it."""
    # Typed as a dict or pairs; a consumed message has pairs.
    headers = message.headers() or []
    pairs = headers.items() if isinstance(headers, dict) else headers
    return Delivery(
        topic=message.topic() or "",
        partition=message.partition() or 0,
        offset=message.offset() or 0,
        key=_as_bytes(message.key()),
        value=_as_bytes(message.value()),
        headers=tuple((name, _as_bytes(value)) for name, value in pairs),
        timestamp=message.timestamp()[1] if message.timestamp()[1] >= 0 else None,
    )


def _as_bytes(value: str | bytes | None) -> bytes | None:
    return value.encode() if isinstance(value, str) else value

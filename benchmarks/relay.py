"""
The bare relay: the least that can be done on the way from the product's topic to Redis, as a yardstick for latency.

The same hops over as many partitions, each record handed on as it is; at the end only the measured ones are written.
Nothing is decoded, decided, kept or made durable, and what a crash would lose or double is not its business.
"""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Iterator, Sequence

import msgspec
import redis
from confluent_kafka import Consumer, KafkaError, KafkaException, Message, Producer

from benchmarks.passages import MARK

_AT_ONCE = 500
_WAIT_S = 0.1


class RelayJob(msgspec.Struct, frozen=True):
    """What a relay is told, as JSON in its first argument."""

    kafka: str
    # From topic to topic; one that reads the last of them and writes to Redis has `redis` and `stream`.
    topics: list[str]
    redis: str = ""
    stream: str = ""


def forward(job: RelayJob, stop: threading.Event) -> None:
    """Hand each record on from its topic to the next."""
    following = dict(zip(job.topics, job.topics[1:], strict=False))
    # As the worker's outbox: acknowledged by all, 5 ms of linger, lz4.
    producer = Producer(
        {
            "bootstrap.servers": job.kafka,
            "log_level": 0,
            "acks": "all",
            "enable.idempotence": True,
            "linger.ms": 5,
            "compression.type": "lz4",
        }
    )
    for messages in _read(job, job.topics[:-1], stop):
        for message in messages:
            # An acknowledgement is nothing to it, but the queue must have room.
            while True:
                try:
                    producer.produce(following[message.topic()], message.value(), message.key())
                    break
                except BufferError:
                    producer.poll(0.01)
        producer.poll(0)
    producer.flush(5.0)


def write(job: RelayJob, stop: threading.Event) -> None:
    """Write the measured records to Redis."""
    client = redis.Redis.from_url(job.redis)
    for messages in _read(job, job.topics, stop):
        values = [value for message in messages if (value := message.value()) is not None and MARK.search(value)]
        if not values:
            continue
        with client.pipeline(transaction=False) as pipeline:
            for value in values:
                pipeline.xadd(job.stream, {"data": value})
            pipeline.execute()
    client.close()


def _read(job: RelayJob, topics: Sequence[str], stop: threading.Event) -> Iterator[list[Message]]:
    """What has come, as soon as anything has."""
    options = {"bootstrap.servers": job.kafka, "log_level": 0, "group.id": topics[-1], "auto.offset.reset": "earliest"}
    consumer = Consumer(options)
    consumer.subscribe(list(topics))
    try:
        while not stop.is_set():
            # consume() alone would wait for a full batch.
            first = consumer.poll(_WAIT_S)
            if first is None:
                continue
            messages = [first, *consumer.consume(_AT_ONCE - 1, 0)]
            for message in messages:
                # A topic made a moment ago is not known everywhere yet.
                if (error := message.error()) is not None and error.code() != KafkaError.UNKNOWN_TOPIC_OR_PART:
                    raise KafkaException(error)
            yield [message for message in messages if message.error() is None]
    finally:
        consumer.close()


def main(argument: str) -> None:
    """Relay until SIGTERM."""
    job = msgspec.json.decode(argument, type=RelayJob)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    (write if job.stream else forward)(job, stop)


if __name__ == "__main__":
    main(sys.argv[1])

"""Records of topics as tests hand them around, wherever they were read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from confluent_kafka import Message


class Record(NamedTuple):
    """A record as aiokafka hands it over; `timestamp` in Unix milliseconds."""

    topic: str
    partition: int
    offset: int
    timestamp: int
    timestamp_type: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes], ...] = ()


# The records of a topic, partition by partition, in the order of the offsets.
Read = Callable[[str], Sequence[Record]]


def record_of(message: Message) -> Record:
    """A record that confluent-kafka has read."""
    kind, time = message.timestamp()
    headers = tuple((name, value or b"") for name, value in message.headers() or ())
    return Record(
        message.topic(), message.partition(), message.offset(), time, kind, message.key(), message.value(), headers
    )

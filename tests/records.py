"""Records of topics as tests hand them around, wherever they were read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import msgspec
from confluent_kafka import Message

from signals.codec import position_in_log


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


def in_bundles(record: Record) -> Iterator[tuple[int, bytes]]:
    """What a record of a keyed log holds: each record of its bundle, as its bytes stand there, by its position."""
    value = record.value or b""
    items = msgspec.json.decode(value, type=list[msgspec.Raw]) if value.startswith(b"[") else [value]
    yield from enumerate(map(bytes, items), position_in_log(record.offset))


def record_of(message: Message) -> Record:
    """A record that confluent-kafka has read."""
    kind, time = message.timestamp()
    headers = tuple((name, value or b"") for name, value in message.headers() or ())
    return Record(
        message.topic(), message.partition(), message.offset(), time, kind, message.key(), message.value(), headers
    )

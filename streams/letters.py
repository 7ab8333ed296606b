"""A dead letter as it stands on `<prefix>.dead-letters`: its place, that of its original, the reason, the bytes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, NamedTuple

import msgspec
from confluent_kafka import Message

from signals.errors import PlgError
from signals.moments import LATEST_MS
from sinks.dead_letters import DEAD_LETTER_VERSION

if TYPE_CHECKING:
    from streams.keyed import Record

# Names the dead letter that a redriven record was, as `<topic>/<partition>/<offset>`.
REDRIVEN_FROM = "dead_letter"
# The reason of a note that is no dead letter: whatever ingest wrote before it in this partition stands in a rebuild.
RESET = "reset"
RESET_NOTE = [("reason", RESET.encode()), ("version", DEAD_LETTER_VERSION.encode())]


class BadPlace(PlgError):
    """A place on the dead-letters topic that cannot be read."""


class Place(NamedTuple):
    """A partition and an offset; as text `partition/offset`."""

    partition: int
    offset: int

    def __str__(self) -> str:
        return f"{self.partition}/{self.offset}"


def parse_place(text: str, topic: str) -> Place:
    """
    Read a place of a topic as people write it: `3/15`, or with the topic before it.

    Raises:
        BadPlace: It is neither.
    """
    partition, _, offset = text.removeprefix(f"{topic}/").partition("/")
    if not (partition.isascii() and partition.isdigit() and offset.isascii() and offset.isdigit()):
        raise BadPlace(f"{text!r} is no place on {topic}; write partition/offset, as `plg dlq list --each` does")
    return Place(int(partition), int(offset))


class Letter(msgspec.Struct, frozen=True, array_like=True):
    """
    One dead letter.

    `topic`, `partition` and `offset` are the original's, `time` its Kafka timestamp; `place` and `written_at` are the
    letter's own. Times are Unix milliseconds. A record that is no dead letter of ours has an empty `topic`.
    """

    place: Place
    written_at: int
    topic: str
    partition: int
    offset: int
    reason: str
    error: str
    time: int | None
    key: bytes | None
    value: bytes | None

    @property
    def identity(self) -> bytes:
        """
        What makes two letters one: the same original with the same bytes.

        A worker that died before its commit writes a letter twice, and two sinks may refuse the same alert. The bytes
        count too, since a topic made anew has other records at the same places.
        """
        origin = f"{self.topic}/{self.partition}/{self.offset}/".encode()
        return hashlib.blake2b(origin + (self.value or b""), digest_size=16).digest()


def read_letter(message: Message) -> Letter:
    """A record of the dead-letters topic, or a redriven one, which has the same headers, as a letter."""
    headers = headers_of(message)
    partition, offset = _number(headers.get("partition")), _number(headers.get("offset"))
    is_ours = partition is not None and offset is not None
    return Letter(
        place=Place(message.partition(), message.offset()),
        written_at=message.timestamp()[1],
        topic=_text(headers, "topic") if is_ours else "",
        partition=-1 if partition is None else partition,
        offset=-1 if offset is None else offset,
        reason=_text(headers, "reason"),
        error=_text(headers, "error"),
        time=_time(headers.get("timestamp")),
        key=message.key(),
        value=message.value(),
    )


def letter_headers(letter: Letter) -> dict[str, str]:
    """The headers of a letter, as `read_letter` takes them."""
    return {
        "topic": letter.topic,
        "partition": str(letter.partition),
        "offset": str(letter.offset),
        "reason": letter.reason,
        "error": letter.error,
        "version": DEAD_LETTER_VERSION,
        **({} if letter.time is None else {"timestamp": str(letter.time)}),
    }


def headers_of(message: Message) -> dict[str, bytes]:
    """The headers of a message by name, those without a value left out."""
    return {name: value for name, value in message.headers() or () if value is not None}


def own_time(record: Record) -> int | None:
    """The Kafka timestamp of a record in Unix milliseconds, None where it has none."""
    return record.timestamp if record.timestamp >= 0 else None


def original_time(record: Record) -> int | None:
    """The Kafka timestamp of the record that a redriven one was, which counts as its own (SIGNALS A29)."""
    time = _time(_first(record.headers, "timestamp"))
    return own_time(record) if time is None else time


def _first(headers: Iterable[tuple[str, bytes]], wanted: str) -> bytes | None:
    return next((value for name, value in headers if name == wanted), None)


def _text(headers: Mapping[str, bytes], name: str) -> str:
    return headers.get(name, b"").decode("utf-8", "replace")


def _time(text: bytes | None) -> int | None:
    time = _number(text)
    return time if time is not None and time < LATEST_MS else None


def _number(text: bytes | None) -> int | None:
    # The digits of 64 bits, no more: a foreign header must not become an integer that nothing can store.
    return int(text) if text is not None and text.isdigit() and len(text) <= 18 else None  # noqa: PLR2004

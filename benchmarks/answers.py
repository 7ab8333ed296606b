"""Reads back what programs have made durable, as a restart of each would: the last record of every key."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import TypeVar

import msgspec
from confluent_kafka import Consumer, Message, TopicPartition

from benchmarks.job import Job
from benchmarks.machine import ProgramFailed
from benchmarks.reference import Answer, Team, UserCount, answer_of

S = TypeVar("S")
Read = Callable[[str], Iterable[Message]]
_TIMEOUT_S = 30.0
_BATCH = 10_000


def read_topic(kafka: str, topic: str) -> Iterator[Message]:
    """
    Every record of a topic, up to where it ends now.

    Raises:
        ProgramFailed: There is no such topic, or its records do not come.
    """
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": topic, "enable.auto.commit": False, "log_level": 0})
    try:
        found = consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic]
        if found.error is not None:
            raise ProgramFailed(f"{topic}: {found.error.str()}")
        places = [TopicPartition(topic, partition, 0) for partition in found.partitions]
        ends = {place.partition: consumer.get_watermark_offsets(place, timeout=_TIMEOUT_S)[1] for place in places}
        left = {partition for partition, end in ends.items() if end}
        consumer.assign(places)
        while left:
            messages = consumer.consume(_BATCH, 0.5)
            if not messages:
                # The end of a compacted or transactional log may be no record's: what was reached counts.
                left -= {at.partition for at in consumer.position(places) if at.offset >= ends[at.partition]}
            for message in messages:
                if message.error() is not None:
                    raise ProgramFailed(f"{topic}: {message.error().str()}")
                if message.offset() + 1 >= ends[message.partition()]:
                    left.discard(message.partition())
                yield message
    finally:
        consumer.close()


def require_committed(kafka: str, group: str, topics: Iterable[str]) -> None:
    """
    See that a group has committed everything there is.

    Raises:
        ProgramFailed: It has not: after a crash now it would do some of it again.
    """
    consumer = Consumer({"bootstrap.servers": kafka, "group.id": group, "enable.auto.commit": False, "log_level": 0})
    try:
        for topic in topics:
            partitions = consumer.list_topics(topic, timeout=_TIMEOUT_S).topics[topic].partitions
            places = [TopicPartition(topic, partition) for partition in partitions]
            for at in consumer.committed(places, timeout=_TIMEOUT_S):
                end = consumer.get_watermark_offsets(at, timeout=_TIMEOUT_S)[1]
                if max(at.offset, 0) != end:
                    raise ProgramFailed(f"{topic}/{at.partition}: committed up to {at.offset} of {end}")
    finally:
        consumer.close()


def read_plain(job: Job, read: Read) -> Answer:
    """The answer of the plain loop."""
    users = {key.decode(): value for key, value in _last(read(job.users_changelog)).items()}
    teams = {key.decode(): value for key, value in _last(read(job.workspaces_changelog)).items()}
    decode = msgspec.msgpack.decode
    return _with_signals(
        {user: decode(value, type=UserCount) for user, value in users.items()},
        {workspace: decode(value, type=Team) for workspace, value in teams.items()},
        read(job.signals),
    )


def read_quix(job: Job, read: Read) -> Answer:
    """The answer of Quix Streams; a key of its changelogs is the record's key, `|`, and the name of the state."""
    users = _last(read(f"changelog__{job.prefix}--{job.topic}--default"))
    teams = _last(read(f"changelog__{job.prefix}--repartition.{job.topic}.workspace--default"))
    decode = msgspec.json.decode
    return _with_signals(
        {_owner(key): decode(value, type=UserCount) for key, value in users.items()},
        {_owner(key): decode(value, type=Team) for key, value in teams.items()},
        read(job.signals),
    )


def quix_rekeyed(job: Job) -> str:
    """Where Quix Streams sends each event, keyed by workspace."""
    return f"repartition__{job.prefix}--{job.topic}--workspace"


def read_ours(job: Job, read: Read) -> Answer:
    """The answer of the product."""
    from benchmarks.ours import read_answer

    return read_answer(job.prefix, read)


def _with_signals(users: dict[str, UserCount], teams: dict[str, Team], signals: Iterable[Message]) -> Answer:
    answer = answer_of(users, teams)
    # What was said counts, not what the state says of it.
    answer.teams = {message.key().decode() for message in signals}
    return answer


def _owner(key: bytes) -> str:
    return key.partition(b"|")[0].strip(b'"').decode()


def _last(messages: Iterable[Message]) -> dict[bytes, bytes]:
    return {message.key(): message.value() for message in messages}

"""
`plg.config`: every config that a log may name, by its hash, and which of them is the newest (docs/adr/0015).

Records are JSON. Under a hash: the whole config, defaults too, so that another version's defaults change nothing, and
when its file changed. Under `first`: what was in force before any tick named a config, and the windows of the rings.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import msgspec
from confluent_kafka import KafkaException, Message, Producer
from pydantic import ValidationError

from signals.config import Config
from signals.errors import ConfigError, PlgError
from signals.reloading import windows_of
from streams.reading import READER, ReadingFailed, read_topic
from streams.settings import Settings

FIRST = "first"
# Between two attempts to read a topic whose partition has no leader yet.
_AGAIN_S = 0.5


class NotPublished(PlgError):
    """The broker did not take a config."""


class ConfigRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """A config as it stands on the topic; `changed_at` is when its file changed, Unix milliseconds."""

    config: msgspec.Raw
    changed_at: int
    v: int = 1


class FirstRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a prefix began with: the hash of its config, and the lengths in days of the rings that workspaces keep."""

    config: str
    windows: tuple[int, ...]
    v: int = 1


class Claim(NamedTuple):
    """A config that wants to be in force; of two the larger one, which is the one whose file changed later."""

    changed_at: int
    hash: str


class ConfigLog:
    """What the topic has told so far. Pure: records in, answers out; reading it from other threads is fine."""

    def __init__(self) -> None:
        self.first: FirstRecord | None = None
        self.newest: Claim | None = None
        self._records: dict[str, ConfigRecord] = {}

    def take(self, key: bytes | None, value: bytes | None) -> str | None:
        """
        Take a record of the topic.

        Returns:
            The hash of the config that it holds; None if it holds none, and for what nobody of us wrote.
        """
        try:
            name = (key or b"").decode()
            if name == FIRST:
                first = msgspec.json.decode(value or b"", type=FirstRecord)
                # Of workers that begin together each writes one, and whoever reads them goes by the same.
                self.first = self.first or first
                return None
            record = msgspec.json.decode(value or b"", type=ConfigRecord)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            return None
        # A copy: the raw part would keep the message alive.
        self._records[name] = msgspec.structs.replace(record, config=msgspec.Raw(bytes(record.config)))
        claim = Claim(record.changed_at, name)
        if self.newest is None or claim > self.newest:
            self.newest = claim
        return name

    def find(self, name: str) -> Config | None:
        """
        The config of a hash, None if the topic has none.

        Raises:
            ConfigError: It was written by another version, and this one does not understand it.
        """
        record = self._records.get(name)
        if record is None:
            return None
        try:
            return Config.model_validate_json(bytes(record.config))
        except ValidationError as error:
            places = ", ".join(".".join(map(str, found["loc"])) for found in error.errors(include_input=False)[:3])
            raise ConfigError(
                f"the config {name} of the logs is of another version, and this one does not know {places}; "
                "let the workers of that version apply their logs to the end first"
            ) from None

    def knows(self, name: str) -> bool:
        """Whether the topic has a config of this hash."""
        return name in self._records

    @property
    def windows(self) -> tuple[int, ...]:
        """The lengths of the rings that workspaces keep, in days."""
        return () if self.first is None else self.first.windows

    def renewed(self, changed_at: int) -> list[tuple[bytes, bytes]]:
        """Key and value of the newest config with a later time of its file; none where there is no earlier one."""
        if self.newest is None or changed_at <= self.newest.changed_at:
            return []
        record = msgspec.structs.replace(self._records[self.newest.hash], changed_at=changed_at)
        return [(self.newest.hash.encode(), msgspec.json.encode(record))]

    def current(self) -> Config | None:
        """The newest config; None before there is any."""
        return None if self.newest is None else self.find(self.newest.hash)


def read_config_log(topic: str, settings: Settings, group: str = READER) -> tuple[ConfigLog, int]:
    """
    Read what the topic holds now; a topic that was made just now may need a moment.

    Args:
        group: As `read_topic` has it.

    Returns:
        It, and the offset to go on from.

    Raises:
        ReadingFailed: The topic does not exist, or the broker stops answering.
        KafkaException: The broker refuses.
    """
    give_up_at = time.monotonic() + settings.connect_timeout_s
    while True:
        log, end = ConfigLog(), 0
        try:
            for message in read_topic(topic, settings, group=group):
                log.take(message.key(), message.value())
                end = (message.offset() or 0) + 1
        except (ReadingFailed, KafkaException):
            if time.monotonic() > give_up_at:
                raise
            time.sleep(_AGAIN_S)
        else:
            return log, end


def record_of(config: Config, changed_at: int) -> tuple[bytes, bytes]:
    """Key and value of a config."""
    record = ConfigRecord(msgspec.Raw(config.model_dump_json().encode()), changed_at)
    return config.hash.encode(), msgspec.json.encode(record)


def first_of(config: Config) -> tuple[bytes, bytes]:
    """Key and value of what a prefix begins with."""
    record = FirstRecord(config.hash, tuple(sorted(windows_of(config))))
    return FIRST.encode(), msgspec.json.encode(record)


def publish(topic: str, settings: Settings, records: Iterable[tuple[bytes, bytes]]) -> None:
    """
    Write records to the topic; on return every replica that is in sync has them.

    Raises:
        NotPublished: The broker did not take them in time.
    """
    failures: list[str] = []

    def delivered(error: object, _message: Message) -> None:
        if error is not None:
            failures.append(str(error))

    timeout_s = settings.connect_timeout_s
    options = {"acks": "all", "enable.idempotence": True, "message.timeout.ms": int(timeout_s * 1_000)}
    producer = Producer({**settings.kafka_options, **options})
    try:
        for key, value in records:
            producer.produce(topic, value, key, partition=0, on_delivery=delivered)
        left = producer.flush(timeout_s + 1)
    except KafkaException as error:
        raise NotPublished(f"{topic}: {error.args[0]}") from error
    if failures or left:
        raise NotPublished(f"{topic}: the broker did not take the config ({failures[0] if failures else 'no answer'})")


def recorded(lines: Iterable[bytes]) -> ConfigLog:
    """
    What a recording of the topic tells (`plg topics record`).

    Raises:
        ConfigError: A line is no recorded config.
    """
    log = ConfigLog()
    for key, value in _recorded(lines):
        log.take(key, value)
    return log


class _Line(msgspec.Struct):
    key: str
    value: msgspec.Raw


def _recorded(lines: Iterable[bytes]) -> Iterator[tuple[bytes, bytes]]:
    for number, line in enumerate(lines, 1):
        try:
            found = msgspec.json.decode(line, type=_Line)
        except msgspec.MsgspecError as error:
            problem = f"line {number} is no recorded config ({error}); record with `plg topics record`"
            raise ConfigError(problem) from error
        yield found.key.encode(), bytes(found.value)

"""Plays recorded or simulated events into the customer's topic, as a product would, with ticks from event time."""

from __future__ import annotations

import gzip
import time
import zlib
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import IO, cast

from confluent_kafka import KafkaException, Message, Producer

from signals.config import Clock, Config
from signals.errors import BadRecord, PlgError
from signals.event import Event, Source
from signals.formats.segment import SegmentDecoder
from streams.reach import require_broker
from streams.settings import Settings
from streams.ticks import TickSender
from streams.topics import partition_of

# How often, in wall time, event time is noted for a tick while events flow.
NOTE_EVERY_S = 1.0


class ReplayFailed(PlgError):
    """A file cannot be read, or the broker does not take the events."""


@dataclass
class ReplayReport:
    """What a replay did."""

    events: int = 0
    unusable: int = 0
    ticks: int = 0
    settled: bool = False
    newest_time: int = 0


def read_lines(paths: Iterable[Path], on_bytes: Callable[[int], None] = lambda _count: None) -> Iterator[bytes]:
    """
    The lines of JSON-lines files, plain or gzip (told by their first bytes), without their line terminators.

    Args:
        on_bytes: Told how many bytes of the files have been consumed since the last call, for a progress bar.

    Raises:
        ReplayFailed: A file is missing, not readable, or broken gzip.
    """
    for path in paths:
        try:
            with path.open("rb") as raw:
                consumed = 0
                # Of a pipe nobody knows where it is.
                place = raw.tell if raw.seekable() else lambda: 0
                for number, line in enumerate(opened(raw)):
                    text = line.rstrip(b"\r\n")
                    if text:
                        yield text
                    if number % 1_000 == 0:
                        at = place()
                        on_bytes(at - consumed)
                        consumed = at
                on_bytes(place() - consumed)
        except BROKEN_FILE as error:
            raise ReplayFailed(f"{path}: {getattr(error, 'strerror', None) or error}") from error


# What reading a file raises: gzip has two more words for what is broken.
BROKEN_FILE = (OSError, EOFError, zlib.error)


def opened(raw: BufferedReader) -> IO[bytes]:
    """The content of a file or a pipe, unpacked where it is gzip."""
    return cast(IO[bytes], gzip.open(raw, "rb")) if raw.peek(2).startswith(b"\x1f\x8b") else raw


class Replay:
    """
    Sends lines to the first of the customer's topics, keyed as collectors do: by user, else visitor, else workspace.

    The Kafka timestamp of a record is its `receivedAt`, else the newest event time so far (SIGNALS A29).

    Args:
        rate: Events a second; None for as fast as the broker takes them.
        ticks: Send ticks from event time; needs `clock: events` in the workers' config.

    Raises:
        ReplayFailed: The config has a pattern instead of topics, or the topic does not exist.
    """

    def __init__(self, config: Config, settings: Settings, *, rate: float | None = None, ticks: bool = True) -> None:
        events_config = config.model_copy(update={"clock": Clock.EVENTS})
        self._decoder = SegmentDecoder(events_config)
        if config.source.pattern is not None:
            raise ReplayFailed(
                "replay writes to the first of source.topics, and the config has source.pattern instead; "
                "replay with a copy of the config that lists the topic"
            )
        require_broker(settings)
        self._topic = config.source.topics[0]
        self._producer = Producer(
            {**settings.kafka_options, "acks": "all", "enable.idempotence": True, "linger.ms": 20}
        )
        metadata = self._producer.list_topics(self._topic, timeout=settings.connect_timeout_s)
        self._partitions = len(metadata.topics[self._topic].partitions)
        if not self._partitions:
            raise ReplayFailed(f"topic {self._topic} does not exist; `plg topics create --sources` makes it")
        self._ticks = TickSender(config, settings, config.source.topics) if ticks else None
        self._rate = rate
        self.report = ReplayReport()

    def play(self, lines: Iterable[bytes], on_event: Callable[[], None] = lambda: None) -> None:
        """Send every line; returns when the broker has them all."""
        started = noted = time.monotonic()
        for line in lines:
            self._send(line)
            on_event()
            now = time.monotonic()
            if now - noted > NOTE_EVERY_S:
                noted = now
                self._note()
            self._pace(started)
        if self._producer.flush(60.0):
            raise ReplayFailed("the broker did not acknowledge the last events within 60 s")

    def settle(self, until: int | None = None, timeout_s: float = 60.0) -> bool:
        """
        Send the last tick and wait until it has gone through the river.

        Args:
            until: Its time in Unix milliseconds; the newest event time if None.

        Returns:
            False if workers did not get there in time; the events are in the topic all the same.
        """
        if self._ticks is None:
            return True
        self._ticks.note(self.report.newest_time if until is None else until)
        deadline = time.monotonic() + timeout_s
        while not self._ticks.settled and time.monotonic() < deadline:
            self._ticks.relay()
            time.sleep(0.05)
        self.report.settled = self._ticks.settled
        self.report.ticks = self._ticks.sent
        return self._ticks.settled

    def _send(self, line: bytes) -> None:
        report = self.report
        event: Event | None = None
        try:
            event = self._decoder.decode(line, report.newest_time or None, Source(self._topic, 0, report.events))
        except BadRecord:
            report.unusable += 1
        key = b"" if event is None else _key(event)
        stamp = report.newest_time
        if event is not None:
            report.newest_time = max(report.newest_time, event.time)
            stamp = self._decoder.received_at(line) or report.newest_time
        partition = partition_of(key.decode("utf-8", "surrogatepass"), self._partitions)
        while True:
            try:
                self._producer.produce(self._topic, line, key, partition, timestamp=stamp, on_delivery=_delivered)
                break
            except BufferError:
                self._producer.poll(0.1)
        report.events += 1
        self._producer.poll(0)

    def _note(self) -> None:
        if self._ticks is not None and self.report.newest_time:
            if not self._ticks.has_pending:
                # What is noted must already stand in the topic.
                self._producer.flush(10.0)
                self._ticks.note(self.report.newest_time)
            self._ticks.relay()

    def _pace(self, started: float) -> None:
        if self._rate is not None:
            ahead = self.report.events / self._rate - (time.monotonic() - started)
            if ahead > 0.01:  # noqa: PLR2004  # shorter sleeps cost more than they pace
                time.sleep(ahead)


def _key(event: Event) -> bytes:
    return (event.user_id or event.anonymous_id or event.workspace_id or "").encode("utf-8", "surrogatepass")


def _delivered(error: object, _message: Message) -> None:
    if error is not None:
        raise KafkaException(error)

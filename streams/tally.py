"""Counts what a river has found and decided, for people who watch: signals and verdicts, each id once."""

from __future__ import annotations

from collections import Counter

import msgspec
from confluent_kafka import Consumer, TopicPartition

from signals.config import Config
from signals.rule import Kind
from streams.settings import Settings
from streams.topics import Topics

BATCH = 2_000


class _Signal(msgspec.Struct):
    id: str
    signal: str
    kind: str


class _Verdict(msgspec.Struct):
    signal_id: str
    verdict: str


class Tally:
    """
    Reads `plg.signals` and `plg.verdicts` from their beginnings, without a group: nothing is committed.

    Args:
        config: For the prefix.
        settings: For the broker.
    """

    def __init__(self, config: Config, settings: Settings) -> None:
        topics = Topics(config.prefix, config.topics.partitions)
        self.signals: Counter[str] = Counter()
        self.verdicts: Counter[str] = Counter()
        self._signals_topic = topics.signals
        # After a crash the last records come again; a demo's worth of ids is little memory.
        self._seen: set[str] = set()
        self._signal = msgspec.json.Decoder(_Signal)
        self._verdict = msgspec.json.Decoder(_Verdict)
        self._consumer = Consumer({**settings.kafka_options, "group.id": config.prefix, "enable.auto.commit": False})
        self._consumer.assign(
            [
                TopicPartition(topic, partition, 0)
                for topic in (topics.signals, topics.verdicts)
                for partition in range(topics.partitions)
            ]
        )

    def read(self) -> None:
        """Count what has come since the last call; returns soon, whatever is left comes next time."""
        for message in self._consumer.consume(BATCH, timeout=0.05):
            if message.error() is not None:
                continue
            if message.topic() == self._signals_topic:
                signal = self._signal.decode(message.value() or b"")
                if signal.kind != Kind.MEASURE:
                    self._count(self.signals, signal.signal, f"s{signal.id}")
            else:
                verdict = self._verdict.decode(message.value() or b"")
                self._count(self.verdicts, verdict.verdict, f"v{verdict.signal_id}")

    def close(self) -> None:
        """Close the connection."""
        self._consumer.close()

    def _count(self, counter: Counter[str], name: str, key: str) -> None:
        if key not in self._seen:
            self._seen.add(key)
            counter[name] += 1

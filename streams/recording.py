"""Records a topic to a file of JSON lines: what `plg backtest --facts` reads, and what a person looks into."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
from confluent_kafka import Message

from streams.reach import require_broker
from streams.reading import read_topic
from streams.settings import Settings
from streams.whole_file import whole_file


def record_topic(
    topic: str, out: Path, settings: Settings, on_record: Callable[[int, int], None] = lambda _done, _total: None
) -> int:
    """
    Write every record that a topic holds now; each partition in offset order, the partitions interleaved.

    One JSON object a line: `partition`, `offset`, `timestamp`, `key` (text), `value` (the JSON it holds, as it is).
    A name that ends in `.gz` is compressed. The file appears only when it is complete.

    Args:
        on_record: Told now and then how many of how many records are read.

    Returns:
        The number of records.

    Raises:
        ReadingFailed: The topic does not exist, or the broker stops answering.
        BrokerUnavailable: None answers.
        NotWritten: The file cannot be written.
    """
    require_broker(settings)
    done = 0
    with whole_file(out) as file:
        for message in read_topic(topic, settings, on_record):
            file.write(_line(message))
            done += 1
    return done


def _line(message: Message) -> bytes:
    value = message.value()
    line = {
        "partition": message.partition(),
        "offset": message.offset(),
        "timestamp": message.timestamp()[1],
        "key": (message.key() or b"").decode("utf-8", "replace"),
        "value": None if value is None else msgspec.Raw(value),
    }
    return msgspec.json.encode(line) + b"\n"

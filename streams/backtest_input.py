"""What a backtest reads: event files, or what the product's topics hold of a range of time, oldest first."""

from __future__ import annotations

import heapq
import math
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from confluent_kafka import Message

from signals.config import Config
from signals.event import Source
from streams.merging import read_by_time
from streams.reach import require_broker
from streams.replaying import read_lines
from streams.settings import Settings
from streams.sources import source_topics

# A second process takes some 20 ms to begin: as long as this much JSON takes to read.
_WORTH_BYTES = 1 << 18
# The value of a record, where it stands, and its own time in Unix milliseconds; None in a file.
Records = Iterable[tuple[bytes | None, Source, int | None]]
# Told how far the reading has come, in numbers that whoever shows it knows to read.
Tell = Callable[..., None]
# Begins to read; whoever reads, in this process or in another one, says whom to tell.
Read = Callable[[Tell], Records]


def processes_for(files: Iterable[Path]) -> int:
    """
    How many processes a backtest is best done by: two where there are cores for them, and enough to read.

    Args:
        files: What is read; none for topics. Of what is no plain file nobody knows how much it holds.
    """
    # Where nobody can say which cores are ours (macOS), a fork is no safe thing either.
    if not hasattr(os, "sched_getaffinity") or len(os.sched_getaffinity(0)) < 2:  # noqa: PLR2004  # a core each
        return 1
    sizes = [_size(file) for file in files]
    return 1 if sizes and sum(sizes) < _WORTH_BYTES else 2


def _size(file: Path) -> float:
    try:
        status = file.stat()
    except OSError:
        # Whoever reads it says what is wrong.
        return 0
    return status.st_size if stat.S_ISREG(status.st_mode) else math.inf


def file_records(files: Iterable[Path], on_bytes: Callable[[int], None]) -> Records:
    """
    The lines of event files; all files are one origin, whose lines are numbered through.

    Raises:
        ReplayFailed: A file cannot be read.
    """
    for offset, line in enumerate(read_lines(files, on_bytes)):
        # The first byte alone tells nearly always.
        if line[:1] == b"{" or line.strip():
            yield line, Source("file", 0, offset), None


def topic_records(
    config: Config,
    settings: Settings,
    *,
    since: int | None,
    until: int | None,
    on_record: Callable[[int, int], None],
) -> Records:
    """
    The records of the product's topics, oldest first by their Kafka timestamps; a partition keeps its own order.

    Args:
        since: Only records whose timestamp is not before it, Unix milliseconds; all that the topics still hold if None.
        until: Only records before the first of each partition that is later.
        on_record: Told now and then how many of how many records are read.

    Raises:
        PlgError: No broker, or no such topic.
    """
    require_broker(settings)
    told: dict[str, tuple[int, int]] = {}

    def read(topic: str) -> Iterator[Message]:
        def tell(done: int, total: int) -> None:
            told[topic] = done, total
            on_record(*(sum(numbers) for numbers in zip(*told.values(), strict=True)))

        return read_by_time(topic, settings, tell, since=since, until=until)

    lanes = [read(topic) for topic in source_topics(config, settings)]
    merged = lanes[0] if len(lanes) == 1 else heapq.merge(*lanes, key=lambda message: message.timestamp()[1])
    for message in merged:
        source = Source(message.topic() or "", message.partition() or 0, message.offset() or 0)
        yield message.value(), source, message.timestamp()[1]

"""The product's events as records of its topic, as a collector would write them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from benchmarks.stage import Sent, Stage
from signals.event import Source
from signals.formats.segment import SegmentDecoder
from streams.replaying import read_lines


def recorded(stage: Stage, events: Path) -> list[Sent]:
    """The lines of a file, ready to be sent at once: a backlog must not wait for who writes it."""
    return list(_keyed(stage, read_lines([events])))


def _keyed(stage: Stage, lines: Iterable[bytes]) -> Iterator[Sent]:
    decoder = SegmentDecoder(stage.config)
    for number, line in enumerate(lines):
        event = decoder.decode(line, None, Source(stage.source, 0, number))
        key = event.user_id or event.anonymous_id or event.workspace_id or ""
        yield stage.source, stage.topics.of(key), key.encode(), line, decoder.received_at(line) or event.time

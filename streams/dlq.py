"""Looks at the dead letters: how many of which reason, each of them, and one with its bytes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from signals.config import Config
from streams.letters import RESET, Letter, Place, read_letter
from streams.reading import read_record, read_topic
from streams.redrive import Choice, why_not
from streams.redriven import Redriven
from streams.settings import Settings
from streams.topics import Topics

ALL: Final = Choice()


class Group(msgspec.Struct):
    """Dead letters of one reason and one origin; times in Unix milliseconds are those of the letters."""

    reason: str
    topic: str
    count: int = 0
    # How many of them have been redriven, and how many never can be.
    redriven: int = 0
    not_redrivable: int = 0
    oldest: int = 0
    newest: int = 0

    def add(self, letter: Letter, *, is_redriven: bool, can_be: bool) -> None:
        """Count a letter."""
        self.count += 1
        self.redriven += is_redriven
        self.not_redrivable += not can_be
        self.oldest = min(self.oldest or letter.written_at, letter.written_at)
        self.newest = max(self.newest, letter.written_at)


def letters(
    config: Config,
    settings: Settings,
    choice: Choice = ALL,
    on_record: Callable[[int, int], None] = lambda _done, _total: None,
) -> Iterator[Letter]:
    """
    The dead letters that stand there now, those of one partition in their order.

    Raises:
        ReadingFailed: The topic does not exist, or the broker stops answering.
    """
    topics = Topics(config.prefix, config.topics.partitions)
    for message in read_topic(topics.dead_letters, settings, on_record):
        letter = read_letter(message)
        if letter.reason != RESET and choice.takes(letter):
            yield letter


def survey(
    config: Config,
    settings: Settings,
    choice: Choice = ALL,
    on_record: Callable[[int, int], None] = lambda _done, _total: None,
) -> list[Group]:
    """
    Count dead letters by reason and topic of the original, the most frequent first.

    Raises:
        ReadingFailed: A topic does not exist, or the broker stops answering.
    """
    topics = Topics(config.prefix, config.topics.partitions)
    redriven = Redriven(topics, settings)
    redriven.read(on_record)
    groups: dict[tuple[str, str], Group] = {}
    for letter in letters(config, settings, choice, on_record):
        group = groups.setdefault((letter.reason, letter.topic), Group(letter.reason, letter.topic))
        group.add(letter, is_redriven=letter in redriven, can_be=not why_not(letter, topics))
    return sorted(groups.values(), key=lambda group: (-group.count, group.reason, group.topic))


def find(config: Config, settings: Settings, place: Place) -> Letter:
    """
    One dead letter.

    Raises:
        ReadingFailed: It is not there (any more), or the broker does not answer.
    """
    topics = Topics(config.prefix, config.topics.partitions)
    return read_letter(read_record(topics.dead_letters, place.partition, place.offset, settings))

"""
The customer's topics on the broker: what `source.pattern` matches there, and what the running group reads of it.

A pattern is resolved once, at the start of a process; Faust then subscribes to names as if they had been listed. So
two workers may know different topics for a while: each of them is assigned partitions of its own topics alone, since
Faust's assignor shares out a topic among its subscribers.
"""

from __future__ import annotations

import structlog
from confluent_kafka.admin import AdminClient

from signals.config import Config
from signals.errors import PlgError
from streams.settings import Settings

log = structlog.get_logger()


class NothingToRead(PlgError):
    """`source.pattern` matches no topic of the broker."""


def source_topics(config: Config, settings: Settings) -> tuple[str, ...]:
    """
    The topics that a process started now reads.

    Raises:
        NothingToRead: The pattern matches none.
        KafkaException: The broker does not answer.
    """
    if config.source.pattern is None:
        return config.source.topics
    found = _matching(config, AdminClient(settings.kafka_options), settings)
    if not found:
        raise NothingToRead(
            f"source.pattern: {config.source.pattern!r} matches no topic of the broker; the whole name must match, "
            f"and our own ({config.prefix}.*) and Kafka's (__*) are left out"
        )
    return found


class SourcesRead:
    """
    What the whole group reads: the topics of this process, and those that another worker has found since.

    Args:
        known: The topics of this process.
    """

    def __init__(self, config: Config, settings: Settings, known: tuple[str, ...]) -> None:
        self._config = config
        self._known = known
        self._timeout_s = settings.connect_timeout_s
        self._admin = AdminClient(settings.kafka_options) if config.source.pattern is not None else None

    def topics(self) -> tuple[str, ...]:
        """
        The topics whose events a tick must not overtake, by who has them assigned now.

        Raises:
            KafkaException: The broker does not answer.
        """
        if self._admin is None:
            return self._known
        group = self._config.prefix
        described = self._admin.describe_consumer_groups([group], request_timeout=self._timeout_s)[group].result()
        assigned = {
            place.topic
            for member in described.members
            if member.assignment is not None
            for place in member.assignment.topic_partitions
        }
        found = self._config.source.among(assigned, group)
        return (*self._known, *(topic for topic in found if topic not in self._known))


class NewSources:
    """
    Says once of each topic that it matches the pattern and that this worker does not read it.

    Args:
        known: The topics of this process.
    """

    def __init__(self, config: Config, settings: Settings, known: tuple[str, ...]) -> None:
        self._config = config
        self._settings = settings
        self._told = set(known)
        self._admin = AdminClient(settings.kafka_options)

    def look(self) -> None:
        """
        Ask the broker for its topics; blocking, call it from a thread.

        Raises:
            KafkaException: The broker does not answer.
        """
        for topic in _matching(self._config, self._admin, self._settings):
            if topic not in self._told:
                self._told.add(topic)
                log.warning("source.new_topic", topic=topic, repair="restart the workers to read it")


def _matching(config: Config, admin: AdminClient, settings: Settings) -> tuple[str, ...]:
    present = admin.list_topics(timeout=settings.connect_timeout_s).topics
    return config.source.among(present, config.prefix)

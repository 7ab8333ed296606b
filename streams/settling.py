"""A reset's note on the dead letters: what ingest wrote before it is part of the rebuild, and not to be redriven."""

from __future__ import annotations

from confluent_kafka import KafkaError, Message, Producer

from signals.errors import PlgError
from streams.letters import RESET_NOTE
from streams.settings import Settings
from streams.topics import Topics


class NotSettled(PlgError):
    """The note did not arrive; nothing may be reset."""


def settle_dead_letters(topics: Topics, settings: Settings) -> None:
    """
    Note on every partition of the dead letters that the states are about to be built again.

    The rebuild reads the customer's topics with the config of now: each record that ingest could not read becomes an
    event by itself or a dead letter anew, and redriving the old one would count it twice.

    Raises:
        NotSettled: The broker did not take it.
    """
    producer = Producer({**settings.kafka_options, "acks": "all", "enable.idempotence": True})
    noted: set[int] = set()

    def answered(error: KafkaError | None, message: Message) -> None:
        if error is None:
            noted.add(message.partition())

    for partition in range(topics.partitions):
        producer.produce(topics.dead_letters, partition=partition, headers=list(RESET_NOTE), on_delivery=answered)
    producer.flush(settings.connect_timeout_s)
    if len(noted) < topics.partitions:
        raise NotSettled(
            f"{topics.dead_letters}: a note arrived in {len(noted)} of {topics.partitions} partitions;"
            " nothing was reset, try again"
        )

"""Sends an order of a person to `plg.commands`, and returns when the brokers have it."""

from __future__ import annotations

from confluent_kafka import KafkaError, KafkaException, Producer

from signals.config import Config
from signals.orders import CommandMessage
from streams.admin import TopicsMissing
from streams.settings import Settings
from streams.topics import Topics


def send_command(message: CommandMessage, config: Config, settings: Settings) -> None:
    """
    Append an order; the workers follow it a moment later, or when they run again.

    Raises:
        TopicsMissing: The topic is not there.
        KafkaException: No broker took it in time.
    """
    topic = Topics(config.prefix, config.topics.partitions).commands
    limit_s = settings.connect_timeout_s
    producer = Producer(
        {
            **settings.kafka_options,
            "acks": "all",
            "enable.idempotence": True,
            "message.timeout.ms": int(limit_s * 1_000),
        }
    )
    if producer.list_topics(topic, timeout=limit_s).topics[topic].error is not None:
        raise TopicsMissing(f"topic {topic} does not exist; `plg topics create` makes it")
    failures: list[KafkaError] = []
    producer.produce(
        topic,
        message.model_dump_json().encode(),
        (message.workspace_id or message.signal or "").encode(),
        on_delivery=lambda error, _: failures.append(error) if error is not None else None,
    )
    if producer.flush(limit_s + 1.0):
        raise KafkaException(KafkaError(KafkaError._MSG_TIMED_OUT))  # noqa: SLF001  # confluent's own name of the code
    if failures:
        raise KafkaException(failures[0])

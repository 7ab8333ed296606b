"""Where records go that a sink refuses: `<prefix>.dead-letters`, the original bytes with the reason in the headers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from confluent_kafka import KafkaError, KafkaException, Producer

from sinks.base import Delivery, Refused, Unavailable

# The format of a dead letter's headers.
DEAD_LETTER_VERSION: Final = "1"
PARK_S: Final = 4.0


class DeadLetters:
    """
    Parks what a sink refused, and returns only when a broker has it.

    Args:
        topic: Where to.
        options: librdkafka options, `bootstrap.servers` among them.
    """

    def __init__(self, topic: str, options: Mapping[str, str]) -> None:
        self._topic = topic
        limits = {"message.timeout.ms": str(int(PARK_S * 1_000)), "message.max.bytes": "10000000"}
        # As in the intake: no lines on stderr.
        quiet = {"log_level": "0"}
        # What only a consumer knows would be warned about.
        shared = {name: value for name, value in options.items() if name != "auto.offset.reset"}
        self._producer = Producer({**quiet, **shared, **limits})

    def park(self, record: Delivery, refusal: Refused) -> None:
        """
        Write a dead letter and wait until it is safe.

        Raises:
            Unavailable: It is not; the record must stay in hand.
        """
        headers = {
            "topic": record.topic,
            "partition": str(record.partition),
            "offset": str(record.offset),
            "reason": refusal.reason,
            "error": refusal.detail,
            "version": DEAD_LETTER_VERSION,
            **({} if record.timestamp is None else {"timestamp": str(record.timestamp)}),
        }
        trouble = self._write(record.key, record.value, headers)
        if trouble == "MSG_SIZE_TOO_LARGE":
            # The headers took it over the limit. The original stays where the headers say.
            trouble = self._write(
                record.key, None, headers | {"error": f"{refusal.detail} (value left out: too large)"}
            )
        if trouble is not None:
            raise Unavailable(f"{self._topic}: the broker did not take a dead letter: {trouble}")

    def _write(self, key: bytes | None, value: bytes | None, headers: Mapping[str, str]) -> str | None:
        """Write one record and wait for the broker; returns the name of what went wrong, if anything."""
        answers: list[KafkaError | None] = []
        try:
            self._producer.produce(
                self._topic,
                key=key,
                value=value,
                headers=[(name, text.encode()) for name, text in headers.items()],
                on_delivery=lambda error, _: answers.append(error),
            )
        except KafkaException as error:
            return str(error.args[0].name())
        self._producer.flush(PARK_S + 0.5)
        if not answers:
            return "no answer"
        return None if answers[0] is None else answers[0].name()

"""Why no broker lets us in: what librdkafka's error callback tells, as one sentence that says what to check."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping

from confluent_kafka import KafkaError

# Each of librdkafka's names and a part of its text, with what it means; the first that fits what was told is said.
# Asking again changes nothing with these: they end the search at once.
_HOPELESS = (
    (
        "_AUTHENTICATION",
        "Unsupported SASL mechanism",
        "Kafka at {place} does not know the mechanism {mechanism}; check PLG_KAFKA_SASL_MECHANISM",
    ),
    (
        "_AUTHENTICATION",
        "",
        "Kafka at {place} refuses the login by {mechanism}; check PLG_KAFKA_USERNAME and PLG_KAFKA_PASSWORD",
    ),
    (
        "_SSL",
        "verify failed",
        "the certificate of Kafka at {place} cannot be verified; check PLG_KAFKA_CA (who signed it), PLG_KAFKA (name)",
    ),
)
_OTHERS = (
    ("_RESOLVE", "", "no Kafka broker answers at {place}: unknown host; check PLG_KAFKA (host:port)"),
    (
        "",
        "PLAINTEXT broker listener",
        "Kafka at {place} hangs up in the TLS handshake; check PLG_KAFKA_SECURITY ({security}): it may speak no TLS",
    ),
    (
        "",
        "SSL alert",
        "Kafka at {place} refuses our side of TLS; check PLG_KAFKA_CERT and PLG_KAFKA_KEY: it may want them",
    ),
    ("_SSL", "", "Kafka at {place} fails in TLS; check PLG_KAFKA_SECURITY ({security}) and the port in PLG_KAFKA"),
    (
        "",
        "Connection refused",
        "no Kafka broker answers at {place}: connection refused; is it running, does PLG_KAFKA (host:port) name it?",
    ),
    # librdkafka tells no more than that all brokers are down when a connection is closed before the first answer.
    (
        "_ALL_BROKERS_DOWN",
        "",
        "Kafka at {place} hangs up; check PLG_KAFKA_SECURITY ({security}): it may want TLS, a login or neither",
    ),
)
_SILENCE = "no Kafka broker answers at {place}; is it running, does PLG_KAFKA (host:port) name it?"


class BrokerTrouble:
    """
    Collects what went wrong on the way to a broker.

    Args:
        options: librdkafka options of the connection; of them, only what is no secret is said.
    """

    def __init__(self, options: Mapping[str, str]) -> None:
        self._words = {
            "place": options["bootstrap.servers"],
            "security": options.get("security.protocol", "plaintext"),
            "mechanism": options.get("sasl.mechanism", "none"),
        }
        self._told: deque[tuple[str, str]] = deque(maxlen=100)

    def note(self, error: KafkaError) -> None:
        """Remember one error; meant for `error_cb`."""
        # The same few come again with every attempt, each with its own milliseconds: the newest say it all, and what
        # was mended meanwhile is forgotten.
        self._told.append((error.name(), error.str()))

    @property
    def is_hopeless(self) -> bool:
        """Whether trying again would change nothing: a wrong password, a certificate that is not believed."""
        return any(self._fits(name, text) for name, text, _ in _HOPELESS)

    def __str__(self) -> str:
        """Say where no broker let us in, why, and what to check."""
        reason = next((say for name, text, say in (*_HOPELESS, *_OTHERS) if self._fits(name, text)), _SILENCE)
        return reason.format(**self._words)

    def _fits(self, name: str, text: str) -> bool:
        return any(name in told_name and text in told_text for told_name, told_text in self._told)

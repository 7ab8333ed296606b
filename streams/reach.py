"""Whether a broker answers and lets us in, asked before anything else, so that each command says the same if not."""

from __future__ import annotations

import time

from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from signals.errors import PlgError
from sinks.broker_trouble import BrokerTrouble
from streams.settings import Settings

# One attempt: a login over TLS takes 0.3 s on loopback.
_ATTEMPT_S = 1.0


class BrokerUnavailable(PlgError):
    """No broker answered or let us in; the text names the address, the reason and the variables to check."""


def require_broker(settings: Settings) -> None:
    """
    Wait until a broker answers, for `connect_timeout_s`; not even that long where waiting would change nothing.

    Raises:
        BrokerUnavailable: None does.
    """
    trouble = BrokerTrouble(settings.kafka_options)
    client = AdminClient({**settings.kafka_options, "error_cb": trouble.note})
    give_up_at = time.monotonic() + settings.connect_timeout_s
    while True:
        left_s = give_up_at - time.monotonic()
        try:
            client.list_topics(timeout=max(0.1, min(_ATTEMPT_S, left_s)))
        except KafkaException as error:
            # Errors are told in here only.
            client.poll(0)
            if trouble.is_hopeless or left_s <= _ATTEMPT_S:
                raise BrokerUnavailable(str(trouble)) from error
            # A refusal comes back at once.
            time.sleep(0.1)
        else:
            return

"""All three Kafka clients get through each listener that asks who is there; who does not is told what to check."""

from __future__ import annotations

import asyncio
import time
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer
from faust.transport.drivers.aiokafka import credentials_to_aiokafka_auth
from pydantic import SecretStr

from signals.config import Config
from streams.access import KafkaSecurity, SaslMechanism
from streams.admin import create_topics
from streams.app import faust_app
from streams.reach import BrokerUnavailable, require_broker
from streams.settings import Settings
from tests.certificates import KEY_PASSWORD, Certificates
from tests.secured import PASSWORD, USERNAME, SecuredKafka


@pytest.fixture(params=["sasl_ssl, SCRAM", "ssl, certificate of the client", "sasl_plaintext, PLAIN"])
def settings(request: pytest.FixtureRequest, locked_kafka: SecuredKafka, certificates: Certificates) -> Settings:
    """Settings that fit one listener."""
    login: dict[str, Any] = {"kafka_username": USERNAME, "kafka_password": SecretStr(PASSWORD)}
    if request.param.startswith("sasl_ssl"):
        return scram(locked_kafka, certificates)
    if request.param.startswith("sasl"):
        return Settings(
            kafka=locked_kafka.sasl_plaintext,
            kafka_security=KafkaSecurity.SASL_PLAINTEXT,
            kafka_sasl_mechanism=SaslMechanism.PLAIN,
            **login,
        )
    return Settings(
        kafka=locked_kafka.ssl,
        kafka_security=KafkaSecurity.SSL,
        kafka_ca=certificates.ca,
        kafka_cert=certificates.client,
        kafka_key=certificates.client_key,
        kafka_key_password=SecretStr(KEY_PASSWORD),
    )


def scram(locked_kafka: SecuredKafka, certificates: Certificates, **changed: Any) -> Settings:
    fitting: dict[str, Any] = {
        "kafka": locked_kafka.sasl_ssl,
        "kafka_security": KafkaSecurity.SASL_SSL,
        "kafka_sasl_mechanism": SaslMechanism.SCRAM_SHA_512,
        "kafka_username": USERNAME,
        "kafka_password": SecretStr(PASSWORD),
        "kafka_ca": certificates.ca,
    }
    return Settings(**{**fitting, **changed})


def test_librdkafka_and_the_admin_client_get_through(settings: Settings, prefix: str) -> None:
    require_broker(settings)

    made = create_topics(Config(prefix=prefix, topics={"partitions": 1}), settings)

    assert f"{prefix}.alerts" in made


def test_faust_gets_through(settings: Settings) -> None:
    async def topics() -> set[str]:
        conf = faust_app(Config(), settings).conf
        words = credentials_to_aiokafka_auth(conf.broker_credentials, conf.ssl_context)
        async with AIOKafkaConsumer(bootstrap_servers=settings.kafka, **words) as consumer:
            return await consumer.topics()

    create_topics(Config(topics={"partitions": 1}), settings)

    assert "plg.alerts" in asyncio.run(topics())


# -- who does not get through


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"kafka_password": SecretStr("canary-wrong")}, "refuses the login by SCRAM-SHA-512; check PLG_KAFKA_USERNAME"),
        ({"kafka_sasl_mechanism": SaslMechanism.PLAIN}, "mechanism PLAIN; check PLG_KAFKA_SASL_MECHANISM"),
        ({"kafka_ca": "other_ca"}, "cannot be verified; check PLG_KAFKA_CA"),
        ({"kafka_ca": None}, "cannot be verified; check PLG_KAFKA_CA"),
        ({"kafka": "localhost"}, "check PLG_KAFKA_CA (who signed it), PLG_KAFKA (name)"),
        ({"kafka_security": KafkaSecurity.PLAINTEXT}, "hangs up; check PLG_KAFKA_SECURITY (plaintext)"),
        ({"kafka_security": KafkaSecurity.SASL_PLAINTEXT}, "hangs up; check PLG_KAFKA_SECURITY (sasl_plaintext)"),
        ({"kafka_security": KafkaSecurity.SSL}, "hangs up; check PLG_KAFKA_SECURITY (ssl)"),
        ({"kafka": "sasl_plaintext"}, "hangs up in the TLS handshake; check PLG_KAFKA_SECURITY (sasl_ssl)"),
        ({"kafka": "ssl"}, "refuses our side of TLS; check PLG_KAFKA_CERT and PLG_KAFKA_KEY"),
        ({"kafka": "nowhere.invalid:9093"}, "unknown host; check PLG_KAFKA"),
        ({"kafka": "127.0.0.1:1"}, "connection refused; is it running"),
    ],
    ids=str,
)
def test_who_does_not_get_through_is_told_what_to_check(
    locked_kafka: SecuredKafka, certificates: Certificates, changed: dict[str, Any], says: str
) -> None:
    named = {
        **vars(locked_kafka),
        "other_ca": certificates.other_ca,
        # The certificate is for the address alone.
        "localhost": locked_kafka.sasl_ssl.replace("127.0.0.1", "localhost"),
    }
    meant = {name: named.get(value, value) if type(value) is str else value for name, value in changed.items()}
    settings = scram(locked_kafka, certificates, **meant, connect_timeout_s=2.0)
    started = time.monotonic()

    with pytest.raises(BrokerUnavailable) as raised:
        require_broker(settings)

    text = str(raised.value)
    assert says in text
    assert f" at {settings.kafka}" in text
    assert "canary" not in text
    assert time.monotonic() - started < 3.0

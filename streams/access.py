"""Whether the variables that say how Kafka and Redis are reached fit together; a wrong one is named, never shown."""

from __future__ import annotations

import os
from collections.abc import Mapping
from enum import StrEnum
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

if TYPE_CHECKING:
    from streams.settings import Settings


class KafkaSecurity(StrEnum):
    """What a listener of the brokers asks for, in Kafka's own words."""

    PLAINTEXT = "plaintext"
    SSL = "ssl"
    SASL_PLAINTEXT = "sasl_plaintext"
    SASL_SSL = "sasl_ssl"

    @classmethod
    def _missing_(cls, value: object) -> KafkaSecurity | None:
        """Kafka's documents write them in capitals."""
        return next((member for member in cls if str(value).lower() == member.value), None)

    @property
    def has_tls(self) -> bool:
        """Whether connections are encrypted."""
        return self in {KafkaSecurity.SSL, KafkaSecurity.SASL_SSL}

    @property
    def has_sasl(self) -> bool:
        """Whether a client logs in."""
        return self in {KafkaSecurity.SASL_PLAINTEXT, KafkaSecurity.SASL_SSL}


class SaslMechanism(StrEnum):
    """How a client logs in: those that all three Kafka clients speak with a name and a password."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"


def access_problems(settings: Settings) -> list[str]:
    """Say what does not fit together, or names a file that cannot be used: one line a problem."""
    return [*_kafka_problems(settings), *_redis_problems(settings)]


def forget_access() -> None:
    """Take from the environment of this process how Kafka and Redis are reached: its own servers ask for nothing."""
    for name in [name for name in os.environ if name.upper().startswith(("PLG_KAFKA", "PLG_REDIS"))]:
        del os.environ[name]


def _kafka_problems(settings: Settings) -> list[str]:
    security = settings.kafka_security
    login = {
        "PLG_KAFKA_SASL_MECHANISM": settings.kafka_sasl_mechanism,
        "PLG_KAFKA_USERNAME": settings.kafka_username,
        "PLG_KAFKA_PASSWORD": settings.kafka_password,
    }
    if security.has_sasl:
        needed = f"missing; PLG_KAFKA_SECURITY={security} needs it"
        found = [f"{name}: {needed}" for name, value in login.items() if value is None]
    else:
        found = _out_of_place(login, "PLG_KAFKA_SECURITY=sasl_ssl or sasl_plaintext")
    if security.has_tls:
        return found + settings.kafka_tls.problems("PLG_KAFKA")
    return found + _out_of_place(_files(settings, "kafka"), "PLG_KAFKA_SECURITY=ssl or sasl_ssl")


def _redis_problems(settings: Settings) -> list[str]:
    found = []
    in_url = _login_in_url(settings.redis_url.get_secret_value())
    for name, value in (("username", settings.redis_username), ("password", settings.redis_password)):
        if value is not None and name in in_url:
            found.append(f"PLG_REDIS_{name.upper()}: given twice, PLG_REDIS_URL has one too; keep one of them")
    if settings.redis_username is not None and settings.redis_password is None and "password" not in in_url:
        found.append("PLG_REDIS_PASSWORD: missing; PLG_REDIS_USERNAME needs it")
    if settings.redis_has_tls:
        return found + settings.redis_tls.problems("PLG_REDIS")
    return found + _out_of_place(_files(settings, "redis"), "a PLG_REDIS_URL that begins with rediss://")


def _files(settings: Settings, server: str) -> dict[str, object]:
    return {
        f"PLG_{server.upper()}_{name.upper()}": getattr(settings, f"{server}_{name}")
        for name in ("ca", "cert", "key", "key_password")
    }


def _out_of_place(values: Mapping[str, object], place: str) -> list[str]:
    return [f"{name}: of use only with {place}" for name, value in values.items() if value is not None]


def _login_in_url(url: str) -> set[str]:
    """Which of `username` and `password` a Redis URL carries; redis-py also takes them as parameters."""
    try:
        parts = urlsplit(url)
        named = {"username": parts.username, "password": parts.password, **parse_qs(parts.query)}
    except ValueError:
        # The sink says it, with an example of a good one.
        return set()
    return {name for name in ("username", "password") if named.get(name)}

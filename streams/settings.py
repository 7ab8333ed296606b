"""Where a process finds its servers and how patient it is: environment variables `PLG_*`, not the file of ops."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated, Any, get_args

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from signals.errors import ConfigError
from streams.access import KafkaSecurity, SaslMechanism, access_problems
from streams.secret_files import secrets_from_files
from streams.tls import TlsFiles

Seconds = Annotated[float, Field(gt=0)]
# The value of PLG_HEALTH that opens no port.
HEALTH_OFF = "off"
MAX_PORT = 65_535


class Settings(BaseSettings):
    """
    Settings of one process; each field is the environment variable `PLG_<NAME>`, and an empty variable is none.

    A field of type SecretStr may also come from a file that `PLG_<NAME>_FILE` names (`read_settings`).
    """

    model_config = SettingsConfigDict(env_prefix="PLG_", extra="ignore", frozen=True, env_ignore_empty=True)

    # Bootstrap servers, `host:port`, separated by commas.
    kafka: str = "localhost:9092"
    kafka_security: KafkaSecurity = KafkaSecurity.PLAINTEXT
    kafka_sasl_mechanism: SaslMechanism | None = None
    kafka_username: str | None = None
    kafka_password: SecretStr | None = None
    # PEM files: whom to believe (the system's authorities if None), and what to show where brokers ask for it.
    kafka_ca: Path | None = None
    kafka_cert: Path | None = None
    kafka_key: Path | None = None
    kafka_key_password: SecretStr | None = None

    redis_url: SecretStr = SecretStr("redis://localhost:6379/0")
    redis_username: str | None = None
    redis_password: SecretStr | None = None
    redis_ca: Path | None = None
    redis_cert: Path | None = None
    redis_key: Path | None = None
    redis_key_password: SecretStr | None = None

    # One of the two, for `plg sinks slack`: the bot token, or `route=URL` pairs of incoming webhooks.
    slack_token: SecretStr | None = None
    slack_webhooks: SecretStr | None = None

    config: Path = Path("config/plg.yaml")

    # A checkpoint this often: what a crash makes the next owner repeat, and the state writes of a busy key saved.
    checkpoint_s: Seconds = 0.5
    # The group gives a worker's partitions to others after this much silence; the worker itself stops at half of it.
    session_timeout_s: Seconds = 30.0
    # How long a rebalance or a stop may wait for the work in hand.
    drain_timeout_s: Seconds = 15.0
    # From SIGTERM to the end, whatever is stuck; stay below the orchestrator's grace period.
    stop_timeout_s: Seconds = 35.0
    # A send unacknowledged for this long ends the process.
    send_timeout_s: Seconds = 30.0
    # A worker that has lag and moves nothing for this long ends itself.
    progress_timeout_s: Seconds = 120.0
    # How long to wait for a broker or Redis at start.
    connect_timeout_s: Seconds = 10.0
    # Wall ticks: how often time moves for subjects that stay silent.
    tick_s: Seconds = 10.0
    # Where the health server listens, `host:port`, or `off`.
    health: str = "127.0.0.1:9464"
    # A worker with more records than this waiting in its partitions is not ready.
    ready_max_lag: Annotated[int, Field(ge=0)] = 100_000

    @field_validator("health")
    @classmethod
    def _is_address_or_off(cls, value: str) -> str:
        host, _, port = value.rpartition(":")
        if value != HEALTH_OFF and not (host and port.isdecimal() and int(port) <= MAX_PORT):
            raise ValueError("must be host:port, such as 127.0.0.1:9464, or off")
        return value

    @property
    def kafka_options(self) -> dict[str, str]:
        """The connection part of librdkafka's settings, secrets in clear: not for texts and logs."""
        # It writes prose to standard error; what matters comes through its error callback.
        options = {"bootstrap.servers": self.kafka, "log_level": "0"}
        if self.kafka_security is not KafkaSecurity.PLAINTEXT:
            options["security.protocol"] = self.kafka_security.value
        if self.kafka_security.has_sasl:
            options |= _present(
                {
                    "sasl.mechanism": self.kafka_sasl_mechanism,
                    "sasl.username": self.kafka_username,
                    "sasl.password": self.kafka_password,
                }
            )
        if self.kafka_security.has_tls:
            options |= _present(
                {
                    "ssl.ca.location": self.kafka_ca,
                    "ssl.certificate.location": self.kafka_cert,
                    "ssl.key.location": self.kafka_key,
                    "ssl.key.password": self.kafka_key_password,
                }
            )
        return options

    @property
    def kafka_tls(self) -> TlsFiles:
        """The files of connections to brokers."""
        return TlsFiles(self.kafka_ca, self.kafka_cert, self.kafka_key, self.kafka_key_password)

    @property
    def redis_options(self) -> dict[str, str]:
        """What redis-py needs beside the URL, secrets in clear: not for texts and logs."""
        options = _present({"username": self.redis_username, "password": self.redis_password})
        if self.redis_has_tls:
            files = self.redis_tls
            options |= _present({"ssl_ca_certs": files.ca, "ssl_certfile": files.cert, "ssl_keyfile": files.key})
            if files.key is not None:
                options["ssl_password"] = files.key_password_text
        return options

    @property
    def redis_has_tls(self) -> bool:
        """Whether connections to Redis are encrypted."""
        return self.redis_url.get_secret_value().startswith("rediss:")

    @property
    def redis_tls(self) -> TlsFiles:
        """The files of connections to Redis."""
        return TlsFiles(self.redis_ca, self.redis_cert, self.redis_key, self.redis_key_password)


def read_settings() -> Settings:
    """
    Read the environment, and the files of secrets that it names.

    Raises:
        ConfigError: Variables have values that cannot be used or do not fit together; every one is named.
    """
    secrets, unreadable = secrets_from_files(map(_variable, _secret_fields()), os.environ)
    values: dict[str, Any] = {name: secrets[_variable(name)] for name in _secret_fields() if _variable(name) in secrets}
    problems = list(unreadable.values())
    try:
        settings = Settings(**values)
    except ValidationError as error:
        # Without the values: one of them may be a URL with a password.
        problems += [f"{_variable(str(found['loc'][0]))}: {found['msg']}" for found in error.errors()]
    else:
        # That a secret is missing which cannot be read would only be the same once more.
        problems += [line for line in access_problems(settings) if not any(name in line for name in unreadable)]
    if problems:
        raise ConfigError("\n".join(problems)) from None
    return settings


def _secret_fields() -> list[str]:
    fields = Settings.model_fields.items()
    return [name for name, field in fields if SecretStr in (field.annotation, *get_args(field.annotation))]


def _variable(field: str) -> str:
    return f"PLG_{field.upper()}"


def _present(values: dict[str, Path | SecretStr | str | None]) -> dict[str, str]:
    """Those that are set, as the text that a client wants."""
    return {
        name: value.get_secret_value() if isinstance(value, SecretStr) else str(value)
        for name, value in values.items()
        if value is not None
    }

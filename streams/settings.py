"""Where a process finds its servers and how patient it is: environment variables `PLG_*`, not the file of ops."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field, SecretStr, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from signals.errors import ConfigError

Seconds = Annotated[float, Field(gt=0)]
# The value of PLG_HEALTH that opens no port.
HEALTH_OFF = "off"
MAX_PORT = 65_535


class Settings(BaseSettings):
    """Settings of one process; each field is the environment variable `PLG_<NAME>`."""

    model_config = SettingsConfigDict(env_prefix="PLG_", extra="ignore", frozen=True)

    # Bootstrap servers, `host:port`, separated by commas.
    kafka: str = "localhost:9092"
    redis_url: SecretStr = SecretStr("redis://localhost:6379/0")
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
        """The connection part of librdkafka's settings."""
        # It writes prose to standard error; what matters comes through its error callback.
        return {"bootstrap.servers": self.kafka, "log_level": "0"}


def read_settings() -> Settings:
    """
    Read the environment.

    Raises:
        ConfigError: A variable has a value that cannot be used; every such variable is named.
    """
    try:
        return Settings()
    except ValidationError as error:
        # Without the values: one of them may be a URL with a password.
        raise ConfigError(
            "\n".join(f"PLG_{str(found['loc'][0]).upper()}: {found['msg']}" for found in error.errors())
        ) from None

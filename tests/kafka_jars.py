"""Apache Kafka without Docker: its jars from Maven, started with `java` as one broker that is its own controller."""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from streams.server_process import ServerProcess, broker_answers, free_port

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

_HERE = Path(__file__).parent
_POM = _HERE / "kafka" / "pom.xml"
_LOGGING = _HERE / "kafka" / "log4j2.properties"
_CACHE = _HERE.parent / ".cache" / "kafka"
# A fixed version of the plugin, not whatever the installed Maven prefers.
_COPY = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"
_RUN_LIMIT_S = 600
_START_LIMIT_S = 90
_CLUSTER = "plgsignalstestsAAAAAAA"
_OLDEST_JAVA = 17

# What a test needs to be quick, and what one broker alone can do. Everything else is as in production on purpose, the
# retention of 7 days too: a topic that receives the events of past months has to set its own.
_SETTINGS = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "auto.create.topics.enable": "false",
    "message.max.bytes": str(10 * 1024 * 1024),
    "min.insync.replicas": "1",
    "group.initial.rebalance.delay.ms": "0",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "4",
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "4",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    # The default takes 128 MB of the heap for compaction alone.
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
}


class KafkaJarsError(Exception):
    """Apache Kafka's jars cannot be had or run here; the text says why."""


def kafka_version() -> str:
    """The version of Apache Kafka that pom.xml names."""
    match = re.search(r"<kafka\.version>([^<]+)</kafka\.version>", _POM.read_text(encoding="utf-8"))
    assert match is not None, f"{_POM} names no kafka.version"
    return match[1]


@contextlib.contextmanager
def kafka_from_jars(
    listeners: Mapping[str, int] | None = None, settings: Mapping[str, str] | None = None, accounts: Sequence[str] = ()
) -> Iterator[str]:
    """
    Run Apache Kafka on loopback; what it holds is gone at the end.

    Args:
        listeners: Further ones beside the plain one: the name, which is that of its protocol, and the port.
        settings: Further settings of the broker.
        accounts: SCRAM accounts to begin with, as the format tool takes them.

    Yields:
        Its address, `127.0.0.1:port`.

    Raises:
        KafkaJarsError: No Java of 17 or later, or neither jars in the cache nor a Maven that can fetch them.
        EmbeddedServerError: Kafka does not start.
    """
    java = java_with_jars()
    with tempfile.TemporaryDirectory(prefix="plg-kafka-") as name:
        folder = Path(name)
        port = free_port()
        config = _write_config(folder, {"PLAINTEXT": port, **(listeners or {})}, settings or {})
        format_storage(java, config, accounts)
        address = f"127.0.0.1:{port}"
        with start_broker(java, config, lambda: broker_answers(address), heap_mb=512):
            yield address


def java_with_jars() -> list[str]:
    """
    The command that runs a class of Apache Kafka.

    Raises:
        KafkaJarsError: No Java of 17 or later, or neither jars in the cache nor a Maven that can fetch them.
    """
    return [_find_java(), "-cp", f"{_jars()}/*", f"-Dlog4j2.configurationFile={_LOGGING.as_uri()}"]


def format_storage(java: Sequence[str], config: Path, accounts: Sequence[str] = ()) -> None:
    """Prepare the folder that a broker's settings name."""
    # Run for a second only, it is not worth compiling well.
    tool = [*java, "-XX:TieredStopAtLevel=1", "kafka.tools.StorageTool", "format", "-t", _CLUSTER, "-c", str(config)]
    _run([*tool, *(f"--add-scram={account}" for account in accounts)])


def start_broker(java: Sequence[str], config: Path, answers: Callable[[], bool], *, heap_mb: int) -> ServerProcess:
    """Start a broker; it answers when this returns."""
    return ServerProcess(
        "Apache Kafka",
        [*java, f"-Xms{heap_mb // 2}m", f"-Xmx{heap_mb}m", "kafka.Kafka", str(config)],
        log_path=config.with_name("kafka.log"),
        answers=answers,
        start_limit_s=_START_LIMIT_S,
    )


def write_settings(path: Path, settings: Mapping[str, str]) -> None:
    """Write a broker's settings: those of every test broker, and these, which win."""
    lines = (f"{key}={value}\n" for key, value in {**_SETTINGS, **settings}.items())
    path.write_text("".join(lines), encoding="utf-8")


def require_jars() -> None:
    """
    See that Apache Kafka can be run here at all.

    Raises:
        KafkaJarsError: No Java of 17 or later, or neither jars in the cache nor a Maven that can fetch them.
    """
    _find_java()
    _jars()


def _find_java() -> str:
    java = shutil.which("java")
    if java is None:
        raise KafkaJarsError("no java on the PATH")
    said = subprocess.run([java, "-version"], capture_output=True, text=True, check=False).stderr
    match = re.search(r'version "(\d+)', said)
    if match is None or int(match[1]) < _OLDEST_JAVA:
        raise KafkaJarsError(f"Kafka 4 needs Java {_OLDEST_JAVA} or later, `java -version` says: {said.strip()[:80]}")
    return java


def _jars() -> Path:
    """The folder of the jars: from the cache, so that a second run needs no network, else from Maven."""
    kept = _CACHE / kafka_version()
    if kept.is_dir():
        return kept
    maven = shutil.which("mvn")
    if maven is None:
        raise KafkaJarsError(f"no jars in {kept} and no mvn on the PATH")
    _CACHE.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=_CACHE) as folder:
        fetched = Path(folder, "jars")
        _run([maven, "-q", "-B", "-f", str(_POM), _COPY, f"-DoutputDirectory={fetched}", "-DincludeScope=runtime"])
        # Renamed only when complete, so that an interrupted fetch leaves no half; another run may have been first.
        with contextlib.suppress(OSError):
            fetched.rename(kept)
    return kept


def _run(command: list[str]) -> None:
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
            timeout=_RUN_LIMIT_S,
        )
    except subprocess.TimeoutExpired as error:
        raise KafkaJarsError(f"{Path(command[0]).name} took longer than {_RUN_LIMIT_S} s") from error
    if done.returncode:
        errors = [line for line in done.stdout.splitlines() if "ERROR" in line] or done.stdout.splitlines()
        raise KafkaJarsError(f"{Path(command[0]).name} failed: {' '.join(errors[:1])[:300]}")


def _write_config(folder: Path, listeners: Mapping[str, int], more: Mapping[str, str]) -> Path:
    controller = f"127.0.0.1:{free_port()}"
    reached = [f"{name}://127.0.0.1:{port}" for name, port in listeners.items()]
    settings = {
        "listeners": ",".join([*reached, f"CONTROLLER://{controller}"]),
        "advertised.listeners": ",".join(reached),
        "listener.security.protocol.map": ",".join([*(f"{name}:{name}" for name in listeners), "CONTROLLER:PLAINTEXT"]),
        "controller.quorum.voters": f"1@{controller}",
        "log.dirs": str(folder / "log"),
        **more,
    }
    path = folder / "server.properties"
    write_settings(path, settings)
    return path

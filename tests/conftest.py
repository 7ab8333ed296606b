"""What all tests share: a Kafka, a Redis, names that no other test uses, and a last word on what the run stood on."""

from __future__ import annotations

import contextlib
import os
import uuid
from typing import TYPE_CHECKING, NoReturn

import pytest
from hypothesis import HealthCheck, settings

from tests.certificates import CertificatesMissingError, make_certificates
from tests.docker_engine import ServerMissingError
from tests.prometheus import PrometheusMissingError, judge, program
from tests.secured import secured_kafka, secured_redis
from tests.servers import find_kafka, find_redis

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from tests.certificates import Certificates
    from tests.prometheus import Judged
    from tests.secured import SecuredKafka, SecuredRedis
    from tests.servers import KafkaServer, RedisServer

_MARKERS = (
    "river: needs a Kafka or a Redis, or takes seconds; `make check` leaves it out. Set by itself with their fixtures.",
    "apache_kafka: needs what only Apache Kafka does; skipped, and said so, on the embedded broker.",
)
_SERVER_FIXTURES = {"kafka", "redis_server", "own_redis", "locked_kafka", "locked_redis"}
_REQUIRE = "PLG_TEST_REQUIRE"
_REQUIREMENTS = {"apache-kafka", "real-redis", "promtool"}
_NOTES = pytest.StashKey[list[str]]()
_NO_SUCH_SERVER = 3


def pytest_configure(config: pytest.Config) -> None:
    """Register the markers; refuse a PLG_TEST_REQUIRE that would require nothing."""
    for marker in _MARKERS:
        config.addinivalue_line("markers", marker)
    config.stash[_NOTES] = []
    # How long an example takes says what else the machine is doing; speed is the benchmarks' affair.
    settings.register_profile("plg", deadline=None, suppress_health_check=[HealthCheck.too_slow])
    settings.load_profile("plg")
    unknown = _required() - _REQUIREMENTS
    if unknown:
        raise pytest.UsageError(f"{_REQUIRE}: unknown {sorted(unknown)}, known are {sorted(_REQUIREMENTS)}")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what needs servers, before `-m` selects."""
    for item in items:
        wants_servers = _SERVER_FIXTURES & set(getattr(item, "fixturenames", ()))
        if wants_servers or item.get_closest_marker("apache_kafka"):
            item.add_marker("river")


@pytest.fixture(scope="session")
def kafka(request: pytest.FixtureRequest) -> Iterator[KafkaServer]:
    """The Kafka of this run, started when the first test asks for it."""
    server = find_kafka()
    try:
        _note(request.config, f"Kafka: {server.description}", server.passed_over)
        _require("apache-kafka", fulfilled=server.is_apache, found=server.description)
        yield server
    finally:
        server.stop()


@pytest.fixture(scope="session")
def redis_server(request: pytest.FixtureRequest) -> Iterator[RedisServer]:
    """The Redis of this run, shared by all tests: use keys under `prefix`, never stop it, never flush it."""
    server = find_redis()
    try:
        _note(request.config, f"Redis: {server.description}", server.passed_over)
        _require("real-redis", fulfilled=server.is_real, found=server.description)
        yield server
    finally:
        server.remove()


@pytest.fixture
def own_redis() -> Iterator[RedisServer]:
    """A Redis for one test, which may stop and start it."""
    server = find_redis(of_our_own=True)
    try:
        _require("real-redis", fulfilled=server.is_real, found=server.description)
        yield server
    finally:
        server.remove()


@pytest.fixture(scope="session")
def certificates(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    """The certificates of this run; tests that need them are left out where there is no openssl."""
    try:
        return make_certificates(tmp_path_factory.mktemp("certificates"))
    except CertificatesMissingError as error:
        return _left_out(request.config, f"certificates: {error}")


@pytest.fixture(scope="session")
def locked_kafka(
    request: pytest.FixtureRequest, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[SecuredKafka]:
    """An Apache Kafka with TLS, logins and client certificates, shared by all tests that need one."""
    with contextlib.ExitStack() as running:
        try:
            server = running.enter_context(secured_kafka(certificates, tmp_path_factory.mktemp("locked")))
        except ServerMissingError as error:
            _left_out(request.config, str(error))
        yield server


@pytest.fixture(scope="session")
def locked_redis(request: pytest.FixtureRequest, certificates: Certificates) -> Iterator[SecuredRedis]:
    """A Redis with TLS and a password, shared by all tests that need one."""
    with contextlib.ExitStack() as running:
        try:
            server = running.enter_context(secured_redis(certificates))
        except ServerMissingError as error:
            _left_out(request.config, str(error))
        yield server


@pytest.fixture(scope="session")
def judged(request: pytest.FixtureRequest) -> Callable[..., Judged]:
    """Prometheus' own judge; tests that need it are left out, and it is said so, where it cannot be had."""
    try:
        program("promtool")
    except PrometheusMissingError as error:
        _require("promtool", fulfilled=False, found=str(error))
        _note(request.config, f"LEFT OUT, the tests of metrics, dashboard and alert rules: {error}")
        pytest.skip(str(error))
    return judge


@pytest.fixture
def prefix() -> str:
    """A prefix for topics, groups and keys that no other test and no earlier run has used."""
    return f"test-{uuid.uuid4().hex[:10]}"


@pytest.fixture
def report(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say what a test has measured: one line at the end of the run, and a property of the test."""

    def say(line: str) -> None:
        _note(request.config, f"{request.node.name}: {line}")
        request.node.user_properties.append(("report", line))

    return say


@pytest.fixture(autouse=True)
def _apache_kafka_only(request: pytest.FixtureRequest) -> None:
    """Skip a test marked `apache_kafka` where only the embedded broker could be had."""
    if request.node.get_closest_marker("apache_kafka") is None:
        return
    server: KafkaServer = request.getfixturevalue("kafka")
    if not server.is_apache:
        _note(request.config, f"LEFT OUT, needs Apache Kafka: {request.node.nodeid}")
        pytest.skip(f"needs Apache Kafka, this is {server.description}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Say what the run stood on and what it left out."""
    notes = config.stash[_NOTES]
    if notes:
        terminalreporter.section("the river of this run")
    # Each xdist worker says the same once more.
    for note in dict.fromkeys(notes):
        terminalreporter.line(note, yellow=note.startswith("LEFT OUT"))


def pytest_sessionfinish(session: pytest.Session) -> None:
    """Under xdist: hand the notes of this worker to the process that prints."""
    output = getattr(session.config, "workeroutput", None)
    if output is not None:
        output["notes"] = session.config.stash[_NOTES]


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: object) -> None:
    """Under xdist: take the notes of a worker that is done."""
    config: pytest.Config = getattr(node, "config")  # noqa: B009  (xdist has no type for it)
    config.stash[_NOTES].extend(getattr(node, "workeroutput", {}).get("notes", []))


def _note(config: pytest.Config, line: str, passed_over: tuple[str, ...] = ()) -> None:
    config.stash[_NOTES] += [line, *(f"  passed over: {reason}" for reason in passed_over)]


def _left_out(config: pytest.Config, reason: str) -> NoReturn:
    _note(config, f"LEFT OUT, the tests of secure connections: {reason}")
    pytest.skip(reason)


def _required() -> set[str]:
    return {word.strip() for word in os.environ.get(_REQUIRE, "").split(",")} - {""}


def _require(name: str, *, fulfilled: bool, found: str) -> None:
    if name in _required() and not fulfilled:
        pytest.exit(f"{_REQUIRE} asks for {name}, but the tests found {found}", returncode=_NO_SUCH_SERVER)

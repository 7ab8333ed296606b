"""The health server over real HTTP: three paths, two methods, and a port that gives way only where it may."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import closing

import pytest
import structlog

from signals.errors import ConfigError
from streams.health import Answer, HealthServer, HealthUnavailable
from streams.server_process import free_port
from streams.settings import Settings, read_settings
from tests.streams.asking import request


class Process:
    """A process that is as well as the test says."""

    def __init__(self) -> None:
        self.is_ready = True
        self.is_broken = False

    def live(self) -> Answer:
        return Answer(ok=True, parts={"loop_turns": True})

    def ready(self) -> Answer:
        if self.is_broken:
            raise ValueError("ada@example.com")
        return Answer(self.is_ready, {"recovered": self.is_ready, "lag": 7})

    def metrics(self) -> tuple[str, bytes]:
        return "text/plain; version=1.0.0; charset=utf-8", b"plg_facts_total 3.0\n"


@pytest.fixture
def process() -> Process:
    return Process()


@pytest.fixture
def address(process: Process) -> Iterator[str]:
    with HealthServer(Settings(health="127.0.0.1:0")).start(process) as server:
        yield server.address


def test_a_live_process_says_so(address: str) -> None:
    status, headers, body = request(address, "/live")

    assert status == 200
    assert json.loads(body) == {"ok": True, "loop_turns": True}
    assert headers["Content-Type"] == "application/json"


def test_a_process_that_is_not_ready_answers_503_and_says_what_is_missing(address: str, process: Process) -> None:
    process.is_ready = False

    status, _, body = request(address, "/ready?verbose=1")

    assert status == 503
    assert json.loads(body) == {"ok": False, "recovered": False, "lag": 7}


def test_metrics_come_as_the_text_that_prometheus_reads(address: str) -> None:
    status, headers, body = request(address, "/metrics")

    assert (status, headers["Content-Type"]) == (200, "text/plain; version=1.0.0; charset=utf-8")
    assert body == b"plg_facts_total 3.0\n"


def test_head_has_the_headers_and_no_body(address: str) -> None:
    status, headers, body = request(address, "/metrics", "HEAD")

    assert (status, headers["Content-Length"], body) == (200, "20", b"")


@pytest.mark.parametrize("path", ["/", "/config", "/live/", "/../etc/passwd", "/%2e%2e/", "/metrics/x"])
def test_any_other_path_is_not_found_and_nothing_of_it_comes_back(address: str, path: str) -> None:
    status, _, body = request(address, path)

    assert (status, body) == (404, b"")


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW"])
def test_only_get_and_head_are_allowed(address: str, method: str) -> None:
    status, headers, body = request(address, "/live", method)

    assert (status, headers["Allow"], body) == (405, "GET, HEAD", b"")


def test_no_header_says_what_runs_here(address: str) -> None:
    headers = request(address, "/live")[1]

    assert headers["Server"] == "plg"
    assert set(headers) == {"Server", "Date", "Content-Type", "Content-Length"}


def test_a_client_that_sends_nothing_holds_up_nobody(address: str) -> None:
    host, _, port = address.rpartition(":")
    with closing(socket.create_connection((host, int(port)))):
        assert request(address, "/live")[0] == 200


def test_a_probe_that_fails_is_logged_without_its_text_and_the_next_is_answered(address: str, process: Process) -> None:
    process.is_broken = True

    with structlog.testing.capture_logs() as logs:
        failed = request(address, "/ready")
        status = request(address, "/live")[0]

    assert logs == [{"event": "health.failed", "error": "ValueError", "log_level": "error"}]
    assert (failed[0], failed[2], status) == (500, b"", 200)


# -- where it listens


def test_a_second_process_takes_a_free_port_where_none_was_set(process: Process) -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as first:
        taken = f"127.0.0.1:{first.getsockname()[1]}"
        settings = Settings.model_construct(_fields_set=set(), health=taken)

        with structlog.testing.capture_logs() as logs, HealthServer(settings).start(process) as server:
            assert server.address != taken
            assert request(server.address, "/live")[0] == 200

        assert logs == [{"event": "health.listening", "address": server.address, "log_level": "info"}]


def test_a_port_that_was_set_and_is_taken_is_an_error_that_names_it() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as first:
        taken = f"127.0.0.1:{first.getsockname()[1]}"

        with pytest.raises(HealthUnavailable) as raised:
            HealthServer(Settings(health=taken))

    assert str(raised.value).startswith(f"PLG_HEALTH: cannot listen on {taken}: Address already in use; ")


def test_a_host_that_is_not_ours_is_an_error_too() -> None:
    with pytest.raises(HealthUnavailable, match=r"192\.0\.2\.1:0"):
        HealthServer(Settings(health="192.0.2.1:0"))


def test_off_opens_no_port(process: Process) -> None:
    with HealthServer(Settings(health="off")).start(process) as server:
        assert server.address == ""


def test_the_port_is_free_again_when_it_has_stopped(process: Process) -> None:
    wanted = Settings(health=f"127.0.0.1:{free_port()}")

    for _ in range(2):
        with HealthServer(wanted).start(process) as server:
            assert request(server.address, "/live")[0] == 200


def test_a_server_that_never_started_lets_the_port_go_too() -> None:
    wanted = Settings(health=f"127.0.0.1:{free_port()}")

    for _ in range(2):
        with HealthServer(wanted) as server:
            assert server.address == wanted.health


@pytest.mark.parametrize("value", ["9464", ":9464", "localhost", "localhost:http", "127.0.0.1:65536", "on"])
def test_what_is_no_address_is_refused_by_name(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PLG_HEALTH", value)

    with pytest.raises(ConfigError, match=r"^PLG_HEALTH: .*host:port"):
        read_settings()


@pytest.mark.parametrize("value", ["0.0.0.0:9464", "[::1]:9464", "127.0.0.1:65535", "127.0.0.1:0", "off"])
def test_addresses_and_off_are_taken(monkeypatch: pytest.MonkeyPatch, value: str) -> None:
    monkeypatch.setenv("PLG_HEALTH", value)

    assert read_settings().health == value

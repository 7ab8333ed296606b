"""`plg health`: one line and an exit code, whatever stands at the other end."""

from __future__ import annotations

import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager

import pytest

from signals.errors import ConfigError
from streams.asking import ask, own_url
from streams.health import Answer, HealthServer
from streams.server_process import free_port
from streams.settings import Settings


class Recovering:
    """A process that lives and is not ready."""

    def live(self) -> Answer:
        return Answer(ok=True, parts={"loop_turns": True})

    def ready(self) -> Answer:
        return Answer(ok=False, parts={"joined": True, "recovered": False, "lag": 12})

    def metrics(self) -> tuple[str, bytes]:
        return "text/plain", b""


@contextmanager
def recovering() -> Iterator[str]:
    with HealthServer(Settings(health="127.0.0.1:0")).start(Recovering()) as server:
        yield server.address


def test_a_process_that_is_not_ready_is_a_no_with_its_reasons() -> None:
    with recovering() as address:
        assert ask(f"http://{address}", "ready") == (False, "not ready: joined true, recovered false, lag 12")


def test_the_same_process_lives() -> None:
    with recovering() as address:
        assert ask(f"http://{address}/", "live") == (True, "live: loop_turns true")


def test_where_nobody_listens_the_answer_is_no() -> None:
    address = f"127.0.0.1:{free_port()}"

    assert ask(f"http://{address}", "ready") == (False, f"not ready: {address}: Connection refused")


def test_a_stranger_on_the_port_is_no_process_of_ours() -> None:
    with closing(socket.create_server(("127.0.0.1", 0))) as server:

        def answer() -> None:
            with server.accept()[0] as client:
                client.recv(1_000)
                client.sendall(b"HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello")

        threading.Thread(target=answer, daemon=True).start()
        address = f"127.0.0.1:{server.getsockname()[1]}"

        assert ask(f"http://{address}", "ready") == (False, f"not ready: {address} is no health server of ours")


@pytest.mark.parametrize(
    ("listens", "asked"),
    [
        ("127.0.0.1:9464", "http://127.0.0.1:9464"),
        ("0.0.0.0:9000", "http://127.0.0.1:9000"),
        ("[::]:9000", "http://[::1]:9000"),
        ("metrics.internal:80", "http://metrics.internal:80"),
    ],
)
def test_a_process_is_asked_where_it_listens(listens: str, asked: str) -> None:
    assert own_url(listens) == asked


def test_a_process_that_is_off_cannot_be_asked() -> None:
    with pytest.raises(ConfigError, match="PLG_HEALTH is off"):
        own_url("off")


@pytest.mark.parametrize("url", ["127.0.0.1:9464", "https://127.0.0.1:9464", "http://", "http://a:port"])
def test_what_is_no_url_of_a_health_server_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="--url"):
        ask(url, "ready")


def test_the_command_ends_with_the_answer() -> None:
    with recovering() as address:
        said = [
            subprocess.run(
                [sys.executable, "-m", "streams.cli", "health", "--url", f"http://{address}", *more],
                capture_output=True,
                text=True,
                check=False,
                timeout=30,
            )
            for more in ([], ["--live"])
        ]

    assert [(done.returncode, done.stdout) for done in said] == [
        (1, "not ready: joined true, recovered false, lag 12\n"),
        (0, "live: loop_turns true\n"),
    ]

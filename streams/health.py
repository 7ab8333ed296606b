"""The health server: `/live`, `/ready`, `/metrics` and pages of a process over HTTP, in threads of its own."""

from __future__ import annotations

import contextlib
import errno
import json
import socket
import socketserver
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Protocol, Self

import structlog

from signals.errors import PlgError
from streams.settings import HEALTH_OFF, Settings

log = structlog.get_logger()

# A client that sends its request more slowly than this is left.
REQUEST_S = 5.0
# Far more than probes and a scraper need at once; each open connection costs a thread.
MAX_CONNECTIONS = 32


class HealthUnavailable(PlgError):
    """The health server cannot listen where PLG_HEALTH says."""


@dataclass(frozen=True)
class Answer:
    """What a probe found: whether all is well, and what that was made of."""

    ok: bool
    parts: Mapping[str, bool | int | float | str]


class Probes(Protocol):
    """What the server asks of a process, from its own threads: each answers at once, or within a few seconds."""

    def live(self) -> Answer:
        """Whether the process works at all; one that is not live should be restarted."""

    def ready(self) -> Answer:
        """Whether it does its share now."""

    def metrics(self) -> tuple[str, bytes]:
        """The metrics: content type and text."""


Page = Callable[[], tuple[str, bytes]]
NO_PAGES: Mapping[str, Page] = {}


class HealthServer:
    """
    Listens from the moment it is made, so that a port that is taken is said first; answers from `start` on.

    The default port is a wish: a second process on the host takes a free one and logs it. A port that was set is an
    order.

    Args:
        settings: `health` says where, or that nothing should listen.

    Raises:
        HealthUnavailable: The port that was set is taken, or the host is not ours.
    """

    def __init__(self, settings: Settings) -> None:
        self._server = None if settings.health == HEALTH_OFF else _listen(settings)
        self._thread: threading.Thread | None = None

    @property
    def address(self) -> str:
        """Where it listens, `host:port`; empty if nowhere."""
        if self._server is None:
            return ""
        host, port = str(self._server.server_address[0]), self._server.server_port
        return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"

    def start(self, probes: Probes, pages: Mapping[str, Page] = NO_PAGES) -> Self:
        """Answer; `pages` are further paths of this process, each with what gives its content type and body."""
        if self._server is not None:
            self._server.probes = probes
            self._server.pages = pages
            self._thread = threading.Thread(target=self._server.serve_forever, name="health", daemon=True)
            self._thread.start()
            log.info("health.listening", address=self.address)
        return self

    def stop(self) -> None:
        """Answer no more and let the port go."""
        if self._server is not None:
            if self._thread is not None:
                self._server.shutdown()
            self._server.server_close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    # Do not wait for a slow client at the end.
    block_on_close = False
    # The 5 of the standard library make a client of a small crowd wait a second for its next attempt.
    request_queue_size = 128
    probes: Probes
    pages: Mapping[str, Page]

    def __init__(self, host: str, port: int) -> None:
        if ":" in host:
            self.address_family = socket.AF_INET6
        self._lock = threading.Lock()
        # Connections that a thread has in hand, the oldest first, and those of them that have been hung up.
        self._open: dict[socket.socket, None] = {}
        self._hung_up: set[socket.socket] = set()
        super().__init__((host, port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:  # noqa: ANN401  # socketserver's signature
        """
        Give a connection a thread; where there are too many the oldest is hung up, and one more is refused.

        Whoever holds connections keeps no probe out; only answers that hang, which no hanging up ends, do.
        """
        with self._lock:
            is_refused = len(self._open) >= 2 * MAX_CONNECTIONS
            if not is_refused:
                self._open[request] = None
                self._make_room()
        if is_refused:
            self.shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def _make_room(self) -> None:
        if len(self._open) - len(self._hung_up) > MAX_CONNECTIONS:
            oldest = next(connection for connection in self._open if connection not in self._hung_up)
            self._hung_up.add(oldest)
            # Wakes the thread that reads from it, which then lets go of it.
            with contextlib.suppress(OSError):
                oldest.shutdown(socket.SHUT_RDWR)

    def shutdown_request(self, request: Any) -> None:  # noqa: ANN401  # socketserver's signature
        """Let go of a connection."""
        with self._lock:
            self._open.pop(request, None)
            self._hung_up.discard(request)
        super().shutdown_request(request)

    def server_bind(self) -> None:
        # Not HTTPServer's: it asks the DNS for our name, which may take long where there is none.
        socketserver.TCPServer.server_bind(self)
        self.server_port = self.server_address[1]

    def handle_error(self, request: object, client_address: object) -> None:
        """Say nothing: what is left to fail is a client that has gone, and its address is no business of the log."""


def _listen(settings: Settings) -> _Server:
    host, _, port = settings.health.rpartition(":")
    host = host.removeprefix("[").removesuffix("]")
    try:
        return _Server(host, int(port))
    except OSError as error:
        if error.errno == errno.EADDRINUSE and "health" not in settings.model_fields_set:
            return _Server(host, 0)
        raise HealthUnavailable(
            f"PLG_HEALTH: cannot listen on {settings.health}: {error.strerror or error}; "
            "name another host:port, or set it to off"
        ) from error


class _Handler(BaseHTTPRequestHandler):
    """Few paths, two methods, and nothing about us in any header."""

    server: _Server
    timeout = REQUEST_S

    def do_GET(self) -> None:  # the name that http.server looks for
        """Answer one request."""
        try:
            status, content_type, body = self._answer(self.path.partition("?")[0])
        except Exception as error:  # noqa: BLE001  # whatever it is: the process goes on, and the next probe is answered
            # The type alone: a text may quote what must not be logged.
            log.error("health.failed", error=type(error).__name__)  # noqa: TRY400
            status, content_type, body = HTTPStatus.INTERNAL_SERVER_ERROR, "", b""
        self._send(status, content_type, body)

    do_HEAD = do_GET  # noqa: N815  # likewise

    def _answer(self, path: str) -> tuple[HTTPStatus, str, bytes]:
        probes = self.server.probes
        if path == "/metrics":
            return HTTPStatus.OK, *probes.metrics()
        if path in self.server.pages:
            return HTTPStatus.OK, *self.server.pages[path]()
        if path not in ("/live", "/ready"):
            return HTTPStatus.NOT_FOUND, "", b""
        answer = probes.live() if path == "/live" else probes.ready()
        body = json.dumps({"ok": answer.ok, **answer.parts}).encode() + b"\n"
        return HTTPStatus.OK if answer.ok else HTTPStatus.SERVICE_UNAVAILABLE, "application/json", body

    def _send(self, status: int, content_type: str = "", body: bytes = b"") -> None:
        self.send_response(status)
        if content_type:
            self.send_header("Content-Type", content_type)
        if status == HTTPStatus.METHOD_NOT_ALLOWED:
            self.send_header("Allow", "GET, HEAD")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002  # http.server's signature
        """Answer with the status alone; http.server would quote the request."""
        # It calls a method that has no function here "not implemented".
        self._send(HTTPStatus.METHOD_NOT_ALLOWED if code == HTTPStatus.NOT_IMPLEMENTED else code)

    def version_string(self) -> str:
        """Say neither Python's version nor ours."""
        return "plg"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002  # http.server's signature
        """Say nothing: a probe comes every few seconds."""

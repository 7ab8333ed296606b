"""A Slack of our own: it takes messages, shows its history, keeps Slack's limits, and fails as a script tells it to."""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import threading
from collections import deque
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import parse_qs, urlsplit

from sinks.slack_errors import NotSent
from sinks.slack_http import Answer

if TYPE_CHECKING:
    from collections.abc import Callable
    from urllib.request import Request

TOKEN = "xoxb-secret-canary"
HOOK_PATH = "services/T0/B0/hook-secret-canary"


class Fault(NamedTuple):
    """
    What goes wrong once.

    `accepts`: the message is there all the same. `how`: `plain`, or instead of the answer `hang`, `reset`, `slow` or
    `half`. `body` None stands for a yes.
    """

    name: str
    accepts: bool = False
    status: int = 200
    body: str | None = None
    headers: tuple[tuple[str, str], ...] = ()
    how: str = "plain"


def says(code: str, *, accepts: bool = False) -> Fault:
    """An answer of the Web API that is not a yes."""
    return Fault(code, accepts=accepts, body=json.dumps({"ok": False, "error": code}))


def limited(seconds: int) -> Fault:
    """Too many messages."""
    return Fault(
        "limited", status=429, body='{"ok":false,"error":"ratelimited"}', headers=(("Retry-After", str(seconds)),)
    )


REDIRECT = Fault("redirect", status=302, body="moved", headers=(("Location", "/elsewhere"),))
LIMITED_WITHOUT_A_TIME = Fault("limited_without_a_time", status=429, body="")
AMBIGUOUS = ("fatal_error", "internal_error", "request_timeout", "service_unavailable", "rollup_error")
# What may go wrong with one request while neither message nor channel nor token is at fault.
PASSING_FAULTS = [
    limited(30),
    LIMITED_WITHOUT_A_TIME,
    says("rate_limited"),
    REDIRECT,
    *(Fault(f"http_{status}", status=status, body="<html>") for status in (500, 502, 503, 504)),
    *(
        Fault(f"http_{status}_after_accept", accepts=True, status=status, body="<html>")
        for status in (500, 502, 503, 504)
    ),
    Fault("timeout_before_accept", how="hang"),
    Fault("timeout_after_accept", accepts=True, how="hang"),
    Fault("reset_before_accept", how="reset"),
    Fault("reset_after_accept", accepts=True, how="reset"),
    Fault("slow_body_before_accept", body='{"ok":false,"error":"fatal_error"}', how="slow"),
    Fault("slow_body_after_accept", accepts=True, how="slow"),
    Fault("half_an_answer_after_accept", accepts=True, how="half"),
    Fault("invalid_json_before_accept", body="<html>please log in</html>"),
    Fault("invalid_json_after_accept", accepts=True, body='{"ok":tr'),
    Fault("json_that_is_no_object_after_accept", accepts=True, body='["ok"]'),
    # Slack's own words: some aspect of the call may have succeeded before the error.
    *(says(code) for code in AMBIGUOUS),
    *(says(code, accepts=True)._replace(name=f"{code}_after_accept") for code in AMBIGUOUS),
]


class Accepted(NamedTuple):
    """A message that is in the channel."""

    channel: str
    at: float
    payload: dict[str, Any]

    @property
    def alert_id(self) -> str:
        """The alert it is about, as the reader sees it."""
        lines = [block["elements"][0]["text"] for block in self.payload["blocks"] if block["type"] == "context"]
        return str(lines[0].rpartition("alert ")[2])


class SlackScript:
    """
    What Slack does; `SlackServer` speaks HTTP for it.

    Args:
        wall: Unix seconds.
    """

    def __init__(self, wall: Callable[[], float]) -> None:
        self.accepted: list[Accepted] = []
        self.post_faults: deque[Fault] = deque()
        self.history_faults: deque[Fault] = deque()
        # What is said to every message for a channel, until it is taken away.
        self.closed_channels: dict[str, Fault] = {}
        self.requests: list[str] = []
        self.is_down = False
        self.page = 200
        self._wall = wall

    @property
    def ids(self) -> list[str]:
        """The alerts in the channel, in order."""
        return [message.alert_id for message in self.accepted]

    def answer(self, path: str, authorization: str, body: bytes) -> Fault:
        """Do what a request asks, or what the script says."""
        self.requests.append(path)
        if path.startswith("/api/") and authorization != f"Bearer {TOKEN}":
            return says("invalid_auth")
        if path == "/api/chat.postMessage":
            return self._post(json.loads(body), '{"ok":true,"ts":"1.1"}')
        if path == f"/hooks/{HOOK_PATH}":
            return self._post({"channel": "hook", **json.loads(body)}, "ok")
        if path == "/api/conversations.history":
            return self._history({name: values[0] for name, values in parse_qs(body.decode()).items()})
        return Fault("unknown", status=404, body="not here")

    def send(self, request: Request, _: float) -> Answer:
        """Stand in for `sinks.slack_http.send` where a test needs thousands of requests."""
        if self.is_down:
            raise NotSent("Slack: no connection")
        body = request.data if isinstance(request.data, bytes) else b""
        reply = self.answer(urlsplit(request.full_url).path, request.get_header("Authorization", ""), body)
        assert reply.how == "plain", "only over HTTP"
        return Answer(reply.status, dict(reply.headers), reply.body or "")

    def _post(self, payload: dict[str, Any], yes: str) -> Fault:
        if payload["channel"] in self.closed_channels:
            return self.closed_channels[payload["channel"]]
        fault = self.post_faults.popleft() if self.post_faults else Fault("fine", accepts=True)
        if not _keeps_limits(payload):
            return says("invalid_blocks")
        if fault.accepts:
            self.accepted.append(Accepted(payload["channel"], self._wall(), payload))
        return fault if fault.body is not None else fault._replace(body=yes)

    def _history(self, query: dict[str, str]) -> Fault:
        if self.history_faults:
            return self.history_faults.popleft()
        found = [
            {"ts": f"{message.at:.6f}", "text": message.payload["text"], "metadata": message.payload.get("metadata")}
            for message in reversed(self.accepted)
            if message.channel == query["channel"] and message.at >= float(query["oldest"])
        ]
        if query.get("include_all_metadata") != "1":
            found = [message | {"metadata": None} for message in found]
        start = int(query.get("cursor") or 0)
        end = start + min(self.page, int(query["limit"]))
        cursor = str(end) if end < len(found) else ""
        body = {"ok": True, "messages": found[start:end], "response_metadata": {"next_cursor": cursor}}
        return Fault("fine", body=json.dumps(body))


def _keeps_limits(payload: dict[str, Any]) -> bool:
    blocks = payload["blocks"]
    texts = [(block["type"], block["text"]["text"]) for block in blocks if "text" in block]
    fields = [field["text"] for block in blocks for field in block.get("fields", ())]
    return (
        len(blocks) <= 50
        and all(0 < len(text) <= (150 if kind == "header" else 3_000) for kind, text in texts)
        and all(0 < len(text) <= 2_000 for text in fields)
        and all(len(block.get("fields", ())) <= 10 for block in blocks)
    )


class SlackServer:
    """A script behind a port of this machine."""

    def __init__(self, script: SlackScript) -> None:
        self.script = script
        self._server = _Server(("127.0.0.1", 0), _Handler)
        self._server.script = script
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_port}"

    def stop(self) -> None:
        """Let go of those who hang, then of the port."""
        self._server.released.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


class _Server(ThreadingHTTPServer):
    script: SlackScript

    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self.released = threading.Event()

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that has gone is what some tests are about."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        self._reply(self.server.script.answer(self.path, self.headers.get("Authorization", ""), body))

    def do_GET(self) -> None:
        self._reply(self.server.script.answer(f"GET {self.path}", "", b""))

    def log_message(self, *args: Any) -> None:
        """Say nothing."""

    def _reply(self, fault: Fault) -> None:
        if fault.how == "reset":
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            self.close_connection = True
            self.rfile.close()
            self.connection.close()
            return
        if fault.how == "hang":
            self.server.released.wait(10)
            return
        body = (fault.body or "").encode()
        self.send_response(fault.status)
        for name, value in fault.headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) * (100 if fault.how in {"slow", "half"} else 1)))
        self.end_headers()
        if fault.how == "half":
            body = body[: len(body) // 2]
            self.close_connection = True
        self.wfile.write(body)
        if fault.how == "slow":
            self._drip()

    def _drip(self) -> None:
        with contextlib.suppress(OSError):
            # A byte now and then: no single wait is long, the whole is.
            while not self.server.released.wait(0.05):
                self.wfile.write(b" ")
                self.wfile.flush()

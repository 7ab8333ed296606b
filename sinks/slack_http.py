"""One HTTP request to Slack: to that address and no other, in bounded time, its outcome known or said to be unknown."""

from __future__ import annotations

import http.client
import socket
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Mapping
from http.client import HTTPResponse
from typing import Final

import msgspec

from sinks.slack_errors import NotSent, Unsettled

# A page of 200 messages with their blocks is below 2 MB.
MAX_BODY_BYTES: Final = 8_000_000
_CHUNK_BYTES: Final = 65_536
# Met before a connection stands: nothing can have been sent.
_BEFORE_SENDING = (ConnectionRefusedError, socket.gaierror, ssl.SSLCertVerificationError)


class Answer(msgspec.Struct, frozen=True):
    """What came back, whatever its status."""

    status: int
    headers: Mapping[str, str]
    body: str


# What sends a request and returns within about so many seconds; tests put Slack itself in its place.
Send = Callable[[urllib.request.Request, float], Answer]


class _AsTheyCome(urllib.request.HTTPErrorProcessor):
    """Statuses are values, and nothing is followed: a redirect would carry the token to another host."""

    def http_response(self, request: urllib.request.Request, response: HTTPResponse) -> HTTPResponse:  # noqa: ARG002
        return response

    https_response = http_response


def send(request: urllib.request.Request, timeout_s: float) -> Answer:
    """
    Send one request; proxies come from the environment as usual.

    Raises:
        NotSent: There was no connection.
        Unsettled: Slack may have got it.
    """
    ends_at = time.monotonic() + timeout_s
    opener = urllib.request.build_opener(_AsTheyCome)
    # No text below names the address: that of a webhook is a secret.
    try:
        with opener.open(request, timeout=timeout_s) as response:
            body = _read(response, ends_at)
            return Answer(response.status, dict(response.headers.items()), body.decode("utf-8", "replace"))
    except urllib.error.URLError as error:
        if isinstance(error.reason, _BEFORE_SENDING):
            raise NotSent(f"Slack: no connection: {type(error.reason).__name__}") from None
        raise Unsettled(f"Slack: {_name(error.reason)}") from None
    except (OSError, http.client.HTTPException) as error:
        raise Unsettled(f"Slack: {_name(error)}") from None


def _read(response: HTTPResponse, ends_at: float) -> bytes:
    """
    Read the body; a socket's own limit starts anew with every byte of a slow one.

    One that breaks off comes back as it is: half a JSON object is none.
    """
    body = bytearray()
    while chunk := response.read1(_CHUNK_BYTES):
        body += chunk
        if time.monotonic() > ends_at:
            raise TimeoutError
        if len(body) > MAX_BODY_BYTES:
            raise http.client.HTTPException
    return bytes(body)


def _name(error: object) -> str:
    return "no answer in time" if isinstance(error, TimeoutError) else f"the connection broke: {type(error).__name__}"

"""Asks the health server of a running process, on this machine or another."""

from __future__ import annotations

import http.client
import json
from contextlib import closing
from urllib.parse import urlsplit

from signals.errors import ConfigError
from streams.settings import HEALTH_OFF

# Above what a probe itself may take, below the 10 s after which container health checks are commonly given up.
ASK_S = 8.0
# "Everywhere" is where one listens, not where one asks.
_LOOPBACK = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104  # not bound here


def own_url(address: str) -> str:
    """
    Where a process with this PLG_HEALTH is to be asked from the same machine.

    Raises:
        ConfigError: It is off.
    """
    if address == HEALTH_OFF:
        raise ConfigError("PLG_HEALTH is off, so nothing answers here; --url names another process")
    host, _, port = address.rpartition(":")
    return f"http://{_LOOPBACK.get(host, host)}:{port}"


def ask(url: str, probe: str) -> tuple[bool, str]:
    """
    Ask one process.

    Args:
        url: Its health server, `http://host:port`.
        probe: `live` or `ready`.

    Returns:
        Whether the answer is yes, and one line that says why.

    Raises:
        ConfigError: That is no such URL.
    """
    parts = urlsplit(url)
    try:
        host, port = parts.hostname, parts.port
    except ValueError:
        host = port = None
    if parts.scheme != "http" or not host:
        raise ConfigError("--url: must be http://host:port, such as http://127.0.0.1:9464")
    try:
        with closing(http.client.HTTPConnection(host, port or 80, timeout=ASK_S)) as connection:
            connection.request("GET", f"/{probe}")
            answer = connection.getresponse()
            found = dict(json.loads(answer.read()))
    except (OSError, http.client.HTTPException) as error:
        reason = getattr(error, "strerror", None) or type(error).__name__
        return False, f"not {probe}: {host}:{port or 80}: {reason}"
    except (ValueError, TypeError):
        return False, f"not {probe}: {host}:{port or 80} is no health server of ours"
    is_well = found.pop("ok", False) is True and answer.status == http.client.OK
    details = ", ".join(f"{name} {json.dumps(value)}" for name, value in found.items())
    return is_well, f"{'' if is_well else 'not '}{probe}: {details}"

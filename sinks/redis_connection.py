"""The way to Redis: one client for a URL, and what is refused at the start because waiting would change nothing."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Mapping
from typing import Any, Final, cast

import redis
from redis.backoff import ExponentialWithJitterBackoff
from redis.retry import Retry

from signals.errors import ConfigError

# One slow answer must leave room for a clean stop within 10 s.
SOCKET_TIMEOUT_S: Final = 3.0


def connect(url: str, options: Mapping[str, str]) -> redis.Redis:
    """
    Make a client; nothing is connected yet.

    Args:
        url: `redis://`, `rediss://` or `unix://`.
        options: More for redis-py, such as `password` or `ssl_ca_certs`; what the URL says goes before.

    Raises:
        ConfigError: The URL cannot be read.
    """
    more = cast("dict[str, Any]", dict(options))
    try:
        return redis.Redis.from_url(
            url,
            # from_url alone does not retry. Time-outs are not retried here: the delivery loop does it, and polls on.
            retry=Retry(ExponentialWithJitterBackoff(base=0.05, cap=1), 3, (redis.exceptions.ConnectionError,)),
            health_check_interval=30,
            decode_responses=False,
            socket_timeout=SOCKET_TIMEOUT_S,
            socket_connect_timeout=SOCKET_TIMEOUT_S,
            **more,
        )
    except (ValueError, TypeError):
        # Without its cause: redis-py and urllib quote parts of the URL, and a password may be among them.
        text = "redis.url: cannot be read; write redis://[user:password@]host:port/db with special characters %-encoded"
        raise ConfigError(text) from None


def require_access(client: redis.Redis) -> None:
    """
    Refuse what only a person can mend: a wrong login or certificate, TLS on one side only.

    A Redis that is away, starting or slow passes: the sink waits for it.

    Raises:
        ConfigError: Where, what is wrong and what to check.
    """
    place = client.connection_pool.connection_kwargs
    where = f"Redis at {place.get('host', place.get('path', 'localhost'))}:{place.get('port', '')}".rstrip(":")
    try:
        client.ping()
    except redis.exceptions.AuthenticationError as error:
        remedy = "check PLG_REDIS_USERNAME and PLG_REDIS_PASSWORD, or those in PLG_REDIS_URL"
        raise ConfigError(f"{where} refuses the login; {remedy}") from error
    except redis.exceptions.RedisError as error:
        trouble = _tls_trouble(client, error)
        if trouble:
            raise ConfigError(f"{where} {trouble}") from error


def _tls_trouble(client: redis.Redis, error: Exception) -> str:
    """What is wrong with TLS, if that is why nobody answered; empty otherwise."""
    # redis-py raises its own error while it handles the one that tells more.
    cause = error.__context__
    if isinstance(cause, ssl.SSLCertVerificationError):
        seen = cause.verify_message.rstrip(".")
        remedy = "check PLG_REDIS_CA (who signed it) and PLG_REDIS_URL (the name in it)"
        return f"shows a certificate that cannot be verified ({seen}); {remedy}"
    place = client.connection_pool.connection_kwargs
    if "host" not in place:
        return ""
    if client.connection_pool.connection_class is not redis.SSLConnection:
        if _speaks(place, tls=True):
            return "speaks TLS only; write rediss:// in PLG_REDIS_URL"
    elif _speaks(place, tls=False):
        return "speaks no TLS; write redis:// in PLG_REDIS_URL, or name its TLS port"
    elif isinstance(cause, ssl.SSLError):
        return f"refuses our side of TLS ({cause.reason}); check PLG_REDIS_CERT and PLG_REDIS_KEY: it may want them"
    return ""


def _speaks(place: Mapping[str, Any], *, tls: bool) -> bool:
    """Whether a server answers in this way, whoever we are; only asked after a client had no answer."""
    with (
        contextlib.suppress(OSError),
        socket.create_connection((place["host"], place.get("port", 6379)), SOCKET_TIMEOUT_S) as plain,
    ):
        if tls:
            # Nothing is sent over it: whose certificate it is does not matter.
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
            with context.wrap_socket(plain) as wrapped:
                return wrapped.version() is not None
        plain.sendall(b"PING\r\n")
        return plain.recv(1) in (b"+", b"-")
    return False

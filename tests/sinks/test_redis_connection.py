"""Redis over TLS with a password: who gets in, and who is told at once what to check instead of waiting."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from urllib.parse import quote

import pytest

from signals.errors import ConfigError
from sinks.redis import RedisSink
from streams.server_process import free_port
from tests.certificates import KEY_PASSWORD, Certificates
from tests.secured import REDIS_PASSWORD, SecuredRedis
from tests.servers import RedisServer


@contextlib.contextmanager
def sink(url: str, **options: object) -> Iterator[RedisSink]:
    made = RedisSink(url, options={name: str(value) for name, value in options.items()})
    try:
        yield made
    finally:
        made.close()


def test_a_password_beside_the_url_opens(locked_redis: SecuredRedis, certificates: Certificates) -> None:
    with sink(locked_redis.url, password=REDIS_PASSWORD, ssl_ca_certs=certificates.ca) as made:
        made.require_access()
        made.check()


def test_a_password_in_the_url_opens(locked_redis: SecuredRedis, certificates: Certificates) -> None:
    url = locked_redis.url.replace("://", f"://:{quote(REDIS_PASSWORD, safe='')}@")

    with sink(url, ssl_ca_certs=certificates.ca) as made:
        made.require_access()
        made.check()


def test_a_certificate_of_the_client_is_shown(locked_redis: SecuredRedis, certificates: Certificates) -> None:
    ours = {
        "ssl_certfile": certificates.client,
        "ssl_keyfile": certificates.client_key,
        "ssl_password": KEY_PASSWORD,
    }
    with locked_redis.asking_for_certificates(certificates):
        with sink(locked_redis.url, password=REDIS_PASSWORD, ssl_ca_certs=certificates.ca, **ours) as made:
            made.require_access()
            made.check()
        with (
            sink(locked_redis.url, password=REDIS_PASSWORD, ssl_ca_certs=certificates.ca) as made,
            pytest.raises(ConfigError, match="PLG_REDIS_CERT and PLG_REDIS_KEY"),
        ):
            made.require_access()


@pytest.mark.parametrize(
    ("url", "options", "says"),
    [
        ("{url}", {"password": "canary-wrong"}, "refuses the login; check PLG_REDIS_USERNAME and PLG_REDIS_PASSWORD"),
        ("{url}", {"username": "canary", "password": REDIS_PASSWORD}, "refuses the login"),
        ("{url}", {}, "refuses the login"),
        ("{url}", {"ssl_ca_certs": "other_ca", "password": REDIS_PASSWORD}, "(self-signed certificate in"),
        (
            "{named}",
            {"password": REDIS_PASSWORD},
            "(Hostname mismatch, certificate is not valid for 'localhost'); check",
        ),
        ("{plain}", {"password": REDIS_PASSWORD}, "speaks TLS only; write rediss:// in PLG_REDIS_URL"),
    ],
    ids=["password", "user", "none", "authority", "name", "plain"],
)
def test_what_waiting_does_not_mend_is_refused(
    locked_redis: SecuredRedis, certificates: Certificates, url: str, options: dict[str, str], says: str
) -> None:
    address = url.format(
        url=locked_redis.url,
        named=locked_redis.url.replace("127.0.0.1", "localhost"),
        plain=locked_redis.url.replace("rediss", "redis"),
    )
    tls = {"ssl_ca_certs": "ca"} if address.startswith("rediss") else {}
    files = {"ca": certificates.ca, "other_ca": certificates.other_ca}
    meant = {name: files.get(value, value) for name, value in {**tls, **options}.items()}

    with sink(address, **meant) as made, pytest.raises(ConfigError) as raised:
        made.require_access()

    text = str(raised.value)
    assert says in text
    assert text.startswith("Redis at ")
    assert str(locked_redis.port) in text
    assert "canary" not in text


def test_tls_to_a_redis_without_is_refused(redis_server: RedisServer) -> None:
    with (
        sink(redis_server.url.replace("redis://", "rediss://")) as made,
        pytest.raises(ConfigError, match="speaks no TLS; write redis://"),
    ):
        made.require_access()


@pytest.mark.parametrize("scheme", ["redis", "rediss"])
def test_a_redis_that_is_away_is_waited_for(scheme: str) -> None:
    with sink(f"{scheme}://127.0.0.1:{free_port()}/0") as made:
        made.require_access()


def test_a_socket_that_is_away_is_waited_for() -> None:
    with sink(f"unix:///nowhere-{os.getpid()}.sock") as made:
        made.require_access()

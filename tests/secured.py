"""A Kafka and a Redis for tests that let nobody in without TLS, a password or a certificate."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import redis

from streams.server_process import EmbeddedServerError, ServerProcess, free_port
from tests.certificates import CLIENT_NAME, KEY_PASSWORD, Certificates
from tests.docker_engine import ServerMissingError
from tests.kafka_jars import KafkaJarsError, kafka_from_jars, require_jars

if TYPE_CHECKING:
    from collections.abc import Iterator

# Who may do everything; others may do what a test allows them.
USERNAME = "plg-river"
# Who may do nothing unless a test allows it, with the same password.
LIMITED = ("plg-worker", "plg-sink")
# Words to look for in texts and logs, where they must never be.
PASSWORD = 'canary ="\\ 7f3a'
REDIS_PASSWORD = "canary:@/?#% 91cd"
_MODULES = "org.apache.kafka.common.security"


@dataclass(frozen=True)
class SecuredKafka:
    """Where one broker listens, by what it asks of a client."""

    # TLS, then SCRAM-SHA-512 with `USERNAME` and `PASSWORD`.
    sasl_ssl: str
    # TLS with a certificate of the client.
    ssl: str
    # No TLS, PLAIN with `USERNAME` or one of `LIMITED`, and `PASSWORD`.
    sasl_plaintext: str
    # Asks nothing and lets everybody do everything.
    plaintext: str


@dataclass(frozen=True)
class SecuredRedis:
    """A Redis with TLS and `REDIS_PASSWORD`, at an address without it."""

    port: int

    @property
    def url(self) -> str:
        return f"rediss://127.0.0.1:{self.port}/0"

    @contextlib.contextmanager
    def asking_for_certificates(self, certificates: Certificates) -> Iterator[None]:
        """Let it ask its clients for a certificate for a while."""
        with contextlib.closing(self.client(certificates)) as client:
            client.config_set("tls-auth-clients", "yes")
            try:
                yield
            finally:
                client.config_set("tls-auth-clients", "optional")

    def client(self, certificates: Certificates) -> redis.Redis:
        """A client that gets in either way."""
        return redis.Redis(
            host="127.0.0.1",
            port=self.port,
            password=REDIS_PASSWORD,
            ssl=True,
            ssl_ca_certs=str(certificates.ca),
            ssl_certfile=str(certificates.client),
            ssl_keyfile=str(certificates.client_key),
            ssl_password=KEY_PASSWORD,
        )


@contextlib.contextmanager
def secured_kafka(certificates: Certificates, folder: Path) -> Iterator[SecuredKafka]:
    """
    Run Apache Kafka with three listeners that ask who is there.

    Raises:
        ServerMissingError: Its jars cannot be had or run here.
    """
    store = folder / "broker.pem"
    store.write_text(certificates.server_key.read_text() + certificates.server.read_text())
    # In a properties file a backslash escapes, and in a JAAS line it does once more.
    quoted = PASSWORD.replace("\\", "\\\\").replace('"', '\\"').replace("\\", "\\\\")
    settings = {
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(store),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(certificates.ca),
        "listener.name.ssl.ssl.client.auth": "required",
        "listener.name.sasl_ssl.sasl.enabled.mechanisms": "SCRAM-SHA-512",
        "listener.name.sasl_ssl.scram-sha-512.sasl.jaas.config": f"{_MODULES}.scram.ScramLoginModule required;",
        "listener.name.sasl_plaintext.sasl.enabled.mechanisms": "PLAIN",
        "listener.name.sasl_plaintext.plain.sasl.jaas.config": (
            f"{_MODULES}.plain.PlainLoginModule required "
            + " ".join(f'user_{name}="{quoted}"' for name in (USERNAME, *LIMITED))
            + ";"
        ),
        # What nobody was allowed is refused; the broker itself comes by the plain listener.
        "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
        "super.users": f"User:ANONYMOUS;User:{USERNAME};User:{CLIENT_NAME}",
    }
    ports = {name: free_port() for name in ("SASL_SSL", "SSL", "SASL_PLAINTEXT")}
    account = f'SCRAM-SHA-512=[name="{USERNAME}",password="{PASSWORD}"]'
    try:
        require_jars()
    except KafkaJarsError as error:
        raise ServerMissingError(f"no Apache Kafka with TLS: {error}") from error
    with kafka_from_jars(ports, settings, [account]) as plaintext:
        addresses = [f"127.0.0.1:{ports[name]}" for name in ("SASL_SSL", "SSL", "SASL_PLAINTEXT")]
        yield SecuredKafka(*addresses, plaintext)


@contextlib.contextmanager
def secured_redis(certificates: Certificates) -> Iterator[SecuredRedis]:
    """
    Run the `redis-server` of the PATH with TLS and a password, asking for no certificate.

    Raises:
        ServerMissingError: There is none, or it was built without TLS.
    """
    binary = shutil.which("redis-server")
    if binary is None:
        raise ServerMissingError("no redis-server on the PATH")
    server = SecuredRedis(free_port())
    with tempfile.TemporaryDirectory(prefix="plg-redis-") as folder, contextlib.ExitStack() as running:
        options = {
            "tls-port": str(server.port),
            "port": "0",
            "bind": "127.0.0.1",
            "save": "",
            "dir": folder,
            "tls-cert-file": str(certificates.server),
            "tls-key-file": str(certificates.server_key),
            "tls-ca-cert-file": str(certificates.ca),
            "tls-auth-clients": "optional",
            "requirepass": REDIS_PASSWORD,
        }
        command = [binary, *(word for name, value in options.items() for word in (f"--{name}", value))]
        try:
            running.enter_context(
                ServerProcess(
                    "Redis",
                    command,
                    log_path=Path(folder, "redis.log"),
                    answers=lambda: _answers(server, certificates),
                )
            )
        except EmbeddedServerError as error:
            # What a build without TLS says to the first of these options; anything else is a defect of ours.
            if "Bad directive" in str(error):
                raise ServerMissingError("redis-server was built without TLS") from error
            raise
        yield server


def _answers(server: SecuredRedis, certificates: Certificates) -> bool:
    with contextlib.closing(server.client(certificates)) as client, contextlib.suppress(redis.RedisError):
        return bool(client.ping())
    return False

"""The river where nothing is open: Kafka over TLS with SCRAM, Redis over TLS with a password, secrets from files."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from pydantic import SecretStr

from streams.access import KafkaSecurity, SaslMechanism
from streams.config_source import load_config
from streams.settings import Settings
from tests.certificates import Certificates
from tests.river.comparing import check_one_message
from tests.river.harness import SESSION_TIMEOUT_S, River, _delete_topics, wait_for
from tests.secured import PASSWORD, REDIS_PASSWORD, USERNAME, SecuredKafka, SecuredRedis


@pytest.fixture
def locked(
    tmp_path: Path, locked_kafka: SecuredKafka, locked_redis: SecuredRedis, certificates: Certificates, prefix: str
) -> Iterator[River]:
    """A river whose processes have their secrets from files; nothing is made and nothing runs yet."""
    (tmp_path / "kafka-password").write_text(f"{PASSWORD}\n")
    (tmp_path / "redis-password").write_text(f"{REDIS_PASSWORD}\n")
    (tmp_path / "redis-url").write_text(f"{locked_redis.url}\n")
    config_path = tmp_path / "plg.yaml"
    config_path.write_text(
        f"prefix: {prefix}\nclock: events\ntopics: {{partitions: 4}}\n"
        f"source: {{topics: [{prefix}-events], start: earliest}}\n"
    )
    # What the test itself reads with.
    settings = Settings(
        kafka=locked_kafka.sasl_ssl,
        kafka_security=KafkaSecurity.SASL_SSL,
        kafka_sasl_mechanism=SaslMechanism.SCRAM_SHA_512,
        kafka_username=USERNAME,
        kafka_password=SecretStr(PASSWORD),
        kafka_ca=certificates.ca,
        session_timeout_s=SESSION_TIMEOUT_S,
    )
    made = River(tmp_path, config_path, settings, load_config(config_path))
    made.extra = {
        "PLG_KAFKA_SECURITY": "sasl_ssl",
        "PLG_KAFKA_SASL_MECHANISM": "SCRAM-SHA-512",
        "PLG_KAFKA_USERNAME": USERNAME,
        "PLG_KAFKA_PASSWORD_FILE": str(tmp_path / "kafka-password"),
        "PLG_KAFKA_CA": str(certificates.ca),
        "PLG_REDIS_URL": "",
        "PLG_REDIS_URL_FILE": str(tmp_path / "redis-url"),
        "PLG_REDIS_PASSWORD_FILE": str(tmp_path / "redis-password"),
        "PLG_REDIS_CA": str(certificates.ca),
    }
    try:
        yield made
    finally:
        made.stop()
        _delete_topics(made)


@pytest.mark.timeout(120)
def test_an_alert_reaches_redis_over_tls_with_secrets_from_files_and_is_written_again_after_a_loss(
    locked: River, locked_redis: SecuredRedis, certificates: Certificates, report: Callable[[str], None]
) -> None:
    event = {"messageId": "m1", "type": "track", "event": "MSA Requested", "userId": "u1", "context": {"groupId": "w1"}}
    story = locked.folder / "events.jsonl"
    story.write_text(json.dumps({**event, "timestamp": "2026-01-05T09:00:00Z"}) + "\n")
    started = time.monotonic()

    ran = [locked.plg("topics", "create", "--sources")]
    worker, sink = locked.worker(), locked.redis_sink()
    ran.append(locked.plg("replay", str(story)))

    assert [command.returncode for command in ran] == [0, 0], ran
    client = locked_redis.client(certificates)
    with contextlib.closing(client):
        stream = f"{{{locked.config.prefix}}}:alerts"
        wait_for(lambda: client.xlen(stream) > 0, 40, lambda: f"no alert:\n{sink.log}\n{worker.log}")
        alerts = [json.loads(fields[b"data"]) for _, fields in client.xrange(stream)]
        client.delete(*client.scan_iter(f"{{{locked.config.prefix}}}:*"))
        ran.append(locked.plg("rebuild", "redis"))
        assert [json.loads(fields[b"data"]) for _, fields in client.xrange(stream)] == alerts
    assert [(alert["workspace_id"], alert["signal"]) for alert in alerts] == [("w1", "procurement")]
    assert ran[-1].returncode == 0, ran[-1]
    assert (worker.terminate(), sink.terminate()) == (0, 0)
    assert worker.complaints + sink.complaints == []
    said = "".join([worker.log, sink.log, *(command.stdout + command.stderr for command in ran)])
    assert "canary" not in said
    report(f"topics, worker, sink, replay, rebuild over SASL_SSL and rediss: {time.monotonic() - started:.0f} s")


@pytest.mark.timeout(60)
@pytest.mark.parametrize(
    ("command", "changed", "says"),
    [
        (("worker",), {"PLG_KAFKA_PASSWORD_FILE": "{redis-password}"}, "PLG_KAFKA_USERNAME and PLG_KAFKA_PASSWORD"),
        (("sinks", "redis"), {"PLG_KAFKA_CA": "{other_ca}"}, "PLG_KAFKA_CA"),
        (("replay", "plg.yaml"), {"PLG_KAFKA_PASSWORD_FILE": "{redis-password}"}, "PLG_KAFKA_PASSWORD"),
        (("sinks", "redis"), {"PLG_REDIS_PASSWORD_FILE": "{kafka-password}"}, "PLG_REDIS_PASSWORD"),
        (("rebuild", "redis"), {"PLG_REDIS_PASSWORD_FILE": "{kafka-password}"}, "PLG_REDIS_PASSWORD"),
    ],
    ids=["worker, login", "sink, authority", "replay, login", "sink, login to Redis", "rebuild, login to Redis"],
)
def test_what_does_not_fit_is_one_message_before_the_time_is_over(
    locked: River, certificates: Certificates, command: tuple[str, ...], changed: dict[str, str], says: str
) -> None:
    files: dict[str, Path] = {path.name: path for path in locked.folder.iterdir()}
    files["other_ca"] = certificates.other_ca
    locked.extra.update({name: value.format(**files) for name, value in changed.items()})
    locked.extra["PLG_CONNECT_TIMEOUT_S"] = "30"
    started = time.monotonic()

    ran = locked.plg(*command, timeout_s=40)

    assert ran.returncode == 2, ran.stderr
    check_one_message(ran, says)
    assert "canary" not in ran.stdout + ran.stderr
    assert time.monotonic() - started < 20

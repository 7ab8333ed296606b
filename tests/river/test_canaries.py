"""Where personal data of events gets to: canaries go through the real processes, and are looked for everywhere."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis
from confluent_kafka import Message, Producer

from signals.moments import iso
from tests.river.harness import River, river, wait_for
from tests.servers import KafkaServer, RedisServer
from tests.sinks.slack_server import TOKEN, SlackScript, SlackServer
from tests.streams.asking import request

CHANNEL = "C0123456789"
# By where they stand in an event. Those in `READ` are read for what a signal says, and the page says so; of the address
# the domain alone is kept.
CANARIES = {
    "email": "pii-canary-mail@canary-company.example",
    "name": "pii-canary-Ada-Lovelace",
    "phone": "+49-pii-canary-phone",
    "property": "pii-canary-free-text",
    "url": "https://app.example.com/?token=pii-canary-url",
    "ip": "pii-canary-192.0.2.7",
    "header": "pii-canary-user-agent",
    "unused group trait": "pii-canary-street",
    "invited": "pii-canary-invited@canary-company.example",
    "event name": "pii-canary event name of nobody",
}
# What docs/security.md says may leave: ids, the workspace's name, the domain, and what a rule reports.
READ = {
    "user id": "read-canary-user",
    "workspace id": "read-canary-workspace",
    "workspace name": "read-canary-Acme",
    "message id": "read-canary-message",
    "feature": "read-canary-feature",
}


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    server = SlackServer(SlackScript(time.time))
    yield server
    server.stop()


def events(now_ms: int) -> list[dict[str, Any]]:
    """A person whose every field is a canary asks for a contract and runs into a limit."""
    common = {
        "userId": READ["user id"],
        "timestamp": iso(now_ms),
        "context": {
            "groupId": READ["workspace id"],
            "ip": CANARIES["ip"],
            "userAgent": CANARIES["header"],
            "page": {"url": CANARIES["url"]},
            "traits": {"email": CANARIES["email"], "name": CANARIES["name"], "phone": CANARIES["phone"]},
        },
    }
    text = {"comment": CANARIES["property"]}
    traits = {"name": READ["workspace name"], "address": CANARIES["unused group trait"]}
    tracks = [
        ("Signed Up", text),
        ("Report Shared", text),
        ("Invite Sent", {"email": CANARIES["invited"], **text}),
        ("Paywall Viewed", {"feature": READ["feature"], **text}),
        ("Paywall Viewed", {"feature": READ["feature"], **text}),
        ("Contact Sales Clicked", text),
        ("MSA Requested", text),
        (CANARIES["event name"], text),
    ]
    made = [
        {"type": "identify", "traits": common["context"]["traits"], **common},  # type: ignore[index]
        {"type": "group", "groupId": READ["workspace id"], "traits": traits, **common},
        *({"type": "track", "event": name, "properties": properties, **common} for name, properties in tracks),
    ]
    return [{"messageId": f"{READ['message id']}-{n}", **event} for n, event in enumerate(made)]


def bad_records() -> dict[str, bytes]:
    """Records that become dead letters, a canary in each place that an error text might quote."""
    who, text = CANARIES["name"], CANARIES["property"]
    return {
        "not_json": f'{{"userId": "{who}", {text}'.encode(),
        "no_subject": json.dumps(
            {"type": "track", "event": CANARIES["event name"], "properties": {"a": text}}
        ).encode(),
        "bad_id": json.dumps({"type": "track", "event": "Signed Up", "userId": [who]}).encode(),
        "invalid_utf8": f'{{"userId": "{who}'.encode() + b'\xff"}',
        "null_byte": b"\x00" + who.encode(),
    }


def found(seen: dict[str, str], canaries: dict[str, str]) -> dict[str, list[str]]:
    """Which canaries stand where; by their middle, so that no quoting or cutting hides one."""
    return {
        place: names
        for place, text in seen.items()
        if (names := [name for name, canary in canaries.items() if canary.partition("@")[0].lower() in text.lower()])
    }


def everything(message: Message) -> str:
    return f"{message.key()!r} {message.value()!r} {message.headers()!r}"


@pytest.mark.timeout(150)
def test_of_a_person_only_what_the_page_names_leaves_the_customers_topics(
    tmp_path: Path,
    kafka: KafkaServer,
    redis_server: RedisServer,
    prefix: str,
    slack: SlackServer,
    report: Callable[[str], None],
) -> None:
    overrides = (
        f"topics: {{partitions: 2}}\nroutes: [{{sinks: [redis, slack], channel: {CHANNEL}}}]\n"
        f"slack: {{interval: 0s, api_url: '{slack.url}/api/'}}\n"
    )
    with river(tmp_path, kafka.address, prefix, redis_url=redis_server.url, clock="wall", overrides=overrides) as made:
        made.extra.update(PLG_SLACK_TOKEN=TOKEN, no_proxy="127.0.0.1", PLG_HEALTH="127.0.0.1:0")
        processes = {"worker": made.worker(), "redis": made.redis_sink(), "slack": made.start("sinks", "slack")}
        addresses = {name: process.health_address() for name, process in processes.items()}
        processes["worker"].wait_for_log("worker.started")
        _send(made)
        with contextlib.closing(redis.Redis.from_url(redis_server.url)) as client:
            tag = f"{{{prefix}}}"
            log = lambda: "\n".join(process.log[-1_500:] for process in processes.values())  # noqa: E731  # what was seen
            wait_for(lambda: len(slack.script.accepted) >= 2 and client.xlen(f"{tag}:alerts") >= 2, 40, log)
            wait_for(lambda: client.get(f"{tag}:workspace:{READ['workspace id']}"), 20, log)
            wait_for(lambda: len(made.read(made.topics.dead_letters)) == len(bad_records()), 20, log)
            made.wait_until_delivered()
            in_redis = _dump(client, tag)
        web = {
            f"{name} {path}": request(addresses[name], path)[2].decode()
            for name in processes
            for path in ("/metrics", "/ready", "/live")
        }
        codes = [process.terminate() for process in processes.values()]
        letters = made.read(made.topics.dead_letters)
        public = {
            topic: " ".join(map(everything, made.read(topic)))
            for topic in (made.topics.signals, made.topics.alerts, made.topics.verdicts, made.topics.workspaces)
        }
        internal = {
            topic: " ".join(map(everything, made.read(topic)))
            for topic in (
                made.topics.workspace_facts,
                made.topics.users_changelog,
                made.topics.workspaces_changelog,
                made.topics.user_events,
            )
        }

    assert codes == [0, 0, 0]
    silent = {
        **web,
        **{f"log of {name}": process.log for name, process in processes.items()},
        "dead letters, without their values": " ".join(f"{letter.key()} {letter.headers()}" for letter in letters),
    }
    told = {
        **public,
        "Redis": in_redis,
        "Slack": json.dumps([message.payload for message in slack.script.accepted], ensure_ascii=False),
    }
    assert found(silent, CANARIES | READ) == {}
    assert found(told, CANARIES) == {}
    # The test sees what is there to be seen.
    in_told = found(told, READ)
    assert set(in_told) == set(told)
    assert {name for names in in_told.values() for name in names} == set(READ)
    # Inside: the address ends at the log of events, and so does the name of an event that brings its workspace no news.
    assert found(internal, CANARIES) == {made.topics.user_events: ["email", "event name"]}
    values = {f"letter {n}": repr(letter.value()) for n, letter in enumerate(letters)}
    assert len(found(values, CANARIES)) == len(bad_records())
    report(f"{len(CANARIES)} canaries, {len(silent) + len(told)} places that people or machines look at: none is there")


def _send(made: River) -> None:
    producer = Producer(made.settings.kafka_options)
    now_ms = time.time_ns() // 1_000_000
    for value in (*bad_records().values(), *(json.dumps(event).encode() for event in events(now_ms))):
        # One partition: the sign-up comes before what follows from it.
        producer.produce(made.config.source.topics[0], value, partition=0, timestamp=now_ms)
    assert producer.flush(20) == 0


def _dump(client: redis.Redis, tag: str) -> str:
    """Every key of the river with all that it holds."""
    readers: dict[bytes, Callable[[bytes], object]] = {
        b"string": client.get,
        b"hash": client.hgetall,
        b"zset": lambda key: client.zrange(key, 0, -1, withscores=True),
        b"stream": client.xrange,
    }
    return " ".join(f"{key!r} {readers[client.type(key)](key)!r}" for key in client.scan_iter(f"{tag}:*"))

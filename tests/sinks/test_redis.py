"""The Redis sink against a real server: once, newer only, and whole whatever an id looks like."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest
import redis

from signals.errors import ConfigError
from sinks.base import Delivery, Refused, Unavailable
from sinks.redis import RedisSink, snapshot_key

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers import RedisServer

pytestmark = pytest.mark.river


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[redis.Redis]:
    """A plain client that looks at what the sink wrote."""
    with redis.Redis.from_url(redis_server.url) as client:
        yield client


@pytest.fixture
def sink(redis_server: RedisServer, prefix: str) -> Iterator[RedisSink]:
    """The sink under test."""
    sink = RedisSink(redis_server.url, prefix)
    yield sink
    sink.close()


def alert(prefix: str, offset: int = 0, partition: int = 0, **fields: object) -> Delivery:
    """An alert as it stands in its topic; what the sink does not read is left out."""
    values = {
        "v": 1,
        "id": "a1",
        "priority": "normal",
        "score": 50,
        "workspace_id": "w1",
        "route": "sales",
        "signal_ids": ["s1"],
        "status": "open",
    }
    value = msgspec.json.encode(values | fields)
    return Delivery(f"{prefix}.alerts", partition, offset, b"w1", value)


def snapshot(prefix: str, value: bytes | None, offset: int, partition: int = 0, key: bytes | None = b"w1") -> Delivery:
    """A snapshot as it stands in its topic."""
    return Delivery(f"{prefix}.workspaces", partition, offset, key, value)


def queue(client: redis.Redis, prefix: str, route: str = "sales") -> list[tuple[bytes, float]]:
    """The work queue of a route, most urgent first."""
    entries: list[tuple[bytes, float]] = client.zrevrange(f"{{{prefix}}}:queue:{route}", 0, -1, withscores=True)
    return [(member, score) for member, score in entries]


def stream(client: redis.Redis, prefix: str) -> list[bytes]:
    """The ids in the stream of alerts."""
    return [fields[b"id"] for _, fields in client.xrange(f"{{{prefix}}}:alerts")]


def test_same_alert_twice_is_in_the_stream_once(sink: RedisSink, client: redis.Redis, prefix: str) -> None:
    first = alert(prefix, offset=1)

    sink.deliver(first)
    sink.deliver(alert(prefix, offset=2, detected_at="later"))

    [(_, fields)] = client.xrange(f"{{{prefix}}}:alerts")
    assert fields == {b"id": b"a1", b"data": first.value}


def test_new_alert_is_published_once(sink: RedisSink, client: redis.Redis, prefix: str) -> None:
    with client.pubsub() as listener:
        listener.subscribe(f"{{{prefix}}}:alerts:live")
        assert listener.get_message(timeout=5) is not None  # the subscription itself
        first = alert(prefix, offset=1)

        sink.deliver_batch([first, alert(prefix, offset=2)])
        sink.deliver(alert(prefix, offset=3, id="a2"))

        heard = [
            message["data"]
            for message in (listener.get_message(timeout=5), listener.get_message(timeout=5))
            if message is not None
        ]
    assert heard == [first.value, alert(prefix, id="a2").value]


def test_queue_is_ordered_by_priority_then_score(sink: RedisSink, client: redis.Redis, prefix: str) -> None:
    priorities = [
        ("w1", "low", 100),
        ("w2", "normal", 10),
        ("w3", "normal", 11),
        ("w4", "urgent", 0),
        ("w5", "high", 0),
    ]

    sink.deliver_batch(
        [
            alert(prefix, offset=n, id=f"a{n}", workspace_id=workspace, priority=priority, score=score)
            for n, (workspace, priority, score) in enumerate(priorities)
        ]
    )

    assert [member for member, _ in queue(client, prefix)] == [b"w4", b"w5", b"w3", b"w2", b"w1"]


def test_closed_alert_leaves_the_queue(sink: RedisSink, client: redis.Redis, prefix: str) -> None:
    sink.deliver(alert(prefix, offset=1))

    sink.deliver(alert(prefix, offset=2, status="closed"))

    assert queue(client, prefix) == []
    assert stream(client, prefix) == [b"a1", b"a1"]


def test_workspace_stays_in_the_queue_with_the_most_urgent_open_alert(
    sink: RedisSink, client: redis.Redis, prefix: str
) -> None:
    sink.deliver(alert(prefix, offset=1, id="a1", priority="urgent", score=10))
    sink.deliver(alert(prefix, offset=2, id="a2", priority="low", score=20))
    both = queue(client, prefix)

    sink.deliver(alert(prefix, offset=3, id="a1", priority="urgent", status="closed"))

    assert both == [(b"w1", 4_010.0)]
    assert queue(client, prefix) == [(b"w1", 1_020.0)]


def test_older_record_does_not_bring_a_closed_alert_back(sink: RedisSink, client: redis.Redis, prefix: str) -> None:
    sink.deliver(alert(prefix, offset=2, status="closed"))

    sink.deliver(alert(prefix, offset=1))

    assert queue(client, prefix) == []


def test_alert_that_comes_after_a_later_one_of_its_workspace_still_enters_the_queue(
    sink: RedisSink, client: redis.Redis, prefix: str
) -> None:
    sink.deliver(alert(prefix, offset=2, id="a2", priority="low", score=20))

    sink.deliver(alert(prefix, offset=1, id="a1", priority="urgent", score=10))
    both = queue(client, prefix)
    sink.deliver(alert(prefix, offset=3, id="a2", priority="low", status="closed"))

    assert both == queue(client, prefix) == [(b"w1", 4_010.0)]


@pytest.mark.parametrize("late", [{"status": "open"}, {"status": "updated", "signal_ids": ["s1", "s2"]}])
def test_older_state_of_an_alert_does_not_take_back_what_an_update_made_more_urgent(
    sink: RedisSink, client: redis.Redis, prefix: str, late: dict[str, object]
) -> None:
    sink.deliver(alert(prefix, offset=3, status="updated", signal_ids=["s1", "s2", "s3"], priority="urgent"))

    sink.deliver(alert(prefix, offset=1, **late))

    assert queue(client, prefix) == [(b"w1", 4_050.0)]
    assert stream(client, prefix) == [b"a1", b"a1"]


def test_queue_follows_a_topic_that_was_made_anew_under_the_same_prefix(
    sink: RedisSink, client: redis.Redis, prefix: str
) -> None:
    sink.deliver(alert(prefix, offset=1_000, id="a1"))

    sink.deliver_batch([alert(prefix, offset=0, id="a2", priority="urgent"), alert(prefix, offset=1, id="a3")])

    assert queue(client, prefix) == [(b"w1", 4_050.0)]


def test_update_joined_by_a_further_signal_is_news_and_its_copy_is_not(
    sink: RedisSink, client: redis.Redis, prefix: str
) -> None:
    sink.deliver(alert(prefix, offset=1))
    for offset, signals in ((2, ["s1", "s2"]), (3, ["s1", "s2"]), (4, ["s1", "s2", "s3"])):
        sink.deliver(alert(prefix, offset=offset, status="updated", signal_ids=signals))

    assert stream(client, prefix) == [b"a1"] * 3


def test_older_or_equal_offset_never_overwrites_a_newer_snapshot(
    sink: RedisSink, client: redis.Redis, prefix: str
) -> None:
    sink.deliver(snapshot(prefix, b'"ten"', offset=10))

    sink.deliver_batch([snapshot(prefix, b'"nine"', offset=9), snapshot(prefix, b'"again"', offset=10)])
    kept = client.get(snapshot_key(prefix, "w1"))
    sink.deliver(snapshot(prefix, b'"eleven"', offset=11))

    assert kept == b'"ten"'
    assert client.get(snapshot_key(prefix, "w1")) == b'"eleven"'


def test_snapshot_from_another_partition_is_newer(sink: RedisSink, client: redis.Redis, prefix: str) -> None:
    sink.deliver(snapshot(prefix, b"1", offset=10, partition=1))

    sink.deliver(snapshot(prefix, b"2", offset=0, partition=2))

    assert client.get(snapshot_key(prefix, "w1")) == b"2"


def test_tombstone_deletes_the_snapshot_and_an_older_value_stays_away(
    sink: RedisSink, client: redis.Redis, prefix: str
) -> None:
    sink.deliver_batch([snapshot(prefix, b"1", offset=1), snapshot(prefix, None, offset=2)])

    sink.deliver(snapshot(prefix, b"1", offset=1))

    assert client.exists(snapshot_key(prefix, "w1")) == 0


@pytest.mark.parametrize(
    ("family", "found"), [("alerts", "list"), ("queue:sales", "list"), ("queue-open:sales:w1", "list")]
)
def test_key_of_a_wrong_type_is_refused_by_name_before_anything_is_written(
    sink: RedisSink, client: redis.Redis, prefix: str, family: str, found: str
) -> None:
    client.rpush(f"{{{prefix}}}:{family}", "someone else's")
    before = set(client.scan_iter(f"{{{prefix}}}:*"))

    with pytest.raises(Refused) as refusal:
        sink.deliver(alert(prefix))

    assert refusal.value.reason == "wrong_type"
    assert f"key {{{prefix}}}:{family} is a {found}" in refusal.value.detail
    assert set(client.scan_iter(f"{{{prefix}}}:*")) == before


def test_refused_record_does_not_keep_the_others_of_its_batch(
    sink: RedisSink, client: redis.Redis, prefix: str
) -> None:
    client.rpush(snapshot_key(prefix, "w1"), "someone else's")

    outcomes = sink.deliver_batch(
        [
            alert(prefix, id="a1"),
            snapshot(prefix, b"1", offset=1),
            Delivery(f"{prefix}.alerts", 0, 2, b"w1", b"{not json"),
            alert(prefix, offset=3, id="a2"),
        ]
    )

    assert [outcome.reason if outcome else None for outcome in outcomes] == [None, "wrong_type", "bad_alert", None]
    assert stream(client, prefix) == [b"a1", b"a2"]


@pytest.mark.parametrize(
    "bad",
    [
        {"priority": "asap"},
        {"status": "lost"},
        {"workspace_id": None},
        {"score": "high"},
        {"signal_ids": "s1"},
    ],
)
def test_alert_that_breaks_the_contract_is_refused_without_quoting_it(
    sink: RedisSink, prefix: str, bad: dict[str, object]
) -> None:
    with pytest.raises(Refused) as refusal:
        sink.deliver(alert(prefix, **bad))

    assert refusal.value.reason == "bad_alert"
    assert not [value for value in bad.values() if value and str(value) in refusal.value.detail]


def test_alert_of_a_route_that_goes_elsewhere_is_not_written_and_the_others_of_its_batch_are(
    redis_server: RedisServer, client: redis.Redis, prefix: str
) -> None:
    sink = RedisSink(redis_server.url, prefix, passed_over=["slack-only"])

    outcomes = sink.deliver_batch(
        [
            alert(prefix, offset=0, id="a0", route="slack-only"),
            alert(prefix, offset=1, id="a1"),
            alert(prefix, offset=2, id="a2", route="nobody-knows-it-now"),
            snapshot(prefix, b"1", offset=0),
        ]
    )
    sink.close()

    assert outcomes == [None] * 4
    assert stream(client, prefix) == [b"a1", b"a2"]
    assert queue(client, prefix, "slack-only") == []
    assert client.get(snapshot_key(prefix, "w1")) == b"1"


@pytest.mark.parametrize("value", [None, b"", b"[]", b'"\\ud800"', b'{"id": "\xff"}', b'{"id": "\\ud800"}'])
def test_bytes_that_are_no_alert_are_refused(sink: RedisSink, prefix: str, value: bytes | None) -> None:
    with pytest.raises(Refused, match="bad_alert"):
        sink.deliver(Delivery(f"{prefix}.alerts", 0, 0, b"w1", value))


@pytest.mark.parametrize(
    "workspace",
    [
        "a}{b",
        "w 1\r\nFLUSHALL\r\n",
        "../../etc",
        "Ünïcödé ✓",
        "\x00",
        "*",
        "x" * 5_000,
        "user:someone@example.com",
        "' .. redis.call('FLUSHALL') .. '",
    ],
)
def test_workspace_id_of_any_kind_keeps_to_its_own_keys(
    sink: RedisSink, client: redis.Redis, prefix: str, workspace: str
) -> None:
    tag = f"{{{prefix}}}:".encode()

    sink.deliver(alert(prefix, workspace_id=workspace))
    sink.deliver(snapshot(prefix, b"1", offset=1, key=workspace.encode()))

    assert queue(client, prefix) == [(workspace.encode(), 2_050.0)]
    assert client.get(snapshot_key(prefix, workspace)) == b"1"
    keys = list(client.scan_iter(f"{{{prefix}}}*"))
    assert len(keys) == 6
    assert all(key.startswith(tag) and len(key) < 256 for key in keys)


def test_id_that_looks_like_the_hash_of_another_does_not_share_its_key(prefix: str) -> None:
    hashed = snapshot_key(prefix, "a b").rpartition("workspace:")[2]

    assert snapshot_key(prefix, hashed) != snapshot_key(prefix, "a b")


@pytest.mark.parametrize(("size", "is_plain"), [(128, True), (129, False)])
def test_plain_id_is_readable_in_its_key_up_to_128_characters(prefix: str, size: int, is_plain: bool) -> None:
    assert snapshot_key(prefix, "x" * size).endswith("x" * size) is is_plain


def test_stream_is_capped(redis_server: RedisServer, client: redis.Redis, prefix: str) -> None:
    sink = RedisSink(redis_server.url, prefix, stream_cap=100)

    sink.deliver_batch([alert(prefix, offset=n, id=f"a{n}") for n in range(1_000)])
    sink.close()

    # The cap is approximate: Redis drops whole nodes of 100 entries by default.
    assert 100 <= client.xlen(f"{{{prefix}}}:alerts") <= 200
    assert stream(client, prefix)[-1] == b"a999"


def test_server_that_is_full_is_unavailable_and_takes_the_same_record_later(
    own_redis: RedisServer, prefix: str
) -> None:
    sink = RedisSink(own_redis.url, prefix)
    with redis.Redis.from_url(own_redis.url) as client:
        client.config_set("maxmemory-policy", "noeviction")
        client.config_set("maxmemory", "1")

        with pytest.raises(Unavailable, match="OutOfMemory"):
            sink.deliver(alert(prefix))
        client.config_set("maxmemory", "0")
        sink.deliver(alert(prefix))

        assert stream(client, prefix) == [b"a1"]
    sink.close()


def test_replica_is_unavailable(own_redis: RedisServer, prefix: str) -> None:
    sink = RedisSink(own_redis.url, prefix)
    with redis.Redis.from_url(own_redis.url) as client:
        client.replicaof("127.0.0.1", "1")

        with pytest.raises(Unavailable):
            sink.deliver(alert(prefix))
    sink.close()


def test_server_that_forgot_the_scripts_gets_them_again(sink: RedisSink, client: redis.Redis, prefix: str) -> None:
    sink.deliver(alert(prefix, id="a1"))
    client.script_flush()

    sink.deliver(alert(prefix, offset=1, id="a2"))

    assert stream(client, prefix) == [b"a1", b"a2"]


def test_password_is_in_no_text(own_redis: RedisServer, prefix: str) -> None:
    url = own_redis.url.replace("redis://", "redis://someone:hunter2@")
    texts = []

    for tried in (url, "redis://:hunter2@127.0.0.1:1/0", "redis://:hunter2/x@127.0.0.1:1/0", "hunter2"):
        with pytest.raises((Unavailable, ConfigError)) as error:
            RedisSink(tried, prefix).check()
        texts.append(f"{error.value} {error.value.__cause__}")

    assert not [text for text in texts if "hunter2" in text]

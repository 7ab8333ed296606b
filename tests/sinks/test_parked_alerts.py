"""A parked alert is delivered once its cause is fixed and it was redriven; a sink that had taken it drops the copy."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
import redis

from signals.config import Config
from sinks.redis import RedisSink
from streams.redrive import Choice, Redrive
from streams.settings import Settings
from tests.servers import KafkaServer, RedisServer
from tests.sinks.test_delivery import River, alert, eventually, running, stream

pytestmark = [pytest.mark.river, pytest.mark.timeout(60)]


class OtherRedisSink(RedisSink):
    """Another sink: a consumer group and a database of its own."""

    name = "other"


@pytest.fixture
def river(kafka: KafkaServer, prefix: str) -> River:
    river = River(kafka.address, prefix)
    river.create("alerts", "workspaces", "dead-letters", "redrive")
    return river


@pytest.fixture
def client(redis_server: RedisServer) -> Iterator[redis.Redis]:
    with redis.Redis.from_url(redis_server.url) as client:
        yield client


def redrive(river: River) -> int:
    config = Config.model_validate({"prefix": river.prefix, "topics": {"partitions": 1}})
    with Redrive(config, Settings(kafka=river.bootstrap), Choice()) as run:
        run.read()
        run.send()
    return run.outcome.sent


def test_redriven_alert_arrives_where_it_was_parked_and_nowhere_twice(
    river: River, redis_server: RedisServer, client: redis.Redis, prefix: str
) -> None:
    broken, other = RedisSink(redis_server.url, prefix), OtherRedisSink(_database(redis_server.url, 1), prefix)
    with redis.Redis.from_url(_database(redis_server.url, 1)) as elsewhere:
        queue = f"{{{prefix}}}:queue:sales"
        client.set(queue, "somebody else's")
        river.send(alert(1), alert(2))
        with running(broken, river), running(other, river):
            eventually(lambda: river.committed("other") == 2 and river.committed("redis") == 2, "the commits")
        assert (stream(client, prefix), len(river.dead_letters(2))) == ([], 2)
        client.delete(queue)

        sent = redrive(river)
        with running(broken, river), running(other, river):
            eventually(lambda: river.committed("other") == 4 and river.committed("redis") == 4, "the copies")

        assert (sent, stream(client, prefix), stream(elsewhere, prefix)) == (2, ["a1", "a2"], ["a1", "a2"])
        assert client.zrange(queue, 0, -1) == [b"w1"]
        assert redrive(river) == 0
    broken.close()
    other.close()


def _database(url: str, number: int) -> str:
    return f"{url.rpartition('/')[0]}/{number}"

"""The far ends of a river, Redis and Slack, held against the alerts and snapshots that should be there."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import msgspec
import redis

from sinks.redis import snapshot_key
from sinks.slack_render import message_key
from tests.findings import Findings
from tests.folding import AlertState
from tests.oracle import alert_state, copies
from tests.river.harness import River

if TYPE_CHECKING:
    from tests.sinks.slack_server import SlackScript


def judge_redis(river: River, alerts: Mapping[AlertState, bytes], found: Findings) -> None:
    """Redis has each alert once in each of its states, in the queue the open ones, and the newest snapshots."""
    client = redis.Redis.from_url(river.settings.redis_url.get_secret_value())
    try:
        _judge_stream(client, river, alerts, found)
        _judge_queue(client, river, alerts, found)
        _judge_snapshots(client, river, found)
    finally:
        client.close()


def judge_slack(script: SlackScript, river: River, alerts: Mapping[AlertState, bytes], found: Findings) -> None:
    """Slack has each alert of a route that leads there once in each of its states."""
    to_slack = {route.name for route in river.config.routes if "slack" in route.sinks}
    expected = {
        message_key(*state) for state, value in alerts.items() if msgspec.json.decode(value)["route"] in to_slack
    }
    posted = Counter(_key_of(message.payload) for message in script.accepted)
    found.compared["messages in Slack"] += len(expected)
    found.lost += [f"in Slack: {key}" for key in expected - posted.keys()]
    found.extra += [f"in Slack: {key}" for key in posted.keys() - expected]
    found.doubled_slack += [f"{key}: {count} times" for key, count in posted.items() if count > 1]


def _judge_stream(client: redis.Redis, river: River, alerts: Mapping[AlertState, bytes], found: Findings) -> None:
    entries: Any = client.xrange(f"{{{river.config.prefix}}}:alerts")
    values = [fields[b"data"] for _, fields in entries]
    found.compare("alert in Redis", copies(values), alerts)
    counted = Counter(alert_state(msgspec.json.decode(value)) for value in values)
    found.doubled_redis += [f"{state}: {count} times" for state, count in counted.items() if count > 1]


def _judge_queue(client: redis.Redis, river: River, alerts: Mapping[AlertState, bytes], found: Findings) -> None:
    closed = {name for name, status, _ in alerts if status == "closed"}
    for route in river.config.routes:
        queued: Any = client.zrange(f"{{{river.config.prefix}}}:queue:{route.name}", 0, -1)
        seen = {workspace.decode() for workspace in queued}
        decoded = [msgspec.json.decode(value) for value in alerts.values()]
        is_open = {a["workspace_id"] for a in decoded if a["route"] == route.name and a["id"] not in closed}
        found.compared["workspace in a queue"] += len(is_open)
        found.lost += [f"queue {route.name}: {workspace}" for workspace in is_open - seen]
        found.extra += [f"queue {route.name}: {workspace}" for workspace in seen - is_open]


def _judge_snapshots(client: redis.Redis, river: River, found: Findings) -> None:
    newest = {record.key().decode(): record.value() for record in river.read(river.topics.workspaces)}
    if not newest:
        return
    stored: Any = client.mget([snapshot_key(river.config.prefix, workspace) for workspace in newest])
    seen: dict[str, set[bytes]] = {
        workspace: {value} for workspace, value in zip(newest, stored, strict=True) if value is not None
    }
    found.compare("snapshot in Redis", seen, newest)


def _key_of(payload: dict[str, Any]) -> str:
    said = payload["metadata"]["event_payload"]
    return message_key(said["alert_id"], said["status"], said["signals"])

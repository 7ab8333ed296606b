"""What Redis must hold after all that stands on the topics, told from the topics alone; and a flow of such records."""

from __future__ import annotations

import threading
from collections import Counter
from typing import TYPE_CHECKING, Any, NamedTuple

import msgspec

from sinks.redis import snapshot_key
from streams.reading import read_topic
from streams.settings import Settings

if TYPE_CHECKING:
    import redis

    from tests.sinks.test_delivery import River

ROUTE = "sales-assist"
RANKS = {"low": 1_000, "normal": 2_000, "high": 3_000, "urgent": 4_000}
WORKSPACES = 12

# Of an alert: its id, its status, and of how many signals it speaks.
State = tuple[str, str, int]


class Projection(NamedTuple):
    """The stream's states with how often each is there, the queue, and the newest snapshots."""

    states: Counter[State]
    queue: dict[str, float]
    snapshots: dict[str, bytes]


class Damage(NamedTuple):
    """States of alerts that are missing or there more than once; workspaces that queue or snapshot are wrong about."""

    lost: int
    doubled: int
    wrong: int


def state_of(alert: dict[str, Any]) -> State:
    """What makes two records copies of each other."""
    return alert["id"], alert["status"], len(alert["signal_ids"])


def projection_of_topics(bootstrap: str, prefix: str) -> Projection:
    """What an undisturbed sink leaves: a plain fold, each alert known by its own id."""
    settings = Settings(kafka=bootstrap)
    alerts = [msgspec.json.decode(message.value()) for message in read_topic(f"{prefix}.alerts", settings)]
    newest: dict[str, dict[str, Any]] = {}
    for alert in alerts:
        # One alert has one partition: its records come in their order.
        newest[alert["id"]] = alert
    queue: dict[str, float] = {}
    for alert in newest.values():
        if alert["status"] != "closed":
            score = RANKS[alert["priority"]] + alert["score"]
            queue[alert["workspace_id"]] = max(queue.get(alert["workspace_id"], 0), score)
    snapshots = {message.key().decode(): message.value() for message in read_topic(f"{prefix}.workspaces", settings)}
    return Projection(Counter(dict.fromkeys(map(state_of, alerts), 1)), queue, snapshots)


def projection_in_redis(client: redis.Redis, prefix: str) -> Projection:
    """What is there."""
    entries: Any = client.xrange(f"{{{prefix}}}:alerts")
    states = Counter(state_of(msgspec.json.decode(fields[b"data"])) for _, fields in entries)
    queue: Any = client.zrange(f"{{{prefix}}}:queue:{ROUTE}", 0, -1, withscores=True)
    found = {f"w{n}": client.get(snapshot_key(prefix, f"w{n}")) for n in range(WORKSPACES)}
    snapshots = {workspace: value for workspace, value in found.items() if isinstance(value, bytes)}
    return Projection(states, {member.decode(): score for member, score in queue}, snapshots)


def damage(expected: Projection, seen: Projection) -> Damage:
    """How far Redis is from the topics."""
    lost = len(expected.states - seen.states)
    doubled = (seen.states - expected.states).total()
    in_queue = {w for w, score in expected.queue.items() ^ seen.queue.items()}
    in_snapshots = {w for w, value in expected.snapshots.items() ^ seen.snapshots.items()}
    return Damage(lost, doubled, len(in_queue | in_snapshots))


class Flow:
    """
    Alerts that open, are updated and close, and the snapshots of their workspaces.

    Alert n is about workspace n modulo 12 in partition n modulo `partitions`. Every second alert is updated when the
    fifth one after it opens, ten of eleven are closed when the thirteenth does.
    """

    def __init__(self, river: River, partitions: int = 1) -> None:
        self.opened = 0
        self._river = river
        self._partitions = partitions

    def send(self, alerts: int) -> None:
        """Open so many more, and let happen what comes with it."""
        for number in range(self.opened, self.opened + alerts):
            self._alert(number, "open", 1)
            if number >= 5 and number % 2:
                self._alert(number - 5, "updated", 2)
            if number >= 13 and number % 11:
                self._alert(number - 13, "closed", 2)
            workspace = number % WORKSPACES
            value = msgspec.json.encode({"v": 1, "workspace_id": f"w{workspace}", "opened": number})
            self._append("workspaces", workspace, value)
        self._river.flush()
        self.opened += alerts

    def _alert(self, number: int, status: str, signals: int) -> None:
        workspace = number % WORKSPACES
        values = {
            "id": f"a{number}",
            "status": status,
            # An update makes it more urgent.
            "priority": [*RANKS][min(3, number % 3 + (signals - 1))],
            "score": number % 7,
            "workspace_id": f"w{workspace}",
            "route": ROUTE,
            "signal_ids": [f"s{number}.{n}" for n in range(signals)],
        }
        self._append("alerts", workspace, msgspec.json.encode(values))

    def _append(self, topic: str, workspace: int, value: bytes) -> None:
        partition = workspace % self._partitions
        self._river.append(topic, f"w{workspace}".encode(), value, partition)


class Flowing:
    """The flow in a thread, some alerts every 50 ms; leave the context to end it."""

    def __init__(self, flow: Flow, alerts_per_s: int = 100) -> None:
        self.error: BaseException | None = None
        self._flow = flow
        self._few = alerts_per_s // 20
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Flow:
        self._thread.start()
        return self._flow

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(30)
        assert not self._thread.is_alive(), "the flow does not end"
        assert self.error is None, self.error

    def _run(self) -> None:
        try:
            while not self._stop.wait(0.05):
                self._flow.send(self._few)
        except BaseException as error:  # noqa: BLE001  (raised in the test's own thread)
            self.error = error

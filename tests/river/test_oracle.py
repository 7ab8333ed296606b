"""The oracle finds what was taken from a river, put into it or changed in it; here a river of records in memory."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any, NamedTuple, cast

import msgspec
import pytest
import redis
from pydantic import SecretStr

from signals.codec import decode_workspace_state, encode_record
from signals.compiled import Engine
from signals.config import Config
from signals.contract import Alert
from signals.errors import BadRecord
from signals.event import Source
from signals.formats.segment import SegmentDecoder
from signals.snapshot import snapshot_json
from simulator import Scenario, simulate
from sinks.slack_render import Links, render
from streams.tables import _FENCE, _to_subject
from streams.topics import Topics
from tests.findings import Findings
from tests.folding import fold_users, fold_workspaces
from tests.river.delivered import judge_redis
from tests.river.harness import River
from tests.river.load import bad_record
from tests.river.oracle import judge, reading
from tests.servers import RedisServer
from tests.sinks.slack_server import Accepted, SlackScript

CHANNEL = "C0123456789"
CONFIG = Config.model_validate(
    {
        "prefix": "plg",
        "clock": "events",
        "source": {"topics": ["product"]},
        "topics": {"partitions": 4},
        "events": {"activated": ["Report Shared"], "core": ["Project Created", "Data Imported"]},
        "routes": [{"sinks": ["redis", "slack"], "channel": CHANNEL}],
    }
)
NOW_MS = 1_767_225_600_000


class Record(NamedTuple):
    """A consumed record; read as confluent-kafka's."""

    at: tuple[str, int, int]
    kept_key: bytes | None
    kept_value: bytes
    kept_headers: tuple[tuple[str, bytes], ...] = ()

    def topic(self) -> str:
        return self.at[0]

    def partition(self) -> int:
        return self.at[1]

    def offset(self) -> int:
        return self.at[2]

    def key(self) -> bytes | None:
        return self.kept_key

    def value(self) -> bytes:
        return self.kept_value

    def headers(self) -> tuple[tuple[str, bytes], ...]:
        return self.kept_headers

    def timestamp(self) -> tuple[int, int]:
        return 1, NOW_MS


class Logs:
    """What is asked of a river, without one."""

    def __init__(self) -> None:
        self.config = CONFIG
        self.topics = Topics(CONFIG.prefix, CONFIG.topics.partitions)
        self.settings: Any = None
        self.records: dict[str, list[Record]] = {}
        self.late: dict[str, int] = {}

    def append(
        self, topic: str, partition: int, key: bytes | None, value: bytes, headers: tuple[tuple[str, bytes], ...] = ()
    ) -> None:
        log = self.records.setdefault(topic, [])
        offset = sum(record.partition() == partition for record in log)
        log.append(Record((topic, partition, offset), key, value, headers))

    def read(self, topic: str) -> list[Record]:
        return sorted(self.records.get(topic, []), key=lambda record: record.at)

    def ends(self, topic: str) -> dict[int, int]:
        counted = Counter(record.partition() for record in self.read(topic))
        return {number: counted[number] for number in range(self.topics.partitions)}

    def committed(self, topic: str) -> dict[int, int]:
        return {number: end - self.late.get(topic, 0) for number, end in self.ends(topic).items()}


class Left(NamedTuple):
    """All that a river leaves behind."""

    logs: Logs
    slack: SlackScript
    injected: Counter[bytes]

    def judge(self) -> Findings:
        return judge(cast(River, self.logs), slack=self.slack, injected=self.injected, has_redis=False)


@pytest.fixture(scope="module")
def undisturbed() -> Left:
    """What a river leaves that nobody has disturbed."""
    left = Left(Logs(), SlackScript(lambda: 0.0), Counter())
    _ingest(left)
    _detect(left.logs)
    for record in left.logs.read(left.logs.topics.alerts):
        message = render(Alert.model_validate_json(_found(record.value())), Links())
        left.slack.accepted.append(Accepted(CHANNEL, 0.0, msgspec.to_builtins(message)))
    return left


@pytest.fixture
def left(undisturbed: Left) -> Left:
    """The same, to be disturbed."""
    logs = Logs()
    logs.records = {topic: list(records) for topic, records in undisturbed.logs.records.items()}
    slack = SlackScript(lambda: 0.0)
    slack.accepted = list(undisturbed.slack.accepted)
    return Left(logs, slack, Counter(undisturbed.injected))


def test_undisturbed_river_has_nothing_wrong_and_everything_was_compared(left: Left) -> None:
    found = left.judge()

    assert found.is_clean, found.text()
    compared = ("event", "dead letter", "fact", "signal", "verdict", "alert", "state", "messages in Slack")
    assert all(found.compared[what] > 0 for what in compared), found.compared


def test_copies_that_differ_only_in_when_they_were_found_are_nothing_wrong(left: Left) -> None:
    for topic in (left.logs.topics.signals, left.logs.topics.alerts):
        for record in left.logs.read(topic):
            left.logs.append(topic, record.partition(), record.key(), _found(record.value()))

    assert left.judge().is_clean


def _drop(name: str) -> Callable[[Left], None]:
    return lambda left: left.logs.records[getattr(left.logs.topics, name)].pop() and None


def _change(name: str, old: bytes, new: bytes) -> Callable[[Left], None]:
    def change(left: Left) -> None:
        log = left.logs.records[getattr(left.logs.topics, name)]
        number = next(number for number, record in enumerate(log) if old in record.value())
        log[number] = log[number]._replace(kept_value=log[number].value().replace(old, new, 1))

    return change


def _invent(name: str) -> Callable[[Left], None]:
    def invent(left: Left) -> None:
        topic = getattr(left.logs.topics, name)
        value = msgspec.json.decode(left.logs.read(topic)[0].value())
        left.logs.append(topic, 0, b"x", msgspec.json.encode(value | {"id": "nobody's", "signal_id": "nobody's"}))

    return invent


def _another_copy(name: str) -> Callable[[Left], None]:
    def add(left: Left) -> None:
        record = left.logs.read(getattr(left.logs.topics, name))[0]
        value = msgspec.json.decode(record.value()) | {"workspace_id": "another"}
        left.logs.append(record.topic(), record.partition(), record.key(), msgspec.json.encode(value))

    return add


def _older_state(left: Left) -> None:
    log = left.logs.records[left.logs.topics.workspaces_changelog]
    first = next(record for record in log if record.key() != _FENCE)
    left.logs.append(first.topic(), first.partition(), first.key(), bytes(8) + first.value()[8:])


def _no_commit(left: Left) -> None:
    left.logs.late[left.logs.topics.user_events] = 1


def _not_posted(left: Left) -> None:
    left.slack.accepted.pop()


def _posted_twice(left: Left) -> None:
    left.slack.accepted.append(left.slack.accepted[0])


def _never_injected(left: Left) -> None:
    left.injected[b"another"] += 1


@pytest.mark.parametrize(
    ("disturb", "kind", "says"),
    [
        (_drop("user_events"), "lost", "event"),
        (_drop("workspace_facts"), "lost", "fact"),
        (_drop("signals"), "lost", "signal"),
        (_drop("verdicts"), "lost", "verdict"),
        (_drop("alerts"), "lost", "alert"),
        (_drop("dead_letters"), "lost", "dead letter"),
        (_never_injected, "lost", "injected"),
        (_not_posted, "lost", "Slack"),
        (_invent("signals"), "extra", "signal"),
        (_invent("alerts"), "extra", "alert"),
        (_invent("verdicts"), "extra", "verdict"),
        (_another_copy("signals"), "differing", "signal"),
        (_another_copy("alerts"), "differing", "alert"),
        (_change("signals", b'"v":1', b'"v":2'), "differing", "signal"),
        (_change("dead_letters", b"bad", b"sad"), "differing", "dead letter"),
        (_older_state, "wrong_states", "applied offset"),
        (_drop("users_changelog"), "wrong_states", "missing"),
        (_change("workspaces", b'"v":1', b'"v":2'), "stale_snapshots", ""),
        (_posted_twice, "doubled_slack", "2 times"),
        (_no_commit, "stuck", "user-events"),
    ],
)
def test_disturbance_is_found_and_named(left: Left, disturb: Callable[[Left], None], kind: str, says: str) -> None:
    disturb(left)

    lines: list[str] = getattr(left.judge(), kind)

    assert any(says in line for line in lines), lines


@pytest.mark.parametrize(
    ("times", "expected"), [(0, ("lost", 1)), (1, ("lost", 0)), (2, ("doubled_redis", 1))], ids=["none", "one", "two"]
)
def test_alert_that_redis_has_not_or_has_twice_is_found(
    redis_server: RedisServer, prefix: str, times: int, expected: tuple[str, int]
) -> None:
    value = msgspec.json.encode(
        {"id": "a", "status": "closed", "signal_ids": ["s"], "route": "sales-assist", "workspace_id": "w"}
    )
    topics = Topics(prefix, 1)
    config = CONFIG.model_copy(update={"prefix": prefix})
    fake = SimpleNamespace(
        config=config, topics=topics, settings=SimpleNamespace(redis_url=SecretStr(redis_server.url)), read=lambda _: []
    )
    with redis.Redis.from_url(redis_server.url) as client:
        for _ in range(times):
            client.xadd(f"{{{prefix}}}:alerts", {"id": "a", "data": value})
    found = Findings()

    judge_redis(cast(River, fake), {("a", "closed", 1): value}, found)

    kind, count = expected
    assert len(getattr(found, kind)) == count


def _ingest(left: Left) -> None:
    """The customer's topic, with every tenth record bad, and what ingest makes of it."""
    lines = [msgspec.json.encode(event) for event in simulate(Scenario(seed=5, workspaces=12, large=0, days=40))]
    decoder, logs = SegmentDecoder(CONFIG), left.logs
    offsets: Counter[int] = Counter()
    for number, line in enumerate(lines):
        for value in (line, bad_record(number)) if number % 10 == 0 else (line,):
            partition = number % 4
            logs.append("product", partition, None, value)
            source = Source("product", partition, offsets[partition])
            offsets[partition] += 1
            try:
                event = decoder.decode(value, NOW_MS, source)
            except BadRecord as bad:
                left.injected[value] += 1
                place = {"topic": "product", "partition": str(partition), "offset": str(source.offset)}
                headers = place | {"reason": str(bad.reason)}
                logs.append(
                    logs.topics.dead_letters, 0, None, value, tuple((k, v.encode()) for k, v in headers.items())
                )
            else:
                to = logs.topics.of(event.subject)
                logs.append(logs.topics.user_events, to, event.subject.encode(), encode_record(event))


def _detect(logs: Logs) -> None:
    """What both steps make of the users' log."""
    topics = logs.topics
    users = fold_users(reading(cast(River, logs)), CONFIG)
    for (partition, _, _), value in users.facts.items():
        logs.append(topics.workspace_facts, partition, None, value)
    workspaces = fold_workspaces(reading(cast(River, logs)), CONFIG)
    assert not workspaces.facts, "answers would need a second pass; draw another world"
    for topic, values in (
        (topics.signals, {**users.signals, **workspaces.signals}),
        (topics.verdicts, workspaces.verdicts),
        (topics.alerts, workspaces.alerts),
    ):
        for value in values.values():
            logs.append(topic, 0, None, value)
    for changelog, folded in ((topics.users_changelog, users), (topics.workspaces_changelog, workspaces)):
        for (partition, key), value in folded.states.items():
            logs.append(changelog, partition, key, value)
    for (partition, key), sealed in workspaces.states.items():
        if key != _FENCE:
            subject = _to_subject(key)
            value = snapshot_json(subject, decode_workspace_state(sealed[16:]), Engine(CONFIG).scoring)
            logs.append(topics.workspaces, partition, subject.encode(), value)


def _found(value: bytes) -> bytes:
    return value.replace(b'"detected_at":""', b'"detected_at":"2026-03-02T08:59:59.000Z"')

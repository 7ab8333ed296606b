"""A river of processes that has come to rest, held against its own logs: topics, changelogs, Redis and Slack."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import TYPE_CHECKING

from signals.codec import decode_workspace_state
from signals.compiled import Engine
from signals.config import Config
from signals.snapshot import snapshot_json
from streams.tables import _FENCE, _to_subject
from tests.findings import Findings
from tests.oracle import Oracle
from tests.records import Read, Record, record_of
from tests.river.delivered import judge_redis, judge_slack
from tests.river.harness import River

if TYPE_CHECKING:
    from tests.sinks.slack_server import SlackScript

# `at` and `due` before the state's own bytes, see signals/shard.py.
_SEAL_BYTES = 16


def reading(river: River) -> Read:
    """Reads each topic of a river that has come to rest once."""

    @cache
    def read(topic: str) -> Sequence[Record]:
        return [record_of(message) for message in river.read(topic)]

    return read


def judge(
    river: River,
    *,
    slack: SlackScript | None = None,
    has_redis: bool = True,
    injected: Counter[bytes] | None = None,
) -> Findings:
    """
    Hold a river that has come to rest against its own logs; needs `clock: events`.

    Args:
        slack: What its Slack sink has posted to, if it has one.
        has_redis: Whether it has a Redis sink.
        injected: The values of all bad records that were sent, each as often as it was sent.
    """
    found = Findings()
    read = reading(river)
    oracle = Oracle(river.config, read, river.config.source.topics)
    oracle.judge(found, injected)
    _judge_snapshots(oracle, river.config, read, found)
    inputs = (*river.config.source.topics, river.topics.user_events, river.topics.workspace_facts)
    committed = {(topic, number): offset for topic in inputs for number, offset in river.committed(topic).items()}
    # People's orders and what was redriven are on topics that most rivers never use: nobody asks after them.
    committed |= {
        (topic, record.partition): record.offset + 1
        for topic in (river.topics.commands, river.topics.redrive)
        for record in read(topic)
    }
    oracle.judge_commits(committed, found)
    if has_redis:
        judge_redis(river, oracle.workspaces.alerts, found)
    if slack is not None:
        judge_slack(slack, river, oracle.workspaces.alerts, found)
    return found


def _judge_snapshots(oracle: Oracle, config: Config, read: Read, found: Findings) -> None:
    """The newest snapshots show the folded states."""
    newest = {(record.key or b"").decode(): record.value for record in read(oracle.topics.workspaces)}
    scoring = Engine(config).scoring
    for (_, key), sealed in oracle.workspaces.states.items():
        if key != _FENCE:
            subject = _to_subject(key)
            state = decode_workspace_state(sealed[_SEAL_BYTES:])
            if newest.get(subject) != snapshot_json(subject, state, scoring):
                found.stale_snapshots.append(subject)

"""
The oracle: after a river has come to rest, what it left behind is what its recorded logs come to, no more and no less.

Each log is held against the one before it: the users' log against the customer's topics as the decoder reads them, the
facts log against the users' log as the step folds it, everything sent and every state against both. So a disorder
between partitions, which is nobody's fault, never counts, and a lost record always does.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING

import msgspec
from confluent_kafka import Message

from signals.codec import (
    decode_fact_record,
    decode_user_record,
    decode_user_state,
    decode_workspace_state,
    encode_record,
)
from signals.errors import BadRecord
from signals.event import Event, Source
from signals.facts import Fact
from signals.formats.segment import SegmentDecoder
from signals.snapshot import snapshot_json
from streams.letters import read_letter
from streams.tables import _FENCE, _to_subject
from tests.river.delivered import copies, judge_redis, judge_slack
from tests.river.findings import Findings
from tests.river.folding import (
    FactKey,
    Folded,
    changelog_states,
    differing_states,
    fact_key,
    fold_users,
    fold_workspaces,
    timeless,
)
from tests.river.harness import River

if TYPE_CHECKING:
    from tests.sinks.slack_server import SlackScript

# Topic, partition, offset.
Place = tuple[str, int, int]


def judge(
    river: River,
    *,
    slack: SlackScript | None = None,
    has_redis: bool = True,
    injected: Counter[bytes] | None = None,
) -> Findings:
    """
    Hold a river that has come to rest against its own logs; needs `clock: events`, no commands and no redriven records.

    Args:
        slack: What its Slack sink has posted to, if it has one.
        has_redis: Whether it has a Redis sink.
        injected: The values of all bad records that were sent, each as often as it was sent.
    """
    found = Findings()
    _judge_ingest(river, injected, found)
    users, workspaces = fold_users(river), fold_workspaces(river)
    _judge_outputs(river, users, workspaces, found)
    _judge_states(river, users, workspaces, found)
    _judge_commits(river, found)
    if has_redis:
        judge_redis(river, workspaces.alerts, found)
    if slack is not None:
        judge_slack(slack, river, workspaces.alerts, found)
    return found


def _judge_ingest(river: River, injected: Counter[bytes] | None, found: Findings) -> None:
    """The users' log and the dead letters are what decoding the customer's topics gives."""
    decoder = SegmentDecoder(river.config)
    events: dict[Place, bytes] = {}
    bad: dict[Place, bytes] = {}
    for topic in river.config.source.topics:
        for record in river.read(topic):
            source = Source(topic, record.partition(), record.offset())
            place = (topic, record.partition(), record.offset())
            try:
                event = decoder.decode(record.value(), record.timestamp()[1], source)
            except BadRecord as error:
                bad[place] = _letter_bytes(error.reason, record.value())
            else:
                events[place] = _placed(river.topics.of(event.subject), encode_record(event))
    found.compare("event", _ingested(river), events)
    letters = _dead_letters(river)
    found.compare("dead letter", letters, bad)
    if injected is not None:
        seen = Counter(value.partition(b"\n")[2] for values in letters.values() for value in values)
        found.lost += [f"injected bad record {value[:80]!r}" for value in (injected - seen)]
        found.extra += [f"dead letter that nobody injected {value[:80]!r}" for value in (seen - injected)]


def _judge_outputs(river: River, users: Folded, workspaces: Folded, found: Findings) -> None:
    """Facts, signals, verdicts and alerts on the topics are those of the folded logs, all copies alike."""
    topics = river.topics
    facts: dict[FactKey, set[bytes]] = {}
    for record in river.read(topics.workspace_facts):
        fact = decode_fact_record(record.value())
        if isinstance(fact, Fact):
            facts.setdefault(fact_key(record.partition(), fact), set()).add(record.value())
    found.compare("fact", facts, {**users.facts, **workspaces.facts})
    signals = _by(river.read(topics.signals), "id")
    found.compare("signal", signals, {**users.signals, **workspaces.signals})
    found.compare("verdict", _by(river.read(topics.verdicts), "signal_id"), workspaces.verdicts)
    alerts = copies(record.value() for record in river.read(topics.alerts))
    found.compare("alert", alerts, workspaces.alerts)


def _judge_states(river: River, users: Folded, workspaces: Folded, found: Findings) -> None:
    """The changelogs hold the folded states byte for byte, and the newest snapshots show them."""
    for topic, folded, decode in (
        (river.topics.users_changelog, users, decode_user_state),
        (river.topics.workspaces_changelog, workspaces, decode_workspace_state),
    ):
        found.compared["state"] += len(folded.states)
        found.wrong_states += differing_states(changelog_states(river, topic), folded.states, decode)
    newest = {record.key().decode(): record.value() for record in river.read(river.topics.workspaces)}
    for (_, key), sealed in workspaces.states.items():
        if key != _FENCE:
            subject = _to_subject(key)
            if newest.get(subject) != snapshot_json(subject, decode_workspace_state(sealed[16:])):
                found.stale_snapshots.append(subject)


def _judge_commits(river: River, found: Findings) -> None:
    for topic in (*river.config.source.topics, river.topics.user_events, river.topics.workspace_facts):
        done, ends = river.committed(topic), river.ends(topic)
        found.stuck += [f"{topic}/{n}: committed {done[n]} of {end}" for n, end in ends.items() if done[n] != end]


def _ingested(river: River) -> dict[Place, set[bytes]]:
    seen: dict[Place, set[bytes]] = {}
    for record in river.read(river.topics.user_events):
        event = decode_user_record(record.value())
        if isinstance(event, Event):
            place = (event.source.topic, event.source.partition, event.source.offset)
            seen.setdefault(place, set()).add(_placed(record.partition(), record.value()))
    return seen


def _dead_letters(river: River) -> dict[Place, set[bytes]]:
    seen: dict[Place, set[bytes]] = {}
    for record in river.read(river.topics.dead_letters):
        letter = read_letter(record)
        place = (letter.topic, letter.partition, letter.offset)
        seen.setdefault(place, set()).add(_letter_bytes(letter.reason, letter.value))
    return seen


def _letter_bytes(reason: str, value: bytes | None) -> bytes:
    return str(reason).encode() + b"\n" + (value or b"")


def _placed(partition: int, value: bytes) -> bytes:
    return f"in partition {partition}: ".encode() + value


def _by(records: Iterable[Message], name: str) -> dict[str, set[bytes]]:
    seen: dict[str, set[bytes]] = {}
    for record in records:
        seen.setdefault(msgspec.json.decode(record.value())[name], set()).add(timeless(record.value()))
    return seen

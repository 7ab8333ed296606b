"""Bad input ends in plg.dead-letters, each record once, with its reason and its own bytes; the worker goes on."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Message, Producer

from signals.event import Flag, Reason
from signals.moments import iso
from tests.river.harness import River, river
from tests.servers import KafkaServer
from tests.streams.fuzzing import Mutant, encoded, good, mutants
from tests.streams.rulebook import Good, judge

YEAR_MS = 365 * 86_400_000


def _event(number: int, now_ms: int, **changes: object) -> dict[str, object]:
    return {
        "messageId": f"good-{number}",
        "type": "track",
        "event": "Signed Up",
        "userId": f"u{number}",
        "timestamp": iso(now_ms),
        "context": {"groupId": f"w{number}"},
    } | changes


def _bad_records(now_ms: int) -> dict[str, tuple[Reason, bytes | None]]:
    """Each kind of bad record, by a name for the assertion messages."""
    good = json.dumps(_event(0, now_ms)).encode()

    def with_(**changes: object) -> bytes:
        return json.dumps(_event(0, now_ms, **changes)).encode()

    def without(*names: str) -> bytes:
        return json.dumps({k: v for k, v in _event(0, now_ms).items() if k not in names}).encode()

    return {
        "no JSON": (Reason.INVALID_JSON, b"hello"),
        "empty": (Reason.INVALID_JSON, b""),
        "truncated": (Reason.INVALID_JSON, good[:-20]),
        "invalid UTF-8 in a text": (Reason.INVALID_UTF8, good.replace(b"Signed Up", b"Signed \xff\xfe")),
        "invalid UTF-8 throughout": (Reason.INVALID_UTF8, b"\xff\xfe\xfd"),
        "null": (Reason.NULL_VALUE, None),
        "no ids": (Reason.NO_SUBJECT, without("userId", "context")),
        "no name": (Reason.NO_NAME, without("event")),
        "neither type nor name": (Reason.NO_TYPE, without("event", "type")),
        "a list as id": (Reason.BAD_ID, with_(userId=["u0"])),
        "a fraction as id": (Reason.BAD_ID, with_(userId=1.5)),
        "a boolean as id": (Reason.BAD_ID, with_(userId=True)),
        "an object as id": (Reason.BAD_ID, with_(anonymousId={"id": 1})),
        "NaN": (Reason.INVALID_JSON, good.replace(b'"u0"', b"NaN")),
        "half a surrogate pair": (Reason.INVALID_JSON, good.replace(b'"u0"', b'"\\ud800"')),
        "deep nesting": (Reason.TOO_DEEP, good[:-1] + b', "x": ' + b"[" * 20_000 + b"]" * 20_000 + b"}"),
        "5 MB": (Reason.TOO_LARGE, with_(properties={"text": "x" * 5_000_000})),
        "a list": (Reason.NOT_AN_OBJECT, b"[" + good + b"]"),
        "Avro": (Reason.CONFLUENT_AVRO_OR_PROTOBUF, b"\x00\x00\x00\x00\x07" + b"\x06abc"),
    }


_FOREIGN: dict[str, bytes | None] = {
    "text": b"hello",
    "null": None,
    "an event of somebody else": b'{"event":"Signed Up","userId":"u1"}',
    "a field of the wrong kind": b'{"log":"tick","time":"noon"}',
    "invalid UTF-8 in a text": b'{"log":"event","id":"\xff"}',
    "deep nesting": b'{"log":"event","x":' + b"[" * 20_000,
    "a time beyond 64 bits": b'{"log":"tick","time":99999999999999999999999}',
}


@pytest.mark.timeout(120)
def test_each_bad_record_is_dead_lettered_once_and_the_good_ones_around_it_count(
    tmp_path: Path, kafka: KafkaServer, prefix: str, report: Callable[[str], None]
) -> None:
    with river(tmp_path, kafka.address, prefix, clock="wall") as made:
        worker = made.worker()
        worker.wait_for_log("worker.started")
        now_ms = time.time_ns() // 1_000_000
        bad = _bad_records(now_ms)

        values: list[bytes | None] = []
        for number, (_, value) in enumerate(bad.values(), 1):
            values += [json.dumps(_event(number, now_ms)).encode(), value]
        # No time of its own: the record's stands in. A clock a year ahead: clamped to the record's.
        undated = {k: v for k, v in _event(1_001, now_ms).items() if k != "timestamp"}
        ahead = _event(1_002, now_ms, timestamp=iso(now_ms + YEAR_MS))
        values += [json.dumps(undated).encode(), json.dumps(ahead).encode()]
        _send(made, made.config.source.topics[0], values, now_ms)
        _settle(made)

        letters = _dead_letters(made)
        seen = sorted((letter["reason"], letter["value"] or b"") for letter in letters)
        expected = sorted((str(reason), value or b"") for reason, value in bad.values())
        assert [reason for reason, _ in seen] == [reason for reason, _ in expected]
        assert seen == expected, "not the original bytes"
        assert all(letter["topic"] == made.config.source.topics[0] for letter in letters)
        assert all(letter["timestamp"] == str(now_ms) for letter in letters)
        signed_up = {
            s["user_id"]: s["occurred_at"] for s in made.read_json(made.topics.signals) if s["signal"] == "signed_up"
        }
        assert signed_up == {f"u{n}": iso(now_ms) for n in (*range(1, len(bad) + 1), 1_001, 1_002)}
        events = {e["user_id"]: e for e in made.read_json(made.topics.user_events) if e["log"] == "event"}
        assert events["u1002"]["flags"] == [Flag.CLOCK_CLAMPED.value]
        assert "flags" not in events["u1001"]
        assert worker.popen.poll() is None, worker.log
        assert worker.complaints == []
        report(
            f"{len(bad)} kinds of bad records between {len(signed_up)} good ones: each once in dead-letters "
            f"({', '.join(sorted({reason for reason, _ in seen}))})"
        )


@pytest.mark.timeout(120)
def test_a_thousand_spoilt_records_among_good_ones_pass_a_real_worker_once_each_and_never_end_it(
    tmp_path: Path, kafka: KafkaServer, prefix: str, report: Callable[[str], None]
) -> None:
    r = random.Random(2)
    made_up = list(mutants(7, 1_000, undated=False))
    made_up += [Mutant("not spoilt", encoded(good(r))) for _ in range(250)]
    r.shuffle(made_up)
    with river(tmp_path, kafka.address, prefix, clock="wall") as made:
        worker = made.worker()
        worker.wait_for_log("worker.started")
        now_ms = time.time_ns() // 1_000_000
        [topic] = made.config.source.topics
        _send(made, topic, [mutant.value for mutant in made_up], now_ms)
        _settle(made)

        wanted = [judge(mutant.value, now_ms, made.config.limits.max_event_bytes) for mutant in made_up]
        letters = sorted((int(letter["offset"]), letter["reason"], letter["value"]) for letter in _dead_letters(made))
        passed_on = [event for event in made.read_json(made.topics.user_events) if event["log"] == "event"]
        events = sorted(((event["source"][2], _told(event)) for event in passed_on), key=lambda found: found[0])
        assert letters == [
            (number, reason, made_up[number].value) for number, reason in enumerate(wanted) if isinstance(reason, str)
        ]
        assert events == [(number, event) for number, event in enumerate(wanted) if isinstance(event, Good)]
        assert worker.popen.poll() is None, worker.log
        assert worker.complaints == []
        report(
            f"{len(made_up):,} records through a real worker: {len(events)} good ones passed on once, "
            f"{len(letters)} bad ones once in dead-letters with reason and bytes; crashes 0, restarts 0, misfiled 0"
        )


@pytest.mark.timeout(120)
@pytest.mark.parametrize("log", ["user_events", "workspace_facts"])
def test_a_foreign_record_in_one_of_our_logs_is_dead_lettered_and_what_follows_it_counts(
    tmp_path: Path, kafka: KafkaServer, prefix: str, log: str, report: Callable[[str], None]
) -> None:
    with river(tmp_path, kafka.address, prefix, clock="wall") as made:
        worker = made.worker()
        worker.wait_for_log("worker.started")
        topic: str = getattr(made.topics, log)
        now_ms = time.time_ns() // 1_000_000

        # Into the partition of the subject of the event that follows: a worker that stops there never gets to it.
        partition = made.topics.of("user:u1" if log == "user_events" else "w1")
        _send(made, topic, list(_FOREIGN.values()), now_ms, partition)
        _send(
            made, made.config.source.topics[0], [json.dumps(_event(1, now_ms, event="MSA Requested")).encode()], now_ms
        )
        time.sleep(2.0)
        assert worker.popen.poll() is None, f"a foreign record ended the worker:\n{worker.log[-1_500:]}"
        _settle(made)

        letters = _dead_letters(made)
        assert sorted(letter["value"] or b"" for letter in letters) == sorted(
            value or b"" for value in _FOREIGN.values()
        )
        assert {(letter["topic"], letter["reason"]) for letter in letters} == {(topic, Reason.FOREIGN.value)}
        assert [s["signal"] for s in made.read_json(made.topics.signals)] == ["procurement", "joined"]
        report(
            f"{len(letters)} foreign records in {topic.removeprefix(prefix)} set aside, the event behind them counted"
        )


def _told(event: Any) -> Good:
    ids = (event.get(name) for name in ("user_id", "anonymous_id", "workspace_id", "id"))
    return Good(event["type"], *ids)


def _send(made: River, topic: str, values: list[bytes | None], now_ms: int, partition: int = 0) -> None:
    producer = Producer({**made.settings.kafka_options, "message.max.bytes": 16 * 1024 * 1024})
    for value in values:
        producer.produce(topic, value, partition=partition, timestamp=now_ms)
    assert producer.flush(20) == 0


def _settle(made: River) -> None:
    """Wait until nothing but ticks, which keep coming, is left."""
    [source] = made.config.source.topics
    ends = {topic: made.ends(topic) for topic in (source,)}
    deadline = time.monotonic() + 40
    for topic in (source, made.topics.user_events, made.topics.workspace_facts):
        goal = ends.get(topic) or made.ends(topic)
        while any(made.committed(topic)[number] < end for number, end in goal.items()):
            assert time.monotonic() < deadline, f"{topic}: {made.committed(topic)} of {goal}"
            time.sleep(0.2)


def _dead_letters(made: River) -> list[dict[str, Any]]:
    return [_letter(message) for message in made.read(made.topics.dead_letters)]


def _letter(message: Message) -> dict[str, Any]:
    headers = {name: value.decode() for name, value in message.headers()}
    return {**headers, "value": message.value()}

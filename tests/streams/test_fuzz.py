"""Bad input by the thousand, through the real agents: each record ends in the right place, once, and nothing ends."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any, NoReturn

import faust
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.codec import encode_state
from signals.config import Config
from signals.engine import decode_user_state, decode_workspace_state
from signals.errors import BadRecord
from signals.event import Event, Source
from signals.formats.segment import SegmentDecoder
from streams import agents
from streams.agents import River
from streams.metrics import Metrics
from streams.outbox import Epoch
from streams.tables import StateTable
from streams.topics import Topics
from tests.records import Record
from tests.signals.builders import engine
from tests.streams.fuzzing import KINDS, MAX_BYTES, NOW_MS, Mutant, encoded, good, mutants
from tests.streams.rulebook import Good, judge

CORPUS = Path(__file__).parent / "corpus" / "records.jsonl"
PARTITIONS = 4
SETTINGS: dict[str, Any] = {
    "topics": {"partitions": PARTITIONS},
    "limits": {"max_event_bytes": MAX_BYTES},
    "events": {"activated": ["Report Shared"]},
}
CONFIG = Config.model_validate(SETTINGS)
TOPICS = Topics(CONFIG.prefix, PARTITIONS)
DECODER = SegmentDecoder(CONFIG)


class Ended(BaseException):
    """The process ended here: no handler of errors sees it."""


class Collected:
    """Takes what the agents send, as the records of their topics."""

    def __init__(self) -> None:
        self.logs: dict[str, dict[int, list[Record]]] = {}

    def send(
        self,
        topic: str,
        partition: int,
        key: bytes | None,
        value: bytes | None,
        headers: Sequence[tuple[str, bytes]] = (),
    ) -> None:
        log = self.logs.setdefault(topic, {}).setdefault(partition, [])
        log.append(Record(topic, partition, len(log), NOW_MS, 0, key, value, tuple(headers)))

    def of(self, topic: str) -> list[Record]:
        return [record for log in self.logs.get(topic, {}).values() for record in log]

    async def room(self) -> None:
        await asyncio.sleep(0)

    def barrier(self) -> Epoch:
        raise NotImplementedError

    async def durable(self, barrier: Epoch) -> None:
        raise NotImplementedError


def run_through(records: Iterable[Record]) -> Collected:
    """Let the three agents take records of the product, and then what they send each other, until all is done."""
    sender = Collected()
    app = faust.App("plg", broker="plg://nowhere")
    tables: dict[str, Any] = {
        name: StateTable(app, name=name, partitions=PARTITIONS, encode=encode_state, decode=decode)
        for name, decode in (("users", decode_user_state), ("workspaces", decode_workspace_state))
    }
    rules = engine(SETTINGS | {"clock": "wall"})
    river = River(
        config=CONFIG,
        engine_of=lambda _: rules,
        topics=TOPICS,
        sender=sender,
        still_owner=lambda: None,
        metrics=Metrics(),
        **tables,
    )
    asyncio.run(_run(river, list(records), sender))
    return sender


async def _run(river: River, records: list[Record], sender: Collected) -> None:
    by_partition: dict[int, list[Record]] = {}
    for record in records:
        by_partition.setdefault(record.partition, []).append(record)
    await river.ingest(_stream(by_partition))
    await river.users(_stream(sender.logs.get(TOPICS.user_events, {})))
    done: Counter[int] = Counter()
    # Answers of workspaces to each other come into the log that is being read.
    while any(len(log) > done[number] for number, log in sender.logs.get(TOPICS.workspace_facts, {}).items()):
        logs = {number: log[done[number] :] for number, log in sender.logs[TOPICS.workspace_facts].items()}
        done.update({number: len(log) for number, log in logs.items()})
        await river.workspaces(_stream({number: log for number, log in logs.items() if log}))


def _stream(logs: dict[int, list[Record]]) -> Any:
    async def events() -> AsyncIterator[SimpleNamespace]:
        for log in logs.values():
            # As a fetch brings them.
            for start in range(0, len(log), 700):
                yield SimpleNamespace(value=log[start : start + 700])

    return SimpleNamespace(events=events)


def as_records(made: Iterable[Mutant]) -> list[Record]:
    """Records of the product's topic, partition by partition in turn."""
    return [
        Record("product", number % PARTITIONS, number // PARTITIONS, mutant.time, 0, b"", mutant.value)
        for number, mutant in enumerate(made)
    ]


def expected(record: Record) -> Good | str:
    return judge(record.value, record.timestamp, MAX_BYTES)


def outcome(sender: Collected) -> tuple[dict[Source, list[Good]], dict[Source, list[tuple[str, bytes | None]]]]:
    """What came of every record: the events that were passed on, and the dead letters, by its place."""
    events: dict[Source, list[Good]] = {}
    letters: dict[Source, list[tuple[str, bytes | None]]] = {}
    for event in [event for record in sender.of(TOPICS.user_events) for event in json.loads(record.value or b"")]:
        place = Source(*event["source"])
        ids = (event.get(name) for name in ("user_id", "anonymous_id", "workspace_id", "id"))
        events.setdefault(place, []).append(Good(event["type"], *ids))
    for record in sender.of(TOPICS.dead_letters):
        headers = {name: value.decode() for name, value in record.headers}
        place = Source(headers["topic"], int(headers["partition"]), int(headers["offset"]))
        assert record.key == f"{place.topic}/{place.partition}/{place.offset}".encode()
        letters.setdefault(place, []).append((headers["reason"], record.value))
    return events, letters


def misfiled(verdicts: Iterable[tuple[Record, Good | str]], sender: Collected) -> list[tuple[Record, Good | str]]:
    """The records that are not exactly once where the rules want them, with what these want."""
    events, letters = outcome(sender)
    wrong = []
    for record, wanted in verdicts:
        place = Source(record.topic, record.partition, record.offset)
        seen: tuple[Any, Any] = (events.pop(place, []), letters.pop(place, []))
        right: tuple[Any, Any] = ([wanted], []) if isinstance(wanted, Good) else ([], [(wanted, record.value)])
        if seen != right:
            wrong.append((record, wanted))
    assert not events, "events of records that nobody sent"
    assert not letters, "letters of records that nobody sent"
    return wrong


@pytest.fixture
def crashes(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The reasons for which the worker would have ended."""
    reasons: list[str] = []

    def end(reason: str, **_fields: object) -> NoReturn:
        reasons.append(reason)
        raise Ended

    monkeypatch.setattr(agents, "fail_stop", end)
    return reasons


@pytest.mark.river
def test_ten_thousand_spoilt_records_among_good_ones_are_all_filed_rightly_and_nothing_ends(
    crashes: list[str], report: Callable[[str], None]
) -> None:
    r = random.Random(1)
    made = list(mutants(20_261_125, 10_000, enormous=3))
    made += [Mutant("not spoilt", encoded(good(r))) for _ in range(2_500)]
    r.shuffle(made)
    records = as_records(made)

    sender = run_through(records)

    verdicts = [(record, expected(record)) for record in records]
    wrong = misfiled(verdicts, sender)
    table = Counter((mutant.kind, isinstance(wanted, Good)) for mutant, (_, wanted) in zip(made, verdicts, strict=True))
    report("\n".join(fuzz_table(table, Counter(mutant_kind(made, record) for record, _ in wrong), len(crashes))))
    assert crashes == []
    assert [(record.value, wanted) for record, wanted in wrong[:5]] == []
    # Each kind must spoil something, and what is not spoilt is good. For an unreadable time the record's own stands in.
    assert [kind for kind in KINDS if not table[kind, False]] == ["times of all kinds"]
    assert table["not spoilt", False] == 0
    reasons = Counter(str(dict(letter.headers)["reason"], "utf-8") for letter in sender.of(TOPICS.dead_letters))
    report("dead letters: " + ", ".join(f"{reason} {count:,}" for reason, count in reasons.most_common()))
    assert reasons.keys() >= ALL_REASONS
    assert sender.of(TOPICS.signals), "the good ones among them count"


ALL_REASONS = {
    *("null_value", "too_large", "too_deep", "invalid_utf8", "invalid_json", "not_an_object", "not_json"),
    *("confluent_avro_or_protobuf", "confluent_json", "avro_file", "avro_single_object", "gzip"),
    *("no_type", "no_name", "bad_id", "long_id", "no_subject", "no_time"),
}


def mutant_kind(made: list[Mutant], record: Record) -> str:
    return made[record.offset * PARTITIONS + record.partition].kind


def fuzz_table(table: Counter[tuple[str, bool]], wrong: Counter[str], crashes: int) -> Iterable[str]:
    """The fuzz table: kinds of mutation, records, good, bad, misfiled."""
    yield f"\n{'kind':28}{'records':>9}{'good':>8}{'bad':>8}{'misfiled':>10}"
    for kind in sorted({kind for kind, _ in table}):
        counts = table[kind, True], table[kind, False]
        yield f"{kind:28}{sum(counts):9,}{counts[0]:8,}{counts[1]:8,}{wrong[kind]:10}"
    goods = sum(count for (_, is_good), count in table.items() if is_good)
    bads = sum(table.values()) - goods
    yield f"{'all':28}{goods + bads:9,}{goods:8,}{bads:8,}{sum(wrong.values()):10}; crashes {crashes}"


def corpus() -> list[tuple[str, bytes | None, int, str | None]]:
    rows = map(json.loads, CORPUS.read_text(encoding="utf-8").splitlines())
    return [
        (row["case"], None if row["hex"] is None else bytes.fromhex(row["hex"]), row["time"], row["reason"])
        for row in rows
    ]


@pytest.mark.parametrize(("value", "time", "reason"), [row[1:] for row in corpus()], ids=[row[0] for row in corpus()])
def test_the_records_of_the_corpus_are_judged_as_it_says_by_rulebook_and_decoder(
    value: bytes | None, time: int, reason: str | None
) -> None:
    [record] = as_records([Mutant("corpus", value, time)])

    wanted = expected(record)
    assert (None if isinstance(wanted, Good) else wanted) == reason
    assert misfiled([(record, wanted)], run_through([record])) == []


@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32), kind=st.sampled_from(sorted(KINDS)), cut=st.binary(max_size=4), at=st.integers(0, 500)
)
def test_any_spoilt_record_with_any_bytes_in_it_becomes_what_the_rules_say_and_nothing_escapes(
    seed: int, kind: str, cut: bytes, at: int
) -> None:
    value = KINDS[kind](random.Random(seed))
    value = value if value is None else value[:at] + cut + value[at:]

    assert decoded(value) == judge(value, NOW_MS, MAX_BYTES)


@given(value=st.none() | st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_arbitrary_bytes_become_what_the_rules_say_and_equal_bytes_the_same(value: bytes | None) -> None:
    assert decoded(value) == judge(value, NOW_MS, MAX_BYTES)
    assert decoded(value) == decoded(value)


def decoded(value: bytes | None) -> Good | str:
    """What the decoder makes of a value, in the words of the rulebook; twice the same."""
    first, second = [_decode_once(value) for _ in range(2)]
    assert first == second
    if isinstance(first, str):
        return first
    return Good(first.type.value, first.user_id, first.anonymous_id, first.workspace_id, first.id)


def _decode_once(value: bytes | None) -> Event | str:
    try:
        return DECODER.decode(value, NOW_MS, Source("product", 0, 0))
    except BadRecord as bad:
        return str(bad.reason)

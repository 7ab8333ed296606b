"""Redrive over a real Kafka, no worker needed: what is sent, in which order, what is left out, and that it is once."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import msgspec
import pytest
from confluent_kafka import OFFSET_INVALID, Consumer, KafkaException, Message, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic
from typer.testing import CliRunner

from signals.config import Config
from signals.errors import PlgError
from streams.admin import reset_topics
from streams.cli import app
from streams.dlq import survey
from streams.first_start import position_sources
from streams.lag import LagReader
from streams.letters import BadPlace, Place, headers_of
from streams.outbox import MAX_MESSAGE_BYTES
from streams.reading import ReadingFailed, read_topic
from streams.redrive import Choice, Plan, Redrive
from streams.settings import Settings
from streams.ticks import TickSender
from streams.topics import Topics
from tests.river.process import wait_for
from tests.servers import KafkaServer

NOON = 1_795_176_000_000
PARTITIONS = 2


class Bus:
    """The topics of one prefix, with dead letters written as workers and sinks write them."""

    def __init__(self, address: str, prefix: str) -> None:
        self.source = f"{prefix}-events"
        self.config = Config.model_validate(
            {"prefix": prefix, "topics": {"partitions": PARTITIONS}, "source": {"topics": [self.source]}}
        )
        self.settings = Settings(kafka=address)
        self.topics = Topics(prefix, PARTITIONS)
        self._producer = Producer({**self.settings.kafka_options, "message.max.bytes": MAX_MESSAGE_BYTES})
        self._admin = AdminClient(self.settings.kafka_options)
        # Those that a redrive touches: thirteen a test are a burden for the broker.
        self.create(self.topics.dead_letters, self.topics.redrive, self.topics.alerts)

    def create(self, *names: str) -> None:
        """Make topics as `plg topics create` does."""
        settings = {spec.name: spec.settings for spec in self.topics.specs()}
        made = [NewTopic(name, PARTITIONS, 1, config=settings.get(name, {})) for name in names]
        for done in self._admin.create_topics(made).values():
            done.result(20)
        wait_for(lambda: all(map(self._is_there, names)), 20, lambda: "new topics without leaders")

    def reset(self) -> None:
        """As `plg topics reset`."""
        reset_topics(self.config, self.settings)
        wait_for(lambda: self._is_there(self.topics.redrive), 20, lambda: "the redrive topic is not there again")

    def delete(self) -> None:
        ours = [name for name in self._admin.list_topics(timeout=10).topics if name.startswith(self.topics.prefix)]
        for deleted in self._admin.delete_topics(ours).values():
            deleted.result(20)

    def letter(
        self,
        offset: int,
        *,
        topic: str = "events",
        partition: int = 0,
        reason: str = "no_subject",
        value: bytes | None = None,
        time: int | None = None,
        on: int = 0,
    ) -> None:
        """A dead letter of an original at `offset`, on partition `on` of the dead letters."""
        headers = {"topic": topic, "partition": str(partition), "offset": str(offset), "reason": reason}
        headers |= {"error": "seen", "version": "1", "timestamp": str(NOON + offset if time is None else time)}
        self.send(self.topics.dead_letters, on, b"%d" % offset if value is None else value, headers)

    def send(self, topic: str, partition: int, value: bytes | None, headers: dict[str, str] | None = None) -> None:
        encoded = [(name, text.encode()) for name, text in (headers or {}).items()]
        self._producer.produce(topic, value, b"key", partition, headers=encoded)
        assert self._producer.flush(10) == 0

    def redrive(self, *, again: bool = False, choice: Choice | None = None) -> Plan:
        """A whole run."""
        with Redrive(self.config, self.settings, choice or Choice(), again=again) as run:
            run.read()
            run.send()
        assert (run.outcome.sent, run.outcome.failed) == (run.plan.total, {})
        return run.plan

    def commit(self, topic: str, partition: int, offset: int) -> None:
        """As the workers' group."""
        with closing(self._workers()) as consumer:
            consumer.commit(offsets=[TopicPartition(topic, partition, offset)], asynchronous=False)

    def committed(self, topic: str) -> list[int]:
        with closing(self._workers()) as consumer:
            places = [TopicPartition(topic, partition) for partition in range(PARTITIONS)]
            return [place.offset for place in consumer.committed(places, timeout=10)]

    def _workers(self) -> Consumer:
        options = {"group.id": self.config.prefix, "enable.auto.commit": False}
        return Consumer({**self.settings.kafka_options, **options})

    def read(self, topic: str) -> list[Message]:
        return sorted(read_topic(topic, self.settings), key=lambda message: (message.partition(), message.offset()))

    def values(self, topic: str) -> list[bytes | None]:
        return [message.value() for message in self.read(topic)]

    def _is_there(self, topic: str) -> bool:
        try:
            return self.values(topic) == []
        except (ReadingFailed, KafkaException):
            return False


@pytest.fixture
def bus(kafka: KafkaServer, prefix: str) -> Iterator[Bus]:
    made = Bus(kafka.address, prefix)
    yield made
    made.delete()


def test_a_second_run_sends_nothing(bus: Bus) -> None:
    for offset in range(5):
        bus.letter(offset, on=offset % PARTITIONS)

    first, second = bus.redrive(), bus.redrive()

    assert (first.total, second.total, second.redriven) == (5, 0, 5)
    assert bus.values(bus.topics.redrive) == [b"0", b"1", b"2", b"3", b"4"]


def test_a_redriven_record_says_where_it_comes_from_and_is_new_to_its_topic(bus: Bus) -> None:
    bus.letter(7, time=NOON - 400 * 86_400_000, on=1)

    bus.redrive()

    [message] = bus.read(bus.topics.redrive)
    assert {name: value.decode() for name, value in headers_of(message).items()} == {
        "topic": "events",
        "partition": "0",
        "offset": "7",
        "reason": "no_subject",
        "error": "seen",
        "version": "1",
        "timestamp": str(NOON - 400 * 86_400_000),
        "dead_letter": f"{bus.topics.dead_letters}/1/0",
    }
    assert (message.key(), message.value()) == (b"key", b"7")


@pytest.mark.apache_kafka  # the embedded broker knows no LogAppendTime
def test_retention_goes_by_when_a_record_was_redriven_not_by_the_time_of_its_original(bus: Bus) -> None:
    bus.letter(7, time=1_000_000_000_000)
    [letter] = bus.read(bus.topics.dead_letters)

    bus.redrive()

    [message] = bus.read(bus.topics.redrive)
    kind, time = message.timestamp()
    assert kind == 2  # LogAppendTime
    assert time >= letter.timestamp()[1]


def test_letters_of_one_partition_keep_its_order_wherever_they_lay(bus: Bus) -> None:
    for offset in (4, 1, 3, 0, 2):
        bus.letter(offset, on=offset % PARTITIONS)
        bus.letter(offset, partition=1, on=(offset + 1) % PARTITIONS)

    bus.redrive()

    offsets: dict[tuple[int, bytes], list[int]] = {}
    for message in bus.read(bus.topics.redrive):
        headers = headers_of(message)
        offsets.setdefault((message.partition(), headers["partition"]), []).append(int(headers["offset"]))
    assert sorted(offsets.values()) == [[0, 1, 2, 3, 4]] * 2


def test_a_run_that_ended_half_way_is_finished_by_the_next_one(bus: Bus) -> None:
    for offset in range(6):
        bus.letter(offset)
    bus.redrive(choice=Choice(places=frozenset({Place(0, 0), Place(0, 1)})))

    with Redrive(bus.config, bus.settings, Choice()) as run:
        run.read()
        with pytest.raises(KeyboardInterrupt):
            run.send(on_sent=_interrupt)
    plan = bus.redrive()

    assert plan.redriven >= 2
    assert sorted(value or b"" for value in bus.values(bus.topics.redrive)) == [b"%d" % n for n in range(6)]


def _interrupt(_done: int, _total: int) -> None:
    raise KeyboardInterrupt


def test_a_letter_written_twice_goes_once(bus: Bus) -> None:
    bus.letter(1)
    bus.letter(1)

    first, second = bus.redrive(), bus.redrive()

    assert (first.total, first.copies, second.redriven) == (1, 1, 2)
    assert bus.values(bus.topics.redrive) == [b"1"]


def test_again_sends_what_was_sent(bus: Bus) -> None:
    bus.letter(1)
    bus.redrive()

    assert bus.redrive(again=True).total == 1
    assert bus.values(bus.topics.redrive) == [b"1", b"1"]


def test_a_redriven_record_that_failed_again_is_redriven_as_the_letter_it_became(bus: Bus) -> None:
    bus.letter(1)
    bus.redrive()
    [message] = bus.read(bus.topics.redrive)
    place = {"partition": message.partition(), "offset": message.offset()}
    bus.letter(**place, topic=bus.topics.redrive, value=b"1")

    plan = bus.redrive()

    assert (plan.total, plan.redriven) == (1, 1)
    # Beside the records it came with.
    assert [m.partition() for m in bus.read(bus.topics.redrive)] == [place["partition"]] * 2


def test_only_what_was_chosen_goes(bus: Bus) -> None:
    bus.letter(1, reason="no_time")
    bus.letter(2, reason="no_name")
    bus.letter(3, reason="no_name", topic="others")
    bus.letter(4, reason="gzip")

    reasons = frozenset({"no_name", "no_time"})
    assert bus.redrive(choice=Choice(reasons=reasons, topic="events")).total == 2
    assert sorted(value or b"" for value in bus.values(bus.topics.redrive)) == [b"1", b"2"]


def test_what_cannot_be_redriven_stays_and_says_why(bus: Bus) -> None:
    bus.letter(1, topic=bus.topics.user_events, reason="foreign")
    bus.letter(2, topic=bus.topics.workspaces, reason="wrong_type")
    bus.send(bus.topics.dead_letters, 0, b"hello")

    plan = bus.redrive()

    assert (plan.total, sorted(plan.staying.values())) == (0, [1, 1, 1])
    assert bus.values(bus.topics.redrive) == []


def test_a_letter_as_large_as_any_goes(bus: Bus) -> None:
    bus.letter(1, reason="too_large", value=b"x" * (MAX_MESSAGE_BYTES - 8_192))

    bus.redrive()

    [value] = bus.values(bus.topics.redrive)
    assert len(value or b"") == MAX_MESSAGE_BYTES - 8_192


def test_what_the_broker_refuses_is_said_and_the_others_go(bus: Bus) -> None:
    bus.letter(1)
    bus.letter(0, topic=bus.topics.alerts, partition=99, value=b"{}")

    with Redrive(bus.config, bus.settings, Choice()) as run:
        run.read()
        run.send()

    assert (run.outcome.sent, run.outcome.failed.total()) == (1, 1)
    assert bus.values(bus.topics.redrive) == [b"1"]


# Parked alerts.


def alert(status: str = "open", signals: Sequence[str] = ("s1",), number: int = 1) -> bytes:
    return msgspec.json.encode({"id": f"a{number}", "status": status, "signal_ids": list(signals)})


def test_a_parked_alert_goes_to_the_end_of_its_partition_once(bus: Bus) -> None:
    bus.send(bus.topics.alerts, 1, alert())
    # Two sinks refused it.
    for reason in ("wrong_type", "no_channel"):
        bus.letter(0, topic=bus.topics.alerts, partition=1, reason=reason, value=alert())

    first, second = bus.redrive(), bus.redrive()

    assert (dict(first.going), first.copies, second.total) == ({bus.topics.alerts: 1}, 1, 0)
    [original, copy] = bus.read(bus.topics.alerts)
    assert (copy.partition(), copy.key(), copy.value()) == (1, original.key(), original.value())


@pytest.mark.parametrize(("after", "goes"), [("closed", False), ("updated", False), ("open", True), ("another", True)])
def test_a_parked_alert_stays_where_a_newer_record_of_it_came_after_it(bus: Bus, after: str, goes: bool) -> None:
    bus.send(bus.topics.alerts, 0, alert())
    newer = {"another": alert("closed", number=2), "updated": alert("updated", ("s1", "s2"))}
    bus.send(bus.topics.alerts, 0, newer.get(after) or alert(after))
    bus.letter(0, topic=bus.topics.alerts, value=alert())

    plan = bus.redrive()

    assert (plan.total, plan.staying.total()) == ((1, 0) if goes else (0, 1))


# Resets.


def test_a_reset_settles_what_ingest_wrote_before_it_and_nothing_else(bus: Bus) -> None:
    bus.letter(1)
    bus.letter(0, topic=bus.topics.alerts, value=alert())
    bus.reset()
    # The first could not be read by the rebuild either.
    bus.letter(2)

    plan = bus.redrive()

    assert (dict(plan.going), plan.settled) == ({bus.topics.redrive: 1, bus.topics.alerts: 1}, 1)
    assert bus.values(bus.topics.redrive) == [b"2"]


def test_a_letter_that_the_rebuild_wrote_anew_is_not_settled(bus: Bus) -> None:
    bus.letter(1)
    bus.reset()
    bus.letter(1)

    plan = bus.redrive()

    assert (plan.total, plan.copies, plan.settled) == (1, 1, 0)


def test_a_rebuild_begins_with_all_the_topic_holds_where_a_first_start_would_begin_at_its_end(bus: Bus) -> None:
    bus.create(bus.source)
    bus.send(bus.source, 0, b"before")
    position_sources(bus.config, bus.settings, (bus.source,))
    first_start = bus.committed(bus.source)

    bus.reset()
    position_sources(bus.config, bus.settings, (bus.source,))

    assert bus.config.source.start == "latest"
    assert (first_start, bus.committed(bus.source)) == ([1, 0], [0, 0])


# What ingest reads beside the customer's topics counts like them.


def test_no_tick_overtakes_what_was_redriven(bus: Bus) -> None:
    bus.create(bus.source, bus.topics.commands, bus.topics.user_events, bus.topics.workspace_facts)
    bus.letter(1)
    bus.redrive()
    ticks = TickSender(bus.config, bus.settings, (bus.source,))

    ticks.note(NOON)
    ticks.relay()
    waits, lag = ticks.has_pending, LagReader(bus.config, bus.settings).lag()[bus.topics.redrive]
    [message] = bus.read(bus.topics.redrive)
    bus.commit(bus.topics.redrive, message.partition(), message.offset() + 1)
    ticks.relay()

    assert (waits, lag) == (True, 1)
    assert (ticks.has_pending, len(bus.read(bus.topics.user_events))) == (False, PARTITIONS)
    ticks.close()


def test_a_first_start_at_latest_passes_over_nothing_that_was_redriven(bus: Bus) -> None:
    bus.create(bus.source)
    bus.send(bus.source, 0, b"before")
    bus.letter(1)
    bus.redrive()

    position_sources(bus.config, bus.settings, (bus.source,))

    assert bus.config.source.start == "latest"
    assert bus.committed(bus.source) == [1, 0]
    assert bus.committed(bus.topics.redrive) == [OFFSET_INVALID] * PARTITIONS


# The survey.


def test_the_survey_counts_by_reason_and_topic_with_what_was_redriven(bus: Bus) -> None:
    bus.letter(1)
    bus.redrive()
    bus.letter(2)
    bus.letter(3, reason="no_time", topic="others")
    bus.letter(4, reason="foreign", topic=bus.topics.user_events)
    written = [message.timestamp()[1] for message in bus.read(bus.topics.dead_letters)]

    groups = survey(bus.config, bus.settings)

    assert [(g.reason, g.topic, g.count, g.redriven, g.not_redrivable) for g in groups] == [
        ("no_subject", "events", 2, 1, 0),
        ("foreign", bus.topics.user_events, 1, 0, 1),
        ("no_time", "others", 1, 0, 0),
    ]
    assert (groups[0].oldest, groups[0].newest) == (written[0], written[1])


# The commands.


def test_the_commands_show_list_and_redrive(bus: Bus, tmp_path: Path) -> None:
    plg = Commands(bus, tmp_path)
    bus.letter(7, value=b'{"email":"ann@example.com\x1b[2J"}', on=1)

    [listed] = json_lines(plg("dlq", "list", "--each", "--json"))
    shown = plg("dlq", "show", listed["place"])
    raw = plg("dlq", "show", listed["place"], "--raw")
    dry = plg("dlq", "redrive", "--dry-run")
    before = bus.values(bus.topics.redrive)
    asked = plg("dlq", "redrive", code=1)
    sent = plg("dlq", "redrive", "--yes")
    again = plg("dlq", "redrive", "--yes")
    [counted] = json_lines(plg("dlq", "list", "--json"))

    assert (listed["place"], listed["reason"], listed["offset"]) == ("1/0", "no_subject", 7)
    assert r'{"email":"ann@example.com\x1b[2J"}' in shown
    assert raw == '{"email":"ann@example.com\x1b[2J"}'
    assert (f"to {bus.topics.redrive}: 1" in dry, before, "Send 1" in asked) == (True, [], True)
    assert ("sent 1" in sent, "nothing to send" in again, counted["redriven"]) == (True, True, 1)
    assert bus.values(bus.topics.redrive) == [b'{"email":"ann@example.com\x1b[2J"}']


def test_a_place_where_nothing_stands_is_one_message(bus: Bus, tmp_path: Path) -> None:
    plg = Commands(bus, tmp_path)

    with pytest.raises(ReadingFailed, match="no record at 0/7; retention"):
        plg("dlq", "show", "0/7")
    with pytest.raises(BadPlace, match="'seven' is no place"):
        plg("dlq", "redrive", "--place", "seven")


def json_lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


class Commands:
    """The command line, in this process."""

    def __init__(self, bus: Bus, folder: Path) -> None:
        path = folder / "plg.yaml"
        path.write_text(f"prefix: {bus.config.prefix}\ntopics: {{partitions: {PARTITIONS}}}\n")
        self._environment = {"PLG_KAFKA": bus.settings.kafka, "PLG_CONFIG": str(path)}

    def __call__(self, *arguments: str, code: int = 0) -> str:
        """Run a command; returns what it said on standard output."""
        ran = CliRunner().invoke(app, arguments, env=self._environment)
        if isinstance(ran.exception, PlgError):
            raise ran.exception
        assert ran.exit_code == code, ran.output
        return ran.stdout

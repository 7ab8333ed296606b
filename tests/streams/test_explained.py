"""`plg explain`: a subject found in the topics of a real Kafka without a worker, or in files, and told in lines."""

from __future__ import annotations

import io
import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import KafkaException, Producer
from confluent_kafka.admin import AdminClient, NewTopic
from rich.console import Console
from typer.testing import CliRunner

from signals.config import Config
from signals.contract import signal_json, verdict_json
from signals.errors import PlgError
from signals.event import Role
from signals.explanation import Explanation
from signals.rule import Scope
from signals.shard import Fence
from streams.cli import app
from streams.config_source import load_config
from streams.explained import OnRecord, Subject, UnknownSubject, explain_files, explain_live
from streams.explained_view import SHOWN_SIGNALS, lines
from streams.reading import ReadingFailed, topic_ranges
from streams.reading import reader as reading
from streams.settings import Settings
from streams.stored import FENCE, to_key
from streams.topics import Topics
from tests.river.process import wait_for
from tests.servers import KafkaServer
from tests.signals.builders import River, day, event, team

PARTITIONS = 4
DAY_S = 86_400
ACME, ANN = Subject(Scope.WORKSPACE, "acme"), Subject(Scope.USER, "ann")


class Bus:
    """The topics of one prefix as workers leave them: states in changelogs, signals, verdicts."""

    def __init__(self, address: str, prefix: str) -> None:
        # `clock: events`, so that the moment is that of the events.
        self.config = Config.model_validate({"prefix": prefix, "topics": {"partitions": PARTITIONS}, "clock": "events"})
        self.settings = Settings(kafka=address)
        self.topics = Topics(prefix, PARTITIONS)
        self._producer = Producer({**self.settings.kafka_options, "linger.ms": 0})
        self._admin = AdminClient(self.settings.kafka_options)
        topics = self.topics
        self.names = [topics.users_changelog, topics.workspaces_changelog, topics.signals, topics.verdicts]
        self.names += [topics.user_events, topics.workspace_facts]
        for done in self._admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in self.names]).values():
            done.result(20)
        wait_for(lambda: all(map(self._is_there, self.names)), 20, lambda: "new topics without leaders")

    def delete(self) -> None:
        for deleted in self._admin.delete_topics(self.names).values():
            deleted.result(20)

    def _is_there(self, topic: str) -> bool:
        try:
            with reading(self.settings) as consumer:
                topic_ranges(consumer, topic, self.settings)
        except (ReadingFailed, KafkaException):
            return False
        return True

    def send(self, topic: str, partition: int, key: bytes | None, value: bytes | None, written_at: float = 0) -> None:
        self._producer.produce(topic, value, key, partition, timestamp=round(written_at * 1_000))
        assert self._producer.flush(10) == 0

    def state(self, river: River, subject: Subject, *, at: int = 5) -> None:
        """The state of a subject, as a checkpoint writes it."""
        is_user = subject.scope is Scope.USER
        changelog = self.topics.users_changelog if is_user else self.topics.workspaces_changelog
        state = river.user(subject.id) if is_user else river.workspace(subject.id)
        state.at = at
        shard = river.users if is_user else river.workspaces
        self.send(changelog, self.topics.of(subject.key), to_key(subject.key), shard.sealed(subject.key))

    def fence(self, subject: Subject, fence: Fence) -> None:
        changelog = self.topics.users_changelog if subject.scope is Scope.USER else self.topics.workspaces_changelog
        self.send(changelog, self.topics.of(subject.key), FENCE, msgspec.msgpack.encode(fence))

    def outputs(self, river: River, *, written_at: float = 0, config: str | None = None) -> None:
        """What came out of a river, as a worker sends it."""
        for firing in river.signals:
            value = signal_json(firing, firing.time, config or self.config.hash)
            subject = firing.subject
            self.send(self.topics.signals, self.topics.of(subject), subject.encode(), value, written_at)
        for verdict in river.verdicts:
            if verdict.is_final:
                key = verdict.subject
                self.send(self.topics.verdicts, self.topics.of(key), key.encode(), verdict_json(verdict), written_at)

    def explain(self, subject: Subject = ACME, *, since: int = 0) -> Explanation:
        return explain_live(subject, self.config, self.settings, since=since, progress=silent)


@contextmanager
def silent(_doing: str) -> Iterator[OnRecord]:
    yield lambda _done, _total: None


@pytest.fixture
def bus(kafka: KafkaServer, prefix: str) -> Iterator[Bus]:
    made = Bus(kafka.address, prefix)
    yield made
    made.delete()


def story(prefix: str = "plg") -> River:
    """A team of five in acme, with ann, who asks for sales; and others elsewhere."""
    river = River({"prefix": prefix, "topics": {"partitions": PARTITIONS}})
    river.feed(*team("acme", 4, on=day(1)), *team("other", 5, on=day(1), prefix="o"))
    river.feed(event("ann", "acme", on=day(1, 13), roles=[Role.SALES_CONTACTED], name="Contact Sales Clicked"))
    return river


# -- from the topics


def test_a_workspace_is_explained_by_its_state_its_own_signals_and_those_of_its_users(bus: Bus) -> None:
    river = story(bus.config.prefix)
    bus.state(river, ACME)
    bus.fence(ACME, Fence(tick=day(2)))
    bus.outputs(river)

    told = bus.explain()

    assert [(one.signal, one.scope, one.verdict) for one in told.signals] == [
        ("second_user", "workspace", "unrouted"),
        ("hand_raised", "user", "sent"),
        ("multi_user", "workspace", "bundled"),
    ]
    assert told.signals[-1].evidence == {"active_users": 5, "threshold": 5, "window": 7, "window_end": "2026-03-02"}
    assert told.workspace is not None
    assert told.workspace.members == 5
    assert told.now == "2026-03-03T12:00:00.000Z"
    assert told.warnings == ()


def test_a_user_is_explained_by_his_own_signals_wherever_they_were_judged(bus: Bus) -> None:
    river = story(bus.config.prefix)
    bus.state(river, ANN)
    bus.outputs(river)

    told = bus.explain(ANN)

    assert [(one.signal, one.verdict) for one in told.signals] == [("hand_raised", "sent")]
    assert told.user is not None
    assert [one.workspace_id for one in told.user.workspaces] == ["acme"]


def test_of_two_states_that_with_the_higher_place_in_its_log_counts_even_if_it_came_first(bus: Bus) -> None:
    newer, older = story(), River()
    older.feed(event("ann", "acme", on=day(1)))
    bus.state(newer, ACME, at=9)
    bus.state(older, ACME, at=8)
    told = bus.explain().workspace
    bus.state(older, ACME, at=9)
    last = bus.explain().workspace

    assert told is not None
    assert told.members == 5
    assert last is not None
    assert last.members == 1


def test_what_was_written_before_since_is_not_read_and_its_signals_are_told_without_evidence(bus: Bus) -> None:
    river, now = story(bus.config.prefix), time.time()
    bus.state(river, ACME)
    bus.outputs(river, written_at=now - 3 * DAY_S)

    recent = bus.explain(since=round((now - 2 * DAY_S) * 1_000))
    older = bus.explain(since=round((now - 4 * DAY_S) * 1_000))

    assert [(one.signal, one.evidence) for one in recent.signals] == [("second_user", None), ("multi_user", None)]
    # Of those the state still has the verdicts.
    assert [one.signal for one in recent.verdicts] == ["second_user", "hand_raised", "multi_user"]
    assert [one.signal for one in older.signals] == ["second_user", "hand_raised", "multi_user"]
    assert older.verdicts == ()


def test_it_says_where_the_state_stands_and_what_is_not_in_it_yet(bus: Bus) -> None:
    partition = bus.topics.of("acme")
    for _ in range(3):
        bus.send(bus.topics.workspace_facts, partition, None, b"[]")
    bus.state(story(), ACME)
    before = bus.explain().origin
    bus.fence(ACME, Fence(end=2))
    after = bus.explain().origin

    assert after.place == f"{bus.topics.workspaces_changelog}/{partition}"
    assert (before.checkpoint_at, before.behind) == (None, 3)
    assert after.checkpoint_at is not None
    assert after.written_at is not None
    assert after.checkpoint_at >= after.written_at
    assert after.behind == 1


def test_what_is_muted_everywhere_and_another_config_in_force_are_told(bus: Bus) -> None:
    river = story(bus.config.prefix)
    bus.state(river, ACME)
    bus.fence(ACME, Fence(tick=day(2), muted={"seat_limit": 2**62}))
    bus.outputs(river, config="0123456789ab")

    told = bus.explain()

    assert ("muted in all workspaces", "seat_limit") in [(one.what, one.signal) for one in told.hushed]
    [warning] = told.warnings
    assert "0123456789ab" in warning


def test_what_nobody_of_us_wrote_on_a_topic_is_passed_over(bus: Bus) -> None:
    river, partition = story(bus.config.prefix), bus.topics.of("acme")
    bus.state(river, ACME)
    for value in (b'"acme"', b"\xff", None, b'{"workspace_id":"acme"}'):
        bus.send(bus.topics.signals, partition, None, value)
        bus.send(bus.topics.verdicts, partition, None, value)

    assert [one.evidence for one in bus.explain().signals] == [None, None]


@pytest.mark.parametrize("subject", [ACME, ANN], ids=str)
def test_an_unknown_subject_is_refused_with_where_it_was_looked_for(bus: Bus, subject: Subject) -> None:
    bus.state(story(), ACME)
    bus.state(story(), ANN)

    with pytest.raises(
        UnknownSubject, match=rf"no {subject.scope.value} nobody in {bus.topics.prefix}-\w+-changelog/\d"
    ):
        bus.explain(Subject(subject.scope, "nobody"))


def test_a_deleted_state_is_none(bus: Bus) -> None:
    bus.state(story(), ACME)
    bus.send(bus.topics.workspaces_changelog, bus.topics.of("acme"), to_key("acme"), None)

    with pytest.raises(UnknownSubject):
        bus.explain()


def test_without_topics_the_one_that_is_missing_is_named(kafka: KafkaServer, prefix: str) -> None:
    config = Config.model_validate({"prefix": prefix})

    with pytest.raises(PlgError, match=f"topic {prefix}-workspaces-changelog does not exist"):
        explain_live(ACME, config, Settings(kafka=kafka.address), since=0, progress=silent)


# -- from files


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    """A config and a file: five people on a Monday, one of them signed up."""
    config, events = tmp_path / "plg.yaml", tmp_path / "events.jsonl"
    config.write_text("events: {activated: [Report Shared]}\n")
    calls = [
        {
            "type": "track",
            "event": "Signed Up" if number == 0 else "Dashboard Viewed",
            "messageId": f"m{number}",
            "userId": f"u{number}",
            "context": {"groupId": "acme"},
            "timestamp": f"2026-03-02T12:00:0{number}Z",
        }
        for number in range(5)
    ]
    events.write_text("".join(json.dumps(call) + "\n" for call in calls))
    return config, events


def test_a_file_is_explained_as_a_backtest_leaves_it(files: tuple[Path, Path]) -> None:
    config, events = files

    ran = CliRunner().invoke(
        app, ["explain", "workspace", "acme", "--config", str(config), "--events", str(events), "--json"]
    )

    assert ran.exit_code == 0, ran.output
    told = json.loads(ran.stdout)
    assert (told["v"], told["scope"], told["id"], told["now"]) == (1, "workspace", "acme", "2026-03-02T12:00:04.000Z")
    assert [(one["signal"], one["verdict"]) for one in told["signals"]] == [
        ("signed_up", "unrouted"),
        ("second_user", "unrouted"),
        ("multi_user", "waiting_for_activation"),
    ]
    assert told["workspace"]["gate"] == {"open": False, "because": "nobody has activated", "activated_at": None}
    assert told["origin"] == {"place": str(events), "written_at": None, "checkpoint_at": None, "behind": None}
    msgspec.convert(told, Explanation)


def test_until_moves_the_moment_and_what_is_held_ends(files: tuple[Path, Path]) -> None:
    config, events = files

    arguments = ["explain", "workspace", "acme", "--config", str(config), "--events", str(events), "--json"]
    ran = CliRunner().invoke(app, [*arguments, "--until", "2026-04-01T12:00:04Z"])

    told = json.loads(ran.stdout)
    assert told["now"] == "2026-04-01T12:00:04.000Z"
    # Those who signed up have stalled meanwhile, which nobody is to hear of.
    verdicts = {one["signal"]: one["verdict"] for one in told["signals"]}
    assert (verdicts["multi_user"], verdicts["activation_stalled"]) == ("expired", "unrouted")
    assert told["workspace"]["active_users"]["7d"] == 0


def test_a_user_of_a_file_has_his_own_signals(files: tuple[Path, Path]) -> None:
    config, events = files

    told = json.loads(
        CliRunner()
        .invoke(app, ["explain", "user", "u0", "--config", str(config), "--events", str(events), "--json"])
        .stdout
    )

    assert [one["signal"] for one in told["signals"]] == ["signed_up"]
    assert told["user"]["signed_up_at"] == "2026-03-02T12:00:00.000Z"


def test_an_id_that_no_event_has_is_refused(files: tuple[Path, Path]) -> None:
    with pytest.raises(UnknownSubject, match=r"no user ACME in .*events\.jsonl \(5 lines, 0 of them unusable\)"):
        of_file(files, Subject(Scope.USER, "ACME"))


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (["--until", "2026-03-01"], "--until goes with --events"),
        (["--since", "7"], "--since 7: a duration is a number and a unit"),
        (["--events", "missing.jsonl"], "missing.jsonl: No such file"),
        (["--events", "{events}", "--until", "soon"], "--until soon: not a time"),
    ],
    ids=["until alone", "since without a unit", "no such file", "no time"],
)
def test_wrong_use_says_what_is_wrong(files: tuple[Path, Path], options: list[str], says: str) -> None:
    config, events = files
    options = [option.format(events=events) for option in options]

    ran = CliRunner().invoke(app, ["explain", "workspace", "acme", "--config", str(config), *options])

    assert isinstance(ran.exception, PlgError)
    assert says in str(ran.exception)


# -- as a person reads it


def text_of(told: Explanation, read_at: int | None = None) -> str:
    console = Console(file=io.StringIO(), width=40)
    for line in lines(told, read_at):
        console.print(line, soft_wrap=True)
    assert isinstance(console.file, io.StringIO)
    return console.file.getvalue()


def of_file(files: tuple[Path, Path], subject: Subject) -> Explanation:
    config, events = files
    return explain_files(subject, load_config(config), [events], until=None, on_bytes=lambda _count: None)


def test_the_lines_say_what_is_known_what_fired_what_is_due_and_what_is_missing(files: tuple[Path, Path]) -> None:
    text = text_of(of_file(files, ACME))

    said = text.splitlines()
    assert said[0] == "workspace acme"
    assert "  active users     5 in 7d, 5 in 14d" in said
    assert "  activation gate  closed: nobody has activated" in said
    assert "  2026-03-02 12:00  multi_user   by u4  waiting_for_activation" in said
    assert "    5 people active in 7 days: active_users_7d 5 (threshold 5)" in said
    assert any("multi_user, held, expires" in line and line.endswith("unless somebody activates") for line in said)
    assert "what is missing" in said
    # Plain in a pipe, and whole however narrow the terminal is.
    assert "\x1b" not in text


def test_signals_of_users_that_nobody_is_to_hear_of_are_counted_only(files: tuple[Path, Path]) -> None:
    said = text_of(of_file(files, ACME)).splitlines()

    assert "  not shown, but with --json: signed_up 1" in said
    assert not [line for line in said if line.startswith("  2026") and "signed_up" in line]


def test_of_many_signals_the_newest_are_shown(files: tuple[Path, Path]) -> None:
    told = of_file(files, ACME)
    many = msgspec.structs.replace(told, signals=(told.signals[-1],) * (SHOWN_SIGNALS + 1))

    said = text_of(many).splitlines()

    assert "  not shown, but with --json: multi_user 1" in said
    assert sum("multi_user   by" in line or "multi_user  by" in line for line in said) == SHOWN_SIGNALS


def test_text_of_others_moves_nothing_and_colours_nothing(files: tuple[Path, Path]) -> None:
    told = of_file(files, ACME)
    assert told.workspace is not None
    named = msgspec.structs.replace(told.workspace, name="[bold]A\x1b[31mcme\n:smile:")

    text = text_of(msgspec.structs.replace(told, id="ac\x1bme", workspace=named))

    assert text.startswith("workspace ac\\x1bme ([bold]A\\x1b[31mcme\\n:smile:)\n")


def test_a_user_is_told_with_his_workspaces(files: tuple[Path, Path]) -> None:
    said = text_of(of_file(files, Subject(Scope.USER, "u0"))).splitlines()

    assert said[0] == "user u0"
    assert any(line.startswith("  workspace acme  member; active days 1 in 1d") for line in said)


def test_how_old_a_state_is_goes_by_the_wall_clock(files: tuple[Path, Path]) -> None:
    told = of_file(files, ACME)
    origin = msgspec.structs.replace(
        told.origin, written_at="2026-03-02T12:00:00.000Z", checkpoint_at="2026-03-02T12:01:59.000Z", behind=2
    )

    text = text_of(msgspec.structs.replace(told, origin=origin), read_at=day(1) + 120_000)

    assert "stored 2 min ago; checkpoint now; 2 records of its log are not in it yet" in text

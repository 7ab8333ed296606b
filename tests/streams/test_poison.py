"""A record that a step cannot apply ends the worker twice and is set aside the third time (DESIGN 4.5)."""

from __future__ import annotations

import random
from collections.abc import Sequence
from typing import Any, NoReturn

import faust
import pytest
from faust.types import TP

from signals.codec import encode_record
from signals.config import Config
from signals.engine import Engine, Stepped, decode_user_state, decode_workspace_state, encode_state, step_users
from signals.errors import StepError
from signals.event import Event, Source, Tick
from signals.shard import Shard
from signals.user import UserState
from streams import agents
from streams.agents import River
from streams.metrics import Metrics
from streams.tables import StateTable
from streams.topics import Topics
from tests.records import Record
from tests.signals.builders import engine, event
from tests.streams.memory import Broker
from tests.streams.memory_outbox import MemoryOutbox
from tests.streams.virtual_time import run_virtually

CONFIG = Config.model_validate({"clock": "events", "topics": {"partitions": 1}})
TOPICS = Topics(CONFIG.prefix, 1)


class Ended(BaseException):
    """The process ended here: no handler of errors sees it."""


def records(*ids: str) -> list[Record]:
    """Sign-ups of users named by the ids of their events, as ingest writes them."""
    found = []
    for offset, name in enumerate(ids):
        made = event(user=name)
        made.id, made.source = name, Source("product", 0, offset)
        value = encode_record(made)
        found.append(Record(TOPICS.user_events, 0, offset, 1_700_000_000_000, 0, b"", value))
    return found


async def live_once(broker: Broker, batch: list[Record]) -> River:
    """One life of a worker: recover the users from their changelog, then apply the batch and checkpoint nothing."""
    app = faust.App("plg", broker="plg://nowhere")
    made: dict[str, Any] = {
        name: StateTable(app, name=name, partitions=1, encode=encode_state, decode=decode)
        for name, decode in (("users", decode_user_state), ("workspaces", decode_workspace_state))
    }
    for stored in broker.logs.get(TP(TOPICS.users_changelog, 0), []):
        made["users"]._restore(0, stored.key or b"", stored.value)
    outbox = MemoryOutbox(broker, random.Random(0))
    outbox.start()
    rules = engine()
    river = River(
        config=CONFIG,
        engine_of=lambda _: rules,
        topics=TOPICS,
        sender=outbox,
        still_owner=lambda: None,
        metrics=Metrics(),
        **made,
    )
    await river._in_one_go(river._users_slice, batch)
    await outbox.durable(outbox.barrier())
    return river


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The reasons for which the process ended; the step raises on the event `bad`."""
    reasons: list[str] = []

    def end(reason: str, **_fields: object) -> NoReturn:
        reasons.append(reason)
        raise Ended

    def steps(  # as the real ones
        shard: Shard[UserState], events: Sequence[Event | Tick], places: Sequence[int], partition: int, rules: Engine
    ) -> Stepped[Event | Tick]:
        ids = [event.id for event in events if isinstance(event, Event)]
        if "bad" in ids:
            raise StepError(places[ids.index("bad")]) from ZeroDivisionError()
        return step_users(shard, events, places, partition, rules)

    monkeypatch.setattr(agents, "fail_stop", end)
    monkeypatch.setattr(agents, "step_users", steps)
    return reasons


def dead_letters(broker: Broker) -> list[bytes | None]:
    return [record.key for record in broker.logs.get(TP(TOPICS.dead_letters, 0), [])]


def test_a_record_that_fails_once_and_again_ends_the_worker_both_times(ends: list[str]) -> None:
    broker = Broker(1)

    for _ in range(2):
        with pytest.raises(Ended):
            run_virtually(live_once(broker, records("good", "bad", "later")))

    assert ends == ["step.failed", "step.failed"]
    assert dead_letters(broker) == []


def test_after_two_restarts_the_record_is_a_dead_letter_its_user_suspect_and_the_rest_applied(ends: list[str]) -> None:
    broker = Broker(1)
    for _ in range(2):
        with pytest.raises(Ended):
            run_virtually(live_once(broker, records("good", "bad", "later")))

    river = run_virtually(live_once(broker, records("good", "bad", "later")))

    users = river._user_step.table.shard(0)
    assert {key: users.get(key).is_suspect for key in users} == {  # type: ignore[union-attr]
        "user:good": False,
        "user:bad": True,
        "user:later": False,
    }
    assert dead_letters(broker) == [f"{TOPICS.user_events}/0/1".encode()]
    assert len(ends) == 2


def test_failures_on_two_different_records_do_not_add_up(ends: list[str]) -> None:
    broker = Broker(1)
    with pytest.raises(Ended):
        run_virtually(live_once(broker, records("bad", "good")))

    with pytest.raises(Ended):
        run_virtually(live_once(broker, records("good", "bad")))

    with pytest.raises(Ended):
        run_virtually(live_once(broker, records("good", "bad")))
    assert dead_letters(broker) == []
    assert len(ends) == 3

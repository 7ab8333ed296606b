"""The funnel's process without a broker: what is refused, and which numbers it shows while new ones are made."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from signals.config import Config
from signals.moments import iso
from sinks.base import BatchSink, Delivery, Unavailable
from streams import funnel as module
from streams.funnel import FunnelKeeper
from streams.settings import Settings
from streams.topics import Topics
from tests.signals.builders import MONDAY, day
from tests.signals.test_funnel import signal

PARTITIONS = 2


@pytest.fixture
def keeper(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FunnelKeeper:
    """One whose rows are read from nowhere and written to a list."""
    settings = Settings(kafka="127.0.0.1:1", redis_url=SecretStr("redis://127.0.0.1:1/0"), config=tmp_path / "plg.yaml")
    monkeypatch.setattr(module, "read_rows", lambda _topics, _settings: module.FunnelState())
    made = FunnelKeeper(Config.model_validate({"topics": {"partitions": PARTITIONS}}), settings)
    monkeypatch.setattr(made, "_write", lambda _changed: None)
    made.watch(lambda: (3 * PARTITIONS, 1))
    return made


def delivery(value: bytes, topic: str = "plg.signals") -> Delivery:
    return Delivery(topic, 0, 0, b"ann", value)


def test_it_is_a_sink_that_takes_batches(keeper: FunnelKeeper) -> None:
    assert isinstance(keeper, BatchSink)


def test_a_record_that_breaks_its_contract_is_refused_and_the_others_count(keeper: FunnelKeeper) -> None:
    good = delivery(signal("signed_up", MONDAY)[1])

    outcomes = keeper.deliver_batch([good, delivery(b"{}"), delivery(b"", "plg.alerts"), good])

    assert [None if one is None else one.reason for one in outcomes] == [None, "bad_record", "bad_record", None]
    assert keeper.numbers().users == 1


def test_it_stands_still_while_a_partition_is_somebody_elses(keeper: FunnelKeeper) -> None:
    keeper.watch(lambda: (3 * PARTITIONS - 1, 2))

    with pytest.raises(Unavailable, match="run one"):
        keeper.deliver_batch([delivery(signal("signed_up", MONDAY)[1])])

    assert not keeper.has_all
    assert keeper.rows()["users"] == 0


def test_rows_are_read_anew_after_every_assignment(keeper: FunnelKeeper, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper.deliver_batch([delivery(signal("signed_up", MONDAY, "ann")[1])])
    theirs = module.FunnelState()
    theirs.take_signal(signal("signed_up", MONDAY, "of the other process")[1])
    monkeypatch.setattr(module, "read_rows", lambda _topics, _settings: theirs)

    keeper.watch(lambda: (3 * PARTITIONS, 2))
    keeper.deliver_batch([delivery(signal("signed_up", MONDAY, "bob")[1])])

    assert sorted(theirs.people) == ["bob", "of the other process"]


def test_numbers_are_made_anew_only_when_they_are_old(keeper: FunnelKeeper, monkeypatch: pytest.MonkeyPatch) -> None:
    keeper.deliver_batch([delivery(signal("signed_up", MONDAY, "ann")[1])])
    first = keeper.numbers()
    keeper.deliver_batch([delivery(signal("signed_up", day(2), "bob")[1])])

    assert keeper.numbers() is first
    monkeypatch.setattr(keeper, "_stale_at", 0.0)
    assert (keeper.numbers().users, keeper.numbers().as_of) == (2, iso(day(2)))


def test_its_topics_are_made_with_the_others() -> None:
    spec = {spec.name: spec for spec in Topics("plg", 4).specs()}["plg.funnel"]

    assert (spec.partitions, spec.settings) == (4, {"cleanup.policy": "compact"})

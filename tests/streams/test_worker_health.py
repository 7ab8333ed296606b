"""Readiness of a worker, condition by condition, and the counting that it rests on."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from faust.types import TP

from signals.config import Config
from streams.config_log import ConfigLog
from streams.configs import Configs
from streams.settings import Settings
from streams.transport import Consumer
from streams.worker_health import WorkerProbes

EVENTS, USERS, CHANGELOG = TP("events", 0), TP("plg.user-events", 0), TP("plg-users-changelog", 0)
LIMIT = 100


class Worker:
    """A worker that serves two partitions, with nothing in the way."""

    def __init__(self) -> None:
        self.waiting: dict[TP, int | None] = {EVENTS: 60, USERS: 40}
        self.has_joined = True
        self.unrecovered: set[TP] = set()
        self.app = SimpleNamespace(rebalancing=False, in_recovery=False)
        parts: Any = SimpleNamespace(
            app=self.app,
            consumer=_Consumer(self),
            is_recovered=lambda assigned: not assigned & self.unrecovered,
        )
        self.turns = True
        self.configs = Configs(Config(), Settings(), ConfigLog(), 0)
        self.probes = WorkerProbes(parts, Config(), Settings(ready_max_lag=LIMIT), lambda _: self.turns, self.configs)

    def missing(self) -> list[str]:
        """The conditions that are not met; asserts that the answer follows from them."""
        answer = self.probes.ready()
        found = [name for name, value in answer.parts.items() if value is False]
        assert answer.ok == (not found)
        return found


class _Consumer:
    def __init__(self, worker: Worker) -> None:
        self._worker = worker

    @property
    def has_joined(self) -> bool:
        return self._worker.has_joined

    def waiting(self) -> dict[TP, int | None]:
        return self._worker.waiting


@pytest.fixture
def worker() -> Worker:
    return Worker()


def test_a_worker_that_serves_its_partitions_is_ready_and_says_how_much_waits(worker: Worker) -> None:
    assert worker.missing() == []
    assert {name: worker.probes.ready().parts[name] for name in ("partitions", "lag", "max_lag")} == {
        "partitions": 2,
        "lag": 100,
        "max_lag": 100,
    }


def test_one_record_above_the_limit_is_too_much_lag(worker: Worker) -> None:
    worker.waiting[USERS] = 41

    assert worker.missing() == ["lag_bounded"]


def test_a_lag_that_no_fetch_has_shown_yet_is_not_bounded(worker: Worker) -> None:
    worker.waiting = {EVENTS: None, USERS: 0}

    assert worker.missing() == ["lag_bounded"]


def test_before_the_group_has_taken_it_in_it_is_not_ready(worker: Worker) -> None:
    worker.has_joined, worker.waiting = False, {}

    assert worker.missing() == ["joined"]


def test_during_a_rebalance_it_is_not_ready(worker: Worker) -> None:
    worker.app.rebalancing = True

    assert worker.missing() == ["settled"]


def test_one_partition_that_is_not_recovered_is_enough(worker: Worker) -> None:
    worker.unrecovered = {USERS}

    assert worker.missing() == ["recovered"]


def test_during_a_recovery_it_is_not_ready(worker: Worker) -> None:
    worker.app.in_recovery = True

    assert worker.missing() == ["recovered"]


def test_a_worker_without_a_partition_stands_by_and_is_ready(worker: Worker) -> None:
    worker.waiting = {}

    assert worker.missing() == []


def test_a_worker_that_stops_is_not_ready_and_still_lives(worker: Worker) -> None:
    worker.probes.is_stopping = True

    assert worker.missing() == ["running"]
    assert worker.probes.live().ok


def test_a_loop_that_does_not_turn_is_not_live(worker: Worker) -> None:
    worker.turns = False

    assert not worker.probes.live().ok


# -- how many records wait


def consumer(*, read: dict[TP, int | None], ends: dict[TP, tuple[int | None, int | None]]) -> Any:
    """A consumer whose client has seen these (highwater, position)."""
    states = {
        tp: SimpleNamespace(highwater=end, position=position, has_valid_position=position is not None)
        for tp, (end, position) in ends.items()
    }
    assignment = SimpleNamespace(tps=set(ends), state_value=states.get)
    subscription = SimpleNamespace(subscription=SimpleNamespace(assignment=assignment))
    return SimpleNamespace(
        has_joined=True,
        _thread=SimpleNamespace(_ensure_consumer=lambda: SimpleNamespace(_subscription=subscription)),
        _read_offset=read,
        _is_changelog_tp=lambda tp: tp == CHANGELOG,
    )


def test_what_waits_is_counted_from_the_last_record_handed_over() -> None:
    made = consumer(read={EVENTS: 70, USERS: None}, ends={EVENTS: (100, 60), USERS: (5, 0), CHANGELOG: (9, 0)})

    assert Consumer.waiting(made) == {EVENTS: 30, USERS: 5}


def test_a_partition_that_no_fetch_has_shown_is_unknown() -> None:
    made = consumer(read={}, ends={EVENTS: (None, None)})

    assert Consumer.waiting(made) == {EVENTS: None}


def test_a_partition_that_retention_has_emptied_is_no_lag() -> None:
    made = consumer(read={EVENTS: 100}, ends={EVENTS: (500, 500)})

    assert Consumer.waiting(made) == {EVENTS: 0}


def test_before_the_first_join_nothing_is_assigned() -> None:
    made = SimpleNamespace(has_joined=False)

    assert Consumer.waiting(made) == {}  # type: ignore[arg-type]  # the edge of a consumer

"""What the agents count: records that fences keep out, by step, and how late alerts are, by the wall clock only."""

from __future__ import annotations

import time

import msgspec
import pytest

from benchmarks import stepping
from benchmarks.stepping import Steps
from signals.config import Clock, Config
from signals.moments import iso
from streams.metrics import Metrics

SECONDS_AGO = 100


def contract_request(ago_s: float) -> bytes:
    """Somebody asked for a contract a while ago: sales hears of it at once."""
    return msgspec.json.encode(
        {
            "messageId": "m1",
            "type": "track",
            "event": "MSA Requested",
            "userId": "ann",
            "context": {"groupId": "acme"},
            "timestamp": iso(int((time.time() - ago_s) * 1_000)),
        }
    )


def worked(clock: Clock) -> Metrics:
    metrics = Metrics()
    steps = Steps(Config(clock=clock), metrics)
    steps.step_workspaces(steps.step_users(steps.ingest([contract_request(SECONDS_AGO)])))
    assert metrics.alerts == {"procurement": 1}
    return metrics


def test_a_record_that_comes_again_is_counted_by_the_step_that_keeps_it_out() -> None:
    metrics = Metrics()
    steps = Steps(Config(clock=Clock.EVENTS), metrics)
    events = steps.ingest([contract_request(SECONDS_AGO)])
    facts = steps.step_users(events)
    steps.step_workspaces(facts)
    assert metrics.fenced == {}

    steps.step_users(events)
    steps.step_workspaces(facts)
    steps.step_workspaces(facts)

    assert metrics.fenced == {"users": 1, "workspaces": 2}


def test_an_alert_is_timed_from_when_it_was_due(monkeypatch: pytest.MonkeyPatch) -> None:
    # A record's own time is the upper bound of its event's.
    monkeypatch.setattr(stepping, "_WRITTEN_AT", int(time.time() * 1_000))

    waits = worked(Clock.WALL).alert_waits

    assert sum(waits.counts) == 1
    assert waits.total_s == pytest.approx(SECONDS_AGO, abs=60)


def test_where_events_move_the_clock_nobody_waits() -> None:
    assert sum(worked(Clock.EVENTS).alert_waits.counts) == 0

"""Metrics are written per slice and per output, never per event; their share is computed from what is found."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from benchmarks.metrics import Cost, NotingMetrics, measure
from benchmarks.stepping import Steps
from simulator.scenario import Scenario
from streams.config_source import load_config

_DEMO = Path(__file__).parents[2] / "config" / "demo.yaml"


def page_views(count: int) -> list[bytes]:
    """Events of one user of a workspace, of which nothing follows."""
    return [
        msgspec.json.encode(
            {
                "messageId": f"m{n}",
                "type": "page",
                "name": "Home",
                "userId": "ann",
                "context": {"groupId": "acme"},
                "timestamp": f"2026-03-01T10:{n // 60 % 60:02}:{n % 60:02}Z",
            }
        )
        for n in range(count)
    ]


def writes_for(count: int) -> int:
    noting = NotingMetrics()
    steps = Steps(load_config(_DEMO), noting)
    steps.step_workspaces(steps.step_users(steps.ingest(page_views(count))))
    assert noting.ingested == count
    return sum(noting.written().values())


def test_a_slice_writes_as_often_for_many_events_as_for_few() -> None:
    assert writes_for(1_500) == writes_for(150) > 0


def test_a_simulated_product_has_fewer_than_three_writes_in_ten_events() -> None:
    found = measure(Scenario(days=20, workspaces=5, large=0))

    assert found.events > 200
    assert sum(found.writes.values()) < 0.3 * found.events


def test_the_share_is_what_all_writes_take_of_all_work() -> None:
    found = Cost(1_000, work_s=2.0, writes={"a": 10, "b": 5}, write_s={"a": 0.001, "b": 0.002}, render_s=0.003)

    assert found.share == pytest.approx(0.01)
    assert found.scrape_share == pytest.approx(0.0002)

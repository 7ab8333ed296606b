"""The dashboard: Grafana can import it, every panel explains itself, and every expression finds what it asks for."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from streams.metric_catalogue import FUNNEL, SINK, WORKER
from tests.deploy.expressions import (
    Expression,
    as_rules,
    complaints,
    dashboard,
    of_dashboard,
    of_rules,
    panels,
    rules,
    series_of,
)
from tests.prometheus import Judged

EXPRESSIONS = list(of_dashboard())
ROWS = ["Is it well?", "Flow", "Alerts and policy", "Sinks", "Config and recovery"]


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=lambda expression: expression.place)
def test_an_expression_asks_for_series_and_labels_that_there_are(expression: Expression) -> None:
    assert complaints(expression.text) == []


def test_promtool_takes_every_expression(
    tmp_path: Path, judged: Callable[..., Judged], report: Callable[[str], None]
) -> None:
    path = tmp_path / "rules.json"
    path.write_text(as_rules(EXPRESSIONS), encoding="utf-8")

    assert judged("check", "rules", path).ok, judged("check", "rules", path).said

    report(f"{len(EXPRESSIONS)} expressions in {len(panels())} panels, all taken")


@pytest.mark.parametrize(
    "broken",
    [
        "sum(rate(plg_facts_total[1m])",
        "rate(plg_facts_total)",
        "sum by (topic (plg_lag_records)",
        "histogram_quantil(0.9, plg_alert_latency_seconds_bucket)",
        'plg_lag_records{topic="events"',
        "plg_lag_records > > 3",
    ],
)
def test_promtool_refuses_a_broken_expression(tmp_path: Path, judged: Callable[..., Judged], broken: str) -> None:
    path = tmp_path / "rules.json"
    path.write_text(as_rules([*EXPRESSIONS, Expression("broken", broken)]), encoding="utf-8")

    verdict = judged("check", "rules", path)

    assert not verdict.ok
    assert f"checked:{len(EXPRESSIONS)}" in verdict.said


@pytest.mark.parametrize(
    ("broken", "complaint"),
    [
        ("sum(plg_lags_records)", "plg_lags_records is no metric of ours"),
        ('plg_lag_records{topics="events"}', "plg_lag_records has no label topics"),
        ("sum by (reason) (plg_lag_records)", "no metric here has a label reason"),
        ("plg_alert_latency_seconds > 1", "plg_alert_latency_seconds is no metric of ours"),
        ("plg_ready == 0 unless on (sink) plg_facts_total", "no metric here has a label sink"),
    ],
)
def test_an_expression_that_would_stay_empty_is_seen(broken: str, complaint: str) -> None:
    assert complaints(broken) == [complaint]


def test_every_metric_of_the_processes_is_shown_or_watched() -> None:
    named = {name for found in (*EXPRESSIONS, *of_rules()) for name in series_of(found.text)}

    # The funnel's numbers are on its own page (docs/funnel.md); a sum and a count are parts of their histogram.
    left_out = [m.name for m in (*WORKER, *SINK) if named.isdisjoint(m.series)]
    funnel = [m.name for m in FUNNEL if named.isdisjoint(m.series)]
    assert left_out == []
    assert "plg_funnel_waiting" not in funnel


def test_the_rows_are_there_in_their_order_and_none_is_empty() -> None:
    made = dashboard()["panels"]

    assert [panel["title"] for panel in made if panel["type"] == "row"] == ROWS
    assert all(
        panel["type"] != "row" or following["type"] != "row"
        for panel, following in zip(made, [*made[1:], {"type": "row"}], strict=True)
    )


@pytest.mark.parametrize("panel", panels(), ids=lambda panel: panel["title"])
def test_a_panel_explains_itself_and_asks_the_chosen_source(panel: dict[str, Any]) -> None:
    source = {"type": "prometheus", "uid": "${datasource}"}

    assert len(panel["description"]) > 30
    assert panel["fieldConfig"]["defaults"]["unit"]
    assert panel["datasource"] == source
    assert all(target["datasource"] == source for target in panel["targets"])


def test_the_cpu_time_of_an_event_is_that_of_the_workers_only(tmp_path: Path, judged: Callable[..., Judged]) -> None:
    [expression] = [found.text for found in EXPRESSIONS if found.place.startswith("CPU time of an event")]
    series = {
        'process_cpu_seconds_total{job="plg-worker", instance="w"}': "0+6x10",
        'plg_events_ingested_total{job="plg-worker", instance="w"}': "0+100x10",
        # Sinks and the funnel work, too, but not on the product's events.
        'process_cpu_seconds_total{job="plg-sink", instance="s"}': "0+6x10",
    }
    case = {
        "interval": "15s",
        "input_series": [{"series": name, "values": values} for name, values in series.items()],
        "promql_expr_test": [
            {"expr": expression, "eval_time": "2m", "exp_samples": [{"labels": "{}", "value": 0.06}]},
        ],
    }
    path = tmp_path / "cpu_test.yaml"
    path.write_text(json.dumps({"evaluation_interval": "15s", "tests": [case]}), encoding="utf-8")

    verdict = judged("test", "rules", path)

    assert verdict.ok, verdict.said


def test_a_rule_that_a_panel_names_is_there() -> None:
    known = rules().keys()

    for panel in panels():
        words = panel["description"].replace(".", " ").replace(",", " ").replace(":", " ").split()
        assert {word for word in words if word.startswith("Plg")} <= known, panel["title"]


def test_no_panel_lies_over_another_and_all_fit_the_grid() -> None:
    cells: Counter[tuple[int, int]] = Counter()
    for panel in dashboard()["panels"]:
        at = panel["gridPos"]
        assert at["x"] + at["w"] <= 24
        cells.update((x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"]))

    assert max(cells.values()) == 1


def test_ids_are_apart_and_the_source_is_a_variable() -> None:
    made = dashboard()
    ids = [panel["id"] for panel in made["panels"]]
    variables = {variable["name"]: variable["type"] for variable in made["templating"]["list"]}

    assert len(ids) == len(set(ids))
    assert variables == {"datasource": "datasource", "job": "query", "instance": "query"}
    assert made["uid"] == "plg-signals"
    assert "id" not in made

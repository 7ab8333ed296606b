"""The alert rules: promtool runs their tests, each fires and stays silent in them, and each has its section."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.deploy.expressions import PROMETHEUS, ROOT, Expression, complaints, of_rules, rules
from tests.prometheus import Judged

RULES = rules()
TESTS: list[dict[str, Any]] = YAML(typ="safe").load((PROMETHEUS / "alerts_test.yaml").read_text(encoding="utf-8"))[
    "tests"
]
OPERATIONS = (ROOT / "docs" / "operations.md").read_text(encoding="utf-8")


def section_names() -> list[str]:
    """The rules that the page has a section of, in its order."""
    return re.findall(r"^### (Plg\w+)$", OPERATIONS, re.MULTILINE)


def test_the_cases_of_all_rules_hold(judged: Callable[..., Judged], report: Callable[[str], None]) -> None:
    verdict = judged("test", "rules", PROMETHEUS / "alerts_test.yaml")

    assert verdict.ok, verdict.said
    report(f"{len(RULES)} rules, {len(TESTS)} cases, all hold")


def test_prometheus_takes_the_config_and_the_rules(judged: Callable[..., Judged]) -> None:
    assert judged("check", "config", PROMETHEUS / "prometheus.yml").ok
    assert judged("check", "rules", "--lint=all", "--lint-fatal", PROMETHEUS / "alerts.yaml").ok


@pytest.mark.parametrize("name", RULES)
def test_a_rule_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(name: str) -> None:
    fires = [
        bool(case["exp_alerts"]) for test in TESTS for case in test["alert_rule_test"] if case["alertname"] == name
    ]

    assert set(fires) == {True, False}


def with_rule(folder: Path, name: str, expression: str) -> Path:
    """One rule with another expression, and its cases, in a folder; they are JSON, which YAML holds."""
    changed = {**RULES[name], "expr": expression}
    tests = [test for test in TESTS if test["alert_rule_test"][0]["alertname"] == name]
    (folder / "alerts.yaml").write_text(json.dumps({"groups": [{"name": "changed", "rules": [changed]}]}))
    path = folder / "alerts_test.yaml"
    path.write_text(json.dumps({"rule_files": ["alerts.yaml"], "evaluation_interval": "1m", "tests": tests}))
    return path


def loosened(expression: str) -> str:
    """An expression that is met one step earlier: at its threshold, or by one that is not 0."""
    condition, unless, exception = expression.partition(" unless ")
    if condition.startswith("group by "):
        return condition
    if condition.startswith("absent("):
        return f"{condition} or vector(1)"
    if " > " in condition:
        head, _, threshold = condition.rpartition(" > ")
        return f"{head} >= {threshold}{unless}{exception}"
    return condition.replace(" == 0", " >= 0").replace(" == 1", " >= 0") + unless + exception


@pytest.mark.parametrize("name", RULES)
def test_the_cases_see_a_rule_that_never_fires_and_one_that_fires_too_early(
    name: str, tmp_path: Path, judged: Callable[..., Judged]
) -> None:
    for expression in ("vector(0) == 1", loosened(RULES[name]["expr"])):
        assert expression != RULES[name]["expr"]
        verdict = judged("test", "rules", with_rule(tmp_path, name, expression))

        assert not verdict.ok, f"{expression} is not noticed"
        assert name in verdict.said


def test_a_rule_with_a_broken_expression_fails_the_check(tmp_path: Path, judged: Callable[..., Judged]) -> None:
    path = with_rule(tmp_path, "PlgLag", "sum by (topic (plg_lag_records) > 100000").with_name("alerts.yaml")

    assert not judged("check", "rules", path).ok


@pytest.mark.parametrize("expression", list(of_rules()), ids=lambda expression: expression.place)
def test_a_rule_asks_for_series_and_labels_that_there_are(expression: Expression) -> None:
    assert complaints(expression.text) == []


@pytest.mark.parametrize("name", RULES)
def test_a_rule_says_how_bad_it_is_in_a_sentence_and_leads_to_its_section(name: str) -> None:
    rule = RULES[name]

    assert rule["labels"]["severity"] in {"page", "ticket"}
    assert len(rule["annotations"]["summary"]) > 10
    assert rule["annotations"]["runbook_url"] == f"docs/operations.md#{name.lower()}"


def test_the_page_has_a_section_for_each_rule_in_the_order_of_the_file_and_none_besides() -> None:
    assert section_names() == list(RULES)


@pytest.mark.parametrize("name", RULES)
def test_the_section_of_a_rule_says_what_it_means_and_what_to_do(name: str) -> None:
    [section] = re.findall(rf"^### {name}\n\n(.+?)(?=^##|\Z)", OPERATIONS, re.MULTILINE | re.DOTALL)

    assert "What to do: " in section

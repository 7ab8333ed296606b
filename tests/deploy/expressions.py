"""The PromQL of the dashboard and of the alert rules, and what it asks of the catalogue of metrics."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from ruamel.yaml import YAML

from streams.metric import Kind
from streams.metric_catalogue import FUNNEL, SINK, WORKER

ROOT = Path(__file__).parents[2]
DASHBOARD = ROOT / "deploy" / "grafana" / "plg-signals.json"
PROMETHEUS = ROOT / "deploy" / "prometheus"
# What Grafana puts in their place.
VARIABLES = {"$job": "plg-.*", "$instance": ".*", "$__rate_interval": "1m", "$__range": "6h"}
# What Prometheus itself adds to every target, and what it and its client make themselves.
TARGET = frozenset({"job", "instance"})
FOREIGN: Mapping[str, frozenset[str]] = {
    "up": TARGET,
    "ALERTS": TARGET | {"alertname", "alertstate", "severity"},
    "process_cpu_seconds_total": TARGET,
    "process_open_fds": TARGET,
    "process_resident_memory_bytes": TARGET,
    "process_start_time_seconds": TARGET,
}
# Series without a value until something has gone wrong.
ONLY_IN_TROUBLE = frozenset({"plg_sink_refusals_total"})

_TEXT = re.compile(r'"(?:[^"\\]|\\.)*"')
_GROUPING = re.compile(r"\b(?:by|without|on|ignoring|group_left|group_right)\s*\(([^)]*)\)")
_SELECTOR = re.compile(r"\{([^}]*)\}")
_WORD = re.compile(r"(?<!\w)[a-zA-Z_:][a-zA-Z0-9_:]*")
_RANGE = re.compile(r"\[[^\]]*\]")
_OPERATORS = frozenset({"and", "or", "unless", "bool", "offset", "inf", "nan"})


class Expression(NamedTuple):
    """An expression with its variables in place, and where it stands."""

    place: str
    text: str


def dashboard() -> dict[str, Any]:
    """The dashboard as Grafana imports it."""
    made: dict[str, Any] = json.loads(DASHBOARD.read_text(encoding="utf-8"))
    return made


def panels() -> list[dict[str, Any]]:
    """Its panels that show something."""
    return [panel for panel in dashboard()["panels"] if panel["type"] != "row"]


def rules() -> dict[str, dict[str, Any]]:
    """The alert rules by name."""
    loaded = YAML(typ="safe").load((PROMETHEUS / "alerts.yaml").read_text(encoding="utf-8"))
    found = [rule for group in loaded["groups"] for rule in group["rules"]]
    made = {rule["alert"]: rule for rule in found}
    assert len(made) == len(found), "two rules have the same name"
    return made


def of_dashboard() -> Iterator[Expression]:
    """What its panels and its variables ask."""
    for panel in panels():
        for target in panel["targets"]:
            yield Expression(f"{panel['title']} {target['refId']}", filled(target["expr"]))
    for variable in dashboard()["templating"]["list"]:
        if variable["type"] == "query":
            [series, _label] = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"]["query"]).groups()  # type: ignore[union-attr]  # it must match
            yield Expression(f"variable {variable['name']}", filled(series))


def of_rules() -> Iterator[Expression]:
    """What the alert rules ask."""
    yield from (Expression(name, rule["expr"]) for name, rule in rules().items())


def filled(text: str) -> str:
    """An expression with the variables of the dashboard in place."""
    for name, value in VARIABLES.items():
        text = text.replace(name, value)
    assert "$" not in text, text
    return text


def known_series() -> dict[str, frozenset[str]]:
    """Every series that there can be, with its labels."""
    found = dict(FOREIGN)
    for metric in (*WORKER, *SINK, *FUNNEL):
        for name in metric.series:
            more = {"le"} if metric.kind is Kind.HISTOGRAM and name.endswith("_bucket") else set()
            found[name] = TARGET | set(metric.labels) | more
    return found


def series_of(text: str) -> dict[str, set[str]]:
    """The series that an expression names, each with the labels that it selects by."""
    found: dict[str, set[str]] = {}
    bare = _GROUPING.sub(" ", _RANGE.sub(" ", _TEXT.sub('""', text)))
    for match in _WORD.finditer(_SELECTOR.sub(lambda found: " " * len(found[0]), bare)):
        rest = bare[match.end() :].lstrip()
        if rest.startswith("(") or match[0].lower() in _OPERATORS:
            continue
        selector = _SELECTOR.match(rest)
        labels = re.findall(r"(\w+)\s*[=!]", selector[1]) if selector is not None else []
        found.setdefault(match[0], set()).update(labels)
    return found


def complaints(text: str) -> list[str]:
    """What an expression asks that no process shows: series, and labels that those it names do not have."""
    known, found = known_series(), series_of(text)
    said = [f"{name} is no metric of ours" for name in found if name not in known]
    labels = frozenset[str]().union(*(known.get(name, frozenset()) for name in found))
    for name, selected in found.items():
        said += [f"{name} has no label {label}" for label in sorted(selected - known.get(name, selected))]
    for group in _GROUPING.findall(_TEXT.sub('""', text)):
        said += [f"no metric here has a label {label}" for label in _WORD.findall(group) if label not in labels]
    return said


def as_rules(expressions: Iterator[Expression] | list[Expression]) -> str:
    """A file of recording rules for `promtool check rules`: JSON, which YAML holds."""
    rules = [{"record": f"checked:{n}", "expr": found.text} for n, found in enumerate(expressions)]
    return json.dumps({"groups": [{"name": "checked", "rules": rules}]}, indent=1)

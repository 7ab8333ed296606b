"""
docs/configuration.md is written from the models of the config and the comments of config/plg.yaml.

After a change of either write it again: .venv/bin/python -m tests.docs.test_configuration_page
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from signals.config import Config
from signals.reloading import Effort, effort
from streams.config_schema import schema_text

PAGE = Path(__file__).parents[2] / "docs" / "configuration.md"
AGAIN = ".venv/bin/python -m tests.docs.test_configuration_page"
HEAD = f"""# Configuration

Every key of `config/plg.yaml`: what it means, what may stand there, and what it is where the file does not name it.
Written from the models and the comments of that file by `{AGAIN}`; \
[schemas/config.json](schemas/config.json) says the same to editors, `plg check` judges, `plg config show` prints \
what is in force.

- A key that you leave out, or give no value, keeps its default; a list replaces the default list.
- A duration is a number and a unit: `90s`, `10m`, `24h`, `7d`.
- Addresses, passwords and limits of the processes are variables: [contract.md](contract.md#environment-variables).
- The column *change* says when one takes effect; [changing thresholds](operations.md#changing-thresholds) says how.

| change | means |
|---|---|
| save | as soon as the file is saved, in all workers at the same place of each log; sinks read it when they start |
| kept | the same, where the workspaces keep a window of that length already; else it takes a rebuild |
| restart | when the workers have been started again |
| new topics | with the topics that are made from then on |
| rebuild | not while states stand: all has to be built again; `plg check --against-running` says what that costs |
| fixed | not at all: it is set at the first start; [operations.md](operations.md#partitions) says how to build anew |
"""
# What a number counts, by the name of its key.
UNITS = {
    "active_days": "days",
    "active_users": "users",
    "attempts": "attempts",
    "core_names": "names",
    "custom_keys": "keys",
    "companies_heard": "companies",
    "earlier": "users",
    "employees": "employees",
    "features_per_user": "features",
    "fired_keys": "keys",
    "held_signals": "signals",
    "large_above": "employees",
    "levels": "shares",
    "max_event_bytes": "bytes",
    "max_id_chars": "characters",
    "max_per_workspace": "alerts",
    "max_text_chars": "characters",
    "metrics_per_workspace": "metrics",
    "mid_market_above": "employees",
    "min_events": "events",
    "min_mean": "events a week",
    "min_seats": "seats",
    "open_alerts": "alerts",
    "origins": "partitions",
    "partitions": "partitions",
    "quiet_signals": "signals",
    "ratio": "share",
    "rearm_at": "users",
    "reasons_per_alert": "reasons",
    "recent_verdicts": "verdicts",
    "replication": "copies",
    "users": "users",
    "workspaces_per_user": "workspaces",
}
POINTS = {"attention", "cap", "hysteresis", "ready"}
# What is otherwise than its effort says (signals/reloading.py).
CHANGES = {
    "prefix": "fixed",
    "source.start": "fixed",
    "topics.partitions": "fixed",
    "topics.replication": "new topics",
    "signals.multi_user.window": "kept",
    "signals.seat_growth.window": "kept",
}
# Where the comment of config/plg.yaml shows an example.
MEANINGS = {"custom": "Signals of your own, without code, at most 50: [custom-signals.md](custom-signals.md)."}

Schema = dict[str, Any]


class Row(NamedTuple):
    """One key of the config."""

    key: str
    kind: str
    unit: str
    default: str
    change: str
    meaning: str


def takes_effect(key: str) -> str:
    """When a change of a key takes effect: a word of the table at the head of the page."""
    return CHANGES.get(key) or ("save" if effort(key) is Effort.NONE else effort(key).value)


def rows(schema: Schema, path: str) -> Iterator[Row]:
    """The keys of a section, those of the sections below it among them."""
    for name, value in schema["properties"].items():
        key = f"{path}.{name}" if path else name
        if "properties" in value and "propertyNames" not in value:
            yield from rows(value, key)
        elif "properties" in value.get("items", {}):
            yield from rows(value["items"], f"{key}[]")
        else:
            # What a signal is stands above all of it.
            meaning = (schema if name == "enabled" else value).get("description", "")
            default = _shown(value.get("default"))
            yield Row(key, kind(value), unit(key, value), default, takes_effect(key), MEANINGS.get(key, meaning))


def kind(value: Schema) -> str:
    """What may stand at a key, in words."""
    if "propertyNames" in value or "patternProperties" in value:
        inner = value.get("additionalProperties")
        return f"signal: {kind(inner)}" if isinstance(inner, dict) else "names with a stanza each"
    if "anyOf" in value:
        return " or ".join(kind(option) for option in value["anyOf"] if option.get("type") != "null")
    if "enum" in value:
        return ", ".join(f"`{choice}`" for choice in value["enum"] if choice is not None)
    types = value.get("type", "string")
    types = [types] if isinstance(types, str) else types
    name = next(name for name in types if name != "null")
    if name == "array":
        return f"list of {kind(value['items'])}"
    if _is_duration(value):
        return "duration"
    words = {"string": "text", "integer": "whole number", "number": "number", "boolean": "`true`, `false`"}
    return words[name] + _range(value)


def unit(key: str, value: Schema) -> str:
    """What a number counts; empty where there is none."""
    name = key.rpartition(".")[2]
    if "propertyNames" in value:
        inner = value["additionalProperties"]
        return unit(key, inner)
    if _is_duration(value):
        return "s, m, h or d"
    if "28d" in value.get("enum", []):
        return "calendar days"
    if not _is_number(value):
        return ""
    if name in POINTS or (key.startswith("score.") and name not in UNITS):
        return "points"
    return UNITS[name]


def _is_number(value: Schema) -> bool:
    types = value.get("type", [])
    inner = value.get("items", {}).get("type", "")
    return bool({"integer", "number"} & set([types] if isinstance(types, str) else types)) or inner == "number"


def _is_duration(value: Schema) -> bool:
    return "[smhd]" in value.get("pattern", "")


def _range(value: Schema) -> str:
    low = value.get("minimum", value.get("exclusiveMinimum"))
    high = value.get("maximum", value.get("exclusiveMaximum"))
    above = "above" if "exclusiveMinimum" in value else "from"
    below = "below" if "exclusiveMaximum" in value else "to"
    return (f" {above} {low:,}" if low is not None else "") + (f" {below} {high:,}" if high is not None else "")


def _shown(default: object) -> str:
    if default in (None, [], {}):
        return ""
    if isinstance(default, bool):
        return f"`{str(default).lower()}`"
    if isinstance(default, list):
        return "`" + ", ".join(str(item) for item in default) + "`"
    if isinstance(default, dict):
        return "`" + ", ".join(f"{name}: {item}" for name, item in default.items()) + "`"
    return f"`{default}`"


def page() -> str:
    """The page as it is to be."""
    schema = json.loads(schema_text())
    written = [HEAD]
    alone = {name: value for name, value in schema["properties"].items() if "properties" not in _inside(value)}
    written.append(_table("The file itself", "", rows({"properties": alone}, "")))
    for name, value in schema["properties"].items():
        if name not in alone:
            found = rows({"properties": {name: value}}, "")
            written.append(_table(f"`{name}`", value.get("description", ""), found))
    return "\n".join(written).rstrip() + "\n"


def _inside(value: Schema) -> Schema:
    items: Schema = value.get("items", {})
    return items if "properties" in items else value


def _table(title: str, meaning: str, found: Iterator[Row]) -> str:
    lines = [f"## {title}\n", *([f"{meaning}\n"] if meaning else [])]
    lines += ["| key | type | unit | default | change | meaning |", "|---|---|---|---|---|---|"]
    for row in found:
        cells = (f"`{row.key}`", row.kind, row.unit, row.default, row.change, row.meaning)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join([*lines, ""])


def test_the_page_is_that_of_the_models() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), f"write it again: {AGAIN}"


def test_every_key_is_on_the_page_with_its_meaning() -> None:
    listed = {row.key: row for row in rows(json.loads(schema_text()), "")}

    assert listed.keys() == set(keys(Config().model_dump(mode="json"), ""))
    assert [row.key for row in listed.values() if not row.meaning] == []


def keys(dumped: dict[str, Any], path: str) -> Iterator[str]:
    """Every key of a config that has no further keys below it."""
    maps = {"score.weights", "alerts.max_age_of", "routes[].priority", "routes[].play", "custom"}
    for name, value in dumped.items():
        key = f"{path}.{name}" if path else name
        if key == "routes":
            yield from keys(value[0], "routes[]")
        elif isinstance(value, dict) and key not in maps:
            yield from keys(value, key)
        else:
            yield key


def test_what_stands_in_the_column_of_changes_is_explained() -> None:
    explained = set(re.findall(r"^\| ([a-z ]+) \| .+ \|$", HEAD, re.MULTILINE)) - {"change"}

    assert {row.change for row in rows(json.loads(schema_text()), "")} == explained


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")

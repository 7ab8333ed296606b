"""The JSON Schema of the config: it explains every key, takes what the code takes, and refuses what editors can see."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from streams.config_schema import comments, schema_text
from streams.config_text import parse_text

SHIPPED = Path(__file__).parents[2] / "config"
SCHEMA = json.loads(schema_text())


def mistakes(text: str) -> list[str]:
    """The keys at which a validator of JSON Schema finds something wrong."""
    values = parse_text(text, "plg.yaml").values
    return sorted(".".join(map(str, error.path)) for error in Draft7Validator(SCHEMA).iter_errors(values))


def keys(schema: dict[str, Any], above: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every key that the schema knows, with what it says of it."""
    for name, value in schema.get("properties", {}).items():
        yield f"{above}{name}", value
        yield from keys(value, f"{above}{name}.")
    if isinstance(schema.get("items"), dict):
        yield from keys(schema["items"], f"{above}*.")


def test_it_is_a_schema() -> None:
    Draft7Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("name", ["plg.yaml", "demo.yaml"])
def test_a_shipped_file_is_right_by_it_and_names_it_in_its_first_line(name: str) -> None:
    text = (SHIPPED / name).read_text(encoding="utf-8")
    word, _, path = text.splitlines()[0].partition("$schema=")

    assert mistakes(text) == []
    assert word == "# yaml-language-server: "
    assert json.loads((SHIPPED / path).read_text(encoding="utf-8")) == SCHEMA


def test_every_key_is_explained_in_the_words_of_the_shipped_file() -> None:
    texts = comments((SHIPPED / "plg.yaml").read_text(encoding="utf-8"))
    # Of what is said signal by signal, the whole is explained once.
    by_signal = (".priority.", ".play.", ".max_age_of.", ".weights.")
    explained = {key: value.get("description") for key, value in keys(SCHEMA) if not any(w in key for w in by_signal)}

    assert [key for key, text in explained.items() if not text] == []
    assert explained["signals.multi_user.active_users"] == "The people who must be active in them."
    assert explained["source.start"].startswith("Where the very first start begins. latest: with what happens from")
    assert explained["routes.*.name"] == "Its name, as it stands in the alert and in the name of the work queue."
    own_words = {key for key in explained if tuple(key.split(".")) not in texts}
    assert {key.rpartition(".")[2] for key in own_words} == {"enabled"}


def test_a_default_is_written_as_in_the_file() -> None:
    defaults = {key: value["default"] for key, value in keys(SCHEMA) if "default" in value}

    assert defaults["signals.activated.target_small"] == "10m"
    assert defaults["signals.multi_user.window"] == "7d"
    assert defaults["routes.*.sinks"] == ["redis"]
    assert defaults["source.start"] == "latest"
    assert "source.pattern" not in defaults


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("prefx: plg", ""),
        ("prefix: Plg", "prefix"),
        ("clock: sun", "clock"),
        ("source: {start: tomorrow}", "source.start"),
        ("source: {topics: [a b]}", "source.topics.0"),
        ("topics: {partitions: 0}", "topics.partitions"),
        ("events: {core: Export}", "events.core"),
        ("identity: {user_id: [a..b]}", "identity.user_id.0"),
        ("signals: {multi_user: {window: 10d}}", "signals.multi_user.window"),
        ("signals: {multi_user: {cooldown: 30}}", "signals.multi_user.cooldown"),
        ("signals: {seat_limit: {ratio: 0}}", "signals.seat_limit.ratio"),
        ("signals: {usage_limit: {levels: []}}", "signals.usage_limit.levels"),
        ("routes: [{signals: [multi_user, Procurement]}]", "routes.0.signals.1"),
        ("routes: [{priority: {procurement: now}}]", "routes.0.priority.procurement"),
        ("routes: [{priority: {Procurement: high}}]", "routes.0.priority"),
        ("routes: [{priority: {of_our_own: now}}]", "routes.0.priority.of_our_own"),
        ("custom: {Exports: {rule: count, events: [Exported], threshold: 5}}", "custom"),
        ("custom: {exports: {rule: count, events: [], threshold: 5}}", "custom.exports"),
        ("custom: {exports: {rule: count, events: [Exported], threshold: 5, window: 10d}}", "custom.exports"),
        ("custom: {exports: {rule: absence, after: [Exported], without: [Shared]}}", "custom.exports"),
    ],
)
def test_what_an_editor_can_see_is_refused_where_it_stands(text: str, at: str) -> None:
    assert mistakes(text) == [at]


def test_of_five_mistakes_it_sees_all_that_need_no_table_of_time_zones() -> None:
    text = """\
prefx: plg
signals:
  multi_user:
    active_users: 0
    window: 10d
time_zone: Mars/Base
routes:
  - signals: [multi_user, Procurement]
"""

    assert mistakes(text) == [
        "",
        "routes.0.signals.1",
        "signals.multi_user.active_users",
        "signals.multi_user.window",
    ]


@pytest.mark.parametrize(
    "text",
    [
        "events:\nsource:\n  topics:\nclock:\npolicy:\n  assume_activated_before:",
        "source: {start: 2026-11-01}",
        "source: {start: 2026-11-01T09:00:00+01:00, pattern: '^app\\..*'}",
        "internal: {user_ids: [42, u1]}",
        "signals: {hand_raised: {cooldown: 1.5h}}",
        "custom:",
        "custom: {exports: {rule: count, events: [Exported], threshold: 5, scope: user, title:}}",
        "custom: {exports: {rule: distinct_users, events: [Exported], threshold: 5, window: 14d, enabled: false}}",
        "custom: {exports: {rule: absence, after: [Exported], without: [Shared], for: 3d, kind: risk}}",
        "{custom: {exports: {rule: count, events: [Exported], threshold: 5}}, routes: [{signals: [exports]}]}",
    ],
)
def test_what_the_code_takes_is_right_by_it(text: str) -> None:
    assert mistakes(text) == []


def test_a_comment_belongs_to_the_key_below_it_and_the_first_item_of_a_list_speaks_for_all() -> None:
    text = """\
# About the file.

# First.
# And more.
a: 1
b:
  - # Of an item.
    c: 1
    # Not of a key.

    d: 2
  # Of a later one.
  - c: 3
"""

    assert comments(text) == {("a",): "First. And more.", ("b", "*", "c"): "Of an item."}

"""Personal data has an end, is in no label of a metric, and no secret is in the tree."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from sinks.redis import REMEMBER_S
from streams.metric_catalogue import SINK, WORKER, Metric
from streams.topics import DAY_MS, Topics

ROOT = Path(__file__).parents[2]
CONTRACT = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
SPECS = {spec.name: spec for spec in Topics("plg", 32).specs()}
# What the values of each label are, all of them a short list or names from the config.
LABELS = {"hash", "outcome", "reason", "step", "signal", "verdict", "note", "rule", "topic", "table", "sink"}
# Text in the form of a real one; those of the tests are not.
SECRETS = re.compile(
    rb"-----BEGIN [A-Z ]*PRIVATE KEY|\bxox[bpars]-\d{10,}|\bAKIA[0-9A-Z]{16}\b|\bghp_[A-Za-z0-9]{36}\b"
    rb"|hooks\.slack\.com/services/T[A-Z0-9]{8,}/B[A-Z0-9]{8,}/[A-Za-z0-9]{20,}"
)
FOLDERS = ("benchmarks", "config", "deploy", "docs", "examples", "signals", "simulator", "sinks", "streams", "tests")


def kept(topic: str) -> str:
    """How long a topic keeps its records, in the words of the contract."""
    settings = SPECS[topic].settings
    if settings.get("cleanup.policy") == "compact":
        return "compacted"
    return f"{int(settings['retention.ms']) // DAY_MS} days"


@pytest.mark.parametrize("topic", sorted(SPECS))
def test_a_topic_keeps_its_records_as_long_as_the_contract_says(topic: str) -> None:
    [row] = re.findall(
        rf"^\| .*`{re.escape(topic)}`.* \| ([^|]+) \|$", CONTRACT.partition("## Signal")[0], re.MULTILINE
    )

    assert row.removesuffix(" by its own clock") == kept(topic)


def test_redis_remembers_an_alert_as_long_as_its_topic() -> None:
    assert REMEMBER_S * 1_000 == int(SPECS["plg.alerts"].settings["retention.ms"])


@pytest.mark.parametrize("metric", [*WORKER, *SINK], ids=lambda metric: metric.name)
def test_no_label_of_a_metric_is_an_id(metric: Metric[Any]) -> None:
    assert set(metric.labels) <= LABELS


def files() -> list[Path]:
    """All that is in the tree, as far as people write it."""
    inside = [path for folder in FOLDERS for path in (ROOT / folder).rglob("*")]
    return [
        path
        for path in [*inside, *ROOT.glob("*")]
        if path.is_file() and "__pycache__" not in path.parts and not path.name.endswith("-data")
    ]


def test_no_secret_is_in_the_tree() -> None:
    found = [path.relative_to(ROOT).as_posix() for path in files() if SECRETS.search(path.read_bytes())]

    assert len(files()) > 300
    assert found == []


@pytest.mark.parametrize(
    "text", [b"xoxb-" + b"1" * 12 + b"-a", b"-----BEGIN EC PRIVATE" + b" KEY-----", b"AKIA" + b"A" * 16]
)
def test_a_secret_would_be_seen(text: bytes) -> None:
    assert SECRETS.search(text)

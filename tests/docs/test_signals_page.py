"""docs/signals.md names every signal with its rule, its tests and a story in which it fires, and all of them are so."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

import pytest

from signals.compiled import Engine
from signals.config import Config
from signals.rule import Kind
from signals.thresholds import Signals
from tests.docs.test_named_tests import names_in
from tests.signals.stories import counted

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "signals.md").read_text(encoding="utf-8")


class Row(NamedTuple):
    """What the page says of a signal."""

    signal: str
    kind: str
    scope: str
    says: str
    rule: str
    tests: str
    story: str
    live: str


ROWS = [Row(*cells) for cells in re.findall(r"^\| `(\w+)` \|" + r" ([^|]+) \|" * 7 + "$", PAGE, re.MULTILINE)]
RULES = Engine(Config()).by_name


def linked(cell: str) -> Path:
    """The file that a cell links to."""
    return (ROOT / "docs" / re.findall(r"\]\(([^)]+)\)", cell)[0]).resolve()


def test_page_names_every_signal_in_the_order_of_the_config() -> None:
    # pql and expansion_ready are asked last, and stand last.
    derived = ["pql", "expansion_ready"]

    assert [row.signal for row in ROWS] == [name for name in Signals.model_fields if name not in derived] + derived


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.signal)
def test_rule_stands_in_its_file_with_the_kind_and_scope_of_the_page(row: Row) -> None:
    rule = RULES[row.signal]

    assert linked(row.rule) == ROOT / "signals" / "rules" / f"{row.signal}.py"
    assert type(rule).__module__ == f"signals.rules.{row.signal}"
    assert (row.kind.partition(",")[0], row.scope) == (rule.kind.value, rule.scope.value)
    assert (row.kind == "expansion, or risk") == (row.signal == "trial_ending")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.signal)
def test_tests_at_the_threshold_and_one_below_exist(row: Row) -> None:
    file = linked(row.tests).relative_to(ROOT).as_posix()
    named = re.findall(r"`(test_\w+)`", row.tests)

    assert file.startswith("tests/signals/rules/test_")
    assert set(named) <= names_in(file)
    assert len(named) == 2 or is_both(file, named[0]), "one test must have cases on both sides of the threshold"


def is_both(file: str, test: str) -> bool:
    """Whether a test has cases: the decorator stands right above it."""
    text = (ROOT / file).read_text(encoding="utf-8")
    above = text.partition(f"def {test}(")[0].rpartition("\n\n\n")[2]
    return above.startswith("@pytest.mark.parametrize")


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.signal)
def test_it_fires_in_the_story_that_the_page_names(row: Row) -> None:
    assert row.signal in counted(linked(row.story).read_text(encoding="utf-8"))


@pytest.mark.parametrize("row", ROWS, ids=lambda row: row.signal)
def test_it_is_said_in_a_sentence_and_was_seen_live(row: Row) -> None:
    assert row.says.endswith(".")
    # tests/river/test_catalogue.py asks for every signal of the config, so nothing else can stand here.
    assert row.live == "yes"
    assert row.signal not in {kind.value for kind in Kind}

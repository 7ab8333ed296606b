"""The examples of docs/custom-signals.md are right, and its table names every key with its default."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from signals.custom import STANZAS
from streams.config_source import check_text

PAGE = (Path(__file__).parents[2] / "docs" / "custom-signals.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


@pytest.mark.parametrize("text", EXAMPLES)
def test_example_is_right_and_nothing_in_it_is_worth_a_second_look(text: str) -> None:
    known = "events: {activated: [Report Shared], core: [Dashboard Viewed]}\nplans: {order: [team, business]}\n"

    assert check_text(known + text, "example").warnings() == []


def test_there_is_an_example_of_each_rule_and_every_key_is_in_the_table() -> None:
    assert [re.search(r"rule: (\w+)", text)[1] for text in EXAMPLES] == list(STANZAS)  # type: ignore[index]  # it is there
    keys = {field.alias or name for model in STANZAS.values() for name, field in model.model_fields.items()}
    assert [key for key in sorted(keys) if f"`{key}`" not in PAGE] == []

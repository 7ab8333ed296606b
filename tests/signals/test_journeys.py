"""
Golden journeys: whole companies with the default config, every alert exactly and in order.

The stories read like stories. After a change that is meant write them again:  .venv/bin/python -m tests.signals.stories
"""

from __future__ import annotations

from pathlib import Path

import pytest

from signals.thresholds import Signals
from tests.signals.stories import JOURNEYS, SETTINGS, counted, tell


@pytest.mark.parametrize("journey", sorted(JOURNEYS.glob("*.jsonl")), ids=lambda path: path.stem)
def test_journey_goes_as_its_story_tells(journey: Path) -> None:
    assert tell(journey) == journey.with_suffix(".story.txt").read_text(encoding="utf-8")


def test_every_story_has_its_journey() -> None:
    stories = {path.name.removesuffix(".story.txt") for path in JOURNEYS.glob("*.txt")}

    assert stories == {path.stem for path in JOURNEYS.glob("*.jsonl")} != set()


def test_together_the_stories_raise_every_signal_of_ours_and_one_of_the_configs_own() -> None:
    stories = [path.read_text(encoding="utf-8") for path in JOURNEYS.glob("*.story.txt")]

    assert {signal for story in stories for signal in counted(story)} == {*Signals.model_fields, "export_burst"}
    assert "export_burst" in str(SETTINGS["custom"])

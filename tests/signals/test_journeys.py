"""
Golden journeys: whole companies with the default config, every alert exactly and in order.

The stories read like stories. After a change that is meant write them again:  .venv/bin/python -m tests.signals.stories
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.signals.stories import JOURNEYS, tell


@pytest.mark.parametrize("journey", sorted(JOURNEYS.glob("*.jsonl")), ids=lambda path: path.stem)
def test_journey_goes_as_its_story_tells(journey: Path) -> None:
    assert tell(journey) == journey.with_suffix(".story.txt").read_text(encoding="utf-8")


def test_every_story_has_its_journey() -> None:
    stories = {path.name.removesuffix(".story.txt") for path in JOURNEYS.glob("*.txt")}

    assert stories == {path.stem for path in JOURNEYS.glob("*.jsonl")} != set()

"""What the river tests share: the story they play, 60 simulated days, and a river of which nothing runs."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from pydantic import SecretStr

from simulator import Scenario, simulate
from streams.config_source import load_config
from streams.settings import Settings
from tests.river.harness import NOBODY, River


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A file of about 88,000 events: workspaces of 2 to 8 users, and two of 50 to 300."""
    path = tmp_path_factory.mktemp("story") / "story.jsonl"
    with path.open("wb") as file:
        for event in simulate(Scenario(seed=3, workspaces=300, large=2)):
            file.write(msgspec.json.encode(event) + b"\n")
    return path


@pytest.fixture
def nowhere(tmp_path: Path) -> River:
    """A river of which nothing runs."""
    config_path = tmp_path / "plg.yaml"
    config_path.write_text("prefix: nowhere\nclock: events\n")
    settings = Settings(kafka=NOBODY, redis_url=SecretStr("redis://127.0.0.1:1/0"), config=config_path)
    made = River(tmp_path, config_path, settings, load_config(config_path))
    made.extra["PLG_CONNECT_TIMEOUT_S"] = "2"
    return made

"""Here every worker packs what it recovers, as one with many states does."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def packing_begins_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.packing.SAMPLES", 4)

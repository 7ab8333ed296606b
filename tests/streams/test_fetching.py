"""The pause between two rounds of fetching."""

from __future__ import annotations

from typing import Any

import pytest
from aiokafka.consumer import consumer, fetcher

import streams.transport  # noqa: F401  # puts the mended parts in place
from streams.fetching import FETCH_EVERY_S, PacedFetcher

ROUND = ([("node", "request")], {}, 0.1, False, [])
NOTHING_TO_ASK: tuple[Any, ...] = ([], {}, 0.1, False, [])


class _Clock:
    now = 100.0

    def monotonic(self) -> float:
        """The time that the test has set."""
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> _Clock:
    """The clock of the fetcher."""
    made = _Clock()
    monkeypatch.setattr("streams.fetching.time", made)
    return made


def _paced(monkeypatch: pytest.MonkeyPatch, actions: tuple[Any, ...]) -> PacedFetcher:
    monkeypatch.setattr(fetcher.Fetcher, "_get_actions_per_node", lambda _self, _assignment: actions)
    return PacedFetcher.__new__(PacedFetcher)


def test_the_consumer_is_made_with_it() -> None:
    assert consumer.Fetcher is PacedFetcher


def test_a_round_waits_for_the_end_of_the_pause_and_no_longer(monkeypatch: pytest.MonkeyPatch, clock: _Clock) -> None:
    paced = _paced(monkeypatch, ROUND)
    assert paced._get_actions_per_node(None) == ROUND
    clock.now += FETCH_EVERY_S / 2
    requests, resets, wait_s, *_ = paced._get_actions_per_node(None)
    assert (requests, resets) == ([], {})
    assert wait_s == pytest.approx(FETCH_EVERY_S / 2)
    clock.now += FETCH_EVERY_S / 2
    assert paced._get_actions_per_node(None) == ROUND


def test_a_round_that_asked_nothing_makes_nobody_wait(monkeypatch: pytest.MonkeyPatch) -> None:
    paced = _paced(monkeypatch, NOTHING_TO_ASK)
    assert paced._get_actions_per_node(None) == NOTHING_TO_ASK
    monkeypatch.setattr(fetcher.Fetcher, "_get_actions_per_node", lambda _self, _assignment: ROUND)
    assert paced._get_actions_per_node(None) == ROUND

"""
The crash explorer over the river of production: wherever a worker ends, nothing is lost, and Redis has it once.

Every single point in three ways, and 200 pairs of crashes; `make explore` runs all pairs.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.servers import RedisServer
from tests.streams.explore import explore, pair_runs, side_by_side, single_runs
from tests.streams.real_lives import timers_fired

pytestmark = pytest.mark.river

SEED = 0
PAIRS = 200


def test_story_lets_timers_of_users_and_of_workspaces_fire_by_ticks_and_by_events(
    report: Callable[[str], None],
) -> None:
    found = timers_fired()

    report(f"facts and signals that time has brought about: {dict(found)}")
    assert {kind for kind, count in found.items() if count} == {
        f"{whose}, {mover}" for whose in ("users", "workspaces") for mover in ("tick", "event")
    }


@pytest.mark.timeout(400)
@pytest.mark.parametrize("kind", ["dies", "taken over", "frozen"])
def test_a_worker_that_ends_at_any_durable_operation_changes_nothing(
    kind: str, redis_server: RedisServer, report: Callable[[str], None]
) -> None:
    tally = explore(kind, single_runs(SEED)[kind], redis_server.url)

    report(f"seed {SEED}; {tally}")
    assert tally.is_clean, tally.wrong[:3]
    # A crash that repeats nothing would be none.
    assert tally.repeated > 0


@pytest.mark.timeout(400)
def test_two_crashes_in_a_row_change_nothing(redis_server: RedisServer, report: Callable[[str], None]) -> None:
    tally = explore("dies twice", pair_runs(SEED, PAIRS), redis_server.url)

    report(f"seed {SEED}; {tally}")
    assert tally.runs == PAIRS
    assert tally.is_clean, tally.wrong[:3]


@pytest.mark.timeout(300)
def test_stock_faust_disagrees_at_nearly_every_point(report: Callable[[str], None]) -> None:
    stock, ours = side_by_side()

    report(stock)
    report(ours)
    assert " 0 disagreements" not in stock
    assert ours.endswith(" 0 disagreements")

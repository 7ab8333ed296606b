"""The simulated bus: the same bytes every time, in the order of delivery, with the faults that are asked for."""

from __future__ import annotations

from collections import Counter
from datetime import UTC, datetime, timedelta
from itertools import pairwise

import msgspec
import pytest
from pydantic import ValidationError

from simulator import Scenario, simulate, truth
from simulator.daily import live
from simulator.destiny import companies
from tests.simulator.reading import first_copies, read, two_months


def written(scenario: Scenario) -> bytes:
    return b"\n".join(msgspec.json.encode(message) for message in simulate(scenario))


def test_same_scenario_gives_the_same_bytes() -> None:
    assert written(Scenario(workspaces=20, large=1, days=15)) == written(Scenario(workspaces=20, large=1, days=15))


def test_another_seed_gives_another_world() -> None:
    first, second = (list(truth(Scenario(workspaces=20, seed=seed))) for seed in (7, 8))

    assert [label.activated_at for label in first] != [label.activated_at for label in second]


def test_one_more_workspace_leaves_the_lives_of_the_others_as_they_were() -> None:
    fewer, more = (list(truth(Scenario(workspaces=count))) for count in (20, 21))

    assert more[:20] == fewer


def test_delivery_is_in_the_order_of_reception() -> None:
    assert all(before.receivedAt <= after.receivedAt for before, after in pairwise(two_months()))


def test_a_company_lives_in_the_order_of_event_time() -> None:
    scenario = Scenario(workspaces=20, large=1)

    for company, rng in companies(scenario):
        times = [happening.time for happening in live(company, scenario, rng)]

        assert times == sorted(times)


def test_run_covers_its_days_and_ends_at_its_end() -> None:
    end = datetime(2025, 7, 9, 15, 30, tzinfo=UTC)
    messages = read(Scenario(workspaces=100, large=0, days=10, end=end))

    assert timedelta(0) <= end - messages[-1].receivedAt < timedelta(hours=1)
    assert timedelta(0) <= min(m.timestamp for m in messages) - (end - timedelta(days=10)) < timedelta(hours=6)
    assert len({m.timestamp.date() for m in messages}) == 11


def test_share_of_duplicates_is_the_one_asked_for() -> None:
    copies = Counter(message.messageId for message in two_months())

    assert set(copies.values()) == {1, 2}
    assert sum(n - 1 for n in copies.values()) / len(copies) == pytest.approx(0.02, rel=0.2)


def test_a_duplicate_differs_from_its_first_copy_by_its_delivery_only() -> None:
    first: dict[object, dict[str, object]] = {}
    for message in simulate(Scenario(workspaces=20, large=0, duplicates=0.5)):
        known = first.setdefault(message["messageId"], message)
        differing = {key for key in message if message[key] != known[key]}

        assert differing in (set(), {"sentAt", "receivedAt"})


def test_without_duplicates_every_id_is_unique() -> None:
    ids = [message["messageId"] for message in simulate(Scenario(workspaces=20, large=0, duplicates=0))]

    assert len(set(ids)) == len(ids)


def test_share_of_late_events_is_the_one_asked_for_and_some_are_days_late() -> None:
    delays = [message.receivedAt - message.timestamp for message in first_copies()]
    late = [delay for delay in delays if delay >= timedelta(minutes=10)]

    assert len(late) / len(delays) == pytest.approx(0.03, rel=0.2)
    assert timedelta(days=5) < max(late) <= timedelta(days=10)
    assert sum(delay <= timedelta(hours=36) for delay in late) / len(late) == pytest.approx(0.9, abs=0.06)


def test_without_late_events_all_arrive_within_a_second() -> None:
    messages = read(Scenario(workspaces=20, large=0, late=0, duplicates=0))

    assert max(m.receivedAt - m.timestamp for m in messages) < timedelta(seconds=1)


def test_the_four_times_obey_the_rule_of_segment() -> None:
    wrong = [m for m in two_months() if m.timestamp != m.receivedAt - (m.sentAt - m.originalTimestamp)]

    assert wrong == []


def test_every_message_names_a_user_a_visitor_or_a_workspace() -> None:
    nameless = [m for m in two_months() if not (m.userId or m.anonymousId or m.context.groupId)]

    assert nameless == []


@pytest.mark.parametrize("events", [50_000, 100_000])
def test_scenario_for_a_number_of_events_gives_about_so_many(events: int) -> None:
    count = sum(1 for _ in simulate(Scenario.for_events(events, days=30)))

    assert count == pytest.approx(events, rel=0.25)


@pytest.mark.parametrize(
    "wrong",
    [{"users": (8, 2)}, {"late": 1.1}, {"days": 0}, {"end": datetime(2026, 1, 1)}],  # noqa: DTZ001 - no zone is the case
)
def test_impossible_scenarios_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Scenario.model_validate(wrong)

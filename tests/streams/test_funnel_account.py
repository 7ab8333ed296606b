"""The funnel of simulated companies is that of an independent account in SQL, and that of the simulator's own truth."""

from __future__ import annotations

from datetime import datetime
from typing import NamedTuple

import msgspec
import pytest

from signals.funnel_numbers import ACTIVATION_MS, Funnel, Part, measure_funnel
from signals.moments import parse_time
from signals.units import DAY_MS
from simulator import Label, Scenario, simulate, truth
from streams.config_source import load_config
from streams.funnel import funnel_of_events
from tests.funnel_account import Account, read

# Late events are the engine's own matter (what is first is what is applied first): without them all agree to the last.
SCENARIO = Scenario(seed=11, days=130, workspaces=150, large=0, late=0.0)


class Told(NamedTuple):
    """One story, told three times."""

    funnel: Funnel
    account: Account
    labels: list[Label]
    now: int


# Two months of a simulated product are made for it.
pytestmark = pytest.mark.river


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> Told:
    folder = tmp_path_factory.mktemp("account")
    events, config_path = folder / "events.jsonl", folder / "plg.yaml"
    with events.open("wb") as file:
        for event in simulate(SCENARIO):
            file.write(msgspec.json.encode(event) + b"\n")
    config_path.write_text(
        "events: {activated: [Report Shared]}\ninternal: {domains: [oursaas.example]}\n", encoding="utf-8"
    )
    config = load_config(config_path)
    state = funnel_of_events(config, [events], lambda _count: None)
    funnel = measure_funnel(state, config.zone, config.time_zone)
    account = Account(map(read, events.read_bytes().splitlines()), state.newest)
    return Told(funnel, account, list(truth(SCENARIO)), state.newest)


def counts(part: Part) -> tuple[int, int]:
    return part.reached, part.entered


def test_sign_ups_and_workspaces_a_week_are_those_of_the_account(told: Told) -> None:
    assert told.funnel.signups == told.account.signups()
    assert {cohort.week: cohort.entered for cohort in told.funnel.workspace_cohorts} == told.account.created()
    assert sum(told.funnel.signups.values()) > 400


@pytest.mark.parametrize("name", ACTIVATION_MS)
def test_the_activation_rate_is_that_of_the_account(told: Told, name: str) -> None:
    assert counts(told.funnel.activation[name].mature) == told.account.activation(ACTIVATION_MS[name])


def test_who_activated_within_30_days_is_told_by_week_as_in_the_account(told: Told) -> None:
    reached = {cohort.week: cohort.reached["activated"] for cohort in told.funnel.user_cohorts}

    assert {week: count for week, count in reached.items() if count} == told.account.activated_by_week(30)


@pytest.mark.parametrize("is_mid", [False, True])
def test_time_to_value_is_that_of_the_account_to_the_millisecond(told: Told, is_mid: bool) -> None:
    spread = {segment.target: segment.mature for segment in told.funnel.time_to_value}[1_800 if is_mid else 600]

    assert spread.users > 5
    assert spread.p50 == told.account.time_to_value(50, is_mid=is_mid)
    assert spread.p90 == told.account.time_to_value(90, is_mid=is_mid)


@pytest.mark.parametrize("days", [30, 60, 90])
def test_free_to_paid_is_that_of_the_account_and_of_the_labels(told: Told, days: int) -> None:
    mature = counts(told.funnel.free_to_paid[f"{days}d"].mature)

    assert mature == told.account.free_to_paid(days)
    assert mature == paid_of(told.labels, told.now, days)
    assert mature[0] > 5


@pytest.mark.parametrize("days", [30, 90])
def test_dollar_retention_is_that_of_the_account(told: Told, days: int) -> None:
    kept = told.funnel.revenue["USD"].retention[f"{days}d"]

    assert (kept.workspaces, kept.then, kept.now) == told.account.dollar_retention(days)
    assert kept.workspaces > 5
    assert kept.net == kept.now / kept.then


@pytest.mark.parametrize(
    ("name", "anchor", "hours"),
    [("d2", "signed_up", (48, 72)), ("w1", "signed_up", (24, 192)), ("d7_of_activated", "activated", (168, 192))],
)
def test_retention_is_that_of_the_account(told: Told, name: str, anchor: str, hours: tuple[int, int]) -> None:
    pytest.importorskip("signals.measures", reason="the user step sends no measures in this tree")

    assert counts(told.funnel.retention[name].mature) == told.account.retention(anchor, *hours)


def test_invites_per_sign_up_are_those_of_the_account(told: Told) -> None:
    pytest.importorskip("signals.measures", reason="the user step sends no measures in this tree")

    assert counts(told.funnel.virality["i30"].mature) == told.account.invites(30)


def test_who_brought_whom_is_as_in_the_account(told: Told) -> None:
    pytest.importorskip("signals.measures", reason="the user step sends no measures in this tree")

    assert counts(told.funnel.virality["k30"].mature) == told.account.brought(30)


def paid_of(labels: list[Label], now: int, days: int) -> tuple[int, int]:
    """By the simulator's truth: of the workspaces that are so old, those that had begun to pay by then."""
    created = {
        label.workspace_id: (moment(label.created_at), label.converted_at)
        for label in labels
        if label.created_at is not None and now - moment(label.created_at) >= days * DAY_MS
    }
    paid = [
        moment(converted) - start <= days * DAY_MS for start, converted in created.values() if converted is not None
    ]
    return sum(paid), len(created)


def moment(text: str) -> int:
    found = parse_time(text, datetime.fromisoformat(text).tzinfo)  # type: ignore[arg-type]  # labels have a zone
    assert found is not None
    return found

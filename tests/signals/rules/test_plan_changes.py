"""What sets the plan, and which steps are upgrades, downgrades and cancellations (SIGNALS A4, A13 and A22)."""

from __future__ import annotations

import pytest

from signals.event import Event
from tests.signals.builders import River, day, names
from tests.signals.rules.billing_events import created, group, of, plan_changed

RANKED: dict[str, object] = {"plans": {"order": ["Starter", "Pro", "Team Plus"]}}


def raised(*events: Event, settings: dict[str, object] | None = None) -> list[str]:
    return names(River(settings or RANKED).feed(*events))


def test_step_to_a_higher_rank_is_an_upgrade_and_back_a_downgrade() -> None:
    signals = River(RANKED).feed(*(plan_changed(plan=plan) for plan in ("starter", "team-plus", "PRO")))

    assert names(signals) == ["plan_upgraded", "plan_downgraded"]
    assert signals[0].evidence == {"plan": "team-plus", "previous_plan": "starter"}
    assert signals[1].evidence == {"plan": "PRO", "previous_plan": "team-plus"}


@pytest.mark.parametrize(("one", "other"), [("pro", "business"), ("business", "pro"), ("business", "gold")])
def test_step_from_or_to_a_plan_without_a_rank_is_neither(one: str, other: str) -> None:
    assert raised(plan_changed(plan=one), plan_changed(plan=other)) == []


def test_without_an_order_no_step_is_either() -> None:
    assert raised(plan_changed(plan="starter"), plan_changed(plan="pro"), settings={"plans": {"order": []}}) == []


def test_step_from_free_to_a_ranked_plan_converts_and_upgrades_nothing() -> None:
    order = {"plans": {"order": ["free", "pro"]}}

    assert raised(plan_changed(plan="free"), plan_changed(plan="pro"), settings=order) == ["converted_to_paid"]


def test_step_from_paying_to_free_is_a_cancellation() -> None:
    (signal,) = River().feed(plan_changed(plan="pro"), plan_changed(plan="Free"))

    assert signal.signal == "cancelled"
    assert signal.evidence == {"plan": "Free", "previous_plan": "pro"}


@pytest.mark.parametrize("name", ["Subscription Cancelled", "Subscription Canceled", "subscription_canceled"])
@pytest.mark.parametrize(("plan", "becomes"), [({}, "free"), ({"plan": "pro"}, "free"), ({"plan": "Trial"}, "Trial")])
def test_cancellation_leads_to_a_free_plan_at_once(name: str, plan: dict[str, str], becomes: str) -> None:
    (signal,) = River().feed(plan_changed(plan="pro"), plan_changed(name=name, **plan))

    assert signal.signal == "cancelled"
    assert signal.evidence == {"plan": becomes, "previous_plan": "pro"}


def test_cancellation_of_who_does_not_pay_raises_nothing() -> None:
    end = {"name": "Subscription Cancelled", "plan": "pro"}

    assert raised(created(), plan_changed(**end)) == []
    assert raised(plan_changed(plan="free"), plan_changed(**end), plan_changed(plan="trial")) == []


def test_cancellation_without_any_free_plan_leaves_the_plan_unknown() -> None:
    river = River({"plans": {"free": []}})

    signals = river.feed(plan_changed(plan="pro"), plan_changed(name="Subscription Cancelled"))

    assert [signal.evidence["plan"] for signal in signals] == [None]
    assert names(river.feed(plan_changed(plan="pro"))) == []


def test_of_two_plan_changes_the_one_with_the_earlier_time_is_ignored() -> None:
    assert raised(plan_changed(day(2), plan="pro"), plan_changed(day(2) - 1, plan="free")) == []
    assert raised(plan_changed(day(2), plan="pro"), plan_changed(day(2), plan="free")) == ["cancelled"]


def test_of_two_group_calls_the_one_with_the_earlier_time_is_ignored() -> None:
    assert raised(group(day(2), plan="pro"), group(day(2) - 1, plan="free")) == []
    assert raised(group(day(2), plan="pro"), group(day(2), plan="free")) == ["cancelled"]


def test_group_calls_no_longer_set_a_plan_that_a_plan_change_has_carried() -> None:
    assert raised(plan_changed(day(2), plan="pro"), group(day(3), plan="free")) == []


def test_plan_change_outdoes_a_later_group_call() -> None:
    assert raised(group(day(3), plan="pro"), plan_changed(day(2), plan="free")) == ["cancelled"]


def test_plan_change_that_carries_seats_alone_leaves_the_plan_to_group_calls() -> None:
    assert raised(group(plan="pro"), plan_changed(seats=5), group(plan="free")) == ["cancelled"]


@pytest.mark.parametrize("plan", ["", "  ", "-", 7, True])
def test_plan_of_another_kind_is_as_if_absent(plan: str | float | bool) -> None:
    assert raised(plan_changed(plan="pro"), plan_changed(plan=plan), plan_changed(plan="free")) == ["cancelled"]


def test_cancellation_compares_its_seats_too() -> None:
    signals = River().feed(plan_changed(plan="pro", seats=5), plan_changed(name="Subscription Cancelled", seats=1))

    assert names(signals) == ["seats_removed", "cancelled"]
    assert of("seats_removed", signals) == [{"seats": 1, "previous_seats": 5}]

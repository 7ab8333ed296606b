"""From not paying to paying; an existing customer on day one converts nothing (SIGNALS A4 and A13)."""

from __future__ import annotations

import pytest

from signals.event import Event, EventType, Role
from tests.signals.builders import MONDAY, River, day, event
from tests.signals.rules.billing_events import created, group, of, plan_changed


def converted(*events: Event) -> list[dict[str, object]]:
    return [dict(evidence) for evidence in of("converted_to_paid", River().feed(*events))]


@pytest.mark.parametrize("free", ["free", "TRIAL", "Free", " tri-al "])
def test_step_from_a_free_plan_to_any_other_converts(free: str) -> None:
    (evidence,) = converted(plan_changed(plan=free), plan_changed(plan="Pro"))

    assert evidence == {"plan": "Pro", "previous_plan": free.strip()}


def test_first_plan_of_a_workspace_whose_creation_was_not_seen_converts_nothing() -> None:
    assert converted(plan_changed(plan="pro")) == []


def test_first_plan_of_a_workspace_whose_creation_was_seen_converts() -> None:
    assert converted(created(), plan_changed(plan="pro")) == [{"plan": "pro", "previous_plan": None}]


def test_first_plan_that_a_group_call_brings_converts_nothing_even_then() -> None:
    assert converted(created(), group(plan="pro")) == []


def test_later_plan_that_a_group_call_brings_converts() -> None:
    assert len(converted(group(plan="free"), group(plan="pro"))) == 1


def test_paying_again_after_a_cancellation_converts_again() -> None:
    assert len(converted(created(), *(plan_changed(plan=plan) for plan in ("pro", "free", "pro")))) == 2


def test_same_plan_in_another_spelling_is_no_change() -> None:
    assert converted(created(), plan_changed(plan="pro"), plan_changed(plan="P_R O")) != []
    assert River().feed(created(), plan_changed(plan="pro"), plan_changed(plan="P_R O"))[1:] == []


def signed_up(workspace: str | None, on: int = MONDAY) -> Event:
    return event("ann", workspace, on=on, roles=[Role.SIGNED_UP], name="Signed Up")


def test_present_member_who_signed_up_stands_for_the_creation() -> None:
    assert len(converted(signed_up("acme"), plan_changed(plan="pro"))) == 1


def test_member_who_signed_up_before_he_came_stands_for_the_creation() -> None:
    assert len(converted(signed_up(None), event("ann", "acme"), plan_changed(plan="pro"))) == 1


def test_sign_up_that_arrives_late_and_elsewhere_stands_for_the_creation() -> None:
    assert len(converted(event("ann", "acme"), signed_up("other"), plan_changed(plan="pro"))) == 1


def test_sign_up_that_arrives_after_the_plan_converts_nothing() -> None:
    assert converted(event("ann", "acme"), plan_changed(plan="pro"), signed_up("acme")) == []


def test_sign_up_that_no_workspace_can_be_found_for_stands_for_the_creation() -> None:
    active = [event("ann", "acme"), event("ann", "other")]

    assert len(converted(*active, signed_up(None), plan_changed(plan="pro"))) == 1


def test_former_member_who_signed_up_does_not_stand_for_the_creation() -> None:
    river = River()
    river.feed(signed_up("acme", on=day(1)))
    river.feed(event("ann", "acme", on=day(2), roles=[Role.MEMBER_REMOVED], name="Workspace Left"))
    assert of("converted_to_paid", river.feed(plan_changed(plan="pro", on=day(3)))) == []


def test_former_member_who_comes_back_stands_for_the_creation_again() -> None:
    river = River()
    river.feed(signed_up("acme", on=day(1)))
    river.feed(event("ann", "acme", on=day(2), roles=[Role.MEMBER_REMOVED], name="Workspace Left"))
    river.feed(event("ann", "acme", on=day(3)))

    assert len(of("converted_to_paid", river.feed(plan_changed(plan="pro", on=day(4))))) == 1


def test_who_signed_up_and_only_looks_in_does_not_stand_for_the_creation() -> None:
    assert converted(signed_up(None), event("ann", "acme", kind=EventType.PAGE), plan_changed(plan="pro")) == []


def test_sign_up_elsewhere_of_who_is_no_member_does_not_stand_for_the_creation() -> None:
    looked_in = event("ann", "acme", kind=EventType.PAGE)

    assert converted(looked_in, signed_up("other"), plan_changed(plan="pro")) == []


def both(user: str) -> Event:
    made = plan_changed(plan="pro", user=user)
    made.roles = (Role.SIGNED_UP, Role.PLAN_CHANGED)
    return made


def test_event_that_is_a_members_sign_up_and_first_plan_converts() -> None:
    assert len(converted(event("ann", "acme"), both("ann"))) == 1


def test_event_that_is_a_strangers_sign_up_and_first_plan_converts_nothing() -> None:
    # It is reported about her, not done by her: it makes no member.
    assert converted(both("ann")) == []


def test_customers_own_staff_and_ours_change_plans_alike() -> None:
    river = River({"internal": {"user_ids": ["staff"]}})

    signals = river.feed(created(), plan_changed(plan="pro", user="staff"), group(user="staff", plan="free"))

    # The group call of our own staff counts for nothing.
    assert [firing.signal for firing in signals] == ["converted_to_paid"]

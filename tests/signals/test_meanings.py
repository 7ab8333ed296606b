"""What the product's names mean: the two spellings of a cancellation (SIGNALS 3 and A13)."""

from __future__ import annotations

import pytest

from signals.event import Role
from signals.formats.meanings import Meanings
from signals.product import EventNames

ONE_L, TWO_L = "Subscription Canceled", "Subscription Cancelled"


@pytest.mark.parametrize("name", [ONE_L, TWO_L, "subscription_canceled"])
def test_both_spellings_are_a_plan_change_by_default(name: str) -> None:
    meaning = Meanings(EventNames()).of(name)

    assert meaning.roles == (Role.PLAN_CHANGED,)
    assert meaning.passive
    assert "plan" in meaning.reads


@pytest.mark.parametrize("listed", [ONE_L, TWO_L])
def test_listing_one_spelling_lists_the_other(listed: str) -> None:
    meanings = Meanings(EventNames(plan_changed=(listed,)))

    assert meanings.of(ONE_L).roles == meanings.of(TWO_L).roles == (Role.PLAN_CHANGED,)
    assert meanings.of(ONE_L).matched == meanings.of(TWO_L).matched == listed


def test_list_without_either_spelling_knows_neither() -> None:
    meanings = Meanings(EventNames(plan_changed=("Plan Changed",)))

    assert meanings.of(ONE_L).roles == meanings.of(TWO_L).roles == ()


def test_other_spelling_keeps_the_role_it_has() -> None:
    meanings = Meanings(EventNames(procurement_requested=(ONE_L,)))

    assert set(meanings.of(ONE_L).roles) == {Role.PLAN_CHANGED, Role.PROCUREMENT_REQUESTED}
    assert meanings.of(ONE_L).matched == ONE_L

"""What a user keeps of his active days, and what workspaces are told about him."""

from __future__ import annotations

import pytest

from signals.active_days import ActiveDay
from signals.event import EventType, Role
from signals.facts import FactKind
from signals.user import Membership
from tests.signals.builders import ACTIVATION, River, day, event


def workspaces_told(river: River) -> list[tuple[str, FactKind]]:
    return [(fact.workspace_id, fact.kind) for fact in river.facts]


# active days


@pytest.mark.parametrize(
    ("known", "new", "expected"),
    [
        ([], 100, ActiveDay(100)),
        ([100], 101, ActiveDay(101, prev=100)),
        ([100], 99, ActiveDay(99, next=100)),
        ([100, 104, 110], 107, ActiveDay(107, prev=104, next=110)),
        ([100, 104, 110], 104, None),
        ([100, 300], 181, ActiveDay(181, next=300)),
        ([100, 300], 180, None),
        ([100], 100_000, ActiveDay(100_000, prev=100)),
    ],
)
def test_new_active_day_knows_its_neighbours(known: list[int], new: int, expected: ActiveDay | None) -> None:
    membership = Membership()
    for number in known:
        membership.add_day(number)

    assert membership.add_day(new) == expected
    assert len(membership.days) <= 15


# what workspaces are told


def test_workspace_is_told_who_enters_once() -> None:
    river = River(ACTIVATION)
    river.feed(
        event("ann", None, on=day(1), roles=[Role.SIGNED_UP], email="ann@small.example"),
        event("ann", "acme", on=day(2)),
        event("ann", "acme", on=day(3)),
    )
    river.facts = [fact for fact in river.facts if fact.kind is FactKind.OBSERVED]

    profile, later = river.facts[-2].profile, river.facts[-1].profile
    assert profile is not None
    assert (profile.signed_up_at, profile.domain, profile.member) == (day(1), "small.example", True)
    assert later is None


def test_activation_is_told_to_every_other_workspace_even_those_left() -> None:
    river = River(ACTIVATION)
    river.feed(event("ann", "one"), event("ann", "two"), event("ann", "one", roles=[Role.MEMBER_REMOVED]))
    before = len(river.facts)

    river.feed(event("ann", "two", on=day(2), roles=[Role.ACTIVATED]))

    told = river.facts[before:]
    assert [(fact.workspace_id, fact.kind, fact.n) for fact in told] == [
        ("two", FactKind.OBSERVED, 17),
        ("one", FactKind.TOLD, 32),
    ]
    assert river.workspace("one").policy.activated_at == day(2)
    assert river.workspace("one").since == day(1) - 12 * 3_600_000


def test_ambiguous_activation_is_told_to_all() -> None:
    river = River(ACTIVATION)
    river.feed(event("ann", "one"), event("ann", "two"))

    river.feed(event("ann", None, on=day(2), roles=[Role.ACTIVATED]))

    assert [river.workspace(name).policy.activated_at for name in ("one", "two")] == [day(2), day(2)]


def test_facts_of_one_event_stand_in_rising_order() -> None:
    river = River(ACTIVATION)
    river.feed(event("ann", None))

    river.feed(event("ann", "acme", roles=[Role.SIGNED_UP]))

    coordinates = [fact.coordinate for fact in river.facts]
    assert coordinates == sorted(set(coordinates))


def test_state_of_a_busy_user_stays_small() -> None:
    from signals.engine import encode_state

    river = River()
    for number in range(300):
        river.feed(event("ann", f"w{number % 3}", on=day(number), email="ann@small.example"))

    assert len(encode_state(river.user("ann"))) < 1_000


def test_workspace_that_was_never_entered_is_told_nothing() -> None:
    river = River(ACTIVATION)
    river.feed(event("ann", "one", roles=[Role.MEMBER_REMOVED]))

    river.feed(event("ann", "two", roles=[Role.ACTIVATED]))

    assert [fact.workspace_id for fact in river.facts] == ["one", "two"]


def test_activity_from_before_a_removal_makes_a_former_member() -> None:
    river = River(ACTIVATION)
    river.feed(event("ann", "two", on=day(1), roles=[Role.ACTIVATED]))
    river.feed(event("ann", "one", on=day(5), roles=[Role.MEMBER_REMOVED]))
    river.feed(event("ann", "one", on=day(6), kind=EventType.GROUP))
    assert river.workspace("one").policy.activated_at is None

    river.feed(event("ann", "one", on=day(4)))

    assert river.workspace("one").members == 0
    assert river.workspace("one").policy.activated_at == day(1)

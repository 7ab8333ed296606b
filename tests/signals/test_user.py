"""Identity: duplicates, workspaces, membership, internal users; SIGNALS 2 and A3 to A20 by example."""

from __future__ import annotations

import pytest

from signals.event import EventType, Role
from signals.facts import Fact, FactKind, Note
from signals.user import UserState
from tests.signals.builders import ACTIVATION, River, day, event, names

OURS: dict[str, object] = {"internal": {"domains": ["oursaas.example"], "user_ids": ["boss"]}}


def workspaces_told(river: River) -> list[tuple[str, FactKind]]:
    return [(fact.workspace_id, fact.kind if isinstance(fact, Fact) else FactKind.OBSERVED) for fact in river.facts]


# Duplicates: SIGNALS A16.


def test_same_id_among_the_last_64_changes_nothing() -> None:
    user = UserState()
    assert all(user.admit_id(f"e{number}") for number in range(64))

    assert not user.admit_id("e0")
    assert user.admit_id("e64")


def test_id_beyond_the_last_64_counts_again_and_a_duplicate_renews_nothing() -> None:
    user = UserState()
    for number in range(64):
        user.admit_id(f"e{number}")
    user.admit_id("e0")
    user.admit_id("e64")

    assert user.admit_id("e0")


def test_duplicate_is_noted_and_makes_no_fact() -> None:
    river = River()
    river.feed(event("ann", "acme", event_id="same"), event("ann", "other", event_id="same"))

    assert river.notes == [Note.DUPLICATE]
    assert workspaces_told(river) == [("acme", FactKind.OBSERVED)]


def test_each_user_and_each_workspace_has_a_list_of_its_own() -> None:
    river = River()
    river.feed(
        event("ann", "acme", event_id="same"),
        event("bob", "acme", event_id="same"),
        event(None, "acme", event_id="same"),
        event(None, None, anonymous="a1", event_id="same"),
    )

    assert river.notes == []


# which workspace (A6)


def test_event_without_a_workspace_counts_in_the_only_one() -> None:
    river = River()
    river.feed(event("ann", "acme"), event("ann", None))

    assert [fact.workspace_id for fact in river.facts] == ["acme", "acme"]


def test_event_without_a_workspace_of_a_user_with_two_is_ambiguous() -> None:
    river = River(ACTIVATION)
    river.feed(event("ann", "one"), event("ann", "two"))

    (signal,) = river.feed(event("ann", None, roles=[Role.SIGNED_UP]))

    assert signal.workspace_id is None
    assert river.notes == [Note.AMBIGUOUS]


def test_workspace_named_by_an_identify_is_one_of_the_users() -> None:
    river = River()
    river.feed(event("ann", "acme", kind=EventType.IDENTIFY), event("ann", None))

    assert [fact.workspace_id for fact in river.facts] == ["acme", "acme"]
    assert river.workspace("acme").members == 1


def test_workspace_left_no_longer_makes_events_ambiguous() -> None:
    river = River()
    river.feed(event("ann", "one"), event("ann", "two"), event("ann", "two", roles=[Role.MEMBER_REMOVED]))

    river.feed(event("ann", None))

    assert river.facts[-1].workspace_id == "one"


def test_user_removed_from_his_only_workspace_has_none_and_no_personal_one() -> None:
    river = River()
    river.feed(event("ann", "acme"), event("ann", "acme", roles=[Role.MEMBER_REMOVED]))

    river.feed(event("ann", None))

    assert river.notes == [Note.AMBIGUOUS]
    assert len(river.facts) == 2


def test_removal_enters_no_workspace() -> None:
    river = River()
    river.feed(event("ann", "acme", roles=[Role.MEMBER_REMOVED]), event("ann", None))

    assert [fact.workspace_id for fact in river.facts] == ["acme", "user:ann"]


def test_late_removal_takes_the_workspace_off_the_list_but_not_the_membership() -> None:
    river = River()
    river.feed(event("ann", "one", on=day(5)), event("ann", "one", on=day(1), roles=[Role.MEMBER_REMOVED]))

    assert river.workspace("one").members == 1
    assert river.user("ann").workspaces["one"].is_listed is False


def test_first_events_count_in_the_personal_workspace_until_the_first_real_one() -> None:
    river = River()

    river.feed(event("ann", None), event("ann", "acme"), event("ann", None))

    assert workspaces_told(river) == [
        ("user:ann", FactKind.OBSERVED),
        ("user:ann", FactKind.MOVED),
        ("acme", FactKind.OBSERVED),
        ("acme", FactKind.OBSERVED),
    ]
    assert river.workspace("user:ann").moved_to == "acme"


def test_personal_workspace_that_was_never_used_is_not_moved() -> None:
    river = River()

    river.feed(event("ann", "acme"))

    assert workspaces_told(river) == [("acme", FactKind.OBSERVED)]


def test_workspace_touched_longest_ago_is_forgotten_at_the_cap() -> None:
    river = River({"limits": {"workspaces_per_user": 2}})
    river.feed(event("ann", "one"), event("ann", "two"), event("ann", "one"), event("ann", "three"))

    assert list(river.user("ann").workspaces) == ["one", "three"]
    assert river.notes == [Note.WORKSPACE_FORGOTTEN]


# membership by event time (A19)


@pytest.mark.parametrize(("back_on", "members"), [(5, 1), (4, 0), (3, 0)])
def test_member_is_who_was_active_later_than_removed(back_on: int, members: int) -> None:
    river = River()
    river.feed(event("ann", "acme", on=day(1)), event("ann", "acme", on=day(4), roles=[Role.MEMBER_REMOVED]))

    river.feed(event("ann", "acme", on=day(back_on)))

    assert river.workspace("acme").members == members


def test_removal_that_arrives_before_the_older_activity_still_holds() -> None:
    river = River()
    river.feed(event("ann", "acme", on=day(4), roles=[Role.MEMBER_REMOVED]), event("ann", "acme", on=day(3)))

    assert river.workspace("acme").members == 0


# internal users (A20)


def test_internal_user_raises_nothing_and_is_no_member() -> None:
    river = River(OURS)

    river.feed(event("eve", "acme", email="eve@it.oursaas.example", roles=[Role.SIGNED_UP]), event("boss", "acme"))

    assert (river.signals, river.facts) == ([], [])
    assert river.notes == [Note.INTERNAL, Note.INTERNAL]


def test_passive_event_of_an_internal_user_counts_for_the_customer() -> None:
    river = River(OURS)

    river.feed(event("boss", "acme", roles=[Role.PLAN_CHANGED]), event("boss", None, roles=[Role.PLAN_CHANGED]))

    assert [(fact.workspace_id, fact.roles) for fact in river.facts] == [("acme", (Role.PLAN_CHANGED,))] * 2
    assert river.workspace("acme").members == 0


def test_internal_user_has_no_personal_workspace_and_joins_nothing() -> None:
    river = River(OURS)

    river.feed(event("boss", None, roles=[Role.PLAN_CHANGED]), event("boss", "acme", roles=[Role.MEMBER_JOINED]))

    assert [fact.workspace_id for fact in river.facts] == ["acme"]
    assert river.workspace("acme").members == 0


def test_only_the_passive_roles_of_an_internal_event_count() -> None:
    river = River(OURS)

    assert river.feed(event("boss", "acme", roles=[Role.PLAN_CHANGED, Role.PROCUREMENT_REQUESTED])) == []


def test_what_a_user_did_before_an_internal_address_showed_is_not_undone() -> None:
    river = River(OURS)
    river.feed(event("eve", "acme"), event("eve", "acme", email="eve@oursaas.example"), event("bob", "acme"))

    assert names(river.signals) == ["second_user"]


def test_user_whose_new_address_is_not_ours_counts_again() -> None:
    river = River(OURS)
    river.feed(event("eve", "acme", email="eve@oursaas.example"))

    river.feed(event("eve", "acme", email="eve@corp.example"))

    assert river.workspace("acme").members == 1


def test_domain_that_only_ends_like_ours_is_not_internal() -> None:
    river = River(OURS)

    river.feed(event("eve", "acme", email="eve@notoursaas.example"))

    assert river.workspace("acme").members == 1


def test_hash_that_only_overlaps_two_others_is_no_duplicate() -> None:
    user = UserState()
    user.admit_id("e1")
    user.recent = bytearray(b"abc") + user.recent + b"defgh"

    assert user.admit_id("e1")
    assert not user.admit_id("e1")


def test_workspaces_that_were_left_are_forgotten_first() -> None:
    river = River({"limits": {"workspaces_per_user": 2}})
    river.feed(event("ann", "one"), event("ann", "two"), event("ann", "two", roles=[Role.MEMBER_REMOVED]))

    river.feed(event("ann", "three"))

    assert list(river.user("ann").workspaces) == ["one", "three"]

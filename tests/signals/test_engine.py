"""The two steps as their callers see them: fences, ticks, events that pass through, rules that break."""

from __future__ import annotations

import pytest

from signals.engine import decode_user_state, decode_workspace_state, encode_state, step_user, step_workspace
from signals.event import Event, EventType, Role, Source, Tick
from signals.facts import Fact, FactKind, Note, RuleFailure
from signals.rule import Finding
from signals.rules.signed_up import SignedUp
from signals.shard import Coordinate, Shard
from signals.user import UserState
from signals.workspace import WorkspaceState
from tests.signals.builders import River, day, engine, event, names


def user_shard() -> Shard[UserState]:
    return Shard(encode_state, decode_user_state)


def workspace_shard() -> Shard[WorkspaceState]:
    return Shard(encode_state, decode_workspace_state)


def at(place: int, made: Event) -> Event:
    made.source = Source("events", 3, place)
    return made


def observed(offset: int, n: int = 17, partition: int = 0) -> Fact:
    return Fact(
        "acme", FactKind.OBSERVED, partition, offset, n, day(1), f"e{offset}", Source("events", 0, offset), joined=1
    )


def test_record_that_ingest_sent_again_is_skipped() -> None:
    shard, rules = user_shard(), engine()
    step_user(shard, at(7, event("ann", "acme")), 0, 0, rules)

    out = step_user(shard, at(7, event("bob", "acme")), 1, 0, rules)

    assert (out.facts, out.notes) == ([], [Note.REPEATED])
    assert shard.get("user:bob") is None


def test_record_that_the_state_has_is_skipped_and_moves_the_fence() -> None:
    shard, rules = user_shard(), engine()
    first = at(7, event("ann", "acme"))
    step_user(shard, first, 5, 0, rules)
    shard.fence.origins.clear()

    assert step_user(shard, first, 5, 0, rules).notes == [Note.REPEATED]

    assert shard.fence.origins == {"events:3": Coordinate(7)}


@pytest.mark.parametrize(("again", "members"), [(observed(5), 1), (observed(5, 16), 1), (observed(5, 32), 2)])
def test_fact_counts_only_if_its_coordinate_is_newer(again: Fact, members: int) -> None:
    shard, rules = workspace_shard(), engine()
    step_workspace(shard, observed(5), 0, 0, rules)

    step_workspace(shard, again, 1, 0, rules)

    state = shard.get("acme")
    assert state is not None
    assert state.members == members


def test_facts_of_another_user_partition_have_a_fence_of_their_own() -> None:
    shard, rules = workspace_shard(), engine()
    step_workspace(shard, observed(5), 0, 0, rules)

    step_workspace(shard, observed(2, partition=1), 1, 0, rules)

    assert shard.fence.origins == {"u0": Coordinate(5, "", 17), "u1": Coordinate(2, "", 17)}


def test_fact_of_a_timer_comes_after_the_event_at_the_same_offset_of_another_subject() -> None:
    assert Coordinate(5, "", 17) < Coordinate(5, "001:user:a", 0) < Coordinate(5, "002:user:a", 0) < Coordinate(6)


@pytest.mark.parametrize(("time", "taken"), [(day(2), False), (day(2) + 1, True)])
def test_tick_that_is_not_newer_is_skipped(time: int, taken: bool) -> None:
    shard, rules = workspace_shard(), engine()
    step_workspace(shard, Tick(day(2)), 0, 0, rules)

    out = step_workspace(shard, Tick(time), 1, 0, rules)

    assert (out.notes == []) is taken
    assert shard.fence.tick == max(time, day(2))


def test_facts_carry_the_place_of_the_event_in_the_log_of_users() -> None:
    out = step_user(user_shard(), at(7, event("ann", "acme")), 41, 3, engine())

    assert [(fact.partition, fact.coordinate) for fact in out.facts] == [(3, Coordinate(41, "", 17))]
    assert out.facts[0].cause == Source("events", 3, 7)


def test_event_of_a_back_end_passes_through_and_makes_nobody_a_member() -> None:
    river = River()

    river.feed(event(None, "acme", roles=[Role.PLAN_CHANGED]), event(None, "acme"))

    assert [(fact.user_id, fact.roles) for fact in river.facts] == [(None, (Role.PLAN_CHANGED,)), (None, ())]
    assert (river.workspace("acme").members, river.workspace("acme").newest_day) == (0, None)


def test_name_of_the_workspace_comes_from_group_calls() -> None:
    river = River()

    river.feed(event("ann", "acme", kind=EventType.GROUP, traits={"name": " Acme "}))

    assert river.workspace("acme").name == "Acme"


def test_rule_that_raises_loses_only_its_own_firing(monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> Finding:
        raise ZeroDivisionError("ann@corp.example")

    monkeypatch.setattr(SignedUp, "judge", broken)
    shard = user_shard()

    made = at(1, event("ann", "acme", roles=[Role.SIGNED_UP, Role.ACTIVATED]))
    out = step_user(shard, made, 0, 0, engine())

    assert names(out.signals) == ["activated"]
    assert out.errors == [RuleFailure("signed_up", "user:ann", "ZeroDivisionError")]
    state = shard.get("user:ann")
    assert state is not None
    assert state.signed_up_at == made.time


def test_signals_of_one_event_come_user_scope_first_and_carry_its_workspace() -> None:
    river = River()
    river.feed(event("ann", "acme"))

    signals = river.feed(event("bob", "acme", roles=[Role.SIGNED_UP], email="bob@walmart.com"))

    assert names(signals) == ["signed_up", "second_user", "enterprise_domain"]
    assert {signal.workspace_id for signal in signals} == {"acme"}


def test_signal_id_depends_on_prefix_subject_and_number_and_on_no_offset() -> None:
    here, elsewhere, other_prefix = River(), River(), River({"prefix": "shadow"})
    elsewhere.feed(event("zoe", "other"), Tick(day(1)))

    ids = [river.feed(event("ann", "acme", roles=[Role.SIGNED_UP]))[0].id for river in (here, elsewhere, other_prefix)]

    assert ids[0] == ids[1] != ids[2]
    # Pinned: a change would make every signal of every customer a new one.
    assert ids[0] == "c5f6e4a4-abb4-582c-9827-87b86c63dd39"

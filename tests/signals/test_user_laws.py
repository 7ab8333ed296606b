"""Laws of what users do over time, ticks among their events: the reference agrees, and no replay changes anything."""

from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.engine import Outputs, decode_user_state, encode_state, step_user
from signals.event import Event, Tick
from signals.shard import Shard
from signals.units import DAY_MS
from signals.user import UserState
from tests.signals.builders import engine
from tests.signals.reference import Reference
from tests.signals.test_laws import NUMBERS, SETTINGS, Run, random_history, stored_and_read

OURS = {"habit_formed", "activation_stalled"}


def with_ticks(seed: int, *, length: int = 120, spread_days: int = 40) -> list[Event | Tick]:
    """A random history in which ticks follow the newest time so far, some of them at the very due time of a sign-up."""
    r = random.Random(seed)
    log: list[Event | Tick] = []
    newest, ticked = 0, 0
    for made in random_history(seed, length=length, spread_days=spread_days):
        log.append(made)
        newest = max(newest, made.time)
        time = max(newest, made.time + DAY_MS) + r.choice((-1, 0, 1)) if r.random() < 0.1 else newest
        if r.random() < 0.3 and time > ticked:
            ticked = time
            log.append(Tick(time))
    return [*log, Tick(max(ticked, newest) + 30 * DAY_MS)]


@pytest.mark.parametrize("spread_days", [5, 40, 300])
def test_engine_agrees_with_the_reference_over_three_hundred_histories_with_ticks(spread_days: int) -> None:
    rules, seen = engine(SETTINGS), set()

    for seed in range(100):
        log = with_ticks(seed, spread_days=spread_days)
        run, reference = Run(rules), Reference(NUMBERS, rules.domains)
        run.feed(log)
        for record in log:
            if isinstance(record, Tick):
                reference.users.tick(record.time)
            else:
                reference.feed(record)
        fired = sorted(one for one in run.fired if one[0] in OURS)
        seen |= {signal for signal, *_ in fired}
        assert fired == sorted(one for one in reference.fired if one[0] in OURS), f"history {seed}"

    # In 300 days of 120 events nobody comes back so soon.
    assert seen >= (OURS if spread_days < 300 else OURS - {"habit_formed"})


def put_out(shard: Shard[UserState], log: list[Event | Tick], offsets: range) -> list[Outputs]:
    rules = engine(SETTINGS)
    return [step_user(shard, log[offset], offset, 0, rules) for offset in offsets]


def said(outs: list[Outputs]) -> list[object]:
    return [(out.facts, out.signals, out.measures) for out in outs if out.facts or out.signals or out.measures]


@settings(deadline=None)
@given(st.integers(0, 10**9), st.data())
def test_states_stored_between_any_two_records_change_nothing(seed: int, data: st.DataObject) -> None:
    log = with_ticks(seed, length=60, spread_days=20)
    cut = data.draw(st.integers(0, len(log)))
    straight = said(put_out(Shard(encode_state, decode_user_state), log, range(len(log))))

    shard: Shard[UserState] = Shard(encode_state, decode_user_state)
    first = put_out(shard, log, range(cut))
    later = put_out(stored_and_read(shard), log, range(cut, len(log)))

    assert said(first + later) == straight


@settings(deadline=None)
@given(seed=st.integers(0, 10**9), data=st.data())
def test_a_crash_that_stored_the_states_of_some_users_only_loses_and_doubles_nothing(
    seed: int, data: st.DataObject
) -> None:
    log = with_ticks(seed, length=60, spread_days=20)
    committed = data.draw(st.integers(0, len(log)))
    crashed = data.draw(st.integers(committed, len(log)))
    straight: Shard[UserState] = Shard(encode_state, decode_user_state)
    sent = [fact for out in put_out(straight, log, range(len(log))) for fact in out.facts]

    shard: Shard[UserState] = Shard(encode_state, decode_user_state)
    put_out(shard, log, range(committed))
    early = stored_and_read(shard)
    put_out(shard, log, range(committed, crashed))
    # Of the last checkpoint only some records reached the changelog, and not its fence.
    for key in shard:
        if data.draw(st.booleans()):
            early.restore(key, shard.sealed(key))
    again = [fact for out in put_out(early, log, range(committed, len(log))) for fact in out.facts]

    # What comes again has the coordinate that it had, and none is out of order.
    places = {(fact.coordinate, fact.workspace_id): fact for fact in sent}
    assert all(places[fact.coordinate, fact.workspace_id] == fact for fact in again)
    assert [fact.coordinate for fact in again] == sorted(fact.coordinate for fact in again)
    assert {key: early.sealed(key) for key in early} == {key: straight.sealed(key) for key in straight}

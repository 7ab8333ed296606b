"""What time makes a workspace fire, over random histories: as a reference says, the same after a crash, never twice."""

from __future__ import annotations

import random
from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from signals.engine import Engine, decode_user_state, decode_workspace_state, encode_state, step_workspace
from signals.event import Event, Tick
from signals.facts import Fact, Firing
from signals.rule import Kind
from signals.shard import Shard
from signals.units import DAY_MS
from signals.workspace import WorkspaceState
from tests.signals.builders import engine
from tests.signals.reference import Fired, Reference
from tests.signals.test_laws import INEXACT, NUMBERS, SETTINGS, Run, random_history, stored_and_read, user_facts

OURS = ("seat_growth", "went_silent", "trial_ending", "limit_hit_no_upgrade")
_HISTORIES = 300


def log_with_ticks(seed: int) -> list[Event | Tick]:
    """A history with a tick now and then, each at the newest event time so far, and one at the end."""
    r = random.Random(seed)
    log: list[Event | Tick] = []
    newest = 0
    for made in random_history(seed, length=90, spread_days=r.choice((5, 40, 200))):
        log.append(made)
        newest = max(newest, made.time)
        if r.random() < 0.1:
            log.append(Tick(newest))
    return [*log, Tick(newest + r.choice((0, 1, 30)) * DAY_MS)]


def exact(fired: list[Fired]) -> list[Fired]:
    return sorted(one for one in fired if one[0] not in INEXACT)


def expected(log: list[Event | Tick]) -> Reference:
    """What the reference says; a tick not newer than the last is skipped."""
    reference = Reference(NUMBERS, engine(SETTINGS).domains)
    last = 0
    for record in log:
        if isinstance(record, Event):
            reference.feed(record)
        elif record.time > last:
            last = record.time
            reference.users.tick(record.time)
            reference.timers.tick(record.time)
    return reference


def test_engine_agrees_with_the_reference_over_random_histories_with_ticks() -> None:
    rules, found = engine(SETTINGS), Counter[str]()

    for seed in range(_HISTORIES):
        log = log_with_ticks(seed)
        run = Run(rules)
        run.feed(log)
        reference = expected(log)
        assert exact(run.fired) == exact(reference.fired), f"history {seed}"
        found.update(signal for signal, *_ in run.fired)

    # Or else the histories say nothing about it.
    assert all(found[signal] > _HISTORIES / 10 for signal in OURS), found


@settings(deadline=None)
@given(st.integers(0, 10**9))
def test_trials_that_nobody_uses_are_risks(seed: int) -> None:
    log, rules = log_with_ticks(seed), engine(SETTINGS)
    facts = facts_of(log)

    signals = signals_of(Shard(encode_state, decode_workspace_state), facts, rules)

    trials = [one for one in signals if one.signal == "trial_ending"]
    risks = {(one.workspace_id, one.event_id) for one in trials if one.kind is Kind.RISK}
    assert risks == expected(log).timers.idle
    assert all((one.evidence["active_days_7d"] == 0) == (one.kind is Kind.RISK) for one in trials)


def facts_of(log: list[Event | Tick]) -> list[Fact | Tick]:
    """The log of facts: ticks where they stand in the log of events."""
    users, rules = Shard(encode_state, decode_user_state), engine(SETTINGS)
    facts: list[Fact | Tick] = []
    for offset, record in enumerate(log):
        found = user_facts(users, log, range(offset, offset + 1), rules)
        facts += [record] if isinstance(record, Tick) else found
    return facts


def signals_of(shard: Shard[WorkspaceState], facts: list[Fact | Tick], rules: Engine, start: int = 0) -> list[Firing]:
    found: list[Firing] = []
    for offset, fact in enumerate(facts, start):
        found += step_workspace(shard, fact, offset, 0, rules).signals
    return found


@settings(deadline=None)
@given(st.integers(0, 10**9), st.data())
def test_killed_anywhere_and_restored_from_its_changelog_each_fires_once(seed: int, data: st.DataObject) -> None:
    rules, facts = engine(SETTINGS), facts_of(log_with_ticks(seed))
    straight: Shard[WorkspaceState] = Shard(encode_state, decode_workspace_state)
    once = signals_of(straight, facts, rules)
    stored_at = data.draw(st.integers(0, len(facts)))
    committed = data.draw(st.integers(0, stored_at))

    killed: Shard[WorkspaceState] = Shard(encode_state, decode_workspace_state)
    before = signals_of(killed, facts[:committed], rules)
    # The fence as it was committed: what came after is applied to the states, and comes again.
    fence = stored_and_read(killed).fence
    between = signals_of(killed, facts[committed:stored_at], rules, committed)
    back = stored_and_read(killed, fence)
    again = signals_of(back, facts[committed:], rules, committed)

    ids = {one.id: one.time for one in [*before, *between, *again]}
    assert ids == {one.id: one.time for one in once}
    assert len(before) + len(between) + len(again) == len(once)
    assert {key: back.sealed(key) for key in back} == {key: straight.sealed(key) for key in straight}


@pytest.mark.parametrize("signal", OURS)
def test_no_signal_of_a_rule_that_is_off(signal: str) -> None:
    off = {**SETTINGS, "signals": {**SETTINGS["signals"], signal: {"enabled": False}}}  # type: ignore[dict-item]  # a section

    for seed in range(10):
        run = Run(engine(off))
        run.feed(log_with_ticks(seed))
        assert signal not in {name for name, *_ in run.fired}
        assert not any(timer.startswith(signal) for key in run.workspaces for timer in timers_of(run, key))


def timers_of(run: Run, key: str) -> list[str]:
    state = run.workspaces.get(key)
    assert state is not None
    return list(state.timers)

"""The short ways for the usual event and its pulse come to what the general ways come to."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals import user_step, workspace_step
from signals.engine import (
    Engine,
    decode_user_state,
    decode_workspace_state,
    encode_fact,
    encode_state,
    step_user,
    step_workspace,
)
from signals.event import Event, EventType, Role, Source, Tick
from signals.facts import Fact, Pulse
from signals.shard import Shard
from signals.units import DAY_MS
from signals.usual import take_pulse, take_usual_event
from signals.workspace import Change
from tests.signals.builders import ACTIVATION, FIRST_DAY, MONDAY, day, engine, event
from tests.signals.test_laws import SETTINGS, random_history

_HISTORIES = 60


class Taken:
    """How often each short way was taken."""

    events = 0
    pulses = 0


def _counted(taken: Taken) -> dict[str, Callable[..., Any]]:
    def events(*arguments: Any) -> Pulse | None:
        fact = take_usual_event(*arguments)
        taken.events += fact is not None
        return fact

    def pulses(*arguments: Any) -> Change | None:
        change = take_pulse(*arguments)
        taken.pulses += change is not None
        return change

    return {"take_usual_event": events, "take_pulse": pulses}


@contextmanager
def _ways(ways: dict[str, Callable[..., Any]]) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(user_step, "take_usual_event", ways["take_usual_event"])
        patch.setattr(workspace_step, "take_pulse", ways["take_pulse"])
        yield


_GENERAL: dict[str, Callable[..., Any]] = {
    "take_usual_event": lambda *_: None,
    "take_pulse": lambda *_: None,
}


def _busy(history: list[Event]) -> list[Event]:
    """The history with somebody going on with what he was at after each of its events."""
    busy: list[Event] = []
    for made in history:
        busy.append(made)
        if made.user_id is not None:
            busy += [event(made.user_id, made.workspace_id, on=made.time + n * 1_000) for n in (1, -1)]
            core = [event(made.user_id, made.workspace_id, on=made.time + n, roles=[Role.CORE]) for n in (0, 1, 2, 5)]
            busy += core if len(busy) % 3 else []
            seen = [event(made.user_id, on=made.time + 6), event(made.user_id, on=made.time + 7, kind=EventType.PAGE)]
            busy += seen if len(busy) % 2 else []
            for number, workspace in enumerate((None, made.workspace_id)):
                known = event(made.user_id, workspace, on=made.time + 8 + number, kind=EventType.IDENTIFY)
                known.email = made.email if len(busy) % 4 else "ann@acme.example"
                busy.append(known)
    for offset, made in enumerate(busy):
        made.source = Source("events", 0, offset)
    return busy


def _everything(history: list[Event], rules: Engine) -> list[object]:
    """All that both steps send, and the bytes of all states at the end."""
    users, workspaces = Shard(encode_state, decode_user_state), Shard(encode_state, decode_workspace_state)
    said: list[object] = []
    facts = 0
    for position, made in enumerate(history):
        out = step_user(users, made, position, 0, rules)
        said.append(([encode_fact(fact) for fact in out.facts], out.signals, out.measures, out.verdicts, out.notes))
        log: list[Fact | Pulse | Tick] = list(out.facts)
        if position % 50 == 0:
            log.append(Tick(made.time))
        for fact in log:
            judged = step_workspace(workspaces, fact, facts, 0, rules)
            facts += 1
            said.append((judged.signals, judged.verdicts, judged.alerts, judged.notes))
    said += [(key, users.sealed(key)) for key in users] + [(key, workspaces.sealed(key)) for key in workspaces]
    return said


@pytest.mark.parametrize(
    "settings",
    [
        SETTINGS,
        SETTINGS | {"alerts": {"show_email": True}},
        SETTINGS | {"policy": {"assume_activated_before": "2026-03-04"}},
        SETTINGS | {"time_zone": "America/New_York", "policy": {"quiet_hours": {"start": "20:00", "end": "07:00"}}},
    ],
    ids=["plain", "addresses shown", "activation assumed", "quiet hours"],
)
def test_both_ways_send_the_same_and_keep_the_same_over_random_histories(settings: dict[str, object]) -> None:
    rules, taken = engine(settings), Taken()

    for seed in range(_HISTORIES):
        history = _busy(random_history(seed, length=60, spread_days=8))
        with _ways(_counted(taken)):
            short = _everything(history, rules)
        with _ways(_GENERAL):
            general = _everything(history, rules)
        assert short == general, f"history {seed}"

    # Where addresses are shown, every fact may carry one.
    assert rules.shows_email or taken.events > 20 * _HISTORIES
    assert taken.pulses > 20 * _HISTORIES


@given(st.integers(0, 2**32 - 1))
def test_both_ways_agree_on_any_history(seed: int) -> None:
    history, rules = _busy(random_history(seed, length=30, spread_days=5)), engine(SETTINGS)

    short = _everything(history, rules)

    with _ways(_GENERAL):
        assert short == _everything(history, rules)


def test_a_second_event_of_the_day_is_a_pulse_that_names_the_event_and_nothing_else_of_it() -> None:
    rules, users = engine(ACTIVATION), Shard(encode_state, decode_user_state)
    first = event("ann", "acme", on=day(1))
    again = event("ann", "acme", on=day(1) + 1_000)
    first.source, again.source = Source("events", 0, 0), Source("events", 0, 1)
    step_user(users, first, 0, 3, rules)

    assert step_user(users, again, 1, 3, rules).facts == [
        Pulse("acme", 3, 1, day(1) + 1_000, event_id=again.id, cause=again.source)
    ]


def test_a_page_call_is_a_pulse_that_names_no_event() -> None:
    rules, users = engine(ACTIVATION), Shard(encode_state, decode_user_state)
    first = event("ann", "acme", on=day(1))
    page = event("ann", "acme", on=day(1) + 1_000, kind=EventType.PAGE)
    first.source, page.source = Source("events", 0, 0), Source("events", 0, 1)
    step_user(users, first, 0, 3, rules)

    assert step_user(users, page, 1, 3, rules).facts == [Pulse("acme", 3, 1, day(1) + 1_000)]


def test_core_events_between_two_steps_of_the_day_are_pulses() -> None:
    rules, users = engine(ACTIVATION), Shard(encode_state, decode_user_state)
    taken = Taken()
    facts = []
    with _ways(_counted(taken)):
        for n in range(10):
            made = event("ann", "acme", on=day(1) + n, roles=[Role.CORE], name="Report Viewed")
            made.source = Source("events", 0, n)
            facts += step_user(users, made, n, 0, rules).facts

    assert [fact.core for fact in facts if fact.core] == [((FIRST_DAY, n),) for n in (1, 4, 5)]
    assert all(isinstance(fact, Pulse) for fact in facts[1:])
    assert taken.events == 9


@pytest.mark.parametrize(("later", "brought"), [(DAY_MS - 1, None), (DAY_MS, FIRST_DAY + 1)])
def test_the_first_event_of_another_day_brings_it(later: int, brought: int | None) -> None:
    rules, users = engine(ACTIVATION), Shard(encode_state, decode_user_state)
    first = event("ann", "acme", on=MONDAY)
    again = event("ann", "acme", on=MONDAY + later)
    first.source, again.source = Source("events", 0, 0), Source("events", 0, 1)
    step_user(users, first, 0, 0, rules)

    [fact] = step_user(users, again, 1, 0, rules).facts

    assert isinstance(fact, Pulse)
    assert fact.day == brought


def test_address_kept_while_addresses_were_shown_goes_with_the_next_event_that_tells_it_again() -> None:
    shown, hidden = engine(ACTIVATION | {"alerts": {"show_email": True}}), engine(ACTIVATION)
    users = Shard(encode_state, decode_user_state)
    for position in range(3):
        step_user(users, event("ann", "acme", on=day(0) + position, email="ann@acme.example"), position, 0, shown)
    before = users.get("user:ann")
    assert before is not None
    assert before.email == "ann@acme.example"

    known = event("ann", "acme", on=day(0) + 9, email="ann@acme.example", kind=EventType.IDENTIFY)
    step_user(users, known, 3, 0, hidden)

    after = users.get("user:ann")
    assert after is not None
    assert after.email is None

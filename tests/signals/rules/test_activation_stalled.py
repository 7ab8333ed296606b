"""A sign-up that led nowhere within a day: the timer, what ends it, and which clock moves it (SIGNALS A1, A15, A20)."""

from __future__ import annotations

import pytest

from signals.event import Event, Role, Tick
from signals.facts import FactKind, Firing
from signals.units import DAY_MS
from tests.signals.builders import ACTIVATION, River, day, event, names

OURS = {**ACTIVATION, "internal": {"domains": ["oursaas.example"], "user_ids": ["boss"]}}
DUE = day(2)


def signed_up(on: int = day(1), workspace: str | None = "acme", **more: str) -> Event:
    return event("ann", workspace, on=on, roles=[Role.SIGNED_UP], **more)  # type: ignore[arg-type]  # text fields only


def activated(on: int) -> Event:
    return event("ann", "acme", on=on, roles=[Role.ACTIVATED])


def stalled(firings: list[Firing]) -> list[Firing]:
    return [firing for firing in firings if firing.signal == "activation_stalled"]


def test_it_fires_a_day_after_the_sign_up_and_names_it() -> None:
    river = River(ACTIVATION)
    sign_up = signed_up()
    river.feed(sign_up)

    (signal,) = river.feed(Tick(DUE))

    assert (signal.signal, signal.subject, signal.workspace_id) == ("activation_stalled", "ann", "acme")
    assert (signal.time, signal.event_id, signal.cause) == (DUE, sign_up.id, sign_up.source)
    assert signal.evidence == {"since_sign_up": 86_400, "threshold": 86_400}
    assert river.facts[-1].kind is FactKind.FIRED


def test_a_tick_one_millisecond_early_fires_nothing() -> None:
    river = River(ACTIVATION)
    river.feed(signed_up())

    assert river.feed(Tick(DUE - 1)) == []
    assert names(river.feed(Tick(DUE))) == ["activation_stalled"]


@pytest.mark.parametrize(("later", "fires"), [(-1, False), (0, False), (1, True)])
def test_an_event_fires_what_was_due_strictly_before_it(later: int, fires: bool) -> None:
    river = River(ACTIVATION)
    river.feed(signed_up())

    assert bool(stalled(river.feed(event("ann", "acme", on=DUE + later)))) is fires


@pytest.mark.parametrize(("later", "fires"), [(0, False), (1, True)])
def test_an_activation_at_the_due_time_comes_first(later: int, fires: bool) -> None:
    river = River(ACTIVATION)
    river.feed(signed_up())

    signals = river.feed(activated(DUE + later), Tick(day(9)))

    assert names(signals) == (["activation_stalled", "activated"] if fires else ["activated"])


def test_an_activation_told_late_still_ends_the_wait() -> None:
    river = River(ACTIVATION)
    river.feed(activated(day(1, 13)), signed_up())

    assert river.feed(Tick(day(9))) == []
    assert river.user("ann").due is None


def test_it_fires_once_however_often_the_user_signs_up() -> None:
    river = River(ACTIVATION)

    signals = river.feed(signed_up(), Tick(DUE), signed_up(day(5)), Tick(day(9)))

    assert len(stalled(signals)) == 1


def test_other_users_and_duplicates_move_no_clock() -> None:
    river = River(ACTIVATION)
    river.feed(signed_up(event_id="same"))

    assert stalled(river.feed(event("bob", "acme", on=day(9)), signed_up(day(9), event_id="same"))) == []


def test_without_an_activation_event_in_the_config_it_is_off() -> None:
    river = River()

    assert stalled(river.feed(signed_up(), Tick(day(9)))) == []
    assert river.user("ann").timers == {}


def test_switched_off_it_waits_for_nothing() -> None:
    river = River({**ACTIVATION, "signals": {"activation_stalled": {"enabled": False}}})
    river.feed(signed_up(), Tick(day(9)))

    assert river.user("ann").timers == {}


def test_a_user_seen_to_be_internal_is_waited_for_no_more() -> None:
    river = River(OURS)
    river.feed(signed_up())

    assert river.feed(event("ann", "acme", on=day(1, 13), email="ann@oursaas.example"), Tick(day(9))) == []
    assert (river.user("ann").timers, river.user("ann").due) == ({}, None)


def test_what_was_due_before_the_event_that_shows_him_internal_fires() -> None:
    river = River(OURS)
    river.feed(signed_up())

    assert names(river.feed(event("ann", "acme", on=DUE + 1, email="ann@oursaas.example"))) == ["activation_stalled"]


def test_a_listed_user_never_waits() -> None:
    river = River(OURS)
    river.feed(event("boss", "acme", on=day(1), roles=[Role.SIGNED_UP]))

    assert river.feed(Tick(day(9))) == []


def test_a_user_who_is_listed_later_is_waited_for_no_more() -> None:
    river = River(ACTIVATION)
    river.feed(signed_up())
    river.engine.internal_users = frozenset({"ann"})

    assert river.feed(Tick(day(9))) == []


def test_it_follows_the_user_from_his_personal_workspace_to_the_real_one() -> None:
    river = River(ACTIVATION)
    river.feed(signed_up(workspace=None))
    river.feed(event("ann", "acme", on=day(1, 13)))

    (signal,) = river.feed(Tick(DUE))

    assert signal.workspace_id == "acme"


def test_it_stays_where_the_sign_up_was_when_he_enters_another_workspace() -> None:
    river = River(ACTIVATION)
    river.feed(signed_up())
    river.feed(event("ann", "other", on=day(1, 13)))

    (signal,) = river.feed(Tick(DUE))

    assert signal.workspace_id == "acme"


def test_a_sign_up_without_a_workspace_fires_for_nobody_to_hear() -> None:
    river = River(ACTIVATION)
    river.feed(event("ann", "one", on=day(1)), event("ann", "two", on=day(1)), signed_up(workspace=None))

    (signal,) = river.feed(Tick(DUE))

    assert signal.workspace_id is None
    assert [verdict.reason for verdict in river.verdicts if verdict.signal_id == signal.id] == [
        "it belongs to no workspace"
    ]


def test_a_sign_up_told_later_than_its_due_time_fires_at_the_next_event() -> None:
    river = River(ACTIVATION)
    river.feed(event("ann", "acme", on=day(9)), signed_up())

    (signal,) = stalled(river.feed(event("ann", "acme", on=day(9) + 1)))

    assert signal.time == day(1) + DAY_MS


def test_many_users_fire_at_one_tick_in_the_order_of_their_due_times() -> None:
    river = River(ACTIVATION)
    river.feed(*[event(f"u{n}", "acme", on=day(1) - n, roles=[Role.SIGNED_UP]) for n in range(5)])

    signals = river.feed(Tick(day(3)))

    assert [signal.subject for signal in signals] == ["u4", "u3", "u2", "u1", "u0"]

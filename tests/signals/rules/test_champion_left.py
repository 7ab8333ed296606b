"""A power user who is gone: only where they pay, and once per user and cooldown."""

from __future__ import annotations

from itertools import count

import pytest

from signals.event import Source
from signals.facts import Fact, FactKind, Firing
from signals.units import DAY_MS
from tests.signals.builders import ACTIVATION, River, day
from tests.signals.rules.billing_events import plan_changed

_offsets = count(1_000)


def gone(
    river: River, on: int, user: str = "ann", how: str = "removed", kind: FactKind = FactKind.OBSERVED
) -> list[Firing]:
    """The fact that a power user is gone."""
    before, offset = len(river.signals), next(_offsets)
    slot = 17 if kind is FactKind.OBSERVED else 0
    source = Source("events", 0, offset)
    river.feed_fact(Fact("acme", kind, 0, offset, slot, on, f"e{offset}", source, user_id=user, champion=how))
    return [one for one in river.signals[before:] if one.signal == "champion_left"]


def paying(plan: str = "pro") -> River:
    river = River()
    river.feed(plan_changed(day(1), plan=plan))
    return river


@pytest.mark.parametrize(("how", "kind"), [("removed", FactKind.OBSERVED), ("silent", FactKind.FIRED)])
def test_a_power_user_of_a_paying_workspace_who_is_gone_fires(how: str, kind: FactKind) -> None:
    (signal,) = gone(paying(), day(2), how=how, kind=kind)

    assert signal.evidence == {"reason": how, "plan": "pro"}
    assert (signal.user_id, signal.workspace_id, signal.key, signal.time) == ("ann", "acme", "ann", day(2))
    assert (signal.scope.value, signal.kind.value) == ("workspace", "risk")


@pytest.mark.parametrize("plan", ["free", "trial"])
def test_where_nobody_pays_nobody_hears_of_it(plan: str) -> None:
    assert gone(paying(plan), day(2)) == []
    assert gone(River(), day(2)) == []


@pytest.mark.parametrize(("later", "fires"), [(30 * DAY_MS, True), (30 * DAY_MS - 1, False)])
def test_the_same_user_is_said_once_in_thirty_days(later: int, fires: bool) -> None:
    river = paying()
    gone(river, day(2))

    assert bool(gone(river, day(2) + later)) is fires
    assert len(gone(river, day(2) + later, "bob")) == 1


def test_a_user_whose_timer_fired_moves_no_clock() -> None:
    river = paying()
    gone(river, day(100), kind=FactKind.FIRED, how="silent")

    # It would have gone silent before.
    assert {one.signal for one in river.signals} == {"champion_left"}


def test_users_who_are_gone_are_remembered_up_to_a_limit() -> None:
    river = River({"limits": {"fired_keys": 10}})
    river.feed(plan_changed(day(1), plan="pro"))
    for number in range(20):
        gone(river, day(2) + number, f"u{number}")

    assert sum(key.startswith("champion_left|") for key in river.workspace("acme").fired) == 11


def test_alert_tells_how_and_who() -> None:
    river = River({**ACTIVATION, "policy": {"assume_activated_before": "2030-01-01"}})
    river.feed(plan_changed(day(1), plan="pro"))
    gone(river, day(2))

    (alert,) = river.alerts
    assert (alert.signal, alert.priority, alert.user_id) == ("champion_left", "normal", "ann")
    assert "a power user was removed" in alert.title

"""A request to talk to sales, once a day of elapsed time (SIGNALS A8 and A11)."""

from __future__ import annotations

import pytest

from signals.event import Event, Role
from signals.units import DAY_MS
from tests.signals.builders import ACTIVATION, River, day, event, names


def asked(on: int, user: str | None = "ann", name: str = "Demo Requested") -> Event:
    return event(user, "acme", on=on, roles=[Role.SALES_CONTACTED], name=name, anonymous="a1")


def test_request_fires_with_its_name() -> None:
    (signal,) = River().feed(asked(day(1)))

    assert (signal.signal, signal.subject) == ("hand_raised", "ann")
    assert signal.evidence == {"request": "Demo Requested"}


@pytest.mark.parametrize(("later", "fires"), [(DAY_MS, True), (DAY_MS - 1, False), (-1, False)])
def test_another_request_fires_after_exactly_twenty_four_hours(later: int, fires: bool) -> None:
    river = River()
    river.feed(asked(day(5)))

    # Whatever is asked for: it is once per user.
    signals = river.feed(asked(day(5) + later, name="Contact Sales Clicked"))

    assert bool(signals) is fires


def test_request_inside_the_cooldown_prolongs_nothing() -> None:
    signals = River().feed(asked(day(1)), asked(day(1, 20)), asked(day(2)))

    assert [signal.time for signal in signals] == [day(1), day(2)]


def test_two_users_are_two_requests() -> None:
    assert names(River().feed(asked(day(1)), asked(day(1), "bob"))) == ["hand_raised", "hand_raised", "second_user"]


def test_visitors_and_our_own_staff_raise_nothing() -> None:
    assert River({"internal": {"user_ids": ["staff"]}}).feed(asked(day(1), None), asked(day(1), "staff")) == []


def test_sales_hears_of_it_before_anybody_has_activated() -> None:
    river = River(ACTIVATION)

    river.feed(asked(day(1)))

    assert [(alert.signal, alert.priority, alert.user_id) for alert in river.alerts] == [
        ("hand_raised", "urgent", "ann")
    ]
    assert river.alerts[0].title == "acme: asked to talk to sales (Demo Requested)"

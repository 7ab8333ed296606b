"""A user who keeps trying what his plan does not include (SIGNALS A9, A11 and A26)."""

from __future__ import annotations

import pytest

from signals.attempts import KEPT_DAYS
from signals.event import Event, Role, Scalar
from signals.units import DAY_MS
from tests.signals.builders import River, day, event, names


def gated(on: int, feature: Scalar | None = "export", user: str | None = "ann", **extra: str) -> Event:
    made = event(user, "acme", on=on, roles=[Role.FEATURE_GATED], name="Paywall Viewed", **extra)
    made.properties = {} if feature is None else {"feature": feature}
    return made


def times(*events: Event) -> list[int]:
    return [firing.time for firing in River().feed(*events)]


def test_second_attempt_at_the_same_feature_fires() -> None:
    (signal,) = River().feed(gated(day(1)), gated(day(2)))

    assert (signal.signal, signal.subject, signal.workspace_id) == ("gated_feature", "ann", "acme")
    assert signal.evidence == {"feature": "export", "attempts": 2, "threshold": 2, "window": 7}


@pytest.mark.parametrize(("second", "fires"), [(day(7, 23.9), True), (day(8, 0), False)])
def test_attempts_of_seven_calendar_days_count(second: int, fires: bool) -> None:
    assert bool(times(gated(day(1, 0)), gated(second))) is fires


def test_attempts_at_other_features_and_of_other_users_do_not_count() -> None:
    signals = River().feed(gated(day(1)), gated(day(1), "sso"), gated(day(1), user="bob"), gated(day(1), "Export"))

    assert names(signals) == ["second_user"]


def test_missing_feature_is_the_blank_one() -> None:
    river = River()
    signals = river.feed(*(gated(day(1), feature) for feature in (None, " ", 7, "sso")))

    assert [s.evidence["attempts"] for s in signals] == [2]
    assert signals[0].evidence["feature"] == ""
    assert river.engine.by_name["gated_feature"].headline(signals[0].evidence).startswith("tried a feature")


@pytest.mark.parametrize(("later", "fires"), [(7 * DAY_MS, True), (7 * DAY_MS - 1, False), (-1, False)])
def test_same_feature_fires_again_after_exactly_seven_days(later: int, fires: bool) -> None:
    river = River()
    # The one on day 16 keeps the window full without firing.
    river.feed(gated(day(10)), gated(day(10)), gated(day(16)))

    signals = river.feed(gated(day(10) + later))

    assert bool(signals) is fires


def test_firing_resets_no_count() -> None:
    signals = River().feed(gated(day(1)), gated(day(1, 13)), gated(day(7)), gated(day(8, 13)))

    assert [(s.time, s.evidence["attempts"], s.n) for s in signals] == [(day(1, 13), 2, 1), (day(8, 13), 2, 2)]


def test_late_attempt_is_judged_at_its_own_day() -> None:
    assert times(gated(day(10)), gated(day(9))) == []
    assert times(gated(day(8)), gated(day(10), "sso"), gated(day(9))) == [day(9)]


def test_attempts_of_visitors_and_of_our_own_staff_raise_nothing() -> None:
    river = River({"internal": {"user_ids": ["staff"]}})

    for user in (None, None, "staff", "staff"):
        assert river.feed(gated(day(1), user=user, anonymous="a1")) == []


def test_user_in_no_certain_workspace_raises_it_all_the_same() -> None:
    river = River()
    river.feed(event("ann", "one"), event("ann", "two"))
    tries = [gated(day(1)), gated(day(1))]
    for one in tries:
        one.workspace_id = None

    (signal,) = river.feed(*tries)

    assert (signal.signal, signal.workspace_id) == ("gated_feature", None)


def test_what_is_remembered_of_attempts_is_bounded() -> None:
    river = River({"limits": {"features_per_user": 2}})
    river.feed(*(gated(day(1), feature) for feature in ("one", "two", "one", "three")))
    assert list(river.user("ann").gated) == ["one", "three"]

    river.feed(*(gated(day(number), "one") for number in range(1, 2 * KEPT_DAYS)))

    days = river.user("ann").gated["one"]
    assert len(days) == KEPT_DAYS
    assert max(days) - min(days) == KEPT_DAYS - 1


def test_what_has_fired_for_features_is_bounded() -> None:
    river = River({"limits": {"fired_keys": 10}, "signals": {"gated_feature": {"attempts": 1}}})
    signals = river.feed(*(gated(day(number), f"f{number}") for number in range(1, 31)))

    assert set(names(signals)) == {"gated_feature"}
    assert len(river.user("ann").fired) == 11

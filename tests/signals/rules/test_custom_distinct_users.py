"""A signal of the config's own that counts the users of a workspace who did some thing."""

from __future__ import annotations

import pytest

from signals.units import DAY_MS
from tests.signals.builders import day, event
from tests.signals.customs import CustomRiver

EDITORS = {"rule": "distinct_users", "events": ["Report Edited"], "threshold": 3, "cooldown": "10d"}


def river(**stanza: object) -> CustomRiver:
    return CustomRiver({"editors": EDITORS | stanza})


def test_third_user_in_the_week_fires_with_the_window_end() -> None:
    one = river()
    assert one.do("Report Edited", "ann", on=day(1)) == []
    assert one.do("Report Edited", "bob", on=day(2)) == []
    assert one.do("Report Edited", "bob", on=day(3)) == []

    fired = one.feed(one.named("report_edited", "cid", on=day(7)))

    (signal,) = [firing for firing in fired if firing.signal == "editors"]
    assert signal.evidence == {"users": 3, "threshold": 3, "window": 7, "window_end": "2026-03-08"}
    rule = one.engine.by_name["editors"]
    assert rule.headline(signal.evidence) == "3 people with Report Edited in 7 days"
    assert [(why.fact, why.value, why.threshold) for why in rule.why(signal.evidence)] == [("editors_users_7d", 3, 3)]


def test_user_a_day_after_the_window_is_one_too_few() -> None:
    one = river()
    one.do("Report Edited", "ann", on=day(1))
    one.do("Report Edited", "bob", on=day(2))

    assert one.do("Report Edited", "cid", on=day(8)) == []


def test_users_who_did_something_else_or_elsewhere_do_not_count() -> None:
    one = river()
    one.do("Report Edited", "ann", on=day(1))
    one.do("Report Edited", "bob", on=day(1))
    one.do("Report Edited", "cid", "other", on=day(1))
    one.feed(event("dan", "acme", on=day(1)))

    assert one.do("Report Edited", "cid", on=day(1)) == ["editors"]


def test_event_that_comes_late_counts_where_it_belongs() -> None:
    one = river()
    one.do("Report Edited", "ann", on=day(20))
    one.do("Report Edited", "bob", on=day(3))
    one.do("Report Edited", "cid", on=day(1))

    assert one.do("Report Edited", "dan", on=day(2)) == ["editors"]


@pytest.mark.parametrize(("later", "fires"), [(9, []), (10, ["editors"])])
def test_it_fires_again_at_a_window_end_a_cooldown_later(later: int, fires: list[str]) -> None:
    one = river(window="14d")
    for user in ("ann", "bob", "cid"):
        one.do("Report Edited", user, on=day(1))
    one.do("Report Edited", "ann", on=day(10))
    one.do("Report Edited", "bob", on=day(10))

    # The window end at which it fired is day 1; a new user raises the ends from his day on.
    assert one.do("Report Edited", "dan", on=day(1 + later, 0)) == (fires or ["editors"])
    last = one.workspace("acme").fired["editors"]
    assert last.end is not None
    assert last.end - day(1) // DAY_MS == max(10, later)


def test_workspace_event_and_ambiguous_one_count_no_user() -> None:
    one = river(threshold=1)
    one.feed(event("ann", "one", on=day(1)), event("ann", "two", on=day(1)))

    assert one.do("Report Edited", None, on=day(1)) == []
    assert one.do("Report Edited", "ann", None, on=day(1)) == []


def test_days_remembered_of_a_user_are_bounded_and_the_oldest_change_leaves() -> None:
    one = CustomRiver({"editors": EDITORS}, limits={"custom_keys": 2})
    for workspace in ("one", "two", "one", "three"):
        one.do("Report Edited", "ann", workspace, on=day(1 if workspace != "one" else len(one.facts) + 1))

    assert list(one.user("ann").custom_days) == ["editors|one", "editors|three"]


def test_what_is_older_than_ninety_days_changes_nothing() -> None:
    one = river(threshold=2)
    one.do("Report Edited", "ann", on=day(1))
    one.do("Report Edited", "bob", on=day(91))

    assert one.do("Report Edited", "cid", on=day(1)) == []
    assert one.do("Report Edited", "dan", on=day(2)) == ["editors"]


def test_another_window_begins_anew() -> None:
    one = river()
    one.do("Report Edited", "ann", on=day(1))

    assert list(one.workspace("acme").custom_rings) == ["editors|7"]


def test_held_signal_still_holds_as_long_as_as_many_are_there() -> None:
    one = river(threshold=2)
    one.do("Report Edited", "ann", on=day(1))
    one.do("Report Edited", "bob", on=day(2))
    rule, acme = one.engine.by_name["editors"], one.workspace("acme")

    assert rule.still_holds(acme, day(7) // DAY_MS)
    assert not rule.still_holds(acme, day(8) // DAY_MS)

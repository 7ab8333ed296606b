"""A signal of the config's own that counts events of a user or of a workspace."""

from __future__ import annotations

import pytest

from signals.attempts import KEPT_DAYS
from signals.rule import Kind, Scope
from signals.units import DAY_MS
from tests.signals.builders import day, event
from tests.signals.customs import CustomRiver

BURST = {"rule": "count", "events": ["Report Exported", "Dashboard Exported"], "threshold": 3, "cooldown": "14d"}


def river(**stanza: object) -> CustomRiver:
    return CustomRiver({"burst": BURST | stanza})


def test_third_event_of_any_of_the_names_fires_with_what_was_counted() -> None:
    one = river(kind="intent")
    assert one.do("Report Exported", "ann", on=day(1)) == []
    assert one.do("dashboard_exported", "bob", on=day(2)) == []

    fired = one.feed(one.named("REPORT-EXPORTED", "cid", on=day(7)))

    (signal,) = [firing for firing in fired if firing.signal == "burst"]
    assert (signal.kind, signal.scope, signal.subject, signal.n) == (Kind.INTENT, Scope.WORKSPACE, "acme", 1)
    assert signal.user_id == "cid"
    assert signal.evidence == {"event": "Report Exported", "count": 3, "threshold": 3, "window": 7}


@pytest.mark.parametrize(("third", "fires"), [(day(7, 23.9), ["burst"]), (day(8, 0), [])])
def test_events_of_seven_calendar_days_count(third: int, fires: list[str]) -> None:
    one = river()
    one.do("Report Exported", on=day(1, 0))
    one.do("Report Exported", on=day(7))

    assert one.do("Report Exported", on=third) == fires


def test_other_events_and_other_workspaces_do_not_count() -> None:
    one = river()
    for name, workspace in (("Report Exported", "acme"), ("Report Viewed", "acme"), ("Report Exported", "other")):
        assert one.do(name, workspace=workspace, on=day(1)) == []

    assert one.do("Report Exported", on=day(1)) == []
    assert one.do("Report Exported", on=day(1)) == ["burst"]


@pytest.mark.parametrize(("later", "fires"), [(14 * DAY_MS, ["burst"]), (14 * DAY_MS - 1, []), (-1, [])])
def test_it_fires_again_after_exactly_the_cooldown(later: int, fires: list[str]) -> None:
    one = river(window="28d")
    for _ in range(3):
        one.do("Report Exported", on=day(3))

    assert one.do("Report Exported", on=day(3) + later) == fires


def test_event_that_comes_late_is_counted_up_to_its_own_day() -> None:
    one = river()
    one.do("Report Exported", on=day(10))
    one.do("Report Exported", on=day(9))

    assert one.do("Report Exported", on=day(8)) == []
    assert one.do("Report Exported", on=day(10)) == ["burst"]


def test_count_of_a_user_follows_him_through_his_workspaces() -> None:
    one = river(scope="user")
    one.do("Report Exported", "ann", "acme", on=day(1))
    one.do("Report Exported", "bob", "acme", on=day(1))
    one.do("Report Exported", "ann", "other", on=day(1))

    (signal,) = [s for s in one.feed(one.named("Report Exported", "ann", "third", on=day(1))) if s.signal == "burst"]

    assert (signal.scope, signal.subject, signal.workspace_id) == (Scope.USER, "ann", "third")
    assert one.verdicts[-1].verdict == "unrouted"


def test_user_in_no_certain_workspace_counts_for_himself_only() -> None:
    one = CustomRiver({"of_user": BURST | {"scope": "user", "threshold": 1}, "of_workspace": BURST | {"threshold": 1}})
    one.feed(event("ann", "one", on=day(1)), event("ann", "two", on=day(1)))

    assert one.do("Report Exported", "ann", None, on=day(1)) == ["of_user"]


def test_event_without_a_user_counts_for_its_workspace() -> None:
    one = river(threshold=2)
    one.do("Report Exported", None, on=day(1))

    assert one.do("Report Exported", None, on=day(1)) == ["burst"]


def test_our_own_people_and_visitors_raise_nothing() -> None:
    stanzas = {"of_user": BURST | {"scope": "user", "threshold": 1}, "of_workspace": BURST | {"threshold": 1}}
    one = CustomRiver(stanzas, internal={"user_ids": ["staff"]})
    visitor = one.named("Report Exported", None, None, on=day(1))
    visitor.anonymous_id = "a1"

    assert one.do("Report Exported", "staff", on=day(1)) == []
    assert one.feed(visitor) == []


def test_event_with_a_role_and_a_passive_one_count_too() -> None:
    one = CustomRiver(
        {"asked": BURST | {"events": ["Invite Sent", "Mail Sent"], "threshold": 2}}, events={"passive": ["Mail Sent"]}
    )
    one.do("Invite Sent", on=day(1))

    assert one.do("Mail Sent", on=day(1)) == ["asked"]


def test_signal_that_is_switched_off_neither_fires_nor_counts() -> None:
    one = river(enabled=False, threshold=1)

    assert one.do("Report Exported", on=day(1)) == []
    assert one.workspace("acme").custom == {}
    assert "burst" in one.engine.by_name


def test_several_signals_of_one_event_fire_by_name_after_ours() -> None:
    stanzas = {name: BURST | {"threshold": 1, "scope": scope} for name, scope in (("b", "workspace"), ("a", "user"))}
    one = CustomRiver({**stanzas, "c": BURST | {"threshold": 1}})
    one.do("Report Exported", "ann", on=day(1))

    fired = one.feed(one.named("Report Exported", "bob", on=day(20)))

    assert [s.signal for s in fired] == ["a", "second_user", "b", "c"]


def test_alert_has_the_words_of_the_stanza_and_numbers_without_them() -> None:
    route = [{"signals": ["burst"], "priority": {"burst": "urgent"}}]
    own = CustomRiver(
        {"burst": BURST | {"threshold": 1, "title": "exports like never before", "play": "Ask what it is for."}},
        routes=route,
    )
    plain = CustomRiver({"burst": BURST | {"threshold": 1}}, routes=route)

    own.do("Report Exported", on=day(1))
    plain.do("Report Exported", on=day(1))

    (alert,) = own.alerts
    assert (alert.title, alert.play, alert.priority) == (
        "acme: exports like never before",
        "Ask what it is for.",
        "urgent",
    )
    (alert,) = plain.alerts
    assert alert.title == "acme: Report Exported or Dashboard Exported once in 7 days"
    assert [(why.fact, why.value, why.threshold) for why in alert.why] == [("burst_7d", 1, 1)]


def test_what_is_remembered_is_bounded_and_leaves_with_its_stanza() -> None:
    one = river(scope="user", cooldown="0s")
    for number in range(1, KEPT_DAYS + 20):
        one.do("Report Exported", on=day(number))
    assert len(one.user("ann").custom["burst"]) == KEPT_DAYS

    later = CustomRiver({"other": BURST | {"scope": "user"}})
    later.users = one.users
    later.feed(later.named("Report Exported", on=day(100)))
    # The river of a new config begins at the first offset: its first event is an old one to the user.
    for _ in range(KEPT_DAYS + 20):
        later.do("Report Exported", on=day(100))

    assert list(later.user("ann").custom) == ["other"]


def test_what_is_missing_is_said() -> None:
    one = river()
    one.do("Report Exported", on=day(1))
    (rule,) = one.engine.custom_of_workspace(["burst"])

    assert rule.gap(one.workspace("acme"), day(1), day(1) // DAY_MS) == (
        "2 more Report Exported or Dashboard Exported within 7 days"
    )

"""What becomes of alerts: stale, muted, capped, bundled, superseded, quiet, closed (SIGNALS 6.2 to 6.6)."""

from __future__ import annotations

import json

import msgspec
import pytest

from signals.contract import Alert as PublicAlert
from signals.contract import alert_json
from signals.event import Event, EventType, Role, Tick
from signals.facts import AlertStatus, Command, Decision, Order
from signals.rule import Why
from signals.snapshot import snapshot_json
from signals.units import DAY_MS
from tests.signals.builders import ACTIVATION, HOUR, River, day, event, team

MSA = [Role.PROCUREMENT_REQUESTED]
MINUTE = 60_000


def decided(river: River, signal: str) -> list[Decision]:
    return [verdict.verdict for verdict in river.verdicts if verdict.signal == signal]


def told(river: River) -> list[tuple[str, str, str | None]]:
    return [(alert.signal, alert.status.value, alert.reason) for alert in river.alerts]


def plan(name: str, on: int, workspace: str = "acme", **properties: object) -> Event:
    made = event(None, workspace, on=on, roles=[Role.PLAN_CHANGED], name="Plan Changed")
    made.properties = {"plan": name, **properties}  # type: ignore[dict-item]
    return made


def usage(used: int, on: int, limit: int = 100) -> Event:
    made = event(None, "acme", on=on, roles=[Role.USAGE_REPORTED], name="Usage Reported")
    made.properties = {"metric": "rows", "used": used, "limit": limit}
    return made


def heard_at(made: Event, ingested_at: int) -> Event:
    made.ingested_at = ingested_at
    return made


def order(order: Order, on: int, offset: int, **fields: object) -> Command:
    return msgspec.convert({"order": order, "time": on, "partition": 0, "offset": offset, **fields}, Command)


# stale


@pytest.mark.parametrize(("age", "sent"), [(HOUR, True), (HOUR + 1, False)])
def test_news_of_an_hour_is_news_and_older_is_stale(age: int, sent: bool) -> None:
    river = River()

    river.feed(*(heard_at(made, day(1) + age) for made in team("acme", 5, day(1))))

    assert bool(river.alerts) is sent
    assert decided(river, "multi_user") == [Decision.SENT if sent else Decision.STALE]


@pytest.mark.parametrize(("age", "sent"), [(DAY_MS, True), (DAY_MS + 1, False)])
def test_procurement_is_news_for_a_day(age: int, sent: bool) -> None:
    river = River()

    river.feed(heard_at(event("ann", "acme", on=day(1), roles=MSA), day(1) + age))

    assert bool(river.alerts) is sent


def test_nothing_is_stale_where_events_move_the_clock() -> None:
    river = River()

    river.feed(event("ann", "acme", on=day(40)), *team("acme", 5, day(1)))

    assert decided(river, "multi_user") == [Decision.SENT]


def test_signal_of_the_past_that_still_holds_is_released_by_an_activation_of_today() -> None:
    river = River(ACTIVATION)
    today = day(10)
    river.feed(*(heard_at(made, today) for made in team("acme", 5, day(9))))

    river.feed(heard_at(event("u1", "acme", on=today, roles=[Role.ACTIVATED]), today))

    assert told(river) == [("multi_user", "open", None)]


def test_history_tells_sales_nothing_about_the_past() -> None:
    river = River(ACTIVATION)
    now = day(30)
    history = [
        event("u0", "acme", on=day(1), email="ann@walmart.com", roles=[Role.SIGNED_UP]),
        event("u0", "acme", on=day(1), roles=[Role.ACTIVATED]),
        *team("acme", 5, day(2)),
        event("u0", "acme", on=day(3), roles=MSA),
        plan("pro", day(4)),
    ]

    river.feed(*(heard_at(made, now) for made in history))

    assert river.alerts == []
    assert {
        decision for signal in ("multi_user", "enterprise_domain", "procurement") for decision in decided(river, signal)
    } == {Decision.STALE}


# disqualified, muted, snoozed, already paying


def test_competitor_is_disqualified_whatever_it_does() -> None:
    river = River({"domains": {"competitors": ["rival.example"]}})

    river.feed(event("eve", "acme", on=day(1), email="eve@rival.example", roles=MSA))

    assert (river.alerts, decided(river, "procurement")) == ([], [Decision.DISQUALIFIED])


def test_consultant_of_a_competitor_does_not_disqualify_a_customer() -> None:
    river = River({"domains": {"competitors": ["rival.example"]}})
    river.feed(event("ann", "acme", on=day(1), email="ann@customer.example"))

    river.feed(event("eve", "acme", on=day(2), email="eve@rival.example", roles=MSA))

    assert decided(river, "procurement") == [Decision.SENT]


def test_team_of_a_paying_workspace_is_no_free_to_paid_play_any_more() -> None:
    river = River()
    river.feed(plan("pro", day(1)), *team("acme", 5, day(1)))

    assert (river.alerts, decided(river, "multi_user")) == ([], [Decision.ALREADY_PAYING])
    assert river.verdicts[-1].reason == "it pays already (pro)"


def test_free_plan_pays_nothing() -> None:
    river = River()
    river.feed(plan("free", day(1)), *team("acme", 5, day(1)))

    assert decided(river, "multi_user") == [Decision.SENT]


@pytest.mark.parametrize("signal", [None, "procurement"])
def test_muted_workspace_or_signal_of_it_is_not_heard_of_until_it_is_unmuted(signal: str | None) -> None:
    river = River({"signals": {"procurement": {"cooldown": "0s"}}, "alerts": {"cooldown": "0s"}})
    river.feed_fact(order(Order.MUTE, day(1), 0, workspace_id="acme", signal=signal))
    river.feed(event("ann", "acme", on=day(2), roles=MSA), event("bob", "other", on=day(2), roles=MSA))

    river.feed_fact(order(Order.UNMUTE, day(3), 1, workspace_id="acme", signal=signal))
    river.feed(event("ann", "acme", on=day(4), roles=MSA))

    assert decided(river, "procurement") == [Decision.MUTED, Decision.SENT, Decision.SENT]


def test_mute_of_one_signal_leaves_the_others() -> None:
    river = River()
    river.feed_fact(order(Order.MUTE, day(1), 0, workspace_id="acme", signal="multi_user"))

    river.feed(event("ann", "acme", on=day(2), roles=MSA), *team("acme", 5, day(3)))

    assert (decided(river, "multi_user"), decided(river, "procurement")) == ([Decision.MUTED], [Decision.SENT])


def test_signal_muted_everywhere_is_remembered_by_the_partition_until_it_ends() -> None:
    river = River({"signals": {"procurement": {"cooldown": "0s"}}})
    river.feed_fact(order(Order.MUTE, day(1), 0, signal="procurement", until=day(3)))

    river.feed(event("ann", "acme", on=day(3) - 1, roles=MSA), event("bob", "other", on=day(3), roles=MSA))

    assert decided(river, "procurement") == [Decision.MUTED, Decision.SENT]
    assert river.workspaces.fence.muted == {"procurement": day(3)}


def test_snooze_ends_by_itself() -> None:
    river = River({"signals": {"procurement": {"cooldown": "0s"}}})
    river.feed_fact(order(Order.SNOOZE, day(1), 0, workspace_id="acme", until=day(3)))

    river.feed(event("ann", "acme", on=day(3) - 1, roles=MSA), event("ann", "acme", on=day(3), roles=MSA))

    assert decided(river, "procurement") == [Decision.SNOOZED, Decision.SENT]


def test_command_that_comes_again_changes_nothing() -> None:
    river = River()
    river.feed_fact(order(Order.MUTE, day(1), 0, workspace_id="acme"))
    river.feed_fact(order(Order.UNMUTE, day(1), 1, workspace_id="acme"))
    river.feed_fact(order(Order.MUTE, day(1), 0, workspace_id="acme"))

    river.feed(event("ann", "acme", on=day(2), roles=MSA))

    assert decided(river, "procurement") == [Decision.SENT]


# cap


def capped_river() -> River:
    """Three alerts of one day: a team, a limit, seats."""
    river = River({"routes": [{"signals": ["multi_user", "usage_limit", "cancelled", "hand_raised", "gated_feature"]}]})
    river.feed(*team("acme", 5, day(1)), plan("pro", day(1, 13)), usage(80, day(1, 14)))
    river.feed(plan("free", day(1, 15)), plan("pro", day(1, 16)))
    return river


def test_fourth_alert_of_a_week_joins_the_next_and_a_raised_hand_is_never_capped() -> None:
    river = capped_river()
    assert [alert.signal for alert in river.alerts if alert.status is AlertStatus.OPEN] == [
        "multi_user",
        "usage_limit",
        "cancelled",
    ]
    gate = [event("ann", "acme", on=day(2, hour), roles=[Role.FEATURE_GATED]) for hour in (9, 10)]
    river.feed(*gate)

    river.feed(event("ann", "acme", on=day(3), roles=[Role.SALES_CONTACTED], name="Demo Requested"))

    assert decided(river, "gated_feature") == [Decision.CAPPED]
    (gated,) = (firing for firing in river.signals if firing.signal == "gated_feature")
    last = river.alerts[-1]
    assert (last.signal, last.signal_ids[1:]) == ("hand_raised", (gated.id,))
    assert [why.fact for why in last.why] == ["sales_request", "attempts_7d"]


def test_seven_days_after_the_first_there_is_room_again() -> None:
    river = capped_river()

    gate = [event("ann", "acme", on=day(8) + offset, roles=[Role.FEATURE_GATED]) for offset in (-HOUR, 0)]
    river.feed(*gate)

    assert decided(river, "gated_feature") == [Decision.SENT]


def test_one_millisecond_earlier_there_is_none() -> None:
    river = capped_river()

    gate = [event("ann", "acme", on=day(8) + offset, roles=[Role.FEATURE_GATED]) for offset in (-HOUR, -1)]
    river.feed(*gate)

    assert decided(river, "gated_feature") == [Decision.CAPPED]


# bundling


@pytest.mark.parametrize(("later", "same"), [(MINUTE - 1, True), (MINUTE, False)])
def test_signal_of_the_same_minute_updates_the_alert_instead_of_making_another(later: int, same: bool) -> None:
    river = River()
    river.feed(*team("acme", 5, day(1)))

    river.feed(event("ann", "acme", on=day(1) + later, roles=MSA, name="MSA Requested"))

    assert told(river) == [
        ("multi_user", "open", None),
        ("multi_user", "updated", None) if same else ("procurement", "open", None),
    ]
    if same:
        first, second = river.alerts
        assert (second.id, second.priority, len(second.signal_ids)) == (first.id, "urgent", 2)
        assert second.why == (*first.why, Why("procurement_request", "MSA Requested"))
        assert decided(river, "procurement") == [Decision.BUNDLED]


def test_updated_alert_is_what_the_contract_says() -> None:
    river = River()
    river.feed(*team("acme", 5, day(1)), event("ann", "acme", on=day(1) + 5, roles=MSA))

    written = json.loads(alert_json(river.alerts[-1], day(1), "abc"))

    assert PublicAlert.model_validate(written).status == "updated"
    assert written["email"] is None


def test_user_who_takes_his_company_from_a_personal_to_a_real_workspace_is_one_alert() -> None:
    river = River()
    river.feed(event("ann", None, on=day(1), email="ann@walmart.com"))

    river.feed(event("ann", "acme", on=day(2)))

    assert told(river) == [("enterprise_domain", "open", None), ("enterprise_domain", "closed", "moved")]
    assert decided(river, "enterprise_domain") == [Decision.SENT, Decision.BUNDLED]
    assert river.verdicts[-1].alert_id == river.alerts[0].id


@pytest.mark.parametrize(("later", "again"), [(30 * DAY_MS - 1, False), (30 * DAY_MS, True)])
def test_user_in_a_second_workspace_is_news_again_after_thirty_days(later: int, again: bool) -> None:
    river = River()
    river.feed(event("ann", "one", on=day(1), email="ann@walmart.com"))

    river.feed(event("ann", "two", on=day(1) + later))

    assert decided(river, "enterprise_domain") == [Decision.SENT, Decision.SENT if again else Decision.BUNDLED]


def test_third_workspace_asks_the_second_which_knows_of_the_first() -> None:
    river = River()
    for number, workspace in enumerate(("one", "two", "three"), start=1):
        river.feed(event("ann", workspace, on=day(number), email="ann@walmart.com"))

    assert decided(river, "enterprise_domain") == [Decision.SENT, Decision.BUNDLED, Decision.BUNDLED]
    assert len({verdict.alert_id for verdict in river.verdicts}) == 1


def test_colleague_of_the_same_company_is_news_elsewhere() -> None:
    river = River()
    river.feed(event("ann", "one", on=day(1), email="ann@walmart.com"))

    river.feed(event("bob", "two", on=day(2), email="bob@walmart.com"))

    assert decided(river, "enterprise_domain") == [Decision.SENT, Decision.SENT]


def test_company_that_sales_could_not_hear_of_before_is_sent_from_the_real_workspace() -> None:
    river = River()
    river.feed(heard_at(event("ann", None, on=day(1), email="ann@walmart.com"), day(20)))

    river.feed(heard_at(event("ann", "acme", on=day(20)), day(20)))

    assert decided(river, "enterprise_domain") == [Decision.STALE, Decision.SENT]
    assert [alert.workspace_id for alert in river.alerts] == ["acme"]


def test_answer_that_is_quicker_than_its_question_is_not_waited_for() -> None:
    river = River()
    river.feed(event("ann", "one", on=day(1), email="ann@walmart.com"))
    slow = River()
    slow.users, slow._offsets = river.users, river._offsets
    slow.feed_fact = lambda record: None  # type: ignore[method-assign, misc]
    slow.feed(event("ann", "two", on=day(2)))
    observed, entered = slow.facts

    river.feed_fact(entered)
    assert river.workspace("two").policy.answers == [observed.event_id]
    # Another partition of the users, or the fence of this one would know better.
    river.feed_fact(msgspec.structs.replace(observed, partition=1))

    assert decided(river, "enterprise_domain") == [Decision.SENT, Decision.BUNDLED]


def test_question_that_is_never_answered_is_given_up_after_a_day() -> None:
    river = River()
    river.feed(event("ann", "one", on=day(1), email="ann@walmart.com"))
    river.workspaces.touch("two", river.workspace("one").__class__(), 0)
    observed = river.facts[-1]
    lost = msgspec.structs.replace(observed, workspace_id="two", offset=observed.offset + 1, is_asked=True)
    river.feed_fact(lost)

    river.feed(Tick(day(2) - 1))
    assert decided(river, "enterprise_domain") == [Decision.SENT]
    river.feed(Tick(day(2)))

    assert decided(river, "enterprise_domain") == [Decision.SENT, Decision.SENT]


# superseded


def test_lower_level_of_the_same_limit_is_superseded_while_the_higher_is_open() -> None:
    river = River({"alerts": {"cooldown": "0s"}})
    river.feed(usage(100, day(1)))

    river.feed(usage(100, day(2), limit=200), usage(160, day(2, 13), limit=200))

    assert decided(river, "usage_limit") == [Decision.SENT, Decision.SUPERSEDED]
    assert river.verdicts[-1].alert_id == river.alerts[0].id


def test_higher_level_is_news() -> None:
    river = River({"alerts": {"cooldown": "0s"}})

    river.feed(usage(80, day(1)), usage(100, day(2)))

    assert decided(river, "usage_limit") == [Decision.SENT, Decision.SENT]


def test_closed_alert_supersedes_nothing() -> None:
    river = River({"alerts": {"cooldown": "0s"}})
    river.feed(usage(100, day(1)))
    river.feed_fact(order(Order.CLOSE, day(1, 13), 0, workspace_id="acme"))

    river.feed(usage(100, day(2), limit=200), usage(160, day(2, 13), limit=200))

    assert decided(river, "usage_limit") == [Decision.SENT, Decision.SENT]


# quiet hours

NIGHT = {"policy": {"quiet_hours": {"start": "20:00", "end": "08:00"}}}


def test_alert_of_the_night_waits_for_the_morning_and_both_signals_are_one() -> None:
    river = River(NIGHT)
    river.feed(*team("acme", 5, day(1, 22)), event("ann", "acme", on=day(2, 3), roles=MSA))
    assert river.alerts == []
    assert river.workspace("acme").due == day(2, 8)

    river.feed(Tick(day(2, 8)))

    (alert,) = river.alerts
    assert (alert.signal, alert.time, alert.sent_at) == ("procurement", day(2, 3), day(2, 8))
    assert decided(river, "multi_user") == [Decision.QUIET_HOURS, Decision.BUNDLED]
    assert decided(river, "procurement") == [Decision.QUIET_HOURS, Decision.SENT]
    assert river.workspace("acme").policy.quiet_until is None


def test_first_event_after_the_night_sends_what_waited_before_it_is_applied() -> None:
    river = River(NIGHT)
    river.feed(*team("acme", 5, day(1, 22)))

    river.feed(event("u0", "acme", on=day(2, 9)))

    assert [(alert.signal, alert.sent_at) for alert in river.alerts] == [("multi_user", day(2, 8))]


def test_what_was_muted_in_the_night_is_not_sent_in_the_morning() -> None:
    river = River(NIGHT)
    river.feed(*team("acme", 5, day(1, 22)))
    river.feed_fact(order(Order.MUTE, day(1, 23), 0, workspace_id="acme"))

    river.feed(Tick(day(2, 8)))

    assert (river.alerts, decided(river, "multi_user")) == ([], [Decision.QUIET_HOURS, Decision.MUTED])


def test_activation_in_the_night_releases_into_the_morning() -> None:
    river = River({**NIGHT, **ACTIVATION})
    river.feed(*team("acme", 5, day(1)))
    river.feed(event("u0", "acme", on=day(1, 23), roles=[Role.ACTIVATED]))

    river.feed(Tick(day(2, 8)))

    assert decided(river, "multi_user") == [Decision.WAITING_FOR_ACTIVATION, Decision.QUIET_HOURS, Decision.SENT]


# closing


def test_paid_conversion_closes_what_is_open_as_converted() -> None:
    river = River()
    river.feed(plan("free", day(1)), *team("acme", 5, day(1)), usage(80, day(2)))

    river.feed(plan("pro", day(3)))

    assert told(river)[2:4] == [("multi_user", "closed", "converted"), ("usage_limit", "closed", "converted")]
    assert [alert.signal for alert in river.workspace("acme").policy.open] == ["expansion_ready"]


def test_first_known_plan_of_a_customer_from_before_our_time_closes_nothing() -> None:
    river = River()
    river.feed(usage(80, day(1)))

    river.feed(plan("pro", day(2)))

    assert told(river) == [("usage_limit", "open", None), ("expansion_ready", "open", None)]


def test_person_closes_the_alerts_of_a_workspace_with_a_reason() -> None:
    river = River()
    river.feed(usage(80, day(1)))

    river.feed_fact(order(Order.CLOSE, day(2), 0, workspace_id="acme", reason="talked to them"))

    assert told(river) == [("usage_limit", "open", None), ("usage_limit", "closed", "talked to them")]


@pytest.mark.parametrize(("later", "closed"), [(90 * DAY_MS - 1, False), (90 * DAY_MS, True)])
def test_alert_that_nobody_looked_at_for_ninety_days_is_closed(later: int, closed: bool) -> None:
    river = River()
    river.feed(usage(80, day(1)))

    river.feed(Tick(day(1) + later))

    assert (("usage_limit", "closed", "expired") in told(river)) is closed


def test_more_open_alerts_than_are_kept_close_the_oldest() -> None:
    river = River({"limits": {"open_alerts": 1}})

    river.feed(usage(80, day(1)), event("ann", "acme", on=day(2), roles=MSA))

    assert told(river)[-1] == ("usage_limit", "closed", "too many open alerts")


# moved


def test_what_waits_in_a_personal_workspace_is_judged_anew_in_the_real_one() -> None:
    river = River(ACTIVATION | {"routes": [{"signals": ["first_invite"]}]})
    river.feed(event("ann", None, on=day(1), roles=[Role.INVITE_SENT]))

    river.feed(event("ann", "acme", on=day(2)))
    assert [firing.signal for firing in river.workspace("acme").policy.held] == ["first_invite"]
    river.feed(event("ann", "acme", on=day(3), roles=[Role.ACTIVATED]))

    assert told(river) == [("first_invite", "open", None)]
    assert river.alerts[0].workspace_id == "acme"
    finals = [verdict for verdict in river.verdicts if verdict.is_final and verdict.signal == "first_invite"]
    assert [verdict.workspace_id for verdict in finals] == ["acme"]
    assert river.workspace("user:ann").policy.held == []


def test_what_waits_moves_into_a_workspace_that_has_activated_and_is_sent_there() -> None:
    river = River(ACTIVATION | {"routes": [{"signals": ["first_invite"]}]})
    river.feed(event("bob", "acme", on=day(1), roles=[Role.ACTIVATED]))
    river.feed(event("ann", None, on=day(1), roles=[Role.INVITE_SENT]))

    river.feed(event("ann", "acme", on=day(2)))

    assert [(alert.signal, alert.workspace_id) for alert in river.alerts] == [("first_invite", "acme")]


# routes


def test_two_routes_get_an_alert_each_with_their_own_priority_and_play() -> None:
    routes = [
        {"name": "sdr", "signals": ["procurement"], "play": {"procurement": "Call within the hour."}},
        {"name": "csm", "signals": ["enterprise_domain", "procurement"], "priority": {"enterprise_domain": "low"}},
    ]
    river = River({"routes": routes})

    river.feed(event("ann", "acme", on=day(1), email="ann@walmart.com", roles=MSA))

    assert [(alert.route, alert.signal, alert.priority) for alert in river.alerts] == [
        ("csm", "enterprise_domain", "low"),
        ("sdr", "procurement", "urgent"),
    ]
    assert river.alerts[1].play == "Call within the hour."


# e-mail


@pytest.mark.parametrize(("show", "seen"), [(True, "ann@walmart.com"), (False, None)])
def test_address_is_in_the_alert_only_where_the_config_says_so(show: bool, seen: str | None) -> None:
    river = River({"alerts": {"show_email": show}})

    river.feed(event("ann", "acme", on=day(1), email="ann@walmart.com"), event("ann", "acme", on=day(2), roles=MSA))

    assert [alert.email for alert in river.alerts] == [seen, seen]
    assert (b"ann@" in msgspec.json.encode(river.facts)) is show


# the snapshot


def test_snapshot_shows_what_is_open_muted_snoozed_and_waits_for_the_morning() -> None:
    river = River(NIGHT)
    river.feed(usage(80, day(1)), event("g", "acme", on=day(1), kind=EventType.GROUP, traits={"name": "Acme"}))
    river.feed(*team("acme", 5, day(1, 22)))
    river.feed_fact(order(Order.MUTE, day(2), 0, workspace_id="acme", signal="cancelled"))
    river.feed_fact(order(Order.SNOOZE, day(2), 1, workspace_id="acme", until=day(9)))

    shown = json.loads(snapshot_json("acme", river.workspace("acme"), river.engine.scoring))

    assert [(alert["signal"], alert["status"]) for alert in shown["alerts"]] == [("usage_limit", "open")]
    assert [(held["signal"], held["waits"]) for held in shown["held"]] == [("multi_user", "quiet_hours")]
    assert shown["muted"] == {"cancelled": None}
    assert shown["snoozed_until"] == "2026-03-10T12:00:00.000Z"

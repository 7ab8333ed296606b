"""Policy: the gate, what it holds and releases, cooldowns, and one final verdict each (SIGNALS 6)."""

from __future__ import annotations

import pytest

from signals.engine import step_workspace
from signals.event import EventType, Role, Tick
from signals.facts import Alert, Decision
from signals.rule import Why
from signals.units import DAY_MS
from tests.signals.builders import ACTIVATION, River, day, event, team

MSA = [Role.PROCUREMENT_REQUESTED]
ACTIVATED = [Role.ACTIVATED]


def decided(river: River, signal: str) -> list[Decision]:
    return [verdict.verdict for verdict in river.verdicts if verdict.signal == signal]


def alert_of(river: River) -> Alert:
    (alert,) = river.alerts
    return alert


def gated(**settings: object) -> River:
    return River(ACTIVATION | settings)


def test_five_users_before_anybody_activated_wait() -> None:
    river = gated()

    river.feed(*team("acme", 5, day(1)))

    assert river.alerts == []
    assert decided(river, "multi_user") == [Decision.WAITING_FOR_ACTIVATION]


def test_fifth_user_on_monday_and_activation_on_tuesday_are_one_alert_with_both_reasons() -> None:
    river = gated()
    river.feed(event("u0", "acme", on=day(1), kind=EventType.GROUP, traits={"name": "Acme"}), *team("acme", 5, day(1)))

    river.feed(event("u3", "acme", on=day(2), roles=ACTIVATED))

    alert = alert_of(river)
    assert (alert.signal, alert.priority, alert.title) == ("multi_user", "high", "Acme: 5 people active in 7 days")
    assert alert.why == (Why("active_users_7d", 5, 5), Why("activated", "2026-03-03T12:00:00.000Z"))
    assert alert.time == day(2)
    assert decided(river, "multi_user") == [Decision.WAITING_FOR_ACTIVATION, Decision.SENT]
    assert decided(river, "activated") == [Decision.BUNDLED]
    assert len(alert.signal_ids) == 2


def test_activation_elsewhere_of_a_member_opens_the_gate() -> None:
    river = gated()
    river.feed(*team("acme", 5, day(1)))

    river.feed(event("u3", "other", on=day(2), roles=ACTIVATED))

    assert alert_of(river).workspace_id == "acme"


def test_activation_by_someone_who_was_never_active_there_opens_nothing() -> None:
    river = gated()
    river.feed(*team("acme", 5, day(1)), event("vic", "acme", kind=EventType.GROUP))

    river.feed(event("vic", "other", on=day(2), roles=ACTIVATED))

    assert river.alerts == []


def test_former_member_who_activates_later_opens_the_gate() -> None:
    river = gated()
    river.feed(*team("acme", 5, day(1)), event("u4", "acme", on=day(1, 13), roles=[Role.MEMBER_REMOVED]))

    river.feed(event("u4", "other", on=day(2), roles=ACTIVATED))

    assert alert_of(river).workspace_id == "acme"


def test_held_signal_that_is_no_longer_true_expires_at_the_activation() -> None:
    river = gated()
    river.feed(*team("acme", 5, day(1)), *team("acme", 3, day(20)))

    river.feed(event("u0", "acme", on=day(20, 13), roles=ACTIVATED))

    assert river.alerts == []
    assert decided(river, "multi_user") == [Decision.WAITING_FOR_ACTIVATION, Decision.EXPIRED]
    assert decided(river, "activated") == [Decision.UNROUTED]


def test_held_signal_with_one_more_than_rearm_at_is_still_true() -> None:
    river = gated()
    river.feed(*team("acme", 5, day(1)), *team("acme", 4, day(20)))

    river.feed(event("u0", "acme", on=day(20, 13), roles=ACTIVATED))

    assert alert_of(river).signal == "multi_user"


@pytest.mark.parametrize(("later", "gone"), [(30 * DAY_MS, False), (30 * DAY_MS + 1, True)])
def test_event_more_than_thirty_days_later_ends_the_wait_first(later: int, gone: bool) -> None:
    river = gated()
    river.feed(*team("acme", 5, day(1)))

    river.feed(event(None, "acme", on=day(1) + later))

    assert (Decision.EXPIRED in decided(river, "multi_user")) is gone
    assert (river.workspace("acme").due is None) is gone


@pytest.mark.parametrize(("later", "gone"), [(30 * DAY_MS - 1, False), (30 * DAY_MS, True)])
def test_tick_at_the_due_time_ends_the_wait(later: int, gone: bool) -> None:
    river = gated()
    river.feed(*team("acme", 5, day(1)))

    river.feed(Tick(day(1) + later))

    assert (Decision.EXPIRED in decided(river, "multi_user")) is gone


def test_enterprise_domain_and_procurement_do_not_wait() -> None:
    river = gated()

    river.feed(event("ann", "acme", on=day(1), email="ann@walmart.com"), event("ann", "acme", on=day(2), roles=MSA))

    assert [(alert.signal, alert.priority) for alert in river.alerts] == [
        ("enterprise_domain", "high"),
        ("procurement", "urgent"),
    ]


def test_two_signals_of_one_event_are_one_alert_led_by_the_more_urgent() -> None:
    river = gated()

    river.feed(event("ann", "acme", email="ann@walmart.com", roles=MSA, name="MSA Requested"))

    alert = alert_of(river)
    assert alert.signal == "procurement"
    assert alert.title == "Walmart: asked for procurement (MSA Requested)"
    assert [why.fact for why in alert.why] == ["procurement_request", "enterprise_domain", "enterprise_rank"]
    assert decided(river, "enterprise_domain") == [Decision.BUNDLED]


def test_gate_is_off_while_no_event_means_activation() -> None:
    river = River()

    river.feed(*team("acme", 5, day(1)))

    assert alert_of(river).signal == "multi_user"


@pytest.mark.parametrize(("date", "sent"), [("2026-03-03", True), ("2026-03-02", False)])
def test_workspace_older_than_the_deployment_is_assumed_activated(date: str, sent: bool) -> None:
    river = gated(policy={"assume_activated_before": date})

    river.feed(*team("acme", 5, day(1, 0)))

    assert bool(river.alerts) is sent


def test_same_signal_within_the_cooldown_joins_the_next_alert() -> None:
    river = River({"signals": {"procurement": {"cooldown": "1d"}}})
    for on, name in ((1, "MSA Requested"), (7, "DPA Requested"), (8, "PO Requested")):
        river.feed(event("ann", "acme", on=day(on), roles=MSA, name=name))

    # Exactly seven days after the first is out of its cooldown; it takes along what came between.
    assert decided(river, "procurement") == [Decision.SENT, Decision.COOLING_DOWN, Decision.SENT]
    assert [[why.value for why in alert.why] for alert in river.alerts] == [
        ["MSA Requested"],
        ["PO Requested", "DPA Requested"],
    ]
    assert river.alerts[1].signal_ids == tuple(signal.id for signal in (river.signals[2], river.signals[1]))
    assert river.workspace("acme").policy.pending == []


def test_signal_that_no_route_lists_is_unrouted() -> None:
    river = River()

    river.feed(event("ann", "acme", roles=[Role.SIGNED_UP]))

    assert decided(river, "signed_up") == [Decision.UNROUTED]


def test_user_signal_without_a_workspace_is_unrouted() -> None:
    river = River()
    river.feed(event("ann", "one"), event("ann", "two"), event("ann", None, roles=[Role.SIGNED_UP]))

    (verdict,) = [verdict for verdict in river.verdicts if verdict.signal == "signed_up"]
    assert (verdict.verdict, verdict.workspace_id) == (Decision.UNROUTED, None)
    assert verdict.reason == "it belongs to no workspace"


def test_newer_firing_of_a_held_signal_takes_its_place() -> None:
    river = gated(signals={"multi_user": {"cooldown": "10d"}})
    river.feed(*team("acme", 5, day(1)), *team("acme", 5, day(15)))

    assert decided(river, "multi_user") == [
        Decision.WAITING_FOR_ACTIVATION,
        Decision.EXPIRED,
        Decision.WAITING_FOR_ACTIVATION,
    ]
    assert [firing.n for firing in river.workspace("acme").policy.held] == [2]


def test_only_the_last_verdicts_are_kept() -> None:
    river = River({"limits": {"recent_verdicts": 2}})
    river.feed(*[event(f"u{number}", "acme", roles=[Role.SIGNED_UP]) for number in range(4)])

    assert len(river.workspace("acme").policy.recent) == 2


def test_event_exactly_at_the_due_time_comes_before_the_timer() -> None:
    route = {"name": "sales", "signals": ["second_user", "multi_user"], "priority": {}}
    river = gated(routes=[route])
    river.feed(*team("acme", 2, day(1)), *team("acme", 5, day(2)))

    # One is over by a day, the other due at this very moment.
    river.feed(event(None, "acme", on=day(2) + 30 * DAY_MS))

    assert [firing.signal for firing in river.workspace("acme").policy.held] == ["multi_user"]


def test_state_ahead_of_a_replayed_tick_keeps_its_timer_for_the_next() -> None:
    river = gated()
    river.feed(*team("acme", 5, day(1)))
    due = river.workspace("acme").due
    assert due is not None

    early = step_workspace(river.workspaces, Tick(due), 0, 0, river.engine)
    late = step_workspace(river.workspaces, Tick(due + 1), 99, 0, river.engine)

    assert (early.verdicts, [verdict.verdict for verdict in late.verdicts]) == ([], [Decision.EXPIRED])

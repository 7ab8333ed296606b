"""A paying workspace that nobody uses (SIGNALS A14, A15): at the time and a millisecond before, and armed again."""

from __future__ import annotations

import pytest

from signals.engine import decode_workspace_state, encode_state
from signals.event import EventType, Role, Tick
from signals.facts import Firing
from signals.shard import Shard
from signals.units import DAY_MS
from tests.signals.builders import ACTIVATION, River, day, event, names
from tests.signals.rules.billing_events import group, plan_changed

AFTER = 14 * DAY_MS


def silent(firings: list[Firing]) -> list[Firing]:
    return [one for one in firings if one.signal == "went_silent"]


def paying(on: int = day(1)) -> River:
    river = River()
    river.feed(plan_changed(on, plan="pro"))
    return river


@pytest.mark.parametrize(("time", "fires"), [(day(3) + AFTER, True), (day(3) + AFTER - 1, False)])
def test_fourteen_days_after_the_newest_activity_it_fires(time: int, fires: bool) -> None:
    river = paying()
    river.feed(event("ann", "acme", on=day(3), event_id="last"))

    raised = river.feed(Tick(time))

    assert [(one.signal, one.time, one.event_id) for one in raised] == [("went_silent", day(3) + AFTER, "last")][:fires]


def test_evidence_names_since_when_and_the_plan() -> None:
    river = paying()
    river.feed(event("ann", "acme", on=day(3)))

    (signal,) = river.feed(Tick(day(40)))

    assert signal.evidence == {
        "silent_since": "2026-03-04T12:00:00.000Z",
        "last_active_at": "2026-03-04T12:00:00.000Z",
        "after": 1_209_600,
        "plan": "pro",
    }
    assert (signal.kind.value, signal.user_id, signal.workspace_id) == ("risk", None, "acme")


@pytest.mark.parametrize(("later", "fires"), [(0, []), (1, ["went_silent"])])
def test_an_event_fires_it_only_if_it_is_later_than_the_due_time(later: int, fires: list[str]) -> None:
    river = paying()
    river.feed(event("ann", "acme", on=day(3)))

    assert names(river.feed(event("ann", "acme", on=day(3) + AFTER + later, kind=EventType.PAGE))) == fires


def test_activity_at_the_due_time_puts_it_off() -> None:
    river = paying()
    river.feed(event("ann", "acme", on=day(3)), event("ann", "acme", on=day(3) + AFTER))

    assert river.feed(Tick(day(3) + 2 * AFTER - 1)) == []
    assert names(river.feed(Tick(day(3) + 2 * AFTER))) == ["went_silent"]


def test_a_second_event_of_the_day_puts_it_off_too() -> None:
    river = paying()
    river.feed(event("ann", "acme", on=day(3)), event("ann", "acme", on=day(3) + 5, event_id="pulse"))

    assert river.feed(Tick(day(3) + 4 + AFTER)) == []
    (signal,) = river.feed(Tick(day(3) + 5 + AFTER))
    assert (signal.event_id, signal.time) == ("pulse", day(3) + 5 + AFTER)


def test_passive_events_page_calls_and_late_activity_are_no_life() -> None:
    river = paying()
    river.feed(event("ann", "acme", on=day(5)), event("ann", "acme", on=day(4), event_id="late"))
    river.feed(event("ann", "acme", on=day(6), kind=EventType.PAGE), event("ann", "acme", on=day(7), passive=True))
    river.feed(group(day(8), name="Acme"))

    assert [one.time for one in river.feed(Tick(day(40)))] == [day(5) + AFTER]


def test_of_two_at_the_same_time_the_first_applied_is_the_event() -> None:
    river = paying()
    river.feed(event("ann", "acme", on=day(3), event_id="one"), event("bob", "acme", on=day(3), event_id="two"))

    assert [one.event_id for one in silent(river.feed(Tick(day(40))))] == ["one"]


def test_without_activity_it_counts_from_the_start_of_paying_even_where_a_group_call_brought_it() -> None:
    river = River()
    start = group(day(2), plan="pro")
    river.feed(start, group(day(5), plan="PRO"))

    (signal,) = silent(river.feed(Tick(day(40))))

    assert (signal.time, signal.event_id, signal.evidence["last_active_at"]) == (day(2) + AFTER, start.id, None)


def test_another_paid_plan_moves_no_start() -> None:
    river = paying()
    river.feed(plan_changed(day(10), plan="team"))

    assert [one.time for one in silent(river.feed(Tick(day(40))))] == [day(1) + AFTER]


def test_who_pays_no_more_is_not_waited_for() -> None:
    river = paying()
    river.feed(plan_changed(day(10), name="Subscription Cancelled"))

    assert river.feed(Tick(day(40))) == []
    assert river.workspace("acme").timers == {}
    assert river.workspace("acme").due == river.workspace("acme").policy.open[0].sent_at + 90 * DAY_MS


def test_paying_anew_arms_it_again() -> None:
    river = paying()
    river.feed(Tick(day(20)))
    river.feed(plan_changed(day(21), plan="free"), plan_changed(day(22), plan="pro"))

    (again,) = silent(river.feed(Tick(day(60))))

    assert (again.time, again.n) == (day(22) + AFTER, 2)


@pytest.mark.parametrize(("at", "fires"), [(day(1) + AFTER, False), (day(1) + AFTER + 1, True)])
def test_only_activity_later_than_the_due_time_arms_it_again(at: int, fires: bool) -> None:
    river = paying()
    river.feed(Tick(day(20)))
    river.feed(event("ann", "acme", on=at))

    assert [one.time for one in silent(river.feed(Tick(day(90))))] == [at + AFTER][:fires]


def test_a_pulse_arms_it_again() -> None:
    short = River({"signals": {"went_silent": {"after": "1h"}}})
    short.feed(plan_changed(day(1, 0), plan="pro"), event("ann", "acme", on=day(1, 1)))
    short.feed(event("ann", "acme", on=day(1, 3)), event("ann", "acme", on=day(1, 5)), Tick(day(1, 7)))

    assert [one.time for one in silent(short.signals)] == [day(1, 2), day(1, 4), day(1, 6)]
    assert len({one.id for one in short.signals}) == len(short.signals)


def test_silence_that_ended_in_the_backlog_is_told_at_its_time_and_not_sent() -> None:
    """Workers stood still for weeks; the log tells of the silence and of its end before any tick."""
    river = River({"clock": "wall", **ACTIVATION})
    woke = day(60)
    records = [
        plan_changed(day(1), plan="pro"),
        event("ann", "acme", on=day(2), roles=[Role.ACTIVATED], name="Report Shared"),
        event("ann", "acme", on=day(30)),
    ]
    for made in records:
        made.ingested_at = woke
    river.feed(*records, Tick(woke))

    signals = silent(river.signals)
    assert [one.time for one in signals] == [day(2) + AFTER, day(30) + AFTER]
    told = {verdict.signal_id: verdict.verdict.value for verdict in river.verdicts}
    assert [told[one.id] for one in signals] == ["stale", "stale"]


def test_activity_in_the_backlog_puts_it_off() -> None:
    river = paying()
    river.feed(event("ann", "acme", on=day(3)))

    # Workers stood still for six hours around the due time; the activity within them comes before the tick.
    river.feed(event("ann", "acme", on=day(3) + AFTER - 1), Tick(day(3) + AFTER + 6 * 3_600_000))

    assert silent(river.signals) == []


def test_killed_before_and_restarted_after_the_due_time_it_fires_once() -> None:
    river = paying()
    river.feed(event("ann", "acme", on=day(3)))
    back = Shard(encode_state, decode_workspace_state)
    for key in river.workspaces:
        back.restore(key, river.workspaces.sealed(key))
    back.fence = river.workspaces.fence
    river.workspaces = back

    assert names(river.feed(Tick(day(40)))) == ["went_silent"]
    assert river.feed(Tick(day(41))) == []


def test_switched_on_later_it_waits_from_the_next_activity() -> None:
    off = River({"signals": {"went_silent": {"enabled": False}}})
    off.feed(plan_changed(day(1), plan="pro"), event("ann", "acme", on=day(2)))
    off.engine = River().engine

    assert off.feed(Tick(day(40))) == []
    off.feed(event("ann", "acme", on=day(41)))
    assert [one.time for one in silent(off.feed(Tick(day(80))))] == [day(41) + AFTER]


def test_still_holds_until_somebody_comes_back() -> None:
    river = paying()
    river.feed(Tick(day(40)))
    rule = river.engine.by_name["went_silent"]

    assert rule.still_holds(river.workspace("acme"), 0)
    river.feed(event("ann", "acme", on=day(41)))
    assert not rule.still_holds(river.workspace("acme"), 0)

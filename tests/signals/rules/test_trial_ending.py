"""The end of a trial (SIGNALS A23): at the time and a millisecond before, once per trial, a risk where nobody works."""

from __future__ import annotations

import pytest

from signals.event import Event, EventType, Role, Scalar, Source, Tick
from signals.facts import Firing
from signals.rule import Kind
from signals.units import DAY_MS
from tests.signals.builders import River, day, event
from tests.signals.rules.billing_events import plan_changed

# Midnight of 2026-03-20 is day 19.
END, END_MS = "2026-03-20", day(19, 0)
DUE = END_MS - 3 * DAY_MS


def started(on: int = day(1), end: Scalar | None = END, event_id: str | None = None) -> Event:
    made = event(None, "acme", on=on, roles=[Role.TRIAL_STARTED], name="Trial Started", event_id=event_id)
    made.properties = {} if end is None else {"trial_end_date": end}
    return made


def ended(on: int) -> Event:
    return event(None, "acme", on=on, roles=[Role.TRIAL_ENDED], name="Trial Ended")


def ending(*records: Event | Tick, settings: dict[str, object] | None = None) -> list[Firing]:
    river = River(settings)
    for number, record in enumerate(records):
        if isinstance(record, Event):
            # In this order, whichever was made first.
            record.source = Source("events", 0, number)
    river.feed(*records, Tick(day(200)))
    return [one for one in river.signals if one.signal == "trial_ending"]


@pytest.mark.parametrize(("time", "fires"), [(DUE, True), (DUE - 1, False)])
def test_three_days_before_the_end_it_fires(time: int, fires: bool) -> None:
    raised = River().feed(started(event_id="start"), Tick(time))

    assert [(one.signal, one.time, one.event_id) for one in raised] == [("trial_ending", DUE, "start")][:fires]


def test_evidence_names_end_and_use_and_its_key_is_the_end() -> None:
    (signal,) = ending(started(), event("ann", "acme", on=DUE - 5 * DAY_MS), event("bob", "acme", on=DUE - 5 * DAY_MS))

    assert signal.evidence == {"trial_end": "2026-03-20T00:00:00.000Z", "active_days_7d": 1, "before": 259_200}
    assert (signal.key, signal.kind) == ("2026-03-20T00:00:00.000Z", Kind.EXPANSION)


@pytest.mark.parametrize(("days_before", "kind"), [(6, Kind.EXPANSION), (7, Kind.RISK)])
def test_a_trial_that_nobody_used_for_seven_days_is_a_risk(days_before: int, kind: Kind) -> None:
    # Due at midnight: the due day is the seventh of the seven.
    (signal,) = ending(started(), event("ann", "acme", on=DUE - days_before * DAY_MS))

    assert signal.kind is kind


@pytest.mark.parametrize(
    ("end", "due"),
    [
        ("2026-03-20T12:00:00Z", day(19) - 3 * DAY_MS),
        (END_MS // 1_000, DUE),
        ("2026-03-03", day(1)),
        (None, None),
        ("soon", None),
        (True, None),
        ("2026-03-02T12:00:00Z", None),
        ("2026-03-02T12:00:00.001Z", day(1)),
    ],
    ids=["time", "number", "too soon for three days", "missing", "no time", "no date", "at the event", "just after"],
)
def test_end_is_read_as_times_are_and_must_be_after_the_event(end: Scalar | None, due: int | None) -> None:
    assert [one.time for one in ending(started(end=end))] == ([] if due is None else [due])


def test_a_bare_date_is_its_first_instant_in_the_time_zone() -> None:
    (signal,) = ending(started(), settings={"time_zone": "America/New_York"})

    assert signal.time == DUE + 4 * 3_600_000


def test_naming_the_same_end_again_changes_nothing() -> None:
    (signal,) = ending(started(event_id="one"), started(day(17), event_id="two"), started(day(18)))

    assert (signal.time, signal.event_id) == (DUE, "one")


def test_another_end_replaces_it() -> None:
    (signal,) = ending(started(), started(day(5), "2026-04-20", event_id="two"))

    assert (signal.time, signal.event_id) == (DUE + 31 * DAY_MS, "two")


def test_a_start_without_an_end_after_it_leaves_the_trial_in_force() -> None:
    assert [one.time for one in ending(started(), started(day(5), None), started(day(5), "2026-03-01"))] == [DUE]


def test_each_trial_is_said_once() -> None:
    first, second = ending(started(), Tick(day(17)), started(day(18), "2026-04-20"), Tick(day(48)), started(day(49)))

    assert (first.n, second.n) == (1, 1)
    assert first.id != second.id


@pytest.mark.parametrize(("on", "fires"), [(day(1) - 1, True), (day(1), False)])
def test_what_is_older_than_the_start_in_force_is_ignored_and_the_same_time_counts(on: int, fires: bool) -> None:
    assert bool(ending(started(), ended(on))) is fires
    # Another end of an older event replaces nothing.
    (signal,) = ending(started(), started(on, "2026-04-20"))
    assert (signal.time == DUE) is fires


def test_the_end_of_the_trial_cancels_for_good() -> None:
    assert ending(started(), ended(day(5)), started(day(6))) == []


def test_trial_events_leave_the_plan_alone() -> None:
    river = River()
    river.feed(plan_changed(plan="free"), started(day(1)), ended(day(2)))

    assert river.workspace("acme").billing.plan is not None
    assert river.workspace("acme").billing.plan.name == "free"


@pytest.mark.parametrize(
    ("changes", "fires"),
    [
        ([plan_changed(day(10), plan="pro")], False),
        ([plan_changed(DUE, plan="pro")], False),
        ([plan_changed(DUE + 1, plan="pro")], True),
        ([plan_changed(day(10), plan="pro"), plan_changed(day(11), plan="free")], True),
    ],
    ids=["pays", "at the due time", "too late", "for a day"],
)
def test_paying_at_the_due_time_cancels(changes: list[Event], fires: bool) -> None:
    assert bool(ending(plan_changed(day(1), plan="trial"), started(), *changes)) is fires


def test_an_event_after_the_due_time_fires_it_one_at_it_does_not() -> None:
    river = River()
    river.feed(started())

    assert river.feed(event(None, "acme", on=DUE, kind=EventType.GROUP)) == []
    assert [one.signal for one in river.feed(event(None, "acme", on=DUE + 1, kind=EventType.GROUP))] == ["trial_ending"]


def test_still_holds_until_the_trial_is_over_or_they_pay() -> None:
    river = River()
    river.feed(started(), Tick(DUE))
    rule, workspace, last = river.engine.by_name["trial_ending"], river.workspace("acme"), END_MS // DAY_MS

    assert rule.still_holds(workspace, last)
    assert not rule.still_holds(workspace, last + 1)
    river.feed(plan_changed(DUE + 1, plan="pro"))
    assert not rule.still_holds(workspace, last)


def test_a_hundred_trials_leave_as_many_memories_as_the_limit_says() -> None:
    river = River({"limits": {"fired_keys": 10}})
    for number in range(1, 30):
        start = day(10 * number)
        river.feed(started(start, (start + 5 * DAY_MS) // 1_000), Tick(start + 6 * DAY_MS))

    assert sum(key.startswith("trial_ending|") for key in river.workspace("acme").fired) <= 11
    assert len([one for one in river.signals if one.signal == "trial_ending"]) == 29

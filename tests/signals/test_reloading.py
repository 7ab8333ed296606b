"""Another config while states stand: what fires by it, what does not, what goes, and what may not be changed so."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import pytest

from signals.config import Config
from signals.engine import step_user, step_workspace
from signals.engines import Engines, UnknownConfig
from signals.event import Event, Role, Tick
from signals.facts import Decision
from signals.reloading import Effort, differences, efforts, windows_of
from signals.shard import Fence
from tests.signals.builders import ACTIVATION, River, day, engine, event, names, team
from tests.signals.customs import CustomRiver
from tests.signals.rules.billing_events import plan_changed, usage

Settings = dict[str, object]
History = Callable[[], Sequence[Event]]
NOTHING_WEIGHS = dict.fromkeys(Config().score.weights, 0.0)


def switch(river: River, settings: Settings, on: int) -> list[str]:
    """Put another config in force by a tick; returns what that fired."""
    river.engine = engine(settings)
    return names(river.feed(Tick(on, river.engine.hash)))


def signal(name: str, **params: object) -> Settings:
    return {"events": {"activated": ["Report Shared"], "core": ["Report Viewed"]}, "signals": {name: params}}


def core(*days: int, names_of: Sequence[str] = ("a", "b", "c")) -> list[Event]:
    return [
        event("ann", "acme", on=day(number) + n, roles=[Role.CORE], name=name)
        for number in days
        for n, name in enumerate(names_of)
    ]


def gated(on: int) -> Event:
    return event("ann", "acme", on=on, roles=[Role.FEATURE_GATED], name="Feature Gated")


def member(user: str, on: int) -> Event:
    return event(user, "acme", on=on)


def scored(**params: object) -> Settings:
    score = {"weights": NOTHING_WEIGHS | {"procurement": 10.0}, "cap": 100.0, "half_life": "1000d"}
    return {"score": score, "signals": {"procurement": {"cooldown": "0s"}, "pql": params}}


def request(on: int) -> Event:
    return event("ann", "acme", on=on, roles=[Role.PROCUREMENT_REQUESTED], name="DPA Requested")


def volume(day_number: int, events: int) -> list[Event]:
    return [
        event(f"u{n % 3}", "acme", on=day(day_number, 8) + n, roles=[Role.CORE], name="Report Viewed")
        for n in range(events)
    ]


def spiking(events: int) -> list[Event]:
    usual = [made for week in range(4) for made in volume(1 + 7 * week, 20)]
    return [*usual, *volume(36, events)]


# Before, after; what happened, which is enough for the second only; the next events of the kind, all of them telling.
LOWERED: dict[str, tuple[Settings, Settings, History, History]] = {
    "habit_formed": (
        signal("habit_formed", active_days=4),
        signal("habit_formed", active_days=2),
        lambda: [event(on=day(1), workspace="acme", roles=[Role.SIGNED_UP]), event(on=day(2), workspace="acme")],
        lambda: [event(on=day(3), workspace="acme"), event(on=day(4), workspace="acme")],
    ),
    "power_user": (
        signal("power_user", active_days=6),
        signal("power_user", active_days=3),
        lambda: core(1, 2, 3, 4),
        lambda: core(5, 6),
    ),
    "gated_feature": (
        signal("gated_feature", attempts=5),
        signal("gated_feature", attempts=2),
        lambda: [gated(day(1)), gated(day(1, 13))],
        lambda: [gated(day(2)), gated(day(3))],
    ),
    "multi_user": (
        signal("multi_user", active_users=6),
        signal("multi_user", active_users=4),
        lambda: team("acme", 5, day(1)),
        lambda: [member("u0", day(2)), member("u1", day(2)), member("u9", day(3))],
    ),
    "seat_growth": (
        signal("seat_growth", users=9),
        signal("seat_growth", users=3),
        lambda: [*team("acme", 2, day(1), "old"), *team("acme", 6, day(15), "new")],
        lambda: [member("new8", day(16)), member("new9", day(16))],
    ),
    "seat_limit": (
        signal("seat_limit", ratio=0.9),
        signal("seat_limit", ratio=0.5),
        lambda: [plan_changed(day(1), seats=10), *team("acme", 6, day(1))],
        lambda: [member("u6", day(2)), member("u7", day(2))],
    ),
    "usage_limit": (
        signal("usage_limit", levels=[0.9]),
        signal("usage_limit", levels=[0.7]),
        lambda: [usage(day(1), used=80)],
        lambda: [usage(day(2), used=80), usage(day(3), used=85)],
    ),
    "usage_spike": (
        signal("usage_spike", ratio=9.0),
        signal("usage_spike", ratio=2.0),
        lambda: spiking(60),
        lambda: [*volume(37, 90), *volume(38, 90)],
    ),
    "pql": (
        scored(attention=90.0, ready=100.0),
        scored(attention=25.0, ready=100.0),
        lambda: [request(day(1, hour)) for hour in (12, 13, 14)],
        lambda: [request(day(2)), request(day(2, 13))],
    ),
}


@pytest.mark.parametrize("name", LOWERED)
def test_lowered_threshold_fires_once_for_who_qualifies_already_at_the_next_event(name: str) -> None:
    before, after, history, following = LOWERED[name]
    river = River(before)
    assert name not in names(river.feed(*history()))
    at_once = switch(river, after, max(one.time for one in history()))

    fired = names(river.feed(*following()))

    assert name not in at_once
    assert fired.count(name) == 1


@pytest.mark.parametrize("name", [name for name in LOWERED if name != "usage_limit"])
def test_raised_threshold_takes_nothing_back_and_arms_nothing_again(name: str) -> None:
    after, before, history, following = LOWERED[name]
    river = River(before)
    assert name in names(river.feed(*history(), *following()))
    newest = max(one.time for one in following())
    switch(river, after, newest)
    # Back again at once, as somebody who has thought better of it: what has fired has fired.
    switch(river, before, newest + 1)

    assert name not in names(river.feed(*following()))


def test_raised_share_of_seats_is_not_reached_anew_by_who_was_above_the_old_one() -> None:
    river = River(signal("seat_limit", ratio=0.5, cooldown="0s"))
    river.feed(plan_changed(day(1), seats=10), *team("acme", 6, day(1)))
    switch(river, signal("seat_limit", ratio=0.8, cooldown="0s"), day(2))

    fired = names(river.feed(*team("acme", 9, day(3))))

    assert names(river.signals).count("seat_limit") == 1
    assert "seat_limit" not in fired


def test_share_of_seats_that_fell_below_both_thresholds_is_reached_anew() -> None:
    river = River(signal("seat_limit", ratio=0.5, cooldown="0s"))
    river.feed(plan_changed(day(1), seats=10), *team("acme", 6, day(1)))
    switch(river, signal("seat_limit", ratio=0.8, cooldown="0s"), day(2))
    river.feed(plan_changed(day(3), seats=20))

    assert "seat_limit" in names(river.feed(plan_changed(day(4), seats=7)))


def test_raised_level_of_the_score_is_not_reached_anew_by_a_score_that_never_fell() -> None:
    river = River(scored(attention=25.0, ready=100.0, cooldown="0s"))
    river.feed(*[request(day(1, hour)) for hour in (12, 13, 14)])
    switch(river, scored(attention=39.0, ready=100.0, cooldown="0s"), day(2))

    assert "pql" not in names(river.feed(request(day(3))))


def test_raised_number_of_active_days_makes_no_quiet_time_of_busy_weeks() -> None:
    river = River(signal("power_user", active_days=3))
    river.feed(*[made for week in range(5) for made in core(*(7 * week + n for n in (1, 2, 3, 4)))])
    assert names(river.signals).count("power_user") == 1
    switch(river, signal("power_user", active_days=5), day(36))

    assert "power_user" not in names(river.feed(*core(36, 37, 38, 39, 40, 41)))


@pytest.mark.parametrize(("after", "fires"), [("6h", True), ("12h", True), ("13h", False)])
def test_shorter_wait_ends_at_the_tick_that_brings_it_with_its_own_due_time(after: str, fires: bool) -> None:
    river = River(signal("activation_stalled", after="24h"))
    river.feed(event(on=day(1, 0), workspace="acme", roles=[Role.SIGNED_UP]))

    fired = switch(river, signal("activation_stalled", after=after), day(1, 12))

    assert (fired == ["activation_stalled"]) is fires
    assert [one.time for one in river.signals if one.signal == "activation_stalled"] == (
        [day(1, int(after.rstrip("h")))] if fires else []
    )


def test_shorter_wait_that_is_not_over_ends_when_it_is() -> None:
    river = River(signal("activation_stalled", after="24h"))
    river.feed(event(on=day(1, 0), workspace="acme", roles=[Role.SIGNED_UP]))
    switch(river, signal("activation_stalled", after="13h"), day(1, 12))

    assert names(river.feed(Tick(day(1, 13)))) == ["activation_stalled"]


def test_longer_wait_ends_later() -> None:
    river = River(signal("activation_stalled", after="24h"))
    river.feed(event(on=day(1, 0), workspace="acme", roles=[Role.SIGNED_UP]))
    switch(river, signal("activation_stalled", after="48h"), day(1, 12))

    assert names(river.feed(Tick(day(2, 23.9)))) == []
    assert names(river.feed(Tick(day(3, 0)))) == ["activation_stalled"]


def test_wait_of_a_workspace_is_shortened_as_one_of_a_user() -> None:
    river = River(signal("went_silent", after="14d"))
    river.feed(plan_changed(day(1), plan="team"), member("ann", day(1)))

    assert switch(river, signal("went_silent", after="2d"), day(10)) == ["went_silent"]
    assert river.signals[-1].time == day(3)


@pytest.mark.parametrize(
    ("name", "history"),
    [
        ("activation_stalled", lambda: [event(on=day(1), workspace="acme", roles=[Role.SIGNED_UP])]),
        ("went_silent", lambda: [plan_changed(day(1), plan="team"), member("ann", day(1))]),
        ("limit_hit_no_upgrade", lambda: [usage(day(1), used=100)]),
    ],
)
def test_waits_of_a_rule_that_is_switched_off_go_and_do_not_come_back(name: str, history: History) -> None:
    river = River(signal(name))
    river.feed(*history())
    switch(river, signal(name, enabled=False), day(1, 20))
    switch(river, signal(name), day(1, 21))

    assert name not in names(river.feed(Tick(day(90))))
    # Whoever does it from now on is waited for.
    waits = [state.timers for shard in (river.users, river.workspaces) for _, state in shard.items(list(shard))]  # type: ignore[attr-defined]  # both shards
    assert not any(name in key for timers in waits for key in timers)


def test_state_that_the_change_does_not_touch_is_not_written() -> None:
    river = River(signal("went_silent", after="14d"))
    river.feed(plan_changed(day(1), plan="team"), member("ann", day(1)))
    river.workspaces.settle()

    switch(river, signal("multi_user", active_users=9), day(2))

    assert river.workspaces.dirty == set()


ABSENCE: Settings = {
    "rule": "absence",
    "scope": "user",
    "after": ["Export Begun"],
    "without": ["Export Made"],
    "for": "1d",
}
COUNT: Settings = {"rule": "count", "scope": "user", "events": ["Export Made"], "threshold": 3}


def test_wait_of_a_stanza_that_is_gone_goes_with_it() -> None:
    river = CustomRiver({"no_export": ABSENCE})
    river.do("Export Begun", on=day(1))
    assert river.user("ann").timers

    assert switch(river, {}, day(1, 20)) == []
    assert river.user("ann").timers == {}


def test_lowered_threshold_of_a_stanza_fires_once_at_the_next_event() -> None:
    river = CustomRiver({"exports": COUNT | {"threshold": 9}})
    for hour in (1, 2, 3):
        assert river.do("Export Made", on=day(1, hour)) == []
    switch(river, {"custom": {"exports": COUNT}}, day(2))

    assert river.do("Export Made", on=day(2, 13)) == ["exports"]
    assert river.do("Export Made", on=day(2, 14)) == []


def test_stanza_that_appears_counts_from_then_on() -> None:
    river = CustomRiver({"exports": COUNT})
    marked = [river.named("Export Made", on=day(1, hour)) for hour in (1, 2, 3, 13, 14, 15)]
    river.engine = engine()
    # Ingest marks them already, and nobody counts them yet.
    assert names(river.feed(*marked[:3])) == []
    switch(river, {"custom": {"exports": COUNT}}, day(1, 12))

    assert names(river.feed(*marked[3:])) == ["exports"]


def test_signal_of_a_stanza_that_is_gone_and_waits_for_an_activation_expires() -> None:
    routes = [{"name": "sales", "signals": ["exports"], "sinks": ["redis"]}]
    river = CustomRiver({"exports": COUNT | {"threshold": 1}}, **ACTIVATION, routes=routes)
    assert river.do("Export Made", on=day(1)) == ["exports"]
    switch(river, ACTIVATION, day(1, 13))

    river.feed(event("ann", "acme", on=day(2), roles=[Role.ACTIVATED]))

    assert [one.verdict for one in river.verdicts if one.signal == "exports"][-1] is Decision.EXPIRED


def test_signal_that_was_fired_by_a_stanza_which_the_workspaces_do_not_know_yet_is_unrouted() -> None:
    river = CustomRiver({"exports": COUNT | {"threshold": 1}})
    late = engine()
    made = river.named("Export Made", on=day(1))
    out = step_user(river.users, made, 0, 0, river.engine)

    verdicts = [one for fact in out.facts for one in step_workspace(river.workspaces, fact, 0, 0, late).verdicts]

    assert [(one.signal, one.verdict) for one in verdicts] == [("exports", Decision.UNROUTED)]


def test_question_that_waits_for_an_answer_survives_that_its_route_goes() -> None:
    asked = {**ACTIVATION, "routes": [{"name": "sales", "signals": ["enterprise_domain"], "sinks": ["redis"]}]}
    river = River(asked)
    river.feed(event("ann", "one", on=day(1), email="ann@walmart.com"))
    offset = len(river.facts)
    out = step_user(river.users, event("ann", "two", on=day(2)), 99, 0, river.engine)
    # The question goes to the other workspace, whose answer takes its time.
    for n, fact in enumerate(out.facts):
        if fact.workspace_id == "two":
            step_workspace(river.workspaces, fact, 1_000 + offset + n, 0, river.engine)
    assert river.workspace("two").policy.asked
    other = [{"name": "other", "signals": ["procurement"], "sinks": ["redis"]}]
    river.engine = engine({**ACTIVATION, "routes": other})

    verdicts = step_workspace(river.workspaces, Tick(day(9), river.engine.hash), 9_999, 0, river.engine).verdicts

    assert [(one.signal, one.verdict) for one in verdicts] == [("enterprise_domain", Decision.EXPIRED)]


def test_ticks_name_a_config_from_their_place_on_and_old_ones_name_none() -> None:
    fence = Fence()

    assert fence.config_at(Tick(0, "a")) == "a"
    assert fence.take(Tick(0, "a"))
    assert not fence.take(Tick(0, "a"))
    assert fence.take(Tick(5))
    assert fence.config == "a"
    # The last time once more, for the sake of the name.
    assert fence.take(Tick(5, "b"))
    assert not fence.take(Tick(4, "c"))
    assert (fence.tick, fence.config, fence.config_at(Tick(4, "c"))) == (5, "b", "b")


def test_signal_names_the_config_that_was_in_force_where_it_arose() -> None:
    other = Config.model_validate({"clock": "events", "time_zone": "Europe/Berlin"})
    engines = Engines(Config(), find={"abc": other}.get)

    assert engines.of("").hash == Config().hash
    assert engines.of("abc").hash == "abc"
    assert engines.of("abc").config == other
    with pytest.raises(UnknownConfig, match="def"):
        engines.of("def")


def test_thousand_edits_leave_a_few_engines_in_memory() -> None:
    edited = {f"{n}": Config.model_validate({"signals": {"multi_user": {"active_users": 4 + n}}}) for n in range(1_000)}
    engines = Engines(Config(), find=edited.get)

    for name in edited:
        engines.of(name)

    assert len(engines._compiled) < 20


@pytest.mark.parametrize(
    ("edit", "effort"),
    [
        ({"signals": {"multi_user": {"active_users": 9}}}, Effort.NONE),
        ({"routes": [{"name": "other"}]}, Effort.NONE),
        ({"events": {"core": ["Report Viewed"]}}, Effort.NONE),
        ({"policy": {"quiet_hours": {"start": "20:00", "end": "08:00"}}}, Effort.NONE),
        ({"source": {"topics": ["others"]}}, Effort.RESTART),
        ({"time_zone": "Europe/Berlin"}, Effort.REBUILD),
        ({"identity": {"user_id": ["user.id"]}}, Effort.REBUILD),
        ({"topics": {"partitions": 8}}, Effort.REBUILD),
        ({"prefix": "other"}, Effort.REBUILD),
        ({"clock": "events"}, Effort.REBUILD),
        ({"signals": {"multi_user": {"window": "14d"}}}, Effort.NONE),
        ({"signals": {"multi_user": {"window": "28d"}}}, Effort.REBUILD),
    ],
)
def test_every_key_takes_what_it_takes(edit: Settings, effort: Effort) -> None:
    before, after = Config(), Config.model_validate(edit)

    assert {one.effort for one in efforts(before, after, windows_of(before))} == {effort}


def test_differences_are_named_by_key_with_both_values() -> None:
    after = Config.model_validate({"signals": {"multi_user": {"active_users": 9}}, "custom": {"mine": COUNT}})

    found = {one.key: (one.before, one.after) for one in differences(Config(), after)}

    assert found["signals.multi_user.active_users"] == (5, 9)
    assert "custom.mine" in found
    assert differences(Config(), Config()) == []

"""An explanation says what a state holds, what became of each signal, what is missing, and what is due when."""

from __future__ import annotations

import msgspec
import pytest

from signals.alerting import OPEN_MS
from signals.event import Event, Role, Source
from signals.explaining import Read, explain_user, explain_workspace
from signals.explanation import Explanation, Hush, Origin, SignalRead, Told, VerdictRead, Wait
from signals.facts import Command, Fact, Firing, Order
from signals.fired import Fired
from signals.moments import iso
from signals.rule import Evidence, Finding, Kind, Trigger, UserRule, UserTimer, Why, WorkspaceRule, WorkspaceTimer
from signals.timers import Timer
from signals.units import DAY_MS
from signals.user import Progress, UserState
from signals.waiting import HOLD_MS
from signals.workspace import Change, Pending, Trial, WorkspaceState
from tests.signals.builders import ACTIVATION, River, day, event, team

NOWHERE = Origin("plg-workspaces-changelog/3")


def explained(river: River, workspace: str = "acme", *, now: int = day(2), **read: object) -> Explanation:
    """Explain a workspace of a river, with what came out of it as what the topics say."""
    told = Read(NOWHERE, tuple(map(signal_read, river.signals)), verdicts_read(river))
    told = msgspec.structs.replace(told, **read)
    return explain_workspace(workspace, river.workspace(workspace), river.engine, now, told)


def signal_read(firing: Firing) -> SignalRead:
    return SignalRead(
        firing.id,
        firing.signal,
        firing.kind.value,
        firing.scope.value,
        iso(firing.time),
        iso(firing.time),
        "abc",
        firing.evidence,
        firing.user_id,
        firing.workspace_id,
    )


def verdicts_read(river: River) -> tuple[VerdictRead, ...]:
    return tuple(
        VerdictRead(
            one.signal_id, one.signal, one.verdict.value, iso(one.time), one.workspace_id, one.reason, one.alert_id
        )
        for one in river.verdicts
        if one.is_final
    )


def named(told: Explanation, signal: str) -> Told:
    [found] = [one for one in told.signals if one.signal == signal]
    return found


# -- what is known


def test_active_users_are_those_of_the_window_that_ends_at_the_moment_not_on_the_newest_day() -> None:
    river = River()
    river.feed(*team("acme", 3, on=day(1)))

    same_day, week_later, eight_days_later = (explained(river, now=day(number)).workspace for number in (1, 7, 8))

    assert same_day is not None
    assert week_later is not None
    assert eight_days_later is not None
    assert (same_day.members, same_day.active_users["7d"]) == (3, 3)
    assert week_later.active_users["7d"] == 3
    assert eight_days_later.active_users["7d"] == 0


def test_the_gate_is_closed_until_somebody_activates_and_says_why() -> None:
    river, ungated = River(ACTIVATION), River()
    river.feed(event("ann", "acme", on=day(1)))
    ungated.feed(event("ann", "acme", on=day(1)))
    closed = explained(river).workspace
    river.feed(event("ann", "acme", on=day(2), roles=[Role.ACTIVATED]))
    opened, none = explained(river).workspace, explained(ungated).workspace

    assert closed is not None
    assert (closed.gate.open, closed.gate.because) == (False, "nobody has activated")
    assert opened is not None
    assert (opened.gate.open, opened.gate.activated_at) == (True, iso(day(2)))
    assert none is not None
    assert none.gate.open


def test_a_state_with_everything_in_it_is_told() -> None:
    river = River({"plans": {"order": ["pro"]}})
    river.feed(
        Event(
            "e", event().type, day(1), Source("events", 0, 0), "Plan Changed", (Role.PLAN_CHANGED,), True, "ann", None,
            "acme", properties={"plan": "pro", "seats": 4},
        )
    )  # fmt: skip
    river.feed(*team("acme", 2, on=day(1)))
    state = river.workspace("acme")
    state.trial, state.employees, state.active_at = Trial(day(9), day(1)), 120, day(1)

    told = explained(river).workspace

    assert told is not None
    assert (told.plan, told.paying, told.seats, told.seats_used) == ("pro", True, 4, 0.5)
    assert told.trial is not None
    assert (told.trial.ends_at, told.employees, told.active_at) == (iso(day(9)), 120, iso(day(1)))


def test_a_users_active_days_are_counted_over_all_his_workspaces_a_day_once() -> None:
    river = River()
    for workspace, number in (("acme", 1), ("acme", 2), ("other", 2), ("other", 8)):
        river.feed(event("ann", workspace, on=day(number)))

    told = explain_user("ann", river.user("ann"), river.engine, day(8), Read(NOWHERE)).user

    assert told is not None
    assert told.active_days == {"1d": 1, "7d": 2, "14d": 3, "28d": 3}
    assert [(one.workspace_id, one.member, one.active_days["7d"]) for one in told.workspaces] == [
        ("acme", True, 1),
        ("other", True, 2),
    ]


# -- what fired


def test_a_signal_is_told_with_its_evidence_in_words_and_its_verdict() -> None:
    river = River()
    river.feed(*team("acme", 5, on=day(1)))

    found = named(explained(river), "multi_user")

    assert found.evidence == {"active_users": 5, "threshold": 5, "window": 7, "window_end": "2026-03-02"}
    assert found.headline == "5 people active in 7 days"
    assert found.why == (Why("active_users_7d", 5, 5),)
    assert (found.n, found.verdict, found.alert_id) == (1, "sent", river.alerts[-1].id)


def test_of_two_copies_of_a_signal_one_is_told() -> None:
    river = River()
    river.feed(*team("acme", 5, on=day(1)))

    told = explained(river, signals=tuple(signal_read(one) for one in [*river.signals, *river.signals]))

    assert [one.signal for one in told.signals] == ["second_user", "multi_user"]


def test_a_signal_whose_record_was_not_read_is_told_from_the_state() -> None:
    river = River()
    river.feed(*team("acme", 5, on=day(1)))

    found = named(explained(river, signals=()), "multi_user")

    assert (found.id, found.n, found.evidence) == (river.signals[-1].id, 1, None)
    assert found.verdict == "sent"


def test_a_signal_that_waits_is_told_so_and_until_when() -> None:
    river = River(ACTIVATION)
    river.feed(*team("acme", 5, on=day(1)))

    told = explained(river)

    assert named(told, "multi_user").verdict == "waiting_for_activation"
    [wait] = [one for one in told.waits if one.signal == "multi_user"]
    assert (wait.due, wait.unless) == (iso(day(1) + HOLD_MS), "somebody activates")


def test_evidence_of_another_version_is_told_as_it_is() -> None:
    river = River()
    river.feed(*team("acme", 5, on=day(1)))
    older = msgspec.structs.replace(signal_read(river.signals[-1]), evidence={"people": 5})

    found = named(explained(river, signals=(older,)), "multi_user")

    assert (found.evidence, found.headline, found.why) == ({"people": 5}, None, ())


def test_measures_are_no_signals() -> None:
    river = River()
    river.feed(*team("acme", 2, on=day(1)))
    measure = msgspec.structs.replace(signal_read(river.signals[-1]), id="m", signal="joined", kind="measure")

    told = explained(river, signals=(measure,))

    assert "joined" not in [one.signal for one in told.signals]


def test_verdicts_of_signals_that_are_not_told_come_from_the_state_and_those_told_come_once() -> None:
    river = River()
    river.feed(*team("acme", 5, on=day(1)))

    assert explained(river).verdicts == ()
    assert [one.signal for one in explained(river, verdicts=()).verdicts] == ["second_user", "multi_user"]


# -- what is missing, by rules made for the purpose


class Crowd(WorkspaceRule):
    name, kind, play = "crowd", Kind.EXPANSION, "Say hello."
    triggers = frozenset({Trigger.MEMBERS})

    def judge(self, workspace: WorkspaceState, fact: Fact, change: Change) -> Finding | None:
        return None

    def gap(self, workspace: WorkspaceState, now: int, day: int) -> str | None:
        left = 10 - workspace.members
        return f"{left} more members" if left > 0 else None

    def headline(self, evidence: Evidence) -> str:
        return "a crowd"

    def why(self, evidence: Evidence) -> list[Why]:
        return []


class Broken(Crowd):
    name = "broken"

    def gap(self, workspace: WorkspaceState, now: int, day: int) -> str | None:
        raise ZeroDivisionError


class Busy(UserRule):
    name, kind, play = "busy", Kind.EXPANSION, "Say hello."
    roles = frozenset({Role.CORE})

    def judge(self, user: UserState, event: Event, progress: Progress) -> Finding | None:
        return None

    def gap(self, user: UserState, now: int, day: int) -> str | None:
        return f"{3 - len(user.core)} more core features by day {day}"

    def headline(self, evidence: Evidence) -> str:
        return "busy"

    def why(self, evidence: Evidence) -> list[Why]:
        return []


class Silence(WorkspaceTimer):
    name, kind, play, unless = "silence", Kind.RISK, "Say hello.", "somebody is active"

    def due(self, workspace: WorkspaceState, key: str, timer: Timer) -> int | None:
        return None if timer.about == "over" else timer.since + DAY_MS

    def judge_due(self, workspace: WorkspaceState, key: str, timer: Timer) -> Finding | None:
        return Finding({})

    def headline(self, evidence: Evidence) -> str:
        return "silence"

    def why(self, evidence: Evidence) -> list[Why]:
        return []


class Stalled(UserTimer):
    name, kind, play, unless = "stalled", Kind.RISK, "Say hello.", "the user activates"

    def due(self, user: UserState, key: str, timer: Timer) -> int | None:
        return timer.since + DAY_MS

    def judge_due(self, user: UserState, key: str, timer: Timer) -> Finding | None:
        return Finding({})

    def headline(self, evidence: Evidence) -> str:
        return "stalled"

    def why(self, evidence: Evidence) -> list[Why]:
        return []


def with_rules(*rules: WorkspaceRule | UserRule) -> River:
    river = River()
    river.engine.in_force = rules
    river.feed(*team("acme", 2, on=day(1)))
    return river


@pytest.mark.parametrize(("members", "missing"), [(9, [("crowd", "1 more members")]), (10, [])])
def test_a_rule_says_how_far_it_is_up_to_the_last_step(members: int, missing: list[tuple[str, str]]) -> None:
    river = with_rules(Crowd())
    river.workspace("acme").members = members

    told = explained(river)

    assert [(gap.signal, gap.missing) for gap in told.gaps] == missing


def test_what_has_not_fired_and_tells_no_distance_is_named() -> None:
    river = with_rules(Crowd())
    state = river.workspace("acme")
    state.members = 10
    before = explained(river)
    state.fired["crowd"] = Fired(1, day(1))

    assert before.untold == ("crowd",)
    assert explained(river).untold == ()


def test_a_rule_that_breaks_loses_its_own_line() -> None:
    told = explained(with_rules(Broken(), Crowd()))

    assert [(gap.signal, gap.missing) for gap in told.gaps] == [
        ("broken", "cannot be told (ZeroDivisionError)"),
        ("crowd", "8 more members"),
    ]


def test_rules_are_asked_of_the_states_of_their_scope() -> None:
    river = with_rules(Crowd(), Busy())

    told = explain_user("u0", river.user("u0"), river.engine, day(1), Read(NOWHERE))

    assert [(gap.signal, gap.missing) for gap in told.gaps] == [
        ("busy", f"3 more core features by day {day(1) // DAY_MS}")
    ]
    assert [gap.signal for gap in explained(river).gaps] == ["crowd"]


# -- what is due


def test_a_timer_is_told_with_when_it_is_due_and_what_would_stop_it() -> None:
    river = River()
    river.engine.workspace_timers["silence"] = Silence()
    river.feed(event("ann", "acme", on=day(1)))
    source = Source("events", 0, 0)
    river.workspace("acme").timers = {
        "silence|late": Timer(day(3), "e", source),
        "silence|soon": Timer(day(1), "e", source),
        "silence|over": Timer(day(1), "e", source, "over"),
        "unknown": Timer(day(1), "e", source),
    }

    assert explained(river).waits == (
        Wait(iso(day(2)), "silence fires", "silence", "soon", iso(day(1)), "somebody is active"),
        Wait(iso(day(4)), "silence fires", "silence", "late", iso(day(3)), "somebody is active"),
    )


def test_a_users_timer_is_told() -> None:
    river = River()
    river.engine.user_timers["stalled"] = Stalled()
    river.feed(event("ann", "acme", on=day(1)))
    river.user("ann").timers = {"stalled": Timer(day(1), "e", Source("events", 0, 0))}

    told = explain_user("ann", river.user("ann"), river.engine, day(1), Read(NOWHERE))

    assert told.waits == (Wait(iso(day(2)), "stalled fires", "stalled", None, iso(day(1)), "the user activates"),)


def test_an_open_alert_says_when_it_ends_by_itself() -> None:
    river = River()
    river.feed(*team("acme", 5, on=day(1)))

    [alert] = explained(river).alerts

    assert (alert.signal, alert.closes_at) == ("multi_user", iso(day(1) + OPEN_MS))


def test_reasons_that_join_the_next_alert_are_told_until_they_are_too_old() -> None:
    river = River()
    river.feed(*team("acme", 5, on=day(1)))
    why = (Why("seat_ratio", 0.9, 0.8),)
    river.workspace("acme").policy.pending = [Pending("id", why, day(1))]

    assert explained(river, now=day(31)).pending == why
    assert explained(river, now=day(31) + 1).pending == ()


@pytest.mark.parametrize("unless", ["somebody is active", "unless somebody is active"])
def test_the_word_unless_stands_once_however_a_rule_says_it(unless: str) -> None:
    river = River()
    river.engine.workspace_timers["silence"] = type("Quiet", (Silence,), {"unless": unless})()
    river.feed(event("ann", "acme", on=day(1)))
    river.workspace("acme").timers = {"silence": Timer(day(1), "e", Source("events", 0, 0))}

    [wait] = explained(river).waits

    assert wait.unless == "somebody is active"


# -- what sales does not hear of


def test_what_is_hushed_says_until_when_and_is_over_then() -> None:
    river = River({"alerts": {"max_per_workspace": 1}})
    river.feed(*team("acme", 5, on=day(1)))
    river.feed_fact(Command(Order.MUTE, day(1), 0, 0, "acme"))
    river.feed_fact(Command(Order.MUTE, day(1), 0, 1, "acme", "seat_limit", day(3)))
    river.feed_fact(Command(Order.SNOOZE, day(1), 0, 2, "acme", None, day(3)))
    everywhere = {"usage_limit": day(3)}
    cooldown, cap = river.engine.alert_cooldown_ms, river.engine.cap_window_ms

    then = explained(river, now=day(3) - 1, muted=everywhere).hushed
    later = explained(river, now=day(3), muted=everywhere).hushed
    much_later = explained(river, now=day(1) + max(cooldown, cap), muted=everywhere).hushed

    assert set(then) == {
        Hush("muted"),
        Hush("muted", "seat_limit", iso(day(3))),
        Hush("muted in all workspaces", "usage_limit", iso(day(3))),
        Hush("snoozed", None, iso(day(3))),
        Hush("cooling down after its alert", "multi_user", iso(day(1) + cooldown)),
        Hush("capped: 1 alerts in 7d", None, iso(day(1) + cap)),
    }
    assert [one.what for one in later] == ["muted", "cooling down after its alert", "capped: 1 alerts in 7d"]
    assert [one.what for one in much_later] == ["muted"]


def test_quiet_hours_say_when_they_end() -> None:
    river = River({"policy": {"quiet_hours": {"start": "22:00", "end": "07:00"}}})
    river.feed(event("ann", "acme", on=day(1, 12)))

    assert explained(river, now=day(1, 23)).hushed == (Hush("quiet hours", None, iso(day(2, 7))),)
    assert explained(river, now=day(1, 12)).hushed == ()


# -- what casts doubt on it


def test_a_suspect_state_and_another_config_are_warned_of() -> None:
    river = River()
    river.feed(event("ann", "acme", on=day(1)))
    river.workspace("acme").is_suspect = True

    doubted = explained(river, newest_config="0123456789ab")
    sure = explained(river, newest_config=river.engine.config.hash)

    assert doubted.suspect
    assert [warning.partition(" ")[0] for warning in doubted.warnings] == ["suspect:", "the"]
    assert "0123456789ab" in doubted.warnings[1]
    assert len(sure.warnings) == 1


def test_explaining_changes_no_state() -> None:
    river = River(ACTIVATION)
    river.feed(*team("acme", 6, on=day(1)))
    state, user = river.workspace("acme"), river.user("u0")
    before = msgspec.msgpack.encode(state), msgspec.msgpack.encode(user)

    explained(river, now=day(20))
    explain_user("u0", user, river.engine, day(20), Read(NOWHERE))

    assert (msgspec.msgpack.encode(state), msgspec.msgpack.encode(user)) == before

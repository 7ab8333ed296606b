"""An import is the base from which events go on: it raises nothing, and what was there before it is no news."""

from __future__ import annotations

from itertools import count
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.event import Event, EventType, Role, Source, Tick
from signals.facts import Decision, Note
from signals.imported import Imported, ImportedMember, ImportedUsage, ImportedWorkspace
from signals.snapshot import snapshot_json
from tests.signals.builders import ACTIVATION, River, day, event, names, team

PLANS: dict[str, object] = {"plans": {"order": ["team", "business"]}}
AT = day(10)
_offsets = count()


def member(user: str, workspace: str = "acme", at: int = AT, **more: Any) -> ImportedMember:
    return ImportedMember(workspace, user, at, source=Source("plg.commands", 0, next(_offsets)), **more)


def workspace(workspace_id: str = "acme", at: int = AT, **more: Any) -> ImportedWorkspace:
    return ImportedWorkspace(workspace_id, at, source=Source("plg.commands", 0, next(_offsets)), **more)


def take(river: River, *records: Imported) -> None:
    """Feed an import; it must say nothing to anybody."""
    before = len(river.signals), len(river.alerts)
    for record in records:
        if isinstance(record, ImportedMember):
            river.feed(record)  # type: ignore[arg-type]  # the builder's feed is about events
        else:
            river.feed_fact(record)  # type: ignore[arg-type]  # as above
    assert (len(river.signals), len(river.alerts)) == before


def plan_changed(on: int, plan: str, seats: int | None = None, mrr: int | None = None) -> Event:
    made = event(None, "acme", on=on, roles=[Role.PLAN_CHANGED], name="Plan Changed")
    made.properties = {
        name: value for name, value in {"plan": plan, "seats": seats, "mrr": mrr}.items() if value is not None
    }
    return made


def group(on: int, **traits: Any) -> Event:
    return event("ann", "acme", on=on, kind=EventType.GROUP, traits=traits)


# -- members


def test_imported_members_are_no_second_user_and_neither_is_the_next_one() -> None:
    river = River()

    take(river, member("ann"), member("bob"))
    later = river.feed(event("cid", "acme", on=AT + 1))

    assert river.workspace("acme").members == 3
    assert "second_user" not in names(later)


def test_second_user_after_an_import_of_one() -> None:
    river = River()

    take(river, member("ann"))
    later = river.feed(event("ann", "acme", on=AT + 1), event("bob", "acme", on=AT + 2))

    assert names(later) == ["second_user"]
    assert later[0].n == 1


def test_fifth_active_user_of_an_imported_workspace_raises_multi_user() -> None:
    river = River()

    take(river, *(member(f"u{number}") for number in range(9)))
    four = river.feed(*team("acme", 4, AT + 1))
    five = river.feed(event("u4", "acme", on=AT + 2))

    assert names(four) == []
    assert names(five) == ["multi_user"]


def test_growth_is_told_once_a_whole_window_after_the_import_has_been_seen() -> None:
    def grown(days: int) -> list[str]:
        river = River()
        take(river, *(member(f"u{number}") for number in range(9)))
        river.feed(event("u0", "acme", on=AT + 14 * 86_400_000))
        return names(river.feed(*team("acme", 8, AT + days * 86_400_000)))

    assert "seat_growth" not in grown(14)
    assert "seat_growth" in grown(28)


def test_import_places_events_that_name_no_workspace() -> None:
    river = River()

    take(river, member("ann"))
    river.feed(event("ann", on=AT + 1))

    assert river.workspace("acme").active_at == AT + 1


def test_user_in_two_imported_workspaces_is_ambiguous() -> None:
    river = River()

    take(river, member("ann", "acme"), member("ann", "globex"))
    river.feed(event("ann", on=AT + 1))

    assert Note.AMBIGUOUS in river.notes


def test_removal_later_than_the_import_wins_in_either_order() -> None:
    first, second = River(), River()
    left = event("ann", "acme", on=AT + 1, roles=[Role.MEMBER_REMOVED])

    take(first, member("ann"))
    first.feed(left)
    second.feed(left)
    take(second, member("ann"))

    assert first.workspace("acme").members == second.workspace("acme").members == 0


def test_removal_before_the_import_loses_in_either_order() -> None:
    first, second = River(), River()
    left = event("ann", "acme", on=AT - 1, roles=[Role.MEMBER_REMOVED])

    take(first, member("ann"))
    first.feed(left)
    second.feed(left)
    take(second, member("ann"))

    assert first.workspace("acme").members == second.workspace("acme").members == 1


@pytest.mark.parametrize("settings", [{"internal": {"domains": ["our.example"]}}, {"internal": {"user_ids": ["ann"]}}])
def test_nobody_internal_becomes_a_member(settings: dict[str, object]) -> None:
    river = River(settings)

    take(river, member("ann", email="ann@our.example"))

    assert river.workspaces.get("acme") is None
    assert river.notes == [Note.INTERNAL]


def test_alerts_and_signals_of_a_personal_workspace_are_not_stirred_up() -> None:
    river = River(ACTIVATION)
    river.feed(event("ann", on=AT - 2, roles=[Role.INVITE_SENT]))

    take(river, workspace(activated_at=day(1)), member("ann", activated_at=day(1)))

    assert (
        names(river.workspace("user:ann").policy.held) == ["first_invite"]
        or not river.workspace("user:ann").policy.held
    )
    # The next event that names the real one settles it, as always.
    river.feed(event("ann", "acme", on=AT + 1))
    assert river.workspace("user:ann").moved_to == "acme"


# -- the gate


def test_activated_at_opens_the_gate_and_later_events_are_heard_of() -> None:
    river = River(ACTIVATION)

    take(river, workspace(activated_at=day(1)))
    river.feed(*team("acme", 5, AT + 1))

    assert [alert.signal for alert in river.alerts] == ["multi_user"]


def test_activation_of_a_member_opens_it_too_and_is_not_raised_again() -> None:
    river = River(ACTIVATION)

    take(river, member("u0", activated_at=day(1)))
    river.feed(*team("acme", 5, AT + 1))
    again = river.feed(event("u0", "acme", on=AT + 2, roles=[Role.ACTIVATED]))

    assert [alert.signal for alert in river.alerts] == ["multi_user"]
    assert names(again) == []


def test_without_an_activation_the_gate_stays_shut() -> None:
    river = River(ACTIVATION)

    take(river, workspace(plan="team"), member("u0"), member("u1"))
    river.feed(*team("acme", 5, AT + 1))

    assert river.alerts == []
    assert [(verdict.signal, verdict.verdict) for verdict in river.verdicts] == [
        ("multi_user", Decision.WAITING_FOR_ACTIVATION)
    ]


def test_what_waited_for_a_gate_that_an_import_opens_expires() -> None:
    river = River(ACTIVATION)
    river.feed(*team("acme", 5, AT - 1))

    take(river, workspace(activated_at=day(1)))

    last = river.verdicts[-1]
    assert (last.signal, last.verdict) == ("multi_user", Decision.EXPIRED)
    assert river.workspace("acme").policy.held == []
    assert names(river.feed(event("u0", "acme", on=AT + 1))) == []


def test_an_imported_activation_lets_nobody_stall() -> None:
    river = River(ACTIVATION)
    river.feed(event("ann", "acme", on=AT - 1, roles=[Role.SIGNED_UP]))

    take(river, member("ann", activated_at=AT - 1))

    assert names(river.feed(Tick(AT + 10 * 86_400_000))) == []


# -- companies


def test_imported_company_is_no_news_whoever_comes_from_there() -> None:
    river = River()

    take(river, member("ann", email="ann@microsoft.com"))
    later = river.feed(
        event("ann", "acme", on=AT + 1),
        event("bob", "acme", on=AT + 2, email="bob@microsoft.com"),
        event("cid", "acme", on=AT + 3, email="cid@apple.com"),
    )

    assert river.workspace("acme").domain == "microsoft.com"
    assert [(firing.signal, firing.key) for firing in later if firing.signal == "enterprise_domain"] == [
        ("enterprise_domain", "apple.com")
    ]


def test_names_fill_in_only_what_nobody_knows() -> None:
    river = River()
    river.feed(group(AT - 1, name="Acme Corp", employees=50))

    take(river, workspace(name="ACME", employees=70, domain="acme-corp.com"))

    state = river.workspace("acme")
    assert (state.name, state.employees, state.domain) == ("Acme Corp", 50, "acme-corp.com")


# -- plan, seats, revenue, usage


def test_imported_plan_is_a_baseline_and_a_later_one_is_a_change() -> None:
    river = River(PLANS)

    take(river, workspace(plan="team"))
    same, upgraded = river.feed(plan_changed(AT + 1, "Team")), river.feed(plan_changed(AT + 2, "business"))

    assert names(same) == []
    assert names(upgraded) == ["plan_upgraded"]


def test_imported_free_plan_converts() -> None:
    river = River(PLANS)

    take(river, workspace(plan="free"))

    assert names(river.feed(plan_changed(AT + 1, "team"))) == ["converted_to_paid"]


def test_existing_customer_without_a_plan_in_the_file_converts_nothing() -> None:
    river = River(PLANS)

    take(river, workspace(), member("ann"))
    river.feed(event("bob", "acme", on=AT + 1, roles=[Role.SIGNED_UP]))

    assert "converted_to_paid" not in names(river.feed(plan_changed(AT + 2, "team")))


@pytest.mark.parametrize("history", [["free", "team"], ["team", "business", "team"], ["business", "free"]])
def test_what_the_plan_was_before_the_import_raises_nothing_after_it(history: list[str]) -> None:
    river = River(PLANS)

    take(river, workspace(plan="team", seats=10))
    before = river.feed(*(plan_changed(AT - 100 + n, plan, seats=n) for n, plan in enumerate(history)))

    assert names(before) == []
    assert river.workspace("acme").billing.plan.name == "team"  # type: ignore[union-attr]  # it is known
    assert river.workspace("acme").billing.seats.count == 10  # type: ignore[union-attr]  # as above


def test_group_calls_go_on_setting_the_plan_after_an_import() -> None:
    river = River(PLANS)

    take(river, workspace(plan="team"))
    river.feed(group(AT - 1, plan="free"))
    later = river.feed(group(AT + 1, plan="business"))

    assert "plan_upgraded" in names(later)


def test_older_import_does_not_overwrite_what_events_said_since() -> None:
    river = River(PLANS)
    river.feed(plan_changed(AT + 5, "business", seats=20, mrr=900))

    take(river, workspace(plan="team", seats=10, mrr=100))

    billing = river.workspace("acme").billing
    assert (billing.plan.name, billing.seats.count, billing.mrr.amount) == ("business", 20, 900)  # type: ignore[union-attr]  # they are known


def test_newer_import_takes_the_place_of_what_events_said() -> None:
    river = River(PLANS)
    river.feed(plan_changed(AT - 5, "team", seats=10, mrr=100))

    take(river, workspace(plan="business", seats=20, mrr=900))

    billing = river.workspace("acme").billing
    assert (billing.plan.name, billing.seats.count, billing.mrr.amount) == ("business", 20, 900)  # type: ignore[union-attr]  # they are known
    assert names(river.feed(plan_changed(AT + 1, "business", seats=20))) == []


def test_imported_seats_are_a_baseline() -> None:
    river = River()

    take(river, workspace(plan="team", seats=10))

    assert names(river.feed(plan_changed(AT + 1, "team", seats=10))) == []
    assert names(river.feed(plan_changed(AT + 2, "team", seats=12))) == ["seats_added"]


def test_seats_that_were_nearly_taken_already_are_no_news_until_there_is_room_again() -> None:
    river = River()
    take(river, workspace(seats=10), *(member(f"u{number}") for number in range(9)))

    tenth = river.feed(event("u9", "acme", on=AT + 1))
    gone = river.feed(*(event(f"u{number}", "acme", on=AT + 2, roles=[Role.MEMBER_REMOVED]) for number in range(3)))
    back = river.feed(event("u0", "acme", on=AT + 3))

    assert "seat_limit" not in names(tenth + gone)
    assert names(back) == ["seat_limit"]


def test_seats_below_the_limit_are_armed_by_an_import() -> None:
    river = River()
    take(river, *(member(f"u{number}") for number in range(7)), workspace(seats=10))

    assert names(river.feed(event("u7", "acme", on=AT + 1))) == ["seat_limit"]


def test_only_the_level_that_is_newly_passed_fires() -> None:
    river = River()
    take(river, workspace(usage=(ImportedUsage("calls", 85, 100),)))

    def report(used: int, on: int) -> list[str]:
        made = event(None, "acme", on=on, roles=[Role.USAGE_REPORTED], name="Usage Reported")
        made.properties = {"metric": "calls", "used": used, "limit": 100}
        return [f"{firing.signal} {firing.evidence['level']}" for firing in river.feed(made)]

    assert report(90, AT + 1) == []
    assert report(96, AT + 2) == ["usage_limit 0.95"]


def test_levels_of_more_metrics_than_are_remembered_are_spent_all_the_same() -> None:
    river = River({"limits": {"fired_keys": 10}})
    metrics = [f"m{number}" for number in range(20)]
    take(river, workspace(usage=tuple(ImportedUsage(metric, 85, 100) for metric in metrics)))

    def reports(used: int) -> list[Event]:
        made = [event(None, "acme", on=AT + 1, roles=[Role.USAGE_REPORTED], name="Usage Reported") for _ in metrics]
        for one, metric in zip(made, metrics, strict=True):
            one.properties = {"metric": metric, "used": used, "limit": 100}
        return made

    assert river.feed(*reports(86)) == []
    assert len(river.feed(*reports(96))) == len(metrics)


def test_trial_that_ends_soon_is_waited_for_and_one_that_is_nearly_over_is_not() -> None:
    river = River()

    take(river, workspace(trial_end=AT + 10 * 86_400_000), workspace("late", trial_end=AT + 86_400_000))
    later = river.feed(Tick(AT + 20 * 86_400_000))

    assert [(firing.signal, firing.workspace_id) for firing in later] == [("trial_ending", "acme")]


def test_spent_signals_are_not_shown_as_fired() -> None:
    river = River()

    take(river, workspace(seats=2), member("ann"), member("bob"))

    shown = snapshot_json("acme", river.workspace("acme"), river.engine.scoring)
    assert b'"signals":{}' in shown
    assert b"1970" not in shown


def test_score_that_an_import_brings_about_is_no_news() -> None:
    river = River({"score": {"fit": {"enterprise": 60}}})

    take(river, member("ann", email="ann@microsoft.com"))
    later = river.feed(event("ann", "acme", on=AT + 1, roles=[Role.INVITE_SENT]))

    assert "pql" not in names(later)


# -- once more, and in any order

SOME = (
    workspace(plan="team", seats=10, mrr=100, activated_at=day(1), domain="acme-corp.com", name="Acme"),
    member("ann", email="ann@microsoft.com", activated_at=day(1)),
    member("bob"),
    workspace("globex", plan="free", trial_end=AT + 20 * 86_400_000, usage=(ImportedUsage("calls", 90, 100),)),
    member("bob", "globex"),
)


def seen(river: River) -> list[object]:
    """What people see of the workspaces, and who is in them."""
    shown = [
        snapshot_json(one, river.workspace(one), river.engine.scoring)
        for one in ("acme", "globex")
        if river.workspaces.get(one) is not None
    ]
    return [shown, *(sorted(river.user(one).workspaces) for one in ("ann", "bob"))]


def again(records: tuple[Imported, ...], at: int | None = None) -> list[Imported]:
    """The same records, sent once more."""
    return [
        member(one.user_id, one.workspace_id, at or one.time, email=one.email, activated_at=one.activated_at)
        if isinstance(one, ImportedMember)
        else workspace(
            one.workspace_id,
            at or one.time,
            **{
                name: getattr(one, name)
                for name in ("name", "domain", "plan", "seats", "mrr", "activated_at", "trial_end", "usage")
            },
        )
        for one in records
    ]


def test_same_import_once_more_changes_nothing() -> None:
    river = River(PLANS | ACTIVATION)
    take(river, *again(SOME))
    before = seen(river)

    take(river, *again(SOME))

    assert seen(river) == before


@given(st.permutations(SOME))
def test_records_of_an_import_may_come_in_any_order(records: list[Imported]) -> None:
    first, second = River(PLANS | ACTIVATION), River(PLANS | ACTIVATION)

    take(first, *again(SOME))
    take(second, *again(tuple(records)))

    assert seen(first) == seen(second)


@given(st.lists(st.tuples(st.sampled_from(["ann", "bob", "cid"]), st.integers(-20, 20)), max_size=12))
def test_members_are_the_same_whether_history_or_import_comes_first(happened: list[tuple[str, int]]) -> None:
    history = [event(user, "acme", on=AT + offset, event_id=f"h{n}") for n, (user, offset) in enumerate(happened)]
    first, second = River(), River()

    take(first, *again(SOME))
    first.feed(*history)
    second.feed(*history)
    take(second, *again(SOME))

    assert first.workspace("acme").members == second.workspace("acme").members
    assert first.workspace("acme").rings == second.workspace("acme").rings
    assert first.workspace("acme").billing == second.workspace("acme").billing


def test_repeated_record_is_passed_over() -> None:
    river = River()
    one = member("ann")
    take(river, one)

    take(river, one)

    assert river.notes == [Note.REPEATED]


# -- over random histories

_USERS, _WORKSPACES = ("ann", "bob", "cid", "dan"), ("acme", "globex")
_ROLES = (
    (),
    (Role.CORE,),
    (Role.SIGNED_UP,),
    (Role.ACTIVATED,),
    (Role.INVITE_SENT,),
    (Role.MEMBER_JOINED,),
    (Role.MEMBER_REMOVED,),
    (Role.PLAN_CHANGED,),
    (Role.USAGE_REPORTED,),
    (Role.TRIAL_STARTED,),
)
_TIMES = st.integers(-40, 40).map(lambda hours: AT + hours * 12 * 3_600_000)


@st.composite
def _events(draw: st.DrawFn) -> Event:
    made = event(
        draw(st.sampled_from(_USERS)),
        draw(st.sampled_from((*_WORKSPACES, None))),
        on=draw(_TIMES),
        roles=draw(st.sampled_from(_ROLES)),
        email=draw(st.sampled_from((None, "x@microsoft.com", "y@our.example", "z@gmail.com"))),
    )
    used = draw(st.sampled_from((50, 85, 97, 100)))
    made.properties = {
        "plan": draw(st.sampled_from(("free", "team", "business"))),
        "seats": draw(st.integers(1, 5)),
        "metric": "calls",
        "used": used,
        "limit": 100,
        "trial_end_date": "2026-04-01",
    }
    return made


@st.composite
def _imports(draw: st.DrawFn) -> Imported:
    at, activated = draw(_TIMES), draw(st.sampled_from((None, day(1))))
    if draw(st.booleans()):
        email = draw(st.sampled_from((None, "@microsoft.com", "@our.example")))
        return member(
            draw(st.sampled_from(_USERS)), draw(st.sampled_from(_WORKSPACES)), at, email=email, activated_at=activated
        )
    return workspace(
        draw(st.sampled_from(_WORKSPACES)),
        at,
        plan=draw(st.sampled_from((None, "free", "team"))),
        seats=draw(st.sampled_from((None, 1, 3, 5))),
        domain=draw(st.sampled_from((None, "apple.com"))),
        activated_at=activated,
        trial_end=draw(st.sampled_from((None, AT + 30 * 86_400_000))),
        usage=draw(st.sampled_from(((), (ImportedUsage("calls", 90, 100),)))),
    )


@given(st.lists(_events() | _imports() | _TIMES.map(Tick), max_size=40))
def test_no_import_into_any_history_raises_anything(happened: list[Event | Imported | Tick]) -> None:
    river = River(PLANS | ACTIVATION | {"internal": {"domains": ["our.example"]}})

    for one in happened:
        if isinstance(one, ImportedMember | ImportedWorkspace):
            take(river, *again((one,)))
            before = seen_at_all(river)
            take(river, *again((one,)))
            assert seen_at_all(river) == before
        else:
            river.feed(one)
    assert all(river.workspace(one).members >= 0 for one in _WORKSPACES if river.workspaces.get(one) is not None)
    assert all(
        river.workspace(one).signed_up_members in range(river.workspace(one).members + 1)
        for one in _WORKSPACES
        if river.workspaces.get(one) is not None
    )


def seen_at_all(river: River) -> list[bytes]:
    return [
        snapshot_json(one, river.workspace(one), river.engine.scoring)
        for one in _WORKSPACES
        if river.workspaces.get(one) is not None
    ]

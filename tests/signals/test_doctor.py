"""The doctor says what can be had from events, and what is missing; it never falls over what it is given."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.config import Config
from signals.diagnosis import Diagnosis
from signals.doctor import MAX_NAMES, Doctor
from signals.doctor_findings import MOST_NAMES, PROBLEM
from signals.doctor_names import nearest_role, yaml_line, yaml_text
from signals.doctor_needs import FUNNEL, needs_of
from signals.doctor_shapes import format_of
from signals.domains import Domains
from signals.event import Role, Source
from signals.thresholds import Signals
from streams.config_source import check_text
from tests.signals.builders import MONDAY, engine

_DOMAINS = Domains(Config().domains)
_NAMED: dict[str, object] = {"events": {"activated": ["Report Shared"], "core": ["Dashboard Viewed"]}}


def doctor(settings: dict[str, object] | None = None) -> Doctor:
    return Doctor(Config.model_validate(settings or _NAMED), _DOMAINS)


def call(name: str = "Dashboard Viewed", **more: Any) -> dict[str, Any]:
    made = {
        "type": "track",
        "event": name,
        "messageId": f"{name}{more}",
        "userId": "ann",
        "context": {"groupId": "acme"},
        "timestamp": MONDAY,
        "receivedAt": MONDAY,
    }
    return made | more


def looked_at(*records: Any, settings: dict[str, object] | None = None) -> Diagnosis:
    looker = doctor(settings)
    for record in records:
        looker.take(record if isinstance(record, bytes) else json.dumps(record).encode())
    return looker.diagnosis()


def said(made: Diagnosis) -> str:
    return "\n".join(f"{one.what}: {one.then}" for one in made.findings)


# -- names


@pytest.mark.parametrize(
    ("name", "role"),
    [
        ("user_registered", Role.SIGNED_UP),
        ("signup_completed", Role.SIGNED_UP),
        ("SignedUp", Role.SIGNED_UP),
        ("com.example.user_signed_up", Role.SIGNED_UP),
        ("organization.created", Role.WORKSPACE_CREATED),
        ("Workspace Invitation Sent", Role.INVITE_SENT),
        ("MemberAdded", Role.MEMBER_JOINED),
        ("member_removed", Role.MEMBER_REMOVED),
        ("trial_expired", Role.TRIAL_ENDED),
        ("customer.subscription.updated", Role.PLAN_CHANGED),
        ("UpgradePromptShown", Role.FEATURE_GATED),
        ("talk_to_sales_clicked", Role.SALES_CONTACTED),
        ("dpa_requested", Role.PROCUREMENT_REQUESTED),
        ("Trail Started", Role.TRIAL_STARTED),
    ],
)
def test_name_reads_like_a_role(name: str, role: Role) -> None:
    near = nearest_role(name)

    assert near is not None
    assert near.role is role


@pytest.mark.parametrize(
    "name", ["Project Created", "Comment Added", "Invoice Paid", "Report Shared", "", "🦊", "1234", "Sign In", "Login"]
)
def test_name_of_something_else_reads_like_none(name: str) -> None:
    assert nearest_role(name) is None


@given(st.lists(st.text(min_size=1, max_size=30), min_size=1, max_size=4))
def test_line_to_paste_is_yaml_that_says_the_same(texts: list[str]) -> None:
    from ruamel.yaml import YAML

    line = yaml_line(Role.SIGNED_UP, texts)

    assert line.isprintable()
    assert YAML(typ="safe").load(line) == {"signed_up": texts}


@pytest.mark.parametrize("text", ["no", "Yes", "null", "a: b", "- x", "#1", "12", "a, b", "[x]"])
def test_text_that_yaml_would_take_for_something_else_is_quoted(text: str) -> None:
    assert yaml_text(text) == f'"{text}"'


def test_lines_to_paste_make_a_config_in_which_the_names_have_their_role() -> None:
    made = looked_at(call("user_registered"), call("paywall.shown"), call("Project Created"))

    pasted = check_text("\n".join(made.yaml) + "\n", "pasted").config

    assert "user_registered" in pasted.events.signed_up
    assert "Signed Up" in pasted.events.signed_up
    assert pasted.events.feature_gated[-1] == "paywall.shown"
    assert "2 names without a role read like one" in said(made)


def test_names_that_have_a_role_are_no_suggestion() -> None:
    made = looked_at(call("signed-up"), call("Report Shared"), call())

    assert made.suggestions == ()
    assert [(one.name, one.roles) for one in made.names] == [
        ("Dashboard Viewed", ("core",)),
        ("Report Shared", ("activated",)),
        ("signed-up", ("signed_up",)),
    ]


def test_most_used_names_are_candidates_while_activated_is_not_named() -> None:
    made = looked_at(call("Map Drawn"), call("Map Drawn", userId="bob"), call("Map Shared"), settings={"events": {}})

    assert [one.name for one in made.candidates] == ["Map Drawn", "Map Shared"]
    assert "events.activated names no event" in said(made)


def test_names_beyond_the_cap_are_counted_and_not_kept() -> None:
    looker = doctor()
    for number in range(MAX_NAMES + 5):
        looker.take(json.dumps(call(f"Viewed {number}")).encode())

    made = looker.diagnosis()
    assert made.names_left_out == 5
    assert len(looker.names) == MAX_NAMES


def test_what_has_a_role_is_seen_beyond_the_names_that_are_kept_or_shown() -> None:
    kept, beyond = doctor(), doctor()
    for looker, names in ((kept, MOST_NAMES), (beyond, MAX_NAMES)):
        for number in range(names):
            for _ in range(2 if looker is kept else 1):
                looker.take(json.dumps(call(f"Viewed {number}")).encode())
        looker.take(json.dumps(call("Report Shared")).encode())

    for made in (kept.diagnosis(), beyond.diagnosis()):
        assert not any("no event of role activated was seen" in finding.what for finding in made.findings)
        assert {one.name: one for one in made.signals}["activated"].can


# -- shapes


@pytest.mark.parametrize(
    ("record", "name"),
    [
        (call(), "Segment"),
        (call(rudderId="x"), "RudderStack"),
        (call(context={"library": {"name": "jitsu-js"}}), "Jitsu"),
        ({"event": "X", "userId": "ann"}, "Segment without a type"),
        ({"specversion": "1.0", "id": "1", "source": "/a", "type": "x"}, "CloudEvents"),
        ({"event_type": "x", "user_id": "ann", "insert_id": "1"}, "Amplitude"),
        ({"event": "x", "properties": {"distinct_id": "ann"}}, "Mixpanel"),
        ({"event": "x", "distinct_id": "ann", "properties": {}}, "PostHog"),
        ({"app_id": "a", "event_name": "x"}, "Snowplow"),
        ({"hello": 1}, "other JSON"),
    ],
)
def test_format_is_told(record: dict[str, Any], name: str) -> None:
    assert format_of(record) == name


def test_other_format_gets_paths_with_which_it_can_be_read() -> None:
    records = [
        {
            "specversion": "1.0",
            "id": f"m{number}",
            "source": "/app",
            "type": "com.example.user_signed_up",
            "time": "2026-03-02T10:00:00Z",
            "data": {"user": {"id": f"u{number}", "email": "a@x.example"}, "tenantId": "acme"},
        }
        for number in range(10)
    ]

    first = looked_at(*records)
    pasted = check_text("\n".join(first.yaml) + "\n", "pasted").config
    again = looked_at(*records, settings={"identity": pasted.identity.model_dump()})

    assert first.events == 0
    assert {one.field: one.path for one in first.paths} == {
        "message_id": "id",
        "event_name": "type",
        "user_id": "data.user.id",
        "workspace_id": "data.tenantId",
        "email": "data.user.email",
        "time": "time",
    }
    assert (again.events, again.with_user.count, again.with_workspace.count, again.with_email.count) == (10,) * 4
    assert [(one.name, one.role) for one in again.suggestions] == [("com.example.user_signed_up", "signed_up")]


def test_amplitude_s_counter_is_taken_for_no_id() -> None:
    # https://amplitude.com/docs/apis/analytics/export: `event_id` counts up, `$insert_id` is what tells copies.
    made = looked_at(*({"event_type": "x", "user_id": "ann", "event_id": n, "$insert_id": f"i{n}"} for n in range(9)))

    assert {one.field: one.path for one in made.paths}["message_id"] == "$insert_id"


def test_snowplow_s_events_are_called_by_their_name_and_not_by_their_kind() -> None:
    records = [
        {
            "app_id": "web",
            "collector_tstamp": "2026-03-02T10:00:00Z",
            "event": "unstruct",
            "event_name": "user_signed_up",
            "event_id": f"e{number}",
            "user_id": f"u{number}",
        }
        for number in range(10)
    ]

    first = looked_at(*records)
    pasted = check_text("\n".join(first.yaml) + "\n", "pasted").config
    again = looked_at(*records, settings={"identity": pasted.identity.model_dump()})

    assert pasted.identity.event_name == ("event_name", "event")
    assert [one.name for one in again.names] == ["user_signed_up"]
    assert again.paths == ()


# -- whom, where, when


def test_events_are_placed_by_their_own_workspace_or_the_only_one_of_their_user() -> None:
    bare = call(context={})
    made = looked_at(call(), bare, call(userId="bob", context={}), call(context={"groupId": "globex"}), bare)

    assert (made.with_workspace.count, made.placed_by_user.count, made.events) == (2, 1, 5)


def test_delays_and_wrong_clocks_are_counted() -> None:
    late, ahead = call(receivedAt=MONDAY + 3_600_001), call(receivedAt=MONDAY - 300_001)
    made = looked_at(call(), late, ahead)

    assert (made.delay.compared, made.delay.over_hour, made.delay.ahead) == (3, 1, 1)
    assert "more than 5 min ahead" in said(made)


def test_copies_and_missing_ids_are_counted() -> None:
    without = call("x")
    del without["messageId"]
    made = looked_at(call(), call(), call(userId="bob"), without)

    assert (made.duplicates.count, made.without_id.count) == (1, 1)


def test_users_in_several_partitions_are_counted() -> None:
    looker = doctor()
    for number, key in enumerate([b"ann", b"ann", b"acme"]):
        looker.take(json.dumps(call(f"x{number}")).encode(), key, MONDAY, Source("events", number % 2, number))

    made = looker.diagnosis()
    assert (made.keyed_by_user.count, made.keyed_by_user.of) == (2, 3)
    assert (made.split_users.count, made.split_users.of) == (1, 1)


# -- what can be had


def test_every_signal_and_every_number_of_the_funnel_has_its_needs() -> None:
    rules = engine(_NAMED).by_name

    assert [name for name in Signals.model_fields if not needs_of(rules[name])] == []
    assert all(FUNNEL.values())


def test_what_a_signal_needs_is_named() -> None:
    made = {one.name: one for one in looked_at(call(), call("Plan Changed", properties={"plan": "team"})).signals}

    assert made["multi_user"].can
    assert made["plan_upgraded"].can
    assert made["first_invite"].missing == (
        "an event of role invite_sent (Invite Sent, Teammate Invited, User Invited)",
    )
    assert made["seat_limit"].missing == ("seats (property `seats` of plan_changed, or trait `seats` of group calls)",)


def test_group_traits_bring_plan_and_seats_too() -> None:
    group = {
        "type": "group",
        "userId": "ann",
        "groupId": "acme",
        "timestamp": MONDAY,
        "traits": {"plan": "x", "seats": 3},
    }

    made = {one.name: one.can for one in looked_at(group, call()).signals}

    assert made["seats_added"]
    assert made["cancelled"]


def test_custom_signal_needs_its_events() -> None:
    custom = {
        "exports": {
            "rule": "count",
            "events": ["Report Exported"],
            "threshold": 3,
            "window": "7d",
            "scope": "user",
            "kind": "expansion",
        }
    }
    settings: dict[str, object] = _NAMED | {"custom": custom}

    without, there = looked_at(call(), settings=settings), looked_at(call("report_exported"), settings=settings)

    assert {one.name: one for one in without.signals}["exports"].missing == ("an event named Report Exported",)
    assert {one.name: one for one in there.signals}["exports"].can


def test_a_file_that_is_one_array_is_told_how_to_become_lines() -> None:
    assert "jq -c '.[]'" in said(looked_at([call(), call()]))


def test_nothing_at_all_is_a_problem() -> None:
    made = looked_at()

    assert [one.severity for one in made.findings] == [PROBLEM]


def test_diagnosis_is_json_and_the_same_for_the_same_records() -> None:
    one, other = looked_at(call(), b"{"), looked_at(call(), b"{")

    assert msgspec.json.encode(one) == msgspec.json.encode(other)


# -- whatever comes

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=10,
)
_KEYS = [
    "type",
    "event",
    "userId",
    "messageId",
    "timestamp",
    "context",
    "properties",
    "traits",
    "groupId",
    "user",
    "id",
]


@given(st.lists(st.binary(max_size=60) | st.dictionaries(st.sampled_from(_KEYS), _JSON, max_size=6), max_size=8))
def test_no_record_is_too_much_for_it(records: list[object]) -> None:
    looker = doctor()
    for record in records:
        try:
            value = record if isinstance(record, bytes) else json.dumps(record, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            value = b"\xed\xa0\x80"
        looker.take(value)

    made = looker.diagnosis()
    assert made.events + sum(made.bad.values()) == made.records == len(records)

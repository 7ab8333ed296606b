"""Segment's JSON to an Event: the golden file, every fine point of SIGNALS 2 and 3, and every reason to refuse."""

import hashlib
import json
from pathlib import Path

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.config import Config
from signals.errors import BadRecord
from signals.event import Event, Flag, Reason, Role, Source
from signals.formats.parsing import MAX_DEPTH
from signals.formats.segment import SegmentDecoder
from signals.moments import LATEST_MS, iso, parse_time

GOLDEN = Path(__file__).parent / "golden" / "segment.jsonl"
SOURCE = Source("events", 3, 42)
NOON = 1_795_176_000_000
MINUTE = 60_000
USER = {
    "type": "track",
    "event": "Project Created",
    "userId": "u1",
    "messageId": "m1",
    "timestamp": "2026-11-20T12:00:00Z",
}
DECODER = SegmentDecoder(Config())


def decode(record: object, *, at: int | None = NOON, config: dict[str, object] | None = None) -> Event:
    """Decode a record as the config says; `at` is the record's own time."""
    decoder = DECODER if config is None else SegmentDecoder(Config.model_validate(config))
    return decoder.decode(json.dumps(record).encode(), at, SOURCE)


def reason(value: bytes | None, *, at: int | None = NOON, max_bytes: int = 262_144) -> str:
    """Why a value is no event."""
    decoder = SegmentDecoder(Config.model_validate({"limits": {"max_event_bytes": max_bytes}}))
    with pytest.raises(BadRecord) as caught:
        decoder.decode(value, at, SOURCE)
    return caught.value.reason


def reason_of(**fields: object) -> str:
    """Why the usual record with other fields is no event."""
    return reason(json.dumps(USER | fields).encode())


def golden() -> list[tuple[str, object, object]]:
    return [
        (row["case"], row["record"], row["event"])
        for row in map(json.loads, GOLDEN.read_text(encoding="utf-8").splitlines())
    ]


@pytest.mark.parametrize(("record", "expected"), [row[1:] for row in golden()], ids=[row[0] for row in golden()])
def test_the_golden_records_become_the_golden_events(record: object, expected: object) -> None:
    event = DECODER.decode(json.dumps(record, separators=(",", ":")).encode(), NOON, SOURCE)

    assert json.loads(msgspec.json.encode(event)) == expected


# The bytes of a record.


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, Reason.NULL_VALUE),
        (b"", Reason.INVALID_JSON),
        (b"  ", Reason.INVALID_JSON),
        (b'{"type":"track"', Reason.INVALID_JSON),
        (b'{"a":1} x', Reason.INVALID_JSON),
        (b'{"a":NaN}', Reason.INVALID_JSON),
        (b'{"a":Infinity}', Reason.INVALID_JSON),
        (b"{'a':1}", Reason.INVALID_JSON),
        (b'{"a":"\\ud800"}', Reason.INVALID_JSON),
        (b'{"a":1e999,"b":"\\ud800"}', Reason.INVALID_JSON),
        (b'{"a":1e999,"b":NaN}', Reason.INVALID_JSON),
        (b'{"a":1e999', Reason.INVALID_JSON),
        (b'{"a":"\xff"}', Reason.INVALID_UTF8),
        (b'{"a":\xff}', Reason.INVALID_UTF8),
        (b'{"a":1e999,"b":"\xff"}', Reason.INVALID_UTF8),
        (b"\x00\x00\x00\x00\x07" + json.dumps(USER).encode(), Reason.CONFLUENT_JSON),
        (b"[]", Reason.NOT_AN_OBJECT),
        (b"null", Reason.NOT_AN_OBJECT),
        (b"1e999", Reason.NOT_AN_OBJECT),
        (b'"text"', Reason.NOT_AN_OBJECT),
        (b"[" * 100_000, Reason.TOO_DEEP),
    ],
)
def test_bytes_that_are_no_json_object_say_which_way(value: bytes | None, expected: Reason) -> None:
    assert reason(value) == expected


def test_a_record_of_the_largest_size_is_read_and_one_byte_more_is_not_even_parsed() -> None:
    value = json.dumps(USER).encode()
    full = value + b" " * (1_024 - len(value))

    assert (
        SegmentDecoder(Config.model_validate({"limits": {"max_event_bytes": 1_024}})).decode(full, NOON, SOURCE).id
        == "m1"
    )
    assert reason(full + b" ", max_bytes=1_024) == Reason.TOO_LARGE
    assert reason(b"\xff" * 1_025, max_bytes=1_024) == Reason.TOO_LARGE


def test_five_megabytes_are_refused_by_default() -> None:
    assert reason(b'{"a":"' + b"x" * 5_000_000 + b'"}') == Reason.TOO_LARGE


def nested(levels: int) -> bytes:
    """The usual record, itself one level, with a property that makes it `levels` deep."""
    return json.dumps(USER).encode()[:-1] + b',"x":' + b"[" * (levels - 1) + b"]" * (levels - 1) + b"}"


def test_nesting_is_refused_from_one_level_above_the_limit() -> None:
    assert DECODER.decode(nested(MAX_DEPTH), NOON, SOURCE).id == "m1"
    assert reason(nested(MAX_DEPTH + 1)) == Reason.TOO_DEEP


def test_a_number_beyond_a_double_is_as_if_absent() -> None:
    value = json.dumps(USER | {"event": "Plan Changed"}).encode()[:-1]
    value += b',"properties":{"mrr":1e999,"seats":' + b"9" * 500 + b',"plan":"pro"}}'

    assert DECODER.decode(value, NOON, SOURCE).properties == {"plan": "pro"}


def test_of_a_key_that_comes_twice_the_last_counts() -> None:
    assert DECODER.decode(json.dumps(USER).encode()[:-1] + b',"userId":"u2"}', NOON, SOURCE).user_id == "u2"


def test_details_tell_no_personal_values() -> None:
    with pytest.raises(BadRecord) as caught:
        decode(USER | {"userId": ["secret@acme.com"]})

    assert caught.value.detail == "userId is a list; an id is text or an integer"


# Its type and name (A30).


@pytest.mark.parametrize("kind", [None, "", "click", "Track", 7, {}, []])
def test_an_unknown_type_with_an_event_text_is_a_track(kind: object) -> None:
    assert decode(USER | {"type": kind}).type == "track"


@pytest.mark.parametrize("name", [None, "", "  ", 7, True, ["x"], {}])
def test_a_track_needs_a_text_name(name: object) -> None:
    assert reason_of(event=name) == Reason.NO_NAME
    assert reason_of(event=name, type="click") == Reason.NO_TYPE


def test_a_page_is_named_by_name_and_needs_none() -> None:
    assert decode(USER | {"type": "page", "name": "Pricing"}).name == "Pricing"
    assert decode(USER | {"type": "screen", "name": 7}).name is None


@pytest.mark.parametrize("kind", ["identify", "group", "page", "screen", "alias"])
def test_only_tracks_have_roles(kind: str) -> None:
    event = decode(USER | {"type": kind, "event": "Signed Up", "name": "Signed Up"})

    assert event.type == kind
    assert event.roles == ()
    assert event.matched is None


# Its ids, as A30 and A38 have them.


@pytest.mark.parametrize(
    ("sent", "kept"), [("u1", "u1"), (" u1 ", " u1 "), (42, "42"), (-1, "-1"), (0, "0"), (10**20, "1" + "0" * 20)]
)
def test_ids_are_text_as_it_is_or_integers(sent: object, kept: str) -> None:
    event = decode(USER | {"userId": sent, "anonymousId": sent, "messageId": sent, "context": {"groupId": sent}})

    assert (event.user_id, event.anonymous_id, event.id, event.workspace_id) == (kept,) * 4


@pytest.mark.parametrize("field", ["userId", "anonymousId"])
@pytest.mark.parametrize("value", [True, False, 1.5, 5.0, [], ["u1"], {}, {"id": "u1"}])
def test_a_user_of_another_kind_is_a_dead_letter(field: str, value: object) -> None:
    assert reason_of(**{field: value}) == Reason.BAD_ID


@pytest.mark.parametrize("value", [True, 1.5, [], {}, None, "", " \t"])
def test_a_workspace_of_another_kind_is_absent_and_the_next_path_is_tried(value: object) -> None:
    assert decode(USER | {"context": {"groupId": value}, "groupId": "w2"}).workspace_id == "w2"
    assert decode(USER | {"context": {"groupId": value}}).workspace_id is None
    assert decode(USER | {"context": "none"}).workspace_id is None


def test_blank_ids_are_absent() -> None:
    assert decode(USER | {"userId": " ", "anonymousId": "a1"}).user_id is None
    assert reason_of(userId="", anonymousId=None) == Reason.NO_SUBJECT


def test_the_subject_is_the_user_else_the_workspace_else_the_visitor() -> None:
    sent = USER | {"anonymousId": "a1", "groupId": "w1"}

    assert decode(sent).subject == "user:u1"
    assert decode(sent | {"userId": None}).subject == "workspace:w1"
    assert decode(sent | {"userId": None, "groupId": None}).subject == "anon:a1"


@pytest.mark.parametrize("message_id", [None, "", " ", True, 1.5, [], {}])
def test_without_a_message_id_the_bytes_are_the_id(message_id: object) -> None:
    record = USER | {"messageId": message_id}

    event = decode(record)

    assert event.id == hashlib.sha256(json.dumps(record).encode()).hexdigest()[:32]
    assert event.flags == (Flag.CONTENT_ID,)


# Its workspace, as A17 has it.


def test_a_group_call_prefers_its_own_group_and_any_other_call_the_context() -> None:
    sent = USER | {"groupId": "own", "context": {"groupId": "context"}}

    assert decode(sent).workspace_id == "context"
    assert decode(sent | {"type": "group"}).workspace_id == "own"
    assert decode(sent | {"type": "group", "groupId": None}).workspace_id == "context"


# The address of its user, as A18 has it.


def test_the_first_text_with_an_at_is_the_address() -> None:
    sent = USER | {
        "context": {"traits": {"email": "nobody"}},
        "traits": {"email": 7},
        "properties": {"email": " A@b.com "},
    }

    assert decode(sent).email == "A@b.com"
    assert decode(sent | {"traits": {"email": "t@b.com"}}).email == "t@b.com"
    assert decode(sent | {"properties": {"email": "nobody"}}).email is None


def test_on_an_invitation_the_property_is_somebody_elses_address() -> None:
    sent = USER | {"event": "Invite Sent", "properties": {"email": "guest@b.com"}}

    assert decode(sent).email is None
    assert decode(sent | {"traits": {"email": "host@b.com"}}).email == "host@b.com"


def test_without_a_user_no_address_is_kept() -> None:
    assert decode(USER | {"userId": None, "anonymousId": "a1", "traits": {"email": "a@b.com"}}).email is None


# The person of member_joined and member_removed, as A18 to A20 have it.


@pytest.mark.parametrize("name", ["Account Added User", "Account Removed User"])
@pytest.mark.parametrize("field", ["member_id", "user_id", "removed_user_id"])
def test_the_member_is_who_the_event_is_about(name: str, field: str) -> None:
    sent = USER | {"event": name, "anonymousId": "a1", "properties": {field: "m7", "email": "x@b.com"}}

    event = decode(sent)

    assert event.subject == "user:m7"
    assert event.anonymous_id is None
    assert event.email is None


def test_the_member_ids_are_tried_in_order_and_wrong_kinds_are_absent() -> None:
    properties = {"member_id": True, "user_id": " ", "removed_user_id": 7}

    assert decode(USER | {"event": "Workspace Left", "properties": properties}).user_id == "7"


def test_a_member_who_speaks_for_himself_keeps_address_and_visitor() -> None:
    sent = USER | {"event": "Invite Accepted", "anonymousId": "a1", "properties": {"email": "x@b.com"}}

    for event in (decode(sent), decode(sent | {"properties": {"member_id": "u1", "email": "x@b.com"}})):
        assert (event.user_id, event.anonymous_id, event.email) == ("u1", "a1", "x@b.com")


def test_other_events_are_about_their_user_whatever_their_properties() -> None:
    assert decode(USER | {"properties": {"user_id": "other"}}).user_id == "u1"


def test_a_member_event_without_any_user_is_one_of_its_workspace() -> None:
    sent = USER | {"event": "Workspace Joined", "userId": None}

    assert decode(sent | {"groupId": "w1"}).subject == "workspace:w1"
    assert reason(json.dumps(sent).encode()) == Reason.NO_SUBJECT


# Its time, as SIGNALS 2 and A29 have it.


def test_the_first_readable_time_counts() -> None:
    sent = USER | {"originalTimestamp": "2026-11-20T11:00:00Z"}

    assert iso(decode(sent).time) == "2026-11-20T12:00:00.000Z"
    unreadables: tuple[object, ...] = (None, "soon", True, "1999-12-31T23:59:59Z", 0, {})
    for unreadable in unreadables:
        assert iso(decode(sent | {"timestamp": unreadable}).time) == "2026-11-20T11:00:00.000Z"


def test_without_a_time_the_records_counts_and_without_both_none() -> None:
    sent = USER | {"timestamp": None, "receivedAt": "2026-11-20T11:00:00Z"}

    assert decode(sent).time == NOON
    # The last one: microseconds, as some producers write them.
    for unusable in (None, -1, 0, LATEST_MS, NOON * 1_000):
        assert reason(json.dumps(sent).encode(), at=unusable) == Reason.NO_TIME


def test_received_at_stands_in_where_events_are_the_clock() -> None:
    sent = USER | {"timestamp": None, "receivedAt": "2026-11-20T11:00:00Z"}

    assert iso(decode(sent, config={"clock": "events"}).time) == "2026-11-20T11:00:00.000Z"
    assert decode(sent | {"receivedAt": "?"}, config={"clock": "events"}).time == NOON


def test_five_minutes_ahead_is_kept_and_a_millisecond_more_is_clamped() -> None:
    sent = USER | {"timestamp": NOON + 5 * MINUTE}

    assert (decode(sent).time, decode(sent).flags) == (NOON + 5 * MINUTE, ())

    late = decode(sent, at=NOON - 1)
    assert (late.time, late.flags) == (NOON - 1, (Flag.CLOCK_CLAMPED,))


def test_nothing_is_clamped_where_events_are_the_clock_or_the_record_has_no_time() -> None:
    sent = USER | {"timestamp": "2030-01-01T00:00:00Z"}

    assert decode(sent, config={"clock": "events"}).time == parse_time("2030-01-01T00:00:00Z", Config().zone)
    assert decode(sent, at=None).flags == ()


def test_both_flags_can_stand_together() -> None:
    assert decode(USER | {"messageId": None}, at=NOON - 6 * MINUTE).flags == (Flag.CLOCK_CLAMPED, Flag.CONTENT_ID)


def test_a_time_without_a_zone_is_in_the_configured_one() -> None:
    event = decode(USER | {"timestamp": "2026-07-01T12:00:00"}, config={"time_zone": "Europe/Berlin"})

    assert iso(event.time) == "2026-07-01T10:00:00.000Z"


# Roles, what they read, and what is passive: A3, A21 and A35.


@pytest.mark.parametrize("name", ["signed_up", "SIGNED-UP", "Signed Up", "signedUp", " signed  up "])
def test_roles_are_matched_without_case_underscores_hyphens_and_spaces(name: str) -> None:
    event = decode(USER | {"event": name})

    assert event.roles == (Role.SIGNED_UP,)
    assert (event.name, event.matched) == (name, "Signed Up")


def test_every_default_name_has_its_role() -> None:
    for role in Role:
        for name in Config().events.of(role):
            assert decode(USER | {"event": name}).roles == (role,)


def test_an_event_has_every_role_that_lists_its_name() -> None:
    events = {"activated": ["Report Shared"], "core": ["report_shared"]}

    assert decode(USER | {"event": "Report Shared"}, config={"events": events}).roles == (Role.ACTIVATED, Role.CORE)


def test_the_request_type_is_the_name_as_the_config_writes_it() -> None:
    events = {"core": ["msa_requested"], "procurement_requested": ["MSA Requested", "DPA"]}

    assert decode(USER | {"event": "msa-requested"}, config={"events": events}).matched == "MSA Requested"
    assert decode(USER | {"event": "dpa"}, config={"events": events}).matched == "DPA"


def test_reports_about_somebody_and_names_listed_as_passive_are_passive() -> None:
    passive = {
        *(Role.TRIAL_STARTED, Role.TRIAL_ENDED, Role.PLAN_CHANGED, Role.USAGE_REPORTED),
        *(Role.MEMBER_JOINED, Role.MEMBER_REMOVED),
    }
    for role in Role:
        for name in Config().events.of(role):
            assert decode(USER | {"event": name}).passive == (role in passive)

    config: dict[str, object] = {"events": {"passive": ["Mail Sent", "Signed Up"]}}
    assert decode(USER | {"event": "mail_sent"}, config=config).passive
    assert decode(USER | {"event": "mail_sent"}, config=config).matched is None
    assert decode(USER | {"event": "Signed Up"}, config=config).passive
    assert not decode(USER, config=config).passive


@pytest.mark.parametrize(
    ("name", "kept"),
    [
        ("Trial Started", {"trial_start_date", "trial_end_date", "trial_plan_name"}),
        ("Trial Ended", {"trial_start_date", "trial_end_date", "trial_plan_name"}),
        ("Plan Changed", {"plan", "seats", "mrr", "currency"}),
        ("Usage Reported", {"metric", "used", "limit", "period"}),
        ("Feature Gated", {"feature"}),
        ("MSA Requested", set()),
        ("Project Created", set()),
    ],
)
def test_only_what_the_role_reads_is_kept(name: str, kept: set[str]) -> None:
    every = ("plan", "seats", "mrr", "currency", "metric", "used", "limit", "period", "feature", "other")
    properties = dict.fromkeys((*every, "trial_start_date", "trial_end_date", "trial_plan_name", "Plan"), "x")

    assert set(decode(USER | {"event": name, "properties": properties}).properties) == kept


def test_group_traits_are_kept_on_group_calls_alone() -> None:
    traits = {"plan": "pro", "seats": 5, "name": "Acme", "employees": 12.5, "website": "acme.com", "other": 1}
    sent = USER | {"type": "group", "groupId": "w1", "traits": traits}

    assert decode(sent).traits == {k: v for k, v in traits.items() if k != "other"}
    assert decode(sent | {"type": "identify"}).traits == {}


def test_only_scalars_are_kept_and_long_text_is_cut() -> None:
    properties = {"plan": "p" * 257, "seats": [5], "mrr": None, "currency": {"code": "EUR"}}

    assert decode(USER | {"event": "Plan Changed", "properties": properties}).properties == {"plan": "p" * 256}
    assert decode(USER | {"event": "Plan Changed", "properties": ["plan"]}).properties == {}
    assert decode(USER | {"event": "x" * 257}).name == "x" * 256


@pytest.mark.parametrize("sent", [10**309, -(10**309)])
def test_a_kept_integer_beyond_a_double_is_as_if_absent(sent: int) -> None:
    event = decode({"type": "group", "userId": "u", "groupId": "w", "traits": {"seats": sent, "plan": "team"}})

    assert event.traits == {"plan": "team"}


@pytest.mark.parametrize(
    ("sent", "kept"), [(2**63 - 1, 2**63 - 1), (2**63, 2.0**63), (-(2**63), -(2**63)), (True, True)]
)
def test_integers_beyond_64_bits_become_floats(sent: int, kept: float) -> None:
    value = decode(USER | {"event": "Plan Changed", "properties": {"seats": sent}}).properties["seats"]

    assert (value, type(value)) == (kept, type(kept))


def test_many_names_are_never_all_remembered() -> None:
    decoder = SegmentDecoder(Config())
    for n in range(10_050):
        decoder.decode(json.dumps(USER | {"event": f"Opened {n}"}).encode(), NOON, SOURCE)

    assert len(decoder._meanings._by_name) <= 10_000


def test_other_paths_can_be_configured() -> None:
    identity = {"user_id": ["actor.id", "userId"], "event_name": ["action"], "time": ["at"], "type": ["kind"]}
    record = {"actor": {"id": "u9"}, "userId": "u1", "action": "Signed Up", "at": "2026-11-20T11:00:00Z"}

    event = decode(record, config={"identity": identity})

    assert (event.user_id, event.roles, iso(event.time)) == ("u9", (Role.SIGNED_UP,), "2026-11-20T11:00:00.000Z")


# Laws for anything that can be sent.

FIELDS = (
    *("type", "event", "name", "userId", "anonymousId", "groupId", "messageId", "timestamp", "originalTimestamp"),
    *("receivedAt", "context", "traits", "properties", "email", "plan", "seats", "member_id"),
)
WORDS = st.sampled_from(
    ["track", "group", "identify", "Plan Changed", "Invite Accepted", "Invite Sent", "u1", "a@b.c", " "]
)
SCALARS = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | WORDS
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(FIELDS), inner, max_size=5),
    max_leaves=12,
)


@given(st.binary(max_size=200), st.none() | st.integers())
def test_bytes_raise_nothing_but_bad_record(value: bytes, at: int | None) -> None:
    try:
        event = DECODER.decode(value, at, SOURCE)
    except BadRecord as bad:
        assert bad.reason in set(Reason)  # noqa: PT017  # both outcomes are fine
    else:
        assert event.subject


@given(st.dictionaries(st.sampled_from(FIELDS), VALUES, max_size=12), st.none() | st.integers(0, 2 * NOON))
def test_any_object_becomes_an_event_that_travels_or_a_bad_record(record: dict[str, object], at: int | None) -> None:
    value = json.dumps(record).encode()
    try:
        event = DECODER.decode(value, at, SOURCE)
    except BadRecord as bad:
        assert bad.reason in set(Reason)  # noqa: PT017  # both outcomes are fine
    else:
        assert msgspec.json.decode(msgspec.json.encode(event), type=Event) == event
        assert DECODER.decode(value, at, SOURCE) == event
        assert event.user_id or event.anonymous_id or event.workspace_id

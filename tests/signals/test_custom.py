"""The stanzas under `custom`: what they may say, how events find them, and that no state outgrows its room by them."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable

import pytest
from pydantic import ValidationError

from signals.config import Config
from signals.config_warnings import warnings
from signals.domains import Domains
from signals.errors import BadRecord
from signals.event import Role, Source, Tick
from signals.facts import Command, Decision, Note, Order
from signals.formats.meanings import Meanings
from signals.formats.segment import SegmentDecoder
from signals.orders import read_command
from signals.room import MAX_STATE_BYTES
from signals.units import DAY_MS
from tests.signals.builders import ACTIVATION, MONDAY, day
from tests.signals.customs import CustomRiver
from tests.signals.hostile import LARGEST, Producer, Record, events
from tests.signals.test_bounds import KAFKA_BYTES, Watched

COUNT: dict[str, object] = {"rule": "count", "events": ["Report Exported"], "threshold": 3}
ABSENCE: dict[str, object] = {"rule": "absence", "after": ["Import Started"], "without": ["Imported"], "for": "3d"}
TEAM: dict[str, object] = {"rule": "distinct_users", "events": ["Report Edited"], "threshold": 3}


def config(custom: dict[str, object], **others: object) -> Config:
    return Config.model_validate({"custom": custom, **others})


def mistakes(custom: dict[str, object], **others: object) -> list[tuple[str, ...]]:
    """The keys at which something is wrong."""
    with pytest.raises(ValidationError) as refused:
        config(custom, **others)
    return [tuple(str(part) for part in error["loc"] if part != "[key]") for error in refused.value.errors()]


@pytest.mark.parametrize(
    ("stanza", "at"),
    [
        ({**COUNT, "threshold": 0}, "threshold"),
        ({**COUNT, "window": "9d"}, "window"),
        ({**COUNT, "cooldown": "-1d"}, "cooldown"),
        ({**COUNT, "kind": "measure"}, "kind"),
        ({**COUNT, "scope": "company"}, "scope"),
        ({**COUNT, "events": []}, "events"),
        ({**COUNT, "events": ["A", "a"]}, "events"),
        ({**COUNT, "title": ""}, "title"),
        ({**COUNT, "for": "3d"}, "for"),
        ({"rule": "count", "events": ["A"]}, "threshold"),
        ({**COUNT, "rule": "sum"}, "rule"),
        ({**COUNT, "rule": ["count"]}, "rule"),
        ({"events": ["A"]}, "rule"),
        ({**TEAM, "scope": "user"}, "scope"),
        ({**ABSENCE, "for": "0s"}, "for"),
        ({**ABSENCE, "for": 3}, "for"),
        ({**ABSENCE, "events": ["A"]}, "events"),
    ],
)
def test_mistake_in_a_stanza_is_told_at_its_key(stanza: dict[str, object], at: str) -> None:
    assert mistakes({"mine": stanza}) == [("custom", "mine", at)]


def test_wait_that_its_own_event_would_end_is_refused() -> None:
    assert mistakes({"mine": {**ABSENCE, "without": ["Imported", "import_started"]}}) == [
        ("custom", "mine", "without", "1")
    ]


@pytest.mark.parametrize("name", ["multi_user", "Mine", "my-signal", "7th", "", "x" * 65])
def test_name_is_that_of_no_other_signal_and_has_the_form_of_one(name: str) -> None:
    assert mistakes({name: COUNT}) == [("custom", name)]


def test_all_mistakes_of_a_stanza_are_told_at_once() -> None:
    assert mistakes({"mine": {"rule": "count", "event": ["A"], "window": "9d", "threshold": 0}}) == [
        ("custom", "mine", "event"),
        ("custom", "mine", "events"),
        ("custom", "mine", "threshold"),
        ("custom", "mine", "window"),
    ]


def test_stanza_that_is_none_and_too_many_of_them_are_refused() -> None:
    assert mistakes({"mine": 7}) == [("custom", "mine")]
    assert mistakes({f"mine{number}": COUNT for number in range(51)}) == [("custom",)]


def test_other_parts_of_the_config_may_name_them() -> None:
    made = config(
        {"mine": COUNT},
        routes=[{"signals": ["mine"], "priority": {"mine": "low"}, "play": {"mine": "Call."}}],
        policy={"free_to_paid": ["mine"]},
        alerts={"max_age_of": {"mine": "2h"}},
    )

    assert made.custom["mine"].cooldown.days == 7
    assert Config.model_validate(made.model_dump(mode="json")) == made


@pytest.mark.parametrize(
    ("others", "at"),
    [
        ({"routes": [{"signals": ["mein"]}]}, ("routes", "0", "signals", "0")),
        ({"routes": [{"priority": {"mein": "low"}}]}, ("routes", "0", "priority", "mein")),
        ({"routes": [{"play": {"mein": "Call."}}]}, ("routes", "0", "play", "mein")),
        ({"policy": {"free_to_paid": ["mine", "mein"]}}, ("policy", "free_to_paid", "1")),
        ({"alerts": {"max_age_of": {"mein": "2h"}}}, ("alerts", "max_age_of", "mein")),
    ],
)
def test_name_of_no_signal_is_refused_wherever_it_stands(others: dict[str, object], at: tuple[str, ...]) -> None:
    assert mistakes({"mine": COUNT}, **others) == [at]


def test_while_custom_has_mistakes_no_name_is_called_unknown() -> None:
    assert mistakes({"mine": {**COUNT, "threshold": 0}}, routes=[{"signals": ["mine"]}]) == [
        ("custom", "mine", "threshold")
    ]


@pytest.mark.parametrize("stanza", [COUNT, ABSENCE, TEAM])
def test_stanza_is_written_as_it_is_read(stanza: dict[str, object]) -> None:
    made = config({"mine": stanza})
    written = made.model_dump(mode="json")["custom"]["mine"]

    assert stanza.items() <= written.items()
    assert config({"mine": written}).hash == made.hash


def found(custom: dict[str, object], **others: object) -> list[str]:
    made = config(custom, **{"routes": [{"signals": list(custom)[:1], "priority": {}}], **others})
    return [str(one) for one in warnings(made, Domains(made.domains)) if one.key[0] in ("custom", "limits", "routes")]


def test_warnings_name_what_nobody_hears_of_and_what_never_matches() -> None:
    assert found({"mine": COUNT}) == []
    assert found({"mine": COUNT, "other": COUNT}) == [
        "custom.other: no route lists it: its signals go to plg.signals, and nobody hears of them"
    ]
    assert found({"mine": {**COUNT, "enabled": False}}) == ["routes.0.signals.0: the signal mine is switched off"]
    (text,) = found({"mine": {**ABSENCE, "without": ["Imported", "x" * 17]}}, limits={"max_text_chars": 16})
    assert text.startswith("custom.mine.without.1: 'xxxxxxxxxxxxxxxxx' never matches")
    (text,) = found({"mine": TEAM, "other": TEAM}, limits={"custom_keys": 1}, routes=[{"signals": ["mine", "other"]}])[
        -1:
    ]
    assert text.startswith("limits.custom_keys: is less than the 2 signals")


def test_name_finds_its_stanzas_whatever_its_case_and_beside_its_roles() -> None:
    custom = config({"b": COUNT, "a": {**COUNT, "events": ["report-EXPORTED", "Signed Up"]}, "w": ABSENCE}).custom
    meanings = Meanings(Config().events, custom)

    assert meanings.of("report_exported").customs == ("a", "b")
    assert meanings.of("Sign Up").customs == ()
    assert (meanings.of("signed up").customs, meanings.of("signed up").roles) == (("a",), (Role.SIGNED_UP,))
    assert (meanings.of("Import Started").customs, meanings.of("imported").customs) == (("w",), ("-w",))
    assert meanings.of("Imported").roles == ()


@pytest.mark.parametrize("extra", [{}, {"traits": {"email": "a@b.example"}}], ids=["usual", "general"])
@pytest.mark.parametrize(
    ("record", "customs"),
    [
        ({"type": "track", "event": "Report Exported"}, ("mine",)),
        ({"type": "track", "event": "Report Viewed"}, ()),
        ({"type": "page", "name": "Report Exported"}, ()),
    ],
)
def test_decoder_marks_tracks_only(extra: Record, record: Record, customs: tuple[str, ...]) -> None:
    decoder = SegmentDecoder(config({"mine": COUNT}))
    value = {
        "messageId": "m",
        "userId": "u",
        "context": {"groupId": "w"} | extra,
        "timestamp": "2026-03-02T12:00:00.000Z",
    }

    event = decoder.decode(json.dumps(value | record).encode(), None, Source("events", 0, 0))

    assert event.customs == customs
    assert event.matched == ("Report Exported" if customs else None)


def test_people_may_mute_them_by_name_and_no_other() -> None:
    message = {"command": "mute", "signal": "mine", "issued_at": "2026-03-02T12:00:00Z"}
    value = json.dumps(message).encode()

    assert read_command(value, {"mine"}).signal == "mine"
    with pytest.raises(BadRecord):
        read_command(value, {"yours"})


def test_muted_one_is_found_and_not_sent() -> None:
    one = CustomRiver({"mine": {**COUNT, "threshold": 1}}, routes=[{"signals": ["mine"]}])
    one.feed_fact(Command(Order.MUTE, MONDAY, 0, 1, None, "mine"))

    assert one.do("Report Exported", on=day(1)) == ["mine"]
    assert [verdict.verdict for verdict in one.verdicts] == [Decision.MUTED]


def test_one_that_waits_for_the_morning_expires_with_its_stanza() -> None:
    night = {"quiet_hours": {"start": "20:00", "end": "08:00"}}
    one = CustomRiver({"mine": {**COUNT, "threshold": 1}}, routes=[{"signals": ["mine"]}], policy=night)
    one.do("Report Exported", on=day(1, 23))
    one.engine = CustomRiver({}, policy=night).engine
    one.feed(Tick(day(2)))

    assert [verdict.verdict for verdict in one.verdicts] == [Decision.QUIET_HOURS, Decision.EXPIRED]
    assert one.alerts == []


def test_one_that_waited_while_its_stanza_got_another_rule_is_told_all_the_same() -> None:
    routes, stanza = [{"signals": ["mine"]}], {"events": ["Report Exported"], "threshold": 1}
    stanzas: list[dict[str, object]] = [{"rule": "count", **stanza}, {"rule": "distinct_users", **stanza}, ABSENCE]
    for before in stanzas[:2]:
        for after in stanzas:
            one = CustomRiver({"mine": before}, routes=routes, **ACTIVATION)
            one.do("Report Exported", on=day(1))
            one.engine = CustomRiver({"mine": after}, routes=routes, **ACTIVATION).engine
            one.do("Report Shared", on=day(1))

            # Nobody has been counted as a user yet, so that signal holds no more.
            holds = after["rule"] != "distinct_users" or before["rule"] == "distinct_users"
            assert len(one.alerts) == holds


class _Inventive(Producer):
    """Writes what fifty stanzas are about."""

    def _own(self) -> Record:
        return {"event": f"Own {self._random.randrange(50)}"}

    kinds = (_own,)


OWN: dict[str, object] = {
    f"{'x' * 62}{number:02d}": (
        {"rule": "count", "events": [f"Own {number}"], "threshold": 2, "cooldown": "1s", "scope": scope}
        if number % 5 == 0
        else {"rule": "distinct_users", "events": [f"Own {number}"], "threshold": 2, "cooldown": "1s"}
        if number % 5 < 3
        else {"rule": "absence", "after": [f"Own {number}"], "without": ["X"], "for": "1h", "scope": scope}
    )
    for number in range(50)
    for scope in [("user", "workspace")[number // 5 % 2]]
}


@pytest.mark.parametrize(("users", "workspaces"), [(1, None), (None, 1), (1, 1), (3, 40)])
def test_fifty_stanzas_and_a_careless_producer_make_no_state_too_large(
    users: int | None, workspaces: int | None, report: Callable[[str], None]
) -> None:
    river = Watched(
        {
            "custom": OWN,
            "limits": LARGEST | {"custom_keys": 1_000},
            "routes": [{"signals": list(OWN)}],
            "alerts": {"show_email": True},
        }
    )
    producer = _Inventive(7, 1_024, users=users, workspaces=workspaces)

    for made in events(river.engine.config, producer.records(600, step_ms=DAY_MS // 8)):
        river.feed(made)
    river.feed(Tick(MONDAY + 90 * DAY_MS))

    assert river.largest_state < MAX_STATE_BYTES
    assert river.largest_record < KAFKA_BYTES
    notes = Counter(river.notes)
    report(f"{river.largest_state:,} bytes the largest state; trimmed {notes[Note.STATE_TRIMMED]} times")

"""The short way for the usual record reads what the general way reads, and refuses what that one refuses."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from signals.config import Config
from signals.errors import BadRecord
from signals.event import Event, Source
from signals.formats.segment import SegmentDecoder
from signals.formats.usual import UsualRecords
from tests.streams.fuzzing import mutants

SOURCE = Source("product", 3, 42)
NOW = 1_795_176_000_000
EVENTS = {"activated": ["Report Shared"], "passive": ["Email Opened"]}
SETTINGS: list[dict[str, object]] = [
    {"events": EVENTS},
    {"events": EVENTS, "clock": "events", "time_zone": "America/New_York"},
    {"events": EVENTS, "limits": {"max_id_chars": 64, "max_text_chars": 16, "max_event_bytes": 1_100}},
    {
        "events": EVENTS,
        "identity": {"anonymous_id": ["anonymousId", "visitor"], "workspace_id": ["team.id", "groupId"]},
    },
    {"events": EVENTS, "identity": {"workspace_id": ["groupId"], "user_id": ["user.id"]}},
]
RECORD: dict[str, object] = {
    "type": "track",
    "messageId": "m-1",
    "userId": "u_1",
    "anonymousId": "a_1",
    "event": "Usage Reported",
    "properties": {"metric": "rows", "used": 90, "limit": 100, "n": [1, 2.5, None, True, {"x": "y"}]},
    "context": {"library": {"name": "analytics.js", "version": "2.11.1"}, "groupId": "ws_1"},
    "sentAt": "2026-11-20T12:00:00.002Z",
    "timestamp": "2026-11-20T12:00:00.000Z",
}
# What may stand anywhere: things that a parser which skips might let through, and values that are not what they should.
PIECES = (
    *(b"\x00", b"\x1f", b"\n", b"\t", b" ", b"\x7f", b"\x80", b"\xc3\xa9", b"\\", b'\\"', b"\\u0040", b"\\ud800", b"@"),
    *(b"0", b"01", b"-", b"1e999", b"1.", b".5", b"9" * 400, b"NaN", b"nul", b"null", b"true", b"tru", b"{}", b"[]"),
    *(
        b"{",
        b"}",
        b"[",
        b"]",
        b",",
        b":",
        b'"',
        b'"x"',
        b'"userId":"u_2",',
        b'"context":null,',
        b'"type":"page",',
        b"}{",
    ),
)


class _General(SegmentDecoder):
    """The decoder without the short way."""

    def __init__(self, config: Config) -> None:
        super().__init__(config)
        never: Any = type("Never", (), {"read": lambda *_: None})()
        self._usual = never


def _read(decoder: SegmentDecoder, value: bytes | None, time: int | None) -> Event | tuple[str, str]:
    try:
        return decoder.decode(value, time, SOURCE)
    except BadRecord as bad:
        return str(bad.reason), bad.detail


def _both(settings: dict[str, object]) -> tuple[SegmentDecoder, SegmentDecoder]:
    config = Config.model_validate(settings)
    return SegmentDecoder(config), _General(config)


def _spoilt(r: random.Random) -> bytes:
    value = bytearray(json.dumps(RECORD, separators=(",", ":")).encode())
    for _ in range(r.randint(0, 2)):
        at = r.randrange(len(value))
        until = at + r.choice((0, 0, 1, 1, 2, 10))
        value[at:until] = r.choice(PIECES)
    return bytes(value)


def _changed(r: random.Random) -> bytes:
    record = dict(RECORD)
    names = [*record, "name", "visitor", "team", "groupId", "receivedAt", "originalTimestamp", "traits"]
    values = (None, "", " ", "\u00a0", "x" * 65, "x" * 17, 5, 5.0, True, [], {}, {"id": "t1"}, {"groupId": 7}, "track")
    for _ in range(r.randint(1, 3)):
        name = r.choice(names)
        if r.random() < 0.2:
            record.pop(name, None)
        else:
            times = ("2026-11-20T12:05:00.001Z", "2026-11-20 12:00:00.000Z", "2026-11-20T12:00:00,000Z", NOW)
            record[name] = r.choice(times if "imestamp" in name else values)
    if r.random() < 0.3:
        record |= {"type": r.choice(("page", "screen")), "name": r.choice(("Pricing", None, "", " ", 7, "x" * 17))}
        if r.random() < 0.5:
            record.pop("event", None)
    elif r.random() < 0.3:
        record["event"] = r.choice(("Email Opened", "Report Shared", "Account Removed User", "Plan Changed", "x" * 20))
    return json.dumps(record, ensure_ascii=r.random() < 0.5).encode("utf-8", "surrogatepass")


@pytest.mark.parametrize("settings", SETTINGS)
def test_spoilt_and_changed_records_come_to_the_same_both_ways(settings: dict[str, object]) -> None:
    short, general = _both(settings)
    r = random.Random(11)

    for number in range(6_000):
        value, time = (_spoilt(r), NOW) if number % 2 else (_changed(r), r.choice((NOW, NOW - 1, None, -1)))
        assert _read(short, value, time) == _read(general, value, time), value


def test_mutants_of_the_fuzzer_come_to_the_same_both_ways() -> None:
    short, general = _both(SETTINGS[0])

    for mutant in mutants(5, 4_000):
        if mutant.value is None or len(mutant.value) < 100_000:
            assert _read(short, mutant.value, mutant.time) == _read(general, mutant.value, mutant.time), mutant.kind


@pytest.mark.parametrize(
    ("settings", "is_usual"), [(SETTINGS[0], True), (SETTINGS[1], True), (SETTINGS[4], False)], ids=str
)
def test_a_record_as_segment_sends_it_is_usual_where_the_paths_are_segments(
    settings: dict[str, object], is_usual: bool
) -> None:
    decoder, _ = _both(settings)
    usual: UsualRecords = decoder._usual

    assert (usual.read(json.dumps(RECORD).encode(), None, SOURCE) is not None) is is_usual


def test_what_its_roles_read_is_kept_of_a_usual_record() -> None:
    short, _ = _both(SETTINGS[0])

    event = short.decode(json.dumps(RECORD).encode(), NOW, SOURCE)

    assert event.properties == {"metric": "rows", "used": 90, "limit": 100}
    assert (event.workspace_id, event.matched) == ("ws_1", "Usage Reported")

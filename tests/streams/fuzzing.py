"""Mutated records: good ones of Segment, each spoilt in one of the ways in which records are spoilt."""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Callable, Iterator
from typing import NamedTuple

NOW_MS = 1_795_176_000_000
ISO = "2026-11-20T12:00:00.000Z"
# What a mutated record is at most, besides those that are made to be too large.
MAX_BYTES = 2_000_000

Json = dict[str, object]


class Mutant(NamedTuple):
    """A value, what was done to it, and the time of its record, -1 for none."""

    kind: str
    value: bytes | None
    time: int = NOW_MS


def good(r: random.Random) -> Json:
    """A record as a product sends it."""
    number = r.randrange(10**6)
    made: Json = {
        "type": "track",
        "event": r.choice(("Signed Up", "Report Shared", "Feature Gated", "Invite Sent", "Demo Requested", "Viewed")),
        "messageId": f"m{number}-{r.randrange(10**9)}",
        "userId": f"u{number % 500}",
        "anonymousId": f"a{number}",
        "timestamp": ISO,
        "receivedAt": ISO,
        "context": {"groupId": f"w{number % 90}", "traits": {"email": f"u{number}@intel.com"}},
        "properties": {"feature": "sso", "text": '\u00e9\u3042 \\ " {[', "deep": {"list": [1, 2.5, None, True]}},
    }
    kind = r.randrange(8)
    if kind == 0:
        made |= {
            "event": "Usage Reported",
            "properties": {"metric": "rows", "used": 90, "limit": 100, "period": "month"},
        }
        del made["userId"], made["anonymousId"]
    elif kind == 1:
        made |= {"type": "group", "groupId": f"w{number % 90}", "traits": {"plan": "pro", "seats": 5, "name": "Acme"}}
    elif kind == 2:
        made |= {"event": "Account Removed User", "properties": {"member_id": f"u{number % 77}"}}
    elif kind == 3:
        made |= {"event": "Plan Changed", "properties": {"plan": "pro", "seats": 7, "mrr": 99.5, "currency": "EUR"}}
    return made


def encoded(record: object) -> bytes:
    """As most producers write it."""
    return json.dumps(record, ensure_ascii=False).encode()


def _at(r: random.Random, value: bytes) -> int:
    return r.randrange(len(value))


def _flip(r: random.Random) -> bytes:
    value = bytearray(encoded(good(r)))
    for _ in range(r.choice((1, 1, 1, 3))):
        value[_at(r, value)] ^= 1 << r.randrange(8)
    return bytes(value)


def _insert(r: random.Random) -> bytes:
    value = encoded(good(r))
    at = _at(r, value)
    return value[:at] + r.randbytes(r.choice((1, 1, 2, 9))) + value[at:]


def _delete(r: random.Random) -> bytes:
    value = encoded(good(r))
    at = _at(r, value)
    return value[:at] + value[at + r.choice((1, 1, 2, 30)) :]


def _splice(r: random.Random) -> bytes:
    one, other = encoded(good(r)), encoded(good(r))
    return one[: _at(r, one)] + other[_at(r, other) :]


def _truncate(r: random.Random) -> bytes:
    value = encoded(good(r))
    return value[: _at(r, value)]


def _break_utf8(r: random.Random) -> bytes:
    bad = r.choice((b"\xff", b"\xc0\xaf", b"\xed\xa0\x80", b"\xf5\x80\x80\x80", b"\xe3\x81"))
    return encoded(good(r)).replace(b"2026", bad, 1)


def _raw(r: random.Random, *literals: bytes) -> bytes:
    """A record with one of the literals for the value of some key."""
    record = good(r)
    key = r.choice([*record, "properties.used", "context.groupId"])
    head, _, tail = key.partition(".")
    if tail:
        record[head] = {tail: "@@"}
    else:
        record[head] = "@@"
    return encoded(record).replace(b'"@@"', r.choice(literals))


def _no_number(r: random.Random) -> bytes:
    return _raw(r, b"NaN", b"Infinity", b"-Infinity", b"1e999", b"-1e400", b"nan", b"0x10", b"01", b"1.", b"-", b".5")


def _huge_number(r: random.Random) -> bytes:
    digits = r.choice((19, 20, 21, 100, 308, 310, 400, 401, 1_023, 1_024, 1_025, 4_300, 4_301, 20_000))
    return _raw(r, b"9" * digits, b"-" + b"9" * digits, b"0." + b"9" * digits, b"1" * digits + b".5")


def _twice(r: random.Random) -> bytes:
    value = encoded(good(r))
    key = r.choice(("userId", "type", "event", "timestamp", "context", "messageId"))
    what = r.choice(("null", '"x"', "[]", "5", '""'))
    more = f'"{key}": {what}'.encode()
    return b"{" + more + b", " + value[1:] if r.random() < 0.5 else value[:-1] + b", " + more + b"}"


def _half_surrogate(r: random.Random) -> bytes:
    return _raw(r, b'"\\ud800"', b'"a\\udfff"', b'{"\\ud800": 1}', b'"\\ud83d\\ude00"', b'"\\ude00\\ud83d"')


def _nest(r: random.Random) -> bytes:
    levels = r.choice((1, 10, 398, 399, 400, 401, 1_000, 5_000, 5_000))
    opened, closed = r.choice((("[", "]"), ('{"a":', "}"), ("[[", "]]"), ('[{"a":', "}]")))
    inside = r.choice(("", "1", '"]}"', '"\\"[[["'))
    inside = inside or ("1" if opened.endswith(":") else "")
    levels = levels // 2 if len(closed) > 1 else levels
    text = opened * levels + inside + closed * (levels if r.random() < 0.8 else levels - 1)
    return encoded(good(r))[:-1] + b', "x": ' + text.encode() + b"}"


def _kind_of_field(r: random.Random) -> bytes:
    return _raw(r, b"[]", b"{}", b"true", b"false", b"null", b"0", b"5", b"-1", b"5.0", b"1.5", b'["u1"]', b'{"id": 1}')


def _missing(r: random.Random) -> bytes:
    record = good(r)
    for key in r.sample(sorted(record), r.randrange(1, len(record))):
        del record[key]
    return encoded(record)


def _blank(r: random.Random) -> bytes:
    return _raw(r, b'""', b'" "', b'"\\t\\n"', b'"\\u00a0"', b'"\\u2003"', b'"\\u200b"', b'"\\u0000"')


def _long(r: random.Random) -> bytes:
    length = r.choice((255, 257, 1_024, 1_025, 100_000))
    return _raw(
        r, b'"' + b"x" * length + b'"', b'"' + "\U0001f600".encode() * length + b'"', b'"x@' + b"y" * length + b'"'
    )


def _another_format(r: random.Random) -> bytes:
    value = encoded(good(r))
    return r.choice(
        (
            b"\0" + r.randbytes(4) + r.randbytes(r.randrange(1, 80)),
            b"\0" + r.randbytes(4) + value,
            b"\0" + r.randbytes(r.randrange(4)),
            b"Obj\x01" + r.randbytes(50),
            b"\xc3\x01" + r.randbytes(r.randrange(60)),
            gzip.compress(value),
            b"\x0a\x05" + r.randbytes(20),
            b"\xef\xbb\xbf" + value,
            value.decode().encode("utf-16"),
            b"[" + value + b"]",
            value + b"\n" + value,
            b"hello",
            b"a,b,c\n1,2,3",
            b"<event/>",
            b"null",
            b"5",
            b'"text"',
        )
    )


_TIMES: tuple[object, ...] = (
    1_795_176_000,
    1_795_176_000_000,
    1_795_176_000.25,
    -1,
    0,
    946_684_799,
    946_684_800,
    99_999_999_999,
    253_402_214_399_999,
    253_402_214_400_000,
    1e30,
    10**30,
    True,
    None,
    "",
    "yesterday",
    "1795176000",
    [],
    {},
    ISO,
    "1999-12-31T23:59:59.999Z",
    "2000-01-01T00:00:00.000Z",
    "9999-12-31T00:00:00.000Z",
    "2026-02-30T00:00:00.000Z",
)


def _time(r: random.Random) -> bytes:
    record = good(r) | {"timestamp": r.choice(_TIMES), "originalTimestamp": r.choice(_TIMES)}
    return encoded(record)


def _times_everywhere(r: random.Random) -> bytes:
    now = NOW_MS + r.randrange(10**6)
    record = good(r)
    for key in record:
        if key not in ("type", "context", "properties", "timestamp") or r.random() < 0.1:
            record[key] = r.choice((now, str(now), ISO))
    record["properties"] = {str(now + n): now for n in range(50)} | {"feature": str(now), "metric": ISO, "plan": now}
    return encoded(record)


def _nothing(r: random.Random) -> bytes | None:
    return r.choice((None, None, b"", b" ", b"\n", b"{}", b"[]", b"{ }"))


KINDS: dict[str, Callable[[random.Random], bytes | None]] = {
    "bit flipped": _flip,
    "bytes inserted": _insert,
    "bytes deleted": _delete,
    "two records spliced": _splice,
    "truncated": _truncate,
    "invalid UTF-8": _break_utf8,
    "NaN, infinity, no number": _no_number,
    "huge number": _huge_number,
    "key twice": _twice,
    "half a surrogate pair": _half_surrogate,
    "nested": _nest,
    "field of another kind": _kind_of_field,
    "fields missing": _missing,
    "blank field": _blank,
    "long field": _long,
    "another format": _another_format,
    "times of all kinds": _time,
    "a time in every field": _times_everywhere,
    "nothing, or nothing in it": _nothing,
}
_UNDATED = "no time of the record's own"
_ENORMOUS: dict[str, Callable[[], bytes]] = {
    "10 MB": lambda: b'{"a":"' + b"x" * 10_000_000 + b'"}',
    "nested a million deep": lambda: b"[" * 1_000_000,
}


def mutants(seed: int, count: int, *, enormous: int = 0, undated: bool = True) -> Iterator[Mutant]:
    """So many mutated records, of every kind as many, among them some enormous ones."""
    r = random.Random(seed)
    names = list(KINDS)
    for number in range(count - 2 * enormous):
        kind = names[number % len(names)]
        if undated and number % 20 == 0:
            yield Mutant(_UNDATED, KINDS["times of all kinds"](r), -1)
        else:
            yield Mutant(kind, KINDS[kind](r))
    for kind, make in _ENORMOUS.items():
        yield from [Mutant(kind, make())] * enormous

"""
What is an event and what is none, by the written rules (docs/contract.md, SIGNALS 2) and the default config.

Written a second time with nothing but the standard library, so that a mistake of the decoder is not shared.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime

MAX_DEPTH = 400
MAX_ID_CHARS = 1_024
TYPES = ("track", "identify", "group", "page", "screen", "alias")
MEMBER_NAMES = ("accountaddeduser", "workspacejoined", "inviteaccepted", "accountremoveduser", "workspaceleft")
_RFC3339 = re.compile(r"(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(\.\d+)?Z", re.ASCII)
_PRINTED_DIGITS = 4_300


@dataclass(frozen=True)
class Good:
    """What an event must say."""

    type: str
    user_id: str | None
    anonymous_id: str | None
    workspace_id: str | None
    id: str


class _Bad(Exception):
    pass


def judge(value: bytes | None, record_time: int, max_bytes: int) -> Good | str:
    """The event that a record is, or the reason why it is none; `record_time` is -1 where it has none."""
    try:
        return _event(value, record_time, max_bytes)
    except _Bad as bad:
        return str(bad)


def _event(value: bytes | None, record_time: int, max_bytes: int) -> Good:
    record = _object(value, max_bytes)
    kind, name = _call(record)
    own, visitor = _subject(record.get("userId")), _subject(record.get("anonymousId"))
    properties = record.get("properties")
    user = own
    if kind == "track" and re.sub(r"[_\- ]", "", name).lower() in MEMBER_NAMES:
        members = properties if isinstance(properties, dict) else {}
        named = [_id(members.get(key)) for key in ("member_id", "user_id", "removed_user_id")]
        user = next((one for one in named if one), own)
        visitor = visitor if user == own else None
    context = record.get("context")
    groups = [_id(context.get("groupId") if isinstance(context, dict) else None), _id(record.get("groupId"))]
    workspace = next((one for one in (reversed(groups) if kind == "group" else groups) if one), None)
    if user is None and visitor is None and workspace is None:
        raise _Bad("no_subject")
    _not_long(user, visitor, workspace)
    if record_time < 0 and not any(_is_time(record.get(key)) for key in ("timestamp", "originalTimestamp")):
        raise _Bad("no_time")
    message = _id(record.get("messageId"))
    _not_long(message)
    return Good(kind, user, visitor, workspace, message or hashlib.sha256(value or b"").hexdigest()[:32])


def _object(value: bytes | None, max_bytes: int) -> dict[str, object]:
    if value is None:
        raise _Bad("null_value")
    if len(value) > max_bytes:
        raise _Bad("too_large")
    if _depth(value) > MAX_DEPTH:
        raise _Bad("too_deep")
    named = _wire_format(value)
    if named is not None:
        raise _Bad(named)
    try:
        text = value.decode()
    except UnicodeDecodeError:
        raise _Bad("invalid_utf8") from None
    record = _parsed(text)
    if record is _BROKEN:
        raise _Bad("invalid_json")
    if not isinstance(record, dict):
        raise _Bad("not_an_object")
    return record


_BROKEN = object()


def _parsed(text: str) -> object:
    def refuse(constant: str) -> object:
        raise ValueError(constant)

    def integer(digits: str) -> object:
        return int(digits) if len(digits.removeprefix("-")) <= _PRINTED_DIGITS else float("inf")

    try:
        parsed = json.loads(text, parse_constant=refuse, parse_int=integer)
        # Half a surrogate pair, anywhere, is no text.
        json.dumps(parsed, ensure_ascii=False, allow_nan=True).encode()
    except ValueError:
        return _BROKEN
    return parsed


def _depth(value: bytes) -> int:
    """The most brackets open at once outside of texts, reading byte by byte."""
    if value.lstrip(b" \t\r\n")[:1] not in (b"[", b"{"):
        return 0
    depth = deepest = 0
    for part in re.finditer(rb'"(?:[^"\\]|\\.)*+"?|[\[{]|[\]}]', value, re.DOTALL):
        first = value[part.start()]
        if first in b"[{":
            depth += 1
            deepest = max(deepest, depth)
        elif first in b"]}":
            depth -= 1
    return deepest


def _wire_format(value: bytes) -> str | None:
    if value[:1] == b"\0":
        if len(value) < 5:
            return "not_json"
        payload = value[5:].decode("utf-8", "surrogateescape").lstrip()
        return (
            "confluent_json" if payload[:1] == "{" and _parsed(payload) is not _BROKEN else "confluent_avro_or_protobuf"
        )
    if value[:4] == b"Obj\x01":
        return "avro_file"
    if value[:2] == b"\xc3\x01" and len(value) >= 10:
        return "avro_single_object"
    return "gzip" if value[:2] == b"\x1f\x8b" else None


def _call(record: dict[str, object]) -> tuple[str, str]:
    kind, name = record.get("type"), record.get("event")
    has_name = isinstance(name, str) and name.strip() != ""
    if isinstance(kind, str) and kind in TYPES and kind != "track":
        return kind, ""
    if not has_name:
        raise _Bad("no_name" if kind == "track" else "no_type")
    return "track", str(name)[:256]


def _subject(value: object) -> str | None:
    if value is not None and (isinstance(value, bool) or not isinstance(value, str | int)):
        raise _Bad("bad_id")
    return _id(value)


def _id(value: object) -> str | None:
    if isinstance(value, str):
        return value if value.strip() else None
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else None


def _not_long(*ids: str | None) -> None:
    if any(one is not None and len(one) > MAX_ID_CHARS for one in ids):
        raise _Bad("long_id")


def _is_time(value: object) -> bool:
    """Of numbers all that SIGNALS A29 takes; of texts only the form that is in use."""
    if isinstance(value, bool):
        return False
    if isinstance(value, int | float):
        seconds = value if value < 1e11 else value / 1_000
        return datetime(2000, 1, 1, tzinfo=UTC).timestamp() <= seconds < 253_402_214_400
    found = _RFC3339.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return False
    try:
        moment = datetime(*(int(part) for part in found.groups()[:6]), tzinfo=UTC)  # type: ignore[misc,arg-type]  # six numbers
    except ValueError:
        return False
    return datetime(2000, 1, 1, tzinfo=UTC) <= moment < datetime(9999, 12, 31, tzinfo=UTC)

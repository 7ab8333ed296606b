"""Bytes to one JSON object, or the exact reason why there is none; the same for every bus format that is JSON."""

from __future__ import annotations

import json

import msgspec

from signals.errors import BadRecord
from signals.event import Reason
from signals.formats.wire import name_format

JsonObject = dict[str, object]

# Deeper than any product nests, and well under what the interpreter's stack allows at any depth of calls: a limit of
# our own is met at the same depth in a worker and in a backtest.
MAX_DEPTH = 400
# An integer of more digits is beyond a double, too.
_MAX_DIGITS = 400

_decode = msgspec.json.Decoder().decode


def parse_object(value: bytes | None, max_bytes: int) -> JsonObject:
    """
    Parse a record's value.

    Raises:
        BadRecord: Null, too large, not UTF-8, not JSON, nested too deeply, or JSON but no object.
    """
    if value is None:
        raise BadRecord(Reason.NULL_VALUE, "a record without a value")
    if len(value) > max_bytes:
        raise BadRecord(Reason.TOO_LARGE, f"{len(value)} bytes; limits.max_event_bytes is {max_bytes}")
    try:
        record = _decode(value)
    except UnicodeDecodeError as error:
        raise BadRecord(Reason.INVALID_UTF8, f"at byte {error.start}") from None
    except RecursionError:
        raise BadRecord(Reason.TOO_DEEP, f"nested more than {MAX_DEPTH} deep") from None
    except msgspec.ValidationError:
        # Only a number out of range: valid JSON all the same, and hardly a number that we read.
        record = _parse_beyond_double(value)
    except msgspec.DecodeError as error:
        raise _not_json(value, error) from None
    if type(record) is not dict:
        raise BadRecord(Reason.NOT_AN_OBJECT, "JSON, but no object")
    # A level is two bytes at least; counting costs a short event more than it is worth.
    if len(value) > 2 * MAX_DEPTH and value.count(b"{") + value.count(b"[") > MAX_DEPTH and _is_deep(record):
        raise BadRecord(Reason.TOO_DEEP, f"nested more than {MAX_DEPTH} deep")
    return record


def _not_json(value: bytes, error: msgspec.DecodeError) -> BadRecord:
    named = name_format(value)
    if named is not None:
        return named
    try:
        value.decode()
    except UnicodeDecodeError as broken:
        return BadRecord(Reason.INVALID_UTF8, f"at byte {broken.start}")
    return BadRecord(Reason.INVALID_JSON, str(error))


def _parse_beyond_double(value: bytes) -> object:
    """Parse with numbers beyond a double as infinity, which every reader of the record takes for absent."""
    try:
        record: object = json.loads(value.decode(), parse_int=_integer, parse_constant=_refuse)
        # Half a surrogate pair is no text: unlike the fast parser, this one lets it through.
        json.dumps(record, ensure_ascii=False).encode()
    except RecursionError:
        raise BadRecord(Reason.TOO_DEEP, f"nested more than {MAX_DEPTH} deep") from None
    except UnicodeDecodeError as error:
        raise BadRecord(Reason.INVALID_UTF8, f"at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise BadRecord(Reason.INVALID_JSON, f"{error.msg} (byte {error.pos})") from None
    except ValueError as error:
        raise BadRecord(Reason.INVALID_JSON, type(error).__name__) from None
    return record


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits) <= _MAX_DIGITS else float(digits)


def _refuse(constant: str) -> object:
    raise ValueError(constant)


def _is_deep(record: object) -> bool:
    level = [record]
    for _ in range(MAX_DEPTH):
        level = [child for node in level for child in _children(node)]
        if not level:
            return False
    return True


def _children(node: object) -> list[object]:
    values = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    return [child for child in values if isinstance(child, dict | list)]

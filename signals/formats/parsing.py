"""
Bytes to one JSON object, or the exact reason why there is none; the same for every bus format that is JSON.

Size and depth are judged before a parser sees the bytes, in time that grows with the size and nothing else.
"""

from __future__ import annotations

import json
from itertools import accumulate

import msgspec

from signals.errors import BadRecord
from signals.event import Reason
from signals.formats.wire import name_format

JsonObject = dict[str, object]

# Deeper than any product nests, and well under what the interpreter's stack allows at any depth of calls: a limit of
# our own is met at the same depth in a worker and in a backtest.
MAX_DEPTH = 400
# The fast parser reads integers of so many digits.
_MAX_DIGITS = 4_300
_BLANKS = b" \t\n\r"
# What opens a level counts 1, what closes one 255, which is -1 as a signed byte; anything else is left out.
_STEPS = bytes(1 if byte in b"{[" else 255 if byte in b"}]" else 0 for byte in range(256))
# Added up so many at a time: what is far too deep is so within the first of them.
_CHUNK = 512
_NO_STEPS = bytes(byte for byte in range(256) if byte not in b"{}[]")

_TOO_DEEP = f"nested more than {MAX_DEPTH} deep"

_decode = msgspec.json.Decoder().decode


def parse_object(value: bytes | None, max_bytes: int) -> JsonObject:
    """
    Parse a record's value.

    Raises:
        BadRecord: Null, too large, nested too deeply, not UTF-8, not JSON, or JSON but no object; of several of these
            the first.
    """
    if value is None:
        raise BadRecord(Reason.NULL_VALUE, "a record without a value")
    if len(value) > max_bytes:
        raise BadRecord(Reason.TOO_LARGE, f"{len(value)} bytes; limits.max_event_bytes is {max_bytes}")
    # JSON of so many levels has two bytes a level at least. Counting costs next to nothing; what it lets through by
    # far is looked at closely.
    if len(value) > 2 * MAX_DEPTH and value.count(b"{") + value.count(b"[") > MAX_DEPTH and _is_deep(value):
        raise BadRecord(Reason.TOO_DEEP, _TOO_DEEP)
    try:
        record = _decode(value)
    except UnicodeDecodeError as error:
        raise BadRecord(Reason.INVALID_UTF8, f"at byte {error.start}") from None
    except RecursionError:
        # Only where the caller's own stack is nearly used up; never in a worker or a backtest.
        raise BadRecord(Reason.TOO_DEEP, _TOO_DEEP) from None
    except msgspec.ValidationError:
        # Only a number out of range: valid JSON all the same, and hardly a number that we read.
        record = _parse_beyond_double(value)
    except msgspec.DecodeError as error:
        raise _not_json(value, error) from None
    if type(record) is not dict:
        raise BadRecord(Reason.NOT_AN_OBJECT, "JSON, but no object")
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
        raise BadRecord(Reason.TOO_DEEP, _TOO_DEEP) from None
    except UnicodeDecodeError as error:
        raise BadRecord(Reason.INVALID_UTF8, f"at byte {error.start}") from None
    except json.JSONDecodeError as error:
        raise BadRecord(Reason.INVALID_JSON, f"{error.msg} (byte {error.pos})") from None
    except ValueError as error:
        raise BadRecord(Reason.INVALID_JSON, type(error).__name__) from None
    return record


def _integer(digits: str) -> int | float:
    return int(digits) if len(digits.removeprefix("-")) <= _MAX_DIGITS else float(digits)


def _refuse(constant: str) -> object:
    raise ValueError(constant)


def _is_deep(value: bytes) -> bool:
    """
    Whether brackets outside of texts are open more than MAX_DEPTH deep at any place, well-formed or not.

    Bytes that begin with neither bracket hold no nested JSON, whatever they are.
    """
    if value.lstrip(_BLANKS)[:1] not in (b"{", b"["):
        return False
    # Without escaped backslashes and then without escaped quotes, every quote left begins or ends a text.
    texts = value.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"') if b"\\" in value else value.split(b'"')
    steps = b"".join(texts[::2]).translate(_STEPS, _NO_STEPS)
    depth = 0
    for start in range(0, len(steps), _CHUNK):
        depths = list(accumulate(memoryview(steps)[start : start + _CHUNK].cast("b"), initial=depth))
        if max(depths) > MAX_DEPTH:
            return True
        depth = depths[-1]
    return False

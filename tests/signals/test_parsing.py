"""Size and depth are judged before anything is parsed: at the same depth whatever the text is, and in linear time."""

from __future__ import annotations

import gc
import json
import time
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.errors import BadRecord
from signals.event import Reason
from signals.formats import parsing
from signals.formats.parsing import MAX_DEPTH, JsonObject, parse_object

MAX_BYTES = 262_144
# How much longer than a good value of its size a hostile one may take. Measured are 4 to 19: two bytes make an array,
# and arrays have to be made and collected. What grew with the square of its size would take a thousand times as long.
MOST_TIMES = 60


def reason(value: bytes) -> str | None:
    """Why a value is no object, None if it is one."""
    try:
        parse_object(value, MAX_BYTES)
    except BadRecord as bad:
        return bad.reason
    return None


def nested(levels: int, inside: str = "") -> bytes:
    """An object of so many levels in all, objects and arrays by turns, with something in the innermost."""
    opened = ["{" if level % 2 == 0 else "[" for level in range(levels)]
    text = "".join('{"a":' if bracket == "{" else "[" for bracket in opened[:-1]) + opened[-1]
    inner = f'"t":{inside}' if inside and opened[-1] == "{" else inside
    return (text + inner + "".join("}" if bracket == "{" else "]" for bracket in reversed(opened))).encode()


@pytest.mark.parametrize("inside", ["", '"]]]}}}"', '"\\"]}"', '"\\\\"', '"\\\\\\"[[["', '"\u3042\u305b"'])
def test_the_limit_is_at_the_same_depth_whatever_stands_in_the_texts(inside: str) -> None:
    assert reason(nested(MAX_DEPTH, inside)) is None
    assert reason(nested(MAX_DEPTH + 1, inside)) == Reason.TOO_DEEP


@pytest.mark.parametrize(
    "text", ["[" * 5_000, "{" * 5_000, '\\"' * 500 + "[" * 5_000, "\\\\" * 500 + "[" * 5_000, '\\\\\\"[' * 900]
)
def test_brackets_inside_a_text_are_no_depth(text: str) -> None:
    assert reason(b'{"a":"' + text.encode() + b'"}') is None


def test_many_brackets_side_by_side_are_no_depth() -> None:
    assert reason(b'{"a":[' + b"[]," * 5_000 + b"{}]}") is None


def test_a_quote_behind_an_escaped_backslash_ends_its_text() -> None:
    assert reason(b'{"a":"' + b"x" * 900 + b'\\\\","b":' + b"[" * 400 + b"]" * 400 + b"}") == Reason.TOO_DEEP


@pytest.mark.parametrize("broken", [b"", b" x", b"\xff", b'"\\ud800"', b"NaN"])
def test_too_deep_wins_over_whatever_else_is_wrong_with_the_text(broken: bytes) -> None:
    assert reason(b"[" * 401 + broken + b"]" * 401) == Reason.TOO_DEEP
    assert reason(b" \n[" * 401 + broken) == Reason.TOO_DEEP


@pytest.mark.parametrize("levels", [1, 200, 400])
def test_broken_text_that_is_not_too_deep_stays_what_it_was(levels: int) -> None:
    assert reason(b"[" * levels + b" " * 1_000) == Reason.INVALID_JSON
    assert reason(b"[" * levels + b"\xff" + b"]" * 1_000) == Reason.INVALID_UTF8
    assert reason(b"[" * levels + b"]" * levels + b" " * 1_000) == Reason.NOT_AN_OBJECT


@pytest.mark.parametrize(
    ("head", "expected"),
    [
        (b"\x00\x00\x00\x00\x07", Reason.CONFLUENT_AVRO_OR_PROTOBUF),
        (b"Obj\x01", Reason.AVRO_FILE),
        (b"\x1f\x8b", Reason.GZIP),
        (b"hello", Reason.INVALID_JSON),
    ],
)
def test_what_begins_with_no_bracket_is_named_by_its_first_bytes_however_many_brackets_follow(
    head: bytes, expected: Reason
) -> None:
    assert reason(head + b"[" * 5_000) == expected


def test_a_value_that_is_too_deep_never_reaches_the_parser(monkeypatch: pytest.MonkeyPatch) -> None:
    def parse(value: bytes) -> JsonObject:
        raise AssertionError(f"parsed {len(value)} bytes")

    monkeypatch.setattr(parsing, "_decode", parse)

    assert reason(b'{"a":' + b"[" * 100_000) == Reason.TOO_DEEP


def depth_of(node: object) -> int:
    """How many levels a parsed value has: the rule, written down a second time."""
    if isinstance(node, dict):
        return 1 + max(map(depth_of, node.values()), default=0)
    return 1 + max(map(depth_of, node), default=0) if isinstance(node, list) else 0


texts = st.text(alphabet='ab"\\[]{}\u00e9\n', max_size=8)
trees = st.recursive(
    texts | st.integers() | st.none(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(texts, inner, max_size=4),
    max_leaves=40,
)


@given(tree=trees, limit=st.integers(1, 6), ascii_only=st.booleans())
def test_the_depth_of_any_json_is_what_counting_its_levels_gives(tree: object, limit: int, *, ascii_only: bool) -> None:
    value = json.dumps({"a": tree}, ensure_ascii=ascii_only).encode()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(parsing, "MAX_DEPTH", limit)
        patch.setattr(parsing, "_CHUNK", 7)

        assert parsing._is_deep(value) == (depth_of({"a": tree}) > limit)


def _hostile() -> dict[str, bytes]:
    """Values of nearly the largest size, each made to cost as much as possible."""
    size = MAX_BYTES - 20
    return {
        "brackets and nothing else": b"[" * size,
        "400 levels, again and again": b'{"a":[' + b",".join([b"[" * 398 + b"]" * 398] * (size // 797)) + b"]}",
        "empty arrays": b'{"a":[' + b"[]," * (size // 3 - 5) + b"1]}",
        "empty objects": b'{"a":[' + b"{}," * (size // 3 - 5) + b"1]}",
        "brackets in one text": b'{"a":"' + b"[" * (size - 10) + b'"}',
        "brackets in many texts": b'{"a":["' + b'[","' * (size // 4 - 5) + b'"]}',
        "escaped quotes": b'{"a":"' + b'\\"' * (size // 2 - 600) + b"[" * 900 + b'"}',
        "one number of all digits": b'{"a":' + b"9" * (size - 10) + b"}",
        "one fraction of all digits": b'{"a":0.' + b"9" * (size - 10) + b"}",
        "numbers beyond a double": b'{"a":[' + b"1e999," * (size // 6 - 5) + b"1]}",
        "different keys": b"{" + b",".join(b'"%d":1' % n for n in range(size // 10)) + b"}",
        "a text that never ends": b'{"a":[' + b"[" * 399 + b'"' + b"[" * (size - 600),
    }


def _best_s(value: bytes) -> float:
    def once() -> float:
        started = time.perf_counter()
        reason(value)
        return time.perf_counter() - started

    # What the collector adds depends on everything else that the process holds.
    gc.disable()
    try:
        return min(once() for _ in range(5))
    finally:
        gc.enable()


def test_no_hostile_value_of_the_largest_size_takes_much_longer_than_a_good_one(report: Callable[[str], None]) -> None:
    names = [{"name": f"Project {n}", "n": n, "ok": True} for n in range(5_200)]
    good = json.dumps({"type": "track", "properties": {"all": names}}).encode()
    good_s = _best_s(good)
    assert reason(good) is None

    took = {kind: _best_s(value) for kind, value in _hostile().items()}

    for kind, took_s in took.items():
        report(f"{kind:27} {took_s * 1e3:6.2f} ms, {took_s / good_s:4.1f} x a good one of the same size")
    assert max(took.values()) < MOST_TIMES * good_s, took

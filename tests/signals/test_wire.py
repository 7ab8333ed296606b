"""A record in another format than JSON names that format in its reason, and nothing else does."""

from __future__ import annotations

import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.errors import BadRecord
from signals.event import Reason
from signals.formats.parsing import parse_object
from signals.formats.wire import name_format

GOLDEN = Path(__file__).parent / "golden" / "wire.jsonl"


def refusal(value: bytes) -> BadRecord:
    with pytest.raises(BadRecord) as caught:
        parse_object(value, 1_000_000)
    return caught.value


def golden() -> list[tuple[str, str, str, str]]:
    rows = map(json.loads, GOLDEN.read_text(encoding="utf-8").splitlines())
    return [(row["case"], row["hex"], row["reason"], row["error"]) for row in rows]


@pytest.mark.parametrize(("value", "reason", "error"), [row[1:] for row in golden()], ids=[row[0] for row in golden()])
def test_the_golden_bytes_have_the_golden_reason(value: str, reason: str, error: str) -> None:
    seen = refusal(bytes.fromhex(value))

    assert (seen.reason, seen.detail) == (reason, error)


@given(schema=st.integers(0, 2**32 - 1), payload=st.binary(max_size=50))
def test_whatever_stands_behind_confluents_frame_the_schema_id_is_named(schema: int, payload: bytes) -> None:
    seen = refusal(b"\x00" + schema.to_bytes(4, "big") + payload)

    assert seen.reason in {Reason.CONFLUENT_AVRO_OR_PROTOBUF, Reason.CONFLUENT_JSON}
    assert f"schema id {schema}," in seen.detail


@given(st.dictionaries(st.text(max_size=5), st.text(max_size=20)), st.integers(0, 2))
def test_json_behind_confluents_frame_is_told_from_avro_and_protobuf(record: dict[str, str], blanks: int) -> None:
    assert refusal(b"\x00\x00\x00\x00\x01" + b" " * blanks + json.dumps(record).encode()).reason == "confluent_json"


def test_numbers_and_depth_that_we_do_not_read_are_json_behind_the_frame_all_the_same() -> None:
    assert refusal(b"\x00\x00\x00\x00\x01" + b'{"a":1e999}').reason == Reason.CONFLUENT_JSON
    assert refusal(b"\x00\x00\x00\x00\x01" + b'{"a":' + b"[" * 100_000).reason == Reason.CONFLUENT_JSON


def test_a_gzipped_event_is_named_whatever_level_compressed_it() -> None:
    event = json.dumps({"type": "track"}).encode()

    assert {refusal(gzip.compress(event, level)).reason for level in (0, 1, 9)} == {Reason.GZIP}


@given(
    st.binary(max_size=40).filter(lambda value: not value.startswith((b"\x00", b"Obj\x01", b"\xc3\x01", b"\x1f\x8b")))
)
def test_no_other_bytes_name_a_format(value: bytes) -> None:
    assert name_format(value) is None

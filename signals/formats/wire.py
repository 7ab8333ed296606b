"""Names what a record is when it is no JSON: the wire formats and files that say so in their first bytes."""

from __future__ import annotations

import msgspec

from signals.errors import BadRecord
from signals.event import Reason

# Confluent's wire format: 0x00, the schema's id in four bytes, big-endian, then the payload.
_CONFLUENT = b"\x00"
_CONFLUENT_HEAD = 5
# Avro's single-object encoding: these two, the schema's fingerprint in eight bytes, little-endian, then the datum.
_AVRO_SINGLE = b"\xc3\x01"
_AVRO_SINGLE_HEAD = 10
# An Avro object container file, schema and all, sent as one record.
_AVRO_FILE = b"Obj\x01"
_GZIP = b"\x1f\x8b"

_decode = msgspec.json.Decoder().decode


def name_format(value: bytes) -> BadRecord | None:
    """
    Why bytes that do not parse as JSON are none, where their first bytes name another format.

    Protobuf without a frame has no first bytes of its own: it ends as invalid UTF-8 or JSON.

    Returns:
        None if they name nothing.
    """
    if value.startswith(_CONFLUENT):
        return _confluent(value)
    if value.startswith(_AVRO_FILE):
        return BadRecord(Reason.AVRO_FILE, "bytes 'Obj' 0x01 first: an Avro file; one JSON object a record is expected")
    if value.startswith(_AVRO_SINGLE) and len(value) >= _AVRO_SINGLE_HEAD:
        fingerprint = int.from_bytes(value[2:_AVRO_SINGLE_HEAD], "little")
        detail = f"bytes 0xC3 0x01 first: Avro's single-object encoding, schema fingerprint {fingerprint:016x}"
        return BadRecord(Reason.AVRO_SINGLE_OBJECT, f"{detail}; plain JSON is expected")
    if value.startswith(_GZIP):
        return BadRecord(
            Reason.GZIP, "bytes 0x1F 0x8B first: gzip; compress by the producer's compression.type instead"
        )
    return None


def _confluent(value: bytes) -> BadRecord:
    if len(value) < _CONFLUENT_HEAD:
        return BadRecord(Reason.NOT_JSON, f"byte 0x00 first, {len(value)} bytes: no format that we know")
    schema = int.from_bytes(value[1:_CONFLUENT_HEAD], "big")
    frame = f"byte 0x00 first: Confluent's wire format, schema id {schema}"
    if _is_json(value[_CONFLUENT_HEAD:]):
        return BadRecord(
            Reason.CONFLUENT_JSON, f"{frame}, JSON from byte 5 on; plain JSON without the frame is expected"
        )
    # Nothing in the bytes tells the two apart for sure; the schema registry knows.
    return BadRecord(Reason.CONFLUENT_AVRO_OR_PROTOBUF, f"{frame}, Avro or Protobuf behind it; plain JSON is expected")


def _is_json(payload: bytes) -> bool:
    """Whether a payload is a JSON object; no Avro or Protobuf happens to be one."""
    if not payload.lstrip().startswith(b"{"):
        return False
    try:
        _decode(payload)
    except (msgspec.ValidationError, RecursionError):
        # A number out of range, or too deep: JSON all the same.
        return True
    except (msgspec.DecodeError, UnicodeDecodeError):
        return False
    return True

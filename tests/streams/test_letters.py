"""A dead letter is read as it was written, places as people type them, and what is no letter of ours does no harm."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.event import Reason
from signals.moments import LATEST_MS
from streams.letters import BadPlace, Letter, Place, letter_headers, original_time, own_time, parse_place, read_letter
from streams.redrive import why_not
from streams.terminal import printable
from streams.topics import Topics
from tests.records import Record

TOPICS = Topics("plg", 8)


class Message:
    """A message as librdkafka hands it over."""

    def __init__(self, headers: list[tuple[str, bytes | None]] | None, value: bytes | None = b"{}") -> None:
        self._headers = headers
        self._value = value

    def partition(self) -> int:
        return 3

    def offset(self) -> int:
        return 15

    def timestamp(self) -> tuple[int, int]:
        return 1, 1_795_176_000_000

    def headers(self) -> list[tuple[str, bytes | None]] | None:
        return self._headers

    def key(self) -> bytes | None:
        return b"k"

    def value(self) -> bytes | None:
        return self._value


def letter(topic: str = "events", reason: str = "no_subject", value: bytes | None = b"{}") -> Letter:
    return Letter(Place(3, 15), 1_795_176_000_000, topic, 1, 7, reason, "seen", 1_795_175_000_000, b"k", value)


def test_a_letter_is_read_as_it_was_written() -> None:
    headers = [(name, text.encode()) for name, text in letter_headers(letter()).items()]

    assert read_letter(Message(headers)) == letter()


@given(st.lists(st.tuples(st.sampled_from(["topic", "partition", "offset", "timestamp", "reason"]), st.binary())))
def test_whatever_headers_a_foreign_record_has_it_is_read(headers: list[tuple[str, bytes]]) -> None:
    read = read_letter(Message([*headers]))

    assert read.place == Place(3, 15)
    assert why_not(read, TOPICS) == "no dead letter of ours: headers are missing" or read.partition >= 0


def test_a_record_without_headers_is_no_letter_of_ours() -> None:
    assert why_not(read_letter(Message(None)), TOPICS) == "no dead letter of ours: headers are missing"


def test_the_same_original_is_the_same_letter_and_other_bytes_at_its_place_are_another() -> None:
    again = Letter(Place(0, 99), 1, "events", 1, 7, "no_time", "", None, None, b"{}")

    assert letter().identity == again.identity
    assert letter().identity != letter(value=b"[]").identity
    assert letter().identity != letter(topic="other").identity


@pytest.mark.parametrize("text", ["3/15", "plg.dead-letters/3/15"])
def test_a_place_is_read_with_its_topic_and_without(text: str) -> None:
    assert parse_place(text, "plg.dead-letters") == Place(3, 15)


@pytest.mark.parametrize("text", ["", "3", "3/", "/15", "3/-1", "a/b", "3/15/2", "plg.alerts/3/15", "³/15"])
def test_what_is_no_place_is_named_with_what_to_write(text: str) -> None:
    with pytest.raises(BadPlace, match="partition/offset"):
        parse_place(text, "plg.dead-letters")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([("timestamp", b"1795175000000")], 1_795_175_000_000),
        ([], 42),
        ([("timestamp", b"noon")], 42),
        ([("timestamp", b"-1")], 42),
        ([("timestamp", str(LATEST_MS).encode())], 42),
        ([("timestamp", b"9" * 5_000)], 42),
    ],
)
def test_a_redriven_record_has_the_time_of_its_original_where_that_can_be_read(
    headers: list[tuple[str, bytes]], expected: int
) -> None:
    record = Record("plg.redrive", 0, 0, 42, 1, None, b"{}", tuple(headers))

    assert original_time(record) == expected


def test_a_record_without_a_timestamp_has_no_time() -> None:
    assert own_time(Record("events", 0, 0, -1, 0, None, b"{}")) is None


@pytest.mark.parametrize(
    ("origin", "reason", "value", "says"),
    [
        ("events", Reason.NO_SUBJECT, b"{}", ""),
        ("events", Reason.NULL_VALUE, None, "no value"),
        ("a.topic.that.the.config.names.no.more", Reason.NO_SUBJECT, b"{}", ""),
        ("plg.redrive", Reason.NO_SUBJECT, b"{}", ""),
        ("plg.alerts", "bad_alert", b"{}", ""),
        ("plg.alerts", "bad_alert", None, "left out"),
        ("plg.workspaces", "wrong_type", b"{}", "snapshot"),
        ("plg.user-events", Reason.FOREIGN, b"{}", "nobody of us"),
        ("plg.user-events", Reason.STEP_FAILED, b"{}", "plg topics reset"),
        ("plg.workspace-facts", Reason.RULE_FAILED, b"{}", "was applied"),
        ("plg.commands", "another", b"{}", "a log of ours"),
    ],
)
def test_what_can_be_redriven_and_why_the_rest_cannot(origin: str, reason: str, value: bytes | None, says: str) -> None:
    why = why_not(letter(origin, reason, value), TOPICS)

    assert (says in why) if says else why == ""


def test_what_would_move_a_terminals_cursor_is_escaped_and_the_rest_reads_as_it_is() -> None:
    assert printable('{"name": "Zoë 東京"}\n\x1b[2J\x07\u202e') == '{"name": "Zoë 東京"}\\n\\x1b[2J\\x07\\u202e'

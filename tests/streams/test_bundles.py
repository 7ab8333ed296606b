"""Bundles: what waits for a partition leaves in order, as few Kafka records as the limits allow."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.codec import MAX_BUNDLED, decode_fact_records, position_in_log
from signals.facts import Pulse
from streams.bundles import MAX_BUNDLE_BYTES, Bundles
from streams.topics import partition_of

Sent = list[tuple[str, int, bytes | None, bytes | None]]


def made(partitions: int = 2) -> tuple[Bundles, Sent]:
    sent: Sent = []
    return Bundles("log", partitions, lambda *record: sent.append(record)), sent


def key_for(partition: int, partitions: int = 2) -> str:
    return next(key for key in map(str, range(1_000)) if partition_of(key, partitions) == partition)


def pulse(n: int, size: int = 0) -> Pulse:
    """One that takes at least so many bytes."""
    return Pulse("acme", 0, n, 0, event_id="x" * size)


def numbers(value: bytes | None) -> list[int]:
    return [record.offset for record in decode_fact_records(value or b"") if isinstance(record, Pulse)]


def test_what_waits_for_a_partition_leaves_as_one_record_without_a_key() -> None:
    bundles, sent = made()

    for partition, n in ((1, 1), (0, 2), (1, 3)):
        bundles.add(key_for(partition), pulse(n))
    assert sent == []
    bundles.flush()

    assert [(topic, partition, key) for topic, partition, key, _value in sent] == [("log", 1, None), ("log", 0, None)]
    assert [numbers(value) for *_, value in sent] == [[1, 3], [2]]


def test_nothing_is_sent_twice() -> None:
    bundles, sent = made()
    bundles.add("acme", pulse(1))
    bundles.flush()

    bundles.flush()

    assert len(sent) == 1


@pytest.mark.parametrize(
    ("count", "records"),
    [(MAX_BUNDLED, [MAX_BUNDLED]), (MAX_BUNDLED + 1, [MAX_BUNDLED, 1]), (2 * MAX_BUNDLED, [256] * 2)],
)
def test_a_bundle_holds_so_many_records(count: int, records: list[int]) -> None:
    bundles, sent = made()
    for n in range(count):
        bundles.add("acme", pulse(n))
    bundles.flush()

    assert [len(numbers(value)) for *_, value in sent] == records
    assert [n for *_, value in sent for n in numbers(value)] == list(range(count))


@pytest.mark.parametrize(("beyond", "records"), [(0, 1), (1, 2)])
def test_a_bundle_holds_so_many_bytes(beyond: int, records: int) -> None:
    bundles, sent = made()
    around = len(msgspec.json.encode([pulse(0, 1), pulse(1, 1)])) - 2
    half = (MAX_BUNDLE_BYTES - around) // 2
    for n, size in enumerate((half, MAX_BUNDLE_BYTES - around - half + beyond)):
        bundles.add("acme", pulse(n, size))
    bundles.flush()

    assert len(sent) == records


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 40_000)), max_size=40))
def test_each_partition_gets_its_records_in_order_whatever_their_sizes(added: list[tuple[int, int]]) -> None:
    bundles, sent = made(3)
    for number, (partition, size) in enumerate(added):
        bundles.add(key_for(partition, 3), pulse(number, size))
    bundles.flush()

    got: dict[int, list[int]] = {0: [], 1: [], 2: []}
    for _topic, partition, _key, value in sent:
        got[partition] += numbers(value)
    assert got == {to: [n for n, (partition, _) in enumerate(added) if partition == to] for to in range(3)}
    assert all(len(value or b"") <= MAX_BUNDLE_BYTES or len(numbers(value)) == 1 for *_, value in sent)


def test_a_partition_is_that_of_its_key_however_many_were_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("streams.bundles._REMEMBERED", 3)
    bundles, sent = made(5)
    keys = [str(n % 7) for n in range(50)]
    for n, key in enumerate(keys):
        bundles.add(key, pulse(n))
    bundles.flush()

    assert {n: partition for _, partition, _, value in sent for n in numbers(value)} == {
        n: partition_of(key, 5) for n, key in enumerate(keys)
    }


def test_positions_are_ordered_as_the_records_are() -> None:
    places = [(0, 0), (0, 1), (0, MAX_BUNDLED - 1), (1, 0), (2**40, 0), (2**40, 1)]

    positions = [position_in_log(offset, index) for offset, index in places]

    assert positions == sorted(set(positions))
    # A state stores 64 bits.
    assert positions[-1] < 2**63

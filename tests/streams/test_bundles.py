"""Bundles: what waits for a partition leaves in order, as few Kafka records as the limits allow."""

from __future__ import annotations

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.codec import MAX_BUNDLED, position_in_log
from streams.bundles import MAX_BUNDLE_BYTES, Bundles

Sent = list[tuple[str, int, bytes | None, bytes | None]]


def made(partitions: int = 2) -> tuple[Bundles, Sent]:
    sent: Sent = []
    return Bundles("log", partitions, lambda *record: sent.append(record)), sent


def test_what_waits_for_a_partition_leaves_as_one_record_without_a_key() -> None:
    bundles, sent = made()

    for partition, record in ((1, b'{"n":1}'), (0, b'{"n":2}'), (1, b'{"n":3}')):
        bundles.add(partition, record)
    assert sent == []
    bundles.flush()

    assert sent == [("log", 1, None, b'[{"n":1},{"n":3}]'), ("log", 0, None, b'[{"n":2}]')]


def test_nothing_is_sent_twice() -> None:
    bundles, sent = made()
    bundles.add(0, b"1")
    bundles.flush()

    bundles.flush()

    assert len(sent) == 1


@pytest.mark.parametrize(("count", "records"), [(MAX_BUNDLED, 1), (MAX_BUNDLED + 1, 2)])
def test_a_bundle_holds_so_many_records(count: int, records: int) -> None:
    bundles, sent = made()
    for _ in range(count):
        bundles.add(0, b"1")
    bundles.flush()

    assert len(sent) == records


@pytest.mark.parametrize(("size", "records"), [(MAX_BUNDLE_BYTES // 2, 1), (MAX_BUNDLE_BYTES // 2 + 1, 2)])
def test_a_bundle_holds_so_many_bytes(size: int, records: int) -> None:
    bundles, sent = made()
    for _ in range(2):
        bundles.add(0, b"1" * size)
    bundles.flush()

    assert len(sent) == records


@given(st.lists(st.tuples(st.integers(0, 2), st.integers(1, 40_000)), max_size=40))
def test_each_partition_gets_its_records_in_order_whatever_their_sizes(added: list[tuple[int, int]]) -> None:
    bundles, sent = made(3)
    for number, (partition, size) in enumerate(added):
        bundles.add(partition, msgspec.json.encode([number, "x" * size]))
    bundles.flush()

    got: dict[int, list[int]] = {0: [], 1: [], 2: []}
    for _topic, partition, _key, value in sent:
        got[partition] += [number for number, _ in msgspec.json.decode(value or b"")]
    assert got == {to: [n for n, (partition, _) in enumerate(added) if partition == to] for to in range(3)}


def test_positions_are_ordered_as_the_records_are() -> None:
    places = [(0, 0), (0, 1), (0, MAX_BUNDLED - 1), (1, 0), (2**40, 0), (2**40, 1)]

    positions = [position_in_log(offset, index) for offset, index in places]

    assert positions == sorted(set(positions))
    # A state stores 64 bits.
    assert positions[-1] < 2**63

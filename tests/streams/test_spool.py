"""The pile of dead letters gives each back once, every partition in its order, the partitions woven by time."""

from __future__ import annotations

from collections import defaultdict

from hypothesis import given
from hypothesis import strategies as st

from streams.letters import Letter, Place
from streams.spool import Spool


def letter(partition: int, offset: int, time: int | None, *, topic: str = "events", at: int = 0) -> Letter:
    return Letter(Place(0, at), 1, topic, partition, offset, "no_subject", "", time, None, b"%d" % offset)


def order(*letters: Letter) -> list[tuple[int, int]]:
    with Spool() as spool:
        for one in letters:
            spool.add(one)
        return [(one.partition, one.offset) for one in spool.ordered()]


def test_partitions_are_woven_together_by_time() -> None:
    seen = order(letter(0, 5, 10), letter(1, 3, 25), letter(0, 6, 30), letter(1, 2, 20))

    assert seen == [(0, 5), (1, 2), (1, 3), (0, 6)]


def test_a_time_that_goes_back_does_not_change_the_order_of_offsets() -> None:
    assert order(letter(0, 1, 50), letter(0, 2, 10), letter(1, 1, 40)) == [(1, 1), (0, 1), (0, 2)]


def test_letters_without_a_time_keep_their_order() -> None:
    assert order(letter(0, 2, None), letter(0, 1, None)) == [(0, 1), (0, 2)]


def test_of_copies_the_last_is_kept_in_the_place_of_the_first() -> None:
    with Spool() as spool:
        assert [spool.add(letter(0, 1, 10, at=3)), spool.add(letter(0, 1, 10, at=8))] == [True, False]

        assert [one.place.offset for one in spool.ordered()] == [8]


def test_what_is_settled_leaves_the_pile() -> None:
    with Spool() as spool:
        for at in range(4):
            spool.add(letter(0, at, 10, at=at))

        assert spool.drop(lambda entry: entry.place.offset < 3) == 3
        assert [one.place.offset for one in spool.ordered()] == [3]


LETTERS = st.lists(
    st.builds(
        letter,
        partition=st.integers(0, 2),
        offset=st.integers(0, 20),
        time=st.none() | st.integers(0, 50),
        topic=st.sampled_from(["a", "b"]),
    ),
    max_size=40,
)


@given(LETTERS)
def test_every_original_comes_once_and_each_partition_in_its_order(letters: list[Letter]) -> None:
    with Spool() as spool:
        for one in letters:
            spool.add(one)
        seen = list(spool.ordered())

    by_partition = defaultdict(list)
    for one in seen:
        by_partition[one.topic, one.partition].append(one.offset)
    assert {one.identity for one in seen} == {one.identity for one in letters}
    assert all(offsets == sorted(set(offsets)) for offsets in by_partition.values())

"""A shard: what is due comes out once, in order; fences admit each coordinate once; recovery keeps the newest state."""

from __future__ import annotations

import gc
import weakref

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.errors import BrokenLog
from signals.shard import Coordinate, Fence, Shard
from signals.units import DAY_MS


class Timed(msgspec.Struct):
    """The smallest state there is."""

    at: int = -1
    due: int | None = None


def shard() -> Shard[Timed]:
    return Shard(msgspec.msgpack.encode, msgspec.msgpack.Decoder(Timed).decode)


def sealed(at: int, due: int | None = None) -> bytes:
    one = shard()
    one.touch("x", Timed(due=due), at)
    return one.sealed("x")


KEYS = st.sampled_from(["a", "b", "c"])
# Three of them in a day.
TIMES = st.integers(0, 12).map(lambda n: n * DAY_MS // 3)
TOUCH = st.tuples(st.just("touch"), KEYS, st.none() | TIMES)
RESTORE = st.tuples(st.just("restore"), KEYS, st.none() | TIMES)
DUE = st.tuples(st.just("due"), st.just(""), TIMES)


@given(st.lists(TOUCH | RESTORE | DUE, max_size=40))
def test_due_takes_what_a_naive_list_of_timers_takes(steps: list[tuple[str, str, int | None]]) -> None:
    here = shard()
    timers: dict[str, int] = {}
    for offset, (step, key, time) in enumerate(steps):
        if step == "due":
            assert time is not None
            expected = sorted((due, name) for name, due in timers.items() if due <= time)
            assert here.due(time) == expected
            for _due, name in expected:
                del timers[name]
            continue
        if step == "restore":
            here.restore(key, sealed(offset, time))
        else:
            here.touch(key, Timed(due=time), offset)
        timers.pop(key, None)
        if time is not None:
            timers[key] = time


@given(st.lists(st.tuples(KEYS, TIMES), max_size=20), TIMES)
def test_what_was_taken_comes_again_with_its_next_timer(timers: list[tuple[str, int]], until: int) -> None:
    here = shard()
    for offset, (key, due) in enumerate(timers):
        here.touch(key, Timed(due=due), offset)

    taken = here.due(until)
    for _when, key in taken:
        state = here.get(key)
        assert state is not None
        state.due = until + 1
        here.touch(key, state, 100)

    assert here.due(until) == []
    assert {key for _when, key in taken} <= {key for _when, key in here.due(until + 1)}


def test_a_timer_is_due_at_its_time_and_not_a_millisecond_before() -> None:
    here = shard()
    here.touch("a", Timed(due=1_000), 0)

    assert here.due(999) == []
    assert here.due(1_000) == [(1_000, "a")]
    assert here.due(1_000) == []


PLACES = st.builds(Coordinate, st.integers(0, 4), st.sampled_from(["", "k"]), st.integers(0, 2))


@given(st.lists(st.tuples(st.sampled_from(["0", "1"]), PLACES), max_size=30))
def test_a_fence_admits_rising_coordinates_of_each_origin(records: list[tuple[str, Coordinate]]) -> None:
    fence = Fence()

    admitted = [(origin, place) for origin, place in records if fence.admit(origin, place)]

    for origin in ("0", "1"):
        places = [place for name, place in admitted if name == origin]
        assert places == sorted(set(places))
        seen = [place for name, place in records if name == origin]
        assert fence.origins.get(origin) == max(seen, default=None)


def test_two_outputs_of_one_record_are_told_apart_by_their_slot() -> None:
    fence = Fence()

    assert fence.admit("0", Coordinate(7, "", 0))
    assert fence.admit("0", Coordinate(7, "", 1))
    assert not fence.admit("0", Coordinate(7, "", 1))
    assert not fence.admit("0", Coordinate(7, "", 0))


@given(st.permutations([3, 5, 9]))
def test_recovery_keeps_the_state_that_is_applied_furthest(order: list[int]) -> None:
    here = shard()

    for at in order:
        here.restore("a", sealed(at))

    state = here.get("a")
    assert state is not None
    assert state.at == 9
    # Whatever came after the newest hides it in the log: it has to be written again.
    assert here.dirty == ({"a"} if order[-1] != 9 else set())


def test_a_recovered_state_is_sealed_as_it_was_until_it_is_touched() -> None:
    here = Shard(msgspec.msgpack.encode, _no_decoding)
    stored = sealed(9, due=1_000)

    here.restore("a", stored)

    assert here.sealed("a") == stored


def _no_decoding(_raw: bytes) -> Timed:
    raise AssertionError("decoded without need")


def test_bytes_that_are_no_stored_state_are_a_broken_log() -> None:
    with pytest.raises(BrokenLog, match="15 bytes"):
        shard().restore("a", b"x" * 15)


def test_bytes_that_are_no_stored_fence_are_a_broken_log() -> None:
    with pytest.raises(BrokenLog, match="fence"):
        shard().restore_fence(b"\xc1")


def test_a_fence_of_an_older_owner_does_not_replace_a_newer_one() -> None:
    here = shard()
    newer = Fence({"0": Coordinate(8)}, tick=5, end=9)

    here.restore_fence(msgspec.msgpack.encode(newer))
    here.restore_fence(msgspec.msgpack.encode(Fence({"0": Coordinate(3)}, tick=2, end=8)))

    assert here.fence == newer


def test_a_state_not_used_while_many_others_were_is_bytes_again_and_still_the_same(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("signals.shard.WARM", 2)
    here = shard()
    here.touch("idle", Timed(due=70), 1)
    here.settle()
    for offset, key in enumerate(["a", "b", "c", "d", "e", "f"], 2):
        here.touch(key, Timed(), offset)
        here.settle()

    assert isinstance(here.states["idle"], bytes)
    assert here.get("idle") == Timed(at=1, due=70)
    assert here.due(70) == [(70, "idle")]


def test_a_state_in_use_stays_decoded_however_many_others_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signals.shard.WARM", 2)
    here, busy = shard(), Timed()
    for offset in range(20):
        here.touch("busy", busy, offset)
        here.touch(f"other {offset}", Timed(), offset)
        here.settle()

    assert here.get("busy") is busy


def test_a_dirty_state_is_not_sealed_before_a_checkpoint_has_taken_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("signals.shard.WARM", 0)
    here = shard()
    here.touch("a", Timed(), 1)

    assert here.dirty == {"a"}
    here.settle()
    assert here.dirty == set()


def test_a_shard_that_moves_away_leaves_memory_at_once() -> None:
    here = shard()
    here.touch("a", Timed(due=1_000), 0)
    seen = weakref.ref(here)
    gc.disable()
    try:
        del here

        assert seen() is None
    finally:
        gc.enable()


SETTLE = st.tuples(st.just("settle"), st.just(""), st.none())


@given(st.lists(TOUCH | DUE | SETTLE, max_size=60), st.integers(0, 2))
def test_sealing_changes_nothing_that_anyone_can_see(steps: list[tuple[str, str, int | None]], warm: int) -> None:
    cooled, kept = shard(), shard()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("signals.shard.WARM", warm)
        for offset, (step, key, time) in enumerate(steps):
            for here in (cooled, kept):
                if step == "touch":
                    here.touch(key, Timed(due=time), offset)
            if step == "due":
                assert time is not None
                assert cooled.due(time) == kept.due(time)
            if step == "settle":
                cooled.settle()

    assert {key: cooled.sealed(key) for key in cooled} == {key: kept.sealed(key) for key in kept}
    assert dict(cooled.items(list(cooled))) == dict(kept.items(list(kept)))

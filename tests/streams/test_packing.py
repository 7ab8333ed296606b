"""Packing: what is unpacked is what was packed, whatever the dictionaries are made of, and nobody sees a difference."""

from __future__ import annotations

import random
import struct

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.errors import BrokenLog
from signals.shard import AS_STORED, SEAL_BYTES, Packing, Shard
from streams import packing
from streams.packing import Packer

HEAD = struct.pack(">qq", 7, 1_000)
BODIES = st.one_of(
    st.binary(max_size=300),
    st.builds(lambda word, times: word * times, st.binary(min_size=1, max_size=20), st.integers(1, 60)),
).filter(lambda body: body[:1] != b"\xc1")


class Noted(msgspec.Struct):
    """A state that may be long."""

    at: int = -1
    due: int | None = None
    note: str = ""


def sealed_user(number: int) -> bytes:
    """A state like others, and unlike any."""
    ids = random.Random(number).randbytes(40)
    return HEAD + msgspec.msgpack.encode({"workspaces": {f"ws_{number}": True}, "plan": "enterprise trial", "ids": ids})


def taught(samples: int = 50) -> Packer:
    packer = Packer()
    for number in range(samples):
        packer.pack(sealed_user(number))
    return packer


@given(st.lists(BODIES, min_size=1, max_size=40), st.integers(1, 20))
def test_what_is_unpacked_is_what_was_packed(bodies: list[bytes], samples: int) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(packing, "SAMPLES", samples)
        patch.setattr(packing, "AGAIN", 2)
        packer = Packer()

        kept = [packer.pack(HEAD + body) for body in bodies]

        assert [packer.unpack(one) for one in kept] == [HEAD + body for body in bodies]
        assert all(one[:SEAL_BYTES] == HEAD for one in kept)
        assert all(len(one) <= len(HEAD + body) for one, body in zip(kept, bodies, strict=True))


def test_states_that_are_like_those_before_become_shorter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "SAMPLES", 50)
    packer, state = taught(), sealed_user(1_000)

    assert len(packer.pack(state)) < len(state) * 0.8


def test_the_first_states_stay_as_they_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "SAMPLES", 50)
    state = sealed_user(1_000)

    assert taught(48).pack(state) == state
    assert taught(49).pack(state) != state


def test_what_an_earlier_dictionary_has_packed_is_unpacked_by_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "SAMPLES", 10)
    monkeypatch.setattr(packing, "AGAIN", 2)
    packer = Packer()
    states = [sealed_user(number) for number in range(400)]

    kept = [packer.pack(state) for state in states]

    assert len({one[SEAL_BYTES + 1] for one in kept[10:]}) > 3
    assert [packer.unpack(one) for one in kept] == states


def test_states_that_are_all_alike_make_a_dictionary_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "SAMPLES", 20)
    packer = Packer()

    kept = [packer.pack(sealed_user(1)) for _ in range(30)]

    assert len(kept[-1]) < len(kept[0])
    assert packer.unpack(kept[-1]) == sealed_user(1)


@pytest.mark.parametrize("size", [1, 200])
def test_what_only_a_packer_writes_is_no_stored_state(size: int) -> None:
    with pytest.raises(BrokenLog, match="no stored state"):
        Packer().pack(HEAD + b"\xc1" * size)


KEYS = st.sampled_from(["a", "b", "c"])
NOTES = st.sampled_from(["", "the same words again and again, " * 4, "and others, of a plan that was upgraded, " * 5])
TIMES = st.none() | st.integers(0, 12)
STEPS = st.tuples(st.sampled_from(["touch", "restore", "settle", "due", "stored", "waiting"]), KEYS, NOTES, TIMES)


@given(st.lists(STEPS, max_size=60))
def test_packing_changes_nothing_that_anyone_can_see(steps: list[tuple[str, str, str, int | None]]) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("signals.shard.WARM", 0)
        patch.setattr(packing, "SAMPLES", 2)
        patch.setattr(packing, "AGAIN", 2)
        packed, plain = shard(Packer()), shard(AS_STORED)
        for offset, (step, key, note, time) in enumerate(steps):
            seen = [_seen(here, step, key, Noted(offset, time, note)) for here in (packed, plain)]
            assert seen[0] == seen[1]
        assert {key: packed.sealed(key) for key in packed} == {key: plain.sealed(key) for key in plain}


def shard(made_smaller: Packing) -> Shard[Noted]:
    return Shard(msgspec.msgpack.encode, msgspec.msgpack.Decoder(Noted).decode, made_smaller)


def _seen(here: Shard[Noted], step: str, key: str, state: Noted) -> object:
    if step == "touch":
        here.touch(key, msgspec.structs.replace(state), state.at)
    if step == "restore":
        stored = shard(AS_STORED)
        stored.touch(key, state, state.at)
        here.restore(key, stored.sealed(key))
    if step == "settle":
        here.settle()
    if step == "due":
        return here.due(state.due or 0)
    if step == "waiting":
        return list(here.waiting())
    return [here.sealed(one) for one in here] if step == "stored" else here.dirty

"""A shard: the states of one partition of one keyed step, its fence, and what is due in it."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import TYPE_CHECKING, Generic, Protocol, TypeVar

import msgspec

from signals.errors import BrokenLog
from signals.schedule import Schedule

if TYPE_CHECKING:
    from signals.event import Tick


class State(Protocol):
    """
    What every state has.

    `at` is the offset of its own input log up to which it is applied; `due` the time in Unix milliseconds of its
    earliest timer, None while nothing waits.
    """

    at: int
    due: int | None


class Packing(Protocol):
    """What makes sealed states smaller while nobody uses them; `at` and `due` stay at their head."""

    def pack(self, sealed: bytes) -> bytes:
        """Make a sealed state smaller, where it is worth it."""

    def unpack(self, kept: bytes) -> bytes:
        """What was given to `pack`."""


class _AsStored:
    def pack(self, sealed: bytes) -> bytes:
        return sealed

    def unpack(self, kept: bytes) -> bytes:
        return kept


# No packing.
AS_STORED: Packing = _AsStored()

S = TypeVar("S", bound=State)


# Every stored state begins with `at` and `due` (-1 for none): recovery compares and schedules without decoding.
_SEAL = struct.Struct(">qq")
SEAL_BYTES = _SEAL.size


# So many states may be in use before those that are not are sealed again. Decoded, a state takes about three times the
# memory of its bytes; decoding it takes 4 to 20 us, sealing it 1, packing 3 to 11 more.
WARM = 300


class Coordinate(msgspec.Struct, frozen=True, array_like=True, order=True):
    """
    The place of one output of the step before, ordered as it was sent (docs/adr/0006).

    `offset` is the input record's; `order` is empty for an event and names due time and subject for a timer fired by a
    tick, so that it stays the same when a replay finds fewer timers left; `n` is the fixed slot of its kind.
    """

    offset: int
    order: str = ""
    n: int = 0


class Fence(msgspec.Struct):
    """
    What one input partition has taken from the step before.

    `origins` maps an origin (a partition of the step before) to the last coordinate applied: what is not newer was sent
    again. `tick` is the newest tick applied, Unix milliseconds. `end` is the offset after the last record applied.
    `muted` maps signals that nobody wants to hear of, wherever they fire, to the time that ends. `config` is the hash
    of the config in force: what the last tick that named one has named; empty before the first.
    """

    origins: dict[str, Coordinate] = {}
    tick: int = 0
    end: int = 0
    muted: dict[str, int] = {}
    config: str = ""

    def config_at(self, tick: Tick) -> str:
        """The hash of the config in force from a tick on: that of an older one changes nothing."""
        return tick.config if tick.config and tick.time >= self.tick else self.config

    def take(self, tick: Tick) -> bool:
        """Let time pass and the config change; False for a tick that tells nothing new."""
        config = self.config_at(tick)
        if tick.time < self.tick or (tick.time == self.tick and config == self.config):
            return False
        self.tick, self.config = tick.time, config
        return True

    def admit(self, origin: str, coordinate: Coordinate) -> bool:
        """Tell whether the record is new, and remember it if so."""
        last = self.origins.get(origin)
        # The offsets alone tell nearly always, and at a fraction of the cost.
        if last is not None and coordinate.offset <= last.offset and coordinate <= last:
            return False
        self.origins[origin] = coordinate
        return True

    def forget_origin(self) -> None:
        """Let the origin go that was first seen longest ago."""
        del self.origins[next(iter(self.origins))]


def unsealed(sealed: bytes) -> tuple[int, bytes]:
    """
    Take a stored state apart.

    Returns:
        Its `at`, and its own bytes.

    Raises:
        BrokenLog: The bytes are no stored state.
    """
    if len(sealed) < SEAL_BYTES:
        raise _too_short(sealed)
    return int(_SEAL.unpack_from(sealed)[0]), sealed[SEAL_BYTES:]


def _too_short(sealed: bytes) -> BrokenLog:
    return BrokenLog(f"the stored state of a subject has {len(sealed)} bytes, fewer than its own header")


class Shard(Generic[S]):
    """
    The states of one partition: bytes until something happens to the subject, and again some time after.

    Args:
        encode: Turns a state into bytes, at a checkpoint.
        decode: Turns the bytes of a recovered state into the state.
        packing: Makes them smaller while they are not in use; by default they stay as they are stored.
    """

    def __init__(
        self, encode: Callable[[S], bytes], decode: Callable[[bytes], S], packing: Packing = AS_STORED
    ) -> None:
        self.fence = Fence()
        self.dirty: set[str] = set()
        self._encode = encode
        self._decode = decode
        self._packing = packing
        # Sealed bytes, perhaps packed, or the state itself while it is in use: `get` tells one from the other.
        self.states: dict[str, S | bytes] = {}
        # The subjects in use since the last turn, and those of the turn before: whoever is in neither is sealed.
        self._warm: set[str] = set()
        self._cooling: set[str] = set()
        # Of the states alone: with a way back, a shard that moves away would stay until the collector comes.
        self._schedule = Schedule(partial(_due_of, self.states))
        # Have a subject taken by `due` at a time, and at no other.
        self.schedule = self._schedule.add

    def __len__(self) -> int:
        return len(self.states)

    def __iter__(self) -> Iterator[str]:
        return iter(self.states)

    def get(self, key: str) -> S | None:
        """The state of a subject, or None for one never seen. Whoever changes it calls `touch` afterwards."""
        state = self.states.get(key)
        if type(state) is not bytes:
            return state  # type: ignore[return-value]  # mypy does not narrow by `type`
        decoded = self.states[key] = self._opened(state)
        self._warm.add(key)
        return decoded

    def touch(self, key: str, state: S, offset: int) -> None:
        """Keep a state that a record at `offset` has made or changed: it joins the next checkpoint."""
        state.at = offset
        self.states[key] = state
        self.dirty.add(key)
        if state.due is not None:
            self.schedule(key, state.due)

    def due(self, until: int) -> list[tuple[int, str]]:
        """
        Take the subjects that have a timer due at or before `until`, ordered by (due time, subject).

        A subject whose timer moved or went is left out. The caller fires all that is due of each subject taken and
        calls `touch`, which puts it back with its next timer.
        """
        return self._schedule.take(until)

    def waiting(self) -> Iterator[tuple[int, str, S]]:
        """
        Every subject that has a timer, ordered by (due time, subject), with its state; the schedule stays as it is.

        Whoever changes a state calls `touch`. One that is not in use is decoded for the caller alone: at a change of
        the config they would all be in memory otherwise.
        """
        for when, key in self._schedule.all():
            if _due_of(self.states, key) == when:
                state = self.states[key]
                yield when, key, self._opened(state) if isinstance(state, bytes) else state

    def items(self, keys: Iterable[str]) -> Iterator[tuple[str, S]]:
        """The states of `keys`, decoded."""
        for key in keys:
            state = self.get(key)
            if state is not None:
                yield key, state

    def sealed(self, key: str) -> bytes:
        """A state as it is stored: `at`, `due`, then its own bytes."""
        state = self.states[key]
        if isinstance(state, bytes):
            return self._packing.unpack(state)
        return _SEAL.pack(state.at, -1 if state.due is None else state.due) + self._encode(state)

    def settle(self) -> None:
        """
        Let go of what a checkpoint has taken: nothing is dirty from here on, and what was not used for long is sealed.

        Call it between two records only: whoever holds a state would change one that is here no more.
        """
        self._warm |= self.dirty
        self.dirty.clear()
        if len(self._warm) > WARM:
            for key in self._cooling - self._warm:
                self.states[key] = self._packing.pack(self.sealed(key))
            self._cooling, self._warm = self._warm, set()

    def restore(self, key: str, sealed: bytes) -> None:
        """
        Take a stored state unless a newer one is here.

        A state older than the one here was written by an owner that had already been replaced; the newer one is marked
        to be written again, so that it is also the last one in the log (DESIGN 4.8).

        Raises:
            BrokenLog: The bytes are no stored state.
        """
        if len(sealed) < SEAL_BYTES:
            raise _too_short(sealed)
        at, due = _SEAL.unpack_from(sealed)
        here = self.states.get(key)
        if here is not None:
            at_here = _SEAL.unpack_from(here)[0] if isinstance(here, bytes) else here.at
            if at_here > at:
                self.dirty.add(key)
                return
            if at_here == at:
                self.dirty.discard(key)
                return
        self.states[key] = self._packing.pack(sealed)
        self.dirty.discard(key)
        if due >= 0:
            self.schedule(key, due)

    def restore_fence(self, stored: bytes) -> int:
        """
        Take a stored fence unless a newer one is here.

        Returns:
            The `end` of the stored fence: where it is behind the one here, that one must be written again.

        Raises:
            BrokenLog: The bytes are no stored fence.
        """
        try:
            fence = msgspec.msgpack.decode(stored, type=Fence)
        except msgspec.MsgspecError as error:
            raise BrokenLog(f"a stored fence cannot be read: {error}") from error
        if fence.end >= self.fence.end:
            self.fence = fence
        return fence.end

    def _opened(self, kept: bytes) -> S:
        return self._decode(self._packing.unpack(kept)[SEAL_BYTES:])


def _due_of(states: Mapping[str, State | bytes], key: str) -> int | None:
    state = states.get(key)
    if state is None:
        return None
    # Sealed, -1 is none, which is no time.
    return int(_SEAL.unpack_from(state)[1]) if isinstance(state, bytes) else state.due

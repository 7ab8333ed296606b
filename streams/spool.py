"""A pile of dead letters too large for memory, taken back in the order in which their originals came."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from typing import NamedTuple, Self

import msgspec

from streams.letters import Letter, Place

# Up to here in memory, beyond it in a file that has no name and goes with the process.
MEMORY_BYTES = 64 * 1024 * 1024


class Entry(NamedTuple):
    """What is remembered of a letter on the pile: where its original and it itself stand, and where it lies."""

    topic: str
    partition: int
    offset: int
    time: int
    place: Place
    at: int
    size: int


class Spool:
    """Letters put in as they are read, of copies the last; `ordered` takes them out. Use it as a context."""

    def __init__(self) -> None:
        self._file = tempfile.SpooledTemporaryFile(MEMORY_BYTES)  # noqa: SIM115  # closed by __exit__
        self._entries: dict[bytes, Entry] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return len(self._entries)

    def add(self, letter: Letter) -> bool:
        """
        Put a letter on the pile; it takes the place of an earlier copy.

        Returns:
            Whether there was no copy.
        """
        identity, encoded = letter.identity, msgspec.msgpack.encode(letter)
        is_first = identity not in self._entries
        time = -1 if letter.time is None else letter.time
        origin = (letter.topic, letter.partition, letter.offset)
        self._entries[identity] = Entry(*origin, time, letter.place, self._file.tell(), len(encoded))
        self._file.write(encoded)
        return is_first

    def drop(self, is_settled: Callable[[Entry], bool]) -> int:
        """Take letters off the pile; returns how many."""
        kept = {identity: entry for identity, entry in self._entries.items() if not is_settled(entry)}
        dropped = len(self._entries) - len(kept)
        self._entries = kept
        return dropped

    def topics(self) -> Iterator[str]:
        """The original's topic of each letter on the pile."""
        return (entry.topic for entry in self._entries.values())

    def ordered(self) -> Iterator[Letter]:
        """
        The letters, the originals' partitions woven together by time, each in the order of its offsets.

        The times in a partition may go back, the order of its offsets never does: a record counts as no earlier than
        the newest before it.
        """
        turns: list[tuple[int, Entry]] = []
        before, newest = ("", -1), -1
        for entry in sorted(self._entries.values()):
            newest = max(newest, entry.time) if (entry.topic, entry.partition) == before else entry.time
            before = (entry.topic, entry.partition)
            turns.append((newest, entry))
        for _, entry in sorted(turns):
            self._file.seek(entry.at)
            yield msgspec.msgpack.decode(self._file.read(entry.size), type=Letter)

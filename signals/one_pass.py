"""
One pass over the events for several configs at once: what two of them would do alike is done once.

A record is decoded once for all configs that read records alike, and goes once through the user step for all that ask
the same of users; only the workspaces are each config's own. So a threshold of a workspace tried with eight values
costs much less than eight backtests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Container, Iterable, Sequence

from signals.codec import decode_user_state, encode_state
from signals.compiled import Engine
from signals.config import Config
from signals.engine import Stepped, UserRecord, WorkspaceRecord, step_users
from signals.errors import BadRecord
from signals.event import Event, Source, Tick
from signals.facts import Note, Outputs
from signals.formats.segment import SegmentDecoder
from signals.imported import Imported, ImportedMember, ImportedWorkspace
from signals.lanes import Lane, grouped, reading_part, user_part
from signals.moments import EARLIEST_MS
from signals.shard import Shard
from signals.user import UserState
from signals.workspace import WorkspaceState

# So many subjects of a shard may be in use at a time, twice over; all others are kept as bytes, a third of the memory.
HOT = 20_000
_LOOK_EVERY = 1_024
BATCH = 256
# What a record is said to have for its own time until the newest so far is known: the earliest that there is, so that
# nothing is lost where an event really has it.
_UNTIMED = EARLIEST_MS
_DUPLICATE = Note.DUPLICATE
# As what they are read from, the records of an import.
_IMPORT = "import"
_Record = tuple[bytes | None, Source, int | None]


class _Users:
    """The users as one or several lanes see them."""

    def __init__(self, engine: Engine, lanes: list[Lane]) -> None:
        self.engine = engine
        self.shard: Shard[UserState] = Shard(encode_state, decode_user_state)
        self.lanes = lanes
        self.notes: Counter[str] = Counter()

    def step(self, records: Sequence[UserRecord], positions: Sequence[int]) -> Stepped[UserRecord]:
        """Apply records, and count what was noted of them."""
        stepped = step_users(self.shard, records, positions, 0, self.engine)
        for _, out in stepped.news:
            self.notes.update([note.value for note in out.notes])
        return stepped

    def pass_on(
        self,
        facts: Sequence[WorkspaceRecord],
        told: Sequence[tuple[int, Outputs]],
        number_of: Callable[[WorkspaceRecord], int],
        moments: Sequence[int],
    ) -> None:
        """Give every lane what the step has put out; the arguments are those of `Lane.take`."""
        for lane in self.lanes:
            lane.take(facts, told, number_of, moments)


class _Reading:
    """Records as one or several configs read them."""

    def __init__(self, config: Config, users: list[_Users]) -> None:
        self._decode = SegmentDecoder(config).decode
        self.users = users
        self.started: int | None = None
        self.newest: int | None = None
        self.dead_letters: Counter[str] = Counter()

    def work(self, batch: Sequence[_Record], position: int) -> None:
        """Apply records, the first of which has a position: all of them step by step, which computers like better."""
        events = self._decoded(batch)
        if not any(event is not None and event.time == _UNTIMED for event in events):
            self._apply(*_there(events, position))
            return
        for number, read in enumerate(events):
            event = read
            if event is not None and event.time == _UNTIMED:
                # Most probably it names no time: that is the newest so far, which those before it may have moved.
                value, source, record_time = batch[number]
                event = self._dated(value, source, record_time)
            self._apply(*_there([event], position + number))

    def _apply(self, events: Sequence[Event], positions: Sequence[int]) -> None:
        numbers = {position: number for number, position in enumerate(positions)}

        def number_of(record: WorkspaceRecord) -> int:
            # Every fact of an event stands at its place.
            return numbers[record.offset]  # type: ignore[union-attr]

        moments: list[int] = []
        for users in self.users:
            facts, news = users.step(events, positions)
            if users is self.users[0]:
                moments = self._moments(events, {id(event) for event, out in news if _DUPLICATE in out.notes})
            told: list[tuple[int, Outputs]] = []
            if news:
                number_of_event = {id(event): number for number, event in enumerate(events)}
                told = [(number_of_event[id(event)], out) for event, out in news]
            users.pass_on(facts, told, number_of, moments)

    def _moments(self, events: Sequence[Event], duplicates: Container[int]) -> list[int]:
        """The newest time after each event; that of a duplicate does not count."""
        moments, newest = [], self.newest
        for event in events:
            if (newest is None or event.time > newest) and id(event) not in duplicates:
                self.started = event.time if newest is None else self.started
                newest = event.time
            moments.append(newest or 0)
        self.newest = newest
        return moments

    def finish(self, until: int | None, position: int) -> None:
        """Let time pass up to `until`."""
        time = self.newest if until is None else until
        if time is None:
            return
        moments = [self.newest or 0, self.newest or time]
        for users in self.users:
            facts, news = users.step((Tick(time),), (position,))
            users.pass_on(facts, [(0, out) for _, out in news], lambda _: 0, moments)
            users.pass_on([Tick(time)], (), lambda _: 1, moments)

    def _decoded(self, batch: Sequence[_Record]) -> list[Event | None]:
        events: list[Event | None] = []
        add, decode = events.append, self._decode
        for value, source, record_time in batch:
            try:
                add(decode(value, _UNTIMED if record_time is None else record_time, source))
            except BadRecord as error:
                self.dead_letters[error.reason] += 1
                add(None)
        return events

    def _dated(self, value: bytes | None, source: Source, record_time: int | None) -> Event | None:
        try:
            return self._decode(value, self.newest if record_time is None else record_time, source)
        except BadRecord as error:
            self.dead_letters[error.reason] += 1
            return None


def _there(events: Iterable[Event | None], position: int) -> tuple[list[Event], list[int]]:
    """Those that are events, with their positions; the first of all has the one given."""
    there = [(event, number) for number, event in enumerate(events, position) if event is not None]
    return [event for event, _ in there], [number for _, number in there]


class OnePass:
    """
    Folds records, in their order, through all lanes.

    One partition each stands for all users and all workspaces. What the lanes find is what each would find alone.

    Args:
        lanes: At least one; what is asked of the pass itself (times, dead letters) is told by the first one's config.
        hot: How many subjects of a shard may be in use before those that are not become bytes again.
        batch: So many records go through each step at a time: a fifth less work for the machine than one by one. What
            is asked of the pass, or found by the lanes, is up to date with every so many records, and at the end.
    """

    def __init__(self, lanes: Sequence[Lane], *, hot: int = HOT, batch: int = BATCH) -> None:
        self.lanes = tuple(lanes)
        self.records = 0
        self._imported = 0
        self._hot = hot
        self._size = batch
        self._batch: list[_Record] = []
        self._readings: list[_Reading] = []
        for reading in grouped(lanes, reading_part):
            users = [_Users(group[0].engine, group) for group in grouped(reading, user_part)]
            self._readings.append(_Reading(reading[0].engine.config, users))

    def feed(self, value: bytes | None, source: Source, record_time: int | None = None) -> None:
        """
        Apply one record.

        Args:
            value: Its bytes.
            source: Where it stands.
            record_time: The record's own time, Unix milliseconds; None in a file: the newest event time so far.
        """
        self._batch.append((value, source, record_time))
        if len(self._batch) >= self._size:
            self._work()

    def feed_import(self, record: Imported) -> None:
        """
        Apply a record of an import (`ImportRows.records`, `streams.import_file.read_import_file`), before the events.

        It raises nothing, and is none of the records that are counted.
        """
        self._work()
        for reading in self._readings:
            for users in reading.users:
                self._import(reading, users, record, self._imported)
        self._imported += 1

    def seed(self, read: Callable[[Config], Iterable[Imported]]) -> None:
        """
        Apply an import before the events, to each config as it reads the file of it.

        It raises nothing, and is none of the records that are counted.

        Args:
            read: The records for a config, asked once for all lanes that share a user step. What it asks of a config
                (zone, longest id, whose addresses are shown) is alike in them.
        """
        self._work()
        begun = end = self._imported
        for reading in self._readings:
            for users in reading.users:
                for number, record in enumerate(read(users.engine.config), begun):
                    self._import(reading, users, record, number)
                    end = max(end, number + 1)
                    if number % _LOOK_EVERY == 0:
                        self._settle()
        self._imported = end

    def _import(self, reading: _Reading, users: _Users, record: Imported, number: int) -> None:
        """Apply the record of an import that has a number among all of them, from 0."""
        record.source = Source(_IMPORT, 0, number)
        records: Sequence[WorkspaceRecord] = (record,) if type(record) is ImportedWorkspace else ()
        told: list[tuple[int, Outputs]] = []
        if type(record) is ImportedMember:
            records, news = users.step((record,), (self.records + number + 1,))
            told = [(0, out) for _, out in news]
        users.pass_on(records, told, lambda _: 0, [reading.newest or 0])

    def finish(self, until: int | None = None) -> None:
        """End with one tick, at `until` (Unix milliseconds) or the newest event time."""
        self._work()
        for reading in self._readings:
            reading.finish(until, self.records + self._imported + 1)

    @property
    def started(self) -> int | None:
        """The time of the first event."""
        return self._readings[0].started

    @property
    def newest(self) -> int | None:
        """The newest event time so far, of events that are neither duplicates nor dead letters."""
        return self._readings[0].newest

    @property
    def dead_letters(self) -> Counter[str]:
        """Records that can never be events, by reason."""
        return self._readings[0].dead_letters

    @property
    def notes(self) -> Counter[str]:
        """What the user step noted of records."""
        return self._readings[0].users[0].notes

    @property
    def ways(self) -> tuple[int, int]:
        """How often each record is decoded, and how often it goes through the user step."""
        return len(self._readings), sum(len(reading.users) for reading in self._readings)

    def user(self, key: str) -> UserState | None:
        """The state of a user by its key, as the first lane sees it."""
        return self._readings[0].users[0].shard.get(key)

    def _work(self) -> None:
        batch, self._batch = self._batch, []
        for reading in self._readings:
            reading.work(batch, self.records + self._imported + 1)
        before, self.records = self.records, self.records + len(batch)
        if before // _LOOK_EVERY != self.records // _LOOK_EVERY:
            self._settle()

    def _settle(self) -> None:
        shards: list[Shard[UserState] | Shard[WorkspaceState]] = [lane.shard for lane in self.lanes]
        shards += [users.shard for reading in self._readings for users in reading.users]
        for shard in shards:
            # Nothing here waits for a checkpoint: dirty is who was in use.
            if len(shard.dirty) > self._hot:
                shard.settle()

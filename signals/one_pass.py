"""
One pass over the events for several configs at once: what two of them would do alike is done once.

A record is decoded once for all configs that read records alike, and goes once through the user step for all that ask
the same of users; only the workspaces are each config's own. So a threshold of a workspace tried with eight values
costs much less than eight backtests.
"""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Callable, Container, Iterable, Sequence

from signals.codec import decode_user_state, encode_state
from signals.compiled import Engine
from signals.config import Config
from signals.engine import Stepped, UserRecord, step_users
from signals.errors import BadRecord
from signals.event import Event, Source, Tick
from signals.facts import Fact, Note, Outputs, Pulse
from signals.formats.segment import SegmentDecoder
from signals.imported import Imported, ImportedMember, ImportedWorkspace
from signals.lanes import Lane
from signals.moments import EARLIEST_MS
from signals.passing import HOT, LOOK_EVERY, Groups, Passed
from signals.shard import Shard
from signals.user import UserState

BATCH = 256
# What a record is said to have for its own time until the newest so far is known: the earliest that there is, so that
# nothing is lost where an event really has it.
_UNTIMED = EARLIEST_MS
_DUPLICATE = Note.DUPLICATE
# As what they are read from, the records of an import.
_IMPORT = "import"
_Record = tuple[bytes | None, Source, int | None]


class _Users:
    """The users as the lanes of one group see them."""

    def __init__(self, engine: Engine, group: int, pass_on: Callable[[Passed], None]) -> None:
        self.engine = engine
        self.shard: Shard[UserState] = Shard(encode_state, decode_user_state)
        self.notes: Counter[str] = Counter()
        self._group = group
        self._pass_on = pass_on

    def step(self, records: Sequence[UserRecord], positions: Sequence[int]) -> Stepped[UserRecord]:
        """Apply records, and count what was noted of them."""
        stepped = step_users(self.shard, records, positions, 0, self.engine)
        for _, out in stepped.news:
            self.notes.update([note.value for note in out.notes])
        return stepped

    def pass_on(
        self,
        facts: Sequence[Fact | Pulse | Tick | ImportedWorkspace],
        told: Sequence[tuple[int, Outputs]],
        positions: Sequence[int],
        moments: Sequence[int],
    ) -> None:
        """Give the lanes what the step has put out, as `Passed` has it."""
        self._pass_on(Passed(self._group, facts, told, positions, moments))


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
        moments: list[int] = []
        for users in self.users:
            facts, news = users.step(events, positions)
            if users is self.users[0]:
                moments = self._moments(events, {id(event) for event, out in news if _DUPLICATE in out.notes})
            told: list[tuple[int, Outputs]] = []
            if news:
                number_of_event = {id(event): number for number, event in enumerate(events)}
                told = [(number_of_event[id(event)], out) for event, out in news]
            users.pass_on(facts, told, positions, moments)

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
        tick, positions = Tick(time), (position,)
        for users in self.users:
            facts, news = users.step((tick,), positions)
            users.pass_on(facts, [(0, out) for _, out in news], positions, (self.newest or 0,))
            users.pass_on((tick,), (), (), (self.newest or time,))

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
        pass_on: Takes what the users tell, so that the lanes of another `Groups` of the same configs, maybe in another
            process, find something; without it those given do.
    """

    def __init__(
        self,
        lanes: Sequence[Lane],
        *,
        hot: int = HOT,
        batch: int = BATCH,
        pass_on: Callable[[Passed], None] | None = None,
    ) -> None:
        self.lanes = tuple(lanes)
        self.records = 0
        self._imported = 0
        self._hot = hot
        self._size = batch
        self._batch: list[_Record] = []
        self._readings: list[_Reading] = []
        groups, number = Groups(lanes, hot), itertools.count()
        take = groups.take if pass_on is None else pass_on
        for alike in groups.by_reading:
            users = [_Users(group[0].engine, next(number), take) for group in alike]
            self._readings.append(_Reading(alike[0][0].engine.config, users))

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
                    if number % LOOK_EVERY == 0:
                        self._settle()
        self._imported = end

    def _import(self, reading: _Reading, users: _Users, record: Imported, number: int) -> None:
        """Apply the record of an import that has a number among all of them, from 0."""
        record.source = Source(_IMPORT, 0, number)
        facts: Sequence[Fact | Pulse | ImportedWorkspace] = (record,) if type(record) is ImportedWorkspace else ()
        told: list[tuple[int, Outputs]] = []
        positions = (self.records + number + 1,)
        if type(record) is ImportedMember:
            facts, news = users.step((record,), positions)
            told = [(0, out) for _, out in news]
        users.pass_on(facts, told, positions, (reading.newest or 0,))

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
        if before // LOOK_EVERY != self.records // LOOK_EVERY:
            self._settle()

    def _settle(self) -> None:
        for reading in self._readings:
            for users in reading.users:
                # As in `Groups.take`.
                if len(users.shard.dirty) > self._hot:
                    users.shard.settle()

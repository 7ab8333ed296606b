"""
One pass over the events for several configs at once: what two of them would do alike is done once.

A record is decoded once for all configs that read records alike, and goes once through the user step for all that ask
the same of users; only the workspaces are each config's own. So a threshold of a workspace tried with eight values
costs much less than eight backtests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from signals.codec import decode_user_state, encode_state
from signals.compiled import Engine
from signals.config import Config
from signals.engine import UserRecord, WorkspaceRecord, step_users
from signals.errors import BadRecord
from signals.event import Event, Source, Tick
from signals.facts import Fact, Note, Outputs, Pulse
from signals.formats.segment import SegmentDecoder
from signals.imported import Imported, ImportedWorkspace
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
# The record's number in its batch, the facts of it, and what else was put out, if anything.
_Told = tuple[int, Sequence[Fact | Pulse | Tick], Outputs | None]


class _Users:
    """The users as one or several lanes see them."""

    def __init__(self, engine: Engine, lanes: list[Lane]) -> None:
        self.engine = engine
        self.shard: Shard[UserState] = Shard(encode_state, decode_user_state)
        self.lanes = lanes
        self.notes: Counter[str] = Counter()

    def step(self, record: UserRecord, position: int) -> tuple[list[Fact | Pulse], Outputs | None]:
        """Apply a record; what it put out: the facts, and the rest if there is any."""
        facts, news = step_users(self.shard, (record,), (position,), 0, self.engine)
        if not news:
            return facts, None
        self.notes.update([note.value for note in news[0].out.notes])
        return facts, news[0].out

    def pass_on(self, told: Iterable[_Told], moments: Sequence[int]) -> None:
        """Give every lane what the step has put out, record by record; `moments` are the newest times after each."""
        for lane in self.lanes:
            for number, facts, heard in told:
                if heard is not None:
                    lane.hear(heard)
                lane.take(facts, moments[number])


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
        moments, newest = [0] * len(events), self.newest
        for users in self.users:
            is_first = users is self.users[0]
            told: list[_Told] = []
            for number, read in enumerate(events):
                event = read
                if event is not None and is_first and event.time == _UNTIMED:
                    # Most probably it names no time: that is now the newest so far.
                    value, source, record_time = batch[number]
                    event = events[number] = self._dated(value, source, record_time)
                if event is None:
                    continue
                facts, out = users.step(event, position + number)
                if is_first:
                    if (newest is None or event.time > newest) and (out is None or _DUPLICATE not in out.notes):
                        self.started = event.time if newest is None else self.started
                        newest = self.newest = event.time
                    moments[number] = newest or 0
                if facts or out is not None:
                    told.append((number, facts, out))
            users.pass_on(told, moments)

    def finish(self, until: int | None, position: int) -> None:
        """Let time pass up to `until`."""
        time = self.newest if until is None else until
        if time is None:
            return
        now = self.newest or 0
        for users in self.users:
            facts, out = users.step(Tick(time), position)
            users.pass_on([(0, facts, out), (1, [Tick(time)], None)], [now, self.newest or time])

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
        record.source = Source(_IMPORT, 0, self._imported)
        self._imported += 1
        for reading in self._readings:
            for users in reading.users:
                records: Sequence[WorkspaceRecord]
                if type(record) is ImportedWorkspace:
                    records = (record,)
                else:
                    records, _out = users.step(record, self.records + self._imported)
                for lane in users.lanes:
                    lane.take(records, reading.newest or 0)

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

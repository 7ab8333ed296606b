"""
One pass over the events for several configs at once: what two of them would do alike is done once.

A record is decoded once for all configs that read records alike, and goes once through the user step for all that ask
the same of users; only the workspaces are each config's own. So a threshold of a workspace tried with eight values
costs much less than eight backtests.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from signals.codec import decode_user_state, decode_workspace_state, encode_state
from signals.compiled import Engine
from signals.config import Clock, Config
from signals.engine import UserRecord, WorkspaceRecord, step_users, step_workspaces
from signals.errors import BadRecord
from signals.event import Event, Source, Tick
from signals.facts import Fact, Note, Outputs, Pulse
from signals.formats.segment import SegmentDecoder
from signals.imported import Imported, ImportedWorkspace
from signals.moments import EARLIEST_MS
from signals.rule import Scope
from signals.scoring import Score
from signals.selling import Alerts, Policy, Route
from signals.shard import Shard, unsealed
from signals.slack import Slack
from signals.thresholds import Signals
from signals.user import UserState
from signals.workspace import WorkspaceState

if TYPE_CHECKING:
    from signals.domains import Domains

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
_CHAMPION_LEFT = "champion_left"
_Record = tuple[bytes | None, Source, int | None]
# The record's number in its batch, the facts of it, and what else was put out, if anything.
_Told = tuple[int, Sequence[Fact | Pulse | Tick], Outputs | None]


class Lane:
    """
    The workspaces of one config, and who listens to what is found there.

    Args:
        config: The thresholds to try.
        domains: The lists of domains with the config's additions; read anew where None.
        on_outputs: Shown what a step put out beside facts, measures too; it must not keep the object.
        on_record: Told the time after each record of which `on_outputs` was shown something, Unix milliseconds.
    """

    def __init__(
        self,
        config: Config,
        domains: Domains | None = None,
        on_outputs: Callable[[Outputs], None] = lambda _outputs: None,
        on_record: Callable[[int], None] = lambda _now: None,
    ) -> None:
        self.config = config
        # Time is moved by the events whatever the config says (SIGNALS A29).
        self.engine = Engine(config.model_copy(update={"clock": Clock.EVENTS}), domains)
        self.shard: Shard[WorkspaceState] = Shard(encode_state, decode_workspace_state)
        self._on_outputs = on_outputs
        self._on_record = on_record
        self._position = 0
        self._has_news = False

    def hear(self, told: Outputs) -> None:
        """Show what the user step put out for the record whose facts come next."""
        self._has_news = True
        self._on_outputs(told)

    def take(self, records: Sequence[WorkspaceRecord], now: int) -> None:
        """Apply what one record brought about; what a workspace answers to another one comes last, as it does live."""
        while records:
            begin = self._position
            self._position = end = begin + len(records)
            records, news = step_workspaces(self.shard, records, range(begin, end), 0, self.engine)
            for _, out in news:
                self.hear(out)
        if self._has_news:
            self._has_news = False
            self._on_record(now)

    def workspaces(self) -> Iterable[tuple[str, WorkspaceState]]:
        """Every workspace as it is now; none of them is kept decoded by that."""
        return ((key, decode_workspace_state(unsealed(self.shard.sealed(key))[1])) for key in self.shard)

    def is_paying(self, workspace_id: str) -> bool:
        """Whether a workspace's current plan is one that is paid for."""
        workspace = self.shard.get(workspace_id)
        plan = workspace.billing.plan if workspace is not None else None
        return plan is not None and self.engine.terms.is_paying(plan.name)


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
        for reading in _grouped(lanes, _reading_part):
            users = [_Users(group[0].engine, group) for group in _grouped(reading, _user_part)]
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


def _grouped(lanes: Sequence[Lane], part: Callable[[Lane], Config]) -> list[list[Lane]]:
    groups: list[tuple[Config, list[Lane]]] = []
    for lane in lanes:
        key = part(lane)
        group = next((group for known, group in groups if known == key), None)
        if group is None:
            groups.append((key, [lane]))
        else:
            group.append(lane)
    return [group for _, group in groups]


def _reading_part(lane: Lane) -> Config:
    """What decides how a record is read; all else as if nothing were said."""
    config = lane.engine.config
    return Config(
        clock=config.clock,
        time_zone=config.time_zone,
        events=config.events,
        identity=config.identity,
        custom=config.custom,
        limits=config.limits,
    )


def _user_part(lane: Lane) -> Config:
    """
    What the user step may ask of a config; all else as if nothing were said.

    What is left out is what only the workspace step knows, so that a key that is new is looked at by both.
    """
    config, engine = lane.engine.config, lane.engine
    silent: dict[str, object] = {
        name: type(getattr(config.signals, name))()
        for name, rule in engine.by_name.items()
        # The user step watches champions for it.
        if rule.scope is Scope.WORKSPACE and name in Signals.model_fields and name != _CHAMPION_LEFT
    }
    return config.model_copy(
        update={
            "signals": config.signals.model_copy(update=silent),
            "score": Score(),
            "alerts": Alerts(show_email=config.alerts.show_email),
            "policy": Policy(),
            "routes": (Route(),),
            "slack": Slack(),
        }
    )

"""Backtest: the same steps and the same policy, folded over files instead of Kafka; no clock, no broker."""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from signals.codec import decode_fact_records, decode_user_state, decode_workspace_state, encode_state, position_in_log
from signals.compiled import Engine
from signals.config import Clock, Config
from signals.contract import signal_record
from signals.engine import step_user, step_workspace
from signals.engines import Engines
from signals.errors import BadRecord
from signals.event import Source, Tick
from signals.facts import Command, Decision, Fact, Note, Outputs, Pulse
from signals.formats.segment import SegmentDecoder
from signals.shard import Shard
from signals.user import UserState
from signals.workspace import WorkspaceState

if TYPE_CHECKING:
    from signals.domains import Domains

SignalRecord = dict[str, object]


class _Ledger:
    """
    Pairs each signal with its final verdict.

    Signals come out in the order of firing; one whose verdict is still waiting is kept back until that is final.
    """

    def __init__(self, config_hash: str) -> None:
        self._config_hash = config_hash
        self._waiting: dict[str, SignalRecord] = {}

    def book(self, now: int, *steps: Outputs, config: str | None = None) -> list[SignalRecord]:
        """Take what the steps put out for one record, by `config` or that of the run; returns what is finished."""
        made_by = self._config_hash if config is None else config
        verdicts = {verdict.signal_id: verdict for step in steps for verdict in step.verdicts}
        finished = []
        for step in steps:
            for firing in step.signals:
                record = signal_record(firing, now, made_by)
                verdict = verdicts.pop(firing.id, None)
                if verdict is None or not verdict.is_final:
                    self._waiting[firing.id] = record
                else:
                    finished.append(record | {"verdict": verdict.verdict.value})
        finished.extend(
            self._waiting.pop(verdict.signal_id) | {"verdict": verdict.verdict.value}
            for verdict in verdicts.values()
            if verdict.is_final and verdict.signal_id in self._waiting
        )
        return finished

    def close(self) -> list[SignalRecord]:
        """The signals that wait to the end."""
        waiting = Decision.WAITING_FOR_ACTIVATION.value
        left = [record | {"verdict": waiting} for record in self._waiting.values()]
        self._waiting.clear()
        return left


class Backtest:
    """
    Folds the lines of event files, in their order, into signals.

    Time is moved by the events whatever the config says, and `detected_at` is the newest event time so far. One
    partition each stands for all users and all workspaces.

    Args:
        config: The thresholds to try.
        domains: The lists of domains with the config's additions.
        on_outputs: Shown all that the steps put out, measures too; it must not keep the object.
    """

    def __init__(
        self,
        config: Config,
        domains: Domains | None = None,
        on_outputs: Callable[[Outputs], None] = lambda _outputs: None,
    ) -> None:
        played = config.model_copy(update={"clock": Clock.EVENTS})
        self._decoder = SegmentDecoder(played)
        self._engine = Engine(played, domains)
        self._ledger = _Ledger(config.hash)
        self._on_outputs = on_outputs
        self._users: Shard[UserState] = Shard(encode_state, decode_user_state)
        self._workspaces: Shard[WorkspaceState] = Shard(encode_state, decode_workspace_state)
        self._facts = 0
        # Lines read, blank ones included: the next line's place in the input.
        self.lines = 0
        # The newest event time so far, of events that are neither duplicates nor dead letters.
        self.newest: int | None = None
        self.dead_letters: Counter[str] = Counter()
        self.notes: Counter[str] = Counter()
        self.alerts = 0

    def feed(self, line: bytes, topic: str = "file") -> list[SignalRecord]:
        """
        Apply one line of a file.

        Args:
            line: JSON; a line terminator is not part of the record, a blank line is none.
            topic: What to name as its topic in `cause`.

        Returns:
            The signals that are finished by it, as JSON objects with their `verdict`.
        """
        offset = self.lines
        self.lines += 1
        value = line.removesuffix(b"\n").removesuffix(b"\r")
        if not value.strip():
            return []
        try:
            event = self._decoder.decode(value, self.newest, Source(topic, 0, offset))
        except BadRecord as error:
            self.dead_letters[error.reason] += 1
            return []
        # One origin for all files: their lines are numbered through.
        out = step_user(self._users, event, offset, 0, self._engine)
        if Note.DUPLICATE not in out.notes and (self.newest is None or event.time > self.newest):
            self.newest = event.time
        return self._pass_on(out)

    def finish(self, until: int | None = None) -> list[SignalRecord]:
        """
        End the backtest with one tick, at `until` (Unix milliseconds) or the newest event time.

        Returns:
            The signals that are finished by it, and those that still wait.
        """
        time = self.newest if until is None else until
        finished: list[SignalRecord] = []
        if time is not None:
            tick = Tick(time)
            finished += self._pass_on(step_user(self._users, tick, self.lines, 0, self._engine))
            finished += self._ledger.book(self.newest or time, *self._step_workspaces([tick]))
        return finished + self._ledger.close()

    def user(self, user_id: str) -> UserState | None:
        """The state of a user as it is now."""
        return self._users.get(f"user:{user_id}")

    def workspace(self, workspace_id: str) -> WorkspaceState | None:
        """The state of a workspace as it is now."""
        return self._workspaces.get(workspace_id)

    def _pass_on(self, out: Outputs) -> list[SignalRecord]:
        self.notes.update(note.value for note in out.notes)
        self._on_outputs(out)
        if not out.facts and not out.signals:
            return []
        return self._ledger.book(self.newest or 0, out, *self._step_workspaces(out.facts))

    def _step_workspaces(self, records: Iterable[Fact | Pulse | Tick]) -> Iterator[Outputs]:
        # What a workspace answers to another one goes to the end of the log, as it does live.
        log: deque[Fact | Pulse | Tick] = deque(records)
        while log:
            out = step_workspace(self._workspaces, log.popleft(), self._facts, 0, self._engine)
            self._facts += 1
            self.alerts += len(out.alerts)
            self._on_outputs(out)
            log.extend(out.facts)
            yield out


class FactsBacktest:
    """
    Folds a recorded log of facts into the signals of workspace scope, one shard for each of its partitions.

    Args:
        config: The config that was in force, where no tick names another.
        domains: The lists of domains with the config's additions.
        engines: Has the configs that ticks name; without it `config` stands for all of them.
    """

    def __init__(self, config: Config, domains: Domains | None = None, engines: Engines | None = None) -> None:
        self._engine = Engine(config, domains) if engines is None else engines.start
        self._engines = engines
        self._ledger = _Ledger(config.hash)
        self._shards: dict[int, Shard[WorkspaceState]] = {}
        self._newest = 0

    def feed(self, partition: int, offset: int, value: bytes) -> list[SignalRecord]:
        """
        Apply one Kafka record: a bundle of facts, a tick or a command.

        Args:
            partition: The partition of `plg.workspace-facts` that it was recorded from.
            offset: Its offset there.
            value: Its value.

        Returns:
            The signals that are finished by it, as JSON objects with their `verdict`.

        Raises:
            BrokenLog: The value is neither a fact nor a tick.
            UnknownConfig: A tick names a config that is not known.
        """
        records = decode_fact_records(value)
        shard = self._shards.get(partition)
        if shard is None:
            shard = self._shards[partition] = Shard(encode_state, decode_workspace_state)
        finished: list[SignalRecord] = []
        for position, record in enumerate(records, position_in_log(offset)):
            engine = self._engine_at(shard, record)
            out = step_workspace(shard, record, position, partition, engine)
            if isinstance(record, Fact | Pulse):
                self._newest = max(self._newest, record.time)
            if out.signals or out.verdicts:
                finished += self._ledger.book(self._newest, out, config=engine.hash)
        return finished

    def _engine_at(self, shard: Shard[WorkspaceState], record: Fact | Pulse | Tick | Command) -> Engine:
        if self._engines is None:
            return self._engine
        fence = shard.fence
        return self._engines.of(fence.config_at(record) if isinstance(record, Tick) else fence.config)

    def finish(self) -> list[SignalRecord]:
        """The signals that wait to the end."""
        return self._ledger.close()

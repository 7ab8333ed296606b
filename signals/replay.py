"""Backtest: the same steps and the same policy, folded over files instead of Kafka; no clock, no broker."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from signals.codec import decode_fact_records, decode_workspace_state, encode_state, position_in_log
from signals.compiled import Engine
from signals.config import Config
from signals.contract import signal_record
from signals.engine import step_workspace
from signals.engines import Engines
from signals.event import Source, Tick
from signals.facts import Command, Decision, Fact, Firing, Outputs, Pulse, Verdict
from signals.imported import Imported, ImportedWorkspace
from signals.lanes import Lane
from signals.one_pass import OnePass
from signals.shard import Shard
from signals.user import UserState
from signals.workspace import WorkspaceState

if TYPE_CHECKING:
    from signals.domains import Domains

SignalRecord = dict[str, object]
# A signal, when it was found (Unix milliseconds), by which config, and its final verdict; None while it waits.
Finished = tuple[Firing, int, str, Verdict | None]


class Ledger:
    """
    Pairs each signal with its final verdict.

    Signals come out in the order of firing; one whose verdict is still waiting is kept back until that is final.
    """

    def __init__(self) -> None:
        self._signals: list[Firing] = []
        self._verdicts: list[Verdict] = []
        self._waiting: dict[str, tuple[Firing, int, str]] = {}

    def note(self, out: Outputs) -> None:
        """Take what a step put out for the record at hand."""
        self._signals += out.signals
        self._verdicts += out.verdicts

    def book(self, now: int, config: str) -> list[Finished]:
        """The signals that the record at hand has finished; those it has raised were found `now`, by `config`."""
        if not (self._signals or self._verdicts):
            return []
        verdicts = {verdict.signal_id: verdict for verdict in self._verdicts}
        finished: list[Finished] = []
        for firing in self._signals:
            verdict = verdicts.pop(firing.id, None)
            if verdict is None or not verdict.is_final:
                self._waiting[firing.id] = firing, now, config
            else:
                finished.append((firing, now, config, verdict))
        finished.extend(
            (*self._waiting.pop(verdict.signal_id), verdict)
            for verdict in verdicts.values()
            if verdict.is_final and verdict.signal_id in self._waiting
        )
        self._signals.clear()
        self._verdicts.clear()
        return finished

    def close(self) -> list[Finished]:
        """The signals that wait to the end."""
        left: list[Finished] = [(*waiting, None) for waiting in self._waiting.values()]
        self._waiting.clear()
        return left


class Backtest:
    """
    Folds the lines of event files, in their order, into signals: one pass for one config.

    Time is moved by the events whatever the config says, and `detected_at` is the newest event time so far. One
    partition each stands for all users and all workspaces.

    Args:
        config: The thresholds to try.
        domains: The lists of domains with the config's additions.
        on_outputs: Shown what a step put out beside facts, measures too; it must not keep the object.
    """

    def __init__(
        self,
        config: Config,
        domains: Domains | None = None,
        on_outputs: Callable[[Outputs], None] = lambda _outputs: None,
    ) -> None:
        self._on_outputs = on_outputs
        self._hash = config.hash
        self._ledger = Ledger()
        self._finished: list[Finished] = []
        self._lane = Lane(config, domains, self._take, self._book)
        # Each line's own signals are asked for.
        self._pass = OnePass([self._lane], batch=1)
        # Lines read, blank ones included: the next line's place in the input.
        self.lines = 0
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
        # One origin for all files: their lines are numbered through.
        self._pass.feed(value, Source(topic, 0, offset))
        return self._handed_out()

    def feed_import(self, record: Imported) -> None:
        """Apply a record of an import, before the events; it is no line (`OnePass.feed_import`)."""
        self._pass.feed_import(record)

    def finish(self, until: int | None = None) -> list[SignalRecord]:
        """
        End the backtest with one tick, at `until` (Unix milliseconds) or the newest event time.

        Returns:
            The signals that are finished by it, and those that still wait.
        """
        self._pass.finish(until)
        self._finished += self._ledger.close()
        return self._handed_out()

    @property
    def newest(self) -> int | None:
        """The newest event time so far, of events that are neither duplicates nor dead letters."""
        return self._pass.newest

    @property
    def dead_letters(self) -> Counter[str]:
        """Records that can never be events, by reason."""
        return self._pass.dead_letters

    @property
    def notes(self) -> Counter[str]:
        """What the user step noted of records."""
        return self._pass.notes

    def user(self, user_id: str) -> UserState | None:
        """The state of a user as it is now."""
        return self._pass.user(f"user:{user_id}")

    def workspace(self, workspace_id: str) -> WorkspaceState | None:
        """The state of a workspace as it is now."""
        return self._lane.shard.get(workspace_id)

    def _take(self, out: Outputs) -> None:
        self.alerts += len(out.alerts)
        self._ledger.note(out)
        self._on_outputs(out)

    def _book(self, now: int) -> None:
        self._finished += self._ledger.book(now, self._hash)

    def _handed_out(self) -> list[SignalRecord]:
        if not self._finished:
            return []
        finished, self._finished = self._finished, []
        return finished_records(finished)


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
        self._ledger = Ledger()
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
            msgspec.MsgspecError: Nobody of us wrote the value.
            UnknownConfig: A tick names a config that is not known.
        """
        records = decode_fact_records(value)
        shard = self._shards.get(partition)
        if shard is None:
            shard = self._shards[partition] = Shard(encode_state, decode_workspace_state)
        finished: list[Finished] = []
        for position, record in enumerate(records, position_in_log(offset)):
            engine = self._engine_at(shard, record)
            out = step_workspace(shard, record, position, partition, engine)
            if isinstance(record, Fact | Pulse):
                self._newest = max(self._newest, record.time)
            if out.signals or out.verdicts:
                self._ledger.note(out)
                finished += self._ledger.book(self._newest, engine.hash)
        return finished_records(finished)

    def _engine_at(
        self, shard: Shard[WorkspaceState], record: Fact | Pulse | Tick | Command | ImportedWorkspace
    ) -> Engine:
        if self._engines is None:
            return self._engine
        fence = shard.fence
        return self._engines.of(fence.config_at(record) if isinstance(record, Tick) else fence.config)

    def finish(self) -> list[SignalRecord]:
        """The signals that wait to the end."""
        return finished_records(self._ledger.close())


def finished_records(finished: Iterable[Finished]) -> list[SignalRecord]:
    """Signals as JSON objects with their `verdict`; one without still waits for an activation."""
    waiting = Decision.WAITING_FOR_ACTIVATION.value
    return [
        signal_record(firing, found, config) | {"verdict": waiting if verdict is None else verdict.verdict.value}
        for firing, found, config, verdict in finished
    ]

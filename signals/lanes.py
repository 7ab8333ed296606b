"""A lane: the workspaces of one config in a pass over events; and what two configs do alike."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING

from signals.codec import decode_workspace_state, encode_state
from signals.compiled import Engine
from signals.config import Clock, Config
from signals.engine import ASKING, News, WorkspaceRecord, step_workspaces
from signals.facts import Fact, Outputs, Pulse
from signals.rule import Scope
from signals.scoring import Score
from signals.selling import Alerts, Policy, Route
from signals.shard import Shard, unsealed
from signals.slack import Slack
from signals.thresholds import Signals
from signals.workspace import WorkspaceState

if TYPE_CHECKING:
    from signals.domains import Domains

_CHAMPION_LEFT = "champion_left"


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
        # Of the records at hand: what is still to be shown, the number of the one shown last, and the newest times.
        self._told: deque[tuple[int, Outputs]] = deque()
        self._shown: int | None = None
        self._moments: Sequence[int] = ()

    def take(
        self,
        records: Sequence[WorkspaceRecord],
        told: Sequence[tuple[int, Outputs]],
        numbers: Mapping[int, int],
        moments: Sequence[int],
    ) -> None:
        """
        Apply what some records of the input brought about, and show what comes of it record by record.

        What a workspace answers to another one comes behind what the same record brought about, as it does live.

        Args:
            records: Facts, or a tick.
            told: What the user step put out beside them, by the number of the record.
            numbers: The number of the record that brought a fact about, from 0 and rising, by the fact's offset; what
                has none is the first one's.
            moments: The newest times after each record.
        """
        self._told, self._moments = deque(told), moments

        def number_of(record: WorkspaceRecord) -> int:
            return numbers[record.offset] if type(record) is Fact or type(record) is Pulse else 0

        for some in _asking_last(records):
            answers = self._apply(some, lambda news: self._reach(number_of(news.record), news.out))
            number = number_of(some[-1])
            while answers:
                answers = self._apply(answers, lambda news, number=number: self._reach(number, news.out))  # type: ignore[misc]  # mypy does not infer lambdas with defaults
        self._reach(len(moments), None)

    def _apply(
        self, records: Sequence[WorkspaceRecord], tell: Callable[[News[WorkspaceRecord]], None]
    ) -> list[Fact | Pulse]:
        begin = self._position
        self._position = end = begin + len(records)
        return step_workspaces(self.shard, records, range(begin, end), 0, self.engine, tell).facts

    def _reach(self, number: int, out: Outputs | None) -> None:
        """Show what there was up to a record, and something of that record itself."""
        while self._told and self._told[0][0] <= number:
            earlier, heard = self._told.popleft()
            self._show(earlier, heard)
        if out is not None:
            self._show(number, out)
        elif self._shown is not None:
            self._on_record(self._moments[self._shown])
            self._shown = None

    def _show(self, number: int, out: Outputs) -> None:
        if self._shown is not None and self._shown != number:
            self._on_record(self._moments[self._shown])
        self._shown = number
        self._on_outputs(out)

    def workspaces(self) -> Iterable[tuple[str, WorkspaceState]]:
        """Every workspace as it is now; none of them is kept decoded by that."""
        return ((key, decode_workspace_state(unsealed(self.shard.sealed(key))[1])) for key in self.shard)

    def is_paying(self, workspace_id: str) -> bool:
        """Whether a workspace's current plan is one that is paid for."""
        workspace = self.shard.get(workspace_id)
        plan = workspace.billing.plan if workspace is not None else None
        return plan is not None and self.engine.terms.is_paying(plan.name)


def _asking_last(records: Sequence[WorkspaceRecord]) -> Iterator[Sequence[WorkspaceRecord]]:
    """Cut records behind each that another workspace is asked by: what it answers comes before the next record."""
    begin = 0
    for end, record in enumerate(records, 1):
        if type(record) is Fact and record.kind in ASKING:
            yield records[begin:end]
            begin = end
    if begin < len(records):
        yield records[begin:]


def grouped(lanes: Sequence[Lane], part: Callable[[Lane], Config]) -> list[list[Lane]]:
    """The lanes whose part of the config is equal, together, in the order in which each first comes."""
    groups: list[tuple[Config, list[Lane]]] = []
    for lane in lanes:
        key = part(lane)
        group = next((group for known, group in groups if known == key), None)
        if group is None:
            groups.append((key, [lane]))
        else:
            group.append(lane)
    return [group for _, group in groups]


def reading_part(lane: Lane) -> Config:
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


def user_part(lane: Lane) -> Config:
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

"""
The workspace step: a fact and the state of its workspace before it give the state after it, signals, and alerts.

As the user step (signals/user_step.py); after the rules policy decides what sales should hear of.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

from signals import policy
from signals.billing import NOTHING_PASSED, UsageStep
from signals.bounds import bound_workspace, is_too_large, may_be_too_large
from signals.case import Case
from signals.clock import move_workspace_clock
from signals.compiled import Engine
from signals.custom_state import take_customs_of_workspace
from signals.errors import StepError
from signals.event import EventType, Tick
from signals.facts import Command, Fact, FactKind, Firing, Note, Order, Outputs, Pulse
from signals.imported import ImportedWorkspace
from signals.importing import import_fact, import_workspace
from signals.judging import fire_derived, judge_workspace
from signals.score import company_of
from signals.shard import Fence, Shard
from signals.steps import News, Stepped, WorkspaceRecord, collected, fire_due
from signals.telling import Place
from signals.usual import take_pulse
from signals.workspace import NO_CHANGE, Change, WorkspaceState, apply_fact
from signals.workspace_measures import measure_workspace

_OBSERVED, _CARRIED, _IMPORTED = FactKind.OBSERVED, FactKind.CARRIED, FactKind.IMPORTED
ASKING = frozenset({FactKind.MOVED, FactKind.ENTERED})
_GROUP = EventType.GROUP


def step_workspaces(  # noqa: C901, PLR0912, PLR0915 - a call less per fact
    shard: Shard[WorkspaceState],
    records: Sequence[WorkspaceRecord],
    positions: Sequence[int],
    partition: int,
    engine: Engine,
    tell: Callable[[News[WorkspaceRecord]], None] | None = None,
) -> Stepped[WorkspaceRecord]:
    """
    Apply records of `plg.workspace-facts` that stand one after the other.

    Args:
        shard: The workspaces of the partition; the facts' own workspaces and the fence are changed in place.
        records: Facts, ticks, commands, and what an import says of workspaces.
        positions: Where each of them stands in the partition (`codec.position_in_log`).
        partition: Its number: with the position it makes the coordinates of answers to other workspaces.
        engine: The rules in force; at a tick, which is the only record then, those from it on (`Fence.config_at`).
        tell: Told of what a record put out besides facts while the states are as the record left them; without it all
            is told at the end.

    Returns:
        Signals of workspace scope, verdicts and alerts, and facts for other workspaces.

    Raises:
        StepError: As `step_users`.
    """
    fence, states, dirty, schedule = shard.fence, shard.states, shard.dirty, shard.schedule
    facts: list[Fact | Pulse] = []
    news: list[News[WorkspaceRecord]] = []
    tell = news.append if tell is None else tell
    out = Outputs()
    position = -1
    # The partition of the users that the records at hand are from, which is mostly that of all, and what it is known to
    # have sent: the fence is moved when another one's turn comes.
    number, last = -1, -1
    newest: Fact | Pulse | None = None
    try:
        for position, record in zip(positions, records, strict=True):
            if type(record) is Tick:
                if newest is not None:
                    fence.origins[newest.origin] = newest.coordinate
                number, newest = -1, None
                _tick_workspaces(shard, record, position, engine, out)
                out = collected(record, out, facts, tell)
                continue
            key = record.workspace_id
            held = states.get(key)  # type: ignore[arg-type]  # of None there is none
            workspace: WorkspaceState | None = shard.get(key) if type(held) is bytes else held  # type: ignore[arg-type, assignment]  # mypy does not narrow by `type`
            if type(record) is Pulse or (type(record) is Fact and record.kind is not _CARRIED):
                # As `fence.admit`.
                if record.partition != number:
                    if newest is not None:
                        fence.origins[newest.origin] = newest.coordinate
                    number, newest = record.partition, None
                    known = fence.origins.get(record.origin)
                    last = -1 if known is None else known.offset
                if record.offset > last:
                    is_new, last, newest = True, record.offset, record
                else:
                    if newest is not None:
                        fence.origins[newest.origin] = newest.coordinate
                        newest = None
                    is_new = fence.admit(record.origin, record.coordinate)
            else:
                is_new = fence.admit(record.origin, record.coordinate)
            if not is_new or (workspace is not None and position <= workspace.at):
                tell(News(record, Outputs(notes=[Note.REPEATED])))
                continue
            if key is None:
                _mute_everywhere(fence, record)
                continue
            if workspace is None:
                workspace = WorkspaceState()
            due = workspace.due
            if type(record) is Pulse:
                change = take_pulse(workspace, record, engine)
                if change is None:
                    place = Place(partition, position)
                    _apply_to_workspace(workspace, record.as_fact(), place, fence.muted, engine, out)
                    out = collected(record, out, facts, tell)
                elif change is not NO_CHANGE:
                    asked = engine.for_pulse(record)
                    judge_workspace(workspace, record, asked, change, engine, out)
                    if out.signals or out.errors:
                        if out.signals:
                            _follow_pulse(workspace, record, fence.muted, engine, out)
                        out = collected(record, out, facts, tell)
            elif isinstance(record, Fact):
                _apply_to_workspace(workspace, record, Place(partition, position), fence.muted, engine, out)
                out = collected(record, out, facts, tell)
            else:
                _obey(Case(key, workspace, record.time, record.time, engine, out, fence.muted), record)
                out = collected(record, out, facts, tell)
            # As `shard.touch`.
            workspace.at = position
            if workspace is not held:
                states[key] = workspace
            dirty.add(key)
            if workspace.due != due and workspace.due is not None:
                schedule(key, workspace.due)
    except Exception as error:
        raise StepError(position) from error
    if newest is not None:
        fence.origins[newest.origin] = newest.coordinate
    return Stepped(facts, news)


def set_aside_fact(
    shard: Shard[WorkspaceState], fact: Fact | Pulse | Command | ImportedWorkspace, position: int
) -> None:
    """Pass over what the step cannot apply: its place is taken, and its workspace marked suspect."""
    shard.fence.admit(fact.origin, fact.coordinate)
    if fact.workspace_id is None:
        return
    workspace = shard.get(fact.workspace_id) or WorkspaceState()
    workspace.is_suspect = True
    shard.touch(fact.workspace_id, workspace, position)


def _obey(case: Case, record: Command | ImportedWorkspace) -> None:
    """Do what a person has told, in an order or by an import."""
    if type(record) is ImportedWorkspace:
        import_workspace(case, record)
    else:
        policy.obey(case, record)


def _mute_everywhere(fence: Fence, record: Fact | Pulse | Command | ImportedWorkspace) -> None:
    # Without a workspace it can only be a command about a signal.
    assert isinstance(record, Command)
    if record.signal is None:
        return
    if record.order is Order.MUTE:
        fence.muted[record.signal] = policy.FOREVER if record.until is None else record.until
    elif record.order is Order.UNMUTE:
        fence.muted.pop(record.signal, None)


def _tick_workspaces(shard: Shard[WorkspaceState], tick: Tick, position: int, engine: Engine, out: Outputs) -> None:
    def move(_due: int, key: str, workspace: WorkspaceState) -> None:
        case = Case(key, workspace, tick.time, tick.time, engine, out, shard.fence.muted)
        move_workspace_clock(case, tick.time)
        _bound(case)

    fire_due(shard, tick, position, engine, out, move)


def _apply_to_workspace(  # noqa: C901, PLR0912, PLR0915 - flat: a case is made only where policy is asked: most facts never are
    workspace: WorkspaceState, fact: Fact, place: Place, muted: Mapping[str, int], engine: Engine, out: Outputs
) -> None:
    kind, fired_before = fact.kind, 0
    if kind is _OBSERVED:
        if workspace.due is not None and workspace.due < fact.time:
            # An event moves its workspace's clock first; one exactly at the due time comes before the timer.
            case = _case(workspace, fact, muted, engine, out)
            # Its signals are judged at their own time; what the event itself raises comes after them.
            move_workspace_clock(case, fact.time - 1)
            _bound(case)
            fired_before = len(out.signals)
    elif kind in ASKING:
        apply_fact(workspace, fact, engine.watched, engine.terms, engine.workspace_timers)
        policy.answer(_case(workspace, fact, muted, engine, out), fact, place.partition, place.position)
        return
    elif kind is _CARRIED:
        case = _case(workspace, fact, muted, engine, out)
        policy.receive(case, fact)
        _bound(case)
        return
    elif kind is _IMPORTED:
        import_fact(_case(workspace, fact, muted, engine, out), fact)
        return
    # Most gates are open; that much is seen without a call.
    was_open = workspace.policy.activated_at is not None or policy.is_open(workspace, engine)
    # Nothing else tells anything about the company.
    company = company_of(workspace) if fact.profile is not None or fact.type is _GROUP else None
    change = apply_fact(workspace, fact, engine.watched, engine.terms, engine.workspace_timers)
    if fact.customs:
        day = engine.days.day_of(fact.time)
        change = take_customs_of_workspace(workspace, fact, change, day, engine.customs)
        if change.has_grown:
            _bound(_case(workspace, fact, muted, engine, out))
    has_opened = not was_open and policy.is_open(workspace, engine)
    if change.is_created or change.revenue is not None:
        measure_workspace(fact, change, engine, out)
    if change.plan is not None and workspace.has_converted(change.plan):
        policy.close(_case(workspace, fact, muted, engine, out), "converted")
    if kind is _OBSERVED or fact.champion is not None:
        if change.has_forgotten:
            out.notes.append(Note.FIRING_FORGOTTEN)
        if change.usage is not None:
            _take_in_usage(change, change.usage, _case(workspace, fact, muted, engine, out))
        asked = engine.for_fact(fact, change)
        if change.custom is not None:
            asked += engine.custom_of_workspace(change.custom.counted)
        if asked:
            judge_workspace(workspace, fact, asked, change, engine, out)
    firings = [*fact.signals, *out.signals[fired_before:]]
    if company is not None and company == company_of(workspace):
        company = None
    if firings or has_opened or change.is_derived or company is not None:
        case = _case(workspace, fact, muted, engine, out)
        firings += fire_derived(case, firings, fact.time, fact.event_id, fact.cause, fact.user_id, company)
        policy.judge(case, firings, has_opened=has_opened, is_asked=fact.is_asked)
        if change.has_timers:
            policy.set_due(case)
            _bound(case)
        else:
            _bound_after(case, firings)
    elif change.has_timers:
        case = _case(workspace, fact, muted, engine, out)
        policy.set_due(case)
        _bound(case)


def _follow_pulse(
    workspace: WorkspaceState, pulse: Pulse, muted: Mapping[str, int], engine: Engine, out: Outputs
) -> None:
    """What `_apply_to_workspace` does about signals, for those that a pulse has raised."""
    fact = pulse.as_fact()
    case = _case(workspace, fact, muted, engine, out)
    firings = list(out.signals)
    firings += fire_derived(case, firings, fact.time, fact.event_id, fact.cause, fact.user_id)
    policy.judge(case, firings)
    _bound_after(case, firings)


def _bound(case: Case) -> None:
    # Called where a signal, a verdict, an alert or a metric may have been added; nothing else of a workspace grows.
    if is_too_large(case.workspace, case.engine.workspace_room):
        bound_workspace(case, case.engine.workspace_room)
        policy.set_due(case)


def _bound_after(case: Case, firings: Sequence[Firing]) -> None:
    """As `_bound`, where nothing but signals and what became of them may have been added."""
    if may_be_too_large(case.workspace, case.engine.workspace_room, firings, case.out):
        _bound(case)


def _take_in_usage(change: Change, usage: UsageStep, case: Case) -> None:
    if usage.has_forgotten or change.has_dropped:
        case.out.notes.append(Note.METRIC_FORGOTTEN)
    if usage.passed == NOTHING_PASSED:
        # A metric or a period that is new here.
        _bound(case)


def _case(workspace: WorkspaceState, fact: Fact, muted: Mapping[str, int], engine: Engine, out: Outputs) -> Case:
    now = fact.time if fact.ingested_at is None else max(fact.time, fact.ingested_at)
    return Case(fact.workspace_id, workspace, fact.time, now, engine, out, muted)

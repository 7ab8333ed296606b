"""
The two steps: a record and the states before it give the states after it, and what is to be sent.

Pure, and the same on every replay. The engine applies a record with total functions first; then the rules look at the
state read-only and say what they found, and the engine records it. The caller sends the outputs in their order.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Generic, NamedTuple, TypeVar

from signals import policy
from signals.active_days import add_day
from signals.attempts import Attempt, add_attempt
from signals.billing import NOTHING_PASSED, UsageStep, text
from signals.bounds import bound_user, bound_workspace, is_too_large, may_be_too_large
from signals.case import Case
from signals.champions import crown
from signals.clock import move_user_clock, move_workspace_clock, set_user_due
from signals.codec import (
    decode_fact_records,
    decode_user_records,
    decode_user_state,
    decode_workspace_state,
    encode_fact,
    encode_state,
)
from signals.compiled import Engine
from signals.core_use import count_core, use_name
from signals.custom_state import move_waits, take_customs_of_user, take_customs_of_workspace
from signals.errors import StepError
from signals.event import PASSIVE_ROLES, Event, EventType, Role, Tick
from signals.facts import Command, CustomMark, Fact, FactKind, Firing, Note, Order, Outputs, Pulse
from signals.imported import ImportedMember, ImportedWorkspace
from signals.importing import import_fact, import_member, import_workspace
from signals.judging import fire_derived, judge_user, judge_workspace
from signals.measures import tell_measures
from signals.score import company_of
from signals.shard import Coordinate, Fence, Shard
from signals.snapshot import snapshot_json
from signals.telling import Place, facts_of, passed_through
from signals.user import Progress, UserState, apply_event, keep_timers
from signals.usual import take_pulse, take_usual_event
from signals.workspace import NO_CHANGE, Change, WorkspaceState, apply_fact
from signals.workspace_measures import measure_workspace

_OBSERVED, _CARRIED, _IMPORTED = FactKind.OBSERVED, FactKind.CARRIED, FactKind.IMPORTED
ASKING = frozenset({FactKind.MOVED, FactKind.ENTERED})
_GATED, _CORE, _GROUP = Role.FEATURE_GATED, Role.CORE, EventType.GROUP
_POWER_USER = "power_user"
R = TypeVar("R")
# What stands in the logs of the two steps.
UserRecord = Event | Tick | ImportedMember
WorkspaceRecord = Fact | Pulse | Tick | Command | ImportedWorkspace

# What the shell needs of the core, in one place.
__all__ = [
    "Engine",
    "Outputs",
    "decode_fact_records",
    "decode_user_records",
    "decode_user_state",
    "decode_workspace_state",
    "encode_fact",
    "encode_state",
    "set_aside_event",
    "set_aside_fact",
    "snapshot_json",
    "step_user",
    "step_users",
    "step_workspace",
    "step_workspaces",
]


class News(NamedTuple, Generic[R]):
    """What a record put out besides facts."""

    record: R
    out: Outputs


class Stepped(NamedTuple, Generic[R]):
    """What a step put out for some records: all facts, and what else there was by record, each in its order."""

    facts: list[Fact | Pulse]
    news: list[News[R]]


def step_users(  # noqa: C901, PLR0912, PLR0915 - a call less per event
    shard: Shard[UserState], records: Sequence[UserRecord], positions: Sequence[int], partition: int, engine: Engine
) -> Stepped[UserRecord]:
    """
    Apply records of `plg.user-events` that stand one after the other.

    Args:
        shard: The users of the partition; the records' own users and the fence are changed in place.
        records: Events, ticks, and what an import says of members.
        positions: Where each of them stands in the partition (`codec.position_in_log`).
        partition: Its number: with the position it makes the coordinates of the facts.
        engine: The rules in force; at a tick, which is the only record then, those from it on (`Fence.config_at`).

    Returns:
        Signals of user scope, and facts for the workspaces in the order in which they must be sent.

    Raises:
        StepError: A record could not be applied. Those before it have been, and what they put out is lost.
    """
    fence, states, dirty, schedule = shard.fence, shard.states, shard.dirty, shard.schedule
    facts: list[Fact | Pulse] = []
    news: list[News[UserRecord]] = []
    position = -1
    # The origin of the records at hand, which is mostly that of all: its fence is moved when another one's turn comes.
    topic, number, last = "", -1, -1
    out = Outputs()
    try:
        for position, record in zip(positions, records, strict=True):
            if type(record) is not Event:
                _move_fence(fence, topic, number, last)
                number = -1
                _step_user_without_event(shard, record, Place(partition, position), engine, out)
                out = _collected(record, out, facts, news.append)
                continue
            source, user_id = record.source, record.user_id
            if source.partition != number or source.topic != topic:
                _move_fence(fence, topic, number, last)
                topic, number = source.topic, source.partition
                known = fence.origins.get(_origin_of(topic, number))
                last = -1 if known is None else known.offset
            key = record.subject if user_id is None else "user:" + user_id
            held = states.get(key)
            user: UserState | None = shard.get(key) if type(held) is bytes else held  # type: ignore[assignment]  # mypy does not narrow by `type`
            is_new = source.offset > last
            if is_new:
                last = source.offset
            if user is None:
                user = UserState()
            elif position <= user.at:
                is_new = False
            due = user.due
            if not is_new:
                news.append(News(record, Outputs(notes=[Note.REPEATED])))
                continue
            if not user.admit_id(record.id):
                news.append(News(record, Outputs(notes=[Note.DUPLICATE])))
                continue
            if user_id is not None:
                if due is None or due >= record.time:
                    usual = take_usual_event(user, record, partition, position, engine)
                    if usual is not None:
                        facts.append(usual)
                    else:
                        _apply_to_user(user, record, Place(partition, position), engine, out)
                        out = _collected(record, out, facts, news.append)
                else:
                    # An event moves its user's clock first; one exactly at the due time comes before the timer.
                    place = Place(partition, position)
                    move_user_clock(user_id, user, record.time - 1, record.ingested_at, place, "", engine, out)
                    usual = take_usual_event(user, record, partition, position, engine)
                    if usual is not None:
                        out.facts.append(usual)
                    else:
                        _apply_to_user(user, record, place, engine, out)
                    out = _collected(record, out, facts, news.append)
            elif record.workspace_id is not None:
                # Nobody's event, often of a billing back end.
                fact = passed_through(record, record.workspace_id, partition, position)
                if record.customs:
                    fact.customs = tuple(CustomMark(mark) for mark in record.customs)
                facts.append(fact)
            # As `shard.touch`.
            user.at = position
            if user is not held:
                states[key] = user
            dirty.add(key)
            if user.due != due and user.due is not None:
                schedule(key, user.due)
    except Exception as error:
        raise StepError(position) from error
    _move_fence(fence, topic, number, last)
    return Stepped(facts, news)


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
                out = _collected(record, out, facts, tell)
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
                    out = _collected(record, out, facts, tell)
                elif change is not NO_CHANGE:
                    asked = engine.for_pulse(record)
                    judge_workspace(workspace, record, asked, change, engine, out)
                    if out.signals or out.errors:
                        if out.signals:
                            _follow_pulse(workspace, record, fence.muted, engine, out)
                        out = _collected(record, out, facts, tell)
            elif isinstance(record, Fact):
                _apply_to_workspace(workspace, record, Place(partition, position), fence.muted, engine, out)
                out = _collected(record, out, facts, tell)
            else:
                _obey(Case(key, workspace, record.time, record.time, engine, out, fence.muted), record)
                out = _collected(record, out, facts, tell)
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


def step_user(shard: Shard[UserState], record: UserRecord, position: int, partition: int, engine: Engine) -> Outputs:
    """Apply one record of `plg.user-events`, as `step_users` does; all that it put out in one."""
    return _in_one(step_users(shard, (record,), (position,), partition, engine))


def step_workspace(
    shard: Shard[WorkspaceState], record: WorkspaceRecord, position: int, partition: int, engine: Engine
) -> Outputs:
    """Apply one record of `plg.workspace-facts`, as `step_workspaces` does; all that it put out in one."""
    return _in_one(step_workspaces(shard, (record,), (position,), partition, engine))


def _in_one(stepped: Stepped[Any]) -> Outputs:
    out = stepped.news[0].out if stepped.news else Outputs()
    out.facts = stepped.facts
    return out


def _collected(record: R, out: Outputs, facts: list[Fact | Pulse], tell: Callable[[News[Any]], None]) -> Outputs:
    """Take what a record put out from `out`, and return an empty one: mostly the same, for most put out nothing."""
    if out.facts:
        facts.extend(out.facts)
        out.facts = []
    if not out.has_news:
        return out
    tell(News(record, out))
    return Outputs()


def _move_fence(fence: Fence, topic: str, number: int, last: int) -> None:
    # As `Fence.admit`: an event is the first of what its record puts out.
    if number >= 0 and last >= 0:
        origin = _origin_of(topic, number)
        known = fence.origins.get(origin)
        if known is None or known.offset < last:
            fence.origins[origin] = Coordinate(last)


def _step_user_without_event(
    shard: Shard[UserState], record: Tick | ImportedMember, place: Place, engine: Engine, out: Outputs
) -> None:
    if type(record) is Tick:
        _tick_users(shard, record, place, engine, out)
        return
    key, source = record.subject, record.source
    user = shard.get(key)
    is_new = shard.fence.admit(_origin_of(source.topic, source.partition), Coordinate(source.offset))
    if not is_new or (user is not None and place.position <= user.at):
        out.notes.append(Note.REPEATED)
        return
    user = UserState() if user is None else user
    import_member(user, record, place, engine, out)
    shard.touch(key, user, place.position)


def _obey(case: Case, record: Command | ImportedWorkspace) -> None:
    """Do what a person has told, in an order or by an import."""
    if type(record) is ImportedWorkspace:
        import_workspace(case, record)
    else:
        policy.obey(case, record)


@lru_cache(maxsize=4_096)
def _origin_of(topic: str, partition: int) -> str:
    return f"{topic}:{partition}"


def _mute_everywhere(fence: Fence, record: Fact | Pulse | Command | ImportedWorkspace) -> None:
    # Without a workspace it can only be a command about a signal.
    assert isinstance(record, Command)
    if record.signal is None:
        return
    if record.order is Order.MUTE:
        fence.muted[record.signal] = policy.FOREVER if record.until is None else record.until
    elif record.order is Order.UNMUTE:
        fence.muted.pop(record.signal, None)


def set_aside_event(shard: Shard[UserState], event: Event | ImportedMember, position: int) -> None:
    """Pass over an event that the step cannot apply: its place is taken, and its subject marked suspect."""
    source = event.source
    shard.fence.admit(_origin_of(source.topic, source.partition), Coordinate(source.offset))
    user = shard.get(event.subject) or UserState()
    user.is_suspect = True
    shard.touch(event.subject, user, position)


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


def _take_tick(shard: Shard[UserState] | Shard[WorkspaceState], tick: Tick, engine: Engine, out: Outputs) -> bool:
    # Now and then is enough: a new origin is a new partition of the step before.
    while len(shard.fence.origins) > engine.origins:
        shard.fence.forget_origin()
        out.notes.append(Note.ORIGIN_FORGOTTEN)
    if not shard.fence.take(tick):
        out.notes.append(Note.STALE_TICK)
        return False
    return True


def _tick_users(shard: Shard[UserState], tick: Tick, place: Place, engine: Engine, out: Outputs) -> None:
    before = shard.fence.config
    if _take_tick(shard, tick, engine, out):
        fire = _fire_due_users if shard.fence.config == before else _look_at_users
        fire(shard, tick.time, place, engine, out)


def _tick_workspaces(shard: Shard[WorkspaceState], tick: Tick, position: int, engine: Engine, out: Outputs) -> None:
    before = shard.fence.config
    if _take_tick(shard, tick, engine, out):
        fire = _fire_due if shard.fence.config == before else _look_at_workspaces
        fire(shard, tick.time, position, engine, out)


def _fire_due_users(shard: Shard[UserState], time: int, place: Place, engine: Engine, out: Outputs) -> None:
    for due, key in shard.due(time):
        user = shard.get(key)
        if user is None:
            continue
        if place.position <= user.at:
            # As below.
            shard.touch(key, user, user.at)
            continue
        _move_user(due, key, user, time, place, engine, out)
        shard.touch(key, user, place.position)


def _move_user(due: int, key: str, user: UserState, time: int, place: Place, engine: Engine, out: Outputs) -> None:
    # Padded, so that the order of the texts is that of the times.
    order = f"{due:015d}:{key}"
    now = time if engine.is_wall else None
    move_user_clock(key.removeprefix("user:"), user, time, now, place, order, engine, out)


def _look_at_users(shard: Shard[UserState], time: int, place: Place, engine: Engine, out: Outputs) -> None:
    """
    As `_fire_due_users`, at a tick that brings another config: whoever waits is looked at.

    What it waits for may now be due earlier, which `due` of its state does not know, or never. A state that is as
    before is not written.
    """
    for due, key, user in shard.waiting():
        if place.position <= user.at:
            continue
        waits = len(user.timers)
        _move_user(due, key, user, time, place, engine, out)
        if user.due != due or len(user.timers) != waits:
            shard.touch(key, user, place.position)


def _fire_due(shard: Shard[WorkspaceState], time: int, position: int, engine: Engine, out: Outputs) -> None:
    for _, key in shard.due(time):
        workspace = shard.get(key)
        if workspace is None:
            continue
        if position <= workspace.at:
            # The state is ahead of the log, after a crash: this tick is in it already, only its schedule is to be kept.
            shard.touch(key, workspace, workspace.at)
            continue
        case = Case(key, workspace, time, time, engine, out, shard.fence.muted)
        move_workspace_clock(case, time)
        _bound(case)
        shard.touch(key, workspace, position)


def _look_at_workspaces(shard: Shard[WorkspaceState], time: int, position: int, engine: Engine, out: Outputs) -> None:
    """As `_look_at_users`."""
    for due, key, workspace in shard.waiting():
        if position <= workspace.at:
            continue
        waits = len(workspace.timers)
        case = Case(key, workspace, time, time, engine, out, shard.fence.muted)
        move_workspace_clock(case, time)
        _bound(case)
        if workspace.due != due or len(workspace.timers) != waits:
            shard.touch(key, workspace, position)


def _apply_to_user(  # noqa: C901 - flat: what is asked only of some events is asked here, not a call away
    user: UserState, event: Event, place: Place, engine: Engine, out: Outputs
) -> None:
    is_internal = _take_address(user, event, engine)
    roles, fired_before = event.roles, len(out.signals)
    if is_internal:
        if user.timers:
            user.drop_timers()
        # Our own staff change plans and invite people for customers: that counts, nothing else does (SIGNALS A20).
        roles = tuple(role for role in roles if role in PASSIVE_ROLES)
        if not roles:
            out.notes.append(Note.INTERNAL)
            return
    progress = Progress(roles, is_internal=is_internal)
    apply_event(user, event, progress, engine.workspaces_per_user)
    if progress.is_active:
        _count_activity(user, event, progress, engine, out)
    if _GATED in progress.roles:
        progress.attempt = _count_attempt(user, event, engine, out)
    if event.customs and not is_internal:
        take_customs_of_user(user, event, progress, engine.days.day_of(event.time), engine.customs, out)
    if progress.moved_from is not None:
        move_waits(user, progress.moved_from, progress.workspace)
    if progress.workspace is None:
        out.notes.append(Note.AMBIGUOUS)
    if progress.forgot_workspace:
        out.notes.append(Note.WORKSPACE_FORGOTTEN)
    if not is_internal and (progress.roles or progress.is_new_day or progress.custom is not None):
        judge_user(user, event, progress, engine, out)
    firings = out.signals[fired_before:]
    _keep_timers(user, event, progress, firings, engine)
    tell_measures(user, event, progress, engine, out)
    out.facts.extend(facts_of(user, event, progress, firings, place, engine))
    if progress.has_grown or progress.attempt is not None:
        # Nothing else makes a map longer: a firing with a key comes with an attempt.
        bound_user(user, out)
    if progress.has_timers:
        set_user_due(user, engine)


def _take_address(user: UserState, event: Event, engine: Engine) -> bool:
    """Keep what an address tells, and say whether its user is internal."""
    if event.email is not None:
        address = engine.address(event.email)
        user.set_address(address.domain, is_internal=address.is_internal)
        user.email = event.email if engine.shows_email else None
    return user.has_internal_address or event.user_id in engine.internal_users


def _keep_timers(user: UserState, event: Event, progress: Progress, firings: list[Firing], engine: Engine) -> None:
    workspace, membership = progress.workspace, progress.membership
    is_power_user = any(firing.signal == _POWER_USER for firing in firings)
    if is_power_user and workspace is not None and membership is not None:
        crown(user, workspace, membership, event)
        progress.has_grown = True
    elif not (progress.signed_up or progress.activated or progress.moved_from is not None):
        return
    keep_timers(user, event, progress, may_stall=engine.may_stall)
    set_user_due(user, engine)


def _count_activity(user: UserState, event: Event, progress: Progress, engine: Engine, out: Outputs) -> None:
    day, membership = engine.days.day_of(event.time), progress.membership
    progress.is_new_day = add_day(user, day) is not None
    if membership is not None:
        progress.day = membership.add_day(day)
    if _CORE in progress.roles:
        known, name = len(user.core), event.matched or ""
        used, cap = user.core.get(name), engine.config.limits.core_names
        is_news, has_forgotten = use_name(user.core, name, day, cap)
        # A name used in the days that any rule looks back at adds nothing to their breadth.
        progress.has_new_core = is_news and (used is None or used <= day - engine.breadth_days)
        progress.has_grown |= len(user.core) > known or has_forgotten
        if has_forgotten:
            out.notes.append(Note.CORE_NAME_FORGOTTEN)
        if membership is not None:
            progress.core = count_core(membership, day)


def _count_attempt(user: UserState, event: Event, engine: Engine, out: Outputs) -> Attempt:
    attempt = Attempt(text(event.properties.get("feature")) or "", engine.days.day_of(event.time))
    counted = add_attempt(user.gated, attempt, engine.config.limits.features_per_user)
    if counted.has_forgotten:
        out.notes.append(Note.FEATURE_FORGOTTEN)
    # Only a new feature brings a new key.
    if counted.is_new and user.forget_firings("gated_feature", engine.config.limits.fired_keys):
        out.notes.append(Note.FIRING_FORGOTTEN)
    return attempt


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

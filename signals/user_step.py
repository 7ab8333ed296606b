"""
The user step: an event and the state of its user before it give the state after it, signals of his, and facts.

Pure, and the same on every replay. The record is applied with total functions first; then the rules look at the state
read-only and say what they found, which is recorded. The caller sends the outputs in their order.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache

from signals.active_days import add_day
from signals.attempts import Attempt, add_attempt
from signals.billing import text
from signals.bounds import bound_user
from signals.champions import crown
from signals.clock import move_user_clock, set_user_due
from signals.compiled import Engine
from signals.core_use import count_core, use_name
from signals.custom_state import move_waits, take_customs_of_user
from signals.errors import StepError
from signals.event import PASSIVE_ROLES, Event, Role, Tick
from signals.facts import CustomMark, Fact, Firing, Note, Outputs, Pulse
from signals.imported import ImportedMember
from signals.importing import import_member
from signals.judging import judge_user
from signals.measures import tell_measures
from signals.shard import Coordinate, Fence, Shard
from signals.steps import News, Stepped, UserRecord, collected, fire_due
from signals.telling import Place, facts_of, passed_through
from signals.user import Progress, UserState, apply_event, keep_timers
from signals.usual import take_usual_event

_GATED, _CORE = Role.FEATURE_GATED, Role.CORE
_POWER_USER = "power_user"


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
                out = collected(record, out, facts, news.append)
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
                        out = collected(record, out, facts, news.append)
                else:
                    # An event moves its user's clock first; one exactly at the due time comes before the timer.
                    place = Place(partition, position)
                    move_user_clock(user_id, user, record.time - 1, record.ingested_at, place, "", engine, out)
                    usual = take_usual_event(user, record, partition, position, engine)
                    if usual is not None:
                        out.facts.append(usual)
                    else:
                        _apply_to_user(user, record, place, engine, out)
                    out = collected(record, out, facts, news.append)
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


@lru_cache(maxsize=4_096)
def _origin_of(topic: str, partition: int) -> str:
    return f"{topic}:{partition}"


def set_aside_event(shard: Shard[UserState], event: Event | ImportedMember, position: int) -> None:
    """Pass over an event that the step cannot apply: its place is taken, and its subject marked suspect."""
    source = event.source
    shard.fence.admit(_origin_of(source.topic, source.partition), Coordinate(source.offset))
    user = shard.get(event.subject) or UserState()
    user.is_suspect = True
    shard.touch(event.subject, user, position)


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


def _tick_users(shard: Shard[UserState], tick: Tick, place: Place, engine: Engine, out: Outputs) -> None:
    def move(due: int, key: str, user: UserState) -> None:
        # Padded, so that the order of the texts is that of the times.
        order = f"{due:015d}:{key}"
        now = tick.time if engine.is_wall else None
        move_user_clock(key.removeprefix("user:"), user, tick.time, now, place, order, engine, out)

    fire_due(shard, tick, place.position, engine, out, move)


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

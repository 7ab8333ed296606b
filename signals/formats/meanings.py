"""What the product's event names mean here: the roles of a name, and what these read of its event (SIGNALS 3)."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

from signals.event import PASSIVE_ROLES, Role
from signals.names import CANCELLATIONS, normal_name

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signals.custom import CustomSignal
    from signals.product import EventNames

_TRIAL = ("trial_start_date", "trial_end_date", "trial_plan_name")
# The properties that each role reads; nothing else of an event is carried on.
READS: dict[Role, tuple[str, ...]] = {
    Role.TRIAL_STARTED: _TRIAL,
    Role.TRIAL_ENDED: _TRIAL,
    Role.PLAN_CHANGED: ("plan", "seats", "mrr", "currency"),
    Role.USAGE_REPORTED: ("metric", "used", "limit", "period"),
    Role.FEATURE_GATED: ("feature",),
}
# A product has some hundred names. One that makes names of ids must not fill the memory.
_CACHED_NAMES = 10_000


class Meaning(msgspec.Struct, frozen=True):
    """What a name means: `matched` is how the config writes it, None where no role or custom signal lists it."""

    roles: tuple[Role, ...] = ()
    passive: bool = False
    matched: str | None = None
    reads: tuple[str, ...] = ()
    # The event is about the member it names, not about who sent it.
    about_member: bool = False
    # See `signals.event.Event.customs`.
    customs: tuple[str, ...] = ()


_NONE = Meaning()


class Meanings:
    """Finds the meaning of a name, compared without case, `_`, `-` and spaces."""

    def __init__(self, events: EventNames, custom: Mapping[str, CustomSignal] | None = None) -> None:
        self._by_normal_name = _index(events)
        for name, (written, marks) in _marks(custom or {}).items():
            meaning = self._by_normal_name.get(name, _NONE)
            matched = meaning.matched or written
            self._by_normal_name[name] = msgspec.structs.replace(meaning, matched=matched, customs=tuple(marks))
        self._by_name: dict[str, Meaning] = {}

    def of(self, name: str | None) -> Meaning:
        """The meaning of a track's name; that of no name is none."""
        if name is None:
            return _NONE
        meaning = self._by_name.get(name)
        if meaning is None:
            if len(self._by_name) >= _CACHED_NAMES:
                self._by_name.clear()
            meaning = self._by_name[name] = self._by_normal_name.get(normal_name(name), _NONE)
        return meaning


def _index(events: EventNames) -> dict[str, Meaning]:
    roles: dict[str, list[Role]] = {}
    written: dict[str, str] = {}
    for role in Role:
        for name in events.of(role):
            roles.setdefault(normal_name(name), []).append(role)
            # The request type of `procurement` is the name in its own list (SIGNALS A35), so that one wins.
            if role is Role.PROCUREMENT_REQUESTED or normal_name(name) not in written:
                written[normal_name(name)] = name
    _spell_both_ways(roles, written)
    passive = {normal_name(name) for name in events.passive}
    meanings = {name: _meaning(tuple(found), written[name], passive=name in passive) for name, found in roles.items()}
    return {name: Meaning(passive=True) for name in passive} | meanings


def _marks(custom: Mapping[str, CustomSignal]) -> dict[str, tuple[str, list[str]]]:
    """How names are written, and what their events carry for the config's own signals, in the order of these."""
    found: dict[str, tuple[str, list[str]]] = {}
    for signal, stanza in sorted(custom.items()):
        if stanza.enabled:
            for mark, names in stanza.marks(signal).items():
                for name in names:
                    found.setdefault(normal_name(name), (name, []))[1].append(mark)
    return found


def _spell_both_ways(roles: dict[str, list[Role]], written: dict[str, str]) -> None:
    # The config may list the cancellation in one spelling, and the product write it in the other (SIGNALS A13).
    listed = [name for name in CANCELLATIONS if Role.PLAN_CHANGED in roles.get(name, ())]
    if len(listed) == 1:
        (other,) = CANCELLATIONS.difference(listed)
        roles.setdefault(other, []).append(Role.PLAN_CHANGED)
        written.setdefault(other, written[listed[0]])


def _meaning(roles: tuple[Role, ...], written: str, *, passive: bool) -> Meaning:
    return Meaning(
        roles=roles,
        passive=passive or not PASSIVE_ROLES.isdisjoint(roles),
        matched=written,
        reads=tuple(dict.fromkeys(name for role in roles for name in READS.get(role, ()))),
        about_member=Role.MEMBER_JOINED in roles or Role.MEMBER_REMOVED in roles,
    )

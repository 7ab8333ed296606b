"""
The doctor: a fold over records of the product's bus, as they are, into a diagnosis of what can be had from them.

It decodes as ingest does, and changes nothing. Its memory is bounded: of names, users and ids it keeps so many, and
what comes beyond is counted without being kept apart.
"""

from __future__ import annotations

from collections import Counter, OrderedDict
from typing import TYPE_CHECKING

import msgspec
from xxhash import xxh3_64_intdigest

from signals.compiled import Engine
from signals.config import Clock
from signals.doctor_findings import put_together
from signals.doctor_shapes import Paths, format_of
from signals.errors import BadRecord
from signals.event import Event, EventType, Flag, Role, Source
from signals.formats.parsing import parse_object
from signals.formats.segment import SegmentDecoder

if TYPE_CHECKING:
    from signals.config import Config
    from signals.diagnosis import Diagnosis
    from signals.domains import Domains

MAX_NAMES = 2_000
MAX_USERS = 50_000
# Of that many ids a duplicate is known; two that are further apart are not.
MAX_IDS = 200_000
# Finding the places of things takes longer than all else: of so many records, the first and then every 20th.
SAMPLED, SAMPLE_EVERY = 2_000, 20
_AHEAD_MS, _HOUR_MS, _DAY_MS = 300_000, 3_600_000, 86_400_000
# A power of two each; the last is 2^31 seconds.
_BUCKETS = 32
_ABOUT_MEMBERS = frozenset({Role.MEMBER_JOINED, Role.MEMBER_REMOVED})


class Named(msgspec.Struct):
    """What is counted of one name: the records, and some of its users."""

    count: int = 0
    users: set[int] = msgspec.field(default_factory=set)
    roles: tuple[Role, ...] = ()
    is_passive: bool = False


class Seen(msgspec.Struct):
    """One user: where he was, and in which partition; None where there were several."""

    workspace: str | None = None
    has_several: bool = False
    partition: int = -1
    is_split: bool = False


class Doctor:
    """
    Takes records, one after the other.

    Args:
        config: What names and paths mean.
        domains: The lists of domains with the config's additions; read anew where None.
    """

    def __init__(self, config: Config, domains: Domains | None = None) -> None:
        # Nothing is set back: how far a clock is wrong is what we want to see.
        self.config = config
        self.engine = Engine(config, domains)
        self._decoder = SegmentDecoder(config.model_copy(update={"clock": Clock.EVENTS}))
        self.records = self.events = self.tracks = self.mapped = self.names_left_out = 0
        self.bad: Counter[str] = Counter()
        self.formats: Counter[str] = Counter()
        self.calls: Counter[str] = Counter()
        self.names: dict[str, Named] = {}
        self.users: dict[str, Seen] = {}
        self.paths = Paths()
        # How many events have each thing that signals need (`signals.doctor_needs`).
        self.having: Counter[str] = Counter()
        self.placed_by_user = self.anonymous_only = 0
        self.properties: dict[Role, Counter[str]] = {}
        self.of_role: Counter[Role] = Counter()
        self.group_traits: Counter[str] = Counter()
        self.first: int | None = None
        self.last: int | None = None
        self.compared = self.ahead = self.over_hour = self.over_day = 0
        self.delays = [0] * _BUCKETS
        self.disordered = 0
        self._newest: dict[tuple[str, int], int] = {}
        self.duplicates = self.without_id = self.keyed = self.keyed_by_user = 0
        self._ids: OrderedDict[int, None] = OrderedDict()

    def take(
        self, value: bytes | None, key: bytes | None = None, time: int | None = None, source: Source | None = None
    ) -> None:
        """
        Look at one record.

        Args:
            value: Its bytes.
            key: Its key; None in a file.
            time: Kafka's time of it, Unix milliseconds; None in a file, whose `receivedAt` is looked at instead.
            source: Where it stands; None in a file.
        """
        self.records += 1
        self._shape(value)
        place = source or Source("file", 0, self.records)
        try:
            event = self._decoder.decode(value, time if time is not None else self.last, place)
        except BadRecord as bad:
            self.bad[bad.reason] += 1
            return
        self.events += 1
        self.calls[event.type.value] += 1
        if event.type is EventType.TRACK:
            self._name(event)
        elif event.type is EventType.GROUP:
            self.group_traits.update(event.traits.keys())
        self._whom(event, source)
        self._when(event, time if source is not None else self._received_at(value or b""), place)
        self._identify(event, key, is_bus=source is not None)

    def diagnosis(self) -> Diagnosis:
        """What has been found so far."""
        return put_together(self)

    def _shape(self, value: bytes | None) -> None:
        if self.records > SAMPLED and self.records % SAMPLE_EVERY:
            return
        try:
            record = parse_object(value, self.config.limits.max_event_bytes)
        except BadRecord as bad:
            self.formats["no value" if value is None else f"no JSON object ({bad.reason})"] += 1
            return
        self.formats[format_of(record)] += 1
        self.paths.take(record)

    def _received_at(self, value: bytes) -> int | None:
        return self._decoder.received_at(value)

    def _name(self, event: Event) -> None:
        self.tracks += 1
        self.mapped += bool(event.roles or event.customs)
        for role in event.roles:
            self.of_role[role] += 1
            self.properties.setdefault(role, Counter()).update(event.properties.keys())
        name = event.name or ""
        named = self.names.get(name)
        if named is None:
            if len(self.names) >= MAX_NAMES:
                self.names_left_out += 1
                return
            named = self.names[name] = Named(roles=event.roles, is_passive=event.passive)
        named.count += 1
        if event.user_id is not None and len(named.users) < 100:  # noqa: PLR2004  # enough to tell many from few
            named.users.add(xxh3_64_intdigest(event.user_id.encode("utf-8", "surrogatepass")))

    def _whom(self, event: Event, source: Source | None) -> None:
        having = self.having
        having["user"] += event.user_id is not None
        having["workspace"] += event.workspace_id is not None
        having["email"] += event.email is not None
        if event.user_id is None:
            self.anonymous_only += event.workspace_id is None
            return
        seen = self.users.get(event.user_id)
        if seen is None:
            if len(self.users) >= MAX_USERS:
                return
            seen = self.users[event.user_id] = Seen()
        if event.workspace_id is None:
            self.placed_by_user += seen.workspace is not None and not seen.has_several
        elif seen.workspace is None:
            seen.workspace = event.workspace_id
        elif seen.workspace != event.workspace_id:
            seen.has_several = True
        # What is told about a member stands with the one who told it.
        if source is not None and _ABOUT_MEMBERS.isdisjoint(event.roles):
            seen.is_split |= seen.partition not in (-1, source.partition)
            seen.partition = source.partition

    def _when(self, event: Event, received: int | None, place: Source) -> None:
        time = event.time
        self.first = time if self.first is None else min(self.first, time)
        self.last = time if self.last is None else max(self.last, time)
        newest = self._newest.get((place.topic, place.partition), time)
        self.disordered += time < newest - _HOUR_MS
        self._newest[place.topic, place.partition] = max(newest, time)
        if received is None:
            return
        self.compared += 1
        late = received - time
        self.ahead += late < -_AHEAD_MS
        self.over_hour += late > _HOUR_MS
        self.over_day += late > _DAY_MS
        self.delays[min(_BUCKETS - 1, (max(0, late) // 1_000).bit_length())] += 1

    def _identify(self, event: Event, key: bytes | None, *, is_bus: bool) -> None:
        self.without_id += Flag.CONTENT_ID in event.flags
        digest = xxh3_64_intdigest(f"{event.subject}\n{event.id}".encode("utf-8", "surrogatepass"))
        if digest in self._ids:
            self.duplicates += 1
        else:
            self._ids[digest] = None
            if len(self._ids) > MAX_IDS:
                self._ids.popitem(last=False)
        if is_bus and key:
            self.keyed += 1
            whom = event.user_id or event.anonymous_id or event.workspace_id or ""
            self.keyed_by_user += key == whom.encode("utf-8", "surrogatepass")

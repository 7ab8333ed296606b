"""
Segment's JSON (RudderStack and Jitsu write the same) to an Event; what can never become one is a BadRecord.

What SIGNALS leaves open is decided here:

- Ids are kept exactly as sent, blanks around them included; a float is no id, even 5.0.
- An e-mail address is kept only with a user it can belong to, and no path below `properties` is read on `invite_sent`.
- Text without `@`, or of another kind, at one path of the address lets the next path be tried.
- A JSON number beyond a double is as if absent; nesting deeper than MAX_DEPTH is refused, at the same depth everywhere.
- Text kept for a role is cut at `limits.max_text_chars`, the event's name too. An id that is cut is another id, so one
  longer than `limits.max_id_chars` makes the record bad; a longer address than mail knows is none.
"""

from __future__ import annotations

import hashlib
import sys
from typing import TYPE_CHECKING

from signals.config import Clock
from signals.errors import BadRecord
from signals.event import NOTHING, Event, EventType, Flag, Reason, Role, Scalar, Source
from signals.formats.meanings import Meanings
from signals.formats.parsing import JsonObject, parse_object
from signals.formats.usual import UsualRecords
from signals.moments import EARLIEST_MS, LATEST_MS, parse_time

if TYPE_CHECKING:
    from collections.abc import Mapping

    from signals.config import Config
    from signals.formats.meanings import Meaning

# How far an event may be ahead of its record before its clock counts as wrong (SIGNALS 2).
MAX_AHEAD_MS = 300_000
GROUP_TRAITS = ("plan", "seats", "name", "employees", "website")

_TYPES: Mapping[object, EventType] = {kind.value: kind for kind in EventType}
_KINDS = {bool: "a boolean", float: "a fraction", list: "a list", dict: "an object"}
# Looking a member up in its enum costs more than the comparison.
_TRACK, _PAGE, _SCREEN, _GROUP = EventType.TRACK, EventType.PAGE, EventType.SCREEN, EventType.GROUP
_INVITE = Role.INVITE_SENT
_MAX_INT = 2**63
# RFC 5321, 4.5.3.1: 64 before the @ and 255 behind it.
_MAX_ADDRESS_CHARS = 320
# A JSON number beyond a double is as if absent.
_MAX_DOUBLE = int(sys.float_info.max)

# A dotted path: its first key, its second one if there is one, and the rest, because few have more than two.
_Path = tuple[str, str | None, tuple[str, ...]]
_Paths = tuple[_Path, ...]


class SegmentDecoder:
    """
    Turns the value of a record into an Event; equal bytes give equal events.

    Args:
        config: Says what names and paths mean, in which zone bare times are, and what is too large.
    """

    def __init__(self, config: Config) -> None:
        self._zone = config.zone
        self._wall = config.clock is Clock.WALL
        self._max_bytes = config.limits.max_event_bytes
        self._max_chars = config.limits.max_text_chars
        self._max_id = config.limits.max_id_chars
        self._meanings = Meanings(config.events, config.custom)
        self._usual = UsualRecords(config, self._meanings, self._mean)
        paths = config.identity
        self._message_id = _compile(paths.message_id)
        self._type = _compile(paths.type)
        self._event_name = _compile(paths.event_name)
        self._page_name = _compile(paths.page_name)
        self._user_id = _compile(paths.user_id)
        self._anonymous_id = _compile(paths.anonymous_id)
        self._workspace_id = _compile(paths.workspace_id)
        self._group_workspace_id = _compile(paths.group_workspace_id)
        self._member_id = _compile(paths.member_id)
        self._email = _compile(paths.email)
        self._email_of_inviter = tuple(path for path in self._email if path[0] != "properties")
        self._time = _compile(paths.time)
        self._received_at = _compile(paths.received_at)

    def decode(self, value: bytes | None, record_time: int | None, source: Source) -> Event:
        """
        Read one record.

        Args:
            value: The record's value as it stands in the topic.
            record_time: The record's own time in Unix milliseconds; in a file the newest event time so far.
            source: Where the record stands.

        Raises:
            BadRecord: It can never become an event; `reason` is a `signals.event.Reason`.
        """
        if value is not None:
            usual = self._usual.read(value, self._latest(record_time), source)
            if usual is not None:
                return usual
        record = parse_object(value, self._max_bytes)
        kind, name = self._call(record)
        meaning = self._meanings.of(name if kind is _TRACK else None)
        event = Event("", kind, 0, source, name, meaning.roles, meaning.passive)
        # `value` is bytes here: None has no object. Only a text with an @ in it, or one escaped, holds an address.
        may_have_address = value is not None and (value.find(b"@") >= 0 or value.find(b"\\u0040") >= 0)
        self._identify(event, record, meaning, may_have_address=may_have_address)
        self._date(event, record, record_time)
        message_id = _id(record, self._message_id)
        if message_id is None:
            # SIGNALS A38.
            message_id = hashlib.sha256(value or b"").hexdigest()[:32]
            event.flags = (*event.flags, Flag.CONTENT_ID)
        elif len(message_id) > self._max_id:
            raise self._long_id("the event's own id", message_id)
        event.id = message_id
        if meaning.matched is not None:
            self._mean(event, meaning, record.get("properties"))
        elif kind is _GROUP:
            event.traits = self._kept(record.get("traits"), GROUP_TRAITS) or NOTHING
        return event

    def _mean(self, event: Event, meaning: Meaning, properties: object) -> None:
        """Fill in what follows from the event's name beside its roles."""
        event.matched = meaning.matched
        if meaning.customs:
            event.customs = meaning.customs
        if meaning.reads:
            event.properties = self._kept(properties, meaning.reads) or NOTHING

    def received_at(self, value: bytes) -> int | None:
        """
        When a record that is an event reached the bus, as it says itself, in Unix milliseconds.

        Raises:
            BadRecord: It is no JSON object.
        """
        return self._moment(parse_object(value, self._max_bytes), self._received_at)

    def _call(self, record: JsonObject) -> tuple[EventType, str | None]:
        """Which call a record is, and its name: that of a track, page or screen."""
        value = _first(record, self._type)
        kind = _TYPES.get(value) if type(value) is str else None
        if kind is None or kind is _TRACK:
            name = _text(record, self._event_name)
            if name is None:
                if kind is None:
                    raise BadRecord(Reason.NO_TYPE, "neither a known type nor an event name")
                raise BadRecord(Reason.NO_NAME, "a track call without a name")
            return _TRACK, name[: self._max_chars]
        if kind is _PAGE or kind is _SCREEN:
            name = _text(record, self._page_name)
            return kind, name and name[: self._max_chars]
        return kind, None

    def _identify(self, event: Event, record: JsonObject, meaning: Meaning, *, may_have_address: bool) -> None:
        """Fill in whom and which workspace the event is about, and that person's address."""
        user_id = own_id = _subject_id(record, self._user_id)
        anonymous_id = _subject_id(record, self._anonymous_id)
        if meaning.about_member:
            user_id = _id(record, self._member_id) or own_id
            if user_id != own_id:
                anonymous_id = None
        workspace_id = _id(record, self._group_workspace_id if event.type is _GROUP else self._workspace_id)
        if user_id is None and anonymous_id is None and workspace_id is None:
            raise BadRecord(Reason.NO_SUBJECT, "no user, no anonymous id and no workspace")
        # What is kept under a key, by users and workspaces of which there are many, must have an end.
        if user_id is not None and len(user_id) > self._max_id:
            raise self._long_id("the user id", user_id)
        if anonymous_id is not None and len(anonymous_id) > self._max_id:
            raise self._long_id("the anonymous id", anonymous_id)
        if workspace_id is not None and len(workspace_id) > self._max_id:
            raise self._long_id("the workspace id", workspace_id)
        event.user_id = user_id
        event.anonymous_id = anonymous_id
        event.workspace_id = workspace_id
        # The address belongs to the person who sent the record (SIGNALS A18).
        if may_have_address and user_id is not None and user_id == own_id:
            event.email = _address(record, self._email_of_inviter if _INVITE in meaning.roles else self._email)

    def _long_id(self, which: str, value: str) -> BadRecord:
        return BadRecord(Reason.LONG_ID, f"{which} has {len(value)} characters; limits.max_id_chars is {self._max_id}")

    def _date(self, event: Event, record: JsonObject, record_time: int | None) -> None:
        """Fill in when it happened (SIGNALS 2 and A29)."""
        if record_time is not None and not EARLIEST_MS <= record_time < LATEST_MS:
            record_time = None
        time = self._moment(record, self._time)
        if time is None:
            received_at = None if self._wall else self._moment(record, self._received_at)
            time = record_time if received_at is None else received_at
            if time is None:
                raise BadRecord(Reason.NO_TIME, "no readable time since 2000, and none of the record itself")
        elif (latest := self._latest(record_time)) is not None and time > latest:
            time = latest - MAX_AHEAD_MS
            event.flags = (Flag.CLOCK_CLAMPED,)
        event.time = time

    def _latest(self, record_time: int | None) -> int | None:
        """The latest time that a record's own lets its event have; later, its clock is wrong."""
        if not self._wall or record_time is None or not EARLIEST_MS <= record_time < LATEST_MS:
            return None
        return record_time + MAX_AHEAD_MS

    def _moment(self, record: JsonObject, paths: _Paths) -> int | None:
        for head, key, rest in paths:
            value = record.get(head)
            if key is not None:
                value = _below(value, key, rest)
            if value is not None:
                time = parse_time(value, self._zone)
                if time is not None:
                    return time
        return None

    def _kept(self, values: object, names: tuple[str, ...]) -> dict[str, Scalar]:
        """The scalars among the named properties or traits, in the order of the names."""
        kept: dict[str, Scalar] = {}
        if not isinstance(values, dict):
            return kept
        for name in names:
            value = values.get(name)
            if isinstance(value, str):
                kept[name] = value[: self._max_chars]
            elif isinstance(value, int):
                # States and facts hold 64 bits; what is larger is no seat count that anybody compares exactly.
                if -_MAX_INT <= value < _MAX_INT:
                    kept[name] = value
                elif abs(value) <= _MAX_DOUBLE:
                    kept[name] = float(value)
            elif isinstance(value, float) and abs(value) != float("inf"):
                kept[name] = value
        return kept


def _compile(paths: tuple[str, ...]) -> _Paths:
    split = (path.split(".") for path in paths)
    return tuple((keys[0], keys[1] if len(keys) > 1 else None, tuple(keys[2:])) for keys in split)


def _below(value: object, key: str, rest: tuple[str, ...]) -> object:
    """What stands under a key of an object, and under the keys of `rest` in turn; None where there is no object."""
    if type(value) is not dict:
        return None
    found: object = value.get(key)
    for later in rest:
        if type(found) is not dict:
            return None
        found = found.get(later)
    return found


def _first(record: JsonObject, paths: _Paths) -> object:
    """The first value that is not null."""
    for head, key, rest in paths:
        value = record.get(head)
        if key is not None:
            value = _below(value, key, rest)
        if value is not None:
            return value
    return None


def _text(record: JsonObject, paths: _Paths) -> str | None:
    """The first text that is not blank."""
    for head, key, rest in paths:
        value = record.get(head)
        if key is not None:
            value = _below(value, key, rest)
        if type(value) is str and value and not value.isspace():
            return value
    return None


def _id(record: JsonObject, paths: _Paths) -> str | None:
    """The first id: text that is not blank, or an integer; another kind is as if absent (SIGNALS A30)."""
    for head, key, rest in paths:
        value = record.get(head)
        if key is not None:
            value = _below(value, key, rest)
        # By `type`, not `isinstance`: True is an integer to Python, not to JSON.
        if type(value) is str:
            if value and not value.isspace():
                return value
        elif type(value) is int:
            return str(value)
    return None


def _subject_id(record: JsonObject, paths: _Paths) -> str | None:
    """The id of a user or visitor: like `_id`, but another kind makes the record bad (SIGNALS A30)."""
    for head, key, rest in paths:
        value = record.get(head)
        if key is not None:
            value = _below(value, key, rest)
        if type(value) is str:
            if value and not value.isspace():
                return value
        elif type(value) is int:
            return str(value)
        elif value is not None:
            path = ".".join((head, *(() if key is None else (key, *rest))))
            detail = f"{path} is {_KINDS.get(type(value), 'no id')}; an id is text or an integer"
            raise BadRecord(Reason.BAD_ID, detail)
    return None


def _address(record: JsonObject, paths: _Paths) -> str | None:
    """The first text with an `@` in it that is no longer than an address can be, without the blanks around it."""
    for head, key, rest in paths:
        value = record.get(head)
        if key is not None:
            value = _below(value, key, rest)
        if type(value) is str and "@" in value:
            address = value.strip()
            if len(address) <= _MAX_ADDRESS_CHARS:
                return address
    return None

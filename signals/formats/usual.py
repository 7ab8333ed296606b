"""
The usual record: a track or page call in a workspace, every id a text, its time in the usual form.

Most records are such. Of them the parser makes only what is read, skipping the rest, and none of the second paths of
the config are looked at; whatever is not usual is left to the general way (signals/formats/segment.py), which comes to
the same: tests/signals/test_usual_records.py holds both against each other.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal, Protocol, cast

import msgspec

from signals.event import Event, EventType
from signals.formats.parsing import MAX_DEPTH
from signals.moments import parse_usual_time

if TYPE_CHECKING:
    from collections.abc import Callable

    from signals.config import Config
    from signals.event import Source
    from signals.formats.meanings import Meaning, Meanings

_TRACK = EventType.TRACK
_KINDS = {kind.value: kind for kind in (EventType.TRACK, EventType.PAGE, EventType.SCREEN)}
# Bytes: to look for a number takes half the time that it takes for a text of one byte.
_BACKSLASH, _AT = b"\\@"
# The first text that is neither empty nor begins with a blank.
_FIRST = "!"
_FIELDS = ("type", "event_name", "page_name", "user_id", "anonymous_id", "message_id", "time")
_OPTIONAL = ("event_name", "page_name", "user_id", "anonymous_id")


class _Holder(Protocol):
    workspace_id: str


class _Record(Protocol):
    """A record as it is parsed, whatever its keys are called; the workspace stands below another key."""

    type: str
    event_name: str | None
    page_name: str | None
    user_id: str | None
    anonymous_id: str | None
    message_id: str
    time: str
    properties: object
    holder: _Holder


class UsualRecords:
    """
    Reads usual records.

    Args:
        config: Where things stand in a record. Where its first paths are unlike Segment's, no record is usual.
        meanings: What the names of events mean.
        mean: Fills in what follows from such a meaning and from what stands where properties should.
    """

    def __init__(self, config: Config, meanings: Meanings, mean: Callable[[Event, Meaning, object], None]) -> None:
        self._meanings = meanings
        self._mean = mean
        # Longer ones may be nested too deeply (JSON of so many levels has two bytes a level at least) or hold too long
        # an id.
        self._max_bytes = min(config.limits.max_event_bytes, 2 * MAX_DEPTH, config.limits.max_id_chars)
        self._max_name = config.limits.max_text_chars
        paths = config.identity
        self._has_other_users = len(paths.user_id) > 1
        self._has_other_visitors = len(paths.anonymous_id) > 1
        self._has_other_names = len(paths.page_name) > 1
        self._parse = _parser(config)

    def read(  # noqa: C901, PLR0911  # each of them says that the record is not usual
        self, value: bytes, latest: int | None, source: Source
    ) -> Event | None:
        """
        Read a record if it is a usual one.

        Args:
            value: Its bytes.
            latest: A later time of it makes it unusual, Unix milliseconds.
            source: Where it stands.

        Returns:
            The event; None if the record is not usual: nothing is known of it then.
        """
        # Text that may not be UTF-8, has an escape or an address in it is not looked at closely enough here.
        if (
            self._parse is None
            or len(value) > self._max_bytes
            or not value.isascii()
            or _BACKSLASH in value
            or _AT in value
        ):
            return None
        try:
            record = self._parse(value)
        except msgspec.MsgspecError:
            return None
        user, visitor, message, kind = record.user_id, record.anonymous_id, record.message_id, _KINDS[record.type]
        workspace, name = record.holder.workspace_id, record.event_name if kind is _TRACK else record.page_name
        # A text that is empty or begins with a blank comes before this one; only a blank one is no id or name.
        if workspace < _FIRST or message < _FIRST:
            return None
        if self._has_other_users if user is None else user < _FIRST:
            return None
        if self._has_other_visitors if visitor is None else visitor < _FIRST:
            return None
        if name is None:
            if kind is _TRACK or self._has_other_names:
                return None
        elif name < _FIRST or len(name) > self._max_name:
            return None
        time = parse_usual_time(record.time)
        if time is None or (latest is not None and time > latest):
            return None
        if kind is not _TRACK:
            return Event(message, kind, time, source, name, (), False, user, visitor, workspace)  # noqa: FBT003
        meaning = self._meanings.of(name)
        if meaning.about_member:
            return None
        event = Event(message, kind, time, source, name, meaning.roles, meaning.passive, user, visitor, workspace)
        if meaning.matched is not None:
            self._mean(event, meaning, record.properties)
        return event


def _parser(config: Config) -> Callable[[bytes], _Record] | None:
    """A parser of what a usual record has, None where the config's first paths do not allow one."""
    paths = {name: _first(config, name) for name in _FIELDS}
    place = _first(config, "workspace_id")
    heads = [*(keys[0] for keys in paths.values()), place[0], "properties"]
    if any(len(keys) > 1 for keys in paths.values()) or len(place) != 2 or len(set(heads)) < len(heads):  # noqa: PLR2004  # as `context.groupId`
        return None
    # What is not as these types say is not usual.
    holder = msgspec.defstruct("Holder", [("workspace_id", str)], rename={"workspace_id": place[1]}, gc=False)
    fields = [("type", Literal["track", "page", "screen"]), ("message_id", str), ("time", str), ("holder", holder)]
    optional = [*((name, str | None, None) for name in _OPTIONAL), ("properties", Any, None)]
    keys_of = {name: keys[0] for name, keys in paths.items()} | {"holder": place[0]}
    record = msgspec.defstruct("Record", [*fields, *optional], rename=keys_of, gc=False)
    return cast("Callable[[bytes], _Record]", msgspec.json.Decoder(record).decode)


def _first(config: Config, name: str) -> list[str]:
    path: str = getattr(config.identity, name)[0]
    return path.split(".")

"""Which format a record looks like, and where it carries whom, where and when: for records that were made elsewhere."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC
from typing import Final

from signals.event import EventType
from signals.formats.parsing import JsonObject
from signals.moments import parse_time
from signals.names import normal_name

_CALLS: Final = frozenset(kind.value for kind in EventType)
_DEEP = 3
_PERSONS = frozenset({"user", "traits", "actor", "person"})
_WIDE = 60
MAX_PATHS = 500

# The keys under which products carry what `identity` asks for, in the form in which names are compared, the best first.
USUAL_KEYS: Mapping[str, tuple[str, ...]] = {
    # Amplitude's `event_id` counts up for each device: as an id it would make duplicates of what is none.
    "message_id": ("messageid", "insertid", "$insertid", "eventid", "uuid", "id"),
    "event_name": ("event", "eventname", "eventtype", "action", "name", "type"),
    "user_id": ("userid", "distinctid", "$userid", "actorid", "uid", "subject"),
    "anonymous_id": ("anonymousid", "deviceid", "visitorid", "$deviceid", "domainuserid"),
    "workspace_id": (
        "groupid",
        "workspaceid",
        "accountid",
        "organizationid",
        "organisationid",
        "orgid",
        "tenantid",
        "teamid",
        "companyid",
        "workspace",
        "tenant",
        "organization",
    ),
    "email": ("email", "useremail", "emailaddress", "$email"),
    "time": ("timestamp", "time", "eventtime", "occurredat", "createdat", "ts", "collectortstamp", "senttime"),
}


def format_of(record: JsonObject) -> str:  # noqa: PLR0911 - each is a format
    """The format that a record looks like; `other JSON` if like none that we know."""
    context = record.get("context")
    library = context.get("library") if isinstance(context, dict) else None
    made_by = str(library.get("name", "")).casefold() if isinstance(library, dict) else ""
    properties = record.get("properties")
    if "specversion" in record and "source" in record:
        return "CloudEvents"
    kind = record.get("type")
    if (
        isinstance(kind, str)
        and kind in _CALLS
        and ("messageId" in record or "userId" in record or "anonymousId" in record)
    ):
        if "rudder" in made_by or "rudderId" in record:
            return "RudderStack"
        return "Jitsu" if "jitsu" in made_by else "Segment"
    if "event_type" in record and ("user_id" in record or "device_id" in record):
        return "Amplitude"
    if "event" in record and "distinct_id" in record:
        return "PostHog"
    if "event" in record and isinstance(properties, dict) and "distinct_id" in properties:
        return "Mixpanel"
    if "app_id" in record and ("event_name" in record or "collector_tstamp" in record):
        return "Snowplow"
    if "event" in record and ("userId" in record or "anonymousId" in record):
        return "Segment without a type"
    return "other JSON"


class Paths:
    """The places of the scalars of records, counted by what they may be; bounded."""

    def __init__(self) -> None:
        self.records = 0
        self._counts: dict[str, Counter[str]] = {field: Counter() for field in USUAL_KEYS}
        self._fields: dict[str, list[str]] = {}
        for field, keys in USUAL_KEYS.items():
            for key in keys:
                self._fields.setdefault(normal_name(key), []).append(field)

    def take(self, record: JsonObject) -> None:
        """Look at a record."""
        self.records += 1
        for path, key, value in _scalars(record, "", "", 1):
            for field in self._fields.get(normal_name(key), ()):
                counts = self._counts[field]
                if _fits(field, value) and (path in counts or len(counts) < MAX_PATHS):
                    counts[path] += 1

    def count(self, field: str, path: str) -> int:
        """How many records carry a field there."""
        return self._counts[field][path]

    def best(self, field: str) -> tuple[str, int] | None:
        """The path that carries a field most often, of equals the one by its usual key; None if none does."""
        keys = [normal_name(key) for key in USUAL_KEYS[field]]

        def rank(one: tuple[str, int]) -> tuple[bool, int, int, int, str]:
            path, count = one
            above, _, key = path.rpartition(".")
            parent = above.rpartition(".")[2]
            names = normal_name(key), normal_name(parent + key)
            # Other addresses are of people whom the event names.
            is_strange = field == "email" and normal_name(parent) not in _PERSONS
            return is_strange, -count, min(keys.index(name) for name in names if name in keys), path.count("."), path

        return min(self._counts[field].items(), key=rank, default=None)


def _fits(field: str, value: object) -> bool:
    if isinstance(value, bool) or value is None:
        return False
    if field == "time":
        return parse_time(value, UTC) is not None
    if field == "email":
        return isinstance(value, str) and "@" in value
    if field == "event_name":
        return isinstance(value, str) and bool(value.strip()) and value not in _CALLS
    return isinstance(value, int) or (isinstance(value, str) and bool(value.strip()))


def _scalars(record: Mapping[str, object], above: str, parent: str, depth: int) -> Iterator[tuple[str, str, object]]:
    """Each scalar with its path, and what its key says: of `user.id` that is `userid`."""
    for number, (key, value) in enumerate(record.items()):
        if number >= _WIDE:
            return
        if "." in key or len(key) > _WIDE or not key.isprintable():
            # No path of the config reaches it, or none that anybody would write.
            continue
        path = f"{above}{key}"
        if isinstance(value, dict):
            if depth < _DEEP:
                yield from _scalars(value, f"{path}.", key, depth + 1)
        elif not isinstance(value, list):
            yield path, f"{parent}{key}" if parent and key.casefold() == "id" else key, value

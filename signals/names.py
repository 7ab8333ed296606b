"""Names: the kinds of text that people write in the config, and the form in which they are compared."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, date, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BeforeValidator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    StringConstraints,
)
from pydantic_core.core_schema import CoreSchema, no_info_after_validator_function

from signals.domains import clean_host

# The names that end a subscription, in the form in which names are compared. Both spellings are in use (SIGNALS A13).
CANCELLATIONS = frozenset({"subscriptioncancelled", "subscriptioncanceled"})


def normal_name(name: str) -> str:
    """The form in which event and plan names are compared: without case, `_`, `-` and spaces (SIGNALS 3)."""
    return "".join(name.casefold().replace("_", " ").replace("-", " ").split())


def _known_zone(name: str) -> str:
    zone_of(name)
    return name


def _named(name: str) -> str:
    if not normal_name(name):
        raise ValueError(f"must have a letter or a digit, got {name!r}")
    return name


def _distinct(names: tuple[str, ...]) -> tuple[str, ...]:
    seen: dict[str, str] = {}
    for name in names:
        first = seen.setdefault(normal_name(name), name)
        if first is not name:
            raise ValueError(f"{name!r} is there already as {first!r}; case, _, - and spaces make no difference")
    return names


def _host(text: str) -> str:
    host = clean_host(text.strip().removeprefix("@").removeprefix("."))
    if host is None:
        raise ValueError(f"must be a domain such as example.com, got {text!r}")
    return host


def zone_of(name: str) -> tzinfo:
    """
    The time zone of a name, `UTC` being the fast one of the standard library.

    Raises:
        ValueError: The time zone database has no such zone.
    """
    try:
        return UTC if name == "UTC" else ZoneInfo(name)
    # A folder of zones raises OSError, a name outside the database ValueError or KeyError.
    except (KeyError, ValueError, OSError):
        raise ValueError(f"must be a time zone such as Europe/Berlin, got {name!r}") from None


@dataclass(frozen=True)
class Form:
    """The form that a text must have, for the check and for the JSON Schema."""

    pattern: str
    description: str

    def __get_pydantic_core_schema__(self, source: type[str], handler: GetCoreSchemaHandler) -> CoreSchema:
        return no_info_after_validator_function(self._check, handler(source))

    def __get_pydantic_json_schema__(self, schema: CoreSchema, handler: GetJsonSchemaHandler) -> dict[str, object]:
        return {**handler(schema), "pattern": f"^{self.pattern}$"}

    def _check(self, text: str) -> str:
        if re.fullmatch(self.pattern, text) is None:
            raise ValueError(f"must be {self.description}, got {text!r}")
        return text


def _date_text(value: object) -> object:
    # Pydantic takes a number for seconds since 1970: 20261101 would be a day in August 1970.
    if isinstance(value, str | date):
        return value
    raise ValueError(f"must be a date such as 2026-11-01, got {value!r}")


Text = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Names = Annotated[tuple[Annotated[Text, AfterValidator(_named)], ...], AfterValidator(_distinct)]
Hosts = tuple[Annotated[Text, AfterValidator(_host)], ...]
Path = Annotated[Text, Form(r"[^.]+(\.[^.]+)*", "a path of keys with dots between them, such as context.groupId")]
Paths = tuple[Path, ...]
Topic = Annotated[str, Form(r"[a-zA-Z0-9._-]{1,249}", "the name of a topic: letters, digits, dots, _ and -")]
Prefix = Annotated[str, Form(r"[a-z][a-z0-9_-]{0,63}", "lower-case letters, digits, _ and -, a letter first")]
# What a rep should do.
Play = Annotated[str, StringConstraints(min_length=1, max_length=1_000, strip_whitespace=True)]
Day = Annotated[date, BeforeValidator(_date_text)]
TimeZone = Annotated[str, AfterValidator(_known_zone), Field(examples=["UTC", "Europe/Berlin", "America/New_York"])]
UserIds = tuple[
    Annotated[Text, Field(coerce_numbers_to_str=True, json_schema_extra={"type": ["string", "number"]})], ...
]

"""Names: the kinds of text that people write in the config, and the form in which they are compared."""

from __future__ import annotations

import re
from datetime import UTC, date, tzinfo
from typing import Annotated
from zoneinfo import ZoneInfo

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints

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


def _of_form(pattern: str, description: str) -> AfterValidator:
    form = re.compile(pattern)

    def check(text: str) -> str:
        if form.fullmatch(text) is None:
            raise ValueError(f"must be {description}, got {text!r}")
        return text

    return AfterValidator(check)


def _date_text(value: object) -> object:
    # Pydantic takes a number for seconds since 1970: 20261101 would be a day in August 1970.
    if isinstance(value, str | date):
        return value
    raise ValueError(f"must be a date such as 2026-11-01, got {value!r}")


Text = Annotated[str, StringConstraints(min_length=1, max_length=256)]
Names = Annotated[tuple[Annotated[Text, AfterValidator(_named)], ...], AfterValidator(_distinct)]
Hosts = tuple[Annotated[Text, AfterValidator(_host)], ...]
Path = Annotated[Text, _of_form(r"[^.]+(\.[^.]+)*", "a path of keys with dots between them, such as context.groupId")]
Paths = tuple[Path, ...]
Topic = Annotated[str, _of_form(r"[a-zA-Z0-9._-]{1,249}", "the name of a topic: letters, digits, dots, _ and -")]
Prefix = Annotated[str, _of_form(r"[a-z][a-z0-9_-]{0,63}", "lower-case letters, digits, _ and -, a letter first")]
Day = Annotated[date, BeforeValidator(_date_text)]
TimeZone = Annotated[str, AfterValidator(_known_zone)]
UserIds = tuple[Annotated[Text, Field(coerce_numbers_to_str=True)], ...]

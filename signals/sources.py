"""The customer's topics: which of them are read, and where the very first start begins in them."""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, tzinfo
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, Field, WithJsonSchema, model_validator

from signals.mistakes import misplaced
from signals.moments import iso, parse_time
from signals.names import Topic
from signals.patterns import checked_pattern
from signals.product import Section

LATEST = "latest"
EARLIEST = "earliest"
# Kafka's own topics, such as __consumer_offsets.
_INTERNAL = "__"
# What begins something other than a literal character in a regular expression, and what makes the one before optional.
_NOT_LITERAL = re.compile(r"[.^$*+?{}\[\]|()\\]")
_OPTIONAL = ("*", "?", "{")
_START_SCHEMA = {
    "anyOf": [
        {"enum": [LATEST, EARLIEST]},
        {"type": "string", "pattern": r"^\s*\d{4}-?\d\d-?\d\d([T ].*)?$", "examples": ["2026-11-01"]},
    ]
}


def _start(value: object) -> object:
    if value in (LATEST, EARLIEST) or (isinstance(value, str) and parse_time(value, UTC) is not None):
        return value
    raise ValueError(
        f"must be latest, earliest or a time such as 2026-11-01 or 2026-11-01T09:00:00+01:00, got {value!r}"
    )


def _distinct(topics: tuple[str, ...]) -> tuple[str, ...]:
    for n, topic in enumerate(topics):
        if topic in topics[:n]:
            raise misplaced((n,), topic, f"{topic!r} is there already")
    return topics


class SourceTopics(Section):
    """Your topics. We only read them."""

    topics: Annotated[tuple[Topic, ...], AfterValidator(_distinct)] = ("events",)
    pattern: Annotated[str, Field(min_length=1, max_length=1_000), AfterValidator(checked_pattern)] | None = None
    # In one form: latest, earliest, or RFC 3339 text in UTC (`Config` knows the zone).
    start: Annotated[str, BeforeValidator(_start), WithJsonSchema(_START_SCHEMA)] = LATEST

    @model_validator(mode="before")
    @classmethod
    def _a_pattern_stands_alone(cls, values: Any) -> Any:  # noqa: ANN401  # pydantic hands over whatever was written
        if not isinstance(values, dict) or values.get("pattern") is None:
            return values
        if values.get("topics"):
            raise misplaced(("pattern",), values["pattern"], "stands beside topics; keep one of the two")
        return {**values, "topics": ()}

    def checked(self, prefix: str, zone: tzinfo) -> SourceTopics:
        """
        The same with `start` in its one form.

        Args:
            prefix: Of our own topics: reading what we write would feed the river into itself.
            zone: What a time without an offset is in.

        Raises:
            ValidationError: There is nothing to read, or it is ours.
        """
        if not self.topics and self.pattern is None:
            raise misplaced(("topics",), (), "must name at least one topic")
        for n, topic in enumerate(self.topics):
            if is_own(topic, prefix):
                raise misplaced(("topics", n), topic, f"must not be one of our own, {prefix}.*; got {topic!r}")
        if self.pattern is not None and literal_beginning(self.pattern).startswith((f"{prefix}.", _INTERNAL)):
            problem = f"matches only topics of our own or of Kafka's, which are never read; got {self.pattern!r}"
            raise misplaced(("pattern",), self.pattern, problem)
        time = parse_time(self.start, zone)
        return self if time is None else self.model_copy(update={"start": iso(time)})

    @property
    def starts_at(self) -> int | None:
        """The time of `start` in Unix milliseconds, None for latest and earliest."""
        return parse_time(self.start, UTC)

    def among(self, present: Iterable[str], prefix: str) -> tuple[str, ...]:
        """
        The topics to read where these are present.

        Returns:
            Those listed, present or not; with a pattern those whose whole name it matches, sorted, without our own and
            Kafka's internal ones.
        """
        if self.pattern is None:
            return self.topics
        matches = re.compile(self.pattern).fullmatch
        wanted = (name for name in present if not name.startswith(_INTERNAL) and not is_own(name, prefix))
        return tuple(sorted(name for name in wanted if matches(name)))


def is_own(topic: str, prefix: str) -> bool:
    """Whether a topic is one that we write."""
    return topic.startswith(f"{prefix}.") or topic in (f"{prefix}-users-changelog", f"{prefix}-workspaces-changelog")


def literal_beginning(pattern: str) -> str:
    r"""What every name that the pattern matches begins with, as far as it is easily seen: `app.` of `^app\.(a|b)`."""
    outside = pattern
    while outside != (outside := re.sub(r"\([^()]*\)", "", outside)):
        pass
    if "|" in outside:
        return ""
    rest, literal = pattern.removeprefix("^"), ""
    while rest:
        if rest[0] == "\\" and len(rest) > 1 and not rest[1].isalnum():
            character, rest = rest[1], rest[2:]
        elif _NOT_LITERAL.match(rest) is None:
            character, rest = rest[0], rest[1:]
        else:
            break
        if rest.startswith(_OPTIONAL):
            break
        literal += character
    return literal

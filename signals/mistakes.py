"""Mistakes in a config, each with the key that it stands at: those that refuse it, and warnings, which do not."""

from __future__ import annotations

from typing import NamedTuple

from pydantic import ValidationError
from pydantic_core import InitErrorDetails

# The keys and list positions on the way to a value, such as ("routes", 0, "signals").
Key = tuple[str | int, ...]


class ConfigWarning(NamedTuple):
    """A value that is allowed and can do nothing, or does what nobody would expect."""

    key: Key
    problem: str

    def __str__(self) -> str:
        return f"{dotted(self.key)}: {self.problem}"


def dotted(key: Key) -> str:
    """A key as people write it: `routes.0.signals`."""
    return ".".join(str(part) for part in key)


def misplaced(key: Key, value: object, problem: str) -> ValidationError:
    """A mistake in a part of what a validator checks, so that a report can name the part's line: raise it there."""
    details: InitErrorDetails = {
        "type": "value_error",
        "loc": key,
        "input": value,
        "ctx": {"error": ValueError(problem)},
    }
    return ValidationError.from_exception_data("config", [details])

"""What a metric is: a name by the rules of Prometheus, a type, a meaning, and where its value is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from sinks.durations import Durations

T = TypeVar("T")
# What the values of a metric are told apart by: the value of its label, or of both where there are two.
LabelValues = str | tuple[str, str]
# One value, or one for each value of the labels.
Values = float | Durations | Mapping[str, float] | Mapping[tuple[str, str], float] | Mapping[str, Durations]


class Kind(StrEnum):
    """What a value is, as Prometheus calls it."""

    # Only grows while the process lives.
    COUNTER = "counter"
    GAUGE = "gauge"
    # Durations by upper bounds: `name_bucket`, `name_sum` and `name_count`.
    HISTOGRAM = "histogram"


@dataclass(frozen=True)
class Metric(Generic[T]):
    """
    One metric.

    Args:
        read: Reads its value from what is observed, in the thread of the server and only when somebody asks.
        labels: What its values are told apart by; empty for a single value.
    """

    name: str
    kind: Kind
    meaning: str
    read: Callable[[T], Values]
    labels: tuple[str, ...] = ()

    @property
    def series(self) -> tuple[str, ...]:
        """The names under which Prometheus stores it."""
        parts = ("_bucket", "_sum", "_count") if self.kind is Kind.HISTOGRAM else ("",)
        return tuple(self.name + part for part in parts)

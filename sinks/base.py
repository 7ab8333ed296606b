"""
What every sink is, and the two ways in which a delivery may fail.

SinkError
├── Unavailable   the other end cannot take it now: keep the record, try the same one later
└── Refused       it will never take this record: park it, say so, go on
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import msgspec

from signals.errors import PlgError


class SinkError(PlgError):
    """The root of what can go wrong between a topic and the other end of a sink."""


class Unavailable(SinkError):
    """
    The other end is down, full, starting or locked; the record itself may be fine.

    Args:
        text: What is wrong.
        retry_after_s: An attempt before that is sure to fail; None: nobody knows.
    """

    def __init__(self, text: str, retry_after_s: float | None = None) -> None:
        super().__init__(text)
        self.retry_after_s = retry_after_s


class Refused(SinkError):
    """
    A record that can never be delivered.

    Args:
        reason: A code, stable enough to count and alert on.
        detail: What was seen and what to do. It goes to the dead letter, never to a log: it may name a workspace.
    """

    def __init__(self, reason: str, detail: str) -> None:
        super().__init__(f"{reason}: {detail}")
        self.reason = reason
        self.detail = detail


class Delivery(msgspec.Struct, frozen=True):
    """One record on its way out, with the place it came from. A `value` of None is a tombstone."""

    topic: str
    partition: int
    offset: int
    key: bytes | None
    value: bytes | None
    headers: tuple[tuple[str, bytes | None], ...] = ()
    # Unix milliseconds; None where the record has none.
    timestamp: int | None = None


@runtime_checkable
class Sink(Protocol):
    """One other end. Delivering a record twice must look like once: after a crash the last ones come again."""

    @property
    def name(self) -> str:
        """The name in the consumer group, in logs and in routes."""

    @property
    def topics(self) -> tuple[str, ...]:
        """The topics it reads, without the prefix: `alerts` for `plg.alerts`."""

    def deliver(self, record: Delivery) -> None:
        """
        Hand one record over; on return the other end has it.

        Raises:
            Unavailable: Later, the same record again.
            Refused: Never.
        """

    def close(self) -> None:
        """Let go of connections."""


@runtime_checkable
class BatchSink(Sink, Protocol):
    """A sink that takes many records in one round trip."""

    def deliver_batch(self, records: Sequence[Delivery]) -> Sequence[Refused | None]:
        """
        Hand records over in order.

        Returns:
            One outcome a record: None where it was taken.

        Raises:
            Unavailable: Some may have been taken; all of them come again.
        """

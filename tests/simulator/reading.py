"""Reading: a run of two months as a consumer of the bus reads it, for the tests of the simulator."""

from __future__ import annotations

from datetime import datetime
from functools import cache

import msgspec

from simulator import Scenario, simulate

TWO_MONTHS = Scenario(workspaces=150, large=2)


class Context(msgspec.Struct):
    """What the tests read of `context`."""

    groupId: str | None = None  # noqa: N815 - Segment's name
    traits: dict[str, str] = {}


class Message(msgspec.Struct):
    """A Segment call as a consumer reads it."""

    type: str
    messageId: str  # noqa: N815
    originalTimestamp: datetime  # noqa: N815
    sentAt: datetime  # noqa: N815
    receivedAt: datetime  # noqa: N815
    timestamp: datetime
    context: Context
    event: str | None = None
    userId: str | None = None  # noqa: N815
    anonymousId: str | None = None  # noqa: N815
    groupId: str | None = None  # noqa: N815
    properties: dict[str, object] = {}
    traits: dict[str, object] = {}


def read(scenario: Scenario) -> list[Message]:
    return msgspec.convert(list(simulate(scenario)), list[Message])


@cache
def two_months() -> list[Message]:
    return read(TWO_MONTHS)


def first_copies() -> list[Message]:
    return list({message.messageId: message for message in reversed(two_months())}.values())


def tracks(name: str) -> list[Message]:
    return [message for message in first_copies() if message.event == name]

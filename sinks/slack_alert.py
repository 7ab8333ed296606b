"""An alert as the Slack sink reads it from its topic, and since when it can have been posted."""

from __future__ import annotations

from typing import Final

import msgspec
from pydantic import ValidationError

from signals.contract import Alert
from sinks.base import Refused

# A copy may say a later `detected_at` than its original; an alert is never held longer than this.
LONGEST_HELD_S: Final = 86_400.0


class _Routed(msgspec.Struct):
    route: str


_ROUTED = msgspec.json.Decoder(_Routed)


def route_of(value: bytes | None) -> str:
    """
    The route of an alert.

    Raises:
        Refused: The value is no JSON object with a route.
    """
    try:
        return _ROUTED.decode(value or b"").route
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        # msgspec names path and type, never the value.
        raise Refused("bad_alert", str(error)) from error


def decode_alert(value: bytes | None) -> Alert:
    """
    Read an alert whole.

    Raises:
        Refused: It breaks the contract.
    """
    try:
        return Alert.model_validate_json(value or b"")
    except ValidationError as error:
        # Places and kinds, never the values.
        found = [f"{'.'.join(map(str, problem['loc']))}: {problem['type']}" for problem in error.errors()]
        raise Refused("bad_alert", "; ".join(found[:5])) from None


def first_possible(alert: Alert, now: float) -> float:
    """The earliest Unix second at which any process can have posted it, or a copy of it."""
    detected, occurred = alert.detected_at.timestamp(), alert.occurred_at.timestamp()
    return min(now, detected, max(occurred, detected - LONGEST_HELD_S))

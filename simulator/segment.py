"""Segment: writes a happening as a call of the Segment spec, as a destination on Kafka receives it."""

from __future__ import annotations

from simulator.happening import Happening, Message, Properties
from simulator.rhythm import iso

_BROWSER = {"name": "analytics.js", "version": "2.11.1"}
_BACK_END = {"name": "analytics-python", "version": "2.3.4"}


def write_message(happening: Happening, message_id: str, waited: int, latency: int) -> Message:
    """
    The call as received `waited` ms after its time.

    The four times obey Segment's own rule, `timestamp = receivedAt - (sentAt - originalTimestamp)`, whatever the
    browser's clock says.
    """
    time, kind, name, person, workspace_id, properties, anonymous = happening
    message: Message = {"type": kind, "messageId": message_id}
    context: Properties = {"library": _BROWSER if person else _BACK_END}
    original = time - latency
    if person is not None:
        if not anonymous:
            message["userId"] = person.id
        message["anonymousId"] = person.anonymous_id
        original += person.clock_skew
    if kind == "group":
        message["groupId"] = workspace_id
    elif workspace_id is not None:
        context["groupId"] = workspace_id
    if kind == "track":
        message["event"] = name
        if name == "Signed Up" and person is not None:
            context["traits"] = {"email": person.email}
    elif kind == "page":
        message["name"] = name
    message["traits" if kind in {"identify", "group"} else "properties"] = properties
    message["context"] = context
    message["originalTimestamp"] = iso(original)
    message["sentAt"] = iso(original + waited)
    message["receivedAt"] = iso(time + waited)
    message["timestamp"] = iso(time)
    return message

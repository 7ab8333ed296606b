"""What people tell policy: a command is complete or refused, and goes into the log with its place."""

from __future__ import annotations

import json

import pytest

from signals.errors import BadRecord
from signals.facts import Command, Order
from signals.orders import MAX_BYTES, read_command
from tests.signals.builders import day

MUTE = {"v": 1, "command": "mute", "workspace_id": "acme", "issued_at": "2026-03-02T12:00:00Z"}


def written(**fields: object) -> bytes:
    return json.dumps(MUTE | fields).encode()


def test_command_keeps_its_place_and_its_times() -> None:
    message = read_command(written(signal="multi_user", until="2026-03-05T13:00:00+01:00"))

    assert message.at(0, 7) == Command(Order.MUTE, day(1), 0, 7, "acme", "multi_user", day(4))


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"workspace_id": None, "signal": "multi_user"},
        {"command": "unmute"},
        {"command": "snooze", "until": "2026-03-05T12:00:00Z"},
        {"command": "close", "reason": "talked to them"},
    ],
)
def test_complete_command_is_taken(fields: dict[str, object]) -> None:
    assert read_command(written(**fields)).command is not None


@pytest.mark.parametrize(
    "value",
    [
        None,
        b"",
        b"mute acme",
        written(v=2),
        written(command="shout"),
        written(workspace_id=None),
        written(workspace_id=""),
        written(signal="multi_usr"),
        written(command="snooze"),
        written(command="snooze", signal="multi_user", until="2026-03-05T12:00:00Z"),
        written(command="close", workspace_id=None, signal="multi_user"),
        written(command="unmute", until="2026-03-05T12:00:00Z"),
        written(until="tomorrow"),
        written(until="2026-03-05T12:00:00"),
        written(whatever=1),
        written(reason="x" * 201),
        written(workspace_id="w" * MAX_BYTES),
    ],
)
def test_incomplete_or_unknown_command_is_refused_with_its_code(value: bytes | None) -> None:
    with pytest.raises(BadRecord) as refused:
        read_command(value)

    assert refused.value.reason == "bad_command"
    assert "acme" not in refused.value.detail

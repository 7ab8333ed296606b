"""What others read: every JSON we write is what the public models say."""

from __future__ import annotations

import json

import msgspec
import pytest

from signals.contract import Alert, Signal, alert_json, signal_json, verdict_json
from signals.engine import (
    decode_fact_records,
    decode_user_records,
    decode_user_state,
    decode_workspace_state,
    encode_state,
    snapshot_json,
)
from signals.errors import BrokenLog
from signals.event import Role
from signals.workspace import PolicyState
from tests.signals.builders import ACTIVATION, River, day, event, team


def lively_river() -> River:
    river = River(ACTIVATION)
    river.feed(
        event("ann", "acme", on=day(1), roles=[Role.SIGNED_UP], email="ann@walmart.com"),
        event("ann", "acme", on=day(1), roles=[Role.PROCUREMENT_REQUESTED], name="MSA Requested"),
        event("bob", "acme", on=day(1), roles=[Role.ACTIVATED]),
        *team("acme", 5, day(2)),
    )
    return river


def test_every_signal_is_what_the_model_says() -> None:
    for firing in lively_river().signals:
        written = signal_json(firing, day(3), "abc")

        read = Signal.model_validate_json(written)

        assert json.loads(written).keys() == Signal.model_fields.keys()
        assert (read.id, read.signal, read.evidence) == (firing.id, firing.signal, firing.evidence)
        assert int(read.occurred_at.timestamp() * 1_000) == firing.time


def test_every_alert_is_what_the_model_says() -> None:
    alerts = lively_river().alerts
    assert len(alerts) >= 3

    for alert in alerts:
        written = alert_json(alert, day(3), "abc")

        read = Alert.model_validate_json(written)

        assert json.loads(written).keys() == Alert.model_fields.keys()
        assert (read.id, read.status, read.score, read.signal_ids) == (
            alert.id,
            alert.status.value,
            alert.score,
            list(alert.signal_ids),
        )


def test_signal_reads_like_the_contract() -> None:
    river = River()
    made = event("ann", "acme", on=day(1), event_id="e-1", roles=[Role.SIGNED_UP])
    (firing,) = river.feed(made)

    assert json.loads(signal_json(firing, day(1) + 249, "abc")) == {
        "v": 1,
        "id": firing.id,
        "signal": "signed_up",
        "kind": "activation",
        "scope": "user",
        "user_id": "ann",
        "workspace_id": "acme",
        "occurred_at": "2026-03-02T12:00:00.000Z",
        "detected_at": "2026-03-02T12:00:00.249Z",
        "config": "abc",
        "evidence": {},
        "cause": {"topic": "events", "partition": 0, "offset": made.source.offset, "event_id": "e-1"},
    }


def test_verdict_names_its_signal_and_its_alert() -> None:
    river = River()
    river.feed(event("ann", "acme", on=day(1), roles=[Role.PROCUREMENT_REQUESTED]))

    assert json.loads(verdict_json(river.verdicts[0])) == {
        "v": 1,
        "signal_id": river.signals[0].id,
        "signal": "procurement",
        "workspace_id": "acme",
        "verdict": "sent",
        "reason": None,
        "alert_id": river.alerts[0].id,
        "decided_at": "2026-03-02T12:00:00.000Z",
    }


def test_snapshot_shows_who_is_active_what_fired_and_what_waits() -> None:
    river = River(ACTIVATION)
    river.feed(*team("acme", 5, day(1)))

    shown = json.loads(snapshot_json("acme", river.workspace("acme"), river.engine.scoring))

    assert (shown["workspace_id"], shown["members"], shown["active_users"]) == ("acme", 5, {"7d": 5, "14d": 5})
    assert shown["signals"]["multi_user"] == {"n": 1, "last": "2026-03-02T12:00:00.000Z"}
    assert [held["signal"] for held in shown["held"]] == ["multi_user"]
    assert shown["updated_at"] == "2026-03-02T12:00:00.000Z"
    assert shown["activated_at"] is None


def test_only_the_domain_of_an_address_leaves_or_stays() -> None:
    from signals.engine import encode_fact, encode_state

    river = River(ACTIVATION)
    river.feed(event("ann", "acme", email="canary@walmart.com", roles=[Role.SIGNED_UP]))

    everything = [encode_fact(fact) for fact in river.facts]
    everything += [signal_json(firing, 0, "") for firing in river.signals]
    everything += [alert_json(alert, 0, "") for alert in river.alerts]
    everything += [encode_state(river.user("ann")), encode_state(river.workspace("acme"))]
    assert all(b"canary" not in written for written in everything)


@pytest.mark.parametrize("decode", [decode_user_records, decode_fact_records])
def test_record_of_somebody_else_is_refused(decode: object) -> None:
    with pytest.raises(msgspec.MsgspecError):
        decode(b'{"log":"other"}')  # type: ignore[operator]


@pytest.mark.parametrize("decode", [decode_user_state, decode_workspace_state])
def test_state_of_somebody_else_stops_the_worker(decode: object) -> None:
    with pytest.raises(BrokenLog, match="changelog"):
        decode(b"\xc1")  # type: ignore[operator]


def _in_full(state: msgspec.Struct) -> dict[str, object]:
    """A state as it was stored when its fields were stored under their full names."""
    return {
        name: _in_full(value) if isinstance(value, PolicyState) else value
        for name, value in msgspec.structs.asdict(state).items()
    }


def test_states_stored_with_the_full_names_of_their_fields_are_still_read() -> None:
    river = River(ACTIVATION)
    river.feed(event("ann", "acme", email="ann@walmart.com", roles=[Role.SIGNED_UP, Role.ACTIVATED]))
    user, workspace = river.user("ann"), river.workspace("acme")

    stored = msgspec.msgpack.encode(_in_full(user)), msgspec.msgpack.encode(_in_full(workspace))

    assert stored[0] != encode_state(user)
    assert (decode_user_state(stored[0]), decode_workspace_state(stored[1])) == (user, workspace)

"""The live snapshot shows what a workspace pays for and uses."""

from __future__ import annotations

import msgspec

from signals.snapshot import snapshot_json
from tests.signals.builders import River, day, event
from tests.signals.rules.billing_events import plan_changed, usage


def snapshot(river: River) -> dict[str, object]:
    return msgspec.json.decode(
        snapshot_json("acme", river.workspace("acme"), river.engine.scoring), type=dict[str, object]
    )


def test_snapshot_shows_plan_seats_and_usage() -> None:
    river = River()
    river.feed(plan_changed(day(1), plan="Pro", seats=5), usage(day(2), used=40))

    seen = snapshot(river)

    assert (seen["plan"], seen["seats"]) == ("Pro", 5)
    assert seen["usage"] == [
        {
            "metric": "calls",
            "period": "2026-03",
            "used": 40,
            "limit": 100,
            "reported_at": "2026-03-03T12:00:00.000Z",
        }
    ]


def test_what_is_unknown_is_null_in_the_snapshot() -> None:
    river = River()
    river.feed(event("ann", "acme"))

    seen = snapshot(river)

    assert (seen["plan"], seen["seats"], seen["usage"]) == (None, None, [])

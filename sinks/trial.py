"""A test alert sent the way of a real one, to see whether a route arrives where it should."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime
from typing import Final

import msgspec

from signals.contract import Alert, WhyItem
from sinks.base import Delivery, SinkError
from sinks.redis import RedisSink
from sinks.slack_channel import Channel
from sinks.slack_errors import Blocked, Limited
from sinks.slack_pace import Time
from sinks.slack_render import Links, message_key, render

TEST_WORKSPACE: Final = "plg-test"
# A message may show up in the history a moment after it was taken.
LOOKS: Final = 5
_MARGIN_S: Final = 60.0


class Outcome(msgspec.Struct, frozen=True):
    """Whether the test alert arrived, and in one line what was seen and what to do."""

    is_ok: bool
    text: str


def trial_alert(route: str) -> Alert:
    """An alert that nobody can take for a real one; its id begins with `test-`."""
    now = datetime.now(UTC)
    return Alert(
        v=1,
        id=f"test-{uuid.uuid4()}",
        signal="test",
        priority="normal",
        title=f"Test alert of the route {route}: nothing has happened",
        why=[WhyItem(fact="sent_by", value="plg sinks test", threshold=None)],
        play="Nothing. Somebody is trying out whether the alerts of this route arrive here.",
        score=0,
        score_parts={},
        user_id=None,
        workspace_id=TEST_WORKSPACE,
        workspace_name=None,
        domain=None,
        occurred_at=now,
        detected_at=now,
        route=route,
        config="test",
        signal_ids=["test"],
        status="open",
        reason=None,
    )


def try_redis(sink: RedisSink, prefix: str, alert: Alert) -> Outcome:
    """Write an alert under the real keys and close it at once, so that the work queue is as before."""
    closed = alert.model_copy(update={"status": "closed", "reason": "it was a test"})
    # Newer than the last test: the queue keeps the newest place of each workspace.
    place = int(alert.detected_at.timestamp() * 1_000)
    try:
        for offset, one in enumerate((alert, closed), place):
            value = one.model_dump_json().encode()
            sink.deliver(Delivery(f"{prefix}.alerts", 0, offset, TEST_WORKSPACE.encode(), value))
    except SinkError as error:
        return Outcome(is_ok=False, text=f"{str(error).rstrip('.')}; PLG_REDIS_URL names the server")
    return Outcome(is_ok=True, text="ok: in the stream and on the live channel, then closed")


def try_slack(channel: Channel, links: Links, alert: Alert, clock: Time) -> Outcome:
    """Post an alert, and read it back where that is possible."""
    name = channel.endpoint.channel
    try:
        channel.pace.take_turn()
        channel.endpoint.post(render(alert, links))
    except Limited as error:
        return Outcome(is_ok=False, text=f"{error}; try again in {error.retry_after_s or 0:.0f} s")
    except SinkError as error:
        return Outcome(is_ok=False, text=str(error))
    finally:
        channel.pace.end_turn()
    if not channel.endpoint.can_read_back:
        return Outcome(
            is_ok=True, text="ok: posted; what a webhook posts cannot be read back, so an alert may come twice"
        )
    try:
        is_there = _is_there(channel, alert, clock)
    except SinkError as error:
        because = str(error) if isinstance(error, Blocked) else f"it cannot be read: {error}"
        return Outcome(is_ok=False, text=f"posted to {name}, but alerts may come twice: {because}")
    if not is_there:
        return Outcome(is_ok=False, text=f"posted to {name}, but not found there afterwards: alerts may come twice")
    return Outcome(is_ok=True, text=f"ok: posted to {name} and read back")


def _is_there(channel: Channel, alert: Alert, clock: Time) -> bool:
    key = message_key(alert.id, alert.status, len(alert.signal_ids))
    since = alert.detected_at.timestamp() - _MARGIN_S
    for look in range(LOOKS):
        if look:
            clock.sleep(1)
        if key in channel.endpoint.keys_since(since):
            return True
    return False

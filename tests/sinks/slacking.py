"""What tests of the Slack sink share: alerts, a clock that tests move, and a delivery loop without Kafka."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from sinks.base import Delivery, Refused, Sink, Unavailable
from sinks.outage import Outage
from sinks.slack import SlackSink
from sinks.slack_channel import open_channels
from sinks.slack_http import Send, send
from sinks.slack_options import SlackOptions
from sinks.slack_pace import REAL_TIME, Time
from tests.sinks.slack_server import HOOK_PATH, TOKEN

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from tests.sinks.slack_server import SlackScript

CHANNEL = "C0123456789"
BEGIN = datetime(2026, 3, 2, 9, 0, tzinfo=UTC).timestamp()


class VirtualTime:
    """Time that passes only when somebody waits."""

    def __init__(self) -> None:
        self.passed = 0.0

    def wall(self) -> float:
        """Tell Unix seconds."""
        return BEGIN + self.passed

    def monotonic(self) -> float:
        """Tell seconds."""
        return 1_000 + self.passed

    def sleep(self, seconds: float) -> None:
        """Let time pass."""
        self.passed += seconds


def alert_values(**fields: Any) -> dict[str, Any]:
    """An alert as JSON will show it."""
    values: dict[str, Any] = {
        "v": 1,
        "id": "a1",
        "signal": "multi_user",
        "priority": "high",
        "title": "Acme Inc: 5 people active in 7 days",
        "why": [{"fact": "active_users_7d", "value": 5, "threshold": 5}],
        "play": "Several people depend on it. Offer a team plan.",
        "score": 0,
        "score_parts": {},
        "user_id": "u5",
        "workspace_id": "w1",
        "workspace_name": "Acme Inc",
        "domain": "acme.com",
        "occurred_at": "2026-03-02T08:59:58Z",
        "detected_at": "2026-03-02T08:59:59Z",
        "route": "sales",
        "config": "c0ffee",
        "signal_ids": ["s1"],
        "status": "open",
        "reason": None,
    }
    return values | fields


def record(offset: int, partition: int = 0, **fields: Any) -> Delivery:
    """A record of `plg.alerts`; its alert is named after the offset unless told otherwise."""
    value = msgspec.json.encode(alert_values(**{"id": f"a{offset}", **fields}))
    return Delivery("plg.alerts", partition, offset, b"w1", value)


def bot(url: str = "http://127.0.0.1:1", **fields: Any) -> SlackOptions:
    """Options with a token."""
    return SlackOptions(
        **{"token": TOKEN, "channels": {"sales": CHANNEL}, "api_url": f"{url}/api/", "timeout_s": 0.3, **fields}
    )


def webhook(url: str = "http://127.0.0.1:1", **fields: Any) -> SlackOptions:
    """Options with a webhook."""
    hooks = {"sales": f"{url}/hooks/{HOOK_PATH}"}
    return SlackOptions(**{"webhooks": hooks, "webhook_base": f"{url}/hooks/", "timeout_s": 0.3, **fields})


def slack_sink(options: SlackOptions, clock: Time = REAL_TIME, send: Send = send, route: str = "sales") -> SlackSink:
    """The lane of a route."""
    return SlackSink(options, route, open_channels(options, clock, send)[route], clock=clock)


def settled_sink(slack: SlackScript, clock: VirtualTime, options: SlackOptions | None = None) -> SlackSink:
    """A lane whose first read-back has nothing to wait for."""
    sink = slack_sink(options or bot(), clock, slack.send)
    clock.sleep(5)
    return sink


class Lane:
    """A lane with its place in a topic, delivering as the delivery loop does, with the waiting of its outages."""

    def __init__(self, sink: Sink, clock: VirtualTime) -> None:
        self.sink = sink
        self.place = 0
        self.parked: list[str] = []
        self._outage = Outage(clock.monotonic)

    def step(self, topic: Sequence[Delivery]) -> float:
        """Try the next record if it is time; returns in how many seconds it is."""
        if self._outage.remaining() == 0 and self.place < len(topic):
            try:
                self.sink.deliver(topic[self.place])
            except Unavailable as error:
                self._outage.extend(error.retry_after_s)
                return self._outage.remaining()
            except Refused as refusal:
                self.parked.append(refusal.reason)
            self._outage.end()
            self.place += 1
        return self._outage.remaining()


def drive_lanes(lanes: Sequence[Sink], topic: Sequence[Delivery], clock: VirtualTime, for_s: float) -> dict[str, Lane]:
    """Deliver in all lanes, a record each in turn, until all are through or the time is over."""
    ends_at, running = clock.passed + for_s, [Lane(lane, clock) for lane in lanes]
    while clock.passed < ends_at and any(lane.place < len(topic) for lane in running):
        waits = [lane.step(topic) for lane in running if lane.place < len(topic)]
        if min(waits) > 0:
            clock.sleep(min(waits))
    return {lane.sink.name: lane for lane in running}


def drive(sink: SlackSink, records: Iterable[Delivery], clock: VirtualTime, longest_s: float = 600) -> list[str]:
    """
    Deliver as the delivery loop does, with the waiting of its outages, on a virtual clock.

    Returns:
        The reasons for which records were parked.
    """
    parked = []
    for one in records:
        outage, began = Outage(clock.monotonic), clock.passed
        while True:
            try:
                sink.deliver(one)
            except Unavailable as error:
                if clock.passed - began >= longest_s:
                    raise AssertionError(f"not delivered in {longest_s} s") from error
                outage.extend(error.retry_after_s)
                clock.sleep(outage.remaining())
                continue
            except Refused as refusal:
                parked.append(refusal.reason)
            break
    return parked

"""Six hours without Slack, five thousand alerts: afterwards each is posted once, in order, at the pace Slack allows."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import pytest

from sinks import slack as slack_module
from sinks.slack import SlackSink
from sinks.slack_routing import slack_lanes
from tests.sinks.slack_server import Fault, SlackScript, limited
from tests.sinks.slacking import CHANNEL, Lane, VirtualTime, bot, record, webhook

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sinks.base import Delivery
    from sinks.slack_options import SlackOptions

ALERTS = 5_000
OUTAGE_S = 6 * 3_600
KNOWN = 500
DOWN = Fault("down", status=503, body="upstream connect error")
FINE = Fault("fine", accepts=True)


@pytest.mark.river
@pytest.mark.parametrize(("options", "channel"), [(bot(), CHANNEL), (webhook(), "hook")], ids=["bot token", "webhook"])
def test_backlog_of_six_hours_is_posted_once_in_order_at_the_pace_and_in_little_memory(
    options: SlackOptions, channel: str, report: Callable[[str], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    # Small enough to be reached: what the sink remembers must not grow with the backlog.
    monkeypatch.setattr(slack_module, "MAX_KNOWN", KNOWN)
    clock = VirtualTime()
    slack = SlackScript(clock.wall)
    lanes = [Lane(sink, clock) for sink in slack_lanes(options, clock=clock, send=slack.send)]
    topic = [record(number) for number in range(ALERTS)]

    slack.is_down = True
    drive_until(lanes, topic, clock, lambda: clock.passed >= OUTAGE_S / 2)
    slack.is_down, slack.closed_channels[channel] = False, DOWN
    drive_until(lanes, topic, clock, lambda: clock.passed >= OUTAGE_S)
    asked = len(slack.requests)
    assert slack.ids == []
    slack.closed_channels.clear()
    # Slack slows a long backlog down.
    slack.post_faults.extend(limited(30) if number % 500 == 499 else FINE for number in range(ALERTS))
    drive_until(lanes, topic, clock, lambda: all(lane.place == ALERTS for lane in lanes))

    assert slack.ids == [f"a{number}" for number in range(ALERTS)]
    assert [lane.parked for lane in lanes] == [[], []]
    gaps = [later.at - earlier.at for earlier, later in itertools.pairwise(slack.accepted)]
    assert min(gaps) >= 1.0 - 1e-6
    took_s = clock.passed - OUTAGE_S
    assert took_s < ALERTS * 1.1
    [sink] = [lane.sink for lane in lanes if isinstance(lane.sink, SlackSink)]
    assert (len(sink._known) <= KNOWN, sink._doubts, len(sink._last)) == (True, {}, 1)
    report(
        f"{ALERTS} alerts posted once and in order in {took_s / 60:.0f} min after {OUTAGE_S / 3_600:.0f} h without"
        f" Slack, {max(gaps):.0f} s the longest rest, {asked} requests in the outage"
    )


def drive_until(
    lanes: Sequence[Lane], topic: Sequence[Delivery], clock: VirtualTime, is_over: Callable[[], bool]
) -> None:
    """Let each lane do what it can, and time pass where none can."""
    while not is_over():
        wait_s = min(lane.step(topic) for lane in lanes if lane.place < len(topic))
        if wait_s > 0:
            clock.sleep(wait_s)

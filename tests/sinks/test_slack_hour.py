"""Slack is down for an hour of virtual time: detection goes on as if nothing were, and afterwards all arrives once."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import msgspec
import pytest

from signals.contract import alert_json
from signals.event import Role
from sinks.base import Delivery
from sinks.slack_routing import slack_lanes
from tests.signals.builders import River, event
from tests.sinks.slack_server import SlackScript, says
from tests.sinks.slacking import CHANNEL, Lane, VirtualTime, bot

if TYPE_CHECKING:
    from collections.abc import Callable

HOUR_S = 3_600
EVERY_S = 20


def detect(river: River, topic: list[Delivery], now_s: float) -> None:
    """One customer asks for a contract: the real steps turn his event into an alert at the end of the topic."""
    before, number = len(river.alerts), len(topic)
    on = int(now_s * 1_000)
    river.feed(event(f"u{number}", f"w{number}", on=on, roles=[Role.PROCUREMENT_REQUESTED], name="MSA Requested"))
    for alert in river.alerts[before:]:
        value = alert_json(alert, on, river.engine.config.hash)
        topic.append(Delivery("plg.alerts", 0, len(topic), alert.workspace_id.encode(), value))


@pytest.mark.parametrize("outage", ["no connection", "revoked token"])
def test_detection_does_not_notice_an_hour_without_slack_and_afterwards_each_alert_arrives_once_in_order(
    outage: str, report: Callable[[str], None]
) -> None:
    clock = VirtualTime()
    slack, river, topic = SlackScript(clock.wall), River(), []
    options = bot(channels={"sales-assist": CHANNEL})
    lanes = [Lane(sink, clock) for sink in slack_lanes(options, clock=clock, send=slack.send)]
    slack.is_down = outage == "no connection"
    if not slack.is_down:
        slack.closed_channels[CHANNEL] = says("token_revoked")

    for second in range(HOUR_S):
        if second % EVERY_S == 0:
            detect(river, topic, clock.wall())
        for lane in lanes:
            lane.step(topic)
        clock.sleep(1)
    detected = [msgspec.json.decode(record.value or b"")["id"] for record in topic]
    delays_s = [river.alerts[n].time / 1_000 - (clock.wall() - HOUR_S + n * EVERY_S) for n in range(len(topic))]
    posted_meanwhile = list(slack.ids)
    back_at = clock.passed
    slack.is_down = False
    slack.closed_channels.clear()
    while any(lane.place < len(topic) for lane in lanes):
        clock.sleep(max(0.1, min(lane.step(topic) for lane in lanes)))

    assert len(detected) == HOUR_S / EVERY_S
    assert max(map(abs, delays_s)) < 0.001
    assert posted_meanwhile == []
    assert slack.ids == detected
    assert [lane.parked for lane in lanes] == [[], []]
    gaps = [later.at - earlier.at for earlier, later in itertools.pairwise(slack.accepted)]
    assert min(gaps) >= 1.0 - 1e-6
    took_s = clock.passed - back_at
    # The longest wait between two attempts, then a message a second.
    assert took_s < 15 + len(topic) * 1.2
    report(f"{outage}: {len(detected)} alerts detected in the hour, posted once and in order {took_s:.0f} s after it")

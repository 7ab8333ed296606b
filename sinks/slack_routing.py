"""The lanes of the Slack sink: one per route, each with a consumer group of its own, and one for what has no route."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Final

from sinks.base import Delivery, Refused, Sink
from sinks.slack import SlackSink
from sinks.slack_alert import route_of
from sinks.slack_channel import open_channels
from sinks.slack_http import Send, send
from sinks.slack_options import SlackOptions
from sinks.slack_pace import REAL_TIME, Time

# A route that goes to Slack for the first time: nobody wants to be told of three months, and what was detected while
# the sink was being set up must not be missed. Longer ago than this is stale for policy, too (SIGNALS 6).
LOOK_BACK_S: Final = 3_600.0


class UnknownRoutes:
    """
    Parks what belongs to no lane: records that are no alerts, and alerts of a route that the config does not know.

    Args:
        routes: The routes that the config knows, whether they go to Slack or not.
    """

    name = "slack"
    topics = ("alerts",)

    def __init__(self, routes: Collection[str]) -> None:
        self._routes = frozenset(routes)

    def deliver(self, record: Delivery) -> None:
        """Take what a lane takes or nobody wants; see `Sink.deliver`."""
        if route_of(record.value) not in self._routes:
            raise Refused("no_channel", "the config has no such route: add it with its channel, then redrive the alert")

    def close(self) -> None:
        """Hold nothing."""


def slack_lanes(options: SlackOptions, *, clock: Time = REAL_TIME, send: Send = send) -> Sequence[Sink]:
    """
    Make the lanes; together they finish each alert once.

    A channel that rests or waits for a person holds back the alerts of its own routes and no others.
    """
    channels = open_channels(options, clock, send)
    lanes = [SlackSink(options, route, channel, clock=clock) for route, channel in channels.items()]
    return [UnknownRoutes(options.addresses), *lanes]

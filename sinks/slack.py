"""
Sink Slack: one message per alert, once where the channel can be read back.

Slack has no key that would make a second post harmless, and nothing but the committed offset is remembered between two
runs. So the channel itself is the memory: every message carries its alert's id as metadata, and before a message whose
predecessor did not come just now from this very process, the channel is searched for it. That covers a lost answer, a
crash between post and commit, a partition that came from another process, and a copy that the worker sent again.
"""

from __future__ import annotations

from collections import OrderedDict
from typing import Final

import structlog

from signals.contract import Alert
from sinks.base import Delivery, Refused, Unavailable
from sinks.slack_alert import decode_alert, first_possible, route_of
from sinks.slack_api import HistoryTooLong
from sinks.slack_channel import Channel
from sinks.slack_errors import Blocked, Limited, Unsettled
from sinks.slack_options import SlackOptions
from sinks.slack_pace import REAL_TIME, Time
from sinks.slack_render import Links, message_key, render

# Below the shortest session time-out of a consumer group (6 s): within it no other process can have had the partition,
# tried the record and gone.
OURS_FOR_S: Final = 5.0
# Clocks differ: Slack's from ours, a worker's from both.
CLOCK_MARGIN_S: Final = 60.0
# Copies come within minutes; this is days of alerts.
MAX_KNOWN: Final = 10_000

_log = structlog.get_logger()


class SlackSink:
    """
    Posts the alerts of one route from `<prefix>.alerts` to its channel; see `Sink` and sinks/slack_routing.py.

    Args:
        options: Links and the time a doubt takes to settle.
        route: Whose alerts; all others are passed over.
        channel: Where to.
        clock: What passes.
    """

    topics = ("alerts",)

    def __init__(self, options: SlackOptions, route: str, channel: Channel, *, clock: Time = REAL_TIME) -> None:
        self.name = f"slack-{route}"
        self._route = route
        self._channel = channel
        self._clock = clock
        self._links = Links(options.workspace_link, options.user_link)
        self._settle_s = options.settle_s
        self._started_at = clock.monotonic()
        self._known: OrderedDict[str, None] = OrderedDict()
        # When the last attempt ended whose outcome is unknown: on our two clocks, wall and monotonic.
        self._doubts: dict[str, tuple[float, float]] = {}
        self._last: dict[tuple[str, int], tuple[int, float]] = {}

    def deliver(self, record: Delivery) -> None:
        """Post one alert; see `Sink.deliver`."""
        is_next = self._is_next(record)
        if self._is_mine(record):
            alert = decode_alert(record.value)
            key = message_key(alert.id, alert.status, len(alert.signal_ids))
            if key not in self._known:
                self._deliver(alert, key, record, is_next=is_next)
                return
        # What is passed over proves nothing about the records behind it: only a chain that began with a look at the
        # channel goes on.
        if is_next:
            self._note_finished(record)

    def close(self) -> None:
        """Let go of nothing: every request has a connection of its own."""

    def _is_mine(self, record: Delivery) -> bool:
        try:
            return route_of(record.value) == self._route
        except Refused:
            # The lane of the unknown routes parks it.
            return False

    def _deliver(self, alert: Alert, key: str, record: Delivery, *, is_next: bool) -> None:
        try:
            self._channel.pace.check_rest()
            is_there = (key in self._doubts or not is_next) and self._has_arrived(alert, key)
            if not is_there:
                self._post(alert, key)
                self._channel.note_fine()
        except Limited as error:
            self._channel.pace.rest(error.retry_after_s or 0.0)
            raise
        except Blocked as error:
            self._channel.say_blocked(error)
            raise
        except Refused:
            self._doubts.pop(key, None)
            self._note_finished(record)
            raise
        self._doubts.pop(key, None)
        self._remember(key)
        self._note_finished(record)

    def _post(self, alert: Alert, key: str) -> None:
        message = render(alert, self._links, is_repeat=key in self._doubts)
        self._channel.pace.take_turn()
        try:
            self._channel.endpoint.post(message)
        except Unsettled as error:
            self._doubts[key] = (self._clock.wall(), self._clock.monotonic())
            if self._channel.endpoint.can_read_back:
                error.retry_after_s = self._settle_s
            raise
        finally:
            self._channel.pace.end_turn()

    def _has_arrived(self, alert: Alert, key: str) -> bool:
        """Search the channel. Afterwards a doubt is settled, unless the channel could not be searched to the end."""
        endpoint = self._channel.endpoint
        if not endpoint.can_read_back:
            return False
        wall, since = self._doubts.get(key, (None, self._started_at))
        # A message may show up in the history a moment after it was taken.
        left_s = since + self._settle_s - self._clock.monotonic()
        if left_s > 0:
            raise Unavailable("Slack: an attempt of unknown outcome has to settle before the channel is read", left_s)
        oldest = (first_possible(alert, self._clock.wall()) if wall is None else wall) - CLOCK_MARGIN_S
        try:
            for found in endpoint.keys_since(oldest):
                self._remember(found)
                if found == key:
                    return True
        except HistoryTooLong:
            _log.warning("slack.history_too_long", channel=endpoint.channel, alert_id=alert.id)
            return False
        except (Blocked, Refused) as error:
            self._channel.note_unreadable(error)
            return False
        self._doubts.pop(key, None)
        self._channel.is_unreadable = False
        return False

    def _remember(self, key: str) -> None:
        self._known[key] = None
        self._known.move_to_end(key)
        if len(self._known) > MAX_KNOWN:
            self._known.popitem(last=False)

    def _is_next(self, record: Delivery) -> bool:
        """Whether its predecessor was finished here just now, so that nobody else can have tried this one."""
        offset, finished_at = self._last.get((record.topic, record.partition), (-1, float("-inf")))
        return record.offset == offset + 1 and self._clock.monotonic() - finished_at < OURS_FOR_S

    def _note_finished(self, record: Delivery) -> None:
        self._last[record.topic, record.partition] = (record.offset, self._clock.monotonic())

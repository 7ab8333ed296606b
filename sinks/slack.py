"""
Sink Slack: one message per alert, once where the channel can be read back.

Slack has no key that would make a second post harmless, and nothing but the committed offset is remembered between two
runs. So the channel itself is the memory: every message carries its alert's id as metadata, and before a message whose
predecessor did not come just now from this very process, the channel is searched for it. That covers a lost answer, a
crash between post and commit, a partition that came from another process, and a copy that the worker sent again.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Mapping
from typing import Final

import msgspec
import structlog
from pydantic import ValidationError

from signals.contract import Alert
from sinks.base import Delivery, Refused, Unavailable
from sinks.slack_api import BotEndpoint, Endpoint, HistoryTooLong, WebhookEndpoint
from sinks.slack_errors import TOKEN_CODES, Blocked, Limited, Unsettled
from sinks.slack_http import Send, send
from sinks.slack_options import SlackOptions
from sinks.slack_pace import REAL_TIME, Pace, Time
from sinks.slack_render import Links, message_key, render

# Below the shortest session time-out of a consumer group (6 s): within it no other process can have had the partition,
# tried the record and gone.
OURS_FOR_S: Final = 5.0
# Clocks differ: Slack's from ours, a worker's from both.
CLOCK_MARGIN_S: Final = 60.0
# A copy may say a later `detected_at` than its original; an alert is never held longer than this.
LONGEST_HELD_S: Final = 86_400.0
# Copies come within minutes; this is days of alerts.
MAX_KNOWN: Final = 10_000

_log = structlog.get_logger()


class _Target(msgspec.Struct):
    """One channel and what is going on in it."""

    endpoint: Endpoint
    pace: Pace
    trouble: str = ""
    is_unreadable: bool = False


class SlackSink:
    """
    Posts `<prefix>.alerts` to Slack; see `Sink`.

    Args:
        options: Ways, channels, links.
        clock: What passes.
        send: One HTTP request.
    """

    name = "slack"
    topics = ("alerts",)

    def __init__(self, options: SlackOptions, *, clock: Time = REAL_TIME, send: Send = send) -> None:
        self._options = options
        self._clock = clock
        self._links = Links(options.workspace_link, options.user_link)
        self._targets = _targets(options, clock, send)
        self._started_at = clock.monotonic()
        self._known: OrderedDict[str, None] = OrderedDict()
        # When the last attempt ended whose outcome is unknown: on our two clocks, wall and monotonic.
        self._doubts: dict[str, tuple[float, float]] = {}
        self._last: dict[tuple[str, int], tuple[int, float]] = {}

    def deliver(self, record: Delivery) -> None:
        """Post one alert; see `Sink.deliver`."""
        is_next = self._is_next(record)
        try:
            alert = _decode(record.value)
            target = self._target(alert.route)
            if target is not None:
                self._deliver(alert, target, is_next=is_next)
        except Refused:
            self._note_finished(record)
            raise
        self._note_finished(record)

    def close(self) -> None:
        """Let go of nothing: every request has a connection of its own."""

    def _target(self, route: str) -> _Target | None:
        if route not in self._targets:
            raise Refused("no_channel", "give the alert's route a channel, or null if it does not go to Slack")
        return self._targets[route]

    def _deliver(self, alert: Alert, target: _Target, *, is_next: bool) -> None:
        key = message_key(alert.id, alert.status, len(alert.signal_ids))
        if key in self._known:
            return
        try:
            target.pace.check_rest()
            if (key in self._doubts or not is_next) and self._has_arrived(alert, key, target):
                self._settle(key, target)
                return
            self._post(alert, key, target)
        except Limited as error:
            target.pace.rest(error.retry_after_s or 0.0)
            raise
        except Blocked as error:
            self._say(target, error.code, str(error))
            raise
        except Refused:
            self._doubts.pop(key, None)
            raise
        self._settle(key, target)

    def _post(self, alert: Alert, key: str, target: _Target) -> None:
        message = render(alert, self._links, is_repeat=key in self._doubts)
        target.pace.take_turn()
        try:
            target.endpoint.post(message)
        except Unsettled as error:
            self._doubts[key] = (self._clock.wall(), self._clock.monotonic())
            if target.endpoint.can_read_back:
                error.retry_after_s = self._options.settle_s
            raise
        finally:
            target.pace.end_turn()

    def _has_arrived(self, alert: Alert, key: str, target: _Target) -> bool:
        """Search the channel. Afterwards a doubt is settled, unless the channel could not be searched to the end."""
        if not target.endpoint.can_read_back:
            return False
        wall, since = self._doubts.get(key, (None, self._started_at))
        # A message may show up in the history a moment after it was taken.
        left_s = since + self._options.settle_s - self._clock.monotonic()
        if left_s > 0:
            raise Unavailable("Slack: an attempt of unknown outcome has to settle before the channel is read", left_s)
        oldest = (_first_possible(alert, self._clock.wall()) if wall is None else wall) - CLOCK_MARGIN_S
        try:
            for found in target.endpoint.keys_since(oldest):
                self._remember(found)
                if found == key:
                    return True
        except HistoryTooLong:
            _log.warning("slack.history_too_long", channel=target.endpoint.channel, alert_id=alert.id)
            return False
        except (Blocked, Refused) as error:
            self._note_unreadable(target, error)
            return False
        self._doubts.pop(key, None)
        target.is_unreadable = False
        return False

    def _note_unreadable(self, target: _Target, error: Blocked | Refused) -> None:
        """Go on without reading back, at least once, where only the right to read is missing."""
        if isinstance(error, Blocked) and error.code in TOKEN_CODES:
            raise error
        if not target.is_unreadable:
            target.is_unreadable = True
            _log.warning(
                "slack.cannot_read_back", channel=target.endpoint.channel, reason=str(error), promise="at least once"
            )

    def _say(self, target: _Target, code: str, text: str) -> None:
        """Log a trouble when it begins, not at every attempt."""
        if target.trouble != code:
            target.trouble = code
            _log.error("slack.blocked", channel=target.endpoint.channel, reason=text)

    def _settle(self, key: str, target: _Target) -> None:
        self._doubts.pop(key, None)
        self._remember(key)
        target.trouble = ""

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


def _targets(options: SlackOptions, clock: Time, send: Send) -> Mapping[str, _Target | None]:
    """One target per channel, not per route: the pace is the channel's."""
    by_address: dict[str, _Target] = {}
    by_route: dict[str, _Target | None] = {}
    for route, address in _addresses(options).items():
        if address is not None and address not in by_address:
            endpoint = _endpoint(options, route, address, send)
            by_address[address] = _Target(endpoint, Pace(options.interval_s, clock))
        by_route[route] = None if address is None else by_address[address]
    return by_route


def _addresses(options: SlackOptions) -> Mapping[str, str | None]:
    if options.token is not None:
        return options.channels
    return {route: None if url is None else url.get_secret_value() for route, url in options.webhooks.items()}


def _endpoint(options: SlackOptions, route: str, address: str, send: Send) -> Endpoint:
    if options.token is None:
        return WebhookEndpoint(route, address, send, options.timeout_s)
    return BotEndpoint(options.token.get_secret_value(), address, options.api_url, send, options.timeout_s)


def _decode(value: bytes | None) -> Alert:
    if value is None:
        raise Refused("bad_alert", "an alert has no value")
    try:
        return Alert.model_validate_json(value)
    except ValidationError as error:
        # Places and kinds, never the values.
        found = [f"{'.'.join(map(str, problem['loc']))}: {problem['type']}" for problem in error.errors()]
        raise Refused("bad_alert", "; ".join(found[:5])) from None


def _first_possible(alert: Alert, now: float) -> float:
    """The earliest Unix second at which any process can have posted it, or a copy of it."""
    detected, occurred = alert.detected_at.timestamp(), alert.occurred_at.timestamp()
    return min(now, detected, max(occurred, detected - LONGEST_HELD_S))

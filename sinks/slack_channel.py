"""One channel of Slack: the way into it, its pace, and what is wrong with it just now."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import msgspec
import structlog

from sinks.base import Refused
from sinks.slack_api import BotEndpoint, Endpoint, WebhookEndpoint
from sinks.slack_errors import TOKEN_CODES, Blocked
from sinks.slack_http import Send
from sinks.slack_options import SlackOptions
from sinks.slack_pace import Pace, Time

# A trouble that lasts is said again this often: whoever looks at the log of today must find it.
SAY_AGAIN_S: Final = 3_600.0

_log = structlog.get_logger()


class Channel(msgspec.Struct):
    """What all routes into one channel share; `trouble` is what was said last, and when."""

    endpoint: Endpoint
    pace: Pace
    clock: Time
    trouble: tuple[str, float] = ("", float("-inf"))
    is_unreadable: bool = False

    def say_blocked(self, error: Blocked) -> None:
        """Log a trouble when it begins and once an hour, not at every attempt."""
        code, said_at = self.trouble
        now = self.clock.monotonic()
        if code != error.code or now - said_at >= SAY_AGAIN_S:
            self.trouble = (error.code, now)
            _log.error("slack.blocked", channel=self.endpoint.channel, reason=str(error))

    def note_unreadable(self, error: Blocked | Refused) -> None:
        """Go on without reading back, at least once, where only the right to read is missing."""
        if isinstance(error, Blocked) and error.code in TOKEN_CODES:
            raise error
        if not self.is_unreadable:
            self.is_unreadable = True
            _log.warning(
                "slack.cannot_read_back", channel=self.endpoint.channel, reason=str(error), promise="at least once"
            )

    def note_fine(self) -> None:
        """Forget the trouble: a message has arrived."""
        self.trouble = ("", float("-inf"))


def open_channels(options: SlackOptions, clock: Time, send: Send) -> Mapping[str, Channel]:
    """The channel of each route that goes to Slack; one for all routes with the same address: the pace is its own."""
    by_address: dict[str, Channel] = {}
    by_route: dict[str, Channel] = {}
    for route, address in options.addresses.items():
        if address is None:
            continue
        if address not in by_address:
            pace = Pace(options.interval_s, clock)
            by_address[address] = Channel(_endpoint(options, route, address, send), pace, clock)
        by_route[route] = by_address[address]
    return by_route


def _endpoint(options: SlackOptions, route: str, address: str, send: Send) -> Endpoint:
    if options.token is None:
        return WebhookEndpoint(route, address, send, options.timeout_s)
    return BotEndpoint(options.token.get_secret_value(), address, options.api_url, send, options.timeout_s)

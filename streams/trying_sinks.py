"""`plg sinks test`: one test alert through each route, into each of its sinks."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import msgspec

from signals.contract import Alert
from signals.errors import ConfigError
from signals.selling import SinkName
from sinks.slack_channel import open_channels
from sinks.slack_http import send
from sinks.slack_pace import REAL_TIME
from sinks.slack_render import Links
from sinks.trial import Outcome, trial_alert, try_redis, try_slack
from streams.sink_setup import redis_sink, slack_options

if TYPE_CHECKING:
    from signals.config import Config
    from signals.selling import Route
    from streams.settings import Settings

_Try = Callable[[str, Alert], Outcome]


class Trial(msgspec.Struct, frozen=True):
    """What came of one route's test alert in one of its sinks; without a sink where the route has none."""

    route: str
    sink: str
    outcome: Outcome


def try_routes(config: Config, settings: Settings, only: str | None = None) -> Iterator[Trial]:
    """
    Send the test alerts, one outcome a route and sink.

    Args:
        config: Its routes.
        settings: Addresses and secrets.
        only: One route instead of all.

    Raises:
        ConfigError: There is no such route, or the config and the environment do not fit; nothing was sent.
    """
    routes = _chosen(config, only)
    ways = {sink: _WAYS[sink](config, settings) for route in routes for sink in route.sinks}
    for route in routes:
        alert = trial_alert(route.name)
        for sink in route.sinks:
            yield Trial(route.name, sink, ways[sink](route.name, alert))
        if not route.sinks:
            yield Trial(route.name, "-", Outcome(is_ok=False, text="the route has no sinks; give it one in the config"))


def _chosen(config: Config, only: str | None) -> Sequence[Route]:
    routes = [route for route in config.routes if only in {None, route.name}]
    if not routes:
        raise ConfigError(f"--route: there is no route {only}; known are {', '.join(r.name for r in config.routes)}")
    return routes


def _redis(config: Config, settings: Settings) -> _Try:
    sink = redis_sink(config, settings)
    return lambda _, alert: try_redis(sink, config.prefix, alert)


def _slack(config: Config, settings: Settings) -> _Try:
    options = slack_options(config, settings)
    channels = open_channels(options, REAL_TIME, send)
    links = Links(options.workspace_link, options.user_link)
    return lambda route, alert: try_slack(channels[route], links, alert, REAL_TIME)


_WAYS: dict[SinkName, Callable[[Config, Settings], _Try]] = {"redis": _redis, "slack": _slack}

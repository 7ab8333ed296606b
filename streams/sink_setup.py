"""The sinks put together: what the config says of routes, the addresses and secrets of the environment."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pydantic import ValidationError

from signals.errors import ConfigError
from sinks.redis import RedisSink
from sinks.slack_options import SlackOptions, read_webhooks

if TYPE_CHECKING:
    from collections.abc import Callable

    from pydantic import SecretStr

    from signals.config import Config
    from sinks.base import Delivery
    from streams.settings import Settings

_NO_WAY_IN = (
    "Slack: set PLG_SLACK_TOKEN to the app's bot token, or PLG_SLACK_WEBHOOKS to route=URL pairs of incoming webhooks"
)


def redis_sink(
    config: Config, settings: Settings, *, is_news: Callable[[Delivery], bool] = lambda _: True
) -> RedisSink:
    """
    The sink that writes the alerts of the routes that list it, and those of routes that the config knows no more.

    Args:
        is_news: Which alerts are told on the live channel.
    """
    passed_over = [route.name for route in config.routes if "redis" not in route.sinks]
    url = settings.redis_url.get_secret_value()
    return RedisSink(url, config.prefix, passed_over=passed_over, options=settings.redis_options, is_news=is_news)


def slack_options(config: Config, settings: Settings) -> SlackOptions:
    """
    What the Slack sink needs to know.

    Raises:
        ConfigError: No route goes to Slack, there is no way in or there are two, or one of the routes has no channel
            or no webhook; every problem has a line, and no secret is in it.
    """
    if not any("slack" in route.sinks for route in config.routes):
        raise ConfigError("no route goes to Slack: add slack to the sinks of one, and its channel, in the config")
    token, hooks = settings.slack_token, settings.slack_webhooks
    if token is not None and hooks is not None:
        raise ConfigError(
            "Slack: PLG_SLACK_TOKEN and PLG_SLACK_WEBHOOKS are both set; leave one out (a token is better)"
        )
    if token is not None:
        return _checked(config, token=token, channels=_channels(config))
    if hooks is not None:
        return _checked(config, webhooks=_webhooks(config, read_webhooks(hooks.get_secret_value())))
    raise ConfigError(_NO_WAY_IN)


def _channels(config: Config) -> dict[str, str | None]:
    missing = [route.name for route in config.routes if "slack" in route.sinks and route.channel is None]
    if missing:
        raise ConfigError(
            "\n".join(
                f"routes.{name}: slack is among its sinks, but it has no channel; give it the channel's id"
                for name in missing
            )
        )
    return {route.name: route.channel if "slack" in route.sinks else None for route in config.routes}


def _webhooks(config: Config, hooks: dict[str, SecretStr]) -> dict[str, SecretStr | None]:
    to_slack = {route.name for route in config.routes if "slack" in route.sinks}
    problems = [
        f"routes.{name}: PLG_SLACK_WEBHOOKS has no webhook for it; add {name}=URL" for name in to_slack - set(hooks)
    ]
    problems += [f"PLG_SLACK_WEBHOOKS: no route {name} has slack among its sinks" for name in set(hooks) - to_slack]
    if problems:
        raise ConfigError("\n".join(sorted(problems)))
    return {route.name: hooks.get(route.name) for route in config.routes}


def _checked(config: Config, **ways: object) -> SlackOptions:
    slack = config.slack
    try:
        return SlackOptions.model_validate(
            {
                **ways,
                "workspace_link": slack.workspace_link,
                "user_link": slack.user_link,
                "api_url": slack.api_url,
                "webhook_base": slack.webhook_base,
                "timeout_s": slack.timeout.total_seconds(),
                "interval_s": slack.interval.total_seconds(),
            }
        )
    except ValidationError as error:
        # Our own sentences, which quote nothing; pydantic's would show the input.
        found = [str(problem.get("ctx", {}).get("error", problem["type"])) for problem in error.errors()]
        raise ConfigError("\n".join(f"Slack: {problem}" for problem in found)) from None

"""The sinks put together from config and environment: what fits, and what is missing in words that name no secret."""

from __future__ import annotations

import pytest
from pydantic import SecretStr

from signals.config import Config
from signals.errors import ConfigError
from streams.settings import Settings
from streams.sink_setup import slack_options

CHANNEL = "C0123456789"
HOOK = "https://hooks.slack.com/services/T0/B0/canary"
TO_SLACK = {"sinks": ["redis", "slack"], "channel": CHANNEL}


def config(*routes: dict[str, object], **slack: object) -> Config:
    """A config with these routes; the policy decides what they list."""
    return Config.model_validate({"routes": list(routes), "slack": slack})


def settings(token: str | None = None, webhooks: str | None = None) -> Settings:
    """The secrets of the environment."""
    return Settings(
        slack_token=None if token is None else SecretStr(token),
        slack_webhooks=None if webhooks is None else SecretStr(webhooks),
    )


def test_token_and_channel_of_the_route_are_enough() -> None:
    slack = {"workspace_link": "https://crm.example.com/accounts/", "interval": "2s", "timeout": "5s"}

    options = slack_options(config(TO_SLACK, **slack), settings(token="xoxb-1-a"))

    assert options.channels == {"sales-assist": CHANNEL}
    assert options.workspace_link == "https://crm.example.com/accounts/"
    assert (options.interval_s, options.timeout_s) == (2, 5)


def test_webhooks_need_no_channel() -> None:
    options = slack_options(config({"sinks": ["slack"]}), settings(webhooks=f"sales-assist={HOOK}"))

    assert options.addresses == {"sales-assist": HOOK}


def test_each_of_several_routes_has_its_own_channel_and_one_may_stay_away() -> None:
    one = config(TO_SLACK).routes[0]
    routes = (one, one.model_copy(update={"name": "vip"}), one.model_copy(update={"name": "crm", "sinks": ("redis",)}))

    options = slack_options(config(TO_SLACK).model_copy(update={"routes": routes}), settings(token="xoxb-1-a"))

    assert options.channels == {"sales-assist": CHANNEL, "vip": CHANNEL, "crm": None}


def test_every_route_without_a_channel_is_named() -> None:
    one = config({"sinks": ["slack"]}).routes[0]
    both = config(TO_SLACK).model_copy(update={"routes": (one, one.model_copy(update={"name": "vip"}))})

    with pytest.raises(ConfigError) as error:
        slack_options(both, settings(token="xoxb-1-a"))

    assert [line.split(":")[0] for line in str(error.value).splitlines()] == ["routes.sales-assist", "routes.vip"]


@pytest.mark.parametrize(
    ("route", "token", "webhooks", "says"),
    [
        ({"sinks": ["redis"]}, "xoxb-canary", None, ["no route goes to Slack"]),
        (TO_SLACK, None, None, ["PLG_SLACK_TOKEN", "PLG_SLACK_WEBHOOKS"]),
        (TO_SLACK, "xoxb-canary", f"sales-assist={HOOK}", ["both set"]),
        ({"sinks": ["slack"]}, "xoxb-canary", None, ["routes.sales-assist", "no channel"]),
        (TO_SLACK, None, f"vip={HOOK}", ["no route vip", "routes.sales-assist", "add sales-assist=URL"]),
        (TO_SLACK, None, HOOK, ["pair 1 is not route=URL"]),
        (TO_SLACK, "xoxb canary", None, ["token", "is not a token of Slack"]),
        (TO_SLACK, None, "sales-assist=https://canary.example/services/canary", ["must begin with", "sales-assist"]),
    ],
)
def test_what_does_not_fit_is_said_without_a_secret(
    route: dict[str, object], token: str | None, webhooks: str | None, says: list[str]
) -> None:
    with pytest.raises(ConfigError) as error:
        slack_options(config(route), settings(token, webhooks))

    assert [words for words in says if words not in str(error.value)] == []
    assert "canary" not in str(error.value)
    assert "canary" not in repr(error.value.__cause__)

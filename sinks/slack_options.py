"""What the Slack sink is given: a bot token with channels, or incoming webhooks, and where links lead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, Self

from pydantic import BaseModel, ConfigDict, Field, SecretStr, model_validator

from signals.errors import ConfigError
from signals.slack import SLACK_API, SLACK_HOOKS, BaseUrl, ChannelId, WebLink

# Anything else could end a header or be quoted in an error text.
_TOKEN: Final = re.compile(r"[A-Za-z0-9._-]{1,512}")
_HOOK_PATH: Final = re.compile(r"[A-Za-z0-9/_-]{1,512}")
_ROUTE: Final = re.compile(r"[a-z][a-z0-9_-]{0,63}")


class SlackOptions(BaseModel):
    """
    How the Slack sink reaches Slack: exactly one of `token` and `webhooks`.

    With a token each alert arrives once if the app may read the channel: scopes `chat:write` and `channels:history`
    (`groups:history` for private channels), the app invited to the channel. With webhooks at least once.
    """

    # A secret of a wrong shape must not be quoted in an error.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    token: SecretStr | None = Field(default=None, description="Bot token; from the environment or a file.")
    channels: Mapping[str, ChannelId | None] = Field(
        default_factory=dict, description="Route to channel id (with a token); null: the route does not go to Slack."
    )
    webhooks: Mapping[str, SecretStr | None] = Field(
        default_factory=dict, description="Route to the URL of an incoming webhook; null: it does not go to Slack."
    )
    workspace_link: WebLink | None = Field(default=None, description="Links to a workspace: this and its quoted id.")
    user_link: WebLink | None = Field(default=None, description="Links to a user: this and the quoted id.")
    api_url: BaseUrl = Field(default=SLACK_API, description="Base of the Web API; only for a gateway or tests.")
    webhook_base: BaseUrl = Field(default=SLACK_HOOKS, description="What every webhook URL begins with.")
    timeout_s: float = Field(default=3.0, gt=0, le=30)
    interval_s: float = Field(default=1.0, ge=0, description="Between two messages of one channel.")
    settle_s: float = Field(default=5.0, ge=0, description="How old a doubt must be before the channel is read back.")

    @property
    def addresses(self) -> Mapping[str, str | None]:
        """Every route the config knows, with its channel or webhook; None: it does not go to Slack."""
        if self.token is not None:
            return self.channels
        return {route: None if url is None else url.get_secret_value() for route, url in self.webhooks.items()}

    @model_validator(mode="after")
    def _has_one_way(self) -> Self:
        if (self.token is None) == (not self.webhooks):
            raise ValueError("give a token with channels, or webhooks, and not both")
        if self.token is not None:
            if not _TOKEN.fullmatch(self.token.get_secret_value()):
                raise ValueError("token: is not a token of Slack (letters, digits, '-', '.' and '_')")
            if not self.channels:
                raise ValueError("channels: a token needs a channel for each route")
        for route, url in self.webhooks.items():
            if url is not None and not self._is_hook(url.get_secret_value()):
                raise ValueError(
                    f"webhooks.{route}: must begin with {self.webhook_base} and be no longer than a webhook"
                )
        return self

    def _is_hook(self, url: str) -> bool:
        path = url.removeprefix(self.webhook_base)
        return path != url and bool(_HOOK_PATH.fullmatch(path)) and "//" not in path


def read_webhooks(text: str) -> dict[str, SecretStr]:
    """
    Read `route=URL` pairs with blanks or line ends between them, as `PLG_SLACK_WEBHOOKS` holds them.

    Raises:
        ConfigError: A pair is none, or a route has two; the text, a secret, is not quoted.
    """
    found: dict[str, SecretStr] = {}
    for number, pair in enumerate(text.split(), 1):
        route, sign, url = pair.partition("=")
        if not sign or not url or not _ROUTE.fullmatch(route):
            raise ConfigError(
                f"PLG_SLACK_WEBHOOKS: pair {number} is not route=URL; write sales-assist=https://hooks..."
            )
        if route in found:
            raise ConfigError(f"PLG_SLACK_WEBHOOKS: the route {route} has two webhooks; keep one")
        found[route] = SecretStr(url)
    return found

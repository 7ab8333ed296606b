"""What people set for the Slack sink: a bot token with channels, or incoming webhooks, and where links lead."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Final, Self
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, SecretStr, field_validator, model_validator

SLACK_API: Final = "https://slack.com/api/"
SLACK_HOOKS: Final = "https://hooks.slack.com/"

# A name can be given to another channel, and the history of a channel can be read by its id only.
_CHANNEL_ID: Final = r"^[CG][A-Z0-9]{5,20}$"
# Anything else could end a header or be quoted in an error text.
_TOKEN: Final = re.compile(r"[A-Za-z0-9._-]{1,512}")
_HOOK_PATH: Final = re.compile(r"[A-Za-z0-9/_-]{1,512}")
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_BAD_IN_LINK: Final = re.compile(r"[\s<>|\"\x00-\x1f\x7f]")


class SlackOptions(BaseModel):
    """
    How the Slack sink reaches Slack: exactly one of `token` and `webhooks`.

    With a token each alert arrives once if the app may read the channel: scopes `chat:write` and `channels:history`
    (`groups:history` for private channels), the app invited to the channel. With webhooks at least once.
    """

    # A secret of a wrong shape must not be quoted in an error.
    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    token: SecretStr | None = Field(default=None, description="Bot token; from the environment or a file.")
    channels: Mapping[str, Annotated[str, Field(pattern=_CHANNEL_ID)] | None] = Field(
        default_factory=dict, description="Route to channel id (with a token); null: the route does not go to Slack."
    )
    webhooks: Mapping[str, SecretStr | None] = Field(
        default_factory=dict, description="Route to the URL of an incoming webhook; null: it does not go to Slack."
    )
    workspace_link: str | None = Field(
        default=None, max_length=500, description="Links to a workspace: this and its quoted id."
    )
    user_link: str | None = Field(default=None, max_length=500, description="Links to a user: this and the quoted id.")
    api_url: str = Field(default=SLACK_API, description="Base of the Web API; only for a gateway or tests.")
    webhook_base: str = Field(default=SLACK_HOOKS, description="What every webhook URL begins with.")
    # One read-back, one post, one turn of waiting and leaving the group must fit into a clean stop of 10 s.
    timeout_s: float = Field(default=3.0, gt=0, le=30)
    interval_s: float = Field(default=1.0, ge=0, description="Between two messages of one channel.")
    settle_s: float = Field(default=5.0, ge=0, description="How old a doubt must be before the channel is read back.")

    @field_validator("api_url", "webhook_base")
    @classmethod
    def _reach_only_what_is_named(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme != "https" and not (parts.scheme == "http" and parts.hostname in _LOOPBACK):
            raise ValueError("must begin with https:// (http:// only for this machine itself)")
        if not parts.hostname or "@" in parts.netloc or parts.query or parts.fragment or not url.endswith("/"):
            raise ValueError("must be a host and a path that ends with /, without user, query and fragment")
        return url

    @field_validator("workspace_link", "user_link")
    @classmethod
    def _is_a_web_link(cls, link: str | None) -> str | None:
        if link is None:
            return None
        parts = urlsplit(link)
        if parts.scheme not in {"https", "http"} or not parts.hostname or _BAD_IN_LINK.search(link):
            raise ValueError("must be a web address without blanks and any of < > | and quotes")
        return link

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
                raise ValueError(f"webhooks.{route}: must begin with {self.webhook_base}")
        return self

    def _is_hook(self, url: str) -> bool:
        path = url.removeprefix(self.webhook_base)
        return path != url and bool(_HOOK_PATH.fullmatch(path)) and "//" not in path

"""Slack as the config names it: links, addresses, pace. The sink checks what it is given with the same functions."""

from __future__ import annotations

import re
from datetime import timedelta
from typing import Annotated, Final
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field

from signals.product import Section
from signals.units import Duration

SLACK_API: Final = "https://slack.com/api/"
SLACK_HOOKS: Final = "https://hooks.slack.com/"

# A name can be given to another channel, and the history of a channel can be read by its id only.
_CHANNEL_ID: Final = re.compile(r"[CG][A-Z0-9]{5,20}")
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_BAD_IN_LINK: Final = re.compile(r"[\s<>|\"\x00-\x1f\x7f]")
_MAX_CHARS: Final = 500


def _parts(url: str) -> tuple[str, str | None, bool]:
    """Scheme, host, and whether there is more than a host, a port and a path."""
    try:
        parts = urlsplit(url)
        has_more = "@" in parts.netloc or bool(parts.query or parts.fragment)
        # Raises where the port is none.
        _ = parts.port
    except ValueError:
        return "", None, False
    return parts.scheme, parts.hostname, has_more


def _channel_id(text: str) -> str:
    if not _CHANNEL_ID.fullmatch(text):
        raise ValueError(
            f"must be the id of a channel, such as C0123456789 (in Slack: the channel's name, About), got {text!r}"
        )
    return text


def _base(url: str) -> str:
    scheme, host, has_more = _parts(url)
    if scheme != "https" and not (scheme == "http" and host in _LOOPBACK):
        raise ValueError("must begin with https:// (http:// only for this machine itself)")
    if not host or has_more or not url.endswith("/") or _BAD_IN_LINK.search(url):
        raise ValueError("must be a host and a path that ends with /, without user, query and fragment")
    return url


def _link(link: str) -> str:
    scheme, host, _ = _parts(link)
    if (
        scheme not in {"https", "http"}
        or not host
        or _BAD_IN_LINK.search(link)
        or "@" in link
        or len(link) > _MAX_CHARS
    ):
        raise ValueError(
            "must be a web address of at most 500 characters, without blanks and any of @ < > | and quotes"
        )
    return link


ChannelId = Annotated[str, AfterValidator(_channel_id)]
BaseUrl = Annotated[str, AfterValidator(_base)]
WebLink = Annotated[str, AfterValidator(_link)]


class Slack(Section):
    """How alerts get into Slack; the token or the webhooks are secrets and never stand in the config."""

    workspace_link: WebLink | None = None
    user_link: WebLink | None = None
    # Slack takes about one message a second and channel.
    interval: Annotated[Duration, Field(ge=timedelta(0), le=timedelta(minutes=1))] = timedelta(seconds=1)
    # One read-back, one post, one turn of waiting and leaving the group must fit into a clean stop of 10 s.
    timeout: Annotated[Duration, Field(gt=timedelta(0), le=timedelta(seconds=30))] = timedelta(seconds=3)
    api_url: BaseUrl = SLACK_API
    webhook_base: BaseUrl = SLACK_HOOKS

    @property
    def elsewhere(self) -> dict[str, str]:
        """The keys whose address is not Slack's own, each with its host: there go the secret and every alert."""
        given = {"api_url": (self.api_url, SLACK_API), "webhook_base": (self.webhook_base, SLACK_HOOKS)}
        return {key: _parts(url)[1] or "" for key, (url, own) in given.items() if url != own}

"""The two ways into Slack: a bot token, which posts and reads back, and an incoming webhook, which only posts."""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Iterator, Mapping
from typing import Any, Final, Protocol
from urllib.request import Request

import msgspec
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.webhook import WebhookClient, WebhookResponse

from sinks.slack_errors import Unsettled, raise_for
from sinks.slack_http import Answer, Send
from sinks.slack_render import EVENT_TYPE, Message, message_key

# Slack advises no more; 20 pages are the 4,000 newest messages since the doubt began.
PAGE_MESSAGES: Final = 200
MAX_PAGES: Final = 20
_OK: Final = 200

# The SDK would log answers, and at DEBUG the address of a webhook. What matters of them is said by us.
_QUIET: Final = logging.getLogger("sinks.slack_api.sdk")
_QUIET.disabled = True


class Endpoint(Protocol):
    """Where the messages of one channel go."""

    @property
    def channel(self) -> str:
        """A name for logs; no secret."""

    @property
    def can_read_back(self) -> bool:
        """Whether `keys_since` can tell what has arrived."""

    def post(self, message: Message) -> None:
        """
        Hand a message to Slack.

        Raises:
            Refused: Never.
            Unavailable: Later; see sinks/slack_errors.py.
        """

    def keys_since(self, moment: float) -> Iterator[str]:
        """
        Walk through the `message_key`s of our messages since a moment (Unix seconds), newest first.

        Raises:
            Unavailable: The channel cannot be read now.
            Refused: Nor ever.
            HistoryTooLong: There is more than we read.
        """


class HistoryTooLong(Exception):
    """The channel holds more messages since that moment than we are ready to read."""


class _Payload(msgspec.Struct):
    alert_id: str
    status: str
    signals: int


class BotEndpoint:
    """
    One channel through the Web API.

    Args:
        token: Of the bot.
        channel: Its id.
        api_url: Base of the API.
        send: One HTTP request.
        timeout_s: For each.
    """

    can_read_back = True

    def __init__(self, token: str, channel: str, api_url: str, send: Send, timeout_s: float) -> None:
        self.channel = channel
        self._client = _Client(token, api_url, send, timeout_s)

    def post(self, message: Message) -> None:
        """Post it, marked with its metadata; see `Endpoint.post`."""
        with _meaning():
            self._client.chat_postMessage(
                channel=self.channel,
                text=message.text,
                blocks=message.blocks,
                metadata=message.metadata,
                mrkdwn=False,
                parse="none",
                link_names=False,
                unfurl_links=False,
                unfurl_media=False,
            )

    def keys_since(self, moment: float) -> Iterator[str]:
        """Read the history of the channel, page by page; see `Endpoint.keys_since`."""
        cursor: str | None = None
        for _ in range(MAX_PAGES):
            with _meaning():
                answer = self._client.conversations_history(
                    channel=self.channel,
                    oldest=f"{moment:.6f}",
                    inclusive=True,
                    include_all_metadata=True,
                    limit=PAGE_MESSAGES,
                    cursor=cursor,
                ).data
            if not isinstance(answer, dict) or not isinstance(answer.get("messages"), list):
                raise Unsettled("Slack: a history without messages")
            yield from _keys(answer["messages"])
            cursor = (answer.get("response_metadata") or {}).get("next_cursor")
            if not cursor:
                return
        raise HistoryTooLong


class WebhookEndpoint:
    """
    One incoming webhook.

    Args:
        route: Stands for it in logs: the URL is a secret.
        url: Whoever knows it may post.
        send: One HTTP request.
        timeout_s: For each.
    """

    can_read_back = False

    def __init__(self, route: str, url: str, send: Send, timeout_s: float) -> None:
        self.channel = f"webhook:{route}"
        self._client = _Hook(url, send, timeout_s)

    def post(self, message: Message) -> None:
        """Post it; see `Endpoint.post`."""
        answer = self._client.send(text=message.text, blocks=message.blocks, unfurl_links=False, unfurl_media=False)
        if answer.status_code != _OK or answer.body.strip() != "ok":
            raise_for(answer.status_code, answer.body.strip(), answer.headers)

    def keys_since(self, moment: float) -> Iterator[str]:  # noqa: ARG002
        """Know nothing."""
        return iter(())


class _Client(WebClient):
    """Slack's client with our one request below it: no redirects, a limit of time, no retries of its own."""

    def __init__(self, token: str, api_url: str, send: Send, timeout_s: float) -> None:
        super().__init__(token=token, base_url=api_url, retry_handlers=[], logger=_QUIET)
        self._send, self._timeout_s = send, timeout_s

    # slack_sdk is pinned exactly: this is where it hands a finished request to urllib.
    def _perform_urllib_http_request_internal(self, url: str, req: Request) -> dict[str, Any]:  # noqa: ARG002
        answer = _own_json(self._send(req, self._timeout_s))
        return {"status": answer.status, "headers": dict(answer.headers), "body": answer.body}


class _Hook(WebhookClient):
    """The same for a webhook."""

    def __init__(self, url: str, send: Send, timeout_s: float) -> None:
        super().__init__(url, retry_handlers=[], logger=_QUIET)
        self._send, self._timeout_s = send, timeout_s

    def _perform_http_request_internal(self, url: str, req: Request) -> WebhookResponse:
        answer = self._send(req, self._timeout_s)
        return WebhookResponse(url=url, status_code=answer.status, body=answer.body, headers=dict(answer.headers))


def _own_json(answer: Answer) -> Answer:
    """Let the SDK see objects only: it stumbles over any other JSON."""
    try:
        parsed = msgspec.json.decode(answer.body)
    except msgspec.DecodeError:
        parsed = None
    return answer if isinstance(parsed, dict) else Answer(answer.status, answer.headers, "{}")


@contextlib.contextmanager
def _meaning() -> Iterator[None]:
    """Turn what the SDK raises into ours; its text, which quotes the answer, goes no further."""
    try:
        yield
    except SlackApiError as error:
        found = error.response
        code = found.get("error")
        raise_for(found.status_code, code if isinstance(code, str) else "", found.headers)


def _keys(messages: list[Mapping[str, Any]]) -> Iterator[str]:
    for message in messages:
        metadata = message.get("metadata") or {}
        if metadata.get("event_type") != EVENT_TYPE:
            continue
        # Another app may write what it likes under our event type.
        with contextlib.suppress(msgspec.ValidationError):
            found = msgspec.convert(metadata.get("event_payload"), _Payload)
            yield message_key(found.alert_id, found.status, found.signals)

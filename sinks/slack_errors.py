"""
What an answer of Slack means for the message, for its channel and for the next attempt.

Unavailable (sinks/base.py)
├── NotSent     no byte of the message reached Slack
├── Limited     too fast: the channel rests
├── Blocked     the channel or the token is wrong: a person must act, nothing is dropped meanwhile
└── Unsettled   Slack may have taken the message or not
Refused (sinks/base.py): this message will never be taken
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final, NoReturn

from sinks.base import Refused, Unavailable

# Slack names a time with nearly every 429; this is for the one without.
DEFAULT_REST_S: Final = 30.0
# A mistaken or hostile header must not silence a channel for a day.
LONGEST_REST_S: Final = 3_600.0

_TOO_MANY: Final = 429
_TOO_LARGE: Final = 413
_REDIRECTS: Final = range(300, 400)
_SERVER_ERROR: Final = 500

_CODE: Final = re.compile(r"[a-z][a-z0-9_]{1,63}")
_LIMITS: Final = frozenset({"ratelimited", "rate_limited", "message_limit_exceeded"})
# Slack's own words for these: some aspect of the call may have succeeded before the error.
_OPEN: Final = frozenset(
    {"fatal_error", "internal_error", "rollup_error", "request_timeout", "service_unavailable", "team_added_to_org"}
)
_REFUSED: Final = frozenset(
    {
        "invalid_blocks",
        "invalid_blocks_format",
        "invalid_metadata_format",
        "invalid_metadata_schema",
        "invalid_payload",
        "metadata_must_be_sent_from_app",
        "metadata_too_large",
        "missing_text_or_fallback_or_attachments",
        "msg_blocks_too_long",
        "msg_too_long",
        "no_text",
        "too_many_attachments",
    }
)
_CHANNEL: Final = "check the channel of the route, and invite the app to it"
_TOKEN: Final = "give the sink a valid token with the scopes chat:write and channels:history (groups:history)"  # noqa: S105
_WEBHOOK: Final = "make a new incoming webhook, or let the workspace's administrators allow it"
_POLICY: Final = "the workspace's administrators do not let the app post there"
REMEDIES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("channel_not_found", "not_in_channel", "user_not_found"), _CHANNEL),
    **dict.fromkeys(("is_archived", "channel_is_archived"), "take the channel out of the archive, or choose another"),
    **dict.fromkeys(("no_service", "no_team", "no_active_hooks", "invalid_token", "action_prohibited"), _WEBHOOK),
    **dict.fromkeys(
        (
            "restricted_action",
            "restricted_action_non_threadable_channel",
            "restricted_action_read_only_channel",
            "restricted_action_thread_only_channel",
            "posting_to_general_channel_denied",
            "ekm_access_denied",
            "enterprise_is_restricted",
            "team_access_not_granted",
        ),
        _POLICY,
    ),
    **dict.fromkeys(
        (
            "access_denied",
            "accesslimited",
            "account_inactive",
            "deprecated_endpoint",
            "invalid_auth",
            "method_deprecated",
            "missing_scope",
            "no_permission",
            "not_allowed_token_type",
            "not_authed",
            "org_login_required",
            "token_expired",
            "token_revoked",
            "two_factor_setup_required",
        ),
        _TOKEN,
    ),
}

# With these nothing works. With the other remedies for a token, posting may work where reading does not.
TOKEN_CODES: Final = frozenset({"account_inactive", "invalid_auth", "not_authed", "token_expired", "token_revoked"})


class NotSent(Unavailable):
    """Nothing of it reached Slack: the next attempt is like the first."""


class Limited(Unavailable):
    """Slack asked for a rest, which `retry_after_s` gives."""


class Blocked(Unavailable):
    """
    The channel or the token is wrong.

    Args:
        code: Slack's own.
    """

    def __init__(self, code: str) -> None:
        super().__init__(f"Slack: {code}: {REMEDIES[code]}")
        self.code = code


class Unsettled(Unavailable):
    """The answer is missing, or says nothing for sure."""


def raise_for(status: int, code: str, headers: Mapping[str, str]) -> NoReturn:
    """
    Say what an answer means that is not a plain yes.

    Args:
        status: Of HTTP.
        code: Slack's `error`, or the body of a webhook's answer.
        headers: Names in any case.

    Raises:
        SinkError: Always.
    """
    if status == _TOO_MANY or code in _LIMITS:
        raise Limited("Slack: too many messages", _rest(headers))
    if status == _TOO_LARGE:
        raise Refused("msg_too_long", "Slack takes no message of this size")
    if status >= _SERVER_ERROR or code in _OPEN:
        raise Unsettled(f"Slack: HTTP {status} {code if code in _OPEN else ''}".rstrip())
    if status in _REDIRECTS:
        # Slack does not redirect: this is something in between, and what it says is no code.
        raise Unsettled(f"Slack: HTTP {status}, a redirect, which is not followed")
    if code in REMEDIES:
        raise Blocked(code)
    if code in _REFUSED:
        raise Refused(code, "Slack takes no such message")
    if _CODE.fullmatch(code):
        raise Refused("slack_error", f"Slack answered {code}, which we do not know")
    # A page of something between Slack and us, or half an answer.
    raise Unsettled(f"Slack: HTTP {status} with a body that is not Slack's")


def _rest(headers: Mapping[str, str]) -> float:
    for name, value in headers.items():
        if name.lower() == "retry-after" and value.strip().isdecimal():
            return min(max(float(value), 1.0), LONGEST_REST_S)
    return DEFAULT_REST_S

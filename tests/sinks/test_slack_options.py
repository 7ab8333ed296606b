"""What can be set for the Slack sink, and what is refused: addresses of others, secrets of a wrong shape."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from signals.errors import ConfigError
from sinks.slack_options import SlackOptions, read_webhooks

HOOK = "https://hooks.slack.com/services/T0/B0/abc"
CHANNELS = {"sales": "C0123456789"}


def test_token_with_channels_or_webhooks_are_enough() -> None:
    assert SlackOptions(token="xoxb-1-a", channels=CHANNELS).api_url == "https://slack.com/api/"
    assert SlackOptions(webhooks={"sales": HOOK}).webhook_base == "https://hooks.slack.com/"


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"token": "xoxb-1-a"},
        {"token": "xoxb-1-a", "channels": CHANNELS, "webhooks": {"sales": HOOK}},
        {"token": "xoxb-1-a", "channels": {"sales": "#sales"}},
    ],
)
def test_one_way_is_needed_and_channels_go_by_id(fields: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        SlackOptions.model_validate(fields)


@pytest.mark.parametrize(
    "url",
    [
        "http://hooks.slack.com/services/T0/B0/canary",
        "https://hooks.slack.com.evil.example/services/canary",
        "https://hooks.slack.com@evil.example/services/canary",
        "https://user:canary@hooks.slack.com/services/T0",
        "https://hooks.slack.com:444/services/canary",
        "https://hooks.slack.com/../canary",
        "https://hooks.slack.com/services/canary?to=evil",
        "https://hooks.slack.com//evil.example/canary",
        "https://[::1]/services/canary",
        "https://169.254.169.254/canary",
        "file:///etc/canary",
        "https://hooks.slack.com/",
        "https://hooks.slack.com/services/canary\n",
    ],
)
def test_webhook_anywhere_else_is_refused_without_being_quoted(url: str) -> None:
    with pytest.raises(ValidationError) as error:
        SlackOptions(webhooks={"sales": url})

    assert "canary" not in str(error.value)
    assert "webhooks.sales" in str(error.value)


@pytest.mark.parametrize("token", ["", "xoxb canary", "xoxb-canary\r\nX-Evil: 1", "xoxb-canäry"])
def test_token_of_a_wrong_shape_is_refused_without_being_quoted(token: str) -> None:
    with pytest.raises(ValidationError) as error:
        SlackOptions(token=token, channels=CHANNELS)

    assert "can" not in str(error.value).replace("cannot", "")


@pytest.mark.parametrize(
    "api_url",
    [
        "http://slack.example/api/",
        "https://slack.com/api",
        "https://u:p@slack.com/api/",
        "ftp://slack.com/api/",
        "/api/",
    ],
)
def test_base_of_the_api_must_be_safe_for_a_token(api_url: str) -> None:
    with pytest.raises(ValidationError):
        SlackOptions(token="xoxb-1-a", channels=CHANNELS, api_url=api_url)


@pytest.mark.parametrize("link", ["javascript:alert(1)", "https://crm.example/a|b", "https://crm.example/a b", "crm/"])
def test_link_must_be_a_web_address_that_cannot_break_out(link: str) -> None:
    with pytest.raises(ValidationError):
        SlackOptions(token="xoxb-1-a", channels=CHANNELS, workspace_link=link)


def test_secrets_do_not_show_when_options_are_printed() -> None:
    options = [SlackOptions(token="xoxb-canary", channels=CHANNELS), SlackOptions(webhooks={"sales": HOOK + "canary"})]

    assert "canary" not in f"{options} {[option.model_dump_json() for option in options]}"


def test_webhooks_are_pairs_with_blanks_or_line_ends_between_them() -> None:
    found = read_webhooks(f"sales={HOOK}\n  vip={HOOK}=\n")

    assert {route: url.get_secret_value() for route, url in found.items()} == {"sales": HOOK, "vip": f"{HOOK}="}


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (HOOK + "canary", "pair 1 is not route=URL"),
        (f"sales={HOOK} canary", "pair 2 is not route=URL"),
        ("sales=", "pair 1 is not route=URL"),
        (f"={HOOK}canary", "pair 1 is not route=URL"),
        (f"sales={HOOK} sales={HOOK}canary", "the route sales has two webhooks"),
    ],
)
def test_webhooks_that_are_no_pairs_are_refused_without_being_quoted(text: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as error:
        read_webhooks(text)

    assert "canary" not in str(error.value)

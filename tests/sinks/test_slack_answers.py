"""What the Slack sink makes of Slack's answers, and of records it cannot send: rest, wait for a person, or park."""

from __future__ import annotations

import pytest
import structlog
from msgspec.structs import replace

from sinks.base import Refused, Unavailable
from sinks.slack_errors import Blocked
from tests.sinks.slack_server import Fault, SlackScript, says
from tests.sinks.slacking import CHANNEL, VirtualTime, drive, record, settled_sink, webhook


@pytest.fixture
def clock() -> VirtualTime:
    """A clock of the test."""
    return VirtualTime()


@pytest.fixture
def slack(clock: VirtualTime) -> SlackScript:
    """A Slack without a port."""
    return SlackScript(clock.wall)


@pytest.mark.parametrize(("header", "rest_s"), [("0", 1), ("7", 7), ("soon", 30), ("-5", 30), ("999999", 3_600)])
def test_odd_times_of_rest_are_bounded(slack: SlackScript, clock: VirtualTime, header: str, rest_s: float) -> None:
    slack.post_faults.append(Fault("limited", status=429, body="", headers=(("retry-after", header),)))

    with pytest.raises(Unavailable) as error:
        settled_sink(slack, clock).deliver(record(0))

    assert error.value.retry_after_s == rest_s


@pytest.mark.parametrize(
    "code", ["channel_not_found", "not_in_channel", "is_archived", "invalid_auth", "token_revoked"]
)
def test_wrong_channel_or_token_is_said_once_with_what_to_do_and_drops_nothing(
    slack: SlackScript, clock: VirtualTime, code: str
) -> None:
    sink = settled_sink(slack, clock)
    slack.post_faults.extend([says(code)] * 3)

    with structlog.testing.capture_logs() as logs:
        parked = drive(sink, [record(0), record(1)], clock)

    [line] = [line for line in logs if line["event"] == "slack.blocked"]
    assert (line["log_level"], line["channel"], code in line["reason"]) == ("error", CHANNEL, True)
    assert (slack.ids, parked) == (["a0", "a1"], [])


@pytest.mark.parametrize(("code", "reason"), [("msg_too_long", "msg_too_long"), ("brand_new_error", "slack_error")])
def test_message_that_slack_never_takes_is_refused_and_the_next_goes_on(
    slack: SlackScript, clock: VirtualTime, code: str, reason: str
) -> None:
    slack.post_faults.append(says(code))

    parked = drive(settled_sink(slack, clock), [record(0), record(1)], clock)

    assert (slack.ids, parked) == (["a1"], [reason])


@pytest.mark.parametrize("body", ["invalid_blocks", "no_text"])
def test_webhook_refuses_by_the_words_of_its_answer(slack: SlackScript, clock: VirtualTime, body: str) -> None:
    slack.post_faults.append(Fault("bad", status=400, body=body))

    parked = drive(settled_sink(slack, clock, webhook()), [record(0), record(1)], clock)

    assert (slack.ids, parked) == (["a1"], [body])


@pytest.mark.parametrize(
    ("status", "body"), [(404, "no_service"), (410, "channel_is_archived"), (403, "invalid_token")]
)
def test_webhook_that_is_gone_drops_nothing(slack: SlackScript, clock: VirtualTime, status: int, body: str) -> None:
    slack.post_faults.append(Fault("gone", status=status, body=body))
    sink = settled_sink(slack, clock, webhook())

    with pytest.raises(Blocked, match=body):
        sink.deliver(record(0))
    sink.deliver(record(0))

    assert slack.ids == ["a0"]


@pytest.mark.parametrize("code", ["missing_scope", "not_in_channel"])
def test_bot_that_may_not_read_says_so_once_and_delivers_at_least_once(
    slack: SlackScript, clock: VirtualTime, code: str
) -> None:
    slack.history_faults.extend([says(code)] * 3)
    sink = settled_sink(slack, clock)

    with structlog.testing.capture_logs() as logs:
        sink.deliver(record(0))
        clock.sleep(60)
        sink.deliver(record(1))

    assert [line["event"] for line in logs] == ["slack.cannot_read_back"]
    assert slack.ids == ["a0", "a1"]


def test_token_that_went_bad_between_two_posts_blocks_already_at_the_read_back(
    slack: SlackScript, clock: VirtualTime
) -> None:
    slack.history_faults.append(says("token_revoked"))

    with pytest.raises(Blocked, match="token_revoked"):
        settled_sink(slack, clock).deliver(record(0))

    assert slack.ids == []


def test_blocked_channel_is_said_again_after_an_hour(slack: SlackScript, clock: VirtualTime) -> None:
    sink = settled_sink(slack, clock)
    slack.closed_channels[CHANNEL] = says("is_archived")

    with structlog.testing.capture_logs() as logs, pytest.raises(AssertionError, match="not delivered"):
        drive(sink, [record(0)], clock, longest_s=2.5 * 3_600)

    assert [line["event"] for line in logs] == ["slack.blocked"] * 3


@pytest.mark.parametrize("value", [b'{"v":2,"route":"sales"}', b'{"route":"sales"}'])
def test_alert_that_breaks_the_contract_is_parked(slack: SlackScript, clock: VirtualTime, value: bytes) -> None:
    with pytest.raises(Refused) as refusal:
        settled_sink(slack, clock).deliver(replace(record(0), value=value))

    assert refusal.value.reason == "bad_alert"
    assert slack.requests == []


def test_refusal_quotes_no_value_of_the_alert(slack: SlackScript, clock: VirtualTime) -> None:
    with pytest.raises(Refused) as refusal:
        settled_sink(slack, clock).deliver(record(0, priority="pii-canary@example.com"))

    assert "priority" in refusal.value.detail
    assert "canary" not in str(refusal.value)

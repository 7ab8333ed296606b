"""The Slack sink against a Slack that fails: once with a bot token, never lost with a webhook."""

from __future__ import annotations

import json
import logging
from typing import TYPE_CHECKING

import pytest
import structlog

from sinks.base import Unavailable
from tests.sinks.slack_server import HOOK_PATH, PASSING_FAULTS, REDIRECT, TOKEN, Fault, SlackScript, SlackServer, says
from tests.sinks.slacking import VirtualTime, bot, drive, record, slack_sink, webhook

if TYPE_CHECKING:
    from collections.abc import Iterator


@pytest.fixture
def clock() -> VirtualTime:
    """A clock of the test."""
    return VirtualTime()


@pytest.fixture
def slack(clock: VirtualTime, monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackServer]:
    """A Slack on this machine."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = SlackServer(SlackScript(clock.wall))
    yield server
    server.stop()


def name(fault: Fault) -> str:
    """Name a test."""
    return fault.name


@pytest.mark.parametrize("fault", PASSING_FAULTS, ids=name)
def test_bot_token_posts_each_alert_once_whatever_happens_to_the_second(
    slack: SlackServer, clock: VirtualTime, fault: Fault
) -> None:
    slack.script.post_faults.extend([Fault("fine", accepts=True), fault])

    parked = drive(slack_sink(bot(slack.url), clock), [record(0), record(1), record(2)], clock)

    assert (slack.script.ids, parked) == (["a0", "a1", "a2"], [])
    # Read back and not found, it is sent for the first time.
    assert not [message for message in slack.script.accepted if "Sent again" in json.dumps(message.payload)]


@pytest.mark.parametrize("fault", PASSING_FAULTS, ids=name)
def test_webhook_loses_nothing_and_repeats_only_what_slack_may_have_and_says_so(
    slack: SlackServer, clock: VirtualTime, fault: Fault
) -> None:
    slack.script.post_faults.append(fault)

    parked = drive(slack_sink(webhook(slack.url), clock), [record(0), record(1)], clock)

    is_doubtful = fault.name not in {"limited", "limited_without_a_time"}
    assert slack.script.ids == ["a0"] * (1 + fault.accepts) + ["a1"]
    marks = ["Sent again" in json.dumps(message.payload) for message in slack.script.accepted]
    assert marks == [False] * fault.accepts + [is_doubtful, False]
    assert parked == []


@pytest.mark.parametrize("fault", [Fault("down", status=503, body=""), says("internal_error")], ids=name)
def test_doubt_waits_until_the_channel_can_be_read(slack: SlackServer, clock: VirtualTime, fault: Fault) -> None:
    lost_answer = Fault("reset", accepts=True, how="reset")
    slack.script.post_faults.extend([Fault("fine", accepts=True), lost_answer])
    sink = slack_sink(bot(slack.url), clock)
    drive(sink, [record(0)], clock)
    slack.script.history_faults.extend([fault] * 3)

    drive(sink, [record(1)], clock)

    assert slack.script.ids == ["a0", "a1"]


def test_channel_is_not_read_before_a_doubt_has_settled(slack: SlackServer, clock: VirtualTime) -> None:
    sink = slack_sink(bot(slack.url, settle_s=5), clock)
    drive(sink, [record(0)], clock)
    slack.script.post_faults.append(Fault("reset", accepts=True, how="reset"))
    with pytest.raises(Unavailable) as doubt:
        sink.deliver(record(1))
    asked = slack.script.requests.count("/api/conversations.history")

    clock.sleep(4.9)
    with pytest.raises(Unavailable) as too_early:
        sink.deliver(record(1))
    clock.sleep(0.2)
    sink.deliver(record(1))

    assert (doubt.value.retry_after_s, too_early.value.retry_after_s) == (5, pytest.approx(0.1))
    assert slack.script.requests.count("/api/conversations.history") == asked + 1
    assert slack.script.ids == ["a0", "a1"]


@pytest.mark.parametrize("options", [bot, webhook])
def test_redirect_is_never_followed(slack: SlackServer, clock: VirtualTime, options: type) -> None:
    slack.script.post_faults.append(REDIRECT)

    drive(slack_sink(options(slack.url), clock), [record(0)], clock)

    assert not [path for path in slack.script.requests if "elsewhere" in path]
    assert slack.script.ids == ["a0"]


def test_refused_connection_is_no_doubt_and_marks_no_retry(clock: VirtualTime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    closed = SlackServer(SlackScript(clock.wall))
    closed.stop()
    sink = slack_sink(webhook(closed.url), clock)
    clock.sleep(10)

    with pytest.raises(Unavailable, match="no connection"):
        sink.deliver(record(0))

    assert not sink._doubts


@pytest.mark.parametrize("options", [bot, webhook])
@pytest.mark.parametrize("fault", [*PASSING_FAULTS, says("invalid_auth"), says("brand_new_error")], ids=name)
def test_no_secret_is_ever_in_a_text_or_a_log(
    slack: SlackServer, clock: VirtualTime, caplog: pytest.LogCaptureFixture, options: type, fault: Fault
) -> None:
    slack.script.post_faults.append(fault)
    caplog.set_level(logging.DEBUG)
    sink = slack_sink(options(slack.url), clock)
    clock.sleep(10)

    said = ""
    with structlog.testing.capture_logs() as logs:
        try:
            sink.deliver(record(0))
        except Exception as error:  # noqa: BLE001  (whatever it is, its text is looked at)
            said = f"{error!r} {error.__cause__!r}"

    everything = f"{said} {logs} {caplog.text} {options(slack.url)!r}"
    assert TOKEN not in everything
    assert HOOK_PATH not in everything

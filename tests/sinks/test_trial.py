"""The test alert: what it says when all is well, when it is not, and what it leaves behind."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
import pytest
import redis

from sinks.redis import RedisSink
from sinks.slack_channel import open_channels
from sinks.slack_http import send
from sinks.slack_pace import REAL_TIME
from sinks.slack_render import Links
from sinks.trial import Outcome, trial_alert, try_redis, try_slack
from tests.sinks.slack_server import HOOK_PATH, TOKEN, Fault, SlackScript, SlackServer, limited, says
from tests.sinks.slacking import CHANNEL, VirtualTime, bot, webhook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from sinks.slack_options import SlackOptions
    from tests.servers import RedisServer


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackServer]:
    """A Slack on this machine, in real time."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = SlackServer(SlackScript(time.time))
    yield server
    server.stop()


def tried(options: SlackOptions) -> Outcome:
    """What came of a test alert; waiting costs nothing."""
    clock = VirtualTime()
    return try_slack(open_channels(options, REAL_TIME, send)["sales"], Links(), trial_alert("sales"), clock)


def test_bot_posts_one_marked_message_and_reads_it_back(slack: SlackServer) -> None:
    outcome = tried(bot(slack.url))

    [message] = slack.script.accepted
    assert outcome == Outcome(is_ok=True, text=f"ok: posted to {CHANNEL} and read back")
    assert message.payload["text"] == "[normal] Test alert of the route sales: nothing has happened"
    assert message.alert_id.startswith("test-")


def test_webhook_posts_and_says_what_it_cannot_promise(slack: SlackServer) -> None:
    outcome = tried(webhook(slack.url))

    assert outcome.is_ok
    assert "may come twice" in outcome.text
    assert len(slack.script.accepted) == 1


@pytest.mark.parametrize(
    ("fault", "says_what"),
    [
        (says("channel_not_found"), "channel_not_found: check the channel of the route, and invite the app to it"),
        (says("invalid_auth"), "invalid_auth: give the sink a valid token"),
        (limited(30), "too many messages; try again in 30 s"),
        (Fault("down", status=503, body=""), "HTTP 503"),
        (says("msg_too_long"), "msg_too_long"),
    ],
)
@pytest.mark.parametrize("options", [bot, webhook])
def test_what_goes_wrong_is_said_with_what_to_do_and_without_a_secret(
    slack: SlackServer, fault: Fault, says_what: str, options: Callable[[str], SlackOptions]
) -> None:
    slack.script.post_faults.append(fault)

    outcome = tried(options(slack.url))

    assert not outcome.is_ok
    # A webhook says its codes in plain text, so those of the Web API are none there.
    assert says_what in outcome.text or options is webhook
    assert TOKEN not in outcome.text
    assert HOOK_PATH not in outcome.text


@pytest.mark.parametrize("fault", [says("missing_scope"), Fault("empty", body='{"ok":true,"messages":[]}')])
def test_channel_that_cannot_be_read_back_is_no_success(slack: SlackServer, fault: Fault) -> None:
    slack.script.history_faults.extend([fault] * 5)

    outcome = tried(bot(slack.url))

    assert not outcome.is_ok
    assert "posted" in outcome.text
    assert "may come twice" in outcome.text


def test_redis_gets_it_like_any_alert_and_the_work_queue_is_as_before(redis_server: RedisServer, prefix: str) -> None:
    sink = RedisSink(redis_server.url, prefix)
    with redis.Redis.from_url(redis_server.url) as client:
        queue = f"{{{prefix}}}:queue:sales"
        client.zadd(queue, {"w1": 3_000})

        outcomes = [try_redis(sink, prefix, trial_alert("sales")) for _ in range(2)]

        entries = [msgspec.json.decode(fields[b"data"]) for _, fields in client.xrange(f"{{{prefix}}}:alerts")]
        left = client.zrange(queue, 0, -1)
    sink.close()
    assert [outcome.is_ok for outcome in outcomes] == [True, True]
    assert [entry["status"] for entry in entries] == ["open", "closed"] * 2
    assert {entry["workspace_id"] for entry in entries} == {"plg-test"}
    assert left == [b"w1"]


def test_redis_that_is_away_is_named(prefix: str) -> None:
    sink = RedisSink("redis://:hunter2@127.0.0.1:1/0", prefix)

    outcome = try_redis(sink, prefix, trial_alert("sales"))

    assert not outcome.is_ok
    assert "PLG_REDIS_URL" in outcome.text
    assert "hunter2" not in outcome.text

"""The commands of the Slack sink as processes: refused in one message, and apart from everything that detects."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from signals.moments import iso
from tests.river.comparing import check_one_message
from tests.river.harness import NOBODY, River, river, wait_for
from tests.servers import KafkaServer, RedisServer
from tests.sinks.slack_server import HOOK_PATH, TOKEN, Fault, SlackScript, SlackServer
from tests.streams.asking import ready

CHANNEL = "C0123456789"
TO_SLACK = f"routes: [{{sinks: [redis, slack], channel: {CHANNEL}}}]\n"
FEW_PARTITIONS = "topics: {partitions: 4}\n"


@pytest.fixture
def slack() -> Iterator[SlackServer]:
    """A Slack on this machine, in real time."""
    server = SlackServer(SlackScript(time.time))
    yield server
    server.stop()


def at(slack: SlackServer) -> str:
    """The section of the config that leads to it."""
    return f"slack: {{interval: 0s, api_url: '{slack.url}/api/', webhook_base: '{slack.url}/hooks/'}}\n"


@pytest.mark.river
@pytest.mark.parametrize(
    ("routes", "secrets", "says"),
    [
        ("", {"PLG_SLACK_TOKEN": TOKEN}, "no route goes to Slack"),
        (TO_SLACK, {}, "PLG_SLACK_TOKEN"),
        ("routes: [{sinks: [slack]}]\n", {"PLG_SLACK_TOKEN": TOKEN}, "routes.sales-assist"),
        (TO_SLACK, {"PLG_SLACK_WEBHOOKS": HOOK_PATH}, "PLG_SLACK_WEBHOOKS: pair 1"),
        (TO_SLACK, {"PLG_SLACK_TOKEN": TOKEN}, NOBODY),
    ],
    ids=["no route", "no secret", "no channel", "no pair", "no broker"],
)
def test_sink_that_cannot_run_says_why_in_one_message(
    nowhere: River, routes: str, secrets: dict[str, str], says: str
) -> None:
    nowhere.config_path.write_text(f"prefix: nowhere\n{routes}")
    nowhere.extra.update(secrets)

    ran = nowhere.plg("sinks", "slack", timeout_s=40)

    assert ran.returncode == 2, ran.stderr
    check_one_message(ran, says)
    assert not [secret for secret in (TOKEN, HOOK_PATH) if secret in ran.stdout + ran.stderr]


def test_test_alerts_tell_what_arrived_and_what_did_not(
    nowhere: River, redis_server: RedisServer, slack: SlackServer, prefix: str
) -> None:
    nowhere.config_path.write_text(f"prefix: {prefix}\n{TO_SLACK}{at(slack)}")
    nowhere.extra.update(PLG_SLACK_TOKEN=TOKEN, PLG_REDIS_URL=redis_server.url, no_proxy="127.0.0.1")

    fine = nowhere.plg("sinks", "test")
    slack.script.closed_channels[CHANNEL] = Fault("x", body='{"ok":false,"error":"not_in_channel"}')
    broken = nowhere.plg("sinks", "test", "--route", "sales-assist")
    unknown = nowhere.plg("sinks", "test", "--route", "nobody")

    assert (fine.returncode, broken.returncode, unknown.returncode) == (0, 1, 2), fine.stdout + fine.stderr
    assert fine.stdout.splitlines() == [
        "sales-assist  redis  ok: in the stream and on the live channel, then closed",
        f"sales-assist  slack  ok: posted to {CHANNEL} and read back",
    ]
    assert "sales-assist  slack  Slack: not_in_channel: check the channel" in broken.stdout
    check_one_message(unknown, "there is no route nobody", "sales-assist")
    assert len(slack.script.accepted) == 1
    assert TOKEN not in fine.stdout + fine.stderr + broken.stdout + broken.stderr


@pytest.mark.timeout(120)
def test_worker_detects_while_slack_is_down_and_afterwards_each_alert_is_posted_once(
    tmp_path: Path, kafka: KafkaServer, prefix: str, slack: SlackServer, report: Callable[[str], None]
) -> None:
    slack.script.closed_channels[CHANNEL] = Fault("down", status=503, body="")
    with river(tmp_path, kafka.address, prefix, overrides=TO_SLACK + FEW_PARTITIONS + at(slack)) as made:
        made.extra.update(PLG_SLACK_TOKEN=TOKEN, no_proxy="127.0.0.1", PLG_HEALTH="127.0.0.1:0")
        sink, worker = made.start("sinks", "slack"), made.worker()
        replay(made, "before", range(6))
        made.wait_until_settled()
        sink.wait_for_log("sink.waiting")
        address = sink.health_address()
        in_outage = ready(address)

        replay(made, "during", range(6, 12))
        made.wait_until_settled()
        detected = [alert["id"] for alert in made.read_json(made.topics.alerts)]
        posted_meanwhile = list(slack.script.ids)
        slack.script.closed_channels.clear()
        group = f"{prefix}-sink-slack-sales-assist"
        wait_for(
            lambda: made.left(made.topics.alerts, group) == 0,
            60,
            lambda: f"{made.left(made.topics.alerts, group)} left\n{sink.log[-2_000:]}",
        )

        wait_for(lambda: ready(address)[0] == 200, 20, lambda: str(ready(address)))
        assert (in_outage[0], in_outage[1]["sink"], in_outage[1]["available"]) == (503, "slack", False)

        assert (worker.terminate(), sink.terminate()) == (0, 0)
    assert len(detected) == 12
    assert posted_meanwhile == []
    assert sorted(slack.script.ids) == sorted(detected)
    assert TOKEN not in sink.log
    # Somebody who may edit the config alone must not get the token unseen.
    assert sink.log.count('"slack.elsewhere"') == 2
    report(f"{len(detected)} alerts detected while Slack was down, each posted once when it was back")


def replay(made: River, name: str, numbers: range) -> None:
    """Workspaces that ask for a contract: an alert each."""
    path = made.folder / f"{name}.jsonl"
    lines = [
        {
            "messageId": f"m{number}",
            "type": "track",
            "event": "MSA Requested",
            "userId": f"u{number}",
            "context": {"groupId": f"w{number}"},
            "timestamp": iso(1_760_000_000_000 + number),
        }
        for number in numbers
    ]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    ran = made.plg("replay", "--no-wait", str(path))
    assert ran.returncode == 0, ran.stderr

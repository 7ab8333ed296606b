"""From a real Kafka to Slack over HTTP: committed after every message, once across a crash and an outage."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

import msgspec
import pytest

from sinks.base import Delivery
from sinks.slack import SlackSink
from tests.sinks.slack_server import Fault, SlackScript, SlackServer, says
from tests.sinks.slacking import alert_values, bot
from tests.sinks.test_delivery import River, Run, eventually, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tests.servers import KafkaServer

pytestmark = [pytest.mark.river, pytest.mark.timeout(120)]


class CrashesAfterPosting(SlackSink):
    """The power goes between the post of the second alert and its commit."""

    def deliver(self, record: Delivery) -> None:
        """Post, then crash."""
        super().deliver(record)
        if record.offset == 1:
            raise RuntimeError("as if the power went")


@pytest.fixture
def river(kafka: KafkaServer, prefix: str) -> River:
    """Topics of our own, one partition each."""
    river = River(kafka.address, prefix)
    river.create("alerts", "dead-letters")
    return river


@pytest.fixture
def slack(monkeypatch: pytest.MonkeyPatch) -> Iterator[SlackServer]:
    """A Slack on this machine, in real time."""
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    server = SlackServer(SlackScript(time.time))
    yield server
    server.stop()


def send(river: River, *names: str) -> None:
    """Append alerts that were detected just now."""
    now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    times = {"occurred_at": now, "detected_at": now}
    river.send(*(msgspec.json.encode(alert_values(id=name, **times)) for name in names))


def test_each_alert_is_posted_once_across_a_crash_a_lost_answer_and_a_refusal(river: River, slack: SlackServer) -> None:
    quick = bot(slack.url, settle_s=0.2, interval_s=0.01, timeout_s=2)
    send(river, "a0", "a1", "a2", "a3", "a4", "a5")
    crashed = Run(CrashesAfterPosting(quick), river)
    crashed.wait()
    before = (list(slack.script.ids), river.committed("slack"))
    slack.script.post_faults.extend([Fault("lost", accepts=True, how="reset"), says("msg_too_long")])

    with running(SlackSink(quick), river) as run:
        eventually(lambda: river.committed("slack") == 6, "all commits")
        report = run.stop()

    assert str(crashed.error) == "as if the power went"
    assert before == (["a0", "a1"], 1)
    assert slack.script.ids == ["a0", "a1", "a2", "a4", "a5"]
    [(value, headers)] = river.dead_letters(1)
    assert (msgspec.json.decode(value or b"")["id"], headers["reason"]) == ("a3", b"msg_too_long")
    assert (report.delivered, report.parked) == (4, 1)

"""From a real Kafka to Slack over HTTP: committed after every message, once across a crash and an outage."""

from __future__ import annotations

import contextlib
import threading
import time
from typing import TYPE_CHECKING, Any

import msgspec
import pytest

from sinks.base import Delivery
from sinks.delivery import DeliveryReport
from sinks.lanes import run_lanes
from sinks.slack import SlackSink
from sinks.slack_channel import open_channels
from sinks.slack_http import send as http_send
from sinks.slack_pace import REAL_TIME
from sinks.slack_routing import LOOK_BACK_S, slack_lanes
from tests.sinks.slack_server import Fault, SlackScript, SlackServer, says
from tests.sinks.slacking import CHANNEL, alert_values, bot, slack_sink
from tests.sinks.test_delivery import OPTIONS, River, Run, eventually, running

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sinks.slack_options import SlackOptions
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


def alert(name: str, ago_s: float = 1, **fields: Any) -> bytes:
    """An alert that was detected a while ago."""
    at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(time.time() - ago_s))
    return msgspec.json.encode(alert_values(id=name, occurred_at=at, detected_at=at, **fields))


def send(river: River, *names: str) -> None:
    """Append alerts that were detected just now."""
    river.send(*(alert(name) for name in names))


class Lanes:
    """All lanes of the sink in a thread, as the process runs them."""

    def __init__(self, options: SlackOptions, river: River) -> None:
        self.reports: dict[str, DeliveryReport] = {}
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(options, river))
        self._thread.start()

    def stop(self) -> dict[str, DeliveryReport]:
        """Stop them; returns what they report."""
        self._stop.set()
        self._thread.join(15)
        assert not self._thread.is_alive(), "the lanes did not end"
        return self.reports

    def _run(self, options: SlackOptions, river: River) -> None:
        lanes = slack_lanes(options)
        self.reports = run_lanes(lanes, river.bootstrap, river.prefix, OPTIONS, self._stop, look_back_s=LOOK_BACK_S)


@contextlib.contextmanager
def lanes_running(options: SlackOptions, river: River) -> Iterator[Lanes]:
    """Run the lanes until the block ends."""
    lanes = Lanes(options, river)
    try:
        yield lanes
    finally:
        lanes.stop()


def test_each_alert_is_posted_once_across_a_crash_a_lost_answer_and_a_refusal(river: River, slack: SlackServer) -> None:
    quick = bot(slack.url, settle_s=0.2, interval_s=0.01, timeout_s=2)
    send(river, "a0", "a1", "a2", "a3", "a4", "a5")
    crashed = Run(CrashesAfterPosting(quick, "sales", open_channels(quick, REAL_TIME, http_send)["sales"]), river)
    crashed.wait()
    before = (list(slack.script.ids), river.committed("slack-sales"))
    slack.script.post_faults.extend([Fault("lost", accepts=True, how="reset"), says("msg_too_long")])

    with running(slack_sink(quick), river) as run:
        eventually(lambda: river.committed("slack-sales") == 6, "all commits")
        report = run.stop()

    assert str(crashed.error) == "as if the power went"
    assert before == (["a0", "a1"], 1)
    assert slack.script.ids == ["a0", "a1", "a2", "a4", "a5"]
    [(value, headers)] = river.dead_letters(1)
    assert (msgspec.json.decode(value or b"")["id"], headers["reason"]) == ("a3", b"msg_too_long")
    assert (report.delivered, report.parked) == (4, 1)


def test_archived_channel_holds_back_its_own_alerts_until_somebody_has_put_it_right(
    river: River, slack: SlackServer
) -> None:
    options = bot(
        slack.url,
        channels={"sales": CHANNEL, "success": "C0000000001"},
        settle_s=0.1,
        interval_s=0.01,
        timeout_s=2,
    )
    slack.script.closed_channels[CHANNEL] = says("is_archived")
    routes = ["sales", "success", "gone", "success", "sales"]

    with lanes_running(options, river) as lanes:
        river.send(*(alert(f"a{n}", route=route) for n, route in enumerate(routes)))
        eventually(lambda: river.committed("slack-success") == 5, "the alerts of the other route")
        eventually(lambda: river.committed("slack") == 5, "the alert without a route")
        meanwhile = (list(slack.script.ids), river.committed("slack-sales"))
        slack.script.closed_channels.clear()
        eventually(lambda: river.committed("slack-sales") == 5, "the alerts of the archived channel")
        reports = lanes.stop()

    assert meanwhile == (["a1", "a3"], 0)
    assert slack.script.ids == ["a1", "a3", "a0", "a4"]
    [(value, headers)] = river.dead_letters(1)
    assert (msgspec.json.decode(value or b"")["id"], headers["reason"]) == ("a2", b"no_channel")
    assert {name: report.parked for name, report in reports.items()} == {
        "slack": 1,
        "slack-sales": 0,
        "slack-success": 0,
    }
    assert reports["slack-sales"].outages == 1


def test_first_start_begins_with_the_last_hour_and_every_later_one_where_the_last_ended(
    kafka: KafkaServer, prefix: str, slack: SlackServer
) -> None:
    river = River(kafka.address, prefix)
    river.create("alerts", "dead-letters", partitions=2)
    options = bot(slack.url, settle_s=0.1, interval_s=0.01, timeout_s=2)
    river.send(alert("old", ago_s=7_200), ago_s=7_200)
    river.send(alert("new", ago_s=60), ago_s=60)

    with lanes_running(options, river):
        eventually(lambda: river.committed("slack-sales") == 2, "the new one")
    # What comes while nobody reads is taken however old it is, also on a partition that never had a record.
    river.send(alert("while away", ago_s=7_200), ago_s=7_200, partition=1)
    with lanes_running(options, river):
        eventually(lambda: river.committed("slack-sales", partition=1) == 1, "the one of the meantime")

    assert slack.script.ids == ["new", "while away"]


def test_lanes_end_within_ten_seconds_while_slack_hangs_and_commit_nothing_of_it(
    river: River, slack: SlackServer
) -> None:
    options = bot(slack.url, settle_s=0, timeout_s=3)
    slack.script.post_faults.extend([Fault("hang", how="hang")] * 5)

    with lanes_running(options, river) as lanes:
        send(river, "a0")
        eventually(lambda: "/api/chat.postMessage" in slack.script.requests, "the post that hangs")
        began = time.monotonic()
        lanes.stop()
        took_s = time.monotonic() - began

    assert took_s < 10
    assert river.committed("slack-sales") == 0

"""The lanes of the Slack sink: one per route, so that a channel holds back its own alerts and no others."""

from __future__ import annotations

import itertools
import threading

import pytest
from msgspec.structs import replace

from sinks.base import Refused, Sink, Unavailable
from sinks.slack_options import SlackOptions
from sinks.slack_pace import REAL_TIME, Pace
from sinks.slack_routing import UnknownRoutes, slack_lanes
from tests.sinks.slack_server import TOKEN, Fault, SlackScript, limited, says
from tests.sinks.slacking import BEGIN, CHANNEL, VirtualTime, bot, drive_lanes, record

OTHER_CHANNEL = "C0000000001"
THREE_ROUTES = {"sales": CHANNEL, "success": OTHER_CHANNEL, "archive": None}


@pytest.fixture
def clock() -> VirtualTime:
    """A clock of the test."""
    return VirtualTime()


@pytest.fixture
def slack(clock: VirtualTime) -> SlackScript:
    """A Slack without a port."""
    return SlackScript(clock.wall)


def lanes_of(slack: SlackScript, clock: VirtualTime, channels: dict[str, str | None]) -> list[Sink]:
    """All lanes, with nothing to settle."""
    lanes = slack_lanes(bot(channels=channels), clock=clock, send=slack.send)
    clock.sleep(5)
    return list(lanes)


def in_channel(slack: SlackScript, channel: str) -> list[str]:
    """The alerts in one channel."""
    return [message.alert_id for message in slack.accepted if message.channel == channel]


def test_each_route_writes_to_its_channel_and_every_record_is_somebodys(slack: SlackScript, clock: VirtualTime) -> None:
    routes = ["sales", "success", "archive", "gone", "sales"]
    topic = [record(n, route=route) for n, route in enumerate(routes)]

    lanes = drive_lanes(lanes_of(slack, clock, THREE_ROUTES), topic, clock, for_s=60)

    assert (in_channel(slack, CHANNEL), in_channel(slack, OTHER_CHANNEL)) == (["a0", "a4"], ["a1"])
    assert {name: lane.parked for name, lane in lanes.items()} == {
        "slack": ["no_channel"],
        "slack-sales": [],
        "slack-success": [],
    }


@pytest.mark.parametrize("code", ["is_archived", "channel_not_found"])
def test_channel_that_waits_for_a_person_holds_back_no_other_and_gets_all_of_it_afterwards(
    slack: SlackScript, clock: VirtualTime, code: str
) -> None:
    lanes = lanes_of(slack, clock, THREE_ROUTES)
    topic = [record(n, route=("sales", "success")[n % 2]) for n in range(20)]
    slack.closed_channels[CHANNEL] = says(code)
    drive_lanes(lanes, topic, clock, for_s=600)
    meanwhile = (in_channel(slack, CHANNEL), in_channel(slack, OTHER_CHANNEL))

    slack.closed_channels.clear()
    after = drive_lanes(lanes, topic, clock, for_s=600)

    assert meanwhile == ([], [f"a{n}" for n in range(1, 20, 2)])
    assert in_channel(slack, CHANNEL) == [f"a{n}" for n in range(0, 20, 2)]
    assert in_channel(slack, OTHER_CHANNEL) == meanwhile[1]
    assert not [lane.parked for lane in after.values() if lane.parked]


def test_channel_that_rests_holds_back_no_other(slack: SlackScript, clock: VirtualTime) -> None:
    lanes = lanes_of(slack, clock, THREE_ROUTES)
    began = clock.passed
    slack.closed_channels[CHANNEL] = limited(600)
    topic = [record(0), *(record(n, route="success") for n in range(1, 10))]

    drive_lanes(lanes, topic, clock, for_s=590)

    times = [message.at - BEGIN - began for message in slack.accepted]
    assert in_channel(slack, OTHER_CHANNEL) == [f"a{n}" for n in range(1, 10)]
    assert max(times) < 15


def test_two_routes_into_one_channel_share_its_pace_and_its_rest(slack: SlackScript, clock: VirtualTime) -> None:
    lanes = lanes_of(slack, clock, {"sales": CHANNEL, "success": CHANNEL, "founders": CHANNEL})
    topic = [record(n, route=("sales", "success", "founders")[n % 3]) for n in range(30)]
    slack.post_faults.extend([*[Fault("fine", accepts=True)] * 10, limited(60)])

    drive_lanes(lanes, topic, clock, for_s=600)

    gaps = [later.at - earlier.at for earlier, later in itertools.pairwise(slack.accepted)]
    assert sorted(slack.ids) == sorted(f"a{n}" for n in range(30))
    assert min(gaps) >= 1.0 - 1e-6
    assert gaps[9] >= 60


def test_turns_taken_by_many_threads_at_once_are_an_interval_apart_or_refused() -> None:
    pace, times, refused = Pace(0.05, REAL_TIME), [], []

    def write() -> None:
        try:
            pace.take_turn()
        except Unavailable as error:
            refused.append(error.retry_after_s)
        else:
            times.append(REAL_TIME.monotonic())

    threads = [threading.Thread(target=write) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    gaps = [later - earlier for earlier, later in itertools.pairwise(sorted(times))]
    assert len(times) + len(refused) == 8
    assert refused
    assert len(times) >= 3
    # Sleeping is exact to about a millisecond.
    assert min(gaps) > 0.04


@pytest.mark.parametrize("value", [None, b"", b"{}", b"\xff", b'{"route":"\xff"}', b'{"route":7}', b"[]"])
def test_record_that_is_no_alert_is_parked_once_without_its_values(
    slack: SlackScript, clock: VirtualTime, value: bytes | None
) -> None:
    topic = [replace(record(0), value=value)]

    lanes = drive_lanes(lanes_of(slack, clock, THREE_ROUTES), topic, clock, for_s=60)

    assert [lane.parked for lane in lanes.values()] == [["bad_alert"], [], []]
    assert slack.requests == []


def test_refusal_of_an_unknown_route_does_not_quote_it() -> None:
    with pytest.raises(Refused, match="add it with its channel") as refusal:
        UnknownRoutes(["sales"]).deliver(record(0, route="pii-canary"))

    assert "canary" not in str(refusal.value)


def test_webhook_routes_are_lanes_too() -> None:
    hook = "https://hooks.slack.com/services/T0/B0/abc"

    lanes = slack_lanes(SlackOptions(webhooks={"sales": hook, "success": None}))

    assert [lane.name for lane in lanes] == ["slack", "slack-sales"]
    assert TOKEN not in repr(lanes)

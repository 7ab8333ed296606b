"""The Slack sink over time: restarts, moving partitions, copies, rests and a backlog of hours."""

from __future__ import annotations

import itertools

import pytest
import structlog

from sinks.base import Sink, Unavailable
from tests.sinks.slack_server import Fault, SlackScript, limited
from tests.sinks.slacking import VirtualTime, alert_values, bot, drive, record, settled_sink, slack_sink

HISTORY = "/api/conversations.history"


@pytest.fixture
def clock() -> VirtualTime:
    """A clock of the test."""
    return VirtualTime()


@pytest.fixture
def slack(clock: VirtualTime) -> SlackScript:
    """A Slack without a port."""
    return SlackScript(clock.wall)


def test_slack_sink_is_a_sink(slack: SlackScript, clock: VirtualTime) -> None:
    assert isinstance(settled_sink(slack, clock), Sink)


def test_alert_posted_but_not_committed_before_a_crash_is_not_posted_again(
    slack: SlackScript, clock: VirtualTime
) -> None:
    settled_sink(slack, clock).deliver(record(7))
    after_crash = settled_sink(slack, clock)

    after_crash.deliver(record(7))
    after_crash.deliver(record(8))

    assert slack.ids == ["a7", "a8"]


def test_crash_in_the_middle_of_a_post_settles_before_the_channel_is_read(
    slack: SlackScript, clock: VirtualTime
) -> None:
    sink = slack_sink(bot(settle_s=5), clock, slack.send)

    clock.sleep(4.9)
    with pytest.raises(Unavailable) as too_early:
        sink.deliver(record(7))
    clock.sleep(0.1)
    sink.deliver(record(7))

    assert too_early.value.retry_after_s == pytest.approx(0.1)
    assert slack.ids == ["a7"]


def test_partition_that_was_elsewhere_meanwhile_repeats_nothing(slack: SlackScript, clock: VirtualTime) -> None:
    first, second = settled_sink(slack, clock), settled_sink(slack, clock)
    first.deliver(record(0))
    # The second process posts and dies before its commit; its session times out after 6 s at the earliest.
    second.deliver(record(1))
    clock.sleep(6)

    first.deliver(record(1))

    assert slack.ids == ["a0", "a1"]


def test_copy_that_the_worker_sent_again_is_dropped_in_this_run_and_in_the_next(
    slack: SlackScript, clock: VirtualTime
) -> None:
    sink = settled_sink(slack, clock)
    # Twenty minutes later a worker recovers and detects it anew.
    copy = {"id": "a0", "detected_at": "2026-03-02T09:20:00Z"}

    drive(sink, [record(0), record(1), record(2, **copy)], clock)
    clock.sleep(1_200)
    drive(settled_sink(slack, clock), [record(3, **copy)], clock)

    assert slack.ids == ["a0", "a1"]


def test_update_and_close_of_an_alert_are_messages_of_their_own(slack: SlackScript, clock: VirtualTime) -> None:
    same = {"id": "a0"}
    story = [
        record(0, **same),
        record(1, **same, status="updated", signal_ids=["s1", "s2"]),
        record(2, **same, status="updated", signal_ids=["s1", "s2", "s3"]),
        record(3, **same, status="updated", signal_ids=["s1", "s2", "s3"]),
        record(4, **same, status="closed", reason="converted"),
    ]

    drive(settled_sink(slack, clock), story, clock)

    headers = [message.payload["blocks"][0]["text"]["text"].partition(" ")[0] for message in slack.accepted]
    assert headers == ["Acme", "Update:", "Update:", "Closed:"]


def test_backlog_reads_the_channel_once_and_an_alert_out_of_the_blue_once_more(
    slack: SlackScript, clock: VirtualTime
) -> None:
    sink = settled_sink(slack, clock)
    drive(sink, [record(n) for n in range(10)], clock)
    in_backlog = slack.requests.count(HISTORY)
    clock.sleep(4.9)
    sink.deliver(record(10))
    just_in_time = slack.requests.count(HISTORY)
    clock.sleep(5)
    sink.deliver(record(11))

    assert (in_backlog, just_in_time, slack.requests.count(HISTORY)) == (1, 1, 2)


def test_alert_far_back_in_a_busy_channel_is_found_page_by_page(slack: SlackScript, clock: VirtualTime) -> None:
    slack.page = 15
    drive(settled_sink(slack, clock), [record(n) for n in range(40)], clock)

    drive(settled_sink(slack, clock), [record(0, partition=0)], clock)

    assert slack.ids == [f"a{n}" for n in range(40)]


def test_channel_with_more_than_we_read_gets_the_alert_and_a_warning(slack: SlackScript, clock: VirtualTime) -> None:
    slack.page = 1
    drive(settled_sink(slack, clock), [record(n) for n in range(30)], clock)

    with structlog.testing.capture_logs() as logs:
        drive(settled_sink(slack, clock), [record(50)], clock)

    assert slack.ids[-1] == "a50"
    assert [line["event"] for line in logs] == ["slack.history_too_long"]


def test_records_passed_over_do_not_vouch_for_the_next_alert(slack: SlackScript, clock: VirtualTime) -> None:
    settled_sink(slack, clock).deliver(record(1))
    # Neither the record of another route at 0 nor the alert at 1 was committed before the crash.
    after_crash = settled_sink(slack, clock)

    drive(after_crash, [record(0, route="success"), record(1)], clock)

    assert slack.ids == ["a1"]


def test_alert_known_here_does_not_vouch_for_what_came_behind_it_elsewhere(
    slack: SlackScript, clock: VirtualTime
) -> None:
    first, second = settled_sink(slack, clock), settled_sink(slack, clock)
    first.deliver(record(0))
    # Its commit fails, the partition goes to the second process, which delivers both, commits neither, and dies.
    drive(second, [record(0), record(1)], clock)
    clock.sleep(6)

    drive(first, [record(0), record(1)], clock)

    assert slack.ids == ["a0", "a1"]


def test_messages_of_a_backlog_are_a_second_apart(slack: SlackScript, clock: VirtualTime) -> None:
    drive(settled_sink(slack, clock), [record(n) for n in range(3)], clock)

    times = [message.at for message in slack.accepted]
    assert [later - earlier for earlier, later in itertools.pairwise(times)] == [1.0, 1.0]


def test_channel_rests_as_long_as_slack_asks_and_no_request_is_made_meanwhile(
    slack: SlackScript, clock: VirtualTime
) -> None:
    sink = settled_sink(slack, clock)
    slack.post_faults.append(limited(30))
    with pytest.raises(Unavailable) as first:
        sink.deliver(record(0))
    asked = len(slack.requests)

    clock.sleep(29.9)
    with pytest.raises(Unavailable) as still:
        sink.deliver(record(0))
    asked_in_rest = len(slack.requests)
    clock.sleep(0.1)
    sink.deliver(record(0))

    assert (first.value.retry_after_s, still.value.retry_after_s) == (30, pytest.approx(0.1))
    assert asked_in_rest == asked
    assert slack.ids == ["a0"]


def test_five_thousand_alerts_of_an_outage_of_six_hours_arrive_once_in_order_at_their_pace(
    slack: SlackScript, clock: VirtualTime
) -> None:
    sink = settled_sink(slack, clock)
    slack.is_down = True
    backlog = [record(n, title=alert_values()["title"]) for n in range(5_000)]
    while clock.passed < 6 * 3_600:
        with pytest.raises(Unavailable):
            sink.deliver(backlog[0])
        clock.sleep(15)
    slack.is_down = False
    # And the way back is no smooth one.
    slack.post_faults.extend(
        fault
        for n in range(100)
        for fault in (*[Fault("fine", accepts=True)] * 20, Fault("late", accepts=n % 2 == 0, status=503, body=""))
    )

    parked = drive(sink, backlog, clock)

    assert parked == []
    assert slack.ids == [f"a{n}" for n in range(5_000)]
    gaps = [later.at - earlier.at for earlier, later in itertools.pairwise(slack.accepted)]
    assert min(gaps) >= 1.0 - 1e-6

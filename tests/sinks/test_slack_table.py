"""Every fault of Slack in one table: what was injected, what was lost, what came twice, by the two ways into Slack."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

import pytest

from sinks.slack_options import SlackOptions
from tests.sinks.slack_server import PASSING_FAULTS, Fault, SlackScript, SlackServer, says
from tests.sinks.slacking import VirtualTime, bot, drive, record, slack_sink, webhook

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

ALERTS = 4
# A person must act; until then the alert waits.
BLOCKED = {
    "token_revoked": "invalid_token",
    "invalid_auth": "no_team",
    "is_archived": "channel_is_archived",
    "channel_not_found": "no_service",
    "not_in_channel": "action_prohibited",
    "restricted_action": "posting_to_general_channel_denied",
}
# Nothing can be done about the message: a dead letter holds it.
PARKED = {
    "msg_too_long": "no_text",
    "invalid_blocks": "invalid_payload",
    "msg_blocks_too_long": "too_many_attachments",
    "an_error_of_tomorrow": "an_error_of_tomorrow",
}


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


def bot_faults() -> list[Fault]:
    """All that the Web API can do to one message."""
    return [*PASSING_FAULTS, *(says(code) for code in (*BLOCKED, *PARKED))]


def webhook_faults() -> list[Fault]:
    """The same; a webhook says in plain text why it takes nothing."""
    codes = (*BLOCKED.values(), *PARKED.values())
    return [*PASSING_FAULTS, *(Fault(code, status=403, body=code) for code in codes)]


@pytest.mark.river
@pytest.mark.parametrize(
    ("way", "options", "faults"),
    [("bot token", bot, bot_faults()), ("webhook", webhook, webhook_faults())],
    ids=["bot", "webhook"],
)
def test_every_fault_three_times_in_a_row(
    slack: SlackServer,
    clock: VirtualTime,
    report: Callable[[str], None],
    way: str,
    options: Callable[[str], SlackOptions],
    faults: list[Fault],
) -> None:
    rows = {fault.name: counted(slack, clock, options, fault) for fault in faults}

    for name, (lost, doubled, parked) in rows.items():
        report(f"{name}: {lost} lost, {doubled} doubled, {parked} parked of {ALERTS}")
    assert not [name for name, (lost, _, _) in rows.items() if lost]
    parked_by = {name for name, (_, _, parked) in rows.items() if parked}
    assert parked_by == set(PARKED if way == "bot token" else PARKED.values())
    doubled_by = {name for name, (_, doubled, _) in rows.items() if doubled}
    # A webhook cannot be asked what has arrived: the alerts that Slack took without saying so come again.
    accepted_unseen = {fault.name for fault in faults if fault.accepts}
    assert doubled_by == (set() if way == "bot token" else accepted_unseen)


def counted(
    slack: SlackServer, clock: VirtualTime, options: Callable[[str], SlackOptions], fault: Fault
) -> tuple[int, int, int]:
    """Deliver a few alerts, the fault hitting three attempts from the second on; count those lost, doubled, parked."""
    slack.script.accepted.clear()
    slack.script.post_faults.extend([Fault("fine", accepts=True), fault, fault, fault])
    parked = drive(slack_sink(options(slack.url), clock), [record(n) for n in range(ALERTS)], clock)
    slack.script.post_faults.clear()
    times = Counter(slack.script.ids)
    lost = ALERTS - len(times) - len(parked)
    return lost, sum(count - 1 for count in times.values()), len(parked)

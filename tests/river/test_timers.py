"""What time makes fire, over a real broker: nothing early or twice, whatever stood still, and as in a backtest."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest

from signals.moments import iso
from signals.replay import Backtest
from streams.replaying import Replay
from tests.river.harness import River, river, wait_for
from tests.servers import KafkaServer
from tests.signals.builders import HOUR, day

# The embedded broker shows ends of logs too low and is slow at rebalances (docs/adr/0005).
pytestmark = pytest.mark.apache_kafka

START = day(1, 9)
TIMED = ("activation_stalled", "went_silent")
# Of the ticks while no worker runs: so often the ticker looks in vain.
LOOKS = 10


def line(at: int, name: str, user: str, **properties: object) -> bytes:
    event = {
        "type": "track",
        "event": name,
        "messageId": f"{name} {user} {at}",
        "userId": user,
        "context": {"groupId": f"team-of-{user}"},
        "properties": properties,
        "timestamp": iso(at),
    }
    return msgspec.json.encode(event)


def timed(found: list[dict[str, Any]]) -> list[tuple[str, str, str, str]]:
    """What time has made fire: signal, user or workspace, when, and id."""
    return sorted(
        (one["signal"], one["user_id"] or one["workspace_id"], one["occurred_at"], one["id"])
        for one in found
        if one["signal"] in TIMED
    )


def look(player: Replay, until: int) -> None:
    """Let the ticker want to say that it is so late, which nobody lets it while no worker runs."""
    assert player._ticks is not None
    player._ticks.note(until)
    for _ in range(LOOKS):
        player._ticks.relay()
        time.sleep(0.1)


def settle(made: River, player: Replay) -> None:
    """Let what was noted go through."""
    ticks = player._ticks
    assert ticks is not None

    def is_settled() -> bool:
        ticks.relay()
        return ticks.settled

    wait_for(is_settled, 60.0, lambda: "the last tick did not go through")
    made.wait_until_settled()


@pytest.mark.timeout(150)
def test_six_hours_of_standstill_fire_nothing_that_the_backlog_has_settled_and_a_kill_fires_nothing_twice(
    tmp_path: Path, kafka: KafkaServer, prefix: str, report: Callable[[str], None]
) -> None:
    # ann activates while the workers stand still, bob never does; cid pays, and nobody comes any more.
    morning = [line(START, "Signed Up", user) for user in ("ann", "bob", "cid")]
    morning += [
        line(START + HOUR, "Report Shared", "cid"),
        line(START + 2 * HOUR, "Plan Changed", "cid", plan="team"),
    ]
    backlog = [line(START + 23 * HOUR, "Report Shared", "ann")]
    later = [line(START + 30 * HOUR, "Signed Up", "dan")]
    with river(tmp_path, kafka.address, prefix, overrides="topics: {partitions: 4}\n") as made:
        player = Replay(made.config, made.settings)
        worker = made.worker()
        worker.wait_for_log("worker.started")
        player.play(morning)
        assert player.settle(START + 20 * HOUR)
        made.wait_until_settled()
        assert worker.terminate() == 0

        # Six hours in which nobody works; both sign-ups are due in them.
        player.play(backlog)
        look(player, START + 26 * HOUR)
        while_stopped = timed(made.read_json(made.topics.signals))
        worker = made.worker()
        settle(made, player)
        after_stop = timed(made.read_json(made.topics.signals))

        # Killed before the timers of dan's sign-up and of cid's silence are due, started again long after.
        player.play(later)
        assert player.settle(START + 31 * HOUR)
        worker.kill()
        look(player, START + 20 * 24 * HOUR)
        while_dead = timed(made.read_json(made.topics.signals))
        worker = made.worker()
        settle(made, player)
        at_last = timed(made.read_json(made.topics.signals))

        backtest = Backtest(made.config)
        lines = [*morning, *backlog, *later]
        found = [one for each in lines for one in backtest.feed(each)] + backtest.finish(START + 20 * 24 * HOUR)
        assert while_stopped == []
        assert [one[:3] for one in after_stop] == [("activation_stalled", "bob", iso(START + 24 * HOUR))]
        assert while_dead == after_stop
        assert [one[:3] for one in at_last] == [
            ("activation_stalled", "bob", iso(START + 24 * HOUR)),
            ("activation_stalled", "dan", iso(START + 54 * HOUR)),
            ("went_silent", "team-of-cid", iso(START + (14 * 24 + 2) * HOUR)),
        ]
        assert at_last == timed(found)
        assert worker.terminate() == 0
        assert worker.complaints == []
        report(f"{[one[:3] for one in at_last]} as in the backtest, ids too; nothing of ann")

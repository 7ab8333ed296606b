"""After a wrong mapping was fixed, redriven dead letters count once: signals and states are those of a right start."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from signals.codec import decode_user_state
from signals.event import Reason
from signals.replay import Backtest
from simulator import Scenario, simulate
from streams.dlq import survey
from streams.redrive import Choice, Redrive
from streams.replaying import Replay, read_lines
from streams.tables import _FENCE, _to_key
from tests.folding import changelog_states, check_states
from tests.river.comparing import check_contract, check_signals
from tests.river.harness import River, river, wait_for
from tests.river.oracle import reading
from tests.servers import KafkaServer

# The embedded broker shows ends of logs too low and is slow at rebalances (docs/adr/0005).
pytestmark = pytest.mark.apache_kafka

# Names of ids that the events do not have.
WRONG = "identity: {user_id: [a], member_id: [b], anonymous_id: [c], workspace_id: [d], group_workspace_id: [e]}\n"


@pytest.mark.timeout(150)
def test_redriven_after_a_fixed_mapping_events_count_once_though_the_worker_is_killed_amid_them(
    tmp_path: Path, kafka: KafkaServer, prefix: str, report: Callable[[str], None]
) -> None:
    with river(tmp_path, kafka.address, prefix, overrides="topics: {partitions: 4}\n") as made:
        lines = [msgspec.json.encode(event) for event in simulate(Scenario(seed=3, workspaces=12, large=0))]
        story = tmp_path / "story.jsonl"
        story.write_bytes(b"\n".join(lines))
        _dead_letter_all(made, story)
        [group] = survey(made.config, made.settings)
        assert (group.reason, group.count, group.redriven) == (Reason.NO_SUBJECT, len(lines), 0)
        assert made.read(made.topics.signals) == []

        # Its first checkpoint would come after this test: what it sends is uncommitted when it is killed.
        doomed = made.start("worker", PLG_CHECKPOINT_S="600")
        doomed.wait_for_log("worker.started")
        first = made.plg("dlq", "redrive", "--yes")
        wait_for(lambda: sum(made.ends(made.topics.user_events).values()) > 0, 40, lambda: doomed.log[-1_000:])
        doomed.kill()
        assert sum(made.committed(made.topics.redrive).values()) == 0
        worker = made.worker()
        worker.wait_for_log("worker.started")
        made.wait_until_settled()
        twice = len(made.read_json(made.topics.user_events)) - len(lines)
        with Redrive(made.config, made.settings, Choice()) as second:
            second.read()
        newest = _check_user_states(made, lines)
        replay = Replay(made.config, made.settings)
        assert replay.settle(until=newest)
        made.wait_until_settled()

        assert f"sent {len(lines):,}" in first.stdout, first.stdout + first.stderr
        assert (second.plan.total, second.plan.redriven) == (0, len(lines))
        assert sum(made.ends(made.topics.redrive).values()) == len(lines)
        assert twice > 0, "nothing was sent twice: the kill came too early"
        report(f"{len(lines):,} events redriven, {twice:,} of them ingested twice; {check_signals(made, story)}")
        check_contract(made)
        assert len(made.read(made.topics.dead_letters)) == len(lines)
        assert worker.terminate() == 0
        assert worker.complaints == []
        check_states(reading(made), made.config)


def _dead_letter_all(made: River, story: Path) -> None:
    """Let a worker read the story with a config that names ids where there are none."""
    wrong = made.folder / "wrong.yaml"
    wrong.write_text(made.config_path.read_text() + WRONG)
    # Without ticks: time stands still while nothing is understood.
    Replay(made.config, made.settings, ticks=False).play(read_lines([story]))
    worker = made.start("worker", "--config", str(wrong))
    made.wait_until_settled()
    assert worker.terminate() == 0


def _check_user_states(made: River, lines: list[bytes]) -> int:
    """
    Hold the states of users against one pass over the events.

    Returns:
        The newest event time.
    """
    backtest = Backtest(made.config)
    for line in lines:
        backtest.feed(line)
    stored = changelog_states(reading(made), made.topics.users_changelog)
    seen = {key: decode_user_state(value[16:]) for (_, key), value in stored.items() if key != _FENCE}
    users = backtest._pass._readings[0].users[0].shard
    expected = dict(users.items(users))
    assert seen.keys() == {_to_key(key) for key in expected}
    for key, state in expected.items():
        live = seen[_to_key(key)]
        live.at = state.at
        # Where the event that set a timer stood is another place live than in a file.
        live.timers = {
            name: msgspec.structs.replace(timer, source=state.timers[name].source if name in state.timers else None)
            for name, timer in live.timers.items()
        }
        assert live == state, key
    assert backtest.newest is not None
    return backtest.newest

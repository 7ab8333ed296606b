"""Workers come and go under load: partitions move within seconds, and nothing is lost on the way."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.folding import check_states
from tests.river.comparing import check_signals
from tests.river.harness import Process, River, river, wait_for
from tests.river.oracle import reading
from tests.servers import KafkaServer

# The embedded broker shows ends of logs too low and is slow at rebalances (docs/adr/0005).
pytestmark = pytest.mark.apache_kafka

# So that events keep coming until the last worker has come and gone.
RATE = 2_500
MOVE_S = 15.0


@pytest.mark.timeout(240)
def test_a_stopped_worker_hands_its_partitions_on_within_fifteen_seconds(
    tmp_path: Path, kafka: KafkaServer, prefix: str, story: Path, report: Callable[[str], None]
) -> None:
    with river(tmp_path, kafka.address, prefix) as made:
        first, second = made.worker(), made.worker()
        replay = made.start("replay", "--rate", str(RATE), str(story))
        made.wait_until_shared(2)

        third = made.worker()
        started = time.monotonic()
        made.wait_until_shared(3)
        joined_s, shares = time.monotonic() - started, made.shares()
        started = time.monotonic()
        code = third.terminate(MOVE_S)
        left_s = time.monotonic() - started
        made.wait_until_shared(2)
        stopped_s, moved_s = _stop_and_see_all_partitions_move(made, second)

        assert code == 0, third.log
        assert replay.popen.poll() is None, "the replay ended before the last worker was stopped"
        assert replay.popen.wait(120) == 0, replay.log
        made.wait_until_settled()
        report(
            f"a third worker had its partitions after {joined_s:.1f} s (shares {shares}) and ended {left_s:.1f} s "
            f"after SIGTERM; the second ended {stopped_s:.1f} s after SIGTERM, and {moved_s:.1f} s after it the first "
            "had committed in every partition with new records"
        )
        report(check_signals(made, story))
        assert first.terminate() == 0
        assert [worker.complaints for worker in (first, second, third)] == [[], [], []]
        report(check_states(reading(made), made.config))


def _stop_and_see_all_partitions_move(made: River, worker: Process) -> tuple[float, float]:
    """Stop a worker; how long it took to end, and until the rest had committed whatever was new in each partition."""
    [source] = made.config.source.topics
    started = time.monotonic()
    assert worker.terminate(MOVE_S) == 0, worker.log
    stopped_s = time.monotonic() - started
    handed_over = made.committed(source)
    fed: set[int] = set()

    def all_moved() -> bool:
        committed = made.committed(source)
        fed.update(number for number, end in made.ends(source).items() if end > handed_over[number])
        return len(fed) == len(handed_over) and all(committed[number] > handed_over[number] for number in fed)

    wait_for(
        all_moved,
        MOVE_S - stopped_s,
        lambda: f"{len(fed)} partitions with new records; {handed_over} before, {made.committed(source)} now",
    )
    return stopped_s, time.monotonic() - started

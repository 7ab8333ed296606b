"""Workers and sinks killed at random moments under load lose nothing and double nothing: a short round of chaos."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from streams.replaying import read_lines
from tests.chaos.plan import SCENARIOS, Fault, Kind, Round
from tests.chaos.running import run_round
from tests.chaos.stage import Ground
from tests.servers import KafkaServer, RedisServer

# The embedded broker shows ends of logs too low and is slow at rebalances (docs/adr/0005).
pytestmark = pytest.mark.apache_kafka

TWO_WORKERS = msgspec.structs.replace(SCENARIOS["storm"], workers=2)
# Five kills of a worker; of two faults the moment is drawn again until it falls into a checkpoint.
FAULTS = (
    Fault(Kind.KILL, ("worker-1",), 1.1, is_aimed=True),
    Fault(Kind.KILL, ("worker-1", "worker-0", "redis"), 0.9),
    Fault(Kind.KILL, ("worker-0", "worker-1", "slack"), 0.3, is_aimed=True),
)


@pytest.mark.timeout(280)
def test_five_kills_under_load_lose_nothing_and_double_nothing(
    tmp_path: Path, kafka: KafkaServer, own_redis: RedisServer, story: Path, report: Callable[[str], None]
) -> None:
    ground = Ground(kafka.address, own_redis.url, tmp_path)

    outcome = run_round(Round(1, TWO_WORKERS, FAULTS, "20"), ground, read_lines([story]), report, lambda: False)

    workers = [blow for blow in outcome.blows if blow.victim.startswith("worker")]
    report(f"{outcome.events:,} events; compared {outcome.findings.said()}")
    assert outcome.is_clean, outcome.findings.text() + "\n".join(outcome.stuck)
    assert len(workers) == 5
    assert all(blow.lag for blow in workers), f"not every kill was under load: {workers}"
    # A machine that is fast at the wrong moments may spare one of the two that were aimed.
    assert any(blow.in_flight for blow in workers), f"no kill hit a checkpoint: {workers}"
    compared = outcome.findings.compared
    assert all(compared[what] for what in ("signal", "alert", "dead letter", "messages in Slack")), compared

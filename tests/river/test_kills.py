"""Workers killed at random moments under load lose nothing and leave the states of an undisturbed run."""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
from confluent_kafka import Consumer, TopicPartition

from signals.codec import decode_user_state, decode_workspace_state
from signals.shard import Fence
from streams.replaying import Replay, read_lines
from streams.tables import _FENCE
from tests.river.comparing import check_contract, check_redis, check_signals
from tests.river.folding import changelog_states, check_states, folded_users, folded_workspaces
from tests.river.harness import Process, River, river
from tests.servers import KafkaServer, RedisServer

# The embedded broker shows ends of logs too low and is slow at rebalances (docs/adr/0005).
pytestmark = pytest.mark.apache_kafka

SEED = 20
KILLS = 5
# Of these, the moment is drawn again until it falls into a checkpoint.
AIMED = (1, 3)
# Events a second until the last kill, on a slow machine too; the rest comes at full speed.
RATE = 800

Place = tuple[str, int]


@dataclass
class Kill:
    """What stood where when a worker was killed."""

    at_s: float
    lag: int
    # Partitions whose states were written and whose offsets were not.
    in_flight: int


@pytest.mark.timeout(280)
def test_five_kills_under_load_lose_nothing_and_double_nothing(
    tmp_path: Path,
    kafka: KafkaServer,
    own_redis: RedisServer,
    prefix: str,
    story: Path,
    report: Callable[[str], None],
) -> None:
    with river(tmp_path, kafka.address, prefix, redis_url=own_redis.url) as made:
        made.extra["PLG_CHECKPOINT_S"] = "0.1"
        workers = [made.worker(), made.worker()]
        made.redis_sink()
        for worker in workers:
            worker.wait_for_log("worker.started")
        player = _Player(made, story)
        player.start()
        with _fences(made) as fences:
            kills = _kill_at_random(made, workers, fences, random.Random(SEED))
        assert player.is_alive(), "the story ended before the kills did"
        player.hurry.set()
        player.join(180)
        assert player.settled, "the workers did not get through"
        made.wait_until_settled(120)

        report(
            f"{player.replay.report.events:,} events; kills (s, lag, partitions in flight): "
            + ", ".join(f"({kill.at_s:.1f}, {kill.lag:,}, {kill.in_flight})" for kill in kills)
        )
        assert all(kill.lag for kill in kills), f"not every kill was under load: {kills}"
        assert sum(kill.in_flight > 0 for kill in kills) >= 2, f"too few kills hit a checkpoint: {kills}"
        report(check_signals(made, story))
        report(check_redis(made))
        check_contract(made)
        for topic in (*made.config.source.topics, made.topics.user_events, made.topics.workspace_facts):
            assert made.committed(topic) == made.ends(topic), f"{topic}: not committed to its ends"
        assert [worker.terminate() for worker in workers] == [0, 0]
        report(_check_states(made))


def _check_states(made: River) -> str:
    users = check_states(changelog_states(made, made.topics.users_changelog), folded_users(made), decode_user_state)
    workspaces = check_states(
        changelog_states(made, made.topics.workspaces_changelog), folded_workspaces(made), decode_workspace_state
    )
    return f"changelogs equal the folded logs: {users} of users, {workspaces} of workspaces"


def _kill_at_random(made: River, workers: list[Process], fences: _Fences, chance: random.Random) -> list[Kill]:
    kills: list[Kill] = []
    started = time.monotonic()
    for number in range(KILLS):
        # Both at work again: the dead one has left the group and its successor is in it.
        for worker in workers:
            worker.wait_for_log("worker.started", 60)
        made.wait_until_shared(len(workers))
        time.sleep(chance.uniform(0.2, 2.0))
        victim = chance.randrange(len(workers))
        if number in AIMED:
            _freeze_within_a_checkpoint(workers[victim], fences, chance)
        at_s, lag = time.monotonic() - started, sum(made.lag().values())
        workers[victim].kill()
        kills.append(Kill(at_s, lag, len(fences.stuck())))
        workers[victim] = made.worker()
    return kills


def _freeze_within_a_checkpoint(worker: Process, fences: _Fences, chance: random.Random) -> None:
    """Freeze a worker at random moments until one falls between its states and its offsets."""
    for _ in range(25):
        worker.freeze()
        if fences.stuck(after_s=0.4):
            return
        worker.thaw()
        time.sleep(chance.uniform(0.1, 0.5))
    raise AssertionError("no checkpoint was met in flight")


class _Fences:
    """Reads the changelogs along, to tell which partitions died between states and offsets."""

    def __init__(self, made: River, consumer: Consumer) -> None:
        self._made = made
        self._consumer = consumer
        self._logs = {
            made.topics.users_changelog: made.topics.user_events,
            made.topics.workspaces_changelog: made.topics.workspace_facts,
        }
        self._read: dict[Place, int] = {}
        self._fences: dict[Place, int] = {}
        places = [TopicPartition(log, number, 0) for log in self._logs for number in range(made.topics.partitions)]
        consumer.assign(places)

    def stuck(self, after_s: float = 1.5) -> list[Place]:
        """
        Partitions whose fence stands beyond their committed offset and stays there: the killed worker's.

        A living worker commits what it has written within a moment; the group gives the partitions of a dead one away
        only after the session timeout.
        """
        self._read_on()
        fences = dict(self._fences)
        time.sleep(after_s)
        committed = self._committed()
        return [place for place, end in fences.items() if end > committed[place]]

    def _committed(self) -> Mapping[Place, int]:
        return {(log, n): offset for log in self._logs.values() for n, offset in self._made.committed(log).items()}

    def _read_on(self) -> None:
        ends = {(log, number): end for log in self._logs for number, end in self._made.ends(log).items()}
        while any(self._read.get(place, 0) < end for place, end in ends.items()):
            messages = self._consumer.consume(5_000, 1.0)
            assert messages, "the changelogs cannot be read to their ends"
            for message in messages:
                assert message.error() is None, message.error()
                self._read[message.topic(), message.partition()] = message.offset() + 1
                if message.key() == _FENCE:
                    fence = msgspec.msgpack.decode(message.value(), type=Fence)
                    self._fences[self._logs[message.topic()], message.partition()] = fence.end


@contextmanager
def _fences(made: River) -> Iterator[_Fences]:
    consumer = Consumer({**made.settings.kafka_options, "group.id": "test-fences", "enable.auto.commit": False})
    try:
        yield _Fences(made, consumer)
    finally:
        consumer.close()


class _Player(threading.Thread):
    """Plays the story: at a moderate rate until it is told to hurry, so that every kill finds work going on."""

    def __init__(self, made: River, story: Path) -> None:
        super().__init__(daemon=True)
        self.replay = Replay(made.config, made.settings)
        self.settled = False
        self.hurry = threading.Event()
        self._story = story

    def run(self) -> None:
        self.replay.play(self._lines())
        self.settled = self.replay.settle(timeout_s=120.0)

    def _lines(self) -> Iterator[bytes]:
        started = time.monotonic()
        for number, line in enumerate(read_lines([self._story])):
            self.hurry.wait(max(0.0, number / RATE - (time.monotonic() - started)))
            yield line

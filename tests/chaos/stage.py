"""The stage of a round: a river under a prefix of its own with workers, sinks and a Slack, under load, and watched."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.findings import Findings
from tests.kafka_cluster import MIN_ISR, Cluster
from tests.river.checkpoints import Fences, fences_of
from tests.river.fleet import Fleet
from tests.river.harness import River, river
from tests.river.load import CANARIES, Load
from tests.river.offsets import Offsets, offsets
from tests.river.oracle import judge
from tests.sinks.slack_server import TOKEN, SlackScript, SlackServer

CHANNEL = "C0123456789"
# Few, so that every one of them has news all the time and a recovery is quick to see.
PARTITIONS = 8
REST_S = 180.0
# Snapshots come at most this often; what is not sent by then never is.
SNAPSHOT_S = 6.5


@dataclass(frozen=True)
class Ground:
    """What rounds stand on: addresses, and the events that are played."""

    kafka: str
    redis_url: str
    folder: Path
    cluster: Cluster | None = None


@dataclass
class Stage:
    """A river in front of the audience."""

    river: River
    fleet: Fleet
    load: Load
    fences: Fences
    slack: SlackScript
    # Of the workers, and of each sink, by the name that it has in the fleet; workers share one.
    watched: Mapping[str, Offsets]
    cluster: Cluster | None
    chance: random.Random

    def group_of(self, victim: str) -> str:
        """The name in `watched` of a process of the fleet."""
        return victim if victim in self.watched else "workers"

    def rest(self) -> list[str]:
        """
        End the load, wait until all is through, replace every worker, and end everything in good order.

        Returns:
            The groups that did not get through.
        """
        self.load.finish()
        late = self._wait_until_through()
        names = self.fleet.workers
        self.fleet.stop(*names)
        # Recovery heals what a stale owner wrote; the tick then makes every partition checkpoint.
        self.fleet.start(*names)
        late += self._wait_until_through()
        self.fleet.wait(lambda: False, SNAPSHOT_S)
        self.fleet.stop(*self.fleet.workers, "redis", "slack")
        return sorted(set(late))

    def judge(self, explained: Iterable[str] = ()) -> Findings:
        """Hold what is left against the oracle, and what was said against what the faults explain."""
        found = judge(self.river, slack=self.slack, injected=self.load.injected)
        found.complaints += self.fleet.complaints(explained)
        found.leaks += self.fleet.leaks((*CANARIES, TOKEN))
        return found

    def _wait_until_through(self) -> list[str]:
        self.fleet.wait_until_started()
        give_up_at = time.monotonic() + REST_S
        ticked = False
        while not ticked and time.monotonic() < give_up_at:
            self.fleet.tend()
            ticked = self.load.settle(5.0)
        late = [] if ticked else ["the last tick"]
        # Workers first: what they still send belongs to the sinks.
        for name, watched in self.watched.items():
            if not self.fleet.wait(lambda watched=watched: watched.lag() == 0, give_up_at - time.monotonic()):  # type: ignore[misc]
                late.append(name)
        return late


@contextmanager
def stage(
    ground: Ground, lines: Iterable[bytes], rate: float, seed: str, *, workers: int, checkpoint_s: float = 0.02
) -> Iterator[Stage]:
    """
    A river at work: everything has started, the load runs.

    Args:
        lines: What the product sends.
        rate: Events a second.
        seed: Of what is drawn on the way.
        checkpoint_s: Shorter than in production, so that kills meet checkpoints.
    """
    prefix = f"chaos-{uuid.uuid4().hex[:10]}"
    folder = ground.folder / prefix
    folder.mkdir(parents=True)
    with ExitStack() as open_:
        server = SlackServer(SlackScript(time.time))
        open_.callback(server.stop)
        made = open_.enter_context(
            river(folder, ground.kafka, prefix, redis_url=ground.redis_url, overrides=_config(server, ground))
        )
        made.extra.update(
            PLG_CHECKPOINT_S=str(checkpoint_s), PLG_SLACK_TOKEN=TOKEN, PLG_HEALTH="127.0.0.1:0", no_proxy="127.0.0.1"
        )
        fleet = Fleet(made)
        fleet.start(*(f"worker-{number}" for number in range(workers)), "redis", "slack")
        fences = open_.enter_context(fences_of(made))
        watched = {
            name: open_.enter_context(offsets(made, group, topics)) for name, (group, topics) in _groups(made).items()
        }
        load = Load(made, lines, rate)
        open_.callback(load.enough.set)
        fleet.wait_until_started()
        load.start()
        yield Stage(made, fleet, load, fences, server.script, watched, ground.cluster, random.Random(seed))


def _config(slack: SlackServer, ground: Ground) -> str:
    replication = 1 if ground.cluster is None else len(ground.cluster.brokers)
    assert replication == 1 or replication > MIN_ISR, "a broker that is away would stop all writes"
    return (
        f"topics: {{partitions: {PARTITIONS}, replication: {replication}}}\n"
        f"routes: [{{sinks: [redis, slack], channel: {CHANNEL}}}]\n"
        f"slack: {{interval: 0s, api_url: '{slack.url}/api/', webhook_base: '{slack.url}/hooks/'}}\n"
    )


def _groups(made: River) -> dict[str, tuple[str, tuple[str, ...]]]:
    prefix, topics = made.config.prefix, made.topics
    [route] = made.config.routes
    return {
        "workers": (prefix, (*made.config.source.topics, topics.user_events, topics.workspace_facts)),
        "redis": (f"{prefix}-sink-redis", (topics.alerts, topics.workspaces)),
        "slack": (f"{prefix}-sink-slack-{route.name}", (topics.alerts,)),
    }

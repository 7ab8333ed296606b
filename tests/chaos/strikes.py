"""The faults themselves: each hits its victims, waits until the river has recovered, and tells what it saw."""

from __future__ import annotations

import contextlib
import signal
import time
from collections.abc import Callable, Iterable, Sequence

from confluent_kafka import KafkaException

from tests.chaos.plan import Fault, Kind
from tests.chaos.stage import Stage
from tests.chaos.tally import Blow
from tests.kafka_cluster import Broker, Cluster
from tests.river.checkpoints import freeze_within_a_checkpoint
from tests.river.offsets import Recovery

# A partition that has not moved by then is stuck. With brokers gone the longest wait is a restart of a worker that
# could not send for 30 s, and its recovery.
LIMIT_S, BROKERS_LIMIT_S = 60.0, 150.0


class Strike:
    """
    What one fault did. `stuck` are partitions that did not move again within the limit.

    Args:
        stage: Whom to hit.
    """

    def __init__(self, stage: Stage) -> None:
        self.blows: list[Blow] = []
        self.stuck: list[str] = []
        self._stage = stage

    def hit(self, fault: Fault) -> None:
        """Wait the drawn while, hit, wait for the recovery, and bring back who is missing."""
        stage = self._stage
        stage.fleet.wait(lambda: False, fault.after_s)
        faults: dict[Kind, Callable[[Fault], None]] = {
            Kind.KILL: self._kill,
            Kind.FREEZE: self._freeze,
            Kind.SCALE: self._scale,
            Kind.ROLL: self._roll,
            Kind.KILL_LEADER: self._kill_broker,
            Kind.KILL_CONTROLLER: self._kill_broker,
            Kind.PAUSE_BROKERS: self._pause_brokers,
        }
        faults[fault.kind](fault)

    def _kill(self, fault: Fault) -> None:
        fleet, fences = self._stage.fleet, self._stage.fences
        caught = set()
        if fault.is_aimed:
            caught = freeze_within_a_checkpoint(fleet[fault.victims[0]], fences, self._stage.chance)
        recoveries = self._watch(fault.victims)
        # Whoever has just ended by itself is no kill of ours.
        alive = {victim for victim in fault.victims if fleet.is_alive(victim)}
        at = fleet.kill(*fault.victims)
        fleet.start(*fault.victims)
        for recovery in recoveries.values():
            recovery.hit(at)
        workers = [victim for victim in fault.victims if victim.startswith("worker")]
        in_flight = fences.stuck() if workers else set()
        # Nobody can tell two victims' partitions apart: what was not caught with the first is another one's.
        shares = {workers[0]: len(caught) or len(in_flight)} if workers else {}
        shares |= {victim: len(in_flight - caught) if caught else 0 for victim in workers[1:]}
        self._recover(recoveries, LIMIT_S)
        for victim in fault.victims:
            recovery = recoveries[self._stage.group_of(victim)]
            self._note(victim, fault, recovery, in_flight=shares.get(victim, 0), is_kill=victim in alive)
        self._wait_until_all_share()

    def _freeze(self, fault: Fault) -> None:
        fleet, [victim] = self._stage.fleet, fault.victims
        in_flight = 0
        if fault.is_aimed:
            in_flight = len(freeze_within_a_checkpoint(fleet[victim], self._stage.fences, self._stage.chance))
        recoveries = self._watch([victim])
        fleet[victim].freeze()
        at = time.monotonic()
        recoveries["workers"].hit(at)
        self._recover(recoveries, LIMIT_S)
        fleet.wait(lambda: time.monotonic() - at >= fault.for_s, fault.for_s)
        fleet[victim].thaw()
        self._note(victim, fault, recoveries["workers"], in_flight=in_flight)
        self._wait_until_all_share()

    def _scale(self, fault: Fault) -> None:
        fleet = self._stage.fleet
        recoveries = self._watch(["workers"])
        goes = [name for name in fleet.workers if name not in fault.victims]
        fleet.start(*(name for name in fault.victims if name not in fleet.workers))
        fleet.stop(*goes)
        recoveries["workers"].hit(time.monotonic())
        self._wait_until_all_share()
        self._recover(recoveries, LIMIT_S)
        self._note("workers", fault, recoveries["workers"])

    def _roll(self, fault: Fault) -> None:
        fleet = self._stage.fleet
        for name in fleet.workers:
            recoveries = self._watch([name])
            at = time.monotonic()
            fleet.stop(name)
            fleet.start(name)
            recoveries["workers"].hit(at)
            self._wait_until_all_share()
            self._recover(recoveries, LIMIT_S)
            self._note(name, fault, recoveries["workers"])

    def _kill_broker(self, fault: Fault) -> None:
        cluster = self._cluster()
        broker = self._chosen(cluster, fault)
        recoveries = self._watch(self._stage.watched)
        at = time.monotonic()
        broker.kill()
        for recovery in recoveries.values():
            recovery.hit(at)
        self._recover(recoveries, BROKERS_LIMIT_S)
        self._note(f"broker-{broker.number}", fault, recoveries["workers"], is_kill=True)
        broker.start()
        self._wait_until_whole(cluster)

    def _pause_brokers(self, fault: Fault) -> None:
        cluster = self._cluster()
        recoveries = self._watch(self._stage.watched)
        for broker in cluster.brokers:
            broker.send(signal.SIGSTOP)
        at = time.monotonic()
        self._stage.fleet.wait(lambda: False, fault.for_s)
        for broker in cluster.brokers:
            broker.send(signal.SIGCONT)
        for recovery in recoveries.values():
            recovery.hit(at)
        self._recover(recoveries, BROKERS_LIMIT_S)
        self._note("brokers", fault, recoveries["workers"])
        self._wait_until_whole(cluster)

    def _watch(self, victims: Iterable[str]) -> dict[str, Recovery]:
        groups = {self._stage.group_of(victim) for victim in victims}
        return {group: Recovery(self._stage.watched[group]) for group in sorted(groups)}

    def _recover(self, recoveries: dict[str, Recovery], limit_s: float) -> None:
        def is_over() -> bool:
            seen = [recovery.look() for recovery in recoveries.values()]
            return all(seen)

        if not self._stage.fleet.wait(is_over, limit_s):
            self.stuck += [f"{t}/{n}" for recovery in recoveries.values() for t, n in recovery.waiting]

    def _note(
        self, victim: str, fault: Fault, recovery: Recovery, *, in_flight: int = 0, is_kill: bool = False
    ) -> None:
        self.blows.append(Blow(victim, fault.kind.value, is_kill, recovery.lag, in_flight, recovery.took_s))

    def _wait_until_all_share(self) -> None:
        """Everyone at work again: the dead have left the group and their successors are in it."""
        stage = self._stage
        stage.fleet.wait_until_started()
        wanted = len(stage.fleet.workers)

        def do_all_share() -> bool:
            with contextlib.suppress(KafkaException):
                shares = stage.river.shares()
                return len(shares) == wanted and all(shares)
            return False

        if not stage.fleet.wait(do_all_share, LIMIT_S):
            self.stuck.append(f"{wanted} workers do not share the partitions")

    def _wait_until_whole(self, cluster: Cluster) -> None:
        if not self._stage.fleet.wait(cluster.is_whole, BROKERS_LIMIT_S):
            self.stuck.append("brokers do not come in sync again")

    def _chosen(self, cluster: Cluster, fault: Fault) -> Broker:
        if fault.kind is Kind.KILL_CONTROLLER:
            return cluster.controller()
        [source] = self._stage.river.config.source.topics
        return cluster.leader_of(source, int(fault.victims[0]))

    def _cluster(self) -> Cluster:
        assert self._stage.cluster is not None, "this fault needs brokers of our own"
        return self._stage.cluster


def said(blows: Sequence[Blow]) -> str:
    """What a fault did, in one line."""
    parts = []
    for blow in blows:
        took = "no recovery seen" if blow.recovered_s is None else f"recovered in {blow.recovered_s:.1f} s"
        flight = f", {blow.in_flight} in flight" if blow.in_flight else ""
        parts.append(f"{blow.victim} (lag {blow.lag:,}{flight}, {took})")
    return "; ".join(parts)

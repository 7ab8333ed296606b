"""The plan of a run: which scenario comes when, and which fault hits whom in it. The same seed gives the same plan."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Sequence
from enum import StrEnum
from itertools import count, cycle

import msgspec


class Kind(StrEnum):
    """What is done to them."""

    # kill -9; whoever was killed is started again at once.
    KILL = "kill"
    # SIGSTOP until the group has given its partitions away, then SIGCONT: a stale owner wakes up.
    FREEZE = "freeze"
    # More workers, or SIGTERM to some.
    SCALE = "scale"
    # SIGTERM to one worker after the other, each replaced.
    ROLL = "roll"
    # kill -9 of the broker that leads a partition, or of the leading controller; started again later.
    KILL_LEADER = "kill-leader"
    KILL_CONTROLLER = "kill-controller"
    # SIGSTOP to every broker for a while.
    PAUSE_BROKERS = "pause-brokers"


class Fault(msgspec.Struct, frozen=True):
    """
    One blow: `victims` by their names in the fleet, of a leader the partition, of SCALE the workers that remain.

    `after_s` is how long the river is left alone before, `for_s` how long a freeze or a pause lasts. With `is_aimed`
    the first victim is hit while a checkpoint of its is in flight.
    """

    kind: Kind
    victims: tuple[str, ...] = ()
    after_s: float = 0.0
    for_s: float = 0.0
    is_aimed: bool = False

    def text(self) -> str:
        """The fault in a few words."""
        whom = f" {' '.join(self.victims)}" if self.victims else ""
        return f"{self.kind}{whom}{' (aimed)' if self.is_aimed else ''}{f' {self.for_s:.0f} s' if self.for_s else ''}"


# What any fault, or a machine busy with other things, explains.
EXPLAINED = (
    # A worker kept from its heartbeats for 3 s ends itself, as it should; it is counted among the endings.
    '"event": "owner.stale"',
    # A rebalance took the partitions while the one before was still seeking; Faust's recovery begins anew with it.
    "IllegalStateError",
    # mode's word for a loop that has not turned for 3 s: frozen to be aimed at, or starved.
    "Thread keepalive is not responding",
    # The group gave up a frozen worker, and aiokafka learns of it when it is thawed.
    "Heartbeat session expired",
    # The scripted Slack is not Slack, and the sink says so.
    '"event": "slack.elsewhere"',
    # A Slack sink that has just started reads the channel back before it posts, and waits 5 s for that.
    "an attempt of unknown outcome has to settle",
)

# What brokers that are away explain: clients say that they cannot reach them, over and over.
BROKERS_AWAY = (
    '"logger": "aiokafka',
    "worker.stuck",
    "sink.kafka_trouble",
    "sink.commit_failed",
    "exit 2",
)


class Scenario(msgspec.Struct, frozen=True):
    """
    A kind of round.

    Args:
        draw: Draws the faults of a round.
        explains: Texts of log lines, and exit codes as `exit 2`, that its faults explain.
    """

    name: str
    says: str
    draw: Callable[[random.Random], list[Fault]]
    workers: int = 3
    brokers: int = 1
    explains: tuple[str, ...] = EXPLAINED


class Round(msgspec.Struct, frozen=True):
    """One scenario with its faults, on a prefix of its own."""

    number: int
    scenario: Scenario
    faults: tuple[Fault, ...]
    # Of what is not planned: the moments at which a worker is frozen until a checkpoint is in flight.
    seed: str


# Above the session timeout of the river under test, 6 s, and its half at which a worker gives up.
FREEZE_S = 9.0
PAUSE_S = 30.0
_WORKERS = ("worker-0", "worker-1", "worker-2")
_SINKS = ("redis", "slack")


def _kill_workers(chance: random.Random) -> list[Fault]:
    return [
        _kill(chance, chance.sample(_WORKERS, chance.choice((1, 2, 2))), is_aimed=turn % 3 != 1) for turn in range(6)
    ]


def _kill_sinks(chance: random.Random) -> list[Fault]:
    return [_kill(chance, chance.sample(_SINKS, chance.choice((1, 2, 2)))) for _ in range(6)]


def _storm(chance: random.Random) -> list[Fault]:
    def victims() -> list[str]:
        return [*chance.sample(_WORKERS, chance.choice((1, 2, 2))), *chance.sample(_SINKS, chance.choice((1, 2)))]

    return [_kill(chance, victims(), is_aimed=turn % 3 != 1) for turn in range(6)]


def _freeze(chance: random.Random) -> list[Fault]:
    return [
        Fault(Kind.FREEZE, (chance.choice(_WORKERS),), chance.uniform(0.5, 2.0), FREEZE_S, is_aimed=turn == 0)
        for turn in range(3)
    ]


def _scale(chance: random.Random) -> list[Fault]:
    moves = [Fault(Kind.SCALE, _WORKERS), Fault(Kind.ROLL), Fault(Kind.SCALE, _WORKERS[:1])]
    return [msgspec.structs.replace(move, after_s=chance.uniform(0.5, 2.0)) for move in moves]


def _break_brokers(chance: random.Random) -> list[Fault]:
    def wait() -> float:
        return chance.uniform(1.0, 3.0)

    return [
        Fault(Kind.KILL_LEADER, (str(chance.randrange(8)),), wait()),
        Fault(Kind.PAUSE_BROKERS, (), wait(), PAUSE_S),
        Fault(Kind.KILL_CONTROLLER, (), wait()),
        Fault(Kind.KILL_LEADER, (str(chance.randrange(8)),), wait()),
    ]


def _kill(chance: random.Random, victims: Sequence[str], *, is_aimed: bool = False) -> Fault:
    return Fault(Kind.KILL, tuple(victims), chance.uniform(0.2, 2.0), is_aimed=is_aimed)


SCENARIOS = {
    scenario.name: scenario
    for scenario in (
        Scenario(
            "workers", "kill -9 of one or two of three workers, two of three times within a checkpoint", _kill_workers
        ),
        Scenario("sinks", "kill -9 of the Redis sink and of the Slack sink under a flow of alerts", _kill_sinks),
        Scenario("storm", "kill -9 of workers and sinks at one moment", _storm),
        Scenario(
            "brokers",
            "three brokers: kill -9 of a leader and of the controller, all frozen for 30 s",
            _break_brokers,
            brokers=3,
            # A worker that hears nothing of the group for half its session ends itself; a sink says that it waits. What
            # starts while no broker answers ends with 2 and is started again.
            explains=(*EXPLAINED, *BROKERS_AWAY),
        ),
        Scenario(
            "frozen",
            "SIGSTOP of a worker past its session, then SIGCONT: a stale owner wakes up",
            _freeze,
        ),
        Scenario(
            "scaling", "from one worker to three, all replaced one after the other, back to one", _scale, workers=1
        ),
    )
}


def rounds(seed: int, names: Sequence[str]) -> Iterator[Round]:
    """The rounds of a seed without end, the scenarios in turn."""
    for number, name in zip(count(1), cycle(names), strict=False):
        own = f"{seed}/{number}/{name}"
        scenario = SCENARIOS[name]
        yield Round(number, scenario, tuple(scenario.draw(random.Random(own))), own)

"""Play: lets every company live side by side and delivers what happens, with the faults of a real bus."""

from __future__ import annotations

import heapq
import random
from collections.abc import Iterable, Iterator
from operator import attrgetter
from typing import NamedTuple

from simulator.daily import live, visitors
from simulator.destiny import companies
from simulator.happening import Happening, Message
from simulator.rhythm import DAY, HOUR, MINUTE, SECOND, chance, seeded
from simulator.scenario import Scenario
from simulator.segment import write_message

_LATE = 36 * HOUR
_VERY_LATE = 10 * DAY


class Delivery(NamedTuple):
    """One arrival of one message; ordered by when it is received, then by the number of the message and the copy."""

    received: int
    number: int
    copy: int
    latency: int
    happening: Happening


def simulate(scenario: Scenario) -> Iterator[Message]:
    """
    Play a scenario.

    Args:
        scenario: What to play. The same one gives the same messages in the same order.

    Returns:
        Segment-spec messages, ready for JSON, in the order of delivery: `receivedAt` never falls, `timestamp` (the
        event's time) does where an event is late. Memory grows with the users, not with the days.
    """
    for received, number, _, latency, happening in deliveries(happenings(scenario), scenario):
        yield write_message(happening, f"sim-{scenario.seed}-{number:08d}", received - happening.time, latency)


def happenings(scenario: Scenario) -> Iterator[Happening]:
    """Everything that happens, in order of event time; one day of each company is held at once."""
    lives = [live(company, scenario, rng) for company, rng in companies(scenario)]
    lives.append(visitors(scenario, seeded(scenario.seed, "visitors")))
    return heapq.merge(*lives, key=attrgetter("time"))


def deliveries(found: Iterable[Happening], scenario: Scenario) -> Iterator[Delivery]:
    """Delay, delay much and repeat; what would be received after the end of the run is not received."""
    rng = seeded(scenario.seed, "delivery")
    waiting: list[Delivery] = []
    for number, happening in enumerate(found):
        # Nothing that is still to happen can be received before it happens.
        while waiting and waiting[0].received <= happening.time:
            yield heapq.heappop(waiting)
        received = happening.time + _wait(rng, scenario)
        latency = rng.randint(15, 120)
        heapq.heappush(waiting, Delivery(received, number, 0, latency, happening))
        if chance(rng, scenario.duplicates):
            again = received + int(rng.uniform(SECOND, 10 * MINUTE))
            heapq.heappush(waiting, Delivery(again, number, 1, latency, happening))
    while waiting and waiting[0].received <= scenario.end_ms:
        yield heapq.heappop(waiting)


def _wait(rng: random.Random, scenario: Scenario) -> int:
    """How long an event waits in its client before it is sent, milliseconds; a closed laptop makes it hours."""
    if not chance(rng, scenario.late):
        return rng.randint(1, 900)
    return int(rng.uniform(10 * MINUTE, _VERY_LATE if chance(rng, 0.1) else _LATE))

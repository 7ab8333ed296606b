"""Who uses the product in the reference job: users, workspaces of different sizes, and the events of 60 days."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from benchmarks.reference import Answer, answer_to, day_of

EVENT_BYTES = 375
DAYS = 60
MAX_USERS = 20_000
MAX_TEAM = 60
# As many events of a user, on average, in a short run as in the default one: what a day looks like stays the same.
_EVENTS_PER_USER = 20
_SEED = 7
_START = datetime(2026, 1, 1, tzinfo=UTC)
_NAMES = ("Report Viewed", "Report Shared", "Project Created", "Data Imported", "Dashboard Opened", "Invite Sent")


def events(count: int) -> Iterator[tuple[str, str, int, bytes]]:
    """
    The events of the job in the order of their time, the same for the same count.

    Yields:
        User, workspace, day, and the Segment track event of 375 bytes.
    """
    chance = random.Random(_SEED)
    users = _population(chance, min(MAX_USERS, max(1, count // _EVENTS_PER_USER)))
    # A few users do much and most do little, as in every product: the weights of Zipf's law with a flattened head.
    weights = list(accumulate(1 / (rank + 20) for rank in range(len(users))))
    for number in range(count):
        user, workspace = chance.choices(users, cum_weights=weights)[0]
        at = _START + timedelta(seconds=number * DAYS * 86_400 / count)
        when = f"{at:%Y-%m-%dT%H:%M:%S}.000Z"
        name = _NAMES[number % len(_NAMES)]
        head = (
            f'{{"type":"track","messageId":"m-{number:012d}","event":"{name}","userId":"{user}",'
            f'"timestamp":"{when}","receivedAt":"{when}","context":{{"groupId":"{workspace}",'
            f'"library":{{"name":"analytics.js","version":"2.11.1"}}}},"properties":{{"path":"/reports","note":"'
        )
        yield user, workspace, day_of(when), (head.ljust(EVENT_BYTES - 3, "x") + '"}}').encode()


def expected(count: int) -> Answer:
    """The right answer for a run of so many events."""
    return answer_to((user, workspace, day) for user, workspace, day, _event in events(count))


def _population(chance: random.Random, size: int) -> list[tuple[str, str]]:
    """Users with their workspaces, the busiest first; most workspaces are small, a few have 60 users."""
    users = [f"u-{number:09d}" for number in chance.sample(range(10**9), size)]
    workspaces: list[str] = []
    while len(workspaces) < size:
        members = 1 + int(MAX_TEAM * chance.random() ** 3)
        workspaces += [f"w-{chance.randrange(10**6):06d}-{len(workspaces)}"] * members
    workspaces = workspaces[:size]
    # The busy ones are not all in the same workspaces.
    chance.shuffle(workspaces)
    return list(zip(users, workspaces, strict=True))

"""Many users with 60 simulated days behind them: a few thousand are simulated, and their states written many times."""

from __future__ import annotations

import hashlib
import math
import re
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path
from typing import Any, NamedTuple

import msgspec

from benchmarks.stepping import Steps
from signals.config import Config
from signals.shard import Shard
from simulator.play import simulate
from simulator.scenario import Scenario

_ROOT = Path(__file__).resolve().parent.parent
_CACHE = _ROOT / ".cache" / "bench"
# The simulator's ids (simulator/destiny.py, simulator/daily.py). A byte that happens to be a digit may follow one, so
# the number of digits is exact.
_IDS = re.compile(rb"(u_|a_|a_visitor_)(\d{6})|(ws_)(\d{5})")
# A copy's numbers begin where those of the one before have room to end.
_STRIDE = 100_000
_DIGITS = b"0123456789abcdefghijklmnopqrstuvwxyz"
_LINES = 1_000


class Sealed(NamedTuple):
    """A state as its changelog holds it."""

    subject: bytes
    value: bytes


class Population(msgspec.Struct):
    """The states after the simulated days: of users (visitors and workspaces' own among them) and of workspaces."""

    users: list[Sealed]
    workspaces: list[Sealed]

    @property
    def people(self) -> int:
        """Users proper: subjects that have signed in."""
        return sum(state.subject.startswith(b"user:") for state in self.users)

    def copies_for(self, people: int) -> int:
        """How often it must be written for so many users."""
        return math.ceil(people / self.people)


def populate(scenario: Scenario, config: Config) -> Population:
    """Let the steps of the river, and nothing else, live through a scenario."""
    steps = Steps(config)
    messages = (msgspec.json.encode(message) for message in simulate(scenario))
    while lines := list(islice(messages, _LINES)):
        facts = steps.step_users(steps.ingest(lines))
        while facts:
            facts = steps.step_workspaces(facts)
    return Population(list(_sealed(steps.users)), list(_sealed(steps.workspaces)))


def simulated_population(scenario: Scenario, config: Config) -> Population:
    """`populate`, kept until anything that it depends on changes."""
    sources = sorted(path for folder in ("simulator", "signals") for path in (_ROOT / folder).rglob("*.py"))
    version = hashlib.sha256(b"".join(source.read_bytes() for source in sources))
    version.update(f"{scenario.model_dump_json()} {config.hash}".encode())
    path = _CACHE / f"population-{version.hexdigest()[:12]}.msgpack"
    if path.exists():
        return msgspec.msgpack.decode(path.read_bytes(), type=Population)
    population = populate(scenario, config)
    _CACHE.mkdir(parents=True, exist_ok=True)
    partial = path.with_suffix(".part")
    partial.write_bytes(msgspec.msgpack.encode(population))
    partial.replace(path)
    return population


def copied(states: Iterable[Sealed], copy: int) -> Iterator[Sealed]:
    """The same states under the ids of another copy."""
    for subject, value in states:
        yield Sealed(renamed(subject, copy), renamed(value, copy))


def renamed(text: bytes, copy: int) -> bytes:
    """
    Give each id of the simulator in `text` the number it has in a copy, written to base 36.

    The ids of a copy are as long as those of the simulator: a state keeps its size, and the bytes around an id, which
    hold its length, stay right.
    """

    def rename(found: re.Match[bytes]) -> bytes:
        kind, digits = found[1] or found[3], found[2] or found[4]
        return kind + _to_base_36(int(digits) + copy * _STRIDE, len(digits))

    return _IDS.sub(rename, text)


def _to_base_36(number: int, length: int) -> bytes:
    written = bytearray(b"0" * length)
    for place in reversed(range(length)):
        number, written[place] = divmod(number, 36)[0], _DIGITS[number % 36]
    return bytes(written)


def _sealed(shard: Shard[Any]) -> Iterator[Sealed]:
    for subject, state in shard.items(shard):
        # The vendor's own few would be the same ones in every copy.
        if not _IDS.search(subject.encode()):
            continue
        # Applied up to nowhere: what comes next is new to it, whatever stands in the logs that it is held against.
        state.at = -1
        yield Sealed(subject.encode(), shard.sealed(subject))

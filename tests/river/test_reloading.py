"""
The config file edited under load, half of the times wrongly, while workers are killed: all agree with their logs.

A few edits in the suite; `PLG_TEST_EDITS=1000` makes it so many, about ten minutes.
"""

from __future__ import annotations

import os
import random
import statistics
import threading
import time
from collections import Counter
from collections.abc import Callable
from itertools import takewhile
from pathlib import Path

import msgspec
import pytest

from signals.codec import decode_fact_records, decode_user_records
from signals.engines import Engines
from signals.event import Event, Tick
from streams.config_log import ConfigLog
from streams.config_source import parse_config
from streams.replaying import Replay, read_lines
from tests.findings import Findings
from tests.oracle import Oracle
from tests.river.editing import Edit, draw, save
from tests.river.fleet import Fleet
from tests.river.harness import SESSION_TIMEOUT_S, River, river
from tests.river.oracle import reading
from tests.servers import KafkaServer

# The embedded broker shows ends of logs too low and is slow at rebalances (docs/adr/0005).
pytestmark = pytest.mark.apache_kafka

EDITS = int(os.environ.get("PLG_TEST_EDITS", "20"))
# Between two edits; some come before anybody has looked at the last one.
PAUSES_S = (0.1, 1.6)
# So many edits to a kill.
KILL_EVERY = 12 if EDITS <= 100 else 40
# Events a second: the story lasts as long as the edits do.
RATE = 250.0 if EDITS <= 100 else 100.0
SEED = 12
# At the end nothing moves the logs any more.
NO_TICKS = "86400"


@pytest.mark.timeout(100 + 5 * EDITS)
def test_edits_under_load_and_kills_lose_nothing_and_double_nothing_and_all_workers_agree_with_the_logs(
    tmp_path: Path, kafka: KafkaServer, prefix: str, story: Path, report: Callable[[str], None]
) -> None:
    rng = random.Random(SEED)
    folder = tmp_path / "config"
    folder.mkdir()
    with river(folder, kafka.address, prefix, clock="wall", overrides="topics: {partitions: 8}\n") as made:
        made.extra["PLG_TICK_S"], made.extra["PLG_HEALTH"] = "2", "off"
        fleet, load = Fleet(made), _Load(made, story)
        fleet.start("worker-0", "worker-1")
        fleet.wait_until_started()
        load.start()

        saved, ways, kills = _edit(rng, made, fleet)

        load.enough.set()
        load.join(60)
        assert fleet.wait(lambda: made.left(made.config.source.topics[0]) == 0, 90.0)
        _come_to_rest(made, fleet)
        found, named = _judge(made)
        kinds = dict(Counter(edit.what for edit, _ in saved))
        report(f"{len(saved)} edits: {kinds}; saved {dict(ways)}; {len(kills)} kills")
        report(_times(saved, named, kills))
        report(
            f"{load.replay.report.events:,} events; compared {found.said()}; "
            f"signals by {len(_configs_of_signals(made))} configs"
        )
        assert found.is_clean, found.text()
        refused = {edit.what for edit, _ in saved if edit.config is None}
        assert refused
        # What is in force in the end is the last edit that was right.
        last = next(edit.config for edit, _ in reversed(saved) if edit.config is not None)
        assert max(named, key=lambda name: named[name][1]) == last.hash
        assert not named.keys() - {edit.config.hash for edit, _ in saved if edit.config} - {made.config.hash}
        # A worker that starts while the file is broken says so and is started again.
        assert {code for _, code in fleet.endings} <= {2}, fleet.endings
        assert compared_enough(found)


def compared_enough(found: Findings) -> bool:
    return all(found.compared[what] for what in ("signal", "alert", "fact", "state", "verdict"))


class _Load(threading.Thread):
    """The product, which keeps sending."""

    def __init__(self, made: River, story: Path) -> None:
        super().__init__(name="load", daemon=True)
        self.replay = Replay(made.config, made.settings, rate=RATE, ticks=False)
        self.enough = threading.Event()
        self._story = story

    def run(self) -> None:
        self.replay.play(takewhile(lambda _: not self.enough.is_set(), read_lines([self._story])))


def _edit(rng: random.Random, made: River, fleet: Fleet) -> tuple[list[tuple[Edit, float]], Counter[str], list[float]]:
    """Edit the file so many times; returns the edits with when they were saved, how, and when workers were killed."""
    base = {
        "prefix": made.config.prefix,
        "source": {"topics": list(made.config.source.topics), "start": "earliest"},
        "events": {"activated": ["Report Shared"], "core": ["Project Created", "Data Imported"]},
        "internal": {"domains": ["oursaas.example"]},
        "topics": {"partitions": 8},
    }
    saved: list[tuple[Edit, float]] = []
    ways, kills = Counter[str](), list[float]()
    for number in range(EDITS):
        edit = draw(rng, number, base)
        ways[save(rng, made.config_path, edit.content)] += 1
        saved.append((edit, time.time()))
        time.sleep(rng.uniform(*PAUSES_S))
        fleet.tend()
        if number % KILL_EVERY == KILL_EVERY - 1:
            victims = rng.choice((["worker-0"], ["worker-1"], ["worker-0", "worker-1"]))
            fleet.kill(*victims)
            fleet.start(*victims)
            kills += [time.time()] * len(victims)
    # Whatever came last must not be what a file was left at by mistake.
    edit = draw(rng, EDITS, base)
    while edit.config is None:
        edit = draw(rng, EDITS, base)
    ways[save(rng, made.config_path, edit.content)] += 1
    saved.append((edit, time.time()))
    return saved, ways, kills


def _come_to_rest(made: River, fleet: Fleet) -> None:
    """Stop in good order, and let workers without ticks of their own apply what is left."""
    wanted = parse_config(made.config_path.read_text(), "the last edit").hash
    assert fleet.wait(lambda: wanted in _named(made), 60.0), "the last edit did not come into force"
    fleet.wait_until_started()
    fleet.stop(*fleet.workers)
    made.extra["PLG_TICK_S"] = NO_TICKS
    fleet.start("worker-0", "worker-1")
    fleet.wait_until_started()
    made.wait_until_settled()
    fleet.stop(*fleet.workers)


def _judge(made: River) -> tuple[Findings, dict[str, tuple[float, float]]]:
    read, known, found = reading(made), ConfigLog(), Findings()
    for record in read(made.topics.config):
        known.take(record.key, record.value)
    assert known.first is not None
    start = known.find(known.first.config)
    assert start is not None
    oracle = Oracle(start, read, made.config.source.topics, Engines(start, known.windows, known.find))
    oracle._judge_facts(found)
    oracle._judge_outputs(found)
    oracle._judge_states(found)
    inputs = (*made.config.source.topics, made.topics.user_events, made.topics.workspace_facts)
    oracle.judge_commits({(topic, n): end for topic in inputs for n, end in made.committed(topic).items()}, found)
    _judge_origins(made, found)
    return found, _named(made)


def _judge_origins(made: River, found: Findings) -> None:
    """What ingest resolved depends on when it knew of which config; that it passed on each record does not."""
    read = reading(made)
    sent = {(topic, one.partition, one.offset) for topic in made.config.source.topics for one in read(topic)}
    passed = {
        msgspec.structs.astuple(event.source)
        for record in read(made.topics.user_events)
        for event in decode_user_records(record.value or b"")
        if isinstance(event, Event)
    }
    found.compared["event"] += len(sent)
    found.lost += [f"event {place}" for place in sent - passed]
    found.extra += [f"event {place}" for place in passed - sent]


def _named(made: River) -> dict[str, tuple[float, float]]:
    """By hash: when its first tick stood in the last partition of both logs, and when the last one was, in seconds."""
    firsts: dict[str, dict[tuple[str, int], float]] = {}
    lasts: dict[str, float] = {}
    logs = ((made.topics.user_events, decode_user_records), (made.topics.workspace_facts, decode_fact_records))
    for topic, decode in logs:
        for message in made.read(topic):
            if b'"tick"' not in message.value()[:20]:
                continue
            for tick in decode(message.value()):
                if isinstance(tick, Tick) and tick.config:
                    at = message.timestamp()[1] / 1_000
                    firsts.setdefault(tick.config, {}).setdefault((topic, message.partition()), at)
                    lasts[tick.config] = max(at, lasts.get(tick.config, 0.0))
    return {name: (max(places.values()), lasts[name]) for name, places in firsts.items()}


def _times(saved: list[tuple[Edit, float]], named: dict[str, tuple[float, float]], kills: list[float]) -> str:
    good = [(edit.config.hash, at) for edit, at in saved if edit.config is not None]
    spans = [(at, named[name][0]) for name, at in good if name in named]
    # After a kill the group first has to notice, and the heir to recover.
    calm = [end - at for at, end in spans if not any(at - SESSION_TIMEOUT_S - 5 < kill < end for kill in kills)]
    return (
        f"of {len(good)} good edits {len(spans)} came into force, the others were followed by the next before that; "
        f"from saving to the tick in the last partition of both logs: {_shown([end - at for at, end in spans])}; "
        f"of these without a kill shortly before: {_shown(calm)}"
    )


def _shown(took: list[float]) -> str:
    if not took:
        return "none"
    took = sorted(took)
    p95 = took[int(0.95 * (len(took) - 1))]
    return f"{len(took)}, p50 {statistics.median(took):.2f} s, p95 {p95:.2f} s, max {took[-1]:.2f} s"


def _configs_of_signals(made: River) -> set[str]:
    return {one["config"] for one in made.read_json(made.topics.signals)}


def test_every_content_that_is_drawn_is_what_it_says(tmp_path: Path) -> None:
    rng = random.Random(SEED)
    base = {"prefix": "plg", "events": {"activated": ["Report Shared"]}}
    path = tmp_path / "plg.yaml"
    path.write_text("prefix: plg\n")

    for number in range(60):
        edit = draw(rng, number, base)
        save(rng, path, edit.content)
        assert path.read_bytes() == edit.content
        if edit.config is not None:
            assert parse_config(edit.content.decode(), str(number)) == edit.config

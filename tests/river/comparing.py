"""What a river left behind, held against backtests of the same file and of its own facts log."""

from __future__ import annotations

import json
import subprocess
from collections import Counter
from pathlib import Path
from typing import Any

from signals.contract import Alert, Signal
from tests.findings import Findings
from tests.oracle import copies
from tests.river.delivered import judge_redis
from tests.river.harness import River

# The same for every interleaving of partitions, as long as nobody is removed (SIGNALS 4, marked with a diamond).
ORDER_FREE = ("second_user", "multi_user", "enterprise_domain")


def backtest(river: River, *files: Path, facts: bool = False) -> list[dict[str, Any]]:
    """The signals that `plg backtest` finds in files."""
    out = river.folder / f"{files[0].name}.signals.jsonl"
    options = ["--facts"] if facts else []
    ran = river.plg("backtest", *options, str(river.config_path), *map(str, files), "--out", str(out))
    assert ran.returncode == 0, ran.stderr
    return [json.loads(line) for line in out.read_text().splitlines()]


def backtest_of_facts(river: River) -> list[dict[str, Any]]:
    """The signals of the river's own facts log, recorded and folded anew."""
    recorded = river.folder / "facts.jsonl.gz"
    ran = river.plg("topics", "record", river.topics.workspace_facts, "--out", str(recorded))
    assert ran.returncode == 0, ran.stderr
    return backtest(river, recorded, facts=True)


def check_signals(river: River, story: Path) -> str:
    """
    Hold the live signals against the backtests: none missing, none that should not be.

    Returns:
        What was compared, in one line.
    """
    # A backtest is not asked for measures.
    live = [signal for signal in river.read_json(river.topics.signals) if signal["kind"] != "measure"]
    in_file, in_facts = backtest(river, story), backtest_of_facts(river)

    _same_ids("user scope, against the file", _of(live, "user"), _of(in_file, "user"))
    _same_ids("workspace scope, against the facts log", _of(live, "workspace"), _of(in_facts, "workspace"))
    removed = workspaces_with_removals(story)
    differing = []
    for signal in ORDER_FREE:
        apart = _subjects(live, signal) ^ _subjects(in_file, signal)
        assert apart <= removed, f"{signal}: {sorted(apart - removed)} differ though nobody was removed there"
        differing += [f"{signal} of {workspace}" for workspace in sorted(apart)]
    counts = Counter(signal["signal"] for signal in {signal["id"]: signal for signal in live}.values())
    return (
        f"{len(_of(live, 'user'))} signals of users equal the file's, {len(_of(live, 'workspace'))} of workspaces"
        f" equal the facts log's ({', '.join(f'{name} {count}' for name, count in sorted(counts.items()))});"
        f" {len(live)} records for {len({signal['id'] for signal in live})} signals;"
        f" order-free sets differ in {differing or 'nothing'}"
    )


def check_contract(river: River) -> None:
    """Every signal and alert is what the public models say."""
    for topic, model in ((river.topics.signals, Signal), (river.topics.alerts, Alert)):
        messages = river.read(topic)
        assert messages, f"{topic} is empty"
        for message in messages:
            model.model_validate_json(message.value())


def check_redis(river: River) -> str:
    """
    Redis has each alert of the topic once in each of its states, and in the queue the open ones.

    Returns:
        What was compared, in one line.
    """
    river.wait_until_delivered()
    values = [record.value() for record in river.read(river.topics.alerts)]
    alerts = {state: min(seen) for state, seen in copies(values).items()}
    found = Findings()
    judge_redis(river, alerts, found)

    assert alerts, "no alert at all"
    assert found.is_clean, found.text()
    names = {name for name, _, _ in alerts}
    return f"{len(names)} alerts in {len(alerts)} states, {len(values)} records on the topic; compared {found.said()}"


def check_one_message(ran: subprocess.CompletedProcess[str], *expected: str) -> None:
    """One line that begins with our name (structured log lines aside), and no traceback."""
    said = [line for line in ran.stderr.splitlines() if line and not line.startswith("{")]
    assert "Traceback" not in ran.stderr, ran.stderr
    assert said, "nothing was said"
    assert said[0].startswith("plg: "), ran.stderr
    assert not [line for line in said[1:] if not line.startswith(" ") and not line.startswith("Missing topics")], said
    for text in expected:
        assert text in ran.stderr, ran.stderr


def workspaces_with_removals(story: Path) -> set[str]:
    """The workspaces of which a file removes somebody."""
    found = set()
    for line in story.read_bytes().splitlines():
        if b"Account Removed User" in line:
            event = json.loads(line)
            found.add(event.get("context", {}).get("groupId") or event["groupId"])
    return found


def _of(signals: list[dict[str, Any]], scope: str) -> dict[str, str]:
    """Ids of a scope, each with what it is about."""
    subject = f"{scope}_id"
    return {s["id"]: f"{s['signal']} of {s[subject]}" for s in signals if s["scope"] == scope}


def _subjects(signals: list[dict[str, Any]], name: str) -> set[str]:
    return {signal["workspace_id"] for signal in signals if signal["signal"] == name}


def _same_ids(what: str, live: dict[str, str], expected: dict[str, str]) -> None:
    assert expected, f"{what}: nothing to compare"
    missing = [expected[found] for found in expected.keys() - live.keys()]
    extra = [live[found] for found in live.keys() - expected.keys()]
    assert (missing[:5], extra[:5]) == ([], []), f"{what}: {len(missing)} missing, {len(extra)} too many"

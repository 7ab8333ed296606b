"""Whatever an id is, in Redis it stays in its own keys, and no script has text of an event in it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from sinks.base import Delivery
from sinks.redis import RedisSink, _script
from sinks.redis_alert import key_part
from tests.sinks.slacking import alert_values

# The machine may be busy: no single example is timed.
FEW = settings(max_examples=40, deadline=None)
# Ids as JSON can carry them: any text but halves of surrogate pairs.
IDS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=200),
    st.sampled_from(
        [
            "a b",
            "{other}:alerts",
            "plg}:alerts",
            "x\r\nFLUSHALL\r\n",
            "x\0y",
            "]] redis.call('FLUSHALL') --[[",
            "*",
            "h:" + "0" * 64,
            "../alerts",
            "é",
            "x" * 129,
        ]
    ),
)
KEY = re.compile(
    rb"\{plg\}:(alerts|workspace-offsets|(queue|workspace|seen):[A-Za-z0-9_.:@-]{1,160}"
    rb"|queue-open:[a-z][a-z0-9_-]*:[A-Za-z0-9_.:@-]{1,128})"
)


class Recorder:
    """A pipeline that only remembers what it was told."""

    def __init__(self) -> None:
        self.calls: list[tuple[list[bytes], list[Any]]] = []

    @contextmanager
    def pipeline(self, **_: Any) -> Iterator[Recorder]:
        yield self

    def execute(self, **_: Any) -> list[int]:
        return [1] * len(self.calls)

    def register_script(self, text: str) -> Any:
        assert "canary" not in text

        def call(keys: list[bytes], args: list[Any], client: object) -> None:
            assert client is self
            self.calls.append((list(keys), list(args)))

        return call


def calls(topic: str, key: str, **fields: Any) -> list[tuple[list[bytes], list[Any]]]:
    """What the sink asks of Redis for one record."""
    sink, recorder = RedisSink("redis://127.0.0.1:1"), Recorder()
    sink._client.close()
    sink._client = recorder  # type: ignore[assignment]
    sink._alert_script = sink._snapshot_script = recorder.register_script("")
    value = json.dumps(alert_values(**fields)).encode()
    sink.deliver_batch([Delivery(f"plg.{topic}", 0, 7, key.encode(), value)])
    return recorder.calls


@FEW
@given(workspace=IDS, alert=IDS)
def test_an_id_of_any_kind_makes_keys_of_ours_and_nothing_else(workspace: str, alert: str) -> None:
    [(keys, args)] = calls("alerts", workspace, workspace_id=workspace, id=alert, route="sales")

    assert all(KEY.fullmatch(key) for key in keys)
    # As a value it is untouched.
    assert workspace.encode() in args
    assert alert.encode() in args


@FEW
@given(workspace=IDS.filter(bool))
def test_a_snapshot_of_any_workspace_has_a_key_of_ours(workspace: str) -> None:
    [(keys, args)] = calls("workspaces", workspace)

    assert all(KEY.fullmatch(key) for key in keys)
    assert args[0] == workspace.encode()


@FEW
@given(one=IDS, other=IDS)
def test_two_ids_never_share_a_key(one: str, other: str) -> None:
    assume(one != other)

    assert key_part(one.encode()) != key_part(other.encode())


def test_a_script_takes_names_and_values_as_parameters_alone() -> None:
    for name in ("alert", "snapshot"):
        text = _script(name)
        calls_made = re.findall(r"redis\.call\(([^)]*)\)", text)

        assert calls_made
        # The first is the command, written out; what follows is KEYS, ARGV or a variable made of them.
        assert all(re.match(r"'[A-Z]+'", call) for call in calls_made)
        assert not re.search(r"\b(loadstring|load|dofile|require|eval)\b", text, re.IGNORECASE)

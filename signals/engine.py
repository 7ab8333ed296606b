"""What the shell needs of the core, in one place: the two steps, the rules, and states and records as bytes."""

from __future__ import annotations

from typing import Any

from signals.codec import (
    decode_fact_records,
    decode_user_records,
    decode_user_state,
    decode_workspace_state,
    encode_fact,
    encode_state,
)
from signals.compiled import Engine
from signals.facts import Outputs
from signals.shard import Shard
from signals.snapshot import snapshot_json
from signals.steps import News, Stepped, UserRecord, WorkspaceRecord
from signals.user import UserState
from signals.user_step import set_aside_event, step_users
from signals.workspace import WorkspaceState
from signals.workspace_step import ASKING, set_aside_fact, step_workspaces

__all__ = [
    "ASKING",
    "Engine",
    "News",
    "Outputs",
    "Stepped",
    "UserRecord",
    "WorkspaceRecord",
    "decode_fact_records",
    "decode_user_records",
    "decode_user_state",
    "decode_workspace_state",
    "encode_fact",
    "encode_state",
    "set_aside_event",
    "set_aside_fact",
    "snapshot_json",
    "step_user",
    "step_users",
    "step_workspace",
    "step_workspaces",
]


def step_user(shard: Shard[UserState], record: UserRecord, position: int, partition: int, engine: Engine) -> Outputs:
    """Apply one record of `plg.user-events`, as `step_users` does; all that it put out in one."""
    return _in_one(step_users(shard, (record,), (position,), partition, engine))


def step_workspace(
    shard: Shard[WorkspaceState], record: WorkspaceRecord, position: int, partition: int, engine: Engine
) -> Outputs:
    """Apply one record of `plg.workspace-facts`, as `step_workspaces` does; all that it put out in one."""
    return _in_one(step_workspaces(shard, (record,), (position,), partition, engine))


def _in_one(stepped: Stepped[Any]) -> Outputs:
    out = stepped.news[0].out if stepped.news else Outputs()
    out.facts = stepped.facts
    return out

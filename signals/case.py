"""A case: one workspace at one moment, as policy looks at it, and where verdicts and alerts about it go."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import msgspec

from signals.facts import Decision, Firing, Outputs, Verdict
from signals.workspace import Recent

if TYPE_CHECKING:
    from signals.compiled import Engine
    from signals.workspace import PolicyState, WorkspaceState


class Case(msgspec.Struct):
    """
    What policy decides about, and by.

    `time` is event time: of the record, or of the timer that is due. `now` is when people could hear of it: the wall
    time of ingest, and event time where events move the clock. Both are Unix milliseconds. `muted` are the signals that
    nobody wants to hear of anywhere, with the time that ends.
    """

    workspace_id: str
    workspace: WorkspaceState
    time: int
    now: int
    engine: Engine
    out: Outputs
    muted: Mapping[str, int]

    @property
    def policy(self) -> PolicyState:
        """What policy remembers of the workspace."""
        return self.workspace.policy

    def at(self, time: int) -> Case:
        """The same workspace at the moment at which something is due."""
        return Case(self.workspace_id, self.workspace, time, time, self.engine, self.out, self.muted)

    def decide(
        self, firing: Firing, decision: Decision, reason: str | None = None, alert_id: str | None = None
    ) -> None:
        """Give a verdict about a signal, and remember it."""
        self.out.verdicts.append(
            Verdict(firing.id, firing.signal, decision, self.time, self.workspace_id, reason, alert_id)
        )
        recent = self.policy.recent
        recent.append(Recent(firing.signal, decision, self.time, reason))
        del recent[: -self.engine.config.limits.recent_verdicts]

"""Events about plan, seats and usage, as a billing back end and a group call send them."""

from __future__ import annotations

from signals.event import Event, EventType, Role, Scalar
from signals.facts import Firing
from tests.signals.builders import MONDAY, event


def plan_changed(
    on: int = MONDAY,
    *,
    name: str = "Plan Changed",
    user: str | None = None,
    workspace: str | None = "acme",
    **properties: Scalar,
) -> Event:
    """A `plan_changed` of a workspace."""
    made = event(user, workspace, on=on, roles=[Role.PLAN_CHANGED], name=name)
    made.properties = properties
    return made


def group(on: int = MONDAY, *, user: str = "ann", **traits: Scalar) -> Event:
    """A group call of a user with the workspace's traits."""
    return event(user, "acme", on=on, kind=EventType.GROUP, traits=traits)


def usage(on: int = MONDAY, **properties: Scalar) -> Event:
    """A `usage_reported` of a workspace, of 100 calls unless said otherwise."""
    made = event(None, "acme", on=on, roles=[Role.USAGE_REPORTED], name="Usage Reported")
    made.properties = {"metric": "calls", "limit": 100} | properties
    return made


def created(on: int = MONDAY) -> Event:
    """The workspace has been made."""
    return event(None, "acme", on=on, roles=[Role.WORKSPACE_CREATED], name="Workspace Created")


def of(signal: str, firings: list[Firing]) -> list[dict[str, Scalar | None]]:
    """The evidence of each firing of a signal."""
    return [firing.evidence for firing in firings if firing.signal == signal]

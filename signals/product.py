"""The half of the config that describes the product: its event names, where its records carry what, its plans."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict

from signals.event import Role
from signals.names import Hosts, Names, Paths, UserIds


class Section(BaseModel):
    """A part of the config: frozen, and a key it does not know is a mistake."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class EventNames(Section):
    """The product's event names that mean each role, and those that are no sign of life (`passive`)."""

    signed_up: Names = ("Signed Up", "User Signed Up", "Sign Up")
    activated: Names = ()
    workspace_created: Names = ("Account Created", "Workspace Created")
    invite_sent: Names = ("Invite Sent", "Teammate Invited", "User Invited")
    member_joined: Names = ("Account Added User", "Workspace Joined", "Invite Accepted")
    member_removed: Names = ("Account Removed User", "Workspace Left")
    trial_started: Names = ("Trial Started",)
    trial_ended: Names = ("Trial Ended",)
    plan_changed: Names = ("Plan Changed", "Subscription Started", "Subscription Updated", "Subscription Cancelled")
    usage_reported: Names = ("Usage Reported", "Usage Updated")
    feature_gated: Names = ("Feature Gated", "Paywall Viewed", "Upgrade Required")
    procurement_requested: Names = (
        "MSA Requested",
        "DPA Requested",
        "Security Review Requested",
        "Invoice Billing Requested",
        "PO Requested",
    )
    sales_contacted: Names = ("Contact Sales Clicked", "Demo Requested", "Contact Sales Submitted")
    core: Names = ()
    passive: Names = ()

    def of(self, role: Role) -> tuple[str, ...]:
        """The names that mean a role."""
        names: tuple[str, ...] = getattr(self, role.value)
        return names


class Identity(Section):
    """Where in a record each thing stands: dotted paths, the first that holds a usable value wins."""

    message_id: Paths = ("messageId",)
    type: Paths = ("type",)
    event_name: Paths = ("event",)
    page_name: Paths = ("name",)
    user_id: Paths = ("userId",)
    anonymous_id: Paths = ("anonymousId",)
    workspace_id: Paths = ("context.groupId", "groupId")
    group_workspace_id: Paths = ("groupId", "context.groupId")
    member_id: Paths = ("properties.member_id", "properties.user_id", "properties.removed_user_id")
    email: Paths = ("context.traits.email", "traits.email", "properties.email")
    time: Paths = ("timestamp", "originalTimestamp")
    received_at: Paths = ("receivedAt",)


class Internal(Section):
    """Our own people: they raise nothing."""

    domains: Hosts = ()
    user_ids: UserIds = ()


class DomainLists(Section):
    """Ops' additions to the shipped lists of domains."""

    enterprise: Hosts = ()
    free_mail: Hosts = ()
    disposable: Hosts = ()
    competitors: Hosts = ()


class Plans(Section):
    """Which plans cost nothing, and the paid ones from small to large; compared like event names."""

    free: Names = ("free", "trial")
    order: Names = ()

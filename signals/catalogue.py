"""The catalogue: every rule, in the order in which the signals of one event are raised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from signals.rules.activated import Activated
from signals.rules.cancelled import Cancelled
from signals.rules.champion_left import ChampionLeft
from signals.rules.converted_to_paid import ConvertedToPaid
from signals.rules.enterprise_domain import EnterpriseDomain
from signals.rules.first_invite import FirstInvite
from signals.rules.gated_feature import GatedFeature
from signals.rules.hand_raised import HandRaised
from signals.rules.limit_hit_no_upgrade import LimitHitNoUpgrade
from signals.rules.multi_user import MultiUser
from signals.rules.plan_downgraded import PlanDowngraded
from signals.rules.plan_upgraded import PlanUpgraded
from signals.rules.procurement import Procurement
from signals.rules.seat_growth import SeatGrowth
from signals.rules.seat_limit import SeatLimit
from signals.rules.seats_added import SeatsAdded
from signals.rules.seats_removed import SeatsRemoved
from signals.rules.second_user import SecondUser
from signals.rules.signed_up import SignedUp
from signals.rules.trial_ending import TrialEnding
from signals.rules.usage_limit import UsageLimit
from signals.rules.went_silent import WentSilent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from signals.billing import Terms
    from signals.config import Config
    from signals.domains import Domains
    from signals.rule import DerivedRule, Rule, UserRule, UserTimer, WorkspaceRule, WorkspaceTimer


@dataclass(frozen=True)
class Catalogue:
    """The rules by what asks them, and of each whether it is switched on."""

    users: dict[UserRule, bool]
    user_timers: dict[UserTimer, bool]
    workspaces: dict[WorkspaceRule, bool]
    workspace_timers: dict[WorkspaceTimer, bool]
    derived: dict[DerivedRule, bool]

    def all(self) -> Iterator[Rule]:
        """Every rule, switched on or not."""
        for group in (self.users, self.user_timers, self.workspaces, self.workspace_timers, self.derived):
            yield from group


def catalogue(config: Config, domains: Domains, terms: Terms) -> Catalogue:
    """Build the rules; `terms` says what pays."""
    params = config.signals
    users: dict[UserRule, bool] = {
        SignedUp(params.signed_up): params.signed_up.enabled,
        Activated(params.activated): params.activated.enabled,
        FirstInvite(params.first_invite): params.first_invite.enabled,
        HandRaised(params.hand_raised): params.hand_raised.enabled,
        GatedFeature(params.gated_feature): params.gated_feature.enabled,
    }
    workspaces: dict[WorkspaceRule, bool] = {
        SecondUser(params.second_user): params.second_user.enabled,
        MultiUser(params.multi_user): params.multi_user.enabled,
        SeatGrowth(params.seat_growth): params.seat_growth.enabled,
        EnterpriseDomain(params.enterprise_domain, domains): params.enterprise_domain.enabled,
        Procurement(params.procurement): params.procurement.enabled,
        UsageLimit(params.usage_limit): params.usage_limit.enabled,
        SeatLimit(params.seat_limit): params.seat_limit.enabled,
        ConvertedToPaid(params.converted_to_paid): params.converted_to_paid.enabled,
        PlanUpgraded(params.plan_upgraded): params.plan_upgraded.enabled,
        PlanDowngraded(params.plan_downgraded): params.plan_downgraded.enabled,
        SeatsAdded(params.seats_added): params.seats_added.enabled,
        SeatsRemoved(params.seats_removed): params.seats_removed.enabled,
        Cancelled(params.cancelled): params.cancelled.enabled,
        ChampionLeft(params.champion_left, terms): params.champion_left.enabled,
    }
    user_timers: dict[UserTimer, bool] = {}
    workspace_timers: dict[WorkspaceTimer, bool] = {
        WentSilent(params.went_silent, terms): params.went_silent.enabled,
        TrialEnding(params.trial_ending, terms): params.trial_ending.enabled,
        LimitHitNoUpgrade(params.limit_hit_no_upgrade): params.limit_hit_no_upgrade.enabled,
    }
    derived: dict[DerivedRule, bool] = {}
    return Catalogue(users, user_timers, workspaces, workspace_timers, derived)

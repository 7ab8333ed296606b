"""The catalogue: every rule, in the order in which the signals of one event are raised."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from signals.custom import CustomAbsence
from signals.custom import CustomDistinctUsers as CustomDistinctUsersStanza
from signals.rule import Scope
from signals.rules.activated import Activated
from signals.rules.activation_stalled import ActivationStalled
from signals.rules.cancelled import Cancelled
from signals.rules.champion_left import ChampionLeft
from signals.rules.converted_to_paid import ConvertedToPaid
from signals.rules.custom_absence import CustomUserAbsence, CustomWorkspaceAbsence
from signals.rules.custom_count import CustomUserCount, CustomWorkspaceCount
from signals.rules.custom_distinct_users import CustomDistinctUsers
from signals.rules.enterprise_domain import EnterpriseDomain
from signals.rules.expansion_ready import ExpansionReady
from signals.rules.first_invite import FirstInvite
from signals.rules.gated_feature import GatedFeature
from signals.rules.habit_formed import HabitFormed
from signals.rules.hand_raised import HandRaised
from signals.rules.limit_hit_no_upgrade import LimitHitNoUpgrade
from signals.rules.multi_user import MultiUser
from signals.rules.plan_downgraded import PlanDowngraded
from signals.rules.plan_upgraded import PlanUpgraded
from signals.rules.power_user import PowerUser
from signals.rules.pql import Pql
from signals.rules.procurement import Procurement
from signals.rules.seat_growth import SeatGrowth
from signals.rules.seat_limit import SeatLimit
from signals.rules.seats_added import SeatsAdded
from signals.rules.seats_removed import SeatsRemoved
from signals.rules.second_user import SecondUser
from signals.rules.signed_up import SignedUp
from signals.rules.trial_ending import TrialEnding
from signals.rules.usage_drop import UsageDrop
from signals.rules.usage_limit import UsageLimit
from signals.rules.usage_spike import UsageSpike
from signals.rules.went_silent import WentSilent
from signals.score import Scoring

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from signals.billing import Terms
    from signals.config import Config
    from signals.domains import Domains
    from signals.moments import Days
    from signals.rule import DerivedRule, Rule, UserRule, UserTimer, WorkspaceRule, WorkspaceTimer


@dataclass(frozen=True)
class Catalogue:
    """The rules by what asks them, and of each whether it is switched on."""

    users: dict[UserRule, bool]
    user_timers: dict[UserTimer, bool]
    workspaces: dict[WorkspaceRule, bool]
    workspace_timers: dict[WorkspaceTimer, bool]
    derived: dict[DerivedRule, bool]
    # The config's own, asked by the marks of events and after all others; those with timers are among the timers.
    custom_users: dict[UserRule, bool]
    custom_workspaces: dict[WorkspaceRule, bool]
    # By the weights of the others.
    scoring: Scoring

    def all(self) -> Iterator[Rule]:
        """Every rule, switched on or not."""
        yield from (rule for group in self._groups() for rule in group)

    def in_force(self) -> Iterator[Rule]:
        """The rules that are switched on."""
        yield from (rule for group in self._groups() for rule, is_on in group.items() if is_on)

    def _groups(self) -> Iterator[Mapping[Rule, bool]]:
        groups: tuple[Mapping[Any, bool], ...] = (
            self.users,
            self.user_timers,
            self.workspaces,
            self.workspace_timers,
            self.custom_users,
            self.custom_workspaces,
            self.derived,
        )
        yield from groups


def catalogue(config: Config, domains: Domains, terms: Terms, days: Days) -> Catalogue:
    """Build the rules; `terms` tells which plans are paid for, `days` which day a moment falls on."""
    params = config.signals
    users: dict[UserRule, bool] = {
        SignedUp(params.signed_up): params.signed_up.enabled,
        Activated(params.activated): params.activated.enabled,
        HabitFormed(params.habit_formed, days): params.habit_formed.enabled,
        FirstInvite(params.first_invite): params.first_invite.enabled,
        PowerUser(params.power_user, days): params.power_user.enabled,
        HandRaised(params.hand_raised): params.hand_raised.enabled,
        GatedFeature(params.gated_feature): params.gated_feature.enabled,
    }
    # Without core events there is no volume.
    has_volume = bool(config.events.core)
    workspaces: dict[WorkspaceRule, bool] = {
        SecondUser(params.second_user): params.second_user.enabled,
        MultiUser(params.multi_user): params.multi_user.enabled,
        SeatGrowth(params.seat_growth): params.seat_growth.enabled,
        EnterpriseDomain(params.enterprise_domain, domains): params.enterprise_domain.enabled,
        Procurement(params.procurement): params.procurement.enabled,
        UsageLimit(params.usage_limit): params.usage_limit.enabled,
        SeatLimit(params.seat_limit): params.seat_limit.enabled,
        UsageSpike(params.usage_spike, days): params.usage_spike.enabled and has_volume,
        UsageDrop(params.usage_drop, terms, days): params.usage_drop.enabled and has_volume,
        ConvertedToPaid(params.converted_to_paid): params.converted_to_paid.enabled,
        PlanUpgraded(params.plan_upgraded): params.plan_upgraded.enabled,
        PlanDowngraded(params.plan_downgraded): params.plan_downgraded.enabled,
        SeatsAdded(params.seats_added): params.seats_added.enabled,
        SeatsRemoved(params.seats_removed): params.seats_removed.enabled,
        Cancelled(params.cancelled): params.cancelled.enabled,
        ChampionLeft(params.champion_left, terms): params.champion_left.enabled,
    }
    user_timers: dict[UserTimer, bool] = {
        # Where nothing is an activation, everybody would have stalled (SIGNALS A5).
        ActivationStalled(params.activation_stalled): params.activation_stalled.enabled
        and bool(config.events.activated),
    }
    workspace_timers: dict[WorkspaceTimer, bool] = {
        WentSilent(params.went_silent, terms): params.went_silent.enabled,
        TrialEnding(params.trial_ending, terms): params.trial_ending.enabled,
        LimitHitNoUpgrade(params.limit_hit_no_upgrade): params.limit_hit_no_upgrade.enabled,
    }
    custom_users: dict[UserRule, bool] = {}
    custom_workspaces: dict[WorkspaceRule, bool] = {}
    # By name, so that the order in which a file lists them changes nothing.
    for name, stanza in sorted(config.custom.items()):
        is_of_user = stanza.scope is Scope.USER
        if isinstance(stanza, CustomAbsence):
            if is_of_user:
                user_timers[CustomUserAbsence(name, stanza)] = stanza.enabled
            else:
                workspace_timers[CustomWorkspaceAbsence(name, stanza)] = stanza.enabled
        elif isinstance(stanza, CustomDistinctUsersStanza):
            custom_workspaces[CustomDistinctUsers(name, stanza)] = stanza.enabled
        elif is_of_user:
            custom_users[CustomUserCount(name, stanza)] = stanza.enabled
        else:
            custom_workspaces[CustomWorkspaceCount(name, stanza)] = stanza.enabled
    scored = [*users, *user_timers, *workspaces, *workspace_timers, *custom_users, *custom_workspaces]
    scoring = Scoring(config.score, domains, frozenset(config.internal.domains), scored)
    derived: dict[DerivedRule, bool] = {
        Pql(params.pql, scoring): params.pql.enabled,
        ExpansionReady(params.expansion_ready, terms): params.expansion_ready.enabled,
    }
    return Catalogue(
        users, user_timers, workspaces, workspace_timers, derived, custom_users, custom_workspaces, scoring
    )

"""The part of the config that says when each signal fires: the parameters of every rule, by the signal's name."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from signals.names import Form
from signals.product import Section
from signals.rules.activated import ActivatedParams
from signals.rules.activation_stalled import ActivationStalledParams
from signals.rules.cancelled import CancelledParams
from signals.rules.champion_left import ChampionLeftParams
from signals.rules.converted_to_paid import ConvertedToPaidParams
from signals.rules.enterprise_domain import EnterpriseDomainParams
from signals.rules.expansion_ready import ExpansionReadyParams
from signals.rules.first_invite import FirstInviteParams
from signals.rules.gated_feature import GatedFeatureParams
from signals.rules.habit_formed import HabitFormedParams
from signals.rules.hand_raised import HandRaisedParams
from signals.rules.limit_hit_no_upgrade import LimitHitNoUpgradeParams
from signals.rules.multi_user import MultiUserParams
from signals.rules.plan_downgraded import PlanDowngradedParams
from signals.rules.plan_upgraded import PlanUpgradedParams
from signals.rules.power_user import PowerUserParams
from signals.rules.pql import PqlParams
from signals.rules.procurement import ProcurementParams
from signals.rules.seat_growth import SeatGrowthParams
from signals.rules.seat_limit import SeatLimitParams
from signals.rules.seats_added import SeatsAddedParams
from signals.rules.seats_removed import SeatsRemovedParams
from signals.rules.second_user import SecondUserParams
from signals.rules.signed_up import SignedUpParams
from signals.rules.trial_ending import TrialEndingParams
from signals.rules.usage_drop import UsageDropParams
from signals.rules.usage_limit import UsageLimitParams
from signals.rules.usage_spike import UsageSpikeParams
from signals.rules.went_silent import WentSilentParams


class Signals(Section):
    """The parameters of every signal."""

    signed_up: SignedUpParams = SignedUpParams()
    activated: ActivatedParams = ActivatedParams()
    habit_formed: HabitFormedParams = HabitFormedParams()
    activation_stalled: ActivationStalledParams = ActivationStalledParams()
    first_invite: FirstInviteParams = FirstInviteParams()
    power_user: PowerUserParams = PowerUserParams()
    hand_raised: HandRaisedParams = HandRaisedParams()
    gated_feature: GatedFeatureParams = GatedFeatureParams()
    second_user: SecondUserParams = SecondUserParams()
    multi_user: MultiUserParams = MultiUserParams()
    seat_growth: SeatGrowthParams = SeatGrowthParams()
    enterprise_domain: EnterpriseDomainParams = EnterpriseDomainParams()
    procurement: ProcurementParams = ProcurementParams()
    usage_limit: UsageLimitParams = UsageLimitParams()
    seat_limit: SeatLimitParams = SeatLimitParams()
    usage_spike: UsageSpikeParams = UsageSpikeParams()
    usage_drop: UsageDropParams = UsageDropParams()
    went_silent: WentSilentParams = WentSilentParams()
    trial_ending: TrialEndingParams = TrialEndingParams()
    converted_to_paid: ConvertedToPaidParams = ConvertedToPaidParams()
    plan_upgraded: PlanUpgradedParams = PlanUpgradedParams()
    plan_downgraded: PlanDowngradedParams = PlanDowngradedParams()
    seats_added: SeatsAddedParams = SeatsAddedParams()
    seats_removed: SeatsRemovedParams = SeatsRemovedParams()
    cancelled: CancelledParams = CancelledParams()
    pql: PqlParams = PqlParams()
    expansion_ready: ExpansionReadyParams = ExpansionReadyParams()
    limit_hit_no_upgrade: LimitHitNoUpgradeParams = LimitHitNoUpgradeParams()
    champion_left: ChampionLeftParams = ChampionLeftParams()


def check_signal(name: str, custom: Collection[str] = ()) -> None:
    """
    Hold a name against the signals that there are.

    Args:
        name: What somebody wrote.
        custom: The names of the config's own signals.

    Raises:
        ValueError: There is no such signal; says which one may be meant.
    """
    if name not in Signals.model_fields and name not in custom:
        known = [*Signals.model_fields, *custom]
        near = difflib.get_close_matches(name, known, n=1)
        advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(known)}"
        raise ValueError(f"there is no signal {name!r}; {advice}")


def _own_name(name: str) -> str:
    if name in Signals.model_fields:
        raise ValueError(f"{name} is a signal of ours; give yours another name")
    return name


_PATTERN = r"[a-z][a-z0-9_]{0,63}"
_FORM = Form(_PATTERN, "the name of a signal: lower-case letters, digits and _, a letter first")
# The name of one of the config's own.
CustomName = Annotated[str, _FORM, AfterValidator(_own_name)]
# The form of a signal's name. Whether there is one of that name only a whole config can tell, which may have its own.
SignalName = Annotated[
    str,
    _FORM,
    WithJsonSchema({"type": "string", "pattern": f"^{_PATTERN}$", "examples": list(Signals.model_fields)}),
]

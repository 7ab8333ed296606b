"""The part of the config that says when each signal fires: the parameters of every rule, by the signal's name."""

from __future__ import annotations

import difflib
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from signals.product import Section
from signals.rules.activated import ActivatedParams
from signals.rules.cancelled import CancelledParams
from signals.rules.champion_left import ChampionLeftParams
from signals.rules.converted_to_paid import ConvertedToPaidParams
from signals.rules.enterprise_domain import EnterpriseDomainParams
from signals.rules.first_invite import FirstInviteParams
from signals.rules.gated_feature import GatedFeatureParams
from signals.rules.hand_raised import HandRaisedParams
from signals.rules.limit_hit_no_upgrade import LimitHitNoUpgradeParams
from signals.rules.multi_user import MultiUserParams
from signals.rules.plan_downgraded import PlanDowngradedParams
from signals.rules.plan_upgraded import PlanUpgradedParams
from signals.rules.procurement import ProcurementParams
from signals.rules.seat_growth import SeatGrowthParams
from signals.rules.seat_limit import SeatLimitParams
from signals.rules.seats_added import SeatsAddedParams
from signals.rules.seats_removed import SeatsRemovedParams
from signals.rules.second_user import SecondUserParams
from signals.rules.signed_up import SignedUpParams
from signals.rules.trial_ending import TrialEndingParams
from signals.rules.usage_limit import UsageLimitParams
from signals.rules.went_silent import WentSilentParams


class Signals(Section):
    """The parameters of every signal."""

    signed_up: SignedUpParams = SignedUpParams()
    activated: ActivatedParams = ActivatedParams()
    first_invite: FirstInviteParams = FirstInviteParams()
    hand_raised: HandRaisedParams = HandRaisedParams()
    gated_feature: GatedFeatureParams = GatedFeatureParams()
    second_user: SecondUserParams = SecondUserParams()
    multi_user: MultiUserParams = MultiUserParams()
    seat_growth: SeatGrowthParams = SeatGrowthParams()
    enterprise_domain: EnterpriseDomainParams = EnterpriseDomainParams()
    procurement: ProcurementParams = ProcurementParams()
    usage_limit: UsageLimitParams = UsageLimitParams()
    seat_limit: SeatLimitParams = SeatLimitParams()
    went_silent: WentSilentParams = WentSilentParams()
    trial_ending: TrialEndingParams = TrialEndingParams()
    converted_to_paid: ConvertedToPaidParams = ConvertedToPaidParams()
    plan_upgraded: PlanUpgradedParams = PlanUpgradedParams()
    plan_downgraded: PlanDowngradedParams = PlanDowngradedParams()
    seats_added: SeatsAddedParams = SeatsAddedParams()
    seats_removed: SeatsRemovedParams = SeatsRemovedParams()
    cancelled: CancelledParams = CancelledParams()
    limit_hit_no_upgrade: LimitHitNoUpgradeParams = LimitHitNoUpgradeParams()
    champion_left: ChampionLeftParams = ChampionLeftParams()


def _known_signal(name: str) -> str:
    if name not in Signals.model_fields:
        near = difflib.get_close_matches(name, Signals.model_fields, n=1)
        advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(Signals.model_fields)}"
        raise ValueError(f"there is no signal {name!r}; {advice}")
    return name


SignalName = Annotated[
    str, AfterValidator(_known_signal), WithJsonSchema({"type": "string", "enum": list(Signals.model_fields)})
]

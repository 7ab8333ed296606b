"""The part of the config that says when each signal fires: the parameters of every rule, by the signal's name."""

from __future__ import annotations

import difflib
from typing import Annotated

from pydantic import AfterValidator, WithJsonSchema

from signals.product import Section
from signals.rules.activated import ActivatedParams
from signals.rules.activation_stalled import ActivationStalledParams
from signals.rules.cancelled import CancelledParams
from signals.rules.converted_to_paid import ConvertedToPaidParams
from signals.rules.enterprise_domain import EnterpriseDomainParams
from signals.rules.first_invite import FirstInviteParams
from signals.rules.gated_feature import GatedFeatureParams
from signals.rules.habit_formed import HabitFormedParams
from signals.rules.hand_raised import HandRaisedParams
from signals.rules.multi_user import MultiUserParams
from signals.rules.plan_downgraded import PlanDowngradedParams
from signals.rules.plan_upgraded import PlanUpgradedParams
from signals.rules.power_user import PowerUserParams
from signals.rules.procurement import ProcurementParams
from signals.rules.seat_limit import SeatLimitParams
from signals.rules.seats_added import SeatsAddedParams
from signals.rules.seats_removed import SeatsRemovedParams
from signals.rules.second_user import SecondUserParams
from signals.rules.signed_up import SignedUpParams
from signals.rules.usage_limit import UsageLimitParams


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
    enterprise_domain: EnterpriseDomainParams = EnterpriseDomainParams()
    procurement: ProcurementParams = ProcurementParams()
    usage_limit: UsageLimitParams = UsageLimitParams()
    seat_limit: SeatLimitParams = SeatLimitParams()
    converted_to_paid: ConvertedToPaidParams = ConvertedToPaidParams()
    plan_upgraded: PlanUpgradedParams = PlanUpgradedParams()
    plan_downgraded: PlanDowngradedParams = PlanDowngradedParams()
    seats_added: SeatsAddedParams = SeatsAddedParams()
    seats_removed: SeatsRemovedParams = SeatsRemovedParams()
    cancelled: CancelledParams = CancelledParams()


def _known_signal(name: str) -> str:
    if name not in Signals.model_fields:
        near = difflib.get_close_matches(name, Signals.model_fields, n=1)
        advice = f"did you mean {near[0]}?" if near else f"known are {', '.join(Signals.model_fields)}"
        raise ValueError(f"there is no signal {name!r}; {advice}")
    return name


SignalName = Annotated[
    str, AfterValidator(_known_signal), WithJsonSchema({"type": "string", "enum": list(Signals.model_fields)})
]

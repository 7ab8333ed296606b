"""Warnings: what can do nothing or surprises is named with its key, and what is fine is not."""

import pytest

from signals.config import Config
from signals.config_warnings import warnings
from signals.domains import Domains

# A config about which there is nothing to say.
FINE = {"events": {"activated": ["Report Shared"], "core": ["Report Viewed"]}, "plans": {"order": ["team", "business"]}}


def found(mapping: dict[str, dict[str, object]], **others: object) -> list[str]:
    """The warnings about a config that is fine but for these keys."""
    merged = {name: {**FINE.get(name, {}), **mapping.get(name, {})} for name in {*FINE, *mapping}}
    config = Config.model_validate({**merged, **others})
    return [str(warning) for warning in warnings(config, Domains(config.domains))]


def test_the_default_config_misses_what_only_the_product_knows() -> None:
    config = Config()

    assert [str(warning) for warning in warnings(config, Domains(config.domains))] == [
        (
            "events.activated: is empty: the signals activated and activation_stalled and the activation gate are off; "
            "name the event at which a user first gets value"
        ),
        (
            "events.core: is empty: power_user, usage_spike, usage_drop never fire;"
            " name the events of the features that make up the product"
        ),
        "plans.order: is empty: plan_upgraded and plan_downgraded never fire; name the paid plans from small to large",
    ]


def test_a_config_that_knows_them_is_fine() -> None:
    assert found({}) == []


@pytest.mark.parametrize(
    ("mapping", "expected"),
    [
        (
            {"events": {"procurement_requested": []}},
            "events.procurement_requested: is empty: the signal procurement never fires",
        ),
        ({"events": {"usage_reported": []}}, "events.usage_reported: is empty: the signal usage_limit never fires"),
        (
            {"events": {"activated": ["sign-up"]}},
            (
                "events.activated.0: 'sign-up' is also under signed_up: everybody would have activated at the moment "
                "of signing up"
            ),
        ),
        (
            {"events": {"member_removed": ["Left", "invite_accepted"]}},
            (
                "events.member_removed.1: 'invite_accepted' is also under member_joined: "
                "who joins would be removed at once"
            ),
        ),
        (
            {"events": {"trial_ended": ["Trial Started"]}},
            "events.trial_ended.0: 'Trial Started' is also under trial_started: a trial would end as it begins",
        ),
        (
            {"events": {"passive": ["Mail Sent", "plan changed"]}},
            "events.passive.1: 'plan changed' is no sign of life anyway, being under plan_changed",
        ),
        ({"identity": {"user_id": ["userId", "uid", "userId"]}}, "identity.user_id.2: 'userId' is there already"),
        (
            {"identity": {"message_id": ["messageId", "userId"]}},
            (
                "identity.message_id.1: 'userId' is also identity.user_id: events that share it count as one event "
                "sent again and again"
            ),
        ),
        (
            {"identity": {"anonymous_id": ["userId"]}},
            "identity.anonymous_id.0: 'userId' is read as identity.user_id before",
        ),
        ({"identity": {"user_id": []}}, "identity.user_id: is empty: nobody is ever known"),
        ({"identity": {"event_name": []}}, "identity.event_name: is empty: every track call becomes a dead letter"),
        ({"identity": {"email": []}}, "identity.email: is empty: the signal enterprise_domain never fires"),
        (
            {"plans": {"order": ["Free", "team", "business"]}},
            "plans.order.0: 'Free' is in plans.free: who is on it does not pay",
        ),
        (
            {"plans": {"order": ["team"]}},
            (
                "plans.order: names one paid plan: plan_upgraded and plan_downgraded never fire; name the paid plans "
                "from small to large"
            ),
        ),
        (
            {"internal": {"domains": ["oursaas.example", "gmail.com"]}},
            "internal.domains.1: anybody can have an address at gmail.com: all of them would be your own people",
        ),
        (
            {"internal": {"domains": ["co.uk"]}},
            "internal.domains.0: co.uk is no domain of one company: whoever is below it would be your own people",
        ),
        (
            {"domains": {"enterprise": ["fine.example", "eu.acme.com"]}},
            (
                "domains.enterprise.1: eu.acme.com never matches, "
                "addresses are compared by registrable domain; use acme.com"
            ),
        ),
        (
            {"domains": {"enterprise": ["gmail.com"]}},
            "domains.enterprise.0: gmail.com never matches, it is on the free_mail list, which wins",
        ),
        (
            {"domains": {"free_mail": ["co.uk"]}},
            "domains.free_mail.0: co.uk never matches, addresses are compared by registrable domain",
        ),
        (
            {"domains": {"competitors": ["app.rival.example"]}},
            (
                "domains.competitors.0: app.rival.example never matches, addresses are compared by registrable domain;"
                " use rival.example"
            ),
        ),
        (
            {"domains": {"competitors": ["gmail.com"]}},
            "domains.competitors.0: gmail.com never matches, anybody can have an address there",
        ),
        ({"alerts": {"max_age_of": {"second_user": "2h"}}}, "alerts.max_age_of.second_user: no route lists the signal"),
        (
            {"policy": {"quiet_hours": {"time_zone": "Europe/Berlin"}}},
            "policy.quiet_hours.time_zone: there is neither a night nor a day off that it could be for",
        ),
    ],
)
def test_what_can_do_nothing_or_surprises_is_named(mapping: dict[str, dict[str, object]], expected: str) -> None:
    assert found(mapping) == [expected]


@pytest.mark.parametrize(
    "mapping",
    [
        {
            "events": {"procurement_requested": []},
            "signals": {"procurement": {"enabled": False}},
            "routes": [{"signals": []}],
        },
        {"events": {"member_joined": ["Joined", "Signed Up"]}},
        {"events": {"passive": ["Mail Sent", "Report Shared"]}},
        {"identity": {"user_id": ["userId", "context.userId"], "message_id": [], "anonymous_id": []}},
        {"identity": {"email": []}, "signals": {"enterprise_domain": {"enabled": False}}, "routes": [{"signals": []}]},
        {"plans": {"free": ["trial"], "order": ["Free", "team"]}},
        {
            "plans": {"order": []},
            "signals": {"plan_upgraded": {"enabled": False}, "plan_downgraded": {"enabled": False}},
            "routes": [{"signals": ["multi_user"]}],
        },
        {"internal": {"domains": ["corp.oursaas.example"]}},
        {"domains": {"enterprise": ["acme.com"], "free_mail": ["mail.example"], "disposable": ["thrown.example"]}},
        {"policy": {"assume_activated_before": "2026-11-01"}},
    ],
)
def test_what_can_be_meant_is_not_warned_about(mapping: dict[str, dict[str, object]]) -> None:
    routes = {"routes": [{"priority": {}, **route} for route in mapping.pop("routes", [{}])]}

    assert found(mapping, **routes) == []


def test_without_an_activation_event_nothing_waits_for_one() -> None:
    text = found({"events": {"activated": []}, "policy": {"assume_activated_before": "2026-11-01"}})

    assert text[1:] == ["policy.assume_activated_before: nothing waits for activation while events.activated is empty"]


def test_a_route_names_what_is_switched_off_and_priorities_of_what_it_does_not_list() -> None:
    text = found(
        {"signals": {"multi_user": {"enabled": False}}},
        routes=[{"signals": ["procurement", "multi_user"], "priority": {"multi_user": "high", "second_user": "low"}}],
    )

    assert text == [
        "routes.0.signals.1: the signal multi_user is switched off",
        "routes.0.priority.second_user: second_user is not among the signals of the route sales-assist",
    ]


def test_signal_of_two_routes_goes_to_the_first_and_a_play_needs_its_signal() -> None:
    config = Config.model_validate(
        {
            "routes": [
                {"name": "a", "signals": ["procurement"], "priority": {}},
                {"name": "b", "signals": ["procurement"], "priority": {}, "play": {"cancelled": "Call."}},
            ]
        }
    )

    assert [str(warning) for warning in warnings(config, Domains(config.domains)) if warning.key[0] == "routes"] == [
        "routes.1.signals.0: procurement goes to the route a, which lists it first",
        "routes.1.play.cancelled: cancelled is not among the signals of the route b",
    ]


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ({"sinks": ["redis"]}, []),
        ({"sinks": ["redis", "slack"], "channel": "C0123456789"}, []),
        ({"sinks": []}, ["routes.0.sinks: is empty: its alerts go nowhere but to their topic"]),
        (
            {"sinks": ["slack"]},
            ["routes.0.sinks: slack is among the sinks, but there is no channel (only webhooks need none)"],
        ),
        ({"channel": "C0123456789"}, ["routes.0.channel: there is a channel, but slack is not among the sinks"]),
    ],
)
def test_a_route_whose_sinks_and_channel_do_not_fit_is_warned_about(
    route: dict[str, object], expected: list[str]
) -> None:
    config = Config.model_validate({"routes": [route]})

    found = warnings(config, Domains(config.domains))

    assert [str(warning) for warning in found if warning.key[0] == "routes"] == expected

"""The simulated SaaS: every role, every kind of customer, and labels that tell the truth about them."""

from __future__ import annotations

from datetime import datetime

import msgspec
import pytest

from simulator import Label, Scenario, truth
from simulator.company import Destiny
from simulator.naming import STAFF_DOMAIN, company_domain
from tests.simulator.reading import TWO_MONTHS, first_copies, tracks, two_months

# The default names of the roles (`events:` of the config) that the simulator speaks, and the demo's value moment.
NAMES_BY_ROLE = {
    "signed_up": {"Signed Up"},
    "activated": {"Report Shared"},
    "workspace_created": {"Workspace Created"},
    "invite_sent": {"Invite Sent"},
    "member_joined": {"Invite Accepted"},
    "member_removed": {"Account Removed User"},
    "trial_started": {"Trial Started"},
    "trial_ended": {"Trial Ended"},
    "plan_changed": {"Plan Changed", "Subscription Cancelled"},
    "usage_reported": {"Usage Reported"},
    "feature_gated": {"Feature Gated"},
    "procurement_requested": {"MSA Requested", "Security Review Requested", "Invoice Billing Requested"},
    "sales_contacted": {"Contact Sales Clicked"},
    "core": {"Project Created", "Data Imported"},
}


@pytest.mark.parametrize("role", NAMES_BY_ROLE)
def test_every_role_appears_in_two_months(role: str) -> None:
    seen = {message.event for message in two_months()}

    assert NAMES_BY_ROLE[role] <= seen


def test_every_type_of_call_appears_in_two_months() -> None:
    assert {message.type for message in two_months()} == {"track", "identify", "group", "page"}


def test_billing_back_end_speaks_of_workspaces_without_a_user() -> None:
    unnamed = [m for m in tracks("Plan Changed") if m.userId is None]

    assert unnamed
    assert all(m.context.groupId and m.anonymousId is None for m in unnamed)


def test_people_sign_up_with_their_address_and_mostly_without_a_workspace() -> None:
    sign_ups = tracks("Signed Up")

    assert all(m.properties["email"] == m.context.traits["email"] for m in sign_ups)
    assert 0.3 < sum(m.context.groupId is None for m in sign_ups) / len(sign_ups) < 0.9


def test_invites_are_accepted_with_and_without_the_name_of_the_member() -> None:
    named = {"member_id" in m.properties for m in tracks("Invite Accepted")}

    assert named == {True, False}


def test_some_users_have_two_workspaces_and_leave_open_which_one_an_event_is_about() -> None:
    workspaces: dict[str, set[str]] = {}
    for message in first_copies():
        if message.userId and message.context.groupId and not message.userId.startswith("u_staff"):
            workspaces.setdefault(message.userId, set()).add(message.context.groupId)
    torn = {user for user, ids in workspaces.items() if len(ids) == 2}

    assert torn
    assert any(m.userId in torn and m.context.groupId is None for m in tracks("Dashboard Viewed"))


def test_some_founders_work_before_they_have_a_workspace() -> None:
    created = {m.userId: m.timestamp for m in tracks("Workspace Created")}

    assert any(
        m.context.groupId is None and m.timestamp < created.get(m.userId, m.timestamp)
        for m in tracks("Dashboard Viewed")
    )


def test_mail_comes_from_companies_free_mail_enterprises_and_our_own_staff() -> None:
    emails = (str(m.traits["email"]) for m in first_copies() if m.type == "identify")
    domains = {email.split("@")[1] for email in emails}

    assert {STAFF_DOMAIN, "gmail.com", "walmart.com", company_domain(1)} <= domains


def test_company_domains_are_unique_and_reserved_for_examples() -> None:
    domains = [company_domain(index) for index in range(3_000)]

    assert len(set(domains)) == len(domains)
    assert all(domain.endswith(".example") for domain in domains)


def test_some_reports_of_usage_reach_their_limit() -> None:
    shares = [float(str(m.properties["used"])) / float(str(m.properties["limit"])) for m in tracks("Usage Reported")]

    assert max(shares) >= 1
    assert {m.properties["period"] for m in tracks("Usage Reported")} == {"month"}


def test_labels_tell_when_the_events_happened() -> None:
    labels = {label.founder: label for label in truth(TWO_MONTHS)}
    sign_ups = {m.userId: m.timestamp for m in tracks("Signed Up")}
    cancelled = {m.context.groupId: m.timestamp for m in tracks("Subscription Cancelled")}

    told = {f: datetime.fromisoformat(label.signed_up_at) for f, label in labels.items() if label.signed_up_at}
    # A late event may not have arrived by the end of the run.
    delivered = told.keys() & sign_ups.keys()
    assert len(delivered) > 0.9 * len(told)
    assert {f: told[f] for f in delivered} == {f: sign_ups[f] for f in delivered}
    ended = {x.workspace_id: datetime.fromisoformat(x.cancelled_at) for x in labels.values() if x.cancelled_at}
    assert cancelled.items() <= ended.items()
    assert cancelled


def test_stalled_companies_never_reach_the_value_moment() -> None:
    stalled = {label.workspace_id for label in truth(TWO_MONTHS) if label.destiny is Destiny.STALL} - {None}
    shared = {m.context.groupId for m in tracks("Report Shared") if not str(m.userId).startswith("u_staff")}

    assert stalled
    assert not stalled & shared


def test_every_destiny_occurs_and_customers_grow_pay_and_leave() -> None:
    labels = list(truth(Scenario(workspaces=150)))

    assert {label.destiny for label in labels} == set(Destiny)
    for moment in ("converted_at", "expanded_at", "cancelled_at", "procurement_at", "trial_at"):
        assert any(getattr(label, moment) for label in labels), moment


def test_large_workspaces_have_the_users_asked_for() -> None:
    labels = list(truth(Scenario(workspaces=30, large=3)))

    assert [label.large for label in labels] == [True] * 3 + [False] * 27
    assert all(label.users > 20 for label in labels[:3])
    # A guest from the neighbouring company may come on top of the 8.
    assert all(label.users <= 9 for label in labels[3:])


def test_labels_are_json_lines() -> None:
    label = next(truth(Scenario(workspaces=1)))

    assert msgspec.json.decode(msgspec.json.encode(label), type=Label) == label

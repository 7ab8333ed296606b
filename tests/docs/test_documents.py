"""The documents say what the code says: no dead link, and every public name is in the contract page."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from signals.contract import Alert, Signal
from signals.event import Reason
from signals.facts import Decision
from signals.thresholds import Signals
from streams.settings import Settings
from streams.topics import Topics

ROOT = Path(__file__).parents[2]
DOCUMENTS = sorted(path.relative_to(ROOT).as_posix() for path in [*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md")])
CONTRACT = (ROOT / "docs" / "contract.md").read_text(encoding="utf-8")
PUBLIC_NAMES = [
    *(f"`{spec.name}`" for spec in Topics("plg", 32).specs()),
    *(f"`{signal}`" for signal in Signals.model_fields),
    *(f"`{field}`" for model in (Signal, Alert) for field in model.model_fields),
    *(f"`{decision.value}`" for decision in Decision),
    *(f"`{reason.value}`" for reason in Reason),
    *(f"`PLG_{name.upper()}`" for name in Settings.model_fields),
]


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_lead_somewhere(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")

    links = [link.partition("#")[0] for link in re.findall(r"\]\(([^)]+)\)", text) if "://" not in link]

    assert [link for link in links if not ((ROOT / document).parent / link).exists()] == []


def headings(text: str) -> set[str]:
    """The anchors that a page has, as GitHub makes them of its headings."""
    plain = (re.sub(r"[^\w\- ]", "", heading.lower()) for heading in re.findall(r"^#+ (.+)$", text, re.MULTILINE))
    return {heading.strip().replace(" ", "-") for heading in plain}


@pytest.mark.parametrize("document", DOCUMENTS)
def test_links_into_a_page_lead_to_a_heading_of_it(document: str) -> None:
    text = (ROOT / document).read_text(encoding="utf-8")

    dead = []
    for link in re.findall(r"\]\(([^)]*#[^)]+)\)", text):
        page, _, anchor = link.partition("#")
        path = (ROOT / document).parent / page if page else ROOT / document
        if "://" not in link and path.suffix == ".md" and anchor not in headings(path.read_text(encoding="utf-8")):
            dead.append(link)
    assert dead == []


@pytest.mark.parametrize("name", sorted(set(PUBLIC_NAMES)))
def test_public_name_is_in_the_contract_page(name: str) -> None:
    assert name in CONTRACT

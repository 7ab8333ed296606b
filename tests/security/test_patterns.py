"""`source.pattern` holds up no worker, whatever stands in the config and whatever topics are called."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from signals.patterns import MAX_NAME_CHARS, checked_pattern
from signals.sources import SourceTopics
from streams.config_source import parse_config

# Names on which the matcher gives up as late as it can.
CRUEL = ["a" * (MAX_NAME_CHARS - 1) + "!", "ab" * 124 + "!", "a." * 124 + "!", "a" * MAX_NAME_CHARS]


@pytest.mark.parametrize(
    "pattern",
    [
        "(a+)+b",
        "(a|a)*b",
        "(a|ab)*c",
        "(a*)*b",
        "(a?a)*b",
        "(.*a){12}",
        "((a{1,50}){1,50}){1,50}b",
        "a?" * 8 + "a*b",
        "(a|aa)" * 10,
        "a?" * 40 + "a" * 40,
        ".*.*.*.*b",
        "(?:a+|b)*c",
        r"([a-z]+\.)*web",
        "(?x)(a+) +b",
        "(a+)(?#x)*b",
        "(?=(a+)+b)",
        "(a)?(?(1)(a+)+|b)c",
        r"(a+)\1*(a+)*b",
    ],
)
def test_a_pattern_that_could_take_for_ever_is_refused(pattern: str) -> None:
    with pytest.raises(ValueError, match="could take too long"):
        checked_pattern(pattern)


@pytest.mark.parametrize(
    "pattern",
    [
        r"^app\.events\..*",
        r"(prod|staging)\.events\.[a-z0-9_]+",
        r"events(-v\d+)?",
        r"[a-z.]*\.web",
        r"(?i)app_.*_events",
        r"(?!internal\.).*\.events",
        r".*\.events\.v\d{1,3}",
        r"team-(a|b|c)\.[^.]+\.raw",
        r"(eu|us)-\w{4}\.(web|app)\..+",
    ],
)
def test_what_people_write_is_taken(pattern: str) -> None:
    assert checked_pattern(pattern) == pattern


@pytest.mark.parametrize("pattern", ["(", "a{99999999999}", "(" * 500 + ")" * 500, "[z-a]", "a**"])
def test_what_does_not_compile_is_a_mistake_of_the_config_not_an_error_of_ours(pattern: str) -> None:
    with pytest.raises(ValidationError, match="must be a regular expression"):
        SourceTopics.model_validate({"pattern": pattern})


def test_it_is_refused_with_its_place_in_the_file() -> None:
    with pytest.raises(Exception, match=r"plg.yaml:2:3 source.pattern: could take too long to match"):
        parse_config("source:\n  pattern: (a+)+b\n", "plg.yaml")


PIECES = st.sampled_from(["a", "b", ".", "[ab]", r"\.", r"\w", "(a|b)", "(a+)", "(ab)", "(a?)", "(?:a*b)", "(?=a*)"])
QUANTIFIERS = st.sampled_from(["", "", "*", "+", "?", "{2,9}", "{3}", "*?", "+?"])
PATTERNS = st.lists(st.tuples(PIECES, QUANTIFIERS), max_size=12).map(lambda parts: "".join(map("".join, parts)))


# Time is what the test measures itself.
@settings(max_examples=30, deadline=None)
@given(PATTERNS)
def test_whatever_is_taken_matches_in_time(pattern: str) -> None:
    try:
        checked_pattern(pattern)
    except ValueError:
        return
    matches = re.compile(pattern).fullmatch

    started = time.process_time()
    for name in CRUEL:
        matches(name)

    assert time.process_time() - started < 4.0


@pytest.mark.parametrize("pattern", [".*.*.*b", ".*a.*a.*ab", "(?=.*.*.*b)a", "a?" * 7 + "a" * 200 + "b"])
def test_the_slowest_that_is_taken_is_quick(pattern: str) -> None:
    matches = re.compile(checked_pattern(pattern)).fullmatch

    started = time.process_time()
    for name in CRUEL:
        matches(name)

    # A tenth of it on an idle machine.
    assert time.process_time() - started < 4.0

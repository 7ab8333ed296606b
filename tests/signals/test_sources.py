"""The customer's topics: by list or by pattern, never our own, and from where the first start reads them."""

import pytest
from pydantic import ValidationError

from signals.config import Config
from signals.sources import SourceTopics, is_own, literal_beginning
from streams.topics import Topics


def source(mapping: dict[str, object], **others: object) -> SourceTopics:
    return Config.model_validate({"source": mapping, **others}).source


def problem(mapping: dict[str, object], **others: object) -> tuple[str, str]:
    """Where the one mistake of a config stands, and what it is."""
    with pytest.raises(ValidationError) as caught:
        source(mapping, **others)
    [error] = caught.value.errors()
    return ".".join(str(part) for part in error["loc"]), str(error["ctx"]["error"])


@pytest.mark.parametrize("word", ["latest", "earliest"])
def test_a_word_for_the_start_stays_and_is_no_time(word: str) -> None:
    found = source({"start": word})

    assert found.start == word
    assert found.starts_at is None


@pytest.mark.parametrize(
    ("written", "zone", "start"),
    [
        ("2026-11-01", "UTC", "2026-11-01T00:00:00.000Z"),
        ("2026-11-01", "Europe/Berlin", "2026-10-31T23:00:00.000Z"),
        ("2026-07-01 09:30", "Europe/Berlin", "2026-07-01T07:30:00.000Z"),
        ("2026-11-01T09:00:00+01:00", "America/New_York", "2026-11-01T08:00:00.000Z"),
        ("2026-11-01T08:00:00.5Z", "UTC", "2026-11-01T08:00:00.500Z"),
    ],
)
def test_a_time_to_start_at_is_in_the_zone_of_the_config_unless_it_has_its_own(
    written: str, zone: str, start: str
) -> None:
    assert source({"start": written}, time_zone=zone).start == start


def test_the_same_time_written_in_two_ways_is_one_config() -> None:
    first = Config.model_validate({"source": {"start": "2026-11-01"}})
    second = Config.model_validate({"source": {"start": "2026-11-01T01:00:00+01:00"}})

    assert first.hash == second.hash
    assert first.source.starts_at == second.source.starts_at == 1_793_491_200_000
    assert Config.model_validate(first.model_dump(mode="json")) == first


@pytest.mark.parametrize("written", ["now", "2026-13-01", "1999-12-31", 20261101, True, ["latest"], "2026"])
def test_what_is_no_time_to_start_at_is_refused(written: object) -> None:
    where, what = problem({"start": written})

    assert where == "source.start"
    assert what.startswith("must be latest, earliest or a time such as 2026-11-01")


def test_a_pattern_stands_in_for_the_list() -> None:
    found = source({"pattern": r"^app\.events\..*"})

    assert found.topics == ()
    assert found.among(["other", "app.events.web", "app.events.api", "my.app.events.x", "app.events"], "plg") == (
        "app.events.api",
        "app.events.web",
    )


def test_a_list_is_read_whatever_is_there() -> None:
    assert source({"topics": ["b", "a"]}).among(["a", "c"], "plg") == ("b", "a")


def test_a_pattern_never_matches_what_is_ours_or_kafkas() -> None:
    names = [*(spec.name for spec in Topics("plg", 1).specs()), "__consumer_offsets", "plg-events", "events"]

    assert source({"pattern": ".*"}).among(names, "plg") == ("events", "plg-events")


@pytest.mark.parametrize("prefix", ["plg", "a-b"])
def test_every_topic_of_ours_is_known_as_our_own(prefix: str) -> None:
    assert all(is_own(spec.name, prefix) for spec in Topics(prefix, 1).specs())


@pytest.mark.parametrize(
    ("mapping", "where", "what"),
    [
        ({"topics": []}, "source.topics", "must name at least one topic"),
        ({"topics": ["a", "plg.alerts"]}, "source.topics.1", "must not be one of our own, plg.*; got 'plg.alerts'"),
        (
            {"topics": ["plg-users-changelog"]},
            "source.topics.0",
            "must not be one of our own, plg.*; got 'plg-users-changelog'",
        ),
        ({"topics": ["a", "b", "a"]}, "source.topics.2", "'a' is there already"),
        ({"topics": ["a"], "pattern": "b.*"}, "source.pattern", "stands beside topics; keep one of the two"),
        (
            {"pattern": r"^plg\..*"},
            "source.pattern",
            r"matches only topics of our own or of Kafka's, which are never read; got '^plg\\..*'",
        ),
        (
            {"pattern": "__.*"},
            "source.pattern",
            "matches only topics of our own or of Kafka's, which are never read; got '__.*'",
        ),
        (
            {"pattern": "*"},
            "source.pattern",
            r"must be a regular expression such as ^app\.events\..*, got '*': nothing to repeat at position 0",
        ),
    ],
)
def test_what_cannot_be_read_is_refused_where_it_stands(mapping: dict[str, object], where: str, what: str) -> None:
    assert problem(mapping) == (where, what)


@pytest.mark.parametrize(
    ("pattern", "beginning"),
    [
        (r"^app\.events\..*", "app.events."),
        ("app.events", "app"),
        (r"plg\.?x", "plg"),
        (r"plg\.*", "plg"),
        (r"plg\.a|events", ""),
        (r"a(b)|c(d)", ""),
        (r"^app\.(web|api)", "app."),
        ("(?i)app", ""),
        (r"\d+", ""),
        ("events", "events"),
    ],
)
def test_the_beginning_of_every_match_is_seen_where_that_is_easy(pattern: str, beginning: str) -> None:
    assert literal_beginning(pattern) == beginning

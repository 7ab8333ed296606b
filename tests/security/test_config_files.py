"""A config file of any content is refused in one message, in bounded time, without showing what may be a secret."""

from __future__ import annotations

import time

import pytest

from signals.errors import ConfigError
from streams.config_source import parse_config
from streams.config_text import MAX_DEPTH, MAX_FILE_BYTES

# A thousand million items once its aliases are written out.
BILLION_LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]\n" for before, name in zip("abcdefgh", "bcdefghi", strict=True)
)
SECRETS = [
    "xoxb-1234-canary",
    "https://hooks.slack.com/services/T0/B0/canary",
    "redis://user:canary@redis:6379/0",
    "rediss://:canary@redis/0",
    f"redis://user:canary{'x' * 100}@redis/0",
]


# Where each of them is a mistake.
PLACES = [
    "routes: [{{channel: '{}'}}]",
    "prefix: '{} '",
    "'{}': 1",
    "slack: {{interval: '{}'}}",
    "slack: {{api_url: '{}'}}",
    "source: {{topics: ['{} ']}}",
    "source: {{pattern: '({}'}}",
    "slack: {{token: '{}'}}",
    "routes: [{{sinks: ['{}']}}]",
    "clock: '{}'",
    "time_zone: '{}'",
    "domains: {{competitors: ['{} x']}}",
    "limits: {{open_alerts: '{}'}}",
    "policy: {{quiet_hours: {{start: '{}'}}}}",
]


def refused(text: str) -> str:
    with pytest.raises(ConfigError) as raised:
        parse_config(text, "plg.yaml")
    return str(raised.value)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        (BILLION_LAUGHS, "an anchor (&) is not allowed here"),
        ("[" * MAX_FILE_BYTES, "is nested too deeply"),
        ("{a: " * 10_000, "is nested too deeply"),
        ("- " * (MAX_FILE_BYTES // 2), "is nested too deeply"),
        ("prefix: !!python/object/apply:os.system [id]\n", "a tag (!) is not allowed here"),
        ("prefix: !!binary aGk=\n", "a tag (!) is not allowed here"),
        ("%YAML 1.1\n---\nprefix: plg\n", "a directive (%) is not allowed here"),
        ("limits: {max_event_bytes: " + "9" * 10_000 + "}", "a number of thousands of digits"),
        ("limits: {max_event_bytes: 0x" + "f" * 10_000 + "}", "a number of thousands of digits"),
    ],
    ids=["laughs", "brackets", "braces", "dashes", "object", "binary", "directive", "digits", "hex digits"],
)
def test_a_bomb_is_refused_before_it_goes_off(text: str, says: str) -> None:
    started = time.process_time()

    assert says in refused(text)

    assert time.process_time() - started < 5


@pytest.mark.parametrize(("depth", "is_too_deep"), [(MAX_DEPTH - 2, False), (MAX_DEPTH, True)])
def test_depth_is_counted_to_the_level(depth: int, is_too_deep: bool) -> None:
    said = refused("prefix: " + "[" * depth + "]" * depth)

    assert ("nested too deeply" in said) is is_too_deep


@pytest.mark.parametrize("secret", SECRETS)
def test_a_secret_in_the_wrong_place_is_not_shown(secret: str) -> None:
    said = {place: refused(place.format(secret)) for place in PLACES}

    assert {place: text for place, text in said.items() if "canary" in text} == {}


def test_a_mistake_still_shows_what_is_no_secret() -> None:
    assert refused("routes: [{channel: '#sales'}]").endswith("got '#sales'")
    assert refused("prefix: 'https://example.com/a@b'").endswith("got 'https://example.com/a@b'")

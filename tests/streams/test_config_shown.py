"""A config as it is in force: it reads back as itself and marks what somebody has changed."""

from signals.config import Config
from streams.config_shown import shown
from streams.config_source import parse_config

CHANGED = r"""
time_zone: Europe/Berlin
source: {pattern: '^app\.events\..*', start: 2026-11-01}
events: {activated: [Report Shared], passive: ["no", "12:30", "a # b"]}
signals: {multi_user: {active_users: 4}, hand_raised: {cooldown: 1h}}
internal: {user_ids: [42]}
policy: {assume_activated_before: 2026-11-01}
routes: [{name: night, signals: [multi_user], priority: {multi_user: urgent}}]
"""


def test_what_is_shown_reads_back_as_the_same_config() -> None:
    config = parse_config(CHANGED, "plg.yaml")

    again = parse_config(shown(config), "shown.yaml")

    assert again == config
    assert again.hash == config.hash


def test_what_differs_from_the_default_has_the_default_beside_it() -> None:
    marked = [line.strip() for line in shown(parse_config(CHANGED, "plg.yaml")).splitlines() if "# default: " in line]

    assert 'time_zone: Europe/Berlin # default: "UTC"' in marked
    assert "active_users: 4 # default: 5" in marked
    assert 'cooldown: 1h # default: "1d"' in marked
    assert "user_ids: ['42'] # default: []" in marked
    assert '- name: night # default: "sales-assist"' in marked
    assert len(marked) == 13


def test_of_the_defaults_nothing_is_marked() -> None:
    text = shown(Config())

    assert text.startswith(f"# Config {Config().hash}.")
    assert "# default" not in text
    assert parse_config(text, "shown.yaml") == Config()

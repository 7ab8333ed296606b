"""The config file: what is shipped, and how its mistakes are named."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.config import Clock, Config, warnings
from signals.errors import ConfigError
from streams.config_source import MAX_FILE_BYTES, load_config, parse_config

SHIPPED = Path(__file__).parents[2] / "config"


def problems(text: str) -> list[str]:
    """The lines of the error that a config text raises."""
    with pytest.raises(ConfigError) as caught:
        parse_config(text, "plg.yaml")
    return str(caught.value).splitlines()


def keys(node: object, above: str = "") -> set[str]:
    """Every dotted key of a dumped config."""
    if isinstance(node, list):
        return set().union(*(keys(item, above) for item in node))
    if not isinstance(node, dict):
        return set()
    return set().union(*({f"{above}{key}"} | keys(value, f"{above}{key}.") for key, value in node.items()))


def test_the_shipped_file_holds_the_defaults() -> None:
    assert load_config(SHIPPED / "plg.yaml") == Config()


def test_the_shipped_file_shows_every_key_with_a_comment_above_it() -> None:
    lines = [line.strip() for line in (SHIPPED / "plg.yaml").read_text(encoding="utf-8").splitlines()]
    free_keys = {"enabled", "procurement", "enterprise_domain", "multi_user"}

    for key in keys(Config().model_dump(mode="json")):
        name = key.rpartition(".")[2]
        above = [lines[n - 1] for n, line in enumerate(lines) if line.startswith(f"{name}:")]
        assert above, key
        assert name in free_keys or all("#" in comment for comment in above), key


def test_the_demo_file_maps_the_simulated_product() -> None:
    config = load_config(SHIPPED / "demo.yaml")

    assert config.clock is Clock.EVENTS
    assert config.events.activated == ("Report Shared",)
    assert config.internal.domains == ("oursaas.example",)
    assert warnings(config) == []


def test_five_mistakes_give_five_lines_in_the_order_of_the_file() -> None:
    text = """\
prefx: plg
signals:
  multi_user:
    active_users: 0
    window: 10d
time_zone: Mars/Base
routes:
  - signals: [multi_user, procurment]
"""

    lines = problems(text)

    assert lines[0] == "plg.yaml:1:1 prefx: there is no such key; did you mean prefix?"
    assert lines[1] == "plg.yaml:4:5 signals.multi_user.active_users: must be at least 1, got 0"
    assert lines[2] == "plg.yaml:5:5 signals.multi_user.window: a window is one of 1d, 7d, 14d or 28d; got '10d'"
    assert lines[3] == "plg.yaml:6:1 time_zone: must be a time zone such as Europe/Berlin, got 'Mars/Base'"
    assert lines[4].startswith("plg.yaml:8:27 routes.0.signals.1: must be a signal (")
    assert len(lines) == 5


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("alerts:\n  coldown: 1d", "plg.yaml:2:3 alerts.coldown: there is no such key; did you mean cooldown?"),
        ("routes:\n - sinkz: []", "plg.yaml:2:4 routes.0.sinkz: there is no such key; did you mean sinks?"),
        (
            "policy:\n  xyzzy: 1",
            (
                "plg.yaml:2:3 policy.xyzzy: there is no such key; "
                "known are assume_activated_before, free_to_paid, quiet_hours"
            ),
        ),
        ("a: 1\na: 2", 'plg.yaml:2:1: found duplicate key "a" with value "2" (original value: "1")'),
        ("prefix: &p plg", "plg.yaml:1:9: an anchor (&) is not allowed here; write the value out"),
        ("prefix: !!str plg", "plg.yaml:1:9: a tag (!) is not allowed here; write the value out"),
        ("prefix: [plg", "plg.yaml:1:13: expected ',' or ']', but got '<stream end>'"),
        ("prefix: plg\n---\nprefix: x", "plg.yaml:2:1: but found another document"),
        ("- prefix", "plg.yaml:1:1: must be keys with values, such as prefix: plg"),
        ("events:\n  core: Export", "plg.yaml:2:3 events.core: must be a list, such as [first, second], got 'Export'"),
        ("limits: [1]", "plg.yaml:1:1 limits: must be keys with values below it, got 1 entry"),
        ("topics: {partitions: 1.5}", "plg.yaml:1:10 topics.partitions: must be a whole number, got 1.5"),
        ("clock: sun", "plg.yaml:1:1 clock: must be 'wall' or 'events', got 'sun'"),
        (
            "policy: {assume_activated_before: 2026-13-40}",
            "plg.yaml:1:10 policy.assume_activated_before: must be a date such as 2026-11-01, got '2026-13-40'",
        ),
        (
            "routes: [{priority: {procurement: now}}]",
            "plg.yaml:1:22 routes.0.priority.procurement: must be 'urgent', 'high', 'normal' or 'low', got 'now'",
        ),
        ("[" * 5_000, "plg.yaml: is nested too deeply; that is no config"),
    ],
)
def test_a_mistake_says_where_and_what_to_do(text: str, line: str) -> None:
    assert problems(text) == [line]


def test_an_alias_is_refused_with_its_anchor() -> None:
    assert [line.split(" ", 2)[:2] for line in problems("a: &x 1\nb: *x")] == [
        ["plg.yaml:1:4:", "an"],
        ["plg.yaml:2:4:", "an"],
    ]


@pytest.mark.parametrize(
    "text", ["", "# nothing\n", "events:\n", "events:\n  core:\nalerts: {}\n", "\ufeffprefix: plg\n"]
)
def test_what_has_no_value_keeps_its_default(text: str, tmp_path: Path) -> None:
    file = tmp_path / "plg.yaml"
    file.write_text(text, encoding="utf-8")

    assert load_config(file) == Config()


def test_yaml_1_2_takes_no_and_a_time_of_day_for_text() -> None:
    config = parse_config("events: {core: [no, 12:30:00]}", "plg.yaml")

    assert config.events.core == ("no", "12:30:00")


@pytest.mark.parametrize("name", ["missing.yaml", "folder", "binary.yaml", "large.yaml"])
def test_a_file_that_cannot_be_one_is_named_in_one_line(name: str, tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    (tmp_path / "binary.yaml").write_bytes(b"\x80\x00\xff")
    (tmp_path / "large.yaml").write_bytes(b"#" * (MAX_FILE_BYTES + 1))

    with pytest.raises(ConfigError) as caught:
        load_config(tmp_path / name)

    assert str(tmp_path / name) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_file_of_exactly_the_largest_size_is_read(tmp_path: Path) -> None:
    file = tmp_path / "plg.yaml"
    file.write_bytes(b"#" * MAX_FILE_BYTES)

    assert load_config(file) == Config()


@given(st.text(alphabet="ab:-[]{}#&*!?|>'\"%@` \n\t,.0", max_size=60))
def test_no_text_raises_anything_but_a_config_error(text: str) -> None:
    try:
        parse_config(text, "plg.yaml")
    except ConfigError as error:
        assert str(error).startswith("plg.yaml")  # noqa: PT017  # both outcomes are fine

"""The config file: what is shipped, and how its mistakes are named."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from signals.config import Clock, Config
from signals.errors import ConfigError
from streams.config_source import check_text, load_config, parse_config, read_config
from streams.config_text import MAX_FILE_BYTES

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
    file = read_config(SHIPPED / "demo.yaml")
    config = file.config

    assert config.clock is Clock.EVENTS
    assert config.events.activated == ("Report Shared",)
    assert "Report Shared" in config.events.core
    assert config.internal.domains == ("oursaas.example",)
    assert config.plans.order == ("team", "business")
    assert file.warnings() == []


def test_one_report_has_the_mistakes_of_every_kind() -> None:
    text = """\
prefx: plg
clock: 7
clock: wall
source: {start: tomorrow}
events:
  signed_up: [Sign Up, sign_up]
signals:
  multi_user:
    rearm_at: 9
    cooldown: 30
  seat_limit: {ratio: 0}
routes:
  - signals: [procurment]
limits:
  fired_keys: many
"""

    assert [line.split(" ")[:2] for line in problems(text)] == [
        ["plg.yaml:1:1", "prefx:"],
        ["plg.yaml:2:1", "clock:"],
        ["plg.yaml:3:1", "clock:"],
        ["plg.yaml:4:10", "source.start:"],
        ["plg.yaml:6:3", "events.signed_up:"],
        ["plg.yaml:10:5", "signals.multi_user.cooldown:"],
        ["plg.yaml:11:16", "signals.seat_limit.ratio:"],
        ["plg.yaml:13:15", "routes.0.signals.0:"],
        ["plg.yaml:15:3", "limits.fired_keys:"],
    ]


def test_a_warning_says_where_its_key_stands_or_would_stand() -> None:
    text = """\
events:
  activated: []
  passive:
    - Mail Sent
    - Trial Ended
alerts: {show_email: true}
plans:
  free: [free]
"""

    lines = check_text(text, "plg.yaml").warnings()

    assert [line.split(" ")[:2] for line in lines] == [
        ["plg.yaml:1:1", "events.core:"],
        ["plg.yaml:2:3", "events.activated:"],
        ["plg.yaml:5:7", "events.passive.1:"],
        ["plg.yaml:7:1", "plans.order:"],
    ]


def test_a_warning_about_what_is_not_in_the_file_names_the_file() -> None:
    lines = check_text("events: {activated: [Report Shared], core: [Export]}", "plg.yaml").warnings()

    assert [line.split(" ")[:2] for line in lines] == [["plg.yaml", "plans.order:"]]


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

    assert problems(text) == [
        "plg.yaml:1:1 prefx: there is no such key; did you mean prefix?",
        "plg.yaml:4:5 signals.multi_user.active_users: must be at least 1, got 0",
        "plg.yaml:5:5 signals.multi_user.window: a window is one of 1d, 7d, 14d or 28d; got '10d'",
        "plg.yaml:6:1 time_zone: must be a time zone such as Europe/Berlin, got 'Mars/Base'",
        "plg.yaml:8:27 routes.0.signals.1: there is no signal 'procurment'; did you mean procurement?",
    ]


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
        (
            "custom:\n  exports: {rule: count, events: [Exported], treshold: 5, threshold: 5}",
            "plg.yaml:2:46 custom.exports.treshold: there is no such key; did you mean threshold?",
        ),
        (
            "custom:\n  exports:\n    rule: absence\n    after: [Exported]\n    without: [Shared]",
            "plg.yaml:2:3 custom.exports.for: is missing",
        ),
        (
            "custom:\n  exports: {rule: sum}",
            "plg.yaml:2:13 custom.exports.rule: must be count, distinct_users or absence, got 'sum'",
        ),
        (
            "custom:\n  multi_user: {rule: count, events: [Exported], threshold: 5}",
            "plg.yaml:2:3 custom.multi_user: multi_user is a signal of ours; give yours another name",
        ),
        (
            "custom:\n  exports: {rule: count, events: [A], threshold: 5}\nroutes:\n  - signals: [export]",
            "plg.yaml:4:15 routes.0.signals.0: there is no signal 'export'; did you mean exports?",
        ),
        ("clock: wall\nclock: wall", "plg.yaml:2:1 clock: is in line 1 already; keep one of the two"),
        (
            "routes:\n - name: a\n   name: b",
            "plg.yaml:3:4 routes.0.name: is in line 2 already; keep one of the two",
        ),
        ("<<: {prefix: x}", "plg.yaml:1:1 <<: a merge is not allowed here; write the keys out"),
        (
            "signals:\n  multi_user:\n    rearm_at: 5",
            (
                "plg.yaml:3:5 signals.multi_user.rearm_at: must be less than active_users (5), or the signal "
                "could repeat at every event; got 5"
            ),
        ),
        (
            "signals:\n  multi_user:\n    active_users: 3",
            (
                "plg.yaml:2:3 signals.multi_user.rearm_at: must be less than active_users (3), or the signal "
                "could repeat at every event; got 3"
            ),
        ),
        (
            "signals: {activated: {target_mid: 0m}}",
            "plg.yaml:1:23 signals.activated.target_mid: must be longer than 0s, got 0s",
        ),
        (
            "source:\n  topics:\n    - app\n    - plg.alerts",
            "plg.yaml:4:7 source.topics.1: must not be one of our own, plg.*; got 'plg.alerts'",
        ),
        ("1: x", "plg.yaml:1:1 1: there is no such key; known are " + ", ".join(Config.model_fields)),
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

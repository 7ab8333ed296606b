"""What `--sweep` says becomes configs, each checked as a file is."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from signals.errors import ConfigError
from streams.backtest_variants import MAX_RUNS, SweepRefused, Variant, read_sweep, variants
from streams.config_source import check_text

FILE = "events: {activated: [Report Shared]}\nsignals:\n  multi_user: {active_users: 5}\nroutes:\n  - name: one\n"
KEY = "signals.multi_user.active_users"


def tried(*sweeps: str, text: str = FILE) -> tuple[list[Variant], list[str]]:
    return variants(check_text(text, "plg.yaml"), [read_sweep(sweep) for sweep in sweeps])


def values(found: Sequence[Variant]) -> list[tuple[str, ...]]:
    return [variant.values for variant in found]


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("k=3..6", ("3", "4", "5", "6")),
        ("k=3,5,8", ("3", "5", "8")),
        ("k=0.5..1..0.25", ("0.5", "0.75", "1")),
        ("k=2..9..3", ("2", "5", "8")),
        ("k=1h, 2h", ("1h", "2h")),
        ("k=1..2,7,7", ("1", "2", "7")),
        ("k=true", ("true",)),
    ],
)
def test_values_are_ranges_and_lists(text: str, read: tuple[str, ...]) -> None:
    assert read_sweep(text).values == read


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("k", "write a key and its values"),
        ("=3", "write a key and its values"),
        ("k=", "write a key and its values"),
        ("k=3,,4", "write a key and its values"),
        ("k=9..3", "goes up"),
        ("k=1..5..0", "goes up"),
        ("k=1h..5h", "a range is FROM..TO"),
        ("k=1..1000", f"{MAX_RUNS} are the most"),
    ],
)
def test_what_is_no_sweep_is_refused_with_what_to_write(text: str, says: str) -> None:
    with pytest.raises(SweepRefused, match=says):
        read_sweep(text)


def test_the_own_value_is_marked_among_the_others() -> None:
    found, left_out = tried(f"{KEY}=4..7")

    assert [(variant.values, variant.is_own) for variant in found] == [
        (("4",), False),
        (("5",), True),
        (("6",), False),
        (("7",), False),
    ]
    assert [variant.config.signals.multi_user.active_users for variant in found] == [4, 5, 6, 7]
    assert left_out == []


def test_the_own_value_is_added_in_its_place_where_the_sweep_leaves_it_out() -> None:
    found, _ = tried(f"{KEY}=4,8")

    assert [(variant.values, variant.is_own) for variant in found] == [(("4",), False), (("5",), True), (("8",), False)]


def test_two_values_that_mean_the_same_are_one_config() -> None:
    found, _ = tried("alerts.cooldown=7d,168h,1d")

    assert [(variant.values, variant.is_own) for variant in found] == [(("7d",), True), (("1d",), False)]


def test_several_sweeps_make_a_grid() -> None:
    found, _ = tried(f"{KEY}=5,6", "alerts.cooldown=1d,7d")

    assert values(found) == [("5", "1d"), ("5", "7d"), ("6", "1d"), ("6", "7d")]
    assert [variant.values for variant in found if variant.is_own] == [("5", "7d")]


def test_a_key_that_the_file_does_not_have_is_put_there() -> None:
    found, _ = tried("score.cap=20", text="")

    assert found[0].config.score.cap == 20
    assert [variant.is_own for variant in found] == [False, True]


def test_a_value_that_the_config_refuses_is_not_tried_and_says_why() -> None:
    found, left_out = tried(f"{KEY}=3..5")

    # 3 is not above rearm_at.
    assert values(found) == [("4",), ("5",)]
    [why] = left_out
    assert why.startswith(f"plg.yaml with {KEY}=3: signals.multi_user.rearm_at: must be less than active_users (3)")


@pytest.mark.parametrize(
    ("sweep", "says"),
    [
        (f"{KEY}=0", f"plg.yaml with {KEY}=0: {KEY}: must be at least 1, got 0"),
        ("signals.multi_usr.active_users=4", "did you mean multi_user"),
        ("alerts.max_age=5", "a duration is a number and a unit"),
        ("prefix=My Own", "prefix"),
    ],
)
def test_where_no_value_is_allowed_the_error_is_the_config_s_own(sweep: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says.replace("(", r"\(")):
        tried(sweep)


@pytest.mark.parametrize(
    ("sweeps", "says"),
    [
        ([f"{KEY}=4..20", "score.cap=1..10"], "170 configs"),
        ([f"{KEY}=4", f"{KEY}=5"], "is there twice"),
        (["routes.3.name=other"], "the file has nothing at routes"),
    ],
)
def test_a_grid_that_cannot_be_is_refused(sweeps: list[str], says: str) -> None:
    with pytest.raises(SweepRefused, match=says):
        tried(*sweeps)


def test_a_list_has_numbers_for_keys() -> None:
    found, _ = tried("routes.0.name=one,two")

    assert [variant.config.routes[0].name for variant in found] == ["one", "two"]


def test_a_sweep_knows_its_signal() -> None:
    assert [read_sweep(f"{key}=1").signal for key in (KEY, "custom.ours.threshold", "alerts.cooldown")] == [
        "multi_user",
        "ours",
        None,
    ]

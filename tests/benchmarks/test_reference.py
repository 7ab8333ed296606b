"""The reference job itself: its answer by brute force, and that its steps come to it however partitions interleave."""

from __future__ import annotations

from random import Random

from hypothesis import given
from hypothesis import strategies as st

from benchmarks.events import DAYS, EVENT_BYTES, MAX_TEAM, events, expected
from benchmarks.reference import Answer, Team, UserCount, answer_of, answer_to, day_of

History = list[tuple[str, str, int]]
_PEOPLE = [(f"u{number}", f"w{number % 2}") for number in range(12)]


@st.composite
def _histories(draw: st.DrawFn) -> History:
    """What people do on 20 days, in the order of time; each of them belongs to one workspace."""
    uses = draw(st.lists(st.tuples(st.integers(100, 120), st.sampled_from(_PEOPLE)), min_size=1, max_size=80))
    return [(user, workspace, day) for day, (user, workspace) in sorted(uses)]


def test_an_event_has_the_size_that_the_numbers_are_given_for() -> None:
    assert {len(event) for _user, _workspace, _day, event in events(100)} == {EVENT_BYTES}


def test_the_same_count_gives_the_same_events() -> None:
    assert list(events(300)) == list(events(300))


def test_events_span_their_days_in_order() -> None:
    days = [day for _user, _workspace, day, _event in events(2_000)]

    assert days == sorted(days)
    assert days[-1] - days[0] == DAYS - 1


def test_workspaces_differ_so_that_some_become_teams_and_some_do_not() -> None:
    answer = expected(10_000)
    users_of: dict[str, set[str]] = {}
    for user, workspace, _day, _event in events(10_000):
        users_of.setdefault(workspace, set()).add(user)

    sizes = [len(users) for users in users_of.values()]
    assert min(sizes) == 1
    assert MAX_TEAM // 2 < max(sizes) <= MAX_TEAM
    assert 0 < len(answer.teams) < len(answer.active)


def test_a_day_is_numbered_as_in_the_product() -> None:
    assert day_of("1970-01-02T23:59:59.000Z") == 1


@given(_histories())
def test_the_answer_is_what_the_definitions_say(history: History) -> None:
    answer = answer_to(history)

    for user in {user for user, _workspace, _day in history}:
        days = [day for other, _workspace, day in history if other == user]
        assert answer.users[user] == (len(days), max(days))
    for workspace in {workspace for _user, workspace, _day in history}:
        own = {(user, day) for user, other, day in history if other == workspace}
        newest = max(day for _user, day in own)
        assert answer.active[workspace] == len({user for user, day in own if newest - 6 <= day <= newest})
        weeks = [{user for user, day in own if start <= day < start + 7} for start in range(90, 121)]
        assert (workspace in answer.teams) == any(len(users) >= 5 for users in weeks)


@given(_histories(), st.randoms(use_true_random=False))
def test_the_steps_come_to_the_answer_however_partitions_interleave(history: History, chance: Random) -> None:
    users: dict[str, UserCount] = {}
    teams: dict[str, Team] = {}
    said = []

    for user, workspace, day in _interleaved(history, chance):
        before = users.setdefault(user, UserCount()).add(day)
        if teams.setdefault(workspace, Team()).add(day, before):
            said.append(workspace)

    assert answer_of(users, teams).difference(answer_to(history)) is None
    assert sorted(said) == sorted(answer_to(history).teams)


def _interleaved(history: History, chance: Random) -> History:
    """Another order in which each user's own events stay in theirs, as partitions keyed by user allow."""
    partitions = [[use for use in history if int(use[0][1:]) % 4 == number] for number in range(4)]
    merged: History = []
    while any(partitions):
        filled = [partition for partition in partitions if partition]
        merged.append(chance.choice(filled).pop(0))
    return merged


def test_an_answer_names_what_is_wrong_with_it() -> None:
    right = Answer({"u1": (2, 100)}, {"w1": 1}, set())

    assert right.difference(right) is None
    assert Answer({"u1": (1, 100)}, {"w1": 1}).difference(right) == (
        "1 of 1 users are wrong, such as u1: (1, 100) instead of (2, 100)"
    )
    assert Answer(right.users, right.active, {"w1"}).difference(right) == (
        "1 of 0 teams are wrong, such as w1: True instead of None"
    )

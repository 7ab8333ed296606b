"""What two prefixes have made of the same events: the same, moved, only here, only there."""

from __future__ import annotations

import json
from typing import Any

from signals.event import Source
from streams.commands.diff import _text
from streams.prefix_diff import Moment, Reach, Sent, compare, sent_of

EVERYTHING = Reach({("events", 0): (0, 1_000)})


def sent(signal: str, subject: str, offset: int, at: str = "2026-03-02T09:00:00.000Z") -> Sent:
    return Moment(signal, subject, f"e{offset}", at), Source("events", 0, offset)


def test_same_event_with_the_same_signal_for_the_same_subject_is_the_same() -> None:
    one = sent("multi_user", "acme", 5)

    diff = compare([one, one], [one], [EVERYTHING, EVERYTHING])

    assert diff.is_empty
    assert diff.counts() == {"multi_user": (1, 0, 0, 0)}


def test_what_only_one_has_is_listed_and_what_another_event_raised_has_moved() -> None:
    left = [sent("multi_user", "acme", 9, "2026-03-05T09:00:00.000Z"), sent("seat_limit", "acme", 3)]
    right = [sent("multi_user", "acme", 5), sent("multi_user", "zeta", 6)]

    diff = compare(left, right, [EVERYTHING, EVERYTHING])

    assert diff.counts() == {"multi_user": (0, 1, 0, 1), "seat_limit": (0, 0, 1, 0)}
    assert [(a.event_id, b.event_id) for a, b in diff.moved] == [("e9", "e5")]
    assert [one.subject for one in diff.only_right] == ["zeta"]
    assert not diff.is_empty


def test_what_the_other_one_has_not_read_is_left_out() -> None:
    shadow = Reach({("events", 0): (100, 200)})

    diff = compare([sent("seat_limit", "acme", n) for n in (99, 100, 199, 200)], [], [EVERYTHING, shadow])

    assert [one.event_id for one in diff.only_left] == ["e100", "e199"]
    assert diff.unseen == 2


def record(**fields: Any) -> bytes:
    at = "2026-03-02T09:00:00.000Z"
    return json.dumps({"id": "s1", "signal": "seat_limit", "workspace_id": "acme", "occurred_at": at} | fields).encode()


def test_alert_is_left_out_where_the_event_of_its_signal_is() -> None:
    causes: dict[str, Source] = {}
    cause = {"topic": "events", "partition": 0, "offset": 99, "event_id": "e99"}
    sent_of(record(kind="expansion", cause=cause), causes)
    alert = sent_of(record(id="a1", status="open", signal_ids=["s1", "s0"]), causes)
    assert alert is not None

    diff = compare([alert], [], [EVERYTHING, Reach({("events", 0): (100, 200)})])

    assert diff.is_empty
    assert diff.unseen == 1


def test_what_is_no_new_signal_or_alert_or_not_ours_is_passed_over() -> None:
    others = [None, b"", b"no json", b"[]", b'{"signal": 1}', record(kind="measure"), record(status="closed")]

    assert [sent_of(value, {}) for value in others] == [None] * len(others)


def test_ids_do_not_write_to_the_terminal() -> None:
    assert "\x1b" not in _text(Moment("seat_limit", "ac\x1b[2Jme", "e1", "2026-03-02T09:00:00.000Z"))

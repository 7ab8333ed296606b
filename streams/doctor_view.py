"""A diagnosis as people read it: what to do first, then what it rests on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from signals.diagnosis import Capability, Diagnosis
from signals.doctor_findings import ADVICE, percent, percent_of

_SHOWN_NAMES = 20
_HEAD, _PLAIN, _BAD, _GOOD, _DIM = "bold", "", "yellow", "green", "dim"
Line = tuple[str, str]


def lines_of(made: Diagnosis) -> Iterator[Line]:
    """Lines with the style of each."""
    yield from _overview(made)
    yield from _to_do(made)
    yield from _names(made)
    yield from _to_paste(made)
    yield from _whom(made)
    yield from _time(made)
    if made.events:
        yield from _can("Signals", made.signals)
        yield from _can("Numbers of the funnel", made.funnel)


def _overview(made: Diagnosis) -> Iterator[Line]:
    span = f", {made.first_at} to {made.last_at}" if made.first_at is not None else ""
    yield _HEAD, f"{made.records:,} records, {made.events:,} of them events{span}"
    if made.bad:
        listed = ", ".join(f"{reason} {count:,}" for reason, count in made.bad.items())
        yield _BAD, f"  cannot be events: {listed}"
    if made.formats:
        yield _PLAIN, f"  format: {_shares(made.formats)}"
    if made.calls:
        yield _PLAIN, f"  calls: {_shares(made.calls)}"


def _to_do(made: Diagnosis) -> Iterator[Line]:
    yield _PLAIN, ""
    if not made.findings:
        yield _GOOD, "Nothing to do"
        return
    yield _HEAD, "What to do"
    for finding in made.findings:
        is_advice = finding.severity == ADVICE
        yield _PLAIN if is_advice else _BAD, f"  {'-' if is_advice else '!'} {finding.what}: {finding.then}"


def _names(made: Diagnosis) -> Iterator[Line]:
    if not made.names:
        return
    yield _PLAIN, ""
    yield _HEAD, f"Names: {percent_of(made.mapped)} of {made.tracks:,} track events have a role"
    likes = {one.name: f"reads like {one.role} ({one.like})" for one in made.suggestions}
    width = max(len(_cut(one.name)) for one in made.names[:_SHOWN_NAMES])
    for one in made.names[:_SHOWN_NAMES]:
        meaning = ", ".join(one.roles) or likes.get(one.name) or "no role"
        style = _PLAIN if one.roles else _BAD if one.name in likes else _DIM
        yield style, f"  {_cut(one.name):<{width}}  {one.count:>9,}  {meaning}"
    left = len(made.names) - _SHOWN_NAMES
    if left > 0 or made.names_left_out:
        more = f"{max(left, 0)} more names" + (", and more than are kept apart" if made.names_left_out else "")
        yield _DIM, f"  {more}; --json has the first {len(made.names)}"
    shown = {one.name for one in made.names[:_SHOWN_NAMES]}
    for near in made.suggestions:
        if near.name not in shown:
            yield _BAD, f"  {_cut(near.name):<{width}}  {near.count:>9,}  {likes[near.name]}"


def _to_paste(made: Diagnosis) -> Iterator[Line]:
    if made.paths:
        yield _PLAIN, ""
        yield _HEAD, "Found elsewhere than the config looks"
        for path in made.paths:
            yield _PLAIN, f"  {path.field}: {path.path} ({percent_of(path.share)} of the records)"
    if made.yaml:
        yield _PLAIN, ""
        yield _HEAD, "To paste into the config, after a look at each line"
        yield from ((_GOOD, f"  {line}") for line in made.yaml)
    if made.candidates:
        listed = ", ".join(f"{_cut(one.name)} ({one.count:,})" for one in made.candidates)
        yield (
            _PLAIN,
            f"  no list can know your value moment (activated) and core features (core); most used are {listed}",
        )


def _whom(made: Diagnosis) -> Iterator[Line]:
    if not made.events:
        return
    yield _PLAIN, ""
    yield _HEAD, "Who and where"
    yield _PLAIN, f"  a user: {percent_of(made.with_user)}; only a visitor: {percent_of(made.anonymous_only)}"
    by_user = f"and {percent_of(made.placed_by_user)} by the only one of their user"
    yield _PLAIN, f"  a workspace: {percent_of(made.with_workspace)}, {by_user}"
    yield _PLAIN, f"  an e-mail address: {percent_of(made.with_email)}"
    for role, properties in made.properties.items():
        listed = ", ".join(f"{name} {percent_of(share)}" for name, share in properties.items())
        count = next(iter(properties.values())).of if properties else 0
        yield _PLAIN, f"  {role} ({count:,}): {listed}"


def _time(made: Diagnosis) -> Iterator[Line]:
    if not made.events:
        return
    yield _PLAIN, ""
    yield _HEAD, "Time, order, copies"
    delay = made.delay
    if delay.compared:
        ahead, hour, day = (percent(n, delay.compared) for n in (delay.ahead, delay.over_hour, delay.over_day))
        most = f"half within {_seconds(delay.median_s)}, 99 % within {_seconds(delay.p99_s)}"
        yield (
            _PLAIN,
            f"  on the bus {most} of the event; over an hour late {hour}, over a day {day}, ahead of it {ahead}",
        )
    yield _PLAIN, f"  more than an hour behind an earlier event of the partition: {percent_of(made.disordered)}"
    yield (
        _PLAIN,
        f"  came twice: {percent_of(made.duplicates)}; without an id of their own: {percent_of(made.without_id)}",
    )
    if made.keyed.of:
        split = f"users in several partitions: {percent_of(made.split_users)} of {made.split_users.of:,}"
        by_user = f"of these by their user {percent_of(made.keyed_by_user)}"
        yield _PLAIN, f"  with a key: {percent_of(made.keyed)}, {by_user}; {split}"


def _can(what: str, found: tuple[Capability, ...]) -> Iterator[Line]:
    able = [one.name for one in found if one.can]
    yield _PLAIN, ""
    yield _HEAD, f"{what}: {len(able)} of {len(found)} can come from these events"
    if able:
        yield _GOOD, f"  {', '.join(able)}"
    by_need: dict[tuple[str, ...], list[str]] = {}
    for one in found:
        if not one.can:
            by_need.setdefault(one.missing, []).append(one.name)
    for missing, names in by_need.items():
        yield _PLAIN, f"  {', '.join(names)}: needs {'; '.join(missing)}"


def _shares(counts: Mapping[str, int]) -> str:
    total = sum(counts.values())
    return ", ".join(f"{name} {percent(count, total)}" for name, count in counts.items())


def _seconds(value: int | None) -> str:
    if value is None or value < 120:  # noqa: PLR2004  # two minutes
        return f"{value or 1} s"
    if value < 7_200:  # noqa: PLR2004  # two hours
        return f"{value // 60} min"
    return f"{value // 3_600} h" if value < 4 * 86_400 else f"{value // 86_400:,} d"


def _cut(name: str) -> str:
    clean = "".join(letter if letter.isprintable() else "?" for letter in name)
    return clean if len(clean) <= 40 else f"{clean[:39]}…"  # noqa: PLR2004  # a column
